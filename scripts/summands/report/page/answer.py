"""What the page of an observed table says: who shifts it, and who is noisy."""

from __future__ import annotations

from collections.abc import Iterator

from summands.report import registry
from summands.report.page import captions, machinery
from summands.report.page.content import Page, Section, Select
from summands.report.reading import Tables


def page(tables: Tables) -> Page:
    """Make the page of a table that was taken apart.

    Parameters
    ----------
    tables : Tables

    Returns
    -------
    Page
    """
    study = tables.study
    assert study.observed is not None
    names = [level.name for level in study.observed.source.levels]
    selects = [
        Select("estimator", "Estimator", list(study.estimators)),
        Select("level", "Level", names),
    ]
    return Page(
        study.name,
        "An observed table, taken apart",
        [f"{study.observed.source.value} as a sum of {', '.join(names)}."],
        [
            Section("answer", "What the table says", "answer"),
            *_figures(tables),
            machinery.section(tables),
        ],
        [select for select in selects if len(select.options) > 1],
        results=f"results/{study.name}",
    )


def _figures(tables: Tables) -> Iterator[Section]:
    estimators = list(tables.study.estimators)
    for entry in registry.of(tables.study):
        yield Section(
            entry.name,
            entry.shows[0].upper() + entry.shows[1:],
            entry.name,
            captions.paragraphs(entry.name),
            charts=[entry.chart(entry.panel(tables), entry, estimators)],
        )
