"""Ways through all cells for one draw, compiled: nothing as long as the cells is made.

Levels of one contributor have no part in them: what they add is handed over as the
intercept and the variance that all rows share.
"""

from __future__ import annotations

import numba
import numpy as np

# Columns of what is known of a contributor's rows: their sum and their sum of squares
# around some origin, the smallest and the largest.
SUM, SQUARES, SMALLEST, LARGEST = range(4)


@numba.njit(cache=True, inline="always")
def _add(known, k, n, mean, squares, smallest, largest):  # type: ignore[no-untyped-def]
    known[k, SUM] += n * mean
    known[k, SQUARES] += squares + n * mean * mean
    known[k, SMALLEST] = min(known[k, SMALLEST], smallest)
    known[k, LARGEST] = max(known[k, LARGEST], largest)


@numba.njit(cache=True, error_model="numpy")
def gather(members, n, mean, squares, smallest, largest, centre, known):  # type: ignore[no-untyped-def]
    """Add cells to what is known of each contributor's rows.

    Parameters
    ----------
    members : ndarray of int, shape (J, C)
        Flat index of each level's contributor in each cell.
    n : ndarray of int, shape (C,)
    mean, squares, smallest, largest : ndarray, shape (C,)
        Of the rows of each cell; squares around their mean.
    centre : ndarray, shape (K,)
        Origin of a contributor's sums: near its mean, so that nothing cancels.
    known : ndarray, shape (K, 4)
    """
    for c in range(len(n)):
        for j in range(len(members)):
            k = members[j, c]
            _add(
                known, k, n[c], mean[c] - centre[k], squares[c], smallest[c], largest[c]
            )


@numba.njit(cache=True, error_model="numpy")
def draw(  # type: ignore[no-untyped-def]
    members, n, few, intercept, mu, shared, variance, low, high, rng, centre, known
):
    """Draw the rows of all cells, and add them to what is known of contributors.

    Of a cell of few rows one by one; of others their mean, which is normal, their sum
    of squares v chi^2 of n - 1 degrees of freedom, and their extremes.

    Parameters
    ----------
    members : ndarray of int, shape (J, C)
    n : ndarray of int, shape (C,)
    few : int
        Rows that are drawn one by one, at most.
    intercept, shared : float
        Mean and variance that all rows have in common.
    mu, variance : ndarray, shape (K,)
    low, high : ndarray, shape (M,)
        Smallest and largest of n standard normal numbers, for each cell of more rows.
    rng : numpy.random.Generator
    centre : ndarray, shape (K,)
    known : ndarray, shape (K, 4)
        See `gather`.
    """
    many = 0
    for c in range(len(n)):
        mean, v = intercept, shared
        for j in range(len(members)):
            mean += mu[members[j, c]]
            v += variance[members[j, c]]
        sd = np.sqrt(v)
        if n[c] <= few:
            for _ in range(n[c]):
                x = mean + sd * rng.standard_normal()
                for j in range(len(members)):
                    k = members[j, c]
                    _add(known, k, 1, x - centre[k], 0.0, x, x)
        else:
            average = mean + sd * rng.standard_normal() / np.sqrt(n[c])
            squares = 2.0 * v * rng.standard_gamma(0.5 * (n[c] - 1))
            smallest, largest = mean + sd * low[many], mean + sd * high[many]
            many += 1
            for j in range(len(members)):
                k = members[j, c]
                _add(known, k, n[c], average - centre[k], squares, smallest, largest)


@numba.njit(cache=True, error_model="numpy")
def weigh(  # type: ignore[no-untyped-def]
    members, n, mean, squares, intercept, mu, shared, variance, precision, pull
):
    """Log likelihood of all rows, and what those of each contributor say of its mean.

    Parameters
    ----------
    members : ndarray of int, shape (J, C)
    n : ndarray of int, shape (C,)
    mean, squares : ndarray, shape (C,)
        Of the rows of each cell.
    intercept, shared : float
        Mean and variance that all rows have in common.
    mu, variance : ndarray, shape (K,)
    precision, pull : ndarray, shape (K,)
        Are set to the sums over its cells of n / v and of n r / v, with r what the mean
        of a cell is off.

    Returns
    -------
    float
        Up to a constant.
    """
    precision[:] = 0.0
    pull[:] = 0.0
    total = 0.0
    for c in range(len(n)):
        residual, v = mean[c] - intercept, shared
        for j in range(len(members)):
            residual -= mu[members[j, c]]
            v += variance[members[j, c]]
        weight = n[c] / v
        total += n[c] * np.log(v) + squares[c] / v + weight * residual * residual
        for j in range(len(members)):
            precision[members[j, c]] += weight
            pull[members[j, c]] += weight * residual
    return -0.5 * total
