"""What a user says about a table: where it is, and what its columns mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

# What the level is called that the model adds: the one contributor of all rows.
BASELINE = "baseline"
# The label of that contributor.
ALL = "all"


@dataclass(frozen=True)
class Level:
    """A level of a table.

    Parameters
    ----------
    name : str
    columns : tuple of str
        The column that says who contributed to a row, or several: each combination
        that occurs is a contributor then.
    """

    name: str
    columns: tuple[str, ...]

    @classmethod
    def all_of(cls, given: Iterable[Any]) -> tuple[Level, ...]:
        """Read levels of a study file: columns, or a name with its columns."""
        return tuple(
            cls(level, (level,))
            if isinstance(level, str)
            else cls(level["name"], tuple(level["columns"]))
            for level in given
        )


@dataclass(frozen=True)
class Source:
    """A table, and what its columns mean.

    Parameters
    ----------
    table : str
        Files, see `summands.data.table_files.files`.
    value : str
        Column of the observed sums; empty where only who contributed is asked.
    levels : tuple of Level
        Beside the baseline.
    where : str, optional
        Rows that count, see `summands.data.expression`.
    missing : {"refuse", "drop"}
        What becomes of rows without a value or a label.
    separator : str, optional
        Of the columns of CSV; by default a comma, or a tab where the file's name ends
        with .tsv.
    decimal : {".", ","}
        What stands before the decimals of numbers in CSV.
    skip_lines : int
        Lines of CSV before the one that names the columns.
    """

    table: str
    value: str
    levels: tuple[Level, ...]
    where: str | None = None
    missing: str = "refuse"
    separator: str | None = None
    decimal: str = "."
    skip_lines: int = 0

    @property
    def said(self) -> dict[str, Any]:
        """All but the name of the table, as plain values; `Source.of` reads them."""
        said = {field.name: getattr(self, field.name) for field in fields(self)[1:]}
        levels = [[level.name, list(level.columns)] for level in self.levels]
        return said | {"levels": levels}

    @classmethod
    def of(cls, table: str, said: Mapping[str, Any]) -> Source:
        """Make a source of the name of a table and of what was `said` of it."""
        levels = tuple(Level(name, tuple(columns)) for name, columns in said["levels"])
        return cls(**{**said, "table": table, "levels": levels})

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the levels, each once."""
        return tuple(
            dict.fromkeys(name for level in self.levels for name in level.columns)
        )

    def problems(self) -> list[str]:
        """Say what is wrong whatever the table holds, a sentence each."""
        found = []
        if self.missing not in ("refuse", "drop"):
            found.append(f'missing: {self.missing!r} is neither "refuse" nor "drop"')
        if self.separator is not None and not re.fullmatch(
            r"""[^\w"'\r\n]""", self.separator
        ):
            found.append(
                f"separator: {self.separator!r} is no character that stands between "
                'columns; such are ";" and "|", and a tab is "\\t"'
            )
        if not self.levels:
            found.append("levels: name a column at least")
        names, columns = set(), dict[frozenset[str], str]()
        for level in self.levels:
            if level.name == BASELINE:
                found.append(
                    f'level "{BASELINE}": the level that all rows share is called so; '
                    "choose another name"
                )
            elif not level.name.strip():
                found.append("levels: one has no name")
            elif level.name in names:
                found.append(f'level "{level.name}": is given twice')
            elif same := columns.get(frozenset(level.columns)):
                found.append(
                    f'levels "{same}" and "{level.name}": are of the same columns, so '
                    "nothing can tell them apart; keep one"
                )
            names.add(level.name)
            columns[frozenset(level.columns)] = level.name
            if not level.columns:
                found.append(f'level "{level.name}": has no column')
            if len(set(level.columns)) < len(level.columns):
                found.append(f'level "{level.name}": has the same column twice')
            if self.value in level.columns:
                found.append(
                    f'level "{level.name}": its column "{self.value}" is that of the '
                    "values"
                )
        return found
