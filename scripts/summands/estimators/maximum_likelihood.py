"""Maximum likelihood of the heteroscedastic sum, with variances that are not negative.

The efficient frequentist answer, which the posterior must match as rows grow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from summands import estimands, information
from summands.cells import Cells
from summands.fitting import Point, Problem

READS = "cells"
SAMPLES = False
OPTIONS: dict[str, dict[str, Any]] = {
    "max_iter": {
        "type": "integer",
        "minimum": 1,
        "default": 500,
        "description": "Rounds of Fisher scoring, at the most.",
    },
    "tol": {
        "type": "number",
        "exclusiveMinimum": 0,
        "default": 1e-9,
        "description": (
            "Stop when a round can raise the log likelihood by no more than this."
        ),
    },
}

# A cell's variance, over the mean square of all residuals, below which the likelihood
# is taken to have no maximum: it grows without bound as the variance goes to zero.
COLLAPSED = 1e-8

Array = NDArray[np.float64]


def prepare(problem: Problem, options: Mapping[str, Any]) -> None:
    """Import SciPy's solver."""
    import scipy.optimize  # noqa: F401


def estimate(
    cells: Cells,
    problem: Problem,
    options: Mapping[str, Any],
    seed: int,
    progress: Callable[[str], None],
) -> Point:
    """Maximise the likelihood by Fisher scoring, alternating means and variances.

    Means given variances are weighted least squares. Variances given means: a step of
    Fisher scoring is the regression of the cells' squared residuals on their
    contributors, weighted by n / (2 v^2) (McCullagh and Nelder 1989, Generalized Linear
    Models, section 10.5), here with coefficients that are not negative (Lawson and
    Hanson 1974, chapter 23), and halved until the likelihood does not fall.

    Parameters
    ----------
    cells : Cells
    problem : Problem
        Its priors do not matter.
    options : mapping
    seed : int
        Not used: nothing is random.
    progress : callable
        Not used: it takes milliseconds.

    Returns
    -------
    Point
        Standard errors are those of the expected information at the estimate. What is
        not identified is NaN.

    Raises
    ------
    ValueError
        If the likelihood has no maximum: with too few rows it grows without bound as
        the variance of a cell goes to zero.
    """
    levels = cells.levels
    members, k = cells.members, levels.contributors
    n = cells.n.astype(float)
    _, null = information.row_space(cells)
    # Around their mean, so that values far from zero keep their digits.
    origin = np.average(cells.mean, weights=n)

    def regress(v: Array) -> tuple[Array, Array]:
        """Means, and mean squared residuals of cells, given the cells' variances."""
        covariance = information.inverse(information.of_means(cells, v), null)
        means = covariance @ information.sums(members, n / v * (cells.mean - origin), k)
        residual = cells.mean - origin - means[members].sum(axis=1)
        return means, cells.sum_of_squares / n + residual**2

    def likelihood(v: Array, squares: Array) -> float:
        return float(-0.5 * (n * (np.log(v) + squares / v)).sum())

    _, squares = regress(np.ones(len(n)))
    scale = (n * squares).sum() / n.sum()
    least = COLLAPSED * scale
    variances = np.full(k, max(scale, 1e-300) / levels.count)
    v = variances[members].sum(axis=1)
    converged = False
    for _ in range(options["max_iter"]):
        means, squares = regress(v)
        target = _nonnegative(
            information.of_variances(cells, v),
            information.sums(members, 0.5 * n * squares / v**2, k),
        )
        direction = target - variances
        score = information.sums(members, 0.5 * n * (squares - v) / v**2, k)
        gain = float(score @ direction)
        if gain <= options["tol"]:
            converged = True
            break
        before = likelihood(v, squares)
        step = 1.0
        while step > 1e-12:
            moved = variances + step * direction
            there = moved[members].sum(axis=1)
            if there.min() > 0 and likelihood(there, squares) >= before:
                break
            step *= 0.5
        else:
            break
        variances, v = moved, there
        if v.min() < least:
            raise ValueError(
                "the likelihood has no maximum: it grows without bound as the variance "
                "of a cell goes to zero; there are too few rows"
            )
    means, _ = regress(v)
    means += origin / levels.count
    estimate, _ = estimands.linear(levels, means, None, variances, None)
    sd = information.standard_errors(cells, variances)
    lost = ~information.identified(cells)
    estimate[lost] = np.nan
    return Point(estimate, sd, converged=converged)


def _nonnegative(gram: Array, moments: Array) -> Array:
    """Minimise s' gram s / 2 - moments' s over s >= 0."""
    import scipy.optimize

    # A scale for each unknown keeps contributors of few rows from drowning.
    unit = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    values, vectors = np.linalg.eigh(gram / unit / unit[:, None])
    kept = values > 1e-12 * values[-1]
    root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    target = (vectors[:, kept].T @ (moments / unit)) / np.sqrt(values[kept])
    solution, _ = scipy.optimize.nnls(root, target, maxiter=100 * len(gram))
    return solution / unit
