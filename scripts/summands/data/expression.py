"""Filters: which rows of a table count, in a small language of comparisons.

``day < 10 and site == 'B'``: comparisons (also chained), ``and``, ``or``, ``not``,
``in [...]``, ``not in [...]``, parentheses, numbers, text in quotes, true and false,
and ``+ - * /`` of columns and numbers. A name with blanks is put between backquotes. A
comparison with a missing value is neither true nor false, so its row does not count.

Python's parser reads the text; what is not in the language is refused, and nothing of
it is ever run.
"""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial, reduce
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from summands.data import grammar
from summands.data.grammar import ExpressionError

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: pc.add,
    ast.Sub: pc.subtract,
    ast.Mult: pc.multiply,
    ast.Div: pc.divide,
}
_LONGEST_TEXT = 40


@dataclass(frozen=True)
class _Term:
    """Part of a filter: a number, text, a truth or a time, for each row or for all."""

    value: Any
    kind: str
    written: str
    # The column's type, where it is one.
    type: pa.DataType | None = None
    # Whether it is written in the filter, so `value` is Python's.
    literal: bool = False

    @property
    def expression(self) -> pc.Expression:
        return pc.scalar(self.value) if self.literal else self.value

    def __str__(self) -> str:
        if self.type is not None:
            return f'the column "{self.written}", which holds {_PLURAL[self.kind]}'
        return f"{_short(self.written)}, which is {_SINGULAR[self.kind]}"


_SINGULAR = {"number": "a number", "text": "text", "truth": "a truth", "time": "a time"}
_PLURAL = {
    "number": "numbers",
    "text": "text",
    "truth": "true and false",
    "time": "times",
    "nothing": "nothing",
}


