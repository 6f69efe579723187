"""Coordinates of `posterior.crossed_density`, for tables of many contributors.

They come from a pilot: the components of highest restricted likelihood and the
predictions at these (`model.restricted`). They change how fast a sampler converges, not
to what.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.sparse
from numpy.typing import NDArray

from summands.model.cells import Cells
from summands.model.elimination import cholesky
from summands.model.problem import Problem
from summands.model.restricted import Restricted
from summands.posterior import crossed_density
from summands.posterior.records import pack

Array = NDArray[np.float64]

# Theta squared times the rows of a contributor, below which the pilot does not go: its
# effects are what their scale is learnt from.
LEAST, MOST = 0.01, 1e12

# Iterations of the search for the components: coordinates need no more.
ITERATIONS = 50


@dataclass(frozen=True)
class Target:
    """A density and its coordinates, fitted to one data set.

    Parameters
    ----------
    problem : Problem
    fields : dict
        What the density reads.
    origin : float
        What values are taken relative to: far from zero they would lose digits.
    varying : ndarray of int, shape (V,)
        Levels of more than one contributor.
    rest, apart : ndarray of int, shapes (R,) and (E,)
        Contributor of each place, -1 of the intercept, and of the largest level.
    """

    problem: Problem
    fields: dict[str, Any]
    origin: float
    varying: NDArray[np.int64]
    rest: NDArray[np.int64]
    apart: NDArray[np.int64]

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        return len(self.fields["centre"]) + len(self.rest)

    def packed(self) -> NDArray:
        """Lay out everything that the density reads, shape (1,)."""
        return pack(crossed_density.RECORD, **self.fields)

    def start(self, seed: int) -> Array:
        """Draw a starting point."""
        return np.random.default_rng(seed).normal(size=self.dimension)


def fit(problem: Problem, cells: Cells, estimated: bool) -> Target:
    """Fit coordinates to a data set.

    Parameters
    ----------
    problem : Problem
        Its `scales` where they are estimated.
    cells : Cells
        Of at least one level of more than one contributor.
    estimated : bool
        Whether the scales are estimated.

    Returns
    -------
    Target
    """
    origin = float(np.average(cells.mean, weights=cells.n))
    likelihood = Restricted(replace(cells, mean=cells.mean - origin))
    rows = likelihood.rows
    typical = np.bincount(likelihood.of_level) / rows
    theta, residual = _components(likelihood, typical)
    if not estimated:
        theta = np.clip(
            np.full(len(theta), problem.mu_sd) / math.sqrt(residual),
            *np.sqrt([LEAST * typical, MOST * typical]),
        )
    solution = likelihood.solve(theta)
    tau = theta * math.sqrt(residual)

    # Places of the rest, small levels first: parents before children.
    sizes = np.bincount(likelihood.of_level)
    others = np.delete(np.arange(len(sizes)), likelihood.apart)
    others = others[np.argsort(sizes[others], kind="stable")]
    own = likelihood.of_level[likelihood.of_rest]
    order = np.concatenate(
        [[0], *(1 + np.flatnonzero(own == j) for j in others)]
    ).astype(np.int64)
    ends = 1 + np.concatenate([[0], np.cumsum(sizes[others])]).astype(np.int64)
    of_place = np.append(-1, own)[order][1:]

    parts = likelihood.parts
    d, w = likelihood.shrunk(float(theta[likelihood.apart]))
    left = likelihood.remaining(d, w)[np.ix_(order, order)]
    information, shares = _triangle(left, ends, theta[others], residual)
    pilot = np.append(solution.intercept, solution.effects[likelihood.of_rest])[order]
    best = np.zeros(len(pilot))
    best[1:] = (information[1:] + tau[of_place] ** -2.0) * pilot[1:]

    apart = solution.effects[likelihood.of_apart]
    placed = np.empty(len(order), np.int64)
    placed[order] = np.arange(len(order))
    fields = _residuals(likelihood, cells, origin, solution.intercept, solution.effects)
    within = scipy.sparse.csr_array(parts.within[np.ix_(order, order)])
    between = scipy.sparse.csr_array(parts.between)[:, order]
    between = scipy.sparse.csr_array(between)
    # The intercept's column is n.
    between = between - scipy.sparse.csr_array(
        (parts.diagonal, (np.arange(len(apart)), np.zeros(len(apart), int))),
        shape=between.shape,
    )
    between.eliminate_zeros()
    fields["right"] = fields["right"][order]
    centre_of_noise, spread_of_noise = problem.log_sigma_mean, problem.log_sigma_sd
    precision = problem.mu_sd**-2
    if estimated:
        assert problem.scales is not None
        centre_of_noise = problem.scales.log_sigma_mean.mean
        spread_of_noise = problem.scales.log_sigma_mean.sd
        precision = problem.scales.mu_sd.scale**-2
    # What scales are to be seen beside.
    seen = np.sqrt(residual * typical)
    centre = np.arcsinh(tau / seen)
    spread = np.sqrt(0.5 / (sizes - 1.0)) * (1.0 + seen / tau)
    noise = [0.5 * math.log(residual)], [math.sqrt(0.5 / rows)]
    fields |= {
        "centre": np.append(centre if estimated else [], noise[0]),
        "spread": np.append(np.minimum(spread, 1.0) if estimated else [], noise[1]),
        "unit": seen,
        "tau": np.full(len(sizes), problem.mu_sd),
        "tau_precision": precision,
        "intercept_precision": problem.intercept_precision,
        "intercept_mean": problem.intercept_mean - origin,
        # All levels' noise is in one.
        "log_sigma_mean": centre_of_noise + 0.5 * math.log(problem.levels.count),
        "log_sigma_precision": spread_of_noise**-2,
        "largest": likelihood.apart,
        "levels": others.astype(np.int64),
        "ends": ends,
        "average": np.append(1.0, 1.0 / sizes[of_place]),
        "size": float(len(apart)),
        "pilot": pilot,
        "information": information,
        "best": best,
        "shares": shares,
        "intercept_spread": 1.0 / math.sqrt(information[0]),
        "own_starts": within.indptr.astype(np.int64),
        "own_columns": within.indices.astype(np.int64),
        "own_values": within.data,
        "starts": between.indptr.astype(np.int64),
        "columns": between.indices.astype(np.int64),
        "values": between.data,
        "n": parts.diagonal,
        "full_sums": fields["sums"] + parts.diagonal * apart,
        "rows": rows,
    }
    contributors = np.flatnonzero(likelihood.chosen)
    return Target(
        problem,
        fields,
        origin,
        likelihood.random,
        np.append(-1, contributors[likelihood.of_rest])[order],
        contributors[likelihood.of_apart],
    )


def _components(likelihood: Restricted, typical: Array) -> tuple[Array, float]:
    """Find theta and the residual variance of highest restricted likelihood."""
    bounds = 0.5 * np.log(np.stack([LEAST * typical, MOST * typical], axis=1))
    found = scipy.optimize.minimize(
        lambda log_theta: [
            likelihood.rows * part for part in likelihood.deviance(log_theta)
        ],
        np.clip(np.log(likelihood.guess()), *bounds.T),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": ITERATIONS, "gtol": 0.1},
    )
    theta = np.exp(found.x)
    return theta, likelihood.residual(likelihood.solve(theta))


def _triangle(
    left: Array, ends: NDArray[np.int64], theta: Array, residual: float
) -> tuple[Array, Array]:
    """Compute i_k and i_kp, eliminating level after level from the largest on.

    Parameters
    ----------
    left : ndarray, shape (R, R)
        What is left of Z' diag(n) Z without the level apart; is overwritten.
    ends : ndarray of int
        Where the levels start and, last, end.
    theta : ndarray
        Of these levels.
    residual : float
    """
    information = np.empty(len(left))
    shares = []
    for j in range(len(theta) - 1, -1, -1):
        start, end = ends[j], ends[j + 1]
        block = left[start:end, start:end]
        information[start:end] = np.maximum(np.diag(block), 0.0) / residual
        across = left[start:end, :start]
        shares.append(across.ravel() / residual)
        root = cholesky(block + np.eye(end - start) / theta[j] ** 2)
        half = scipy.linalg.solve_triangular(root, across, lower=True)
        left[:start, :start] -= half.T @ half
    information[0] = left[0, 0] / residual
    return information, np.concatenate([*shares[::-1], np.zeros(0)])


def _residuals(
    likelihood: Restricted,
    cells: Cells,
    origin: float,
    intercept: float,
    effects: Array,
) -> dict[str, Any]:
    """Sum up the residuals of a pilot, and their squares."""
    of_cells = np.zeros(cells.levels.contributors)
    of_cells[likelihood.chosen] = effects
    residual = cells.mean - origin - intercept - of_cells[cells.members].sum(axis=1)
    weighted = cells.n * residual
    sums = np.zeros(cells.levels.contributors)
    for column in cells.members.T:
        sums += np.bincount(column, weighted, len(sums))
    sums = sums[likelihood.chosen]
    return {
        "right": np.append(weighted.sum(), sums[likelihood.of_rest]),
        "sums": sums[likelihood.of_apart],
        "squares": float((cells.sum_of_squares + weighted * residual).sum()),
    }
