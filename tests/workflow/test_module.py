"""Run studies as modules of another workflow."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from .conftest import ROOT, Workflow, assert_same_values

HEADING = "## As a module of another workflow\n"
NOTHING = "Nothing to be done"
STUDY = {
    "study": "pilot",
    "seed": 1,
    "replicates": 2,
    "designs": {"given": {"rows": 40, "coefficients": [[[0, 1]], [[1, 1], [0, 2]]]}},
    "estimators": {"least_squares": {}},
}

# What the documentation's example does with the table.
WORST = """
import pandas as pd

table = pd.read_parquet(snakemake.input[0])
table.nlargest(3, "value").to_csv(snakemake.output[0], index=False)
"""


@dataclass
class Around:
    """A workflow around summands, in a folder of its own."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def write(self, name: str, content: object) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        (self.folder / name).write_text(text)

    def run(self, *options: str, fails: bool = False) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "2", *options],
            cwd=self.folder,
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def refused(self, *options: str) -> str:
        """Run what cannot run, and return the message to its user."""
        printed = self.run(*options, fails=True)
        assert "Traceback" not in printed
        (found,) = re.finditer(r"^summands: ", printed, re.M)
        return printed[found.start() :]


def example() -> str:
    """Snakefile that the documentation shows, around the one of these sources."""
    page = next(
        text
        for path in sorted(ROOT.glob("docs/*.md"))
        if HEADING in (text := path.read_text())
    )
    (shown,) = re.findall(
        r"^```snakemake\n(.*?)^```$", page.split(HEADING)[1], re.DOTALL | re.M
    )
    assert shown.count('"summands/Snakefile"') == 1
    return shown.replace("summands/Snakefile", str(ROOT / "Snakefile"))


def verify(folder: Path, config: Path) -> str:
    """What `make verify` says of results/ in a folder."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "summands.study.verify", config),
            *("--directory", folder),
        ],
        cwd=ROOT / "scripts",
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The study by itself."""
    made = Workflow(tmp_path_factory.mktemp("plain"))
    made.run(STUDY, "--until", "tabulate")
    return made


@pytest.fixture(scope="module")
def around(tmp_path_factory):
    """The study in the workflow that the documentation shows, run once."""
    made = Around(tmp_path_factory.mktemp("around") / "it's mine")
    made.write("Snakefile", example())
    made.write("config.yaml", {"mine": "of no concern", "recovery": STUDY})
    made.write("worst.py", WORST)
    made.printed = made.run()
    return made


def test_the_example_of_the_documentation_runs_a_study_as_it_would_by_itself(
    around, plain
):
    results = around.folder / "analysis/recovery/results/pilot"
    assert_same_values(results, plain.results("pilot"))
    study = yaml.safe_load((results / "study.yaml").read_text())
    assert study == yaml.safe_load((plain.results("pilot") / "study.yaml").read_text())
    assert (around.folder / "worst.csv").read_text().count("\n") == 4
    tops = {path.name for path in around.folder.iterdir()}
    assert tops == {
        *(
            ".snakemake",
            "Snakefile",
            "analysis",
            "config.yaml",
            "worst.csv",
            "worst.py",
        ),
    }
    # The terminal belongs to the workflow around.
    assert (results / "summary.txt").read_text() not in around.printed


def test_its_files_are_recorded_and_a_second_run_does_nothing(around, plain):
    said = verify(around.folder / "analysis/recovery", plain.folder / "study.yaml")
    assert "are as they were written" in said
    assert (around.folder / "analysis/recovery/results/pilot/plan.json").exists()
    assert NOTHING in around.run()
    # Snakemake's notes on them are found: another study is not taken for this one.
    around.write("config.yaml", {"recovery": STUDY | {"seed": 2}})
    changed = around.run("--dry-run")
    around.write("config.yaml", {"recovery": STUDY})
    assert re.search(r"^summands_simulate +1$", changed, re.M)
    assert NOTHING in around.run(
        *("--workflow-profile", str(ROOT / "profiles/default"), "--dry-run")
    )


