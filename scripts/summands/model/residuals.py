"""What is left of the values when the contributors' means are taken off."""

from __future__ import annotations

import numpy as np

from summands.model.cells import Cells
from summands.model.elimination import NormalEquations
from summands.model.indicators import sums


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
    n = cells.n.astype(float)
    null = cells.null_space
    freedom = n.sum() - (len(null) - null.shape[1])
    if freedom < 1.0:
        return 0.0, 0.0
    try:
        equations = NormalEquations(cells.members, cells.levels.sizes, n, null)
    except np.linalg.LinAlgError:
        return 0.0, 0.0
    means = equations.solve(sums(cells.members, n * cells.mean, len(null)))
    residual = cells.mean - means[cells.members].sum(axis=1)
    return float((cells.sum_of_squares + n * residual**2).sum()), float(freedom)
