"""Layouts, noises and truths, from the study file to the tables."""

import re

import pandas as pd
import pytest

from .conftest import ONLY_TABLES, Workflow, values

LINES = [f"{tool},{lot}" for lot in (1, 2, 3) for tool in "ABAC"] * 3
TABLE = {"table": "lots.csv", "levels": ["tool", "lot"]}
STUDY = {
    "study": "mechanisms",
    "replicates": 2,
    "keep_rows": False,
    "designs_per_job": 20,
    "grid": {
        "levels": [[1, 3, 3]],
        "rows": [72],
        "layout": ["balanced", {"nested": True}, {"chunked": 12}, TABLE],
        "noise": ["normal", {"student_t": 4}],
        "truth": [{"one_off": {"shift": 3, "noise": 2}}],
    },
    "designs": {
        "own": {
            "rows": [30, 60],
            "drift": 0.5,
            "coefficients": {
                "line": {"base": [10, 1]},
                "tool": {"A": [0, 1], "B": [2, 3]},
            },
        }
    },
    "estimators": {"least_squares": {}},
}


def write(folder, lines=LINES):
    (folder / "lots.csv").write_text("\n".join(["tool,lot", *lines]) + "\n")


@pytest.fixture(scope="module")
def made(once):
    def fill(folder):
        write(folder)
        (folder / "printed").write_text(Workflow(folder).run(STUDY, *ONLY_TABLES))

    return Workflow(once("mechanisms", fill))


def test_every_design_is_simulated_and_fitted(made):
    results = made.results("mechanisms")
    designs = pd.read_parquet(results / "designs.parquet")
    assert len(designs) == 4 * 2 + 2
    fits = pd.read_parquet(results / "fits.parquet")
    assert len(fits) == 2 * len(designs)
    assert fits["error"].isna().all()
    assert not list(results.rglob("rows.parquet"))
    # Names of the table's contributors and of variants, also where designs share files.
    estimates = pd.read_parquet(results / "estimates.parquet")
    of_table = estimates[estimates["design"].str.contains("layout-table")]
    labels = of_table.query("parameter == 'mu' and level == 1")["label"]
    assert {*labels} == {"A", "B", "C"}
    own = estimates.query(
        "design == 'own_rows-30' and parameter == 'mu' and level == 1"
    )
    assert {*own["label"]} == {"A", "B"}
    assert len(list((results / "simulated").iterdir())) == 3


def test_means_that_a_layout_leaves_open_are_told(made):
    printed = (made.folder / "printed").read_text()
    told = {
        *re.findall(r"^summands: (\S+): in 2 of the data sets .* not", printed, re.M)
    }
    designs = pd.read_parquet(made.results("mechanisms") / "designs.parquet")
    nested = designs["layout"] == '{"nested": true}'
    assert told >= {*designs[nested]["design"]}
    assert not told & {*designs[designs["layout"] == "balanced"]["design"]}


def test_the_one_that_is_off_is_in_the_truth(made):
    files = list((made.results("mechanisms") / "simulated").rglob("truth.parquet"))
    truth = pd.concat([pd.read_parquet(file) for file in files])
    sigma = truth.query("parameter == 'sigma' and off.notna()")
    assert (
        sigma.groupby(["design", "replicate"], observed=True)["off"].sum().eq(1).all()
    )
    others = sigma["off"].eq(False)
    assert sigma[others]["truth"].eq(1).all()
    assert sigma[~others]["truth"].eq(2).all()


def test_another_table_runs_what_depends_on_it_and_nothing_else(made, tmp_path):
    again = made.copy(tmp_path / "again")
    before = values(again.results("mechanisms"))["estimates"].to_pandas()
    # Other values in the same rows.
    write(again.folder, [f"{line},7" for line in LINES])
    text = (again.folder / "lots.csv").read_text().replace("tool,lot", "tool,lot,value")
    (again.folder / "lots.csv").write_text(text)
    assert re.search(r"total +0\n", again.run(STUDY, *ONLY_TABLES))
    write(again.folder, LINES[::-1])
    planned = again.run(STUDY, *ONLY_TABLES, "--dry-run")
    assert re.search(r"simulate +2\n", planned)
    again.run(STUDY, *ONLY_TABLES)
    after = values(again.results("mechanisms"))["estimates"].to_pandas()
    of_table = before["design"].astype(str).str.contains("layout-table")
    kept = after[~after["design"].astype(str).str.contains("layout-table")]
    pd.testing.assert_frame_equal(
        kept.reset_index(drop=True), before[~of_table].reset_index(drop=True)
    )
    assert not {*after["design"]} & {*before[of_table]["design"]}


def test_a_mistake_ends_with_one_message(workflow):
    write(workflow.folder)
    broken = STUDY | {"grid": STUDY["grid"] | {"layout": [TABLE | {"levels": ["tol"]}]}}
    said = workflow.run(broken, fails=True)
    assert 'level "tol": there is no column "tol"; did you mean "tool"?' in said
    assert "has 1 problem" in said
    assert "Traceback" not in said
