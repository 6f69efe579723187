"""What all figures share: style, colours, and numbers along axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

# Okabe and Ito's palette, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")

GREY = "#777777"

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


def colour(number: int) -> str:
    """Colour of the estimator of this number."""
    return COLOURS[number % len(COLOURS)]


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


def markers(colours: Sequence[str], shape: str = "o") -> list[Line2D]:
    """Points of a legend."""
    return [
        Line2D([], [], marker=shape, linestyle="", color=colour, markersize=4)
        for colour in colours
    ]
