"""What summary and page say of a precision that was wanted."""

import pyarrow as pa

from summands.recovery.precision import Reached
from summands.recovery.tables import RECOVERY
from summands.report import reached, summary
from summands.report.page import findings
from summands.report.totals import Totals

ROW = {
    "design": "a design",
    "estimator": "huber",
    "parameter": "variance_contrast",
    "level": 1,
    "level_name": 'tool "x"',
    "metric": "coverage_95",
    "value": 0.9,
    "mcse": 0.03,
    "lower": 0.84,
    "upper": 0.96,
    "replicates": 100,
    "gate": "all",
}


def found(*rows, wanted=0.01) -> Reached:
    made = Reached({"coverage_95": wanted}, 100)
    made.add(pa.Table.from_pylist([ROW | row for row in rows], RECOVERY))
    return made


def said(made: Reached) -> str:
    totals = Totals(reached=made)
    totals.estimators["huber"].counts["fits"] = 100
    return summary.text(totals, "s", 1)


def test_what_is_missed_is_told_with_what_would_do():
    text = said(found({"label": "Ж b"}, {"level": 2, "mcse": 0.01}))
    assert "with 100 replicates of each design:" in text
    told = "to 0.01: reached in 1 of 2 quantities, and 900 replicates would do in all"
    assert told in text
    assert (
        'coverage_95 0.03: huber, a design, variance contrast of tool "x"/Ж b: '
        "900 replicates would do, 800 more\n"
    ) in text


def test_what_is_reached_is_told_in_one_line():
    made = found({"mcse": 0.01}, {"mcse": 0.01, "level": 2})
    assert "coverage_95 to 0.01: reached in all 2 quantities\n" in said(made)
    assert [one.kind for one in findings.precise(made)] == ["good"]


def test_nothing_is_said_where_nothing_was_wanted():
    assert "recision" not in said(Reached({}, 100))


def test_where_no_fit_has_the_metric_it_is_not_reached():
    made = found({"gate": "common"})
    assert "coverage_95 to 0.01: no fit has it\n" in said(made)
    assert [one.kind for one in findings.precise(made)] == ["warning"]


def test_an_estimator_without_the_metric_is_named():
    made = found({})
    assert reached.absent(made, "coverage_95", ["huber", "b"]) == "b has none"
    assert reached.absent(made, "coverage_95", ["huber"]) == ""


def test_many_are_cut_short_in_the_summary():
    rows = [{"level": level, "mcse": 0.02 + 0.001 * level} for level in range(60)]
    lines = said(found(*rows)).splitlines()
    assert sum("would do, " in line for line in lines) == summary.LISTED
    assert any("and 50 more" in line for line in lines)


def test_an_error_that_one_data_set_carries_is_no_promise():
    (missed,) = found({"largest_share": 0.5}).missed
    assert "or others" in reached.needs(missed, 100)
    (alone,) = found({"mcse": None, "lower": None, "upper": None}).missed
    assert reached.needs(alone, 100) == "one data set tells no error"
