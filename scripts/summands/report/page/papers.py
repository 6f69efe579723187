"""Tables of a page as papers print them: LaTeX with booktabs, and Markdown."""

from __future__ import annotations

import math
import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from summands.report.page.content import Cell, Grid

# Rows from which on a table runs over pages.
LONG = 40

# Letters of a line of a column's head, and of a column that is set in lines.
HEAD, PARAGRAPH = 12, 40

# Size of letters, and gaps, by the letters of a row; beyond some the page is turned.
WIDE = 105
SIZES = {
    60: "",
    75: r"\small",
    math.inf: r"\scriptsize\setlength{\tabcolsep}{3pt}",
}

# What LaTeX takes for more than a letter. Digits, not names, for quotes, which some
# languages make active; brackets and asterisks may follow the end of a row.
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "`": r"\char96{}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}

# What Markdown, also that of Pandoc, may take for more than a letter.
MARKDOWN = "\\`*_{}[]<>#|~^$&@!"


def latex(grid: Grid, label: str) -> str:
    r"""Write a table for LaTeX, to be taken up by ``\input``.

    Parameters
    ----------
    grid : Grid
    label : str
        Of letters, digits, ``-``, ``_`` and ``:``.

    Returns
    -------
    str
        Its first line says which packages it needs: booktabs, longtable where it is
        long, and pdflscape where it is wide.
    """
    heads = [_lines(head) for head in grid.columns]
    columns = "".join(_column(grid, place) for place in range(len(heads)))
    told = " & ".join(
        rf"\shortstack[{'r' if _numeric(grid, place) else 'l'}]"
        + "{"
        + r"\\".join(map(of_latex, lines))
        + "}"
        if len(lines) > 1
        else of_latex("".join(lines))
        for place, lines in enumerate(heads)
    )
    rows = [" & ".join(map(_of_cell, row)) + r" \\" for row in grid.rows]
    caption = rf"\caption{{{of_latex(_caption(grid))}}}\label{{tab:{label}}}"
    notes = [
        rf"\par\smallskip {_marked(note, of_latex, _typed)}" for note in grid.notes
    ]
    body = [r"\toprule", rf"{told} \\", r"\midrule"]
    letters = _letters(grid, heads)
    wide, needs = letters > WIDE, ["booktabs"]
    if wide or len(rows) > LONG:
        needs.append("longtable")
        lines = [
            "{" + _size(letters),
            rf"\begin{{longtable}}{{{columns}}}",
            rf"{caption}\\",
            *(*body, r"\endhead", r"\bottomrule", r"\endfoot"),
            *rows,
            r"\end{longtable}",
            *notes,
            r"\par}",
        ]
    else:
        lines = [
            r"\begin{table}",
            r"\centering" + _size(letters),
            caption,
            rf"\begin{{tabular}}{{{columns}}}",
            *(*body, *rows, r"\bottomrule"),
            r"\end{tabular}",
            *([r"\par\raggedright", *notes] if notes else []),
            r"\end{table}",
        ]
    if wide:
        needs.append("pdflscape")
        lines = [r"\begin{landscape}", *lines, r"\end{landscape}"]
    return "\n".join([f"% \\usepackage{{{','.join(needs)}}}", *lines]) + "\n"


def markdown(grid: Grid) -> str:
    """Write a table for Markdown, in the form of GitHub, Pandoc and Quarto.

    Parameters
    ----------
    grid : Grid

    Returns
    -------
    str
    """
    rules = ["---:" if _numeric(grid, n) else ":---" for n in range(len(grid.columns))]
    lines = [
        f"**{of_markdown(_caption(grid))}**",
        "",
        _line(map(of_markdown, grid.columns)),
        _line(rules),
        *(_line(of_markdown(cell.text) for cell in row) for row in grid.rows),
    ]
    for note in grid.notes:
        lines += ["", _marked(note, of_markdown, "`{}`".format)]
    return "\n".join(lines) + "\n"


def of_latex(text: str) -> str:
    """Escape a text for LaTeX: none of its letters means anything else.

    Letters of any script stay as they are, which LuaLaTeX and XeLaTeX print with a font
    that has them. What is not seen, such as marks of direction, is left out.
    """
    told = "".join(LATEX.get(letter, letter) for letter in _seen(text))
    # Two hyphens would be a dash.
    return re.sub("-(?=-)", "-{}", told)


def of_markdown(text: str) -> str:
    """Escape a text for Markdown: none of its letters means anything else."""
    return "".join(
        f"\\{letter}" if letter in MARKDOWN else letter for letter in _seen(text)
    )


def _seen(text: str) -> str:
    """Put a text on one line, without what is not seen."""
    line = re.sub(r"\s+", " ", text)
    return "".join(
        letter for letter in line if not unicodedata.category(letter).startswith("C")
    )


def _of_cell(cell: Cell) -> str:
    told = of_latex(cell.text)
    if cell.value is None:
        return told
    return re.sub(r"(?<![\w.}-])-(?=\d)", "$-$", told)


def _caption(grid: Grid) -> str:
    """Say what a table shows, and what stands in brackets after its numbers."""
    brackets = f" In brackets: {grid.brackets}." if grid.brackets else ""
    return f"{grid.caption}.{brackets}"


def _marked(text: str, escape: Callable[[str], str], code: Callable[[str], str]) -> str:
    """Escape a paragraph; what stands between double backticks is code."""
    parts = re.split(r"``(.+?)``", text)
    return "".join(
        code(part) if place % 2 else escape(part) for place, part in enumerate(parts)
    )


def _typed(text: str) -> str:
    return rf"\texttt{{{of_latex(text)}}}"


def _lines(head: str) -> list[str]:
    """Break a head into lines, none of which begins with a sign of percent."""
    kept = head.replace(" %", "\N{NO-BREAK SPACE}%")
    return textwrap.wrap(kept, HEAD, break_long_words=False)


def _numeric(grid: Grid, place: int) -> bool:
    return any(row[place].value is not None for row in grid.rows)


def _longest(grid: Grid, place: int) -> int:
    return max((len(_seen(row[place].text)) for row in grid.rows), default=0)


def _column(grid: Grid, place: int) -> str:
    if _numeric(grid, place):
        return "r"
    if _longest(grid, place) <= PARAGRAPH:
        return "l"
    return rf"p{{{0.6 if len(grid.columns) < 4 else 0.2}\linewidth}}"


def _letters(grid: Grid, heads: Sequence[Sequence[str]]) -> int:
    """Count the letters of the longest row, its gaps included."""
    return sum(
        2 + max(min(_longest(grid, place), PARAGRAPH), *map(len, lines), 0)
        for place, lines in enumerate(heads)
    )


def _size(letters: int) -> str:
    """Choose letters that a row has room with, and gaps."""
    return next(size for most, size in SIZES.items() if letters <= most)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
