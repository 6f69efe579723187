import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from summands.data.design import Design
from summands.model import estimands
from summands.model.levels import Levels
from summands.recovery.failures import FAILURES, MISSED
from summands.recovery.pooling import Pooled
from summands.recovery.tables import CALIBRATION, RECOVERY
from summands.report import summary
from summands.report.failures import COUNTED, HANDLED, MEANT
from summands.report.totals import Totals

from ..studies import study_tables


def test_the_summary_counts_everything():
    whole, totals = study_tables()
    text = summary.text(totals, "demo", 2)
    lines = text.splitlines()
    assert "designs.parquet      2 designs" in text
    assert f"estimates.parquet    {whole['estimates'].num_rows} estimates" in text
    assert "fits.parquet         24 fits, 16 converged, 4 failed" in text
    assert f"recovery.parquet     {whole['recovery'].num_rows:,} metrics" in text
    tested = whole["calibration"].num_rows
    assert tested == len(estimands.PARAMETERS) + 1
    assert f"calibration.parquet  {tested} parameters tested" in text
    # The share that converged comes before any metric.
    converged = next(line for line in lines if line.startswith("full"))
    counts = ["12", "66.6%", "2", "2", "0", "0", "2", "0.433"]
    assert converged.split() == ["full", *counts]
    for name in ("one", "two"):
        rows = [line.split() for line in lines if line.startswith(f"  {name} ")]
        assert rows == 2 * [[name, "6", "66.6%", "1", "1", "0", "0", "1"]]
    assert "first error, in data set 5 of one: it broke" in text
    assert "failures.parquet     4 rows, one for each design and estimator" in text
    assert "none is left out, made up, or replaced" in text
    assert "sigma *" in text
    assert "Calibration of full: 1 of 1 design passed; with 5 replicates only" in text
    assert "not converged, by what was missed first: min_ess_bulk (2)" in text
    assert "2 fits with a remark: it rests on a point" in text
    assert (
        "a stated prior conflicts with the data of one: in 1 data set, too far" in text
    )
    # 100 rows of three contributors.
    assert "30 to 100 rows per contributor, 2 designs:" in lines
    frame = whole["recovery"].to_pandas()
    chosen = frame.query(
        "gate == 'common' and estimator == 'full' and parameter == 'intercept'"
    )

    def geometric(metric):
        return np.exp(np.log(chosen.query("metric == @metric")["value"]).mean())

    line = next(line for line in lines if line.split()[:2] == ["full", "intercept"])
    bound, total, width, covered = line.split()[2:6]
    assert bound.rstrip("~") == f"{geometric('rmse_over_bound'):.2f}"
    assert total.rstrip("~") == f"{geometric('rmse_over_total'):.3f}"
    assert width.rstrip("~") == f"{geometric('width_95_over_total'):.3f}"
    share = chosen.query("metric == 'coverage_95'")["value"].mean()
    assert covered == f"{share:.1%}"


@pytest.mark.parametrize(
    ("value", "written"), [(0.1234, "0.123"), (999.4, "999.400"), (3e36, "3e+36")]
)
def test_numbers_beyond_their_column_are_written_by_their_power(value, written):
    pooled = Pooled(logarithmic=False, total=value, count=1)
    assert summary._mean(pooled, ".3f") == written


def test_the_summary_of_thousands_of_designs_is_no_longer_than_that_of_ten():
    totals = Totals()
    whole, _ = study_tables()
    verdicts = whole["calibration"].to_pylist()
    for number in range(50):
        name = f"design_{number}"
        rows = [row | {"design": name, "verdict": "failed"} for row in verdicts]
        totals.add_calibration(pa.Table.from_pylist(rows, CALIBRATION))
    fits = whole["fits"].filter(pc.field("estimator") == "full")
    totals.add_fits("one", "full", whole["estimates"], fits)
    lines = summary.text(totals, "many", 50).splitlines()
    failed = [line for line in lines if line.startswith("  failed: design_")]
    assert len(failed) == summary.LISTED
    assert "  and 40 more designs, see calibration.parquet" in lines
    assert any("by chance 1% of the designs" in line for line in lines)


def counts_of(designs, **more):
    """Totals of a study whose fits all went well, but for what is said of the first."""
    rows = [
        {"design": f"design_{n}", "estimator": name, "fits": 5, "converged": 5}
        | dict.fromkeys((*COUNTED, *MISSED.values()), 0)
        for n in range(designs)
        for name in ("e", "f")
    ]
    for row in rows:
        if row["estimator"] == "f" and int(row["design"][7:]) < more.get("count", 0):
            row |= {more["what"]: 1}
    totals = Totals()
    totals.add_failures(pa.Table.from_pylist(rows, FAILURES))
    return totals


