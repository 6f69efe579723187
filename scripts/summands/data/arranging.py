"""Cells of a table in an order that depends on nothing but its rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from summands.data.gathering import Gathered
from summands.data.labels import Coder
from summands.data.source import ALL, BASELINE, Source
from summands.files.words import TableError
from summands.model import cells as numerics
from summands.model.levels import Levels


def arrange(
    source: Source, coders: Mapping[str, Coder], codes: tuple[NDArray[np.int32], ...]
) -> tuple[Levels, tuple[NDArray[np.int32], ...]]:
    """Find the levels, and the contributors that rows or cells picked.

    Parameters
    ----------
    source : Source
    coders : mapping of str to Coder
        By column.
    codes : tuple of ndarrays of int, each of shape (N,)
        What the coders gave each row or cell, in their order.

    Returns
    -------
    levels : Levels
        With the baseline.
    picked : tuple of J ndarrays of int, each of shape (N,)
        Index of the contributor at each level.

    Raises
    ------
    TableError
        If two contributors would be called the same.
    """
    ranks, labels = {}, {}
    for (name, coder), column in zip(coders.items(), codes, strict=True):
        rank, labels[name] = coder.sorted()
        ranks[name] = rank.astype(np.int32)[column]
    names = [BASELINE]
    called: list[tuple[str, ...]] = [(ALL,)]
    picked = [np.zeros(len(codes[0]), np.int32)]
    for level in source.levels:
        columns = [ranks[name] for name in level.columns]
        if len(columns) == 1:
            contributor, mine = columns[0], labels[level.columns[0]]
        else:
            code, count = numerics.number(
                columns, [len(labels[name]) for name in level.columns]
            )
            first = np.empty(count, np.int64)
            first[code] = np.arange(len(code))
            contributor = code.astype(np.int32)
            mine = tuple(
                ", ".join(parts)
                for parts in zip(
                    *(
                        [labels[name][rank] for rank in column[first]]
                        for name, column in zip(level.columns, columns, strict=True)
                    ),
                    strict=True,
                )
            )
        names.append(level.name)
        called.append(mine)
        picked.append(contributor)
    try:
        levels = Levels(tuple(map(len, called)), tuple(names), tuple(called))
    except ValueError as error:
        raise TableError(
            f"{source.table}: {error}; change a label, or the name of a level"
        ) from None
    return levels, tuple(picked)


def ordered(
    gathered: Gathered,
    contributors: tuple[NDArray[np.int32], ...],
    code: NDArray[np.int64],
) -> Gathered:
    """Put cells into the order of their codes."""
    order = np.empty(len(code), np.int64)
    order[code] = np.arange(len(code))
    return Gathered(
        tuple(column[order] for column in contributors),
        gathered.n[order],
        gathered.mean[order],
        gathered.sum_of_squares[order],
        gathered.smallest[order],
        gathered.largest[order],
    )


def faults(source: Source, levels: Levels, gathered: Gathered) -> list[str]:
    """Say why no model can take a table apart, a sentence each."""
    rows = int(gathered.n.sum())
    problems = []
    for name, size, labels in zip(
        levels.names[1:], levels.sizes[1:], levels.labels[1:], strict=True
    ):
        if size == rows:
            problems.append(
                f'level "{name}": has as many contributors as there are rows '
                f"({rows}), so it cannot be told from noise; leave it out"
            )
        elif size == 1:
            problems.append(
                f'level "{name}": has but one contributor, {quoted(labels[0])}, '
                "so there is nothing to compare; leave it out"
            )
    low, high = gathered.smallest.min(), gathered.largest.max()
    if low == high:
        problems.append(
            f'column "{source.value}": all values are {low:g}, so there is '
            "nothing to take apart"
        )
    elif not 1e-140 < high - low < 1e140:
        problems.append(
            f'column "{source.value}": values from {low:g} to {high:g} cannot '
            "be squared in floating point; give them in another unit"
        )
    return problems


def quoted(text: str) -> str:
    """Quote text from a table, shortened."""
    return f'"{text}"' if len(text) <= 60 else f'"{text[:57]}..."'
