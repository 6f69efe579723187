"""What a page says of the protocol: when it was written, and what was changed since."""

from __future__ import annotations

from collections.abc import Iterator

from summands.files.words import counted
from summands.report.page.content import Cell, Grid
from summands.report.reading import Tables
from summands.study import asked
from summands.study.asked import Change
from summands.study.protocols import Version, moment


def paragraphs(tables: Tables) -> Iterator[str]:
    """Say whether there was a protocol before the data, and whether it was kept to.

    Parameters
    ----------
    tables : Tables
    """
    told = tables.protocols
    if told.first is not None and not told.before:
        yield (
            f"The protocol that was there when the first run began, of "
            f"{moment(told.first['written'])} with the SHA-256 "
            f"``{told.first['sha256']}``, is not among the results any more."
        )
    if not told.versions:
        if told.first is None:
            yield "No protocol was written; ``make protocol`` writes one before a run."
        return
    first, *later = told.versions
    when = (
        "before the study had data"
        if told.before
        else "when the study had data already, or a run was under way"
    )
    found = changes(tables)
    kept = (
        f"{counted(len(found), 'thing')} that it asks for {_are(len(found))} changed "
        "since, listed below"
        if found
        else "nothing that it asks for was changed since"
    )
    yield (
        f"The protocol, ``{first.file}``, was written {moment(first.written)}, {when}; "
        f"{kept}. SHA-256 of what it asks: ``{first.sha256}``."
    )
    for version in later:
        yield (
            f"It was amended {moment(version.written)}, in ``{version.file}``, with "
            f"the SHA-256 ``{version.sha256}``."
        )


def _are(count: int) -> str:
    return "was" if count == 1 else "were"


def changes(tables: Tables) -> list[Change]:
    """List what differs between the first protocol and the study that ran."""
    if not tables.protocols.versions:
        return []
    first = tables.protocols.versions[0]
    found = asked.changes(first.asked, asked.content(tables.study))
    table = tables.provenance().get("table")
    if None not in (first.table, table) and first.table != table:
        found.append(Change(("SHA-256 of the table's files",), first.table, table))
    return found


def grids(tables: Tables) -> Iterator[Grid]:
    """List the changes, with the amendment that announced each.

    Parameters
    ----------
    tables : Tables
    """
    found = changes(tables)
    if found:
        later = tables.protocols.versions[1:]
        yield Grid(
            "changed",
            "What was changed after the protocol was written",
            ("what", "in the protocol", "as it ran", "amendment"),
            [
                (
                    Cell(change.place),
                    Cell(asked.shown(change.before)),
                    Cell(asked.shown(change.after)),
                    Cell(_announced(change, later)),
                )
                for change in found
            ],
        )


def _announced(change: Change, later: tuple[Version, ...]) -> str:
    """Name the first amendment that has a key as it ran."""
    for version in later:
        there = asked.value(version.asked, change.key)
        if asked.shown(there) == asked.shown(change.after):
            return version.file
    return "-"
