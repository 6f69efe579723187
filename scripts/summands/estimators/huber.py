"""Huber's M-estimation of the means: rows far from the others' count less.

Huber (1973, Annals of Statistics 1:799), by statsmodels' ``RLM``. For values that
follow one normal noise but for a few gross errors. It has no sigma for a contributor,
and its errors hold where the rows' noise is one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from summands.estimation.results import Point
from summands.model import estimands, information
from summands.model.cells import collapse
from summands.model.problem import Problem
from summands.model.rows import Rows

READS = "rows"
SAMPLES = False
OPTIONS: dict[str, dict[str, Any]] = {
    "threshold": {
        "type": "number",
        "exclusiveMinimum": 0,
        "default": 1.345,
        "description": (
            "Residuals up to so many times the scale count in full. At 1.345 errors "
            "are 5 % more variable than those of least squares where noise is normal."
        ),
    },
    "max_iter": {
        "type": "integer",
        "minimum": 1,
        "default": 200,
        "description": "Times that rows are weighted anew, at the most.",
    },
    "tol": {
        "type": "number",
        "exclusiveMinimum": 0,
        "default": 1e-8,
        "description": "Stop when no mean moves by more, in standard deviations.",
    },
}

# Scale of the residuals, in standard deviations of the values, that is none.
NO_SCALE = 1e-7

Array = NDArray[np.float64]


def prepare(problem: Problem, options: Mapping[str, Any]) -> None:
    """Import statsmodels."""
    import statsmodels.robust.robust_linear_model  # noqa: F401


def seconds(contributors: int, size: int, options: Mapping[str, Any]) -> float:
    """Time of a fit: some twenty regressions of the rows."""
    return 0.02 + 6e-8 * size * contributors * (5 + contributors)


def estimate(
    rows: Rows,
    problem: Problem,
    options: Mapping[str, Any],
    seed: int,
    progress: Callable[[str], None],
) -> Point:
    """Weight rows by their residuals until the means stay.

    The scale is 1.4826 times the median absolute residual. Standard errors are those
    of Huber (1973, equation 6.5; H1 of statsmodels): of one noise for all rows.

    Parameters
    ----------
    rows : Rows
    problem : Problem
        Its priors do not matter.
    options : mapping
    seed : int
        Not used: nothing is random.
    progress : callable
        Not used: it takes seconds at the most.

    Returns
    -------
    Point
        sigma and variance_contrast are NaN, total_variance (the scale's square) has no
        standard error.

    Raises
    ------
    ValueError
        If there are no more rows than parameters of the means, or if half of the rows
        are fitted exactly, which leaves no scale.
    """
    import scipy.linalg
    from statsmodels.robust.norms import HuberT
    from statsmodels.robust.robust_linear_model import RLM

    levels, cells = rows.levels, collapse(rows)
    # Directions that the cells tell, so that no two inputs say the same.
    null = cells.null_space
    directions = scipy.linalg.null_space(null.T) if null.size else np.eye(len(null))
    count, rank = len(rows.value), directions.shape[1]
    if count <= rank:
        raise ValueError(f"{count} rows leave no residuals after {rank} means")
    inputs = np.zeros((count, rank))
    for offset, picked in zip(levels.offsets, rows.contributors, strict=True):
        inputs += directions[offset + picked]
    model = RLM(rows.value, inputs, M=HuberT(options["threshold"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model.fit(maxiter=options["max_iter"], tol=options["tol"], conv="coefs")
    if not found.scale > NO_SCALE:
        raise ValueError("half of the rows are fitted exactly: their scale is zero")
    covariance = directions @ np.asarray(found.cov_params()) @ directions.T
    estimate, sd = estimands.linear(
        levels,
        directions @ found.params,
        estimands.Errors.of(levels, covariance),
        np.full(levels.contributors, np.nan),
        None,
    )
    names = estimands.index(levels)
    estimate[names.where("total_variance")] = found.scale**2
    lost = ~information.identified(cells) & ~names.where("total_variance")
    estimate[lost] = sd[lost] = np.nan
    converged = found.fit_history["iteration"] < options["max_iter"]
    return Point(estimate, sd, converged=converged)
