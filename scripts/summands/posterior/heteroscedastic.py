"""Coordinates of `posterior.heteroscedastic_density`, for many contributors.

They come from a pilot: the components of highest restricted likelihood and the
predictions at these (`model.restricted`), with rows weighted by what a few rounds of
Fisher scoring say of their variances. They change how fast a sampler converges, not to
what.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from summands.model.cells import Cells
from summands.model.indicators import sums
from summands.model.problem import Problem
from summands.model.restricted import Restricted, Solution
from summands.posterior import crossed, heteroscedastic_density, level_prior
from summands.posterior.records import pack

Array = NDArray[np.float64]

# How often effects and variances are found anew, and rounds of scoring each time.
ROUNDS, SWEEPS = 2, 30

# Cells in a tile, about: what passes through stays in the first-level cache.
TILE = 512


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
    """

    problem: Problem
    fields: dict[str, Any]
    origin: float
    varying: NDArray[np.int64]

    # The module of the density, and the name of the coordinates.
    density = heteroscedastic_density
    kind = "heteroscedastic"

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        contrasts = self.problem.levels.contributors - self.problem.levels.count
        hyper = len(self.fields["centre"]) + len(self.fields["noise_centre"])
        return hyper + len(self.fields["pilot"]) + contrasts

    def packed(self) -> NDArray:
        """Lay out everything that the density reads, shape (1,)."""
        return pack(heteroscedastic_density.RECORD, **self.fields)

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
    prior = of_levels(problem, estimated)
    found = _Noise.start(around, prior, estimated)
    for _ in range(ROUNDS):
        weight = 1.0 / found.of_rows(around)
        weight *= cells.n.sum() / (cells.n @ weight)
        # Rows count as much as they tell.
        likelihood = Restricted(around, weight)
        seen = np.bincount(likelihood.of_level) / likelihood.rows
        theta, residual = crossed.components(likelihood, seen)
        if not estimated:
            least, most = np.sqrt([crossed.LEAST * seen, crossed.MOST * seen])
            theta = np.clip(problem.mu_sd / math.sqrt(residual), least, most)
        solution = likelihood.solve(theta)
        effects = np.zeros(cells.levels.contributors)
        effects[likelihood.chosen] = solution.effects
        fitted = solution.intercept + effects[cells.members].sum(axis=1)
        squares = cells.sum_of_squares + cells.n * (around.mean - fitted) ** 2
        # What the fit took away of them.
        whole = max(float(weight @ squares), float(np.finfo(float).tiny))
        squares *= residual * cells.n.sum() / whole
        found = found.scored(around, squares, prior, estimated)
    places = crossed.Places.of(likelihood)
    contributors = np.flatnonzero(likelihood.chosen)
    contributor = np.append(-1, contributors[likelihood.of_rest])[places.order]
    priors = crossed.priors(problem, origin, estimated)
    scales = crossed.scales(likelihood, theta, residual, estimated)
    fields = {
        "largest": likelihood.apart,
        "levels": places.levels,
        "ends": places.ends,
        "size": float(len(likelihood.of_apart)),
        **{name: priors[name] for name in priors if "sigma" not in name},
        "unit": scales["unit"],
        "centre": scales["centre"][:-1],
        "spread": scales["spread"][:-1],
        **crossed.centred(likelihood, places, solution, theta, residual),
        "of_levels": prior,
        **found.coordinates(around, prior, estimated),
        "contributor": contributor,
        "apart": int(contributors[likelihood.of_apart[0]]),
        **_laid_out(around, contributor, likelihood.random, effects, solution),
    }
    return Target(problem, fields, origin, likelihood.random)


def of_levels(problem: Problem, estimated: bool) -> Array:
    """m0, s0, a, b of the prior of log sigma; see `posterior.level_prior`."""
    if estimated:
        return level_prior.of(problem)
    return np.array([problem.log_sigma_mean, 0.0, math.log(problem.log_sigma_sd), 1.0])


