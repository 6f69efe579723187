"""Simulation-based calibration: ranks of truths among draws must be uniform.

If truths are drawn from the prior and data from the truths, the rank of a truth among
independent draws from its posterior is uniform (Cook, Gelman and Rubin 2006; Talts et
al. 2018, arXiv:1804.06788), whatever the model. If a sampler or a model is wrong, some
quantity's ranks are not.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.special
from numpy.typing import NDArray

from summands import estimands
from summands.design import Design
from summands.tables import CALIBRATION

# A design fails where Holm's adjusted p-value of a quantity is below this: a sound
# estimator fails one in a hundred designs.
LEVEL = 0.01

# Replicates from which on a verdict is worth something: tests/calibration.
ENOUGH = 500

# The joint log likelihood, ranked beside the quantities of `summands.estimands`.
LOG_LIKELIHOOD = "log_likelihood"

# Simulated sets of uniform ranks that a p-value is read from.
SIMULATIONS = 10_000


def ranks(
    design: Design, estimates: pa.Table, fits: pa.Table
) -> dict[tuple[str, str], NDArray[np.int64]]:
    """Gather the ranks of one design and estimator, by quantity.

    Parameters
    ----------
    design : Design
    estimates : pyarrow.Table
        R times P rows in the order of replicates and of `summands.estimands.index`.
    fits : pyarrow.Table
        R rows in the order of replicates.

    Returns
    -------
    dict of (str, str) to ndarray of int, shape (R',)
        By parameter and "level/contributor"; of the R' fits that did not fail. Fits
        that did not converge count: to leave them out would hide what goes wrong.
        Empty where truths are not drawn from the prior, or there are no draws.
    """
    if design.truth != "drawn" or estimates["rank"].null_count == len(estimates):
        return {}
    names = estimands.index(design.levels)
    table = estimates["rank"].to_numpy().reshape(fits.num_rows, -1)
    fitted = fits["error"].is_null().to_numpy(zero_copy_only=False)
    found = {
        (
            str(names.parameter[p]),
            f"{names.level[p]}/{names.contributor[p]}" if names.level[p] >= 0 else "",
        ): table[fitted, p].astype(np.int64)
        for p in np.flatnonzero(~estimands.constant(design.levels))
    }
    likelihood = fits["log_likelihood_rank"].drop_null().to_numpy()
    return found | {(LOG_LIKELIHOOD, ""): likelihood.astype(np.int64)}


def calibration(
    name: str, design: Design, estimator: str, estimates: pa.Table, fits: pa.Table
) -> pa.Table:
    """Test the ranks of one design and estimator for uniformity.

    Parameters
    ----------
    name : str
        The design's id.
    design : Design
    estimator : str
    estimates, fits : pyarrow.Table
        See `ranks`.

    Returns
    -------
    pyarrow.Table
        With the columns of `CALIBRATION`, a row per parameter; empty where nothing was
        ranked.
    """
    found = ranks(design, estimates, fits)
    if not found:
        return CALIBRATION.empty_table()
    rank_of = int(pc.max(estimates["rank_of"]).as_py())
    p_values = np.array([uniformity(column, rank_of) for column in found.values()])
    adjusted = holm(p_values)
    of_parameter = np.array([parameter for parameter, _ in found])
    verdict = "passed" if adjusted.min() >= LEVEL else "failed"
    records = []
    for parameter in dict.fromkeys(of_parameter):
        chosen = of_parameter == parameter
        records.append(
            {
                "design": name,
                "estimator": estimator,
                "parameter": str(parameter),
                "replicates": len(found[LOG_LIKELIHOOD, ""]),
                "rank_of": rank_of,
                "quantities": int(chosen.sum()),
                "p_value": float(p_values[chosen].min()),
                "p_adjusted": float(adjusted[chosen].min()),
                "calibrated": bool(adjusted[chosen].min() >= LEVEL),
                "verdict": verdict,
            }
        )
    return pa.Table.from_pylist(records, CALIBRATION)


def uniformity(ranks: NDArray[np.integer], rank_of: int) -> float:
    """Test whether ranks are uniform on 0..rank_of, by their simultaneous ECDF band.

    The statistic of Säilynoja, Bürkner and Vehtari (2022, Statistics and Computing
    32:32, section 2.2): the smallest, over the evaluation points, of the two-sided
    binomial tail probabilities of the empirical distribution function. Its own
    distribution is simulated.

    Parameters
    ----------
    ranks : ndarray of int, shape (N,)
    rank_of : int
        Draws that truths were ranked among.

    Returns
    -------
    float
        p-value, at least 1 / (`SIMULATIONS` + 1).
    """
    null = _null_distribution(len(ranks), rank_of)
    statistic = _smallest_tail(np.bincount(ranks, minlength=rank_of + 1)[None, :])[0]
    return float((1 + (null <= statistic * (1 + 1e-12)).sum()) / (1 + len(null)))


def band(
    count: int, rank_of: int, level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Simultaneous band that the distribution function of uniform ranks stays within.

    What `uniformity` finds significant leaves it, and nothing else does.

    Parameters
    ----------
    count : int
        Number of ranks.
    rank_of : int
    level : float
        Share of sets of uniform ranks that leave the band somewhere.

    Returns
    -------
    points, lower, upper : ndarray, shape (rank_of,)
        Points (rank + 1) / (rank_of + 1), and the band of the share of ranks up to it.
    """
    tail = np.quantile(_null_distribution(count, rank_of), level, method="lower") / 2
    at_most, at_least = _tails(count, rank_of)
    likely = np.logical_and(at_most > tail, at_least > tail)
    lower = likely.argmax(axis=0)
    upper = count - likely[::-1].argmax(axis=0)
    points = np.arange(1, rank_of + 1) / (rank_of + 1)
    return points, lower / count, upper / count


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust p-values for their number (Holm 1979, Scandinavian J. of Statistics 6:65).

    Parameters
    ----------
    p_values : ndarray, shape (M,)

    Returns
    -------
    ndarray, shape (M,)
    """
    order = np.argsort(p_values)
    steps = p_values[order] * (len(p_values) - np.arange(len(p_values)))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


@lru_cache(maxsize=16)
def _tails(count: int, rank_of: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Chances of at most, and of at least, n ranks up to each point.

    Returns
    -------
    at_most, at_least : ndarray, shape (count + 1, rank_of)
    """
    points = np.arange(1, rank_of + 1) / (rank_of + 1)
    numbers = np.arange(count + 1)[:, None]
    at_most = np.asarray(scipy.special.bdtr(numbers, count, points), dtype=float)
    at_least = np.ones_like(at_most)
    at_least[1:] = scipy.special.bdtrc(numbers[:-1], count, points)
    return at_most, at_least


def _smallest_tail(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Compute the statistic for each row of counts by rank, shape (M, rank_of + 1)."""
    below = counts.cumsum(axis=1)[:, :-1]
    two_sided = 2 * np.minimum(*_tails(int(counts[0].sum()), below.shape[1]))
    return two_sided[below, np.arange(below.shape[1])].min(axis=1)


@cache
def _null_distribution(count: int, rank_of: int) -> NDArray[np.float64]:
    bins = rank_of + 1
    counts = np.random.default_rng(0).multinomial(
        count, np.full(bins, 1.0 / bins), SIMULATIONS
    )
    return _smallest_tail(counts)
