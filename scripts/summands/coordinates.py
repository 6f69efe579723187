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

import numba
import numpy as np
import scipy.linalg
import scipy.special
from numpy.typing import NDArray

from summands import cell_kernel, kernel
from summands.cells import Cells
from summands.fitting import Problem
from summands.levels import Levels

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
            variance = self.kappa * np.expm1(self.ratio * _softplus(x[..., :-1]))
        else:
            variance = self._from_floors(x, z[..., q + a :])
        return means[..., 0], means[..., 1:], variance

    def _from_floors(self, x: Array, logits: Array) -> Array:
        contrasts = x[..., :-1]
        lowest = np.minimum.reduceat(contrasts, self.levels.offsets, axis=-1)
        floor = self.unit * _softplus((x[..., -1] + lowest.sum(axis=-1)) / self.unit)
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
            u = _softplus_inverse(np.log1p(variance / self.kappa) / self.ratio)
            x = np.concatenate([u, np.zeros((*u.shape[:-1], 1))], axis=-1)
            logits = np.zeros((*u.shape[:-1], 0))
        else:
            floors = np.minimum.reduceat(variance, self.levels.offsets, axis=-1)
            contrasts = self.levels.centre(variance)
            lowest = np.minimum.reduceat(contrasts, self.levels.offsets, axis=-1)
            floor = floors.sum(axis=-1)
            total = self.unit * _softplus_inverse(floor / self.unit) - lowest.sum(-1)
            x = np.concatenate([contrasts, total[..., None]], axis=-1)
            logits = np.log(floors[..., :-1] / floors[..., -1:])
        second = (x - self.centre) @ np.linalg.pinv(self.axes).T
        return np.concatenate([first, second, logits], axis=-1)

    def packed(
        self, problem: Problem, cells: Cells
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Lay out everything that `summands.kernel.log_density` reads.

        Returns
        -------
        integers, floats : ndarray
        """
        levels = self.levels
        at_centre = self.mean_centre[1:] + np.where(
            levels.level == 0, self.mean_centre[0], 0.0
        )
        arrangement = cell_kernel.arrange(cells)
        scalars = np.array(
            [
                problem.intercept_sd**-2,
                problem.mu_sd**-2,
                2.0 * problem.log_sigma_mean,
                (2.0 * problem.log_sigma_sd) ** -2,
                self.unit,
            ]
        )
        floats = [
            arrangement.fill(cells.n.astype(float)),
            arrangement.fill(cells.mean - at_centre[cells.members].sum(axis=1)),
            arrangement.fill(cells.sum_of_squares),
            self.mean_centre,
            self.mean_axes,
            self.centre,
            self.axes,
            np.concatenate([self.kappa, self.ratio]),
            scalars,
        ]
        integers = [arrangement.prefix, arrangement.suffix, levels.level]
        head = np.zeros(kernel.HEADER, dtype=np.int64)
        head[kernel.LEVELS] = levels.count
        head[kernel.CONTRIBUTORS] = levels.contributors
        head[kernel.PER_TILE] = arrangement.per_tile
        head[kernel.PREFIXES : kernel.SUFFIXES] = arrangement.prefix.shape
        head[kernel.SUFFIXES : kernel.TILES] = arrangement.suffix.shape
        head[kernel.TILES : kernel.WIDTH + 1] = arrangement.shape
        head[kernel.MEANS] = self.mean_axes.shape[1]
        head[kernel.KIND] = kernel.WARPED if self.kind == "warped" else kernel.FLOORS
        head[kernel.AXES] = self.axes.shape[1]
        head[kernel.O_PREFIX : kernel.O_LEVEL + 1] = kernel.HEADER + _starts(integers)
        head[kernel.O_N : kernel.O_SCALARS + 1] = _starts(floats)
        return (
            np.concatenate([head, *(part.ravel() for part in integers)]),
            np.concatenate([part.ravel() for part in floats]),
        )


def _starts(parts: list[NDArray]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum([part.size for part in parts])[:-1]])


def _softplus(u: Array) -> Array:
    return np.logaddexp(0.0, u)


def _softplus_inverse(x: Array) -> Array:
    return x + np.log(-np.expm1(-x))


@dataclass(frozen=True)
class Mode:
    """A mode of the posterior of (intercept, mu, log sigma^2), and what is known there.

    Parameters
    ----------
    means : ndarray, shape (K + 1,)
        Intercept and mu.
    mean_root : ndarray, shape (K + 1, Q)
        R with R R' the covariance of the means.
    variance : ndarray, shape (K,)
    information : ndarray, shape (K, K)
        Fisher information of the variances in the data.
    rows : ndarray, shape (K,)
        Rows of each contributor.
    spread : ndarray, shape (K,)
        Mean variance of the rows of each contributor.
    """

    means: Array
    mean_root: Array
    variance: Array
    information: Array
    rows: Array
    spread: Array


def find_mode(problem: Problem, cells: Cells, iterations: int = 60) -> Mode:
    """Find a mode by weighted least squares alternating with Fisher scoring.

    Means given variances are a weighted ridge regression; variances given means are
    found in log s with the expected information 1/2 Z' diag(n / v^2) Z, each step
    halved until the density does not fall.

    Parameters
    ----------
    problem : Problem
    cells : Cells
    iterations : int, optional
        Rounds, at the most.

    Returns
    -------
    Mode
    """
    levels = problem.levels
    members, k = cells.members, levels.contributors
    n = cells.n.astype(float)
    rows = _sums(members, n, k)
    basis = mean_basis(levels)
    prior_scales = np.append(problem.intercept_sd, np.full(k, problem.mu_sd))
    prior = basis.T @ (basis / prior_scales[:, None] ** 2)
    # The intercept's column of the design matrix is the sum of those of level 0.
    with_intercept = np.concatenate([(levels.level == 0)[:, None], np.eye(k)], axis=1)
    to_basis = with_intercept @ basis
    log_mean = 2.0 * problem.log_sigma_mean
    log_precision = (2.0 * problem.log_sigma_sd) ** -2
    # Values far from zero would cost the residuals their digits.
    origin = np.average(cells.mean, weights=n)

    def regress(v: Array) -> tuple[Array, Array, Array]:
        weight = n / v
        precision = to_basis.T @ _gram(members, weight, k) @ to_basis + prior
        target = to_basis.T @ _sums(members, weight * (cells.mean - origin), k)
        target[0] -= origin / problem.intercept_sd**2
        root = scipy.linalg.cholesky(precision, lower=True)
        beta = scipy.linalg.cho_solve((root, True), target)
        fitted = (to_basis @ beta)[members].sum(axis=1)
        residual = cells.sum_of_squares + n * (cells.mean - origin - fitted) ** 2
        return beta, root, residual

    def density(log_s: Array, residual: Array) -> float:
        v = np.exp(log_s)[members].sum(axis=1)
        likelihood = -0.5 * (n * np.log(v) + residual / v).sum()
        return likelihood - 0.5 * log_precision * ((log_s - log_mean) ** 2).sum()

    _, _, residual = regress(np.full(len(n), max(np.var(cells.mean), 1e-300)))
    total = max(residual.sum() / n.sum(), 1e-280)
    spread = np.where(
        rows > 0, _sums(members, residual, k) / np.maximum(rows, 1), total
    )
    log_s = np.log(np.maximum(spread, 1e-3 * total) / levels.count)
    for _ in range(iterations):
        s = np.exp(log_s)
        v = s[members].sum(axis=1)
        _, _, residual = regress(v)
        pull = log_precision * (log_s - log_mean)
        slope = s * _sums(members, 0.5 * (residual / v - n) / v, k) - pull
        information = 0.5 * _gram(members, n / v**2, k)
        curvature = s[:, None] * information * s + log_precision * np.eye(k)
        step = scipy.linalg.solve(curvature, slope, assume_a="pos")
        step *= min(1.0, 3.0 / np.abs(step).max(initial=1e-300))
        before = density(log_s, residual)
        while density(log_s + step, residual) < before and np.abs(step).max() > 1e-9:
            step *= 0.5
        log_s = log_s + step
        if np.abs(step).max() < 1e-6:
            break
    s = np.exp(log_s)
    v = s[members].sum(axis=1)
    beta, root, _ = regress(v)
    means = basis @ beta
    means[0] += origin
    # precision = L L', so its inverse is (B L'^-1) (B L'^-1)' in intercept and mu.
    mean_root = scipy.linalg.solve_triangular(root, basis.T, lower=True).T
    return Mode(
        means,
        mean_root,
        s,
        0.5 * _gram(members, n / v**2, k),
        rows,
        np.where(rows > 0, _sums(members, n * v, k) / np.maximum(rows, 1), v.mean()),
    )


@numba.njit(cache=True)
def _gram(members: NDArray[np.int64], weight: Array, count: int) -> Array:
    """Z' diag(weight) Z, for the members of the cells, shape (K, K)."""
    gram = np.zeros((count, count))
    for c in range(len(members)):
        for i in range(members.shape[1]):
            for j in range(members.shape[1]):
                gram[members[c, i], members[c, j]] += weight[c]
    return gram


@numba.njit(cache=True)
def _sums(members: NDArray[np.int64], weight: Array, count: int) -> Array:
    """Z' weight, shape (K,)."""
    sums = np.zeros(count)
    for c in range(len(members)):
        for j in range(members.shape[1]):
            sums[members[c, j]] += weight[c]
    return sums


def mean_basis(levels: Levels) -> Array:
    """Orthonormal basis of (intercept, mu) with sum-to-zero mu, shape (K + 1, Q)."""
    blocks = [np.ones((1, 1))]
    blocks += [scipy.linalg.helmert(size).T for size in levels.sizes]
    return scipy.linalg.block_diag(*blocks)


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
    mode = find_mode(problem, cells)
    known = np.maximum(mode.rows, 1.0)
    tau = mode.spread * np.sqrt(2.0 / known)
    if kind is None:
        clear = np.minimum.reduceat(mode.variance / tau, levels.offsets)
        kind = "floors" if clear.min() > CLEAR and levels.count > 1 else "warped"
    half = np.sqrt(known / 2.0)
    kappa = tau * half * (1.0 + 0.1 * half)
    build = _warped if kind == "warped" else _floors
    return build(problem, mode, tau, kappa)


def _warped(problem: Problem, mode: Mode, tau: Array, kappa: Array) -> Coordinates:
    ratio = tau / kappa
    u = _softplus_inverse(np.log1p(mode.variance / kappa) / ratio)

    def variance(u: Array) -> Array:
        return kappa * np.expm1(ratio * _softplus(u))

    def prior(u: Array) -> Array:
        s = variance(u)
        log_s = np.log(s)
        deviation = (log_s - 2.0 * problem.log_sigma_mean) / (
            2.0 * problem.log_sigma_sd
        )
        return -0.5 * deviation**2 - log_s + np.log(s + kappa) - _softplus(-u)

    slope = (mode.variance + kappa) * ratio / (1.0 + np.exp(-u))
    step = 1e-3 * np.maximum(1.0, np.abs(u))
    bend = -(prior(u + step) - 2.0 * prior(u) + prior(u - step)) / step**2
    curvature = slope[:, None] * mode.information * slope + np.diag(
        np.maximum(bend, 0.05)
    )
    axes = _whitening(curvature)
    return Coordinates(
        problem.levels,
        "warped",
        mode.means,
        mode.mean_root,
        np.append(u, 0.0),
        np.concatenate([axes, np.zeros((1, axes.shape[1]))]),
        kappa,
        ratio,
        1.0,
    )


def _floors(problem: Problem, mode: Mode, tau: Array, kappa: Array) -> Coordinates:
    levels = problem.levels
    basis = mean_basis(levels)
    # s = contrasts + level means; only the sum of those is informed, and the same
    # share for every level stands for it.
    spread = np.append(np.zeros(levels.contributors), 1.0)
    contrasts = np.concatenate([basis[1:, 1:], np.zeros((1, basis.shape[1] - 1))])
    span = np.concatenate([contrasts, spread[:, None]], axis=1)
    of_variance = span[:-1] + np.append(np.zeros(span.shape[1] - 1), 1.0 / levels.count)
    log_precision = (2.0 * problem.log_sigma_sd) ** -2
    information = mode.information + np.diag(log_precision / mode.variance**2)
    axes = span @ _whitening(of_variance.T @ information @ of_variance)
    total = levels.level_means(mode.variance).sum()
    return Coordinates(
        levels,
        "floors",
        mode.means,
        mode.mean_root,
        np.append(levels.centre(mode.variance), total),
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
