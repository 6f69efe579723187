"""The list of all figures: what each is called, says, needs, and is drawn by.

The rules read it whenever Snakemake starts, so what takes long to import is imported
inside of functions.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from summands.report.answer_entries import OF_TABLES
from summands.report.axes import Axis
from summands.report.entries import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from summands.report import panels
    from summands.report.page.content import Chart
    from summands.report.reading import Tables
    from summands.study.study import Study


def _truth(tables: Tables) -> panels.Scatter:
    from summands.report import panels

    return panels.truth_against_estimate(tables.estimates(), tables.fits())


def _draw_truth(panel: panels.Scatter) -> Figure:
    from summands.report import figures

    return figures.truth_against_estimate(panel)


def _chart_truth(panel: panels.Scatter, entry: Entry, estimators: list[str]) -> Chart:
    from summands.report.page import charts

    return charts.scatter(panel, entry.name, entry.shows, entry.source, estimators)


def _ranks(tables: Tables) -> panels.Ranks:
    from summands.recovery import calibration
    from summands.report import panels

    several = len(tables.study.estimators) > 1
    return panels.ranks_by_design(tables.ranked(), calibration.LEVEL, several=several)


def _draw_ranks(panel: panels.Ranks) -> Figure:
    from summands.report import figures

    return figures.ranks_by_design(panel)


def _chart_ranks(panel: panels.Ranks, entry: Entry, estimators: list[str]) -> Chart:
    from summands.report.page import charts

    return charts.ranks(panel, entry.name, entry.shows, entry.source)


def _metrics(metrics: tuple[str, ...], axis: Axis, tables: Tables) -> panels.ByDesign:
    from summands.report import panels

    return panels.metrics_by_design(
        tables.recovery(metrics), tables.sizes(), metrics, axis
    )


def _draw_metrics(panel: panels.ByDesign) -> Figure:
    from summands.report import design_figures

    return design_figures.metrics_by_design(panel)


def _chart_metrics(
    panel: panels.ByDesign, entry: Entry, estimators: list[str]
) -> Chart:
    from summands.report.page import charts

    return charts.by_design(panel, entry.name, entry.shows, entry.source, estimators)


def _of_metrics(name: str, shows: str, metrics: tuple[str, ...], axis: Axis) -> Entry:
    """Enter a figure of metrics by design, of which the first is the main one."""
    return Entry(
        name,
        shows,
        ("recovery",),
        partial(_metrics, metrics, axis),
        _draw_metrics,
        _chart_metrics,
        (("gate", "==", "common"), ("metric", "in", metrics)),
    )


def _ranks_truths(study: Study) -> bool:
    """Whether a study has truths from their prior, and draws that they rank among."""
    return study.with_drawn_truth and any(
        entry.module.SAMPLES for entry in study.estimators.values()
    )


_OVER_TOTAL = "/ total standard deviation (of variances: total variance)"

_ENTRIES = (
    Entry(
        "truth",
        "truth against estimate",
        ("estimates", "fits"),
        _truth,
        _draw_truth,
        _chart_truth,
    ),
    _of_metrics(
        "error",
        "error by design",
        ("rmse_over_total",),
        Axis(f"root mean squared error {_OVER_TOTAL}", "log"),
    ),
    _of_metrics(
        "coverage",
        "coverage by design",
        ("coverage_95", "coverage_50"),
        Axis(
            "share of intervals that hold the truth (hollow: 50 %, full: 95 %)",
            limits=(-0.03, 1.03),
            marks=(0.5, 0.95),
        ),
    ),
    _of_metrics(
        "width",
        "width of intervals by design",
        ("width_95_over_total",),
        Axis(f"width of 95 % intervals {_OVER_TOTAL}", "log"),
    ),
    _of_metrics(
        "efficiency",
        "error over the Cramér-Rao bound",
        ("rmse_over_bound",),
        Axis("root mean squared error / Cramér-Rao bound", "log", marks=(1.0,)),
    ),
    _of_metrics(
        "ranking",
        "how often the largest is named",
        ("top_rate",),
        Axis(
            "share of data sets in which the largest of a level is named",
            limits=(-0.03, 1.03),
        ),
    ),
    Entry(
        "calibration",
        "ranks of truths among draws",
        ("estimates", "fits", "calibration"),
        _ranks,
        _draw_ranks,
        _chart_ranks,
        condition=_ranks_truths,
    ),
)


# All figures by name, in the order of a report.
FIGURES = {entry.name: entry for entry in (*_ENTRIES, *OF_TABLES)}


def of(study: Study) -> list[Entry]:
    """Choose the figures that a study has.

    Parameters
    ----------
    study : Study

    Returns
    -------
    list of Entry
    """
    return [
        entry
        for entry in (_ENTRIES if study.observed is None else OF_TABLES)
        if entry.condition is None or entry.condition(study)
    ]
