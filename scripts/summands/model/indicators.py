"""Sums over the indicators Z of who takes part in each cell, which is never stored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Eigenvalues of Z'Z below this share of the largest are rounding.
RANK = 1e-10


def gram(members: NDArray[np.int64], weight: Array, count: int) -> Array:
    """Compute Z' diag(weight) Z, shape (K, K), from the members of the cells."""
    pairs = members[:, :, None] * count + members[:, None, :]
    of_pairs = np.broadcast_to(weight[:, None, None], pairs.shape)
    total = np.bincount(pairs.ravel(), of_pairs.ravel(), count * count)
    return total.reshape(count, count)


def sums(members: NDArray[np.int64], weight: Array, count: int) -> Array:
    """Compute Z' weight, shape (K,), from the members of the cells."""
    of_members = np.broadcast_to(weight[:, None], members.shape)
    return np.bincount(members.ravel(), of_members.ravel(), count)


def null_space(members: NDArray[np.int64], count: int) -> Array:
    """Orthonormal basis of the vectors that Z takes to zero, shape (K, K - r).

    What is added to the contributors' means, or variances, along it leaves every cell
    as it was.
    """
    values, vectors = np.linalg.eigh(gram(members, np.ones(len(members)), count))
    return vectors[:, values <= RANK * values[-1]]
