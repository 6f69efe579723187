"""Verdicts on shares of intervals that hold the truth, for summaries and pages."""

from __future__ import annotations

import math
from collections.abc import Sequence

from summands.recovery.held import NOMINAL
from summands.report.page.content import Kind

# Differences of coverage from the nominal that matter to nobody, and those that are not
# good. A coverage that is known no better than the latter is not called good.
SMALL, NEAR = 0.005, 0.02


def of_coverage(
    intervals: Sequence[tuple[float, float]], data_sets: str
) -> tuple[Kind, str]:
    """Judge coverages of 95 % intervals by what their Monte-Carlo intervals hold.

    Where those are wide there is no verdict.

    Parameters
    ----------
    intervals : sequence of (float, float)
        Monte-Carlo intervals of the coverages, at least one.
    data_sets : str
        What they are of, in words.

    Returns
    -------
    kind : {"good", "warning", "bad", "note"}
    text : str
    """
    # Of a single data set nothing is known.
    lowest = [0.0 if math.isnan(low) else low for low, _ in intervals]
    highest = [1.0 if math.isnan(high) else high for _, high in intervals]
    below, above = NOMINAL - min(highest), max(lowest) - NOMINAL
    unsure = NOMINAL - min(lowest)
    if below > SMALL:
        return "bad" if below > NEAR else "warning", "they are too narrow"
    if above > SMALL:
        return "warning", "they are wider than need be"
    if unsure > NEAR:
        return "note", (
            f"this agrees with 95 %, but {data_sets} cannot rule out a coverage of "
            f"{share(NOMINAL - unsure)}"
        )
    return "good", "as they should"


def share(value: float) -> str:
    """Write a share in percent."""
    return f"{100 * value:.1f} %"
