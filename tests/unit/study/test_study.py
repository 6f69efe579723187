import copy
import json
import math
import re
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from summands.data.design import Design
from summands.estimators import bayesian_ridge
from summands.model.problem import PRIORS
from summands.study import designs, study, validation
from summands.study.validation import StudyError

ROOT = Path(__file__).parents[3]
DEFAULT = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
SMALL = {
    "study": "small",
    "grid": {"levels": [[1, 2]], "rows": [100]},
    "estimators": {"bayesian_ridge": {}},
}


def changed(path: str, value: object) -> dict:
    """Set one value of the small study; None takes the key away."""
    document = copy.deepcopy(SMALL)
    place = document
    *parents, last = path.split(".")
    for key in parents:
        place = place.setdefault(key, {})
    if value is None:
        place.pop(last)
    else:
        place[last] = value
    return document


def complaint(document: dict) -> str:
    with pytest.raises(StudyError) as caught:
        study.load(document)
    return str(caught.value)


def test_the_default_study_is_the_notebooks():
    loaded = study.load(DEFAULT)
    assert list(loaded.designs) == [
        "levels-1-2_rows-1000",
        "levels-1-2_rows-10000",
        "levels-1-3-5_rows-1000",
        "levels-1-3-5_rows-10000",
        "levels-2-3-5-10-10_rows-1000",
        "levels-2-3-5-10-10_rows-10000",
        "cc_01",
        "cc_02",
    ]
    assert loaded.designs["cc_02"].levels.sizes == (1, 4)
    assert loaded.designs["cc_01"].truth == "fixed"
    options = loaded.estimators["nutpie"].options
    assert (options["chains"], options["tune"], options["draws"]) == (4, 400, 1000)
    assert options["backend"] == "compiled"


@pytest.mark.usefixtures("few_truths")
def test_every_study_that_ships_is_sound():
    paths = list((ROOT / "config").rglob("*.yaml"))
    assert len(paths) >= 2
    for path in paths:
        found = study.read(path)
        assert bool(found.designs) == (found.observed is None)


def test_the_resolved_study_is_a_study_that_resolves_to_itself():
    resolved = study.load(DEFAULT).resolved
    again = study.load(yaml.safe_load(yaml.safe_dump(resolved)))
    assert again.resolved == resolved
    assert again.designs == study.load(DEFAULT).designs


def test_whole_and_decimal_numbers_are_one():
    one = study.load(changed("grid.mu_sd", [2]))
    other = study.load(changed("grid.mu_sd", [2.0]))
    assert one.designs == other.designs
    assert list(one.designs) == ["levels-1-2_rows-100_mu_sd-2"]


def named(**keys):
    given = {"rows": 10, "coefficients": [[[0, 1]]]} | keys
    return study.load(changed("designs.d", given)).designs["d"]


def test_priors_of_a_named_design_follow_its_data_unless_they_are_stated():
    assert {getattr(named(), name) for name in PRIORS} == {None}
    stated = named(mu_sd=1, log_sigma_mean=0, log_sigma_sd=2)
    assert (stated.mu_sd, stated.log_sigma_mean, stated.log_sigma_sd) == (1, 0, 2)
    assert (stated.intercept_sd, stated.intercept_mean) == (None, None)
    assert named(intercept_sd=3).intercept_mean == 0
    located = named(intercept_mean=500)
    assert (located.intercept_sd, located.intercept_mean) == (None, 500)


def test_more_fixed_truths_are_more_designs_and_leave_the_first_alone():
    def of(truths, kinds):
        document = changed("grid.truth", kinds)
        document["grid"] |= {"fixed_truths": truths, "rows": [100, 200]}
        return study.load(document).designs

    one, three = of(1, ["fixed"]), of(3, ["fixed"])
    assert list(one) == [f"levels-1-2_rows-{n}_truth-fixed" for n in (100, 200)]
    assert three.items() >= one.items()
    assert len(three) == 6
    numbers = [design.truth_number for design in three.values()]
    assert numbers == [0, 1, 2, 0, 1, 2]
    assert len(of(3, ["drawn", "fixed"])) == 8


