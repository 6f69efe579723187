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
from summands.model.rows import Rows


def problem_and_cells(sizes, rows, seed=0):
    design = Design(Levels.of(sizes), rows)
    truth = generator.draw_truth(design, seed, 0)
    data = generator.draw_rows(design, truth, seed, 0)
    return Problem(design.levels, 1.5, 0.2, 0.8, 2.0, -0.7), data, collapse(data)


@pytest.mark.parametrize("sizes", [[2], [1, 2], [2, 3, 4]])
def test_density_is_that_of_the_rows_and_the_priors(sizes):
    """Differences of the model's density equal those written out by hand.

    Differences, because densities of zero-sum vectors are relative to a subspace.
    """
    problem, rows, cells = problem_and_cells(sizes, 60)
    levels = problem.levels
    built = statement.build(problem, cells)
    density = built.compile_logp(jacobian=False)
    tau = statement.information_scale(cells)
    picked = np.stack(rows.contributors, axis=1) + levels.offsets
    rng = np.random.default_rng(1)

    def both():
        intercept = rng.normal()
        mu = levels.centre(rng.normal(size=levels.contributors))
        sigma = rng.lognormal(size=levels.contributors)
        point = {"intercept": intercept}
        for level, size in enumerate(levels.sizes):
            if size > 1:
                rv = built[f"mu_{level}"]
                value = mu[levels.level == level]
                transformed = (
                    built.rvs_to_transforms[rv].forward(pt.as_tensor(value)).eval()
                )
                point[built.rvs_to_values[rv].name] = transformed
        scaled = built["scaled_variance"]
        ratio = sigma**2 / tau
        forward = built.rvs_to_transforms[scaled].forward(pt.as_tensor(ratio))
        point[built.rvs_to_values[scaled].name] = forward.eval()
        by_hand = (
            stats.norm.logpdf(intercept, problem.intercept_mean, problem.intercept_sd)
            + stats.norm.logpdf(mu, 0, problem.mu_sd).sum()
            # per unit of sigma^2 / tau, whose logarithm is 2 log sigma - log tau
            + stats.norm.logpdf(
                np.log(ratio),
                2 * problem.log_sigma_mean - np.log(tau),
                2 * problem.log_sigma_sd,
            ).sum()
            - np.log(ratio).sum()
            + stats.norm.logpdf(
                rows.value,
                intercept + mu[picked].sum(axis=1),
                np.sqrt((sigma[picked] ** 2).sum(axis=1)),
            ).sum()
        )
        return float(density(point)), by_hand

    points = np.array([both() for _ in range(4)])
    differences = np.diff(points, axis=0)
    assert differences[:, 0] == pytest.approx(differences[:, 1], rel=1e-9)


@pytest.mark.parametrize("sizes", [[2], [1, 2], [2, 1, 4]])
@pytest.mark.parametrize(
    ("estimated", "constant"), [(True, False), (True, True), (False, True)]
)
def test_density_of_scales_and_one_noise_is_written_out(sizes, estimated, constant):
    """As above, of the models that estimate scales or give all rows one noise."""
    problem, rows, cells = problem_and_cells(sizes, 60)
    scales = ScalePriors(HalfNormal(1.3), Normal(-0.4, 0.8), LogNormal(-0.6, 0.5))
    problem = replace(problem, scales=scales)
    levels = problem.levels
    built = statement.build(problem, cells, estimated, constant)
    density = built.compile_logp(jacobian=False, mode="FAST_COMPILE")
    picked = np.stack(rows.contributors, axis=1) + levels.offsets
    varying = [level for level, size in enumerate(sizes) if size > 1]
    rng = np.random.default_rng(1)

    def valued(name, value):
        rv = built[name]
        transform = built.rvs_to_transforms[rv]
        if transform is not None:
            value = transform.forward(pt.as_tensor(value), *rv.owner.inputs).eval()
        return {built.rvs_to_values[rv].name: np.asarray(value)}

    def both():
        intercept = rng.normal()
        tau = rng.lognormal(size=levels.count)
        effect = levels.centre(rng.normal(size=levels.contributors))
        mu = effect * (tau[levels.level] if estimated else problem.mu_sd)
        point = valued("intercept", intercept)
        by_hand = stats.norm.logpdf(
            intercept, problem.intercept_mean, problem.intercept_sd
        )
        by_hand += stats.norm.logpdf(effect).sum()
        for level in varying:
            value = (effect if estimated else mu)[levels.level == level]
            name = "effect" if estimated else "mu"
            point |= valued(f"{name}_{level}", value)
            if estimated:
                point |= valued(f"mu_sd_{level}", tau[level])
                by_hand += stats.halfnorm.logpdf(tau[level], scale=1.3)
        if constant:
            log_noise = rng.normal()
            mean, sd = (-0.4, 0.8) if estimated else (0.2, 0.8)
            point |= valued("log_noise", log_noise)
            by_hand += stats.norm.logpdf(log_noise, mean + np.log(len(sizes)) / 2, sd)
            variance = np.exp(2 * log_noise) * (levels.level == 0)
        elif estimated:
            c, t = rng.normal(size=levels.count), rng.lognormal(size=levels.count)
            deviation = rng.normal(size=levels.contributors)
            point |= valued("log_sigma_mean", c) | valued("log_sigma_sd", t)
            point |= valued("deviation", deviation)
            by_hand += stats.norm.logpdf(c, -0.4, 0.8).sum()
            by_hand += stats.lognorm.logpdf(t, 0.5, scale=np.exp(-0.6)).sum()
            by_hand += stats.norm.logpdf(deviation).sum()
            variance = np.exp(2 * (c[levels.level] + t[levels.level] * deviation))
        by_hand += stats.norm.logpdf(
            rows.value,
            intercept + mu[picked].sum(axis=1),
            np.sqrt(variance[picked].sum(axis=1)),
        ).sum()
        return float(density(point)), by_hand

    differences = np.diff([both() for _ in range(4)], axis=0)
    assert differences[:, 0] == pytest.approx(differences[:, 1], rel=1e-9)


