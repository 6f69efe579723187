"""What all tables of a decomposition are made with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from summands.model.cells import Cells
from summands.model.levels import Levels


def several(levels: Levels) -> list[int]:
    """Levels of more than one contributor: those that can shift or spread values."""
    return [level for level, size in enumerate(levels.sizes) if size > 1]


def members(levels: Levels, level: int) -> slice:
    """Where the contributors of a level are in the flat order."""
    start = int(levels.offsets[level])
    return slice(start, start + levels.sizes[level])


def members_of_cells(cells: Cells) -> NDArray[np.int32]:
    """Flat index of each cell's contributors, at the levels of several, shape (J', C).

    Level by level, and in half the memory of `Cells.members`.
    """
    offsets = cells.levels.offsets
    found = np.empty((len(several(cells.levels)), len(cells.n)), np.int32)
    for mine, level in zip(found, several(cells.levels), strict=True):
        np.add(cells.contributors[:, level], offsets[level], out=mine, casting="unsafe")
    return found


def number(levels: Levels, name: str) -> int:
    """Find a level by its name.

    Raises
    ------
    ValueError
        If no level of several contributors is called so.
    """
    known = {levels.names[level]: level for level in several(levels)}
    if name not in known:
        raise ValueError(
            f"no level of several contributors is called {name!r}: there are "
            + ", ".join(map(repr, known))
        )
    return known[name]


def whose(levels: Levels, flat: NDArray[np.integer]) -> dict[str, Any]:
    """Columns that name contributors, given by their flat index."""
    return {
        "level": levels.level[flat],
        "level_name": levels.level_name[flat],
        "contributor": levels.contributor[flat],
        "label": levels.label[flat],
    }


def table(schema: pa.Schema, columns: Mapping[str, Any]) -> pa.Table:
    """Make a table of columns, in the order of its schema.

    Parameters
    ----------
    schema : pyarrow.Schema
    columns : mapping
        A sequence each, or one value for all rows. NaN is null: what is not known is
        never a made-up number.

    Returns
    -------
    pyarrow.Table
    """
    length = max(len(given) for given in columns.values() if not _alone(given))
    arrays = []
    for field in schema:
        given = columns[field.name]
        if _alone(given):
            arrays.append(pa.repeat(pa.scalar(given, field.type), length))
        elif isinstance(given, np.ndarray) and given.dtype.kind == "f":
            arrays.append(pa.array(given, field.type, mask=np.isnan(given)))
        else:
            arrays.append(pa.array(given, field.type))
    return pa.table(arrays, schema=schema)


def _alone(given: Any) -> bool:
    return given is None or isinstance(given, str | int | float)
