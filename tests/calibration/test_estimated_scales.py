"""Scales that are estimated, and one noise of all rows: ranks of truths are uniform.

Truths are drawn from the priors, their scales included, so that calibration is exact
whatever the number of rows (Talts et al. 2018, arXiv:1804.06788).
"""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pytest

from summands.estimation import fitting
from summands.estimators import nutpie
from summands.model import estimands
from summands.model.cells import collapse
from summands.model.data_set import DataSet
from summands.model.distributions import HalfNormal, LogNormal, Normal, ScalePriors
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.model.rows import Rows
from summands.recovery import against_truth, calibration

REPLICATES = 150
SCALES = ScalePriors(HalfNormal(1.0), Normal(-0.5, 1.0), LogNormal(np.log(0.5), 0.6))
DEFAULTS = {key: rule["default"] for key, rule in nutpie.OPTIONS.items()}
# Enough for 99 nearly independent draws; convergence is not what is tested.
OPTIONS = DEFAULTS | {"tune": 300, "draws": 250, "escalations": 0}

# Model, levels and rows; one has a level of many contributors.
MODELS = {
    "estimated": ({"scales": "estimated"}, (1, 3), 60),
    "estimated, many": ({"scales": "estimated"}, (2, 18), 80),
    "constant": ({"scales": "estimated", "noise": "constant"}, (1, 3, 2), 40),
    "constant, known": ({"noise": "constant"}, (3, 4), 30),
}


def drawn(model, sizes, rows, rng):
    """A problem, and a truth and rows drawn from it; with the scales of the truth."""
    levels = Levels.of(sizes)
    problem = Problem(levels, 0.8, -0.3, 0.6, 2.0, 0.5, SCALES)
    estimated, constant = "scales" in model, "noise" in model
    count, varies = levels.count, np.asarray(sizes) > 1
    mu_sd = SCALES.mu_sd.draw(rng, count) if estimated else np.full(count, 0.8)
    mu_sd = mu_sd * varies
    mu = levels.centre(mu_sd[levels.level] * rng.normal(size=levels.contributors))
    intercept = rng.normal(problem.intercept_mean, problem.intercept_sd)
    scales = [mu_sd[varies]]
    if constant:
        prior = SCALES.log_sigma_mean if estimated else Normal(-0.3, 0.6)
        noise = np.exp(prior.draw(rng, 1) + np.log(count) / 2)
        sigma = np.where(levels.level == 0, noise, 0.0)
    else:
        centre = SCALES.log_sigma_mean.draw(rng, count)
        spread = SCALES.log_sigma_sd.draw(rng, count)
        standard = rng.normal(size=levels.contributors)
        sigma = np.exp(centre[levels.level] + spread[levels.level] * standard)
        scales += [centre, spread]
    picked = np.stack([rng.integers(size, size=rows) for size in sizes], axis=1)
    members = picked + levels.offsets
    value = intercept + mu[members].sum(axis=1)
    value += np.sqrt((sigma[members] ** 2).sum(axis=1)) * rng.normal(size=rows)
    data = DataSet(collapse(Rows(levels, value, tuple(picked.T))))
    truth = estimands.evaluate(levels, intercept, mu, sigma)
    return problem, data, truth, np.concatenate(scales) if estimated else np.zeros(0)


def ranks(name, replicate, told=None):
    """Ranks of all quantities that vary, of the log likelihood, and of the scales."""
    model, sizes, rows = MODELS[name] if isinstance(name, str) else name
    rng = np.random.default_rng([7, replicate, rows, *sizes])
    problem, data, truth, scales = drawn(model, sizes, rows, rng)
    fit = fitting.fit(
        nutpie.estimate,
        data,
        problem if told is None else dataclasses.replace(problem, scales=told),
        OPTIONS | model,
        replicate,
        progress=str,
    )
    assert fit.error is None, fit.error
    score = against_truth.score(fit, truth, rng)
    names = estimands.index(problem.levels)
    varies = ~estimands.constant(problem.levels)
    if "noise" in model:
        varies &= ~names.where("variance_contrast")
        varies &= ~(names.where("sigma") & (names.level > 0))
    found = [score.rank[varies], [score.log_likelihood_rank]]
    if "scales" in model:
        drawn_scales = fit.draws.scales
        parts = [drawn_scales.mu_sd[..., np.asarray(sizes) > 1]]
        if drawn_scales.log_sigma_mean is not None:
            parts += [drawn_scales.log_sigma_mean, drawn_scales.log_sigma_sd]
        flat = np.concatenate(parts, axis=-1).reshape(-1, len(scales))
        kept = np.linspace(0, len(flat) - 1, against_truth.RANKED_DRAWS).round()
        found.append((flat[kept.astype(int)] < scales).sum(axis=0))
    return np.concatenate(found).astype(int)


def p_values(name, replicates, told=None):
    """Adjusted p-values of uniform ranks, one a quantity."""
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with ProcessPoolExecutor(2) as pool:
        work = partial(ranks, name, told=told)
        found = np.array(list(pool.map(work, range(replicates), chunksize=10)))
    rank_of = against_truth.RANKED_DRAWS
    return calibration.holm(
        np.array([calibration.uniformity(column, rank_of) for column in found.T])
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_truths_rank_uniformly(name):
    assert p_values(name, REPLICATES).min() > 0.01


@pytest.mark.slow
def test_another_prior_of_the_scales_is_caught():
    told = ScalePriors(HalfNormal(0.25), SCALES.log_sigma_mean, SCALES.log_sigma_sd)
    assert p_values("constant", REPLICATES, told).min() < 0.01
