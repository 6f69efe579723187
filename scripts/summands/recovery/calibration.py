"""Simulation-based calibration: ranks of truths among draws must be uniform.

If truths are drawn from the prior and data from the truths, the rank of a truth among
independent draws from its posterior is uniform (Cook, Gelman and Rubin 2006; Talts et
al. 2018, arXiv:1804.06788), whatever the model. If a sampler or a model is wrong, some
quantity's ranks are not.

The same holds for truths drawn from a posterior, and ranked among draws that see the
observed data together with those that were drawn from the truth (posterior SBC;
Säilynoja, Schmitt, Bürkner and Vehtari 2025, arXiv:2502.03279): it tests the sampler
where the data are, and not all over the prior.
"""

from __future__ import annotations

import bisect
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.special
from numpy.typing import NDArray

from summands.data.design import Design
from summands.data.truths import POSTERIOR
from summands.model import estimands
from summands.model.distributions import OF_SCALES
from summands.recovery.tables import CALIBRATION

# A design fails where Holm's adjusted p-value of a quantity is below this: a sound
# estimator fails one in a hundred designs.
LEVEL = 0.01

# Replicates from which on a verdict is worth something: tests/calibration.
ENOUGH = 500

# The joint log likelihood, ranked beside the quantities of `summands.model.estimands`.
LOG_LIKELIHOOD = "log_likelihood"

# Verdicts.
PASSED, FAILED, NOT_TESTABLE = "passed", "failed", "not testable"

FIXED_INTERCEPT = (
    "with intercept_sd 0 the intercept is always 0, and not drawn from its prior"
)


def gathered_ranks(
    design: Design, estimates: pa.Table, fits: pa.Table
) -> dict[tuple[str, str], NDArray[np.int64]]:
    """Gather the ranks of one design and estimator, by quantity.

    Parameters
    ----------
    design : Design
    estimates : pyarrow.Table
        R times P rows in the order of replicates and of `model.estimands.index`.
    fits : pyarrow.Table
        R rows in the order of replicates.

    Returns
    -------
    dict of (str, str) to ndarray of int, shape (R',)
        By parameter and "level/contributor"; of the R' fits that did not fail. Fits
        that did not converge count: to leave them out would hide what goes wrong.
        Empty where truths are not drawn from the prior, or, together with the table
        that it is the posterior of, from a posterior; or there are no draws.
    """
    drawn = design.truth in ("drawn", POSTERIOR)
    if not drawn or estimates["rank"].null_count == len(estimates):
        return {}
    names = estimands.index(design.levels)
    table = estimates["rank"].to_numpy().reshape(fits.num_rows, -1)
    fitted = fits["error"].is_null().to_numpy(zero_copy_only=False)
    found = {
        (
            str(names.parameter[p]),
            f"{names.level_name[p]}/{names.label[p]}" if names.level[p] >= 0 else "",
        ): table[fitted, p].astype(np.int64)
        for p in np.flatnonzero(~estimands.constant(design.levels))
    }
    likelihood = fits["log_likelihood_rank"].drop_null().to_numpy()
    return found | {(LOG_LIKELIHOOD, ""): likelihood.astype(np.int64)}


OTHER_SCALES = (
    "the estimator estimates scales, which the design does not draw from their priors"
)

OTHER_DATA = "the data are not drawn from the model, which has normal noise alone"


def _untestable(design: Design, estimates_scales: bool) -> str | None:
    """Say why no rank need be uniform, None where all should be."""
    if not design.as_modelled:
        return OTHER_DATA
    if design.intercept_sd == 0:
        return FIXED_INTERCEPT
    if estimates_scales and set(design.drawn_scales) != set(OF_SCALES):
        return OTHER_SCALES
    return None


def calibration(
    name: str,
    design: Design,
    estimator: str,
    estimates: pa.Table,
    fits: pa.Table,
    *,
    estimates_scales: bool = False,
) -> pa.Table:
    """Test the ranks of one design and estimator for uniformity.

    Parameters
    ----------
    name : str
        The design's id.
    design : Design
    estimator : str
    estimates, fits : pyarrow.Table
        See `gathered_ranks`.
    estimates_scales : bool, optional
        Whether the estimator estimates the scales of its priors.

    Returns
    -------
    pyarrow.Table
        With the columns of `CALIBRATION`, a row per parameter; empty where nothing was
        ranked. Where a truth is not drawn from its prior no rank need be uniform, and
        none is tested.
    """
    found = gathered_ranks(design, estimates, fits)
    if not found:
        return CALIBRATION.empty_table()
    rank_of = int(pc.max(estimates["rank_of"]).as_py())
    of_parameter = np.array([parameter for parameter, _ in found])
    common = {
        "design": name,
        "estimator": estimator,
        "replicates": len(found[LOG_LIKELIHOOD, ""]),
        "rank_of": rank_of,
    }
    records = {
        str(parameter): common
        | {
            "parameter": str(parameter),
            "quantities": int((of_parameter == parameter).sum()),
        }
        for parameter in of_parameter
    }
    if reason := _untestable(design, estimates_scales):
        for record in records.values():
            record |= {"verdict": NOT_TESTABLE, "reason": reason}
        return pa.Table.from_pylist(list(records.values()), CALIBRATION)
    p_values = np.array([uniformity(column, rank_of) for column in found.values()])
    adjusted = holm(p_values)
    verdict = PASSED if adjusted.min() >= LEVEL else FAILED
    for parameter, record in records.items():
        chosen = of_parameter == parameter
        record |= {
            "p_value": float(p_values[chosen].min()),
            "p_adjusted": float(adjusted[chosen].min()),
            "calibrated": bool(adjusted[chosen].min() >= LEVEL),
            "verdict": verdict,
        }
    return pa.Table.from_pylist(list(records.values()), CALIBRATION)


