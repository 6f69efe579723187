"""Layouts, noises and truths of a study file."""

import copy
import json
import os

import pytest
import yaml

from summands.data import layouts, mechanisms, noises, truths
from summands.data.layouts import Balanced, Chunked, Table, Uniform
from summands.data.noises import Contaminated, StudentT
from summands.data.truths import OneOff
from summands.study import plan, sizing, study, tables
from summands.study.validation import StudyError

GRID = {"levels": [[1, 3]], "rows": [50]}
TOOLS = {"line": {"base": [10, 1]}, "tool": {"A": [0, 1], "B": [2, 3]}}
TABLE = {"table": "lots.csv", "levels": ["tool"]}


def document(grid=None, **designs):
    made = {"study": "s", "replicates": 2, "estimators": {"least_squares": {}}}
    if grid is not None:
        made["grid"] = GRID | grid
    if designs:
        made["designs"] = designs
    return copy.deepcopy(made)


def complaint(given, *where):
    with pytest.raises(StudyError) as caught:
        study.load(given, *where)
    first, *lines = str(caught.value).splitlines()
    assert first == f"the study has {len(lines)} problem{'s' * (len(lines) > 1)}:"
    return [line.removeprefix("  - ") for line in lines]


@pytest.fixture
def lots(tmp_path, monkeypatch):
    """A table in a folder beside that of the run, with the study file."""
    (tmp_path / "run").mkdir()
    (tmp_path / "studies").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    path = tmp_path / "studies" / "lots.csv"
    path.write_text("tool,lot\n" + "B,1\nA,1\nB,2\nA,2\nA,3\n" * 3)
    return path


KINDS = (*layouts.KINDS, *noises.KINDS, *truths.KINDS)


def test_what_the_reference_shows_is_read():
    for kind in KINDS:
        if kind is Table:
            continue
        written = yaml.safe_load(mechanisms.example(kind))
        key = next(
            key
            for key, family in (
                ("layout", layouts.KINDS),
                ("noise", noises.KINDS),
                ("truth", truths.KINDS),
            )
            if kind in family
        )
        given = document({"levels": [[1, 10, 10]], key: [written]})
        (made,) = study.load(given).designs.values()
        assert isinstance(getattr(made, key), kind)


def test_a_key_at_its_default_changes_nothing():
    """Neither ids nor contents, from which all seeds are made."""
    plain = study.load(document({})).designs
    defaults = {
        "layout": ["uniform"],
        "noise": ["normal"],
        "interaction_sd": [0],
        "drift": [0],
        "autocorrelation": [0],
        "truth": ["drawn"],
    }
    stated = study.load(document(defaults)).designs
    assert stated == plain
    assert list(stated) == ["levels-1-3_rows-50"]
    assert plain["levels-1-3_rows-50"].content == {"levels": [1, 3], "rows": 50}


def test_mechanisms_multiply_with_all_other_keys():
    given = {
        "rows": [50, 500],
        "layout": ["uniform", "balanced", {"chunked": 25}],
        "noise": ["normal", {"contaminated": {"share": 0.01, "factor": 10}}],
        "drift": [0, 1],
        "truth": ["drawn", {"one_off": {"shift": 3}}],
    }
    designs = study.load(document(given)).designs
    assert len(designs) == 2 * 3 * 2 * 2 * 2
    found = designs[
        "levels-1-3_rows-500_truth-one_off-shift-3_layout-chunked-25"
        "_noise-contaminated-share-0.01-factor-10_drift-1"
    ]
    assert found.layout == Chunked(25)
    assert found.noise == Contaminated(0.01, 10.0)
    assert found.truth == OneOff(3.0)
    assert found.drift == 1.0


def test_whole_and_decimal_numbers_are_one():
    def designs(number):
        given = {
            "layout": [{"unequal": number(2)}],
            "noise": [{"student_t": number(4)}],
            "truth": [{"one_off": {"shift": number(3), "level": number(1)}}],
            "drift": [number(1)],
        }
        return study.load(document(given)).designs

    assert designs(int) == designs(float)
    assert list(designs(int)) == list(designs(float))


