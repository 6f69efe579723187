"""Whether draws can be trusted: R-hat, effective sample sizes, divergences.

Rank-normalised split R-hat, bulk and tail effective sample size of Vehtari, Gelman,
Simpson, Carpenter and Bürkner (2021, Bayesian Analysis 16:667). The numbers are those
of ArviZ, which takes quantities one by one; here all of a fit are taken at once,
because diagnosing a fit would otherwise cost as much as sampling it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numba
import numpy as np
import scipy.fft
import scipy.special
from numpy.typing import NDArray

from summands.model import estimands
from summands.model.levels import Levels
from summands.posterior.convergence import MAX_RHAT, MIN_EBFMI, MIN_ESS

Array = NDArray[np.float64]

# Sampler statistics of a draw that are kept, by nutpie's name.
STATISTICS = (
    "diverging",
    "energy",
    "logp",
    "n_steps",
    "step_size",
    "depth",
    "mean_tree_accept",
)


# Numbers that are diagnosed at once: a dozen copies are made of them.
BLOCK = 2_000_000


@dataclass(frozen=True)
class Diagnostics:
    """Diagnostics of the draws of one data set.

    Parameters
    ----------
    rhat, ess_bulk, ess_tail : ndarray, shape (P,)
        NaN for what a constraint sets to zero: it does not mix. An infinite R-hat for
        what ought to vary and is the same in all draws.
    divergences : int
    min_ebfmi : float
        Smallest of the chains.
    of_scales : ndarray, shape (3, M), optional
        The same three of the scales, where these are estimated.
    """

    rhat: NDArray[np.float64]
    ess_bulk: NDArray[np.float64]
    ess_tail: NDArray[np.float64]
    divergences: int
    min_ebfmi: float
    of_scales: NDArray[np.float64] = field(default_factory=lambda: np.zeros((3, 0)))

    @property
    def criterion(self) -> str | None:
        """Criteria that fail, each with its value and limit; None where all pass.

        Numbers are rounded away from the limit, so that they do not seem to meet it.
        """
        varies = ~np.isnan(self.rhat)
        of_scales = dict(
            zip(("rhat", "ess_bulk", "ess_tail"), self.of_scales, strict=True)
        )
        rhat = np.append(self.rhat[varies], of_scales["rhat"]).max(initial=1.0)
        found = []
        if not rhat < MAX_RHAT:
            found.append(f"max_rhat {np.ceil(1e3 * rhat) / 1e3:g} >= {MAX_RHAT}")
        for name in ("ess_bulk", "ess_tail"):
            ess = np.append(getattr(self, name)[varies], of_scales[name])
            ess = ess.min(initial=np.inf)
            if not ess >= MIN_ESS:
                found.append(f"min_{name} {np.floor(ess):g} < {MIN_ESS}")
        if self.divergences > 0:
            found.append(f"divergences {self.divergences} > 0")
        if not self.min_ebfmi >= MIN_EBFMI:
            low = np.floor(1e3 * self.min_ebfmi) / 1e3
            found.append(f"min_ebfmi {low:g} < {MIN_EBFMI}")
        return "; ".join(found) or None

    @property
    def converged(self) -> bool:
        """Whether every quantity and every chain passes, and none diverged."""
        return self.criterion is None


def diagnose(
    levels: Levels,
    values: Array,
    statistics: Mapping[str, NDArray],
    scales: Sequence[Array] = (),
    *,
    one_noise: bool = False,
) -> Diagnostics:
    """Diagnose the draws of one data set.

    Parameters
    ----------
    levels : Levels
    values : ndarray, shape (chains, draws, P)
        See `summands.model.estimands.evaluate`.
    statistics : mapping of str to ndarray, each of shape (chains, draws)
        Sampler statistics; "diverging" and "energy" are read.
    scales : sequence of ndarray, each of shape (chains, draws, J), optional
        Draws of scales. One that is 0 throughout is that of a level without it.
    one_noise : bool, optional
        Whether all rows have one noise, the sigma of level 0.

    Returns
    -------
    Diagnostics
    """
    varies = ~estimands.constant(levels)
    if one_noise:
        names = estimands.index(levels)
        varies &= ~names.where("variance_contrast")
        varies &= ~(names.where("sigma") & (names.level > 0))
    found = np.full((3, values.shape[-1]), np.nan)
    places = np.flatnonzero(varies)
    step = max(1, BLOCK // max(1, values[..., 0].size))
    for start in range(0, len(places), step):
        some = places[start : start + step]
        chains = np.ascontiguousarray(np.moveaxis(values[..., some], -1, 0))
        found[:, some] = mixing(chains)
    found[0, varies & np.isnan(found[0])] = np.inf
    of_scales = np.zeros((3, 0))
    if scales:
        drawn = np.moveaxis(np.concatenate(scales, axis=-1), -1, 0)
        drawn = np.ascontiguousarray(drawn[(drawn != 0).any(axis=(1, 2))])
        if len(drawn):
            of_scales = np.array(mixing(drawn))
            of_scales[0, np.isnan(of_scales[0])] = np.inf
    return Diagnostics(
        found[0],
        found[1],
        found[2],
        divergences=int(statistics["diverging"].sum()),
        min_ebfmi=float(ebfmi(statistics["energy"]).min()),
        of_scales=of_scales,
    )


def ebfmi(energy: Array) -> Array:
    """Compute the energy Bayesian fraction of missing information of each chain.

    Betancourt (2016, arXiv:1604.00695, equation 3): the mean squared change of the
    energy over its variance. Small where momenta are too weak to reach all energies.

    Parameters
    ----------
    energy : ndarray, shape (chains, draws)

    Returns
    -------
    ndarray, shape (chains,)
    """
    return (np.diff(energy, axis=1) ** 2).mean(axis=1) / energy.var(axis=1)


def mixing(chains: Array) -> tuple[Array, Array, Array]:
    """Compute R-hat, and the bulk and tail effective sample size.

    Parameters
    ----------
    chains : ndarray, shape (P, chains, draws)

    Returns
    -------
    rhat : ndarray, shape (P,)
        Rank-normalised split R-hat, the larger of that of the draws and that of their
        distances from the median.
    ess_bulk : ndarray, shape (P,)
        Effective sample size of the rank-normalised draws.
    ess_tail : ndarray, shape (P,)
        The smaller effective sample size of the 5 % and the 95 % quantile.
    """
    split = _split(chains)
    normal, folded = _normal(split)
    quantiles = np.quantile(chains, [0.05, 0.95], axis=(1, 2))
    below = (chains <= quantile[:, None, None] for quantile in quantiles)
    return (
        np.maximum(_plain_rhat(normal), _plain_rhat(folded)),
        _ess(normal),
        np.minimum(*(_ess(_split(part).astype(float)) for part in below)),
    )


def _split(chains: NDArray) -> NDArray:
    """Cut each chain into halves, which shows trends within it."""
    half = chains.shape[2] // 2
    return np.concatenate([chains[:, :, :half], chains[:, :, -half:]], axis=1)


def _normal(chains: Array) -> tuple[Array, Array]:
    """Take normal scores of the draws, and of their distances from the median."""
    flat = chains.reshape(len(chains), -1)
    order = np.argsort(flat, axis=1)
    normal, folded = np.empty_like(flat), np.empty_like(flat)
    _score(
        order,
        np.take_along_axis(flat, order, axis=1),
        _scores(flat.shape[1]),
        normal,
        folded,
    )
    return normal.reshape(chains.shape), folded.reshape(chains.shape)


@cache
def _scores(count: int) -> Array:
    """Compute the normal score of each rank and half rank r, at place 2 r."""
    ranks = np.arange(2 * count + 1) / 2
    with np.errstate(invalid="ignore"):
        return scipy.special.ndtri((ranks - 0.375) / (count + 0.25))


@numba.njit(cache=True)
def _score(order, values, scores, normal, folded):  # type: ignore[no-untyped-def]
    """Write the scores of sorted values to the places that they came from.

    Equal values share the mean of their ranks. Distances from the median are two
    sorted runs, one on each side of it, and need no sorting of their own.
    """
    quantities, count = values.shape
    distance = np.empty(count)
    place = np.empty(count, np.int64)
    middle = count // 2
    for p in range(quantities):
        _share(order[p], values[p], scores, normal[p])
        # Halved before they are added, as large ones would overflow.
        median = values[p, middle]
        if count % 2 == 0:
            median = 0.5 * values[p, middle - 1] + 0.5 * median
        left, right = middle - 1, middle
        for i in range(count):
            if right == count or (
                left >= 0 and median - values[p, left] <= values[p, right] - median
            ):
                distance[i] = median - values[p, left]
                place[i] = order[p, left]
                left -= 1
            else:
                distance[i] = values[p, right] - median
                place[i] = order[p, right]
                right += 1
        _share(place, distance, scores, folded[p])


@numba.njit(cache=True)
def _share(order, values, scores, out):  # type: ignore[no-untyped-def]
    first = 0
    for i in range(len(values)):
        if i + 1 == len(values) or values[i + 1] != values[i]:
            # Ranks first + 1 to i + 1, their mean doubled.
            for tied in range(first, i + 1):
                out[order[tied]] = scores[first + i + 2]
            first = i + 1


def _plain_rhat(chains: Array) -> Array:
    draws = chains.shape[2]
    between = draws * chains.mean(axis=2).var(axis=1, ddof=1)
    within = chains.var(axis=2, ddof=1).mean(axis=1)
    # Draws that are all the same have neither.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt((between / within + draws - 1) / draws)


def _ess(chains: Array) -> Array:
    """Effective sample size by Geyer's initial monotone sequence."""
    count, draws = chains.shape[1:]
    means = chains.mean(axis=2)
    length = scipy.fft.next_fast_len(2 * draws, real=True)
    spectrum = scipy.fft.rfft(chains - means[:, :, None], length, axis=2)
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=1)
    covariance = scipy.fft.irfft(power, length, axis=1)[:, :draws] / draws
    between = means.var(axis=1, ddof=1)
    size = np.array([_geyer(*pair) for pair in zip(covariance, between, strict=True)])
    constant = np.ptp(chains, axis=(1, 2)) < np.finfo(float).resolution
    return np.where(
        constant,
        count * draws,
        count * draws / np.fmax(size, 1.0 / np.log10(count * draws)),
    )


