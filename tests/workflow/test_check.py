"""The check of an observed table, as a user runs it."""

import pandas as pd
import pyarrow.parquet as pq
import pytest

from summands.study import answers

from .conftest import Workflow
from .test_observed import LOTS, SAMPLER, TOOLS, in_folder

ESTIMATORS = ("nutpie", "homoscedastic", "huber")


def study(**check) -> dict:
    return {
        "study": "checked",
        "seed": 5,
        "observed": {
            "table": "my data/rows.csv",
            "value": "the value",
            "levels": ["tool", "lot"],
        },
        "check": {"replicates": 4, "replicates_per_job": 2} | check,
        "estimators": {"nutpie": SAMPLER, "homoscedastic": {}, "huber": {}},
    }


@pytest.fixture(scope="session")
def done(once):
    def fill(folder):
        printed = in_folder(folder).run(study())
        (folder / "printed.txt").write_text(printed)

    folder = once("checked", fill)
    made = Workflow(folder / "a folder")
    made.printed = (folder / "printed.txt").read_text()
    return made


@pytest.fixture
def copy(done, tmp_path):
    return done.copy(tmp_path / "a folder")


def tables(workflow: Workflow) -> dict:
    folder = workflow.results("checked")
    return {
        name: pq.read_table(folder / f"{name}.parquet") for name in answers.OF_CHECK
    }


def test_all_estimators_fit_each_table_and_the_sampler_once_more(done):
    found = tables(done)
    for name, table in found.items():
        assert table.schema.equals(answers.OF_CHECK[name]), name
        assert table.num_rows, name
    fits = found["check_fits"].to_pandas()
    assert fits["error"].isna().all()
    whose = fits.groupby(["design", "estimator"])["replicate"].apply(sorted)
    assert whose.to_dict() == {
        **{("alone", name): [0, 1, 2, 3] for name in ESTIMATORS},
        ("joint", "nutpie"): [0, 1, 2, 3],
    }
    held = found["held"].to_pandas()
    assert set(held["estimator"]) == set(ESTIMATORS)
    # Of others one noise for all is not so: one tool is five times as noisy.
    assert (held.loc[held["estimator"] == "nutpie", "coverage_95"] > 0.5).all()
    recovery = found["recovery"].to_pandas()
    assert set(recovery["design"]) == {"alone"}
    assert set(recovery["label"].dropna()) == {"all", *TOOLS, *LOTS}
    assert set(found["calibration"]["design"].to_pylist()) == {"joint"}
    assert set(found["calibration"]["verdict"].to_pylist()) <= {"passed", "failed"}


def test_truths_are_those_of_the_table_and_not_of_its_unit(done):
    """A baseline of 1e6, and the tool that shifts is the one that does."""
    estimates = tables(done)["check_estimates"].to_pandas()
    truth = estimates[estimates["parameter"] == "intercept"]["truth"]
    assert truth.between(1e6, 1e6 + 3).all()
    mu = estimates[(estimates["parameter"] == "mu") & (estimates["level"] == 1)]
    highest = mu.loc[mu.groupby(["design", "replicate"])["truth"].idxmax(), "label"]
    assert set(highest) == {TOOLS[3]}


def test_it_is_said_before_and_after(done):
    before, _, after = done.printed.partition("Building DAG")
    assert "3 fits of 144 rows" in before
    assert "16 fits of 4 like it" in before
    assert "Whether it would be found again:" in after
    assert "On tables like yours (4 were drawn from the posterior of nutpie" in (
        " ".join(after.split())
    )
    page = (done.results("checked") / "report.html").read_text()
    assert 'class="finding note seal"' in page
    assert (done.results("checked") / "figures" / "again.png").stat().st_size


def test_more_tables_run_alone_and_change_none(copy):
    before = copy.files("checked")
    kept = tables(copy)["check_estimates"]
    printed = copy.run(study(replicates=6))
    assert printed.count("draw tables like the observed one") == 1
    assert "fit the table with" not in printed
    after = copy.files("checked")
    batches = {name for name in before if name.startswith("checked/")}
    assert {name: after[name] for name in batches} == {
        name: before[name] for name in batches
    }
    grown = tables(copy)["check_estimates"].to_pandas()
    same = grown[grown["replicate"] < 4].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, kept.to_pandas(), check_exact=True)


def test_what_is_deleted_is_made_again_and_nothing_else(copy):
    folder = copy.results("checked")
    before = tables(copy)
    gone = folder / "checked/replicates-2-3/joint/nutpie/fits.parquet"
    gone.unlink()
    printed = copy.run(study())
    assert printed.count("fit tables like the observed one") == 1
    after = tables(copy)
    assert after["check_estimates"].equals(before["check_estimates"])
    assert "Nothing to be done" in copy.run(study())


def test_a_cut_changes_no_value(done, tmp_path):
    workflow = in_folder(tmp_path)
    given = study(replicates_per_job=3)
    given["estimators"] = {"nutpie": SAMPLER}
    workflow.run(given, "--until", "check")
    mine = tables(workflow)["check_estimates"]
    theirs = tables(done)["check_estimates"].to_pandas()
    theirs = theirs[theirs["estimator"] == "nutpie"].reset_index(drop=True)
    # Beside estimators without draws ranks may be null.
    pd.testing.assert_frame_equal(
        mine.to_pandas(), theirs, check_dtype=False, check_exact=True
    )
