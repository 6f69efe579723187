"""What a page says, as plain data; `report.page.document` puts it into HTML."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import pandas as pd

Kind = Literal["answer", "good", "warning", "bad", "note"]

# What a finding is, in a word: colours alone do not tell.
MARKS = {
    "answer": "",
    "good": "Good.",
    "warning": "Beware.",
    "bad": "Not good.",
    "note": "",
}

# Significant digits of numbers on a page: of hundreds of thousands each takes room.
DIGITS = 5


@dataclass(frozen=True)
class Finding:
    """A sentence of the answer.

    Parameters
    ----------
    kind : {"answer", "good", "warning", "bad", "note"}
    text : str
    seal : bool, optional
        Whether it stands out: what vouches for all others.
    """

    kind: Kind
    text: str
    seal: bool = False

    @property
    def mark(self) -> str:
        """The word before it."""
        return MARKS[self.kind]


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Parameters
    ----------
    text : str
    value : float, optional
        What it sorts by, and what a file has of it, where that is a number.
    chosen : mapping of str to str
        Choices that it leads to, by field, and ``at`` a section.
    more : mapping of str to (float or str)
        What a file has beside it in columns of their own, such as the ends of an
        interval, by what they are.
    """

    text: str
    value: float | None = None
    chosen: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """A table that stands in the page itself.

    Parameters
    ----------
    id : str
    caption : str
    columns : sequence of str
    rows : sequence of sequences of Cell
    notes : sequence of str
        Below it; what stands between double backticks is code.
    brackets : str
        What stands in brackets after its numbers; empty where nothing does.
    """

    id: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    brackets: str = ""

    @property
    def heads(self) -> list[tuple[str, bool, bool]]:
        """Its columns, whether they hold numbers, and whether files alone have them."""
        found = []
        for place, name in enumerate(self.columns):
            numeric = any(row[place].value is not None for row in self.rows)
            found.append((name, numeric, False))
            found += [(f"{name}: {more}", True, True) for more in self._more[place]]
        return found

    @property
    def cells(self) -> list[list[Cell]]:
        """Its rows, with what files alone have."""
        return [
            [
                each
                for cell, names in zip(row, self._more, strict=True)
                for each in (cell, *(_unseen(cell.more.get(name)) for name in names))
            ]
            for row in self.rows
        ]

    @cached_property
    def _more(self) -> list[list[str]]:
        return [
            list(dict.fromkeys(name for row in self.rows for name in row[place].more))
            for place in range(len(self.columns))
        ]


def _unseen(told: float | str | None) -> Cell:
    if isinstance(told, str) or told is None:
        return Cell(told or "")
    return Cell("", told)


@dataclass(frozen=True)
class Select:
    """A choice of what charts show.

    Parameters
    ----------
    field : str
        Column of the charts' data.
    label : str
    options : sequence of str
    default : str, optional
        The value chosen at first; where there is none, all are shown.
    everywhere : bool
        Whether it stands at the top of the page, for all charts with that column.
    """

    field: str
    label: str
    options: Sequence[str]
    default: str = ""
    everywhere: bool = True


