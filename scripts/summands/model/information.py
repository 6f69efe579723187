"""What data can tell: Fisher information, the Cramér-Rao bound, and identification.

With v_c the variance of cell c, Z the indicators of its contributors and n_c its rows,
the information on the contributors' means is Z' diag(n / v) Z, that on their variances
1/2 Z' diag(n / v^2) Z, and the two are independent (Searle, Casella and McCulloch 1992,
Variance Components, section 6.3, for a diagonal covariance matrix).

More than one set of contributors' means, and of their variances, gives the same cells:
what is added to one level can be taken from another. A linear function of them is
estimable if and only if it lies in the row space of Z (Searle 1971, Linear Models,
section 5.4). Nothing here depends on the rank being the one of a full crossing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from summands.model import estimands
from summands.model.cells import Cells
from summands.model.elimination import NormalEquations
from summands.model.indicators import gram, sums
from summands.model.levels import Levels

Array = NDArray[np.float64]

# Condition numbers beyond which results would have less than three digits left.
SINGULAR = 1e13

# Contributors above which the largest level is eliminated, which takes longer for few.
MANY = 300

# Classes of contributors up to which identified sets are computed.
CLASSES = 200


def of_means(cells: Cells, variance: Array) -> Array:
    """Fisher information on the contributors' means.

    Parameters
    ----------
    cells : Cells
    variance : ndarray, shape (C,)
        Variance of a row of each cell.

    Returns
    -------
    ndarray, shape (K, K)
    """
    return gram(cells.members, cells.n / variance, cells.levels.contributors)


def of_variances(cells: Cells, variance: Array) -> Array:
    """Fisher information on the contributors' variances; see `of_means`."""
    weight = 0.5 * cells.n / variance**2
    return gram(cells.members, weight, cells.levels.contributors)


def inverse(information: Array, null: Array) -> Array:
    """Generalised inverse of an information matrix, on the row space of Z.

    Contributors are scaled to unit information, as variances may differ by many powers
    of ten, and the complement is filled up: it is orthogonal to what is asked for.

    Parameters
    ----------
    information : ndarray, shape (K, K)
    null : ndarray, shape (K, K - r)
        Basis of the complement of the row space, see `Cells.null_space`.

    Returns
    -------
    ndarray, shape (K, K)
        a' inverse a bounds the variance of unbiased estimates of a' theta for every a
        in the row space.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the information is singular there, to the digits that floats have.
    """
    unit = np.sqrt(np.diag(information))
    # One without rows has any scale, but those of the others must not drown it.
    unit = np.where(unit > 0, unit, unit.max())
    free, _ = np.linalg.qr(unit[:, None] * null)
    scaled = information / unit / unit[:, None] + free @ free.T
    root = np.linalg.cholesky(scaled)
    half = np.linalg.solve(root, np.diag(1.0 / unit))
    # The trace of the scaled inverse: at least the condition number, over K.
    if not np.sum((half * unit) ** 2) < SINGULAR:
        raise np.linalg.LinAlgError("the information is singular")
    return half.T @ half


def identified(cells: Cells) -> NDArray[np.bool_]:
    """Mark the quantities that the data alone determine.

    With more than one level that all meet each other, these are the means, the
    variance contrasts and the total variance; a single sigma is not among them.

    Parameters
    ----------
    cells : Cells

    Returns
    -------
    ndarray of bool, shape (P,)
        In the order of `summands.model.estimands.index`.
    """
    outside = estimands.of_contributors(cells.levels, cells.null_space.T)
    return np.abs(outside).max(axis=0, initial=0.0) < 1e-6


def standard_errors(cells: Cells, variance: Array) -> Array:
    """Smallest standard errors that unbiased estimates can have (Cramér-Rao bound).

    sqrt(a' I^+ a) for a quantity a' theta; sigma, where it is identified, by the delta
    method, sd(sigma) = sd(sigma^2) / (2 sigma).

    Parameters
    ----------
    cells : Cells
        Only their rows count, not their values.
    variance : ndarray, shape (K,)
        sigma^2 of each contributor at which the information is taken.

    Returns
    -------
    ndarray, shape (P,)
        NaN where the quantity is not identified, where a cell has no variance, or
        where variances are too far apart to compute it.
    """
    levels = cells.levels
    v = variance[cells.members].sum(axis=1)
    if not v.min() > 0:
        return np.full(len(estimands.index(levels).parameter), np.nan)
    null = cells.null_space
    count = levels.contributors

    def bound(weight: Array) -> estimands.Errors | None:
        try:
            if count <= MANY:
                information = gram(cells.members, weight, count)
                return estimands.Errors.of(levels, inverse(information, null))
            equations = NormalEquations(cells.members, levels.sizes, weight, null)
        except np.linalg.LinAlgError:
            return None
        averages = (levels.level[:, None] == np.arange(levels.count)) / np.asarray(
            levels.sizes
        )
        return estimands.Errors.from_products(
            levels, equations.diagonal(), equations.solve(averages)
        )

    # Beyond what floats can hold is beyond what can be computed.
    with np.errstate(over="ignore", invalid="ignore"):
        _, result = estimands.linear(
            levels,
            np.zeros(levels.contributors),
            bound(cells.n / v),
            variance,
            bound(0.5 * cells.n / v**2),
        )
    result[~identified(cells)] = np.nan
    result[estimands.constant(levels)] = 0.0
    return result


