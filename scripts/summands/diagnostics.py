"""Whether draws can be trusted: R-hat, effective sample sizes, divergences.

Rank-normalised split R-hat, bulk and tail effective sample size of Vehtari, Gelman,
Simpson, Carpenter and Bürkner (2021, Bayesian Analysis 16:667). The numbers are those
of ArviZ, which takes quantities one by one; here all of a fit are taken at once,
because diagnosing a fit would otherwise cost as much as sampling it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import scipy.fft
import scipy.special
import scipy.stats
from numpy.typing import NDArray

from summands import estimands
from summands.levels import Levels

Array = NDArray[np.float64]

# Limits of Vehtari et al. (2021), sections 4 and 7.
MAX_RHAT = 1.01
MIN_ESS = 400

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


@dataclass(frozen=True)
class Diagnostics:
    """Diagnostics of the draws of one data set.

    Parameters
    ----------
    rhat, ess_bulk, ess_tail : ndarray, shape (P,)
        NaN for what a constraint sets to zero: it does not mix.
    divergences : int
    """

    rhat: NDArray[np.float64]
    ess_bulk: NDArray[np.float64]
    ess_tail: NDArray[np.float64]
    divergences: int

    @property
    def converged(self) -> bool:
        """Whether every quantity passes, and no transition diverged."""
        varies = np.isfinite(self.rhat)
        return bool(
            self.divergences == 0
            and (self.rhat[varies] < MAX_RHAT).all()
            and (self.ess_bulk[varies] >= MIN_ESS).all()
            and (self.ess_tail[varies] >= MIN_ESS).all()
        )


def diagnose(
    levels: Levels, values: NDArray[np.float64], diverging: NDArray[np.bool_]
) -> Diagnostics:
    """Diagnose the draws of one data set.

    Parameters
    ----------
    levels : Levels
    values : ndarray, shape (chains, draws, P)
        See `summands.estimands.evaluate`.
    diverging : ndarray of bool, shape (chains, draws)

    Returns
    -------
    Diagnostics
    """
    varies = ~estimands.constant(levels)
    chains = np.ascontiguousarray(np.moveaxis(values[..., varies], -1, 0))
    found = np.full((3, values.shape[-1]), np.nan)
    found[:, varies] = rhat(chains), ess_bulk(chains), ess_tail(chains)
    return Diagnostics(found[0], found[1], found[2], int(diverging.sum()))


def rhat(chains: Array) -> Array:
    """Compute the rank-normalised split R-hat, the larger of bulk and folded.

    Parameters
    ----------
    chains : ndarray, shape (P, chains, draws)

    Returns
    -------
    ndarray, shape (P,)
    """
    split = _split(chains)
    centre = np.median(split, axis=(1, 2), keepdims=True)
    folded = np.abs(split - centre)
    return np.maximum(_plain_rhat(_normal(split)), _plain_rhat(_normal(folded)))


def ess_bulk(chains: Array) -> Array:
    """Compute the effective sample size of the rank-normalised draws; see `rhat`."""
    return _ess(_normal(_split(chains)))


def ess_tail(chains: Array) -> Array:
    """Compute the smaller effective size of the 5 % and 95 % quantile; see `rhat`."""
    quantiles = np.quantile(chains, [0.05, 0.95], axis=(1, 2))
    below = (chains <= quantile[:, None, None] for quantile in quantiles)
    return np.minimum(*(_ess(_split(part).astype(float)) for part in below))


def _split(chains: NDArray) -> NDArray:
    """Cut each chain into halves, which shows trends within it."""
    half = chains.shape[2] // 2
    return np.concatenate([chains[:, :, :half], chains[:, :, -half:]], axis=1)


def _normal(chains: Array) -> Array:
    """Replace draws by normal scores of their ranks over all chains."""
    flat = chains.reshape(len(chains), -1)
    ranks = scipy.stats.rankdata(flat, axis=1)
    scores = scipy.special.ndtri((ranks - 0.375) / (flat.shape[1] + 0.25))
    return scores.reshape(chains.shape)


def _plain_rhat(chains: Array) -> Array:
    draws = chains.shape[2]
    between = draws * chains.mean(axis=2).var(axis=1, ddof=1)
    within = chains.var(axis=2, ddof=1).mean(axis=1)
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
