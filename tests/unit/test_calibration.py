import numpy as np
import pytest

from summands import calibration


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
