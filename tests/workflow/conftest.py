"""Run real studies in temporary folders, as a user would."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

ROOT = Path(__file__).parents[2]
TABLES = ("designs", "estimates", "fits", "failures", "recovery", "calibration")


@dataclass
class Workflow:
    """A working directory, and the workflow of a source tree run in it."""

    folder: Path
    source: Path = ROOT
    environment: Mapping[str, str] | None = None
    python: str = sys.executable
    started: list[subprocess.Popen] = field(default_factory=list)
    printed: str = ""

    def write(self, document: object, name: str = "study.yaml") -> Path:
        path = self.folder / name
        text = document if isinstance(document, str) else yaml.safe_dump(document)
        path.write_text(text)
        return path

    def command(self, document: object, *options: str, cores: int = 2) -> list[str]:
        return [
            *(self.python, "-m", "snakemake", "--cores", str(cores)),
            *("--configfile", str(self.write(document))),
            *("--directory", str(self.folder), *options),
        ]

    def start(self, document: object, *options: str, **more) -> subprocess.Popen:
        """Start a run in a process group of its own."""
        process = subprocess.Popen(
            self.command(document, *options, **more),
            cwd=self.source,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # As in a terminal: what runs in the background of a script, such as these
            # tests may, is deaf to Ctrl-C, and so are its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.started.append(process)
        return process

    def run(self, document: object, *options: str, fails: bool = False, **more) -> str:
        """Run to the end and return what was printed."""
        process = self.start(document, *options, **more)
        printed, _ = process.communicate(timeout=500)
        assert (process.returncode != 0) == fails, printed
        return printed

    def copy(self, folder: Path) -> "Workflow":
        """Copy all of a finished run, Snakemake's notes too, for a test to change."""
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)
        return Workflow(folder, self.source)

    def add_estimator(self, name: str, text: str) -> None:
        """Add an estimator to the workflow, which is a copy of this one."""
        assert self.source != ROOT
        folder = self.source / "scripts" / "summands" / "estimators"
        (folder / f"{name}.py").write_text(text)

    def results(self, study: str) -> Path:
        return self.folder / "results" / study

    def files(self, study: str) -> dict[str, int]:
        """Times of last change of all result files, in nanoseconds."""
        folder = self.results(study)
        return {
            str(path.relative_to(folder)): path.stat().st_mtime_ns
            for path in folder.rglob("*")
            if path.is_file() and path.name != ".lock" and "logs" not in path.parts
        }


def kill(process: subprocess.Popen) -> None:
    """Kill a run, if it is alive, and everything that it started, at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(condition, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def values(folder: Path) -> dict[str, object]:
    """Read the final tables, without the wall times."""
    read = {name: pq.read_table(folder / f"{name}.parquet") for name in TABLES}
    read["fits"] = read["fits"].drop_columns(["seconds"])
    return read


def assert_same_values(one: Path, other: Path) -> None:
    """Compare the final tables of two runs, to the last bit."""
    for (name, table), same in zip(
        values(one).items(), values(other).values(), strict=True
    ):
        # Only draws are calibrated, and not every study has any.
        assert table.num_rows > 0 or name == "calibration"
        assert table.equals(same), name


def copy_of_sources(folder: Path, copy=shutil.copy2) -> Path:
    ignored = shutil.ignore_patterns(
        ".git", ".venv", ".snakemake", "results", "__pycache__", "tests", ".*_cache"
    )
    return shutil.copytree(ROOT, folder, ignore=ignored, copy_function=copy)


@pytest.fixture
def workflow(tmp_path):
    made = Workflow(tmp_path)
    yield made
    for process in made.started:
        kill(process)


@pytest.fixture
def copied(workflow):
    """The workflow from a copy of its sources, which a test may edit."""
    workflow.source = copy_of_sources(workflow.folder / "source")
    return workflow


# Small, but with everything: two kinds of estimators, a grid, a named design, more
# than one batch. Sampling is far too short to converge, which does not matter here.
STUDY = {
    "study": "small",
    "seed": 7,
    "replicates": 3,
    "replicates_per_job": 2,
    "grid": {"levels": [[1, 2]], "rows": [60]},
    "designs": {"given": {"rows": 40, "coefficients": [[[0, 1]], [[1, 1], [0, 2]]]}},
    "estimators": {
        "nutpie": {"chains": 2, "tune": 60, "draws": 20},
        "bayesian_ridge": {},
    },
}
# The estimator whose jobs start fastest.
QUICK = STUDY | {"study": "quick", "estimators": {"least_squares": {}}}
PACKED = STUDY | {"designs_per_job": 2}

# An estimator whose jobs last until a file of this name is in the folder of the run.
GO_ON = "go on"
WAITING = f'''
"""Waits for a word."""

import time
from pathlib import Path

import numpy as np

from summands.estimation.results import Point

READS = "cells"
SAMPLES = False
OPTIONS = {{}}


def prepare(problem, options):
    pass


def estimate(cells, problem, options, seed, progress):
    while not Path("{GO_ON}").exists():
        time.sleep(0.1)
    size = 3 * problem.levels.contributors + 2
    return Point(np.zeros(size), np.ones(size), converged=True)
'''

# Options of a run of which only the tables are looked at: figures take longer.
ONLY_TABLES = ("--until", "tabulate")


def run_once(once, name: str, *documents: Mapping[str, object]) -> Workflow:
    """Run studies in one folder, once for all tests that read what they made."""

    def fill(folder: Path) -> None:
        made = Workflow(folder)
        printed = [made.run(document) for document in documents]
        (folder / "printed.txt").write_text("".join(printed))

    made = Workflow(once(name, fill))
    made.printed = (made.folder / "printed.txt").read_text()
    return made


@pytest.fixture(scope="session")
def finished(once):
    """The small study."""
    return run_once(once, "finished", STUDY)


@pytest.fixture(scope="session")
def quick(once):
    """The quick study."""
    return run_once(once, "quick", QUICK)


@pytest.fixture(scope="session")
def packed(once):
    """The small study, with both of its designs in each job."""
    return run_once(once, "packed", PACKED)
