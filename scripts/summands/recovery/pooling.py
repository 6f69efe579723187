"""Metrics of many designs as a few numbers: means over designs of like size."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

from summands.data.design import Design
from summands.recovery.registry import LARGEST_SHARE

# Designs are pooled with those of like size: ends of the classes of rows per
# contributor. An average over tables of 30 and of 30,000 rows says nothing.
SIZES = (30, 100, 300, 1_000)

# Metrics that are shown, and whether they are ratios, whose mean over designs is that
# of the logarithm.
SHOWN = {
    "rmse_over_bound": True,
    "rmse_over_total": True,
    "width_95_over_total": True,
    "coverage_95": False,
    "top_rate": False,
}


def size_class(design: Design) -> int:
    """Find the class of `SIZES` that a design's rows per contributor are in."""
    return bisect_left(SIZES, design.rows / design.levels.contributors)


@dataclass
class Pooled:
    """A metric's mean over designs, of which only sums are kept.

    Parameters
    ----------
    logarithmic : bool
        Whether it is the mean of the logarithms.
    """

    logarithmic: bool
    total: float = 0.0
    count: int = 0
    below: float = 0.0
    above: float = 0.0
    carried: bool = False
    worst: float | None = None
    # Names of level and contributor.
    whose: tuple[str, str] | None = None

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Count one more design: its rows of recovery.parquet, one for each level.

        Levels share their data sets, so the longest of their intervals is that of
        their mean.
        """
        if self.logarithmic:
            rows = [row for row in rows if row["value"] > 0]
        if not rows:
            return
        scale = math.log if self.logarithmic else float
        values = [scale(row["value"]) for row in rows]
        self.total += sum(values) / len(values)
        self.count += 1
        known = [row for row in rows if row["lower"] is not None]
        if known and not self.logarithmic:
            self.below += max(row["value"] - row["lower"] for row in known) ** 2
            self.above += max(row["upper"] - row["value"] for row in known) ** 2
        for row in rows:
            self.carried |= (row["largest_share"] or 0.0) > LARGEST_SHARE
            if row["worst"] is not None and (
                self.worst is None or row["worst"] < self.worst
            ):
                self.worst = row["worst"]
                self.whose = row["level_name"], row["worst_label"]

    def mean(self) -> float | None:
        """Mean over the designs, None where there are none."""
        if not self.count:
            return None
        mean = self.total / self.count
        return math.exp(mean) if self.logarithmic else mean

    def interval(self) -> tuple[float, float] | None:
        """Monte-Carlo interval of the mean of a share, None where there is no mean."""
        if not self.count:
            return None
        mean = self.total / self.count
        return (
            max(0.0, mean - math.sqrt(self.below) / self.count),
            min(1.0, mean + math.sqrt(self.above) / self.count),
        )
