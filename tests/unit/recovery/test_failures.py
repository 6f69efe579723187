"""Every fit is counted once, in whatever way it went, and zeros are told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summands.estimation.results import Fit
from summands.model import estimands
from summands.model.levels import Levels
from summands.posterior.diagnostics import Diagnostics
from summands.recovery.failures import FAILURES, MISSED, OF_DRAWS, Failures

from ..stand_ins import tables_of

LEVELS = Levels.of([1, 2, 3])
NAMES = estimands.index(LEVELS)
SIZE = len(NAMES.parameter)
WAYS = ("good", "slow", "own", "failed")


def fit_of(way="good", attempts=None, lost=(), no_ends=(), gap=False):
    """A fit; of the parameters `lost` it has no estimate, of `no_ends` no interval."""
    if way == "failed":
        made = Fit(SIZE, seconds=1.0, error="it broke")
    else:
        made = Fit(SIZE, seconds=1.0, converged=way == "good", attempts=attempts)
        made.criterion = {
            "slow": "min_ess_tail 3 < 400; divergences 2 > 0",
            "own": "the estimator's own criterion",
        }.get(way)
        made.estimate = np.arange(float(SIZE))
        for name in ("lower_95", "upper_95"):
            getattr(made, name)[:] = made.estimate
        for parameter in lost:
            made.estimate[NAMES.where(parameter)] = np.nan
        for parameter in no_ends:
            made.upper_95[NAMES.where(parameter)] = np.nan
    made.identified = ~NAMES.where("sigma")
    if gap:
        made.identified &= ~NAMES.where("mu")
        made.estimate[NAMES.where("mu")] = np.nan
    return made


def counted(*designs, estimator="e"):
    """Rows of the table, of designs that are lists of fits."""
    failures = Failures()
    for number, fits in enumerate(designs):
        truth = {"truth": np.ones((len(fits), SIZE))}
        truth["bound"] = truth["truth"]
        pair = tables_of(f"d{number}", estimator, LEVELS, fits, truth)
        failures.add(f"d{number}", LEVELS, estimator, *pair)
    table = failures.table()
    assert table.schema.equals(FAILURES)
    return table.to_pylist()


@given(st.lists(st.sampled_from(WAYS), min_size=1, max_size=12))
def test_every_fit_is_in_one_column_and_every_unconverged_one_in_one_more(ways):
    (row,) = counted([fit_of(way) for way in ways])
    assert row["fits"] == len(ways)
    assert row["fits"] == row["converged"] + row["not_converged"] + row["failed"]
    assert sum(row[column] for column in MISSED.values()) == row["not_converged"]
    assert row["converged"] == ways.count("good")
    assert row["failed"] == ways.count("failed")
    # By what was missed first alone.
    assert row["missed_min_ess_tail"] == ways.count("slow")
    assert row["missed_divergences"] == 0
    assert row["missed_own"] == ways.count("own")
    if "failed" in ways:
        assert row["first_error"] == "it broke"
        assert row["first_error_replicate"] == ways.index("failed")
    else:
        assert row["first_error"] is row["first_error_replicate"] is None
    assert row["missing"] == row["retried"] == row["undetermined"] == 0


def test_criteria_are_those_of_draws_in_their_order():
    """All are missed at once: the string that fits.parquet has is the order."""
    ones = np.ones(3)
    everything = Diagnostics(
        rhat=2 * ones, ess_bulk=ones, ess_tail=ones, divergences=1, min_ebfmi=0.0
    )
    told = [part.split()[0] for part in everything.criterion.split("; ")]
    assert told == [*OF_DRAWS]


def test_attempts_beyond_the_first_are_counted():
    (row,) = counted([fit_of(attempts=n) for n in (1, 2, 3, None)])
    assert row["retried"] == 2


def test_what_an_estimator_never_gives_is_not_missing():
    fits = [fit_of(lost=["variance_contrast"], no_ends=["mu"]) for _ in range(3)]
    assert [row["missing"] for row in counted(fits, fits)] == [0, 0]


@pytest.mark.parametrize("what", ["lost", "no_ends"])
def test_what_it_gives_in_another_design_is_missing_here(what):
    here = [fit_of(**{what: ["total_variance"]}), fit_of(**{what: ["total_variance"]})]
    for designs in ([here, [fit_of()]], [[fit_of()], here]):
        rows = counted(*designs)
        assert sorted(row["missing"] for row in rows) == [0, 2]


def test_a_fit_that_lacks_several_results_is_one_that_lacks_some():
    (row,) = counted([fit_of(), fit_of(lost=["mu", "intercept"], no_ends=["mu"])])
    assert row["missing"] == 1


def test_a_single_contributor_that_lacks_an_interval_is_seen():
    lacking = fit_of()
    lacking.lower_95[np.flatnonzero(NAMES.where("mu"))[-1]] = np.nan
    (row,) = counted([fit_of(), lacking])
    assert row["missing"] == 1


def test_what_failed_or_is_not_determined_is_not_missing():
    (row,) = counted([fit_of(), fit_of("failed"), fit_of(gap=True), fit_of(gap=True)])
    assert row["missing"] == 0
    assert row["undetermined"] == 2
    # Sigma is determined by no data, and no result where it is null.
    (row,) = counted([fit_of(), fit_of(lost=["sigma"])])
    assert (row["missing"], row["undetermined"]) == (0, 0)


def test_a_fit_that_failed_before_it_was_known_what_is_determined_has_a_row():
    unknown = fit_of("failed")
    unknown.identified = np.full(SIZE, np.nan)
    (row,) = counted([unknown, fit_of("failed")])
    assert (row["fits"], row["failed"], row["undetermined"]) == (2, 2, 0)


def test_an_estimator_that_fails_in_every_fit_has_nothing_missing():
    (row,) = counted([fit_of("failed")] * 4)
    assert (row["failed"], row["missing"], row["first_error_replicate"]) == (4, 0, 0)
