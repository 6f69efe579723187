"""The likelihood of the cells, as fast as the machine adds: one by one, or as a grid.

A gradient of the posterior costs what its cells cost, and there are up to thousands.
Where most combinations of contributors occur, cells are laid out as a grid: the
combinations of some levels (the prefix) by those of the others (the suffix). Means and
variances of cells are then sums of a prefix's and a suffix's share, which need no
look-ups, and loops over neighbours that the compiler turns into vector instructions.
Combinations that do not occur have no rows and add nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from summands.model.cells import Cells

Array = NDArray[np.float64]

# A grid pays from this many cells on, with at least this share of it occupied: a cell
# of a grid costs about a seventh of one by itself.
FEWEST_CELLS = 64
SPARSEST = 0.2

# Combinations in a suffix, at the most, and cells in a tile, about. A tile's passing
# arrays stay in the first-level cache.
LONGEST_SUFFIX = 128
TILE = 320

# Tiles are padded to whole vectors, so that no loop ends in single steps.
VECTOR = 16


@dataclass(frozen=True)
class Arrangement:
    """Cells as the kernel reads them.

    Parameters
    ----------
    per_tile : int
        Prefixes of a tile; 0 where cells are taken one by one.
    prefix : ndarray of int, shape (prefixes, J_prefix)
        Contributors of each prefix. One by one: of each cell.
    suffix : ndarray of int, shape (suffixes, J_suffix)
        Contributors of each suffix.
    cell : ndarray of int, shape (C,)
        Where each cell stands in the arrays of `fill`.
    shape : tuple of int
        Tiles, and cells of a tile.
    """

    per_tile: int
    prefix: NDArray[np.int64]
    suffix: NDArray[np.int64]
    cell: NDArray[np.int64]
    shape: tuple[int, int]

    def fill(self, values: Array) -> Array:
        """Put a number per cell in its place, zero elsewhere."""
        filled = np.zeros(self.shape)
        filled.ravel()[self.cell] = values
        return filled


def arrange(cells: Cells) -> Arrangement:
    """Lay cells out as a grid where that pays, else one by one."""
    levels, count = cells.levels, len(cells.n)
    alone = Arrangement(
        0,
        cells.members,
        np.zeros((0, 0), dtype=np.int64),
        np.arange(count),
        (1, count),
    )
    order = sorted(range(levels.count), key=lambda level: -levels.sizes[level])
    inner = order[:1]
    length = levels.sizes[order[0]]
    # The smallest level is left to the prefix, or there would be none.
    for level in order[1:-1]:
        if length * levels.sizes[level] <= LONGEST_SUFFIX:
            inner.append(level)
            length *= levels.sizes[level]
    outer = [level for level in order if level not in inner]
    if count < FEWEST_CELLS or not outer:
        return alone
    sizes = [levels.sizes[level] for level in inner]
    prefix, row = np.unique(cells.members[:, outer], axis=0, return_inverse=True)
    if count < SPARSEST * len(prefix) * length:
        return alone
    column = np.ravel_multi_index(tuple(cells.contributors[:, inner].T), sizes)
    suffix = np.stack(np.unravel_index(np.arange(length), sizes), axis=1)
    suffix += levels.offsets[inner]
    per_tile = max(1, round(TILE / length))
    tiles = -(-len(prefix) // per_tile)
    width = -(-per_tile * length // VECTOR) * VECTOR
    # Prefixes that only fill up the last tile are copies of the first, without rows.
    padding = np.repeat(prefix[:1], tiles * per_tile - len(prefix), axis=0)
    place = (row // per_tile) * width + (row % per_tile) * length + column
    return Arrangement(
        per_tile,
        np.concatenate([prefix, padding]),
        suffix,
        place,
        (tiles, width),
    )


@numba.njit(cache=True, error_model="numpy")
def one_by_one(members, n, mean, squares, w, s, gw, gs):  # type: ignore[no-untyped-def]
    """Log likelihood of cells taken one by one.

    -(n/2) log v - (SS + n (mean - m)^2) / (2 v), as in `summands.model.statement`.

    Parameters
    ----------
    members : ndarray of int, shape (C, J)
    n, mean, squares : ndarray, shape (C,)
    w, s : ndarray, shape (K,)
        Mean and variance that each contributor adds.
    gw, gs : ndarray, shape (K,)
        The gradient is added to them.

    Returns
    -------
    float
        Without the constant -(n/2) log(2 pi).
    """
    count, levels = members.shape
    total = 0.0
    for c in range(count):
        m = 0.0
        v = 0.0
        for j in range(levels):
            k = members[c, j]
            m += w[k]
            v += s[k]
        inverse = 1.0 / v
        residual = mean[c] - m
        square = (squares[c] + n[c] * residual * residual) * inverse
        total -= 0.5 * (n[c] * math.log(v) + square)
        gm = n[c] * residual * inverse
        gv = 0.5 * inverse * (square - n[c])
        for j in range(levels):
            k = members[c, j]
            gw[k] += gm
            gs[k] += gv
    return total


# The loops of a grid. Each is a function of its own over few arrays: with more, the
# compiler can no longer prove that they do not overlap and gives up on vectors. Sums
# may be reordered only in _total; in the logarithm that would be wrong, not inexact.


@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _total(x):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(len(x)):
        total += x[i]
    return total


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def _spread(first, second, out):  # type: ignore[no-untyped-def]
    """Write the sums of all pairs, one row per element of first."""
    length = len(second)
    for p in range(len(first)):
        start = p * length
        for i in range(length):
            out[start + i] = first[p] + second[i]


# log x = k log 2 + log m with m in [sqrt(1/2), sqrt(2)), the bits of x taken apart.
_SQRT_HALF = np.uint64(0x3FE6A09E667F3BCD)
_BIAS = np.uint64(2048 << 52)
_MANTISSA = np.uint64(52)
# Bits of 2^52: added to a small integer they are that integer as a float, plus 2^52.
_TO_FLOAT = np.uint64(0x4330000000000000)
_FROM_FLOAT = 2.0**52 + 2048.0


@numba.njit(cache=True, error_model="numpy")
def take_apart(bits, mantissa, exponent):  # type: ignore[no-untyped-def]
    """Take the bits of x apart, into those of m and of k plus `_FROM_FLOAT`."""
    for i in range(len(bits)):
        k = ((bits[i] - _SQRT_HALF) + _BIAS) >> _MANTISSA
        exponent[i] = k | _TO_FLOAT
        mantissa[i] = bits[i] - (k << _MANTISSA) + _BIAS


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def inverse_and_logarithm(v, m, k, inverse, logarithm):  # type: ignore[no-untyped-def]
    """1 / v and log v with one division.

    log(1 + f) = f - (f^2/2 - s (f^2/2 + R(s^2))), s = f / (2 + f), with the minimax
    polynomial R of FreeBSD's msun (e_log.c, K. C. Ng, error below 1 ulp).
    """
    for i in range(len(v)):
        f = m[i] - 1.0
        h = 2.0 + f
        quotient = 1.0 / (v[i] * h)
        s = f * v[i] * quotient
        z = s * s
        r = z * (
            6.666666666666735130e-01
            + z
            * (
                3.999999999940941908e-01
                + z
                * (
                    2.857142874366239149e-01
                    + z
                    * (
                        2.222219843214978396e-01
                        + z
                        * (
                            1.818357216161805012e-01
                            + z
                            * (1.531383769920937332e-01 + z * 1.479819860511658591e-01)
                        )
                    )
                )
            )
        )
        half = 0.5 * f * f
        inverse[i] = h * quotient
        logarithm[i] = (k[i] - _FROM_FLOAT) * 0.6931471805599453 + (
            f - (half - s * (half + r))
        )


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def _of_means(n, mean, m, inverse, gm, square):  # type: ignore[no-untyped-def]
    for i in range(len(n)):
        residual = mean[i] - m[i]
        g = n[i] * residual * inverse[i]
        gm[i] = g
        square[i] = g * residual


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def _of_variances(n, squares, inverse, logarithm, gv, total):  # type: ignore[no-untyped-def]
    for i in range(len(n)):
        square = gv[i] + squares[i] * inverse[i]
        total[i] += n[i] * logarithm[i] + square
        gv[i] = 0.5 * inverse[i] * (square - n[i])


@numba.njit(cache=True, error_model="numpy")
def _gather(of_cells, of_prefix, of_suffix):  # type: ignore[no-untyped-def]
    length = len(of_suffix)
    for p in range(len(of_prefix)):
        part = of_cells[p * length : (p + 1) * length]
        for i in range(length):
            of_suffix[i] += part[i]
        of_prefix[p] = _total(part)


@numba.njit(cache=True, error_model="numpy")
def _look_up(members, w, s, of_w, of_s):  # type: ignore[no-untyped-def]
    for i in range(len(members)):
        mean = 0.0
        variance = 0.0
        for j in range(members.shape[1]):
            k = members[i, j]
            mean += w[k]
            variance += s[k]
        of_w[i] = mean
        of_s[i] = variance


@numba.njit(cache=True, error_model="numpy")
def _hand_back(members, of_w, of_s, gw, gs):  # type: ignore[no-untyped-def]
    for i in range(len(members)):
        for j in range(members.shape[1]):
            k = members[i, j]
            gw[k] += of_w[i]
            gs[k] += of_s[i]


@numba.njit(cache=True, error_model="numpy")
def as_grid(per_tile, prefix, suffix, n, mean, squares, w, s, gw, gs):  # type: ignore[no-untyped-def]
    """Log likelihood of cells in a grid; see `one_by_one` and `Arrangement`."""
    prefixes, length = len(prefix), len(suffix)
    tiles, width = n.shape
    passing = np.empty((7, width))
    bits = np.empty((2, width), np.uint64)
    outer = np.zeros((4, prefixes))
    inner = np.zeros((4, length))
    v, m, inverse, logarithm = passing[0], passing[1], passing[2], passing[3]
    gm, gv, total = passing[4], passing[5], passing[6]
    # What pads a tile is never written again, and adds nothing.
    m[:] = 0.0
    v[:] = 1.0
    total[:] = 0.0
    _look_up(prefix, w, s, outer[0], outer[1])
    _look_up(suffix, w, s, inner[0], inner[1])
    for tile in range(tiles):
        start, end = tile * per_tile, (tile + 1) * per_tile
        _spread(outer[0, start:end], inner[0], m)
        _spread(outer[1, start:end], inner[1], v)
        take_apart(v.view(np.uint64), bits[0], bits[1])
        inverse_and_logarithm(
            v, bits[0].view(np.float64), bits[1].view(np.float64), inverse, logarithm
        )
        _of_means(n[tile], mean[tile], m, inverse, gm, gv)
        _of_variances(n[tile], squares[tile], inverse, logarithm, gv, total)
        _gather(gm, outer[2, start:end], inner[2])
        _gather(gv, outer[3, start:end], inner[3])
    _hand_back(prefix, outer[2], outer[3], gw, gs)
    _hand_back(suffix, inner[2], inner[3], gw, gs)
    return -0.5 * _total(total)
