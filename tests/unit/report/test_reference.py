"""The reference pages are those of the definitions, and hold all of them."""

import re

import numpy as np
import pytest

from summands import estimators
from summands.model import estimands, information
from summands.model.cells import collapse
from summands.model.levels import Levels
from summands.model.rows import Rows
from summands.recovery.catalogue import METRICS
from summands.report import markdown, reference
from summands.study import answers, study, tables

DOCS = reference.ROOT / "docs"
BEGIN = "<!-- metrics: written by summands.report.reference -->\n"
END = "<!-- end of metrics -->\n"


def sections(text: str) -> dict[str, list[list[str]]]:
    """Rows of the tables of a page, by heading, without headers and rules."""
    found = {}
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        lines = re.findall(r"^\| (.*) \|$", body, re.MULTILINE)[1:]
        rows = [re.split(r"(?<!\\)\|", line) for line in lines]
        found[title.replace("`", "")] = [[cell.strip() for cell in row] for row in rows]
    return found


def names(rows: list[list[str]]) -> list[str]:
    return [row[0].strip("`") for row in rows]


@pytest.mark.parametrize("page", reference.pages(), ids=lambda path: path.name)
def test_pages_are_those_of_the_definitions(page):
    text = page.read_text()
    assert text == reference.renewed(text), "run `make docs`"


def test_every_block_is_on_one_page_and_ends():
    texts = [page.read_text() for page in reference.pages()]
    begun = [name for text in texts for name in re.findall(r"<!-- (\w+): wri", text)]
    found = [block[2] for text in texts for block in reference.BLOCK.finditer(text)]
    assert sorted(begun) == sorted(found) == sorted(reference.BLOCKS)


def test_what_stands_between_the_markers_is_replaced_and_nothing_else():
    fresh = reference.renewed(f"Before.\n{BEGIN}stale\n{END}After.\n")
    assert fresh == f"Before.\n{BEGIN}\n{reference.metrics()}\n{END}After.\n"
    assert reference.renewed(fresh) == fresh


def test_a_block_that_nobody_writes_is_an_error():
    page = (BEGIN + END).replace("metrics", "weather")
    with pytest.raises(KeyError, match="weather"):
        reference.renewed(page)


def test_every_metric_is_explained_once_in_its_regime():
    page = sections((DOCS / "metrics.md").read_text())
    titles = {
        "With any truth": "both",
        "With a fixed truth": "fixed",
        "With truths drawn from the prior": "drawn",
    }
    explained = {
        (titles[title], name)
        for title, rows in page.items()
        if title in titles
        for name in names(rows)
    }
    assert explained == {
        (metric.regime, metric.name + "<estimator>" * metric.versus)
        for metric in METRICS.values()
    }
    assert sum(len(rows) for rows in page.values()) == len(METRICS)
    assert all(len(row) == 2 and row[1] for rows in page.values() for row in rows)


def test_every_column_of_every_table_is_listed_in_its_order():
    page = sections((DOCS / "tables.md").read_text())
    assert {title: names(rows) for title, rows in page.items()} == {
        f"{name}.parquet": schema.names
        for name, schema in (
            answers.OF_CHECK | answers.SCHEMAS | tables.SCHEMAS | tables.OF_PLAN
        ).items()
        # They have the columns of others.
        if not name.startswith("check_")
    }


def test_every_estimator_is_described_with_its_options():
    described = sections((DOCS / "estimators.md").read_text())
    assert described.keys() >= {*estimators.names()}
    page = sections((DOCS.parent / "config" / "README.md").read_text())
    for name in estimators.names():
        assert names(page[f"Estimator {name}"]) == [*estimators.load(name).OPTIONS]


def test_every_key_of_the_study_file_is_listed():
    listed = names(sections("## Keys\n" + reference.keys())["Keys"])
    assert len(listed) == len(set(listed))
    properties = study.schema()["properties"]
    assert {key for key in listed if "." not in key} == properties.keys()
    assert {f"grid.{key}" for key in properties["grid"]["properties"]} < {*listed}


@pytest.mark.parametrize("sizes", [(3,), (1, 3), (2, 3, 5)])
def test_what_is_said_to_be_determined_by_the_data_is(sizes):
    """In data in which all contributors meet."""
    rows = sections((DOCS / "model.md").read_text())["Quantities"]
    assert names(rows) == [*estimands.PARAMETERS]
    levels = Levels.of(sizes)
    crossed = np.indices(sizes).reshape(len(sizes), -1)
    cells = collapse(Rows(levels, np.zeros(crossed.shape[1]), tuple(crossed)))
    determined = information.identified(cells)
    for name, row in zip(estimands.PARAMETERS, rows, strict=True):
        said = len(sizes) == 1 or row[-1] != "where there is but one level"
        assert (determined[estimands.index(levels).where(name)] == said).all()


def test_a_pipe_does_not_end_a_cell():
    (row,) = sections("## Table\n" + markdown.table(["a", "b"], [["x|y", "z\nw"]]))[
        "Table"
    ]
    assert row == [r"x\|y", "z w"]
