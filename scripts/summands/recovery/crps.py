"""Proper scores of a forecast distribution against the truth."""

from __future__ import annotations

import numpy as np
import scipy.special
from numpy.typing import NDArray


def of_draws(
    ordered: NDArray[np.float64], truth: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Continuous ranked probability score of the distribution that draws are from.

    E|X - y| - 1/2 E|X - X'| (Gneiting and Raftery 2007, JASA 102:359, equation 21),
    with the second mean over pairs of different draws: the fair score, whose mean does
    not depend on the number of draws (Ferro 2014, QJRMS 140:1917). It may be below
    zero.

    Parameters
    ----------
    ordered : ndarray, shape (P, N)
        Draws in ascending order, two or more.
    truth : ndarray, shape (P,)

    Returns
    -------
    ndarray, shape (P,)
        In the unit of the quantity; less is better.
    """
    count = ordered.shape[1]
    # Half the mean of |x_i - x_j| over all pairs, from the ranks.
    factor = (2.0 * np.arange(1, count + 1) - count - 1) / (count * (count - 1))
    distance = np.abs(ordered - truth[:, None]).mean(axis=1)
    return distance - ordered @ factor


def of_normal(
    mean: NDArray[np.float64], sd: NDArray[np.float64], truth: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Continuous ranked probability score of a normal distribution.

    Gneiting and Raftery (2007), equation 22; for sd 0 the absolute error, its limit.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (truth - mean) / sd
        density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
        score = sd * (
            z * scipy.special.erf(z / np.sqrt(2.0))
            + 2.0 * density
            - 1.0 / np.sqrt(np.pi)
        )
    return np.where(sd > 0, score, np.where(sd == 0, np.abs(truth - mean), np.nan))