BROKEN = {
    "a word that is no layout": (
        {"layout": ["balancd"]},
        "grid.layout[0]: 'balancd' is not one of: uniform, balanced, {unequal: 1.5}, "
        "{nested: true}, {sparse: 0.3}, {chunked: 25}, "
        "{table: lots.csv, levels: [tool, lot]}",
    ),
    "a layout without its option": (
        {"layout": ["nested"]},
        "grid.layout[0]: 'nested' is not one of: uniform, balanced, {unequal: 1.5}, "
        "{nested: true}, {sparse: 0.3}, {chunked: 25}, "
        "{table: lots.csv, levels: [tool, lot]}",
    ),
    "no list": ({"layout": "balanced"}, "grid.layout: 'balanced' is not a list"),
    "a key that is no layout": (
        {"layout": [{"chunk": 25}]},
        'grid.layout[0].chunk: unknown key; did you mean "chunked"?',
    ),
    "two layouts in one": (
        {"layout": [{"chunked": 25, "sparse": 0.3}]},
        "grid.layout[0]: has chunked and sparse, which are one or the other; keep one",
    ),
    "an empty layout": (
        {"layout": [{}]},
        "grid.layout[0]: is empty; give at least 1",
    ),
    "a lot of one": (
        {"layout": [{"chunked": 1}]},
        "grid.layout[0].chunked: 1 is less than 2",
    ),
    "nested or not": (
        {"layout": [{"nested": False}]},
        "grid.layout[0].nested: False is not one of: true",
    ),
    "a share above 1": (
        {"layout": [{"sparse": 30}]},
        "grid.layout[0].sparse: 30 is not less than 1",
    ),
    "sizes that cannot nest": (
        {"levels": [[1, 5, 3]], "layout": [{"nested": True}]},
        "grid.levels[0] with grid.rows[0]: the 3 contributors of level 2 cannot be "
        "inside the 5 of level 1, as each of those needs one: give levels that do not "
        "get smaller, or another layout than nested",
    ),
    "too few crossings": (
        {"layout": ["uniform", {"sparse": 0.3}]},
        "grid.levels[0] with grid.rows[0] with grid.layout[1]: sparse 0.3 leaves 1 of "
        "the 3 crossings of levels [1, 3], and the means can be told apart with 3 at "
        "the least: give a larger share",
    ),
    "a table without levels": (
        {"layout": [{"table": "lots.csv"}]},
        "grid.layout[0].levels: missing",
    ),
    "a table with another key": (
        {"layout": [TABLE | {"gauge": "x"}]},
        "grid.layout[0].gauge: unknown key; known here: decimal, levels, missing, "
        "separator, skip_lines, table, where",
    ),
    "no such table": (
        {"layout": [TABLE | {"table": "lost.csv"}]},
        'grid.layout[0]: ../studies/lost.csv: no such file; did you mean "lots.csv"?',
    ),
    "no such column": (
        {"layout": [TABLE | {"levels": ["tol"]}]},
        'grid.layout[0]: ../studies/lots.csv: level "tol": there is no column "tol"; '
        'did you mean "tool"?',
    ),
    "levels that are not the table's": (
        {"layout": [TABLE]},
        "grid.levels[0] with grid.rows[0]: the levels [1, 3] are not those of the "
        "table, [1, 2]",
    ),
    "too heavy tails": (
        {"noise": [{"student_t": 2}]},
        "grid.noise[0].student_t: 2 is not more than 2",
    ),
    "a share without a factor": (
        {"noise": [{"contaminated": {"share": 0.01}}]},
        "grid.noise[0].contaminated.factor: missing",
    ),
    "an option that there is not": (
        {"noise": [{"contaminated": {"share": 0.1, "factr": 3, "factor": 3}}]},
        'grid.noise[0].contaminated.factr: unknown key; did you mean "factor"?',
    ),
    "a number for a mapping": (
        {"noise": [{"contaminated": 0.01}]},
        "grid.noise[0].contaminated: 0.01 is not a mapping (key: value)",
    ),
    "a noise that is a number": (
        {"noise": [4]},
        "grid.noise[0]: 4 is not one of: normal, {student_t: 4}, {skew_normal: 5}, "
        "{contaminated: {share: 0.01, factor: 10}}",
    ),
    "an infinite shape": (
        {"noise": [{"skew_normal": float("inf")}]},
        "grid.noise[0].skew_normal: inf is not a finite number",
    ),
    "noise that never forgets": (
        {"autocorrelation": [1]},
        "grid.autocorrelation[0]: 1 is not less than 1",
    ),
    "a negative drift": ({"drift": [-1]}, "grid.drift[0]: -1 is less than 0"),
    "a truth that is no word": (
        {"truth": ["one_off"]},
        "grid.truth[0]: 'one_off' is not one of: drawn, fixed, "
        "{one_off: {shift: 3, noise: 3, level: 1}}",
    ),
    "a level that has but one": (
        {"truth": [{"one_off": {"shift": 3, "level": 0}}]},
        "grid.levels[0] with grid.rows[0]: one_off.level 0: has one contributor, which "
        "differs from nobody",
    ),
    "a mistake in a named design": (
        {"truth": [{"one_off": {"shfit": 3}}]},
        'grid.truth[0].one_off.shfit: unknown key; did you mean "shift"?',
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_is_explained_by_one_message(lots, name):
    given, expected = BROKEN[name]
    assert complaint(document(given), (), lots.parent) == [expected]


def test_named_designs_come_in_variants():
    designs = study.load(
        document(
            tool={
                "rows": [200, 2000],
                "coefficients": TOOLS,
                "noise": ["normal", {"student_t": 4}],
                "drift": 0.5,
            },
            plain={"rows": 300, "coefficients": TOOLS},
        )
    ).designs
    assert list(designs) == [
        "tool_rows-200_noise-normal",
        "tool_rows-200_noise-student_t-4",
        "tool_rows-2000_noise-normal",
        "tool_rows-2000_noise-student_t-4",
        "plain",
    ]
    last = designs["tool_rows-2000_noise-student_t-4"]
    assert (last.rows, last.noise, last.drift) == (2000, StudentT(4.0), 0.5)
    assert last.levels.labels[1] == ("A", "B")
    assert {design.coefficients for design in designs.values()} == {last.coefficients}
    assert designs["plain"].layout == Uniform()


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            {"noise": [{"student_t": 1}]},
            "designs.d.noise[0].student_t: 1 is not more than 2",
        ),
        (
            {"noise": {"student_t": 1}},
            "designs.d.noise.student_t: 1 is not more than 2",
        ),
        ({"drift": "much"}, "designs.d.drift: 'much' is not a number"),
        ({"rows": []}, "designs.d.rows: is empty; give at least 1"),
        ({"rows": None}, "designs.d.rows: nothing is not a whole number"),
        (
            {"layout": ["uniform", TABLE | {"levels": ["lot"]}]},
            "designs.d with layout[1]: the levels [1, 2] are not those of the table, "
            "[1, 3]",
        ),
        (
            {"rows": [50, 50]},
            "designs.d with rows[1]: the design d_rows-50 is given twice",
        ),
        ({"layot": "balanced"}, 'designs.d.layot: unknown key; did you mean "layout"?'),
    ],
)
def test_a_mistake_in_a_named_design_is_explained(lots, keys, expected):
    given = document(d={"rows": 50, "coefficients": TOOLS} | keys)
    assert complaint(given, (), lots.parent) == [expected]


