"""Prior sensitivity: strong wrong priors are told, weak ones are not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from summands.decomposition import likelihood, sensitivity, thinning
from summands.estimation.results import Scales
from summands.model.cells import collapse
from summands.model.distributions import HalfNormal, LogNormal, Normal, ScalePriors
from summands.model.levels import Levels
from tests.unit.decomposition.stand_ins import draws_of, plain_draws, table_of

WIDE = ScalePriors(HalfNormal(3.0), Normal(0.0, 3.0), LogNormal(-0.7, 0.6))
LEVELS = Levels((1, 12), ("baseline", "machine"))


def fitted(prior_scale, seed=0, count=240, shape=(4, 1000)):
    """Draws of mu_sd, means and a constant noise, by Gibbs sampling on a grid of sd."""
    rng = np.random.default_rng(seed)
    mu = LEVELS.centre(np.concatenate([[0.0], rng.normal(size=12)]))
    contributors = [np.zeros(count, int), np.arange(count) % 12]
    rows = table_of(LEVELS, contributors, 0.0, mu, np.array([1.0] + [0.0] * 12), rng)
    cells = collapse(rows)
    per = count / 12
    mean = np.array([rows.value[contributors[1] == k].mean() for k in range(12)])
    grid = np.linspace(1e-3, 6.0, 6000)
    between, noise = mean.var() * 12, 1.0 / per
    variance = grid**2 + noise
    density = -0.5 * (11 * np.log(variance) + between / variance)
    density += stats.halfnorm.logpdf(grid, scale=prior_scale)
    weight = np.exp(density - density.max())
    tau = rng.choice(grid, shape, p=weight / weight.sum())[..., None]
    kept = tau**2 / (tau**2 + noise)
    means = kept * (mean - mean.mean()) + np.sqrt(kept * noise) * rng.normal(
        size=(*shape, 12)
    )
    means -= means.mean(axis=-1, keepdims=True)
    sigma = np.zeros((*shape, 13))
    sigma[..., 0] = 1.0 + rng.normal(0.0, np.sqrt(0.5 / count), shape)
    scales = Scales(np.concatenate([np.zeros_like(tau), tau], axis=-1))
    intercept = mean.mean() + rng.normal(0.0, count**-0.5, shape)
    mu = np.concatenate([np.zeros_like(tau), means], axis=-1)
    return draws_of(LEVELS, intercept, mu, sigma, scales), cells


def of(draws, cells, scale):
    priors = replace(WIDE, mu_sd=HalfNormal(scale))
    found = sensitivity.of_draws("n", draws, cells, priors)
    assert found.schema.equals(sensitivity.SENSITIVITY)
    return {row["component"]: row for row in found.to_pylist()}


@pytest.mark.parametrize("seed", range(3))
def test_a_strong_wrong_prior_is_told_and_a_weak_one_is_not(seed):
    weak = of(*fitted(20.0, seed), 20.0)["machine"]
    assert weak["diagnosis"] == sensitivity.FINE
    assert weak["prior_sensitivity"] < sensitivity.THRESHOLD
    wrong = of(*fitted(0.1, seed), 0.1)["machine"]
    assert wrong["diagnosis"] == sensitivity.CONFLICT
    assert wrong["prior_sensitivity"] > 2 * sensitivity.THRESHOLD


def test_thinned_draws_keep_their_likelihood(monkeypatch):
    """Of components that the data tell, as all draws do."""
    draws, cells = fitted(20.0)
    everything = of(draws, cells, 20.0)
    monkeypatch.setattr(sensitivity, "MOST_DRAWS", 1500)
    some = of(draws, cells, 20.0)
    for name in ("machine", "noise"):
        found = some[name]["likelihood_sensitivity"]
        exact = everything[name]["likelihood_sensitivity"]
        assert found == pytest.approx(exact, rel=0.2)
        assert found > 2 * sensitivity.THRESHOLD


def test_a_prior_that_no_data_touch_decides():
    """Noise so large that the posterior is the prior."""
    draws, cells = fitted(1.0)
    rng = np.random.default_rng(1)
    draws.scales.mu_sd[..., 1] = np.abs(rng.normal(0.0, 1.0, (4, 1000)))
    draws.sigma[...] *= 300.0
    found = of(draws, cells, 1.0)["machine"]
    assert found["diagnosis"] == sensitivity.STRONG
    assert found["likelihood_sensitivity"] < 0.2 * sensitivity.THRESHOLD


def test_prior_stands_beside_posterior():
    draws, cells = fitted(1.0)
    found = of(draws, cells, 1.0)
    assert found["machine"]["prior_median"] == pytest.approx(stats.halfnorm.ppf(0.5))
    assert found["machine"]["prior_upper_95"] == pytest.approx(
        stats.halfnorm.ppf(0.975)
    )
    tau = draws.scales.mu_sd[..., 1]
    assert found["machine"]["median"] == pytest.approx(np.median(tau))
    assert found["machine"]["lower_95"] == pytest.approx(np.quantile(tau, 0.025))
    # All rows have one noise: that of two levels.
    middle = np.sqrt(2.0)
    assert found["noise"]["prior_median"] == pytest.approx(middle, rel=0.1)
    upper = middle * np.exp(3 * 1.96)
    assert found["noise"]["prior_upper_95"] == pytest.approx(upper, rel=0.3)
    assert found["noise"]["level"] is None


def test_the_prior_of_the_noise_is_that_of_its_scales():
    levels = Levels.of([1, 3, 4])
    rng = np.random.default_rng(0)
    contributors = [rng.integers(m, size=100) for m in levels.sizes]
    cells = collapse(table_of(levels, contributors, 0.0, np.zeros(8), np.ones(8), rng))
    tight = ScalePriors(HalfNormal(1.0), Normal(0.5, 1e-9), LogNormal(-30.0, 1e-9))
    found = sensitivity.of_draws("n", plain_draws(levels), cells, tight)
    # Each row has three contributors of sigma = exp(0.5).
    for name in ("prior_lower_95", "prior_median", "prior_upper_95"):
        assert found[name][2].as_py() == pytest.approx(np.sqrt(3) * np.exp(0.5))


def test_densities_are_the_written_ones():
    levels = Levels.of([1, 3, 4])
    rng = np.random.default_rng(0)
    contributors = [rng.integers(m, size=100) for m in levels.sizes]
    cells = collapse(table_of(levels, contributors, 50.0, np.zeros(8), np.ones(8), rng))
    draws = plain_draws(levels)
    s = draws.scales
    found = sensitivity.log_prior(draws, cells, WIDE)
    for place in (0, 1):
        of_means = stats.halfnorm.logpdf(s.mu_sd[..., place + 1], scale=3.0)
        np.testing.assert_allclose(found[:, place], of_means.ravel())
    of_noise = stats.norm.logpdf(s.log_sigma_mean, 0.0, 3.0).sum(axis=-1)
    of_noise += stats.lognorm.logpdf(s.log_sigma_sd, 0.6, scale=np.exp(-0.7)).sum(-1)
    np.testing.assert_allclose(found[:, 2], of_noise.ravel())


@pytest.mark.parametrize(("scale", "origin"), [(1e-6, 1e6), (1e4, 3.0)])
def test_units_change_the_quantiles_alone(scale, origin):
    draws, cells = fitted(1.0, shape=(4, 250))
    moved = replace(
        draws,
        intercept=origin + scale * draws.intercept,
        mu=scale * draws.mu,
        sigma=scale * draws.sigma,
        scales=draws.scales.times(scale),
    )
    there = replace(
        cells,
        mean=origin + scale * cells.mean,
        sum_of_squares=scale**2 * cells.sum_of_squares,
    )
    one = sensitivity.of_draws("n", draws, cells, WIDE).to_pylist()
    two = sensitivity.of_draws("n", moved, there, WIDE.in_scale(1 / scale)).to_pylist()
    for first, second in zip(one, two, strict=True):
        for name, value in first.items():
            if name.endswith("sensitivity"):
                assert second[name] == pytest.approx(value, rel=0.02, abs=1e-4)
            elif isinstance(value, float):
                assert second[name] == pytest.approx(scale * value)
            else:
                assert second[name] == value


def test_one_noise_has_the_prior_of_that_of_all_levels_in_one():
    draws, cells = fitted(1.0, shape=(2, 50))
    found = sensitivity.log_prior(draws, cells, WIDE)
    assert found.shape == (100, 2)
    noise = np.log(draws.sigma[..., 0].ravel())
    exact = stats.norm.logpdf(noise, 0.5 * np.log(2), 3.0)
    np.testing.assert_allclose(found[:, 1], exact)


def test_known_scales_have_no_prior_to_question():
    draws, cells = fitted(1.0, shape=(2, 50))
    nothing = sensitivity.of_draws("n", replace(draws, scales=None), cells, WIDE)
    assert nothing.num_rows == 0
    assert nothing.schema.equals(sensitivity.SENSITIVITY)


def dense(x, z, others, tau, v):
    """Restricted likelihood of rows, by matrices: a level's means and b integrated."""
    covariance = np.diag(v) + tau**2 * z @ z.T
    inverse = np.linalg.inv(covariance)
    one = np.ones(len(x))
    e = x - others
    e = e - one @ inverse @ e / (one @ inverse @ one)
    return -0.5 * (
        np.linalg.slogdet(covariance)[1] + np.log(one @ inverse @ one) + e @ inverse @ e
    )


