"""What an entry of the list of figures is; see `registry`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from summands.report.page.content import Chart, Source
    from summands.report.reading import Tables
    from summands.study.study import Study


# By table, the columns that a choice on the page chooses from.
_COLUMNS = {
    "estimates": ("design", "estimator", "level_name", "parameter"),
    "recovery": ("design", "estimator", "level_name", "metric", "parameter"),
    "calibration": ("design", "estimator"),
    "fits": ("design", "estimator"),
    "rows_needed": ("estimator",),
    "failures": ("design", "estimator"),
    "components": ("estimator",),
    "comparison": ("estimator",),
    "sensitivity": ("estimator",),
    "gauge": ("estimator",),
    "checks": ("estimator", "level_name", "statistic"),
}

# What charts call columns that have another name in tables, or several choices.
_CALLED = {
    "estimator": ("estimator", "asked"),
    "level_name": ("level",),
    "design": ("design", "picked"),
    "parameter": ("parameter", "scattered", "zipped", "looped", "mapped", "powered"),
    "metric": (
        "coverage_metric",
        "decisions_metric",
        "mapped_metric",
        "picked_metric",
        "pooled",
    ),
}

# Metrics that charts call by their names.
_METRICS = (
    "coverage_95",
    "coverage_50",
    "worst_detection_rate",
    "false_alarm_rate",
)


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
        from summands.report import grid_panels, names
        from summands.report.page.content import Source

        table = self.needs[0]
        columns = {
            field: column
            for column in _COLUMNS.get(table, ("estimator", "level_name"))
            for field in _CALLED.get(column, (column,))
        }
        of_parameters = {names.parameter(name): name for name in estimands.PARAMETERS}
        of_metrics = {told[0]: name for name, told in grid_panels.METRICS.items()}
        of_metrics |= {names.parameter(name): name for name in _METRICS}
        words = {
            name: of_parameters if column == "parameter" else of_metrics
            for name, column in columns.items()
            if column in ("parameter", "metric")
        }
        return Source(table, self.filters, columns, words)
