import dataclasses
import itertools
from math import factorial, prod

import numpy as np
import pytest
from scipy import stats

from summands.data.design import Design
from summands.data.layouts import Chunked
from summands.data.noises import StudentT
from summands.data.truths import OneOff
from summands.estimation.results import Fit
from summands.model.levels import Levels
from summands.recovery import calibration
from summands.recovery.tables import CALIBRATION

from ..stand_ins import score_of, tables_of


def test_false_alarms_are_as_frequent_as_they_claim():
    rng = np.random.default_rng(1)
    p_values = np.array(
        [calibration.uniformity(rng.integers(0, 100, 200), 99) for _ in range(2000)]
    )
    for level in (0.01, 0.05, 0.2):
        error = np.sqrt(level * (1 - level) / len(p_values))
        assert (p_values <= level).mean() == pytest.approx(level, abs=4 * error)


def compositions(total: int, parts: int):
    """All ways to put ranks into bins."""
    for bars in itertools.combinations(range(total + parts - 1), parts - 1):
        edges = (-1, *bars, total + parts - 1)
        yield [after - before - 1 for before, after in itertools.pairwise(edges)]


@pytest.mark.parametrize(("count", "rank_of"), [(4, 3), (6, 4), (9, 2), (1, 5)])
def test_p_values_are_exact(count, rank_of):
    """By listing every set of ranks there is, with its multinomial chance."""
    bins = rank_of + 1
    points = np.arange(1, bins) / bins
    sets = []
    for numbers in compositions(count, bins):
        chance = factorial(count) / prod(map(factorial, numbers)) / bins**count
        below = np.cumsum(numbers)[:-1]
        tails = np.minimum(
            stats.binom.cdf(below, count, points),
            stats.binom.sf(below - 1, count, points),
        )
        ranks = np.repeat(np.arange(bins), numbers)
        sets.append((2 * tails.min(), chance, calibration.uniformity(ranks, rank_of)))
    statistic, chance, p_value = np.array(sets).T
    assert chance.sum() == pytest.approx(1)
    as_extreme = statistic[None, :] <= statistic[:, None] * (1 + 1e-9)
    assert p_value == pytest.approx((as_extreme * chance).sum(axis=1), abs=1e-12)


QUANTITIES = (5, 50, 500, 3000)


@pytest.mark.parametrize("quantities", QUANTITIES)
@pytest.mark.parametrize("count", [20, 50, 500])
def test_ranks_at_one_end_fail_however_many_quantities_there_are(count, quantities):
    """One bad quantity among sound ones, at the smallest size and at the largest."""
    for end in (0, 99):
        p_values = np.full(quantities, 0.5)
        p_values[-1] = calibration.uniformity(np.full(count, end), 99)
        assert calibration.holm(p_values).min() < 1e-20


@pytest.mark.parametrize("quantities", QUANTITIES)
@pytest.mark.parametrize("count", [20, 50, 500])
def test_a_verdict_fails_one_sound_estimator_in_a_hundred(count, quantities):
    """The largest p-value that Holm's first step rejects, by the exact distribution.

    p-values are discrete: it lies below the level by what they leave out.
    """
    level = calibration.LEVEL / quantities
    points, lower, upper = calibration.band(count, 99, level)
    inside = np.array([round(count * share) for share in (*lower, *upper)])
    tails = np.minimum(
        stats.binom.cdf(inside.reshape(2, -1)[0], count, points),
        stats.binom.sf(inside.reshape(2, -1)[1] - 1, count, points),
    )
    # The chance to leave the band is that of the next smaller statistic.
    outside = calibration.exit_probability(count, 99, float(2 * tails.min() * 0.999999))
    alarms = 1 - (1 - outside) ** quantities
    assert 0.93 * calibration.LEVEL < alarms <= calibration.LEVEL


@pytest.mark.parametrize("count", [50, pytest.param(500, marks=pytest.mark.slow)])
def test_false_alarms_of_whole_verdicts(count):
    rng = np.random.default_rng(2)
    sets, quantities = 3000, 5
    alarms = 0
    for ranks in rng.integers(0, 100, (sets, quantities, count)):
        p_values = np.array([calibration.uniformity(each, 99) for each in ranks])
        alarms += calibration.holm(p_values).min() < calibration.LEVEL
    error = np.sqrt(sets * calibration.LEVEL * (1 - calibration.LEVEL))
    assert abs(alarms - sets * calibration.LEVEL) < 3 * error


@pytest.mark.parametrize(
    "wrong",
    [
        lambda u: u**1.35,
        lambda u: 0.5 + 0.8 * (u - 0.5),
        lambda u: np.clip(0.5 + 1.3 * (u - 0.5), 0, 0.999),
    ],
    ids=["biased", "too wide", "too narrow"],
)
def test_wrong_ranks_are_seen(wrong):
    ranks = (100 * wrong(np.random.default_rng(0).random(500))).astype(int)
    assert calibration.uniformity(ranks, 99) < 0.001


