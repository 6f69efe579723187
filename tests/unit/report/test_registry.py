import dataclasses
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pyarrow.parquet as pq
import pytest

import summands
from summands.data.design import Design
from summands.estimators import Entry
from summands.report import answer_entries, registry
from summands.report.page import CAPTIONS
from summands.report.reading import Tables
from summands.study import answers, tables

from ..studies import LEVELS, TABLES, study_tables

SCRIPTS = Path(summands.__file__).parents[1]

# Captions of what is no figure: the report itself, and the summary.
OTHERS = {"workflow.rst", "summary.rst"}

# Figures of an observed table.
OF_TABLES = {entry.name for entry in answer_entries.OF_TABLES}


class Recorded(dict):
    """Paths of tables, of which it is kept which were asked for."""

    def __init__(self, paths):
        super().__init__(paths)
        self.read = set()

    def __getitem__(self, name):
        self.read.add(name)
        return super().__getitem__(name)


@pytest.fixture(scope="module")
def study():
    designs = {name: Design(LEVELS, 100) for name in ("one", "two")}
    return SimpleNamespace(
        designs=designs,
        observed=None,
        estimators={"full": {}, "partial": {}},
        with_drawn_truth=True,
    )


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    whole, _ = study_tables()
    for name, table in whole.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return {name: str(folder / f"{name}.parquet") for name in TABLES}


def frames(panel):
    values = [getattr(panel, field.name) for field in dataclasses.fields(panel)]
    return [value for value in values if isinstance(value, pd.DataFrame)]


def test_every_figure_has_a_caption_and_every_caption_a_figure():
    captions = {path.name for path in CAPTIONS.glob("*.rst")}
    assert {entry.caption for entry in registry.FIGURES.values()} == captions - OTHERS
    for entry in registry.FIGURES.values():
        assert (CAPTIONS / entry.caption).read_text().startswith("**")


def test_labels_tell_figures_apart():
    labels = [entry.shows for entry in registry.FIGURES.values()]
    assert all(labels)
    assert len(set(labels)) == len(labels)


def test_the_list_is_quick_to_import():
    code = (
        "import sys, summands.report.registry\n"
        "slow = {'matplotlib', 'numpy', 'pandas', 'pyarrow', 'scipy'}\n"
        "assert not slow & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, check=True)


@pytest.mark.parametrize("name", registry.FIGURES)
def test_the_source_of_a_figure_has_the_columns_that_are_chosen_from(name):
    source = registry.FIGURES[name].source
    schemas = {**tables.SCHEMAS, **answers.SCHEMAS}
    chosen = {*source.columns.values(), *(column for column, _, _ in source.filters)}
    assert "estimator" in chosen
    assert chosen <= {*schemas[source.table].names}
    assert {*source.words} <= {*source.columns}


@pytest.mark.parametrize(
    "name", [name for name in registry.FIGURES if name not in OF_TABLES]
)
def test_a_panel_reads_what_it_says_that_it_needs_and_is_drawn(name, study, paths):
    entry = registry.FIGURES[name]
    recorded = Recorded(paths)
    panel = entry.panel(Tables(study, recorded))
    assert recorded.read == set(entry.needs)
    assert not frames(panel)[0].empty
    figure = entry.draw(panel)
    figure.canvas.draw()
    assert figure.axes, "it shows something"


def test_calibration_needs_drawn_truths_and_draws():
    def names(estimators, *, drawn):
        entries = {name: Entry(name, method) for name, method in estimators.items()}
        given = SimpleNamespace(
            estimators=entries, with_drawn_truth=drawn, observed=None
        )
        return [entry.name for entry in registry.of(given)]

    every = [name for name in registry.FIGURES if name not in OF_TABLES]
    others = [name for name in every if name != "calibration"]
    sampled, not_sampled = {"some": "nutpie"}, {"other": "least_squares"}
    assert names(sampled | not_sampled, drawn=True) == every
    assert names(not_sampled, drawn=True) == others
    assert names(sampled, drawn=False) == others
