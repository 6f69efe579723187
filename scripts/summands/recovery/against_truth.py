"""The truth joined to a fit: scores, and ranks of the truth among draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from summands.estimation.results import Fit, Point, Standard
from summands.model import estimands
from summands.recovery import crps

# Draws that the truth is ranked among: few enough to be nearly independent wherever
# the effective sample size is enough, and one less than a round number of ranks.
RANKED_DRAWS = 99


@dataclass(frozen=True)
class Score:
    """How a fit did against the truth; NaN and None where there is nothing to say.

    Parameters
    ----------
    crps : ndarray, shape (P,)
        In the units of the quantities.
    rank, rank_of : ndarray, shape (P,)
        Of the truth among thinned draws.
    log_likelihood_rank, log_likelihood_rank_of : int or None
        The same for the joint log likelihood.
    """

    crps: NDArray[np.float64]
    rank: NDArray[np.float64]
    rank_of: NDArray[np.float64]
    log_likelihood_rank: int | None = None
    log_likelihood_rank_of: int | None = None


def score(
    fit: Fit, truth: NDArray[np.float64], tie_breaker: np.random.Generator
) -> Score:
    """Hold a fit against the truth.

    Computed in standard units, in which the estimator worked, and brought back.

    Parameters
    ----------
    fit : Fit
    truth : ndarray, shape (P,)
        In the units of the data.
    tie_breaker : numpy.random.Generator
        Orders the truth among draws equal to it.

    Returns
    -------
    Score
    """
    nothing = np.full(fit.size, np.nan)
    standard = fit.standard
    if standard is None:
        return Score(nothing, nothing, nothing)
    origin, scale = estimands.in_units(standard.cells.levels, standard.units)
    true = (truth - origin) / scale
    if isinstance(standard.result, Point):
        point = standard.result
        scores = scale * crps.of_normal(point.estimate, point.sd, true)
        return Score(scores, nothing, nothing)
    ranks, among = _rank(standard, true, tie_breaker)
    return Score(
        scale * crps.of_draws(standard.ordered, true),
        ranks[:-1].astype(float),
        np.full(fit.size, float(among)),
        int(ranks[-1]),
        among,
    )


def _rank(
    standard: Standard, truth: NDArray[np.float64], tie_breaker: np.random.Generator
) -> tuple[NDArray[np.int64], int]:
    """Rank the truth among thinned draws, ties broken at random.

    The statistic of simulation-based calibration (Talts et al. 2018,
    arXiv:1804.06788, algorithm 2): the number of draws below the truth. The log
    likelihood as well, whose ranks show what those of single quantities cannot
    (Modrák et al. 2023, Bayesian Analysis, arXiv:2211.02383).

    Returns
    -------
    ranks : ndarray, shape (P + 1,)
        That of the log likelihood last.
    among : int
        Draws that they are among.
    """
    flat, cells = standard.flat, standard.cells
    kept = np.linspace(0, len(flat) - 1, min(RANKED_DRAWS, len(flat))).round()
    thinned = flat[kept.astype(int)]
    names = estimands.index(cells.levels)

    def log_likelihood(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return cells.log_likelihood(
            values[..., 0],
            values[..., names.where("mu")],
            values[..., names.where("sigma")] ** 2,
        )

    with_likelihood = np.column_stack([thinned, log_likelihood(thinned)])
    true = np.append(truth, log_likelihood(truth))
    below = (with_likelihood < true).sum(axis=0)
    ties = (with_likelihood == true).sum(axis=0)
    return below + tie_breaker.integers(0, ties, endpoint=True), len(thinned)


def joined(
    truth: Mapping[str, NDArray[np.float64]], scores: Sequence[Score]
) -> tuple[dict[str, NDArray[np.float64]], dict[str, list[int | None]]]:
    """Columns that a truth adds to the tables of estimates and of fits.

    Parameters
    ----------
    truth : mapping of str to ndarray, each of shape (R, P)
        "truth" and "bound", see `summands.data.data_sets.read_truth`.
    scores : sequence of Score, length R

    Returns
    -------
    of_estimates, of_fits : dict
        See `summands.estimation.tables.estimates` and `fits`.
    """
    of_estimates = dict(truth) | {
        name: np.stack([getattr(score, name) for score in scores])
        for name in ("crps", "rank", "rank_of")
    }
    of_fits = {
        name: [getattr(score, name) for score in scores]
        for name in ("log_likelihood_rank", "log_likelihood_rank_of")
    }
    return of_estimates, of_fits
