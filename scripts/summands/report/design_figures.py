"""Figures of recovery metrics: a line for each design or, of many, against their size.

What is drawn is first put into one plain frame (`by_design`), a line for each design,
estimator, parameter and metric; drawing reads nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from summands.recovery.metrics import LARGEST_SHARE
from summands.report.plotting import (
    LABELS,
    STYLE,
    colour,
    markers,
    nothing,
    number,
    present,
)

# Above this, designs are not shown one by one, but by their rows per contributor.
NAMED_DESIGNS = 40

# Steps of rows per contributor, each with as many designs.
STEPS = 10


@dataclass(frozen=True)
class Kind:
    """What a figure of metrics shows.

    Parameters
    ----------
    metrics : tuple of str
        Names as in recovery.parquet; the first is drawn full, others hollow.
    label : str
        Of the axis.
    log : bool
        Whether the axis is logarithmic.
    nominal : tuple of float
        Where lines mark what should be.
    limits : (float, float), optional
        Ends of the axis.
    """

    metrics: tuple[str, ...]
    label: str
    log: bool = False
    nominal: tuple[float, ...] = ()
    limits: tuple[float, float] | None = None


KINDS: Mapping[str, Kind] = {
    "error": Kind(
        ("rmse_over_total",),
        "root mean squared error / total standard deviation (of variances: total "
        "variance)",
        log=True,
    ),
    "coverage": Kind(
        ("coverage_95", "coverage_50"),
        "share of intervals that hold the truth (hollow: 50 %, full: 95 %)",
        nominal=(0.5, 0.95),
        limits=(-0.03, 1.03),
    ),
    "efficiency": Kind(
        ("rmse_over_bound",),
        "root mean squared error / Cramér-Rao bound",
        log=True,
        nominal=(1.0,),
    ),
    "width": Kind(
        ("width_95_over_total",),
        "width of 95 % intervals / total standard deviation (of variances: total "
        "variance)",
        log=True,
    ),
    "ranking": Kind(
        ("top_rate",),
        "share of data sets in which the largest of a level is named",
        limits=(-0.03, 1.03),
    ),
}


def by_design(recovery: pd.DataFrame, kind: Kind) -> pd.DataFrame:
    """Average metrics over the levels of each design.

    Parameters
    ----------
    recovery : pandas.DataFrame
        The table of that name; pooled rows of the gate "common" count.
    kind : Kind

    Returns
    -------
    pandas.DataFrame
        By design, estimator, parameter and metric: ``value``, the mean over levels
        (geometric on a logarithmic axis); ``lower`` and ``upper``, its Monte-Carlo
        interval, as long as the longest of the levels, which share their data sets;
        ``worst``, the worst contributor's value, NaN where there is none; ``carried``,
        whether one replicate carries more than a fifth of it.
    """
    chosen = recovery[
        (recovery["gate"] == "common")
        & recovery["contributor"].isna()
        & recovery["metric"].isin(kind.metrics)
        & ((recovery["value"] > 0) | (not kind.log))
    ]
    forward, back = (np.log, np.exp) if kind.log else (np.asarray, np.asarray)
    columns = ["value", "lower", "upper", "worst"]
    with np.errstate(divide="ignore"):
        scaled = chosen.assign(
            **{name: forward(chosen[name].to_numpy(dtype=float)) for name in columns}
        )
    scaled["below"] = scaled["value"] - scaled["lower"]
    scaled["above"] = scaled["upper"] - scaled["value"]
    scaled["carried"] = chosen["largest_share"].fillna(0.0) > LARGEST_SHARE
    grouped = scaled.groupby(["design", "estimator", "parameter", "metric"], sort=False)
    pooled = grouped[["value"]].mean()
    pooled["lower"] = pooled["value"] - grouped["below"].max().fillna(0.0)
    pooled["upper"] = pooled["value"] + grouped["above"].max().fillna(0.0)
    # Of shares the smallest is the worst, of errors and widths the largest.
    worst = grouped["worst"].max() if kind.log else grouped["worst"].min()
    pooled["worst"] = worst
    pooled[columns] = back(pooled[columns])
    pooled["carried"] = grouped["carried"].any()
    return pooled.reset_index()


def draw(recovery: pd.DataFrame, size: Mapping[str, float], kind: Kind) -> Figure:
    """Draw one kind of figure, a panel for each parameter.

    Parameters
    ----------
    recovery : pandas.DataFrame
        The table of that name.
    size : mapping of str to float
        Rows per contributor of each design: what many designs are shown by.
    kind : Kind

    Returns
    -------
    matplotlib.figure.Figure
    """
    frame = by_design(recovery, kind)
    with mpl.rc_context(STYLE):
        figure = Figure(layout="constrained")
        if frame.empty:
            return nothing(figure)
        designs = list(pd.unique(frame["design"]))
        names = list(pd.unique(frame["estimator"]))
        parameters = present(frame)
        few = len(designs) <= NAMED_DESIGNS
        margin = 0.065 * max(map(len, designs)) if few else 0.6
        width = max(margin + 2.1 * len(parameters), 0.062 * len(kind.label) + 0.6)
        figure.set_size_inches(width, 0.26 * len(designs) + 1.3 if few else 3.6)
        axes = figure.subplots(
            1,
            len(parameters),
            squeeze=False,
            sharey=few or kind.limits is not None,
        )[0]
        for axis, parameter in zip(axes, parameters, strict=True):
            of_parameter = frame[frame["parameter"] == parameter]
            for order, name in enumerate(names):
                part = of_parameter[of_parameter["estimator"] == name]
                shift = (order - (len(names) - 1) / 2) * 0.6 / len(names)
                for metric in kind.metrics:
                    some = part[part["metric"] == metric]
                    hollow = metric != kind.metrics[0]
                    if few:
                        place = some["design"].map(designs.index).to_numpy() + shift
                        _points(axis, some, place, colour(order), hollow=hollow)
                    elif not some.empty:
                        _curve(axis, some, size, colour(order), kind, hollow=hollow)
            for value in kind.nominal:
                line = axis.axvline if few else axis.axhline
                line(value, color="black", linewidth=0.8)
            (_across if few else _upright)(axis, kind)
            axis.set_title(LABELS[parameter])
        if few:
            axes[0].set_ylim(len(designs) - 0.4, -0.6)
            axes[0].set_yticks(range(len(designs)), designs)
            figure.supxlabel(kind.label, fontsize=9)
        else:
            figure.supxlabel(
                f"rows per contributor ({len(designs):,} designs)", fontsize=9
            )
            figure.supylabel(kind.label.replace(" (", "\n("), fontsize=9)
        _explain(figure, names, frame, few=few)
    return figure


def _explain(
    figure: Figure, names: Sequence[str], frame: pd.DataFrame, *, few: bool
) -> None:
    handles = markers([colour(order) for order in range(len(names))])
    labels = list(names)
    if frame["worst"].notna().any():
        handles += markers(["black"], "x")
        labels.append("worst contributor")
    if few and frame["carried"].any():
        handles += markers(["black"], "D")
        labels.append("carried by one replicate")
    figure.legend(handles, labels, ncols=3, loc="outside upper center")


def _across(axis: Axes, kind: Kind) -> None:
    if kind.log:
        axis.set_xscale("log")
        number(axis.xaxis)
    if kind.limits is not None:
        axis.set_xlim(kind.limits)


def _upright(axis: Axes, kind: Kind) -> None:
    axis.set_xscale("log")
    number(axis.xaxis)
    if kind.log:
        axis.set_yscale("log")
        number(axis.yaxis)
    if kind.limits is not None:
        axis.set_ylim(kind.limits)


def _points(
    axis: Axes,
    some: pd.DataFrame,
    place: NDArray[np.float64],
    colour: str,
    *,
    hollow: bool,
) -> None:
    """Draw a point for each design, with its Monte-Carlo interval, and the worst."""
    value = some["value"].to_numpy()
    ends = np.abs(some[["lower", "upper"]].to_numpy() - value[:, None]).T
    axis.errorbar(value, place, xerr=ends, fmt="none", ecolor=colour, elinewidth=1)
    face = "white" if hollow else colour
    axis.plot(value, place, "o", color=colour, markersize=3.5, markerfacecolor=face)
    carried = some["carried"].to_numpy()
    axis.plot(value[carried], place[carried], "D", color=colour, markersize=4.5)
    if not hollow:
        axis.plot(some["worst"], place, "x", color=colour, markersize=4)


def _curve(
    axis: Axes,
    some: pd.DataFrame,
    size: Mapping[str, float],
    colour: str,
    kind: Kind,
    *,
    hollow: bool,
) -> None:
    """Draw the mean over designs of like size, and where nine in ten of them lie.

    The mean is that of the logarithms where the axis is logarithmic.
    """
    forward, back = (np.log, np.exp) if kind.log else (np.asarray, np.asarray)
    sizes = some["design"].map(size).to_numpy(dtype=float)
    order = np.argsort(sizes, kind="stable")
    value, lower, upper, worst = (
        forward(some[name].to_numpy()) for name in ("value", "lower", "upper", "worst")
    )
    steps = np.array_split(order, min(STEPS, len(np.unique(sizes))))
    place = [np.exp(np.log(sizes[step]).mean()) for step in steps]
    mean = np.array([value[step].mean() for step in steps])

    def half(end: NDArray[np.float64]) -> NDArray[np.float64]:
        """Length of the interval of a mean over independent designs, on one side."""
        away = np.nan_to_num(end - value, posinf=0.0, neginf=0.0)
        return np.array(
            [np.sqrt((away[step] ** 2).sum()) / len(step) for step in steps]
        )

    bars = np.abs(back(np.stack([mean - half(lower), mean + half(upper)])) - back(mean))
    ends = np.array([np.quantile(value[step], [0.05, 0.95]) for step in steps]).T
    face = "white" if hollow else colour
    axis.fill_between(place, *back(ends), color=colour, alpha=0.12, linewidth=0)
    axis.errorbar(
        place,
        back(mean),
        yerr=bars,
        fmt="o-",
        color=colour,
        markersize=3.5,
        linewidth=1,
        markerfacecolor=face,
    )
    if not hollow and np.isfinite(worst).any():
        known = [step[np.isfinite(worst[step])] for step in steps]
        of_worst = np.array(
            [back(worst[step].mean()) if len(step) else np.nan for step in known]
        )
        axis.plot(place, of_worst, "x:", color=colour, markersize=4, linewidth=0.8)
