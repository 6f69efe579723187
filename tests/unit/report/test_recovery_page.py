from types import SimpleNamespace

import pandas as pd
import pyarrow.parquet as pq
import pytest

from summands.data.design import Design
from summands.estimators import Entry
from summands.report.page import design_charts, findings, planned, recovery
from summands.report.page.content import Source
from summands.report.reading import Tables

from ..studies import LEVELS, TABLES, study_tables

ESTIMATORS = {"full": "nutpie", "partial": "least_squares"}


def tables_in(folder, designs):
    whole, totals = study_tables(list(designs))
    for name, table in whole.items():
        pq.write_table(table, folder / f"{name}.parquet")
    study = SimpleNamespace(
        designs=designs,
        estimators={name: Entry(name, method) for name, method in ESTIMATORS.items()},
        replicates=6,
        precision={},
        observed=None,
        plan=(),
    )
    paths = {name: str(folder / f"{name}.parquet") for name in TABLES}
    return Tables(study, paths), totals


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    designs = {name: Design(LEVELS, 100) for name in ("one", "two")}
    return tables_in(tmp_path_factory.mktemp("few"), designs)[0]


@pytest.fixture(scope="module")
def answer(few):
    return recovery._answer(few, few.totals(), few.by_design())


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    designs = {f"d{n}": Design(LEVELS, 100 + n) for n in range(45)}
    return tables_in(tmp_path_factory.mktemp("many"), designs)[0]


def grid(section, identifier):
    (found,) = [table for table in section.tables if table.id == identifier]
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def test_the_first_screen_says_who_is_best_how_sure_at_what_cost_and_what_failed(
    answer,
):
    text = " ".join(finding.text for finding in answer.findings)
    for words in (
        "errs least",
        ") times the least that is possible without bias",
        "on average over 2 designs: from ",
        "95 % intervals of full",
        "95 % intervals of partial",
        "test of calibration",
        "4 of 12 fits of full did not converge, 2 of them failed (it broke)",
        "4 of 12 fits of partial did not converge",
        "seconds with full",
        "A single sigma rests on its prior",
        "Each design has 6 data sets",
    ):
        assert words in text
    # Sentences that can be read at a glance.
    assert max(len(finding.text) for finding in answer.findings) < 420


def test_every_fit_stands_in_the_tables_zeros_included(answer):
    for row in grid(answer, "fits"):
        counts = [row[n].value for n in ("converged", "not converged", "failed")]
        assert sum(counts) == row["fits"].value == 12


def test_failures_of_every_design_stand_in_a_table_beside_what_becomes_of_them(few):
    table = recovery._failures(few)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [(row["design"].text, row["estimator"].text) for row in rows] == [
        (design, name) for design in ("one", "two") for name in ESTIMATORS
    ]
    for row in rows:
        counts = [row[n].value for n in ("fits", "converged", "not converged")]
        assert counts == [6, 4, 1]
        assert [row[n].value for n in ("failed", "retried", "missing")] == [1, 0, 0]
        assert row["undetermined"].value == 1
        assert row["missed first"].text == "min_ess_bulk (1)"
        assert row["missed first"].more["divergences"] == 0.0
        assert row["first error"].text == "it broke"
        assert row["data set"].value == 5
    assert any("none is left out" in note for note in table.notes)


def test_of_thousands_of_designs_the_page_has_those_that_are_not_0(many, monkeypatch):
    monkeypatch.setattr(recovery, "MOST_DESIGNS", 10)
    table = recovery._failures(many)
    assert len(table.rows) == 10 * len(ESTIMATORS)
    fits = [row[table.columns.index("fits")].value for row in table.rows]
    assert sum(fits) == 45 * 6 * len(ESTIMATORS)
    assert table.rows[-1][0].text == "36 other designs"


def test_what_is_not_determined_or_carried_is_marked_where_it_stands(answer):
    rows = grid(answer, "recovered")
    assert {row["parameter"].text for row in rows} >= {"mu", "sigma *"}
    (table,) = [table for table in answer.tables if table.id == "recovered"]
    assert any(note.startswith("*:") for note in table.notes)
    assert any("~" in row["error"].text for row in rows)
    # Without numbers there is a dash, not a made-up one.
    sigma = next(row for row in rows if row["parameter"].text == "sigma *")
    assert sigma["largest named"].text == "-"


