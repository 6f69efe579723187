"""A user's mistake gets one clear message, and leaves nothing behind."""

import os
import subprocess

import pytest

from .conftest import QUICK, ROOT

BROKEN = {
    "unknown key": (QUICK | {"replicats": 3}, 'did you mean "replicates"?'),
    "unknown option": (
        QUICK | {"estimators": {"nutpie": {"chainz": 3}}},
        'estimators.nutpie.chainz: unknown key; did you mean "chains"?',
    ),
    "wrong type": (QUICK | {"seed": "seven"}, "seed: 'seven' is not a whole number"),
    "impossible value": (QUICK | {"replicates": 0}, "replicates: 0 is less than 1"),
    "several at once": (
        QUICK | {"replicates": 0, "seed": -1},
        "seed: -1 is less than 0",
    ),
    "negative sigma": (
        QUICK | {"designs": {"d": {"rows": 10, "coefficients": [[[0, -2]]]}}},
        "designs.d.coefficients[0][0][1]: -2 is less than 0",
    ),
    "empty level": (
        QUICK | {"grid": {"levels": [[1, 0]], "rows": [60]}},
        "grid.levels[0][1]: 0 is less than 1",
    ),
    "too few rows": (
        QUICK | {"grid": {"levels": [[5, 5]], "rows": [10]}},
        "10 rows are fewer than the 19 parameters of levels [5, 5]",
    ),
    "a design twice": (
        QUICK | {"grid": {"levels": [[1, 2], [1, 2]], "rows": [60]}},
        "the design levels-1-2_rows-60 is given twice",
    ),
    "a key twice": (
        "study: quick\nseed: 1\nseed: 2\nestimators: {bayesian_ridge: {}}\n"
        "grid: {levels: [[1, 2]], rows: [60]}\n",
        "seed: given twice, the second time in line 3",
    ),
    "no YAML": ("study: [quick\n", "not valid JSON or YAML"),
    "not a mapping": ("- quick\n", "keys at top level"),
    "a study outside of results": (QUICK | {"study": "../quick"}, "study: '../quick'"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_study_files_are_refused(workflow, name):
    document, expected = BROKEN[name]
    printed = workflow.run(document, fails=True)
    assert expected in printed
    assert "Traceback" not in printed
    assert not (workflow.folder / "results").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "study.yaml: No such file or directory"),
        ("", "study.yaml has no keys"),
        ("- quick\n", "study.yaml has no keys"),
        ("study: [quick\n", "line 2, column 1"),
        ("study: quick\nsed: 1\n", 'sed: unknown key; did you mean "seed"?'),
    ],
)
def test_make_checks_the_study_file_before_anything_starts(tmp_path, text, expected):
    path = tmp_path / "study.yaml"
    if text is not None:
        path.write_text(text)
    # Not as a part of the make that may have started these tests.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE")
    }
    done = subprocess.run(
        ["make", "study", f"STUDY={path}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    assert done.returncode != 0
    assert done.stderr.startswith("summands: ")
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
