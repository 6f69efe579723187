"""The posterior of the full model, sampled by nutpie's NUTS.

Hoffman and Gelman (2014, JMLR 15:1593) for the sampler; `summands.model` for the
model.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from summands.cells import Cells
from summands.fitting import Draws, Problem

READS = "cells"
SAMPLES = True
OPTIONS: dict[str, dict[str, Any]] = {
    "chains": {
        "type": "integer",
        "minimum": 2,
        "default": 4,
        "description": "Independent chains; R-hat compares them.",
    },
    "tune": {
        "type": "integer",
        "minimum": 50,
        "default": 1000,
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
        "default": 0.8,
        "description": "Acceptance rate that the step size is adapted to.",
    },
}

STATISTICS = ("diverging", "energy", "logp", "n_steps", "step_size", "tree_depth")

# Milliseconds between two lines in the log of a long fit.
HEARTBEAT = 10_000


def prepare(problem: Problem) -> None:
    """Compile the model, which takes far longer than to sample a small data set."""
    _compile(problem)


def estimate(
    cells: Cells,
    problem: Problem,
    options: Mapping[str, Any],
    seed: int,
    progress: Callable[[str], None],
) -> Draws:
    """Sample the posterior of one data set.

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
    """
    import nutpie

    from summands import model

    program = _compile(problem)
    data = model.data(cells)
    # Starting points come from a function that reads the model's own containers,
    # which with_data leaves as they are: set both, or they would be those of the data
    # set that happened to be compiled.
    program.model.set_data("information_scale", data["information_scale"])
    trace = nutpie.sample(
        program.compiled.with_data(**data),
        chains=options["chains"],
        tune=options["tune"],
        draws=options["draws"],
        target_accept=options["target_accept"],
        cores=1,
        seed=seed,
        progress_bar=False,
        progress_callback=_heartbeat(progress),
        progress_rate=HEARTBEAT,
    )
    kept, warmup = trace["sample_stats"], trace["warmup_sample_stats"]
    return Draws(
        intercept=trace["posterior"]["intercept"].to_numpy(),
        mu=trace["posterior"]["mu"].to_numpy(),
        sigma=trace["posterior"]["sigma"].to_numpy(),
        statistics={name: kept[name].to_numpy() for name in STATISTICS if name in kept},
        gradients=int(kept["n_steps"].sum() + warmup["n_steps"].sum()),
    )


@dataclasses.dataclass(frozen=True)
class _Program:
    model: Any
    compiled: Any


@lru_cache(maxsize=1)
def _compile(problem: Problem) -> _Program:
    """Compile the model once for all data sets of these levels and priors."""
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
