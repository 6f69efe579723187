"""A mode of the posterior, and what is known there: where coordinates start from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from summands.model.cells import Cells
from summands.model.indicators import gram, sums
from summands.model.levels import Levels
from summands.model.problem import Problem

Array = NDArray[np.float64]

# Least variance of a row whose square, and that over its rows, floats can hold.
LEAST = 1e-145


@dataclass(frozen=True)
class Mode:
    """A mode of the posterior of (intercept, mu, log sigma^2), and what is known there.

    Parameters
    ----------
    means : ndarray, shape (K + 1,)
        Intercept and mu.
    mean_root : ndarray, shape (K + 1, Q)
        R with R R' the covariance of the means.
    variance : ndarray, shape (K,)
    information : ndarray, shape (K, K)
        Fisher information of the variances in the data.
    rows : ndarray, shape (K,)
        Rows of each contributor.
    spread : ndarray, shape (K,)
        Mean variance of the rows of each contributor.
    """

    means: Array
    mean_root: Array
    variance: Array
    information: Array
    rows: Array
    spread: Array


def find(problem: Problem, cells: Cells, iterations: int = 60) -> Mode:
    """Find a mode by weighted least squares alternating with Fisher scoring.

    Means given variances are a weighted ridge regression; variances given means are
    found in log s with the expected information 1/2 Z' diag(n / v^2) Z, each step
    halved until the density does not fall.

    Parameters
    ----------
    problem : Problem
    cells : Cells
    iterations : int, optional
        Rounds, at the most.

    Returns
    -------
    Mode

    Raises
    ------
    FloatingPointError
        If floats cannot hold it: rows that fit without any error have it where their
        variance is all but zero.
    """
    levels = problem.levels
    members, k = cells.members, levels.contributors
    n = cells.n.astype(float)
    rows = sums(members, n, k)
    basis = mean_basis(levels)
    prior_scales = np.append(problem.intercept_sd, np.full(k, problem.mu_sd))
    prior = basis.T @ (basis / prior_scales[:, None] ** 2)
    # The intercept's column of the design matrix is the sum of those of level 0.
    with_intercept = np.concatenate([(levels.level == 0)[:, None], np.eye(k)], axis=1)
    to_basis = with_intercept @ basis
    log_mean = problem.log_variance_mean
    log_precision = problem.log_variance_precision
    # Values far from zero would cost the residuals their digits.
    origin = np.average(cells.mean, weights=n)

    def regress(v: Array) -> tuple[Array, Array, Array]:
        if not v.min() > LEAST:
            raise _out_of_range(cells, v)
        weight = n / v
        precision = to_basis.T @ gram(members, weight, k) @ to_basis + prior
        target = to_basis.T @ sums(members, weight * (cells.mean - origin), k)
        target[0] -= (origin - problem.intercept_mean) / problem.intercept_sd**2
        try:
            root = scipy.linalg.cholesky(precision, lower=True)
        except np.linalg.LinAlgError:
            raise _out_of_range(cells, v) from None
        beta = scipy.linalg.cho_solve((root, True), target)
        fitted = (to_basis @ beta)[members].sum(axis=1)
        residual = cells.sum_of_squares + n * (cells.mean - origin - fitted) ** 2
        return beta, root, residual

    def density(log_s: Array, residual: Array) -> float:
        v = np.exp(log_s)[members].sum(axis=1)
        likelihood = -0.5 * (n * np.log(v) + residual / v).sum()
        return likelihood - 0.5 * log_precision * ((log_s - log_mean) ** 2).sum()

    # Of a single cell the rows' own variance, and of equal rows the prior's.
    start = (
        np.var(cells.mean)
        or cells.sum_of_squares.sum() / n.sum()
        or levels.count * np.exp(log_mean)
    )
    _, _, residual = regress(np.full(len(n), start))
    total = max(residual.sum() / n.sum(), 1e-10 * start)
    spread = np.where(rows > 0, sums(members, residual, k) / np.maximum(rows, 1), total)
    log_s = np.log(np.maximum(spread, 1e-3 * total) / levels.count)
    for _ in range(iterations):
        s = np.exp(log_s)
        v = s[members].sum(axis=1)
        _, _, residual = regress(v)
        pull = log_precision * (log_s - log_mean)
        slope = s * sums(members, 0.5 * (residual / v - n) / v, k) - pull
        information = 0.5 * gram(members, n / v**2, k)
        curvature = s[:, None] * information * s + log_precision * np.eye(k)
        step = scipy.linalg.solve(curvature, slope, assume_a="pos")
        step *= min(1.0, 3.0 / np.abs(step).max(initial=1e-300))
        before = density(log_s, residual)
        while density(log_s + step, residual) < before and np.abs(step).max() > 1e-9:
            step *= 0.5
        log_s = log_s + step
        # What is left to gain, in units of log density: coordinates need no more.
        if slope @ step < 1e-4:
            break
    s = np.exp(log_s)
    v = s[members].sum(axis=1)
    beta, root, _ = regress(v)
    means = basis @ beta
    means[0] += origin
    # precision = L L', so its inverse is (B L'^-1) (B L'^-1)' in intercept and mu.
    mean_root = scipy.linalg.solve_triangular(root, basis.T, lower=True).T
    return Mode(
        means,
        mean_root,
        s,
        0.5 * gram(members, n / v**2, k),
        rows,
        np.where(rows > 0, sums(members, n * v, k) / np.maximum(rows, 1), v.mean()),
    )


def _out_of_range(cells: Cells, v: Array) -> FloatingPointError:
    """Say which rows have a variance too small beside the others'."""
    place = " + ".join(cells.levels.titles[k] for k in cells.members[np.argmin(v)])
    return FloatingPointError(
        f"the rows of {place} fit without error, or nearly so: floats cannot hold the "
        "posterior's mode, where their variance is all but zero"
    )


def mean_basis(levels: Levels) -> Array:
    """Orthonormal basis of (intercept, mu) with sum-to-zero mu, shape (K + 1, Q)."""
    k = levels.contributors
    basis = np.zeros((k + 1, k + 1 - levels.count))
    basis[0, 0] = 1.0
    column = 1
    for offset, size in zip(levels.offsets, levels.sizes, strict=True):
        rows = slice(1 + offset, 1 + offset + size)
        basis[rows, column : column + size - 1] = scipy.linalg.helmert(size).T
        column += size - 1
    return basis
