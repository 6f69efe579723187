"""Draws of what is integrated out of a posterior, given draws of what is left.

Intercept and means are normal given variances and scales (`posterior.effects`), the
centre of a level's log sigmas is normal given these and their spread, which alone is
drawn from a grid (`posterior.level_prior`). The variances are first moved along the
ridges of the posterior (`posterior.allocation`), where the sampler is slow.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from summands.model.cells import Cells
from summands.model.problem import Problem
from summands.posterior import allocation, effects, foreign, level_prior, pooled
from summands.posterior.pooled import Target

Array = NDArray[np.float64]


def complete(
    target: Target, z: Array, seed: int, sweeps: int, estimated: bool
) -> tuple[Array, Array, Array, tuple[Array, Array | None, Array | None] | None]:
    """Draw all that was integrated out.

    Parameters
    ----------
    target : Target
    z : ndarray, shape (chains, draws, D)
    seed : int
    sweeps : int
        Of moves along the ridges, see `summands.posterior.allocation.mix`.
    estimated : bool
        Whether scales are.

    Returns
    -------
    intercept : ndarray, shape (chains, draws)
    mu, sigma : ndarray, shape (chains, draws, K)
    scales : tuple or None
        See `scales_of`.
    """
    problem = target.problem
    variance, tau = target.coefficients(z.reshape(-1, target.dimension))
    if not target.constant:
        variance = allocation.mix(problem, variance, seed, sweeps, pooled=True)
    sigma = np.sqrt(variance)
    # Not the stream of the moves.
    rng = np.random.default_rng([seed, 1])
    intercept, mu = means(target, variance, tau, rng)
    shape = z.shape[:2]
    scales = None
    if estimated:
        mu_sd = np.zeros((*shape, problem.levels.count))
        mu_sd[..., target.layout.varying] = tau.reshape(*shape, -1)
        of_noise = None if target.constant else sigma.reshape(*shape, -1)
        scales = scales_of(problem, mu_sd, of_noise, seed)
    return (
        intercept.reshape(shape),
        mu.reshape(*shape, -1),
        sigma.reshape(*shape, -1),
        scales,
    )


def scales_of(
    problem: Problem, mu_sd: Array, sigma: Array | None, seed: int
) -> tuple[Array, Array | None, Array | None]:
    """Put scales together; see `summands.estimation.results.Scales`.

    Parameters
    ----------
    problem : Problem
    mu_sd : ndarray, shape (chains, draws, J)
    sigma : ndarray, shape (chains, draws, K), or None
        From which centres and spreads are drawn.
    seed : int
    """
    if sigma is None:
        return mu_sd, None, None
    rng = np.random.default_rng([seed, 2])
    flat = sigma.reshape(-1, sigma.shape[-1])
    centre, spread = centres_and_spreads(problem, flat, rng)
    return mu_sd, centre.reshape(mu_sd.shape), spread.reshape(mu_sd.shape)


def prepare(problem: Problem, estimated: bool, constant: bool) -> None:
    """Compile, or load from the cache, what all data sets share."""
    cells = Cells(
        problem.levels,
        contributors=np.zeros((1, problem.levels.count), dtype=np.int64),
        n=np.array([2]),
        mean=np.array([0.0]),
        sum_of_squares=np.array([1.0]),
    )
    target = pooled.fit(problem, cells, estimated, constant)
    foreign.functions(target.density.callback)
    complete(target, np.zeros((1, 1, target.dimension)), 0, 1, estimated)


def means(
    target: Target, variance: Array, tau: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw intercept and mu from their normal distribution given the rest.

    Parameters
    ----------
    target : Target
    variance : ndarray, shape (N, K)
    tau : ndarray, shape (N, V)
    rng : numpy.random.Generator

    Returns
    -------
    intercept : ndarray, shape (N,)
    mu : ndarray, shape (N, K)
        Zero-sum.
    """
    levels, layout, cells = target.problem.levels, target.layout, target.cells
    drawn = np.zeros((len(tau), levels.contributors))
    intercept = np.empty(len(tau))
    origin = target.origin
    _draw_means(
        cells.members,
        cells.n.astype(float),
        cells.mean - origin,
        layout.eliminated,
        layout.rest,
        (layout.largest, layout.of_rest, layout.average),
        layout.contributor,
        variance,
        tau,
        target.problem.intercept_precision,
        target.problem.intercept_mean - origin,
        rng,
        intercept,
        drawn,
    )
    average = levels.level_means(drawn)
    return intercept + average.sum(axis=-1) + origin, levels.centre(drawn)


@numba.njit(cache=True, error_model="numpy")
def _draw_means(  # type: ignore[no-untyped-def]
    members,
    n,
    mean,
    eliminated,
    rest,
    layout,
    contributor,
    variance,
    tau,
    precision,
    at,
    rng,
    intercept,
    drawn,
):
    size, count = len(contributor) - len(layout[1]), len(layout[1])
    gram = (
        np.empty(size),
        np.empty((count, size)),
        np.empty((count, count)),
        np.empty(size),
        np.empty(count),
    )
    weight = np.empty(len(n))
    w_e = np.empty(size)
    w_r = np.empty(count)
    for i in range(len(tau)):
        for c in range(len(n)):
            v = 0.0
            for j in range(members.shape[1]):
                v += variance[i, members[c, j]]
            weight[c] = n[c] / v
        effects.gather(eliminated, rest, weight, mean, size > 0, *gram)
        effects.draw(gram, layout, tau[i], precision, at, rng, w_e, w_r)
        intercept[i] = w_r[0]
        for k in range(size):
            drawn[i, contributor[k]] = w_e[k]
        for r in range(1, count):
            drawn[i, contributor[size + r]] = w_r[r]


def centres_and_spreads(
    problem: Problem, sigma: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw the centre and the spread of the log sigmas of each level, given these.

    Parameters
    ----------
    problem : Problem
    sigma : ndarray, shape (N, K)
    rng : numpy.random.Generator

    Returns
    -------
    centre, spread : ndarray, shape (N, J)
    """
    levels = problem.levels
    centre, spread = np.empty((2, len(sigma), levels.count))
    ends = np.append(levels.offsets, levels.contributors)
    _draw_levels(np.log(sigma), ends, level_prior.of(problem), rng, centre, spread)
    return centre, spread


@numba.njit(cache=True, error_model="numpy")
def _draw_levels(log_sigma, ends, prior, rng, centre, spread):  # type: ignore[no-untyped-def]
    for i in range(len(log_sigma)):
        for j in range(len(ends) - 1):
            part = log_sigma[i, ends[j] : ends[j + 1]]
            mean = part.mean()
            squares = ((part - mean) ** 2).sum()
            centre[i, j], spread[i, j] = level_prior.draw(
                len(part), squares, mean - prior[0], prior, rng
            )
