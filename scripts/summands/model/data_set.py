"""A data set as estimators are given it, and what is worked out of it once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from summands.model import residuals
from summands.model.cells import Cells, collapse
from summands.model.rows import Rows
from summands.model.units import Units


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Parameters
    ----------
    data : Rows or Cells
        What an estimator reads, in its own unit.
    known_null_space : ndarray, optional
        See `summands.model.cells.Cells`.
    """

    data: Rows | Cells
    known_null_space: NDArray[np.float64] | None = None

    @cached_property
    def cells(self) -> Cells:
        """The data in cells."""
        cells = self.data if isinstance(self.data, Cells) else collapse(self.data)
        if self.known_null_space is None:
            return cells
        return replace(cells, known_null_space=self.known_null_space)

    @cached_property
    def units(self) -> Units:
        """Standard units of the data."""
        return Units.of(self.data)

    @cached_property
    def noise(self) -> float:
        """Standard deviation of the residuals around least-squares means.

        In the unit of the data; that of all values where there are no residuals.
        """
        squares, freedom = residuals.sum_of_squares(self.standard[1])
        return (
            self.units.scale * (squares / freedom) ** 0.5
            if squares
            else (self.units.scale)
        )

    @cached_property
    def standard(self) -> tuple[Rows | Cells, Cells]:
        """What the estimator reads, and the cells, in standard units."""
        cells = self.units.standard(self.cells)
        if isinstance(self.data, Cells):
            return cells, cells
        return self.units.standard(self.data), cells
