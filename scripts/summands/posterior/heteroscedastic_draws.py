"""Draws of the effects that `posterior.heteroscedastic_density` integrates out.

Given scales, variances and all other effects, those of a level are independent normal
but for the intercept's prior. So those of the largest level are drawn, exactly; then
each level anew given the others, see `posterior.crossed_draws`. Centres and spreads of
log sigma are drawn given these, as for smaller tables.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from summands.model.cells import Cells
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.posterior import (
    allocation,
    foreign,
    heteroscedastic,
    heteroscedastic_density,
)
from summands.posterior.crossed_density import effects, scales
from summands.posterior.crossed_draws import siblings
from summands.posterior.heteroscedastic import Target
from summands.posterior.heteroscedastic_density import apart, noise
from summands.posterior.pooled_draws import scales_of
from summands.posterior.records import table, vector

Array = NDArray[np.float64]


def complete(
    target: Target, z: Array, seed: int, sweeps: int, estimated: bool
) -> tuple[Array, Array, Array, tuple[Array, Array | None, Array | None] | None]:
    """Draw what was integrated out.

    Parameters
    ----------
    target : Target
    z : ndarray, shape (chains, draws, D)
    seed : int
    sweeps : int
        How often the effects of all levels are drawn anew.
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
    intercept = np.empty(count)
    mu = np.zeros((count, levels.contributors))
    variance = np.empty_like(mu)
    tau = np.empty((count, len(target.varying)))
    record = target.packed()
    flat = np.ascontiguousarray(z.reshape(count, -1))
    _variances(flat, record, variance)
    variance = allocation.mix(target.problem, variance, seed, sweeps, pooled=estimated)
    # Not the stream of the moves.
    rng = np.random.default_rng([seed, 1])
    _draw(flat, record, rng, sweeps, variance, intercept, mu, tau)
    for offset, size in zip(levels.offsets, levels.sizes, strict=True):
        of_level = mu[:, offset : offset + size]
        average = of_level.mean(axis=1)
        intercept += average
        of_level -= average[:, None]
    sigma = np.sqrt(variance).reshape(*shape, -1)
    found = None
    if estimated:
        mu_sd = np.zeros((*shape, levels.count))
        mu_sd[..., target.varying] = tau.reshape(*shape, -1)
        found = scales_of(target.problem, mu_sd, sigma, seed)
    return (
        (intercept + target.origin).reshape(shape),
        mu.reshape(*shape, -1),
        sigma,
        found,
    )


def prepare() -> None:
    """Compile, or load from the cache, what all data sets share."""
    levels = Levels.of([1, 2, 2])
    members = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]])
    cells = Cells(
        levels, members, np.full(4, 2), np.array([0.0, 1.0, 1, 3]), np.ones(4)
    )
    target = heteroscedastic.fit(Problem.following(levels), cells, estimated=True)
    foreign.functions(heteroscedastic_density.callback)
    complete(target, np.zeros((1, 1, target.dimension)), 0, 1, estimated=True)


@numba.njit(cache=True, error_model="numpy")
def _variances(z, record, s):  # type: ignore[no-untyped-def]
    """Write the variances at each row of z."""
    data = record[0]
    hyper = len(vector(data.centre, np.float64))
    places = hyper + len(vector(data.noise_centre, np.float64))
    contrasts = places + len(vector(data.pilot, np.float64))
    log_m = np.empty(len(vector(data.noise_ends, np.int64)) - 1)
    log_u = np.empty(len(log_m))
    zeta = np.empty(s.shape[1])
    for i in range(len(z)):
        noise(z[i, hyper:places], z[i, contrasts:], record, log_m, log_u, zeta, s[i])


@numba.njit(cache=True, error_model="numpy")
def _draw(z, record, rng, sweeps, variance, intercept, drawn, scale):  # type: ignore[no-untyped-def]
    """Write draws for each row of z: of mu not yet centred, with b' for intercept."""
    data = record[0]
    levels = vector(data.levels, np.int64)
    ends = vector(data.ends, np.int64)
    pilot = vector(data.pilot, np.float64)
    average = vector(data.average, np.float64)
    contributor = vector(data.contributor, np.int64)
    rest = table(data.rest, np.int64)
    starts = vector(data.starts, np.int64)
    n = vector(data.n, np.float64)
    prior = (data.intercept_precision, data.intercept_mean)
    hyper = len(vector(data.centre, np.float64))
    places = hyper + len(vector(data.noise_centre, np.float64))
    contrasts = places + len(pilot)
    count, size = len(pilot), len(starts) - 1
    own = drawn[:, data.apart : data.apart + size]
    c = np.empty(count)
    delta = np.empty(count)
    inverse = np.empty(len(n))
    left = np.empty(len(n))
    h = np.empty(size)
    a = np.empty(size)
    w = np.empty(size)
    sum_w = np.empty(count)
    sum_wr = np.empty(count)
    new = np.empty(count)
    for i in range(len(z)):
        scales(z[i], record, scale[i])
        effects(z[i, places:contrasts], record, scale[i], c, delta)
        t = scale[i, data.largest]
        apart(record, t, delta, variance[i], inverse, left, h, a, w)
        b = 0.0
        for r in range(count):
            b += average[r] * (pilot[r] + delta[r])
        for e in range(size):
            a[e] = 0.0
            for k in range(starts[e], starts[e + 1]):
                a[e] += n[k] * inverse[k] * left[k]
        mean = siblings(w, a, t, b, prior, rng, own[i])
        for _ in range(sweeps):
            for e in range(size):
                for k in range(starts[e], starts[e + 1]):
                    left[k] -= own[i, e]
            b += mean
            for j in range(len(levels) - 1, -1, -1):
                start, end = ends[j], ends[j + 1]
                # Which column of `rest` has these.
                column = 0
                for other in range(len(levels)):
                    if levels[other] < levels[j]:
                        column += 1
                sum_w[start:end] = 0.0
                sum_wr[start:end] = 0.0
                for k in range(len(n)):
                    r = rest[k, column]
                    weight = n[k] * inverse[k]
                    sum_w[r] += weight
                    sum_wr[r] += weight * left[k]
                for r in range(start, end):
                    effect = pilot[r] + delta[r]
                    sum_wr[r] += sum_w[r] * effect
                    b -= average[r] * effect
                b += siblings(
                    sum_w[start:end],
                    sum_wr[start:end],
                    scale[i, levels[j]],
                    b,
                    prior,
                    rng,
                    new[start:end],
                )
                for k in range(len(n)):
                    r = rest[k, column]
                    left[k] -= new[r] - pilot[r] - delta[r]
                for r in range(start, end):
                    delta[r] = new[r] - pilot[r]
            b -= mean
            for e in range(size):
                a[e] = 0.0
                for k in range(starts[e], starts[e + 1]):
                    left[k] += own[i, e]
                    a[e] += n[k] * inverse[k] * left[k]
            mean = siblings(w, a, t, b, prior, rng, own[i])
        intercept[i] = pilot[0] + delta[0]
        for r in range(1, count):
            drawn[i, contributor[r]] = pilot[r] + delta[r]
        scale[i] = np.abs(scale[i])
