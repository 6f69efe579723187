"""How often intervals hold the truth: counted anew, and broken ones are found."""

import numpy as np
import pyarrow as pa
import pytest

from summands.model import estimands
from summands.model.levels import Levels
from summands.recovery import held

LEVELS = Levels.of([1, 3, 20])
NAMES = estimands.index(LEVELS)


def tables(replicates, seed=0, spoil=None, missing=0):
    """Estimates with exact normal intervals; those of one quantity are moved."""
    rng = np.random.default_rng(seed)
    size = len(NAMES.parameter)
    truth = rng.normal(size=(replicates, size))
    estimate = truth + rng.normal(size=truth.shape)
    if spoil is not None:
        place, by = spoil
        estimate[:, place] += by
    lower, upper = estimate - 1.959964, estimate + 1.959964
    lower[:missing], upper[:missing] = np.nan, np.nan
    columns = {
        "truth": truth.ravel(),
        "lower_95": lower.ravel(),
        "upper_95": upper.ravel(),
    }
    converged = pa.array([n >= missing for n in range(replicates)])
    return pa.table(columns), pa.table({"converged": converged})


def place_of(level, contributor, parameter="mu"):
    return int(
        np.flatnonzero(
            (NAMES.parameter == parameter)
            & (NAMES.level == level)
            & (NAMES.contributor == contributor)
        )[0]
    )


def by_parameter(made):
    found = held.held(LEVELS, {"e": made})
    assert found.schema.equals(held.HELD)
    return {row["parameter"]: row for row in found.to_pylist()}


def test_shares_are_those_of_all_contributors():
    estimates, fits = made = tables(150)
    found = by_parameter(made)
    assert list(found) == list(estimands.PARAMETERS)
    within = (estimates["lower_95"].to_numpy() <= estimates["truth"].to_numpy()) & (
        estimates["truth"].to_numpy() <= estimates["upper_95"].to_numpy()
    )
    within = within.reshape(fits.num_rows, -1)
    for parameter, row in found.items():
        mine = within[:, (NAMES.parameter == parameter) & ~estimands.constant(LEVELS)]
        assert row["coverage_95"] == pytest.approx(mine.mean())
        assert row["contributors"] == mine.shape[1]
        assert row["worst"] == pytest.approx(mine.mean(axis=0).min())
        assert row["lower"] < row["coverage_95"] < row["upper"]
        assert (row["worst_level"] is None) == (mine.shape[1] == 1)


@pytest.mark.parametrize("level", [1, 2])
def test_one_bad_contributor_is_found_though_the_average_hides_it(level):
    place = place_of(level, 2)
    row = by_parameter(tables(200, spoil=(place, 1.5)))["mu"]
    assert row["coverage_95"] > 0.92
    assert (row["worst_level"], row["worst_contributor"]) == (level, 2)
    assert row["worst_p"] < 0.001
    assert row["worst_upper"] < 0.9


def test_sound_intervals_are_blamed_seldom():
    blamed = [
        by_parameter(tables(100, seed))["mu"]["worst_p"] < 0.05 for seed in range(200)
    ]
    assert np.mean(blamed) < 0.09


def test_fits_without_intervals_are_left_out_and_counted():
    row = by_parameter(tables(60, missing=13))["mu"]
    assert (row["replicates"], row["fits"], row["converged"]) == (47, 60, 47)
    assert "mu" not in by_parameter(tables(9, missing=9))


def test_a_single_table_has_no_monte_carlo_interval():
    row = by_parameter(tables(1))["mu"]
    assert row["lower"] is None
    assert row["upper"] is None
