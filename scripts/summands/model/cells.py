"""Cells: the combinations of contributors that occur, and what their rows say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from summands.model import indicators
from summands.model.levels import Levels
from summands.model.rows import Rows

# Blocks whose cells are held before they are merged: merging sorts them.
PARTS = 64


@dataclass(frozen=True)
class Cells:
    """Sufficient statistics of the rows, one entry per cell that occurs.

    Parameters
    ----------
    levels : Levels
        The levels.
    contributors : ndarray of int, shape (C, J)
        The contributor of each level, as an index within the level. Cells are in
        lexicographic order.
    n : ndarray of int, shape (C,)
        Rows in the cell.
    mean : ndarray, shape (C,)
        Mean of their values.
    sum_of_squares : ndarray, shape (C,)
        Sum of squared deviations from that mean.
    known_null_space : ndarray, optional
        `null_space`, where somebody has computed it: it depends on which cells occur
        alone, and takes longer than anything else that is asked of them.
    """

    levels: Levels
    contributors: NDArray[np.int64]
    n: NDArray[np.int64]
    mean: NDArray[np.float64]
    sum_of_squares: NDArray[np.float64]
    known_null_space: NDArray[np.float64] | None = None

    @property
    def members(self) -> NDArray[np.int64]:
        """Flat index of the cell's contributor at each level, shape (C, J)."""
        return self.contributors + self.levels.offsets

    def sums(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum numbers of the cells, shape (C,), over each contributor's, shape (K,)."""
        return np.concatenate(
            [
                np.bincount(column, weight, size)
                for column, size in zip(
                    self.contributors.T, self.levels.sizes, strict=True
                )
            ]
        )

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Rows that each contributor takes part in, shape (K,)."""
        return self.sums(self.n.astype(float)).astype(np.int64)

    @cached_property
    def null_space(self) -> NDArray[np.float64]:
        """Basis of what the cells cannot tell, shape (K, K - r).

        See `summands.model.indicators.null_space`.
        """
        if self.known_null_space is not None:
            return self.known_null_space
        return indicators.null_space(self.members, self.levels.sizes)

    @property
    def indicators(self) -> NDArray[np.float64]:
        """Z: 1 where a contributor takes part in a cell, shape (C, K)."""
        z = np.zeros((len(self.n), self.levels.contributors))
        np.put_along_axis(z, self.members, 1.0, axis=1)
        return z

    def log_likelihood(
        self,
        intercept: NDArray[np.float64] | float,
        mu: NDArray[np.float64],
        variance: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Log likelihood of the rows, up to a constant.

        Parameters
        ----------
        intercept : ndarray, shape (...)
        mu, variance : ndarray, shape (..., K)

        Returns
        -------
        ndarray, shape (...)
            sum_c -(n_c/2) log v_c - (SS_c + n_c (mean_c - m_c)^2) / (2 v_c).
        """
        mean = np.asarray(intercept)[..., None] + mu[..., self.members].sum(axis=-1)
        v = variance[..., self.members].sum(axis=-1)
        residual = self.sum_of_squares + self.n * (self.mean - mean) ** 2
        return -0.5 * (self.n * np.log(v) + residual / v).sum(axis=-1)


def collapse(rows: Rows) -> Cells:
    """Collapse rows to cells, which keep their Gaussian likelihood exactly.

    Parameters
    ----------
    rows : Rows

    Returns
    -------
    Cells
    """
    code, count = number(rows.contributors, rows.levels.sizes)
    n, mean, sum_of_squares = moments(code, count, rows.value)
    first = np.empty(count, dtype=np.int64)
    first[code[::-1]] = np.arange(len(code) - 1, -1, -1)
    contributors = np.stack(
        [column[first].astype(np.int64) for column in rows.contributors], axis=1
    )
    return Cells(rows.levels, contributors, n, mean, sum_of_squares)


def collapse_blocks(blocks: Iterable[Rows]) -> Cells:
    """Collapse rows that come block by block, holding a few blocks' cells at a time.

    Parameters
    ----------
    blocks : iterable of Rows
        At least one.

    Returns
    -------
    Cells
        The same for the same blocks; as of `collapse` of all rows, but for rounding.
    """
    parts: list[Cells] = []
    for block in blocks:
        parts.append(collapse(block))
        if len(parts) == PARTS:
            parts = [merge(parts)]
    return parts[0] if len(parts) == 1 else merge(parts)


def merge(parts: Sequence[Cells]) -> Cells:
    """Put cells of different rows together (Chan, Golub and LeVeque 1983).

    The American Statistician 37:242, equations 2.1: sums of squares add, and so do the
    squared distances of the parts' means from the common one, weighted by their rows.

    Parameters
    ----------
    parts : sequence of Cells
        Of the same levels.

    Returns
    -------
    Cells
    """
    contributors = np.concatenate([part.contributors for part in parts])
    code, count = number(tuple(contributors.T), parts[0].levels.sizes)
    merged = np.empty((count, contributors.shape[1]), dtype=np.int64)
    merged[code] = contributors
    return Cells(
        parts[0].levels,
        merged,
        *merge_moments(
            code,
            count,
            np.concatenate([part.n for part in parts]),
            np.concatenate([part.mean for part in parts]),
            np.concatenate([part.sum_of_squares for part in parts]),
        ),
    )


def number(
    columns: Sequence[NDArray[np.integer]], sizes: Sequence[int]
) -> tuple[NDArray[np.int64], int]:
    """Give each row the number of its cell, in lexicographic order of the columns.

    Parameters
    ----------
    columns : sequence of J ndarrays of int, each of shape (N,)
        Each of values 0..size - 1.
    sizes : sequence of J int

    Returns
    -------
    code : ndarray of int, shape (N,)
        0..C-1.
    count : int
        C, the combinations that occur.
    """
    code = np.zeros(len(columns[0]), dtype=np.int64)
    span = 1
    for column, size in zip(columns, sizes, strict=True):
        code *= size
        code += column
        span *= size
        # Renumbering as soon as codes outnumber rows keeps them far from overflow.
        if span > 4 * len(code):
            seen, code = np.unique(code, return_inverse=True)
            span = len(seen)
    occurs = np.zeros(span, dtype=bool)
    occurs[code] = True
    place = np.cumsum(occurs, dtype=np.int32 if len(code) < 2**31 else np.int64)
    return place[code].astype(np.int64) - 1, int(place[-1])


def moments(
    code: NDArray[np.int64], count: int, value: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Sum up the rows of each cell, in the order in which they come.

    Parameters
    ----------
    code : ndarray of int, shape (N,)
        The cell, 0..C-1, of each row; each occurs.
    count : int
        C.
    value : ndarray, shape (N,)

    Returns
    -------
    n, mean, sum_of_squares : ndarray, each of shape (C,)
        See `Cells`.
    """
    n = np.bincount(code, minlength=count)
    mean = np.bincount(code, value, count) / n
    # A second pass around the mean: the textbook difference of sums cancels when
    # values are far from zero.
    deviation = value - mean[code]
    # The mean's own rounding error is in every deviation; taking it out again costs
    # little and leaves the sum of squares right to the last digits.
    shift = np.bincount(code, deviation, count) / n
    mean += shift
    sum_of_squares = np.bincount(code, deviation**2, count) - n * shift**2
    return n, mean, np.maximum(sum_of_squares, 0.0)


def merge_moments(
    code: NDArray[np.int64],
    count: int,
    n: NDArray[np.int64],
    mean: NDArray[np.float64],
    sum_of_squares: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Put together what is known of parts of cells; see `merge`.

    Parameters
    ----------
    code : ndarray of int, shape (P,)
        The cell, 0..C-1, that each part belongs to; each occurs.
    count : int
        C.
    n, mean, sum_of_squares : ndarray, each of shape (P,)

    Returns
    -------
    n, mean, sum_of_squares : ndarray, each of shape (C,)
    """
    rows = np.bincount(code, n, count)
    whole = np.bincount(code, n * mean, count) / rows
    # As in moments: the rounding of means far from zero is taken out again.
    whole += np.bincount(code, n * (mean - whole[code]), count) / rows
    squares = np.bincount(code, sum_of_squares + n * (mean - whole[code]) ** 2, count)
    return rows.astype(np.int64), whole, squares
