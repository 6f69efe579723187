"""Figures of a whole grid of designs, drawn with matplotlib from their panels."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from summands.report import names
from summands.report.grid_panels import METRICS, Loop, Map, Pool
from summands.report.looks import GREY, colour, marker
from summands.report.panels import present
from summands.report.plotting import STYLE, nothing, number, of_estimators

# Height of the offsets of estimators within a row of a forest.
SPREAD = 0.6


def nested_loop(panel: Loop) -> Figure:
    """Draw a metric along nested loops, axes for each parameter, the loops below.

    Parameters
    ----------
    panel : Loop

    Returns
    -------
    matplotlib.figure.Figure
    """
    with mpl.rc_context(STYLE):
        figure = Figure(layout="constrained")
        if panel.values.empty:
            return nothing(figure)
        parameters = present(panel.values)
        estimators = list(pd.unique(panel.values["estimator"]))
        figure.set_size_inches(
            7.5, 1.5 * len(parameters) + 0.6 * len(panel.factors) + 1
        )
        axes = figure.subplots(
            len(parameters) + len(panel.factors),
            1,
            sharex=True,
            height_ratios=[1.5] * len(parameters) + [0.4] * len(panel.factors),
            squeeze=False,
        )[:, 0]
        for place, parameter in zip(axes, parameters, strict=False):
            of_parameter = panel.values[panel.values["parameter"] == parameter]
            for order, estimator in enumerate(estimators):
                part = of_parameter[of_parameter["estimator"] == estimator]
                place.step(
                    part["position"],
                    part["value"],
                    where="mid",
                    color=colour(order),
                    marker=marker(order),
                    markersize=2.5,
                    linewidth=1,
                )
            place.set_yscale("log")
            number(place.yaxis)
            place.set_title(names.parameter(parameter), fontsize=8, loc="left")
        for place, factor in zip(axes[len(parameters) :], panel.factors, strict=True):
            part = panel.settings[panel.settings["factor"] == factor]
            place.step(part["position"], part["height"], where="mid", color=GREY)
            ends = part.sort_values("height")["setting"].iloc[[0, -1]]
            place.set_yticks([0.0, 1.0], [str(end) for end in ends], fontsize=6)
            place.set_ylim(-0.2, 1.2)
            place.set_title(factor, fontsize=7, loc="left")
        axes[-1].set_xticks([])
        figure.supylabel(panel.axis.label, fontsize=9)
        figure.legend(
            of_estimators(range(len(estimators))),
            estimators,
            ncols=3,
            loc="outside upper center",
        )
    return figure


def heat(panel: Map) -> Figure:
    """Shade the first metric, axes for each parameter and estimator.

    Parameters
    ----------
    panel : Map

    Returns
    -------
    matplotlib.figure.Figure
    """
    metric = next(m for m in METRICS if m in set(panel.cells["metric"]))
    cells = panel.cells[panel.cells["metric"] == metric]
    parameters = present(cells)
    estimators = list(pd.unique(cells["estimator"]))
    across, upwards = (panel.settings[name] for name in (panel.across, panel.upwards))
    with mpl.rc_context(STYLE | {"axes.grid": False}):
        size = (1.6 + 2.4 * len(parameters), 1.2 + 2.0 * len(estimators))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(
            len(estimators), len(parameters), squeeze=False, sharex=True, sharey=True
        )
        for line, estimator in zip(axes, estimators, strict=True):
            line[0].set_ylabel(f"{estimator}\n{panel.upwards}")
        for column, parameter in zip(axes.T, parameters, strict=True):
            of_parameter = cells[cells["parameter"] == parameter]
            norm = _norm(of_parameter["value"], METRICS[metric][2])
            column[0].set_title(names.parameter(parameter))
            column[-1].set_xlabel(panel.across)
            for place, estimator in zip(column, estimators, strict=True):
                part = of_parameter[of_parameter["estimator"] == estimator]
                table = part.pivot_table(
                    index="upwards", columns="across", values="value"
                ).reindex(index=upwards, columns=across)
                drawn = place.imshow(
                    table.to_numpy(float), norm=norm, aspect="auto", origin="lower"
                )
            figure.colorbar(drawn, ax=column, location="bottom", shrink=0.8)
        for place in axes[-1]:
            step = max(1, len(across) // 6)
            place.set_xticks(range(0, len(across), step), across[::step], rotation=45)
        for place in axes[:, 0]:
            step = max(1, len(upwards) // 8)
            place.set_yticks(range(0, len(upwards), step), upwards[::step])
        figure.suptitle(METRICS[metric][0], fontsize=9)
    return figure


def _norm(values: pd.Series, log: bool) -> Normalize:
    low, high = float(values.min()), float(values.max())
    return LogNorm(low, high) if log and 0 < low < high else Normalize(low, high)


def pooled(panel: Pool) -> Figure:
    """Draw metrics averaged over designs of like size, a forest for each.

    Parameters
    ----------
    panel : Pool

    Returns
    -------
    matplotlib.figure.Figure
        Axes for each metric, downwards, and parameter, across.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(layout="constrained")
        rows = panel.rows
        if rows.empty:
            return nothing(figure)
        parameters = present(rows)
        metrics = [metric for metric in METRICS if metric in set(rows["metric"])]
        estimators = list(pd.unique(rows["estimator"]))
        sizes = {size: place for place, size in enumerate(pd.unique(rows["size"]))}
        figure.set_size_inches(
            1.6 + 1.9 * len(parameters), (0.7 + 0.3 * len(sizes)) * len(metrics) + 0.6
        )
        axes = figure.subplots(
            len(metrics), len(parameters), squeeze=False, sharex="row", sharey=True
        )
        for line, metric in zip(axes, metrics, strict=True):
            for place, parameter in zip(line, parameters, strict=True):
                here = (rows["metric"] == metric) & (rows["parameter"] == parameter)
                _forest(place, rows[here], estimators, sizes)
            if METRICS[metric][2]:
                line[0].set_xscale("log")
                number(line[0].xaxis)
            line[len(line) // 2].set_xlabel(METRICS[metric][0])
            line[0].set_yticks(range(len(sizes)), list(sizes))
            line[0].set_ylim(len(sizes) - 0.5, -0.5)
        for place, parameter in zip(axes[0], parameters, strict=True):
            place.set_title(names.parameter(parameter))
        figure.supylabel("rows per contributor", fontsize=9)
        figure.legend(
            of_estimators(range(len(estimators))),
            estimators,
            ncols=3,
            loc="outside upper center",
        )
    return figure


def _forest(
    place: mpl.axes.Axes,
    part: pd.DataFrame,
    estimators: list[str],
    sizes: Mapping[str, int],
) -> None:
    for mark in part["mark"].dropna().unique():
        place.axvline(mark, color="black", linewidth=0.8)
    for order, estimator in enumerate(estimators):
        some = part[part["estimator"] == estimator]
        shift = (order - (len(estimators) - 1) / 2) * SPREAD / len(estimators)
        line = some["size"].map(sizes).to_numpy(float) + shift
        value = some["value"].to_numpy(float)
        ends = np.abs(some[["lower", "upper"]].to_numpy(float) - value[:, None]).T
        place.errorbar(
            value,
            line,
            xerr=ends,
            fmt=marker(order),
            color=colour(order),
            markersize=3.5,
        )
