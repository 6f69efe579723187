"""Simulation-based calibration: ranks of truths among draws must be uniform.

If truths are drawn from the prior and data from the truths, the rank of a truth among
independent draws from its posterior is uniform (Cook, Gelman and Rubin 2006; Talts et
al. 2018, arXiv:1804.06788), whatever the model. If a sampler or a model is wrong, some
quantity's ranks are not.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

# Simulated sets of uniform ranks that a p-value is read from.
SIMULATIONS = 10_000


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
    statistic = _smallest_tail(np.asarray(ranks)[None, :], rank_of)[0]
    return float((1 + (null <= statistic * (1 + 1e-12)).sum()) / (1 + len(null)))


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


def _smallest_tail(ranks: NDArray[np.integer], rank_of: int) -> NDArray[np.float64]:
    """Compute the statistic for each row of ranks, shape (M, N)."""
    count = ranks.shape[1]
    bins = rank_of + 1
    flat = ranks + bins * np.arange(len(ranks))[:, None]
    counts = np.bincount(flat.ravel(), minlength=bins * len(ranks))
    below = counts.reshape(-1, bins).cumsum(axis=1)[:, :-1]
    expected = np.arange(1, bins) / bins
    lower = stats.binom.cdf(np.arange(count + 1)[:, None], count, expected)
    upper = stats.binom.sf(np.arange(count + 1)[:, None] - 1, count, expected)
    two_sided = 2 * np.minimum(lower, upper)
    return two_sided[below, np.arange(bins - 1)].min(axis=1)


@cache
def _null_distribution(count: int, rank_of: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    parts = np.array_split(np.arange(SIMULATIONS), 10)
    return np.concatenate(
        [
            _smallest_tail(
                rng.integers(0, rank_of, (len(part), count), endpoint=True), rank_of
            )
            for part in parts
        ]
    )
