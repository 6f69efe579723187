"""The posterior of large crossed tables, against the one with all means integrated."""

from dataclasses import replace

import numpy as np
import pytest

from summands.estimation import fitting, sampling
from summands.estimators import nutpie
from summands.model.cells import Cells, collapse
from summands.model.data_set import DataSet
from summands.model.distributions import HalfNormal, LogNormal, Normal, ScalePriors
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.model.rows import Rows
from summands.posterior import crossed, crossed_density, crossed_draws, pooled

SCALES = ScalePriors(HalfNormal(1.3), Normal(-0.4, 0.8), LogNormal(-0.6, 0.5))
CASES = {
    "two": ([1, 5, 3], 40),
    "largest first": ([7, 1, 2, 4], 60),
    "equal sizes": ([1, 4, 4, 4], 30),
    "one level": ([1, 6], 25),
    "without rows": ([1, 12, 6], 9),
}


def draw_rows(sizes, rows, seed=0, baseline=0.0, sds=(0.0, 1.0, 0.6, 0.3)):
    """Unbalanced: contributors are the rarer the later they come."""
    rng = np.random.default_rng(seed)
    value = baseline + rng.normal(size=rows)
    columns = []
    for j, size in enumerate(sizes):
        column = (size * rng.random(rows) ** 2).astype(np.int64)
        value += rng.normal(0.0, sds[j % len(sds)], size)[column]
        columns.append(column)
    return Rows(Levels.of(sizes), value, tuple(columns))


def data_set(sizes, rows, **options):
    drawn = draw_rows(sizes, rows, **options)
    problem = Problem(
        drawn.levels,
        mu_sd=0.9,
        log_sigma_mean=0.2,
        log_sigma_sd=0.7,
        intercept_sd=0.15,
        intercept_mean=0.6,
        scales=SCALES,
    )
    return problem, collapse(drawn)


def density(target, z):
    gradient = np.empty_like(z)
    value = crossed_density.log_density(z, gradient, target.packed())
    return value, gradient


class Conditional:
    """What is normal in a density given scales and noise, from its exact slopes."""

    def __init__(self, target, tau, log_sigma):
        fields = target.fields
        free = len(fields["centre"]) - 1
        q = np.arcsinh(tau / fields["unit"])[:free]
        x = np.append(q, log_sigma)
        self.head = (x - fields["centre"]) / fields["spread"]
        count = len(target.rest)
        zero, slope = self.at(target, np.zeros(count))
        bend = np.stack([self.at(target, step)[1] - slope for step in np.eye(count)])
        self.precision = -0.5 * (bend + bend.T)
        self.mean = np.linalg.solve(self.precision, slope)
        # Per tau, not per q.
        self.value = (
            zero
            + 0.5 * slope @ self.mean
            - 0.5 * np.linalg.slogdet(self.precision)[1]
            - np.log(np.cosh(q)).sum()
        )

    def at(self, target, places):
        value, gradient = density(target, np.append(self.head, places))
        return value, gradient[len(self.head) :]

    def draw(self, rng, count):
        root = np.linalg.cholesky(self.precision)
        noise = rng.normal(size=(len(self.mean), count))
        places = self.mean + np.linalg.solve(root.T, noise).T
        return np.hstack([np.tile(self.head, (count, 1)), places])[None]


def integrated(target, tau, log_sigma):
    """The log density per tau of the route that integrates all means out."""
    free = target.dimension - 1
    q = np.arcsinh(tau / target.fields["unit"])[:free]
    plain = replace(
        target, centre=np.zeros(target.dimension), axes=np.eye(target.dimension)
    )
    x = np.append(q, log_sigma)
    value = plain.density.log_density(x, np.empty_like(x), plain.packed())
    return value - np.log(np.cosh(q)).sum()