@dataclass(frozen=True)
class Source:
    """Where numbers come from.

    Parameters
    ----------
    table : str
        Name of a final table.
    filters : sequence of (str, str, object)
        What was chosen of it, as pyarrow's filters.
    columns : mapping of str to str
        Its columns by the fields of choices on the page: each choice is another filter.
    words : mapping of str to (mapping of str to str)
        For fields whose values the page calls otherwise than the table: how the table
        calls them.
    """

    table: str
    filters: Sequence[tuple[str, str, Any]] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Chart:
    """A chart, its data and where they come from.

    Parameters
    ----------
    id : str
    title : str
        What it shows.
    alt : str
        For who does not see it: what is set against what; its values are in a table.
    spec : mapping
        Of Vega-Lite, whose data are those named "rows".
    data : pandas.DataFrame
        Its rows.
    titles : mapping of str to str
        Columns of its table, in order, with what they are called.
    source : Source
    filters : sequence of str
        Columns that choices on the page filter by.
    selects : sequence of Select
        Choices that stand at this chart.
    facet_width : int
        Pixels that a facet wants at least.
    margin : int
        Pixels beside the plot of a facet that its axis takes.
    edge : int
        Pixels beside the first plot of a line that the axis of all of them takes.
    facet_most : int
        Pixels that a facet, or a chart without, is wide at the most.
    varies : str
        Field whose choice asks for another specification, of ``specs``.
    specs : mapping of str to mapping
        Of Vega-Lite, by that choice; others have ``spec``.
    hollow : str
        What hollow points are; empty where there are none.
    line : int
        Pixels that an estimator takes of a row with a label; 0 where rows have none.
    shaded : bool
        Whether shades stand for numbers, which no page brightens.
    """

    id: str
    title: str
    alt: str
    spec: Mapping[str, Any]
    data: pd.DataFrame
    titles: Mapping[str, str]
    source: Source
    filters: Sequence[str] = ()
    selects: Sequence[Select] = ()
    facet_width: int = 260
    margin: int = 70
    edge: int = 0
    facet_most: int = 560
    varies: str = ""
    specs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    hollow: str = ""
    line: int = 0
    shaded: bool = False

    @property
    def heads(self) -> list[tuple[str, bool, bool]]:
        """Columns of its table, whether they hold numbers, and that pages show them."""
        return [
            (title, _is_number(self.data[n]), False) for n, title in self.titles.items()
        ]

    @property
    def origin(self) -> str:
        """Say where the numbers come from."""
        chosen = " and ".join(_condition(*one) for one in self.source.filters)
        return f"{self.source.table}.parquet" + (f" where {chosen}" if chosen else "")


def _condition(column: str, relation: str, value: object) -> str:
    """Say a filter in words."""
    if isinstance(value, (tuple, list)):
        return f"{column} is " + " or ".join(map(str, value))
    return f"{column} {'is' if relation == '==' else relation} {value}"


@dataclass(frozen=True)
class Block:
    """Text that is unfolded on request."""

    title: str
    text: str


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Parameters
    ----------
    id : str
    title : str
        A question or what it shows.
    short : str
        The same in the list of parts.
    text : sequence of str
        Paragraphs; what stands between double backticks is code.
    findings, tables, charts, blocks : sequences
    """

    id: str
    title: str
    short: str
    text: Sequence[str] = ()
    findings: Sequence[Finding] = ()
    tables: Sequence[Grid] = ()
    charts: Sequence[Chart] = ()
    blocks: Sequence[Block] = ()


@dataclass(frozen=True)
class Page:
    """A page.

    Parameters
    ----------
    study : str
        Name of the study.
    title : str
        What kind of study it is.
    asked : sequence of str
        What was done, in a line or two.
    sections : sequence of Section
        The first is the answer.
    selects : sequence of Select
        Choices at the top.
    results : str
        Folder of the tables.
    about : str
        What the study asks, after its name.
    """

    study: str
    title: str
    asked: Sequence[str]
    sections: Sequence[Section]
    selects: Sequence[Select] = field(default=())
    results: str = "results"
    about: str = ""

    @property
    def heading(self) -> str:
        """Name of the study, and what it asks."""
        return f"{self.study}: {self.about}" if self.about else self.study

    @property
    def charts(self) -> list[Chart]:
        """All charts."""
        return [chart for section in self.sections for chart in section.charts]


def columns(data: pd.DataFrame) -> dict[str, Any]:
    """Lay out rows by column, as short as JSON can hold them.

    Parameters
    ----------
    data : pandas.DataFrame

    Returns
    -------
    dict
        A list of numbers, or of texts their distinct values ``of`` and places ``at``.
        What is missing or not finite is null: JSON has no other word for it.
    """
    found: dict[str, Any] = {}
    for name in data.columns:
        column = data[name]
        if pd.api.types.is_bool_dtype(column):
            column = column.map({True: "yes", False: "no"})
        if _is_number(column):
            found[name] = [_number(value) for value in column.to_numpy(dtype=float)]
            continue
        codes, values = pd.factorize(column)
        found[name] = {
            "of": [str(value) for value in values],
            "at": [None if code < 0 else int(code) for code in codes],
        }
    return found


def _is_number(column: pd.Series) -> bool:
    types = pd.api.types
    return types.is_numeric_dtype(column) and not types.is_bool_dtype(column)


def _number(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    if value.is_integer() and abs(value) < 1e15:
        return int(value)
    return float(f"{value:.{DIGITS}g}")
