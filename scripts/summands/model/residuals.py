"""Means by least squares, and what is left of the values when they are taken off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from summands.model.cells import Cells
from summands.model.elimination import NormalEquations


def means(cells: Cells) -> NDArray[np.float64] | None:
    """Uncentred means of the contributors by least squares, all rows weighing the same.

    Parameters
    ----------
    cells : Cells
        Values near 0, or their digits are lost.

    Returns
    -------
    ndarray, shape (K,), or None
        Any of those that fit equally well, where the data do not determine them. None
        where counts are so far apart that floats cannot tell.
    """
    n = cells.n.astype(float)
    null = cells.null_space
    try:
        equations = NormalEquations(cells.members, cells.levels.sizes, n, null)
    except np.linalg.LinAlgError:
        return None
    return equations.solve(cells.sums(n * cells.mean))


def sum_of_squares(cells: Cells) -> tuple[float, float]:
    """Sum of squares around the least-squares means, and its degrees of freedom.

    Parameters
    ----------
    cells : Cells
        Values near 0, or their digits are lost.

    Returns
    -------
    squares, freedom : float
        0 and 0 where rows leave no residuals, or counts are so far apart that floats
        have none.
    """
    null = cells.null_space
    freedom = float(cells.n.sum() - (len(null) - null.shape[1]))
    fitted = means(cells) if freedom >= 1.0 else None
    if fitted is None:
        return 0.0, 0.0
    fit = np.zeros(len(cells.n))
    # Level by level: at once they would take as much memory as all cells.
    for mine, column in zip(
        np.split(fitted, cells.levels.offsets[1:]), cells.contributors.T, strict=True
    ):
        fit += mine[column]
    residual = cells.mean - fit
    return float((cells.sum_of_squares + cells.n * residual**2).sum()), freedom