@numba.njit(cache=True, error_model="numpy")
def _geyer(covariance: Array, between: float) -> float:
    """Autocorrelation time by Geyer's initial monotone sequence (1992, section 3.3).

    Stan's variant (Vehtari et al. 2021, section 3): the first even term that is
    positive after the last kept pair counts as well.

    Parameters
    ----------
    covariance : ndarray, shape (draws,)
        Autocovariance by lag, averaged over chains.
    between : float
        Variance of the chains' means.

    Returns
    -------
    float
    """
    draws = len(covariance)
    within = covariance[0] * draws / (draws - 1.0)
    total = covariance[0] + between
    rho = np.zeros(draws)
    rho[0] = even = 1.0
    rho[1] = odd = 1.0 - (within - covariance[1]) / total
    t = 1
    while t < draws - 3 and even + odd > 0.0:
        even = 1.0 - (within - covariance[t + 1]) / total
        odd = 1.0 - (within - covariance[t + 2]) / total
        if even + odd >= 0.0:
            rho[t + 1] = even
            rho[t + 2] = odd
        t += 2
    last = t - 2
    if even > 0.0:
        rho[last + 1] = even
    for t in range(1, last - 1, 2):
        if rho[t + 1] + rho[t + 2] > rho[t - 1] + rho[t]:
            rho[t + 1] = rho[t + 2] = 0.5 * (rho[t - 1] + rho[t])
    return -1.0 + 2.0 * rho[: last + 1].sum() + rho[last + 1]
