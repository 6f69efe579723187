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
    names : tuple of str, length J, optional
        What the levels are called; by default their numbers.
    labels : tuple of J tuples of str, each of length m_j, optional
        What the contributors of each level are called; by default their numbers.

    Raises
    ------
    ValueError
        If names or labels are not as many as levels and contributors, or if two of
        them are the same.
    """

    sizes: tuple[int, ...]
    names: tuple[str, ...] = ()
    labels: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        numbers = range(len(self.sizes))
        names = self.names or tuple(map(str, numbers))
        labels = self.labels or tuple(
            tuple(map(str, range(size))) for size in self.sizes
        )
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "labels", labels)
        if len(names) != len(self.sizes):
            raise ValueError(f"{len(names)} names for {len(self.sizes)} levels")
        if tuple(map(len, labels)) != self.sizes:
            raise ValueError(
                f"{list(map(len, labels))} labels for {list(self.sizes)} contributors"
            )
        if repeated := _repeated([f"level {name!r}" for name in names]):
            raise ValueError(f"{repeated} is given twice")
        if repeated := _repeated(self.titles):
            raise ValueError(f"two contributors would be called {repeated!r}")

    @classmethod
    def of(cls, sizes: Iterable[int]) -> Levels:
        """Make levels from any iterable of sizes, with numbers for names."""
        return cls(tuple(int(size) for size in sizes))

    @property
    def named(self) -> bool:
        """Whether anything is called other than by its number."""
        return self != Levels(self.sizes)

    @cached_property
    def titles(self) -> tuple[str, ...]:
        """What each contributor is called in full, "level/label", K of them."""
        return tuple(
            f"{name}/{label}"
            for name, labels in zip(self.names, self.labels, strict=True)
            for label in labels
        )

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
    def level_name(self) -> NDArray[np.object_]:
        """What the level of each contributor is called, shape (K,)."""
        return np.repeat(np.array(self.names, object), self.sizes)

    @cached_property
    def label(self) -> NDArray[np.object_]:
        """What each contributor is called within its level, shape (K,)."""
        return np.array([label for labels in self.labels for label in labels], object)

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """Flat index of the first contributor of each level, shape (J,)."""
        return np.concatenate([[0], np.cumsum(self.sizes)[:-1]])

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


def _repeated(words: Iterable[str]) -> str | None:
    """First word that comes twice, None if there is none."""
    seen = set()
    for word in words:
        if word in seen:
            return word
        seen.add(word)
    return None


def _contrasts(values: NDArray[np.float64]) -> NDArray[np.float64]:
    difference = values - math.fsum(values) / len(values)
    negligible = np.abs(difference) <= ROUNDING * np.abs(values).max()
    return np.where(negligible, 0.0, difference)
