"""What the data say of each component: log likelihoods with the means integrated out.

Given its means, the likelihood no longer has the scale of a level. Of the posterior
with the level's means and the intercept integrated out it has: given the other levels,
the averages r_k that the rows of contributor k leave to it are Normal(b, sqrt(s_k))
with s_k = tau^2 + 1 / P_k, where P_k = sum n / v over its cells. With a flat b that is

    -1/2 [sum log s_k + log sum 1 / s_k + sum (r_k - r)^2 / s_k]

with r their mean weighted by 1 / s_k (the restricted likelihood: Searle, Casella and
McCulloch 1992, Variance Components, section 6.6). What the rows say around their own
contributor's average has no part in it, as it does not depend on the scale. Zero-sum
means and independent ones give the same, as their average goes into b.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from summands.decomposition import tables
from summands.decomposition.thinning import Thinned
from summands.model.cells import Cells

Array = NDArray[np.float64]


def of_components(
    some: Thinned, tau: Array, several: Sequence[int], cells: Cells
) -> Array:
    """Log likelihood of the scale of each level and of the noise, up to a constant.

    Parameters
    ----------
    some : Thinned
    tau : ndarray, shape (S, len(several))
        Scales of the levels' means.
    several : sequence of int
        The levels.
    cells : Cells

    Returns
    -------
    ndarray, shape (S, len(several) + 1)
        Last that of all rows, in which the noise is.
    """
    origin = float(np.average(cells.mean, weights=cells.n))
    from_origin = cells.mean - origin
    members = np.ascontiguousarray(cells.members.T)
    count = cells.levels.contributors
    result = np.empty((len(some.places), len(several) + 1))
    for draw, place in enumerate(result):
        mean, v = some.of_cells(draw, members, origin)
        weight = cells.n / v
        residual = from_origin - mean
        place[-1] = -0.5 * np.sum(
            cells.n * np.log(v) + cells.sum_of_squares / v + weight * residual**2
        )
        pull = weight * residual
        for number, level in enumerate(several):
            mine = tables.members(cells.levels, level)
            precision = np.bincount(members[level], weight, count)[mine]
            total = np.bincount(members[level], pull, count)[mine]
            has = precision > 0
            average = some.mu[draw, mine][has] + total[has] / precision[has]
            place[number] = _restricted(
                average, tau[draw, number] ** 2 + 1.0 / precision[has]
            )
    return result


def _restricted(average: Array, variance: Array) -> float:
    """Restricted log likelihood of independent normal numbers with a common mean."""
    weight = 1.0 / variance
    middle = np.average(average, weights=weight)
    squares = np.sum(weight * (average - middle) ** 2)
    return -0.5 * float(np.log(variance).sum() + np.log(weight.sum()) + squares)
