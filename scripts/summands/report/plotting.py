"""What all figures share: style, colours, and numbers along axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from summands.report import looks

STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "figure.dpi": 110,
    "savefig.dpi": 110,
}


def nothing(figure: Figure, why: str = "see fits.parquet") -> Figure:
    """Turn a figure without data into one that says so."""
    figure.set_size_inches(6.0, 2.0)
    figure.text(0.5, 0.5, f"nothing to show: {why}", ha="center")
    return figure


def number(axis: XAxis | YAxis) -> None:
    """Label a logarithmic axis with plain numbers that do not run into each other."""
    low, high = axis.get_view_interval()
    if high < 8 * low:
        axis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
        return
    wide = high > 100 * max(low, 1e-300)
    ticks = 6 if high < 1e4 * max(low, 1e-300) else 4
    axis.set_major_locator(
        LogLocator(subs=(1.0,) if wide else (1.0, 3.0), numticks=ticks)
    )
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


def plain(*axes: XAxis | YAxis) -> str:
    """Write the numbers of linear axes in full, with a unit that suits their size.

    matplotlib writes a common factor or summand of all numbers at the end of an axis,
    where it runs into what else is there.

    Parameters
    ----------
    *axes : XAxis or YAxis
        Axes of one quantity, with all that is drawn on them.

    Returns
    -------
    str
        What the label of the axes needs at its end: the unit that the numbers are in,
        nothing where that is 1.
    """
    ends = np.array([axis.get_view_interval() for axis in axes], float)
    largest = np.abs(ends).max()
    exponent = math.floor(math.log10(largest)) if largest > 0 else 0
    if -4 < exponent < 7:
        exponent = 0
    unit = 10.0**exponent
    # As many digits as tell one mark from the next, far from 0 too.
    apart = np.abs(np.diff(ends)).min() or largest or 1.0
    digits = max(4, math.ceil(math.log10(largest / apart or 1.0)) + 3)
    for axis in axes:
        if digits > 5:
            axis.set_major_locator(MaxNLocator(nbins=3))
        axis.set_major_formatter(lambda number, _: f"{number / unit:.{digits}g}")
    return f" (unit 1e{exponent})" if exponent else ""


def markers(
    colours: Sequence[str], marker: str = "o", *, hollow: bool = False
) -> list[Line2D]:
    """Points of a legend."""
    return [
        Line2D(
            [],
            [],
            marker=marker,
            linestyle="",
            color=colour,
            markerfacecolor="white" if hollow else colour,
            markersize=4,
        )
        for colour in colours
    ]


def of_estimators(numbers: Iterable[int]) -> list[Line2D]:
    """Points of a legend, of the estimators of these numbers."""
    return [
        line
        for number in numbers
        for line in markers([looks.colour(number)], looks.marker(number))
    ]