def uniformity(ranks: NDArray[np.integer], rank_of: int) -> float:
    """Test whether ranks are uniform on 0..rank_of, by their simultaneous ECDF band.

    The statistic of Säilynoja, Bürkner and Vehtari (2022, Statistics and Computing
    32:32, section 2.2): the smallest, over the evaluation points, of the two-sided
    binomial tail probabilities of the empirical distribution function.

    Parameters
    ----------
    ranks : ndarray of int, shape (N,)
    rank_of : int
        Draws that truths were ranked among.

    Returns
    -------
    float
        p-value, exact; see `exit_probability`.
    """
    below = np.bincount(ranks, minlength=rank_of + 1).cumsum()[:-1]
    two_sided = _two_sided(len(ranks), rank_of)
    return exit_probability(
        len(ranks), rank_of, float(two_sided[np.arange(rank_of), below].min())
    )


@lru_cache(maxsize=4096)
def exit_probability(count: int, rank_of: int, tail: float) -> float:
    """Chance that uniform ranks have a statistic of at most `tail` (see `uniformity`).

    The numbers of ranks up to each point are sums of independent Poisson numbers,
    given that they end at the number of all ranks, so their distribution is followed
    from point to point and what leaves the band is added up: the recursion of
    Säilynoja et al. (2022, section 2.3, algorithm 1) with the Poisson steps of
    Moscovich and Nadler (2017, Statistics and Probability Letters 123:177, section 2).
    Sums of what leaves keep their digits however small they are, which one less what
    stays would not.

    Parameters
    ----------
    count : int
        Number of ranks, N.
    rank_of : int
        S; points are (i + 1) / (S + 1).
    tail : float
        Two-sided binomial tail probability.

    Returns
    -------
    float
    """
    # Equal tail probabilities may differ in their last digits.
    inside = _two_sided(count, rank_of) > tail * (1.0 + 1e-12)
    numbers = np.arange(count + 1)
    step = _poisson(numbers, count / (rank_of + 1))
    step = step[: np.flatnonzero(step).max(initial=0) + 1]
    # Of ranks beyond a point there must be as many as are still to come.
    rest = _poisson(
        count - numbers,
        count * (1.0 - np.arange(1, rank_of + 1) / (rank_of + 1))[:, None],
    ) / _poisson(np.array(count), float(count))
    staying, first = np.ones(1), 0
    left = 0.0
    for within, to_come in zip(inside, rest, strict=True):
        reached = np.convolve(staying, step)[: count + 1 - first]
        here = slice(first, first + len(reached))
        kept = within[here]
        left += float((reached * to_come[here])[~kept].sum())
        ends = np.flatnonzero(kept)
        if not len(ends):
            break
        # The band is one run of numbers.
        staying = reached[ends[0] : ends[-1] + 1]
        first += int(ends[0])
    return min(left, 1.0)


def band(
    count: int, rank_of: int, level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Simultaneous band that the distribution function of uniform ranks stays within.

    What has a p-value of at most `level` (see `uniformity`) leaves it, and nothing
    else does.

    Parameters
    ----------
    count : int
        Number of ranks.
    rank_of : int
    level : float
        Share of sets of uniform ranks that leave the band somewhere, at the most.

    Returns
    -------
    points, lower, upper : ndarray, shape (rank_of,)
        Points (rank + 1) / (rank_of + 1), and the band of the share of ranks up to it.
    """
    two_sided = _two_sided(count, rank_of)
    tails = np.unique(two_sided[two_sided <= level])
    # The largest statistic that is significant; 0 where none is.
    significant = bisect.bisect_right(
        tails, level, key=lambda tail: exit_probability(count, rank_of, float(tail))
    )
    critical = tails[significant - 1] if significant else 0.0
    likely = two_sided > critical * (1.0 + 1e-12)
    lower = likely.argmax(axis=1)
    upper = count - likely[:, ::-1].argmax(axis=1)
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
def _two_sided(count: int, rank_of: int) -> NDArray[np.float64]:
    """Twice the smaller chance of at most, and of at least, n ranks up to each point.

    Returns
    -------
    ndarray, shape (rank_of, count + 1)
    """
    points = np.arange(1, rank_of + 1)[:, None] / (rank_of + 1)
    numbers = np.arange(count + 1)
    at_most = np.asarray(scipy.special.bdtr(numbers, count, points), dtype=float)
    at_least = np.ones_like(at_most)
    at_least[:, 1:] = scipy.special.bdtrc(numbers[:-1], count, points)
    return 2.0 * np.minimum(at_most, at_least)


def _poisson(number: NDArray[np.integer], mean: Any) -> NDArray[np.float64]:
    """Chance of a Poisson number."""
    log = scipy.special.xlogy(number, mean) - mean - scipy.special.gammaln(number + 1.0)
    return np.asarray(np.exp(log), dtype=float)
