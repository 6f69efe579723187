"""Components of the variance: shares, intervals, and what may be 0."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from summands.decomposition import components, intervals
from summands.estimation.results import Components, Scales
from summands.model.cells import collapse
from summands.model.levels import Levels
from summands.model.rows import Rows
from tests.unit.decomposition.stand_ins import cells_of, draws_of, plain_draws, table_of

LEVELS = Levels(
    (1, 3, 4),
    ("baseline", "noise", "Prüfer 'ü'"),
    (("all",), ("a b", '"q"', "третий"), ("1", "2", "3", "4")),
)


def table(levels=LEVELS, count=200, seed=0, scale=1.0, origin=0.0):
    rng = np.random.default_rng(seed)
    contributors = [rng.integers(rng.integers(1, m + 1, count)) for m in levels.sizes]
    k = levels.contributors
    mu, sigma = levels.centre(rng.normal(size=k)), rng.lognormal(0, 0.3, k)
    rows = table_of(levels, contributors, 0.0, mu, sigma, rng)
    return replace(rows, value=origin + scale * rows.value)


def in_units(draws, scale, origin=0.0):
    return replace(
        draws,
        intercept=origin + scale * draws.intercept,
        mu=scale * draws.mu,
        sigma=scale * draws.sigma,
        scales=draws.scales.times(scale),
    )


def numbers(table):
    return {
        name: table[name].to_numpy()
        for name in table.column_names
        if name.split("_")[0] in ("sd", "variance", "share")
    }


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_shares_add_to_one_and_lie_in_their_intervals(seed, constant):
    cells = collapse(table(seed=seed))
    found = components.of_draws(
        "n", plain_draws(LEVELS, seed, constant=constant), cells
    )
    assert found.schema.equals(components.COMPONENTS)
    assert found["component"].to_pylist() == ["noise", "Prüfer 'ü'", "noise"]
    assert found["level"].to_pylist() == [1, 2, None]
    values = numbers(found)
    assert values["share"].sum() == pytest.approx(1.0, abs=1e-12)
    for what in ("sd", "variance", "share"):
        assert np.all(values[what + "_lower_95"] < values[what])
        assert np.all(values[what] < values[what + "_upper_95"])


def test_noise_is_the_mean_over_rows_of_their_variance():
    rows = table()
    draws = plain_draws(LEVELS)
    flat = np.stack(rows.contributors, axis=1) + LEVELS.offsets
    by_rows = (draws.sigma[..., flat] ** 2).sum(axis=-1).mean(axis=-1)
    np.testing.assert_allclose(
        components.noise_variance(draws.sigma, collapse(rows)), by_rows, rtol=1e-12
    )


def test_levels_are_their_scales():
    draws = plain_draws(LEVELS)
    found = components.of_draws("n", draws, collapse(table()))
    scale = draws.scales.mu_sd[..., 2].ravel()
    assert found["sd"][1].as_py() == pytest.approx(np.median(scale))
    assert found["variance"][1].as_py() == pytest.approx(
        np.median(scale) ** 2, rel=1e-3
    )
    assert found["sd_upper_95"][1].as_py() == pytest.approx(np.quantile(scale, 0.975))


@pytest.mark.parametrize(("scale", "origin"), [(1e-6, 1e6), (1e3, -5.0)])
def test_units_scale_the_answer_and_nothing_else(scale, origin):
    draws = plain_draws(LEVELS)
    one = numbers(components.of_draws("n", draws, collapse(table())))
    rows = table(scale=scale, origin=origin)
    moved = in_units(draws, scale, origin)
    other = numbers(components.of_draws("n", moved, collapse(rows)))
    for name, values in one.items():
        power = {"sd": scale, "variance": scale**2, "share": 1.0}[name.split("_")[0]]
        np.testing.assert_allclose(other[name], power * values, rtol=1e-9)


def test_order_of_contributors_does_not_matter():
    rows, draws = table(), plain_draws(LEVELS)
    order = np.array([0, 3, 1, 2, 6, 7, 4, 5])
    place = np.argsort(order)
    contributors = tuple(
        place[column + offset] - offset
        for column, offset in zip(rows.contributors, LEVELS.offsets, strict=True)
    )
    other = replace(draws, mu=draws.mu[..., order], sigma=draws.sigma[..., order])
    one = numbers(components.of_draws("n", draws, collapse(rows)))
    two = numbers(
        components.of_draws(
            "n", other, collapse(Rows(LEVELS, rows.value, contributors))
        )
    )
    for name, values in one.items():
        np.testing.assert_allclose(two[name], values, rtol=1e-9)


def test_what_may_be_zero_has_an_interval_from_zero():
    rng = np.random.default_rng(0)
    near, far = np.abs(rng.normal(size=4000)), rng.normal(5.0, 1.0, 4000)
    assert intervals.reaches_zero(near)
    assert intervals.reaches_zero(np.zeros(100))
    assert not intervals.reaches_zero(far)
    assert not intervals.reaches_zero(np.full(100, np.nan))
    assert not intervals.reaches_zero(1.0 + near)
    draws = plain_draws(LEVELS)
    draws.scales.mu_sd[..., 1] = near[:1000].reshape(4, 250)
    found = components.of_draws("n", draws, collapse(table()))
    assert [lower == 0 for lower in found["sd_lower_95"].to_pylist()] == [
        True,
        False,
        False,
    ]
    for what in ("sd", "variance", "share"):
        assert found[f"{what}_lower_95"][0].as_py() == 0.0
    upper = np.quantile(near[:1000], 0.95)
    assert found["sd_upper_95"][0].as_py() == pytest.approx(upper)
    assert found["variance_upper_95"][0].as_py() == pytest.approx(upper**2, rel=1e-3)


def test_what_may_be_zero_does_not_depend_on_the_upper_tail():
    """Of two contributors that differ clearly, the prior makes the upper tail."""
    probability = (np.arange(4000) + 0.5) / 4000
    # sd = |difference| / sqrt(chi^2 on one degree of freedom): no mass near 0.
    clear = 0.04 / np.sqrt(stats.chi2.ppf(probability, 1))
    assert clear.max() > 1000 * clear.min()
    assert not intervals.reaches_zero(clear)
    # Normal, cut at 0: the density there is exp(-m^2/2) of the largest, so that 0 is
    # what a likelihood ratio leaves at m = 1.96.
    for mean, zero in ((1.9, True), (2.3, False)):
        cut = stats.truncnorm.ppf(probability, -mean, np.inf, loc=mean)
        assert intervals.reaches_zero(cut) == zero
    assert intervals.reaches_zero(stats.halfcauchy.ppf(probability))
    # A density that rises from 0 in a line.
    assert not intervals.reaches_zero(np.sqrt(probability))


def test_known_scales_have_no_components():
    draws = replace(plain_draws(LEVELS), scales=None)
    found = components.of_draws("n", draws, collapse(table()))
    assert found["sd"].null_count == 2
    assert found["share"].null_count == 3
    assert found["sd"][2].as_py() > 0


def test_components_without_draws_are_squared_and_shared():
    sd = np.array([0.0, 3.0, 4.0, 12.0])
    lower, upper = np.array([0, np.nan, 2, 10.0]), np.array([0, np.nan, 7, 15.0])
    found = components.of_components("r", Components(sd, lower, upper), LEVELS)
    values = numbers(found)
    np.testing.assert_allclose(values["share"], np.array([9, 16, 144]) / 169)
    np.testing.assert_allclose(values["variance"], [9, 16, 144])
    np.testing.assert_allclose(values["variance_lower_95"][1:], [4, 100])
    assert found["sd_lower_95"].null_count == 1
    assert found["share_lower_95"].null_count == found["share_upper_95"].null_count == 3


def test_constant_values_are_told_from_varying_ones():
    """A component that is 0 in all draws: 0, not a number that was made up."""
    levels = Levels((1, 2))
    rng = np.random.default_rng(0)
    rows = table(levels, 30)
    cells, *_ = cells_of(rows)
    shape = (2, 50)
    draws = draws_of(
        levels,
        rng.normal(size=shape),
        np.zeros((*shape, 3)),
        np.ones((*shape, 3)),
        Scales(np.zeros((*shape, 2))),
    )
    found = components.of_draws("n", draws, cells)
    assert found["share"].to_pylist() == [0.0, 1.0]
    assert found["sd"].to_pylist() == pytest.approx([0.0, np.sqrt(2)])
