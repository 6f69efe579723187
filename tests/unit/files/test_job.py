"""What a job says when it ends before its time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from summands.files import job

SCRIPTS = Path(job.__file__).parents[2]
START = "from summands.files import job, words\njob.start('logs/a.log', '.')\n"


def ended(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START + code],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
        check=False,
    )


@pytest.mark.parametrize("reason", ["line 3: no number", "one\ntwo: 12:00:00 three"])
def test_what_a_user_can_mend_is_in_the_log_for_the_run_to_tell(tmp_path, reason):
    done = ended(tmp_path, f"job.say('begun')\nraise words.TableError({reason!r})")
    assert (done.returncode, done.stdout, done.stderr) == (job.REFUSED, "", "")
    log = tmp_path / "logs" / "a.log"
    assert job.reason([tmp_path / "none.log", log]) == reason
    # Of an earlier run it is no reason.
    assert job.reason([log], since=log.stat().st_mtime + 1) is None


@pytest.mark.parametrize("code", ["1 / 0", "job.warn('beware')", ""])
def test_other_ends_have_no_reason(tmp_path, code):
    assert ended(tmp_path, code).returncode == bool("/" in code)
    assert job.reason([tmp_path / "logs" / "a.log"]) is None


def test_long_jobs_show_a_line_now_and_then(tmp_path):
    code = """
job.time.monotonic = iter([0, *range(20, 100, 10)]).__next__
tell = job.progress("nutpie")
for number in range(7):
    tell(f"{number} of 6")
tell("Traceback:\\n  all of it")
"""
    done = ended(tmp_path, code)
    assert done.stderr.splitlines() == ["nutpie: 1 of 6", "nutpie: 4 of 6"]
    log = (tmp_path / "logs" / "a.log").read_text()
    assert log.count(" of 6\n") == 7
    assert "all of it" in log


def test_a_log_that_takes_nothing_more_leaves_it_to_the_screen(tmp_path):
    full = "import os\nos.dup2(os.open('/dev/full', os.O_WRONLY), 1)\n"
    done = ended(tmp_path, full + "job.refuse('the disk is full')")
    assert (done.returncode, done.stderr) == (1, "summands: the disk is full\n")
