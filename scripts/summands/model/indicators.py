"""Sums over the indicators Z of who takes part in each cell, which is never stored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from summands.model.elimination import Elimination

Array = NDArray[np.float64]

# Pivots of Z'Z, with diagonal 1, that are rounding.
RANK = 1e-10


def gram(members: NDArray[np.int64], weight: Array, count: int) -> Array:
    """Compute Z' diag(weight) Z, shape (K, K), from the members of the cells."""
    pairs = members[:, :, None] * count + members[:, None, :]
    of_pairs = np.broadcast_to(weight[:, None, None], pairs.shape)
    total = np.bincount(pairs.ravel(), of_pairs.ravel(), count * count)
    return total.reshape(count, count)


def sums(members: NDArray[np.int64], weight: Array, count: int) -> Array:
    """Compute Z' weight, shape (K,), from the members of the cells."""
    total = np.zeros(count)
    # Level by level: lists of all pairs would be larger than the cells.
    for column in members.T:
        total += np.bincount(column, weight, count)
    return total


def null_space(members: NDArray[np.int64], sizes: Sequence[int]) -> Array:
    """Orthonormal basis of the vectors that Z takes to zero, shape (K, K - r).

    What is added to the contributors' means, or variances, along it leaves every cell
    as it was. The largest level is eliminated: a null vector v of what is left of Z'Z,
    S, becomes one of Z'Z with -B v / n in that level. S is factorised by Cholesky's
    method with pivots, P' S P = [L1; L2] [L1; L2]', which finds its rank and the null
    vectors P [-L1'^-1 L2'; 1] (Higham 2002, Accuracy and Stability of Numerical
    Algorithms, section 10.3); contributors are scaled to unit rows.

    Parameters
    ----------
    members : ndarray of int, shape (C, J)
    sizes : sequence of int, length J
    """
    parts = Elimination(members, sizes, np.ones(len(members)))
    present = parts.diagonal > 0
    rows = np.where(present, parts.diagonal, 1.0)
    unit = np.sqrt(np.maximum(np.diag(parts.within), 1.0))
    left = parts.within - parts.weighted(present / rows)
    free = _null(left / unit / unit[:, None]) / unit[:, None]
    absent = np.flatnonzero(~present)
    basis = np.zeros((sum(sizes), free.shape[1]))
    basis[parts.rest] = free
    basis[parts.apart] = -(parts.between @ free) / rows[:, None]
    alone = np.zeros((sum(sizes), len(absent)))
    alone[parts.apart[absent], np.arange(len(absent))] = 1.0
    return np.concatenate([np.linalg.qr(basis)[0], alone], axis=1)


def _null(matrix: Array) -> Array:
    """Basis of the null space of a matrix without negative eigenvalues."""
    count = len(matrix)
    if not count:
        return matrix
    root, pivots, rank, _ = scipy.linalg.lapack.dpstrf(matrix, tol=RANK, lower=1)
    above, below = np.tril(root[:rank, :rank]), root[rank:, :rank]
    vectors = np.zeros((count, count - rank))
    if rank:
        vectors[pivots[:rank] - 1] = -scipy.linalg.solve_triangular(
            above, below.T, lower=True, trans=1
        )
    vectors[pivots[rank:] - 1] = np.eye(count - rank)
    return vectors
