"""Hand data to compiled code: a record of named fields, and the arrays it speaks of.

A compiled function that serves every data set takes a record, whose type says what is
in it. Fields are numbers, or arrays, of which the record keeps address and shape. The
arrays stand behind the record in one block of memory, so that one address is all that
foreign code has to pass on, and the block lives as long as the record.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

# Field of an array, of numbers with eight bytes.
ARRAY = np.dtype(
    [("address", np.int64), ("rows", np.int64), ("columns", np.int64)], align=True
)

# Arrays start at multiples of this, where vector instructions like them.
ALIGNMENT = 64


def pack(kind: np.dtype, **values: Any) -> NDArray:
    """Fill a record.

    Parameters
    ----------
    kind : numpy.dtype
        Names and types of the fields; `ARRAY` where an array belongs.
    **values : float or ndarray
        A value for every field: arrays of float64 or int64, of one or two dimensions.

    Returns
    -------
    ndarray of `kind`, shape (1,)
    """
    assert kind.fields is not None
    assert set(values) == set(kind.fields)
    arrays = {
        name: np.asarray(values[name])
        for name, (field, *_) in kind.fields.items()
        if field == ARRAY
    }
    sizes = [kind.itemsize, *(array.nbytes for array in arrays.values())]
    ends = np.cumsum([-(-size // ALIGNMENT) * ALIGNMENT for size in sizes])
    block = np.empty(ends[-1] + ALIGNMENT, dtype=np.uint8)
    block = block[-block.ctypes.data % ALIGNMENT :]
    record = block[: kind.itemsize].view(kind)
    for name in set(values) - set(arrays):
        record[name] = values[name]
    for (name, array), start in zip(arrays.items(), ends[:-1], strict=True):
        assert array.dtype in (np.float64, np.int64)
        block[start : start + array.nbytes] = array.ravel().view(np.uint8)
        record[name] = (block.ctypes.data + start, *np.atleast_2d(array).shape)
    return record


@intrinsic
def _pointer(typing_context: Any, address: Any) -> Any:
    """Turn an address into a pointer that `numba.carray` takes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), generate


# Views by address: a reshape is a call that costs as much as the density of a small
# design.


@numba.njit(cache=True, inline="always")
def table(field, dtype):  # type: ignore[no-untyped-def]
    """View a field of a record as an array of two dimensions."""
    return numba.carray(_pointer(field.address), (field.rows, field.columns), dtype)


@numba.njit(cache=True, inline="always")
def vector(field, dtype):  # type: ignore[no-untyped-def]
    """View a field of a record as an array of one dimension."""
    return numba.carray(_pointer(field.address), (field.columns,), dtype)
