"""Pages of studies, opened in a browser as their readers do."""

import csv
import io
import json
import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from summands.report.labels import distinct
from summands.report.page import HERE

from .conftest import ready
from .studies import LABELS, LEVEL, MADE, TABLE, VALUE

WIDE, NARROW = (1280, 900), (360, 740)

of_each = pytest.mark.parametrize("kind", MADE)

# What a chart shows: its marks, as paths, lines and texts.
DRAWN = """id => [...document.querySelectorAll(`[id="${id}-chart"] .plot svg *`)]
    .map(mark => `${mark.getAttribute("d")} ${mark.getAttribute("transform")}
        ${mark.getAttribute("x2")} ${mark.getAttribute("y2")} ${mark.textContent}`)
    .join("\\n")"""


# Drawings that are still there later have not been drawn again.
MARK_DRAWINGS = """() => document.querySelectorAll(".plot svg").forEach(
    drawing => { drawing.dataset.old = "yes"; })"""


# How far what a chart draws stands out of its frame, to the right and below.
BEYOND = """() => Object.fromEntries(
    [...document.querySelectorAll(".plot svg")].map(svg => {
        const [drawn, frame] = [svg.querySelector("g"), svg].map(
            it => it.getBoundingClientRect());
        const beyond = [drawn.right - frame.right, drawn.bottom - frame.bottom];
        return [svg.closest("[id$=-chart]").id, Math.max(...beyond)];
    }))"""


def charts(page: Page) -> dict[str, dict]:
    """What the page knows of its charts."""
    found: dict[str, dict] = json.loads(page.inner_text("#page-data"))["charts"]
    return found


def drawn(page: Page) -> dict[str, str]:
    return {name: page.evaluate(DRAWN, name) for name in charts(page)}


def counts(page: Page) -> dict[str, int]:
    """How many marks each chart has, which does not depend on its size."""
    return {
        name: page.locator(f"[id='{name}-chart'] .role-mark :is(path, line)").count()
        for name in charts(page)
    }


def choose(page: Page, field: str, option: str) -> None:
    page.locator(f"[data-field='{field}']").first.select_option(option)
    ready(page)


def unfold(page: Page, chart: str) -> None:
    page.locator(f"[id='{chart}-chart'] summary").click()


def table(page: Page, name: str) -> list[list[str]]:
    """Rows of a table as they are shown."""
    rows: list[list[str]] = page.evaluate(
        """id => [...document.querySelectorAll(`[data-table="${id}"] tbody tr`)]
            .map(row => [...row.cells].map(cell => cell.textContent))""",
        name,
    )
    return rows


def heads(page: Page, name: str) -> list[str]:
    return page.locator(f"[data-table='{name}'] th").all_text_contents()


def download(page: Page, name: str, kind: str) -> bytes:
    with page.expect_download() as started:
        page.click(f"[data-table='{name}'] [data-download={kind}]")
    assert started.value.suggested_filename.endswith(f"{name}.{kind}")
    return Path(started.value.path()).read_bytes()


def values(chart: dict, field: str) -> list[str]:
    """What the rows of a chart have in a column of texts."""
    found: list[str] = chart["columns"].get(field, {}).get("of", [])
    return found


def first(page: Page, *fields: str) -> str:
    """A chart that choices of some fields change."""
    return next(
        name
        for name, chart in charts(page).items()
        if all(
            field in chart["filters"] and len(values(chart, field)) > 1
            for field in fields
        )
    )


@of_each
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_a_page_stands_alone_and_shows_its_answer_first(made, opened, kind, size):
    path = made(kind)
    assert path.stat().st_size < 5e6
    with opened(path, size=size) as page:
        assert page.locator(".plot svg").count() == len(charts(page)) > 2
        assert "".join(page.locator(".missing").all_text_contents()) == ""
        cut = {name: by for name, by in page.evaluate(BEYOND).items() if by > 3}
        assert cut == {}
        inside = "document.documentElement.scrollWidth <= innerWidth"
        assert page.evaluate(inside), "wide things scroll by themselves"
        bottom = "document.querySelector('#answer h2').getBoundingClientRect().bottom"
        assert page.evaluate(bottom) < size[1] / 2
        levels = [
            int(tag[1])
            for tag in page.evaluate(
                "[...document.querySelectorAll('h1, h2, h3, h4')].map(e => e.tagName)"
            )
        ]
        assert levels[0] == 1
        assert all(b - a <= 1 for a, b in pairwise(levels))
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len({*ids})
        assert page.get_attribute("html", "lang") == "en"


