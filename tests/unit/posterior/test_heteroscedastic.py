"""The posterior of many contributors' noise, against the model and another route."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from summands.estimation import fitting, sampling
from summands.estimators import nutpie
from summands.model.cells import collapse
from summands.model.data_set import DataSet
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.model.rows import Rows
from summands.posterior import (
    heteroscedastic,
    heteroscedastic_density,
    heteroscedastic_draws,
    level_prior,
)
from tests.unit.posterior.test_crossed import CASES, data_set

MORE = CASES | {"two of one": ([1, 5, 1, 3], 50), "no level of one": ([6], 25)}


def density(target, z, record=None):
    gradient = np.empty_like(z)
    record = target.packed() if record is None else record
    value = heteroscedastic_density.log_density(z, gradient, record)
    return value, gradient


def parts(target, z):
    """The coordinates of scales, of the noise's levels, of effects, of contrasts."""
    scales = len(target.fields["centre"])
    places = scales + len(target.fields["noise_centre"])
    contrasts = places + len(target.fields["pilot"])
    return np.split(z, [scales, places, contrasts])


def noise_of(target, hyper, contrasts):
    """log t of the levels of more than one, and log sigma; of complex numbers too."""
    fields, levels = target.fields, target.problem.levels
    at = fields["noise_centre"] + fields["noise_spread"] * hyper
    logits = np.insert(at[1 : levels.count], fields["reference"], 0.0)
    log_m = at[0] + logits - np.log(np.exp(logits).sum())
    log_u, spreads, found, done = list(at[levels.count :]), [], [], 0
    for j, (offset, size) in enumerate(zip(levels.offsets, levels.sizes, strict=True)):
        if size == 1:
            found.append(log_m[j : j + 1] / 2)
            continue
        u = log_u.pop(0) if fields["estimated"] else fields["known_spread"][j]
        log_t = u - log_m[j] if fields["estimated"] else fields["of_levels"][2]
        z = contrasts[done : done + size - 1]
        done += size - 1
        x = np.append(z - z.sum() / (size + math.sqrt(size)), -z.sum() / size**0.5)
        own = slice(offset, offset + size)
        info, best = fields["noise_information"][own], fields["noise_best"][own]
        shrunk = 1.0 / (1.0 + np.exp(2.0 * u) * info)
        zeta = np.exp(u) * shrunk * best + np.sqrt(shrunk) * x
        zeta = zeta - zeta.mean()
        grown = np.exp(2.0 * np.exp(log_t) * zeta)
        s = np.exp(log_m[j]) * grown / (fields["weight"][own] * grown).sum()
        found.append(np.log(s) / 2)
        spreads.append(log_t)
    given = spreads if fields["estimated"] else []
    return np.concatenate([given, *found])


def log_jacobian(target, hyper, contrasts):
    """Of the map from coordinates to log t and log sigma, by complex steps."""
    x, step = np.append(hyper, contrasts), 1e-30
    columns = [
        noise_of(target, *np.split(x + 1j * step * axis, [len(hyper)])).imag / step
        for axis in np.eye(len(x))
    ]
    return np.linalg.slogdet(np.stack(columns, axis=1))[1]


class Conditional:
    """What is normal in a density given scales and noise, from its exact slopes."""

    def __init__(self, target, z):
        self.parts, self.target = parts(target, z), target
        count = len(self.parts[2])
        zero, slope = self.at(np.zeros(count))
        bend = np.stack([self.at(step)[1] - slope for step in np.eye(count)])
        self.precision = -0.5 * (bend + bend.T)
        self.mean = np.linalg.solve(self.precision, slope)
        determinant = np.linalg.slogdet(self.precision)[1]
        self.value = zero + 0.5 * slope @ self.mean - 0.5 * determinant

    def at(self, places):
        first, second, _, last = self.parts
        value, gradient = density(
            self.target, np.concatenate([first, second, places, last])
        )
        return value, parts(self.target, gradient)[2]

    def draw(self, rng, count):
        first, second, _, last = self.parts
        root = np.linalg.cholesky(self.precision)
        noise = rng.normal(size=(len(self.mean), count))
        places = self.mean + np.linalg.solve(root.T, noise).T
        head, tail = (
            np.tile(part, (count, 1)) for part in (np.append(first, second), last)
        )
        return np.hstack([head, places, tail])[None]


