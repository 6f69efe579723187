"""Figures of single estimates and of ranks, drawn from a study's final tables."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator, SymmetricalLogLocator
from numpy.typing import NDArray

from summands.recovery import calibration
from summands.report.plotting import (
    COLOURS,
    GREY,
    LABELS,
    STYLE,
    markers,
    nothing,
    number,
    present,
)

# Ranks by quantity, and how many draws they are among.
Ranks = tuple[Mapping[tuple[str, str], NDArray[np.int64]], int]

# Points of a panel of the scatter plot; more would only blacken it.
SCATTERED = 4000

# Share of estimates, at either end, that may lie beyond the axes of the scatter plot:
# one estimate gone astray would flatten the panels of all estimators.
BEYOND = 0.002

LOGARITHMIC = ("sigma", "total_variance")


def truth_against_estimate(estimates: pd.DataFrame, fits: pd.DataFrame) -> Figure:
    """Scatter estimates over true values, a line of panels per estimator.

    Parameters
    ----------
    estimates, fits : pandas.DataFrame
        The tables of those names.

    Returns
    -------
    matplotlib.figure.Figure
        Estimates far outside of the others are triangles at the edge of their panel.
    """
    known = estimates.dropna(subset=["truth", "estimate"]).merge(
        fits[["design", "replicate", "estimator", "converged"]],
        on=["design", "replicate", "estimator"],
    )
    # A contributor alone in its level has mu and variance contrast 0 by definition.
    known = known[(known["truth"] != 0) | (known["sd"] != 0)]
    names = list(pd.unique(known["estimator"]))
    parameters = present(known)
    with mpl.rc_context(STYLE):
        size = (0.6 + 2.3 * len(parameters), 0.8 + 2.2 * len(names))
        figure = Figure(figsize=size, layout="constrained")
        if not names:
            return nothing(figure)
        axes = figure.subplots(
            len(names), len(parameters), squeeze=False, sharex="col", sharey="col"
        )
        for column, parameter in zip(axes.T, parameters, strict=True):
            of_parameter = known[known["parameter"] == parameter]
            _scale(column[0], of_parameter, parameter)
            for axis, name in zip(column, names, strict=True):
                _scatter(axis, of_parameter[of_parameter["estimator"] == name])
            column[0].set_title(LABELS[parameter])
            column[-1].set_xlabel("truth")
        for line, name in zip(axes, names, strict=True):
            line[0].set_ylabel(f"{name}\nestimate")
        labels = ["converged", "not converged"]
        shown = 1 if known["converged"].all() else 2
        figure.legend(
            markers(COLOURS[:shown]),
            labels[:shown],
            ncols=2,
            loc="outside upper center",
        )
    return figure


def _scale(axis: Axes, values: pd.DataFrame, parameter: str) -> None:
    """Set the axes that all estimators' panels of one parameter share."""
    for scale, side in ((axis.set_xscale, axis.xaxis), (axis.set_yscale, axis.yaxis)):
        if parameter in LOGARITHMIC:
            scale("log", nonpositive="mask")
        elif parameter == "variance_contrast":
            # Linear around zero, logarithmic outside: contrasts of both signs span
            # orders of magnitude. Linear as far as half of the truths reach.
            middle = float(values["truth"].abs().median()) or 1.0
            linear = 10.0 ** np.floor(np.log10(middle))
            scale("symlog", linthresh=linear)
            reach = values["truth"].abs().max() / linear
            base = 10 if reach < 100 else 100 if reach < 3000 else 1000
            steps = (1.0, 3.0) if base == 10 else (1.0,)
            side.set_major_locator(
                SymmetricalLogLocator(base=base, linthresh=linear, subs=steps)
            )
            side.set_major_formatter("{x:g}")
            side.set_minor_locator(NullLocator())
    axis.set_xlim(*_limits(axis, values["truth"], values["truth"]))
    axis.set_ylim(*_limits(axis, values["truth"], values["estimate"]))
    if parameter in LOGARITHMIC:
        number(axis.xaxis)
        number(axis.yaxis)


