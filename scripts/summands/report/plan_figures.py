"""The figure of a plan, drawn with matplotlib from its panel."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib import axes as mpl_axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from summands.report.looks import GREY, colour, marker
from summands.report.plan_panels import CURVE, FITS, Plan
from summands.report.plotting import STYLE, nothing, number


def plan(panel: Plan) -> Figure:
    """Draw precision over rows, axes for each target.

    Parameters
    ----------
    panel : Plan

    Returns
    -------
    matplotlib.figure.Figure
    """
    with mpl.rc_context(STYLE):
        figure = Figure(layout="constrained")
        points = panel.points
        if points.empty:
            return nothing(figure)
        targets = list(pd.unique(points["target"]))
        columns = min(3, len(targets))
        lines = -(-len(targets) // columns)
        figure.set_size_inches(
            max(1.0 + 2.8 * columns, 5.5),
            0.8 + 2.4 * lines + 0.18 * (len(panel.designs) + len(panel.estimators)),
        )
        axes = figure.subplots(lines, columns, squeeze=False).ravel()
        for place in axes[len(targets) :]:
            place.set_visible(False)
        for place, target in zip(axes, targets, strict=False):
            _target(place, panel, points[points["target"] == target])
            place.set_title(target, fontsize=8)
        figure.supxlabel("rows", fontsize=9)
        marks = [
            Line2D([], [], color=GREY, marker=marker(order), linestyle="none")
            for order in range(len(panel.estimators))
        ]
        curves = [Line2D([], [], color=colour(n)) for n in range(len(panel.designs))]
        figure.legend(
            [*curves, *marks],
            [*panel.designs, *panel.estimators],
            loc="outside upper center",
            fontsize=7,
        )
    return figure


def _target(place: mpl_axes.Axes, panel: Plan, points: pd.DataFrame) -> None:
    place.axhline(points["wanted"].iloc[0], color="black", linewidth=0.8)
    for order, design in enumerate(panel.designs):
        mine = points[points["design"] == design]
        curve = mine[mine["kind"] == CURVE]
        place.plot(curve["rows"], curve["value"], color=colour(order), linewidth=1)
        for needed in pd.unique(mine["needed"]):
            place.axvline(needed, color=colour(order), linewidth=0.6, linestyle=":")
        fits = mine[mine["kind"] == FITS]
        for row in fits.to_dict("records"):
            place.plot(
                [row["rows"]] * 2,
                [row["lower"], row["upper"]],
                color=colour(order),
                linewidth=1,
            )
            place.plot(
                row["rows"],
                row["value"],
                marker(panel.estimators.index(row["estimator"])),
                color=colour(order),
                markersize=4,
            )
    place.set_xscale("log")
    number(place.xaxis)
