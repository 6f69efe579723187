"""The levels of a sum, and the flat order in which all contributors are kept."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

# Contrasts below this share of the level's largest value are rounding: that value, its
# square if it is a variance given by its root, and the mean are each rounded.
ROUNDING = 8 * np.finfo(float).eps


@dataclass(frozen=True)
class Levels:
    """Contributors per level, flattened level by level to K contributors.

    Parameters
    ----------
    sizes : tuple of int
        Contributors m_j of each level j = 0..J-1, each at least 1.
    """

    sizes: tuple[int, ...]

    @classmethod
    def of(cls, sizes: Iterable[int]) -> Levels:
        """Make levels from any iterable of sizes."""
        return cls(tuple(int(size) for size in sizes))

    @property
    def count(self) -> int:
        """Number of levels, J."""
        return len(self.sizes)

    @property
    def contributors(self) -> int:
        """Number of contributors over all levels, K."""
        return sum(self.sizes)

    @property
    def parameters(self) -> int:
        """Free parameters of the model: intercept, zero-sum means, sigmas."""
        return 1 + (self.contributors - self.count) + self.contributors

    @cached_property
    def level(self) -> NDArray[np.int64]:
        """Level of each contributor, shape (K,)."""
        return np.repeat(np.arange(self.count), self.sizes)

    @cached_property
    def contributor(self) -> NDArray[np.int64]:
        """Index of each contributor within its level, shape (K,)."""
        return np.concatenate([np.arange(size) for size in self.sizes])

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """Flat index of the first contributor of each level, shape (J,)."""
        return np.concatenate([[0], np.cumsum(self.sizes)[:-1]])

    @cached_property
    def centring(self) -> NDArray[np.float64]:
        """Matrix that takes the level's mean off each contributor, shape (K, K)."""
        same = self.level[:, None] == self.level[None, :]
        return np.eye(self.contributors) - same / np.asarray(self.sizes)[self.level]

    def level_means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over the contributors of each level.

        Parameters
        ----------
        values : ndarray, shape (..., K)

        Returns
        -------
        ndarray, shape (..., J)
        """
        return np.add.reduceat(values, self.offsets, axis=-1) / np.asarray(self.sizes)

    def centre(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Subtract the level's mean from each contributor.

        Parameters
        ----------
        values : ndarray, shape (..., K)

        Returns
        -------
        ndarray, shape (..., K)
        """
        return values - self.level_means(values)[..., self.level]

    def contrasts(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Subtract the level's mean from true values; what is only rounding is 0.

        Equal values, and a value in the middle of the others, differ from a mean
        that is rounded: a truth of zero would get a sign. Means are rounded once, so
        that this does not grow with the number of contributors.

        Parameters
        ----------
        values : ndarray, shape (K,)

        Returns
        -------
        ndarray, shape (K,)
        """
        parts = np.split(values, self.offsets[1:])
        return np.concatenate([_contrasts(part) for part in parts])


def _contrasts(values: NDArray[np.float64]) -> NDArray[np.float64]:
    difference = values - math.fsum(values) / len(values)
    negligible = np.abs(difference) <= ROUNDING * np.abs(values).max()
    return np.where(negligible, 0.0, difference)
