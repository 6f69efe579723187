import dataclasses

import numpy as np
import pytest

from summands import calibration, tables
from summands.design import Design
from summands.fitting import Fit
from summands.levels import Levels


def test_false_alarms_are_as_frequent_as_they_claim():
    rng = np.random.default_rng(1)
    p_values = np.array(
        [calibration.uniformity(rng.integers(0, 100, 200), 99) for _ in range(2000)]
    )
    for level in (0.01, 0.05, 0.2):
        error = np.sqrt(level * (1 - level) / len(p_values))
        assert (p_values <= level).mean() == pytest.approx(level, abs=4 * error)


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
        p_value = calibration.uniformity(ranks, 99)
        # On the edge itself the two may differ, by what the simulated null resolves.
        if abs(p_value - level) > 0.01:
            assert outside == (p_value < level)
    assert left / 400 == pytest.approx(level, abs=0.035)
    assert points[0] == 0.01


def test_a_verdict_needs_drawn_truths_and_draws():
    design = Design(Levels.of([1, 2]), 50)
    fixed = dataclasses.replace(design, truth="fixed")
    size = 3 * 3 + 2
    fits = [Fit(size, seconds=0.1) for _ in range(4)]
    for number, fit in enumerate(fits):
        fit.rank = np.full(size, float(number))
        fit.rank_of = np.full(size, 99.0)
        fit.log_likelihood_rank = number
    fits[3] = Fit(size, seconds=0.1, error="it broke")
    known = {"truth": np.ones((4, size))}

    def found(design, fits):
        pair = (
            tables.estimates("d", "e", design.levels, range(4), fits, known),
            tables.fits("d", "e", range(4), fits),
        )
        return calibration.calibration("d", design, "e", *pair)

    table = found(design, fits)
    assert table.schema.equals(tables.CALIBRATION)
    rows = {row["parameter"]: row for row in table.to_pylist()}
    assert set(rows) == {
        *("intercept", "mu", "sigma", "variance_contrast", "total_variance"),
        "log_likelihood",
    }
    assert rows["sigma"]["replicates"] == 3
    assert rows["sigma"]["quantities"] == 3
    assert rows["mu"]["quantities"] == 2  # that of the contributor alone is 0
    assert found(fixed, fits).num_rows == 0
    assert found(design, [Fit(size, seconds=0.1) for _ in range(4)]).num_rows == 0
