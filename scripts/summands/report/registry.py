"""The list of all figures: what each is called, says, needs, and is drawn by.

The rules read it whenever Snakemake starts, so what takes long to import is imported
inside of functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from summands.report.answer_entries import OF_TABLES
from summands.report.entries import Entry
from summands.report.recovery_entries import OF_STUDIES

if TYPE_CHECKING:
    from summands.study.study import Study

# All figures by name, in the order of a report.
FIGURES = {entry.name: entry for entry in (*OF_STUDIES, *OF_TABLES)}


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
        for entry in (OF_STUDIES if study.observed is None else OF_TABLES)
        if entry.condition is None or entry.condition(study)
    ]