@pytest.mark.parametrize("level", [1, 2])
def test_a_scale_has_the_likelihood_of_rows_without_its_means(level):
    levels = Levels.of([1, 3, 4])
    rng = np.random.default_rng(level)
    contributors = [rng.integers(m, size=40) for m in levels.sizes]
    rows = table_of(levels, contributors, 50.0, np.zeros(8), np.ones(8), rng)
    cells = collapse(rows)
    draws = plain_draws(levels, shape=(1, 6))
    # What rows say around their averages differs from draw to draw with these.
    draws.sigma[:] = draws.sigma[0, 0]
    other = 3 - level
    draws.mu[..., levels.level == other] = draws.mu[0, 0, levels.level == other]
    some = thinning.thin(draws, 6)
    tau = draws.scales.mu_sd[0, :, 1:]
    found = likelihood.of_components(some, tau, [1, 2], cells)[:, level - 1]
    flat = np.stack(contributors, axis=1) + levels.offsets
    z = np.eye(levels.sizes[level])[contributors[level]]
    exact = [
        dense(
            rows.value,
            z,
            some.mu[0, flat[:, other]],
            tau[draw, level - 1],
            some.variance[0, flat].sum(axis=1),
        )
        for draw in range(6)
    ]
    np.testing.assert_allclose(found - found[0], np.array(exact) - exact[0], atol=1e-9)


