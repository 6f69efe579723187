"""Observed tables, taken apart as a user does it."""

import csv
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from summands.study import answers

from .conftest import Workflow

TOOLS = ['A "new"', "<script>", "機械 3", "$x$ {y}"]
LOTS = ["01", "02", "10"]
SHIFT = dict(zip(TOOLS, (0.0, 0.0, 0.0, 4.0), strict=True))
NOISE = dict(zip(TOOLS, (1.0, 1.0, 5.0, 1.0), strict=True))

SAMPLER = {"tune": 300, "draws": 500}


def rows(seed: int = 1, each: int = 12) -> list[dict]:
    """Four tools and three lots: the last tool shifts, the third is noisy."""
    rng = np.random.default_rng(seed)
    return [
        {
            "the value": 1e6 + SHIFT[tool] + NOISE[tool] * rng.normal(),
            "tool": tool,
            "lot": lot,
            "site": "B" if number else "C",
        }
        for tool in TOOLS
        for lot in LOTS
        for number in range(each)
    ]


def write(path: Path, table: list[dict], above: str = "", **layout: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(above)
        writer = csv.DictWriter(file, list(table[0]), **layout)
        writer.writeheader()
        writer.writerows(table)
    return path


def study(**observed) -> dict:
    given = {
        "table": "my data/rows.csv",
        "value": "the value",
        "levels": ["tool", "lot"],
        "where": "site == 'B'",
        "gauge": {"part": "lot", "operator": "tool", "tolerance": 30},
        "differences": ["tool"],
    }
    return {
        "study": "table",
        "seed": 5,
        "observed": given | observed,
        "estimators": {
            "nutpie": SAMPLER,
            "constant": {"method": "nutpie", "noise": "constant", **SAMPLER},
            "maximum_likelihood": {},
            "homoscedastic": {},
            "least_squares": {},
            "bayesian_ridge": {},
        },
    }


def in_folder(folder: Path, table: list[dict] | None = None) -> Workflow:
    place = folder / "a folder"
    place.mkdir()
    write(place / "my data" / "rows.csv", table or rows())
    return Workflow(place)


@pytest.fixture(scope="session")
def done(once):
    """The table taken apart, once for all tests."""
    folder = once("observed", lambda folder: in_folder(folder).run(study()))
    return Workflow(folder / "a folder")


@pytest.fixture
def copy(done, tmp_path):
    return done.copy(tmp_path / "a folder")


def tables(workflow: Workflow) -> dict:
    folder = workflow.results("table")
    return {name: pq.read_table(folder / f"{name}.parquet") for name in answers.SCHEMAS}


def test_the_answer_is_found(done):
    found = tables(done)
    for name, table in found.items():
        assert table.schema.equals(answers.SCHEMAS[name]), name
        assert table.num_rows, name
    frames = {name: table.to_pandas() for name, table in found.items()}
    assert frames["fits"]["converged"].all()
    estimates = frames["estimates"]
    assert set(estimates["design"]) == {"observed"}
    assert set(estimates["replicate"]) == {0}
    for column in ("truth", "rank", "rank_of", "bound", "crps"):
        assert estimates[column].isna().all(), column
    assert set(estimates["label"].dropna()) == {"all", *TOOLS, *LOTS}
    ranking = frames["ranking"]
    sure = ranking[ranking["probability"] > 0.9].set_index(["estimator", "question"])
    assert sure.loc[("nutpie", "highest_mu"), "label"] == TOOLS[3]
    assert sure.loc[("nutpie", "noisiest"), "label"] == TOOLS[2]
    whole = ranking.groupby(["estimator", "level", "question"])["probability"].sum()
    np.testing.assert_allclose(whole, 1.0)
    shares = frames["components"].groupby("estimator")["share"].sum()
    np.testing.assert_allclose(shares, 1.0)
    assert list(frames["comparison"]["estimator"]) == ["nutpie", "constant"]
    printed = (done.results("table") / "summary.txt").read_text()
    assert "132 rows of the value" in printed
    assert "left out by the filter: 12 rows" in printed
    assert f"highest   {TOOLS[3]}" in printed
    assert f"noisiest  {TOOLS[2]}" in printed
    for name in ("shares", "means", "noise"):
        assert (done.results("table") / "figures" / f"{name}.png").stat().st_size


def test_nothing_runs_twice_and_a_touched_table_changes_nothing(copy):
    before = copy.files("table")
    table = copy.folder / "my data" / "rows.csv"
    os.utime(table, (1_900_000_000, 1_900_000_000))
    assert "Nothing to be done" in copy.run(study())
    after = copy.files("table")
    assert {k: v for k, v in after.items() if k != "table.json"} == {
        k: v for k, v in before.items() if k != "table.json"
    }


def test_a_changed_table_is_taken_apart_again(copy):
    changed = rows()
    changed[0]["site"], changed[1]["the value"] = "B", 1e6 + 3.0
    write(copy.folder / "my data" / "rows.csv", changed)
    printed = copy.run(study())
    assert "read the table" in printed
    assert "133 rows of the value" in printed


def test_a_new_estimator_runs_alone(copy):
    given = study()
    # One that reads rows, where cells are what the others read.
    given["estimators"]["other"] = {"method": "huber", "threshold": 2.0}
    printed = copy.run(given)
    assert "fit the table with other" in printed
    assert printed.count("fit the table with") == 1
    assert "read the table" not in printed
    estimates = tables(copy)["estimates"].to_pandas()
    mine = estimates[(estimates["parameter"] == "mu") & (estimates["level"] == 1)]
    highest = mine.loc[mine.groupby("estimator")["estimate"].idxmax(), "label"]
    assert (highest == TOOLS[3]).all()
    assert len(highest) == 1 + len(study()["estimators"])


def test_parts_in_another_order_give_the_same_to_the_last_bit(copy, tmp_path):
    """Of rows, of columns, and in a file of another kind."""
    table = pacsv.read_csv(
        copy.folder / "my data" / "rows.csv",
        convert_options=pacsv.ConvertOptions(column_types={"lot": pa.string()}),
    )
    other = tmp_path / "other"
    (other / "my data" / "parts").mkdir(parents=True)
    order = np.random.default_rng(2).permutation(len(table))
    shuffled = table.take(order).select(["lot", "site", "tool", "the value"])
    pq.write_table(shuffled.slice(0, 50), other / "my data" / "parts" / "b.parquet")
    pq.write_table(shuffled.slice(50), other / "my data" / "parts" / "a.parquet")
    workflow = Workflow(other)
    workflow.run(study(table="my data/parts"))
    for name, mine in tables(workflow).items():
        theirs = tables(copy)[name]
        if name == "fits":
            mine, theirs = (t.drop_columns(["seconds"]) for t in (mine, theirs))
        assert mine.equals(theirs), name


def test_another_layout_gives_the_same_cells(done, tmp_path):
    workflow = Workflow(tmp_path)
    commas = [
        row | {"the value": str(row["the value"]).replace(".", ",")} for row in rows()
    ]
    write(tmp_path / "my data" / "rows.csv", commas, 'Of "A"\n;;\n', delimiter=";")
    said = {"separator": ";", "decimal": ",", "skip_lines": 2}
    workflow.run(study(**said), "--until", "observe")
    for name in ("cells", "levels", "rows"):
        one, same = (
            pq.read_table(each.results("table") / "observed" / f"{name}.parquet")
            for each in (workflow, done)
        )
        assert one.equals(same), name


@pytest.mark.parametrize(
    ("observed", "message"),
    [
        ({"table": "my data/row.csv"}, "no such file; did you mean"),
        ({"value": "value"}, 'did you mean "the value"?'),
        ({"levels": ["tool", "lot", "sites"]}, 'did you mean "site"?'),
        ({"where": "site = 'B'"}, "where"),
        ({"value": "site"}, "site"),
        (
            {"where": "site == 'nowhere'"},
            "none of 144 rows is such that site == 'nowhere'",
        ),
    ],
)
def test_bad_input_is_one_message_and_nothing_half_written(tmp_path, observed, message):
    workflow = in_folder(tmp_path)
    printed = workflow.run(study(**observed), fails=True)
    assert message in printed
    assert "Traceback" not in printed
    assert not list(workflow.results("table").rglob("*.parquet"))


def test_a_table_gone_bad_ends_a_run_with_its_fault_and_takes_the_summary_away(copy):
    """The run's log keeps what Snakemake has to say."""
    summary = copy.results("table") / "summary.txt"
    (copy.folder / "my data" / "rows.csv").write_text("the value,tool\n1,a\n")
    *_, said, note = copy.run(study(), fails=True).splitlines()
    assert 'there is no column "site"' in said
    assert note == "(results/table/summary.txt is of an earlier run)"
    assert summary.exists()
    # Too large to be read before the run starts.
    bad = [row | {"note": "x" * 60_000} for row in rows()]
    write(copy.folder / "my data" / "rows.csv", bad)
    printed = copy.run(study(), "--until", "observe")
    told = "\nsummands: 132 rows in 12 cells (tool (4), lot (3))\n"
    assert told in printed.partition("read the table")[2]
    bad[40]["the value"] = "n.a."
    write(copy.folder / "my data" / "rows.csv", bad)
    printed = copy.run(study(), fails=True)
    told = 'my data/rows.csv: column "the value", line 42: "n.a." is not a number'
    assert printed.endswith(f"read the table\nsummands: {told}\n")
    assert not summary.exists()
    *_, log = sorted((copy.folder / ".snakemake" / "log").iterdir())
    assert "Error in rule observe" in log.read_text()
    write(copy.folder / "my data" / "rows.csv", rows())
    printed = copy.run(study())
    assert summary.exists()
    takes = "takes, in all: 6 fits of 132 rows in 12 cells (tool (4), lot (3)), about 1"
    assert takes in printed.partition("Building DAG")[0]


def test_too_many_pairs_are_refused(tmp_path):
    table = [
        row | {"serial": str(number % 150)} for number, row in enumerate(rows(each=40))
    ]
    workflow = in_folder(tmp_path, table)
    given = study(levels=["tool", "serial"], differences=["serial"])
    del given["observed"]["gauge"]
    given["estimators"] = {"homoscedastic": {}}
    printed = workflow.run(given, fails=True)
    *_, said = printed.splitlines()
    assert said.startswith("summands: observed.differences")
    assert "Error in rule" not in printed
