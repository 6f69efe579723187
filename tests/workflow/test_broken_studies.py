"""A user's mistake gets one clear message, and leaves nothing behind."""

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from summands.study import costs, study

from .conftest import (
    ONLY_TABLES,
    QUICK,
    ROOT,
    STUDY,
    Workflow,
    assert_same_values,
    copy_of_sources,
    wait_for,
)

PROFILE = (
    "Using workflow specific profile profiles/default for setting default command line "
    "arguments."
)
TAKES = re.compile("Study .* takes, in all: ")

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
        "study: quick\nseed: 1\nseed: 2\nestimators: {least_squares: {}}\n"
        "grid: {levels: [[1, 2]], rows: [60]}\n",
        "seed: given twice, the second time in line 3",
    ),
    "aliases of aliases": (
        "study: quick\na: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(
            f"{one}: &{one} [{', '.join([f'*{other}'] * 10)}]\n"
            for other, one in itertools.pairwise("abcdefghi")
        ),
        "aliases (*name) repeat too much; write values out",
    ),
    "more draws than memory": (
        QUICK | {"estimators": {"nutpie": {"draws": 10**9}}, "keep_posteriors": False},
        "of memory a job, where the machine has",
    ),
    "more rows than disk": (
        QUICK | {"grid": {"levels": [[1, 2]], "rows": [10**12]}},
        "are simulated rows: `keep_rows: false` or fewer `rows` or fewer `replicates`",
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
    if name not in ("no YAML", "not a mapping"):  # which Snakemake refuses itself
        said = printed.splitlines()
        first = next(n for n, line in enumerate(said) if line.startswith("summands: "))
        assert {*said[:first]} <= {PROFILE} | {*filter(TAKES.match, said)}
        assert all(line.startswith("  - ") for line in said[first + 1 :])
    assert not (workflow.folder / "results").exists()


def test_what_has_no_room_is_refused_by_a_dry_run_too_and_left_to_a_cluster(workflow):
    document, expected = BROKEN["more draws than memory"]
    assert expected in workflow.run(document, "--dry-run", fails=True)
    slurm = ("--profile", "profiles/slurm", "--dry-run")
    printed = workflow.run(document, *slurm)
    assert expected not in printed
    (line,) = filter(TAKES.match, printed.splitlines())
    assert "TB of memory a job" in line


def test_chains_too_short_to_converge_are_told_at_the_start(finished):
    said = finished.printed.splitlines()
    (takes,) = (n for n, line in enumerate(said) if TAKES.match(line))
    begun = "Study small takes, in all: 3 replicates of each of 2 designs, 12 fits, "
    assert said[takes].startswith(begun)
    assert said[takes + 1].startswith(
        "summands: estimators.nutpie: 2 chains of 20 draws hardly ever reach"
    )
    assert takes < said.index("Building DAG of jobs...")


def test_the_room_that_a_small_study_takes_is_about_what_was_said(finished):
    taken = costs.of(study.load(STUDY)).disk
    results = finished.results("small")
    real = sum(path.stat().st_size for path in results.rglob("*") if path.is_file())
    assert real / 2 < taken < 2 * real


def test_more_than_one_study_file_is_refused(workflow):
    other = str(workflow.write(QUICK, "other.yaml"))
    command = workflow.command(QUICK)
    command.insert(command.index("--directory"), other)
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    (line,) = (
        line for line in done.stderr.splitlines() if not line.startswith("Using")
    )
    assert line.startswith("summands: one study file at a time: --configfile names ")
    assert line.endswith("other.yaml")


def test_a_broken_study_ends_lint_and_listings_with_its_message(workflow):
    document, expected = BROKEN["unknown key"]
    for option in ("--lint", "--list-rules"):
        printed = workflow.run(document, option, fails=True)
        assert expected in printed
        assert "WorkflowError" not in printed
        assert "Traceback" not in printed


def make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    # Not as a part of the make that may have started these tests.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE")
    }
    return subprocess.run(
        ["make", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=300,
    )


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
    done = make("study", f"STUDY={path}")
    assert done.returncode != 0
    assert done.stderr.startswith("summands: ")
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("CORES=0", "summands: CORES=0 is neither a number from 1 on nor all"),
        ("CORES=-1", "summands: CORES=-1 is neither a number from 1 on nor all"),
        ("CORES=", "summands: CORES= is neither a number from 1 on nor all"),
        ("CORES=2 3", "summands: CORES=2 3 is neither a number from 1 on nor all"),
        ("DATA=x y=z", "summands: unknown option: DATA; known here: CORES STUDY"),
        ("STUDY=", "summands: no study file is named: give STUDY=file.yaml"),
        ("STUDY=config", "summands: config is a folder: name a study file"),
        ("STUDY=no such.yaml", "summands: no such.yaml: No such file or directory"),
    ],
)
def test_make_refuses_options_that_mean_nothing(option, expected):
    done = make("study", option)
    assert done.returncode != 0
    assert done.stdout == ""
    said, *_ = done.stderr.splitlines()
    assert expected in said


