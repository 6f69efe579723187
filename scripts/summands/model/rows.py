"""Rows: observed sums, and who contributed to each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from summands.model.levels import Levels


@dataclass(frozen=True)
class Rows:
    """Observations: a value, and one contributor per level.

    Parameters
    ----------
    levels : Levels
        The levels.
    value : ndarray, shape (N,)
        Observed sums.
    contributors : tuple of J ndarrays, each of shape (N,)
        The contributor that each row picked at each level, as an index.
    """

    levels: Levels
    value: NDArray[np.float64]
    contributors: tuple[NDArray[np.integer], ...]