@pytest.mark.parametrize(
    ("kind", "size", "scheme"),
    [
        ("default", WIDE, "light"),
        ("default", WIDE, "dark"),
        ("default", NARROW, "light"),
        ("default", NARROW, "dark"),
        ("observed", WIDE, "dark"),
        ("observed", NARROW, "light"),
        ("large", WIDE, "light"),
    ],
)
def test_a_page_is_for_everyone(made, opened, kind, size, scheme):
    with opened(made(kind), size=size, color_scheme=scheme) as page:
        unfold(page, next(iter(charts(page))))
        # It waits for pictures, of which there are none that load.
        # Drawings are hidden from who does not see them: their tables are there.
        where = {"exclude": [[".plot > div"]]}
        found = Axe().run(page, where, {"preload": False}).response["violations"]
        grave = [each for each in found if each["impact"] in ("serious", "critical")]
        told = [(each["id"], each["nodes"][0]["html"][:200]) for each in grave]
        assert told == []


def test_a_choice_changes_the_figures_that_it_is_about(made, opened):
    with opened(made("default")) as page:
        every = counts(page)
        for field, option in (
            ("estimator", "bayesian_ridge"),
            ("parameter", "mu"),
            ("design", "levels-1-2_rows-1000"),
        ):
            page.evaluate(MARK_DRAWINGS)
            choose(page, field, option)
            assert f"{field}={option}" in page.url
            some = counts(page)
            for name, chart in charts(page).items():
                same = page.locator(f"[id='{name}-chart'] svg[data-old]").count() == 1
                assert same == (field not in chart["filters"]), (field, name)
                if not same and len(values(chart, field)) > 1:
                    assert 0 < some[name] < every[name], (field, name)
            choose(page, field, "")


def test_choices_of_one_field_are_one(made, opened):
    """And the line of Python of a chart reads what it shows, from where results are."""
    path = made("default")
    with opened(path) as page:
        name = first(page, "estimator", "design", "parameter")
        choose(page, "estimator", "nutpie")
        choose(page, "design", "cc_02")
        choose(page, "parameter", "total variance")
        unfold(page, name)
        shown = table(page, name)
        assert {row[heads(page, name).index("design")] for row in shown} == {"cc_02"}
        line = page.inner_text(f"[id='{name}-chart'] pre code")
    read = eval_in(path.parent, line)
    assert {*read["estimator"]} == {"nutpie"}
    assert {*read["design"]} == {"cc_02"}
    assert {*read["parameter"]} == {"total_variance"}
    assert len(read) >= len(shown) > 0


def eval_in(folder: Path, line: str) -> pd.DataFrame:
    """Evaluate a line of Python as somebody does in a folder."""
    with pytest.MonkeyPatch.context() as context:
        context.chdir(folder)
        found = eval(line, {"pandas": pd})
    assert isinstance(found, pd.DataFrame)
    return found


