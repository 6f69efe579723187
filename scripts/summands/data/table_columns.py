"""Whether a table has the columns that a user names, and how they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from summands.data import csv_layout, csv_types, table_files
from summands.data.expression import ExpressionError, Filter
from summands.data.labels import codable
from summands.data.source import Source
from summands.data.table_parts import Part, repeated
from summands.files.words import TableError, nearest

# Parts that are named in a message, or looked into; the others are alike, as a rule.
NAMED = 3


@dataclass
class Columns:
    """The columns of a table that are used.

    Parameters
    ----------
    parts : list of Part
    types : mapping of str to DataType
        What each column is read as, the same in all parts: text in CSV.
    where : Filter or None
    compared : mapping of str to DataType
        What the filter's columns are compared as.
    """

    parts: list[Part]
    types: dict[str, pa.DataType]
    where: Filter | None
    compared: dict[str, pa.DataType] = field(default_factory=dict)

    @property
    def text(self) -> bool:
        """Whether the table is CSV."""
        return self.parts[0].text


def find(source: Source) -> Columns:
    """Find the columns of a table in its files, without reading all of them.

    Raises
    ------
    TableError
        Says all that is wrong at once, a line each.
    """
    problems = source.problems()
    if any(problem.startswith("separator") for problem in problems):
        # No file can be opened with it.
        _refuse(problems)
    where = None
    if source.where is not None:
        try:
            where = Filter(source.where)
        except ExpressionError as error:
            problems.append(f"where: {error}")
    try:
        parts = [
            Part(path, source.separator, source.skip_lines)
            for path in table_files.files(source.table)
        ]
    except TableError as error:
        _refuse([*problems, str(error)])
    schemas = []
    for part in parts:
        try:
            schemas.append(part.schema)
        except TableError as error:
            problems.append(str(error))
    if len(schemas) < len(parts):
        _refuse(problems)
    if not parts[0].text and (source.separator, source.decimal, source.skip_lines) != (
        None,
        ".",
        0,
    ):
        problems.append(
            f"{source.table}: is Parquet, and `separator`, `decimal` and `skip_lines` "
            "are of CSV; take them away"
        )
    used = _used(source, where)
    problems += _absent(parts, used)
    types = {}
    for name, use in used.items():
        if any(schema.names.count(name) != 1 for schema in schemas):
            continue
        kinds = {
            schema.field(name).type: part
            for part, schema in zip(reversed(parts), reversed(schemas), strict=True)
        }
        try:
            types[name] = _common(name, kinds)
        except TableError as error:
            problems.append(str(error))
        else:
            problems += _unusable(source, parts[0], name, use, types[name])
    found = Columns(parts, types, where)
    if where is not None and all(name in types for name in where.columns):
        try:
            found.compared = _compared(found, where, source.decimal)
        except TableError as error:
            problems.append(str(error))
        except ExpressionError as error:
            problems.append(f"where: {error}")
    _refuse(problems)
    return found


def _refuse(problems: list[str]) -> None:
    if problems:
        raise TableError("\n".join(dict.fromkeys(problems)))


def _used(source: Source, where: Filter | None) -> dict[str, str]:
    """Columns that are used, and what for."""
    used = {source.value: "value"} if source.value else {}
    for level in source.levels:
        for name in level.columns:
            used.setdefault(name, f'level "{level.name}"')
    for name in where.columns if where else ():
        used.setdefault(name, "where")
    return used


def _absent(parts: Iterable[Part], used: Mapping[str, str]) -> list[str]:
    """Say which columns parts do not have, or have twice."""
    problems: dict[str, list[str]] = {}
    for part in parts:
        names = part.schema.names
        if part.text and (hint := csv_layout.hint(part, used)):
            problems.setdefault("layout", []).append(f"{part.path}: {hint}")
            continue
        for name, use in used.items():
            if name not in names:
                problems.setdefault(name, []).append(
                    f'{part.path}: {use}: there is no column "{name}"; '
                    f"{nearest(name, names)}"
                )
        for name in repeated(names):
            if name in used:
                problems.setdefault(name, []).append(
                    f"{part.path}: {used[name]}: there are {names.count(name)} columns "
                    f'"{name}"; rename all but one'
                )
    return [
        text
        + (
            f" (and {len(texts) - NAMED} more files)"
            if number == NAMED - 1 < len(texts) - 1
            else ""
        )
        for texts in problems.values()
        for number, text in enumerate(texts[:NAMED])
    ]


def _common(name: str, kinds: Mapping[pa.DataType, Part]) -> pa.DataType:
    """Find the type that the types of a column in several parts can be read as."""
    schemas = [pa.schema([(name, kind)]) for kind in kinds]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        held = ", ".join(f"{kind} in {part.path}" for kind, part in kinds.items())
        raise TableError(
            f'column "{name}": its types do not go together ({held}); make them one'
        ) from None


def _unusable(
    source: Source, part: Part, name: str, use: str, kind: pa.DataType
) -> list[str]:
    if not codable(kind):
        return [
            f'{part.path}: {use}: column "{name}" holds {kind}, which cannot be read'
        ]
    number = (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    )
    if name == source.value and not number and not part.text:
        return [f'{part.path}: value: column "{name}" holds {kind}, not numbers']
    return []


def _compared(columns: Columns, where: Filter, decimal: str) -> dict[str, pa.DataType]:
    """Find what columns of the filter are compared as, and whether it fits them."""
    wanted = {name: columns.types[name] for name in where.columns}
    if not columns.text:
        where.expression(wanted)
        return wanted
    kinds = _inferred(columns.parts, wanted, decimal, all_rows=False)
    try:
        where.expression(kinds)
    except ExpressionError:
        # Numbers may be text further on. Nothing is refused before it is certain.
        kinds = _inferred(columns.parts, wanted, decimal, all_rows=True)
        where.expression(kinds)
    return kinds


def _inferred(
    parts: list[Part],
    wanted: dict[str, pa.DataType],
    decimal: str,
    *,
    all_rows: bool,
) -> dict[str, pa.DataType]:
    """Find what text can be read as, of all rows or by the first of a few parts."""
    kinds: dict[str, pa.DataType] = dict.fromkeys(wanted, pa.null())
    for part in parts if all_rows else parts[:NAMED]:
        for batch in part.batches(wanted):
            for name, kind in kinds.items():
                if kind != pa.string():
                    found = csv_types.infer(batch.column(name), decimal)
                    kinds[name] = csv_types.common([kind, found])
            if not all_rows:
                break
    return kinds
