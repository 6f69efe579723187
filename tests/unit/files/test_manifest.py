import hashlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from summands.files import lock, manifest, storage
from summands.files.manifest import Manifest
from summands.study import verify as verify_study

NAMES = ("recovery.parquet", "simulated/d 1/replicates-0-9/cells.parquet", "plan.json")
SECOND = 10**9


@pytest.fixture(autouse=True)
def no_journal(monkeypatch):
    """What this process puts down where, put back after each test."""
    monkeypatch.setattr(storage, "_journal", None)


@pytest.fixture
def folder(tmp_path):
    """A study's results with every file written and gathered."""
    folder = tmp_path / "results" / "a study"
    write(folder, *NAMES)
    gather(folder)
    return folder


def write(folder: Path, *names: str, text: str = "as written") -> None:
    """Write files as a job of its own does."""
    storage.keep_journal(folder)
    for name in names:
        with storage.whole(folder / name) as path:
            path.write_text(text)
        shift_time(folder / name)


def shift_time(path: Path, seconds: float = 1.0) -> None:
    moved = path.stat().st_mtime_ns + int(seconds * SECOND)
    os.utime(path, ns=(moved, moved))


def edit(path: Path, text: str = "by a hand.", *, forged: bool = False) -> None:
    """Change a file; a forger puts its time back."""
    before = path.stat().st_mtime_ns
    path.write_text(text)
    os.utime(path, ns=(before, before))
    if not forged:
        shift_time(path)


def gather(folder: Path) -> None:
    Manifest(folder).gather(NAMES, alone=True)


class Killed(BaseException):
    pass


class Histories(RuleBasedStateMachine):
    """Whatever happens to results, what no run wrote is found, and nothing else."""

    @initialize()
    def begin(self) -> None:
        self.place = Path(tempfile.mkdtemp())
        self.folder = self.place / "results" / "s"
        self.folder.mkdir(parents=True)
        self.edited: set[str] = set()
        self.forged: set[str] = set()
        self.count = 0

    def teardown(self) -> None:
        shutil.rmtree(self.place)
        storage._journal = None

    def text(self, longer: bool) -> str:
        self.count += 1
        return f"{self.count:05}" + "+" * longer

    def path(self, name: str) -> Path:
        return self.folder / name

    def there(self) -> list[str]:
        return [name for name in NAMES if self.path(name).exists()]

    def gone(self, name: str) -> None:
        self.edited.discard(name)
        self.forged.discard(name)

    @rule(
        names=st.lists(st.sampled_from(NAMES), unique=True, min_size=1),
        removed=st.booleans(),
        longer=st.booleans(),
        killed=st.sampled_from(
            [None, None, "before", "half a line", "line", "renamed", "gathered"]
        ),
    )
    def run(self, names, removed, longer, killed) -> None:
        """A run writes files, after Snakemake has removed them or in their place."""
        records = Manifest(self.folder)
        if records.altered(NAMES):
            return
        # That one is refused; a forged file the run may go on with.
        records.gather(NAMES, alone=True)
        for name in names:
            # Of jobs at the same time each has a page.
            storage.keep_journal(self.folder)
            path = self.path(name)
            if removed:
                path.unlink(missing_ok=True)
                self.gone(name)
            last = name == names[-1]
            try:
                with storage.whole(path) as partial:
                    partial.write_text(self.text(longer))
                    if last and killed == "before":
                        raise Killed
                    if last and killed in ("line", "half a line"):
                        with mock.patch("os.replace", side_effect=Killed):
                            storage._put_down(partial, path)
                            raise Killed
            except Killed:
                if killed == "half a line":
                    page = storage._journal[1]
                    page.write_bytes(page.read_bytes()[: 7 - 2 * len(name)])
                return
            self.gone(name)
            shift_time(path)  # as Snakemake does with the outputs of a job
        if killed == "renamed":
            return
        done = Manifest(self.folder)
        done.gather(NAMES, alone=killed != "gathered")

    @rule(name=st.sampled_from(NAMES), longer=st.booleans(), forged=st.booleans())
    def edit(self, name, longer, forged) -> None:
        if name in self.there():
            edit(self.path(name), self.text(longer), forged=forged)
            self.edited.add(name)
            (self.forged.add if forged else self.forged.discard)(name)

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name) -> None:
        self.path(name).unlink(missing_ok=True)
        self.gone(name)

    @rule(name=st.sampled_from(NAMES), seconds=st.sampled_from([-400.0, 0.5, 400.0]))
    def touch(self, name, seconds) -> None:
        if name in self.there():
            shift_time(self.path(name), seconds)
            self.forged.discard(name)

    @rule()
    def copy(self) -> None:
        other = self.place / f"copy {self.count}" / "s"
        self.count += 1
        shutil.copytree(self.folder, other, copy_function=shutil.copyfile)
        self.folder = other
        self.forged.clear()

    @invariant()
    def found(self) -> None:
        seen = set(Manifest(self.folder).altered(NAMES))
        assert self.edited - self.forged <= seen <= self.edited
        _, problems = Manifest(self.folder).verify()
        assert set(problems.get("altered", [])) == self.edited
        assert "unrecorded" not in problems

    @invariant()
    def missing(self) -> None:
        _, problems = Manifest(self.folder).verify()
        assert not set(problems.get("missing", [])) & set(self.there())