def test_holm_is_its_definition():
    adjusted = calibration.holm(np.array([0.01, 0.04, 0.03, 0.5]))
    assert adjusted == pytest.approx([0.04, 0.09, 0.09, 0.5])


@pytest.mark.parametrize("count", [60, 500])
def test_the_band_holds_what_the_test_lets_pass(count):
    """Two routes to one verdict: leaving the band, and a small p-value."""
    rng = np.random.default_rng(3)
    level = 0.05
    points, lower, upper = calibration.band(count, 99, level)
    left = 0
    for _ in range(400):
        ranks = rng.integers(0, 100, count)
        share = (ranks[:, None] < np.arange(1, 100)).mean(axis=0)
        outside = ((share < lower - 1e-12) | (share > upper + 1e-12)).any()
        left += outside
        assert outside == (calibration.uniformity(ranks, 99) <= level)
    assert left / 400 == pytest.approx(level, abs=0.035)
    assert points[0] == 0.01


@pytest.mark.parametrize("count", [60, 200])
def test_a_path_along_the_band_passes_and_one_step_beyond_fails(count):
    """At every point, also at those whose tail is the critical one."""
    level = 0.05
    points, lower, upper = calibration.band(count, 99, level)
    low, high = np.rint(count * lower), np.rint(count * upper)
    middle = np.rint(count * points)
    for place in range(99):
        for end, beyond in ((low[place], -1), (high[place], 1)):
            for step in (0, beyond):
                if not 0 <= end + step <= count:
                    continue
                # Cumulative numbers of ranks, through this end and as usual elsewhere.
                path = middle.copy()
                path[:place] = np.minimum(path[:place], end + step)
                path[place:] = np.maximum(path[place:], end + step)
                path[place] = end + step
                ranks = np.repeat(
                    np.arange(100), np.diff([0, *path, count]).astype(int)
                )
                passes = calibration.uniformity(ranks, 99) > level
                assert passes == (step == 0)


def test_a_verdict_needs_drawn_truths_and_draws():
    design = Design(Levels.of([1, 2]), 50, intercept_sd=5.0)
    fixed = dataclasses.replace(design, truth="fixed")
    size = 3 * 3 + 2
    fits = [Fit(size, seconds=0.1) for _ in range(4)]
    scores = [
        score_of(
            size,
            rank=np.full(size, 20.0 + 30.0 * number),
            rank_of=np.full(size, 99.0),
            log_likelihood_rank=20 + 30 * number,
        )
        for number in range(3)
    ]
    fits[3] = Fit(size, seconds=0.1, error="it broke")
    scores.append(score_of(size))
    known = {"truth": np.ones((4, size))}

    def found(design, fits, scores=scores):
        pair = tables_of("d", "e", design.levels, fits, known, scores)
        return calibration.calibration("d", design, "e", *pair)

    table = found(design, fits)
    assert table.schema.equals(CALIBRATION)
    rows = {row["parameter"]: row for row in table.to_pylist()}
    assert set(rows) == {
        *("intercept", "mu", "sigma", "variance_contrast", "total_variance"),
        "log_likelihood",
    }
    assert rows["sigma"]["replicates"] == 3
    assert rows["sigma"]["quantities"] == 3
    assert rows["mu"]["quantities"] == 2  # that of the contributor alone is 0
    assert {row["verdict"] for row in rows.values()} == {"passed"}
    # An intercept that is always 0 is no draw from its prior: nothing is said.
    silent = found(dataclasses.replace(design, intercept_sd=0.0), fits).to_pylist()
    assert {row["parameter"] for row in silent} == set(rows)
    for row in silent:
        assert row["verdict"] == "not testable"
        assert "intercept_sd" in row["reason"]
        assert row["p_value"] is row["calibrated"] is None
    for changes in (
        {"noise": StudentT(4.0)},
        {"interaction_sd": 1.0},
        {"drift": 1.0},
        {"autocorrelation": 0.5},
    ):
        other = found(dataclasses.replace(design, **changes), fits).to_pylist()
        assert {row["verdict"] for row in other} == {"not testable"}
        assert {row["reason"] for row in other} == {calibration.OTHER_DATA}
    # Who contributed is given: ranks are uniform whatever the layout.
    laid_out = found(dataclasses.replace(design, layout=Chunked(25)), fits)
    assert set(laid_out["verdict"].to_pylist()) == {"passed"}
    one_off = dataclasses.replace(design, truth=OneOff(3.0))
    assert found(one_off, fits).num_rows == 0
    assert found(fixed, fits).num_rows == 0
    assert found(design, fits, [score_of(size)] * 4).num_rows == 0
