"""Markdown of what the code says of itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def paragraphs(documented: object) -> list[str]:
    """Docstring of a module, class or function as Markdown, a line a paragraph."""
    text = (documented.__doc__ or "").replace("``", "`")
    return [" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n")]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; nothing where it has no rows."""
    lines = [_line(row) for row in rows]
    rule = "|---" * len(header) + "|\n"
    return "".join([_line(header), rule, *lines]) if lines else ""


def _line(row: Sequence[str]) -> str:
    cells = (" ".join(text.split()).replace("|", r"\|") for text in row)
    return f"| {' | '.join(cells)} |\n"
