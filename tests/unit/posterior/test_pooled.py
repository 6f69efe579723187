"""Densities whose means are integrated out, against the model as PyMC states it."""

from dataclasses import replace

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats

from summands.data import generator
from summands.data.design import Design
from summands.model import statement
from summands.model.cells import collapse
from summands.model.distributions import HalfNormal, LogNormal, Normal, ScalePriors
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.posterior import allocation, pooled, pooled_draws

SCALES = ScalePriors(HalfNormal(1.3), Normal(-0.4, 0.8), LogNormal(-0.6, 0.5))
CASES = [([1, 2], 30), ([3], 40), ([1, 3, 2], 60), ([2, 4, 1], 200)]
# The four densities: whether scales are estimated, whether the noise is constant, and
# whether centres and spreads are integrated out.
DENSITIES = {
    "integrated": (True, False, True),
    "non-centred": (True, False, False),
    "constant": (True, True, None),
    "constant, known scales": (False, True, None),
}


def data_set(sizes, rows, seed=0):
    design = Design(Levels.of(sizes), rows, log_sigma_sd=0.5, intercept_sd=1.0)
    truth = generator.draw_truth(design, seed, 0)
    cells = collapse(generator.draw_rows(design, truth, seed, 0))
    problem = Problem(
        design.levels,
        mu_sd=0.9,
        log_sigma_mean=0.2,
        log_sigma_sd=0.7,
        intercept_sd=2.0,
        intercept_mean=0.6,
        scales=SCALES,
    )
    return problem, cells


