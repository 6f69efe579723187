"""Rows that come block by block, collapsed to cells in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from summands.model import cells as numerics

# Rows that are collapsed at a time, and cells that wait until they are merged at least.
BLOCK = 1_000_000
WAITING = 4_000_000


@dataclass(frozen=True)
class Gathered:
    """Cells of rows that have been seen.

    Parameters
    ----------
    columns : tuple of ndarrays of int32, each of shape (C,)
        Code of each column in the cell.
    n, mean, sum_of_squares, smallest, largest : ndarray, each of shape (C,)
        Of its rows.
    """

    columns: tuple[NDArray[np.int32], ...]
    n: NDArray[np.int64]
    mean: NDArray[np.float64]
    sum_of_squares: NDArray[np.float64]
    smallest: NDArray[np.float64]
    largest: NDArray[np.float64]


class Gatherer:
    """Takes rows; keeps them while they are few, and their cells alone after that.

    Parameters
    ----------
    keep_rows : int
        Rows that are kept at most.
    """

    def __init__(self, keep_rows: int) -> None:
        self.rows = 0
        self._keep = keep_rows
        self._waiting_rows: list[tuple[tuple[NDArray[np.int32], ...], NDArray]] = []
        self._waiting = 0
        self._cells: list[Gathered] = []

    @property
    def kept(self) -> bool:
        """Whether all rows are still there."""
        return self.rows <= self._keep

    def add(
        self, columns: tuple[NDArray[np.int32], ...], values: NDArray[np.float64]
    ) -> None:
        """Take rows: a code per column, and the value."""
        self._waiting_rows.append((columns, values))
        self._waiting += len(values)
        self.rows += len(values)
        if not self.kept and self._waiting >= BLOCK:
            self._collapse()

    def take(self) -> tuple[tuple[NDArray[np.int32], ...], NDArray[np.float64]]:
        """Give all rows away, if they are `kept`."""
        waiting, self._waiting_rows = self._waiting_rows, []
        columns = tuple(
            np.concatenate(parts)
            for parts in zip(*(columns for columns, _ in waiting), strict=True)
        )
        return columns, np.concatenate([values for _, values in waiting])

    def cells(self) -> Gathered:
        """Give the cells of all rows away."""
        if self._waiting:
            self._collapse()
        if len(self._cells) > 1:
            self._merge()
        return self._cells.pop()

    def _collapse(self) -> None:
        columns, values = self.take()
        self._waiting = 0
        self._cells.append(collapse(columns, values))
        # The first part holds all that has been merged. Merging whenever the others
        # are half as large costs each cell a few merges, whatever their number.
        first, *others = (len(part.n) for part in self._cells)
        if sum(others) > max(WAITING, first // 2):
            self._merge()

    def _merge(self) -> None:
        parts, self._cells = self._cells, []
        self._cells = [_merge(parts)]


def collapse(
    columns: tuple[NDArray[np.int32], ...], values: NDArray[np.float64]
) -> Gathered:
    """Collapse rows to cells, in the order of their codes.

    Sums are taken in the order of the rows.
    """
    code, count = numerics.number(columns, _sizes(columns))
    smallest = np.full(count, np.inf)
    largest = np.full(count, -np.inf)
    np.minimum.at(smallest, code, values)
    np.maximum.at(largest, code, values)
    return Gathered(
        _of_cells(code, count, columns),
        *numerics.moments(code, count, values),
        smallest,
        largest,
    )


def _merge(parts: list[Gathered]) -> Gathered:
    """Merge cells; empties the list, as cells may fill half the memory."""
    columns = tuple(
        np.concatenate([part.columns[j] for part in parts])
        for j in range(len(parts[0].columns))
    )
    n, mean, squares, smallest, largest = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("n", "mean", "sum_of_squares", "smallest", "largest")
    )
    parts.clear()
    code, count = numerics.number(columns, _sizes(columns))
    columns = _of_cells(code, count, columns)
    low = np.full(count, np.inf)
    np.minimum.at(low, code, smallest)
    del smallest
    high = np.full(count, -np.inf)
    np.maximum.at(high, code, largest)
    del largest
    moments = numerics.merge_moments(code, count, n, mean, squares)
    return Gathered(columns, *moments, low, high)


def _sizes(columns: tuple[NDArray[np.int32], ...]) -> list[int]:
    return [int(column.max()) + 1 for column in columns]


def _of_cells(
    code: NDArray[np.int64], count: int, columns: tuple[NDArray[np.int32], ...]
) -> tuple[NDArray[np.int32], ...]:
    """Codes of cells from those of their rows, which all have the same."""
    of_cells = []
    for column in columns:
        mine = np.empty(count, np.int32)
        mine[code] = column
        of_cells.append(mine)
    return tuple(of_cells)