@pytest.mark.parametrize("options", [None, {}])
def test_an_empty_mapping_takes_the_defaults(options):
    document = SMALL | {"estimators": {"bayesian_ridge": options}}
    assert study.load(document).estimators["bayesian_ridge"].options["max_iter"] == 300


def test_more_replicates_per_job_than_replicates_is_fine():
    document = SMALL | {"replicates": 2, "replicates_per_job": 50}
    assert study.load(document).replicates_per_job == 50


GRID = ("rows", "mu_mean", "mu_sd", "log_sigma_mean", "log_sigma_sd")
TWENTY_LEVELS = {"levels": [[1, size] for size in range(1, 21)]}

BROKEN = {
    "unknown key": (
        changed("replicate", 3),
        'replicate: unknown key; did you mean "replicates"?',
    ),
    "unknown grid key": (
        changed("grid.levles", [[1]]),
        'grid.levles: unknown key; did you mean "levels"?',
    ),
    "unknown estimator": (
        changed("estimators.nutpy", {}),
        'estimators.nutpy: unknown key; did you mean "nutpie"?',
    ),
    "unknown option": (
        changed("estimators.nutpie", {"chain": 2}),
        'estimators.nutpie.chain: unknown key; did you mean "chains"?',
    ),
    "rows that are not kept but read": (
        changed("keep_rows", False),
        "estimators.bayesian_ridge: reads rows, which `keep_rows: false` does not keep",
    ),
    "far from any key": (
        changed("zzz", 1),
        "zzz: unknown key; known here: aims, check, designs, designs_per_job, "
        "estimators, grid, keep_posteriors, keep_rows, observed, plan, precision, "
        "replicates, replicates_per_job, seed, study",
    ),
    "missing key": (changed("study", None), "study: missing"),
    "no design": (changed("grid", None), 'give "grid", "designs" or both'),
    "text for a number": (
        changed("seed", "one"),
        "seed: 'one' is not a whole number",
    ),
    "number that YAML reads as text": (
        changed("grid.rows", ["1e3"]),
        "grid.rows[0]: '1e3' is not a whole number (YAML reads 1e3 as text; "
        "write 1000)",
    ),
    "large number that YAML reads as text": (
        changed("grid.rows", ["1e9"]),
        "grid.rows[0]: '1e9' is not a whole number (YAML reads 1e9 as text; "
        "write 1000000000)",
    ),
    "more designs than anyone can run": (
        changed("grid", {key: list(range(1, 21)) for key in GRID} | TWENTY_LEVELS),
        "grid: its lists multiply to 64000000 designs, and 100000 are the most; "
        "shorten them, or make several studies",
    ),
    "scalar for a list": (changed("grid.rows", 100), "grid.rows: 100 is not a list"),
    "zero replicates": (changed("replicates", 0), "replicates: 0 is less than 1"),
    "negative scale": (
        changed("grid.mu_sd", [-1.0]),
        "grid.mu_sd[0]: -1.0 is not more than 0",
    ),
    "infinite mean": (
        changed("grid.mu_mean", [float("inf")]),
        "grid.mu_mean[0]: inf is not a finite number",
    ),
    "unknown truth": (
        changed("grid.truth", ["random"]),
        "grid.truth[0]: 'random' is not one of: drawn, fixed",
    ),
    "fixed truths where none is fixed": (
        changed("grid.fixed_truths", 3),
        "grid.fixed_truths: 3 truths, but none is fixed; add fixed to grid.truth",
    ),
    "a list of numbers of truths": (
        changed("grid.fixed_truths", [3]),
        "grid.fixed_truths: [3] is not a whole number",
    ),
    "no spread of the intercept's prior": (
        changed(
            "designs.d", {"rows": 10, "coefficients": [[[0, 1]]], "intercept_sd": 0}
        ),
        "designs.d.intercept_sd: 0 is not more than 0",
    ),
    "empty level": (
        changed("grid.levels", [[1, 0]]),
        "grid.levels[0][1]: 0 is less than 1",
    ),
    "no levels": (
        changed("grid.levels", [[]]),
        "grid.levels[0]: is empty; give at least 1",
    ),
    "empty named level": (
        changed("designs.d", {"rows": 10, "coefficients": [[[0, 1]], []]}),
        "designs.d.coefficients[1]: is empty; give at least 1",
    ),
    "negative sigma": (
        changed("designs.d", {"rows": 10, "coefficients": [[[0, -1]]]}),
        "designs.d.coefficients[0][0][1]: -1 is less than 0",
    ),
    "no variance at all": (
        changed("designs.d", {"rows": 10, "coefficients": [[[0, 0]]]}),
        "designs.d: every sigma is 0; at least one must be above 0",
    ),
    "not a pair": (
        changed("designs.d", {"rows": 10, "coefficients": [[[0]]]}),
        "designs.d.coefficients[0][0]: [0] is not a pair [mu, sigma]",
    ),
    "fewer rows than parameters": (
        changed("grid.rows", [4]),
        "grid.levels[0] with grid.rows[0]: 4 rows are fewer than the 5 parameters of "
        "levels [1, 2]",
    ),
    "a design twice in the grid": (
        changed("grid.rows", [100, 100]),
        "grid.levels[0] with grid.rows[1]: the design levels-1-2_rows-100 is given "
        "twice",
    ),
    "a design named as one of the grid": (
        changed(
            "designs",
            {"levels-1-2_rows-100": {"rows": 10, "coefficients": [[[0, 1]]]}},
        ),
        "designs.levels-1-2_rows-100: the design levels-1-2_rows-100 is given twice",
    ),
    "two names for one design": (
        changed(
            "designs",
            {name: {"rows": 10, "coefficients": [[[0, 1]]]} for name in ("a", "b")},
        ),
        "designs.b: the same as designs.a, so both would have the same data",
    ),
    "a name that is a path": (
        changed("study", "../other"),
        "study: '../other' cannot be used as a name",
    ),
    "a design's name that is a path": (
        changed("designs", {"a/b": {"rows": 10, "coefficients": [[[0, 1]]]}}),
        "designs: 'a/b' cannot be used as a name",
    ),
    "a key that is a number": (
        changed("designs", {7: {"rows": 10, "coefficients": [[[0, 1]]]}}),
        "designs: the key 7 is not text; write it in quotes",
    ),
    "no estimator": (
        changed("estimators", {}),
        "estimators: is empty; give at least 1",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_study_is_explained(monkeypatch, name):
    # An estimator that reads rows, as one may.
    monkeypatch.setattr(bayesian_ridge, "READS", "rows")
    document, expected = BROKEN[name]
    said = complaint(document)
    assert expected in said
    assert said.startswith("the study has 1 problem:")


def test_all_problems_are_told_at_once():
    document = changed("sed", 1) | {"replicates": -1, "grid": {"levels": [[1]]}}
    said = complaint(document)
    assert said.startswith("the study has 3 problems:")
    for path in ("sed:", "replicates:", "grid.rows:"):
        assert path in said


def test_keys_given_twice_are_found_in_the_file(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(
        "study: twice\nestimators: {bayesian_ridge: {}}\ndesigns:\n"
        "  d: {rows: 10, coefficients: [[[0, 1]]]}\n"
        "  d: {rows: 20, coefficients: [[[0, 1]]]}\n"
    )
    with pytest.raises(StudyError) as caught:
        study.load(yaml.safe_load(file.read_text()), (file,))
    assert f"{file} has 1 problem" in str(caught.value)
    assert "designs.d: given twice, the second time in line 5" in str(caught.value)


@pytest.mark.parametrize("kind", ["integer", "number"])
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from("reg"))
def test_what_the_hint_says_is_read_as_the_number_that_was_meant(kind, value, style):
    text = repr(value) if style == "r" else f"{value:{style}}"
    (said,) = validation.problems(text, {"type": kind})
    hint = re.search(r"; write (.*)\)$", said)
    if kind == "integer" and not float(text).is_integer():
        assert hint is None
        return
    read = yaml.safe_load(hint[1])
    assert read == float(text)
    assert validation.problems(read, {"type": kind}) == []


@pytest.mark.parametrize("text", ["", "many", "nan", "inf", "1e999", "1.5.2"])
def test_what_is_no_number_gets_no_hint(text):
    (said,) = validation.problems(text, {"type": "number"})
    assert "write" not in said


def test_whole_numbers_may_be_written_with_a_point():
    def written(number: type) -> dict:
        return {
            **changed("grid", {"levels": [[1, 2]], "rows": [number(100)]}),
            "seed": number(3),
            "replicates": number(7),
            "replicates_per_job": number(2),
            "designs_per_job": number(2),
            "estimators": {"nutpie": {"draws": number(500)}},
        }

    one, other = (study.load(written(number)) for number in (int, float))
    assert one == other
    for loaded in (one, other):
        texts = json.dumps({**loaded.resolved, "grid": None})
        assert re.findall(r"\d+\.0", texts.replace("0.9", "")) == []
        assert isinstance(loaded.replicates_per_job, int)
        assert isinstance(loaded.estimators["nutpie"].options["draws"], int)


def bomb(depth: int = 12) -> str:
    """Lists of ten aliases of lists of ten aliases: 10 ** depth values."""
    lines = ["study: bomb", "x0: &x0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [
        f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, depth)
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("text", [bomb(), "study: &a\n  x: [*a]\n"])
def test_aliases_that_multiply_are_refused_at_once(tmp_path, text):
    file = tmp_path / "study.yaml"
    file.write_text(text)
    start = time.process_time()
    for check in (
        lambda: study.read(file),
        lambda: study.load(yaml.safe_load(text), (file,)),
    ):
        with pytest.raises(StudyError, match="aliases"):
            check()
    assert time.process_time() - start < 2
    assert validation.repeated_keys(text) == []
    (twice,) = validation.repeated_keys(text + "study: again\n")
    assert twice.startswith("study: given twice")


def test_aliases_that_save_typing_are_fine():
    text = (
        "study: small\ngrid: {levels: &sizes [[1, 2], [1, 3]], rows: [100]}\n"
        "designs:\n  a: {rows: 9, coefficients: [[[0, 1]], &pair [[0, 1], [0, 2]]]}\n"
        "  b: {rows: 10, coefficients: [[[0, 1]], *pair]}\n"
        "estimators: {bayesian_ridge: {}}\n"
    )
    assert len(study.load(yaml.safe_load(text)).designs) == 4


def test_a_long_study_without_aliases_is_not_overgrown(monkeypatch):
    monkeypatch.setattr(validation, "MOST_REPEATED", 0)
    assert not validation.overgrown(DEFAULT)
    assert validation.overgrown([shared := [1, 2], shared])


@pytest.mark.parametrize("most", [5, 6])
def test_a_grid_may_have_so_many_designs_and_no_more(monkeypatch, most):
    monkeypatch.setattr(designs, "MOST_DESIGNS", most)
    grid = {"levels": [[1, 2], [1, 3]], "rows": [10, 20, 30]}
    if most >= math.prod(map(len, grid.values())):
        assert len(study.load(changed("grid", grid)).designs) == 6
    else:
        assert "multiply to 6 designs" in complaint(changed("grid", grid))


def test_a_grid_of_billions_is_refused_before_it_is_walked_through():
    values = [0.5 + n for n in range(20)]
    grid = {
        **TWENTY_LEVELS,
        "rows": list(range(100, 120)),
        **dict.fromkeys(GRID[1:], values),
        "intercept_sd": values,
        "truth": ["drawn", "fixed"],
    }
    start = time.process_time()
    assert "multiply to 2560000000 designs" in complaint(changed("grid", grid))
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (Path.mkdir, " is a folder: name a study file"),
        pytest.param(
            lambda path: path.write_text("[" * 5000),
            " is nested too deeply",
            marks=pytest.mark.slow,
        ),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), ": byte 1 is not UTF-8"),
        (
            lambda path: path.write_text("study: s\nobserved: {levels: [a, b}\n"),
            ", line 2, column 25: is not YAML: expected ',' or ']', but got '}', while "
            "parsing a flow sequence",
        ),
        (
            lambda path: path.write_text("study: s\nobserved:\n  value: x\n a: b\n"),
            ", line 4, column 2: is not YAML: expected <block end>, but found "
            "'<block mapping start>', while parsing a block mapping that begins in "
            "line 1; keys that belong together begin in one column",
        ),
        (
            lambda path: path.write_text("observed:\n\tvalue: x\n"),
            ", line 2, column 1: is not YAML: found character '\\t' that cannot start "
            "any token, while scanning for the next token; indent with blanks, not "
            "tabs",
        ),
        (
            lambda path: path.write_text("study: s\nseed: \x01\n"),
            ", line 2, column 7: the character '\\x01' is not allowed",
        ),
    ],
)
def test_what_is_no_study_file_is_named(tmp_path, make, expected):
    path = tmp_path / "study.yaml"
    make(path)
    with pytest.raises(StudyError) as error:
        study.read(path)
    assert f"study.yaml{expected}" in str(error.value)
    assert "\n" not in str(error.value)


