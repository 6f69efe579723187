"""Pages made up by a test: what does not work, and what nobody should call a thing."""

import pandas as pd
import pytest
from playwright.sync_api import expect

from summands.report.page import content, document

from .studies import LABELS

SPEC = {
    "data": {"name": "rows"},
    "mark": "point",
    "encoding": {"x": {"field": "x", "type": "quantitative"}},
}


def chart(name: str, spec: dict, *selects: content.Select) -> content.Chart:
    data = pd.DataFrame({"label": LABELS, "x": [float(i) for i in range(len(LABELS))]})
    titles = {"label": LABELS[0], "x": LABELS[1]}
    source = content.Source("some", [("label", "==", LABELS[6]), ("x", "!=", True)])
    return content.Chart(
        name, LABELS[0], LABELS[1], spec, data, titles, source, selects=selects
    )


def page(*charts: content.Chart) -> content.Page:
    sections = [
        content.Section(
            "answer",
            LABELS[0],
            LABELS[1],
            text=[f"``{label}`` {label}" for label in LABELS],
            findings=[content.Finding("bad", label) for label in LABELS],
            tables=[
                content.Grid(
                    "own",
                    LABELS[0],
                    LABELS[:2],
                    [(content.Cell(label), content.Cell("1", 1.0)) for label in LABELS],
                    LABELS,
                )
            ],
            charts=charts,
            blocks=[content.Block(LABELS[0], "\n".join(LABELS))],
        )
    ]
    return content.Page(LABELS[0], LABELS[1], LABELS, sections, about=LABELS[2])


def write(path, made):
    path.write_text(document.render(made), encoding="utf-8")
    return path


def test_texts_of_all_kinds_are_texts(tmp_path, opened):
    path = write(tmp_path / "page.html", page(chart("one", SPEC)))
    with opened(path) as shown:
        assert shown.evaluate("document.scripts.length") == 3
        assert shown.evaluate("document.querySelectorAll('img').length") == 0
        cells = shown.locator("[data-table=own] td:first-child").all_text_contents()
        assert cells == LABELS
        assert shown.inner_text("h1") == f"{LABELS[0]}: {LABELS[2]}"
        assert shown.title() == f"{LABELS[0]}: {LABELS[2]}"
        assert shown.locator(".finding").count() == len(LABELS)
        line = shown.locator("figure pre code").text_content()
        read = []
        pandas = type(
            "pandas", (), {"read_parquet": lambda *a, **k: read.append((a, k))}
        )
        eval(line, {"pandas": pandas})
        ((_, given),) = read
        assert given["filters"] == [("label", "==", LABELS[6]), ("x", "!=", True)]
        assert "\u2028" not in line


def test_a_chart_that_fails_does_not_stop_the_others(tmp_path, opened):
    wrong = {"data": {"name": "rows"}, "mark": "no such mark", "encoding": 7}
    made = page(chart("one", SPEC), chart("two", wrong), chart("three", SPEC))
    with opened(write(tmp_path / "page.html", made)) as shown:
        assert shown.locator("#one-chart svg").count() == 1
        assert shown.locator("#three-chart svg").count() == 1
        expect(shown.locator("#two-chart .missing")).to_contain_text("cannot be drawn")
        shown.locator("#two-chart summary").click()
        rows = shown.locator("#two-chart tbody tr")
        expect(rows).to_have_count(len(LABELS))


def test_choices_of_one_field_have_to_agree():
    one, other = (content.Select("x", "X", options) for options in (["1"], ["2"]))
    document.render(page(chart("one", SPEC, one), chart("two", SPEC, one)))
    with pytest.raises(ValueError, match="choices of x differ"):
        document.render(page(chart("one", SPEC, one), chart("two", SPEC, other)))
