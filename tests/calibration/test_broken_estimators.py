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
from summands.estimation import fitting
from summands.estimators import nutpie
from summands.model import estimands
from summands.model.cells import collapse
from summands.model.data_set import DataSet
from summands.model.levels import Levels
from summands.recovery import against_truth, calibration

from ..unit.stand_ins import tables_of

REPLICATES = calibration.ENOUGH
DESIGN = Design(Levels.of([1, 3]), 60)
LEVELS = DESIGN.levels
DEFAULTS = {key: rule["default"] for key, rule in nutpie.OPTIONS.items()}
# Enough for 99 nearly independent draws; convergence is not what is tested.
OPTIONS = DEFAULTS | {"tune": 300, "draws": 250, "escalations": 0}

_sampled = {}


def sound(cells, problem, options, seed, progress):
    """Sampled once for all that begin with it: a seed is a data set here."""
    if seed not in _sampled:
        _sampled.clear()
        _sampled[seed] = nutpie.estimate(cells, problem, options, seed, progress)
    return _sampled[seed]


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


def sign_flipped_in_one_contrast(*arguments):
    draws = sound(*arguments)
    mu = draws.mu.copy()
    mu[..., [1, 2]] = mu[..., [2, 1]]
    return dataclasses.replace(draws, mu=mu)


def posterior_is_the_prior(cells, problem, options, seed, progress):
    draws = sound(cells, problem, options, seed, progress)
    rng = np.random.default_rng(seed)
    shape = draws.mu.shape
    return dataclasses.replace(
        draws,
        intercept=rng.normal(problem.intercept_mean, problem.intercept_sd, shape[:2]),
        mu=LEVELS.centre(rng.normal(0, problem.mu_sd, shape)),
        sigma=rng.lognormal(problem.log_sigma_mean, problem.log_sigma_sd, shape),
    )


def one_sigma_a_tenth_too_large(*arguments):
    draws = sound(*arguments)
    sigma = draws.sigma * np.array([1.0, 1.0, 1.1, 1.0])
    return dataclasses.replace(draws, sigma=sigma)


BROKEN = (
    prior_sd_halved,
    likelihood_counted_twice,
    sign_flipped_in_one_contrast,
    posterior_is_the_prior,
    one_sigma_a_tenth_too_large,
)


def fit(replicate):
    """The truth of a replicate, and fits and scores of all estimators."""
    truth = generator.draw_truth(DESIGN, 23, replicate)
    values = estimands.evaluate(LEVELS, truth.intercept, truth.mu, truth.sigma)
    data = DataSet(collapse(generator.draw_rows(DESIGN, truth, 23, replicate)))
    problem = DESIGN.problem(data.units)
    fits, scores = [], []
    for estimate in (sound, *BROKEN):
        fitted = fitting.fit(estimate, data, problem, OPTIONS, replicate, progress=str)
        tie_breaker = seeds.generator(23, DESIGN, replicate, "rank")
        scores.append(against_truth.score(fitted, values, tie_breaker))
        fitted.standard = None
        fits.append(fitted)
    return values, fits, scores


@pytest.fixture(scope="module")
def verdicts() -> dict[str, tuple[str, dict[str, float]]]:
    """What calibration.parquet would say, and the p-value of each parameter."""
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with ProcessPoolExecutor(2) as pool:
        done = pool.map(fit, range(REPLICATES), chunksize=25)
        truths, fits, scores = zip(*done, strict=True)
    known = {"truth": np.array(truths), "bound": np.full(np.shape(truths), np.nan)}
    found = {}
    for estimate, of_one, scored in zip(
        (sound, *BROKEN),
        zip(*fits, strict=True),
        zip(*scores, strict=True),
        strict=True,
    ):
        name = estimate.__name__
        pair = tables_of(DESIGN.id, name, LEVELS, of_one, known, scored)
        rows = calibration.calibration(DESIGN.id, DESIGN, name, *pair).to_pylist()
        p_values = {row["parameter"]: row["p_adjusted"] for row in rows}
        found[name] = rows[0]["verdict"], p_values
    return found


def test_the_sound_estimator_passes(verdicts):
    verdict, p_values = verdicts["sound"]
    assert verdict == "passed", p_values
    assert set(p_values) == {*estimands.PARAMETERS, calibration.LOG_LIKELIHOOD}


@pytest.mark.parametrize("estimate", BROKEN)
def test_a_broken_estimator_is_caught(verdicts, estimate):
    verdict, p_values = verdicts[estimate.__name__]
    assert verdict == "failed", p_values
