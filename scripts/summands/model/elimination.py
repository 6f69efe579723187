"""Z' diag(w) Z with the block of one level apart, which is diagonal.

No cell has two contributors of a level, so equations in the contributors of the largest
level are solved in closed form, and only those of the rest are factorised: the cost is
the cube of the rest, whatever the size of the largest level.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Share of entries that are not zero above which a dense matrix is the faster one, and
# numbers below which it always is.
DENSE, SMALL = 0.1, 100_000

# Numbers that are held at once beside what is kept.
BLOCK = 4_000_000


class Elimination:
    """Blocks of Z' diag(weight) Z.

    Parameters
    ----------
    members : ndarray of int, shape (C, J)
        Flat index of the cell's contributor at each level.
    sizes : sequence of int, length J
        Contributors of each level.
    weight : ndarray, shape (C,)
    level : int or None, optional
        The level that is eliminated, by default the largest; None for none.

    Attributes
    ----------
    apart, rest : ndarray of int, shapes (E,) and (R,)
        Flat indices of the contributors of the level that is eliminated, and of the
        others.
    diagonal : ndarray, shape (E,)
    between : ndarray or scipy.sparse.csr_array, shape (E, R)
    within : ndarray, shape (R, R)
    """

    between: NDArray[np.float64] | scipy.sparse.csr_array

    def __init__(
        self,
        members: NDArray[np.int64],
        sizes: Sequence[int],
        weight: Array,
        level: int | None = -1,
    ) -> None:
        if level == -1:
            level = int(np.argmax(sizes))
        count = sum(sizes)
        offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        of_level = np.repeat(np.arange(len(sizes)), sizes)
        self.apart = np.flatnonzero(of_level == level)
        self.rest = np.flatnonzero(of_level != level)
        place = np.empty(count, dtype=np.int64)
        place[self.rest] = np.arange(len(self.rest))
        place[self.apart] = np.arange(len(self.apart))
        own = [place[column] for column in members.T]
        others = [j for j in range(len(sizes)) if j != level]
        self.within = np.zeros((len(self.rest), len(self.rest)))
        for position, j in enumerate(others):
            mine = slice(place[offsets[j]], place[offsets[j]] + sizes[j])
            for i in others[:position]:
                theirs = slice(place[offsets[i]], place[offsets[i]] + sizes[i])
                pair = (own[i] - theirs.start) * sizes[j] + own[j] - mine.start
                block = np.bincount(pair, weight, sizes[i] * sizes[j])
                self.within[theirs, mine] = block.reshape(sizes[i], sizes[j])
                self.within[mine, theirs] = self.within[theirs, mine].T
            step = np.arange(mine.start, mine.stop)
            self.within[step, step] = np.bincount(own[j] - mine.start, weight, sizes[j])
        shape = (len(self.apart), len(self.rest))
        if level is None or not others:
            self.diagonal = np.zeros(len(self.apart))
            if level is not None:
                self.diagonal += np.bincount(own[level], weight, sizes[level])
            self.between = np.zeros(shape)
            return
        self.diagonal = np.bincount(own[level], weight, sizes[level])
        size = shape[0] * shape[1]
        if size <= max(SMALL, len(others) * len(weight)):
            # No more numbers than lists of all pairs would have, and no sorting.
            dense = np.empty(shape)
            for j in others:
                start = place[offsets[j]]
                pair = own[level] * sizes[j] + own[j] - start
                block = np.bincount(pair, weight, shape[0] * sizes[j])
                dense[:, start : start + sizes[j]] = block.reshape(-1, sizes[j])
            few = size > SMALL and np.count_nonzero(dense) < DENSE * size
            self.between = scipy.sparse.csr_array(dense) if few else dense
            return
        between = scipy.sparse.coo_array(
            (
                np.tile(weight, len(others)),
                (
                    np.tile(own[level], len(others)),
                    np.concatenate([own[j] for j in others]),
                ),
            ),
            shape,
        ).tocsr()
        between.sort_indices()
        self.between = between if between.nnz < DENSE * size else between.toarray()

    def times(self, vectors: Array) -> Array:
        """Compute Z' diag(weight) Z times vectors, shape (K, V)."""
        apart, rest = vectors[self.apart], vectors[self.rest]
        found = np.empty_like(vectors)
        found[self.apart] = self.diagonal[:, None] * apart + self.between @ rest
        found[self.rest] = self.between.T @ apart + self.within @ rest
        return found

    def weighted(self, share: Array) -> Array:
        """Compute B' diag(share) B, shape (R, R), where B is the block between."""
        if isinstance(self.between, np.ndarray):
            return np.asarray((self.between.T * share) @ self.between)
        # Compiled, which few need.
        from summands.model import pairs

        between, total = self.between, np.zeros_like(self.within)
        pairs.add(between.indptr, between.indices, between.data, share, total)
        return total

    def blocks(self) -> Iterator[tuple[slice, Any]]:
        """Rows of the block between, as many at a time as memory should hold."""
        step = max(1, BLOCK // max(1, len(self.rest)))
        for start in range(0, len(self.apart), step):
            chosen = slice(start, min(start + step, len(self.apart)))
            yield chosen, self.between[chosen]

    def forms(self, matrix: Array) -> Array:
        """Compute b' matrix b for each row b of the block between, shape (E,)."""
        found = np.empty(len(self.apart))
        for chosen, rows in self.blocks():
            product = rows @ matrix
            found[chosen] = np.asarray((rows * product).sum(axis=1)).ravel()
        return found


class NormalEquations:
    """Least squares of the cells' means on their contributors.

    Parameters
    ----------
    members, sizes, weight
        See `Elimination`.
    null : ndarray, shape (K, K - r)
        Basis of what the cells cannot tell, see `indicators.null_space`.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the equations are singular beyond that, to the digits that floats have.
    """

    # Condition numbers beyond which results would have less than three digits left.
    SINGULAR = 1e13

    def __init__(
        self,
        members: NDArray[np.int64],
        sizes: Sequence[int],
        weight: Array,
        null: Array,
    ) -> None:
        self.count = sum(sizes)
        parts = self.parts = Elimination(members, sizes, weight)
        # A contributor without rows gets 0, as good as any other number.
        present = parts.diagonal > 0
        self.share = np.where(present, 1.0 / np.where(present, parts.diagonal, 1.0), 0)
        self.inverse = np.zeros_like(parts.within)
        if not len(parts.rest):
            return
        # Contributors are scaled to unit weight, as weights may differ by many powers
        # of ten. S = U (S~) U with null vectors U v; filled up along these it is
        # regular, and its inverse a generalised inverse of S.
        unit = np.sqrt(np.diag(parts.within))
        unit = np.where(unit > 0, unit, unit.max())
        free = _basis(unit[:, None] * null[parts.rest])
        matrix = parts.within - parts.weighted(self.share)
        scaled = matrix / unit / unit[:, None] + free @ free.T
        of_scaled = inverse(cholesky(scaled))
        # The trace of the inverse: at least the condition number, over its order.
        if not np.trace(of_scaled) < self.SINGULAR:
            raise np.linalg.LinAlgError("the equations are singular")
        self.inverse = of_scaled / unit / unit[:, None]

    def solve(self, right: Array) -> Array:
        """Solve for any number of right sides in the row space, shape (K, ...)."""
        parts = self.parts
        share = self.share.reshape(-1, *[1] * (right.ndim - 1))
        apart = share * right[parts.apart]
        rest = self.inverse @ (right[parts.rest] - parts.between.T @ apart)
        solution = np.empty_like(right, dtype=float)
        solution[parts.rest] = rest
        solution[parts.apart] = apart - share * (parts.between @ rest)
        return solution

    def diagonal(self) -> Array:
        """Diagonal of the generalised inverse that `solve` multiplies by."""
        found = np.empty(self.count)
        found[self.parts.rest] = np.diag(self.inverse)
        of_rest = self.parts.forms(self.inverse)
        found[self.parts.apart] = self.share + self.share**2 * of_rest
        return found


def _basis(vectors: Array) -> Array:
    """Orthonormal basis of what columns span."""
    if not vectors.size:
        return vectors[:, :0]
    left, values, _ = np.linalg.svd(vectors, full_matrices=False)
    return left[:, values > 1e-10 * values[0]]


def cholesky(matrix: Array) -> Array:
    """Lower Cholesky factor, at half the time that NumPy takes.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not positive definite.
    """
    # Symmetric, so that its transpose is what LAPACK needs not copy.
    root, failed = scipy.linalg.lapack.dpotrf(matrix.T, lower=1, clean=1)
    if failed:
        raise np.linalg.LinAlgError("the matrix is not positive definite")
    return np.asarray(root)


def half_inverse(root: Array) -> Array:
    """Lower triangle, zeros above, of an inverse from its lower Cholesky factor."""
    if not len(root):
        return root
    half, failed = scipy.linalg.lapack.dpotri(root, lower=1)
    assert not failed
    return np.asarray(half)


def inverse(root: Array) -> Array:
    """Inverse of a matrix from its lower Cholesky factor."""
    half = half_inverse(root)
    found = half + half.T
    step = np.arange(len(found))
    found[step, step] *= 0.5
    return found
