"""Means of the contributors: as the rows give them, and as the fits estimate them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from summands.decomposition import tables
from summands.files.columns import schema
from summands.model import residuals
from summands.model.cells import Cells

Array = NDArray[np.float64]

# Deviations below this share of the standard deviation of all values are rounding.
ROUNDING = 1e-9

SHRINKAGE = schema(
    ("estimator", pa.string(), "name of the estimator"),
    ("level", pa.int32(), "level, from 0"),
    ("level_name", pa.string(), "what the level is called"),
    ("contributor", pa.int32(), "contributor within the level, from 0"),
    ("label", pa.string(), "what the contributor is called"),
    ("rows", pa.int64(), "rows that it takes part in"),
    ("average", pa.float64(), "average of their values"),
    ("deviation", pa.float64(), "that less the average of all values"),
    (
        "least_squares",
        pa.float64(),
        "its mean by least squares, which allows for who else took part in its rows, "
        "less the mean over its level; null where the data do not determine it",
    ),
    ("mu", pa.float64(), "the estimator's mean of it, less the mean over its level"),
    ("lower_95", pa.float64(), "lower end of the central 95 % interval of mu"),
    ("upper_95", pa.float64(), "upper end of that interval"),
    (
        "shrinkage",
        pa.float64(),
        "mu over least_squares: 1 where the estimator believes the rows, near 0 where "
        "it puts the contributor's rows down to chance; null where least_squares is "
        "null or 0",
    ),
)


def least_squares(cells: Cells, identified: NDArray[np.bool_] | None = None) -> Array:
    """Means of the contributors by least squares, all rows with the same weight.

    Parameters
    ----------
    cells : Cells
    identified : ndarray of bool, shape (K,), optional
        Which of them the data determine, see `model.information.identified`.

    Returns
    -------
    ndarray, shape (K,)
        Less the mean over their level; NaN for what is not identified.
    """
    origin = np.average(cells.mean, weights=cells.n)
    around = replace(cells, mean=cells.mean - origin, known_null_space=cells.null_space)
    found = residuals.means(around)
    if found is None:
        return np.full(cells.levels.contributors, np.nan)
    means = cells.levels.centre(found)
    return means if identified is None else np.where(identified, means, np.nan)


def of_estimates(
    estimator: str,
    cells: Cells,
    mu: Array,
    lower_95: Array,
    upper_95: Array,
    least_squares: Array,
) -> pa.Table:
    """Tabulate the means of an estimator beside those of the rows.

    Parameters
    ----------
    estimator : str
    cells : Cells
    mu, lower_95, upper_95 : ndarray, shape (K,)
        What the estimator says; NaN where it does not. In the units of the data.
    least_squares : ndarray, shape (K,)
        See `least_squares`.

    Returns
    -------
    pyarrow.Table
        With the columns of `SHRINKAGE`, for levels of several contributors.
    """
    levels = cells.levels
    n = cells.n.astype(float)
    rows = cells.rows
    middle = np.average(cells.mean, weights=n)
    from_middle = cells.mean - middle
    total = np.sqrt((cells.sum_of_squares + n * from_middle**2).sum() / n.sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation = cells.sums(n * from_middle) / rows
        shrinkage = mu / least_squares
    # Values far from 0 have fewer digits to differ by.
    least = ROUNDING * total + 8.0 * np.finfo(float).eps * abs(middle)
    shrinkage[~(np.abs(least_squares) > least)] = np.nan
    chosen = np.flatnonzero(np.asarray(levels.sizes)[levels.level] > 1)
    columns = {
        "average": middle + deviation,
        "deviation": deviation,
        "least_squares": least_squares,
        "mu": mu,
        "lower_95": lower_95,
        "upper_95": upper_95,
        "shrinkage": shrinkage,
    }
    return tables.table(
        SHRINKAGE,
        tables.whose(levels, chosen)
        | {"estimator": estimator, "rows": rows[chosen]}
        | {name: values[chosen] for name, values in columns.items()},
    )
