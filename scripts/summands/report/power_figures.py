"""The figure of power curves, drawn with matplotlib from its panel."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import axes as mpl_axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from summands.report import names
from summands.report.looks import colour, marker
from summands.report.panels import present
from summands.report.plotting import STYLE, nothing, number
from summands.report.power_panels import DETECTED, KINDS, Power


def power(panel: Power) -> Figure:
    """Draw shares over rows, axes for each parameter, downwards, and estimator.

    Parameters
    ----------
    panel : Power

    Returns
    -------
    matplotlib.figure.Figure
    """
    with mpl.rc_context(STYLE):
        figure = Figure(layout="constrained")
        curves = panel.curves
        if curves.empty:
            return nothing(figure)
        parameters = present(curves)
        estimators = list(pd.unique(curves["estimator"]))
        figure.set_size_inches(
            max(1.0 + 2.2 * len(estimators), 5.5),
            1.2 + 2.2 * len(parameters) + 0.18 * len(panel.truths) / 3,
        )
        axes = figure.subplots(
            len(parameters), len(estimators), squeeze=False, sharex=True, sharey=True
        )
        for place, estimator in zip(axes[0], estimators, strict=True):
            place.set_title(estimator)
        for line, parameter in zip(axes, parameters, strict=True):
            line[0].set_ylabel(names.parameter(parameter))
            for place, estimator in zip(line, estimators, strict=True):
                here = (curves["parameter"] == parameter) & (
                    curves["estimator"] == estimator
                )
                _curves(place, panel, curves[here])
        figure.supxlabel(panel.sizes.label, fontsize=9)
        figure.supylabel(panel.axis.label.replace(" (", "\n("), fontsize=9)
        figure.legend(
            [_handle(order) for order in range(len(panel.truths))],
            panel.truths,
            ncols=min(4, len(panel.truths)),
            loc="outside upper center",
        )
    return figure


def _curves(place: mpl_axes.Axes, panel: Power, part: pd.DataFrame) -> None:
    if part.empty:
        place.text(0.5, 0.5, "not estimated", ha="center", transform=place.transAxes)
    for mark in panel.axis.marks:
        place.axhline(mark, color="black", linewidth=0.8)
    for order, truth in enumerate(panel.truths):
        curve = part[part["truth"] == truth]
        if curve.empty:
            continue
        detected = bool((curve["kind"] == KINDS[DETECTED]).all())
        value = curve["value"].to_numpy()
        ends = np.abs(curve[["lower", "upper"]].to_numpy() - value[:, None]).T
        place.errorbar(
            curve["size"],
            value,
            yerr=ends,
            fmt=f"{marker(order)}{'-' if detected else ':'}",
            color=colour(order),
            markersize=3.5,
            linewidth=1,
            markerfacecolor=colour(order) if detected else "white",
        )
    place.set_xscale("log")
    number(place.xaxis)
    if panel.axis.limits is not None:
        place.set_ylim(panel.axis.limits)


def _handle(order: int) -> Line2D:
    return Line2D([], [], color=colour(order), marker=marker(order), markersize=4)
