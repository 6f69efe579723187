"""The layout of a real table: who contributed to its rows, whatever their values."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from summands.data import arranging
from summands.data.layouts import OfTable, Table
from summands.data.observed import Reading, read_through
from summands.data.source import Source
from summands.data.table_parts import Part
from summands.files.words import TableError, nearest
from summands.model import cells as numerics
from summands.model.levels import Levels


def read(source: Source, say: Callable[[str], None] = print) -> tuple[Levels, OfTable]:
    """Read who contributed to the rows of a table, in their order.

    Parameters
    ----------
    source : Source
        Without a column of values.
    say : callable, optional
        See `summands.data.observed.read`.

    Returns
    -------
    levels : Levels
        With the baseline, as of observed tables.
    rows : OfTable

    Raises
    ------
    TableError
        See `summands.data.observed.read`.
    """
    return read_through(_Contributors, source, sys.maxsize, say).contributors()


def laid_out(rows: OfTable, found: Levels, levels: Levels) -> Table:
    """Make a layout for the levels of a design.

    Parameters
    ----------
    rows : OfTable
    found : Levels
        Those of the table.
    levels : Levels
        Those of the design. If their contributors have labels they are those of the
        table, in any order; if not they are taken in the order of the table's. Level 0,
        which all rows share, may be called anything.

    Raises
    ------
    ValueError
        If they are not those of the table; its text says in what.
    """
    if levels.sizes != found.sizes:
        raise ValueError(
            f"the levels {list(levels.sizes)} are not those of the table, "
            f"{list(found.sizes)}"
        )
    columns = rows.columns
    if levels.named:
        for called, wanted in zip(found.names[1:], levels.names[1:], strict=True):
            if called != wanted:
                raise ValueError(f'level "{wanted}" is called "{called}" in the table')
        places = [np.zeros(1, np.int64)]
        of_labels = zip(found.names, found.labels, levels.labels, strict=True)
        for name, labels, mine in [*of_labels][1:]:
            if strange := [label for label in mine if label not in labels]:
                raise ValueError(
                    f'level "{name}" has no contributor "{strange[0]}" in the table; '
                    + nearest(strange[0], labels)
                )
            number = {label: place for place, label in enumerate(mine)}
            places.append(np.array([number[label] for label in labels]))
        columns = tuple(
            place[column].astype(column.dtype)
            for place, column in zip(places, columns, strict=True)
        )
    digest = hashlib.sha256(repr(levels.sizes).encode())
    for column in columns:
        digest.update(column.astype("<i4"))
    # So many of its digits tell tables apart, and ids are names of files.
    return Table(digest.hexdigest()[:16], OfTable(columns, rows.cells))


class _Contributors(Reading):
    """One way through all rows, whose values nobody asks for."""

    def _values(
        self, part: Part, rows: NDArray[np.int64], batch: pa.RecordBatch
    ) -> NDArray[np.float64]:
        return np.zeros(len(batch))

    def contributors(self) -> tuple[Levels, OfTable]:
        codes, _ = self.gatherer.take()
        levels, picked = arranging.arrange(self.source, self.coders, codes)
        columns = tuple(
            column.astype(np.min_scalar_type(size - 1))
            for column, size in zip(picked, levels.sizes, strict=True)
        )
        if alone := [
            f'{self.source.table}: level "{name}" has but one contributor; leave it out'
            for name, size in zip(levels.names[1:], levels.sizes[1:], strict=True)
            if size == 1
        ]:
            raise TableError("\n".join(alone))
        _, cells = numerics.number(columns, levels.sizes)
        return levels, OfTable(columns, cells)