@pytest.mark.parametrize("cores", ["1", "2", "16", "all"])
def test_make_takes_any_number_of_cores(cores):
    done = make("cores", f"CORES={cores}")
    assert (done.returncode, done.stderr) == (0, "")


def test_folders_and_files_may_have_spaces_quotes_and_umlauts(tmp_path):
    """A clone, with its environment, run by make and by Snakemake."""
    source = tmp_path / """it's a "clone", ä $HOME"""
    copy_of_sources(source)
    (source / ".venv").symlink_to(sys.prefix)
    document = QUICK | {"replicates": 1}
    named = "my 'own' stüdy.yaml"
    (source / named).write_text(yaml.safe_dump(document))
    done = make("study", f"STUDY={named}", "CORES=2", folder=source)
    assert done.returncode == 0, done.stderr
    assert (source / "results" / "quick" / "summary.txt").is_file()
    again = Workflow(source / "an other", source)
    again.folder.mkdir()
    again.python = str(source / ".venv" / "bin" / "python")
    again.run(document, "--until", "simulate")
    # As of a folder that was copied with what its links lead to.
    link = again.folder / ".snakemake" / "environment"
    link.unlink()
    (link / "bin").mkdir(parents=True)
    again.run(document, "--until", "simulate", "--forcerun", "simulate")
    assert link.readlink() == source / ".venv"
    for cells in again.results("quick").rglob("cells.parquet"):
        same = source / cells.relative_to(again.folder)
        assert cells.read_bytes() == same.read_bytes()


def test_a_folder_with_braces_is_refused(tmp_path):
    source = tmp_path / "a {clone}"
    shutil.copytree(ROOT / "workflow", source / "workflow")
    for name in ("scripts", "profiles", "config", "Snakefile"):
        (source / name).symlink_to(ROOT / name)
    printed = Workflow(tmp_path, source).run(QUICK, fails=True)
    assert "a {clone} has braces in its name" in printed
    assert "Traceback" not in printed


def interrupt(process: subprocess.Popen[str]) -> None:
    """Send what a terminal sends at Ctrl-C, to all; see what they say."""
    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode not in (0, -signal.SIGINT)
    *_, last = printed.splitlines()
    assert last == "summands: stopped; run again to go on"
    assert printed.count("summands: stopped") == 1
    for word in ("Traceback", "Interrupt", "Error"):
        assert word not in printed


def test_ctrl_c_says_one_line_while_a_study_is_planned(workflow):
    process = workflow.start(QUICK)
    while not TAKES.match(process.stdout.readline()):
        pass
    interrupt(process)
    assert not workflow.results("quick").exists()


def test_ctrl_c_says_one_line_while_jobs_are_at_work(workflow, finished):
    # One at a time: a script whose Python is still starting has a stack to show.
    process = workflow.start(STUDY | {"replicates_per_job": 3}, cores=1)
    fits = workflow.results("small") / "logs" / "fit" / "nutpie"
    wait_for(lambda: any(fits.rglob("*.log")))
    interrupt(process)
    workflow.run(STUDY | {"replicates_per_job": 3}, *ONLY_TABLES)
    assert_same_values(workflow.results("small"), finished.results("small"))
