"""The posterior of the full model, sampled by nutpie's NUTS.

Hoffman and Gelman (2014, JMLR 15:1593) for the sampler, `summands.model.statement` for
the model. Two backends sample the same posterior: "compiled" (in coordinates fitted to
the data: `summands.posterior.density`, and where scales are estimated or all rows have
one noise `summands.posterior.pooled`; of hundreds of contributors
`summands.posterior.heteroscedastic`, or with one noise `summands.posterior.crossed`),
and "pymc" (the model as PyMC states it, compiled for each design).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from summands.estimation.results import Draws, Scales
from summands.estimators import PRIORS_OPTION
from summands.model import estimands
from summands.model.cells import Cells
from summands.model.problem import Problem
from summands.posterior import diagnostics
from summands.posterior.attempts import ATTEMPTS, POOLED_ATTEMPTS, Attempt

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
            "means are integrated out, rates are 0.98 from the start, 0.99 and 0.998."
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

# Contributors above which sampling means is cheaper than factorising at each gradient.
MANY = 300

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Sampled:
    """Draws as a backend returns them."""

    intercept: Array
    mu: Array
    sigma: Array
    statistics: Mapping[str, NDArray[Any]]
    gradients: int
    parametrisation: str
    scales: Scales | None = None

    @property
    def arrays(self) -> list[Array]:
        """All draws."""
        found = [self.intercept, self.mu, self.sigma]
        if self.scales is not None:
            found += [
                values for values in vars(self.scales).values() if values is not None
            ]
        return found


def prepare(problem: Problem, options: Mapping[str, Any]) -> None:
    """Compile, or load from the cache, what all data sets of these levels share."""
    estimated, constant = _model(problem, options)
    if options["backend"] == "pymc":
        from summands.posterior import stated

        stated.compiled(problem.levels, estimated, constant)
    elif _many(problem):
        from summands.posterior import crossed_draws, heteroscedastic_draws

        (crossed_draws if constant else heteroscedastic_draws).prepare()
        return
    elif estimated or constant:
        from summands.posterior import pooled_draws

        pooled_draws.prepare(problem, estimated, constant)
        return
    else:
        from summands.posterior import density, foreign

        foreign.functions(density.callback)
    from summands.posterior import allocation

    allocation.mix(problem, np.ones((1, problem.levels.contributors)), 0)


def _model(problem: Problem, options: Mapping[str, Any]) -> tuple[bool, bool]:
    """Say whether scales are estimated, and whether there is one noise."""
    estimated = options["scales"] == "estimated"
    if estimated and problem.scales is None:
        raise ValueError(
            "scales: estimated needs a prior for the scales, and the design states "
            "known ones: give `priors` distributions, as mu_sd: {half_normal: 1.0}"
        )
    return estimated, options["noise"] == "constant"


def _many(problem: Problem) -> bool:
    """Whether only the means of the largest level are integrated out."""
    return problem.levels.contributors > MANY


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

    estimated, constant = _model(problem, options)
    sample: Callable[..., _Sampled] = _sample_compiled
    attempts = ATTEMPTS
    if estimated or constant or _many(problem):
        sample = partial(_sample_integrated, estimated=estimated, constant=constant)
        attempts = ATTEMPTS if _many(problem) else POOLED_ATTEMPTS
    if options["backend"] == "pymc":
        sample = partial(_sample_pymc, estimated=estimated, constant=constant)
    levels = problem.levels
    gradients = 0
    seeds = np.random.SeedSequence(seed).generate_state(2 * 3, np.uint32)
    for attempt in range(options["escalations"] + 1):
        changed = attempts[attempt]
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
        sampled = sample(cells, problem, settings, changed, int(seeds[2 * attempt + 1]))
        gradients += sampled.gradients
        if not all(np.isfinite(values).all() for values in sampled.arrays):
            raise FloatingPointError("the sampler returned draws that are not finite")
        found = diagnostics.diagnose(
            levels,
            estimands.evaluate(levels, sampled.intercept, sampled.mu, sampled.sigma),
            sampled.statistics,
            sampled.arrays[3:],
            one_noise=constant,
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


def _sample_compiled(
    cells: Cells,
    problem: Problem,
    settings: dict[str, Any],
    attempt: Attempt,
    seed: int,
) -> _Sampled:
    """Sample with the compiled kernel, in coordinates of this kind or the best one."""
    from summands.posterior import allocation, coordinates, density, nuts

    chosen = coordinates.fit(problem, cells, attempt.kind)

    def start(chain_seed: int) -> Array:
        # Dispersed along the ridges as well, where the prior alone decides.
        z = np.random.default_rng(chain_seed).normal(size=chosen.dimension)
        intercept, mu, variance = chosen.coefficients(z)
        moved = chosen.locate(
            intercept, mu, allocation.mix(problem, variance, chain_seed)
        )
        return moved if np.isfinite(moved).all() else z

    trace = nuts.sample(
        density.callback,
        chosen.packed(problem, cells),
        chosen.dimension,
        start,
        **settings,
    )
    intercept, mu, variance = chosen.coefficients(trace.z)
    kept = slice(None, None, attempt.thinning)
    return _Sampled(
        intercept[:, kept],
        mu[:, kept],
        np.sqrt(allocation.mix(problem, variance[:, kept], seed, attempt.sweeps)),
        statistics=trace.statistics,
        gradients=trace.gradients,
        parametrisation=chosen.kind,
    )


def _sample_integrated(
    cells: Cells,
    problem: Problem,
    settings: dict[str, Any],
    attempt: Attempt,
    seed: int,
    *,
    estimated: bool,
    constant: bool,
) -> _Sampled:
    """Sample with means integrated out, and draw what was integrated out."""
    from summands.posterior import nuts

    complete: Callable[..., Any]
    target: Any
    if _many(problem) and constant:
        from summands.posterior import crossed, crossed_draws

        complete = crossed_draws.complete
        target = crossed.fit(problem, cells, estimated)
    elif _many(problem):
        from summands.posterior import heteroscedastic, heteroscedastic_draws

        complete = heteroscedastic_draws.complete
        target = heteroscedastic.fit(problem, cells, estimated)
    else:
        from summands.posterior import pooled, pooled_draws

        complete = pooled_draws.complete
        integrated = None if attempt.kind is None else False
        target = pooled.fit(problem, cells, estimated, constant, integrated)
    trace = nuts.sample(
        target.density.callback,
        target.packed(),
        target.dimension,
        target.start,
        **settings,
    )
    z = trace.z[:, :: attempt.thinning]
    intercept, mu, sigma, scales = complete(target, z, seed, attempt.sweeps, estimated)
    return _Sampled(
        intercept,
        mu,
        sigma,
        scales=scales and Scales(*scales),
        statistics=trace.statistics,
        gradients=trace.gradients,
        parametrisation=target.kind,
    )


def _sample_pymc(
    cells: Cells,
    problem: Problem,
    settings: dict[str, Any],
    attempt: Attempt,
    seed: int,
    *,
    estimated: bool,
    constant: bool,
) -> _Sampled:
    """Sample the model as PyMC states it; there is only one set of coordinates."""
    from summands.posterior import allocation, stated

    trace = stated.sample(cells, problem, settings, estimated, constant)
    posterior = {
        name: values[:, :: attempt.thinning] for name, values in trace.draws.items()
    }
    scales = None
    variance = posterior["sigma"] ** 2
    if not constant:
        variance = allocation.mix(
            problem, variance, seed, attempt.sweeps, pooled=estimated
        )
    sigma = np.sqrt(variance)
    if estimated:
        from summands.posterior import pooled_draws

        noise = None if constant else sigma
        scales = Scales(
            *pooled_draws.scales_of(problem, posterior["mu_sd"], noise, seed)
        )
    return _Sampled(
        posterior["intercept"],
        posterior["mu"],
        sigma,
        statistics=trace.statistics,
        gradients=trace.gradients,
        parametrisation="non-centred" if estimated or constant else "softplus",
        scales=scales,
    )