@dataclass(frozen=True)
class Filter:
    """A filter that parses.

    Parameters
    ----------
    text : str
        As the user wrote it.

    Raises
    ------
    ExpressionError
        If it does not, or is not in the language: says where.
    """

    text: str
    columns: tuple[str, ...] = field(init=False)
    _tree: ast.expr = field(init=False, repr=False)
    _plain: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.text) > grammar.LONGEST:
            raise ExpressionError(f"is longer than {grammar.LONGEST} characters")
        object.__setattr__(self, "_plain", grammar.plain(self.text))
        object.__setattr__(self, "_tree", self._parsed())
        grammar.look(self._tree, self._refuse)
        for node in ast.walk(self._tree):
            # Python puts texts side by side together: a comma is missing, as a rule.
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                start, end = self._span(node)
                if not grammar.TOKEN.fullmatch(self._plain[start:end]):
                    self._refuse(node, "is not one text in quotes")
        names = [
            self._name(node)
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Name) and not self._truth(node)
        ]
        if not names:
            raise ExpressionError(f"{_short(self.text.strip())} names no column")
        object.__setattr__(self, "columns", tuple(sorted(set(names))))

    def expression(self, types: Mapping[str, pa.DataType]) -> pc.Expression:
        """Make an expression of pyarrow of the filter.

        Parameters
        ----------
        types : mapping of str to DataType
            Of its columns.

        Returns
        -------
        pyarrow.compute.Expression
            True for rows that count, null or false for the others.

        Raises
        ------
        ExpressionError
            If what is compared are not of one kind, or the whole is not a truth.
        """
        term = self._term(self._tree, types)
        if term.kind != "truth":
            self._refuse(self._tree, f"is {term}; compare it with something")
        return term.expression

    @property
    def texts(self) -> dict[str, tuple[str, ...]]:
        """Texts that the filter asks columns to be, or not to be, by column."""
        found: dict[str, dict[str, None]] = {}
        for node in ast.walk(self._tree):
            if not isinstance(node, ast.Compare):
                continue
            sides = [node.left, *node.comparators]
            for one, op, two in zip(sides, node.ops, node.comparators, strict=False):
                if not isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn):
                    continue
                parts = [
                    one,
                    *(two.elts if isinstance(two, ast.List | ast.Tuple) else [two]),
                ]
                for name in parts:
                    if isinstance(name, ast.Name) and not self._truth(name):
                        texts = found.setdefault(self._name(name), {})
                        texts.update(
                            (part.value, None)
                            for part in parts
                            if isinstance(part, ast.Constant)
                            and isinstance(part.value, str)
                        )
        return {name: tuple(texts) for name, texts in found.items() if texts}

    def _parsed(self) -> ast.expr:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)
                return ast.parse(self._plain, mode="eval").body
        except SyntaxError as error:
            place = min(max(error.offset or 1, 1), len(self._plain) or 1)
            advice = "a filter looks like day < 10 and site == 'B'"
            if re.search(r"(?<![=!<>])=(?!=)", self._plain):
                advice = 'write "==" for "is equal to"'
            elif "`" not in self.text and re.search(r"\w\s+\w", self._plain):
                advice += "; put a column's name with blanks between backquotes"
            raise ExpressionError(
                f"cannot be read at character {place}, "
                f"{_short(self.text.strip()[place - 1 :]) or 'its end'}; {advice}"
            ) from None
        except (RecursionError, MemoryError, ValueError):
            raise ExpressionError("cannot be read: it is too deep or too odd") from None

    def _refuse(self, node: ast.AST, why: str) -> NoReturn:
        start, end = self._span(node)
        written = _short(self.text.strip()[start:end])
        raise ExpressionError(f"{written} at character {start + 1} {why}")

    def _span(self, node: ast.AST) -> tuple[int, int]:
        """Characters of a node: Python counts bytes."""
        line = self._plain.encode()
        start = line[: getattr(node, "col_offset", 0)]
        end = line[: getattr(node, "end_col_offset", len(line))]
        return len(start.decode()), len(end.decode())

    def _name(self, node: ast.Name) -> str:
        # From the text: the parser takes letters for others that look like them.
        start, end = self._span(node)
        return self.text.strip()[start:end].strip("`")

    def _truth(self, node: ast.Name) -> bool:
        """Whether a name is a truth as YAML writes it."""
        start, end = self._span(node)
        return self.text.strip()[start:end] in ("true", "false")

    def _term(self, node: ast.expr, types: Mapping[str, pa.DataType]) -> _Term:
        make = partial(self._term, types=types)
        start, end = self._span(node)
        written = self.text.strip()[start:end]
        match node:
            case ast.Constant(value=bool(value)):
                return _Term(value, "truth", written, literal=True)
            case ast.Constant(value=str(value)):
                return _Term(value, "text", written, literal=True)
            case ast.Constant(value=value):
                # Beyond 64 bits there are no whole numbers.
                if isinstance(value, int) and abs(value) >= 2**63:
                    value = float(value)
                return _Term(value, "number", written, literal=True)
            case ast.Name() if self._truth(node):
                return _Term(written == "true", "truth", written, literal=True)
            case ast.Name():
                name = self._name(node)
                return _column(name, types[name])
            case ast.BoolOp(op=op, values=values):
                parts = [self._of(make(value), "truth", value) for value in values]
                join = operator.and_ if isinstance(op, ast.And) else operator.or_
                return _Term(_balanced(join, parts), "truth", written)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return _Term(
                    ~self._of(make(operand), "truth", operand), "truth", written
                )
            case ast.UnaryOp(op=op, operand=operand):
                term = make(operand)
                number = self._of(term, "number", operand)
                if isinstance(op, ast.UAdd):
                    return term
                if term.literal:
                    return _Term(-term.value, "number", written, literal=True)
                return _Term(pc.negate(_double(number)), "number", written)
            case ast.BinOp(left=left, op=op, right=right):
                sides = [
                    _double(self._of(make(side), "number", side))
                    for side in (left, right)
                ]
                return _Term(_ARITHMETIC[type(op)](*sides), "number", written)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                pairs = zip([left, *comparators], ops, comparators, strict=False)
                parts = [self._compare(*pair, make) for pair in pairs]
                return _Term(_balanced(operator.and_, parts), "truth", written)
        raise AssertionError(node)  # `_look` lets nothing else pass

    def _of(self, term: _Term, kind: str, node: ast.expr) -> pc.Expression:
        if term.kind != kind:
            advice = (
                "only numbers can be reckoned with"
                if kind == "number"
                else "compare it with something"
            )
            self._refuse(node, f"is {term}; {advice}")
        return term.expression

    def _compare(
        self,
        left: ast.expr,
        op: ast.cmpop,
        right: ast.expr,
        make: Callable[[ast.expr], _Term],
    ) -> pc.Expression:
        one = make(left)
        if isinstance(op, ast.In | ast.NotIn):
            assert isinstance(right, ast.List | ast.Tuple)
            equal = [
                operator.eq(*self._alike(one, make(item), item)) for item in right.elts
            ]
            found = _balanced(operator.or_, equal)
            return ~found if isinstance(op, ast.NotIn) else found
        two = make(right)
        sides = self._alike(one, two, left if one.literal else right)
        if one.kind == "truth" and not isinstance(op, ast.Eq | ast.NotEq):
            self._refuse(right, "is compared by size, which truths do not have")
        return _COMPARISONS[type(op)](*sides)

    def _alike(
        self, one: _Term, two: _Term, node: ast.expr
    ) -> tuple[pc.Expression, pc.Expression]:
        """Two sides of a comparison, as one type."""
        if "nothing" in (one.kind, two.kind):
            # A column without values: no comparison with it is true.
            nothing = pc.scalar(pa.scalar(None, pa.float64()))
            return nothing, nothing
        if one.literal and not two.literal:
            two, one = self._alike_literal(two, one, node)
            return one, two
        if two.literal and not one.literal:
            return self._alike_literal(one, two, node)
        if one.kind != two.kind or (one.kind == "time" and one.type != two.type):
            self._refuse(node, f"cannot be compared: {one}, with {two}")
        return one.expression, two.expression

    def _alike_literal(
        self, column: _Term, literal: _Term, node: ast.expr
    ) -> tuple[pc.Expression, pc.Expression]:
        if column.kind == "time" and literal.kind == "text":
            return column.expression, pc.scalar(self._time(column, literal, node))
        if column.kind == literal.kind:
            return column.expression, literal.expression
        advice = ""
        if column.kind == "number" and literal.kind == "text":
            advice = "; write numbers without quotes"
        elif column.kind == "text" and literal.kind != "text":
            advice = f"; write it in quotes, '{literal.written}'"
        elif column.kind == "time":
            advice = "; write times in quotes, '2024-12-31' or '2024-12-31 23:59:59'"
        return self._refuse(
            node, f"is {_SINGULAR[literal.kind]}, but is compared with {column}{advice}"
        )

    def _time(self, column: _Term, literal: _Term, node: ast.expr) -> pa.Scalar:
        assert column.type is not None
        # Without an offset, a time of a column with a time zone is in UTC.
        for text in (literal.value, literal.value + "Z"):
            try:
                return pa.scalar(text).cast(column.type)
            except (pa.ArrowException, ValueError):
                continue
        return self._refuse(
            node,
            f"is no time such as {column} could hold; write it '2024-12-31' or "
            "'2024-12-31 23:59:59'",
        )


def _column(name: str, kind: pa.DataType) -> _Term:
    found = pc.field(name)
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return _Term(_double(found), "number", name, kind)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _Term(found, "number", name, kind)
    if pa.types.is_boolean(kind):
        return _Term(found, "truth", name, kind)
    if pa.types.is_temporal(kind):
        return _Term(found, "time", name, kind)
    if pa.types.is_null(kind):
        return _Term(found.cast(pa.bool_()), "nothing", name, kind)
    return _Term(found, "text", name, kind)


def _double(expression: pc.Expression) -> pc.Expression:
    # As in real numbers: whole ones overflow, and their quotients are cut.
    return expression.cast(pa.float64(), safe=False)


def _balanced(
    join: Callable[[Any, Any], Any], parts: list[pc.Expression]
) -> pc.Expression:
    """Join many expressions without making a deep one."""
    while len(parts) > 2:
        parts = [
            reduce(join, parts[start : start + 2]) for start in range(0, len(parts), 2)
        ]
    return reduce(join, parts)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 3] + "..."
