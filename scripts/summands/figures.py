"""Figures of a study, drawn from its final tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    LogLocator,
    MaxNLocator,
    NullLocator,
    SymmetricalLogLocator,
)
from numpy.typing import NDArray

from summands import calibration, estimands

# Ranks by quantity, and how many draws they are among.
Ranks = tuple[Mapping[tuple[str, str], NDArray[np.int64]], int]

# Okabe and Ito's palette, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")

# Above this, designs are not shown one by one, but by their rows per contributor.
NAMED_DESIGNS = 40

# Steps of rows per contributor, each with as many designs.
STEPS = 10

# Points of a panel of the scatter plot; more would only blacken it.
SCATTERED = 4000

GREY = "#777777"

LOGARITHMIC = ("sigma", "total_variance")

LABELS = {
    "intercept": "intercept",
    "mu": "mu",
    "sigma": "sigma",
    "variance_contrast": "variance contrast",
    "total_variance": "total variance",
}

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


def truth_against_estimate(estimates: pd.DataFrame, fits: pd.DataFrame) -> Figure:
    """Scatter estimates over true values, a line of panels per estimator.

    Parameters
    ----------
    estimates, fits : pandas.DataFrame
        The tables of those names.

    Returns
    -------
    matplotlib.figure.Figure
    """
    known = estimates.dropna(subset=["truth", "estimate"]).merge(
        fits[["design", "replicate", "estimator", "converged"]],
        on=["design", "replicate", "estimator"],
    )
    # A contributor alone in its level has mu and variance contrast 0 by definition.
    known = known[(known["truth"] != 0) | (known["sd"] != 0)]
    names = list(pd.unique(known["estimator"]))
    parameters = _present(known)
    with mpl.rc_context(STYLE):
        size = (0.6 + 2.3 * len(parameters), 0.8 + 2.2 * len(names))
        figure = Figure(figsize=size, layout="constrained")
        if not names:
            return _nothing(figure)
        axes = figure.subplots(
            len(names), len(parameters), squeeze=False, sharex="col", sharey="col"
        )
        for line, name in zip(axes, names, strict=True):
            for axis, parameter in zip(line, parameters, strict=True):
                part = known[
                    (known["parameter"] == parameter) & (known["estimator"] == name)
                ]
                _scatter(axis, part, parameter)
            line[0].set_ylabel(f"{name}\nestimate")
        for axis, parameter in zip(axes[0], parameters, strict=True):
            axis.set_title(LABELS[parameter])
        for axis in axes[-1]:
            axis.set_xlabel("truth")
        figure.legend(
            _markers(COLOURS[:2]),
            ["converged", "not converged"],
            ncols=2,
            loc="outside upper center",
        )
    return figure


def _nothing(figure: Figure) -> Figure:
    figure.set_size_inches(6.0, 2.0)
    figure.text(0.5, 0.5, "nothing to show: see fits.parquet", ha="center")
    return figure


def _scatter(axis: Axes, part: pd.DataFrame, parameter: str) -> None:
    for scale, side in ((axis.set_xscale, axis.xaxis), (axis.set_yscale, axis.yaxis)):
        if parameter in LOGARITHMIC:
            scale("log")
            _number(side)
        elif parameter == "variance_contrast":
            # Linear around zero, logarithmic outside: contrasts of both signs span
            # orders of magnitude.
            scale("symlog", linthresh=1.0)
            largest = part["truth"].abs().max()
            base = 10 if largest < 100 else 100 if largest < 3000 else 1000
            steps = (1.0, 3.0) if base == 10 else (1.0,)
            side.set_major_locator(
                SymmetricalLogLocator(base=base, linthresh=1.0, subs=steps)
            )
            side.set_major_formatter("{x:g}")
            side.set_minor_locator(NullLocator())
    if part.empty:
        axis.text(
            0.5, 0.5, "not estimated", transform=axis.transAxes, ha="center", color=GREY
        )
        return
    if len(part) > SCATTERED:
        part = part.sample(SCATTERED, random_state=0)
    for converged, colour in ((True, COLOURS[0]), (False, COLOURS[1])):
        some = part[part["converged"] == converged]
        axis.scatter(
            some["truth"],
            some["estimate"],
            s=6,
            alpha=0.5,
            linewidths=0,
            color=colour,
            rasterized=True,
        )
    middle = part["truth"].median()
    # Equality is a line on these axes, but "slope" is only for linear ones.
    other = 2 * middle if middle else 1.0
    axis.axline((middle, middle), (other, other), color="black", linewidth=0.8)
    if (part["truth"] == middle).all():
        # One truth, such as an intercept of 0: as wide as the estimates are spread.
        half = (part["estimate"] - middle).abs().max() or 1.0
        axis.set_xlim(middle - half, middle + half)


def _number(axis: XAxis | YAxis) -> None:
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


def _markers(colours: Sequence[str]) -> list[Line2D]:
    return [
        Line2D([], [], marker="o", linestyle="", color=colour, markersize=4)
        for colour in colours
    ]


def error_by_design(recovery: pd.DataFrame, size: Mapping[str, float]) -> Figure:
    """Root mean squared error of each design and estimator, with Monte-Carlo bars.

    Parameters
    ----------
    recovery : pandas.DataFrame
        The table of that name.
    size : mapping of str to float
        Rows per contributor of each design: what many designs are shown by.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return _by_design(recovery, size, ["rmse"], "root mean squared error", log=True)