@pytest.mark.parametrize(("scale", "origin"), [(1.0, 0.0), (1e-6, 1e6), (1e3, -50.0)])
def test_one_variance_of_all_rows_is_no_other_model(scale, origin, monkeypatch):
    """Sums over cells are those of products, though these look at the cells once."""
    levels = Levels.of([1, 3, 40])
    rng = np.random.default_rng(1)
    contributors = [rng.integers(m, size=500) for m in levels.sizes]
    sigma = np.where(levels.level == 0, 0.1 * scale, 0.0)
    mu = scale * rng.normal(size=44)
    rows = table_of(levels, contributors, origin, mu, sigma, rng)
    shape = (1, 20)
    # Near the truth, as draws are: what cells leave over is small beside the means.
    draws = draws_of(
        levels,
        origin + scale * rng.normal(0.0, 0.01, shape),
        mu + scale * rng.normal(0.0, 0.01, (*shape, 44)),
        np.broadcast_to(sigma, (*shape, 44)) * rng.lognormal(0.0, 0.1, (*shape, 1)),
    )
    cells, some = collapse(rows), thinning.thin(draws, 20)
    tau = scale * rng.lognormal(size=(20, 2))
    monkeypatch.setattr(likelihood, "BLOCK", 44 * 6)
    found = likelihood.of_components(some, tau, [1, 2], cells)
    monkeypatch.setattr(
        thinning.Thinned, "constant_variance", lambda some, levels: None
    )
    exact = likelihood.of_components(some, tau, [1, 2], cells)
    np.testing.assert_allclose(found - found[0], exact - exact[0], atol=2e-4, rtol=1e-6)


def test_contributors_without_rows_say_nothing():
    draws, cells = fitted(1.0, shape=(1, 20))
    levels = Levels((1, 13))
    more = replace(cells, levels=levels)
    some = thinning.thin(draws, 20)
    extra = np.zeros((20, 1))
    wide = replace(
        some,
        mu=np.concatenate([some.mu, extra], axis=1),
        variance=np.concatenate([some.variance, extra], axis=1),
    )
    tau = draws.scales.mu_sd[0, :, 1:]
    np.testing.assert_allclose(
        likelihood.of_components(wide, tau, [1], more),
        likelihood.of_components(some, tau, [1], cells),
    )


def test_the_noise_has_the_likelihood_of_all_rows():
    draws, cells = fitted(1.0, shape=(1, 20))
    some = thinning.thin(draws, 20)
    tau = draws.scales.mu_sd[0, :, 1:]
    found = likelihood.of_components(some, tau, [1], cells)[:, -1]
    exact = cells.log_likelihood(some.intercept, some.mu, some.variance)
    np.testing.assert_allclose(found, exact)


def test_thinned_draws_are_of_all_chains():
    draws = plain_draws(LEVELS, shape=(4, 100))
    some = thinning.thin(draws, 40)
    assert len(some.places) == 40
    assert np.bincount(some.places // 100).tolist() == [10] * 4
    np.testing.assert_array_equal(some.mu, draws.mu.reshape(-1, 13)[some.places])
    everything = thinning.thin(draws, 1000)
    np.testing.assert_array_equal(everything.intercept, draws.intercept.ravel())
