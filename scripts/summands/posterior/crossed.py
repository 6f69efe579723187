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
from summands.model.elimination import Elimination, cholesky
from summands.model.indicators import sums
from summands.model.problem import Problem
from summands.model.restricted import Restricted, Solution
from summands.posterior import crossed_density
from summands.posterior.records import pack

Array = NDArray[np.float64]

# How far the pilot's theta squared goes, in units of that where effects begin to be
# seen: where there are none, effects would not be numbers.
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

    # The module of the density, and the name of the coordinates.
    density = crossed_density
    kind = "crossed"

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
    around = replace(cells, mean=cells.mean - origin)
    likelihood = Restricted(around)
    # Theta squared where effects begin to be seen.
    seen = np.bincount(likelihood.of_level) / likelihood.rows
    theta, residual = components(likelihood, seen)
    if not estimated:
        least, most = np.sqrt([LEAST * seen, MOST * seen])
        theta = np.clip(problem.mu_sd / math.sqrt(residual), least, most)
    solution = likelihood.solve(theta)
    places = Places.of(likelihood)
    contributors = np.flatnonzero(likelihood.chosen)
    fields = {
        "largest": likelihood.apart,
        "levels": places.levels,
        "ends": places.ends,
        "size": float(len(likelihood.of_apart)),
        "n": likelihood.parts.diagonal,
        "rows": likelihood.rows,
        **priors(problem, origin, estimated),
        **scales(likelihood, theta, residual, estimated),
        **centred(likelihood, places, solution, theta, residual),
        **_compressed(likelihood.parts, places.order),
        **_residuals(likelihood, around, solution, places.order),
    }
    return Target(
        problem,
        fields,
        origin,
        likelihood.random,
        np.append(-1, contributors[likelihood.of_rest])[places.order],
        contributors[likelihood.of_apart],
    )


@dataclass(frozen=True)
class Places:
    """Places of intercept and rest: small levels first, parents before children.

    Parameters
    ----------
    order : ndarray of int, shape (R,)
        Of each place, that in `Restricted`.
    levels : ndarray of int
        The levels in this order, as places in `Restricted.random`.
    ends : ndarray of int
        Where they start and, last, end.
    """

    order: NDArray[np.int64]
    levels: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, likelihood: Restricted) -> Places:
        """Put them in order."""
        sizes = np.bincount(likelihood.of_level)
        levels = np.argsort(sizes, kind="stable")
        levels = levels[levels != likelihood.apart]
        own = likelihood.of_level[likelihood.of_rest]
        found = [np.zeros(1, np.int64), *(1 + np.flatnonzero(own == j) for j in levels)]
        ends = 1 + np.cumsum([0, *sizes[levels]])
        return cls(np.concatenate(found), levels, ends)


def priors(problem: Problem, origin: float, estimated: bool) -> dict[str, Any]:
    """Give the priors, and scales that are known."""
    mu_sd, centre = problem.mu_sd, problem.log_sigma_mean
    spread = problem.log_sigma_sd
    if estimated:
        assert problem.scales is not None
        mu_sd = problem.scales.mu_sd.scale
        centre = problem.scales.log_sigma_mean.mean
        spread = problem.scales.log_sigma_mean.sd
    varying = sum(size > 1 for size in problem.levels.sizes)
    return {
        "estimated": estimated,
        "tau": np.full(varying, problem.mu_sd),
        "tau_precision": mu_sd**-2,
        "intercept_precision": problem.intercept_precision,
        "intercept_mean": problem.intercept_mean - origin,
        # All levels' noise is in one.
        "log_sigma_mean": centre + 0.5 * math.log(problem.levels.count),
        "log_sigma_precision": spread**-2,
    }


def scales(
    likelihood: Restricted, theta: Array, residual: float, estimated: bool
) -> dict[str, Any]:
    """Give centres and rough standard errors of q and log sigma."""
    sizes = np.bincount(likelihood.of_level)
    unit = np.sqrt(residual * sizes / likelihood.rows)
    over = theta * math.sqrt(residual) / unit
    spread = np.minimum(np.sqrt(0.5 / (sizes - 1.0)) * (1.0 + 1.0 / over), 1.0)
    return {
        "unit": unit,
        "centre": np.append(
            np.arcsinh(over) if estimated else [], 0.5 * math.log(residual)
        ),
        "spread": np.append(
            spread if estimated else [], math.sqrt(0.5 / likelihood.rows)
        ),
    }


