"""Draws of the effects that `posterior.crossed_density` integrates out.

Given scales, noise and all other effects, those of a level are independent normal but
for the intercept's prior. So those of the largest level are drawn, exactly; then each
level anew given the others, which costs as little. These moves keep the posterior
(Geman and Geman 1984), and draws of large levels forget what the sampler made of them:
long steps through a thousand coordinates turn an effect to its other side and change
its size slowly.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from summands.model.cells import Cells
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.posterior import crossed, crossed_density, foreign
from summands.posterior.crossed import Target
from summands.posterior.crossed_density import left_over, unfold
from summands.posterior.records import vector

Array = NDArray[np.float64]


def complete(
    target: Target, z: Array, seed: int, sweeps: int, estimated: bool
) -> tuple[Array, Array, Array, tuple[Array, None, None] | None]:
    """Draw what was integrated out.

    Parameters
    ----------
    target : Target
    z : ndarray, shape (chains, draws, D)
    seed : int
    sweeps : int
        How often all levels are drawn anew.
    estimated : bool
        Whether scales are.

    Returns
    -------
    intercept : ndarray, shape (chains, draws)
    mu, sigma : ndarray, shape (chains, draws, K)
    scales : tuple or None
        See `summands.posterior.pooled_draws.scales_of`.
    """
    levels = target.problem.levels
    shape, count = z.shape[:2], z.shape[0] * z.shape[1]
    intercept, noise = np.empty((2, count))
    mu = np.zeros((count, levels.contributors))
    scales = np.empty((count, len(target.varying)))
    _draw(
        np.ascontiguousarray(z.reshape(count, -1)),
        target.packed(),
        np.random.default_rng(seed),
        sweeps,
        target.rest,
        target.apart,
        intercept,
        mu,
        scales,
        noise,
    )
    for j in range(levels.count):
        of_level = mu[:, levels.level == j]
        average = of_level.mean(axis=1)
        intercept += average
        mu[:, levels.level == j] = of_level - average[:, None]
    sigma = np.zeros_like(mu)
    sigma[:, levels.level == 0] = noise[:, None]
    mu_sd = np.zeros((count, levels.count))
    mu_sd[:, target.varying] = scales
    return (
        (intercept + target.origin).reshape(shape),
        mu.reshape(*shape, -1),
        sigma.reshape(*shape, -1),
        (mu_sd.reshape(*shape, -1), None, None) if estimated else None,
    )


def prepare() -> None:
    """Compile, or load from the cache, what all data sets share."""
    levels = Levels.of([1, 2, 2])
    members = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]])
    cells = Cells(
        levels, members, np.full(4, 2), np.array([0.0, 1.0, 1, 3]), np.ones(4)
    )
    target = crossed.fit(Problem.following(levels), cells, estimated=True)
    foreign.functions(crossed_density.callback)
    complete(target, np.zeros((1, 1, target.dimension)), 0, 1, estimated=True)


@numba.njit(cache=True, error_model="numpy")
def siblings(w, f, t, b, prior, rng, out):  # type: ignore[no-untyped-def]
    """Draw the effects of a level given all else.

    They are independent without the intercept's prior; a draw is corrected by what the
    prior's pseudo-row says beyond it (Hoffman and Ribak 1991, Astrophysical Journal
    380:L5).

    Parameters
    ----------
    w, f : ndarray, shape (m,)
        Sums over rows of 1 / v, v the variance of a row, and of r / v, r what is left
        of its value without these effects.
    t : float
        The level's scale.
    b : float
        The intercept without these effects' average.
    prior : tuple of float
        Precision and mean of the intercept.
    rng : numpy.random.Generator
    out : ndarray, shape (m,)
        Is written.

    Returns
    -------
    float
        Their average.
    """
    precision, at = prior
    size = len(w)
    average = 0.0
    reach = 0.0
    for k in range(size):
        variance = t * t / (1.0 + t * t * w[k])
        out[k] = variance * f[k] + math.sqrt(variance) * rng.standard_normal()
        average += out[k] / size
        reach += variance / size**2
    surprise = at + rng.standard_normal() / math.sqrt(precision) - b - average
    gain = surprise / (1.0 / precision + reach)
    for k in range(size):
        out[k] += gain * t * t / (1.0 + t * t * w[k]) / size
    return average + gain * reach


@numba.njit(cache=True, error_model="numpy")
def _draw(z, record, rng, sweeps, rest, apart, intercept, drawn, scales, noise):  # type: ignore[no-untyped-def]
    """Write draws for each row of z: of mu not yet centred, with b' for intercept."""
    data = record[0]
    levels = vector(data.levels, np.int64)
    ends = vector(data.ends, np.int64)
    pilot = vector(data.pilot, np.float64)
    average = vector(data.average, np.float64)
    n = vector(data.n, np.float64)
    own = vector(data.full_sums, np.float64) - vector(data.sums, np.float64)
    right = vector(data.right, np.float64)
    starts = vector(data.starts, np.int64)
    columns = vector(data.columns, np.int64)
    values = vector(data.values, np.float64)
    own_starts = vector(data.own_starts, np.int64)
    own_columns = vector(data.own_columns, np.int64)
    own_values = vector(data.own_values, np.float64)
    prior = (data.intercept_precision, data.intercept_mean)
    count, size = len(pilot), len(n)
    c = np.empty(count)
    delta = np.empty(count)
    rows = np.empty(count)
    f = np.empty(count)
    left = np.empty(count)
    s = np.empty(size)
    effects = np.empty(size)
    tau = np.empty(scales.shape[1])
    for i in range(len(z)):
        log_sigma, _ = unfold(z[i], record, tau, c, delta)
        v = math.exp(2.0 * log_sigma)
        t = tau[data.largest]
        for sweep in range(sweeps + 1):
            b = 0.0
            for r in range(count):
                b += average[r] * (pilot[r] + delta[r])
            left_over(record, delta, s)
            mean = siblings(n / v, (s + own) / v, t, b, prior, rng, effects)
            if sweep == sweeps:
                break
            b += mean
            # What is left of the rest's sums with these effects.
            left[:] = right
            for e in range(size):
                if n[e] > 0.0:
                    moved = effects[e] - own[e] / n[e]
                    for k in range(starts[e], starts[e + 1]):
                        left[columns[k]] -= values[k] * moved
            for j in range(len(levels) - 1, -1, -1):
                start, end = ends[j], ends[j + 1]
                for r in range(start, end):
                    rows[r] = 0.0
                    f[r] = left[r]
                    for k in range(own_starts[r], own_starts[r + 1]):
                        if own_columns[k] == r:
                            rows[r] = own_values[k]
                        f[r] -= own_values[k] * delta[own_columns[k]]
                    effect = pilot[r] + delta[r]
                    f[r] += rows[r] * effect
                    b -= average[r] * effect
                b += siblings(
                    rows[start:end] / v,
                    f[start:end] / v,
                    tau[levels[j]],
                    b,
                    prior,
                    rng,
                    f[start:end],
                )
                for r in range(start, end):
                    delta[r] = f[r] - pilot[r]
        noise[i] = math.sqrt(v)
        scales[i] = np.abs(tau)
        intercept[i] = pilot[0] + delta[0]
        for r in range(1, count):
            drawn[i, rest[r]] = pilot[r] + delta[r]
        for e in range(size):
            drawn[i, apart[e]] = effects[e]
