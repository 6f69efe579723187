"""Tables whose rows are the layout of designs: what a study file says about them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from summands.data import layouts, mechanisms, table_layout
from summands.data.layouts import OfTable, Table
from summands.data.source import Level, Source
from summands.files.words import TableError
from summands.model.levels import Levels

# What a study file may say about such a table, in the words for observed tables.
KEYS = ("table", "levels", "where", "missing", "separator", "decimal", "skip_lines")

EXAMPLE = "{table: lots.csv, levels: [tool, lot]}"


def schema(observed: Mapping[str, Any]) -> dict[str, Any]:
    """JSON schema of a layout.

    Parameters
    ----------
    observed : mapping
        That of an observed table.
    """
    rules = mechanisms.schema([kind for kind in layouts.KINDS if kind is not Table])
    named = rules["then"]
    return rules | {
        "then": {
            "if": {"required": ["table"]},
            "then": {
                "additionalProperties": False,
                "required": ["levels"],
                "properties": {key: observed["properties"][key] for key in KEYS},
            },
            "else": named | {"properties": named["properties"] | {"table": True}},
        },
        "else": rules["else"] | {"mappings": [*rules["else"]["mappings"], EXAMPLE]},
    }


@dataclass(frozen=True)
class Tables:
    """Tables that are layouts of a study.

    Parameters
    ----------
    found : dict of str to (Source, Levels, OfTable)
        By what the study file says, see `_key`.
    sources : dict of str to Source
        By digest of the layouts that were made of them; `lay_out` fills it.
    """

    found: dict[str, tuple[Source, Levels, OfTable]] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)

    def lay_out(self, plain: dict[str, Any], levels: Levels | None) -> Levels:
        """Put the rows of a table into the plain values of a design, if it names one.

        Parameters
        ----------
        plain : dict
            Changed: ``layout`` becomes one, ``rows`` those of the table if there are
            none.
        levels : Levels or None
            Of the design; None where they are those of the table.

        Returns
        -------
        Levels
            Of the design.

        Raises
        ------
        ValueError
            If its levels are not those of the table; its text says in what.
        """
        given: Any = plain.get("layout")
        if not _is_table(given):
            assert levels is not None
            return levels
        source, of_table, rows = self.found[_key(given)]
        plain["layout"] = table_layout.laid_out(rows, of_table, levels or of_table)
        plain.setdefault("rows", len(rows.columns[0]))
        self.sources[plain["layout"].digest] = source
        return levels if levels is not None and levels.named else of_table


def read(
    resolved: Mapping[str, Any], folder: Path
) -> tuple[dict[str, Any], Tables, list[str]]:
    """Read the tables that a study file names as layouts.

    Parameters
    ----------
    resolved : mapping
        The checked study file.
    folder : Path
        What their paths are relative to.

    Returns
    -------
    resolved : dict
        With paths from the working directory.
    tables : Tables
    problems : list of str
        A sentence for each thing that is wrong.
    """
    tables = Tables()
    problems: list[str] = []

    def moved(given: Any, where: str) -> Any:
        if not _is_table(given):
            return given
        path = Path(given["table"]).expanduser()
        place = str(path if path.is_absolute() else os.path.relpath(folder / path))
        here = {**given, "table": place}
        if _key(here) in tables.found:
            return here
        source = _source(here)
        try:
            if faults := source.problems():
                raise TableError("\n".join(faults))
            # A run says what it reads only if it is asked.
            tables.found[_key(here)] = source, *table_layout.read(source, _silent)
        except TableError as error:
            problems.extend(f"{where}: {line}" for line in str(error).splitlines())
        return here

    return _with_layouts(resolved, moved), tables, problems


def by_rows(
    resolved: Mapping[str, Any], sources: Mapping[str, Source]
) -> dict[str, Any]:
    """Put what tables hold in the place of where they are.

    Parameters
    ----------
    resolved : mapping
        Of a checked study, see `read`.
    sources : mapping of str to Source
        Its tables by digest of the layouts that were made of them.

    Returns
    -------
    dict
        A copy in which tables that are layouts are named by those digests.
    """

    def named(given: Any, where: str) -> Any:
        if not _is_table(given):
            return given
        own = _source(given)
        digests = sorted(key for key, source in sources.items() if source == own)
        return {**given, "table": digests}

    return _with_layouts(resolved, named)


def _with_layouts(
    resolved: Mapping[str, Any], change: Callable[[Any, str], Any]
) -> dict[str, Any]:
    """Copy a checked study file, with its layouts as a function makes them."""

    def changed(part: Any, where: str) -> Any:
        if not isinstance(part, Mapping) or "layout" not in part:
            return part
        given = part["layout"]
        return {
            **part,
            "layout": [change(each, f"{where}[{n}]") for n, each in enumerate(given)]
            if isinstance(given, list)
            else change(given, where),
        }

    result = dict(resolved)
    if "grid" in result:
        result["grid"] = changed(result["grid"], "grid.layout")
    if "designs" in result:
        result["designs"] = {
            name: changed(given, f"designs.{name}.layout")
            for name, given in result["designs"].items()
        }
    return result


def _is_table(given: Any) -> bool:
    return isinstance(given, Mapping) and "table" in given


def _key(given: Mapping[str, Any]) -> str:
    return json.dumps(given, sort_keys=True)


def _source(given: Mapping[str, Any]) -> Source:
    said = {key: value for key, value in given.items() if key != "levels"}
    return Source(value="", levels=Level.all_of(given["levels"]), **said)


def _silent(_: str) -> None:
    pass
