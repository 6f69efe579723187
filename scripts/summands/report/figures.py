"""Figures of single estimates and of ranks, drawn with matplotlib from their panels."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib import axes as mpl_axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator, SymmetricalLogLocator

from summands.report import names, panels
from summands.report.axes import Axis
from summands.report.looks import COLOURS, GREY
from summands.report.plotting import STYLE, markers, nothing, number, plain


def truth_against_estimate(panel: panels.Scatter) -> Figure:
    """Scatter estimates over true values, a line of axes per estimator.

    Parameters
    ----------
    panel : Scatter

    Returns
    -------
    matplotlib.figure.Figure
        Estimates beyond an axis are triangles at its edge.
    """
    facets = panel.facets
    estimators = list(pd.unique(facets["estimator"]))
    parameters = list(pd.unique(facets["parameter"]))
    with mpl.rc_context(STYLE):
        size = (0.6 + 2.3 * len(parameters), 0.8 + 2.2 * len(estimators))
        figure = Figure(figsize=size, layout="constrained")
        if not estimators:
            return nothing(figure)
        shape = len(estimators), len(parameters)
        axes = figure.subplots(*shape, squeeze=False, sharex="col", sharey="col")
        for column, parameter in zip(axes.T, parameters, strict=True):
            across, upwards = panel.axes[parameter]
            unit = _scale(column[0], across, upwards)
            column[0].set_title(names.parameter(parameter) + unit)
            column[-1].set_xlabel(across.label)
        for line, estimator in zip(axes, estimators, strict=True):
            line[0].set_ylabel(f"{estimator}\n{panel.axes[parameters[0]][1].label}")
        for estimator, parameter, beyond in zip(
            facets["estimator"], facets["parameter"], facets["beyond"], strict=True
        ):
            place = axes[estimators.index(estimator), parameters.index(parameter)]
            here = (panel.points["parameter"] == parameter) & (
                panel.points["estimator"] == estimator
            )
            _scatter(place, panel.points[here], beyond)
        labels = ["converged", "not converged"]
        shown = 1 if panel.points["converged"].all() else 2
        figure.legend(
            [*markers(COLOURS[:1]), *markers(COLOURS[1:2], "x")][:shown],
            labels[:shown],
            ncols=2,
            loc="outside upper center",
        )
    return figure


def _scale(place: mpl_axes.Axes, across: Axis, upwards: Axis) -> str:
    """Set the axes that all estimators' facets of one parameter share.

    Returns the unit of their numbers, for a title.
    """
    for axis, scale, side in (
        (across, place.set_xscale, place.xaxis),
        (upwards, place.set_yscale, place.yaxis),
    ):
        if axis.scale == "log":
            scale("log", nonpositive="mask")
        elif axis.scale == "symlog":
            scale("symlog", linthresh=axis.linear)
            multiples = (1.0, 3.0) if axis.step == 10 else (1.0,)
            side.set_major_locator(
                SymmetricalLogLocator(
                    base=axis.step, linthresh=axis.linear, subs=multiples
                )
            )
            side.set_major_formatter("{x:g}")
            side.set_minor_locator(NullLocator())
    place.set_xlim(across.limits)
    place.set_ylim(upwards.limits)
    for axis, side in ((across, place.xaxis), (upwards, place.yaxis)):
        if axis.scale == "log":
            number(side)
    return plain(place.xaxis, place.yaxis) if across.scale == "linear" else ""


def _scatter(place: mpl_axes.Axes, points: pd.DataFrame, beyond: int) -> None:
    if points.empty:
        _write(place, 0.5, 0.5, "not estimated", ha="center")
        return
    for converged, colour in ((True, COLOURS[0]), (False, COLOURS[1])):
        for outside, marker in ((False, "o" if converged else "x"), (True, "^")):
            some = points[
                (points["converged"] == converged) & (points["beyond"] == outside)
            ]
            place.scatter(
                some["truth"],
                some["shown"],
                s=20 if outside else 6,
                alpha=0.5,
                linewidths=0.8 if marker == "x" else 0,
                marker=marker,
                color=colour,
                rasterized=True,
                # Triangles sit on the edge and are seen whole.
                clip_on=not outside,
            )
    if beyond:
        _write(place, 0.03, 0.97, f"{beyond:,} beyond the axis", va="top", fontsize=7)
    # Equality is a line on these axes, but "slope" is only for linear ones.
    low, high = place.get_xlim()
    place.axline((low, low), (high, high), color="black", linewidth=0.8)


def _write(place: mpl_axes.Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Write into axes, at shares of their width and height."""
    place.text(x, y, text, transform=place.transAxes, color=GREY, **style)


def ranks_by_design(panel: panels.Ranks) -> Figure:
    """Draw distribution functions of ranks less the uniform one, axes per design.

    Parameters
    ----------
    panel : Ranks

    Returns
    -------
    matplotlib.figure.Figure
    """
    keys = ["design", "estimator", "title"]
    bands = list(panel.bands.groupby(keys, sort=False))
    columns = min(4, max(len(bands), 1))
    rows = -(-max(len(bands), 1) // columns)
    with mpl.rc_context(STYLE):
        size = (max(2.4 * columns, 4.8) + 0.6, 2.1 * rows + 1.1)
        figure = Figure(figsize=size, layout="constrained")
        if not bands:
            return nothing(figure, "no ranks were tested, see calibration.parquet")
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for place in axes.ravel()[len(bands) :]:
            place.set_visible(False)
        lines = dict(list(panel.lines.groupby(keys, sort=False)))
        parameters = list(pd.unique(panel.lines["parameter"]))
        colours = {
            parameter: COLOURS[number % len(COLOURS)]
            for number, parameter in enumerate(parameters)
        }
        for place, (facet, band) in zip(axes.ravel(), bands, strict=False):
            place.fill_between(
                band["point"], band["lower"], band["upper"], color="#e6e6e6"
            )
            quantities = lines[facet].groupby(["parameter", "contributor"], sort=False)
            for (parameter, _), line in quantities:
                place.plot(
                    line["point"],
                    line["difference"],
                    linewidth=0.7,
                    color=colours[parameter],
                )
            place.set_title(facet[-1], fontsize=8)
        figure.supxlabel(panel.across.label, fontsize=9)
        figure.supylabel(panel.upwards.label, fontsize=9)
        figure.legend(
            [Line2D([], [], color=colour) for colour in colours.values()],
            [names.parameter(parameter) for parameter in colours],
            ncols=3 if columns < 4 else 6,
            loc="outside upper center",
            fontsize=8,
        )
    return figure
