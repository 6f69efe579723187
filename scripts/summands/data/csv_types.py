"""Types of text: what the columns of a CSV file are read as."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

# Ways to write that there is nothing, as many programs do; blank text is another.
NOTHING = pa.array(pyarrow.csv.ConvertOptions().null_values, pa.string())

# What text may be read as, the narrowest first.
KINDS = (pa.null(), pa.int64(), pa.bool_(), pa.float64())


def parse(text: pa.Array, kind: pa.DataType, decimal: str = ".") -> pa.Array | None:
    """Read text as a type.

    Parameters
    ----------
    text : pyarrow.Array of string
    kind : pyarrow.DataType
        One of `KINDS`, or string.
    decimal : {".", ","}
        What stands before the decimals of numbers. The other one stands in none.

    Returns
    -------
    pyarrow.Array or None
        Null where nothing is written; None if something is of another type.
    """
    trimmed = pc.utf8_trim_whitespace(text)
    if pa.types.is_string(kind):
        return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, kind), text)
    written = pc.if_else(
        pc.is_in(trimmed, NOTHING), pa.scalar(None, pa.string()), trimmed
    )
    if decimal == ",":
        # A point could be one of thousands: it must not pass for a decimal one.
        pointless = pc.replace_substring(written, ".", ";")
        written = pc.replace_substring(pointless, ",", ".")
    try:
        return written.cast(kind)
    except pa.ArrowException:
        return None


def infer(text: pa.Array, decimal: str = ".") -> pa.DataType:
    """Find the narrowest type that text can be read as."""
    return next(
        (kind for kind in KINDS if parse(text, kind, decimal) is not None), pa.string()
    )


def common(kinds: Iterable[pa.DataType]) -> pa.DataType:
    """Find the type that all of several columns can be read as."""
    left = {*kinds} - {pa.null()}
    if not left:
        return pa.null()
    if len(left) == 1:
        return left.pop()
    return pa.float64() if left == {pa.int64(), pa.float64()} else pa.string()


def first_text(text: pa.Array, kind: pa.DataType, decimal: str = ".") -> int:
    """Find the first row that is not of a type, where `parse` finds that there is one.

    By halves: only the parser knows what it takes.
    """
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        if parse(text.slice(low, middle - low), kind, decimal) is None:
            high = middle
        else:
            low = middle
    return low


def hint(text: str, decimal: str = ".") -> str:
    """Suggest what is wrong with text that should be a number."""
    text = text.strip()
    other = "," if decimal == "." else "."
    if re.fullmatch(rf"[+-]?\d+[{other}]\d+", text):
        return f'; if that is a decimal, say so: `decimal: "{other}"`'
    if re.fullmatch(r"[+-]?\d{1,3}([.,' ]\d{3})+([.,]\d+)?", text):
        return "; write thousands without a separator"
    if re.match(r"[<>≤≥]", text):
        return "; a value is a number, not a bound"
    if re.match(r"[+-]?[\d.]+\s*[^\d\s.]+$", text):
        return "; leave units to the column's name"
    return ""
