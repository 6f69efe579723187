"""Standard units: those of a data set's own mean and total standard deviation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from summands.model.cells import Cells
from summands.model.rows import Rows

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Units:
    """An origin and a scale: a value x is (x - origin) / scale in these units.

    Parameters
    ----------
    origin, scale : float
        In the unit of the values. By default x itself.
    """

    origin: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, data: Rows | Cells) -> Units:
        """Take the mean and the standard deviation of all values of a data set.

        The scale is 1 where the values do not vary.
        """
        if isinstance(data, Cells):
            origin = np.average(data.mean, weights=data.n)
            squares = data.sum_of_squares + data.n * (data.mean - origin) ** 2
            scale = np.sqrt(squares.sum() / data.n.sum())
        else:
            origin, scale = data.value.mean(), data.value.std()
        # Equal values differ from their mean by its rounding error.
        varies = scale > 8.0 * np.finfo(float).eps * abs(origin)
        return cls(float(origin), float(scale) if varies else 1.0)

    def standard[Data: Rows | Cells](self, data: Data) -> Data:
        """Express the values of a data set in these units.

        The origin is taken off before anything is squared, so that values far from
        zero keep the digits that they have.
        """
        if isinstance(data, Cells):
            return replace(
                data,
                mean=(data.mean - self.origin) / self.scale,
                sum_of_squares=data.sum_of_squares / self.scale**2,
                known_null_space=data.null_space,
            )
        return replace(data, value=(data.value - self.origin) / self.scale)
