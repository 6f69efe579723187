"""The ordinary mixed model: random effects per level, one residual variance, REML.

What lme4 fits for ``value ~ 1 + (1 | level_1) + (1 | level_2) + ...``: it knows which
contributors shift the sum, and takes all of them to be equally noisy, so it has neither
sigma nor variance contrasts. Its standard errors know that the variance components are
estimated (Kackar and Harville 1984; Prasad and Rao 1990).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from summands.estimation import profiles
from summands.estimation.results import Point
from summands.model import estimands, information, prediction_errors
from summands.model.cells import Cells
from summands.model.elimination import NormalEquations
from summands.model.problem import Problem
from summands.model.restricted import Restricted

READS = "cells"
SAMPLES = False
OPTIONS: dict[str, dict[str, Any]] = {
    "max_iter": {
        "type": "integer",
        "minimum": 1,
        "default": 200,
        "description": "Iterations of the search for the variance components.",
    },
}

# The largest theta: of effects so much larger than the residuals that the equations
# would lose their digits beyond.
MOST = 3000.0

# theta^2 of effects that are none, beside that at which they are seen.
NONE = 1e-6

# Slope of the deviance, in steps of a standard error, that is none.
SLOPE = 1e-3

Array = NDArray[np.float64]


def prepare(problem: Problem, options: Mapping[str, Any]) -> None:
    """Import SciPy's optimiser."""
    import scipy.optimize  # noqa: F401


def seconds(contributors: int, size: int, options: Mapping[str, Any]) -> float:
    """Time of a fit: 6 s were measured with 4,000 contributors."""
    return 0.01 + 3e-7 * size * contributors + 1e-10 * contributors**3


def estimate(
    cells: Cells,
    problem: Problem,
    options: Mapping[str, Any],
    seed: int,
    progress: Callable[[str], None],
) -> Point:
    """Fit by REML, then centre the predicted effects within their levels.

    Parameters
    ----------
    cells : Cells
    problem : Problem
        Its priors do not matter.
    options : mapping
    seed : int
        Not used: nothing is random.
    progress : callable
        Not used: it takes milliseconds.

    Returns
    -------
    Point
        mu are centred best linear unbiased predictions. Their mean squared error is
        estimated by g1 + g2 + 2 g3 (Kackar and Harville 1984, JASA 79:853; Prasad and
        Rao 1990, JASA 85:163; for REML Datta and Lahiri 2000, Statistica Sinica
        10:613). g1 + g2 takes the variance components as known and collapses with them;
        g3 is `prediction_errors.Estimated`. It is linear in the components' errors, and
        too large where data say little of them, as of a level of two contributors: the
        factor by which predictions shrink lies between 0 and 1 whatever the components.
        So no standard error exceeds that of least squares with the same residual
        variance, to which g1 + g2 grows with theta. (At worst, in a level of two, the
        root mean squared error comes to 1.05 times that, and 95 % intervals hold the
        truth in 93.8 % where the residual variance is well known.) NaN where neither is
        known. sigma and variance_contrast are NaN: the model has one noise.
        total_variance is the residual variance, with the standard error of its expected
        REML information. Components have profile intervals, of the restricted
        likelihood (`summands.estimation.profiles`).

    Raises
    ------
    ValueError
        If there are fewer than two rows.
    """
    levels = cells.levels
    if cells.n.sum() < 2:
        raise ValueError("a single row has no residual variance")
    origin = float(np.average(cells.mean, weights=cells.n))
    around = Cells(
        levels, cells.contributors, cells.n, cells.mean - origin, cells.sum_of_squares
    )
    likelihood = Restricted(around)
    theta, converged = _search(likelihood, options["max_iter"])
    theta = _without_nothing(likelihood, theta)
    solution = likelihood.solve(theta)
    residual = likelihood.residual(solution)
    # As uncentred means of all contributors, with the intercept in equal shares.
    means = np.full(levels.contributors, (solution.intercept + origin) / levels.count)
    means[likelihood.chosen] += solution.effects
    of_means, of_residual = None, np.nan
    # Where the components are not identified, only least squares has an error.
    with contextlib.suppress(np.linalg.LinAlgError):
        estimated = prediction_errors.Estimated(likelihood, theta, residual)
        known = prediction_errors.Known(likelihood, theta, solution)
        of_means = prediction_errors.errors(levels, known, estimated)
        of_residual = estimated.of_residual
    none = np.full(levels.contributors, np.nan)
    estimate, sd = estimands.linear(levels, means, of_means, none, None)
    sd = np.fmin(sd, _least_squares_errors(cells, residual))
    total = estimands.index(levels).where("total_variance")
    estimate[total] = residual
    sd[total] = np.sqrt(of_residual)
    components = profiles.components(levels, likelihood, theta)
    return Point(estimate, sd, converged=converged, components=components)


