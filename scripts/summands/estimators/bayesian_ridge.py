"""Bayesian ridge regression of the values on one indicator per contributor.

The baseline, scikit-learn's ``BayesianRidge`` (MacKay 1992, Neural Computation 4:415;
Tipping 2001, JMLR 1:211). One noise for all rows, which is its total variance, without
a standard error; so it has neither sigma nor variance contrasts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from summands.estimation.results import Point
from summands.model import estimands
from summands.model.problem import Problem
from summands.model.rows import Rows

READS = "rows"
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


def prepare(problem: Problem, options: Mapping[str, Any]) -> None:
    """Import scikit-learn."""
    import sklearn.linear_model
    import sklearn.pipeline
    import sklearn.preprocessing  # noqa: F401


def estimate(
    rows: Rows,
    problem: Problem,
    options: Mapping[str, Any],
    seed: int,
    progress: Callable[[str], None],
) -> Point:
    """Fit the ridge and read centred means off its weights.

    A weight w_jk per contributor and no intercept; then intercept = sum_j mean_k w_jk
    and mu_jk = w_jk - mean_k w_jk. Both are linear in w, so their standard errors
    follow from its covariance ``sigma_``.

    Parameters
    ----------
    rows : Rows
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
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    levels = problem.levels
    ridge = BayesianRidge(
        fit_intercept=False, max_iter=options["max_iter"], tol=options["tol"]
    )
    # Categories are given: a contributor without rows keeps its place, weight 0.
    categories = [np.arange(size) for size in levels.sizes]
    encoder = OneHotEncoder(categories=categories, sparse_output=False)
    make_pipeline(encoder, ridge).fit(np.stack(rows.contributors, axis=1), rows.value)

    estimate, sd = estimands.linear(
        levels,
        ridge.coef_,
        estimands.Errors.of(levels, ridge.sigma_),
        np.full(levels.contributors, np.nan),
        None,
    )
    estimate[estimands.index(levels).where("total_variance")] = 1.0 / ridge.alpha_
    return Point(estimate, sd, converged=bool(ridge.n_iter_ < options["max_iter"]))
