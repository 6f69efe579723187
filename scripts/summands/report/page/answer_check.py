"""The check of an observed table on its page: its seal, and what is behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from summands.report import labels, numbers, seal
from summands.report.findings import Frames
from summands.report.labels import isolated, named
from summands.report.page.content import Cell, Finding, Grid
from summands.study.study import Study

# Of the figure, and of its section.
NAME = "again"

# What stands in brackets.
INTERVALS = "95 % Monte-Carlo intervals"

# Metrics of levels, with what they are called.
METRICS = {
    "rmse": "root mean squared error",
    "width_95": "width of 95 % intervals",
    "detection_rate": "told off the average, of those that are",
    "false_alarm_rate": "told so wrongly, of all",
    "clear_rate": "the largest is clear",
    "clear_right_rate": "and right",
}

# Those that have the unit of the values, or its square.
WITH_UNIT = ("rmse", "width_95")


def seals(main: str | None, frames: Frames, study: Study) -> list[Finding]:
    """Give what vouches for the answer, and what of the check is not good."""
    if study.check is None:
        return []
    told = _sentences(main, frames, study)
    first = [replace(one, seal=True) for one in told[:1]]
    return [*first, *(one for one in told[1:] if one.kind == "bad")]


def parts(main: str | None, frames: Frames, study: Study) -> dict[str, Any]:
    """Give sentences and tables of the section of the check."""
    return {
        "findings": _sentences(main, frames, study),
        "tables": [_held(frames, study), _found(frames, study)],
    }


def _sentences(main: str | None, frames: Frames, study: Study) -> list[Finding]:
    told = seal.sentences(main, frames, study)
    return [replace(one, text=isolated(one.text)) for one in told]


def _held(frames: Frames, study: Study) -> Grid:
    names = labels.of_contributors(frames, labels.IN_TEXT)
    levels = labels.by_level(study)
    rows = []
    for row in frames["held"].to_dict("records"):
        alone = pd.isna(row["worst_level"])
        level = None if alone else int(row["worst_level"])
        whose = (
            "-"
            if level is None
            else f"{levels.get(level, row['worst_level_name'])} "
            f"{names[level, int(row['worst_contributor'])]}"
        )
        rows.append(
            (
                Cell(row["estimator"]),
                Cell(row["parameter"]),
                _share(row, "coverage_95", ""),
                _share(row, "worst", "worst_"),
                Cell(isolated(whose)),
                Cell(f"{row['replicates']:,}", float(row["replicates"])),
                Cell(
                    f"{row['converged']:,} of {row['fits']:,}", float(row["converged"])
                ),
            )
        )
    return Grid(
        "held",
        "How often 95 % intervals held the truth",
        (
            "estimator",
            "quantity",
            "% of all contributors",
            "least",
            "that of",
            "tables",
            "converged",
        ),
        rows,
        brackets=INTERVALS,
    )


def _found(frames: Frames, study: Study) -> Grid:
    found = frames["recovery"]
    found = found[
        (found["gate"] == "all")
        & found["contributor"].isna()
        & found["level"].gt(0)
        & found["metric"].isin(METRICS)
        & found["parameter"].isin(seal.TOLD)
    ]
    levels = labels.by_level(study)
    rows = []
    for key, mine in found.groupby(["estimator", "parameter", "level"], sort=False):
        estimator, parameter, level = map(str, key)
        values = mine.set_index("metric")
        rows.append(
            (
                Cell(estimator),
                Cell(named(levels[int(float(level))])),
                Cell(seal.TOLD[parameter]),
                *_metrics(values),
            )
        )
    return Grid(
        "found",
        "What would be found of such tables",
        ("estimator", "level", "of", *METRICS.values()),
        rows,
        (
            "Over the contributors of a level: root mean squared error and width in "
            "the unit of the values, of variances in its square; the others in % of "
            "contributors or of tables.",
        ),
        INTERVALS,
    )


def _metrics(values: pd.DataFrame) -> Iterator[Cell]:
    for metric in METRICS:
        if metric not in values.index:
            yield Cell("-")
            continue
        row: Any = values.loc[metric]
        if metric in WITH_UNIT:
            yield Cell(numbers.rounded(row["value"]), float(row["value"]))
        else:
            yield _share(row, "value", "")


def _share(row: Any, name: str, prefix: str) -> Cell:
    value, low, high = (
        100 * row[key] for key in (name, f"{prefix}lower", f"{prefix}upper")
    )
    if pd.isna(low):
        return Cell(f"{value:.1f}", float(value))
    ends: dict[str, float | str] = {"from": low, "to": high}
    return Cell(f"{value:.1f} ({low:.1f} to {high:.1f})", float(value), more=ends)