def normal_means(problem, cells, tau, s):
    """Mean and covariance of (intercept, mu), and the log density of the cells."""
    levels = problem.levels
    count = levels.contributors
    prior = np.zeros((count + 1, count + 1))
    prior[0, 0] = problem.intercept_sd**2
    for j, size in enumerate(levels.sizes):
        own = 1 + np.flatnonzero(levels.level == j)
        prior[np.ix_(own, own)] = tau[j] ** 2 * (np.eye(size) - 1.0 / size)
    design = np.hstack([np.ones((len(cells.n), 1)), cells.indicators])
    v = s[cells.members].sum(axis=1)
    covariance = design @ prior @ design.T + np.diag(v / cells.n)
    value = stats.multivariate_normal.logpdf(
        cells.mean, np.full(len(v), problem.intercept_mean), covariance
    )
    value -= 0.5 * ((cells.n - 1) * np.log(v) + cells.sum_of_squares / v).sum()
    gain = np.linalg.solve(covariance, design @ prior).T
    mean = gain @ (cells.mean - problem.intercept_mean)
    mean[0] += problem.intercept_mean
    return mean, prior - gain @ design @ prior, value


def log_prior(problem, estimated, spreads, log_sigma):
    """Of log t and log sigma, with the centres integrated out."""
    if not estimated:
        return stats.norm.logpdf(
            log_sigma, problem.log_sigma_mean, problem.log_sigma_sd
        ).sum()
    levels, scales = problem.levels, problem.scales
    centre, spread = scales.log_sigma_mean, scales.log_sigma_sd
    total, spreads = 0.0, list(spreads)
    for offset, size in zip(levels.offsets, levels.sizes, strict=True):
        own = log_sigma[offset : offset + size]
        if size == 1:
            total += level_prior.integral(
                1, 0.0, own[0] - centre.mean, level_prior.of(problem)
            )[0]
            continue
        log_t = spreads.pop(0)
        total += stats.norm.logpdf(log_t, spread.mean, spread.sd)
        total += stats.multivariate_normal.logpdf(
            own,
            np.full(size, centre.mean),
            np.exp(2.0 * log_t) * np.eye(size) + centre.sd**2,
        )
    return total


def scales_of(target, q):
    levels = target.problem.levels
    tau = np.zeros(levels.count)
    tau[target.varying] = target.problem.mu_sd
    if len(q):
        fields = target.fields
        tau[target.varying] = fields["unit"] * np.sinh(
            fields["centre"] + fields["spread"] * q
        )
    return tau


@pytest.mark.parametrize("estimated", [True, False])
@pytest.mark.parametrize("case", MORE)
def test_the_density_is_that_of_the_model(case, estimated):
    problem, cells = data_set(*MORE[case])
    target = heteroscedastic.fit(problem, cells, estimated)
    rng = np.random.default_rng(1)
    varying = len(target.varying)
    found = []
    for _ in range(6):
        z = rng.normal(size=target.dimension)
        q, hyper, _, contrasts = parts(target, z)
        noise = noise_of(target, hyper, contrasts)
        spreads, log_sigma = np.split(noise, [varying if estimated else 0])
        tau = scales_of(target, q)
        _, _, expected = normal_means(problem, cells, tau, np.exp(2.0 * log_sigma))
        expected += log_prior(problem, estimated, spreads, log_sigma)
        expected += log_jacobian(target, hyper, contrasts)
        if estimated:
            x = target.fields["centre"] + target.fields["spread"] * q
            expected += np.log(np.cosh(x)).sum()
            of_mu = problem.scales.mu_sd.scale
            expected += stats.norm.logpdf(tau[target.varying], 0.0, of_mu).sum()
        found.append(Conditional(target, z).value - expected)
    assert np.ptp(found) < 1e-8


@pytest.mark.parametrize("estimated", [True, False])
@pytest.mark.parametrize("case", MORE)
def test_the_gradient_is_that_of_the_density(case, estimated):
    problem, cells = data_set(*MORE[case])
    target = heteroscedastic.fit(problem, cells, estimated)
    rng = np.random.default_rng(2)
    record = target.packed()
    for _ in range(3):
        z = 2.0 * rng.normal(size=target.dimension)
        _, gradient = density(target, z, record)
        for step in np.eye(len(z)) * 1e-3:
            # Four points: the error is of fourth order.
            near, far = (
                density(target, z + wide, record)[0]
                - density(target, z - wide, record)[0]
                for wide in (step, 2.0 * step)
            )
            slope = (8.0 * near - far) / 12e-3
            assert slope == pytest.approx(step @ gradient / 1e-3, rel=1e-6, abs=1e-5)


