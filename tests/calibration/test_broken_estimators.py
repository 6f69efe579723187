"""Estimators that are broken on purpose: each must be caught, and a sound one not.

At the size of study that docs/evidence.md asks for, on a design with little data, where
posteriors depend on everything.
"""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from summands.data import generator, seeds
from summands.data.design import Design
from summands.estimation import fitting, tables
from summands.estimators import nutpie
from summands.model import estimands
from summands.model.cells import collapse
from summands.model.data_set import DataSet
from summands.model.levels import Levels
from summands.recovery import against_truth, calibration

REPLICATES = calibration.ENOUGH
DESIGN = Design(Levels.of([1, 3]), 60)
LEVELS = DESIGN.levels
DEFAULTS = {key: rule["default"] for key, rule in nutpie.OPTIONS.items()}
# Enough for 99 nearly independent draws; convergence is not what is tested.
OPTIONS = DEFAULTS | {"tune": 300, "draws": 250, "escalations": 0}


def prior_sd_halved(cells, problem, options, seed, progress):
    narrow = dataclasses.replace(
        problem, mu_sd=problem.mu_sd / 2, log_sigma_sd=problem.log_sigma_sd / 2
    )
    return nutpie.estimate(cells, narrow, options, seed, progress)


def likelihood_counted_twice(cells, problem, options, seed, progress):
    doubled = dataclasses.replace(
        cells, n=2 * cells.n, sum_of_squares=2 * cells.sum_of_squares
    )
    return nutpie.estimate(doubled, problem, options, seed, progress)


def sign_flipped_in_one_contrast(cells, problem, options, seed, progress):
    draws = nutpie.estimate(cells, problem, options, seed, progress)
    mu = draws.mu.copy()
    mu[..., [1, 2]] = mu[..., [2, 1]]
    return dataclasses.replace(draws, mu=mu)


def posterior_is_the_prior(cells, problem, options, seed, progress):
    draws = nutpie.estimate(cells, problem, options, seed, progress)
    rng = np.random.default_rng(seed)
    shape = draws.mu.shape
    return dataclasses.replace(
        draws,
        intercept=rng.normal(problem.intercept_mean, problem.intercept_sd, shape[:2]),
        mu=LEVELS.centre(rng.normal(0, problem.mu_sd, shape)),
        sigma=rng.lognormal(problem.log_sigma_mean, problem.log_sigma_sd, shape),
    )


def one_sigma_a_tenth_too_large(cells, problem, options, seed, progress):
    draws = nutpie.estimate(cells, problem, options, seed, progress)
    sigma = draws.sigma * np.array([1.0, 1.0, 1.1, 1.0])
    return dataclasses.replace(draws, sigma=sigma)


def fit(arguments):
    estimate, replicate = arguments
    truth = generator.draw_truth(DESIGN, 23, replicate)
    values = estimands.evaluate(LEVELS, truth.intercept, truth.mu, truth.sigma)
    fitted = fitting.fit(
        estimate,
        DataSet(collapse(generator.draw_rows(DESIGN, truth, 23, replicate))),
        DESIGN.problem(),
        OPTIONS,
        replicate,
        progress=str,
    )
    tie_breaker = seeds.generator(23, DESIGN, replicate, "rank")
    score = against_truth.score(fitted, values, tie_breaker)
    fitted.standard = None
    return fitted, score, values


def verdict_on(estimate) -> tuple[str, dict[str, float]]:
    """What calibration.parquet would say, and the p-value of each parameter."""
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with ProcessPoolExecutor(2) as pool:
        tasks = [(estimate, replicate) for replicate in range(REPLICATES)]
        fits, scores, values = zip(*pool.map(fit, tasks, chunksize=50), strict=True)
    joined = against_truth.joined({"truth": np.array(values)}, scores)
    replicates = range(REPLICATES)
    pair = (
        tables.estimates(DESIGN.id, "e", LEVELS, replicates, fits, joined[0]),
        tables.fits(DESIGN.id, "e", replicates, fits, joined[1]),
    )
    rows = calibration.calibration(DESIGN.id, DESIGN, "e", *pair).to_pylist()
    return rows[0]["verdict"], {row["parameter"]: row["p_adjusted"] for row in rows}


def test_the_sound_estimator_passes():
    verdict, p_values = verdict_on(nutpie.estimate)
    assert verdict == "passed", p_values
    assert set(p_values) == {*estimands.PARAMETERS, calibration.LOG_LIKELIHOOD}


@pytest.mark.parametrize(
    "estimate",
    [
        prior_sd_halved,
        likelihood_counted_twice,
        sign_flipped_in_one_contrast,
        posterior_is_the_prior,
        one_sigma_a_tenth_too_large,
    ],
)
def test_a_broken_estimator_is_caught(estimate):
    verdict, p_values = verdict_on(estimate)
    print(estimate.__name__, p_values)
    assert verdict == "failed", p_values
