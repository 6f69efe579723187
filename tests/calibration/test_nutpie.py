"""Simulation-based calibration of the sampler, on truths drawn from the prior.

Takes some ten minutes, so it runs with ``make calibrate`` and not with ``make test``.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from summands import calibration, estimands, figures, fitting, seeds, simulate
from summands.cells import collapse
from summands.design import Design
from summands.estimators import nutpie
from summands.fitting import Problem
from summands.levels import Levels

pytestmark = pytest.mark.calibration

REPLICATES = 500
DESIGNS = [
    Design(Levels.of(sizes), rows)
    for sizes, rows in (
        ([1, 2], 200),
        ([1, 2], 5000),
        ([2, 2], 200),
        ([1, 4], 200),
        ([1, 3, 3], 500),
        ([1, 3, 3], 20_000),
        ([1, 2, 3, 5], 1000),
    )
]
FIGURE = Path(__file__).parents[2] / "results" / "calibration.png"


def log_likelihood(cells, intercept, mu, sigma) -> np.ndarray:
    mean = np.asarray(intercept)[..., None] + mu[..., cells.members].sum(axis=-1)
    v = (sigma[..., cells.members] ** 2).sum(axis=-1)
    residual = cells.sum_of_squares + cells.n * (cells.mean - mean) ** 2
    return -0.5 * (cells.n * np.log(v) + residual / v).sum(axis=-1)


def ranks_of(arguments: tuple[Design, int]) -> tuple[np.ndarray, bool]:
    """Ranks of all quantities and of the log likelihood, for one data set."""
    design, replicate = arguments
    levels = design.levels
    problem = Problem(levels, 1.0, 0.0, 1.0)
    drawn = simulate.draw_truth(design, 17, replicate)
    rng = seeds.generator(17, design, replicate, "calibration")
    # The generator's intercept is 0; calibration needs one from the prior.
    intercept = rng.normal(0, problem.intercept_sd)
    truth = simulate.Truth(intercept, drawn.mu, drawn.sigma)
    cells = collapse(simulate.draw_rows(design, truth, 17, replicate))
    values = estimands.evaluate(levels, intercept, truth.mu, truth.sigma)
    options = {key: rule["default"] for key, rule in nutpie.OPTIONS.items()}
    fit = fitting.fit(
        nutpie.estimate,
        cells,
        problem,
        options,
        replicate,
        truth=values,
        tie_breaker=rng,
        progress=str,
    )
    assert fit.error is None
    draws = fit.draws
    likelihood = log_likelihood(cells, draws.intercept, draws.mu, draws.sigma).ravel()
    kept = np.linspace(0, len(likelihood) - 1, fitting.RANKED_DRAWS).round().astype(int)
    true = log_likelihood(cells, intercept, truth.mu, truth.sigma)
    rank = (likelihood[kept] < true).sum()
    return np.append(fit.rank, rank).astype(int), fit.converged


def test_ranks_are_uniform():
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    found = {}
    with ProcessPoolExecutor(2) as pool:
        for design in DESIGNS:
            tasks = [(design, replicate) for replicate in range(REPLICATES)]
            results = list(pool.map(ranks_of, tasks, chunksize=25))
            found[design.id] = np.array([ranks for ranks, _ in results])
            share = np.mean([converged for _, converged in results])
            print(f"{design.id}: {share:.1%} converged", flush=True)
            # Fits that did not converge count as well: leaving them out would bias.
            assert share > 0.99
    draw(found)
    for design in DESIGNS:
        columns = found[design.id].T
        p_values = np.array(
            [calibration.uniformity(ranks, fitting.RANKED_DRAWS) for ranks in columns]
        )
        print(
            f"{design.id}: smallest adjusted p {calibration.holm(p_values).min():.3f}"
        )
        assert calibration.holm(p_values).min() > 0.01 / len(DESIGNS), design.id


def draw(found: dict[str, np.ndarray]) -> None:
    """Draw the differences between empirical and uniform distribution functions."""
    points = np.arange(1, fitting.RANKED_DRAWS + 1) / (fitting.RANKED_DRAWS + 1)
    with mpl.rc_context(figures.STYLE):
        figure = Figure(figsize=(11, 2.4), layout="constrained")
        axes = figure.subplots(1, len(found), sharey=True)
        for axis, (name, ranks) in zip(axes, found.items(), strict=True):
            for column in ranks.T:
                share = (column[:, None] < 100 * points).mean(axis=0)
                axis.plot(points, share - points, linewidth=0.6, color="#0072B2")
            band = 1.96 * np.sqrt(points * (1 - points) / len(ranks))
            for sign in (-1, 1):
                axis.plot(points, sign * band, color="black", linewidth=0.8)
            axis.set_title(name.replace("levels-", "").replace("_rows-", ", "))
        axes[0].set_ylabel("ECDF less uniform")
        figure.supxlabel("rank of the truth / 100", fontsize=9)
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE)
