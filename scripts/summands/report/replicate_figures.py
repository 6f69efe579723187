"""Figures of single data sets and of fits, drawn with matplotlib from their panels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import axes as mpl_axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from summands.report import names
from summands.report.fit_panels import FAILED, FINE, NOT_CONVERGED, Outcomes
from summands.report.looks import COLOURS, GREY
from summands.report.panels import present
from summands.report.plotting import STYLE, markers, nothing
from summands.report.replicate_panels import Contraction, Zip
from summands.report.ridge_panel import Ridge

# Points of fits that converged and of those that did not.
OF_FITS = ((True, COLOURS[0], "o"), (False, COLOURS[1], "x"))

OF_RESULTS = {FAILED: COLOURS[1], NOT_CONVERGED: COLOURS[5], FINE: "#c8ced4"}


def _grid(
    figure: Figure, frame: pd.DataFrame, size: tuple[float, float], **shared: Any
) -> Iterator[tuple[mpl_axes.Axes, pd.DataFrame]]:
    """Make axes for each estimator, downwards, and parameter, across."""
    estimators = list(pd.unique(frame["estimator"]))
    parameters = present(frame)
    across, upwards = size
    figure.set_size_inches(
        0.8 + across * len(parameters), 0.9 + upwards * len(estimators)
    )
    shape = len(estimators), len(parameters)
    axes = figure.subplots(*shape, squeeze=False, **shared)
    for line, estimator in zip(axes, estimators, strict=True):
        line[0].set_ylabel(estimator)
        for place, parameter in zip(line, parameters, strict=True):
            here = (frame["estimator"] == estimator) & (frame["parameter"] == parameter)
            yield place, frame[here]
    for place, parameter in zip(axes[0], parameters, strict=True):
        place.set_title(names.parameter(parameter))


def contraction(panel: Contraction) -> Figure:
    """Scatter z-scores over contraction, axes for each estimator and parameter.

    Parameters
    ----------
    panel : Contraction

    Returns
    -------
    matplotlib.figure.Figure
    """
    with mpl.rc_context(STYLE):
        figure = Figure(layout="constrained")
        if panel.points.empty:
            return nothing(figure, "no posteriors of drawn truths")
        for place, part in _grid(
            figure, panel.points, (2.1, 2.0), sharex=True, sharey=True
        ):
            for converged, colour, marker in OF_FITS:
                some = part[part["converged"].astype(bool) == converged]
                place.scatter(
                    some["contraction"],
                    some["z"],
                    s=5,
                    alpha=0.4,
                    linewidths=0 if converged else 0.8,
                    marker=marker,
                    color=colour,
                    rasterized=True,
                )
            for mark in panel.upwards.marks:
                place.axhline(mark, color="black", linewidth=0.6)
            place.set_xlim(panel.across.limits)
        figure.supxlabel(panel.across.label, fontsize=9)
        figure.supylabel(panel.upwards.label, fontsize=9)
        shown = 1 if panel.points["converged"].all() else 2
        figure.legend(
            [
                each
                for _, *look in OF_FITS[:shown]
                for each in markers([look[0]], look[1])
            ],
            ["converged", "not converged"][:shown],
            ncols=2,
            loc="outside upper center",
        )
    return figure


def zipped(panel: Zip) -> Figure:
    """Lay intervals one above the other, axes for each estimator and parameter.

    Parameters
    ----------
    panel : Zip

    Returns
    -------
    matplotlib.figure.Figure
        A band at the share of intervals that hold the truth, as wide as its
        Monte-Carlo interval, and a line at 95 %.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(layout="constrained")
        if panel.intervals.empty:
            return nothing(figure, "no estimator has intervals")
        shares = panel.covered.set_index(["estimator", "parameter"])
        for place, part in _grid(figure, panel.intervals, (1.7, 2.2), sharey=True):
            if part.empty:
                continue
            for covered, colour in ((True, COLOURS[4]), (False, COLOURS[1])):
                some = part[part["covered"].astype(bool) == covered]
                place.hlines(
                    some["centile"],
                    some["lower"],
                    some["upper"],
                    color=colour,
                    linewidth=0.5,
                )
            share = shares.loc[(part["estimator"].iloc[0], part["parameter"].iloc[0])]
            if np.isfinite(share["lower"]):
                place.axhspan(
                    100 * share["lower"], 100 * share["upper"], color=GREY, alpha=0.25
                )
            for mark in panel.upwards.marks:
                place.axhline(mark, color="black", linewidth=0.8, linestyle="--")
            for mark in panel.across.marks:
                place.axvline(mark, color="black", linewidth=0.6)
            place.set_ylim(panel.upwards.limits)
        figure.supxlabel(
            f"{panel.across.label} (1: mean half width of intervals)", fontsize=9
        )
        figure.supylabel(panel.upwards.label, fontsize=9)
    return figure


