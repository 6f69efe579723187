"""What a study asks: what counts, what does not, and what differs."""

import copy
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from summands.study import asked, study

ROOT = Path(__file__).parents[3]
BASE = {
    "study": "s",
    "seed": 3,
    "precision": {"coverage_95": 0.05},
    "grid": {"levels": [[1, 2]], "rows": [100], "truth": ["drawn", "fixed"]},
    "designs": {
        "a.b": {
            "rows": 50,
            "coefficients": {"line 1": {"Ж": [1e6, 1]}, 'a "b"': {"x y": [0, 1]}},
        }
    },
    "estimators": {"nutpie": {"draws": 500}, "huber": {}},
}


def asks(document: dict, **changes) -> dict:
    return asked.content(study.load(document | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"study": "other"},
        {"aims": "To know."},
        {"replicates_per_job": 1},
        {"designs_per_job": 2},
        {"keep_posteriors": False},
        {"precision": {"coverage_95": 0.050}},
        {"replicates": 19},
        {"seed": 3.0},
        {"grid": {"truth": ["drawn", "fixed"], "rows": [100.0], "levels": [[1, 2.0]]}},
        {"estimators": {"huber": {"threshold": 1.345}, "nutpie": {"draws": 500.0}}},
    ],
    ids=str,
)
def test_names_words_cuts_and_ways_to_write_do_not_count(changes):
    first, second = asks(BASE), asks(BASE, **changes)
    assert asked.digest(first) == asked.digest(second)
    assert asked.changes(first, second) == []


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        (["seed"], 4, [("seed", "3", "4")]),
        (["grid", "rows"], [100, 200], [("grid.rows", "[100]", "[100, 200]")]),
        (
            ["estimators", "nutpie", "draws"],
            501,
            [("estimators.nutpie.draws", "500", "501")],
        ),
        (
            ["designs", "a.b", "coefficients", 'a "b"', "x y"],
            [0, 2],
            [('designs.a.b.coefficients.a "b".x y', "[0, 1]", "[0, 2]")],
        ),
        (
            ["precision"],
            {"coverage_95": 0.04},
            [("precision.coverage_95", "0.05", "0.04"), ("replicates", "19", "30")],
        ),
    ],
)
def test_all_else_counts_and_is_told_key_by_key(path, value, shown):
    other = copy.deepcopy(BASE)
    place = other
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    first, second = asks(BASE), asks(other)
    assert asked.digest(first) != asked.digest(second)
    told = [
        (one.place, asked.shown(one.before), asked.shown(one.after))
        for one in asked.changes(first, second)
    ]
    assert told == shown


def test_what_comes_and_goes_is_told_as_missing():
    less = asks(BASE, estimators={"huber": {}})
    gone = {one.place: one for one in asked.changes(asks(BASE), less)}
    assert "estimators.nutpie.draws" in gone
    assert all(one.after is asked.MISSING for one in gone.values())
    assert asked.shown(asked.MISSING) == "-"


@pytest.mark.usefixtures("few_truths")
@pytest.mark.parametrize(
    "path", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda path: path.stem
)
def test_a_study_that_is_written_out_asks_the_same(path, monkeypatch):
    checked = study.read(path)
    first = asked.content(checked)
    assert first == json.loads(json.dumps(first))
    # As results/<study>/study.yaml: tables of layouts are named from here.
    text = yaml.safe_dump(checked.resolved, sort_keys=False)
    again = study.load(yaml.safe_load(text), folder=Path())
    assert asked.digest(asked.content(again)) == asked.digest(first)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=2), PLAIN, max_size=3),
    st.dictionaries(st.text(max_size=2), PLAIN, max_size=3),
)
def test_changes_are_told_if_and_only_if_digests_differ(one, other):
    same = asked.digest(one) == asked.digest(other)
    assert same == (asked.changes(one, other) == [])
    assert len(asked.changes(one, other)) == len(asked.changes(other, one))
    assert asked.changes(one, copy.deepcopy(one)) == []


def test_a_layout_counts_by_its_rows_and_not_by_its_place(tmp_path):
    def written(folder: Path, table: str) -> dict:
        folder.mkdir()
        (folder / "lots of it.csv").write_text(table)
        file = folder / "s.yaml"
        layout = [{"table": "lots of it.csv", "levels": ["tool"]}]
        grid = {"layout": layout, "rows": [60]}
        document = {"study": "s", "grid": grid, "estimators": {"huber": {}}}
        file.write_text(yaml.safe_dump(document))
        return asked.content(study.read(file))

    first = written(tmp_path / "one", "tool,x\nA,1\nЖ b,2\n")
    moved = written(tmp_path / "an other", "tool,x\nA,7\nЖ b,8\n")
    other = written(tmp_path / "third", "tool,x\nA,1\nA,2\nЖ b,2\n")
    assert asked.digest(first) == asked.digest(moved)
    (change,) = asked.changes(first, other)
    assert change.place == "grid.layout"


def test_an_observed_table_counts_by_its_name(tmp_path):
    document = {
        "study": "s",
        "observed": {"table": "a b/t.csv", "value": "x", "levels": ["tool"]},
        "check": {"replicates_per_job": 7},
        "estimators": {"nutpie": {}},
    }
    moved = copy.deepcopy(document)
    moved["observed"]["table"] = str(tmp_path / "t.csv")
    moved["check"]["replicates_per_job"] = 8
    assert asks(document) == asks(moved)
    moved["observed"]["value"] = "y"
    (change,) = asked.changes(asks(document), asks(moved))
    assert change.place == "observed.value"
