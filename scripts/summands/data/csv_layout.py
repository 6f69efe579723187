"""Where the columns of a CSV file seem to be named, and how they are separated.

For files in which a user's columns are not found.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Sequence

from summands.data.table_parts import Part

# What may stand between columns, the likeliest first.
SEPARATORS = {",": '","', ";": '";"', "\t": '"\\t"', "|": '"|"'}

# Lines that are looked through for one that names columns.
LINES = 100

_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def hint(part: Part, wanted: Collection[str]) -> str:
    """Suggest the keys of a study file that a CSV file needs to be read.

    Parameters
    ----------
    part : Part
    wanted : collection of str
        Columns that a user names.

    Returns
    -------
    str
        Nothing where the columns are named as they should be, or nowhere.
    """
    names = part.schema.names
    here = len({*names} & {*wanted})
    if here == len(wanted):
        return ""
    lines = part.first_lines(LINES)
    found = [
        (len({*cells} & {*wanted}), -skipped, mark)
        for skipped, line in enumerate(lines)
        for mark in SEPARATORS
        if len(cells := _cells(line, mark)) > 1 or cells == list(wanted)
    ]
    # Most columns, in the first such line.
    best, skipped, mark = max(found, key=lambda each: each[:2], default=(0, 0, ","))
    skip, separator = -skipped, None if mark == part.delimiter else mark
    if best <= here or 2 * best < len(wanted):
        # Nowhere, by these names; but one column is a table of its own seldom.
        if len(names) > 1:
            return ""
        skip = part.skip_lines
        separator = next((mark for mark in SEPARATORS if mark in names[0]), None)
        if separator is None:
            return ""
    said, keys = [], []
    if skip != part.skip_lines:
        said.append(f"name its columns in line {skip + 1}")
        keys.append(f"`skip_lines: {skip}`")
    if separator is not None:
        called = {"\t": "tabs"}.get(separator, SEPARATORS[separator])
        said.append(f"be separated by {called}")
        keys.append(f"`separator: {SEPARATORS[separator]}`")
        rows = [_cells(line, separator) for line in lines[skip + 1 :]]
        if any(_DECIMAL_COMMA.fullmatch(cell.strip()) for row in rows for cell in row):
            said.append("have decimal commas")
            keys.append('`decimal: ","`')
    return f"seems to {_listed(said)}; if so, say {_listed(keys)}"


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