def test_softplus_is_a_bijection_with_its_jacobian():
    transform = statement.Softplus()
    u = np.array([-700.0, -30.0, -1.0, 0.0, 2.0, 40.0, 1e6])
    x = transform.backward(pt.as_tensor(u)).eval()
    assert (x > 0).all()
    back = transform.forward(pt.as_tensor(x)).eval()
    assert back == pytest.approx(u, rel=1e-9, abs=1e-9)
    step = 1e-5
    upper = transform.backward(pt.as_tensor(u[1:6] + step)).eval()
    lower = transform.backward(pt.as_tensor(u[1:6] - step)).eval()
    slope = (upper - lower) / (2 * step)
    log_jacobian = transform.log_jac_det(pt.as_tensor(u[1:6])).eval()
    assert np.exp(log_jacobian) == pytest.approx(slope, rel=1e-6)


def test_information_scale_is_the_standard_error_of_a_variance():
    """For one level it is that of independent normal variances."""
    _, rows, cells = problem_and_cells([3], 3000)
    expected = []
    for k in range(3):
        values = rows.value[rows.contributors[0] == k]
        expected.append(values.var() * np.sqrt(2 / len(values)))
    assert statement.information_scale(cells) == pytest.approx(expected)


def test_information_scale_is_positive_without_rows_or_residuals():
    levels = Levels.of([1, 3])
    picked = (np.zeros(3, int), np.array([0, 0, 1]))
    rows = Rows(levels, np.array([1.0, 1.0, 2.0]), picked)
    scale = statement.information_scale(collapse(rows))
    assert (scale > 0).all()
    assert np.isfinite(scale).all()


def test_rows_without_residuals_count_as_having_a_thousandth_of_the_spread():
    """Of their own they would have none, and the scale would be zero."""
    levels = Levels.of([2])
    values = np.array([1.0, 1.0, 5.0, 9.0])
    cells = collapse(Rows(levels, values, (np.array([0, 0, 1, 1]),)))
    exact, other = statement.information_scale(cells)
    assert other == pytest.approx(4.0)
    assert exact == pytest.approx(1e-6 * 2.0)


def test_a_contributor_without_rows_counts_as_having_one_of_the_usual_variance():
    levels = Levels.of([3])
    values = np.array([1.0, 3.0, 2.0, 7.0])
    picked = (np.array([0, 0, 0, 1]),)
    few, one, none = statement.information_scale(collapse(Rows(levels, values, picked)))
    # Squared residuals 1, 1, 0 and 0: half a unit a row. One row has none of its own.
    assert few == pytest.approx(2 / 3 * np.sqrt(2 / 3))
    assert none == pytest.approx(0.5 * np.sqrt(2))
    assert one == pytest.approx(1e-6 * none)