def _search(likelihood: Restricted, max_iter: int) -> tuple[Array, bool]:
    """Find the theta of highest restricted likelihood.

    In the coordinates log(theta^2 + c), where c is the theta^2 at which effects begin
    to be seen: as regular at no effects as where they are large; and in steps of the
    standard error that log theta^2 has where effects are seen without error.

    Returns
    -------
    theta : ndarray, shape (J',)
    converged : bool
    """
    import scipy.optimize

    if not len(likelihood.random):
        return np.zeros(0), True
    size = np.bincount(likelihood.of_level)
    seen, unit = size / likelihood.rows, 1.0 / np.sqrt(size - 1.0)
    start = likelihood.guess()
    first, _ = likelihood.deviance(np.log(start))

    def moved(z: Array) -> tuple[float, Array]:
        squared = np.exp(unit * z) - seen
        value, slopes = likelihood.deviance(0.5 * np.log(squared))
        slopes *= 0.5 * unit * (squared + seen) / squared
        return likelihood.freedom * (value - first), likelihood.freedom * slopes

    ends = np.stack([NONE * seen, np.full(len(seen), MOST**2)], axis=1)
    bounds: Array = np.log(ends + seen[:, None]) / unit[:, None]
    # Also from small effects: the likelihood may have a maximum at none.
    found = [
        scipy.optimize.minimize(
            moved,
            np.clip(np.log((start * factor) ** 2 + seen) / unit, *bounds.T),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": max_iter, "ftol": 1e-15, "gtol": 1e-5},
        )
        for factor in (1.0, 0.1)
    ]
    best = min(found, key=lambda result: result.fun)
    theta = np.sqrt(np.exp(unit * best.x) - seen)
    return theta, _stationary(best.x, np.asarray(best.jac), bounds)


def _without_nothing(likelihood: Restricted, theta: Array) -> Array:
    """Take effects as none at all where that is as likely.

    The search comes near it, and the deviance is flat there.
    """
    value = likelihood.value(likelihood.solve(theta))
    for level in np.argsort(theta):
        without = np.where(np.arange(len(theta)) == level, 0.0, theta)
        other = likelihood.value(likelihood.solve(without))
        if other <= value:
            theta, value = without, other
    return theta


def _least_squares_errors(cells: Cells, residual: float) -> Array:
    """Compute standard errors of least squares at a residual variance, shape (P,).

    NaN where a quantity is not identified, or the rows leave no residuals.
    """
    levels = cells.levels
    null = cells.null_space
    equations = NormalEquations(
        cells.members, levels.sizes, cells.n.astype(float), null
    )
    averages = (levels.level[:, None] == np.arange(levels.count)) / np.asarray(
        levels.sizes
    )
    errors = estimands.Errors.from_products(
        levels, residual * equations.diagonal(), residual * equations.solve(averages)
    )
    none = np.full(levels.contributors, np.nan)
    _, sd = estimands.linear(levels, none, errors, none, None)
    lost = ~information.identified(cells) | (cells.n.sum() <= len(null) - null.shape[1])
    sd[lost & ~estimands.constant(levels)] = np.nan
    return sd


def _stationary(at: Array, slopes: Array, bounds: Array) -> bool:
    """Whether a search ended where it cannot go on: no slope but out of bounds.

    Its own verdict also complains of steps too small for the deviance's last digits.
    """
    slopes = np.where(at <= bounds[:, 0], np.minimum(slopes, 0.0), slopes)
    slopes = np.where(at >= bounds[:, 1], np.maximum(slopes, 0.0), slopes)
    return bool(np.abs(slopes).max() < SLOPE)