class Stated:
    """The PyMC model's density with what is normal in it integrated out.

    In intercept and effects its logarithm is quadratic, so that differences give the
    integral exactly; so it is in the centre of a level, and over the spread's logarithm
    goes the trapezoidal rule.
    """

    def __init__(self, problem, cells, estimated, constant):
        self.levels = problem.levels
        self.estimated, self.constant = estimated, constant
        self.model = statement.build(problem, cells, estimated, constant)
        self.logp = self.model.compile_logp(jacobian=False)
        self.initial = self.model.initial_point()

    def point(self, **values):
        """The model's own point, from values of its variables."""
        point = dict(self.initial)
        for name, value in values.items():
            variable = self.model[name]
            transform = self.model.rvs_to_transforms[variable]
            if transform is not None:
                value = transform.forward(
                    pt.as_tensor(value), *variable.owner.inputs
                ).eval()
            value = np.asarray(value, float)
            point[self.model.rvs_to_values[variable].name] = value
        return point

    def over_means(self, point):
        """log int p db dmu, their mean and their covariance, in PyMC's coordinates."""
        names = [
            name for name in point if name.startswith(("intercept", "effect_", "mu_"))
        ]
        names = [name for name in names if not name.startswith("mu_sd")]
        sizes = [np.size(point[name]) for name in names]
        ends = np.cumsum([0, *sizes])

        def at(x):
            moved = {
                name: x[start:end].reshape(np.shape(point[name]))
                for name, start, end in zip(names, ends[:-1], ends[1:], strict=True)
            }
            return float(self.logp(point | moved))

        steps = np.eye(ends[-1])
        zero = at(np.zeros(ends[-1]))
        up = np.array([at(step) for step in steps])
        down = np.array([at(-step) for step in steps])
        precision = np.empty((ends[-1], ends[-1]))
        for i in range(ends[-1]):
            precision[i, i] = -(up[i] - 2.0 * zero + down[i])
            for j in range(i):
                both = at(steps[i] + steps[j])
                precision[i, j] = precision[j, i] = -(both - up[i] - up[j] + zero)
        slope = 0.5 * (up - down)
        mean = np.linalg.solve(precision, slope)
        value = zero + 0.5 * slope @ mean - 0.5 * np.linalg.slogdet(precision)[1]
        return value, mean, np.linalg.inv(precision)

    def effects(self, tau, sigma):
        """Values of the variables that are not integrated over with the means."""
        levels = self.levels
        values = {}
        if self.estimated:
            varying = np.flatnonzero(np.asarray(levels.sizes) > 1)
            for level, scale in zip(varying, tau, strict=True):
                values[f"mu_sd_{level}"] = scale
        if self.constant:
            values["log_noise"] = np.log(sigma[0])
        return values

    def density(self, sigma, tau, centre=None, spread=None):
        """Log density of (log sigma, tau), or of those with centres and log spreads."""
        levels = self.levels
        if self.constant:
            return self.over_means(self.point(**self.effects(tau, sigma)))[0]
        level, log_sigma = levels.level, np.log(sigma)

        def given(c, t):
            return {
                "log_sigma_mean": c,
                "log_sigma_sd": t,
                "deviation": (log_sigma - c[level]) / t[level],
            }

        if centre is not None:
            point = self.point(**self.effects(tau, sigma), **given(centre, spread))
            # deviation is a density of its own: log sigma has the spread's Jacobian.
            return self.over_means(point)[0] + np.log(spread).sum()
        c, t = np.zeros(levels.count), np.ones(levels.count)
        start = self.point(**self.effects(tau, sigma), **given(c, t))
        total = self.over_means(start)[0]
        here = float(self.logp(start))
        for j in range(levels.count):
            total += self.over_level(j, start, given, here)
        return total

    def over_level(self, j, start, given, here):
        """What integrating over a level's centre and spread adds, at fixed sigma."""
        y = np.linspace(-7.0, 6.0, 150)
        exponent = np.empty(len(y))
        for i, spread in enumerate(np.exp(y)):
            found = []
            for centre in (-1.0, 0.0, 1.0):
                c, t = np.zeros(self.levels.count), np.ones(self.levels.count)
                c[j], t[j] = centre, spread
                moved = given(c, t)
                moved["log_sigma_sd_log__"] = np.log(moved.pop("log_sigma_sd"))
                found.append(float(self.logp(start | moved)) - here)
            curvature = -(found[0] - 2.0 * found[1] + found[2])
            slope = 0.5 * (found[2] - found[0])
            # d log t = dt / t, and the deviations' Jacobian of log sigma.
            exponent[i] = found[1] + 0.5 * slope**2 / curvature + y[i]
            exponent[i] -= 0.5 * np.log(curvature) + self.levels.sizes[j] * y[i]
        highest = exponent.max()
        return highest + np.log(np.exp(exponent - highest).sum())


def targets(kind, sizes, rows):
    problem, cells = data_set(sizes, rows)
    estimated, constant, integrated = DENSITIES[kind]
    return pooled.fit(problem, cells, estimated, constant, integrated)


def density_and_gradient(target, z):
    gradient = np.empty_like(z)
    return target.density.log_density(z, gradient, target.packed()), gradient


def log_jacobian(target, z):
    """Of (log sigma, tau), or (e, y, w, tau), in x; that of x in z is constant."""
    x = target.centre + target.axes @ z
    q = len(target.fields["unit"])
    total = 0.0
    if target.kind == "integrated":
        u = x[: len(x) - q]
        kappa, ratio = target.fields["kappa"], target.fields["ratio"]
        s = kappa * np.expm1(ratio * np.logaddexp(0.0, u))
        total += np.log((s + kappa) / s / (1.0 + np.exp(-u))).sum()
    if target.kind == "constant":
        q = len(x) - 1
        return total + np.log(np.cosh(x[:q])).sum()
    return total + np.log(np.cosh(x[len(x) - q :])).sum()


