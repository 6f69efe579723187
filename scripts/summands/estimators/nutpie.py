"""The posterior of the full model, sampled by nutpie's NUTS.

Hoffman and Gelman (2014, JMLR 15:1593) for the sampler, `summands.model.statement` for
the model. Two backends sample the same posterior: "compiled" (in coordinates fitted to
the data), and "pymc" (the model as PyMC states it, compiled for each design); see
`summands.estimation.sampling`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from summands.estimation.results import Draws
from summands.estimation.sampling import Route
from summands.estimators import PRIORS_OPTION
from summands.model import estimands
from summands.model.cells import Cells
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
    "scales": {
        "enum": ["known", "estimated"],
        "default": "known",
        "description": (
            "Scales of the priors of mu and sigma. `known`: those of the design, or of "
            "`priors`; `estimated`: each level's own, learnt from the data."
        ),
    },
    "noise": {
        "enum": ["contributor", "constant"],
        "default": "contributor",
        "description": (
            "`contributor`: a sigma for each; `constant`: all rows have one noise, "
            "which is stated as the sigma of level 0, and all other sigmas are 0."
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
            "0.97, the second with four times and 0.99, keeping each fourth draw. For "
            "estimated scales and constant noise of up to 300 contributors, where the "
            "means are integrated out, rates are 0.98 from the start, 0.99 and 0.998. "
            "Of more contributors with a noise each the first keeps each third draw, "
            "and changes nothing else, and the second each sixth."
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

# Of an observed table nobody knows the scales.
OBSERVED = {
    "scales": OPTIONS["scales"] | {"enum": ["estimated"], "default": "estimated"}
}


def prepare(problem: Problem, options: Mapping[str, Any]) -> None:
    """Compile, or load from the cache, what all data sets of these levels share."""
    _route(problem, options).prepare(problem)


def seconds(contributors: int, size: int, options: Mapping[str, Any]) -> float:
    """Time of a fit that need not be tried again.

    Gradients a draw, and microseconds of a gradient: a call, and what each contributor
    and each cell adds. Fits of the benchmark take 0.065, 0.13 and 1.26 s
    (docs/evidence.md) and are put at 0.09, 0.12 and 0.88; with estimated scales, fits
    of [1, 5] and [1, 3, 10] took 1.0 to 3.3 s on a busy core; of many contributors,
    280 s were measured for 4,115 in 73,421 cells, and 13 s for 1,000 in 20,000.
    """
    route = _of_options(contributors, options)
    draws = options["chains"] * (options["tune"] + options["draws"])
    if route.many:
        return 32e-6 * draws * (6.0 + 0.05 * contributors + 0.015 * size)
    if route.estimated and not route.constant:
        return 0.3 + 20e-6 * draws * (3.0 + 0.1 * contributors + 0.045 * size)
    return 0.02 + 8e-6 * draws * (1.2 + 0.1 * contributors + 0.005 * size)


def _route(problem: Problem, options: Mapping[str, Any]) -> Route:
    """Find the route, where there is a prior for all that is to be estimated."""
    route = _of_options(problem.levels.contributors, options)
    if route.estimated and problem.scales is None:
        raise ValueError(
            "scales: estimated needs a prior for the scales, and the design states "
            "known ones: give `priors` distributions, as mu_sd: {half_normal: 1.0}"
        )
    return route


def _of_options(contributors: int, options: Mapping[str, Any]) -> Route:
    return Route(
        contributors,
        estimated=options["scales"] == "estimated",
        constant=options["noise"] == "constant",
        stated=options["backend"] == "pymc",
    )


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
        Told every ten seconds how far the chains are, and why an attempt was given up.

    Returns
    -------
    Draws

    Raises
    ------
    FloatingPointError
        If a draw is not finite.
    ValueError
        If scales are to be estimated that have no prior.
    """
    from summands.posterior import nuts

    route = _route(problem, options)
    levels = problem.levels
    gradients = 0
    seeds = np.random.SeedSequence(seed).generate_state(2 * 3, np.uint32)
    for attempt in range(options["escalations"] + 1):
        changed = route.attempts[attempt]
        settings: dict[str, Any] = {
            "chains": options["chains"],
            "tune": options["tune"] * changed.tuning,
            "draws": options["draws"] * changed.thinning,
            "target_accept": max(options["target_accept"], changed.accept),
            "seed": int(seeds[2 * attempt]),
            # Jobs run side by side; chains of one fit run one after the other.
            "cores": 1,
            "progress_bar": False,
            "progress_callback": nuts.heartbeat(progress),
            "progress_rate": nuts.HEARTBEAT,
        }
        sampled = route.sample(
            cells, problem, settings, changed, int(seeds[2 * attempt + 1])
        )
        gradients += sampled.gradients
        if not all(np.isfinite(values).all() for values in sampled.arrays):
            raise FloatingPointError("the sampler returned draws that are not finite")
        found = diagnostics.diagnose(
            levels,
            estimands.evaluate(levels, sampled.intercept, sampled.mu, sampled.sigma),
            sampled.statistics,
            sampled.arrays[3:],
            one_noise=route.constant,
        )
        if found.converged:
            break
        if attempt < options["escalations"]:
            progress(f"attempt {attempt + 1} did not converge ({found.criterion})")
    return Draws(
        sampled.intercept,
        sampled.mu,
        sampled.sigma,
        statistics={
            name: values[:, :: changed.thinning]
            for name, values in sampled.statistics.items()
        },
        diagnostics=found,
        gradients=gradients,
        parametrisation=sampled.parametrisation,
        attempts=attempt + 1,
        kept_as=options["keep_draws"],
        keep_predictive=options["keep_predictive"],
        scales=sampled.scales,
    )
