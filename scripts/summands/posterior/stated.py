"""Sample the model as PyMC states it, compiled by nutpie for each design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import nutpie
from numpy.typing import NDArray

from summands.model import statement
from summands.model.cells import Cells
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.posterior import diagnostics


@dataclass(frozen=True)
class Trace:
    """What came out of the sampler.

    Parameters
    ----------
    draws : mapping of str to ndarray, each of shape (chains, draws, ...)
        ``intercept``, ``mu``, ``sigma``, and ``mu_sd`` where it is estimated.
    statistics : mapping of str to ndarray, each of shape (chains, draws)
    gradients : int
        Gradient evaluations, tuning included.
    """

    draws: Mapping[str, NDArray[np.float64]]
    statistics: Mapping[str, NDArray[Any]]
    gradients: int


def sample(
    cells: Cells,
    problem: Problem,
    settings: Mapping[str, Any],
    estimated: bool,
    constant: bool,
) -> Trace:
    """Sample the model of `summands.model.statement`.

    Parameters
    ----------
    cells : Cells
    problem : Problem
    settings : mapping
        Options of `nutpie.sample`.
    estimated, constant : bool
        See `summands.model.statement.build`.

    Returns
    -------
    Trace
    """
    program = compiled(problem.levels, estimated, constant)
    # Starting points come from a function that reads the model's own containers,
    # which with_data leaves as they are: set both, or they would be those of the data
    # set that happened to be compiled.
    priors = statement.priors(problem, cells, estimated, constant)
    for name, value in priors.items():
        program.model.set_data(name, value)
    data = statement.data(problem, cells, estimated, constant)
    trace = nutpie.sample(program.compiled.with_data(**data), **settings)
    kept, warmup = trace["sample_stats"], trace["warmup_sample_stats"]
    return Trace(
        {name: trace["posterior"][name].to_numpy() for name in program.names},
        {name: kept[name].to_numpy() for name in diagnostics.STATISTICS},
        int(kept["n_steps"].sum() + warmup["n_steps"].sum()),
    )


@dataclass(frozen=True)
class _Program:
    model: Any
    compiled: Any
    names: list[str]


@lru_cache(maxsize=1)
def compiled(levels: Levels, estimated: bool, constant: bool) -> _Program:
    """Compile the PyMC model once for all data sets and priors of these levels."""
    # Any data and priors will do: they are replaced before sampling.
    cells = Cells(
        levels,
        contributors=np.zeros((1, levels.count), dtype=np.int64),
        n=np.array([2]),
        mean=np.array([0.0]),
        sum_of_squares=np.array([1.0]),
    )
    built = statement.build(Problem.following(levels), cells, estimated, constant)
    names = ["intercept", "mu", "sigma"] + ["mu_sd"] * estimated
    return _Program(built, nutpie.compile_pymc_model(built, var_names=names), names)