def test_rows_may_be_left_out_where_all_layouts_are_tables(lots):
    assert complaint(document(d={"coefficients": TOOLS})) == ["designs.d.rows: missing"]
    given = document()
    given["grid"] = {"layout": ["uniform", TABLE]}
    assert complaint(given) == ["grid.levels: missing", "grid.rows: missing"]


def test_a_table_says_which_levels_and_rows_there_are(lots):
    given = document()
    given["grid"] = {
        "layout": [TABLE, {"table": "lots.csv", "levels": ["tool", "lot"]}]
    }
    loaded = study.load(given, (), lots.parent)
    one, both = loaded.designs.values()
    assert (one.levels.sizes, one.rows) == ((1, 2), 15)
    assert both.levels.names == ("baseline", "tool", "lot")
    assert both.levels.labels[1:] == (("A", "B"), ("1", "2", "3"))
    assert both.id == f"levels-1-2-3_rows-15_layout-table-{both.layout.digest}"
    assert sizing.cells(both) == 5
    source = loaded.layout_tables[both.layout.digest]
    assert source.table == os.path.join("..", "studies", "lots.csv")
    # What is resolved is found from the working directory.
    again = study.load(loaded.resolved)
    assert again.designs == loaded.designs
    assert again.resolved == loaded.resolved
    # Another order is another layout, other values are not.
    lots.write_text("tool,lot,value\n" + "B,1,5\nA,1,5\nB,2,6\nA,2,7\nA,3,8\n" * 3)
    assert study.load(loaded.resolved).designs == loaded.designs
    lots.write_text("tool,lot\n" + "A,1\nB,1\nB,2\nA,2\nA,3\n" * 3)
    assert not {*study.load(loaded.resolved).designs} & {*loaded.designs}


