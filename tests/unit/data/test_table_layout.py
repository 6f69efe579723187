"""The layout of a real table."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from summands.data import generator, table_layout
from summands.data.design import Design
from summands.data.source import Level, Source
from summands.files.words import TableError
from summands.model.levels import Levels

LINES = ("tool,lot,note", "B,2,x", "A,10,y", "B,2,x", "C,1,", "A,1,x")


def source(path, **said):
    return Source(
        str(path), "", (Level("tool", ("tool",)), Level("lot", ("lot",))), **said
    )


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "lots.csv"
    path.write_text("\n".join(LINES) + "\n")
    return path


def silent(_):
    pass


def layout_of(path, levels=None, **said):
    found, rows = table_layout.read(source(path, **said), silent)
    return table_layout.laid_out(rows, found, levels or found)


def test_rows_have_the_contributors_of_the_table_in_its_order(table):
    levels, rows = table_layout.read(source(table), silent)
    assert levels.names == ("baseline", "tool", "lot")
    assert levels.labels == (("all",), ("A", "B", "C"), ("1", "2", "10"))
    assert [column.tolist() for column in rows.columns] == [
        [0] * 5,
        [1, 0, 1, 2, 0],
        [1, 2, 1, 0, 0],
    ]
    assert rows.cells == 4
    design = Design(levels, 12, layout=layout_of(table))
    truth = generator.draw_truth(design, 1, 0)
    drawn = generator.draw_rows(design, truth, 1, 0)
    assert drawn.contributors[1].tolist() == [1, 0, 1, 2, 0, 1, 0, 1, 2, 0, 1, 0]


def test_the_digest_is_of_the_contributors_and_of_nothing_else(table, tmp_path):
    digest = layout_of(table).digest
    copy = tmp_path / "other.parquet"
    rows = [line.split(",") for line in LINES[1:]]
    columns = {"lot": [int(row[1]) for row in rows], "tool": [row[0] for row in rows]}
    pq.write_table(pa.table(columns), copy)
    assert layout_of(copy).digest == digest
    pq.write_table(pa.table(columns).slice(1), copy)
    assert layout_of(copy).digest != digest
    table.write_text("\n".join((LINES[0], *LINES[:0:-1])) + "\n")
    assert layout_of(table).digest != digest
    assert layout_of(table, where="note == 'x'").digest != digest


def test_contributors_are_those_of_given_coefficients_by_their_labels(table):
    labels = (("base",), ("C", "A", "B"), ("10", "1", "2"))
    levels = Levels((1, 3, 3), ("line", "tool", "lot"), labels)
    plain, mine = layout_of(table), layout_of(table, levels)
    for level in (1, 2):
        own = np.array(labels[level])[mine.rows.columns[level]]
        found = np.array([("A", "B", "C"), ("1", "2", "10")][level - 1])
        assert (own == found[plain.rows.columns[level]]).all()
    assert mine.digest != plain.digest
    # Without labels they are taken as they come.
    assert layout_of(table, Levels.of([1, 3, 3])) == plain


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (Levels.of([1, 3, 4]), "the levels [1, 3, 4] are not those of the table"),
        (
            Levels((1, 3, 3), ("line", "machine", "lot")),
            'level "machine" is called "tool" in the table',
        ),
        (
            Levels(
                (1, 3, 3),
                ("line", "tool", "lot"),
                (("base",), ("A", "B", "D"), ("1", "2", "10")),
            ),
            'level "tool" has no contributor "D" in the table; known here: A, B, C',
        ),
    ],
)
def test_other_levels_are_refused_in_words(table, levels, message):
    with pytest.raises(ValueError, match="table") as caught:
        layout_of(table, levels)
    assert message in str(caught.value)


def test_what_cannot_be_read_is_told_as_of_observed_tables(table):
    table.write_text("tool,lots\nA,1\nB,2\n")
    with pytest.raises(TableError, match='no column "lot"; did you mean "lots"'):
        layout_of(table)
    table.write_text("tool,lot\nA,1\nB,\nB,2\n")
    with pytest.raises(TableError, match=r"has no .lot."):
        layout_of(table)
    assert len(layout_of(table, missing="drop").rows.columns[0]) == 2
