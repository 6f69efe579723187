"""Two-stage least squares: means first, then squared residuals, on the contributors.

Ordinary least squares for the means, and the method of moments for the variances: a
squared residual estimates its row's variance, which is a sum over contributors like
its mean. What most people would try first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from summands.estimation.results import Point
from summands.model import estimands, information
from summands.model.cells import Cells
from summands.model.elimination import NormalEquations
from summands.model.indicators import sums
from summands.model.problem import Problem

READS = "cells"
SAMPLES = False
OPTIONS: dict[str, dict[str, Any]] = {}

Array = NDArray[np.float64]

# Numbers of cells and contributors that are held at once.
BLOCK = 4_000_000


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
        Not used: it takes seconds at the most.

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
    equations = NormalEquations(members, levels.sizes, n, null)
    # Around their mean, so that values far from zero keep their digits.
    origin = np.average(cells.mean, weights=n)
    means = equations.solve(sums(members, n * (cells.mean - origin), k))
    residual = cells.mean - origin - means[members].sum(axis=1)
    squares = cells.sum_of_squares + n * residual**2
    means += origin / levels.count
    squares *= n.sum() / (n.sum() - rank)
    variances = equations.solve(sums(members, squares, k))
    v = variances[members].sum(axis=1)
    of_means, of_variances = _errors(cells, equations, [squares, 2.0 * n * v**2])
    estimate, sd = estimands.linear(levels, means, of_means, variances, of_variances)
    lost = ~information.identified(cells)
    estimate[lost] = sd[lost] = np.nan
    return Point(estimate, sd, converged=True)


def _errors(
    cells: Cells, equations: NormalEquations, middles: Sequence[Array]
) -> list[estimands.Errors]:
    """Errors of which G^-1 Z' diag(m) Z G^-1 is the covariance matrix, for each m.

    Parameters
    ----------
    cells : Cells
    equations : NormalEquations
        Those of G.
    middles : sequence of ndarray, each of shape (C,)
    """
    levels, members = cells.levels, cells.members
    count = levels.contributors

    def of_cells(solved: Array) -> Array:
        return sum((solved[column] for column in members.T), np.zeros(1))

    diagonal = np.empty((len(middles), count))
    step = max(1, BLOCK // len(members))
    for start in range(0, count, step):
        chosen = np.arange(start, min(start + step, count))
        one = (np.arange(count)[:, None] == chosen).astype(float)
        squared = of_cells(equations.solve(one)) ** 2
        diagonal[:, chosen] = np.stack(middles) @ squared
    averages = (levels.level[:, None] == np.arange(levels.count)) / np.asarray(
        levels.sizes
    )
    spread = of_cells(equations.solve(averages))
    found = []
    for middle, own in zip(middles, diagonal, strict=True):
        moved = np.stack(
            [sums(members, middle * column, count) for column in spread.T], axis=1
        )
        found.append(
            estimands.Errors.from_products(levels, own, equations.solve(moved))
        )
    return found
