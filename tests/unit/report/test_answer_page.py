"""The page of an observed table says what its tables say, whatever names they have."""

import html
import re

import pytest

from summands.report import labels
from summands.report.page import answer, document

from ..observed_tables import TOOLS, made


def page_of(found, folder):
    return answer.page(found.written(folder))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return page_of(made(), tmp_path_factory.mktemp("page"))


def sentences(page):
    return [(one.kind, one.text) for one in page.sections[0].findings]


def starting(page, start):
    (found,) = [one for one in sentences(page) if one[1].startswith(start)]
    return found


def test_the_first_screen_answers(page):
    assert page.asked[0].startswith("49 rows. Values of thickness of <b>: mean 10.2, ")
    assert "standard deviation 1.3, in the unit of the table" in page.asked[0]
    assert page.heading == "s: what makes thickness of <b> vary"
    assert "tool $x$ (5) and lot (3) add" in page.asked[0]
    kind, text = starting(page, "What makes the values differ")
    assert kind == "answer"
    assert text.index("noise 73.9 %") < text.index("tool $x$ 13.2 %")
    kind, text = starting(page, "Which tool $x$ shifts thickness of <b>?")
    assert kind == "answer"
    assert "The highest is <script>alert(1)</script> (probability 1.00), 2." in text
    assert "above the mean of the level" in text
    kind, text = starting(page, "Which tool $x$ is noisy?")
    assert "The noisiest is ${x} (probability 1.00): rows with it scatter" in text
    assert "times); its variance is" in text
    assert starting(page, "All this is by full; all 3 estimators converged")
    assert starting(page, "Does the model explain the table?")
    assert starting(page, "Categories of tool $x$ that it tells apart:")
    assert [kind for kind, text in sentences(page) if "single row" in text] == [
        "warning"
    ]
    (unclear,) = [text for _, text in sentences(page) if "Which lot shifts" in text]
    for name in labels.distinct(["L1", "L1 ", "l1"]):
        assert name in unclear


def test_nothing_is_claimed_of_a_level_that_may_not_shift(tmp_path):
    page = page_of(made(mu_sd=0.0), tmp_path)
    for level in ("tool $x$", "lot"):
        kind, text = starting(page, f"Which {level} shifts")
        assert kind == "note"
        assert "Perhaps none: the data cannot tell whether they differ" in text


def test_two_contributors_are_told_in_one_sentence(tmp_path):
    found = made(tools=["a", "b"], once=False)
    page = page_of(found, tmp_path)
    kind, text = starting(page, "Which tool $x$ shifts")
    assert kind == "answer"
    assert "? a (probability 1.00) is higher than the other by " in text
    estimates = found.frames["estimates"]
    mu = estimates[
        (estimates["parameter"] == "mu")
        & (estimates["estimator"] == "full")
        & (estimates["label"] == "a")
    ].iloc[0]
    told = re.search(r"by ([\d.]+) \(([\d.]+) to ([\d.]+)\)", text)
    ends = [2 * mu["estimate"], 2 * mu["lower_95"], 2 * mu["upper_95"]]
    assert [float(one) for one in told.groups()] == pytest.approx(ends, abs=0.06)
    assert "noisier than the other" in starting(page, "Which tool $x$ is noisy")[1]


def test_another_estimator_answers_where_the_first_did_not_converge(tmp_path):
    page = page_of(made(converged=False), tmp_path)
    assert starting(page, "All this is by constant")[0] == "note"
    assert starting(page, "full did not converge (max_rhat 1.2 >= 1.01)")[0] == "bad"
    assert not any("is noisy?" in text for _, text in sentences(page))
    grids = {grid.id: grid for grid in page.sections[0].tables}
    marked = [
        (row[1].text, row[-1].text)
        for row in grids["components"].rows
        if "not converged" in row[-1].text
    ]
    assert {name for name, _ in marked} == {"full"}


def test_no_estimator_that_converged_gives_no_answer(tmp_path):
    found = made(converged=False)
    fits = found.tables["fits"].to_pandas()
    fits["converged"] = False
    table = found.tables["fits"]
    found.tables["fits"] = type(table).from_pandas(fits, table.schema)
    page = page_of(found, tmp_path)
    assert sentences(page)[0] == (
        "bad",
        "No estimator converged: there is no answer to trust.",
    )
    document.render(page)


def test_tables_have_a_cell_for_each_column(page):
    for grid in page.sections[0].tables:
        assert grid.rows
        for row in grid.rows:
            assert len(row) == len(grid.columns), grid.id
        assert not any("nan" in cell.text for row in grid.rows for cell in row)


def test_a_choice_of_levels_finds_rows_in_every_chart(page):
    (levels,) = [select for select in page.selects if select.field == "level"]
    for chart in page.charts:
        if "level" in chart.filters and chart.data["level"].notna().any():
            assert set(chart.data["level"]) <= set(levels.options)
    assert [chart.id for chart in page.charts if "level" in chart.filters]


def test_names_of_users_do_no_harm(page):
    told = document.render(page)
    assert "<script>alert(1)" not in told
    assert html.escape(TOOLS[0]) in told
    assert html.escape("thickness of <b>") in told
    assert "\N{FIRST STRONG ISOLATE}" + TOOLS[-1] in told


def test_thousands_of_contributors_make_no_large_page(tmp_path):
    tools = [f"{number} {'x' * 40} {number % 7}" for number in range(2500)]
    found = made(tools=tools, lots=["a", "b"], once=False, differences=False)
    told = document.render(page_of(found, tmp_path))
    assert len(told.encode()) < 1_500_000
    assert "contributors that stand out less are not shown" in told


def test_shares_of_few_contributors_are_said_to_be_of_others_like_them(page):
    kind, text = starting(page, "The share of a level is that of all contributors")
    assert kind == "note"
    # Of the two levels of few contributors, and of no other part.
    assert text.endswith("rows there are: tool $x$ (5) and lot (3).")
