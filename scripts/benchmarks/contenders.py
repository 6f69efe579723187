"""The contenders of the benchmark: one process fits some data sets with one of them.

``python -m benchmarks.contenders NAME DESIGN FITS`` prints one JSON line a fit.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from summands.data import generator
from summands.data.design import Design
from summands.model.cells import collapse
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.model.rows import Rows

DESIGNS = {
    "small": Design(Levels.of([1, 2]), 2000),
    "medium": Design(Levels.of([1, 3, 5]), 2000),
    "large": Design(Levels.of([1, 2, 3, 5, 10, 10]), 10_000),
}
SEED = 20261122
# What PyMC does unless it is told otherwise; summands has its own defaults as well.
CHAINS, TUNE, DRAWS = 4, 1000, 1000


def data_sets(design: Design, count: int) -> Iterator[Rows]:
    """Draw the same data sets for every contender."""
    for replicate in range(count):
        truth = generator.draw_truth(design, SEED, replicate)
        yield generator.draw_rows(design, truth, SEED, replicate)


def row_level_model(problem: Problem, rows: Rows) -> Any:
    """State the model as most people would: a log sigma each, a likelihood per row."""
    import pymc as pm
    import pytensor.tensor as pt

    levels = problem.levels
    picked = np.stack(rows.contributors, axis=1) + levels.offsets
    with pm.Model() as model:
        intercept = pm.Normal("intercept", problem.intercept_mean, problem.intercept_sd)
        parts = [
            pm.ZeroSumNormal(f"mu_{level}", problem.mu_sd, shape=size)
            if size > 1
            else pt.zeros(1)
            for level, size in enumerate(levels.sizes)
        ]
        mu = pm.Deterministic("mu", pt.concatenate(parts))
        sigma = pm.LogNormal(
            "sigma",
            problem.log_sigma_mean,
            problem.log_sigma_sd,
            shape=levels.contributors,
        )
        pm.Normal(
            "value",
            intercept + mu[picked].sum(axis=1),
            pt.sqrt((sigma**2)[picked].sum(axis=1)),
            observed=rows.value,
        )
    return model


def row_level(sampler: str) -> Callable[[Problem, Rows, int], dict]:
    """Fit the row-level model with a sampler that PyMC knows, "nutpie" for instance."""

    def fit(problem: Problem, rows: Rows, seed: int) -> dict[str, Any]:
        import pymc as pm

        from summands.model import estimands
        from summands.posterior import diagnostics

        with row_level_model(problem, rows):
            trace = pm.sample(
                draws=DRAWS,
                tune=TUNE,
                chains=CHAINS,
                cores=1,
                random_seed=seed,
                nuts_sampler=sampler,
                progressbar=False,
                compute_convergence_checks=False,
            )
        posterior = trace["posterior"]
        values = estimands.evaluate(
            problem.levels,
            posterior["intercept"].to_numpy(),
            posterior["mu"].to_numpy(),
            posterior["sigma"].to_numpy(),
        )
        statistics = trace["sample_stats"]
        found = diagnostics.diagnose(
            problem.levels,
            values,
            {name: statistics[name].to_numpy() for name in ("diverging", "energy")},
        )
        return _outcome(found)

    return fit


def summands(backend: str) -> Callable[[Problem, Rows, int], dict]:
    """Fit with a backend of the nutpie estimator, from rows to diagnostics."""

    def fit(problem: Problem, rows: Rows, seed: int) -> dict[str, Any]:
        from summands.estimators import nutpie

        options = {key: rule["default"] for key, rule in nutpie.OPTIONS.items()}
        options |= {"backend": backend}
        draws = nutpie.estimate(collapse(rows), problem, options, seed, _silent)
        return _outcome(draws.diagnostics) | {"gradients": draws.gradients}

    return fit


CONTENDERS: dict[str, Callable[[Problem, Rows, int], dict[str, Any]]] = {
    "rows, nutpie": row_level("nutpie"),
    "rows, PyMC's NUTS": row_level("pymc"),
    "rows, numpyro": row_level("numpyro"),
    "summands, pymc backend": summands("pymc"),
    "summands, compiled": summands("compiled"),
}


def _silent(line: str) -> None:
    """Drop a line of progress."""


def _outcome(found: Any) -> dict[str, Any]:
    return {
        "converged": found.converged,
        "divergences": found.divergences,
        "rhat": float(np.nanmax(found.rhat)),
        "ess": float(np.nanmin(np.fmin(found.ess_bulk, found.ess_tail))),
    }


def main(name: str, design_name: str, fits: int) -> None:
    """Fit, and print a line a fit; the first has all imports and compilations."""
    design = DESIGNS[design_name]
    problem = design.problem()
    cpu = 0.0
    wall = time.perf_counter()
    for number, rows in enumerate(data_sets(design, fits)):
        outcome = CONTENDERS[name](problem, rows, number)
        used = os.times()
        spent = used.user + used.system + used.children_user + used.children_system
        now = time.perf_counter()
        outcome |= {"cpu": spent - cpu, "wall": now - wall}
        print("RESULT " + json.dumps(outcome), flush=True)
        cpu, wall = spent, now


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
