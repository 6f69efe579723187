"""Monte-Carlo errors and intervals of what is computed over replicates.

Replicates are independent, contributors of one replicate are not: they share a data
set. So every standard error is the jackknife's over replicates (Efron and Stein 1981,
Annals of Statistics 9:586), which for a mean over replicates is its standard error, and
serves roots and ratios of means as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import NDArray

Array = NDArray[np.float64]

# A statistic of sums over n replicates, shape (Q, ...).
Function = Callable[[Array, int], Array]

# How the interval of a statistic is made; see `intervals`.
SHARE, POSITIVE, RELATIVE, REAL = "share", "positive", "relative", "real"

# Confidence of the intervals.
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Sums:
    """A statistic made of sums over replicates.

    Parameters
    ----------
    terms : ndarray, shape (Q, R, M)
        What each replicate and contributor adds to the Q sums. Those of contributors
        together are means over them.
    function : callable
        Takes sums and the number of replicates that they are over.
    carried : tuple of int, optional
        Sums that a single replicate may carry nearly alone.
    counted : bool, optional
        Whether the second sum is the number of cases that a share is of.
    of_level, of_contributors : bool, optional
        Whether the statistic has a meaning for the contributors of a level together,
        and for each of them.
    """

    terms: Array
    function: Function
    carried: tuple[int, ...] = (0,)
    counted: bool = False
    of_level: bool = True
    of_contributors: bool = True


@dataclass(frozen=True)
class Shares:
    """Shares of R cases of each contributor, and those without each replicate.

    Parameters
    ----------
    share : ndarray, shape (M,)
    left_out : ndarray, shape (R, M)
    """

    share: Array
    left_out: Array
    of_level = True
    of_contributors = True


Statistic = Sums | Shares


@dataclass(frozen=True)
class Measured:
    """A statistic of G groups of contributors, each array of shape (G,).

    Parameters
    ----------
    value, mcse : ndarray
        The Monte-Carlo standard error is NaN for a single replicate.
    largest_share : ndarray
        Share of the largest replicate in the statistic's sum: that of the absolute
        terms, and the largest one if there are more sums. NaN where it has no meaning.
    count : ndarray
        Cases that a share is of; NaN for other statistics.
    """

    value: Array
    mcse: Array
    largest_share: Array
    count: Array


def mean(total: Array, n: int) -> Array:
    """Mean over replicates."""
    return total[0] / n


def root(total: Array, n: int) -> Array:
    """Root of the mean over replicates, of squares."""
    return np.sqrt(mean(total, n))


def ratio(total: Array, n: int) -> Array:
    """Ratio of two sums, of any number of replicates; NaN where the second is 0."""
    return total[0] / np.where(total[1] > 0, total[1], np.nan)


def root_of_ratio(total: Array, n: int) -> Array:
    """Root of `ratio`."""
    return np.sqrt(ratio(total, n))


def share(held: Array, counted: NDArray[np.bool_] | None = None) -> Sums:
    """Share of the cases counted, by default of all; each array of shape (R, M)."""
    of = np.ones_like(held) if counted is None else counted
    return Sums(np.stack([held, of]), ratio, carried=(), counted=True)


def deviations(values: Array) -> Array:
    """Terms whose sums give `variance`, shape (2, R, M).

    With c_i the deviations of n values from their mean and v their variance, the
    variance of all but value i is ((n - 1) v - c_i^2 n / (n - 1)) / (n - 2): linear in
    c_i^2, and without a difference of large numbers.
    """
    n = len(values)
    squares = (values - values.mean(axis=0)) ** 2 * (n / (n - 1))
    return np.stack([squares, np.broadcast_to(squares.mean(axis=0), squares.shape)])


def variance(total: Array, n: int) -> Array:
    """Variance over replicates, from sums of `deviations`."""
    return np.maximum(total[0] - total[1] / n, 0.0) / (n - 1)


def measure(statistics: Sequence[Statistic], *, apart: bool) -> list[Measured]:
    """Compute statistics of the same replicates, like ones in one go.

    Parameters
    ----------
    statistics : sequence of Sums or Shares
    apart : bool
        For each contributor (G = M), or for all of them together (G = 1).

    Returns
    -------
    list of Measured
    """
    found: dict[int, Measured] = {}
    alike = defaultdict(list)
    for place, statistic in enumerate(statistics):
        if isinstance(statistic, Sums):
            alike[statistic.function, statistic.terms.shape].append((place, statistic))
        else:
            found[place] = _of_shares(statistic, apart=apart)
    for (function, (_, n, size)), group in alike.items():
        terms = np.stack([statistic.terms for _, statistic in group], axis=1)
        # Shape (Q, statistics, G, R); sums of 0 and 1 stay exact.
        if apart:
            terms = np.ascontiguousarray(terms.swapaxes(2, 3))
        else:
            terms = (terms @ np.ones(size) / size)[:, :, None]
        total = terms.sum(axis=-1)
        value = function(total, n)
        mcse = np.full_like(value, np.nan)
        if n > 1:
            mcse = _jackknife(function(total[..., None] - terms, n - 1))
        of_replicates = np.abs(terms)
        whole = of_replicates.sum(axis=-1)
        shares = of_replicates.max(axis=-1) / np.where(whole > 0, whole, np.nan)
        unknown = np.full(value.shape[1], np.nan)
        for number, (place, statistic) in enumerate(group):
            carried = unknown
            for part in statistic.carried:
                carried = np.fmax(carried, shares[part, number])
            count = unknown
            if statistic.counted:
                count = total[1, number] * (1 if apart else size)
            found[place] = Measured(value[number], mcse[number], carried, count)
    return [found[place] for place in range(len(statistics))]


def _of_shares(shares: Shares, *, apart: bool) -> Measured:
    n, size = shares.left_out.shape
    share, left_out = shares.share, shares.left_out.T
    if not apart:
        share, left_out = share.mean(keepdims=True), left_out.mean(axis=0)[None]
    unknown = np.full_like(share, np.nan)
    return Measured(
        share,
        _jackknife(left_out) if n > 1 else unknown,
        unknown,
        np.full_like(share, n if apart else n * size),
    )


def _jackknife(left_out: Array) -> Array:
    """Compute standard errors from values without each replicate, in the last axis."""
    n = left_out.shape[-1]
    moved = left_out - left_out.sum(axis=-1, keepdims=True) / n
    return np.sqrt((n - 1) / n * (moved**2).sum(axis=-1))


def intervals(
    kind: NDArray[np.str_],
    value: Array,
    mcse: Array,
    replicates: NDArray[np.int64],
    count: Array,
) -> tuple[Array, Array]:
    """Compute 95 % Monte-Carlo intervals of statistics over replicates.

    With Student's t quantile of one degree of freedom less than there are replicates.
    Real numbers have symmetric intervals. Those of positive ones are symmetric on the
    scale of the logarithm (delta method), and those of relative differences on that of
    log(1 + value). Shares have Wilson's (1927, JASA 22:209), which do not shrink to a
    point where a share is 0 or 1. Their number of independent cases is share (1 -
    share) / mcse^2 (Kish 1965, Survey Sampling, section 8.2: the design effect, with
    replicates for clusters), not less than the replicates and not more than all cases;
    where the share is 0 or 1, the number of replicates.

    Parameters
    ----------
    kind : ndarray of str, shape (N,)
        `SHARE`, `POSITIVE`, `RELATIVE` or `REAL`.
    value, mcse, count : ndarray, shape (N,)
        See `Measured`.
    replicates : ndarray of int, shape (N,)

    Returns
    -------
    lower, upper : ndarray, shape (N,)
        NaN for a single replicate.
    """
    sizes, which = np.unique(replicates, return_inverse=True)
    freedom = np.where(sizes > 1, sizes - 1.0, np.nan)
    t = scipy.special.stdtrit(freedom, 0.5 + CONFIDENCE / 2.0)[which]
    half = t * mcse
    lower, upper = value - half, value + half
    for name, origin in ((POSITIVE, 0.0), (RELATIVE, -1.0)):
        chosen = (kind == name) & (value > origin)
        size = value[chosen] - origin
        factor = np.exp(half[chosen] / size)
        lower[chosen], upper[chosen] = origin + size / factor, origin + size * factor
    chosen = kind == SHARE
    lower[chosen], upper[chosen] = _wilson(
        *(part[chosen] for part in (value, mcse, replicates, count, t))
    )
    return lower, upper


def _wilson(
    share: Array, mcse: Array, replicates: NDArray[np.int64], count: Array, t: Array
) -> tuple[Array, Array]:
    varies = (share > 0) & (share < 1) & (mcse > 0)
    spread = np.where(varies, mcse, 1.0) ** 2
    cases = np.clip(
        share * (1.0 - share) / spread, np.minimum(replicates, count), count
    )
    # Without spread nothing tells how alike the contributors of a replicate are.
    cases = np.where(varies, cases, np.minimum(replicates, count))
    weight = t**2 / cases
    middle = (share + weight / 2.0) / (1.0 + weight)
    half = np.sqrt(weight * share * (1.0 - share) + weight**2 / 4.0) / (1.0 + weight)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)
