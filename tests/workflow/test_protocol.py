"""Protocols and runs: which came first, and what was changed since."""

import html
import json
import re
import subprocess

import pytest

from .conftest import QUICK, ROOT, Workflow

NOTHING = "Nothing to be done"
PLANNED = QUICK | {"study": "planned", "aims": "To see Ж."}
MODULE = "summands.report.protocol"


def protocol(workflow: Workflow, document: object, *options: str) -> str:
    """Write a protocol as a user does, and return what was printed."""
    file = workflow.write(document)
    command = [workflow.python, "-m", MODULE, str(file)]
    done = subprocess.run(
        [*command, "--directory", str(workflow.folder), *options],
        cwd=ROOT / "scripts",
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def page(workflow: Workflow) -> str:
    text = (workflow.results("planned") / "report.html").read_text()
    return html.unescape(re.sub(r"<[^>]+>", " ", text))


def runs(workflow: Workflow) -> list[dict]:
    return json.loads((workflow.results("planned") / "runs.json").read_text())["runs"]


@pytest.fixture
def workflow(tmp_path, workflow):
    folder = tmp_path / "a folder"
    folder.mkdir()
    workflow.folder = folder
    return workflow


def test_a_protocol_before_the_run_and_what_was_changed_since(workflow):
    assert "protocol.md" in protocol(workflow, PLANNED)
    workflow.run(PLANNED)
    (first,) = runs(workflow)
    assert first["protocol"]["sha256"] == first["asked"]
    told = page(workflow)
    assert "before the study had data; nothing that it asks for was changed" in told
    assert "To see Ж." in told
    assert NOTHING in workflow.run(PLANNED)
    verify = [workflow.python, "-m", "summands.study.verify", workflow.write(PLANNED)]
    verify += ["--directory", workflow.folder]
    subprocess.run(verify, cwd=ROOT / "scripts", check=True)

    changed = PLANNED | {"replicates": 4}
    assert "AMEND=yes" in protocol(workflow, changed)
    before = workflow.files("planned")
    workflow.run(changed)
    assert before.items() - workflow.files("planned").items()
    told = page(workflow)
    assert "1 thing that it asks for was changed since" in told
    assert re.search(r"replicates\s+3\s+4\s+-", told)
    assert [run["protocol"]["file"] for run in runs(workflow)] == ["protocol.md"] * 2

    assert "amendments/" in protocol(workflow, changed, "--amend")
    printed = workflow.run(changed)
    # The page alone says something new.
    assert "2 of 2 steps" in printed
    assert re.search(r"replicates\s+3\s+4\s+amendments/[\d-]+\.md", page(workflow))
    assert NOTHING in workflow.run(changed)


def test_a_protocol_after_the_run_is_said_to_be_one(workflow):
    workflow.run(PLANNED)
    assert runs(workflow)[0]["protocol"] is None
    assert "No protocol was written" in page(workflow)
    protocol(workflow, PLANNED)
    workflow.run(PLANNED)
    assert "when the study had data already" in page(workflow)


def test_results_without_a_list_of_runs_prove_nothing(workflow):
    """As those of an earlier version have none."""
    workflow.run(PLANNED)
    (workflow.results("planned") / "runs.json").unlink()
    protocol(workflow, PLANNED)
    workflow.run(PLANNED)
    assert [run["asked"] is None for run in runs(workflow)] == [True, False]
    assert "when the study had data already" in page(workflow)


def test_a_precision_decides_how_many_replicates_run_and_more_run_the_new_ones(
    workflow,
):
    wanted = {key: value for key, value in PLANNED.items() if key != "replicates"}
    printed = workflow.run(wanted | {"precision": {"coverage_95": 0.1}})
    assert "5 replicates of each of 2 designs (coverage_95 of 0.1 takes 5), " in printed
    assert "with 5 replicates of each design:" in printed
    fits = workflow.results("planned").rglob("fitted/**/fits.parquet")
    before = {path: path.stat().st_mtime_ns for path in fits}
    printed = workflow.run(wanted | {"precision": {"coverage_95": 0.08}})
    assert "coverage_95 to 0.08: " in printed
    assert "Wanted was the precision of coverage_95 to 0.08" in page(workflow)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert NOTHING in workflow.run(wanted | {"precision": {"coverage_95": 0.08}})
