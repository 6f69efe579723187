import dataclasses
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import xarray as xr

import summands
from summands.data.design import Design
from summands.data.truths import OneOff
from summands.estimators import Entry
from summands.model.levels import Levels
from summands.report import answer_entries, registry
from summands.report.page import CAPTIONS
from summands.report.reading import Tables
from summands.study import answers, tables

from ..plans import plan_tables
from ..studies import LEVELS, study_tables

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


def study_of(designs, estimators, *, drawn=True, kept=True):
    return SimpleNamespace(
        designs=designs,
        observed=None,
        estimators={name: Entry(name, method) for name, method in estimators.items()},
        with_drawn_truth=drawn,
        keep_posteriors=kept,
        plan=("one",),
    )


GRID = {
    f"{rows} {sd}": Design(LEVELS, rows, mu_sd=sd)
    for rows in (100, 200)
    for sd in (1.0, 2.0)
}


@pytest.fixture(scope="module")
def study():
    return study_of(GRID, {"full": "nutpie", "partial": "least_squares"})


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    whole, _ = study_tables(list(GRID))
    whole |= plan_tables()
    for name, table in whole.items():
        pq.write_table(table, folder / f"{name}.parquet")
    found = {name: str(folder / f"{name}.parquet") for name in whole}
    return found | {"posterior": posterior_in(folder)}


def posterior_in(folder):
    """Write a file of posteriors with a sigma for each contributor."""
    sigma = np.random.default_rng(0).lognormal(size=(6, 2, 30, 3))
    names = ["replicate", "chain", "draw", "contributor"]
    draws = xr.Dataset(
        {"sigma": (names, sigma)},
        coords={"replicate": range(6), "contributor": list(LEVELS.titles)},
    )
    xr.DataTree.from_dict({"posterior": draws}).to_netcdf(
        folder / "posterior.nc", engine="h5netcdf"
    )
    return str(folder / "posterior.nc")


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
    schemas = {**tables.SCHEMAS, **tables.OF_PLAN, **answers.SCHEMAS}
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


@pytest.mark.parametrize(
    "name", [name for name in registry.FIGURES if name not in OF_TABLES]
)
def test_the_chart_of_a_panel_has_the_columns_that_it_names(name, study, paths):
    entry = registry.FIGURES[name]
    panel = entry.panel(Tables(study, paths))
    chart = entry.chart(panel, entry, list(study.estimators))
    assert {*chart.titles, *chart.filters} <= {*chart.data.columns}
    assert not chart.data.empty
    for select in chart.selects:
        assert select.field in chart.filters
        found = set(chart.data[select.field].dropna())
        assert {*select.options} == found
        assert not select.default or select.default in select.options
        if select.field == chart.varies:
            assert {*chart.specs} == found
    for spec in [chart.spec, *chart.specs.values()]:
        assert fields_of(spec) <= {*chart.data.columns} | COMPUTED


# Fields that charts compute of what is shown.
COMPUTED = {"among", "centile", "held"}


def fields_of(spec):
    """Columns that a specification draws."""
    if isinstance(spec, list):
        return set().union(*map(fields_of, spec))
    if not isinstance(spec, dict):
        return set()
    own = {spec["field"]} - {""} if isinstance(spec.get("field"), str) else set()
    return own.union(*map(fields_of, spec.values()))


def test_figures_are_those_of_which_a_study_has_what_they_need():
    def names(designs, estimators, **told):
        given = study_of(designs, estimators, **told)
        return {entry.name for entry in registry.of(given)}

    every = {name for name in registry.FIGURES if name not in OF_TABLES} - {"power"}
    sampled, not_sampled = {"some": "nutpie"}, {"other": "least_squares"}
    many = {
        f"{rows} {sd}": Design(LEVELS, rows, mu_sd=sd)
        for rows in range(100, 200, 10)
        for sd in (1.0, 2.0, 3.0, 4.0, 5.0)
    }
    assert names(many, sampled | not_sampled) == every
    assert names(GRID, sampled) == every - {"grid"}
    assert names(GRID, sampled, kept=False) == every - {"grid", "ridge"}
    draws = {"calibration", "contraction"}
    assert names(GRID, not_sampled) == every - {"grid", "ridge", *draws}
    assert names(GRID, sampled, drawn=False) == every - {"grid", *draws}
    one = {"one": Design(LEVELS, 100)}
    assert names(one, sampled) == every - {"grid", "nested_loop"}
    alone = {"one": Design(Levels.of([3]), 100)}
    assert names(alone, sampled) == every - {"grid", "nested_loop", "ridge"}
    told = dict(enumerate(("drawn", "fixed", OneOff(3.0))))
    truths = {
        f"{rows} {number}": Design(LEVELS, rows, truth=truth)
        for rows in (100, 200)
        for number, truth in told.items()
    }
    assert names(truths, sampled) == (every | {"power"}) - {"grid"}
