"""What the language of filters is made of; see `summands.data.expression`."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

# Longer filters are refused, as are deeper ones.
LONGEST = 10_000
DEEPEST = 100

COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div)

# Text, a name in backquotes, or what must not be outside of either.
TOKEN = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`([^`]*)`|[\s`#'\"]")

_ADVICE: dict[type[ast.AST], str] = {
    ast.BitAnd: 'write "and"',
    ast.BitOr: 'write "or"',
    ast.Invert: 'write "not"',
    ast.Call: "there are no functions",
    ast.Attribute: "put a column's name with a dot between backquotes",
    ast.Is: 'write "=="',
    ast.IsNot: 'write "!="',
}


class ExpressionError(ValueError):
    """A filter that cannot be used; its text is meant for the user."""


def plain(text: str) -> str:
    """Write a filter such that Python's parser takes it, each character at its place.

    Names between backquotes become letters that the text has nowhere else, a name's
    own ones, as many as there were characters; line ends become blanks.
    """
    text = text.strip()
    free = (chr(code) for code in range(0x4E00, 0x9FFF) if chr(code) not in text)

    def written(found: re.Match[str]) -> str:
        token = found[0]
        if found[1] is not None and found[1]:
            return next(free) * len(token)
        if token.isspace():
            return " "
        if token[0] in "'\"" and len(token) > 1:
            return token
        what = {"#": "has no place outside of quotes", "``": "is no name"}.get(
            token, "is never closed"
        )
        raise ExpressionError(f"{token} at character {found.start() + 1} {what}")

    return TOKEN.sub(written, text)


def look(node: ast.AST, refuse: Callable[[ast.AST, str], Any], depth: int = 0) -> None:
    """Refuse what is not in the language.

    Parameters
    ----------
    node : ast.AST
        What Python's parser read.
    refuse : callable
        Is given what is not in the language and why; raises.
    depth : int, optional
        Of what is within what.
    """
    if depth > DEEPEST:
        raise ExpressionError(f"is more than {DEEPEST} brackets or signs deep")
    inner: list[ast.AST] = []
    signs: list[ast.operator | ast.unaryop | ast.cmpop] = []
    match node:
        case ast.Constant(value=value):
            if not isinstance(value, bool | int | float | str):
                refuse(node, "is neither a number nor text")
            if isinstance(value, float) and abs(value) == float("inf"):
                refuse(node, "is too large a number")
        case ast.Name():
            pass
        case ast.BoolOp(values=values):
            inner = [*values]
        case ast.UnaryOp(op=op, operand=operand):
            inner = [operand]
            signs = [] if isinstance(op, ast.Not | ast.USub | ast.UAdd) else [op]
        case ast.BinOp(left=left, op=op, right=right):
            inner = [left, right]
            signs = [] if type(op) in ARITHMETIC else [op]
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            inner = [left]
            for compare, right in zip(ops, comparators, strict=True):
                if isinstance(compare, ast.In | ast.NotIn):
                    items = _items(right, refuse)
                    inner += items
                else:
                    inner.append(right)
                    signs += [] if type(compare) in COMPARISONS else [compare]
            if len(ops) > 1 and any(isinstance(one, ast.In | ast.NotIn) for one in ops):
                refuse(node, 'chains "in"; join comparisons by "and"')
        case _:
            refuse(node, _odd(node))
    for sign in signs:
        refuse(node, _odd(sign))
    for part in inner:
        look(part, refuse, depth + 1)


def _items(node: ast.expr, refuse: Callable[[ast.AST, str], Any]) -> list[ast.expr]:
    if not isinstance(node, ast.List | ast.Tuple) or not node.elts:
        refuse(node, "is no list, such as ['A', 'B'] or [1, 2]")
        return []
    for item in node.elts:
        value = item.operand if isinstance(item, ast.UnaryOp) else item
        if not isinstance(value, ast.Constant):
            refuse(item, "is neither a number nor text in quotes, as lists hold")
    return node.elts


def _odd(node: ast.AST) -> str:
    advice = _ADVICE.get(type(node))
    text = "is not in the language of filters"
    return f"{text}; {advice}" if advice else text
