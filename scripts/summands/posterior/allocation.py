"""Moves along the ridges of the posterior, where the likelihood does not change.

Adding d to every variance of one level and taking it from every variance of another
leaves each cell's variance, and so the likelihood, as it was. What d is decided by the
prior alone, so it can be drawn from its conditional distribution at hardly any cost:
a Gibbs step over the allocation of variance to levels, which is valid after any draw
of the sampler.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from summands.model.problem import Problem
from summands.posterior import level_prior


def mix(
    problem: Problem,
    variance: NDArray[np.float64],
    seed: int,
    sweeps: int = 1,
    *,
    pooled: bool = False,
) -> NDArray[np.float64]:
    """Move each draw along the ridges.

    Parameters
    ----------
    problem : Problem
        Levels, and the prior of sigma.
    variance : ndarray, shape (..., K)
        sigma^2 of each contributor.
    seed : int
    sweeps : int, optional
        Times that all pairs of levels are visited.
    pooled : bool, optional
        Whether sigma has the prior whose centre and spread are estimated
        (`summands.posterior.level_prior`), not the problem's log-normal.

    Returns
    -------
    ndarray, shape (..., K)
        Draws from the same posterior.
    """
    levels = problem.levels
    moved = np.ascontiguousarray(variance).reshape(-1, levels.contributors).copy()
    ends = np.append(levels.offsets, levels.contributors)
    prior = np.array([problem.log_variance_mean, problem.log_variance_precision])
    _mix(
        moved,
        ends,
        level_prior.of(problem) if pooled else prior,
        pooled,
        sweeps,
        np.random.default_rng(seed),
    )
    return moved.reshape(variance.shape)


@numba.njit(cache=True, error_model="numpy")
def _log_prior(s, start, end, shift, prior, pooled):  # type: ignore[no-untyped-def]
    """Log density of shifted variances under their prior."""
    if pooled:
        return _log_pooled(s, start, end, shift, prior)
    mean, precision = prior[0], prior[1]
    total = 0.0
    for k in range(start, end):
        moved = s[k] + shift
        if not moved > 0.0:
            return -np.inf
        logarithm = math.log(moved)
        deviation = logarithm - mean
        total -= 0.5 * precision * deviation * deviation + logarithm
    return total


@numba.njit(cache=True, error_model="numpy")
def _log_pooled(s, start, end, shift, prior):  # type: ignore[no-untyped-def]
    """Log density where the centre and the spread of log sigma are integrated out."""
    total = 0.0
    for k in range(start, end):
        moved = s[k] + shift
        if not moved > 0.0:
            return -np.inf
        total += math.log(moved)
    mean = 0.5 * total / (end - start)
    squares = 0.0
    for k in range(start, end):
        squares += (0.5 * math.log(s[k] + shift) - mean) ** 2
    distance = mean - prior[0]
    value, _, _ = level_prior.integral(end - start, squares, distance, prior)
    return value - total


@numba.njit(cache=True, error_model="numpy")
def _mix(draws, ends, prior, pooled, sweeps, rng):  # type: ignore[no-untyped-def]
    """Slice sampling (Neal 2003, Annals of Statistics 31:705) of each pair's shift.

    The shift d lies between the lowest variances of the two levels, -low and high. It
    is drawn in t with d = -low + (low + high) / (1 + exp(-t)), which spreads out the
    prior's mass near both ends; the interval of t is shrunk from its whole width.
    """
    levels = len(ends) - 1
    widest = 36.0
    for i in range(len(draws)):
        s = draws[i]
        for _ in range(sweeps):
            for a in range(levels - 1):
                for b in range(a + 1, levels):
                    low = s[ends[a]]
                    for k in range(ends[a], ends[a + 1]):
                        low = min(low, s[k])
                    high = s[ends[b]]
                    for k in range(ends[b], ends[b + 1]):
                        high = min(high, s[k])
                    span = low + high
                    d = 0.0
                    t = math.log(low / high)
                    if not abs(t) < widest:
                        continue
                    here = (
                        _log_prior(s, ends[a], ends[a + 1], d, prior, pooled)
                        + _log_prior(s, ends[b], ends[b + 1], -d, prior, pooled)
                        - abs(t)
                        - 2.0 * math.log1p(math.exp(-abs(t)))
                    )
                    height = here + math.log(1.0 - rng.random())
                    left, right = -widest, widest
                    while True:
                        candidate = left + (right - left) * rng.random()
                        # The smaller end is computed, not the difference of ends.
                        e = math.exp(-abs(candidate))
                        if candidate < 0:
                            shift = span * e / (1.0 + e) - low
                        else:
                            shift = high - span * e / (1.0 + e)
                        there = (
                            _log_prior(s, ends[a], ends[a + 1], shift, prior, pooled)
                            + _log_prior(s, ends[b], ends[b + 1], -shift, prior, pooled)
                            - abs(candidate)
                            - 2.0 * math.log1p(e)
                        )
                        if there >= height:
                            t = candidate
                            d = shift
                            break
                        if candidate < t:
                            left = candidate
                        else:
                            right = candidate
                        if right - left < 1e-12:
                            break
                    for k in range(ends[a], ends[a + 1]):
                        s[k] += d
                    for k in range(ends[b], ends[b + 1]):
                        s[k] -= d
