"""Files that appear whole or not at all, and the Parquet files of a batch."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from summands import estimands
from summands.cells import Cells
from summands.levels import Levels
from summands.simulate import Rows, Truth

COMPRESSION = "zstd"

# Rows of a row group, at the least: groups of a few rows, one for each data set, would
# make files that take longer to read than what they hold.
ROW_GROUP = 100_000


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Write a file under a passing name and rename it when it is complete.

    A killed process leaves at most the passing file, which the next one overwrites;
    whatever stands under the real name is complete.

    Parameters
    ----------
    path : str or Path
        The file to be.

    Yields
    ------
    Path
        Where to write.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


class DamagedFileError(RuntimeError):
    """A file of the study cannot be read; its text is meant for the user."""


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Name the file, and what to do, where its reading fails.

    Parameters
    ----------
    path : str or Path
        What is being read.

    Raises
    ------
    DamagedFileError
        In place of what the reader raises for a file that is there but broken.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DamagedFileError(
            f"{path} is damaged ({reason}): delete it and run the study again, which "
            "makes it anew"
        ) from error


class TableWriter:
    """Write one Parquet file piece by piece, without holding more than a row group.

    Parameters
    ----------
    path : str or Path
        The file, which appears when the writer is left without an exception.
    schema : pyarrow.Schema, optional
        That of the first piece if it is not given; there must be one then.
    """

    def __init__(self, path: str | Path, schema: pa.Schema | None = None) -> None:
        self._stack = ExitStack()
        self._path = self._stack.enter_context(whole(path))
        self._gathered: list[pa.Table] = []
        self._rows = 0
        self._writer = None if schema is None else self._open(schema)

    def write(self, table: pa.Table) -> None:
        """Append one piece."""
        self._gathered.append(table)
        self._rows += table.num_rows
        if self._rows >= ROW_GROUP:
            self._flush()

    def _open(self, schema: pa.Schema) -> pq.ParquetWriter:
        writer: pq.ParquetWriter = self._stack.enter_context(
            pq.ParquetWriter(self._path, schema, compression=COMPRESSION)
        )
        return writer

    def _flush(self) -> None:
        if not self._rows:
            return
        table = pa.concat_tables(self._gathered).combine_chunks()
        self._writer = self._writer or self._open(table.schema)
        self._writer.write_table(table, row_group_size=self._rows)
        self._gathered, self._rows = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._flush()
        except BaseException as failure:
            self._stack.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._stack.__exit__(kind, error, trace)


def read_table(path: str | Path, **options: Any) -> pa.Table:
    """Read a Parquet file; see `reading` and `pyarrow.parquet.read_table`."""
    with reading(path):
        return pq.read_table(path, **options)


def check_netcdf(path: str | Path) -> None:
    """See whether a NetCDF file, if it is there, is whole and can be opened.

    Raises
    ------
    DamagedFileError
        If it was cut off, or its structure is broken.
    """
    import h5py

    if Path(path).exists():
        with reading(path), h5py.File(path) as file:
            file.visit(str)


def read_some(path: str | Path, columns: Sequence[str], at_most: int) -> pa.Table:
    """Read rows of a Parquet file: all, or about so many at random, the same each time.

    Parameters
    ----------
    path : str or Path
    columns : sequence of str
    at_most : int
        More rows than these, and some row groups, are never held.
    """
    rng = np.random.default_rng(0)
    with reading(path), pq.ParquetFile(path) as file:
        share = at_most / max(1, file.metadata.num_rows)
        pieces = [file.schema_arrow.empty_table().select(columns)]
        for group in range(file.num_row_groups):
            piece = file.read_row_group(group, columns=list(columns))
            if share < 1:
                piece = piece.filter(pa.array(rng.random(piece.num_rows) < share))
            pieces.append(piece)
        return pa.concat_tables(pieces)


def rows_table(rows: Rows, design: str, replicate: int, columns: int = 0) -> pa.Table:
    """Rows as a table: ``value``, and a dictionary-encoded level each.

    Parameters
    ----------
    rows : Rows
    design : str
        Its id.
    replicate : int
    columns : int, optional
        Columns for levels, where a file also holds designs of more levels: those that
        this design does not have are null.
    """
    table = _whose(design, replicate, len(rows.value))
    table["value"] = pa.array(rows.value)
    for level, (picked, size) in enumerate(
        zip(rows.contributors, rows.levels.sizes, strict=True)
    ):
        table[f"level_{level}"] = pa.DictionaryArray.from_arrays(
            pa.array(picked.astype(np.int32, copy=False)),
            pa.array(np.arange(size, dtype=np.int32)),
        )
    for level in range(rows.levels.count, columns):
        table[f"level_{level}"] = pa.nulls(
            len(rows.value), pa.dictionary(pa.int32(), pa.int32())
        )
    return pa.table(table)


def read_rows(path: str | Path, levels: Iterable[Levels]) -> Iterator[Rows]:
    """Read the rows of a batch, one data set at a time.

    Parameters
    ----------
    path : str or Path
    levels : iterable of Levels
        Of each data set, in the order of the file.
    """
    for table, mine in zip(_data_sets(path), levels, strict=True):
        yield Rows(
            mine,
            table["value"].to_numpy(),
            tuple(
                table[f"level_{level}"].cast(pa.int32()).to_numpy()
                for level in range(mine.count)
            ),
        )


def cells_table(
    cells: Cells, design: str, replicate: int, columns: int = 0
) -> pa.Table:
    """Cells as a table: a column per level, ``n``, ``mean``, ``sum_of_squares``.

    Parameters
    ----------
    cells : Cells
    design : str
        Its id.
    replicate : int
    columns : int, optional
        See `rows_table`.
    """
    table = _whose(design, replicate, len(cells.n))
    for level, column in enumerate(cells.contributors.T):
        table[f"level_{level}"] = pa.array(column.astype(np.int32))
    for level in range(cells.levels.count, columns):
        table[f"level_{level}"] = pa.nulls(len(cells.n), pa.int32())
    table["n"] = pa.array(cells.n)
    table["mean"] = pa.array(cells.mean)
    table["sum_of_squares"] = pa.array(cells.sum_of_squares)
    return pa.table(table)


def read_cells(path: str | Path, levels: Iterable[Levels]) -> Iterator[Cells]:
    """Read the cells of a batch, one data set at a time.

    Parameters
    ----------
    path : str or Path
    levels : iterable of Levels
        Of each data set, in the order of the file.
    """
    for table, mine in zip(_data_sets(path), levels, strict=True):
        yield Cells(
            mine,
            np.stack(
                [
                    table[f"level_{level}"].to_numpy().astype(np.int64)
                    for level in range(mine.count)
                ],
                axis=1,
            ),
            table["n"].to_numpy(),
            table["mean"].to_numpy(),
            table["sum_of_squares"].to_numpy(),
        )


def _data_sets(path: str | Path) -> Iterator[pa.Table]:
    """Read a file of data sets, row group by row group, and cut it into them."""
    with reading(path), pq.ParquetFile(path) as file:
        pieces = (
            piece
            for group in range(file.num_row_groups)
            for piece in _cut(file.read_row_group(group), "design", "replicate")
        )
        for _, of_one in itertools.groupby(pieces, key=lambda piece: piece[0]):
            yield pa.concat_tables([table for _, table in of_one])


def _cut(table: pa.Table, *keys: str) -> Iterator[tuple[tuple[Any, ...], pa.Table]]:
    """Cut a table where a key changes."""
    columns = [table[key].combine_chunks().dictionary_encode() for key in keys]
    changes = np.zeros(table.num_rows, dtype=bool)
    changes[0] = True
    for column in columns:
        changes[1:] |= np.diff(column.indices.to_numpy()) != 0
    starts = np.flatnonzero(changes)
    for start, end in itertools.pairwise([*starts.tolist(), table.num_rows]):
        yield (
            tuple(column[start].as_py() for column in columns),
            table.slice(start, end - start),
        )


def _whose(design: str, replicate: int, length: int) -> dict[str, pa.Array]:
    """Columns that say which data set each line of a table belongs to."""
    return {
        "design": pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(length, dtype=np.int32)), pa.array([design])
        ),
        "replicate": pa.array(np.full(length, replicate, dtype=np.int32)),
    }


def truth_table(
    levels: Levels, truth: Truth, bound: np.ndarray, design: str, replicate: int
) -> pa.Table:
    """Truth of a replicate as a table, one row per quantity of `estimands.index`.

    Parameters
    ----------
    levels : Levels
    truth : Truth
    bound : ndarray, shape (P,)
        See `summands.information.standard_errors`.
    design : str
        Its id.
    replicate : int
    """
    values = estimands.evaluate(levels, truth.intercept, truth.mu, truth.sigma)
    return pa.table(
        _whose(design, replicate, len(values))
        | names_columns(levels)
        | {"truth": pa.array(values), "bound": pa.array(bound)}
    )


def names_columns(levels: Levels, repeat: int = 1) -> dict[str, pa.Array]:
    """Columns ``parameter``, ``level`` and ``contributor``, null where they must.

    Parameters
    ----------
    levels : Levels
    repeat : int, optional
        How many times the P names follow each other.
    """
    names = estimands.index(levels)

    def integers(values: np.ndarray) -> pa.Array:
        values = np.tile(values, repeat).astype(np.int32)
        return pa.array(values, mask=values < 0)

    return {
        "parameter": pa.array(np.tile(names.parameter, repeat), pa.string()),
        "level": integers(names.level),
        "contributor": integers(names.contributor),
    }


def read_truth(path: str | Path) -> dict[str, dict[str, np.ndarray]]:
    """Read the truths of a batch.

    Returns
    -------
    dict of str to dict of str to ndarray, each of shape (R, P)
        By id of the design: "truth" and "bound", in the order of the replicates and of
        `estimands.index`.
    """
    table = read_table(path, columns=["design", "replicate", "truth", "bound"])
    found = {}
    for design, part in by_design(table).items():
        replicates = len(np.unique(part["replicate"].to_numpy()))
        found[design] = {
            name: part[name].to_numpy().reshape(replicates, -1)
            for name in ("truth", "bound")
        }
    return found


def by_design(table: pa.Table) -> dict[str, pa.Table]:
    """Cut a table into its designs; the rows of each are together."""
    return {design: part for (design,), part in _cut(table, "design")}
