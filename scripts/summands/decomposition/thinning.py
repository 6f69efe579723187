"""Some of many draws, for what costs too much to compute for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from summands.estimation.results import Draws

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

    def of_cells(
        self, draw: int, members: NDArray[np.int64], origin: float
    ) -> tuple[Array, Array]:
        """Mean, less an origin, and variance of a row of each cell in one draw.

        The origin is taken off the intercept first: values far from 0 keep the digits
        that they have.

        Parameters
        ----------
        draw : int
        members : ndarray of int, shape (J, C)
            Flat index of each level's contributor in each cell.
        origin : float

        Returns
        -------
        mean, variance : ndarray, shape (C,)
        """
        mean = np.full(members.shape[1], self.intercept[draw] - origin)
        variance = np.zeros(members.shape[1])
        for mine in members:
            mean += self.mu[draw, mine]
            variance += self.variance[draw, mine]
        return mean, variance


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