def ridge(panel: Ridge) -> Figure:
    """Scatter draws of two sigma, with the pairs that fit equally well.

    Parameters
    ----------
    panel : Ridge

    Returns
    -------
    matplotlib.figure.Figure
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 4.4), layout="constrained")
        if panel.places.empty:
            return nothing(figure)
        place = figure.subplots()
        of = dict(list(panel.places.groupby("kind")))
        nobody = panel.places.iloc[:0]
        draws, edge, truth = (of.get(kind, nobody) for kind in ("draw", "set", "truth"))
        handles = [
            place.scatter(
                draws["across"],
                draws["upwards"],
                s=5,
                alpha=0.4,
                linewidths=0,
                color=COLOURS[0],
                rasterized=True,
            ),
            *place.plot(edge["across"], edge["upwards"], color=COLOURS[1]),
            *place.plot(truth["across"], truth["upwards"], "D", color="black"),
        ]
        place.set_xlim(left=0.0)
        place.set_ylim(bottom=0.0)
        place.set_xlabel(panel.across.label)
        place.set_ylabel(panel.upwards.label)
        place.set_title(panel.told, fontsize=8)
        labels = ["draws of the posterior", "fits the data equally well", "truth"]
        figure.legend(handles, labels, ncols=3, loc="outside upper center", fontsize=8)
    return figure


def outcomes(panel: Outcomes) -> Figure:
    """Stack fits that failed, that did not converge, and that did.

    Parameters
    ----------
    panel : Outcomes

    Returns
    -------
    matplotlib.figure.Figure
        Axes for each estimator, a bar for each design.
    """
    rows = panel.rows
    estimators, designs = (list(pd.unique(rows[n])) for n in ("estimator", "design"))
    with mpl.rc_context(STYLE):
        width = 0.4 + 0.065 * max(map(len, designs), default=1) + 2.0 * len(estimators)
        figure = Figure(
            figsize=(max(width, 4.5), 0.22 * len(designs) + 1.1), layout="constrained"
        )
        if rows.empty:
            return nothing(figure)
        axes = figure.subplots(1, len(estimators), squeeze=False, sharey=True)[0]
        for place, estimator in zip(axes, estimators, strict=True):
            _stack(place, rows[rows["estimator"] == estimator], designs)
            place.set_title(estimator)
            place.set_xlim(0.0, 1.0)
        axes[0].set_yticks(range(len(designs)), designs)
        axes[0].set_ylim(len(designs) - 0.5, -0.5)
        figure.supxlabel("share of fits", fontsize=9)
        figure.legend(
            [Patch(color=colour) for colour in OF_RESULTS.values()],
            list(OF_RESULTS),
            ncols=3,
            loc="outside upper center",
        )
    return figure


def _stack(place: mpl_axes.Axes, part: pd.DataFrame, designs: Sequence[str]) -> None:
    left = np.zeros(len(designs))
    for result, colour in OF_RESULTS.items():
        share = (
            part[part["result"] == result]
            .set_index("design")["share"]
            .reindex(list(designs))
            .fillna(0.0)
            .to_numpy(float)
        )
        place.barh(range(len(designs)), share, left=left, color=colour, height=0.7)
        left += share
