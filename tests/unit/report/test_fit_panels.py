import numpy as np
import pandas as pd
import pytest

from summands.report import failures, fit_panels, replicate_figures
from summands.report.fit_panels import FAILED, FINE, NOT_CONVERGED, RESULTS
from summands.report.grids import NAMED_DESIGNS


def fits_of(designs, estimators=("e", "f"), replicates=10, **more):
    keys = pd.MultiIndex.from_product(
        [list(designs), list(estimators), range(replicates)],
        names=["design", "estimator", "replicate"],
    )
    table = keys.to_frame(index=False)
    return table.assign(**{"converged": True, "seconds": 1.0, "error": None} | more)


def sizes_of(fits):
    return dict.fromkeys(fits["design"], 10.0)


def test_convergence_is_the_share_of_all_fits_within_its_interval():
    fits = fits_of(["a", "b"])
    missed = (fits["design"] == "a") & (fits["estimator"] == "f")
    fits.loc[missed & (fits["replicate"] < 3), "converged"] = False
    fits.loc[missed & (fits["replicate"] == 0), "error"] = "it broke"
    made = fit_panels.convergence(fits, sizes_of(fits)).designs
    shares = made.set_index(["design", "estimator"])["value"]
    assert shares.to_dict() == {
        ("a", "e"): 1.0,
        ("a", "f"): 0.7,
        ("b", "e"): 1.0,
        ("b", "f"): 1.0,
    }
    assert (made["lower"] <= made["value"]).all()
    assert (made["value"] <= made["upper"]).all()
    # Ten of ten do not say that all ever will.
    assert made["lower"].max() < 0.9
    assert (made["upper"] <= 1.0).all()
    assert (made["replicates"] == 10).all()


def test_more_fits_tell_a_share_better():
    widths = []
    for count in (10, 1000):
        fits = fits_of(["a"], ["e"], count)
        fits["converged"] = fits["replicate"] % 2 == 0
        (made,) = fit_panels.convergence(fits, sizes_of(fits)).designs.to_dict(
            "records"
        )
        widths.append(made["upper"] - made["lower"])
    assert widths[1] == pytest.approx(widths[0] / 10, rel=0.2)


def test_cost_is_a_geometric_mean_of_what_did_not_fail_and_names_the_longest():
    fits = fits_of(["a"], ["e"], 4, seconds=[1.0, 4.0, 16.0, 1e9])
    fits.loc[3, "error"] = "it broke"
    (made,) = fit_panels.cost(fits, sizes_of(fits)).designs.to_dict("records")
    assert made["value"] == pytest.approx(4.0)
    assert made["worst"] == pytest.approx(16.0)
    assert made["worst_name"] == "data set 2"
    assert made["replicates"] == 3
    # Symmetric on the scale of the logarithm.
    assert made["lower"] * made["upper"] == pytest.approx(16.0)
    in_minutes = fits.assign(seconds=fits["seconds"] / 60)
    (other,) = fit_panels.cost(in_minutes, sizes_of(fits)).designs.to_dict("records")
    for name in ("value", "lower", "upper", "worst"):
        assert other[name] == pytest.approx(made[name] / 60)


def test_a_single_fit_has_a_cost_without_an_interval():
    fits = fits_of(["a"], ["e"], 1, seconds=2.0)
    (made,) = fit_panels.cost(fits, sizes_of(fits)).designs.to_dict("records")
    assert (made["lower"], made["value"], made["upper"]) == pytest.approx((2, 2, 2))


def test_many_designs_are_steps_of_their_size():
    fits = fits_of([f"d{n}" for n in range(60)], ["e"], 3)
    sizes = {f"d{n}": 10.0 * (n + 1) for n in range(60)}
    for made in (fit_panels.convergence(fits, sizes), fit_panels.cost(fits, sizes)):
        assert made.steps["designs"].sum() == 60
        assert made.steps["value"].to_numpy() == pytest.approx(1.0)


