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
        from summands.report.page.content import Source

        columns = {
            "recovery": ("design", "estimator", "metric"),
            "estimates": ("design", "estimator", "level_name"),
        }
        table = self.needs[0]
        return Source(table, self.filters, columns.get(table, ("estimator",)))
