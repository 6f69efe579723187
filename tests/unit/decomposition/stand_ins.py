"""Tables and draws that a test makes up."""

from collections.abc import Sequence

import numpy as np

from summands.estimation.results import Draws, Scales
from summands.model import estimands
from summands.model.cells import Cells, collapse
from summands.model.levels import Levels
from summands.model.rows import Rows
from summands.posterior.diagnostics import Diagnostics


def table_of(
    levels: Levels,
    contributors: Sequence[np.ndarray],
    intercept: float,
    mu: np.ndarray,
    sigma: np.ndarray,
    rng: np.random.Generator,
) -> Rows:
    """Rows of these contributors, one array a level, drawn from the model."""
    flat = np.stack(contributors, axis=1) + levels.offsets
    value = intercept + rng.normal(
        mu[flat].sum(axis=1), np.sqrt((sigma[flat] ** 2).sum(axis=1))
    )
    return Rows(levels, value, tuple(contributors))


def cells_of(rows: Rows) -> tuple[Cells, np.ndarray, np.ndarray, np.ndarray]:
    """Cells, the cell of each row, and the smallest and largest value of each cell."""
    cells = collapse(rows)
    keys = {tuple(key): place for place, key in enumerate(cells.contributors.tolist())}
    whose = zip(*(column.tolist() for column in rows.contributors), strict=True)
    cell = np.array([keys[key] for key in whose])
    smallest, largest = np.full(len(cells.n), np.inf), np.full(len(cells.n), -np.inf)
    np.minimum.at(smallest, cell, rows.value)
    np.maximum.at(largest, cell, rows.value)
    return cells, cell, smallest, largest


def draws_of(
    levels: Levels,
    intercept: np.ndarray,
    mu: np.ndarray,
    sigma: np.ndarray,
    scales: Scales | None = None,
) -> Draws:
    """Draws of independent chains, as a sampler would hand them over."""
    size = len(estimands.index(levels).parameter)
    effective = np.full(size, float(intercept.size))
    found = Diagnostics(np.ones(size), effective, effective, 0, 1.0)
    return Draws(intercept, mu, sigma, {}, found, 1, "made up", 1, scales=scales)


def plain_draws(
    levels: Levels, seed: int = 0, shape: tuple[int, int] = (4, 250), constant=False
) -> Draws:
    """Draws that no data gave: every number with a spread of its own."""
    rng = np.random.default_rng(seed)
    k, j = levels.contributors, levels.count
    mu = levels.centre(rng.normal(rng.normal(size=k), 0.5, (*shape, k)))
    if constant:
        sigma = np.zeros((*shape, k))
        sigma[..., 0] = rng.lognormal(0.0, 0.1, shape)
        scales = Scales(np.abs(rng.normal(1.0, 0.3, (*shape, j))))
    else:
        sigma = rng.lognormal(rng.normal(0, 0.3, k), 0.2, (*shape, k))
        scales = Scales(
            np.abs(rng.normal(1.0, 0.3, (*shape, j))),
            rng.normal(0.0, 0.2, (*shape, j)),
            rng.lognormal(-0.7, 0.3, (*shape, j)),
        )
    alone = np.asarray(levels.sizes) == 1
    scales.mu_sd[..., alone] = 0.0
    return draws_of(levels, rng.normal(size=shape), mu, sigma, scales)
