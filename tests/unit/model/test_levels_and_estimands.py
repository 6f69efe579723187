import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summands.model import estimands
from summands.model.levels import Levels
from summands.model.problem import Problem

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


@given(sizes, st.integers(0, 2**32 - 1))
def test_contrasts_are_centred_values(sizes, seed):
    levels = Levels.of(sizes)
    values = np.random.default_rng(seed).normal(3.0, 1.0, size=levels.contributors)
    found = levels.contrasts(values)
    assert found == pytest.approx(levels.centre(values), abs=1e-12)
    alone = (np.asarray(sizes) == 1)[levels.level]
    assert not found[alone].any()


@given(
    st.lists(st.integers(-3, 3), min_size=2, max_size=40),
    st.sampled_from([1e-6, 0.1, 0.3, 7.0]),
    st.sampled_from([0.0, 0.1, -1e3, 1e6]),
    st.booleans(),
)
def test_contrasts_that_are_zero_are_exactly_zero(steps, unit, added, of_squares):
    """In fractions of the unit they are; whatever is added to all."""
    count = len(steps)
    values = np.array(steps) * unit + added
    if of_squares:
        values = np.sqrt(values + 4 * unit + abs(added)) ** 2
    levels = Levels.of([1, count])
    found = levels.contrasts(np.append(5.0, values))[1:]
    expected = np.array(steps) * count - sum(steps)
    # What can be told apart at all, far from zero.
    told = np.abs(expected) * unit / count > 1e-8 * unit + 1e-15 * abs(added)
    assert (found[expected == 0] == 0).all()
    assert (np.sign(found[told]) == np.sign(expected[told])).all()


def test_the_spread_of_the_prior_is_that_of_its_draws():
    levels = Levels.of([1, 2, 4])
    rng = np.random.default_rng(1)
    size, k = 400_000, levels.contributors
    values = estimands.evaluate(
        levels,
        rng.normal(0, 2.0, size),
        levels.centre(rng.normal(0, 0.7, (size, k))),
        rng.lognormal(-0.2, 0.3, (size, k)),
    )
    found = estimands.prior_spread(Problem(levels, 0.7, 0.0, 0.3, 2.0))
    names = estimands.index(levels)
    linear = names.where("intercept") | names.where("mu")
    assert found[linear] == pytest.approx(
        values[:, linear].std(axis=0), rel=0.02, abs=1e-9
    )
    positive = names.where("sigma") | names.where("total_variance")
    lower, upper = np.quantile(np.log(values[:, positive]), [0.025, 0.975], axis=0)
    assert found[positive] == pytest.approx(upper - lower, rel=0.02)
    assert np.isnan(found[names.where("variance_contrast")]).all()
    # One variance alone is log-normal.
    alone = estimands.prior_spread(Problem(Levels.of([1]), 1.0, 0.0, 0.3, 1.0))
    assert alone[-1] == pytest.approx(2 * 3.92 * 0.3, rel=0.02)


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
