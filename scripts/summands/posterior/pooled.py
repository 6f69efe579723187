"""Coordinates of posteriors whose means are integrated out.

Two posteriors: of variances and scales (`posterior.pooled_density`), and of one noise
(`posterior.constant_density`). Both are sampled in coordinates z that are whitened at
a mode: x = centre + axes z, with axes from the curvature there. They change how fast a
sampler converges, not to what.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from summands.model.cells import Cells
from summands.model.problem import Problem
from summands.posterior import (
    allocation,
    constant_density,
    coordinates,
    effects,
    level_prior,
    mode,
    pooled_density,
)
from summands.posterior.effects import Layout
from summands.posterior.mode import Mode
from summands.posterior.records import pack

Array = NDArray[np.float64]

# Curvatures below this, in coordinates whose unit is the noise of a variance or of a
# mean, say that the data tell nothing, and the prior not much.
FLATTEST = 0.05

# The more contributors a level has, the stronger the funnel in their log sigmas: from
# MANY on, the spread is integrated out only where the data tell it apart from zero. For
# that its square is to be CLEAR times the variance of a log sigma in the data.
MANY, CLEAR = 16, 8.0

# Iterations of the search for the mode: coordinates need no more.
ITERATIONS = 200


@dataclass(frozen=True)
class Target:
    """A density and its coordinates, fitted to one data set.

    Parameters
    ----------
    problem : Problem
    cells : Cells
    layout : Layout
    fields : dict
        What the density reads, but for centre and axes.
    origin : float
        What values are taken relative to: far from zero they would lose digits.
    constant : bool
        Whether all rows have one noise.
    centre : ndarray, shape (D,)
    axes : ndarray, shape (D, D)
    """

    problem: Problem
    cells: Cells
    layout: Layout
    fields: dict[str, Any]
    origin: float
    constant: bool
    centre: Array
    axes: Array

    @property
    def density(self) -> Any:
        """The module of the density."""
        return constant_density if self.constant else pooled_density

    @property
    def kind(self) -> str:
        """Name of the coordinates."""
        if self.constant:
            return "constant"
        return "integrated" if self.fields["integrated"] else "non-centred"

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        return len(self.centre)

    def packed(self) -> NDArray:
        """Lay out everything that the density reads, shape (1,)."""
        return pack(
            self.density.RECORD, centre=self.centre, axes=self.axes, **self.fields
        )

    def coefficients(self, z: Array) -> tuple[Array, Array]:
        """Map coordinates to variances and scales.

        Parameters
        ----------
        z : ndarray, shape (..., D)

        Returns
        -------
        variance : ndarray, shape (..., K)
        tau : ndarray, shape (..., V)
            Of the levels of more than one contributor.
        """
        x = self.centre + z @ self.axes.T
        levels = self.problem.levels
        unit = self.fields["unit"]
        if not self.constant:
            free = x.shape[-1] - len(unit)
            tau = unit * np.abs(np.sinh(x[..., free:]))
            return self._variance(x[..., :free]), tau
        variance = np.zeros((*x.shape[:-1], levels.contributors))
        variance[..., levels.level == 0] = np.exp(2.0 * x[..., -1:])
        if x.shape[-1] > 1:
            return variance, unit * np.abs(np.sinh(x[..., :-1]))
        return variance, np.broadcast_to(
            self.fields["tau"], (*x.shape[:-1], len(unit))
        ).copy()

    def _variance(self, x: Array) -> Array:
        levels = self.problem.levels
        count = levels.contributors
        if self.fields["integrated"]:
            grown = np.expm1(self.fields["ratio"] * coordinates.softplus(x))
            return self.fields["kappa"] * grown
        m0, s0, a, b = self.fields["of_levels"]
        centre = m0 + s0 * x[..., count : count + levels.count]
        spread = np.exp(a + b * x[..., count + levels.count :])
        log_sigma = (
            centre[..., levels.level] + spread[..., levels.level] * x[..., :count]
        )
        return np.exp(2.0 * log_sigma)

    def locate(self, variance: Array, tau: Array) -> Array:
        """Map variances and scales back to coordinates, where these are just those."""
        ratio = np.log1p(variance / self.fields["kappa"]) / self.fields["ratio"]
        u = coordinates.softplus_inverse(ratio)
        q = np.arcsinh(tau / self.fields["unit"])
        x = np.concatenate([u, q], axis=-1)
        return np.linalg.solve(self.axes, (x - self.centre).T).T

    def start(self, seed: int) -> Array:
        """Draw a starting point, dispersed along the ridges as well."""
        z = np.random.default_rng(seed).normal(size=self.dimension)
        if self.constant or not self.fields["integrated"]:
            return z
        variance, tau = self.coefficients(z)
        moved = self.locate(
            allocation.mix(self.problem, variance, seed, pooled=True), tau
        )
        return moved if np.isfinite(moved).all() else z


def fit(
    problem: Problem,
    cells: Cells,
    estimated: bool,
    constant: bool,
    integrated: bool | None = None,
) -> Target:
    """Fit coordinates to a data set.

    Parameters
    ----------
    problem : Problem
        Its `scales` where they are estimated.
    cells : Cells
    estimated : bool
        Whether the scales are estimated; only if so, or with constant noise, are the
        means integrated out.
    constant : bool
        Whether all rows have one noise.
    integrated : bool, optional
        Whether the centre and the spread of log sigma are integrated out as well; by
        default where no level has many contributors that seem alike.

    Returns
    -------
    Target

    Raises
    ------
    FloatingPointError
        See `summands.posterior.mode.find`.
    """
    layout = Layout.of(cells)
    levels = problem.levels
    origin = float(np.average(cells.mean, weights=cells.n))
    weak = problem
    if estimated:
        assert problem.scales is not None
        weak = replace(
            problem,
            mu_sd=problem.scales.mu_sd.scale,
            log_sigma_mean=problem.scales.log_sigma_mean.mean,
            log_sigma_sd=1.0,
        )
    found = mode.find(weak, cells)
    known = np.maximum(found.rows, 1.0)
    tau = np.array(
        [
            np.sqrt(np.mean(found.means[1:][levels.level == j] ** 2))
            for j in layout.varying
        ]
    )
    unit = np.array(
        [
            np.sqrt(np.mean((found.spread / known)[levels.level == j]))
            for j in layout.varying
        ]
    )
    q = np.arcsinh(np.maximum(tau / unit, 1.0))
    fields: dict[str, Any] = {
        "unit": unit,
        "tau_precision": weak.mu_sd**-2,
        "intercept_precision": problem.intercept_precision,
        "intercept_mean": problem.intercept_mean - origin,
        "largest": layout.largest,
        "eliminated": layout.eliminated,
        "rest": layout.rest,
        "of_rest": layout.of_rest,
        "average": layout.average,
        "n": cells.n.astype(float),
        "mean": cells.mean - origin,
    }
    if constant:
        start = 0.5 * math.log(np.average(found.spread, weights=found.rows))
        x = np.append(q if estimated else [], start)
        fields |= _of_constant(problem, cells, layout, estimated, fields)
    else:
        if integrated is None:
            integrated = _told_apart(problem, found)
        kappa, noise = coordinates.warp(found)
        prior = level_prior.of(problem)
        x = coordinates.unwarped(found.variance, kappa, noise)
        if not integrated:
            x = np.zeros(levels.contributors + 2 * levels.count)
        x = np.concatenate([x, q])
        fields |= {
            "integrated": integrated,
            "ends": np.append(levels.offsets, levels.contributors),
            "kappa": kappa,
            "ratio": noise / kappa,
            "of_levels": prior,
            "size": layout.size,
            "members": cells.members,
            "sum_of_squares": cells.sum_of_squares,
        }
    plain = Target(problem, cells, layout, fields, origin, constant, x, np.eye(len(x)))
    if constant or integrated:
        return _whitened(plain)
    # Here the density's mode may be a spike of no mass, where wide spreads let the
    # means of some cells fit without error. The prior's units are near the posterior's
    # where the data tell little, and chains start all over the prior.
    return plain


def _told_apart(problem: Problem, found: Mode) -> bool:
    """Whether the data tell the contributors of all large levels apart."""
    levels = problem.levels
    many = np.asarray(levels.sizes) >= MANY
    spread = levels.level_means(levels.centre(0.5 * np.log(found.variance)) ** 2)
    # The Fisher information of log sigma.
    precision = 4.0 * found.variance**2 * np.diag(found.information)
    return bool((spread * levels.level_means(precision) > CLEAR)[many].all())


def _of_constant(
    problem: Problem,
    cells: Cells,
    layout: Layout,
    estimated: bool,
    fields: dict[str, Any],
) -> dict[str, Any]:
    size, count = layout.size, len(layout.of_rest)
    gram = {
        "d": np.empty(size),
        "cross": np.empty((count, size)),
        "square": np.empty((count, count)),
        "of_e": np.empty(size),
        "of_r": np.empty(count),
    }
    effects.gather(
        layout.eliminated,
        layout.rest,
        fields["n"],
        fields["mean"],
        size > 0,
        *gram.values(),
    )
    centre, spread = problem.log_sigma_mean, problem.log_sigma_sd
    if estimated:
        assert problem.scales is not None
        centre = problem.scales.log_sigma_mean.mean
        spread = problem.scales.log_sigma_mean.sd
    return gram | {
        "tau": np.full(len(layout.varying), problem.mu_sd),
        # All levels' noise is in one.
        "log_sigma_mean": centre + 0.5 * math.log(problem.levels.count),
        "log_sigma_precision": spread**-2,
        "rows": float(cells.n.sum()),
        "sum_of_squares": float(cells.sum_of_squares.sum()),
    }


def _whitened(plain: Target) -> Target:
    """Go to the mode, and take the unit of each direction from the curvature there."""
    record = plain.packed()
    log_density: Callable[..., float] = plain.density.log_density

    def negative(x: Array) -> tuple[float, Array]:
        gradient = np.empty_like(x)
        value = log_density(x, gradient, record)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return np.inf, np.zeros_like(x)
        return -value, -gradient

    found = scipy.optimize.minimize(
        negative,
        np.zeros(plain.dimension),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": ITERATIONS},
    )
    steps = 1e-4 * np.eye(plain.dimension)
    bent = np.stack(
        [
            (negative(found.x + step)[1] - negative(found.x - step)[1]) / 2e-4
            for step in steps
        ]
    )
    values, vectors = np.linalg.eigh(0.5 * (bent + bent.T))
    return replace(
        plain,
        centre=plain.centre + found.x,
        axes=vectors / np.sqrt(np.maximum(values, FLATTEST)),
    )