def _limits(axis: Axes, truth: pd.Series, values: pd.Series) -> tuple[float, float]:
    """Find ends that hold every truth and all but the outermost values."""
    if axis.get_yscale() == "log":
        truth, values = truth[truth > 0], values[values > 0]
    # On an axis of logarithms there may be none of either.
    if truth.empty:
        truth = values if len(values) else pd.Series([1.0])
    if values.empty:
        values = truth
    ends = np.quantile(values, [BEYOND, 1.0 - BEYOND])
    forward = axis.yaxis.get_transform()
    low, high = forward.transform(
        np.array([min(ends[0], truth.min()), max(ends[1], truth.max())])
    )
    if values is truth and (truth == truth.iloc[0]).all():
        # One truth: as wide as its own size, so that its points stand apart.
        low, high = low - 1.0, high + 1.0
    margin = 0.05 * (high - low) or 1.0
    back = forward.inverted().transform(np.array([low - margin, high + margin]))
    return float(back[0]), float(back[1])


def _scatter(axis: Axes, part: pd.DataFrame) -> None:
    if part.empty:
        axis.text(
            0.5, 0.5, "not estimated", transform=axis.transAxes, ha="center", color=GREY
        )
        return
    if len(part) > SCATTERED:
        part = part.sample(SCATTERED, random_state=0)
    low, high = axis.get_ylim()
    shown = part["estimate"].clip(low, high)
    outside = shown != part["estimate"]
    for converged, colour in ((True, COLOURS[0]), (False, COLOURS[1])):
        for beyond, marker in ((False, "o"), (True, "^")):
            some = (part["converged"] == converged) & (outside == beyond)
            axis.scatter(
                part["truth"][some],
                shown[some],
                s=20 if beyond else 6,
                alpha=0.5,
                linewidths=0,
                marker=marker,
                color=colour,
                rasterized=True,
                # Triangles sit on the edge and are seen whole.
                clip_on=not beyond,
            )
    if outside.any():
        axis.text(
            0.03,
            0.97,
            f"{outside.sum():,} beyond the axis",
            transform=axis.transAxes,
            va="top",
            fontsize=7,
            color=GREY,
        )
    middle = part["truth"].median()
    # Equality is a line on these axes, but "slope" is only for linear ones.
    other = 2 * middle if middle else 1.0
    axis.axline((middle, middle), (other, other), color="black", linewidth=0.8)


def ranks_by_design(ranks: Mapping[str, Ranks], level: float) -> Figure:
    """Distribution functions of ranks less the uniform one, a panel per design.

    Parameters
    ----------
    ranks : mapping of str to (dict, int)
        By title of the panel: ranks by quantity (`recovery.calibration.ranks`), and
        how many draws they are among.
    level : float
        Share of sound estimators that leave the band of a quantity somewhere.

    Returns
    -------
    matplotlib.figure.Figure
    """
    columns = min(4, max(len(ranks), 1))
    lines = -(-max(len(ranks), 1) // columns)
    with mpl.rc_context(STYLE):
        size = (max(2.4 * columns, 4.8) + 0.6, 2.1 * lines + 1.1)
        figure = Figure(figsize=size, layout="constrained")
        if not ranks:
            return nothing(figure, "no ranks were tested, see calibration.parquet")
        axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        for axis in axes.ravel()[len(ranks) :]:
            axis.set_visible(False)
        shown: dict[str, str] = {}
        for axis, (title, (quantities, rank_of)) in zip(
            axes.ravel(), ranks.items(), strict=False
        ):
            count = len(next(iter(quantities.values())))
            points, lower, upper = calibration.band(count, rank_of, level)
            axis.fill_between(points, lower - points, upper - points, color="#e6e6e6")
            for (parameter, _), found in quantities.items():
                colour = shown.setdefault(parameter, COLOURS[len(shown) % len(COLOURS)])
                share = (found[:, None] < np.arange(1, rank_of + 1)).mean(axis=0)
                axis.plot(points, share - points, linewidth=0.7, color=colour)
            axis.set_title(title, fontsize=8)
        figure.supxlabel("rank of the truth among the draws, as a share", fontsize=9)
        figure.supylabel("share of truths below, less the expected", fontsize=9)
        figure.legend(
            [Line2D([], [], color=colour) for colour in shown.values()],
            [LABELS.get(name, name.replace("_", " ")) for name in shown],
            ncols=3 if columns < 4 else 6,
            loc="outside upper center",
            fontsize=8,
        )
    return figure