def sigma_set(cells: Cells, contrasts: Array, total: float) -> tuple[Array, Array]:
    """Sharp identified set of every sigma, given what is identified.

    Variances that give the same cells differ by a vector of the complement of the row
    space, and none is negative. Where all levels meet, with d_jk = s_jk - min_k s_jk
    and R = sum_j min_k s_jk, the set of s_jk is [d_jk, d_jk + R]: all of the common
    floor R may belong to one level, or none of it. Else its ends are the solutions of
    linear programs, two for each class of contributors that can only move together:
    hundreds of classes, as of hundreds of groups that share no contributor, would take
    minutes, and have no set.

    Parameters
    ----------
    cells : Cells
    contrasts : ndarray, shape (K,)
        Variance contrasts.
    total : float
        Total variance.

    Returns
    -------
    lower, upper : ndarray, shape (K,)
        Ends for sigma, not for its square. NaN where the contrasts or the total are
        not known, contradict each other, or have more than `CLASSES` classes; equal
        where sigma is identified.
    """
    levels = cells.levels
    lowest = np.minimum.reduceat(contrasts, levels.offsets)
    floor = total + lowest.sum()
    # Estimates may ask for negative variances: the set is empty. NaN ends here too.
    if not floor > -1e-9 * abs(total):
        unknown = np.full(levels.contributors, np.nan)
        return unknown, unknown
    floor = max(floor, 0.0)
    distance = contrasts - lowest[levels.level]
    null = cells.null_space
    if levels.count == 1:
        lower = upper = distance + floor
    elif null.shape[1] == levels.count - 1:
        lower, upper = distance, distance + floor
    else:
        share = np.full(levels.count, floor / levels.count)
        lower, upper = _ends(distance + share[levels.level], null)
    return np.sqrt(lower), np.sqrt(upper)


def _ends(variance: Array, null: Array) -> tuple[Array, Array]:
    """Smallest and largest of each element of variance + null t that is nowhere < 0.

    Contributors that any t moves by the same are a class, of which the one of least
    variance alone can stop a move: a program has as many constraints as classes. NaN
    if these are more than `CLASSES`.
    """
    # Takes long to import, and only data with gaps need it.
    import scipy.optimize

    # Fewer classes than there are is a matter of rounding, and of time alone.
    moves, of_class = np.unique(np.round(null, 10), axis=0, return_inverse=True)
    if len(moves) > CLASSES:
        unknown = np.full(len(null), np.nan)
        return unknown, unknown
    least = np.full(len(moves), np.inf)
    np.minimum.at(least, of_class, variance)
    ends = []
    for sign in (1.0, -1.0):
        moved = np.zeros(len(moves))
        for place, row in enumerate(moves):
            if np.abs(row).max(initial=0.0) > 1e-9:
                found = scipy.optimize.linprog(
                    sign * row, A_ub=-moves, b_ub=least, bounds=(None, None)
                )
                # Unbounded: a contributor without rows may have any variance.
                moved[place] = sign * (-np.inf if found.fun is None else found.fun)
        ends.append(np.maximum(variance + moved[of_class], 0.0))
    return ends[0], ends[1]


def unidentified_means(cells: Cells) -> str:
    """Say which contributors' means the data do not determine, and why.

    Parameters
    ----------
    cells : Cells

    Returns
    -------
    str
        Empty where all are identified.
    """
    levels = cells.levels
    names = estimands.index(levels)
    lost = ~identified(cells)[names.where("mu")]
    if not lost.any():
        return ""
    count = levels.contributors
    present = sums(cells.members, np.ones(len(cells.n)), count) > 0
    reasons = []
    if not present.all():
        reasons.append(f"no rows of {_list(levels, ~present)}")
    # Contrasts between those that have rows: do they lie in the row space?
    null = cells.null_space
    of_present = null * present[:, None]
    in_level = np.maximum(np.add.reduceat(present, levels.offsets, dtype=float), 1.0)
    means = np.add.reduceat(of_present, levels.offsets) / in_level[:, None]
    centred = null - means[levels.level]
    apart = present & (np.abs(centred).max(axis=1, initial=0.0) > 1e-6)
    if apart.any():
        reasons.append(
            f"too few rows in which {_list(levels, apart)} meet others, so that the "
            "levels' shares cannot be told apart"
        )
    return " and ".join(reasons)


def _list(levels: Levels, chosen: NDArray[np.bool_]) -> str:
    """Contributors in full, the first few of them."""
    places = np.flatnonzero(chosen)
    text = ", ".join(levels.titles[k] for k in places[:8])
    return text + (f" and {len(places) - 8} more" if len(places) > 8 else "")
