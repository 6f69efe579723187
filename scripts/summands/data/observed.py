"""A user's observed table, read into cells."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from summands.data import arranging, csv_types, table_columns, table_files
from summands.data.arranging import quoted
from summands.data.expression import ExpressionError
from summands.data.gathering import Gatherer, collapse
from summands.data.labels import Coder, missing
from summands.data.source import Level, Source
from summands.data.table_columns import Columns
from summands.data.table_files import digest
from summands.data.table_parts import Part
from summands.files.words import TableError, nearest
from summands.model import cells as numerics
from summands.model.cells import Cells

__all__ = [
    "Level",
    "Observed",
    "Source",
    "TableError",
    "check",
    "digest",
    "glance",
    "read",
]

# Seconds between words on how far the reading is.
PATIENCE = 10.0

# Bytes of files that are read in less time than a run takes to start.
SMALL = 8_000_000

# Texts of a column of the filter that are remembered, to suggest one of them.
REMEMBERED = 1000


@dataclass(frozen=True)
class Observed:
    """What an observed table says.

    Parameters
    ----------
    cells : Cells
        Level 0 is the baseline; levels and contributors have their names.
    smallest, largest : ndarray, shape (C,)
        Of the values in each cell, in their unit.
    rows : int
        Rows used, N.
    filtered : int
        Rows that the filter leaves out.
    dropped_rows : int
        Rows left out for want of a value or a label.
    dropped : dict of str to int
        How many of these miss what, by column; a row may miss several.
    absent : tuple of str
        What the filter asks for and no row has, a sentence each.
    values : ndarray, shape (N,), or None
        The rows' values, sorted within a cell; None if there are more rows than kept.
    cell : ndarray of int, shape (N,), or None
        The cell of each row.
    """

    cells: Cells
    smallest: NDArray[np.float64]
    largest: NDArray[np.float64]
    rows: int
    filtered: int
    dropped_rows: int
    dropped: dict[str, int]
    absent: tuple[str, ...]
    values: NDArray[np.float64] | None
    cell: NDArray[np.int64] | None

    @property
    def size(self) -> str:
        """Rows, cells, and contributors of each level, in words."""
        levels = self.cells.levels
        sizes = zip(levels.names[1:], levels.sizes[1:], strict=True)
        named = ", ".join(f"{name} ({size:,})" for name, size in sizes)
        return f"{self.rows:,} rows in {len(self.cells.n):,} cells ({named})"


def check(source: Source) -> None:
    """Check what can be checked without reading all rows.

    Raises
    ------
    TableError
        Says all that is wrong at once, a line each.
    """
    table_columns.find(source)


def read(source: Source, keep_rows: int, say: Callable[[str], None]) -> Observed:
    """Read a table into cells.

    The order of rows, columns, parts and files changes nothing. While rows are kept,
    not a bit: sums are taken in order of the values. Of larger tables, blocks of rows
    are collapsed as they come and then merged; another order of rows rounds means and
    sums of squares otherwise, in their last digits.

    Parameters
    ----------
    source : Source
    keep_rows : int
        Up to how many rows their values are kept, beside their cells. Takes some 100
        bytes a row while they are sorted.
    say : callable
        Is told how far the reading is, a line at a time.

    Returns
    -------
    Observed

    Raises
    ------
    TableError
        If the table cannot be taken apart: what is wrong, where, and how to mend it.
    """
    return read_through(Reading, source, keep_rows, say).observed()


def read_through[Kind: Reading](
    kind: type[Kind], source: Source, keep_rows: int, say: Callable[[str], None]
) -> Kind:
    """Go through all rows of a table; see `read`."""
    columns = table_columns.find(source)
    while True:
        reading = kind(source, columns, keep_rows, say)
        try:
            reading.go()
            return reading
        except _NotOfTypeError as error:
            # A column of the filter looked like numbers in its first rows.
            columns.compared[error.column] = error.kind
            say(f'column "{error.column}" is read as {error.kind}: {error}')
            try:
                assert columns.where is not None
                columns.where.expression(columns.compared)
            except ExpressionError as refusal:
                raise TableError(f"where: {refusal} ({error})") from None


def glance(source: Source) -> Observed | None:
    """Read a table that is small; None if it is not.

    Raises
    ------
    TableError
        See `read`.
    """
    return read(source, 0, lambda _: None) if small(source) else None


def small(source: Source) -> bool:
    """Whether a table is read in less time than a run takes to start."""
    return (
        sum(size for size, *_ in table_files.states(table_files.files(source.table)))
        <= SMALL
    )


class _NotOfTypeError(Exception):
    """A column of the filter holds what its first rows did not."""

    def __init__(self, text: str, column: str, kind: pa.DataType) -> None:
        super().__init__(text)
        self.column = column
        self.kind = kind


class Reading:
    """One way through all rows."""

    def __init__(
        self,
        source: Source,
        columns: Columns,
        keep_rows: int,
        say: Callable[[str], None],
    ) -> None:
        self.source = source
        self.columns = columns
        self.say = say
        self.coders = {name: Coder(columns.types[name]) for name in source.columns}
        self.gatherer = Gatherer(keep_rows)
        self.seen = self.filtered = self.dropped_rows = 0
        self.dropped: Counter[str] = Counter()
        self.where = (
            columns.where.expression(columns.compared) if columns.where else None
        )
        self.asked = {
            name: texts
            for name, texts in (columns.where.texts if columns.where else {}).items()
            if pa.types.is_string(columns.compared[name])
        }
        self.met: dict[str, set[str]] = {name: set() for name in self.asked}

    def go(self) -> None:
        """Go through all rows."""
        paths = [part.path for part in self.columns.parts]
        before = table_files.states(paths)
        told = time.monotonic()
        for number, part in enumerate(self.columns.parts, 1):
            start = 0
            for batch in part.batches(self.columns.types):
                self._add(part, start, batch)
                start += len(batch)
                self.seen += len(batch)
                if time.monotonic() - told > PATIENCE:
                    told = time.monotonic()
                    self.say(f"read {self.seen} rows, in file {number} of {len(paths)}")
        table_files.unchanged(paths, before)
        if not self.gatherer.rows:
            raise TableError(f"{self.source.table}: {self._nothing()}")

    def _add(self, part: Part, start: int, batch: pa.RecordBatch) -> None:
        """Take the rows of a batch, the first of which is row `start` of its part."""
        rows = np.arange(start, start + len(batch))
        if self.where is not None:
            keep = self._kept(part, start, batch)
            self.filtered += len(batch) - int(np.count_nonzero(keep))
            batch, rows = batch.filter(pa.array(keep)), rows[keep]
        values = self._values(part, rows, batch)
        gaps = {self.source.value: np.isnan(values)} | {
            name: missing(batch.column(name)).to_numpy(zero_copy_only=False)
            for name in self.coders
        }
        gap = np.logical_or.reduce(list(gaps.values()))
        if gap.any():
            self._miss(part, rows, gaps)
            batch, values = batch.filter(pa.array(~gap)), values[~gap]
            self.dropped_rows += int(gap.sum())
        if len(values):
            codes = [coder.code(batch.column(n)) for n, coder in self.coders.items()]
            self.gatherer.add(tuple(codes), values)

    def _kept(self, part: Part, start: int, batch: pa.RecordBatch) -> NDArray[np.bool_]:
        """Tell which rows the filter keeps."""
        compared = {}
        for name, kind in self.columns.compared.items():
            column = batch.column(name)
            if self.columns.text:
                parsed = csv_types.parse(column, kind, self.source.decimal)
                if parsed is None:
                    self._widen(part, start, name, column, kind)
                column = parsed
            compared[name] = column
            if name in self.asked:
                self._meet(name, column)
        try:
            kept = (
                ds.dataset(pa.table(compared))
                .scanner(columns={"kept": self.where}, use_threads=False)
                .to_table()
            )
        except pa.ArrowException as error:
            raise TableError(f"where: cannot be worked out ({error})") from None
        return kept["kept"].fill_null(False).to_numpy()

    def _meet(self, name: str, column: pa.Array) -> None:
        """Remember the texts of a column: those asked for, and some others."""
        found = {*pc.unique(column).drop_null().to_pylist()}
        met = self.met[name]
        met |= found & {*self.asked[name]}
        met |= {*sorted(found - met)[: max(0, REMEMBERED - len(met))]}

    def _absent(self) -> list[str]:
        """Say what the filter asks for and no row has, a sentence each."""
        return [
            f'no row has {quoted(text)} in "{name}"; ' + nearest(text, self.met[name])
            for name, texts in self.asked.items()
            for text in texts
            if text not in self.met[name]
        ]

    def _widen(
        self, part: Part, start: int, name: str, column: pa.Array, kind: pa.DataType
    ) -> None:
        decimal = self.source.decimal
        row = csv_types.first_text(column, kind, decimal)
        text = quoted(column[row].as_py())
        raise _NotOfTypeError(
            f"{part.path}: {part.place(start + row)} has {text}",
            name,
            csv_types.common([kind, csv_types.infer(column, decimal)]),
        )

    def _values(
        self, part: Part, rows: NDArray[np.int64], batch: pa.RecordBatch
    ) -> NDArray[np.float64]:
        """Values as numbers, not a number where there is none."""
        name = self.source.value
        numbers = column = batch.column(name)
        if self.columns.text:
            decimal = self.source.decimal
            numbers = csv_types.parse(column, pa.float64(), decimal)
            if numbers is None:
                bad = csv_types.first_text(column, pa.float64(), decimal)
                text = column[bad].as_py()
                raise TableError(
                    f'{part.path}: column "{name}", {part.place(rows[bad])}: '
                    f"{quoted(text)} is not a number{csv_types.hint(text, decimal)}"
                )
        numbers = numbers.cast(pa.float64(), safe=False).fill_null(np.nan)
        # Plus zero: minus zero is no other value.
        values = numbers.to_numpy(zero_copy_only=False) + 0.0
        if np.isinf(values).any():
            bad = int(np.argmax(np.isinf(values)))
            raise TableError(
                f'{part.path}: column "{name}", {part.place(rows[bad])}: '
                f"{quoted(str(column[bad].as_py()))} is not a finite number; leave "
                "it out by `where`, or mend it"
            )
        return values

    def _miss(
        self,
        part: Part,
        rows: NDArray[np.int64],
        gaps: dict[str, NDArray[np.bool_]],
    ) -> None:
        """Count what is missing, or refuse it."""
        for name, gap in gaps.items():
            if not gap.any():
                continue
            if self.source.missing == "refuse":
                raise TableError(
                    f"{part.path}: {part.place(rows[int(np.argmax(gap))])} has no "
                    f'"{name}"; fill it in, or leave such rows out with '
                    "`missing: drop`"
                )
            self.dropped[name] += int(gap.sum())

    def _nothing(self) -> str:
        if not self.seen:
            return "has no rows"
        if self.filtered == self.seen:
            return "; ".join(
                [
                    f"where: none of {self.seen} rows is such that {self.source.where}",
                    *self._absent(),
                ]
            )
        return (
            f"no row is left: {self.filtered} of {self.seen} are left out by `where`, "
            f"{self.dropped_rows} miss a value or a label"
        )

    def observed(self) -> Observed:
        """Put everything into an order that depends on the rows alone."""
        kept = self.gatherer.kept
        total = self.gatherer.rows
        values, cell = None, None
        if kept:
            codes, values = self.gatherer.take()
            levels, picked = arranging.arrange(self.source, self.coders, codes)
            code, _ = numerics.number(picked, levels.sizes)
            order = np.lexsort((values, code))
            values, cell = values[order], code[order]
            gathered = collapse(tuple(column[order] for column in picked), values)
        else:
            gathered = self.gatherer.cells()
            levels, picked = arranging.arrange(
                self.source, self.coders, gathered.columns
            )
            code, _ = numerics.number(picked, levels.sizes)
            gathered = arranging.ordered(gathered, picked, code)
        if faults := arranging.faults(self.source, levels, gathered):
            raise TableError(
                "\n".join(f"{self.source.table}: {fault}" for fault in faults)
            )
        cells = Cells(
            levels,
            np.stack(gathered.columns, axis=1).astype(np.int64),
            gathered.n,
            gathered.mean,
            gathered.sum_of_squares,
        )
        for name, labels in zip(levels.names, levels.labels, strict=True):
            for odd in sorted({*labels} & {*csv_types.NOTHING.to_pylist()}):
                self.say(f'level "{name}": {quoted(odd)} is read as a contributor')
        return Observed(
            cells,
            gathered.smallest,
            gathered.largest,
            total,
            self.filtered,
            self.dropped_rows,
            {name: self.dropped[name] for name in sorted(self.dropped)},
            tuple(self._absent()),
            values,
            cell,
        )
