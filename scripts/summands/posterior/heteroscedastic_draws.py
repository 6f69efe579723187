"""Draws of what `posterior.heteroscedastic_density` integrates out, and moves of draws.

Given scales, variances and all other effects, those of a level are independent normal
but for the intercept's prior. So those of the largest level are drawn, exactly; then
each level anew given the others, see `posterior.crossed_draws`. Variances are moved
along the ridges (`posterior.allocation`) before it, and anew given all effects after
it, level by level: those of a level are independent too. Centres and spreads of log
sigma are drawn given these, as for smaller tables. All moves keep the posterior.
"""

from __future__ import annotations

import math

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
    level_prior,
)
from summands.posterior.crossed_density import effects, scales
from summands.posterior.crossed_draws import siblings
from summands.posterior.density import LARGEST, SMALLEST
from summands.posterior.heteroscedastic import Target
from summands.posterior.heteroscedastic_density import apart
from summands.posterior.noise_map import noise
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
        How often ridges are moved along, and all levels drawn anew.
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
        for e in range(size):
            for k in range(starts[e], starts[e + 1]):
                left[k] -= own[i, e]
        for _ in range(sweeps):
            _renew(record, left, inverse, variance[i], rng)
        intercept[i] = pilot[0] + delta[0]
        for r in range(1, count):
            drawn[i, contributor[r]] = pilot[r] + delta[r]
        scale[i] = np.abs(scale[i])


@numba.njit(cache=True, error_model="numpy")
def _renew(record, residual, inverse, s, rng):  # type: ignore[no-untyped-def]
    """Draw variances anew given all effects, level after level.

    A step of Metropolis and Hastings in each log sigma, whose proposal is normal: a
    step of Fisher scoring, with the information there for its precision.

    Parameters
    ----------
    record : ndarray of `RECORD`, shape (1,)
    residual : ndarray, shape (C,)
        Of the cells' means, without any effect.
    inverse : ndarray, shape (C,)
        1 / v; is overwritten.
    s : ndarray, shape (K,)
        Is overwritten.
    rng : numpy.random.Generator
    """
    data = record[0]
    ends = vector(data.noise_ends, np.int64)
    contributor = vector(data.contributor, np.int64)
    rest = table(data.rest, np.int64)
    starts = vector(data.starts, np.int64)
    n = vector(data.n, np.float64)
    squares = vector(data.sum_of_squares, np.float64)
    prior = vector(data.of_levels, np.float64)
    own = np.empty(len(n), np.int64)
    column = 0
    for j in range(len(ends) - 1):
        start, end = ends[j], ends[j + 1]
        m = end - start
        if m == 1:
            own[:] = 0
        elif start == data.apart:
            for e in range(m):
                own[starts[e] : starts[e + 1]] = e
        else:
            for c in range(len(n)):
                own[c] = contributor[rest[c, column]] - start
            column += 1
        log_sigma = 0.5 * np.log(s[start:end])
        at, spread = prior[0], math.exp(prior[2])
        if data.estimated:
            mean = log_sigma.mean()
            deviations = ((log_sigma - mean) ** 2).sum()
            at, spread = level_prior.draw(m, deviations, mean - prior[0], prior, rng)
        precision = 1.0 / (spread * spread)
        slope, known = _scored(own, n, squares, residual, inverse, s[start:end])
        there = np.empty(m)
        log_ratio = np.empty(m)
        for k in range(m):
            off = log_sigma[k] - at
            known[k] += precision
            step = (slope[k] - precision * off) / known[k]
            moved = step + rng.standard_normal() / math.sqrt(known[k])
            there[k] = math.exp(2.0 * (log_sigma[k] + moved))
            log_ratio[k] = (
                0.5 * precision * (off * off - (off + moved) ** 2)
                - 0.5 * math.log(known[k])
                + 0.5 * known[k] * (moved - step) ** 2
            )
            if not SMALLEST < there[k] < LARGEST:
                there[k] = s[start + k]
                log_ratio[k] = -np.inf
        after = np.empty(len(n))
        for c in range(len(n)):
            k = own[c]
            after[c] = 1.0 / (1.0 / inverse[c] + (there[k] - s[start + k]))
            square = squares[c] + n[c] * residual[c] * residual[c]
            log_ratio[k] += 0.5 * (
                n[c] * math.log(after[c] / inverse[c])
                - square * (after[c] - inverse[c])
            )
        slope, known = _scored(own, n, squares, residual, after, there)
        for k in range(m):
            moved = 0.5 * math.log(there[k]) - log_sigma[k]
            known[k] += precision
            step = (slope[k] - precision * (log_sigma[k] + moved - at)) / known[k]
            log_ratio[k] += (
                0.5 * math.log(known[k]) - 0.5 * known[k] * (moved + step) ** 2
            )
            if math.log(1.0 - rng.random()) < log_ratio[k]:
                s[start + k] = there[k]
            else:
                there[k] = -1.0
        for c in range(len(n)):
            if there[own[c]] > 0.0:
                inverse[c] = after[c]


@numba.njit(cache=True, error_model="numpy")
def _scored(own, n, squares, residual, inverse, s):  # type: ignore[no-untyped-def]
    """Slope of the log likelihood in each log sigma, and the information."""
    slope = np.zeros(len(s))
    known = np.zeros(len(s))
    for c in range(len(n)):
        square = squares[c] + n[c] * residual[c] * residual[c]
        slope[own[c]] += (square * inverse[c] - n[c]) * inverse[c]
        known[own[c]] += n[c] * inverse[c] * inverse[c]
    for k in range(len(s)):
        slope[k] *= s[k]
        known[k] *= 2.0 * s[k] * s[k]
    return slope, known