@pytest.mark.parametrize("kind", DENSITIES)
@pytest.mark.parametrize(("sizes", "rows"), CASES)
def test_densities_are_the_model_integrated(kind, sizes, rows):
    target = targets(kind, sizes, rows)
    stated = Stated(target.problem, target.cells, *DENSITIES[kind][:2])
    rng = np.random.default_rng(1)
    levels = target.problem.levels
    found, expected = [], []
    for scale in (0.0, 0.3, 1.0, 1.5):
        z = scale * rng.normal(size=target.dimension)
        variance, tau = target.coefficients(z)
        found.append(density_and_gradient(target, z)[0])
        arguments = [np.sqrt(variance), tau]
        if kind == "non-centred":
            x = target.centre + target.axes @ z
            y, w = x[levels.contributors :][: 2 * levels.count].reshape(2, -1)
            prior = SCALES.log_sigma_mean, SCALES.log_sigma_sd
            arguments += [
                prior[0].mean + prior[0].sd * y,
                np.exp(prior[1].mean + prior[1].sd * w),
            ]
        expected.append(stated.density(*arguments) + log_jacobian(target, z))
    size = np.abs(expected).max()
    assert np.diff(found) == pytest.approx(np.diff(expected), abs=1e-9 * size)


@pytest.mark.parametrize("kind", DENSITIES)
@pytest.mark.parametrize(("sizes", "rows"), [*CASES, ([1, 1], 20), ([1, 60, 3], 300)])
def test_gradients_are_differences(kind, sizes, rows):
    target = targets(kind, sizes, rows)
    rng = np.random.default_rng(2)
    for scale in (0.1, 1.0):
        z = scale * rng.normal(size=target.dimension)
        _, gradient = density_and_gradient(target, z)
        ends = [
            [density_and_gradient(target, z + sign * step)[0] for sign in (1, -1)]
            for step in 1e-5 * np.eye(len(z))
        ]
        slopes = -np.diff(ends, axis=1)[:, 0] / 2e-5
        assert gradient == pytest.approx(
            slopes, rel=1e-6, abs=1e-7 * max(1.0, np.abs(gradient).max())
        )


@pytest.mark.parametrize("kind", ["integrated", "constant"])
def test_densities_are_smooth_and_even_in_a_scale(kind):
    """Through a scale of zero nothing happens, and its sign means nothing."""
    target = targets(kind, [1, 3, 2], 60)
    place = -1 if kind == "integrated" else -2
    x = target.centre.copy()
    plain = replace(target, centre=np.zeros_like(x), axes=np.eye(target.dimension))
    values = []
    for q in (-1e-3, -1e-12, 0.0, 1e-12, 1e-3):
        x[place] = q
        value, gradient = density_and_gradient(plain, x)
        values.append(value)
        assert np.isfinite(gradient).all()
        assert abs(gradient[place]) < 0.1
    assert values == pytest.approx(values[::-1], rel=1e-13)
    assert np.ptp(values) < 1e-4


@pytest.mark.parametrize("kind", DENSITIES)
def test_means_are_drawn_from_the_model(kind):
    target = targets(kind, [1, 3, 2], 60)
    estimated, constant, _ = DENSITIES[kind]
    stated = Stated(target.problem, target.cells, estimated, constant)
    levels = target.problem.levels
    z = 0.5 * np.random.default_rng(3).normal(size=target.dimension)
    variance, tau = target.coefficients(z)
    sigma = np.sqrt(variance)
    values = stated.effects(tau, sigma)
    if not constant:
        c, t = np.zeros(levels.count), np.ones(levels.count)
        values |= {"log_sigma_mean": c, "log_sigma_sd": t, "deviation": np.log(sigma)}
    point = stated.point(**values)
    _, mean, covariance = stated.over_means(point)
    # PyMC's coordinates of zero-sum vectors, mapped by PyMC.
    model = stated.model
    at = model.compile_fn(
        model.replace_rvs_by_values([model["intercept"], model["mu"]]),
        inputs=model.value_vars,
        on_unused_input="ignore",
    )
    names = [name for name in point if name.startswith(("intercept", "effect_", "mu_"))]
    names = [name for name in names if not name.startswith("mu_sd")]
    ends = np.cumsum([0, *(np.size(point[name]) for name in names)])

    def mapped(x):
        moved = {
            name: x[start:end].reshape(np.shape(point[name]))
            for name, start, end in zip(names, ends[:-1], ends[1:], strict=True)
        }
        return np.concatenate([np.ravel(part) for part in at(point | moved)])

    zero = mapped(np.zeros(ends[-1]))
    axes = np.stack([mapped(step) - zero for step in np.eye(ends[-1])], axis=1)
    count = 40_000
    intercept, mu = pooled_draws.means(
        target,
        np.repeat(variance[None], count, axis=0),
        np.repeat(tau[None], count, axis=0),
        np.random.default_rng(4),
    )
    draws = np.column_stack([intercept, mu])
    expected = axes @ covariance @ axes.T
    sd = np.sqrt(np.diag(expected)) + 1e-12
    assert np.abs((draws.mean(axis=0) - zero - axes @ mean) / sd).max() < 4.5 / 200
    assert np.cov(draws.T) / np.outer(sd, sd) == pytest.approx(
        expected / np.outer(sd, sd), abs=0.03
    )
    assert np.abs(levels.level_means(mu)).max() < 1e-12


