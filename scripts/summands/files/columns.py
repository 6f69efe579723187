"""Tables described column by column."""

from __future__ import annotations

import pyarrow as pa


def schema(*columns: tuple[str, pa.DataType, str]) -> pa.Schema:
    """Make a schema of names, types and descriptions."""
    return pa.schema(
        pa.field(name, kind, metadata={"description": text})
        for name, kind, text in columns
    )
