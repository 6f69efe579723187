import subprocess
import sys
from pathlib import Path

import pytest

from summands.files import lock

SCRIPTS = Path(lock.__file__).parents[2]


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """What a process holds and knows of its run, put back after each test."""
    monkeypatch.setattr(lock, "_held", [])
    monkeypatch.delenv(lock.RUN, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(SCRIPTS))


def elsewhere(call: str, folder: Path) -> str:
    """Call a function in another process; its error, if there is one."""
    code = f"import sys; from summands.files import lock; lock.{call}(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


def test_a_second_run_is_refused_until_the_first_is_gone(tmp_path):
    lock.claim(tmp_path)
    assert "is in use by another run" in elsewhere("claim", tmp_path)
    lock._held.pop().close()
    assert elsewhere("claim", tmp_path) == ""


def test_jobs_share_the_lock_of_their_run_and_keep_the_next_one_out(tmp_path):
    lock.claim(tmp_path)
    assert elsewhere("share", tmp_path) == ""
    lock.share(tmp_path)
    # The run is gone, its job is not.
    lock._held.pop(0).close()
    assert "a job that it left behind" in elsewhere("claim", tmp_path)


def test_jobs_of_a_run_of_two_studies_share_the_locks_of_both(tmp_path):
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        lock.claim(folder)
    # They are handed one number, as every job is.
    assert [elsewhere("share", folder) for folder in folders] == ["", ""]


def test_a_job_that_was_queued_by_a_replaced_run_gives_up(tmp_path):
    lock.claim(tmp_path)
    lock._held.pop().close()
    # A job without the number is one that an executor did not hand it to.
    assert elsewhere("claim", tmp_path) == ""
    with pytest.raises(lock.ReplacedError, match="nothing is left to do"):
        lock.share(tmp_path)
    assert not lock._held
    assert elsewhere("claim", tmp_path) == ""


def test_a_folder_is_idle_while_nobody_holds_it_and_kept_so_for_a_moment(tmp_path):
    with lock.idle(tmp_path) as idle:
        assert idle
        assert "is in use by another run" in elsewhere("claim", tmp_path)
    assert elsewhere("claim", tmp_path) == ""
    lock.claim(tmp_path)
    with lock.idle(tmp_path) as idle:
        assert not idle
    # Nor does it take the lock from the run.
    assert "is in use by another run" in elsewhere("claim", tmp_path)
    with lock.idle("/proc/no folder here") as idle:
        assert not idle


def test_what_stands_in_the_file_cannot_break_a_run(tmp_path):
    (tmp_path / lock.NAME).write_text("[1, 2")
    lock.share(tmp_path)
    assert "process unknown" in elsewhere("claim", tmp_path)