def test_tiles_do_not_matter(monkeypatch):
    problem, cells = data_set([1, 30, 6], 400)
    found = []
    for cells_of_tile in (1, 40, 10_000):
        monkeypatch.setattr(heteroscedastic, "TILE", cells_of_tile)
        target = heteroscedastic.fit(problem, cells, estimated=True)
        z = np.random.default_rng(0).normal(size=target.dimension)
        found.append(density(target, z))
    for value, gradient in found[1:]:
        assert value == pytest.approx(found[0][0], abs=1e-9)
        assert gradient == pytest.approx(found[0][1], abs=1e-8)


@pytest.mark.parametrize("estimated", [True, False])
def test_values_far_from_zero_give_the_same_density(estimated):
    problem, cells = data_set([1, 8, 4], 50)
    shift = 2.0**20
    moved = (
        replace(problem, intercept_mean=problem.intercept_mean + shift),
        replace(cells, mean=cells.mean + shift),
    )
    here = heteroscedastic.fit(problem, cells, estimated)
    there = heteroscedastic.fit(*moved, estimated)
    z = np.random.default_rng(0).normal(size=here.dimension)
    assert density(there, z)[0] == pytest.approx(density(here, z)[0], abs=1e-6)


@pytest.mark.parametrize("sweeps", [0, 1])
@pytest.mark.parametrize("case", MORE)
def test_draws_given_scales_have_the_exact_moments(case, sweeps):
    problem, cells = data_set(*MORE[case])
    levels = problem.levels
    target = heteroscedastic.fit(problem, cells, True)
    rng = np.random.default_rng(3)
    z = 0.5 * rng.normal(size=target.dimension)
    q, hyper, _, contrasts = parts(target, z)
    noise = noise_of(target, hyper, contrasts)[len(target.varying) :]
    many = Conditional(target, z).draw(rng, 20_000)
    intercept, mu, sigma, (mu_sd, centre, spread) = heteroscedastic_draws.complete(
        target, many, 4, sweeps, True
    )
    # Variances are renewed with each sweep, after the means, along and off the ridges.
    kept = sigma[0] == pytest.approx(np.tile(np.exp(noise), (20_000, 1)))
    assert kept == (sweeps == 0)
    tau = scales_of(target, q)
    assert mu_sd[0] == pytest.approx(np.tile(np.abs(tau), (20_000, 1)))
    assert centre.shape == spread.shape == (1, 20_000, levels.count)
    mean, expected, _ = normal_means(problem, cells, tau, np.exp(2.0 * noise))
    drawn = np.hstack([intercept[0][:, None], mu[0]])
    deviation = np.sqrt(np.maximum(np.diag(expected), 0.0))
    assert (np.abs(drawn.mean(axis=0) - mean) <= 0.045 * deviation + 1e-9).all()
    assert np.abs(np.cov(drawn.T) - expected).max() < 0.045 * deviation.max() ** 2
    for j in range(levels.count):
        assert mu[0][:, levels.level == j].sum(axis=1) == pytest.approx(0.0, abs=1e-9)


def test_variances_are_renewed_from_what_they_are_given_all_else():
    """Of one level each is by itself; the last contributor has no rows."""
    drawn, *_ = drawn_rows([5], 40, empty=1)
    cells = collapse(drawn)
    problem = Problem(drawn.levels, 1.0, -0.4, 0.8)
    target = heteroscedastic.fit(problem, cells, estimated=False)
    record, rng = target.packed(), np.random.default_rng(0)
    residual = np.linspace(-0.5, 0.8, len(cells.n))
    s = np.ones(5)
    inverse = np.ones(len(cells.n))
    found = []
    for _ in range(20_000):
        heteroscedastic_draws._renew(record, residual, inverse, s, rng)
        found.append(0.5 * np.log(s))
    assert inverse == pytest.approx(1.0 / s[:4])
    grid = np.linspace(-5.0, 4.0, 4001)
    for k, log_sigma in enumerate(np.transpose(found)):
        log_density = stats.norm.logpdf(grid, -0.4, 0.8)
        for c in np.flatnonzero(cells.contributors[:, 0] == k):
            square = cells.sum_of_squares[c] + cells.n[c] * residual[c] ** 2
            log_density += -cells.n[c] * grid - 0.5 * square * np.exp(-2.0 * grid)
        weight = np.exp(log_density - log_density.max())
        weight /= weight.sum()
        mean = weight @ grid
        deviation = np.sqrt(weight @ (grid - mean) ** 2)
        assert log_sigma.mean() == pytest.approx(mean, abs=0.05 * deviation)
        assert log_sigma.std() == pytest.approx(deviation, rel=0.05)