def test_an_altered_table_is_refused_and_a_second_run_kept_out(around):
    table = around.folder / "analysis/recovery/results/pilot/recovery.parquet"
    held = table.read_bytes()
    table.write_bytes(held + b"\0")
    said = around.refused()
    table.write_bytes(held)
    assert "module summands: altered since" in said
    assert "\n  - analysis/recovery/results/pilot/recovery.parquet\n" in said
    with (table.parent / ".lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = around.refused("--forcerun", "worst")
    assert "analysis/recovery/results/pilot is in use by another run" in said


TWO = """
module first:
    snakefile: "{root}/Snakefile"
    config: config["one"]
    prefix: "one"

module second:
    snakefile: "{root}/Snakefile"
    config: config["other"]

use rule * from first as first_*
use rule fit from first as first_fit with:
    threads: 2
use rule * from second as second_*

rule both:
    default_target: True
    input: rules.first_all.input, "results/pilot/recovery.parquet"

onstart:
    first.onstart()
    second.onstart()

onsuccess:
    first.onsuccess()
    second.onsuccess()
"""


def test_two_studies_of_one_name_stand_side_by_side(tmp_path, plain):
    around = Around(tmp_path)
    around.write("Snakefile", TWO.format(root=ROOT))
    around.write("one.yaml", {"one": STUDY})
    other = STUDY | {"seed": 2}
    around.write("other.yaml", {"other": other})
    files = ("--configfile", "one.yaml", "other.yaml")
    around.run(*files)
    one, second = tmp_path / "one/results/pilot", tmp_path / "results/pilot"
    assert_same_values(one, plain.results("pilot"))
    with pytest.raises(AssertionError):
        assert_same_values(second, plain.results("pilot"))
    assert yaml.safe_load((second / "study.yaml").read_text())["seed"] == 2
    for folder, document in ((tmp_path / "one", STUDY), (tmp_path, other)):
        around.write("study.yaml", document)
        assert "are as they were" in verify(folder, tmp_path / "study.yaml")
    # It was used up, but it is a file of the study.
    (cells,) = one.glob("simulated/*/*/cells.parquet")
    cells.unlink()
    around.run(*files, "--until", "first_simulate")
    assert cells.exists()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (STUDY | {"sed": 3}, 'sed: unknown key; did you mean "seed"?'),
        ([1, 2], "has no study: give it one with config:"),
        (None, "has no study: give it one with config:"),
    ],
)
def test_a_wrong_study_gives_one_message_that_names_the_module(
    tmp_path, given, expected
):
    around = Around(tmp_path)
    around.write("Snakefile", example())
    around.write("config.yaml", {"recovery": given})
    said = around.refused("--dry-run")
    assert said.startswith("summands: module summands: ")
    assert expected in said
    # The file is that of the workflow around.
    assert "config.yaml" not in said


def test_the_default_study_is_not_taken_for_one_that_is_missing(tmp_path):
    around = Around(tmp_path)
    without = example().replace('    config: config["recovery"]\n', "")
    assert without != example()
    around.write("Snakefile", without)
    around.write("config.yaml", {"recovery": STUDY})
    assert "module summands: has no study" in around.refused("--dry-run")


# As the catalogue's tool for deploying workflows writes it.
DEPLOYED = """
configfile: "config/config.yaml"

module summands:
    snakefile:
        github("owner/summands", path="workflow/Snakefile", tag="v1", host="far.io")
    config: config

use rule * from summands
"""


def test_it_is_deployed_from_a_code_host(tmp_path, plain):
    """A repository on this machine stands in for one that is far away."""
    far = tmp_path / "far"

    def git(*arguments: str) -> None:
        me = ("-c", "user.name=me", "-c", "user.email=me@localhost")
        subprocess.run(["git", "-C", far, *me, *arguments], check=True)

    far.mkdir()
    git("init", "--quiet")
    files = subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        text=True,
    )
    for name in files.splitlines():
        if (ROOT / name).exists():
            (far / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, far / name)
    git("add", ".")
    git("commit", "--quiet", "-m", "All of it")
    git("tag", "v1")
    environment = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{far}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://far.io/owner/summands",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    around = Around(tmp_path / "near", environment)
    around.write("workflow/Snakefile", DEPLOYED)
    around.write("config/config.yaml", STUDY)
    around.run("--until", "tabulate")
    assert_same_values(around.folder / "results/pilot", plain.results("pilot"))
    # No target is named, and so it is the whole study that is asked for.
    assert "study is complete" in around.run("--dry-run")


def test_a_python_without_the_packages_is_told(tmp_path):
    missing = "raise ModuleNotFoundError('no pyarrow', name='pyarrow')"
    around = Around(tmp_path, {"PYTHONPATH": str(tmp_path / "fake")})
    around.write("fake/pyarrow.py", missing)
    around.write("Snakefile", example())
    around.write("config.yaml", {"recovery": STUDY})
    assert "has no package pyarrow" in around.refused("--dry-run")


def test_a_key_given_twice_is_told(tmp_path):
    """Snakemake keeps the last: a machine would be gone without a word."""
    made = Around(tmp_path)
    made.write("Snakefile", example())
    text = yaml.safe_dump({"recovery": STUDY | {"designs": {}}}, sort_keys=False)
    tools = "{A: [0, 1], B: [1, 1], A: [2, 3]}"
    design = (
        f"{{line: {{rows: 60, coefficients: {{base: {{x: [0, 1]}}, tool: {tools}}}}}}}"
    )
    made.write("config.yaml", text.replace("designs: {}", f"designs: {design}"))
    made.write("worst.py", WORST)
    printed = made.run("--dry-run")
    (line,) = re.findall(r"^summands: module summands: .*", printed, re.M)
    assert "recovery.designs.line.coefficients.tool.A: given twice" in line
    made.write("config.yaml", {"recovery": STUDY})
    assert "given twice" not in made.run("--dry-run")