def coverage_by_design(recovery: pd.DataFrame, size: Mapping[str, float]) -> Figure:
    """Coverage of the 50 % and 95 % intervals, with Monte-Carlo bars.

    Parameters
    ----------
    recovery, size
        See `error_by_design`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return _by_design(
        recovery,
        size,
        ["coverage_50", "coverage_95"],
        "share of intervals that hold the truth (hollow: 50 %, full: 95 %)",
        nominal=(0.5, 0.95),
        limits=(-0.03, 1.03),
    )


def efficiency_by_design(recovery: pd.DataFrame, size: Mapping[str, float]) -> Figure:
    """Root mean squared error over the Cramér-Rao bound, with Monte-Carlo bars.

    Parameters
    ----------
    recovery, size
        See `error_by_design`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return _by_design(
        recovery,
        size,
        ["rmse_over_bound"],
        "root mean squared error / Cramér-Rao bound",
        log=True,
        nominal=(1.0,),
    )


def ranks_by_design(ranks: Mapping[str, Ranks], level: float) -> Figure:
    """Distribution functions of ranks less the uniform one, a panel per design.

    Parameters
    ----------
    ranks : mapping of str to (dict, int)
        By title of the panel: ranks by quantity (`summands.calibration.ranks`), and
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
            return _nothing(figure)
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


def _over_levels(chosen: pd.DataFrame) -> pd.DataFrame:
    """Mean of a metric over levels; the largest error bar stands for all of them.

    Levels of a design share their data sets, so their errors do not average out.
    """
    keys = ["design", "estimator", "parameter", "metric"]
    return chosen.groupby(keys, sort=False).agg(
        value=("value", "mean"), mcse=("mcse", "max")
    )


def _by_design(
    recovery: pd.DataFrame,
    size: Mapping[str, float],
    metrics: Sequence[str],
    label: str,
    *,
    log: bool = False,
    nominal: Sequence[float] = (),
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Draw metrics, a panel for each parameter: a line for each design, or by size."""
    chosen = recovery[(recovery["gate"] == "all") & recovery["metric"].isin(metrics)]
    pooled, parameters = _over_levels(chosen), _present(chosen)
    designs = list(pd.unique(pooled.index.get_level_values("design")))
    names = list(pd.unique(pooled.index.get_level_values("estimator")))
    few = len(designs) <= NAMED_DESIGNS
    height = 0.26 * len(designs) + 1.3 if few else 3.6
    margin = 0.065 * max(map(len, designs), default=0) if few else 0.6
    with mpl.rc_context(STYLE):
        figure = Figure(
            figsize=(margin + 2.1 * len(parameters), height), layout="constrained"
        )
        if not names:
            return _nothing(figure)
        axes = figure.subplots(
            1, len(parameters), squeeze=False, sharey=few or limits is not None
        )
        for axis, parameter in zip(axes[0], parameters, strict=True):
            for number, name in enumerate(names):
                try:
                    part = pooled.xs(
                        (name, parameter), level=("estimator", "parameter")
                    )
                except KeyError:
                    continue
                shift = (number - (len(names) - 1) / 2) * 0.6 / len(names)
                colour = COLOURS[number % len(COLOURS)]
                for metric in pd.unique(part.index.get_level_values("metric")):
                    some = part.xs(metric, level="metric")
                    style = {
                        "color": colour,
                        "markersize": 3.5,
                        "linewidth": 1,
                        "markerfacecolor": "white"
                        if metric == "coverage_50"
                        else colour,
                    }
                    if few:
                        place = some.index.map(designs.index).to_numpy() + shift
                        bars = _bars(some, log=log)
                        axis.errorbar(some["value"], place, xerr=bars, fmt="o", **style)
                    else:
                        _over_size(axis, some, size, style, log=log)
            side = axis.xaxis if few else axis.yaxis
            if log:
                (axis.set_xscale if few else axis.set_yscale)("log")
                _number(side)
            for value in nominal:
                (axis.axvline if few else axis.axhline)(
                    value, color="black", linewidth=0.8
                )
            if limits is not None:
                (axis.set_xlim if few else axis.set_ylim)(limits)
            axis.set_title(LABELS[parameter])
            if not few:
                axis.set_xscale("log")
                _number(axis.xaxis)
        if few:
            axes[0, 0].set_ylim(len(designs) - 0.4, -0.6)
            axes[0, 0].set_yticks(range(len(designs)), designs)
            figure.supxlabel(label, fontsize=9)
        else:
            figure.supxlabel(
                f"rows per contributor ({len(designs):,} designs)", fontsize=9
            )
            figure.supylabel(label.replace(" (", "\n("), fontsize=9)
        colours = [COLOURS[number % len(COLOURS)] for number in range(len(names))]
        figure.legend(
            _markers(colours), names, ncols=len(names), loc="outside upper center"
        )
    return figure