def test_numbers_of_the_table_lie_within_their_intervals(answer):
    for row in grid(answer, "recovered"):
        for name in ("error", "95 % intervals that hold the truth"):
            text = row[name].text.replace("~", "")
            if "(" in text:
                value, rest = text.split(" %", 1)
                low, high = rest.strip(" ()").split(" to ")
                assert float(low) <= float(value) <= float(high)


def test_the_worst_of_many_designs_lead_to_that_design(many):
    section = recovery._of_one_design(many, many.by_design())
    (chart,) = section.charts
    picked = next(s for s in chart.selects if s.field == recovery.PICKED)
    assert {*picked.options} == {*many.study.designs}
    assert picked.default in picked.options
    rows = grid(section, "worst")
    assert rows
    for row in rows:
        assert row["design"].chosen == {
            recovery.PICKED: row["design"].text,
            "at": section.id,
        }
        assert row["design"].text in picked.options


def test_so_many_designs_that_their_metrics_take_too_much_room_have_one(
    many, monkeypatch
):
    def chart():
        return design_charts.one_design(
            many.by_design(), "picked", Source("recovery"), list(ESTIMATORS), ()
        )

    assert len(set(chart().data["picked_metric"])) == 2
    monkeypatch.setattr(design_charts, "MOST_PICKED", 100)
    assert len(set(chart().data["picked_metric"])) == 1
    assert {*chart().specs} == set(chart().data["picked_metric"])


def test_few_data_sets_are_warned_of_and_many_are_not():
    assert [finding.kind for finding in findings.few(9)] == ["warning"]
    assert list(findings.few(10)) == []


def plan(**changed):
    row = {
        "design": "levels-1-2_rows-80",
        "target": "mu width_95 0.3",
        "metric": "width_95",
        "wanted": 0.3,
        "rows": 80,
        "lower": 60,
        "upper": None,
        "remark": None,
        "estimator": "a <b>",
        "verified": 0.29,
        "verified_lower": 0.27,
        "verified_upper": 0.31,
    }
    return pd.DataFrame([row | changed], dtype=object)


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({}, "good"),
        ({"verified": 0.31, "verified_lower": 0.305}, "good"),
        ({"verified": 0.33, "verified_lower": 0.29, "verified_upper": 0.36}, "good"),
        ({"verified": 0.33, "verified_lower": 0.32, "verified_upper": 0.36}, "warning"),
        ({"verified": 0.33, "verified_lower": None, "verified_upper": None}, "warning"),
        ({"metric": "top_rate", "wanted": 0.9, "verified": 0.95}, "good"),
        (
            {
                "metric": "top_rate",
                "wanted": 0.9,
                "verified": 0.8,
                "verified_upper": 0.85,
            },
            "warning",
        ),
    ],
)
def test_a_target_is_met_within_a_twentieth_or_monte_carlo_error(changed, kind):
    (finding,) = planned.section(plan(**changed)).findings
    assert finding.kind == kind
    assert ("; not mu width_95 0.3 of levels-1-2_rows-80" in finding.text) == (
        kind == "warning"
    )


def test_what_a_plan_cannot_have_is_said_first():
    nothing = dict.fromkeys(["rows", "lower", "upper", "estimator", "verified"])
    told = planned.section(plan(remark="more than enough", **nothing))
    (finding,) = told.findings
    assert finding.kind == "bad"
    assert "cannot be had" in finding.text
    assert told.tables[0].rows[0][2].text == "more than enough"


def test_a_precision_that_was_wanted_is_answered_with_what_is_missing(tmp_path):
    designs = {name: Design(LEVELS, 100) for name in ("one", "two")}
    tables, _ = tables_in(tmp_path, designs)
    tables.study.precision = {"coverage_95": 1e-6, "rmse_relative": 0.9}
    totals = tables.totals()
    section = recovery._answer(tables, totals, tables.by_design())
    told = {finding.text: finding.kind for finding in section.findings}
    (missed,) = [kind for text, kind in told.items() if "coverage_95 to 1e-06" in text]
    assert missed == "warning"
    rows = grid(section, "precision")
    assert {row["precision"].text for row in rows} >= {"coverage_95"}
    for row in rows:
        needed = (
            totals.reached.replicates
            * (row["reached"].value / row["wanted"].value) ** 2
        )
        assert row["needs"].value == pytest.approx(needed)
    tables.study.precision = {}
    section = recovery._answer(tables, tables.totals(), tables.by_design())
    assert "precision" not in {table.id for table in section.tables}
