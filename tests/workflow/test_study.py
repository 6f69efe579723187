"""A study from start to end, again, killed, extended, and cut in other ways."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import xarray as xr
import yaml

from summands.report import paper
from summands.study import tables

from .conftest import (
    GO_ON,
    ONLY_TABLES,
    QUICK,
    ROOT,
    STUDY,
    WAITING,
    Workflow,
    assert_same_values,
    copy_of_sources,
    kill,
    values,
    wait_for,
)

NOTHING = "Nothing to be done"
POSTERIOR = ("replicate", "chain", "draw", "contributor")


def test_a_finished_run_has_its_tables_and_their_origin(finished):
    folder = finished.results("small")
    for name, schema in tables.SCHEMAS.items():
        table = pq.read_table(folder / f"{name}.parquet")
        assert table.schema.equals(schema), name
    estimates = pq.read_table(folder / "estimates.parquet").to_pandas()
    # Two designs of levels [1, 2], three replicates, two estimators, 11 quantities.
    assert len(estimates) == 2 * 3 * 2 * 11
    keys = ["design", "replicate", "estimator", "parameter", "level", "contributor"]
    assert not estimates.duplicated(keys).any()
    sampled = estimates[estimates["estimator"] == "nutpie"]
    assert sampled["rank"].between(0, sampled["rank_of"]).all()
    assert sampled["identified"].eq(sampled["parameter"] != "sigma").all()
    ridge = estimates[estimates["estimator"] == "bayesian_ridge"]
    unknown = ridge["parameter"].isin(["sigma", "variance_contrast"])
    assert ridge[unknown]["estimate"].isna().all()
    assert ridge[~unknown]["estimate"].notna().all()
    assert ridge["rank"].isna().all()
    fits = pq.read_table(folder / "fits.parquet").to_pandas()
    assert len(fits) == 12
    assert fits["error"].isna().all()
    for name in ("gradients", "parametrisation", "attempts"):
        assert (fits[name].notna() == (fits["estimator"] == "nutpie")).all()

    resolved = yaml.safe_load((folder / "study.yaml").read_text())
    assert resolved["estimators"]["nutpie"]["chains"] == 2
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["packages"]["nutpie"]
    for figure in ("truth", "error", "coverage", "efficiency", "calibration"):
        for kind in ("png", "svg"):
            assert (folder / "figures" / f"{figure}.{kind}").stat().st_size > 5000


def test_a_run_ends_with_its_summary(finished):
    text = (finished.results("small") / "summary.txt").read_text()
    assert text in finished.printed
    for words in ("12 fits", "nutpie", "variance_contrast", "seconds a fit"):
        assert words in text


def test_a_paper_has_all_figures_and_nothing_runs_again_for_it(finished, tmp_path):
    copy = finished.copy(tmp_path / "a copy")
    before = copy.files("small")
    paper.main([str(copy.folder / "study.yaml"), "--directory", str(copy.folder)])
    after = copy.files("small")
    made = {name for name in after if name.startswith("paper/")}
    assert {name: after[name] for name in after if name not in made} == before
    figures = {Path(name).stem for name in before if name.endswith(".png")}
    # That of a posterior, too.
    assert "ridge" in figures
    assert {Path(name).stem for name in made if name.endswith(".pdf")} == figures
    assert NOTHING in copy.run(STUDY)


def test_failures_are_counted_where_there_are_none(finished):
    folder = finished.results("small")
    fits = pq.read_table(folder / "fits.parquet").to_pandas()
    counted = pq.read_table(folder / "failures.parquet").to_pandas()
    assert len(counted) == 4
    assert counted["fits"].sum() == len(fits)
    assert counted["converged"].sum() == fits["converged"].sum()
    assert counted["retried"].sum() == (fits["attempts"] > 1).sum()
    assert (counted[["failed", "missing", "undetermined"]] == 0).all(axis=None)
    text = (folder / "summary.txt").read_text()
    assert "Each failure stays a result" in text


def test_posteriors_are_labelled(finished):
    path = next(finished.results("small").glob("fitted/nutpie/given/*/posterior.nc"))
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        posterior = tree["posterior"].to_dataset()
        assert posterior["sigma"].dims == POSTERIOR
        assert tree["constant_data"]["level"].to_numpy().tolist() == [0, 1, 1]
        assert "diverging" in tree["sample_stats"].to_dataset()


def test_logs_tell_what_jobs_do(finished):
    logs = sorted(finished.results("small").glob("logs/fit/nutpie/given/*.log"))
    assert len(logs) == 2
    assert "given replicate 1 (2 of 2) nutpie: started" in logs[0].read_text()
    assert "given replicate 2 (1 of 1) nutpie: started" in logs[1].read_text()


def test_a_second_run_does_nothing_even_after_touching_sources(finished, tmp_path):
    again = finished.copy(tmp_path / "again")
    # As in a fresh checkout: all files are new.
    again.source = copy_of_sources(tmp_path / "source", shutil.copyfile)
    for path in again.results("small").glob("simulated/**/*.parquet"):
        os.utime(path)
    before = again.files("small")
    assert NOTHING in again.run(STUDY)
    after = again.files("small")
    assert {name for name in before if before[name] != after[name]} <= {"manifest.json"}


@pytest.mark.parametrize(
    "cut",
    [
        {"replicates_per_job": 3},
        {"designs_per_job": 2, "replicates_per_job": 3, "keep_posteriors": False},
    ],
)
def test_values_do_not_depend_on_cores_or_how_work_is_cut(finished, workflow, cut):
    workflow.run(STUDY | cut, *ONLY_TABLES, cores=1)
    assert_same_values(workflow.results("small"), finished.results("small"))
    posteriors = list(workflow.results("small").rglob("posterior.nc"))
    assert bool(posteriors) == cut.get("keep_posteriors", True)


def test_values_do_not_depend_on_packs(finished, packed):
    assert_same_values(packed.results("small"), finished.results("small"))
    assert len(list((packed.results("small") / "simulated").iterdir())) == 1
    posterior, _ = packed.results("small").rglob("posterior.nc")
    with xr.open_datatree(posterior, engine="h5netcdf") as tree:
        mu = tree["posterior"]["mu"]
        assert mu.dims == ("design", *POSTERIOR)
        assert set(mu["design"].to_numpy()) == {"levels-1-2_rows-60", "given"}


def test_results_of_another_study_file_are_not_taken_for_those_of_this_one(
    quick, workflow
):
    """In a copy of results Snakemake has no notes on what they were made of."""
    shutil.copytree(quick.folder / "results", workflow.folder / "results")
    assert NOTHING in workflow.run(QUICK)
    refused = workflow.run(QUICK | {"seed": 8}, fails=True)
    assert "results/quick was made by another study file" in refused
    assert "Traceback" not in refused
    # With the notes it goes on.
    notes = Path(".snakemake", "metadata")
    shutil.rmtree(workflow.folder / notes, ignore_errors=True)
    shutil.copytree(quick.folder / notes, workflow.folder / notes)
    planned = workflow.run(QUICK | {"replicates": 4}, "--dry-run")
    assert re.search(r"simulate +2\n", planned)


def test_a_killed_run_goes_on_and_ends_with_the_same_values(finished, workflow):
    process = workflow.start(STUDY, *ONLY_TABLES)
    fitted = workflow.results("small") / "fitted"
    wait_for(lambda: any(fitted.glob("*/*/*/fits.parquet")))
    kill(process)
    done = workflow.files("small")
    assert "estimates.parquet" not in done
    workflow.run(STUDY, *ONLY_TABLES)
    assert_same_values(workflow.results("small"), finished.results("small"))
    after = workflow.files("small")
    # Jobs in flight may be redone; what was finished before them is not.
    kept = [name for name in done if after.get(name) == done[name]]
    assert len(kept) >= 3
    assert not list(workflow.results("small").rglob(".*.part"))


@pytest.mark.parametrize("moment", [0.3, 1.0, 1.6, 2.2])
def test_a_run_killed_at_any_moment_needs_no_unlocking(quick, workflow, moment):
    process = workflow.start(QUICK)
    time.sleep(1.0)
    wait_for(lambda: (workflow.folder / ".snakemake").exists())
    time.sleep(moment)
    kill(process)
    workflow.run(QUICK, *ONLY_TABLES)
    assert_same_values(workflow.results("quick"), quick.results("quick"))


def changed(before: dict[str, int], after: dict[str, int]) -> set[str]:
    return {name for name in before if before[name] != after.get(name)}


FINAL = {
    *("manifest.json", "plan.json", "runs.json", "summary.txt", "study.yaml"),
    "provenance.json",
    *(f"{name}.parquet" for name in tables.SCHEMAS),
}


def assert_only_final_changed(before, after):
    assert {
        name
        for name in changed(before, after)
        if name not in FINAL and not name.startswith("figures/")
    } == set()


def test_growing_a_study_runs_only_what_is_new(workflow):
    study = QUICK | {"replicates": 1}
    workflow.run(study, *ONLY_TABLES)
    first = workflow.files("quick")
    small = values(workflow.results("quick"))["estimates"]
    steps = [
        {"replicates": 3},
        {"grid": {"levels": [[1, 2], [2, 2]], "rows": [60]}},
        {"replicates_per_job": 1},
    ]
    before = first
    for step in steps:
        study = study | step
        workflow.run(study, *ONLY_TABLES)
        after = workflow.files("quick")
        assert_only_final_changed(before, after)
        before = after
    batches = sorted({name.split("/")[2] for name in before if "simulated/" in name})
    assert batches == [
        "replicates-0-0",
        "replicates-0-1",
        "replicates-1-2",
        "replicates-2-2",
    ]
    grown = values(workflow.results("quick"))["estimates"].to_pandas()
    old = grown[grown["design"].isin(["levels-1-2_rows-60", "given"])]
    old = old[old["replicate"] < 1].reset_index(drop=True)
    assert old.equals(small.to_pandas())
    # Fewer replicates again: only the tables are written anew.
    workflow.run(study | {"replicates": 1}, *ONLY_TABLES)
    assert_only_final_changed(before, workflow.files("quick"))
    fewer = values(workflow.results("quick"))["estimates"].to_pandas()
    assert set(fewer["replicate"]) == {0}


def test_a_study_of_packs_grows_as_well(workflow):
    rows = [60, 61, 62, 63]
    study = {
        **QUICK,
        "replicates": 2,
        "designs_per_job": 3,
        "grid": {"levels": [[1, 2]], "rows": rows},
    }
    del study["replicates_per_job"]
    workflow.run(study, *ONLY_TABLES)
    before = workflow.files("quick")
    more = STUDY["designs"] | {"other": STUDY["designs"]["given"] | {"rows": 9}}
    steps = [
        {
            "grid": {"levels": [[2, 2], [1, 2]], "rows": [60, 62, 63, 64]},
            "replicates": 3,
        },
        {
            "designs": more,
            "designs_per_job": 1,
            "estimators": {"least_squares": {}, "homoscedastic": {}},
        },
    ]
    for step in steps:
        study = study | step
        workflow.run(study, *ONLY_TABLES)
        after = workflow.files("quick")
        assert_only_final_changed(before, after)
        before = after
    workflow.run(study)
    assert NOTHING in workflow.run(study)
    fresh = Workflow(workflow.folder / "fresh")
    fresh.folder.mkdir()
    fresh.run(study, *ONLY_TABLES)
    assert_same_values(workflow.results("quick"), fresh.results("quick"))


def test_other_studies_are_left_alone(quick, tmp_path):
    workflow = quick.copy(tmp_path)
    before = workflow.files("quick")
    workflow.run(QUICK | {"study": "other", "seed": 8}, *ONLY_TABLES)
    assert workflow.files("quick") == before
    one, other = (values(workflow.results(name)) for name in ("quick", "other"))
    assert not one["estimates"].equals(other["estimates"])


def steps(printed: str) -> int:
    return int(re.findall(r"of (\d+) steps", printed)[-1])


def test_contributors_that_do_not_meet_are_named_before_any_fit(workflow):
    study = QUICK | {
        "replicates_per_job": 3,
        "grid": {"levels": [[1, 8]], "rows": [17], "truth": ["fixed"]},
        "estimators": {"least_squares": {}, "maximum_likelihood": {}},
    }
    del study["designs"]
    printed = workflow.run(study)
    place = printed.index("some means are not identified")
    assert re.search(r"of replicate \d there are no rows of 1/\d", printed[place:])
    assert "levels-1-8_rows-17_truth-fixed: in" in printed[:place]
    assert place < printed.index("fit levels-1-8")
    folder = workflow.results("quick")
    estimates = pq.read_table(folder / "estimates.parquet").to_pandas()
    lost = estimates[~estimates["identified"]]
    assert set(lost["parameter"]) > {"mu", "sigma"}
    assert lost["estimate"].isna().all()
    # Drawn truths and draws are what calibration needs; there are none here.
    assert not (folder / "figures" / "calibration.png").exists()
    assert pq.read_table(folder / "calibration.parquet").num_rows == 0
    fits = pq.read_table(folder / "fits.parquet").to_pandas()
    failed = fits[fits["error"].notna()]
    assert set(failed["estimator"]) <= {"maximum_likelihood"}
    assert failed["error"].str.contains("no maximum").all()


def test_editing_the_library_reruns_what_depends_on_it(quick, copied):
    quick.copy(copied.folder)
    metrics = copied.source / "scripts" / "summands" / "recovery" / "metrics_table.py"
    metrics.write_text("# A remark.\n" + metrics.read_text())
    assert NOTHING in copied.run(QUICK)
    metrics.write_text(metrics.read_text() + "\nNEW = 1\n")
    # The tables, the figures and the page made of them, and the target itself.
    assert steps(copied.run(QUICK)) == 4
    generator = copied.source / "scripts" / "summands" / "data" / "generator.py"
    generator.write_text(generator.read_text() + "\nNEW = 1\n")
    assert steps(copied.run(QUICK)) == 4 + 4 + 4


FRAGILE = '''
"""Knows nothing, and fails on some data."""

import numpy as np

from summands.estimation.results import Point

READS = "cells"
SAMPLES = False
OPTIONS = {"limit": {"type": "number", "default": 0.0, "description": "Fails above."}}


def prepare(problem, options):
    pass


def estimate(cells, problem, options, seed, progress):
    if cells.mean[0] > options["limit"]:
        raise ArithmeticError("these cells are too high")
    size = 3 * problem.levels.contributors + 2
    return Point(np.zeros(size), np.ones(size), converged=True)
'''


def test_one_run_at_a_time(copied):
    """While a run, or a job that a killed run left behind, is alive."""
    copied.add_estimator("waiting", WAITING)
    study = {
        **QUICK,
        "replicates": 1,
        "grid": {"levels": [[1, 2]], "rows": [60]},
        "estimators": {"waiting": {}},
    }
    del study["designs"]
    process = copied.start(study)
    logs = copied.results("quick") / "logs" / "fit" / "waiting"
    wait_for(lambda: any("started" in log.read_text() for log in logs.rglob("*.log")))
    refused = copied.run(study, fails=True)
    assert "is in use by another run of this study" in refused
    assert f"process {process.pid}" in refused
    assert "Traceback" not in refused
    # Killed alone, the run leaves its job behind.
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert "is in use by" in copied.run(study, fails=True)
    kill(process)
    (copied.folder / GO_ON).touch()
    copied.run(study)


def test_a_new_estimator_is_one_module_and_its_failures_are_rows(copied):
    copied.add_estimator("fragile", FRAGILE)
    study = QUICK | {
        "replicates": 8,
        "replicates_per_job": 8,
        "estimators": {"fragile": {"limit": 0.1}},
    }
    copied.run(study)
    fits = pq.read_table(copied.results("quick") / "fits.parquet").to_pandas()
    failed = fits["error"].notna()
    assert 0 < failed.sum() < len(fits)
    assert set(fits["error"].dropna()) == {"ArithmeticError: these cells are too high"}
    assert not fits[failed]["converged"].any()
    estimates = pq.read_table(copied.results("quick") / "estimates.parquet").to_pandas()
    assert len(estimates) == len(fits) * 11
    recovery = pq.read_table(copied.results("quick") / "recovery.parquet").to_pandas()
    rmse = recovery.query("gate == 'all' and metric == 'rmse'")
    used = rmse.groupby("design")["replicates"].max()
    good = fits[~failed].groupby("design").size()
    assert (used == good).all()


def test_a_run_ends_with_its_page(finished):
    text = (finished.results("small") / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    for words in ("bayesian_ridge", "results/small/", "replicates: 3", "nutpie"):
        assert words in text


def test_a_report_of_snakemake_is_written_from_a_finished_study(finished, tmp_path):
    copy = finished.copy(tmp_path / "copy")
    path = copy.results("small") / "provenance.html"
    copy.run(STUDY, "--report", str(path))
    text = path.read_text()
    for words in ("truth against estimate", "Monte-Carlo", "small"):
        assert words in text
    assert NOTHING in copy.run(STUDY), "it is none of the results"


def test_the_default_study_is_planned_without_a_study_file(workflow):
    command = workflow.command(QUICK, "--dry-run")
    at = command.index("--configfile")
    del command[at : at + 2]
    process = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    )
    printed = process.stdout + process.stderr
    assert re.search(r"sample +8\n", printed)
    assert "levels-2-3-5-10-10_rows-10000" in printed
    assert not (workflow.folder / "results").exists()


def test_study_files_stand_alone(workflow):
    """Nothing of the default study, its named designs above all, leaks in."""
    study = {key: value for key, value in QUICK.items() if key != "designs"}
    workflow.run(study, *ONLY_TABLES)
    (row,) = pq.read_table(workflow.results("quick") / "designs.parquet").to_pylist()
    assert row["design"] == "levels-1-2_rows-60"
    fits = pq.read_table(workflow.results("quick") / "fits.parquet").to_pandas()
    assert set(fits["estimator"]) == {"least_squares"}
    assert fits["replicate"].nunique() == 3
