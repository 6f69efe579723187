"""How well estimators predict rows that they have not seen: leave-one-out comparison.

ArviZ's Pareto-smoothed importance sampling (Vehtari, Gelman and Gabry 2017, Statistics
and Computing 27:1413) on the densities of single rows. Rows of a cell share their mean
and variance, so the densities come from the cells, a block of rows at a time.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import arviz_stats
import numpy as np
import pyarrow as pa
import xarray as xr
from arviz_stats.utils import ELPDDataLOO
from numpy.typing import NDArray

from summands.decomposition import tables, thinning
from summands.decomposition.thinning import Thinned
from summands.estimation.results import Draws
from summands.files.columns import schema
from summands.model.cells import Cells

Array = NDArray[np.float64]

# Draws that Pareto smoothing gets, at half a millisecond a row.
MOST_DRAWS = 1_000

# Rows that are left out in turn; of more, so many are chosen at random.
MOST_ROWS = 10_000

# Densities held at a time: 16 MB, a few times over.
BLOCK = 2_000_000

# Above this shape of the tail of its weights, a row's estimate is not to be trusted.
LIMIT = 0.7

COMPARISON = schema(
    ("estimator", pa.string(), "name of the estimator; the best comes first"),
    (
        "elpd_loo",
        pa.float64(),
        "sum over rows of the log density that the other rows predict for each",
    ),
    ("se", pa.float64(), "its standard error"),
    ("p_loo", pa.float64(), "effective number of parameters"),
    ("difference", pa.float64(), "elpd_loo less that of the best estimator"),
    (
        "difference_se",
        pa.float64(),
        "standard error of the difference: one of less than four of these, or of less "
        "than 4 in all, says little",
    ),
    (
        "pareto_k_over_0_7",
        pa.int64(),
        "rows whose importance weights are too uneven (Pareto k above 0.7) for their "
        "part to be trusted",
    ),
    (
        "rows",
        pa.int64(),
        f"rows that were left out in turn: all, or {MOST_ROWS:,} chosen at random",
    ),
)


def of_draws(
    fits: Mapping[str, Draws],
    cells: Cells,
    value: Array,
    cell: NDArray[np.integer],
    rng: np.random.Generator,
) -> pa.Table:
    """Tabulate the leave-one-out comparison of estimators.

    Parameters
    ----------
    fits : mapping of str to Draws
        By name of the estimator; in the units of the data.
    cells : Cells
    value : ndarray, shape (N,)
        Value of each row, in the same units.
    cell : ndarray of int, shape (N,)
        The cell that each row is in.
    rng : numpy.random.Generator
        Chooses rows, where there are too many.

    Returns
    -------
    pyarrow.Table
        With the columns of `COMPARISON`, the best first; no row without fits.
    """
    if not fits:
        return COMPARISON.empty_table()
    if len(value) > MOST_ROWS:
        chosen = np.sort(rng.choice(len(value), MOST_ROWS, replace=False))
        value, cell = value[chosen], cell[chosen]
    found = {
        name: leave_one_out(draws, cells, value, cell) for name, draws in fits.items()
    }
    with warnings.catch_warnings():
        # About weights between estimators, which nobody asks for.
        warnings.simplefilter("ignore")
        compared = arviz_stats.compare(found, method="pseudo-BMA", round_to="none")
    names = list(compared.index)
    columns = {
        name: compared[theirs].to_numpy(float)
        for name, theirs in {
            "elpd_loo": "elpd",
            "se": "se",
            "p_loo": "p",
            "difference": "elpd_diff",
            "difference_se": "dse",
        }.items()
    }
    return tables.table(
        COMPARISON,
        columns
        | {
            "estimator": names,
            "pareto_k_over_0_7": [
                int((found[name].pareto_k.to_numpy() > LIMIT).sum()) for name in names
            ],
            "rows": len(value),
        },
    )


def leave_one_out(
    draws: Draws, cells: Cells, value: Array, cell: NDArray[np.integer]
) -> ELPDDataLOO:
    """Leave each row out in turn; see `of_draws`.

    Returns
    -------
    arviz_stats.ELPDDataLOO
        Pointwise, as `arviz_stats.loo` gives it for all rows at once.
    """
    some = thinning.thin(draws, MOST_DRAWS)
    count = len(some.places)
    efficiency = _efficiency(draws, count)
    size = max(BLOCK // count, 1)
    parts = []
    for start in range(0, len(value), size):
        here = slice(start, start + size)
        density = _log_density(some, cells, value[here], cell[here])
        tree = xr.DataTree.from_dict(
            {
                "log_likelihood": xr.Dataset(
                    {"value": (("chain", "draw", "row"), density[None])},
                    coords={
                        "chain": [0],
                        "draw": np.arange(count),
                        "row": np.arange(start, start + density.shape[1]),
                    },
                )
            }
        )
        with warnings.catch_warnings():
            # Pareto k is in the table.
            warnings.simplefilter("ignore")
            parts.append(arviz_stats.loo(tree, pointwise=True, reff=efficiency))
    elpd = xr.concat([part.elpd_i for part in parts], dim="row")
    return ELPDDataLOO(
        elpd=float(elpd.sum()),
        se=float(np.sqrt(len(value) * elpd.var(ddof=1))),
        p=float(sum(part.p for part in parts)),
        n_samples=count,
        n_data_points=len(value),
        scale="log",
        warning=any(part.warning for part in parts),
        good_k=parts[0].good_k,
        elpd_i=elpd,
        pareto_k=xr.concat([part.pareto_k for part in parts], dim="row"),
    )


def _log_density(
    some: Thinned, cells: Cells, value: Array, cell: NDArray[np.integer]
) -> Array:
    """Log density of rows in each draw, shape (S, rows)."""
    # From a value near the rows' own: their digits must not drown in a large baseline.
    origin = value[0]
    residual = np.repeat((value - origin)[None], len(some.places), axis=0)
    residual -= (some.intercept - origin)[:, None]
    variance = np.zeros_like(residual)
    for members in (cells.contributors[cell] + cells.levels.offsets).T:
        residual -= some.mu[:, members]
        variance += some.variance[:, members]
    return -0.5 * (np.log(2.0 * np.pi * variance) + residual**2 / variance)


def _efficiency(draws: Draws, count: int) -> float:
    """Effective draws per draw that is used, as ArviZ computes it from the posterior.

    The mean over quantities of their effective sample sizes, which draws left out
    between those that are kept hardly lessen.
    """
    effective = draws.diagnostics.ess_bulk
    known = effective[np.isfinite(effective)]
    return min(float(known.mean()) / count, 1.0) if len(known) else 1.0