def drawn_rows(sizes, count, seed=0, spread=0.5, mu_sd=1.0, empty=0):
    """Rows whose contributors have their own noise; the last ones have no rows."""
    rng = np.random.default_rng([seed, count, *sizes])
    levels = Levels.of(sizes)
    mu = levels.centre(mu_sd * rng.normal(size=levels.contributors))
    sigma = rng.lognormal(-0.3, spread, levels.contributors)
    picked = np.stack(
        [rng.integers(max(1, size - empty), size=count) for size in sizes], axis=1
    )
    members = picked + levels.offsets
    noise = np.sqrt((sigma[members] ** 2).sum(axis=1))
    value = mu[members].sum(axis=1) + noise * rng.normal(size=count)
    return Rows(levels, value, tuple(picked.T)), mu, sigma


def fit(rows, monkeypatch, many, seed=5, **changed):
    monkeypatch.setattr(sampling, "MANY", many)
    data = DataSet(collapse(rows))
    problem = Problem.following(rows.levels, data.units)
    options = {name: option["default"] for name, option in nutpie.OPTIONS.items()}
    return fitting.fit(nutpie.estimate, data, problem, options | changed, seed)


@pytest.mark.slow
@pytest.mark.parametrize("scales", ["estimated", "known"])
def test_both_routes_give_one_posterior(monkeypatch, scales):
    rows, *_ = drawn_rows([1, 20, 6], 700)
    large = fit(rows, monkeypatch, many=10, scales=scales)
    small = fit(rows, monkeypatch, many=1000, scales=scales)
    assert large.parametrisation == "heteroscedastic"
    assert small.parametrisation != "heteroscedastic"
    for found in (large, small):
        assert found.converged, str(found)
    varies = ~np.isnan(large.rhat)
    error = large.sd * np.sqrt(1.0 / large.ess_bulk + 1.0 / small.ess_bulk)
    assert (np.abs(large.estimate - small.estimate) / error)[varies].max() < 4.5
    assert large.sd[varies] == pytest.approx(small.sd[varies], rel=0.15)
    if scales == "estimated":
        for name, values in vars(large.draws.scales).items():
            one, other = (
                np.log(drawn[..., 1:]).reshape(-1, 2)
                if name != "log_sigma_mean"
                else drawn.reshape(-1, 3)
                for drawn in (values, getattr(small.draws.scales, name))
            )
            quantiles = [0.1, 0.25, 0.5, 0.75, 0.9]
            assert np.quantile(one, quantiles, axis=0) == pytest.approx(
                np.quantile(other, quantiles, axis=0), abs=0.15
            )


@pytest.mark.slow
@pytest.mark.parametrize("scales", ["estimated", "known"])
def test_hundreds_converge_and_are_recovered_in_any_unit(monkeypatch, scales):
    rows, mu, sigma = drawn_rows([1, 400, 5], 8000, empty=1)
    moved = Rows(rows.levels, 1e6 + 1e-6 * rows.value, rows.contributors)
    found = fit(moved, monkeypatch, many=300, scales=scales)
    assert found.parametrisation == "heteroscedastic"
    assert found.converged, str(found)
    count = rows.levels.contributors
    place = found.estimate[1 : 1 + count]
    error = (place - 1e-6 * mu) / found.sd[1 : 1 + count]
    # The intercept's level has no error; of the others few are beyond three.
    assert (np.abs(error[1:]) > 3.0).mean() < 0.02
    noise = found.estimate[1 + count : 1 + 2 * count]
    assert np.corrcoef(np.log(noise[1:-5]), np.log(sigma[1:-5]))[0, 1] > 0.6
