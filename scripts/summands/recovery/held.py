"""How often intervals hold the truth, over all contributors and for the worst one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.stats
from numpy.typing import NDArray

from summands.files.columns import schema
from summands.model import estimands
from summands.model.levels import Levels
from summands.recovery import montecarlo
from summands.recovery.montecarlo import SHARE, Measured

# Of the intervals.
NOMINAL = 0.95

HELD = schema(
    ("estimator", pa.string(), "name of the estimator"),
    ("parameter", pa.string(), "as in estimates.parquet"),
    (
        "coverage_95",
        pa.float64(),
        "share of 95 % intervals that hold the truth, over all contributors of all "
        "levels",
    ),
    ("lower", pa.float64(), "lower end of its 95 % Monte-Carlo interval (Wilson's)"),
    ("upper", pa.float64(), "upper end of that interval"),
    ("worst", pa.float64(), "that of the contributor whose intervals hold it least"),
    ("worst_lower", pa.float64(), "lower end of its interval"),
    ("worst_upper", pa.float64(), "upper end of its interval"),
    (
        "worst_p",
        pa.float64(),
        "chance of as few as it has, if its intervals held the truth in 95 %, times "
        "the number of contributors (Bonferroni)",
    ),
    ("worst_level", pa.int32(), "level of that contributor, null of the sum"),
    ("worst_contributor", pa.int32(), "the contributor within the level"),
    ("worst_level_name", pa.string(), "what the level is called"),
    ("worst_label", pa.string(), "what the contributor is called"),
    ("contributors", pa.int32(), "contributors, or 1 of the sum"),
    ("replicates", pa.int32(), "data sets with an interval for each"),
    ("fits", pa.int32(), "data sets in all"),
    ("converged", pa.int32(), "fits that converged"),
)


def held(levels: Levels, tables: Mapping[str, tuple[pa.Table, pa.Table]]) -> pa.Table:
    """Tabulate how often 95 % intervals hold the truth.

    Parameters
    ----------
    levels : Levels
    tables : mapping of str to (pyarrow.Table, pyarrow.Table)
        By estimator, its estimates (R times P rows in the order of replicates and of
        `model.estimands.index`) and its fits (R rows).

    Returns
    -------
    pyarrow.Table
        With the columns of `HELD`, a row for each estimator and parameter that it gives
        intervals of.
    """
    rows = [
        {"estimator": estimator, **row}
        for estimator, (estimates, fits) in tables.items()
        for row in _of_estimator(levels, estimates, fits)
    ]
    return pa.Table.from_pylist(rows, HELD)


def _of_estimator(
    levels: Levels, estimates: pa.Table, fits: pa.Table
) -> Iterator[dict[str, Any]]:
    truth, lower, upper = (
        estimates[name].to_numpy().reshape(fits.num_rows, -1)
        for name in ("truth", "lower_95", "upper_95")
    )
    names = estimands.index(levels)
    varying = ~estimands.constant(levels)
    for block in estimands.BLOCKS:
        columns = np.flatnonzero(names.where(block.name) & varying)
        ends = lower[:, columns], upper[:, columns]
        known = np.isfinite(ends).all(axis=(0, 2))
        if not len(columns) or not known.any():
            continue
        true = truth[:, columns]
        within = ((ends[0] <= true) & (true <= ends[1]))[known]
        ((whole, low, high),) = _shares(within, apart=False)
        each = _shares(within, apart=True)
        worst = min(range(len(columns)), key=lambda place: each[place][0])
        place = columns[worst]
        several = len(columns) > 1
        chance = scipy.stats.binom.cdf(within[:, worst].sum(), len(within), NOMINAL)
        yield {
            "parameter": block.name,
            "coverage_95": whole,
            "lower": low,
            "upper": high,
            "worst": each[worst][0],
            "worst_lower": each[worst][1],
            "worst_upper": each[worst][2],
            "worst_p": min(1.0, float(chance) * len(columns)),
            "worst_level": int(names.level[place]) if several else None,
            "worst_contributor": int(names.contributor[place]) if several else None,
            "worst_level_name": str(names.level_name[place]) if several else None,
            "worst_label": str(names.label[place]) if several else None,
            "contributors": len(columns),
            "replicates": len(within),
            "fits": fits.num_rows,
            "converged": pc.sum(fits["converged"]).as_py() or 0,
        }


def _shares(
    within: NDArray[np.bool_], *, apart: bool
) -> list[tuple[float, float | None, float | None]]:
    """Shares of each contributor, or of all, with their Monte-Carlo intervals."""
    share = montecarlo.share(within.astype(float))
    measured: Measured = montecarlo.measure([share], apart=apart)[0]
    count = len(measured.value)
    ends = montecarlo.intervals(
        np.full(count, SHARE),
        measured.value,
        measured.mcse,
        np.full(count, len(within)),
        measured.count,
    )
    return [
        (float(value), _known(low), _known(high))
        for value, low, high in zip(measured.value, *ends, strict=True)
    ]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
