"""Coordinates in which the posterior is close to a standard normal distribution.

The posterior of (intercept, mu, sigma^2) is far from normal: the data fix contrasts
and the total of the variances, and leave their allocation to levels to the prior and to
positivity. Coordinates z are fitted to each data set from a mode of its posterior and
the Fisher information there. They change how fast a sampler converges, not to what.

Two kinds, for the variances s = sigma^2:

``warped``
    s_k = kappa_k expm1((tau_k / kappa_k) softplus(u_k)) and u = centre + axes z.
    Linear in u up to the size kappa of the variances, so that ridges are straight;
    logarithmic below the noise tau and above kappa.
``floors``
    z gives the contrasts D_jk within a level, the total T and the logits of an
    allocation w. The sum of the levels' smallest variances is
    R = unit softplus((T + sum_j min_k D_jk) / unit), and
    s_jk = R w_j + D_jk - min_k D_jk. The likelihood does not depend on w.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import NDArray

from summands.model.cells import Cells
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.posterior import cell_density, density, mode
from summands.posterior.mode import Mode
from summands.posterior.records import pack

Array = NDArray[np.float64]

KINDS = ("warped", "floors")

# The floors of all levels must exceed the noise by this factor for "floors".
CLEAR = 3.0


@dataclass(frozen=True)
class Coordinates:
    """A map from z to coefficients, fitted to one data set.

    Parameters
    ----------
    levels : Levels
    kind : {"warped", "floors"}
    mean_centre : ndarray, shape (K + 1,)
        Intercept and mu at z = 0.
    mean_axes : ndarray, shape (K + 1, Q)
        How they change with the first Q = 1 + K - J coordinates.
    centre : ndarray, shape (K + 1,)
        u and a zero ("warped"), or contrasts and total ("floors"), at z = 0.
    axes : ndarray, shape (K + 1, A)
        How they change with the next A coordinates. "floors" has J - 1 more, which
        are the logits of the allocation.
    kappa, ratio : ndarray, shape (K,)
        Scales of the warp: kappa, and tau / kappa.
    unit : float
        Scale of the total floor.
    """

    levels: Levels
    kind: str
    mean_centre: Array
    mean_axes: Array
    centre: Array
    axes: Array
    kappa: Array
    ratio: Array
    unit: float

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        logits = self.levels.count - 1 if self.kind == "floors" else 0
        return self.mean_axes.shape[1] + self.axes.shape[1] + logits

    def coefficients(self, z: Array) -> tuple[Array, Array, Array]:
        """Map coordinates to coefficients.

        Parameters
        ----------
        z : ndarray, shape (..., D)

        Returns
        -------
        intercept : ndarray, shape (...)
        mu, variance : ndarray, shape (..., K)
        """
        q, a = self.mean_axes.shape[1], self.axes.shape[1]
        means = self.mean_centre + z[..., :q] @ self.mean_axes.T
        x = self.centre + z[..., q : q + a] @ self.axes.T
        if self.kind == "warped":
            variance = self.kappa * np.expm1(self.ratio * softplus(x[..., :-1]))
        else:
            variance = self._from_floors(x, z[..., q + a :])
        return means[..., 0], means[..., 1:], variance

    def _from_floors(self, x: Array, logits: Array) -> Array:
        contrasts = x[..., :-1]
        lowest = np.minimum.reduceat(contrasts, self.levels.offsets, axis=-1)
        floor = self.unit * softplus((x[..., -1] + lowest.sum(axis=-1)) / self.unit)
        logits = np.concatenate([logits, np.zeros((*logits.shape[:-1], 1))], axis=-1)
        share = scipy.special.softmax(logits, axis=-1)
        # The difference first: it is exactly zero for the lowest, whose floor would
        # else drown in the rounding of large contrasts.
        level = self.levels.level
        return (contrasts - lowest[..., level]) + (floor[..., None] * share)[..., level]

    def locate(self, intercept: Array, mu: Array, variance: Array) -> Array:
        """Map coefficients back to coordinates; see `coefficients`."""
        means = np.concatenate([np.asarray(intercept)[..., None], mu], axis=-1)
        first = (means - self.mean_centre) @ np.linalg.pinv(self.mean_axes).T
        if self.kind == "warped":
            u = softplus_inverse(np.log1p(variance / self.kappa) / self.ratio)
            x = np.concatenate([u, np.zeros((*u.shape[:-1], 1))], axis=-1)
            logits = np.zeros((*u.shape[:-1], 0))
        else:
            floors = np.minimum.reduceat(variance, self.levels.offsets, axis=-1)
            contrasts = self.levels.centre(variance)
            lowest = np.minimum.reduceat(contrasts, self.levels.offsets, axis=-1)
            floor = floors.sum(axis=-1)
            total = self.unit * softplus_inverse(floor / self.unit) - lowest.sum(-1)
            x = np.concatenate([contrasts, total[..., None]], axis=-1)
            logits = np.log(floors[..., :-1] / floors[..., -1:])
        second = (x - self.centre) @ np.linalg.pinv(self.axes).T
        return np.concatenate([first, second, logits], axis=-1)

    def packed(self, problem: Problem, cells: Cells) -> NDArray:
        """Lay out everything that `summands.posterior.density.log_density` reads.

        Returns
        -------
        ndarray of `summands.posterior.density.RECORD`, shape (1,)
        """
        levels = self.levels
        at_centre = self.mean_centre[1:] + np.where(
            levels.level == 0, self.mean_centre[0], 0.0
        )
        arrangement = cell_density.arrange(cells)
        return pack(
            density.RECORD,
            levels=levels.count,
            level=levels.level,
            floors=self.kind == "floors",
            mean_centre=self.mean_centre,
            mean_axes=self.mean_axes,
            centre=self.centre,
            axes=self.axes,
            kappa=self.kappa,
            ratio=self.ratio,
            unit=self.unit,
            intercept_mean=problem.intercept_mean,
            intercept_precision=problem.intercept_precision,
            mu_precision=problem.mu_precision,
            log_variance_mean=problem.log_variance_mean,
            log_variance_precision=problem.log_variance_precision,
            per_tile=arrangement.per_tile,
            prefix=arrangement.prefix,
            suffix=arrangement.suffix,
            n=arrangement.fill(cells.n.astype(float)),
            mean=arrangement.fill(cells.mean - at_centre[cells.members].sum(axis=1)),
            sum_of_squares=arrangement.fill(cells.sum_of_squares),
        )


def softplus(u: Array) -> Array:
    """log(1 + exp(u))."""
    return np.logaddexp(0.0, u)


def softplus_inverse(x: Array) -> Array:
    """Its inverse, for x > 0."""
    return x + np.log(-np.expm1(-x))


def fit(problem: Problem, cells: Cells, kind: str | None = None) -> Coordinates:
    """Fit coordinates to a data set.

    Parameters
    ----------
    problem : Problem
    cells : Cells
    kind : {"warped", "floors"}, optional
        By default "floors" where every level's smallest variance is clearly above the
        noise with which it is known, "warped" otherwise.

    Returns
    -------
    Coordinates
    """
    levels = problem.levels
    found = mode.find(problem, cells)
    kappa, tau = warp(found)
    if kind is None:
        clear = np.minimum.reduceat(found.variance / tau, levels.offsets)
        kind = "floors" if clear.min() > CLEAR and levels.count > 1 else "warped"
    build = _warped if kind == "warped" else _floors
    return build(problem, found, tau, kappa)


def warp(found: Mode) -> tuple[Array, Array]:
    """Scales kappa and tau of "warped", of each contributor."""
    known = np.maximum(found.rows, 1.0)
    tau = found.spread * np.sqrt(2.0 / known)
    half = np.sqrt(known / 2.0)
    return tau * half * (1.0 + 0.1 * half), tau


def unwarped(variance: Array, kappa: Array, tau: Array) -> Array:
    """Find u of "warped" for variances."""
    return softplus_inverse(np.log1p(variance / kappa) / (tau / kappa))


def _warped(problem: Problem, found: Mode, tau: Array, kappa: Array) -> Coordinates:
    ratio = tau / kappa
    u = unwarped(found.variance, kappa, tau)

    def variance(u: Array) -> Array:
        return kappa * np.expm1(ratio * softplus(u))

    def prior(u: Array) -> Array:
        s = variance(u)
        log_s = np.log(s)
        deviation = (log_s - problem.log_variance_mean) / problem.log_variance_sd
        return -0.5 * deviation**2 - log_s + np.log(s + kappa) - softplus(-u)

    slope = (found.variance + kappa) * ratio / (1.0 + np.exp(-u))
    step = 1e-3 * np.maximum(1.0, np.abs(u))
    bend = -(prior(u + step) - 2.0 * prior(u) + prior(u - step)) / step**2
    curvature = slope[:, None] * found.information * slope + np.diag(
        np.maximum(bend, 0.05)
    )
    axes = _whitening(curvature)
    return Coordinates(
        problem.levels,
        "warped",
        found.means,
        found.mean_root,
        np.append(u, 0.0),
        np.concatenate([axes, np.zeros((1, axes.shape[1]))]),
        kappa,
        ratio,
        1.0,
    )


def _floors(problem: Problem, found: Mode, tau: Array, kappa: Array) -> Coordinates:
    levels = problem.levels
    basis = mode.mean_basis(levels)
    # s = contrasts + level means; only the sum of those is informed, and the same
    # share for every level stands for it.
    spread = np.append(np.zeros(levels.contributors), 1.0)
    contrasts = np.concatenate([basis[1:, 1:], np.zeros((1, basis.shape[1] - 1))])
    span = np.concatenate([contrasts, spread[:, None]], axis=1)
    of_variance = span[:-1] + np.append(np.zeros(span.shape[1] - 1), 1.0 / levels.count)
    information = found.information + np.diag(
        problem.log_variance_precision / found.variance**2
    )
    axes = span @ _whitening(of_variance.T @ information @ of_variance)
    total = levels.level_means(found.variance).sum()
    return Coordinates(
        levels,
        "floors",
        found.means,
        found.mean_root,
        np.append(levels.centre(found.variance), total),
        axes,
        kappa,
        tau / kappa,
        float(np.sqrt((tau**2).min())),
    )


def _whitening(curvature: Array) -> Array:
    """Axes along which the curvature is one: V Lambda^-1/2 of V Lambda V'."""
    values, vectors = np.linalg.eigh(curvature)
    values = np.maximum(values, 1e-12 * values[-1])
    return vectors / np.sqrt(values)