def test_tables_sort_and_search(made, opened):
    with opened(made("default")) as page:
        name = first(page, "estimator", "design")
        unfold(page, name)
        column = page.evaluate(
            """name => [...document.querySelectorAll(`[data-table="${name}"] th`)]
                .findLastIndex(head => head.className === "number")""",
            name,
        )
        head = page.locator(f"[data-table='{name}'] th").nth(column)
        for down in (False, True):
            head.get_by_role("button").press("Enter")
            assert head.get_attribute("aria-sort") == (
                "descending" if down else "ascending"
            )
            expect(head.get_by_role("button")).to_be_focused()
            cells = [row[column].replace(",", "") for row in table(page, name)]
            numbers = [float(cell) for cell in cells if cell]
            assert numbers == sorted(numbers, reverse=down)
            assert "" not in cells[: len(numbers)]
        every = table(page, name)
        page.fill(f"[data-table='{name}'] input", "CC_02")
        some = table(page, name)
        assert some == [row for row in every if "cc_02" in row]
        assert f"{len(some)} of {len(every)} rows" in page.inner_text(
            f"[data-table='{name}'] .count"
        )
        # Words may stand in any cells of a row.
        word = some[0][0]
        page.fill(f"[data-table='{name}'] input", f"{word} CC_02")
        assert table(page, name) == [row for row in some if word in " ".join(row)]
        # A table of the page itself; what is missing comes last either way.
        own = page.locator("#answer [data-table]").last.get_attribute("data-table")
        every = table(page, own)
        for place in range(len(every[0])):
            head = page.locator(f"[data-table='{own}'] th").nth(place)
            if head.is_hidden():
                # Files alone have it.
                continue
            for _ in range(2):
                head.get_by_role("button").click()
                rows = table(page, own)
                assert sorted(rows) == sorted(every)
                there = [row[place] not in ("", "-") for row in rows]
                assert there == sorted(there, reverse=True)


def test_long_tables_show_some_rows_and_then_all(made, opened):
    with opened(made("large")) as page:
        rows = {
            name: max(
                len(column) if isinstance(column, list) else len(column["at"])
                for column in chart["columns"].values()
            )
            for name, chart in charts(page).items()
            if not chart["filters"] or "scattered" in chart["filters"]
        }
        name = max(rows, key=lambda each: rows[each])
        unfold(page, name)
        assert len(table(page, name)) == 200
        said = page.inner_text(f"[data-table='{name}'] .count")
        count = int(said.split(" of ")[1].split()[0].replace(",", ""))
        page.click(f"[data-table='{name}'] .whole")
        assert len(table(page, name)) == count > 200
        assert not page.is_visible(f"[data-table='{name}'] .whole")


def test_a_link_restores_what_was_chosen(made, opened):
    path = made("default")
    with opened(path) as page:
        name = first(page, "estimator", "design")
        choose(page, "estimator", "nutpie")
        choose(page, "design", "cc_02")
        unfold(page, name)
        page.locator(f"[data-table='{name}'] th button").nth(2).click()
        section = page.locator("nav a").nth(3).get_attribute("href").removeprefix("#")
        page.locator("nav a").nth(3).click()
        page.wait_for_function("location.hash.includes('design=')")
        link, shown, listed = (
            page.url.partition("#")[2],
            counts(page),
            table(page, name),
        )
        page.go_back()
        ready(page)
        page.go_back()
        ready(page)
        page.go_back()
        ready(page)
        assert page.input_value("[data-field=design]") == ""
        assert page.input_value("[data-field=estimator]") == "nutpie"
        page.go_forward()
        ready(page)
        assert page.input_value("[data-field=design]") == "cc_02"
    with opened(path, f"#{link}") as page:
        assert page.input_value("[data-field=estimator]") == "nutpie"
        assert counts(page) == shown
        assert table(page, name) == listed
        expect(page.locator(f"#{section} h2")).to_be_focused()
        top = page.locator(f"#{section} h2").bounding_box()["y"]
        bar = page.locator(".selects").bounding_box()
        assert bar["y"] + bar["height"] <= top + 1 < 300


def test_a_link_that_means_nothing_is_passed_over(made, opened):
    path = made("default")
    with opened(path) as page:
        name, shown = first(page, "design"), drawn(page)
    link = (
        "__proto__=x&constructor=y&toString=&design=%3Cscript%3E&estimator=&nothing=1"
        f"&at=nowhere&sort:{name}=999%2B&sort:nowhere=1%2B&sort:{name}=x&metric=&%%%="
    )
    with opened(path, f"#{link}") as page:
        assert drawn(page) == shown
        for each in ("nowhere", "%", "=", "&&&"):
            page.evaluate("text => { location.hash = text; }", each)
            ready(page)
            assert page.input_value("[data-field=design]") == ""
        assert drawn(page) == shown
        page.evaluate("text => { location.hash = text; }", name)
        expect(page.locator(f"#{name} h2")).to_be_focused()


