"""Results that were changed, deleted, copied or left half done between two runs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from summands.files import storage

from .conftest import (
    ONLY_TABLES,
    QUICK,
    ROOT,
    Workflow,
    assert_same_values,
    kill,
    wait_for,
)

NOTHING = "Nothing to be done"
UNIT = "{}/given/replicates-0-1"


@pytest.fixture
def again(quick, tmp_path):
    """The results of the quick study, for a test to change."""
    return quick.copy(tmp_path)


def verify(workflow: Workflow, document: dict = QUICK) -> str:
    """What `make verify` says, and whether it succeeds."""
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "summands.study.verify",
                workflow.write(document),
            ),
            *("--directory", workflow.folder),
        ],
        cwd=ROOT / "scripts",
        capture_output=True,
        text=True,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert "Traceback" not in printed
    assert (done.returncode == 0) == ("as they were written" in printed), printed
    return printed


def digests(folder: Path) -> dict[str, str]:
    files = json.loads((folder / "manifest.json").read_text())["files"]
    return {name: record["sha256"] for name, record in files.items()}


def forge(path: Path) -> None:
    """Double the numbers of a table."""
    table = pq.read_table(path)
    for index, field in enumerate(table.schema):
        if field.type == pa.float64():
            doubled = pc.multiply(table.column(index), 2.0)
            table = table.set_column(index, field, doubled)
    pq.write_table(table, path, compression=storage.COMPRESSION)


def flip(path: Path) -> None:
    """Change a bit and put the time back."""
    state = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_every_file_of_a_run_is_listed_as_it_is(again):
    folder = again.results("quick")
    listed = digests(folder)
    assert listed == {
        name: storage.digest(folder / name)
        for name in again.files("quick")
        if name != "manifest.json"
    }
    assert not (folder / storage.JOURNAL).exists()
    assert f"all {len(listed)} files are as they were written" in verify(again)


def test_edited_files_are_refused_and_made_anew_when_deleted(again, quick):
    folder = again.results("quick")
    edits = {
        "recovery.parquet": forge,
        "summary.txt": lambda path: path.write_text("All is well.\n"),
        "plan.json": lambda path: path.write_text(path.read_text() + "\n"),
        f"{UNIT.format('simulated')}/cells.parquet": forge,
    }
    for name, edit in edits.items():
        edit(folder / name)
    for options in ((), ("--dry-run",)):
        printed = again.run(QUICK, *options, fails=True)
        for name in edits:
            assert f"  - results/quick/{name}\n" in printed
        assert "Delete them and run the study again" in printed
        assert "Traceback" not in printed
    said = verify(again)
    assert "4 altered:" in said
    for name in edits:
        assert f"  - {name}\n" in said
        (folder / name).unlink()
    again.run(QUICK)
    assert all((folder / name).exists() for name in edits)
    assert_same_values(folder, quick.results("quick"))
    verify(again)
    assert NOTHING in again.run(QUICK)


def test_a_forged_time_is_seen_through_by_verify_or_by_the_size(again):
    path = again.results("quick") / UNIT.format("simulated") / "cells.parquet"
    before = path.read_bytes()
    time_before = path.stat().st_mtime_ns
    flip(path)
    assert NOTHING in again.run(QUICK)
    assert "1 altered:" in verify(again)
    path.write_bytes(before + b"\0")
    os.utime(path, ns=(time_before, time_before))
    assert "cells.parquet" in again.run(QUICK, fails=True)


def test_what_was_deleted_is_made_again(again, quick):
    folder = again.results("quick")
    names = [
        f"{UNIT.format('simulated')}/truth.parquet",
        "fitted/least_squares/given/replicates-2-2/estimates.parquet",
        "figures/error.png",
        "designs.parquet",
    ]
    for name in names:
        (folder / name).unlink()
        assert f"  - {name}\n" in verify(again)
    before = again.files("quick")
    # One data set, two fits, the tables, the figures, the page, and the target itself.
    assert "7 of 7 steps" in again.run(QUICK)
    assert all((folder / name).exists() for name in names)
    after = again.files("quick")
    other = [name for name in before if "levels-1-2_rows-60" in name]
    assert other
    assert all(after[name] == before[name] for name in other)
    assert_same_values(folder, quick.results("quick"))
    (folder / "plan.json").unlink()
    assert NOTHING in again.run(QUICK)
    assert (folder / "plan.json").exists()
    verify(again)


def test_packs_are_watched_as_well(workflow):
    study = QUICK | {"designs_per_job": 2}
    workflow.run(study, *ONLY_TABLES)
    folder = workflow.results("quick")
    (pack, _) = sorted(folder.glob("simulated/*/*"))
    (pack / "truth.parquet").unlink()
    old = digests(folder)
    workflow.run(study, *ONLY_TABLES)
    new = digests(folder)
    assert {name for name in old if old[name] != new[name]} <= {
        name for name in old if not name.startswith("simulated/")
    }
    forge(pack / "cells.parquet")
    assert f"{pack.name}/cells.parquet" in workflow.run(study, fails=True)


def test_copies_and_touched_files_are_what_they_were(quick, workflow):
    shutil.copytree(
        quick.folder, workflow.folder, copy_function=shutil.copyfile, dirs_exist_ok=True
    )
    folder = workflow.results("quick")
    before = digests(folder)
    times = workflow.files("quick")
    assert NOTHING in workflow.run(QUICK)
    assert digests(folder) == before
    verify(workflow)
    times.pop("manifest.json")
    assert times.items() <= workflow.files("quick").items()
    forge(folder / "recovery.parquet")
    assert "results/quick/recovery.parquet" in workflow.run(QUICK, fails=True)


def test_results_without_a_manifest_are_taken_as_they_are(again):
    folder = again.results("quick")
    summary = folder / "summary.txt"
    (folder / "manifest.json").unlink()
    summary.write_text("All is well.\n")
    assert "has no manifest.json yet" in verify(again)
    again.run(QUICK, "--dry-run")
    assert not (folder / "manifest.json").exists()
    assert NOTHING in again.run(QUICK)
    verify(again)
    summary.write_text("All is very well.\n")
    assert "summary.txt" in again.run(QUICK, fails=True)


def test_a_study_that_changes_keeps_the_records_of_the_rest(again):
    folder = again.results("quick")
    before = digests(folder)
    # What a study asks for no longer may be deleted, and is forgotten.
    for path in folder.rglob("rows.parquet"):
        path.unlink()
    again.run(QUICK | {"replicates": 4, "keep_rows": False})
    after = digests(folder)
    kept = {
        name
        for name in before
        if name.startswith(("simulated/", "fitted/")) and "rows.parquet" not in name
    }
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert f"{UNIT.format('simulated')[:-3]}3-3/cells.parquet" in after
    assert not [name for name in after if name.endswith("rows.parquet")]
    verify(again)


def test_a_killed_run_is_no_forger(workflow):
    """Of what it has written each file is as it was put down, gathered or not."""
    process = workflow.start(QUICK)
    folder = workflow.results("quick")
    wait_for(lambda: any((folder / "fitted").glob("*/*/*/fits.parquet")))
    kill(process)
    done = {
        name
        for name in workflow.files("quick")
        if name.startswith(("simulated/", "fitted/")) and not name.endswith(".part")
    }
    assert done
    verify(workflow)
    cells = sorted(folder.rglob("cells.parquet"))[0]
    held = cells.read_bytes()
    forge(cells)
    assert "cells.parquet" in workflow.run(QUICK, fails=True)
    cells.write_bytes(held)
    workflow.run(QUICK)
    verify(workflow)
    assert done <= digests(folder).keys()


def test_a_run_killed_while_it_makes_files_anew(again, quick):
    """Old ones that were gathered have given way to new ones that were not."""
    folder = again.results("quick")
    seeded = QUICK | {"seed": 8}
    process = again.start(seeded)
    truth = folder / UNIT.format("simulated") / "truth.parquet"
    old = digests(folder)[str(truth.relative_to(folder))]
    wait_for(lambda: truth.exists() and storage.digest(truth) != old)
    kill(process)
    again.run(seeded)
    verify(again, seeded)
    again.run(QUICK)
    assert_same_values(folder, quick.results("quick"))
    verify(again)
