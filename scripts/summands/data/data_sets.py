"""The files of simulated data sets: truth, rows and cells, one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from summands.data.generator import Truth
from summands.files import storage
from summands.model import estimands, information
from summands.model.cells import Cells
from summands.model.levels import Levels
from summands.model.rows import Rows


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


def written(
    blocks: Iterable[Rows],
    writer: storage.TableWriter,
    design: str,
    replicate: int,
    columns: int = 0,
) -> Iterator[Rows]:
    """Write each block of rows as it passes; see `rows_table`."""
    for block in blocks:
        writer.write(rows_table(block, design, replicate, columns))
        yield block


def read_rows(
    path: str | Path, levels: Mapping[str, Levels]
) -> Iterator[tuple[str, int, Rows]]:
    """Read the rows of a batch, one data set at a time; see `read_cells`."""
    for design, replicate, table in _data_sets(path):
        mine = levels[design]
        rows = Rows(
            mine,
            table["value"].to_numpy(),
            tuple(
                table[f"level_{level}"].cast(pa.int32()).to_numpy()
                for level in range(mine.count)
            ),
        )
        yield design, replicate, rows


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


def read_cells(
    path: str | Path, levels: Mapping[str, Levels]
) -> Iterator[tuple[str, int, Cells]]:
    """Read the cells of a batch, one data set at a time.

    Parameters
    ----------
    path : str or Path
    levels : mapping of str to Levels
        By id of the design.

    Yields
    ------
    design : str
    replicate : int
    cells : Cells
    """
    for design, replicate, table in _data_sets(path):
        mine = levels[design]
        cells = Cells(
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
        yield design, replicate, cells


def truth_table(
    levels: Levels, truth: Truth, bound: np.ndarray, design: str, replicate: int
) -> pa.Table:
    """Truth of a replicate as a table, one row per quantity of `estimands.index`.

    ``off`` marks the contributor that differs from all others, where a truth says that
    there is one; elsewhere it is null.

    Parameters
    ----------
    levels : Levels
    truth : Truth
    bound : ndarray, shape (P,)
        See `summands.model.information.standard_errors`.
    design : str
        Its id.
    replicate : int
    """
    values = estimands.evaluate_truth(levels, truth.intercept, truth.mu, truth.sigma)
    off: list[bool | None] = [None] * len(values)
    if truth.off is not None:
        of_contributors = estimands.index(levels).contributor >= 0
        each = itertools.cycle(truth.off.tolist())
        off = [next(each) if mine else None for mine in of_contributors]
    return pa.table(
        _whose(design, replicate, len(values))
        | names_columns(levels)
        | {
            "truth": pa.array(values),
            "bound": pa.array(bound),
            "off": pa.array(off, pa.bool_()),
        }
    )


def identification_table(cells: Cells, design: str, replicate: int) -> pa.Table:
    """Tabulate what the cells of a data set determine, one row per quantity.

    Parameters
    ----------
    cells : Cells
    design : str
        Its id.
    replicate : int

    Returns
    -------
    pyarrow.Table
        ``identified``, and for each sigma ``directions``: its row of
        `Cells.null_space`, along whose columns variances (and means) can move unseen.
    """
    levels = cells.levels
    of_sigma = estimands.index(levels).where("sigma")
    rows = iter(cells.null_space.tolist())
    return pa.table(
        _whose(design, replicate, len(of_sigma))
        | names_columns(levels)
        | {
            "identified": pa.array(information.identified(cells)),
            "directions": pa.array(
                [next(rows) if mine else None for mine in of_sigma],
                pa.list_(pa.float64()),
            ),
        }
    )


def of_replicate(table: pa.Table, replicate: int) -> pa.Table:
    """Put down a table of one data set for another that it holds for as well."""
    column = table.schema.get_field_index("replicate")
    numbers = pa.array(np.full(table.num_rows, replicate, dtype=np.int32))
    return table.set_column(column, "replicate", numbers)


def read_null_spaces(path: str | Path) -> dict[str, list[np.ndarray]]:
    """Read what the cells of a batch cannot tell.

    Returns
    -------
    dict of str to list of ndarray
        By id of the design, for each replicate in order: `Cells.null_space`.
    """
    found: dict[str, list[np.ndarray]] = {}
    for design, _, table in _data_sets(path):
        directions = table["directions"].drop_null().combine_chunks()
        null_space = directions.values.to_numpy().reshape(len(directions), -1)
        found.setdefault(design, []).append(null_space)
    return found


def read_truth(path: str | Path) -> dict[str, dict[str, np.ndarray]]:
    """Read the truths of a batch.

    Returns
    -------
    dict of str to dict of str to ndarray, each of shape (R, P)
        By id of the design: "truth" and "bound", in the order of the replicates and of
        `estimands.index`.
    """
    table = storage.read_table(path, columns=["design", "replicate", "truth", "bound"])
    found = {}
    for design, part in storage.by_design(table).items():
        replicates = len(np.unique(part["replicate"].to_numpy()))
        found[design] = {
            name: part[name].to_numpy().reshape(replicates, -1)
            for name in ("truth", "bound")
        }
    return found


def _data_sets(path: str | Path) -> Iterator[tuple[str, int, pa.Table]]:
    """Read a file of data sets, row group by row group, and cut it into them."""
    with storage.reading(path), pq.ParquetFile(path) as file:
        pieces = (
            piece
            for group in range(file.num_row_groups)
            for piece in storage.cut(file.read_row_group(group), "design", "replicate")
        )
        for whose, of_one in itertools.groupby(pieces, key=lambda piece: piece[0]):
            yield *whose, pa.concat_tables([table for _, table in of_one])


def _whose(design: str, replicate: int, length: int) -> dict[str, pa.Array]:
    """Columns that say which data set each line of a table belongs to."""
    return {
        "design": pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(length, dtype=np.int32)), pa.array([design])
        ),
        "replicate": pa.array(np.full(length, replicate, dtype=np.int32)),
    }


def names_columns(levels: Levels, repeat: int = 1) -> dict[str, pa.Array]:
    """Columns that name the quantities, null where a name does not apply.

    ``parameter``, ``level``, ``contributor``, ``level_name`` and ``label``.

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
        "level_name": pa.array(np.tile(names.level_name, repeat), pa.string()),
        "label": pa.array(np.tile(names.label, repeat), pa.string()),
    }
