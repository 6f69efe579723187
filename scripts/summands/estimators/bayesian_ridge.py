"""Bayesian ridge regression of the values on one indicator per contributor.

The baseline, scikit-learn's ``BayesianRidge`` (MacKay 1992, Neural Computation 4:415;
Tipping 2001, JMLR 1:211). One noise for all rows, which is its total variance, without
a standard error; so it has neither sigma nor variance contrasts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from summands.estimation.results import Point
from summands.model import estimands
from summands.model.cells import Cells
from summands.model.problem import Problem

READS = "cells"
SAMPLES = False
OPTIONS: dict[str, dict[str, Any]] = {
    "max_iter": {
        "type": "integer",
        "minimum": 1,
        "default": 300,
        "description": "Iterations of the two precisions, at the most.",
    },
    "tol": {
        "type": "number",
        "exclusiveMinimum": 0,
        "default": 1e-3,
        "description": "Stop when no weight moves by more.",
    },
}

Array = NDArray[np.float64]

# Numbers in the rows of cells that are held at once.
BLOCK = 4_000_000


def prepare(problem: Problem, options: Mapping[str, Any]) -> None:
    """Import scikit-learn."""
    import sklearn.linear_model  # noqa: F401


def estimate(
    cells: Cells,
    problem: Problem,
    options: Mapping[str, Any],
    seed: int,
    progress: Callable[[str], None],
) -> Point:
    """Fit the ridge and read centred means off its weights.

    A weight w_jk per contributor and no intercept; then intercept = sum_j mean_k w_jk
    and mu_jk = w_jk - mean_k w_jk. Both are linear in w, so their standard errors
    follow from its covariance ``sigma_``.

    The ridge sees its rows (X, x) through X'X, X'x, x'x, their number and the variance
    it starts from alone. So it is given the R of a QR decomposition of the cells'
    weighted rows (`condensed`), with weights that add up to the rows and that variance:
    what it estimates is what it would from the rows.

    Parameters
    ----------
    cells : Cells
    problem : Problem
        Its priors do not matter: the ridge estimates its own.
    options : mapping
    seed : int
        Not used: nothing is random.
    progress : callable
        Not used: it takes milliseconds.

    Returns
    -------
    Point
        sigma and variance_contrast are NaN, total_variance has no standard error.
    """
    from sklearn.linear_model import BayesianRidge

    levels, rows = cells.levels, float(cells.n.sum())
    inputs, values = condensed(cells)
    weight = rows / len(values)
    origin = np.average(cells.mean, weights=cells.n)
    squares = cells.sum_of_squares + cells.n * (cells.mean - origin) ** 2
    ridge = BayesianRidge(
        fit_intercept=False,
        max_iter=options["max_iter"],
        tol=options["tol"],
        alpha_init=1.0 / (squares.sum() / rows + np.finfo(float).eps),
    )
    ridge.fit(
        inputs / np.sqrt(weight),
        values / np.sqrt(weight),
        sample_weight=np.full(len(values), weight),
    )
    estimate, sd = estimands.linear(
        levels,
        ridge.coef_,
        estimands.Errors.of(levels, ridge.sigma_),
        np.full(levels.contributors, np.nan),
        None,
    )
    estimate[estimands.index(levels).where("total_variance")] = 1.0 / ridge.alpha_
    return Point(estimate, sd, converged=bool(ridge.n_iter_ < options["max_iter"]))


def condensed(cells: Cells) -> tuple[Array, Array]:
    """Find few rows with the same sums of squares and products as all rows.

    Those of a cell are one of weight n and what they differ by, which no contributor
    explains; of the cells' rows the R of a QR decomposition is kept, block by block
    (Golub and Van Loan 2013, Matrix Computations, section 5.3: without the products,
    which would cost half of the digits).

    Parameters
    ----------
    cells : Cells

    Returns
    -------
    inputs : ndarray, shape (Q, K)
        Q is at most K + 2.
    values : ndarray, shape (Q,)
    """
    k = cells.levels.contributors
    members = cells.members
    root = np.sqrt(cells.n)
    last = np.zeros((1, k + 1))
    last[0, -1] = np.sqrt(cells.sum_of_squares.sum())
    kept = np.zeros((0, k + 1))
    step = max(k + 1, BLOCK // (k + 1))
    for start in range(0, len(root), step):
        chosen = slice(start, start + step)
        rows = np.zeros((len(root[chosen]), k + 1))
        np.put_along_axis(rows, members[chosen], root[chosen, None], axis=1)
        rows[:, -1] = root[chosen] * cells.mean[chosen]
        kept = np.linalg.qr(np.concatenate([kept, rows]), mode="r")
    kept = np.concatenate([kept, last])
    return kept[:, :-1], kept[:, -1]