def counted(designs, estimators=("e", "f"), fits=10, **more):
    """The table "failures" of fits that all converged, but for what is said."""
    keys = pd.MultiIndex.from_product(
        [list(designs), list(estimators)], names=["design", "estimator"]
    )
    table = keys.to_frame(index=False)
    counts = dict.fromkeys(failures.SUMMED, 0) | {"fits": fits, "converged": fits}
    errors = {"first_error": None, "first_error_replicate": np.nan}
    table = table.assign(**counts | errors | more)
    table["converged"] = table["fits"] - table["failed"] - table["not_converged"]
    return table


def outcomes_of(rng, designs, estimators=("e", "f"), fits=10):
    table = counted(designs, estimators, fits)
    amiss = rng.integers(0, fits // 2, (2, len(table)))
    table = counted(designs, estimators, fits, failed=amiss[0], not_converged=amiss[1])
    return table.assign(first_error=np.where(amiss[0] > 0, "it broke", None))


@pytest.mark.parametrize("count", [1, NAMED_DESIGNS, NAMED_DESIGNS + 1, 200])
def test_every_fit_is_counted_once_however_many_designs_there_are(count):
    rng = np.random.default_rng(0)
    table = outcomes_of(rng, [f"d{n}" for n in range(count)])
    panel = fit_panels.outcomes(table)
    rows = panel.rows
    assert panel.designs == count
    assert rows["design"].nunique() <= NAMED_DESIGNS
    totals = rows.groupby("result")["fits"].sum().to_dict()
    assert totals == {
        FAILED: table["failed"].sum(),
        NOT_CONVERGED: table["not_converged"].sum(),
        FINE: table["converged"].sum(),
    }
    of_pair = rows.groupby(["design", "estimator"])
    assert (of_pair.size() == len(RESULTS)).all()
    assert of_pair["share"].sum().to_numpy() == pytest.approx(1.0)
    assert (of_pair["fits"].sum() == of_pair["of"].first()).all()
    replicate_figures.outcomes(panel).canvas.draw()


def test_zeros_have_rows_and_the_first_error_is_told():
    table = counted(["a", "b"])
    table.loc[0, ["failed", "converged", "first_error"]] = [2, 8, "first"]
    rows = fit_panels.outcomes(table).rows
    assert len(rows) == 2 * 2 * 3
    failed = rows[rows["result"] == FAILED]
    assert failed["fits"].tolist() == [2, 0, 0, 0]
    assert failed["error"].tolist()[0] == "first"
    assert failed["error"].iloc[1:].isna().all()
    assert rows[rows["result"] != FAILED]["error"].isna().all()


def test_of_many_designs_those_with_most_failures_are_named():
    table = counted([f"d{n}" for n in range(100)], ["e"], 4)
    bad = table["design"].isin(["d7", "d93"])
    table["not_converged"] = np.where(bad, 4, 0)
    table["converged"] -= table["not_converged"]
    rows = fit_panels.outcomes(table).rows
    assert set(rows["design"]) == {"d7", "d93", "98 other designs"}
    none = fit_panels.outcomes(counted([f"d{n}" for n in range(100)])).rows
    assert set(none["design"]) == {"100 designs"}


def test_what_is_amiss_in_any_way_comes_before_what_is_not():
    """However many designs there are, none that is not 0 is put with those that are."""
    table = counted([f"d{n}" for n in range(100)])
    for row, column in enumerate(failures.COUNTED):
        table.loc[60 + 2 * row, column] = 1
    kept = failures.gathered(table, 50)
    assert set(kept["design"]) == {f"d{30 + n}" for n in range(5)} | {
        "95 other designs"
    }
    assert kept["fits"].sum() == table["fits"].sum()
    rest = kept[kept["design"] == "95 other designs"]
    assert (rest[[*failures.COUNTED]] == 0).all(axis=None)
    assert rest["estimator"].tolist() == ["e", "f"]