def test_json_that_is_no_yaml_is_read(tmp_path):
    file = tmp_path / "study.json"
    file.write_text(json.dumps(SMALL, indent="\t"))
    assert study.load(SMALL, (file,)).name == "small"


NAMED = {
    "line": {"base": [10.0, 1.0]},
    "tool": {"A": [0.0, 1.0], "B/2": [1.0, 2.0], "it's": [0.5, 3.0]},
}


def with_coefficients(coefficients):
    return SMALL | {"designs": {"d": {"rows": 100, "coefficients": coefficients}}}


def test_names_are_no_part_of_what_data_depend_on():
    plain = [list(level.values()) for level in NAMED.values()]
    named = study.load(with_coefficients(NAMED)).designs["d"]
    numbered = study.load(with_coefficients(plain)).designs["d"]
    assert named.content == numbered.content
    assert named.levels.names == ("line", "tool")
    assert named.levels.titles == ("line/base", "tool/A", "tool/B/2", "tool/it's")
    assert numbered.levels.titles == ("0/0", "1/0", "1/1", "1/2")
    levels = named.levels
    again = Design.from_content(named.content, "d", levels.names, levels.labels)
    assert again == named
    assert Design.from_content(named.content, "d") == numbered


def test_contributors_that_would_be_called_the_same_are_refused():
    same = {"a": {"b/c": [0, 1]}, "a/b": {"c": [0, 1], "d": [0, 1]}}
    assert complaint(with_coefficients(same)).endswith(
        "designs.d.coefficients: two contributors would be called 'a/b/c'"
    )


