"""Files that appear whole or not at all, and that say so when they are damaged."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COMPRESSION = "zstd"

# Rows of a row group, at the least: groups of a few rows, one for each data set, would
# make files that take longer to read than what they hold.
ROW_GROUP = 100_000

# Pieces that are gathered as they are: a table of a few rows takes thousands of bytes.
PIECES = 500


# Below a study's results: what its processes wrote, until the run gathers it into the
# manifest. Each has a page of its own, as no two may write one file.
JOURNAL = ".journal"

# The results that this process writes into, and its page of their journal.
_journal: tuple[Path, Path] | None = None


def keep_journal(folder: str | Path) -> None:
    """Put down every file that this process writes into a folder from here on.

    Parameters
    ----------
    folder : str or Path
        results/<study>, named as the files in it will be.
    """
    global _journal
    folder = Path(folder)
    _journal = folder, folder / JOURNAL / f"{uuid.uuid4().hex}.jsonl"


def _put_down(complete: Path, path: Path) -> None:
    """Put down a file that is about to take its name.

    Before, not after: a process killed in between leaves a line too many, which the
    manifest can tell, and never a file that nothing is known of.
    """
    if _journal is None or not path.is_relative_to(_journal[0]):
        return
    folder, page = _journal
    state = complete.stat()
    line = {
        "file": path.relative_to(folder).as_posix(),
        "size": state.st_size,
        "sha256": digest(complete),
        "mtime_ns": state.st_mtime_ns,
    }
    page.parent.mkdir(parents=True, exist_ok=True)
    with page.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def digest(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def whole(path: str | Path, *, journal: bool = True) -> Iterator[Path]:
    """Write a file under a passing name and rename it when it is complete.

    A killed process leaves at most the passing file, which the next one overwrites;
    whatever stands under the real name is complete.

    Parameters
    ----------
    path : str or Path
        The file to be.
    journal : bool, optional
        Whether it is put down where this process keeps a journal.

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
        if journal:
            _put_down(partial, path)
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
            f"{_original(path)} is damaged ({reason}): delete it and run the study "
            "again, which makes it anew"
        ) from error


def _original(path: str | Path) -> str:
    """Name the object in a storage that Snakemake has made a passing copy of."""
    parts = Path(path).parts
    if parts[:2] == (".snakemake", "storage"):
        return f"{parts[2]}://{'/'.join(parts[3:])}"
    return str(path)


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
        elif len(self._gathered) >= PIECES:
            self._gathered = [self._together()]

    def _together(self) -> pa.Table:
        return pa.concat_tables(self._gathered).combine_chunks()

    def _open(self, schema: pa.Schema) -> pq.ParquetWriter:
        writer: pq.ParquetWriter = self._stack.enter_context(
            pq.ParquetWriter(self._path, schema, compression=COMPRESSION)
        )
        return writer

    def _flush(self) -> None:
        if not self._rows:
            return
        table = self._together()
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


def cut(table: pa.Table, *keys: str) -> Iterator[tuple[tuple[Any, ...], pa.Table]]:
    """Cut a table where a key changes; one without rows has no parts."""
    columns = [table[key].combine_chunks().dictionary_encode() for key in keys]
    changes = np.zeros(table.num_rows, dtype=bool)
    changes[:1] = True
    for column in columns:
        changes[1:] |= np.diff(column.indices.to_numpy()) != 0
    starts = np.flatnonzero(changes)
    for start, end in itertools.pairwise([*starts.tolist(), table.num_rows]):
        yield (
            tuple(column[start].as_py() for column in columns),
            table.slice(start, end - start),
        )


def by_design(table: pa.Table) -> dict[str, pa.Table]:
    """Cut a table into its designs; the rows of each are together."""
    return {design: part for (design,), part in cut(table, "design")}
