"""What a cell costs: in a grid, one by one, and the arithmetic of a grid alone.

Repetitions run inside compiled code, as in a sampler: a call from Python would cost as
much as the cells of a small design.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numba
import numpy as np
import pandas as pd

from benchmarks.contenders import DESIGNS, data_sets
from summands.model.cells import collapse
from summands.posterior import cell_density

REPEATS = 200
ROUNDS = 15


@numba.njit
def _one_by_one(repeats, members, n, mean, squares, w, s, gw, gs):  # type: ignore[no-untyped-def]
    total = 0.0
    for _ in range(repeats):
        total += cell_density.one_by_one(members, n, mean, squares, w, s, gw, gs)
    return total


@numba.njit
def _as_grid(  # type: ignore[no-untyped-def]
    repeats, per_tile, prefix, suffix, n, mean, squares, w, s, gw, gs
):
    total = 0.0
    for _ in range(repeats):
        total += cell_density.as_grid(
            per_tile, prefix, suffix, n, mean, squares, w, s, gw, gs
        )
    return total


@numba.njit(error_model="numpy")
def _arithmetic(repeats, n, mean, squares, variance):  # type: ignore[no-untyped-def]
    """Do the arithmetic of as_grid on one tile, again and again: no look-ups, no sums.

    Logarithm, inverse, and both gradients of each cell, from the first-level cache.
    """
    tiles, width = n.shape
    passing = np.zeros((6, width))
    bits = np.empty((2, width), np.uint64)
    for _ in range(repeats):
        for _ in range(tiles):
            cell_density.take_apart(variance.view(np.uint64), bits[0], bits[1])
            cell_density.inverse_and_logarithm(
                variance,
                bits[0].view(np.float64),
                bits[1].view(np.float64),
                passing[0],
                passing[1],
            )
            cell_density._of_means(
                n[0], mean[0], passing[2], passing[0], passing[3], passing[4]
            )
            cell_density._of_variances(
                n[0], squares[0], passing[0], passing[1], passing[4], passing[5]
            )
    return passing.sum()


def measure() -> pd.DataFrame:
    """Time the likelihood of a cell and its gradient for each design.

    Returns
    -------
    pandas.DataFrame
        ``levels``, ``cells``, ``layout``, ``microseconds`` an evaluation.
    """
    records = []
    for design in DESIGNS.values():
        (rows,) = data_sets(design, 1)
        cells = collapse(rows)
        arranged = cell_density.arrange(cells)
        coefficients = np.zeros((4, design.levels.contributors))
        coefficients[1] = 1.0
        data = (cells.n.astype(float), cells.mean, cells.sum_of_squares)
        layouts: dict[str, Callable[[], float]] = {
            "one by one": partial(
                _one_by_one, REPEATS, cells.members, *data, *coefficients
            )
        }
        if arranged.per_tile:
            filled = tuple(map(arranged.fill, data))
            layouts |= {
                "grid": partial(
                    _as_grid,
                    REPEATS,
                    arranged.per_tile,
                    arranged.prefix,
                    arranged.suffix,
                    *filled,
                    *coefficients,
                ),
                "grid, arithmetic alone": partial(
                    _arithmetic, REPEATS, *filled, np.full(filled[0].shape[1], 2.0)
                ),
            }
        records += [
            {
                "levels": str(list(design.levels.sizes)),
                "cells": len(cells.n),
                "layout": name,
                "microseconds": 1e6 * _seconds(evaluate),
            }
            for name, evaluate in layouts.items()
        ]
    return pd.DataFrame(records)


def _seconds(evaluate: Callable[[], float]) -> float:
    """Time one repetition; the quickest round is the least disturbed one."""
    evaluate()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        evaluate()
        times.append((time.perf_counter() - start) / REPEATS)
    return min(times)
