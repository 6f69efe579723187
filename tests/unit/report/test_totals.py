import pyarrow as pa
import pyarrow.compute as pc

from summands.recovery import calibration, pooling
from summands.recovery.tables import CALIBRATION
from summands.report.totals import Totals

from ..studies import study_tables


def test_every_fit_and_estimate_is_counted_once():
    whole, totals = study_tables()
    assert totals.estimates == whole["estimates"].num_rows
    assert totals.metrics == whole["recovery"].num_rows
    assert totals.parameters_calibrated == whole["calibration"].num_rows
    assert totals.fits == whole["fits"].num_rows == 24
    assert totals.converged == pc.sum(whole["fits"]["converged"]).as_py() == 16
    assert totals.failed == len(whole["fits"]["error"].drop_null()) == 4
    assert sum(totals.sizes.values()) == 2
    full, partial = (totals.estimators[name] for name in ("full", "partial"))
    assert (full.fits, full.converged, full.failed) == (12, 8, 2)
    assert full.first_error == ("it broke", "one", 5)
    # The values that were missed are no part of a criterion.
    assert full.missed == partial.missed == {"min_ess_bulk": 2}
    assert (full.remarked, full.first_remark) == (2, "it rests on a point")
    assert full.conflicts == {"one": (1, "too far")}
    assert partial.conflicts == {}
    assert totals.sigma_unidentified
    assert totals.gaps == {"one": 1, "two": 1}


def test_verdicts_are_those_of_designs_with_drawn_truths():
    _, totals = study_tables()
    full = totals.estimators["full"]
    assert full.with_verdict(calibration.PASSED, calibration.FAILED) == ["one"]
    assert full.with_verdict(calibration.NOT_TESTABLE) == []
    assert full.fewest_ranked == 5
    assert totals.estimators["partial"].verdicts == {}


def test_metrics_are_found_by_size_parameter_and_name():
    _, totals = study_tables()
    full = totals.estimators["full"]
    (size,) = totals.sizes
    for metric in pooling.SHOWN:
        pooled = full.metric(size, "mu", metric)
        assert pooled.count == 2
        assert pooled.mean() > 0
    assert full.metric(size + 1, "mu", "top_rate").mean() is None
    assert totals.estimators["partial"].metric(size, "sigma", "coverage_95").count == 0


def test_the_fewest_replicates_of_any_verdict_are_kept():
    whole, _ = study_tables()
    rows = whole["calibration"].to_pylist()
    for counts in ([7, 30], [30, 7], [30, 7, 12]):
        totals = Totals()
        for number, count in enumerate(counts):
            other = {"design": f"design {number}", "replicates": count}
            table = pa.Table.from_pylist([row | other for row in rows], CALIBRATION)
            totals.add_calibration(table)
        assert totals.estimators["full"].fewest_ranked == 7
        assert len(totals.estimators["full"].verdicts) == len(counts)