def _over_size(
    axis: Axes,
    some: Any,
    size: Mapping[str, float],
    style: Mapping[str, Any],
    *,
    log: bool,
) -> None:
    """Draw the mean over designs of like size, and where nine in ten of them lie.

    The mean is that of the logarithms where the axis is logarithmic.
    """
    sizes = some.index.map(size).to_numpy(dtype=float)
    order = np.argsort(sizes, kind="stable")
    value, error = some["value"].to_numpy(), some["mcse"].fillna(0.0).to_numpy()
    if log:
        # Designs without error have no logarithm; an exact estimate is no mean.
        order = order[value[order] > 0]
        error = error / np.where(value > 0, value, 1.0)
        value = np.log(np.where(value > 0, value, 1.0))
    if not len(order):
        return
    steps = np.array_split(order, min(STEPS, len(np.unique(sizes[order]))))
    place = [np.exp(np.log(sizes[step]).mean()) for step in steps]
    mean = np.array([value[step].mean() for step in steps])
    half = 1.96 * np.array(
        [np.sqrt((error[step] ** 2).sum()) / len(step) for step in steps]
    )
    ends = np.array([np.quantile(value[step], [0.05, 0.95]) for step in steps]).T
    back = np.exp if log else np.asarray
    bars = np.abs(back(np.stack([mean - half, mean + half])) - back(mean))
    axis.fill_between(place, *back(ends), color=style["color"], alpha=0.12, linewidth=0)
    axis.errorbar(place, back(mean), yerr=bars, fmt="o-", **style)


def _bars(some: Any, *, log: bool) -> NDArray[np.float64]:
    """Lengths of the bars below and above, 1.96 Monte-Carlo standard errors each.

    On a logarithmic axis they are those of the logarithm (delta method), which do not
    reach below zero.
    """
    value = some["value"].to_numpy()
    half = 1.96 * some["mcse"].fillna(0.0).to_numpy()
    if not log:
        return np.stack([half, half])
    factor = np.exp(half / np.where(value > 0, value, 1.0))
    return np.stack([value - value / factor, value * factor - value])


def _present(table: pd.DataFrame) -> list[str]:
    occurring = set(table["parameter"])
    return [name for name in estimands.PARAMETERS if name in occurring]