@pytest.mark.parametrize("designs", [1, 2, 10, 11, 400])
def test_zeros_of_failures_are_told_however_many_designs_there_are(designs):
    lines = summary.text(counts_of(designs), "s", designs).splitlines()
    for name in ("e", "f"):
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert line.split()[1:] == [f"{5 * designs:,}", "100.0%", *"00000", "0.000"]
    listed = [line.split() for line in lines if line.startswith("  design_")]
    few = 1 < designs <= 10
    assert len(listed) == 2 * designs * few
    assert all(words[1:] == ["5", "100.0%", *"00000"] for words in listed)
    told = f"  all {designs} designs: 0 of all of these"
    assert lines.count(told) == 2 * (designs > 10)
    assert [line for line in (*MEANT, *HANDLED) if line not in lines] == []


@pytest.mark.parametrize("what", list(COUNTED))
@pytest.mark.parametrize("count", [1, 10, 30])
def test_of_many_designs_at_most_ten_that_are_not_0_are_listed(what, count):
    totals = counts_of(50, what=what, count=count)
    lines = summary.text(totals, "s", 50).splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  design_")]
    assert listed == [f"design_{n}" for n in range(min(count, 10))]
    more = f"  and {count - 10} more designs, see failures.parquet"
    assert lines.count(more) == (count > 10)
    assert lines.count("  all 50 designs: 0 of all of these") == 1


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        (60, "Up to 30"),
        (62, "30 to 100"),
        (2000, "300 to 1,000"),
        (2002, "More than 1,000"),
    ],
)
def test_classes_of_size_are_named_by_their_ends(rows, named):
    totals = Totals()
    design = Design(Levels.of([1, 1]), rows)
    totals.add_metrics(design, RECOVERY.empty_table())
    assert f"{named} rows per contributor, 1 design:" in summary.text(totals, "s", 1)


def row_of(text: str, parameter: str) -> list[str]:
    """The words of the first row of a parameter."""
    rows = (line.split() for line in text.splitlines())
    return next(words for words in rows if words[1:2] == [parameter])


def test_a_row_marks_what_one_replicate_carries_and_who_is_worst():
    design = Design(Levels.of([1, 2]), 100)
    rows = {
        "rmse_over_total": {"value": 0.25, "largest_share": 0.21},
        "rmse_over_bound": {"value": 1.5},
        "coverage_95": {
            "value": 0.9,
            "lower": 0.84,
            "upper": 0.94,
            "worst": 0.8,
            "worst_label": "b",
        },
    }
    common = {"estimator": "e", "gate": "common", "parameter": "mu"}
    common["level_name"] = "tool"
    table = pa.Table.from_pylist(
        [{"metric": metric, **common, **row} for metric, row in rows.items()], RECOVERY
    )
    totals = Totals()
    totals.estimators["e"].counts["fits"] = 1
    totals.add_metrics(design, table)
    assert row_of(summary.text(totals, "s", 1), "mu") == [
        *("e", "mu", "1.50", "0.250~", "-"),
        *("90.0%", "(84.0", "to", "94.0)", "80.0%", "tool/b", "-"),
    ]


def test_the_column_of_the_worst_is_as_wide_as_its_longest_name():
    design = Design(Levels.of([1, 2]), 100)
    common = {"gate": "common", "parameter": "mu", "level_name": "tool"}
    rows = [
        {"metric": "rmse_over_total", "worst": None, "worst_label": None},
        {"metric": "coverage_95", "worst": 0.5, "worst_label": "a long\n label"},
        # Of other metrics the worst is not told.
        {"metric": "width_95_over_total", "worst": 9.0, "worst_label": "x" * 30},
    ]
    totals = Totals()
    for estimator in ("e", "f"):
        totals.estimators[estimator].counts["fits"] = 1
        made = [{"estimator": estimator, "value": 0.5, **common, **row} for row in rows]
        if estimator == "f":
            made[1]["worst_label"] = "b"
        totals.add_metrics(design, pa.Table.from_pylist(made, RECOVERY))
    lines = summary.text(totals, "s", 1).splitlines()
    (head,) = [line for line in lines if "worst    top" in line]
    end = head.index("worst") + len("worst")
    long, short = (line for line in lines if " mu " in line)
    assert long[:end].endswith("  50.0% tool/a long label")
    assert short[:end].endswith("   50.0% tool/b")
