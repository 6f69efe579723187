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

Where all rows have one variance v, all sums over cells are quadratic forms in the
means, whatever the draw: with d what a draw's means are off some others, r what these
leave of the cells' means, and N the diagonal matrix of their rows,

    sum n (r - Z d)^2 = r'N r - 2 d'Z'N r + d' Z'NZ d,    Z'N (r - Z d) = Z'N r - Z'NZ d

so that the cells are looked at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from summands.decomposition import passes, tables
from summands.decomposition.thinning import Thinned
from summands.model.cells import Cells
from summands.model.elimination import Elimination

Array = NDArray[np.float64]

# Numbers that are held at once for some draws.
BLOCK = 4_000_000


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
    result = np.empty((len(some.places), len(several) + 1))
    constant = some.constant_variance(cells.levels)
    told = (
        _by_cells(some, cells)
        if constant is None
        else _by_products(some, constant, cells)
    )
    for draw, (place, (total, precision, pull)) in enumerate(
        zip(result, told, strict=True)
    ):
        place[-1] = total
        for number, level in enumerate(several):
            mine = tables.members(cells.levels, level)
            has = precision[mine] > 0
            of_mine = precision[mine][has]
            average = some.mu[draw, mine][has] + pull[mine][has] / of_mine
            place[number] = _restricted(average, tau[draw, number] ** 2 + 1.0 / of_mine)
    return result


def _by_cells(some: Thinned, cells: Cells) -> Iterator[tuple[float, Array, Array]]:
    """Log likelihood of all rows, and sums n / v and n r / v of each contributor.

    For one draw after the other; the arrays are used again.
    """
    levels = cells.levels
    origin = float(np.average(cells.mean, weights=cells.n))
    from_origin = cells.mean - origin
    members = tables.members_of_cells(cells)
    alone = np.asarray(levels.sizes)[levels.level] == 1
    precision, pull = np.empty((2, levels.contributors))
    for draw in range(len(some.places)):
        mu, variance = some.mu[draw], some.variance[draw]
        total = passes.weigh(
            members,
            cells.n,
            from_origin,
            cells.sum_of_squares,
            some.intercept[draw] - origin + mu[alone].sum(),
            mu,
            variance[alone].sum(),
            variance,
            precision,
            pull,
        )
        yield total, precision, pull


def _by_products(
    some: Thinned, variance: Array, cells: Cells
) -> Iterator[tuple[float, Array, Array]]:
    """Give the same as `_by_cells`, where each draw has one variance, shape (S,)."""
    levels, n = cells.levels, cells.n.astype(float)
    origin = float(np.average(cells.mean, weights=n))
    # Uncentred means of all contributors, with the intercept in equal shares, around
    # those in the middle of the draws, so that nothing cancels.
    share = (some.intercept[:, None] - origin) / levels.count
    middle = some.mu.mean(axis=0) + share.mean()
    residual = cells.mean - origin
    for level, mine in enumerate(cells.contributors.T):
        residual -= middle[tables.members(levels, level)][mine]
    residual_sums = cells.sums(n * residual)
    squares = float((cells.sum_of_squares + n * residual**2).sum())
    products = Elimination(cells.members, levels.sizes, n)
    step = max(1, BLOCK // levels.contributors)
    for start in range(0, len(variance), step):
        here = slice(start, start + step)
        off = (some.mu[here] + share[here] - middle).T
        product = products.times(off)
        squares_of = squares + (off * (product - 2.0 * residual_sums[:, None])).sum(
            axis=0
        )
        for v, of_draw, row in zip(variance[here], squares_of, product.T, strict=True):
            total = -0.5 * (n.sum() * np.log(v) + of_draw / v)
            yield float(total), cells.rows / v, (residual_sums - row) / v


def _restricted(average: Array, variance: Array) -> float:
    """Restricted log likelihood of independent normal numbers with a common mean."""
    weight = 1.0 / variance
    middle = np.average(average, weights=weight)
    squares = np.sum(weight * (average - middle) ** 2)
    return -0.5 * float(np.log(variance).sum() + np.log(weight.sum()) + squares)