@pytest.mark.parametrize("estimated", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_the_density_is_that_of_the_other_route(case, estimated):
    problem, cells = data_set(*CASES[case])
    large = crossed.fit(problem, cells, estimated)
    small = pooled.fit(problem, cells, estimated, constant=True)
    rng = np.random.default_rng(1)
    found = []
    for _ in range(6):
        tau = np.exp(rng.normal(-0.3, 0.7, len(large.varying)))
        log_sigma = rng.normal(0.0, 0.3)
        found.append(
            Conditional(large, tau, log_sigma).value - integrated(small, tau, log_sigma)
        )
    assert np.ptp(found) < 1e-8


@pytest.mark.parametrize("estimated", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_the_gradient_is_that_of_the_density(case, estimated):
    problem, cells = data_set(*CASES[case])
    target = crossed.fit(problem, cells, estimated)
    rng = np.random.default_rng(2)
    for _ in range(3):
        z = 2.0 * rng.normal(size=target.dimension)
        _, gradient = density(target, z)
        for step in np.eye(len(z)) * 1e-3:
            # Four points: the error is of fourth order.
            near = density(target, z + step)[0] - density(target, z - step)[0]
            far = density(target, z + 2 * step)[0] - density(target, z - 2 * step)[0]
            slope = (8.0 * near - far) / 12e-3
            assert slope == pytest.approx(step @ gradient / 1e-3, rel=1e-6, abs=1e-5)


def test_the_sign_of_a_scale_does_not_matter_and_zero_is_smooth():
    problem, cells = data_set([1, 5, 3], 40)
    target = crossed.fit(problem, cells, True)
    tau, log_sigma = np.array([0.7, 0.4]), 0.1
    expected = Conditional(target, tau, log_sigma).value
    for signs in ([-1, 1], [1, -1], [-1, -1]):
        other = Conditional(target, tau * signs, log_sigma).value
        assert other == pytest.approx(expected, abs=1e-9)
    z = np.random.default_rng(0).normal(size=target.dimension)
    z[:2] = -target.fields["centre"][:2] / target.fields["spread"][:2]
    value, gradient = density(target, z)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("sweeps", [0, 1])
@pytest.mark.parametrize("case", CASES)
def test_draws_given_scales_have_the_exact_moments(case, sweeps):
    problem, cells = data_set(*CASES[case])
    levels = problem.levels
    target = crossed.fit(problem, cells, True)
    rng = np.random.default_rng(3)
    tau, sigma = np.linspace(0.4, 1.1, len(target.varying)), 0.8
    z = Conditional(target, tau, np.log(sigma)).draw(rng, 20_000)
    intercept, mu, noise, (mu_sd, *none) = crossed_draws.complete(
        target, z, 4, sweeps, True
    )
    assert none == [None, None]
    assert noise[..., levels.level == 0] == pytest.approx(sigma)
    assert mu_sd[..., target.varying].reshape(-1, len(tau)) == pytest.approx(
        np.tile(tau, (20_000, 1))
    )
    # Least squares with the zero-sum prior: the contrasts of a level have variance
    # tau^2, the intercept its own.
    count = levels.contributors
    scale = np.zeros(levels.count)
    scale[target.varying] = tau
    prior = np.zeros((count + 1, count + 1))
    prior[0, 0] = problem.intercept_sd**2
    for j, size in enumerate(levels.sizes):
        own = 1 + np.flatnonzero(levels.level == j)
        prior[np.ix_(own, own)] = scale[j] ** 2 * (np.eye(size) - 1.0 / size)
    design = np.hstack([np.ones((len(cells.n), 1)), cells.indicators])
    covariance = design @ prior @ design.T + np.diag(sigma**2 / cells.n)
    gain = np.linalg.solve(covariance, design @ prior).T
    mean = gain @ (cells.mean - problem.intercept_mean)
    mean[0] += problem.intercept_mean
    expected = prior - gain @ design @ prior
    drawn = np.hstack([intercept[0][:, None], mu[0]])
    spread = np.sqrt(np.diag(expected))
    assert np.abs(drawn.mean(axis=0) - mean).max() < 5e-2 * spread.max()
    assert (np.abs(drawn.mean(axis=0) - mean) <= 0.045 * spread + 1e-9).all()
    assert np.abs(np.cov(drawn.T) - expected).max() < 0.045 * spread.max() ** 2
    for j in range(levels.count):
        assert mu[0][:, levels.level == j].sum(axis=1) == pytest.approx(0.0, abs=1e-9)


def test_values_far_from_zero_give_the_same_density():
    problem, cells = data_set([1, 8, 4], 50)
    shift = 2.0**20
    moved = (
        replace(problem, intercept_mean=problem.intercept_mean + shift),
        replace(cells, mean=cells.mean + shift),
    )
    here, there = crossed.fit(problem, cells, True), crossed.fit(*moved, True)
    z = np.random.default_rng(0).normal(size=here.dimension)
    assert density(there, z)[0] == pytest.approx(density(here, z)[0], abs=1e-6)


def test_renaming_contributors_keeps_the_density():
    problem, cells = data_set([1, 8, 4], 50)
    rng = np.random.default_rng(0)
    contributors = np.stack(
        [
            rng.permutation(size)[column]
            for size, column in zip(
                cells.levels.sizes, cells.contributors.T, strict=True
            )
        ],
        axis=1,
    )
    order = np.lexsort(contributors.T[::-1])
    renamed = Cells(
        cells.levels,
        contributors[order],
        cells.n[order],
        cells.mean[order],
        cells.sum_of_squares[order],
    )
    one, other = crossed.fit(problem, cells, True), crossed.fit(problem, renamed, True)
    found = [
        Conditional(one, tau, 0.2).value - Conditional(other, tau, 0.2).value
        for tau in np.array([[0.3, 0.9], [1.2, 0.1]])
    ]
    assert np.abs(found).max() < 1e-8


def fit(rows, monkeypatch=None, many=None, **changed):
    if many is not None:
        monkeypatch.setattr(sampling, "MANY", many)
    data = DataSet(collapse(rows))
    problem = Problem.following(rows.levels, data.units)
    options = {name: option["default"] for name, option in nutpie.OPTIONS.items()}
    options |= {"scales": "estimated", "noise": "constant"} | changed
    return fitting.fit(nutpie.estimate, data, problem, options, 5)


@pytest.mark.slow
@pytest.mark.parametrize("scales", ["estimated", "known"])
def test_both_routes_give_one_posterior(monkeypatch, scales):
    rows = draw_rows([1, 60, 20, 5], 400, baseline=1e3)
    large = fit(rows, monkeypatch, many=10, scales=scales)
    small = fit(rows, monkeypatch, many=1000, scales=scales)
    assert large.parametrisation == "crossed"
    assert small.parametrisation == "constant"
    for found in (large, small):
        assert found.converged, str(found)
    varies = ~np.isnan(large.rhat)
    error = large.sd * np.sqrt(1.0 / large.ess_bulk + 1.0 / small.ess_bulk)
    assert (np.abs(large.estimate - small.estimate) / error)[varies].max() < 4.5
    assert large.sd[varies] == pytest.approx(small.sd[varies], rel=0.12)
    assert large.lower_95[varies] == pytest.approx(
        small.lower_95[varies], abs=0.3 * large.sd[varies].max()
    )
    if scales == "estimated":
        one, other = (
            np.log(found.draws.scales.mu_sd[..., 1:]).reshape(-1, 3)
            for found in (large, small)
        )
        quantiles = [0.1, 0.25, 0.5, 0.75, 0.9]
        assert np.quantile(one, quantiles, axis=0) == pytest.approx(
            np.quantile(other, quantiles, axis=0), abs=0.15
        )


@pytest.mark.slow
def test_thousands_of_contributors_converge_at_once():
    rows = draw_rows([1, 3000, 1000, 14], 70_000, sds=(0.0, 0.33, 0.5, 0.1))
    found = fit(rows)
    assert found.parametrisation == "crossed"
    assert found.attempts == 1
    assert found.converged, str(found)
    mu_sd = found.draws.scales.mu_sd
    for level, sd in ((1, 0.33), (2, 0.5)):
        lower, upper = np.quantile(mu_sd[..., level], [0.0005, 0.9995])
        assert lower < sd < upper