def test_downloads_hold_what_is_shown(made, opened):
    with opened(made("default"), color_scheme="dark") as page:
        name = first(page, "estimator", "design", "parameter")
        choose(page, "estimator", "nutpie")
        unfold(page, name)
        page.fill(f"[data-table='{name}'] input", "cc_0")
        page.locator(f"[data-table='{name}'] th button").nth(1).click()
        text = download(page, name, "csv").decode("utf-8-sig")
        assert text.count("\r\n") == text.count("\n")
        first_line, *rows = csv.reader(io.StringIO(text, newline=""))
        assert first_line == heads(page, name)
        shown = table(page, name)
        assert len(rows) == len(shown) > 0
        for row, cells in zip(rows, shown, strict=True):
            for value, cell in zip(row, cells, strict=True):
                assert value == cell or float(value) == pytest.approx(
                    float(cell.replace(",", "")), rel=1e-3
                )
        page.wait_for_timeout(100)
        svg = download(page, name, "svg").decode()
        ElementTree.fromstring(svg)
        assert "var(" not in svg, "it stands without the page"
        assert "#1b1f24" in svg, "dark letters, whatever the page has"
        assert "cc_01" in svg
        png = download(page, name, "png")
        assert png.startswith(b"\x89PNG")
        width = int.from_bytes(png[16:20])
        assert width > 1000


def test_files_of_tables_have_raw_numbers_and_their_intervals(made, opened):
    for kind, own, head in (
        ("default", "recovered", "error"),
        ("observed", "components", "standard deviation"),
    ):
        with opened(made(kind)) as page:
            text = download(page, own, "csv").decode("utf-8-sig")
            shown = page.locator(f"[data-table='{own}'] th:visible").count()
        first_line, *rows = csv.reader(io.StringIO(text, newline=""))
        assert len(first_line) > shown
        assert rows
        places = [
            first_line.index(name) for name in (head, f"{head}: from", f"{head}: to")
        ]
        known = 0
        for row in rows:
            cells = [row[place] for place in places]
            if all(cells) and "-" not in cells:
                value, low, high = map(float, cells)
                assert low <= value <= high
                known += 1
        assert known > 0
        assert not any("(" in cell for row in rows for cell in row)


def test_of_many_designs_one_is_typed(made, opened):
    with opened(made("large")) as page:
        field = page.locator("input[data-field=design]")
        field.focus()
        page.keyboard.type("levels-1-2_rows-10")
        page.keyboard.press("Tab")
        assert "design" not in page.url
        assert field.evaluate("field => field.validity.customError")
        field.fill("levels-1-2_rows-1000_mu_sd-0.2")
        ready(page)
        assert field.evaluate("field => field.validity.valid")
        assert "design=levels-1-2_rows-1000_mu_sd-0.2" in page.url
        name = first(page, "design")
        unfold(page, name)
        column = heads(page, name).index("design")
        chosen = {row[column] for row in table(page, name)}
        assert chosen <= {"levels-1-2_rows-1000_mu_sd-0.2"}
        field.fill("")
        ready(page)
        assert "design" not in page.url


def test_strange_names_do_no_harm(made, opened):
    path = made("observed")
    with opened(path) as page:
        assert page.evaluate("document.querySelectorAll('img, b').length") == 0
        assert page.evaluate("document.scripts.length") == 3
        assert TABLE in page.inner_text("#made")
        assert VALUE in page.inner_text("body")
        # Panels cut long names, as there is no room for them.
        cut = dict(zip(LABELS, distinct(LABELS), strict=True))
        name = next(
            name
            for name, chart in charts(page).items()
            if "level" in chart["filters"]
            and LABELS[0] in values(chart, "row")
            and "raw" not in chart["titles"]
        )
        choose(page, "level", LEVEL)
        unfold(page, name)
        column = [*charts(page)[name]["titles"]].index("row")
        assert {row[column] for row in table(page, name)} == {*cut.values()}
        text = download(page, name, "csv").decode("utf-8-sig")
        _, *rows = csv.reader(io.StringIO(text, newline=""))
        assert {row[column] for row in rows} == {
            f"'{label}" if label[0] in "=-@" else label for label in cut.values()
        }
        read = eval_in(path.parent, page.inner_text(f"[id='{name}-chart'] pre code"))
        assert {*read["level_name"]} == {LEVEL}
        assert {*read["label"]} == {*LABELS}
        # Letters, as a drawing has them, not elements.
        texts = page.locator(f"[id='{name}-chart'] svg text").all_text_contents()
        assert any("<script>" in text for text in texts)
        tips = set()
        tip = page.locator("#vg-tooltip-element")
        for mark in page.locator(f"[id='{name}-chart'] .mark-symbol path").all():
            if LABELS[0] not in "".join(tips):
                mark.hover(force=True)
                tips.add(tip.inner_text())
                assert tip.locator("script, img, b").count() == 0
        assert any(LABELS[0] in each for each in tips)


