"""The quantities that are estimated, in the one order that all tables use.

For levels with K contributors there are P = 3 K + 2 of them: the intercept, mu of each
contributor, sigma of each, ``variance_contrast`` of each (sigma**2 less its mean over
the level) and ``total_variance`` (the sum over levels of the mean of sigma**2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from summands.model.levels import Levels

PARAMETERS = ("intercept", "mu", "sigma", "variance_contrast", "total_variance")

# Upper end of the central 95 % of a standard normal distribution.
NORMAL_95 = NormalDist().inv_cdf(0.975)

# Draws that tell the width of a distribution to about 1 %.
PRIOR_DRAWS = 50_000


@dataclass(frozen=True)
class Index:
    """Names of the P quantities.

    Parameters
    ----------
    parameter : ndarray of str, shape (P,)
        One of `PARAMETERS`.
    level, contributor : ndarray of int, shape (P,)
        -1 where they do not apply.
    """

    parameter: NDArray[np.str_]
    level: NDArray[np.int64]
    contributor: NDArray[np.int64]

    def where(self, parameter: str) -> NDArray[np.bool_]:
        """Mark the entries of one parameter, shape (P,)."""
        return self.parameter == parameter


def index(levels: Levels) -> Index:
    """Names of the quantities of these levels."""
    k = levels.contributors
    none = np.array([-1])
    return Index(
        np.repeat(PARAMETERS, [1, k, k, k, 1]),
        np.concatenate([none, *[levels.level] * 3, none]),
        np.concatenate([none, *[levels.contributor] * 3, none]),
    )


def evaluate(
    levels: Levels,
    intercept: NDArray[np.float64] | float,
    mu: NDArray[np.float64],
    sigma: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Compute every quantity from the coefficients.

    Parameters
    ----------
    levels : Levels
    intercept : ndarray, shape (...)
    mu, sigma : ndarray, shape (..., K)

    Returns
    -------
    ndarray, shape (..., P)
        In the order of `index`.
    """
    variance = sigma**2
    return np.concatenate(
        [
            np.asarray(intercept)[..., None],
            mu,
            sigma,
            levels.centre(variance),
            levels.level_means(variance).sum(axis=-1, keepdims=True),
        ],
        axis=-1,
    )


def constant(levels: Levels) -> NDArray[np.bool_]:
    """Mark quantities that the sum-to-zero constraint alone sets to 0, shape (P,).

    These are mu and variance_contrast of a level with a single contributor.
    """
    names = index(levels)
    alone = np.concatenate([np.asarray(levels.sizes) == 1, [False]])[names.level]
    return alone & (names.where("mu") | names.where("variance_contrast"))


def weights(levels: Levels) -> NDArray[np.float64]:
    """Write each quantity as a linear function of the contributors, shape (P, K).

    Intercept and mu are linear in the uncentred means, variance_contrast and
    total_variance in the variances; sigma is a function of its own variance.
    """
    average = (1.0 / np.asarray(levels.sizes))[levels.level][None, :]
    identity = np.eye(levels.contributors)
    return np.concatenate(
        [average, levels.centring, identity, levels.centring, average]
    )


def prior_spread(
    levels: Levels, intercept_sd: float, mu_sd: float, log_sigma_sd: float
) -> NDArray[np.float64]:
    """Compute how far every quantity spreads in the prior, shape (P,).

    The standard deviation of intercept and mu, of which contrasts of m contributors
    keep 1 - 1/m of the variance. The width of the central 95 % of the logarithm of
    sigma and total_variance, as variances of log-normal numbers are those of their
    tails. NaN for variance_contrast, which has neither.

    Parameters
    ----------
    levels : Levels
    intercept_sd, mu_sd, log_sigma_sd : float
        See `summands.data.design.Design`.
    """
    kept = np.sqrt(1.0 - 1.0 / np.asarray(levels.sizes))[levels.level]
    return np.concatenate(
        [
            [intercept_sd],
            mu_sd * kept,
            np.full(levels.contributors, 2.0 * NORMAL_95 * log_sigma_sd),
            np.full(levels.contributors, np.nan),
            [_log_total_width(tuple(sorted(levels.sizes)), log_sigma_sd)],
        ]
    )


@cache
def _log_total_width(sizes: tuple[int, ...], log_sigma_sd: float) -> float:
    """Width of the central 95 % of the logarithm of total_variance in the prior.

    By simulation: sums of log-normal numbers have no quantiles in closed form. That of
    a seed of its own, so that it is always the same.
    """
    rng = np.random.default_rng(0)
    total = np.zeros(PRIOR_DRAWS)
    for size in sizes:
        for _ in range(size):
            total += np.exp(2.0 * log_sigma_sd * rng.normal(size=PRIOR_DRAWS)) / size
    lower, upper = np.quantile(np.log(total), [0.025, 0.975])
    return float(upper - lower)


def linear(
    levels: Levels,
    means: NDArray[np.float64],
    of_means: NDArray[np.float64] | None,
    variances: NDArray[np.float64],
    of_variances: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimates and standard errors from those of the contributors.

    Parameters
    ----------
    levels : Levels
    means, variances : ndarray, shape (K,)
        Uncentred means, whose sums are the means of cells, and variances.
    of_means, of_variances : ndarray of shape (K, K), or None
        Covariance matrices of those; without them standard errors are NaN.

    Returns
    -------
    estimate, sd : ndarray, shape (P,)
        sigma is the root of its variance, by the delta method with
        sd(sigma) = sd(sigma^2) / (2 sigma), and NaN where that is negative.
    """
    names = index(levels)
    rows = weights(levels)
    estimate = np.empty(len(rows))
    sd = np.full(len(rows), np.nan)
    of_mean = names.where("intercept") | names.where("mu")
    for chosen, values, covariance in (
        (of_mean, means, of_means),
        (~of_mean, variances, of_variances),
    ):
        part = rows[chosen]
        estimate[chosen] = part @ values
        if covariance is not None:
            variance = np.einsum("pk,kl,pl->p", part, covariance, part)
            sd[chosen] = np.sqrt(np.maximum(variance, 0.0))
    sigma = names.where("sigma")
    with np.errstate(invalid="ignore", divide="ignore"):
        estimate[sigma] = np.sqrt(estimate[sigma])
        sd[sigma] /= 2.0 * estimate[sigma]
    fixed = constant(levels)
    estimate[fixed & ~np.isnan(estimate)] = 0.0
    sd[fixed & ~np.isnan(sd)] = 0.0
    return estimate, sd