def test_an_estimator_may_have_a_name_and_a_method():
    entries = {
        "nutpie": {},
        "tight": {"method": "nutpie", "draws": 20, "priors": {"mu_sd": 0.1}},
        "ols": {"method": "least_squares"},
    }
    loaded = study.load(SMALL | {"estimators": entries})
    assert [entry.method for entry in loaded.estimators.values()] == [
        "nutpie",
        "nutpie",
        "least_squares",
    ]
    tight = loaded.estimators["tight"]
    assert (tight.options["draws"], tight.options["chains"]) == (20, 4)
    assert tight.priors == {"mu_sd": 0.1}
    assert loaded.estimators["nutpie"].priors == {}
    # What is written out reads back as the same study.
    assert study.load(loaded.resolved).estimators == loaded.estimators


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        (
            {"tight": {"draws": 20}},
            "estimators.tight: unknown key; known here: bayesian_ridge, homoscedastic, "
            "huber, least_squares, maximum_likelihood, nutpie, or name its `method`",
        ),
        (
            {"tight": {"method": "nutpy"}},
            "estimators.tight.method: 'nutpy' is not one of: bayesian_ridge, "
            "homoscedastic, huber, least_squares, maximum_likelihood, nutpie",
        ),
        (
            {"nutpie": {"method": "least_squares"}},
            "estimators.nutpie.method: 'least_squares' is not one of: nutpie",
        ),
        (
            {"ols": {"method": "least_squares", "draws": 20}},
            "estimators.ols.draws: unknown key; known here: method",
        ),
        (
            {"nutpie": {"priors": {"mu_sd": 0}}},
            "estimators.nutpie.priors.mu_sd: 0 is not more than 0",
        ),
        (
            {"nutpie": {"priors": {"mean": 1}}},
            "estimators.nutpie.priors.mean: unknown key; known here: intercept_mean, "
            "intercept_sd, log_sigma_mean, log_sigma_sd, mu_sd",
        ),
        (
            {"Tight one": {"method": "nutpie"}},
            "estimators: 'Tight one' cannot be used as an estimator's name; use small "
            "letters, digits and '_', starting with a letter",
        ),
    ],
)
def test_a_wrong_entry_is_told(entries, sentence):
    told = complaint(SMALL | {"estimators": entries})
    assert "1 problem" in told
    assert told.endswith(f"- {sentence}")


