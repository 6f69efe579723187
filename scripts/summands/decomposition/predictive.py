"""Posterior predictive checks: whether the fit gives rows like the observed ones.

For some draws, the rows of all contributors are drawn anew, exactly: those of a cell of
few rows one by one. Of more, the mean of n rows is normal, their sum of squares v chi^2
of n - 1 degrees of freedom, independent of it, and their largest is the inverse
distribution function of U^(1/n). (A cell's smallest and largest are drawn apart then:
each is compared by itself.)
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import ndtri_exp

from summands.decomposition import intervals, passes, tables, thinning
from summands.estimation.results import Draws
from summands.files.columns import schema
from summands.model.cells import Cells

Array = NDArray[np.float64]

# Replicated tables: at most so many, and of large tables as many as have so many cells,
# but not less than the least.
MOST_DRAWS = 500
LEAST_DRAWS = 100
MOST_CELLS = 50_000_000

# Rows of a cell that are drawn one by one, at most: as long as that takes less.
FEW = 16

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
    members = tables.members_of_cells(cells)
    given = (
        cells.mean - origin,
        cells.sum_of_squares,
        smallest - origin,
        largest - origin,
    )
    rows, centre = cells.rows, np.zeros(levels.contributors)
    known = _nothing(levels.contributors)
    passes.gather(members, cells.n, *given, centre, known)
    # Around the contributor's own average, so that nothing cancels.
    with np.errstate(invalid="ignore"):
        centre = known[:, passes.SUM] / rows
    known = _nothing(levels.contributors)
    passes.gather(members, cells.n, *given, centre, known)
    observed = _statistics(known, rows, centre)
    many = cells.n[cells.n > FEW]
    replicated = np.empty((len(some.places), *observed.shape))
    alone = np.asarray(levels.sizes)[levels.level] == 1
    for draw, place in enumerate(replicated):
        mu, variance = some.mu[draw], some.variance[draw]
        known = _nothing(levels.contributors)
        passes.draw(
            members,
            cells.n,
            FEW,
            some.intercept[draw] - origin + mu[alone].sum(),
            mu,
            variance[alone].sum(),
            variance,
            -_largest(many, rng),
            _largest(many, rng),
            rng,
            centre,
            known,
        )
        place[...] = _statistics(known, rows, centre)
    chosen = np.flatnonzero(~alone)
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


def _largest(n: NDArray[np.integer], rng: np.random.Generator) -> Array:
    """Draw the largest of n standard normal numbers: its distribution is Phi^n."""
    # In logarithms, so that the largest of very many keeps its digits.
    logarithm = -rng.standard_exponential(len(n)) / n
    return np.asarray(ndtri_exp(logarithm), float)


def _nothing(count: int) -> Array:
    """Give what is known of contributors without rows; see `passes.gather`."""
    known = np.zeros((count, 4))
    known[:, passes.SMALLEST], known[:, passes.LARGEST] = np.inf, -np.inf
    return known


def _statistics(known: Array, rows: NDArray[np.int64], centre: Array) -> Array:
    """Compute the statistics of each contributor's rows.

    Parameters
    ----------
    known : ndarray, shape (K, 4)
        See `passes.gather`.
    rows : ndarray of int, shape (K,)
    centre : ndarray, shape (K,)
        Origin of their sums.

    Returns
    -------
    ndarray, shape (4, K)
        In the order of `STATISTICS`; NaN without rows, and the spread of a single one.
    """
    sums, squares, least, most = known.T
    with np.errstate(invalid="ignore", divide="ignore"):
        off = sums / rows
        spread = np.sqrt(np.maximum(squares - sums * off, 0.0) / (rows - 1.0))
        spread[rows < 2] = np.nan
        least, most = np.where(rows > 0, (least, most), np.nan)
    return np.stack([centre + off, spread, least, most])
