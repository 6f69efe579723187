"""The files of an observed table: its cells, levels and, if it is small, its rows."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from summands.data import data_sets
from summands.data.observed import Observed
from summands.files import storage
from summands.model.cells import Cells
from summands.model.levels import Levels
from summands.model.rows import Rows

# What an observed table is called where simulated data sets have the id of a design.
DESIGN = "observed"

# Key of the file's metadata that says how many rows were used and left out.
COUNTS = b"summands"


@dataclass(frozen=True)
class Counts:
    """How many rows of a table were used, and how many left out.

    Parameters
    ----------
    rows : int
        Used.
    filtered : int
        Left out by the filter.
    dropped_rows : int
        Left out for want of a value or a label.
    dropped : mapping of str to int
        How many of these miss what, by column.
    kept : bool
        Whether the rows are kept one by one.
    """

    rows: int
    filtered: int
    dropped_rows: int
    dropped: Mapping[str, int]
    kept: bool


def write(observed: Observed, outputs: Mapping[str, str]) -> None:
    """Write what was read of a table.

    Parameters
    ----------
    observed : Observed
    outputs : mapping of str to str
        Paths of "cells", "levels", "identification" and "rows".
    """
    cells, levels = observed.cells, observed.cells.levels
    kept = observed.values is not None
    counts = {
        "rows": observed.rows,
        "filtered": observed.filtered,
        "dropped_rows": observed.dropped_rows,
        "dropped": observed.dropped,
        "kept": kept,
    }
    # Of one row both are the mean, and take half the file for nothing.
    single = cells.n == 1
    tables = {
        "cells": data_sets.cells_table(cells, DESIGN, 0)
        .append_column("smallest", pa.array(observed.smallest, mask=single))
        .append_column("largest", pa.array(observed.largest, mask=single)),
        "levels": pa.table(
            {
                "level": pa.array(levels.level, pa.int32()),
                "contributor": pa.array(levels.contributor, pa.int32()),
                "level_name": pa.array(levels.level_name, pa.string()),
                "label": pa.array(levels.label, pa.string()),
            }
        ).replace_schema_metadata({COUNTS: json.dumps(counts)}),
        "identification": data_sets.identification_table(cells, DESIGN, 0),
        "rows": pa.table(
            {
                "value": pa.array(observed.values if kept else [], pa.float64()),
                "cell": pa.array(observed.cell if kept else [], pa.int64()),
            }
        ),
    }
    for name, table in tables.items():
        with storage.whole(outputs[name]) as path:
            pq.write_table(table, path, compression=storage.COMPRESSION)


def read_levels(path: str | Path) -> tuple[Levels, Counts]:
    """Read the levels of a table, with their names and labels, and its counts."""
    table = storage.read_table(path)
    counts = Counts(**json.loads(table.schema.metadata[COUNTS]))
    level = table["level"].to_numpy()
    sizes = np.bincount(level)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    names = table["level_name"].to_pylist()
    labels = table["label"].to_pylist()
    levels = Levels(
        tuple(map(int, sizes)),
        tuple(names[start] for start in starts[:-1]),
        tuple(tuple(labels[start:end]) for start, end in itertools.pairwise(starts)),
    )
    return levels, counts


def read_cells(inputs: Mapping[str, Any], levels: Levels) -> Cells:
    """Read the cells of a table, with what they cannot tell.

    Parameters
    ----------
    inputs : mapping of str to str
        Paths of "cells" and "identification".
    levels : Levels
    """
    columns = [f"level_{level}" for level in range(levels.count)]
    table = storage.read_table(
        inputs["cells"], columns=[*columns, "n", "mean", "sum_of_squares"]
    )
    contributors = np.empty((table.num_rows, levels.count), np.int64)
    for level, name in enumerate(columns):
        contributors[:, level] = table[name].to_numpy()
    ((null_space,),) = data_sets.read_null_spaces(inputs["identification"]).values()
    return Cells(
        levels,
        contributors,
        table["n"].to_numpy(),
        table["mean"].to_numpy(),
        table["sum_of_squares"].to_numpy(),
        null_space,
    )


def read_extremes(path: str | Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read the smallest and the largest value of each cell from the file of cells."""
    table = storage.read_table(path, columns=["mean", "smallest", "largest"])
    smallest, largest = (
        pc.coalesce(table[name], table["mean"]).to_numpy()
        for name in ("smallest", "largest")
    )
    return smallest, largest


def read_values(path: str | Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read the rows' values and their cells, where they are kept."""
    table = storage.read_table(path)
    return table["value"].to_numpy(), table["cell"].to_numpy()


def read_rows(path: str | Path, cells: Cells) -> Rows:
    """Read the rows of a table, where they are kept."""
    value, cell = read_values(path)
    return Rows(cells.levels, value, tuple(cells.contributors[cell].T))
