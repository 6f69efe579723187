"""Some of many draws, for what costs too much to compute for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from summands.estimation.results import Draws
from summands.model.levels import Levels

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Thinned:
    """Coefficients of some draws.

    Parameters
    ----------
    places : ndarray of int, shape (S,)
        Which of the draws, those of all chains in line, they are.
    intercept : ndarray, shape (S,)
    mu, variance : ndarray, shape (S, K)
    """

    places: NDArray[np.int64]
    intercept: Array
    mu: Array
    variance: Array

    def constant_variance(self, levels: Levels) -> Array | None:
        """Variance of all rows in each draw, shape (S,); None where rows differ."""
        starts = self.variance[:, levels.offsets]
        if np.any(self.variance != starts[:, levels.level]):
            return None
        total: Array = starts.sum(axis=1)
        return total


def thin(draws: Draws, most: int) -> Thinned:
    """Take draws at even distances from all chains, at most so many.

    Parameters
    ----------
    draws : Draws
    most : int
    """
    total = draws.intercept.size
    places = np.linspace(0, total - 1, min(most, total)).round().astype(np.int64)
    count = draws.mu.shape[-1]
    sigma = draws.sigma.reshape(-1, count)[places]
    return Thinned(
        places,
        draws.intercept.ravel()[places],
        draws.mu.reshape(-1, count)[places],
        sigma**2,
    )
