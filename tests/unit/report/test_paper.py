"""Files for a paper are made of the final tables alone, and are no results."""

import re

import pyarrow.parquet as pq
import pytest
import yaml

from summands.files.manifest import Manifest
from summands.report import paper, registry
from summands.report.page import metric_grids
from summands.report.reading import Tables
from summands.study import plan, study, tables

from .. import observed_tables
from ..studies import study_tables

SIMULATED = {
    "study": "s",
    "replicates": 6,
    "grid": {"levels": [[1, 2]], "rows": [100], "truth": ["drawn", "fixed"]},
    "estimators": {
        "full": {"method": "nutpie"},
        "partial": {"method": "least_squares"},
    },
}


def results_in(folder, made):
    """The final tables of a study, as a run leaves them."""
    results = folder / "results" / "s"
    results.mkdir(parents=True)
    for name, table in made.items():
        pq.write_table(table, results / f"{name}.parquet")
    (results / "provenance.json").write_text(
        '{"commit": "c", "modified": false, "python": "3", "platform": "p", '
        '"packages": {}, "values": {"rows": 49, "mean": 10.23, "sd": 1.3}}'
    )
    return results


def written(results, document, folder):
    """Put down the study file, given and with all defaults."""
    (folder / "s.yaml").write_text(yaml.safe_dump(document))
    checked = study.read(folder / "s.yaml")
    (results / "study.yaml").write_text(yaml.safe_dump(checked.resolved))
    return checked


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A folder, with a space in its path, with the tables of two designs."""
    folder = tmp_path_factory.mktemp("a study")
    made, _ = study_tables(list(study.load(SIMULATED).designs))
    results = results_in(folder, made)
    checked = written(results, SIMULATED, folder)
    designs = tables.designs(checked.designs, checked.replicates)
    pq.write_table(designs, results / "designs.parquet")
    return folder


@pytest.fixture
def few_figures(monkeypatch):
    """Drawing takes long: one figure does, where others are not looked at."""
    every = registry.of
    monkeypatch.setattr(
        registry,
        "of",
        lambda checked: [
            entry for entry in every(checked) if entry.name in ("failures", "again")
        ],
    )


def run(capsys, folder):
    paper.main([str(folder / "s.yaml"), "--directory", str(folder)])
    return capsys.readouterr().out


@pytest.mark.slow
def test_every_table_of_the_page_and_every_figure_has_its_files(simulated, capsys):
    results = simulated / "results" / "s"
    before = Manifest(results).verify()[1]["unrecorded"]
    said = run(capsys, simulated)
    made = {path.name for path in (results / "paper").iterdir()}
    count = len(made)
    found = re.findall(r"\d+", said)
    assert 2 * int(found[0]) + int(found[1]) == count
    assert said.endswith(f"in {results}/paper/\n")
    figures = {
        entry.name
        for entry in registry.of(study.load(SIMULATED))
        if "posterior" not in entry.needs
    }
    assert {name[:-4] for name in made if name.endswith(".pdf")} == figures
    grids = {name[:-4] for name in made if name.endswith(".tex")}
    assert {name[:-3] for name in made if name.endswith(".md")} == grids
    assert grids >= {"fits", "recovered", "by-design", "by-contributor"}
    assert "failures-by-design" in grids
    for name in figures:
        assert (results / "paper" / f"{name}.pdf").read_bytes()[:5] == b"%PDF-"
    # They are no results, and none of a run's business.
    assert Manifest(results).verify()[1]["unrecorded"] == before


@pytest.mark.usefixtures("few_figures")
def test_the_same_tables_make_the_same_files(simulated, capsys):
    def contents():
        run(capsys, simulated)
        folder = simulated / "results" / "s" / "paper"
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    assert contents() == contents()


@pytest.mark.usefixtures("few_figures")
def test_an_observed_table_has_its_own(tmp_path, capsys):
    made = observed_tables.made()
    results = results_in(tmp_path, made.tables)
    document = made.study.resolved
    (tmp_path / "table.csv").write_text("")
    written(results, document, tmp_path)
    run(capsys, tmp_path)
    text = (results / "paper" / "contributors.tex").read_text()
    assert r"\textless{}script\textgreater{}" in text
    assert r"\$\{x\}" in text
    assert "In brackets: 95 \\% intervals." in text
    assert "<script>" not in text
    assert {"held.tex", "gauge-study.md"} <= {
        path.name for path in (results / "paper").iterdir()
    }


def test_what_is_not_there_is_told(simulated, tmp_path, capsys):
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(SIMULATED))
    with pytest.raises(SystemExit, match="there are no tables of this study yet"):
        run(capsys, tmp_path)
    made, _ = study_tables(list(study.load(SIMULATED).designs))
    del made["failures"]
    results = results_in(tmp_path, made)
    written(results, SIMULATED, tmp_path)
    lost = r"there is no designs\.parquet, failures\.parquet: run the study again"
    with pytest.raises(SystemExit, match=lost):
        run(capsys, tmp_path)
    with pytest.raises(SystemExit, match=r"summands: .*nothing\.yaml"):
        paper.main([str(tmp_path / "nothing.yaml")])
    assert not (results / "paper").exists()


def test_the_posterior_of_a_figure_is_found_where_a_run_puts_it(simulated, tmp_path):
    results = simulated / "results" / "s"
    assert "posterior" not in paper.read(results).paths
    checked = study.read(results / "study.yaml")
    units = plan.make(checked, [], {})
    (results / "plan.json").write_text(plan.written(units, []))
    unit = next(iter(units.units))
    place = results / "fitted" / "full" / unit.name / unit.batch.name
    assert "posterior" not in paper.read(results).paths
    place.mkdir(parents=True)
    (place / "posterior.nc").write_bytes(b"")
    assert paper.read(results).paths["posterior"] == str(place / "posterior.nc")
    (place / "posterior.nc").unlink()
    (results / "plan.json").unlink()


def read(results):
    paths = {name: str(results / f"{name}.parquet") for name in tables.SCHEMAS}
    return Tables(study.read(results / "study.yaml"), paths)


def test_metrics_have_the_errors_of_the_table_in_brackets(simulated):
    """Each number of the tables is one of recovery.parquet, with its error."""
    found = read(simulated / "results" / "s")
    recovery = found.whole("recovery").query("gate == 'common'")
    by_design, by_contributor = metric_grids.grids(found)
    for grid, metrics, apart in (
        (by_design, metric_grids.OF_LEVELS, False),
        (by_contributor, metric_grids.OF_CONTRIBUTORS, True),
    ):
        some = recovery[recovery["contributor"].notna() == apart]
        some = some[some["metric"].isin(list(metrics))]
        place = grid.columns.index("data sets") + 1
        # Empirical standard errors need more data sets than there are.
        told = [name for name in metrics.values() if name != "empirical SE"]
        assert list(grid.columns[place:]) == told
        cells = [cell for row in grid.rows for cell in row[place:]]
        known = [cell for cell in cells if cell.value is not None]
        assert len(known) == len(some) > 0
        assert sorted(cell.value for cell in known) == sorted(some["value"])
        errors = [cell.more["MCSE"] for cell in known if "MCSE" in cell.more]
        assert sorted(errors) == sorted(some["mcse"].dropna())
        for cell in known:
            assert ("(" in cell.text) == (cell.more.get("MCSE", 0.0) > 0)
        assert "Monte-Carlo standard errors" in grid.brackets


def test_of_very_many_contributors_there_is_no_table(simulated, monkeypatch):
    monkeypatch.setattr(metric_grids, "MOST", 2)
    found = read(simulated / "results" / "s")
    assert [grid.id for grid in metric_grids.grids(found)] == ["by-design"]
