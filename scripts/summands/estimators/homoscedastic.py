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
from summands.model import estimands, information
from summands.model.cells import Cells
from summands.model.indicators import gram, sums
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

# Bounds of log theta: effects that cannot be told from none, and effects so much larger
# than the residuals that the equations would lose their digits beyond.
LEAST, MOST = -12.0, 8.0

Array = NDArray[np.float64]


def prepare(problem: Problem, options: Mapping[str, Any]) -> None:
    """Import SciPy's optimiser."""
    import scipy.optimize  # noqa: F401


class Profile:
    """The restricted likelihood of crossed random intercepts, profiled to theta.

    theta_j is the standard deviation of the effects of a level over that of the
    residuals. Bates, Mächler, Bolker and Walker (2015, Journal of Statistical Software
    67(1)), equations 34 to 42, with sums over cells in place of sums over rows.

    Parameters
    ----------
    cells : Cells
        Values around some origin near their mean.
    """

    def __init__(self, cells: Cells) -> None:
        levels = cells.levels
        # A level with one contributor is the intercept.
        self.random = np.flatnonzero(np.asarray(levels.sizes) > 1)
        self.chosen = np.isin(levels.level, self.random)
        self.of_level = np.searchsorted(self.random, levels.level[self.chosen])
        n = cells.n.astype(float)
        k = levels.contributors
        self.rows = n.sum()
        everything = gram(cells.members, n, k)
        self.gram = everything[np.ix_(self.chosen, self.chosen)]
        self.counts = np.diag(everything)[self.chosen]
        self.sums = sums(cells.members, n * cells.mean, k)[self.chosen]
        self.total = float((n * cells.mean).sum())
        self.squares = float((cells.sum_of_squares + n * cells.mean**2).sum())

    def _system(self, theta: Array) -> tuple[Array, Array, Array, Array]:
        """Equations of intercept and spherical effects u, where effects = theta u.

        Returns
        -------
        matrix, right : ndarray
            Without the penalty on u, which adds 1 to all but the first diagonal entry.
        solution : ndarray
        inverse : ndarray
            Of the matrix with the penalty.
        """
        scale = np.append(1.0, theta[self.of_level])
        matrix = np.empty((len(scale), len(scale)))
        matrix[0, 0] = self.rows
        matrix[0, 1:] = matrix[1:, 0] = self.counts
        matrix[1:, 1:] = self.gram
        matrix *= scale[:, None] * scale
        right = scale * np.append(self.total, self.sums)
        penalty = np.ones(len(scale))
        penalty[0] = 0.0
        inverse = np.linalg.inv(matrix + np.diag(penalty))
        return matrix, right, inverse @ right, inverse

    def residual(self, right: Array, solution: Array) -> float:
        """Residual variance: the penalised sum of squares over N - 1."""
        return max(self.squares - float(right @ solution), 1e-300) / (self.rows - 1.0)

    def deviance(self, log_theta: Array) -> tuple[float, Array]:
        """-2 log restricted likelihood over N - 1, less a constant, and its gradient.

        A row's share, so that a search meets the same slopes whatever the rows.

        Parameters
        ----------
        log_theta : ndarray, shape (J',)
            One for each level of more than one contributor.
        """
        matrix, right, solution, inverse = self._system(np.exp(log_theta))
        residual = self.residual(right, solution)
        # log|L|^2 + log|R_X|^2 is the log determinant of the whole system.
        value = (self.rows - 1.0) * np.log(residual) - np.linalg.slogdet(inverse)[1]
        of_effect = 2.0 * np.einsum("ij,ji->i", inverse, matrix)
        of_effect += 2.0 * solution * (matrix @ solution - right) / residual
        slope = np.bincount(self.of_level, of_effect[1:], len(log_theta))
        freedom = self.rows - 1.0
        return float(value) / freedom, slope / freedom

    def guess(self) -> Array:
        """Spread of the effects over that of the residuals, if effects hardly shrink.

        Returns
        -------
        ndarray, shape (J',)
        """
        coefficients, residual, _ = self.solve(np.full(len(self.random), 10.0))
        count = np.bincount(self.of_level)
        squares = np.bincount(self.of_level, coefficients[1:] ** 2)
        return np.sqrt(np.maximum(squares / (count - 1) / residual, 1e-8))

    def solve(self, theta: Array) -> tuple[Array, float, Array]:
        """Intercept and predicted effects, given theta.

        Returns
        -------
        coefficients : ndarray, shape (1 + K',)
        residual : float
            Residual variance.
        covariance : ndarray, shape (1 + K', 1 + K')
            Of the prediction errors, given the variance components.
        """
        _, right, solution, inverse = self._system(theta)
        residual = self.residual(right, solution)
        scale = np.append(1.0, theta[self.of_level])
        return scale * solution, residual, residual * inverse * scale[:, None] * scale

    def second_order(self, theta: Array, residual: float) -> tuple[Array, float]:
        """Variances that come of estimating the variance components.

        With V = s2 (I + Z Theta^2 Z') the covariance of rows and P that of their REML
        contrasts, u = s2 Theta^2 Z'P x. So with A = s2 Z'PZ, R = I - Theta^2 A and E_j
        the selector of level j, d u / d tau_j^2 = R E_j Z'P x, where Cov(Z'P x) =
        A / s2; the intercept is the values' mean less that of their effects. The
        predictions depend on ratios to s2 alone, of which theta^2 has the expected
        REML information, s2 profiled out, J_ij = (|A_ij|^2 - tr A_ii tr A_jj /
        (N - 1)) / 2, where |A_ij| is the Frobenius norm of a block (Harville 1977,
        JASA 72:320, for tr(P V_i P V_j) / 2). What this adds to the predictions'
        variance is g3 = s2 sum_ij (J^-1)_ij R E_i A E_j R' (Datta and Lahiri 2000,
        Statistica Sinica 10:613). It is not zero where theta is.

        Parameters
        ----------
        theta : ndarray, shape (J',)
        residual : float
            Residual variance, s2.

        Returns
        -------
        predictions : ndarray, shape (1 + K', 1 + K')
            g3, of intercept and effects.
        of_residual : float
            Variance of the estimated residual variance.

        Raises
        ------
        numpy.linalg.LinAlgError
            If the rows cannot tell the variance components apart.
        """
        freedom = self.rows - 1.0
        centred = self.gram - np.outer(self.counts, self.counts) / self.rows
        squared = np.square(theta)[self.of_level]
        a = np.linalg.solve(np.eye(len(squared)) + centred * squared, centred)
        member = self.of_level[:, None] == np.arange(len(theta))
        norms = member.T @ np.square(a) @ member
        traces = member.T @ np.diag(a)
        information = 0.5 * (norms - np.outer(traces, traces) / freedom)
        # A level of which all rows have the same contributor says nothing.
        silent = member.T @ np.diag(centred) <= 1e-12 * (member.T @ self.counts)
        unit = np.where(silent, 1.0, np.sqrt(np.diag(norms)))
        scaled = information / unit / unit[:, None]
        if silent.any() or np.linalg.eigvalsh(scaled).min(initial=1.0) < 1e-10:
            raise np.linalg.LinAlgError("the variance components are not identified")
        covariance = np.linalg.inv(information)
        spread = np.eye(len(squared)) - squared[:, None] * a
        spread = np.concatenate([-self.counts[None] @ spread / self.rows, spread])
        middle = covariance[np.ix_(self.of_level, self.of_level)] * a
        share = traces / freedom
        return (
            residual * spread @ middle @ spread.T,
            residual**2 * float(2.0 / freedom + share @ covariance @ share),
        )


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
        10:613). g1 + g2 takes the variance components as known and collapses with
        them; g3 is `Profile.second_order`. That is linear in the components' errors,
        and too large where data say little of them, as of a level of two contributors:
        the factor by which predictions shrink lies between 0 and 1 whatever the
        components. So no standard error exceeds that of least squares with the same
        residual variance, to which g1 + g2 grows with theta. (At worst, in a level of
        two, the root mean squared error comes to 1.05 times that, and 95 % intervals
        hold the truth in 93.8 % where the residual variance is well known.) NaN where
        neither is known. sigma and variance_contrast are NaN: the model has one noise.
        total_variance is the residual variance, with the standard error of its
        expected REML information.

    Raises
    ------
    ValueError
        If there are fewer than two rows.
    """
    import scipy.optimize

    levels = cells.levels
    if cells.n.sum() < 2:
        raise ValueError("a single row has no residual variance")
    origin = float(np.average(cells.mean, weights=cells.n))
    around = Cells(
        levels, cells.contributors, cells.n, cells.mean - origin, cells.sum_of_squares
    )
    profile = Profile(around)
    likelihood = Restricted(around)
    theta = np.zeros(0)
    converged = True
    if len(likelihood.random):
        start = likelihood.guess()
        # Also from small effects: the likelihood may have a maximum at none.
        found = [
            scipy.optimize.minimize(
                likelihood.deviance,
                np.clip(np.log(start * factor), LEAST + 1.0, MOST - 1.0),
                jac=True,
                method="L-BFGS-B",
                bounds=[(LEAST, MOST)] * len(start),
                options={"maxiter": options["max_iter"], "ftol": 1e-14, "gtol": 1e-9},
            )
            for factor in (1.0, 0.1)
        ]
        best = min(found, key=lambda result: result.fun)
        theta, converged = np.exp(best.x), _stationary(best)
        theta = _without_nothing(likelihood, theta)
    coefficients, residual, covariance = profile.solve(theta)

    # As uncentred means of all contributors, with the intercept in equal shares.
    k = levels.contributors
    spread = np.zeros((k, len(coefficients)))
    spread[:, 0] = 1.0 / levels.count
    spread[np.flatnonzero(profile.chosen), 1 + np.arange(len(coefficients) - 1)] = 1.0
    means = spread @ coefficients + origin / levels.count
    of_means, of_residual = None, np.nan
    # Where the components are not identified, only least squares has an error.
    with contextlib.suppress(np.linalg.LinAlgError):
        added, of_residual = profile.second_order(theta, residual)
        of_means = spread @ (covariance + 2.0 * added) @ spread.T
    none = np.full(k, np.nan)
    estimate, sd = estimands.linear(levels, means, of_means, none, None)
    sd = np.fmin(sd, _least_squares_errors(cells, residual))
    total = estimands.index(levels).where("total_variance")
    estimate[total] = residual
    sd[total] = np.sqrt(of_residual)
    components = profiles.components(levels, likelihood, theta)
    return Point(estimate, sd, converged=converged, components=components)


def _without_nothing(likelihood: Restricted, theta: Array) -> Array:
    """Take effects as none at all where that is as likely.

    Towards none the deviance is so flat that a search stops far from its bound.
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
    ones = np.ones(len(cells.n))
    covariance = residual * information.inverse(information.of_means(cells, ones), null)
    none = np.full(levels.contributors, np.nan)
    _, sd = estimands.linear(levels, none, covariance, none, None)
    lost = ~information.identified(cells) | (cells.n.sum() <= len(null) - null.shape[1])
    sd[lost & ~estimands.constant(levels)] = np.nan
    return sd


def _stationary(found: Any) -> bool:
    """Whether a search ended where it cannot go on: no slope but out of bounds.

    Its own verdict also complains of steps too small for the deviance's last digits.
    """
    slope = np.where(found.x < LEAST + 1e-6, np.minimum(found.jac, 0.0), found.jac)
    slope = np.where(found.x > MOST - 1e-6, np.maximum(slope, 0.0), slope)
    return bool(np.abs(slope).max() < 1e-5)
