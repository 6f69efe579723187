"""Figures of metrics by design, drawn with matplotlib from their panel.

Few designs are lines of the figure, with metrics across; many are steps of their size
across, with metrics upwards.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import axes as mpl_axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from summands.report import names
from summands.report.axes import Axis
from summands.report.design_panels import ByDesign
from summands.report.looks import colour, marker
from summands.report.panels import present
from summands.report.plotting import STYLE, markers, nothing, number, of_estimators

# Height of the offsets of estimators within the line of a design.
SPREAD = 0.6

# Letters of a label that stand upright beside the curves.
LINE = 52


def metrics_by_design(panel: ByDesign) -> Figure:
    """Draw metrics, axes for each parameter.

    Parameters
    ----------
    panel : ByDesign

    Returns
    -------
    matplotlib.figure.Figure
        A line for each design or, of many designs, curves over their size.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(layout="constrained")
        if panel.designs.empty:
            return nothing(figure)
        if panel.steps.empty:
            _by_name(figure, panel)
        else:
            _by_size(figure, panel)
    return figure


def _by_name(figure: Figure, panel: ByDesign) -> None:
    """Draw a line for each design."""
    designs = list(pd.unique(panel.designs["design"]))
    estimators = _estimators(panel)
    margin = 0.065 * max(map(len, designs))
    for place, parameter in _places(
        figure, panel, margin, height=0.26 * len(designs) + 1.3, sharey=True
    ):
        for order, hollow, part in _series(panel, panel.designs, parameter):
            shift = (order - (len(estimators) - 1) / 2) * SPREAD / len(estimators)
            line = part["design"].map(designs.index).to_numpy() + shift
            _points(place, part, line, order, hollow=hollow)
        for mark in panel.axis.marks:
            place.axvline(mark, color="black", linewidth=0.8)
        _scale_across(place, panel.axis)
        place.set_ylim(len(designs) - 0.4, -0.6)
        place.set_yticks(range(len(designs)), designs)
    figure.supxlabel(panel.axis.label, fontsize=9)
    carried = bool(panel.designs["carried"].any())
    _explain(figure, panel, carried=carried)


def _by_size(figure: Figure, panel: ByDesign) -> None:
    """Draw curves over the size of the designs."""
    share = panel.axis.limits is not None
    for place, parameter in _places(figure, panel, 0.6, height=3.6, sharey=share):
        for order, hollow, part in _series(panel, panel.steps, parameter):
            _curve(place, part, order, hollow=hollow)
        for mark in panel.axis.marks:
            place.axhline(mark, color="black", linewidth=0.8)
        _scale_across(place, panel.sizes)
        _scale_upwards(place, panel.axis)
    figure.supxlabel(panel.sizes.label, fontsize=9)
    figure.supylabel(_broken(panel.axis.label), fontsize=9)
    _explain(figure, panel, carried=False)


def _broken(label: str) -> str:
    """Break a label into lines that are no longer than the axes are high."""
    lines = label.replace(" (", "\n(").splitlines()
    return "\n".join(textwrap.fill(line, LINE) for line in lines)


def _estimators(panel: ByDesign) -> list[str]:
    return list(pd.unique(panel.designs["estimator"]))


def _places(
    figure: Figure, panel: ByDesign, margin: float, *, height: float, sharey: bool
) -> Iterator[tuple[mpl_axes.Axes, str]]:
    """Size the figure, and make titled axes for each parameter."""
    parameters = present(panel.designs)
    width = max(margin + 2.1 * len(parameters), 0.062 * len(panel.axis.label) + 0.6)
    figure.set_size_inches(width, height)
    axes = figure.subplots(1, len(parameters), squeeze=False, sharey=sharey)[0]
    for place, parameter in zip(axes, parameters, strict=True):
        place.set_title(names.parameter(parameter))
        yield place, parameter


def _series(
    panel: ByDesign, frame: pd.DataFrame, parameter: str
) -> Iterator[tuple[int, bool, pd.DataFrame]]:
    """Cut a parameter's rows by estimator, of which this is the number, and metric.

    All metrics but the main one are drawn hollow.
    """
    of_parameter = frame[frame["parameter"] == parameter]
    for order, estimator in enumerate(_estimators(panel)):
        part = of_parameter[of_parameter["estimator"] == estimator]
        for metric in panel.metrics:
            some = part[part["metric"] == metric]
            if not some.empty:
                yield order, metric != panel.metrics[0], some


def _explain(figure: Figure, panel: ByDesign, *, carried: bool) -> None:
    labels = _estimators(panel)
    handles = of_estimators(range(len(labels)))
    if panel.designs["worst"].notna().any():
        handles += markers(["black"], "x")
        labels.append("worst contributor")
    if carried:
        handles += markers(["black"], hollow=True)
        labels.append("carried by one replicate")
    figure.legend(handles, labels, ncols=3, loc="outside upper center")


def _scale_across(place: mpl_axes.Axes, axis: Axis) -> None:
    if axis.scale == "log":
        place.set_xscale("log")
        number(place.xaxis)
    if axis.limits is not None:
        place.set_xlim(axis.limits)


def _scale_upwards(place: mpl_axes.Axes, axis: Axis) -> None:
    if axis.scale == "log":
        place.set_yscale("log")
        number(place.yaxis)
    if axis.limits is not None:
        place.set_ylim(axis.limits)


def _interval(part: pd.DataFrame) -> NDArray[np.float64]:
    """Lengths of the Monte-Carlo intervals, below and above the values."""
    value = part["value"].to_numpy()
    return np.abs(part[["lower", "upper"]].to_numpy() - value[:, None]).T


def _points(
    place: mpl_axes.Axes,
    part: pd.DataFrame,
    line: NDArray[np.float64],
    order: int,
    *,
    hollow: bool,
) -> None:
    """Draw a point for each design, with its Monte-Carlo interval, and the worst."""
    value, carried = part["value"].to_numpy(), part["carried"].to_numpy(bool)
    shade, shape = colour(order), marker(order)
    place.errorbar(
        value, line, xerr=_interval(part), fmt="none", ecolor=shade, elinewidth=1
    )
    for some, face in ((~carried, shade), (carried, "white")):
        place.plot(
            value[some],
            line[some],
            shape,
            color=shade,
            markersize=3.5,
            markerfacecolor="white" if hollow else face,
        )
    if not hollow:
        place.plot(part["worst"], line, "x", color=shade, markersize=4)
        for x, mean, y, name in zip(
            part["worst"], value, line, part["worst_name"], strict=True
        ):
            if np.isfinite(x):
                # On the side that the mean is not on.
                side = 1 if x > mean else -1
                place.annotate(
                    name,
                    (x, y),
                    (3 * side, 0),
                    textcoords="offset points",
                    ha="left" if side > 0 else "right",
                    va="center",
                    fontsize=5,
                    color=shade,
                )


def _curve(
    place: mpl_axes.Axes, part: pd.DataFrame, order: int, *, hollow: bool
) -> None:
    """Draw means over designs of like size, and where nine in ten of them lie."""
    shade = colour(order)
    place.fill_between(
        part["size"], part["low"], part["high"], color=shade, alpha=0.12, linewidth=0
    )
    place.errorbar(
        part["size"],
        part["value"],
        yerr=_interval(part),
        fmt=f"{marker(order)}-",
        color=shade,
        markersize=3.5,
        linewidth=1,
        markerfacecolor="white" if hollow else shade,
    )
    if not hollow and part["worst"].notna().any():
        place.plot(
            part["size"],
            part["worst"],
            "x:",
            color=shade,
            markersize=4,
            linewidth=0.8,
        )
