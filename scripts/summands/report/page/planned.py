"""The rows that a plan takes, on the page of the study that verifies them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from summands.files.words import listed
from summands.recovery import plans
from summands.report import numbers
from summands.report.page.content import Cell, Finding, Grid, Section

# Targets that a sentence names.
NAMED = 3


def section(found: pd.DataFrame) -> Section:
    """Tabulate a plan, and say whether fits reach what was wanted.

    Parameters
    ----------
    found : pandas.DataFrame
        The table "rows_needed".

    Returns
    -------
    Section
    """
    return Section(
        "rows-needed",
        "How many rows it takes",
        "rows needed",
        [
            "Worked out from the Fisher information of each design, for truths as they "
            "are drawn, and verified by fits of data sets with so many rows."
        ],
        findings=list(_findings(found)),
        tables=[_grid(found)],
    )


def _findings(found: pd.DataFrame) -> Iterator[Finding]:
    for row in found[found["rows"].isna()].to_dict("records"):
        yield Finding(
            "bad", f"{row['target']} cannot be had of {row['design']}: {row['remark']}."
        )
    verified = found[found["verified"].notna()]
    for name, mine in verified.groupby("estimator", sort=False):
        short = [
            f"{row['target']} of {row['design']} ({_reached(row)})"
            for row in mine.to_dict("records")
            if not plans.met(row)
        ]
        said = (
            f"{len(mine) - len(short):,} of {len(mine):,} targets are met by {name}, "
            "within 5 % or Monte-Carlo error"
        )
        if short:
            more = len(short) - NAMED
            said += f"; not {listed(short[:NAMED])}"
            said += f" and {more:,} more" * (more > 0)
        yield Finding("warning" if short else "good", f"{said}.")


def _grid(found: pd.DataFrame) -> Grid:
    rows = [
        (
            Cell(str(row["target"])),
            Cell(str(row["design"])),
            _whole(row["rows"], row["remark"]),
            _whole(row["lower"], "no end"),
            _whole(row["upper"], "no end"),
            Cell("-" if pd.isna(row["estimator"]) else str(row["estimator"])),
            Cell("-")
            if pd.isna(row["verified"])
            else Cell(_reached(row), float(row["verified"])),
        )
        for row in found.to_dict("records")
    ]
    return Grid(
        "rows-needed-table",
        "Rows needed for each design and target",
        (
            "target",
            "design",
            "rows",
            "90 % of truths from",
            "to",
            "estimator",
            "its fits reach",
        ),
        rows,
        (
            "Of widths the median over truths and over data sets, of rates the mean; "
            "in brackets 95 % Monte-Carlo intervals.",
        ),
    )


def _whole(number: Any, instead: Any) -> Cell:
    if pd.isna(number):
        return Cell(str(instead))
    return Cell(f"{int(number):,}", float(number))


def _reached(row: Any) -> str:
    if pd.isna(row["verified_lower"]):
        return numbers.rounded(row["verified"])
    return numbers.with_ends(
        row["verified"], row["verified_lower"], row["verified_upper"]
    )
