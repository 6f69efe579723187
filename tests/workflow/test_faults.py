"""Broken files, full disks, killed workers, jumping clocks: one message, or a retry."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .conftest import (
    ONLY_TABLES,
    PACKED,
    QUICK,
    STUDY,
    Workflow,
    assert_same_values,
    wait_for,
)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scrambled(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[8 : len(data) // 2] = os.urandom(len(data) // 2 - 8)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [truncated, scrambled])
@pytest.mark.parametrize("stage", ["simulated", "fitted"])
def test_a_damaged_file_is_named_and_made_anew(quick, tmp_path, stage, damage):
    workflow = quick.copy(tmp_path)
    name = "cells" if stage == "simulated" else "estimates"
    path = next((workflow.results("quick") / stage).rglob(f"{name}.parquet"))
    damage(path)
    # Without its record the job that reads it is the first to know.
    (workflow.results("quick") / "manifest.json").unlink()
    printed = workflow.run(QUICK, fails=True)
    *_, line = printed.splitlines()
    assert line.startswith(f"summands: {path.relative_to(workflow.folder)} is damaged")
    assert "delete it and run the study again" in line
    for word in ("Traceback", "Error in rule", "Exiting"):
        assert word not in printed
    path.unlink()
    workflow.run(QUICK, *ONLY_TABLES)
    assert_same_values(workflow.results("quick"), quick.results("quick"))


@pytest.mark.parametrize("damage", [truncated, scrambled, Path.unlink])
def test_a_damaged_or_missing_posterior_is_found_at_the_start(packed, tmp_path, damage):
    workflow = packed.copy(tmp_path)
    path, _ = workflow.results("small").rglob("posterior.nc")
    damage(path)
    if path.exists():
        # Without its record too, although no job reads it.
        (workflow.results("small") / "manifest.json").unlink()
        printed = workflow.run(PACKED, fails=True)
        assert f"{path.relative_to(workflow.folder)} is damaged" in printed
        assert "delete it and run the study again" in printed
        assert "Traceback" not in printed
        path.unlink()
    workflow.run(PACKED)
    assert path.exists()
    assert_same_values(workflow.results("small"), packed.results("small"))


@pytest.fixture
def small_disk(tmp_path):
    """A disk of two megabytes; the workflow's own notes are kept elsewhere."""
    disk = tmp_path / "results"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes root")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=False)


def remount(disk: Path, options: str) -> None:
    command = ["mount", "-o", f"remount,{options}", str(disk)]
    subprocess.run(command, check=True, capture_output=True)


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(
    workflow, small_disk
):
    study = STUDY | {
        "replicates": 2,
        "grid": {"levels": [[1, 2]], "rows": [60]},
        "estimators": {"nutpie": {"draws": 9000, "tune": 100, "escalations": 0}},
    }
    del study["designs"]
    remount(small_disk, "size=5m")
    printed = workflow.run(study, fails=True)
    assert "the results would take some" in printed
    *_, said = printed.splitlines()
    assert said.startswith("summands: the disk is full")
    assert "make room and run the study again" in said
    files = {path.name for path in small_disk.rglob("*") if path.is_file()}
    assert "posterior.nc" not in files
    assert not [name for name in files if name.endswith(".part")]
    remount(small_disk, "size=50m")
    workflow.run(study, *ONLY_TABLES)
    roomy = Workflow(workflow.folder / "roomy")
    roomy.folder.mkdir()
    roomy.run(study, *ONLY_TABLES)
    assert_same_values(workflow.results("small"), roomy.results("small"))


def test_read_only_results_are_told(workflow, small_disk):
    remount(small_disk, "ro")
    printed = workflow.run(QUICK, fails=True)
    assert "cannot be written to (Read-only file system)" in printed
    assert "Traceback" not in printed
    remount(small_disk, "rw")
    workflow.run(QUICK, *ONLY_TABLES)
    remount(small_disk, "ro")
    printed = workflow.run(QUICK | {"replicates": 4}, fails=True)
    assert "Write-protected output files" in printed
    assert "Traceback" not in printed


def test_a_folder_that_cannot_be_written_to_is_told(workflow, small_disk):
    remount(small_disk, "ro")
    elsewhere = Workflow(workflow.folder)
    printed = elsewhere.run(QUICK, "--directory", str(small_disk), fails=True)
    *_, said = printed.splitlines()
    assert said.startswith(f"summands: {small_disk} cannot be written to")
    assert "Traceback" not in printed


def test_a_worker_killed_for_memory_costs_its_job_only(workflow):
    """The kernel kills without warning; other jobs go on and the next run mends it."""
    study = STUDY | {"estimators": {"nutpie": {"draws": 4000, "tune": 3000}}}
    process = workflow.start(study)
    logs = workflow.results("small") / "logs" / "fit" / "nutpie"
    wait_for(lambda: any("started" in log.read_text() for log in logs.rglob("*.log")))
    victim = next(
        int(path.name)
        for path in Path("/proc").glob("[0-9]*")
        if b".fit.py" in (path / "cmdline").read_bytes()
        and str(workflow.folder).encode() in (path / "cmdline").read_bytes()
    )
    os.kill(victim, signal.SIGKILL)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "Error in rule sample" in printed
    assert printed.endswith("At least one job did not complete successfully.\n")
    done = list((workflow.results("small") / "fitted").rglob("fits.parquet"))
    assert len(done) == 3  # of four batches
    workflow.run(study, *ONLY_TABLES)
    other = Workflow(workflow.folder / "other")
    other.folder.mkdir()
    other.run(study, *ONLY_TABLES)
    assert_same_values(workflow.results("small"), other.results("small"))


def set_clock(workflow: Workflow, days: float) -> None:
    """Change the times of every other file, as a clock that jumped would have.

    Back to now those of all: a run may have removed some since.
    """
    files = sorted(
        path for path in workflow.results("quick").rglob("*") if path.is_file()
    )
    for path in files[:: 2 if days else 1]:
        moved = time.time() + 86_400 * days
        os.utime(path, (moved, moved))


def test_a_clock_that_was_slow_changes_no_number(quick, tmp_path):
    """Files older than what they were made from: at worst, work is done again."""
    workflow = quick.copy(tmp_path)
    set_clock(workflow, -400)
    workflow.run(QUICK, *ONLY_TABLES)
    assert_same_values(workflow.results("quick"), quick.results("quick"))


def test_a_clock_that_was_fast_is_told(quick, tmp_path):
    """Files from the future cannot be older than what is made of them now."""
    workflow = quick.copy(tmp_path)
    set_clock(workflow, 400)
    shutil.rmtree(workflow.results("quick") / "figures")
    (workflow.results("quick") / "recovery.parquet").unlink()
    printed = workflow.run(QUICK, fails=True)
    assert "older modification time" in printed
    assert "clock" in printed
    assert "Traceback" not in printed
    set_clock(workflow, 0)
    workflow.run(QUICK, *ONLY_TABLES)
    assert_same_values(workflow.results("quick"), quick.results("quick"))