def test_given_coefficients_go_with_the_rows_of_a_table(lots):
    given = document(
        d={"coefficients": TOOLS, "layout": ["uniform", TABLE], "rows": [15, 60]},
        own={"coefficients": [[[0, 1]], [[0, 1], [1, 1]]], "layout": TABLE},
    )
    designs = study.load(given, (), lots.parent).designs
    *variants, own = designs.values()
    assert [design.rows for design in variants] == [15, 15, 60, 60]
    assert variants[1].levels.names == ("line", "tool")
    # Numbers alone are those of the table's contributors, and take their names.
    assert own.levels.names == ("baseline", "tool")
    assert own.levels.labels[1] == ("A", "B")
    assert own.rows == 15


def test_designs_of_tables_share_no_files(lots):
    given = document({"rows": list(range(50, 120)), "levels": [[1, 2]]})
    given["grid"]["layout"] = ["uniform", TABLE]
    loaded = study.load(given | {"designs_per_job": 7}, (), lots.parent)
    packs = sizing.packs(loaded)
    assert sorted(name for pack in packs for name in pack) == sorted(loaded.designs)
    for pack in packs:
        of_tables = [isinstance(loaded.designs[n].layout, Table) for n in pack]
        assert not any(of_tables) or len(pack) == 1
    assert max(map(len, packs)) == 7
    units = plan.make(loaded, [], {}).units
    assert {tuple(names) for names in units.values()} == {*map(tuple, packs)}


def test_designs_that_share_files_keep_their_names():
    given = document(d={"rows": [50, 60], "coefficients": TOOLS}) | {
        "designs_per_job": 2
    }
    made = plan.make(study.load(given), [], {})
    ((unit, names),) = made.units.items()
    assert len(names) == 2
    for design in made.designs(unit.name).values():
        assert design.levels.labels[1] == ("A", "B")


def test_too_many_variants_are_refused():
    lists = {"rows": list(range(50, 450)), "drift": list(range(400))}
    (said,) = complaint(document(d=lists | {"coefficients": TOOLS}))
    assert said.startswith("designs.d: its lists multiply to 160000 designs")


def test_mechanisms_are_listed_with_their_designs():
    given = {
        "layout": ["balanced", {"unequal": 1.5}],
        "noise": [{"contaminated": {"share": 0.01, "factor": 10}}],
        "truth": [{"one_off": {"shift": 3}}],
        "interaction_sd": [0.5],
    }
    loaded = study.load(document(given))
    first, second = tables.designs(loaded.designs, 2).to_pylist()
    assert first["layout"] == "balanced"
    assert json.loads(second["layout"]) == {"unequal": 1.5}
    noise = {"contaminated": {"share": 0.01, "factor": 10.0}}
    assert json.loads(first["noise"]) == noise
    assert json.loads(first["truth"]) == {"one_off": {"shift": 3.0}}
    assert first["truth_number"] is None
    assert (first["interaction_sd"], first["drift"]) == (0.5, 0.0)
    (plain,) = tables.designs(study.load(document({})).designs, 2).to_pylist()
    assert (plain["layout"], plain["noise"]) == ("uniform", "normal")
    assert plain["truth"] == "drawn"


def test_fewer_cells_are_less_work():
    wide = {"levels": [[1, 50, 50]], "rows": [100_000]}
    layouts_ = ["uniform", {"sparse": 0.1}, {"nested": True}, {"chunked": 1000}]
    given = document(wide | {"layout": layouts_}) | {"estimators": {"nutpie": {}}}
    loaded = study.load(given)
    assert [sizing.cells(design) for design in loaded.designs.values()] == [
        2500,
        250,
        50,
        100,
    ]
    entry = loaded.estimators["nutpie"]
    whole, *fewer = (
        sizing.seconds(design, entry.method, entry.options)
        for design in loaded.designs.values()
    )
    assert max(fewer) < whole


def test_a_balanced_layout_is_no_uniform_one():
    (design,) = study.load(document({"layout": ["balanced"]})).designs.values()
    assert design.layout == Balanced() != Uniform()
