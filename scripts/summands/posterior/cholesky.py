"""Cholesky factors in compiled code, by plain loops or in blocks that BLAS multiplies.

Numba's own raise where a matrix has no factor, which a function that is called from C
cannot do, and cost more than the density of a small design.
"""

from __future__ import annotations

import math

import numba
import numpy as np

# Order from which on a matrix is taken in blocks.
LARGE, BLOCK = 48, 32

# Multiplications up to which a product is not worth a call of BLAS.
LITTLE = 20_000


@numba.njit(cache=True, error_model="numpy")
def _factorise_small(a):  # type: ignore[no-untyped-def]
    """Overwrite the lower triangle by its Cholesky factor; False where there is none.

    The first coefficient is the intercept, which has no prior here; the pivots of the
    others are at least one but for rounding.
    """
    for i in range(len(a)):
        for j in range(i + 1):
            value = a[i, j]
            for m in range(j):
                value -= a[i, m] * a[j, m]
            if i > j:
                a[i, j] = value / a[j, j]
            elif value > 0.0:
                a[i, i] = math.sqrt(value)
            else:
                return False
    return True


@numba.njit(cache=True, error_model="numpy")
def _invert_small(a, out):  # type: ignore[no-untyped-def]
    """Write the inverse of a lower triangle."""
    for i in range(len(a)):
        diagonal = 1.0 / a[i, i]
        for j in range(i):
            value = 0.0
            for m in range(j, i):
                value += a[i, m] * out[m, j]
            out[i, j] = -diagonal * value
        out[i, i] = diagonal
        out[i, i + 1 :] = 0.0


@numba.njit(cache=True, error_model="numpy")
def factorise(a, inverse_root):  # type: ignore[no-untyped-def]
    """Cholesky factor of the lower triangle of a, in its place, and its inverse.

    Parameters
    ----------
    a, inverse_root : ndarray, shape (R, R)

    Returns
    -------
    bool
        False where a has no factor.
    """
    size = len(a)
    if size < LARGE:
        if not _factorise_small(a):
            return False
        _invert_small(a, inverse_root)
        return True
    inverse_root[:] = 0.0
    small = np.empty((BLOCK, BLOCK))
    for start in range(0, size, BLOCK):
        end = min(start + BLOCK, size)
        width = end - start
        if start > 0:
            left = np.ascontiguousarray(a[start:, :start])
            a[start:, start:end] -= np.dot(left, np.ascontiguousarray(left[:width].T))
        if not _factorise_small(a[start:end, start:end]):
            return False
        block = small[:width, :width]
        _invert_small(a[start:end, start:end], block)
        inverse = np.ascontiguousarray(block)
        if end < size:
            a[end:, start:end] = np.dot(
                np.ascontiguousarray(a[end:, start:end]),
                np.ascontiguousarray(inverse.T),
            )
        if start > 0:
            above = np.dot(
                np.ascontiguousarray(a[start:end, :start]),
                np.ascontiguousarray(inverse_root[:start, :start]),
            )
            inverse_root[start:end, :start] = -np.dot(inverse, above)
        inverse_root[start:end, start:end] = inverse
    return True


@numba.njit(cache=True, error_model="numpy")
def multiply(a, b):  # type: ignore[no-untyped-def]
    """Multiply a and b'; of small ones without a call of BLAS."""
    if len(a) * len(b) * a.shape[1] > LITTLE:
        return np.dot(np.ascontiguousarray(a), np.ascontiguousarray(b.T))
    out = np.empty((len(a), len(b)))
    for i in range(len(a)):
        for j in range(len(b)):
            value = 0.0
            for m in range(a.shape[1]):
                value += a[i, m] * b[j, m]
            out[i, j] = value
    return out
