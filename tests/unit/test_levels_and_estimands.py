import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summands import estimands
from summands.levels import Levels

sizes = st.lists(st.integers(1, 6), min_size=1, max_size=5)


@given(sizes, st.integers(0, 2**32 - 1))
def test_centring_gives_zero_sums_and_keeps_differences(sizes, seed):
    levels = Levels.of(sizes)
    values = np.random.default_rng(seed).normal(size=(3, levels.contributors))
    centred = levels.centre(values)
    for level in range(levels.count):
        of_level = levels.level == level
        assert np.allclose(centred[:, of_level].sum(axis=1), 0, atol=1e-12)
        assert np.allclose(
            np.diff(centred[:, of_level]), np.diff(values[:, of_level]), atol=1e-12
        )
    assert np.allclose(levels.centre(centred), centred, atol=1e-12)
    assert np.allclose(values @ levels.centring.T, centred, atol=1e-12)


@given(sizes, st.integers(0, 2**32 - 1))
def test_estimands_are_their_definitions(sizes, seed):
    levels = Levels.of(sizes)
    rng = np.random.default_rng(seed)
    mu = levels.centre(rng.normal(size=levels.contributors))
    sigma = rng.lognormal(size=levels.contributors)
    values = estimands.evaluate(levels, 0.7, mu, sigma)
    names = estimands.index(levels)
    assert len(values) == len(names.parameter) == 3 * levels.contributors + 2
    found = {
        (parameter, level, contributor): value
        for parameter, level, contributor, value in zip(
            names.parameter, names.level, names.contributor, values, strict=True
        )
    }
    assert found["intercept", -1, -1] == 0.7
    total = 0.0
    start = 0
    for level, size in enumerate(sizes):
        variances = sigma[start : start + size] ** 2
        total += variances.mean()
        for k in range(size):
            assert found["mu", level, k] == mu[start + k]
            assert found["sigma", level, k] == sigma[start + k]
            assert found["variance_contrast", level, k] == pytest.approx(
                variances[k] - variances.mean(), abs=1e-9
            )
        start += size
    assert found["total_variance", -1, -1] == pytest.approx(total)


def test_only_contributors_alone_in_their_level_are_constant():
    levels = Levels.of([1, 2])
    names = estimands.index(levels)
    constant = [
        (str(parameter), int(level))
        for parameter, level, fixed in zip(
            names.parameter, names.level, estimands.constant(levels), strict=True
        )
        if fixed
    ]
    assert constant == [("mu", 0), ("variance_contrast", 0)]