Histories.TestCase.settings = settings(
    max_examples=60, stateful_step_count=15, deadline=None
)
test_histories = Histories.TestCase


def test_a_manifest_lists_size_and_digest_of_every_file(folder):
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    assert set(listed) == set(NAMES)
    for name, record in listed.items():
        data = (folder / name).read_bytes()
        assert record["size"] == len(data)
        assert record["sha256"] == hashlib.sha256(data).hexdigest()
    assert not (folder / storage.JOURNAL).exists()
    assert Manifest(folder).verify() == (3, {})


def test_logs_hidden_files_and_the_report_are_not_listed(folder):
    (folder / "manifest.json").unlink()
    for name in ("logs/draw.log", "provenance.html", lock.NAME, "figures/.e.png.part"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    gather(folder)
    assert sorted(Manifest(folder).files()) == sorted(NAMES)
    assert Manifest(folder).verify() == (3, {})


def test_a_forged_file_is_found_by_its_digest_alone(folder):
    edit(folder / NAMES[1], forged=True)
    assert Manifest(folder).altered(NAMES) == []
    assert Manifest(folder).verify() == (2, {"altered": [NAMES[1]]})
    edit(folder / NAMES[1], "of another size", forged=True)
    assert Manifest(folder).altered(NAMES) == [NAMES[1]]


def test_digests_are_taken_of_files_that_changed_and_of_these_once(folder):
    with mock.patch.object(storage, "digest", wraps=storage.digest) as digest:
        assert Manifest(folder).altered(NAMES) == []
        assert not digest.called
        shift_time(folder / NAMES[0], 5)
        records = Manifest(folder)
        assert records.altered(NAMES) == []
        records.gather(NAMES, alone=True)
        assert digest.call_count == 1
        assert Manifest(folder).altered(NAMES) == []
        assert digest.call_count == 1
        # Nor does the run read again what its jobs have just put down.
        write(folder, *NAMES)
        gather(folder)
        assert digest.call_count == 1 + len(NAMES)


def test_two_processes_put_down_one_file(folder):
    """A job that was tried again, of whose files each has the same size."""
    for attempt in range(9):
        write(folder, NAMES[0], text=f"attempt {attempt}")
    gather(folder)
    assert Manifest(folder).verify() == (3, {})
    edit(folder / NAMES[0], "attempt 0")
    assert Manifest(folder).altered(NAMES) == [NAMES[0]]


def test_results_from_before_there_were_manifests_are_taken_as_they_are(folder):
    (folder / "manifest.json").unlink()
    assert not Manifest(folder)
    edit(folder / NAMES[0])
    assert Manifest(folder).altered(NAMES) == []
    gather(folder)
    assert Manifest(folder).verify() == (3, {})
    edit(folder / NAMES[0], "once more!")
    assert Manifest(folder).altered(NAMES) == [NAMES[0]]


def test_what_is_gone_is_missing_until_the_study_asks_for_it_no_longer(folder):
    (folder / NAMES[1]).unlink()
    (folder / "forged.parquet").write_text("no run wrote this")
    problems = {"missing": [NAMES[1]], "unrecorded": ["forged.parquet"]}
    assert Manifest(folder).verify() == (2, problems)
    gather(folder)
    assert Manifest(folder).verify() == (2, problems)
    Manifest(folder).gather({NAMES[0], NAMES[2]}, alone=True)
    assert Manifest(folder).verify() == (2, {"unrecorded": ["forged.parquet"]})


def test_files_elsewhere_are_not_put_down(folder, tmp_path):
    storage.keep_journal(folder)
    with storage.whole(tmp_path / "results" / "other" / "fits.parquet") as path:
        path.write_text("")
    assert not (folder / storage.JOURNAL).exists()


def test_altered_files_are_refused_in_one_message(folder):
    for name in NAMES[:2]:
        edit(folder / name)
    with pytest.raises(manifest.AlteredError) as caught:
        Manifest(folder).check(NAMES)
    for words in ("altered", "Delete them and run the study again", *NAMES[:2]):
        assert words in str(caught.value)
    assert NAMES[2] not in str(caught.value)


def test_what_a_live_run_writes_meanwhile_is_not_taken_for_an_edit(folder):
    records = Manifest(folder)
    write(folder, *NAMES, text="written anew")
    assert records.altered(NAMES) == sorted(NAMES)
    records.check(NAMES)
    # Its end: what it put down moves into the manifest.
    records = Manifest(folder)
    write(folder, *NAMES, text="written once more")
    gather(folder)
    records.check(NAMES)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": {"a": {"size": 1}}}'])
def test_a_damaged_manifest_is_named(folder, text):
    (folder / "manifest.json").write_text(text)
    with pytest.raises(storage.DamagedFileError, match=r"manifest\.json is damaged"):
        Manifest(folder)


STUDY = """
study: a study
seed: 1
replicates: 1
grid: {levels: [[1, 2]], rows: [60]}
estimators: {least_squares: {}}
"""


def test_verify_tells_a_user(tmp_path, monkeypatch, capsys):
    def verify() -> tuple[str, str]:
        command = ["summands.files.manifest", str(file), "--directory", str(tmp_path)]
        monkeypatch.setattr(sys, "argv", command)
        try:
            verify_study.main()
        except SystemExit as end:
            return capsys.readouterr().out, str(end.code)
        return capsys.readouterr().out, ""

    file = tmp_path / "a study.yaml"
    assert "No such file" in verify()[1]
    file.write_text(STUDY.replace("a study", "a-study"))
    folder = tmp_path / "results" / "a-study"
    assert "there are no results of this study yet" in verify()[1]
    write(folder, *NAMES)
    shutil.rmtree(folder / storage.JOURNAL)
    assert "has no manifest.json yet" in verify()[1]
    write(folder, *NAMES)
    gather(folder)
    said, refused = verify()
    assert said.endswith("all 3 files are as they were written\n")
    assert not refused
    edit(folder / NAMES[0], forged=True)
    (folder / NAMES[1]).unlink()
    said, refused = verify()
    assert f"1 altered:\n  - {NAMES[0]}\n" in said
    assert f"1 missing:\n  - {NAMES[1]}\n" in said
    assert "is not as it was written: delete what was altered" in refused
