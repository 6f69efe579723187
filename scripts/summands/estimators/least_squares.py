"""Two-stage least squares: means first, then squared residuals, on the contributors.

Ordinary least squares for the means, and the method of moments for the variances: a
squared residual estimates its row's variance, which is a sum over contributors like
its mean. What most people would try first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from summands.estimation.results import Point
from summands.model import estimands, information
from summands.model.cells import Cells
from summands.model.indicators import gram, sums
from summands.model.problem import Problem

READS = "cells"
SAMPLES = False
OPTIONS: dict[str, dict[str, Any]] = {}

Array = NDArray[np.float64]


def prepare(problem: Problem, options: Mapping[str, Any]) -> None:
    """Nothing to do: there is nothing to compile."""


def estimate(
    cells: Cells,
    problem: Problem,
    options: Mapping[str, Any],
    seed: int,
    progress: Callable[[str], None],
) -> Point:
    """Regress values, then squared residuals, on the contributors.

    Rows of a cell have the same fitted values, so both regressions are exact on cells
    weighted by their rows. Squared residuals are divided by the share of degrees of
    freedom that the first stage leaves, (N - rank) / N. With G = Z' diag(n) Z,
    standard errors of the means are White's (1980, Econometrica 48:817), those of
    G^-1 Z' diag(sum of squared residuals) Z G^-1; those of the variances take squared
    residuals to be those of normal values, whose variance is 2 v^2, so the middle is
    Z' diag(2 n v^2) Z with the v that the second stage fits.

    Parameters
    ----------
    cells : Cells
    problem : Problem
        Its priors do not matter.
    options : mapping
    seed : int
        Not used: nothing is random.
    progress : callable
        Not used: it takes less than a millisecond.

    Returns
    -------
    Point
        Variances may come out negative; sigma is NaN where it is not identified or
        its square is negative.

    Raises
    ------
    ValueError
        If there are no more rows than parameters of the means.
    """
    levels = cells.levels
    members, k = cells.members, levels.contributors
    n = cells.n.astype(float)
    null = cells.null_space
    rank = k - null.shape[1]
    if n.sum() <= rank:
        raise ValueError(f"{cells.n.sum()} rows leave no residuals after {rank} means")
    bread = information.inverse(gram(members, n, k), null)
    # Around their mean, so that values far from zero keep their digits.
    origin = np.average(cells.mean, weights=n)
    means = bread @ sums(members, n * (cells.mean - origin), k)
    residual = cells.mean - origin - means[members].sum(axis=1)
    squares = cells.sum_of_squares + n * residual**2
    means += origin / levels.count
    squares *= n.sum() / (n.sum() - rank)
    variances = bread @ sums(members, squares, k)
    of_means = bread @ gram(members, squares, k) @ bread
    v = variances[members].sum(axis=1)
    of_variances = bread @ gram(members, 2.0 * n * v**2, k) @ bread
    estimate, sd = estimands.linear(
        levels,
        means,
        estimands.Errors.of(levels, of_means),
        variances,
        estimands.Errors.of(levels, of_variances),
    )
    lost = ~information.identified(cells)
    estimate[lost] = sd[lost] = np.nan
    return Point(estimate, sd, converged=True)