def test_no_other_script_runs_and_nothing_is_fetched(made, browser):
    page = browser.new_page()
    page.goto(made("default").as_uri())
    ready(page)
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.intruded = true";
            document.body.append(script);
            document.body.insertAdjacentHTML("beforeend",
                "<img src=x onerror='window.intruded = true'>");
        }"""
    )
    page.wait_for_timeout(100)
    assert page.evaluate("window.intruded") is None
    refused = "fetch('https://example.org').then(() => 'sent', () => 'refused')"
    assert page.evaluate(refused) == "refused"
    page.close()


def test_the_keyboard_reaches_everything(made, opened):
    with opened(made("default")) as page:
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#answer h2")).to_be_focused()
        reached = set()
        for _ in range(200):
            page.keyboard.press("Tab")
            name = page.evaluate(
                """() => { const at = document.activeElement;
                    return at.dataset.field ?? at.closest("[data-table]")?.dataset.table
                        ?? at.closest("figure")?.id ?? at.tagName }"""
            )
            if name == "BODY":
                break
            reached.add(name)
        assert {"design", "estimator", "parameter", "SUMMARY"} <= reached
        assert {f"{name}-chart" for name in charts(page)} <= reached
        for name in charts(page):
            plot = page.locator(f"[id='{name}-chart'] .plot")
            assert plot.get_attribute("role") == "img"
            assert len(plot.get_attribute("aria-label")) > 20


def test_colours_follow_the_reader_and_print_is_light(made, opened):
    ink = "getComputedStyle(document.querySelector('.plot svg text')).fill"
    with opened(made("default")) as page:
        light = page.evaluate(ink)
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(ink) != light
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate(ink) == light
        assert not page.is_visible(".selects")
        assert not page.is_visible("figure details")
        assert page.is_visible(".plot svg")
        assert "recovery.parquet" in page.inner_text("main")


def test_charts_follow_the_width_of_the_page(made, opened):
    widths = "[...document.querySelectorAll('.plot svg')].map(e => e.clientWidth)"
    with opened(made("default")) as page:
        wide = page.evaluate(widths)
        page.evaluate(MARK_DRAWINGS)
        page.set_viewport_size({"width": 1280, "height": 500})
        page.wait_for_timeout(300)
        assert page.locator("svg[data-old]").count() == len(wide), (
            "the height is no reason"
        )
        page.set_viewport_size({"width": 700, "height": 500})
        page.wait_for_function("document.documentElement.dataset.ready !== 'all'")
        ready(page)
        assert page.locator("svg[data-old]").count() == 0
        assert all(
            now < before
            for now, before in zip(page.evaluate(widths), wide, strict=True)
        )
        room = page.evaluate("document.querySelector('.plot').clientWidth")
        assert all(now <= room + 12 for now in page.evaluate(widths))


def test_without_scripts_the_answer_stands(made, opened):
    with opened(made("default"), java_script_enabled=False) as page:
        assert page.is_visible("#answer table")
        assert "need JavaScript" in page.inner_text("body")
        for hidden in (".selects", ".plot", "figure details", ".tools"):
            assert not page.locator(hidden).first.is_visible()
        assert page.is_visible("#made table")


def test_the_script_is_small():
    assert len((HERE / "page.js").read_text().splitlines()) < 300
    assert not re.search(
        r"\beval\(|innerHTML|new Function", (HERE / "page.js").read_text()
    )
