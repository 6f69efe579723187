"""Figures of an observed table, drawn with matplotlib from their panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import axes as mpl_axes
from matplotlib.figure import Figure

from summands.decomposition import predictive
from summands.report.answer_panels import Forest
from summands.report.check_panels import Checked, Extremes, Priors
from summands.report.looks import GREY, colour, marker
from summands.report.plotting import STYLE, markers, nothing, of_estimators, plain

# Inches that a row, and what is around a facet, take.
OF_ROW, AROUND = 0.22, 1.1

# Labels are the user's: a dollar is no mathematics.
OURS: Any = STYLE | {"text.parse_math": False}

BEWARE = "beware (see the table)"


def forest(panel: Forest) -> Figure:
    """Draw estimates with their intervals, a row each, a facet beside the other.

    Parameters
    ----------
    panel : Forest

    Returns
    -------
    matplotlib.figure.Figure
    """
    points = panel.points
    facets = list(pd.unique(points["facet"]))
    estimators = _present(points, panel.estimators)
    with mpl.rc_context(OURS):
        figure = Figure(layout="constrained")
        if points.empty:
            return nothing(figure, "no estimator says anything of it")
        longest = int(points.groupby("facet")["row"].nunique().max())
        _size(figure, len(facets), longest * max(1.0, 0.5 * len(estimators)))
        for place, facet in zip(
            figure.subplots(1, len(facets), squeeze=False)[0], facets, strict=True
        ):
            mine = points[points["facet"] == facet]
            names = list(pd.unique(mine["row"]))
            _rows(place, names)
            _title(place, str(facet), panel.left_out)
            for name, at, some in _dodged(mine, names, estimators):
                _intervals(place, some, at, estimators[name])
            first = mine.drop_duplicates("row")
            at = first["row"].map(names.index)
            place.plot(first["raw"], at, "x", color=GREY, markersize=4, zorder=1.5)
            marks = panel.axis.marks
            if panel.axis.limits is not None:
                place.set_xlim(panel.axis.limits)
            else:
                marks = (0.0,)
            for mark in marks:
                place.axvline(mark, color="black", linewidth=0.8, zorder=0.5)
            place.set_xlabel(panel.axis.label + plain(place.xaxis))
        _legend(figure, estimators, bool(points["beware"].any()), panel.raw)
    return figure


def extremes(panel: Extremes) -> Figure:
    """Draw how probable each contributor is the extreme one, as a table of shades.

    Parameters
    ----------
    panel : Extremes

    Returns
    -------
    matplotlib.figure.Figure
        Of the main estimator.
    """
    cells = panel.cells[panel.cells["estimator"] == panel.main]
    levels = list(pd.unique(cells["level"]))
    with mpl.rc_context(OURS | {"axes.grid": False}):
        figure = Figure(layout="constrained")
        if cells.empty:
            return nothing(figure, "no estimator with draws has converged")
        _size(figure, len(levels), int(cells.groupby("level")["row"].nunique().max()))
        for place, level in zip(
            figure.subplots(1, len(levels), squeeze=False)[0], levels, strict=True
        ):
            mine = cells[cells["level"] == level]
            names = list(pd.unique(mine["row"]))
            asked = list(pd.unique(mine["question"]))
            values = np.full((len(names), len(asked)), np.nan)
            at = mine["row"].map(names.index), mine["question"].map(asked.index)
            values[at] = mine["probability"]
            place.imshow(values, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
            for (row, column), value in np.ndenumerate(values):
                place.text(
                    column,
                    row,
                    f"{value:.2f}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if value > 0.5 else "black",
                )
            _rows(place, names)
            place.set_xticks(range(len(asked)), asked, rotation=30)
            _title(place, str(level), panel.left_out)
        figure.suptitle(f"probability ({panel.main})", fontsize=9)
    return figure


def checks(panel: Checked) -> Figure:
    """Draw where the data lie among tables drawn from the fits.

    Parameters
    ----------
    panel : Checked

    Returns
    -------
    matplotlib.figure.Figure
        A row of axes for each level, a column for each statistic.
    """
    points = panel.points
    levels = list(pd.unique(points["level"]))
    estimators = _present(points, panel.estimators)
    with mpl.rc_context(OURS):
        figure = Figure(layout="constrained")
        if points.empty:
            return nothing(figure, "no estimator with draws has an answer")
        heights = [points[points["level"] == name]["row"].nunique() for name in levels]
        figure.set_size_inches(
            10.5, 0.8 + sum(0.6 + OF_ROW * max(height, 2) for height in heights)
        )
        grid = figure.subplots(
            len(levels),
            len(predictive.STATISTICS),
            squeeze=False,
            sharex=True,
            height_ratios=[max(height, 2) for height in heights],
        )
        for place, statistic in zip(grid[0], predictive.STATISTICS, strict=True):
            place.set_title(statistic)
        for line, level in zip(grid, levels, strict=True):
            mine = points[points["level"] == level]
            names = list(pd.unique(mine["row"]))
            for place, statistic in zip(line, predictive.STATISTICS, strict=True):
                some = mine[mine["statistic"] == statistic]
                place.axvspan(-1.0, 1.0, color=GREY, alpha=0.18, linewidth=0)
                _rows(place, names if place is line[0] else [""] * len(names))
                for name, at, those in _dodged(some, names, estimators):
                    shade = colour(estimators[name])
                    for out, fill in ((False, shade), (True, "white")):
                        here = (those["outside"] == out).to_numpy()
                        place.plot(
                            those["position"][here],
                            at[here],
                            marker(estimators[name]),
                            color=shade,
                            markerfacecolor=fill,
                            markersize=4,
                        )
            line[0].set_ylabel(level)
            if left := panel.left_out.get(level):
                line[0].set_ylabel(f"{level} ({left:,} not shown)")
        figure.supxlabel("position among drawn tables: -1 to 1 holds 95 %", fontsize=9)
        _legend(figure, estimators, bool(points["outside"].any()), beware="outside")
    return figure


def priors(panel: Priors) -> Figure:
    """Draw the standard deviation of each component before and after the data.

    Parameters
    ----------
    panel : Priors

    Returns
    -------
    matplotlib.figure.Figure
    """
    points = panel.points
    estimators = _present(points, panel.estimators)
    with mpl.rc_context(OURS):
        figure = Figure(layout="constrained")
        if points.empty:
            return nothing(figure, "no estimator with draws estimates its scales")
        names = list(pd.unique(points["row"]))
        _size(figure, 1, len(names) * max(1.0, 0.6 * len(estimators)))
        place = figure.subplots()
        _rows(place, names)
        for name, at, some in _dodged(points, names, estimators):
            shade = colour(estimators[name])
            place.hlines(
                at,
                some["prior_lower"],
                some["prior_upper"],
                color=shade,
                alpha=0.25,
                linewidth=6,
            )
            _intervals(place, some, at, estimators[name])
        place.set_xscale("log")
        place.set_xlabel("standard deviation (broad: before the data)")
        _legend(figure, estimators, bool(points["beware"].any()))
    return figure


def _present(points: pd.DataFrame, known: Sequence[str]) -> dict[str, int]:
    """Estimators that a panel has, with their place among those of the study."""
    return {
        name: place
        for place, name in enumerate(known)
        if (points["estimator"] == name).any()
    }


def _size(figure: Figure, facets: int, rows: float) -> None:
    width = max(1.5 + 3.2 * facets, 5.5)
    figure.set_size_inches(width, AROUND + OF_ROW * max(rows, 2.0))


def _rows(place: mpl_axes.Axes, names: Sequence[str]) -> None:
    place.set_yticks(range(len(names)), names)
    place.set_ylim(len(names) - 0.4, -0.6)


def _title(place: mpl_axes.Axes, title: str, left_out: Mapping[str, int]) -> None:
    if left := left_out.get(title):
        title += f" ({left:,} more are not shown)"
    place.set_title(title)


def _dodged(
    points: pd.DataFrame, names: Sequence[str], estimators: Mapping[str, int]
) -> list[tuple[str, Any, pd.DataFrame]]:
    """Points of each estimator, with their heights: one beside the other."""
    here = [name for name in estimators if (points["estimator"] == name).any()]
    step = 0.7 / max(len(here), 1)
    found = []
    for number, name in enumerate(here):
        mine = points[points["estimator"] == name]
        at = mine["row"].map(names.index).to_numpy(dtype=float)
        found.append((name, at + step * (number - (len(here) - 1) / 2), mine))
    return found


def _intervals(
    place: mpl_axes.Axes, points: pd.DataFrame, at: Any, number: int
) -> None:
    """Draw estimates with their intervals; hollow what is to beware of."""
    shade = colour(number)
    place.hlines(at, points["lower"], points["upper"], color=shade, linewidth=1)
    for sure, fill in ((True, shade), (False, "white")):
        here = (points["beware"].eq("") == sure).to_numpy()
        place.plot(
            points["estimate"][here],
            at[here],
            marker(number),
            color=shade,
            markerfacecolor=fill,
            markersize=3.5,
        )


def _legend(
    figure: Figure,
    estimators: Mapping[str, int],
    hollow: bool,
    raw: str = "",
    beware: str = BEWARE,
) -> None:
    handles = of_estimators(estimators.values())
    names = list(estimators)
    for mark, name in (("x", raw), ("o", beware if hollow else "")):
        if name:
            handles += markers([GREY], mark, hollow=True)
            names.append(name)
    figure.legend(handles, names, ncols=3, loc="outside upper center")