@dataclass(frozen=True)
class _Noise:
    """A pilot of the noise.

    Parameters
    ----------
    variance : ndarray, shape (K,)
    centre, spread : ndarray, shape (J,)
        Of log sigma.
    """

    variance: Array
    centre: Array
    spread: Array

    @classmethod
    def start(cls, cells: Cells, prior: Array, estimated: bool) -> _Noise:
        """Start from equal variances."""
        levels = cells.levels
        total = (cells.sum_of_squares + cells.n * cells.mean**2).sum() / cells.n.sum()
        # Of equal values the prior's.
        each = total / levels.count or math.exp(2.0 * prior[0])
        return cls(
            np.full(levels.contributors, each),
            np.full(levels.count, prior[0] if not estimated else 0.5 * math.log(each)),
            np.full(levels.count, math.exp(prior[2])),
        )

    def of_rows(self, cells: Cells) -> Array:
        """Variance of a row of each cell."""
        return self.variance[cells.members].sum(axis=1)

    def scored(
        self, cells: Cells, squares: Array, prior: Array, estimated: bool
    ) -> _Noise:
        """Score log sigma^2, level after level, given sums of squared residuals.

        Where scales are estimated, centres and spreads follow: a step of EM, and the
        log-normal prior's mean for what a level of one tells.
        """
        levels, members = cells.levels, cells.members
        s = self.variance.copy()
        centre, spread = self.centre.copy(), self.spread.copy()
        v = self.of_rows(cells)
        for _ in range(SWEEPS):
            for j, (offset, size) in enumerate(
                zip(levels.offsets, levels.sizes, strict=True)
            ):
                own = members[:, j] - offset
                of_level = slice(offset, offset + size)
                each = s[of_level]
                slope = np.bincount(own, 0.5 * (squares / v - cells.n) / v, size)
                bend = np.bincount(own, 0.5 * cells.n / v**2, size)
                precision = 0.25 / (
                    spread[j] ** 2 + (prior[1] ** 2 if size == 1 else 0.0)
                )
                pull = precision * (np.log(each) - 2.0 * centre[j])
                known = each**2 * bend + precision
                step = (each * slope - pull) / known
                each = each * np.exp(np.clip(step, -1.0, 1.0))
                v += (each - s[of_level])[own]
                s[of_level] = each
                if estimated and size > 1:
                    log_sigma = 0.5 * np.log(each)
                    centre[j] = log_sigma.mean()
                    square = ((log_sigma - centre[j]) ** 2 + 0.25 / known).sum()
                    # As if the prior's middle had been seen in two more.
                    spread[j] = math.sqrt(
                        (square + 2.0 * math.exp(2.0 * prior[2])) / (size + 2.0)
                    )
        return _Noise(s, centre, spread)

    def coordinates(
        self, cells: Cells, prior: Array, estimated: bool
    ) -> dict[str, Any]:
        """Give what the noise is centred with."""
        levels = cells.levels
        count, rows = levels.contributors, float(cells.n.sum())
        v = self.of_rows(cells)
        weight = sums(cells.members, cells.n / v, count) / (cells.n / v).sum()
        mean = np.add.reduceat(weight * self.variance, levels.offsets)
        spread = self.spread if estimated else np.full(levels.count, math.exp(prior[2]))
        log_u = np.log(spread * mean)
        many = np.asarray(levels.sizes) > 1
        log_sigma = 0.5 * np.log(self.variance)
        zeta = levels.centre(log_sigma) / spread[levels.level]
        information = (
            2.0
            * (self.variance / mean[levels.level]) ** 2
            * sums(cells.members, cells.n / v**2, count)
        )
        u = np.exp(log_u)[levels.level]
        reference = int(np.argmax(mean))
        logits = np.delete(np.log(mean / mean[reference]), reference)
        of_hyper = np.append(math.log(mean.sum()), logits)
        of_spread = log_u[many] if estimated else np.zeros(0)
        return {
            "reference": reference,
            "noise_ends": np.append(levels.offsets, count),
            "noise_centre": np.append(of_hyper, of_spread),
            "noise_spread": np.concatenate(
                [
                    [math.sqrt(2.0 / rows)],
                    np.full(levels.count - 1, 0.3),
                    0.2 + 0.0 * of_spread,
                ]
            ),
            "known_spread": log_u,
            "weight": weight,
            "noise_information": information,
            "noise_best": zeta * (1.0 + u**2 * information) / u,
        }


def _laid_out(
    cells: Cells,
    contributor: NDArray[np.int64],
    varying: NDArray[np.int64],
    effects: Array,
    solution: Solution,
) -> dict[str, Any]:
    """Put cells in the order of their contributor of the largest level, in tiles."""
    levels = cells.levels
    sizes = np.asarray(levels.sizes)
    largest = varying[np.argmax(sizes[varying])]
    others = [j for j in varying if j != largest]
    order = np.argsort(cells.contributors[:, largest], kind="stable")
    members = cells.members[order]
    place = np.zeros(levels.contributors, np.int64)
    place[contributor[1:]] = np.arange(1, len(contributor))
    counts = np.bincount(cells.contributors[:, largest], minlength=sizes[largest])
    starts = np.append(0, np.cumsum(counts))
    tiles = [0]
    for e in range(1, len(starts)):
        if starts[e] - starts[tiles[-1]] >= TILE or e == len(starts) - 1:
            tiles.append(e)
    fitted = solution.intercept + effects[cells.members[:, others]].sum(axis=1)
    return {
        "rest": place[members[:, others]],
        "starts": starts,
        "tiles": np.array(tiles),
        "width": int(np.diff(starts[tiles]).max()),
        "n": cells.n[order].astype(float),
        "mean": (cells.mean - fitted)[order],
        "sum_of_squares": cells.sum_of_squares[order],
    }
