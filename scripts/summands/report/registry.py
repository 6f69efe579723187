"""The list of all figures: what each is called, says, needs, and is drawn by.

The rules read it whenever Snakemake starts, so what takes long to import is imported
inside of functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from summands.report.entries import Entry
from summands.report.recovery_entries import OF_STUDIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from summands.report import answer_panels
    from summands.report.page.content import Chart
    from summands.report.reading import Tables
    from summands.study.study import Study


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
FIGURES = {entry.name: entry for entry in (*OF_STUDIES, *_OF_TABLES)}


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
        for entry in (OF_STUDIES if study.observed is None else _OF_TABLES)
        if entry.condition is None or entry.condition(study)
    ]