PLANNED = {
    "study": "s",
    "precision": {"coverage_95": 0.01, "rmse_relative": 0.03},
    "grid": {"levels": [[1, 2]], "rows": [1000]},
    "estimators": {"nutpie": {}},
}


def test_replicates_follow_from_a_precision_and_what_is_written_out_says_both():
    planned = study.load(PLANNED)
    assert planned.replicates == planned.resolved["replicates"] == 556
    again = study.load(planned.resolved)
    assert again == planned
    assert list(again.resolved.items()) == list(planned.resolved.items())


def test_replicates_and_a_precision_are_one_or_the_other():
    with pytest.raises(StudyError, match="where `precision` takes 556; keep one"):
        study.load(PLANNED | {"replicates": 20})
    assert study.load({k: v for k, v in PLANNED.items() if k != "precision"}) == (
        study.load(
            {k: v for k, v in PLANNED.items() if k != "precision"} | {"replicates": 20}
        )
    )


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"coverage_95": 0}, "precision.coverage_95: 0 is not more than 0"),
        ({"coverage_95": -0.1}, "-0.1 is not more than 0"),
        ({"coverage_95": 1}, "precision.coverage_95: 1 is not less than 0.5"),
        ({"coverage_95": "1%"}, "is not a number"),
        ({"coverage_95": math.nan}, "is not a finite number"),
        ({"coverage_95": 1e-5}, "474,999,999 replicates|474,999,998|475,000,000"),
        ({"rmse": 0.01}, 'precision.rmse: unknown key; did you mean "rmse_relative"'),
        ({"rmse_relative": 1}, "1 is not less than 1"),
        ({"model_se_relative": 0.1}, "no design of this study has them"),
        ({}, "precision: is empty"),
        (0.01, "precision: 0.01 is not a mapping"),
    ],
)
def test_a_precision_that_cannot_be_had_is_told(wanted, said):
    with pytest.raises(StudyError, match=said):
        study.load(PLANNED | {"precision": wanted})


def test_of_designs_that_are_broken_no_precision_is_said_to_be_wrong():
    wanted = {"precision": {"empirical_se_relative": 0.1}}
    grid = {"levels": [[1, 2]], "rows": [2], "truth": ["fixed"]}
    with pytest.raises(StudyError, match=r"has 1 problem:\n.*rows are fewer"):
        study.load(PLANNED | wanted | {"grid": grid})
