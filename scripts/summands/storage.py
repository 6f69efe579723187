"""Files that appear whole or not at all, and the Parquet files of a batch."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
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
    except (pa.ArrowException, OSError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DamagedFileError(
            f"{path} is damaged ({reason}): delete it and run the study again, which "
            "makes it anew"
        ) from error


class BatchWriter:
    """Write one Parquet file of a batch, a row group per piece.

    A row group can be read by itself, so neither the writer nor the reader holds
    more than one piece: a replicate, or a block of its rows.

    Parameters
    ----------
    path : str or Path
        The file, which appears when the writer is left without an exception.
    """

    def __init__(self, path: str | Path) -> None:
        self._stack = ExitStack()
        self._path = self._stack.enter_context(whole(path))
        self._writer: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        """Append one piece."""
        if self._writer is None:
            self._writer = self._stack.enter_context(
                pq.ParquetWriter(self._path, table.schema, compression=COMPRESSION)
            )
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def read_table(path: str | Path, **options: Any) -> pa.Table:
    """Read a Parquet file; see `reading` and `pyarrow.parquet.read_table`."""
    with reading(path):
        return pq.read_table(path, **options)


def rows_table(rows: Rows, replicate: int) -> pa.Table:
    """Rows as a table: ``replicate``, ``value``, a dictionary-encoded level each."""
    columns: dict[str, pa.Array] = {
        "replicate": pa.repeat(pa.scalar(replicate, pa.int32()), len(rows.value)),
        "value": pa.array(rows.value),
    }
    for level, (picked, size) in enumerate(
        zip(rows.contributors, rows.levels.sizes, strict=True)
    ):
        columns[f"level_{level}"] = pa.DictionaryArray.from_arrays(
            pa.array(picked.astype(np.min_scalar_type(-size), copy=False)),
            pa.array(np.arange(size, dtype=np.int32)),
        )
    return pa.table(columns)


def read_rows(path: str | Path, levels: Levels) -> Iterator[Rows]:
    """Read the rows of each replicate of a batch, one replicate at a time."""
    with reading(path), pq.ParquetFile(path) as file:
        groups = (file.read_row_group(at) for at in range(file.num_row_groups))
        for _, pieces in itertools.groupby(
            groups, key=lambda piece: piece["replicate"][0].as_py()
        ):
            table = pa.concat_tables(pieces)
            yield Rows(
                levels,
                table["value"].to_numpy(),
                tuple(
                    table[f"level_{level}"].cast(pa.int32()).to_numpy()
                    for level in range(levels.count)
                ),
            )


def cells_table(cells: Cells) -> pa.Table:
    """Cells as a table: a column per level, ``n``, ``mean``, ``sum_of_squares``."""
    columns = {
        f"level_{level}": pa.array(column.astype(np.int32))
        for level, column in enumerate(cells.contributors.T)
    }
    return pa.table(
        columns
        | {
            "n": pa.array(cells.n),
            "mean": pa.array(cells.mean),
            "sum_of_squares": pa.array(cells.sum_of_squares),
        }
    )


def read_cells(path: str | Path, levels: Levels) -> Iterator[Cells]:
    """Read the cells of each replicate of a batch, one replicate at a time."""
    with reading(path), pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            yield Cells(
                levels,
                np.stack(
                    [
                        table[f"level_{level}"].to_numpy().astype(np.int64)
                        for level in range(levels.count)
                    ],
                    axis=1,
                ),
                table["n"].to_numpy(),
                table["mean"].to_numpy(),
                table["sum_of_squares"].to_numpy(),
            )


def truth_table(
    levels: Levels, truth: Truth, bound: np.ndarray, replicate: int
) -> pa.Table:
    """Truth of a replicate as a table, one row per quantity of `estimands.index`.

    Parameters
    ----------
    levels : Levels
    truth : Truth
    bound : ndarray, shape (P,)
        See `summands.information.standard_errors`.
    replicate : int
    """
    values = estimands.evaluate(levels, truth.intercept, truth.mu, truth.sigma)
    return pa.table(
        {"replicate": pa.array(np.full(len(values), replicate, dtype=np.int32))}
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


def read_truth(path: str | Path) -> dict[str, np.ndarray]:
    """Read the truths of a batch.

    Returns
    -------
    dict of str to ndarray, each of shape (R, P)
        "truth" and "bound", in the order of the replicates and of `estimands.index`.
    """
    table = read_table(path, columns=["replicate", "truth", "bound"])
    replicates = len(np.unique(table["replicate"].to_numpy()))
    return {
        name: table[name].to_numpy().reshape(replicates, -1)
        for name in ("truth", "bound")
    }
