"""Posterior predictive checks: whether the fit gives rows like the observed ones.

For some draws, the rows of all contributors are drawn anew from the cells, exactly: the
mean of n rows of a cell is normal, their sum of squares v chi^2 of n - 1 degrees of
freedom, independent of it, and their largest is the inverse distribution function of
U^(1/n). (A cell's smallest and largest are drawn apart: each is compared by itself.)
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import ndtri_exp

from summands.decomposition import intervals, tables, thinning
from summands.estimation.results import Draws
from summands.files.columns import schema
from summands.model.cells import Cells

Array = NDArray[np.float64]

# Replicated tables: at most so many, and of large tables as many as have so many cells,
# but not less than the least.
MOST_DRAWS = 500
LEAST_DRAWS = 100
MOST_CELLS = 50_000_000

STATISTICS = ("mean", "spread", "smallest", "largest")

CHECKS = schema(
    ("estimator", pa.string(), "name of the estimator"),
    ("level", pa.int32(), "level, from 0"),
    ("level_name", pa.string(), "what the level is called"),
    ("contributor", pa.int32(), "contributor within the level, from 0"),
    ("label", pa.string(), "what the contributor is called"),
    (
        "statistic",
        pa.string(),
        "of the rows of the contributor: one of "
        f"{', '.join(STATISTICS)}; spread is their standard deviation",
    ),
    ("observed", pa.float64(), "its value in the data"),
    (
        "lower_95",
        pa.float64(),
        "lower end of the central 95 % of its values in tables drawn from the fit",
    ),
    ("upper_95", pa.float64(), "upper end of that interval"),
    (
        "probability",
        pa.float64(),
        "share of those tables in which it is at least as large as in the data: near 0 "
        "or 1 the fit does not explain it",
    ),
)


def of_draws(
    estimator: str,
    draws: Draws,
    cells: Cells,
    smallest: Array,
    largest: Array,
    rng: np.random.Generator,
) -> pa.Table:
    """Tabulate posterior predictive checks of each contributor.

    Parameters
    ----------
    estimator : str
    draws : Draws
        In the units of the data.
    cells : Cells
    smallest, largest : ndarray, shape (C,)
        Smallest and largest value of each cell's rows.
    rng : numpy.random.Generator

    Returns
    -------
    pyarrow.Table
        With the columns of `CHECKS`, a row for each statistic of each contributor of
        the levels of several. Null where a contributor has too few rows for it.
    """
    levels = cells.levels
    some = thinning.thin(
        draws,
        min(MOST_DRAWS, max(LEAST_DRAWS, MOST_CELLS // len(cells.n))),
    )
    origin = float(np.average(cells.mean, weights=cells.n))
    members = np.ascontiguousarray(cells.members.T)
    observed = _statistics(
        cells,
        members,
        cells.mean - origin,
        cells.sum_of_squares,
        smallest - origin,
        largest - origin,
    )
    replicated = np.empty((len(some.places), *observed.shape))
    for draw, place in enumerate(replicated):
        mean, variance = some.of_cells(draw, members, origin)
        place[...] = _statistics(
            cells, members, *_rows_anew(cells, mean, variance, rng)
        )
    chosen = np.flatnonzero(np.asarray(levels.sizes)[levels.level] > 1)
    observed, replicated = observed[:, chosen], replicated[..., chosen]
    lower, upper = np.quantile(replicated, intervals.CENTRAL, axis=0)
    probability = np.where(
        np.isnan(observed), np.nan, (replicated >= observed).mean(axis=0)
    )
    shift = np.array([[origin], [0.0], [origin], [origin]])
    return tables.table(
        CHECKS,
        tables.whose(levels, np.repeat(chosen, len(STATISTICS)))
        | {
            "estimator": estimator,
            "statistic": list(STATISTICS) * len(chosen),
            "observed": (observed + shift).T.ravel(),
            "lower_95": (lower + shift).T.ravel(),
            "upper_95": (upper + shift).T.ravel(),
            "probability": probability.T.ravel(),
        },
    )


def _rows_anew(
    cells: Cells, mean: Array, variance: Array, rng: np.random.Generator
) -> tuple[Array, Array, Array, Array]:
    """Draw what `_statistics` asks of each cell, for rows Normal(mean, variance)."""
    n = cells.n
    sd = np.sqrt(variance)
    average = mean + sd * rng.standard_normal(len(n)) / np.sqrt(n)
    # chi^2 of n - 1 degrees of freedom, which is 0 for a single row.
    squares = 2.0 * variance * rng.standard_gamma(0.5 * (n - 1))
    smallest, largest = average.copy(), average.copy()
    more = np.flatnonzero(n > 1)
    for extremes, sign in ((smallest, -1.0), (largest, 1.0)):
        extremes[more] = mean[more] + sign * sd[more] * _largest(n[more], rng)
    return average, squares, smallest, largest


def _largest(n: NDArray[np.integer], rng: np.random.Generator) -> Array:
    """Draw the largest of n standard normal numbers: its distribution is Phi^n."""
    # In logarithms, so that the largest of very many keeps its digits.
    logarithm = -rng.standard_exponential(len(n)) / n
    return np.asarray(ndtri_exp(logarithm), float)


def _statistics(
    cells: Cells,
    members: NDArray[np.int64],
    mean: Array,
    squares: Array,
    smallest: Array,
    largest: Array,
) -> Array:
    """Compute the statistics of each contributor's rows from those of the cells.

    Parameters
    ----------
    cells : Cells
    members : ndarray of int, shape (J, C)
        Of the cells, level by level.
    mean, squares, smallest, largest : ndarray, shape (C,)
        Of the rows of each cell; squares is the sum of the squared deviations.

    Returns
    -------
    ndarray, shape (4, K)
        In the order of `STATISTICS`; NaN without rows, and the spread of a single one.
    """
    count = cells.levels.contributors
    n = cells.n.astype(float)
    rows, sums, total = np.zeros((3, count))
    least, most = np.full(count, np.inf), np.full(count, -np.inf)
    for mine in members:
        rows += np.bincount(mine, n, count)
        sums += np.bincount(mine, n * mean, count)
        np.minimum.at(least, mine, smallest)
        np.maximum.at(most, mine, largest)
    with np.errstate(invalid="ignore", divide="ignore"):
        average = sums / rows
        for mine in members:
            # Around the contributor's own average, so that nothing cancels.
            squared = squares + n * (mean - average[mine]) ** 2
            total += np.bincount(mine, squared, count)
        spread = np.sqrt(total / (rows - 1.0))
    spread[rows < 2] = np.nan
    least[rows == 0], most[rows == 0] = np.nan, np.nan
    return np.stack([average, spread, least, most])
