"""The C functions that nutpie's sampler calls.

A density is a compiled function of a point, the gradient that it writes, and a record
with all else (`posterior.records`). Its module wraps it in a function of the signature
below, in which the record is behind `user_data`; one such function serves every data
set.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
from numba import types

# dimension, z, gradient, value, user_data.
SIGNATURE = types.int64(
    types.uint64,
    types.CPointer(types.double),
    types.CPointer(types.double),
    types.CPointer(types.double),
    types.voidptr,
)
# dimension, expanded, z, out, user_data.
EXPAND = types.int64(
    types.uint64,
    types.uint64,
    types.CPointer(types.double),
    types.CPointer(types.double),
    types.voidptr,
)


@numba.njit(cache=True, inline="always")
def report(result, slope, value):  # type: ignore[no-untyped-def]
    """Hand a density over, and say whether it and its gradient are numbers."""
    value[0] = result
    if not math.isfinite(result):
        return 4
    for i in range(len(slope)):
        if not math.isfinite(slope[i]):
            return 3
    return 0


def _copy(dimension, expanded, z, out, user_data):  # type: ignore[no-untyped-def]
    """Keep draws as they are; they are mapped to coefficients all at once later."""
    source = numba.carray(z, (dimension,))
    target = numba.carray(out, (expanded,))
    for i in range(len(target)):
        target[i] = source[i]
    return 0


@cache
def functions(callback: Callable[..., int]) -> tuple[Any, Any]:
    """Compile, or load from the cache, the two functions that nutpie calls.

    Parameters
    ----------
    callback : callable
        A module's function of `SIGNATURE`.

    Returns
    -------
    density, expand
        With an ``address`` each.
    """
    return (
        numba.cfunc(SIGNATURE, cache=True)(callback),
        numba.cfunc(EXPAND, cache=True)(_copy),
    )
