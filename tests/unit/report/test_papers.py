"""Tables for papers: what users call things is text in every format, no more."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summands.report.page import papers
from summands.report.page.content import Cell, Grid
from summands.report.page.papers import latex, markdown, of_latex, of_markdown

NASTY = [
    r"a_b & 50 % of $x$ #1 {y} ~z^2 \end{document}",
    "A|B <script>alert(1)</script>",
    '[x] *y* `z` "q" --- !',
    "עברית \u2068mixed\u2069 \u202eturned",
    "line\nbreak\u2028and \ttab",
    "東京 😀 é",
    "\\",
    "",
]

# What LaTeX reads of an escaped text: commands that print a letter, and plain letters.
COMMANDS = {
    told: letter
    for letter, told in papers.LATEX.items()
    if told.startswith(("\\", "{"))
} | {"{}": ""}
TOKEN = re.compile(
    "|".join(map(re.escape, sorted(COMMANDS, key=len, reverse=True)))
    + r"|[^\\{}$&#%_~^<>|\"`\[\]*]"
)

texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=30)).map(str)
punctuated = st.text(alphabet='-\\{}$&#%_~^<>|"`[]* ab0', max_size=20)


def read_latex(text):
    """What LaTeX prints; it fails at a letter that means something else."""
    place, found = 0, []
    while place < len(text):
        token = TOKEN.match(text, place)
        assert token, (text, text[place:])
        found.append(COMMANDS.get(token[0], token[0]))
        place = token.end()
    return "".join(found)


def read_markdown(text):
    """What Markdown prints; it fails at a letter that means something else."""
    assert not set(re.sub(r"\\[!-/:-@\[-`{-~]", "", text)) & set(papers.MARKDOWN)
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)


@given(st.one_of(texts, punctuated))
def test_a_text_is_printed_as_it_is_but_for_what_is_not_seen(text):
    seen = papers._seen(text)
    assert read_latex(of_latex(text)) == seen
    assert read_markdown(of_markdown(text)) == seen
    assert len(seen.splitlines()) <= 1
    assert "--" not in of_latex(text)


@pytest.mark.parametrize("raw", ["a_b", "50 %", "<b>", "x|y", "$", "*", "\\x", "[1]"])
def test_a_raw_letter_is_seen(raw):
    """The readers of these tests fail where nothing is escaped."""
    with pytest.raises(AssertionError):
        read_latex(raw)
    if raw != "50 %":
        with pytest.raises(AssertionError):
            read_markdown(raw)


def grid_of(rows=3, columns=("design", "error, %"), names=NASTY, **more):
    made = [
        (Cell(names[n % len(names)]), Cell(f"-{n}.5 (0.07)", -n - 0.5))
        for n in range(rows)
    ]
    return Grid("id", "What_is & seen", columns, made, **more)


def rows_of_latex(text):
    """Cells of the rows between the rules, as they are printed."""
    body = text.split("\\midrule\n")[1]
    body = body.removeprefix("\\endhead\n\\bottomrule\n\\endfoot\n")
    body = re.split(r"\\bottomrule|\\end\{longtable\}", body)[0]
    lines = body.strip().splitlines()
    assert all(line.endswith(r" \\") for line in lines)
    return [re.split(r"(?<!\\) ?& ?", line.removesuffix(r" \\")) for line in lines]


@pytest.mark.parametrize("rows", [0, 1, 8, papers.LONG, papers.LONG + 1, 300])
def test_every_cell_stands_in_its_place_in_both_formats(rows):
    grid = grid_of(rows, notes=["see ``fits.parquet`` & more"], brackets="errors")
    told = latex(grid, "study-id")
    found = rows_of_latex(told) if rows else []
    assert len(found) == rows
    for row, (name, number) in zip(grid.rows, found, strict=True):
        assert read_latex(name) == papers._seen(row[0].text)
        assert number == f"${row[1].text[0]}${row[1].text[1:]}"
    assert ("longtable" in told) == (rows > papers.LONG)
    assert told.startswith("% \\usepackage{booktabs")
    for words in (
        r"\caption{What\_is \& seen. In brackets: errors.}\label{tab:study-id}",
        r"see \texttt{fits.parquet} \& more",
    ):
        assert words in told
    lines = markdown(grid).splitlines()
    assert lines[0] == r"**What\_is \& seen. In brackets: errors.**"
    assert lines[-1] == r"see `fits.parquet` \& more"
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == rows + 2
    for row, line in zip(grid.rows, table[2:], strict=True):
        cells = re.split(r" ?(?<!\\)\| ?", line)[1:-1]
        assert list(map(read_markdown, cells)) == [papers._seen(c.text) for c in row]


@pytest.mark.parametrize("rows", [2, 100])
@pytest.mark.parametrize("columns", [2, 30])
def test_groups_and_environments_end_where_they_begin(rows, columns):
    cells = [Cell(NASTY[0]), *(Cell("1 (0.1)", 1.0) for _ in range(columns - 1))]
    heads = ["design", *(f"share_{n} of 95 % intervals" for n in range(columns - 1))]
    told = latex(Grid("id", "seen", heads, [cells] * rows, ["why"]), "x")
    stack = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", told):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert stack == []
    bare = re.sub(r"\\[{}\\]", "", told)
    assert bare.count("{") == bare.count("}")
    (spec,) = re.findall(r"\\begin\{(?:tabular|longtable)\}\{(.*)\}\n", told)
    assert len(re.sub(r"p\{[^}]*\}", "p", spec)) == columns
    first = told.splitlines()[0]
    assert ("pdflscape" in first) == ("landscape" in stack or "{landscape}" in told)
    # A page is turned for what is wide.
    assert ("{landscape}" in told) == (columns == 30)
    assert "95 \\\\\\%" not in told


def test_no_row_begins_with_what_the_end_of_a_row_may_be_followed_by():
    told = latex(grid_of(3, names=["[2cm] x", "* y"]), "x")
    for line in told.splitlines():
        assert not line.startswith(("[", "*"))
