"""The posterior of the full model, sampled by nutpie's NUTS.

Hoffman and Gelman (2014, JMLR 15:1593) for the sampler, `summands.model` for the model.
Two backends sample the same posterior: "compiled" (`summands.kernel`, in coordinates
fitted to the data), and "pymc" (the model as PyMC states it, compiled for each design).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from summands import diagnostics, estimands
from summands.cells import Cells
from summands.fitting import Draws, Problem

READS = "cells"
SAMPLES = True
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
            "0.97, the second in the other coordinates as well."
        ),
    },
    "keep_draws": {
        "enum": ["float64", "float32"],
        "default": "float64",
        "description": "Type of the draws in posterior.nc; float32 halves the file.",
    },
}

# Milliseconds between two lines in the log of a long fit.
HEARTBEAT = 10_000

# What the attempts after the first change: fixed, so that it cannot be fitted to the
# outcome.
ESCALATED_TUNING = 2
ESCALATED_ACCEPT = 0.97

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
    from summands import ridge

    if options["backend"] == "pymc":
        _compile(problem)
    else:
        from summands import nuts

        nuts.functions()
    ridge.mix(problem, np.ones((1, problem.levels.contributors)), 0)


def estimate(
    cells: Cells,
    problem: Problem,
    options: Mapping[str, Any],
    seed: int,
    progress: Callable[[str], None],
) -> Draws:
    """Sample the posterior of one data set.

    Draws that do not pass `summands.diagnostics` are given up and the same data are
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
    from summands import ridge

    backend = _sample_pymc if options["backend"] == "pymc" else _sample_compiled
    levels = problem.levels
    gradients = 0
    parametrisation = ""
    seeds = np.random.SeedSequence(seed).generate_state(2 * 3, np.uint32)
    for attempt in range(options["escalations"] + 1):
        settings: dict[str, Any] = {
            "chains": options["chains"],
            "tune": options["tune"] * (ESCALATED_TUNING if attempt else 1),
            "draws": options["draws"],
            "target_accept": max(
                options["target_accept"], ESCALATED_ACCEPT if attempt else 0.0
            ),
            "seed": int(seeds[2 * attempt]),
            # Jobs run side by side; chains of one fit run one after the other.
            "cores": 1,
            "progress_bar": False,
            "progress_callback": _heartbeat(progress),
            "progress_rate": HEARTBEAT,
        }
        sampled = backend(
            cells, problem, settings, parametrisation if attempt == 2 else ""
        )
        parametrisation = sampled.parametrisation
        gradients += sampled.gradients
        variance = ridge.mix(problem, sampled.variance, int(seeds[2 * attempt + 1]))
        coefficients = (sampled.intercept, sampled.mu, np.sqrt(variance))
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
        statistics=sampled.statistics,
        diagnostics=found,
        gradients=gradients,
        parametrisation=parametrisation,
        attempts=attempt + 1,
        kept_as=options["keep_draws"],
    )


def _sample_compiled(
    cells: Cells, problem: Problem, settings: dict[str, Any], given_up: str
) -> _Sampled:
    """Sample with the compiled kernel, in coordinates other than those given up."""
    from summands import coordinates, nuts, ridge

    kind = None
    if given_up and problem.levels.count > 1:
        (kind,) = set(coordinates.KINDS) - {given_up}
    chosen = coordinates.fit(problem, cells, kind)

    def start(chain_seed: int) -> Array:
        # Dispersed along the ridges as well, where the prior alone decides.
        z = np.random.default_rng(chain_seed).normal(size=chosen.dimension)
        intercept, mu, variance = chosen.coefficients(z)
        moved = chosen.locate(intercept, mu, ridge.mix(problem, variance, chain_seed))
        return moved if np.isfinite(moved).all() else z

    trace = nuts.sample(
        *chosen.packed(problem, cells), chosen.dimension, start, **settings
    )
    return _Sampled(
        *chosen.coefficients(trace.z),
        statistics=trace.statistics,
        gradients=trace.gradients,
        parametrisation=chosen.kind,
    )


def _sample_pymc(
    cells: Cells, problem: Problem, settings: dict[str, Any], given_up: str
) -> _Sampled:
    """Sample the model as PyMC states it; there is only one set of coordinates."""
    import nutpie

    from summands import model

    program = _compile(problem)
    data = model.data(cells)
    # Starting points come from a function that reads the model's own containers,
    # which with_data leaves as they are: set both, or they would be those of the data
    # set that happened to be compiled.
    program.model.set_data("information_scale", data["information_scale"])
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
def _compile(problem: Problem) -> _Program:
    """Compile the PyMC model once for all data sets of these levels and priors."""
    import nutpie

    from summands import model

    # Any data will do: they are replaced before sampling.
    levels = problem.levels
    cells = Cells(
        levels,
        contributors=np.zeros((1, levels.count), dtype=np.int64),
        n=np.array([2]),
        mean=np.array([0.0]),
        sum_of_squares=np.array([1.0]),
    )
    built = model.build(problem, cells)
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