def centred(
    likelihood: Restricted,
    places: Places,
    solution: Solution,
    theta: Array,
    residual: float,
) -> dict[str, Any]:
    """Give what effects are centred with."""
    order = places.order
    d, w = likelihood.shrunk(float(theta[likelihood.apart]))
    left = likelihood.remaining(d, w)[np.ix_(order, order)]
    information, shares = _triangle(left, places.ends, theta[places.levels], residual)
    effects = solution.effects[likelihood.of_rest]
    pilot = np.append(solution.intercept, effects)[order]
    sizes = np.bincount(likelihood.of_level)[places.levels]
    tau = np.repeat(theta[places.levels] * math.sqrt(residual), sizes)
    best = np.append(0.0, (information[1:] + tau**-2.0) * pilot[1:])
    return {
        "average": np.append(1.0, np.repeat(1.0 / sizes, sizes)),
        "pilot": pilot,
        "information": information,
        "best": best,
        "shares": shares,
        "intercept_variance": max(
            1.0 / information[0] - (tau**2 / np.repeat(sizes, sizes) ** 2).sum(),
            residual / likelihood.rows,
        ),
    }


def _compressed(parts: Elimination, order: NDArray[np.int64]) -> dict[str, Any]:
    """Give the blocks of Z' diag(n) Z in compressed rows."""
    within = scipy.sparse.csr_array(parts.within[np.ix_(order, order)])
    # The intercept's column is n.
    between = scipy.sparse.csc_array(parts.between)[:, order[1:]].tocoo()
    rows = scipy.sparse.csr_array(
        (between.data, (between.row, between.col + 1)), shape=parts.between.shape
    )
    return {
        "own_starts": within.indptr.astype(np.int64),
        "own_columns": within.indices.astype(np.int64),
        "own_values": within.data,
        "starts": rows.indptr.astype(np.int64),
        "columns": rows.indices.astype(np.int64),
        "values": rows.data,
    }


def _residuals(
    likelihood: Restricted,
    cells: Cells,
    solution: Solution,
    order: NDArray[np.int64],
) -> dict[str, Any]:
    """Sum up the residuals of a pilot, and their squares."""
    effects = np.zeros(cells.levels.contributors)
    effects[likelihood.chosen] = solution.effects
    residual = cells.mean - solution.intercept - effects[cells.members].sum(axis=1)
    weighted = cells.n * residual
    of_all = sums(cells.members, weighted, len(effects))[likelihood.chosen]
    own = of_all[likelihood.of_apart]
    apart = likelihood.parts.diagonal * solution.effects[likelihood.of_apart]
    return {
        "right": np.append(weighted.sum(), of_all[likelihood.of_rest])[order],
        "sums": own,
        "full_sums": own + apart,
        "squares": float((cells.sum_of_squares + weighted * residual).sum()),
    }


def components(likelihood: Restricted, seen: Array) -> tuple[Array, float]:
    """Find theta and the residual variance of highest restricted likelihood."""
    bounds = 0.5 * np.log(np.stack([LEAST * seen, MOST * seen], axis=1))

    def deviance(log_theta: Array) -> tuple[float, Array]:
        value, slopes = likelihood.deviance(log_theta)
        return likelihood.freedom * value, likelihood.freedom * slopes

    found = scipy.optimize.minimize(
        deviance,
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
        root = cholesky(block + np.eye(end - start) / theta[j] ** 2)
        half = scipy.linalg.solve_triangular(root, across, lower=True)
        left[:start, :start] -= half.T @ half
        # With what siblings share: an intercept moves all of them against it.
        moved = scipy.linalg.solve_triangular(root, half, lower=True, trans=1)
        precision = information[start:end] + theta[j] ** -2.0 / residual
        shares.append((precision[:, None] * moved).ravel())
    information[0] = left[0, 0] / residual
    return information, np.concatenate([*shares[::-1], np.zeros(0)])
