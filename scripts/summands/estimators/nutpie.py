"""The posterior of the full model, sampled by nutpie's NUTS.

Hoffman and Gelman (2014, JMLR 15:1593) for the sampler, `summands.model.statement` for
the model. Two backends sample the same posterior: "compiled"
(`summands.posterior.density`, in coordinates fitted to the data), and "pymc" (the model
as PyMC states it, compiled for each design).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from summands.estimation.results import Draws
from summands.estimators import PRIORS_OPTION
from summands.model import estimands
from summands.model.cells import Cells
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.posterior import diagnostics

READS = "cells"
SAMPLES = True
PRIORS = True
OPTIONS: dict[str, dict[str, Any]] = {
    "backend": {
        "enum": ["compiled", "pymc"],
        "default": "compiled",
        "description": (
            "`compiled`: a kernel that serves every design, in coordinates fitted to "
            "the data; `pymc`: the model as PyMC states it, slower, compiled anew for "
            "each job."
        ),
    },
    "chains": {
        "type": "integer",
        "minimum": 2,
        "default": 4,
        "description": "Independent chains; R-hat compares them.",
    },
    "tune": {
        "type": "integer",
        "minimum": 50,
        "default": 400,
        "description": "Iterations a chain that adapt the sampler and are not kept.",
    },
    "draws": {
        "type": "integer",
        "minimum": 10,
        "default": 1000,
        "description": "Draws a chain that are kept.",
    },
    "target_accept": {
        "type": "number",
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 1,
        "default": 0.9,
        "description": "Acceptance rate that the step size is adapted to.",
    },
    "escalations": {
        "type": "integer",
        "minimum": 0,
        "maximum": 2,
        "default": 2,
        "description": (
            "How many more attempts a fit that did not converge may make, on the same "
            "data: the first with twice the tuning and an acceptance rate of at least "
            "0.97, the second with four times and 0.99, keeping each fourth draw."
        ),
    },
    "priors": PRIORS_OPTION,
    "keep_draws": {
        "enum": ["float64", "float32"],
        "default": "float64",
        "description": "Type of the draws in posterior.nc; float32 halves the file.",
    },
    "keep_predictive": {
        "type": "boolean",
        "default": False,
        "description": (
            "Whether posterior.nc also has the log likelihood of each cell and a mean "
            "of its rows drawn anew, for ArviZ's `loo` and predictive plots: two "
            "numbers a cell and draw, beside 1 + 2 contributors a draw."
        ),
    },
}

# Milliseconds between two lines in the log of a long fit.
HEARTBEAT = 10_000


@dataclass(frozen=True)
class _Attempt:
    """What an attempt changes: fixed, so that it cannot be fitted to the outcome.

    Parameters
    ----------
    tuning : int
        How many times as long it tunes.
    accept : float
        Least acceptance rate.
    thinning : int
        How many draws it makes for one that is kept.
    kind : str, optional
        Coordinates; by default those that suit the data.
    """

    tuning: int
    accept: float
    thinning: int
    kind: str | None


# Of the fits that the first two give up, most are of few rows and mix slowly; there
# "floors" takes ten times the gradients and mixes no better.
ATTEMPTS = (
    _Attempt(1, 0.0, 1, None),
    _Attempt(2, 0.97, 1, None),
    _Attempt(4, 0.99, 4, "warped"),
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Sampled:
    """Draws as a backend returns them; variances are sigma squared."""

    intercept: Array
    mu: Array
    variance: Array
    statistics: Mapping[str, NDArray[Any]]
    gradients: int
    parametrisation: str


def prepare(problem: Problem, options: Mapping[str, Any]) -> None:
    """Compile, or load from the cache, what all data sets of these levels share."""
    from summands.posterior import allocation

    if options["backend"] == "pymc":
        _compile(problem.levels)
    else:
        from summands.posterior import nuts

        nuts.functions()
    allocation.mix(problem, np.ones((1, problem.levels.contributors)), 0)


def estimate(
    cells: Cells,
    problem: Problem,
    options: Mapping[str, Any],
    seed: int,
    progress: Callable[[str], None],
) -> Draws:
    """Sample the posterior of one data set.

    Draws that do not pass `posterior.diagnostics` are given up and the same data are
    sampled again, by the fixed rule of the option ``escalations``; the last attempt is
    returned whether it passes or not.

    Parameters
    ----------
    cells : Cells
    problem : Problem
    options : mapping
    seed : int
        Draws depend on it and on the data, not on the number of cores.
    progress : callable
        Told every ten seconds how far the chains are.

    Returns
    -------
    Draws

    Raises
    ------
    FloatingPointError
        If a draw is not finite.
    """
    from summands.posterior import allocation

    backend = _sample_pymc if options["backend"] == "pymc" else _sample_compiled
    levels = problem.levels
    gradients = 0
    seeds = np.random.SeedSequence(seed).generate_state(2 * 3, np.uint32)
    for attempt in range(options["escalations"] + 1):
        changed = ATTEMPTS[attempt]
        settings: dict[str, Any] = {
            "chains": options["chains"],
            "tune": options["tune"] * changed.tuning,
            "draws": options["draws"] * changed.thinning,
            "target_accept": max(options["target_accept"], changed.accept),
            "seed": int(seeds[2 * attempt]),
            # Jobs run side by side; chains of one fit run one after the other.
            "cores": 1,
            "progress_bar": False,
            "progress_callback": _heartbeat(progress),
            "progress_rate": HEARTBEAT,
        }
        sampled = backend(cells, problem, settings, changed.kind)
        kept = slice(None, None, changed.thinning)
        gradients += sampled.gradients
        variance = allocation.mix(
            problem, sampled.variance[:, kept], int(seeds[2 * attempt + 1])
        )
        coefficients = (
            sampled.intercept[:, kept],
            sampled.mu[:, kept],
            np.sqrt(variance),
        )
        if not all(np.isfinite(values).all() for values in coefficients):
            raise FloatingPointError("the sampler returned draws that are not finite")
        found = diagnostics.diagnose(
            levels,
            estimands.evaluate(levels, *coefficients),
            sampled.statistics,
        )
        if found.converged:
            break
    return Draws(
        *coefficients,
        statistics={
            name: values[:, kept] for name, values in sampled.statistics.items()
        },
        diagnostics=found,
        gradients=gradients,
        parametrisation=sampled.parametrisation,
        attempts=attempt + 1,
        kept_as=options["keep_draws"],
        keep_predictive=options["keep_predictive"],
    )


def _sample_compiled(
    cells: Cells, problem: Problem, settings: dict[str, Any], kind: str | None
) -> _Sampled:
    """Sample with the compiled kernel, in coordinates of this kind or the best one."""
    from summands.posterior import allocation, coordinates, nuts

    chosen = coordinates.fit(problem, cells, kind)

    def start(chain_seed: int) -> Array:
        # Dispersed along the ridges as well, where the prior alone decides.
        z = np.random.default_rng(chain_seed).normal(size=chosen.dimension)
        intercept, mu, variance = chosen.coefficients(z)
        moved = chosen.locate(
            intercept, mu, allocation.mix(problem, variance, chain_seed)
        )
        return moved if np.isfinite(moved).all() else z

    trace = nuts.sample(
        chosen.packed(problem, cells), chosen.dimension, start, **settings
    )
    return _Sampled(
        *chosen.coefficients(trace.z),
        statistics=trace.statistics,
        gradients=trace.gradients,
        parametrisation=chosen.kind,
    )


def _sample_pymc(
    cells: Cells, problem: Problem, settings: dict[str, Any], kind: str | None
) -> _Sampled:
    """Sample the model as PyMC states it; there is only one set of coordinates."""
    import nutpie

    from summands.model import statement

    program = _compile(problem.levels)
    # Starting points come from a function that reads the model's own containers,
    # which with_data leaves as they are: set both, or they would be those of the data
    # set that happened to be compiled.
    for name, value in statement.priors(problem, cells).items():
        program.model.set_data(name, value)
    data = statement.data(problem, cells)
    trace = nutpie.sample(program.compiled.with_data(**data), **settings)
    kept, warmup = trace["sample_stats"], trace["warmup_sample_stats"]
    posterior = trace["posterior"]
    return _Sampled(
        intercept=posterior["intercept"].to_numpy(),
        mu=posterior["mu"].to_numpy(),
        variance=posterior["sigma"].to_numpy() ** 2,
        statistics={name: kept[name].to_numpy() for name in diagnostics.STATISTICS},
        gradients=int(kept["n_steps"].sum() + warmup["n_steps"].sum()),
        parametrisation="softplus",
    )


@dataclass(frozen=True)
class _Program:
    model: Any
    compiled: Any


@lru_cache(maxsize=1)
def _compile(levels: Levels) -> _Program:
    """Compile the PyMC model once for all data sets and priors of these levels."""
    import nutpie

    from summands.model import statement

    # Any data and priors will do: they are replaced before sampling.
    cells = Cells(
        levels,
        contributors=np.zeros((1, levels.count), dtype=np.int64),
        n=np.array([2]),
        mean=np.array([0.0]),
        sum_of_squares=np.array([1.0]),
    )
    built = statement.build(Problem(levels, 1.0, 0.0, 1.0), cells)
    compiled = nutpie.compile_pymc_model(built, var_names=["intercept", "mu", "sigma"])
    return _Program(built, compiled)


def _heartbeat(progress: Callable[[str], None]) -> Callable[[list[Any]], None]:
    begun = time.perf_counter()

    def beat(chains: list[Any]) -> None:
        if time.perf_counter() - begun < HEARTBEAT / 2000:
            return
        done = sum(chain.finished_draws for chain in chains)
        total = sum(chain.total_draws for chain in chains)
        diverged = sum(chain.divergences for chain in chains)
        if done < total:
            progress(f"{done} of {total} iterations, {diverged} divergences so far")

    return beat
