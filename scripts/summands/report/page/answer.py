"""What the page of an observed table says: who shifts it, and who is noisy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from summands.files.words import listed
from summands.report import findings, labels, numbers, registry
from summands.report.findings import Frames
from summands.report.labels import named
from summands.report.page import (
    answer_check,
    answer_grids,
    answer_words,
    captions,
    machinery,
)
from summands.report.page.content import Page, Section, Select
from summands.report.reading import Tables
from summands.study import answers
from summands.study.study import Study

NOTHING = "No estimator of this study says anything of it."


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
    frames = {
        name: tables.whole(name)
        for name in answers.tables_of(study.observed)
        if name != "differences"
    }
    if study.check is not None:
        frames |= {name: tables.whole(name) for name in answers.READ_OF_CHECK}
    main = findings.main_estimator(frames)
    selects = [
        Select("estimator", "Estimator", list(study.estimators)),
        Select("level", "Level", labels.level_names(study)),
    ]
    return Page(
        study.name,
        "An observed table, taken apart",
        [*machinery.aims(study), _asked(frames, tables)],
        [
            _answer(main, frames, study),
            *_figures(main, frames, tables),
            machinery.section(tables),
        ],
        [select for select in selects if len(select.options) > 1],
        results=f"results/{study.name}",
        about=f"what makes {named(study.observed.source.value)} vary",
    )


def _figures(main: str | None, frames: Frames, tables: Tables) -> Iterator[Section]:
    estimators = list(tables.study.estimators)
    assert tables.study.observed is not None
    whole = [level.name for level in tables.study.observed.source.levels]
    called = dict(zip(labels.level_names(tables.study), whole, strict=True))
    for entry in registry.of(tables.study):
        chart = entry.chart(entry.panel(tables), entry, estimators)
        source = replace(chart.source, words={**chart.source.words, "level": called})
        chart = replace(chart, source=source)
        empty, of_check = chart.data.empty, entry.name == answer_check.NAME
        yield Section(
            entry.name,
            entry.shows[0].upper() + entry.shows[1:],
            entry.name,
            [NOTHING] if empty else captions.paragraphs(entry.name),
            charts=[] if empty else [chart],
            **(answer_check.parts(main, frames, tables.study) if of_check else {}),
        )


def _asked(frames: Frames, tables: Tables) -> str:
    """Say what was measured, and what it is taken to be a sum of."""
    study = tables.study
    assert study.observed is not None
    estimates = frames["estimates"]
    sizes = estimates.groupby("level")["contributor"].nunique()
    told = [
        f"{name} ({sizes[level]:,})" if level in sizes else name
        for level, name in labels.by_level(study).items()
    ]
    # Results of earlier versions do not have it.
    values = tables.provenance().get("values")
    about = f"Values of {named(study.observed.source.value)}"
    if values is not None:
        mean, sd = values["mean"], values["sd"]
        about = (
            f"{values['rows']:,} rows. {about}: mean {numbers.rounded(mean, sd)}, "
            f"standard deviation {numbers.rounded(sd)}, in the unit of the table, as "
            "all that follows"
        )
    verb = "add" if len(told) > 1 else "adds"
    return (
        f"{about}. Each value is taken as a sum of what its {listed(told)} {verb}; in "
        "brackets, how many of each there are."
    )


def _answer(main: str | None, frames: Frames, study: Study) -> Section:
    return Section(
        "answer",
        "What the table says",
        "answer",
        findings=answer_words.sentences(main, frames, study),
        tables=list(answer_grids.grids(main, frames, study)),
    )
