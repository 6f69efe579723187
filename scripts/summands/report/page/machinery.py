"""How the numbers of a page came to be, and how to make them again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from summands.estimators import Entry
from summands.report.page import protocols
from summands.report.page.content import Block, Cell, Grid, Section
from summands.report.reading import Tables
from summands.study import asked
from summands.study.study import Study


def section(tables: Tables) -> Section:
    """Tell study file, seed, versions, machine, and how to run it again.

    Parameters
    ----------
    tables : Tables

    Returns
    -------
    Section
    """
    study = tables.study
    record = tables.provenance()
    text = yaml.safe_dump(study.resolved, sort_keys=False, allow_unicode=True)
    return Section(
        "made",
        "How this was made, and how to make it again",
        "how it was made",
        (
            *(
                [
                    "The code was not that of the commit: it had changes that are in "
                    "none, so the numbers may come out differently."
                ]
                if record["modified"]
                else []
            ),
            "With this commit of summands, save the study file below as "
            "``study.yaml``"
            + (
                ""
                if study.observed is None
                else ", with the table where ``table`` in it says,"
            )
            + " and run ``make study STUDY=study.yaml``"
            + ("" if record["modified"] else ": the numbers come out the same")
            + ". They are in the folder "
            f"``results/{study.name}/``; each figure names its file there.",
            *protocols.paragraphs(tables),
        ),
        tables=[
            Grid(
                "estimators",
                "The estimators",
                ("estimator", "what it is"),
                [
                    (
                        Cell(name),
                        Cell(_told(entry, observed=study.observed is not None)),
                    )
                    for name, entry in study.estimators.items()
                ],
            ),
            Grid(
                "made-by",
                "What made these numbers",
                ("what", "which"),
                [(Cell(what), Cell(which)) for what, which in _made_by(study, record)],
            ),
            *protocols.grids(tables),
        ],
        blocks=[
            Block("Study file", text),
            Block("Versions of packages", json.dumps(record["packages"], indent=2)),
        ],
    )


def aims(study: Study) -> list[str]:
    """Give the aims of a study, a paragraph each; none where none are stated."""
    text = str(study.resolved.get("aims", ""))
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


def _told(entry: Entry, *, observed: bool) -> str:
    """Say what an estimator is, in the words of its documentation, and its options."""
    module = entry.module
    first, *_ = (module.__doc__ or "").strip().splitlines()
    rules = {**module.OPTIONS, **(getattr(module, "OBSERVED", {}) if observed else {})}
    own = {
        name: value
        for name, value in entry.options.items()
        if name in rules and value != rules[name]["default"]
    }
    if not own:
        return first
    options = ", ".join(f"{name}: {json.dumps(value)}" for name, value in own.items())
    return f"{first} With the options {options}."


def _made_by(study: Study, record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "seed", str(study.seed)
    if study.observed is None:
        yield "replicates of each design", f"{study.replicates:,}"
    else:
        yield "table", str(study.resolved["observed"]["table"])
        yield "SHA-256 of the table's files", record.get("table", "not recorded")
    yield "SHA-256 of what the study asks", asked.digest(asked.content(study))
    commit = record["commit"] or "unknown: not run from a git checkout"
    if record["modified"]:
        commit += ", with changes that are in no commit"
    yield "commit of summands", commit
    yield "Python", record["python"]
    yield "machine that made the tables", record["platform"]
    processor = record.get("processor", "not recorded")
    yield "its processor", f"{processor}, {record.get('cores', '?')} cores"
