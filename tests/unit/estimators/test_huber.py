"""Huber's estimator against its definition, and what gross errors do to it."""

import numpy as np
import pytest

from summands.estimation import fitting
from summands.estimators import huber, least_squares
from summands.model import estimands
from summands.model.cells import collapse
from summands.model.data_set import DataSet
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.model.rows import Rows

DEFAULTS = {name: rule["default"] for name, rule in huber.OPTIONS.items()}


def drawn(sizes, count, seed=0, picked=None):
    """Rows of one noise, and the means that they were drawn with."""
    rng = np.random.default_rng([seed, count, *sizes])
    levels = Levels.of(sizes)
    mu = levels.centre(rng.normal(size=levels.contributors))
    if picked is None:
        picked = np.stack([rng.integers(size, size=count) for size in sizes], axis=1)
    value = 2.0 + mu[picked + levels.offsets].sum(axis=1) + rng.normal(size=count)
    return Rows(levels, value, tuple(picked.T)), mu


def fit_of(module, data, **changed):
    data_set = DataSet(data)
    problem = Problem.following(data_set.cells.levels, data_set.units)
    options = {name: rule["default"] for name, rule in module.OPTIONS.items()}
    return fitting.fit(module.estimate, data_set, problem, options | changed, 0)


def estimated(rows, **changed):
    return huber.estimate(rows, None, DEFAULTS | changed, 0, str)


def mu_of(fit, levels):
    return fit.estimate[estimands.index(levels).where("mu")]


@pytest.mark.parametrize("sizes", [[1, 3], [2, 4, 3], [1, 30]])
def test_residuals_within_and_beyond_the_threshold_balance(sizes):
    """Huber (1973, equation 1.5): the sum of psi(residual / scale) z is zero."""
    rows, _ = drawn(sizes, 600)
    rows.value[:20] += 30.0
    point, levels = estimated(rows), rows.levels
    names = estimands.index(levels)
    fitted = point.estimate[names.where("intercept")][0]
    mu = point.estimate[names.where("mu")]
    for offset, column in zip(levels.offsets, rows.contributors, strict=True):
        fitted = fitted + mu[offset + column]
    residual = rows.value - fitted
    scale = np.median(np.abs(residual)) / 0.6744897501960817
    assert point.estimate[names.where("total_variance")] == pytest.approx(scale**2)
    psi = np.clip(residual / scale, -1.345, 1.345)
    for column, size in zip(rows.contributors, levels.sizes, strict=True):
        assert np.abs(np.bincount(column, psi, size)).max() < 1e-4
    # Where means balance because all weights are one, nothing would be tested.
    assert (np.abs(psi) == 1.345).sum() > 20


def test_with_no_threshold_to_speak_of_it_is_least_squares():
    rows, _ = drawn([1, 2, 5], 300)
    names = estimands.index(rows.levels)
    linear = names.where("mu") | names.where("intercept")
    one = fit_of(huber, rows, threshold=1e6)
    other = fit_of(least_squares, collapse(rows))
    assert one.estimate[linear] == pytest.approx(other.estimate[linear], abs=1e-9)
    # Of one noise both errors are right, though only one of them assumes it.
    shown = linear & (other.sd > 0)
    assert one.sd[shown] == pytest.approx(other.sd[shown], rel=0.25)


@pytest.mark.parametrize("size", [50.0, 1e4])
@pytest.mark.parametrize("unit", [1.0, 1e-6])
def test_gross_errors_move_it_by_little(size, unit):
    rows, mu = drawn([1, 2, 5], 2000)
    wrong = Rows(rows.levels, unit * (rows.value + 1e6), rows.contributors)
    # All of one contributor's, so that they do not cancel.
    hit = np.flatnonzero(rows.contributors[2] == 3)[:30]
    wrong.value[hit] += unit * size
    robust, plain = fit_of(huber, wrong), fit_of(least_squares, collapse(wrong))
    assert np.abs(mu_of(plain, rows.levels) / unit - mu).max() > 0.02 * size
    assert np.abs(mu_of(robust, rows.levels) / unit - mu).max() < 0.25
    assert robust.converged


def test_intervals_hold_the_truth_as_often_as_they_say():
    held, shown = 0, 0
    for seed in range(150):
        rows, mu = drawn([1, 2, 4], 120, seed)
        names = estimands.index(rows.levels).where("mu")
        fit = fit_of(huber, rows)
        level = rows.levels.level > 0
        inside = (fit.lower_95[names] <= mu) & (mu <= fit.upper_95[names])
        held += inside[level].sum()
        shown += level.sum()
    # 900 intervals in 150 data sets, errors of one sum to zero.
    assert held / shown == pytest.approx(0.95, abs=0.025)


def test_the_order_of_rows_does_not_matter():
    rows, _ = drawn([1, 2, 5], 300)
    order = np.random.default_rng(1).permutation(300)
    moved = Rows(
        rows.levels, rows.value[order], tuple(c[order] for c in rows.contributors)
    )
    one, other = estimated(rows), estimated(moved)
    assert one.estimate == pytest.approx(other.estimate, rel=1e-6, nan_ok=True)
    assert one.sd == pytest.approx(other.sd, rel=1e-6, nan_ok=True)


def test_what_rows_do_not_tell_has_no_estimate():
    picked = np.array([[0, k, k] for k in range(4)] * 25)
    rows, _ = drawn([1, 4, 4], 100, picked=picked)
    fit = fit_of(huber, rows)
    names = estimands.index(rows.levels)
    assert np.isnan(mu_of(fit, rows.levels)[1:]).all()
    assert np.isfinite(fit.estimate[names.where("intercept")]).all()
    assert np.isnan(fit.estimate[names.where("sigma")]).all()
    assert np.isnan(fit.estimate[names.where("variance_contrast")][1:]).all()
    assert np.isfinite(fit.estimate[names.where("total_variance")]).all()


def test_what_cannot_be_fitted_is_an_error_that_says_why():
    rows, _ = drawn([1, 3], 3, picked=np.array([[0, 0], [0, 1], [0, 2]]))
    assert "3 rows leave no residuals after 3 means" in fit_of(huber, rows).error
    rows, _ = drawn([1, 2], 40)
    rows.value[:] = rows.contributors[1]
    rows.value[:4] += [1.0, -1.0, 2.0, 3.0]
    assert "their scale is zero" in fit_of(huber, rows).error


def test_too_few_iterations_are_no_convergence():
    rows, _ = drawn([1, 3], 100)
    assert not fit_of(huber, rows, max_iter=2).converged
    assert fit_of(huber, rows).converged
