"""Figures of an observed table, drawn with matplotlib from their panels."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import axes as mpl_axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from summands.report.answer_panels import Forest
from summands.report.plotting import GREY, STYLE, colour, markers, nothing, plain

# Inches that a row, and what is around a facet, take.
OF_ROW, AROUND = 0.22, 1.1


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
    estimators = list(pd.unique(points["estimator"]))
    # Labels are the user's: a dollar is no mathematics.
    with mpl.rc_context(STYLE | {"text.parse_math": False}):
        figure = Figure(layout="constrained")
        if points.empty:
            return nothing(figure, "no estimator says anything of it")
        longest = int(points.groupby("facet")["row"].nunique().max())
        rows = max(longest, 2) * max(1.0, 0.5 * len(estimators))
        width = 1.5 + 3.2 * len(facets)
        figure.set_size_inches(max(width, 5.5), AROUND + OF_ROW * rows)
        for place, facet in zip(
            figure.subplots(1, len(facets), squeeze=False)[0], facets, strict=True
        ):
            _rows(place, points[points["facet"] == facet], estimators)
            title = str(facet)
            if left := panel.left_out.get(title):
                title += f" ({left:,} in the middle are not shown)"
            place.set_title(title)
            if panel.axis.limits is not None:
                place.set_xlim(panel.axis.limits)
            else:
                place.axvline(0.0, color="black", linewidth=0.8, zorder=0.5)
            place.set_xlabel(panel.axis.label + plain(place.xaxis))
        handles = markers([colour(i) for i in range(len(estimators))])
        names = list(estimators)
        if panel.raw:
            handles.append(
                Line2D([], [], marker="x", linestyle="", color=GREY, markersize=4)
            )
            names.append(panel.raw)
        figure.legend(handles, names, ncols=2, loc="outside upper center")
    return figure


def _rows(place: mpl_axes.Axes, points: pd.DataFrame, estimators: list[str]) -> None:
    # Two contributors may look the same once their labels are cut.
    names: list[str] = []
    for estimator in estimators:
        mine = points[points["estimator"] == estimator]
        if len(mine) > len(names):
            names = list(mine["row"])
    step = 0.7 / max(len(estimators), 1)
    for number, estimator in enumerate(estimators):
        mine = points[points["estimator"] == estimator]
        if mine.empty:
            continue
        at = np.arange(len(mine)) + step * (number - (len(estimators) - 1) / 2)
        place.hlines(
            at, mine["lower"], mine["upper"], color=colour(number), linewidth=1
        )
        place.plot(mine["estimate"], at, "o", color=colour(number), markersize=3.5)
        if number == 0:
            place.plot(mine["raw"], at, "x", color=GREY, markersize=4, zorder=1.5)
    place.set_yticks(range(len(names)), names)
    place.set_ylim(len(names) - 0.4, -0.6)
