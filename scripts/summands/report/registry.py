"""The list of all figures: what each is called, says, needs, and is drawn by.

The rules read it whenever Snakemake starts, so what takes long to import is imported
inside of functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from summands.report.axes import Axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from summands.report import answer_panels, panels
    from summands.report.page.content import Chart, Source
    from summands.report.reading import Tables
    from summands.study.study import Study


# By table, the columns that a choice on the page chooses from.
_COLUMNS = {
    "estimates": ("design", "estimator", "level_name", "parameter"),
    "recovery": ("design", "estimator", "level_name", "metric", "parameter"),
    "calibration": ("design", "estimator"),
    "fits": ("design", "estimator"),
    "components": ("estimator",),
    "comparison": ("estimator",),
    "sensitivity": ("estimator",),
}

# What charts call columns that have another name in tables.
_CALLED = {"level_name": ("level",), "parameter": ("parameter", "scattered")}


@dataclass(frozen=True)
class Entry:
    """A figure of a study.

    Parameters
    ----------
    name : str
        Of its file.
    shows : str
        Its label in a report.
    needs : tuple of str
        Final tables that its panel reads.
    panel : callable
        Makes its plain data from a study's `Tables`.
    draw : callable
        Draws these data with matplotlib.
    chart : callable
        Makes the chart of the page of these data, this entry, and the names of the
        study's estimators.
    filters : tuple of (str, str, object)
        What is chosen of the first table that it needs.
    condition : callable, optional
        Whether a study has the figure; every study does where there is none.
    """

    name: str
    shows: str
    needs: tuple[str, ...]
    panel: Callable[[Tables], Any]
    draw: Callable[[Any], Figure]
    chart: Callable[[Any, Entry, list[str]], Chart]
    filters: tuple[tuple[str, str, Any], ...] = ()
    condition: Callable[[Study], bool] | None = None

    @property
    def caption(self) -> str:
        """Name of the file of its caption, in report/captions."""
        return f"{self.name}.rst"

    @property
    def source(self) -> Source:
        """Where its numbers come from."""
        from summands.model import estimands
        from summands.report import names
        from summands.report.page.content import Source

        table = self.needs[0]
        columns = {
            field: column
            for column in _COLUMNS.get(table, ("estimator", "level_name"))
            for field in _CALLED.get(column, (column,))
        }
        called = {names.parameter(name): name for name in estimands.PARAMETERS}
        words = {name: called for name in columns if columns[name] == "parameter"}
        return Source(table, self.filters, columns, words)


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


def _draw_forest(panel: answer_panels.Forest) -> Figure:
    from summands.report import answer_figures

    return answer_figures.forest(panel)


def _chart_forest(
    panel: answer_panels.Forest, entry: Entry, estimators: list[str]
) -> Chart:
    from summands.report.page import charts

    return charts.forest(panel, entry.name, entry.shows, entry.source, estimators)


def _shares(tables: Tables) -> answer_panels.Forest:
    from summands.report import answer_panels

    return answer_panels.shares(tables.whole("components"))


def _means(tables: Tables) -> answer_panels.Forest:
    from summands.report import answer_panels

    assert tables.study.observed is not None
    value = tables.study.observed.source.value
    return answer_panels.means(tables.whole("shrinkage"), value)


def _noise(tables: Tables) -> answer_panels.Forest:
    from summands.report import answer_panels

    return answer_panels.noise(tables.whole("estimates"))


_OF_TABLES = (
    Entry(
        "shares",
        "share of the variance of each level",
        ("components",),
        _shares,
        _draw_forest,
        _chart_forest,
    ),
    Entry(
        "means",
        "which contributors shift the values",
        ("shrinkage",),
        _means,
        _draw_forest,
        _chart_forest,
    ),
    Entry(
        "noise",
        "which contributors are noisy",
        ("estimates",),
        _noise,
        _draw_forest,
        _chart_forest,
        (("parameter", "==", "variance_contrast"),),
    ),
)

# All figures by name, in the order of a report.
FIGURES = {entry.name: entry for entry in (*_ENTRIES, *_OF_TABLES)}


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
        for entry in (_ENTRIES if study.observed is None else _OF_TABLES)
        if entry.condition is None or entry.condition(study)
    ]
