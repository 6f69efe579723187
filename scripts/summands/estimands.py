"""The quantities that are estimated, in the one order that all tables use.

For levels with K contributors there are P = 3 K + 2 of them: the intercept, mu of each
contributor, sigma of each, ``variance_contrast`` of each (sigma**2 less its mean over
the level) and ``total_variance`` (the sum over levels of the mean of sigma**2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from summands.levels import Levels

PARAMETERS = ("intercept", "mu", "sigma", "variance_contrast", "total_variance")


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


def identified(levels: Levels, indicators: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark the quantities that the data alone determine.

    Means and variances of the cells are Z times those of the contributors, so a
    linear function of them is estimable if and only if it lies in the row space of Z
    (Searle 1971, Linear Models, section 5.4). With more than one level that all meet
    each other, contrasts and the total are, a single sigma is not.

    Parameters
    ----------
    levels : Levels
    indicators : ndarray, shape (C, K)
        Z of the cells that occur, see `summands.cells.Cells.indicators`.

    Returns
    -------
    ndarray of bool, shape (P,)
    """
    gram = indicators.T @ indicators
    eigenvalues, vectors = np.linalg.eigh(gram)
    null = vectors[:, eigenvalues < 1e-10 * eigenvalues[-1]]
    outside = np.abs(weights(levels) @ null).max(axis=1, initial=0.0)
    return outside < 1e-6
