"""What contributors of an observed table are called, and in which order they come."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Floats of more digits than this are written with an exponent.
_PLAIN = 1e16

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def codable(kind: pa.DataType) -> bool:
    """Whether contributors can be told by values of such a type."""
    kind = plain(kind)
    return (
        pa.types.is_null(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_temporal(kind)
        or pa.types.is_string(kind)
    )


def plain(kind: pa.DataType) -> pa.DataType:
    """Return the type that values of a type are read as.

    Dictionaries are what they hold; all ways to store text are one; so are bytes, which
    are text where no type says so.
    """
    if pa.types.is_dictionary(kind):
        return plain(kind.value_type)
    if (
        pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    ):
        return pa.string()
    return kind


class Coder:
    """Numbers for the contributors in one column, in the order in which they come.

    Parameters
    ----------
    kind : pyarrow.DataType
        Of the column, see `codable`.
    """

    def __init__(self, kind: pa.DataType) -> None:
        self.kind = kind
        self._codes: dict[Any, int] = {}

    def __len__(self) -> int:
        return len(self._codes)

    def code(self, column: pa.Array) -> np.ndarray:
        """Give rows the numbers of their contributors.

        Parameters
        ----------
        column : pyarrow.Array, shape (N,)
            Without nulls.

        Returns
        -------
        ndarray of int32, shape (N,)
        """
        if pa.types.is_temporal(self.kind):
            column = column.view(_integers(self.kind))
        encoded = column.dictionary_encode()
        codes = self._codes
        # Zero and minus zero are one key to Python, so one contributor.
        numbers = np.array(
            [codes.setdefault(key, len(codes)) for key in encoded.dictionary.tolist()],
            np.int32,
        )
        return numbers[encoded.indices.to_numpy()]

    def sorted(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """Put the contributors into an order that depends on nothing but them.

        Numbers by size, times as they passed, text by code point, except that text
        which is a number in digits comes first, by size.

        Returns
        -------
        rank : ndarray of int64, shape (m,)
            Place in that order of each number that `code` gave.
        labels : tuple of str, length m
            In that order.
        """
        keys = list(self._codes)
        labels = _texts(keys, self.kind)
        text = pa.types.is_string(self.kind)
        by: list[Any] = [_place(label) for label in labels] if text else keys
        order = sorted(range(len(keys)), key=by.__getitem__)
        rank = np.empty(len(keys), np.int64)
        rank[order] = np.arange(len(keys))
        return rank, tuple(labels[number] for number in order)


def missing(column: pa.Array) -> pa.Array:
    """Tell which rows have no label: null, not a number, or blank text."""
    kind = column.type
    if pa.types.is_string(kind):
        blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0)
        return pc.fill_null(blank, True)
    return column.is_null(nan_is_null=True)


def _texts(keys: list[Any], kind: pa.DataType) -> list[str]:
    """Write values as a person would."""
    if pa.types.is_string(kind):
        return keys
    if pa.types.is_boolean(kind):
        return ["true" if key else "false" for key in keys]
    if pa.types.is_floating(kind):
        return [_float(key, kind.to_pandas_dtype()) for key in keys]
    if pa.types.is_decimal(kind):
        return [format(key.normalize(), "f") for key in keys]
    if pa.types.is_temporal(kind):
        return _times(keys, kind)
    return list(map(str, keys))


def _float(value: float, precision: type[np.floating]) -> str:
    # Each in its own precision: 0.1 of 32 bits is not 0.10000000149011612.
    if abs(value) < _PLAIN:
        return np.format_float_positional(precision(value + 0.0), trim="-")
    return str(precision(value))


def _times(keys: list[int], kind: pa.DataType) -> list[str]:
    if pa.types.is_duration(kind):
        return [f"{key} {kind.unit}" for key in keys]
    texts = pa.array(keys, _integers(kind)).view(kind).cast(pa.string()).to_pylist()
    # The unit of the type says nothing about how exact the times are.
    texts = [re.sub(r"(:\d\d)\.(\d*?)0+(?!\d)", _fraction, text) for text in texts]
    midnight = " 00:00:00"
    if all(text.endswith(midnight) for text in texts):
        return [text.removesuffix(midnight) for text in texts]
    return texts


def _fraction(found: re.Match[str]) -> str:
    seconds, digits = found.groups()
    return f"{seconds}.{digits}" if digits else seconds


def _integers(kind: pa.DataType) -> pa.DataType:
    return pa.int32() if kind.bit_width == 32 else pa.int64()


def _place(label: str) -> tuple[int, Decimal, str]:
    if _NUMBER.fullmatch(label):
        return 0, Decimal(label), label
    return 1, Decimal(0), label