def test_integrated_coordinates_are_a_bijection():
    target = targets("integrated", [1, 3, 2], 60)
    z = 0.3 * np.random.default_rng(5).normal(size=(20, target.dimension))
    variance, tau = target.coefficients(z)
    again = target.coefficients(target.locate(variance, tau))
    assert again[0] == pytest.approx(variance, rel=1e-8)
    assert again[1] == pytest.approx(tau, rel=1e-8)


def test_ridge_moves_leave_the_pooled_prior_as_it_was():
    """Without data the posterior is the prior, which the moves must keep."""
    levels = Levels.of([1, 4, 2])
    problem = Problem(levels, 1.0, 0.0, 1.0, scales=SCALES)
    rng = np.random.default_rng(6)
    shape = (20_000, levels.count)
    c = rng.normal(SCALES.log_sigma_mean.mean, SCALES.log_sigma_mean.sd, shape)
    t = rng.lognormal(SCALES.log_sigma_sd.mean, SCALES.log_sigma_sd.sd, shape)
    standard = rng.normal(size=(len(c), levels.contributors))
    log_sigma = c[:, levels.level] + t[:, levels.level] * standard
    moved = allocation.mix(problem, np.exp(2 * log_sigma), 7, sweeps=2, pooled=True)
    after = np.log(moved) / 2
    assert (np.abs(after - log_sigma) > 1e-6).mean() > 0.9
    for one, other in zip(after.T, log_sigma.T, strict=True):
        assert stats.ks_2samp(one, other).pvalue > 1e-4
    for j in (1, 2):
        spreads = [x[:, levels.level == j].std(axis=1) for x in (after, log_sigma)]
        assert stats.ks_2samp(*spreads).pvalue > 1e-4
    correlation = np.corrcoef(levels.level_means(after).T) - np.eye(levels.count)
    assert np.abs(correlation).max() < 0.04


def test_one_compiled_density_serves_every_design():
    for kind in DENSITIES:
        for sizes, rows in CASES:
            target = targets(kind, sizes, rows)
            density_and_gradient(target, np.zeros(target.dimension))
            assert len(target.density.log_density.signatures) == 1


def test_large_levels_are_integrated_where_they_are_told_apart():
    """The rule of coordinates: a level of few always, one of many by its data."""
    for sizes, rows, spread, kind in (
        ([1, 15], 200, 0.0, "integrated"),
        ([1, 16], 16_000, 0.8, "integrated"),
        ([1, 16], 16_000, 1e-6, "non-centred"),
        ([16, 2], 60, 0.8, "non-centred"),
    ):
        design = Design(Levels.of(sizes), rows, log_sigma_sd=max(spread, 1e-9))
        truth = generator.draw_truth(design, 3, 0)
        cells = collapse(generator.draw_rows(design, truth, 3, 0))
        problem = replace(data_set([1], 10)[0], levels=design.levels)
        assert pooled.fit(problem, cells, True, False).kind == kind
