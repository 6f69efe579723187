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


def crossed(levels: Levels) -> np.ndarray:
    """Indicators of the full crossing of all contributors."""
    grid = np.stack(
        [axis.ravel() for axis in np.meshgrid(*map(np.arange, levels.sizes))], axis=1
    )
    z = np.zeros((len(grid), levels.contributors))
    np.put_along_axis(z, grid + levels.offsets, 1.0, axis=1)
    return z


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_crossed_levels_identify_all_but_single_sigmas(sizes):
    levels = Levels.of(sizes)
    identified = estimands.identified(levels, crossed(levels))
    names = estimands.index(levels)
    assert identified[~names.where("sigma")].all()
    assert (identified[names.where("sigma")] == (levels.count == 1)).all()


@given(
    st.lists(st.integers(1, 3), min_size=2, max_size=3),
    st.integers(0, 2**32 - 1),
    st.integers(1, 6),
)
def test_identified_means_no_change_of_the_cells_can_hide_it(sizes, seed, kept):
    """Brute force: estimable if and only if adding its row does not raise the rank."""
    levels = Levels.of(sizes)
    z = crossed(levels)
    z = z[np.random.default_rng(seed).permutation(len(z))[:kept]]
    rank = np.linalg.matrix_rank(z)
    expected = [
        np.linalg.matrix_rank(np.vstack([z, row])) == rank
        for row in estimands.weights(levels)
    ]
    assert estimands.identified(levels, z).tolist() == expected


def test_disconnected_contributors_leave_means_undetermined():
    levels = Levels.of([2, 2])
    # 0 meets only 0, and 1 only 1: which level makes the difference?
    z = np.array([[1.0, 0, 1, 0], [0, 1, 0, 1]])
    identified = estimands.identified(levels, z)
    assert not identified[estimands.index(levels).where("mu")].any()
    assert identified[estimands.index(levels).where("intercept")].all()


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
