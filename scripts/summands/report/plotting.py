"""What all figures share: style, colours, and numbers along axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager, ft2font
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator

from summands.files import storage
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


# PDF with letters that can be searched and edited, as journals ask for, and dots an
# inch of those of its parts that are pixels.
PRINTED: Any = {"pdf.fonttype": 42}
DOTS = 300


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


def save(figure: Figure, paths: Mapping[str, str | Path]) -> None:
    """Write a figure, whole or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        With all its texts.
    paths : mapping of str to str or Path
        Files by format: "png", "svg" or "pdf".
    """
    legible(figure)
    for kind, path in paths.items():
        with storage.whole(path) as unfinished, mpl.rc_context(PRINTED):
            if kind == "pdf":
                figure.savefig(
                    unfinished, format=kind, dpi=DOTS, metadata={"CreationDate": None}
                )
            else:
                figure.savefig(unfinished, format=kind)
        # All have one layout, which takes long to find.
        figure.set_layout_engine("none")


def legible(figure: Figure) -> None:
    """Write texts in fonts that have their letters, and leave out what none has.

    Names of users are in any script. Where the usual font does not have a letter the
    fonts of the machine are searched; letters that are in none of them, such as emoji,
    would be boxes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        With all its texts.
    """
    usual = ft2font.FT2Font(font_manager.findfont(font_manager.FontProperties()))
    texts = figure.findobj(Text)
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_locator(), FixedLocator):
                texts += axis.get_ticklabels()
    lost = {ord(letter) for text in texts for letter in text.get_text()} - {10}
    lost -= {*usual.get_charmap()}
    if not lost:
        return
    families = list(mpl.rcParams["font.family"])
    for path in sorted(font_manager.findSystemFonts()):
        try:
            found = lost & {*ft2font.FT2Font(path).get_charmap()}
        except (OSError, RuntimeError):
            continue
        if found:
            font_manager.fontManager.addfont(path)
            families.append(font_manager.FontProperties(fname=path).get_name())
            lost -= found
        if not lost:
            break

    def plain(text: str) -> str:
        told = "".join(letter for letter in text if ord(letter) not in lost).strip()
        return told or "".join(f"U+{ord(letter):04X}" for letter in text[:1])

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            places = axis.get_majorticklocs()
            if isinstance(axis.get_major_locator(), FixedLocator):
                labels = [plain(label.get_text()) for label in axis.get_ticklabels()]
                axis.set_ticks(places, labels, fontfamily=families)
    for text in texts:
        text.set_text(plain(text.get_text()))
        text.set_fontfamily(families)
