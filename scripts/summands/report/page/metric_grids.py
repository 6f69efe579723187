"""Metrics of each design with their Monte-Carlo errors, as papers have them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from summands.recovery.registry import LARGEST_SHARE
from summands.report import grid_panels, labels, names, numbers, summary
from summands.report.page.content import Cell, Grid
from summands.report.reading import Tables

# Of a level together.
OF_LEVELS = {name: told[0] for name, told in grid_panels.METRICS.items()}

# Of each contributor (Morris et al. 2019, Statistics in Medicine 38:2074, table 6).
OF_CONTRIBUTORS = {
    "bias": "bias",
    "empirical_se": "empirical SE",
    "model_se": "model SE",
    "rmse": "RMSE",
    "coverage_95": "coverage of 95 % intervals",
}

# Rows of contributors beyond which a page has no table of them.
MOST = 1000

KEYS = ["design", "estimator", "parameter", "level", "contributor"]

ERRORS = "Monte-Carlo standard errors; shares of 0 and 1 have none"
NOTE = (
    "On the data sets of which all estimators gave an estimate; data sets: how many. "
    f"{summary.CARRIED}: one data set carries more than a fifth of the number, so "
    "another seed may give quite another."
)


def grids(tables: Tables) -> Iterator[Grid]:
    """Tabulate metrics by design and, where these stay the same, by contributor.

    Parameters
    ----------
    tables : Tables

    Yields
    ------
    Grid
    """
    pooled = tables.recovery(list(OF_LEVELS))
    yield _grid(
        "by-design",
        "Metrics of each design, level by level",
        OF_LEVELS,
        pooled[pooled["contributor"].isna()],
        "error: root mean squared error. total: the total standard deviation, of "
        "variances the total variance. bound: the smallest error that estimates "
        "without bias can have.",
    )
    apart = tables.recovery(list(OF_CONTRIBUTORS))
    apart = apart[apart["contributor"].notna()]
    if 0 < len(apart[KEYS].drop_duplicates()) <= MOST:
        yield _grid(
            "by-contributor",
            "Metrics of each contributor, where its truth is fixed",
            OF_CONTRIBUTORS,
            apart,
            "In the unit of the values, of variances in its square, but for coverage. "
            "SE: standard error, of the estimates over the data sets (empirical) and "
            "as the estimator gives it (model).",
        )


def _grid(
    name: str, caption: str, metrics: Mapping[str, str], found: pd.DataFrame, note: str
) -> Grid:
    whose = {"level_name": "level"}
    if found["contributor"].notna().any():
        whose["label"] = "contributor"
    # Few data sets do not have all metrics, nor have all studies.
    shown = {
        name: told for name, told in metrics.items() if name in set(found["metric"])
    }
    rows = []
    for _, part in found.groupby(KEYS, sort=False, dropna=False):
        known: dict[Any, Any] = part.set_index("metric").to_dict("index")
        first = part.iloc[0]
        rows.append(
            (
                Cell(first["design"]),
                Cell(first["estimator"]),
                Cell(names.parameter(first["parameter"])),
                *(_called(first[column]) for column in whose),
                Cell(f"{part['replicates'].max():,}", float(part["replicates"].max())),
                *(_measured(known.get(metric)) for metric in shown),
            )
        )
    heads = ("design", "estimator", "parameter", *whose.values(), "data sets")
    return Grid(name, caption, (*heads, *shown.values()), rows, (note, NOTE), ERRORS)


def _called(name: str | None) -> Cell:
    return Cell("-" if pd.isna(name) else labels.named(str(name)))


def _measured(row: Mapping[str, Any] | None) -> Cell:
    """Write a metric with its standard error."""
    if row is None:
        return Cell("-")
    value, error = float(row["value"]), float(row["mcse"])
    carried = row["largest_share"] > LARGEST_SHARE
    told = numbers.with_error(value, error)
    if carried:
        number, gap, rest = told.partition(" ")
        told = number + summary.CARRIED + gap + rest
    more: dict[str, float | str] = {} if math.isnan(error) else {"MCSE": error}
    if carried:
        more["carried by one data set"] = "yes"
    return Cell(told, value, more=more)
