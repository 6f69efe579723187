"""One run of a study at a time, without a lock that outlives its owner.

The operating system holds the lock (flock) and drops it when the process ends, however
it ends: nothing needs unlocking by hand. The run and each of its jobs share it, so
that a job left behind by a killed run keeps the next one out until it is done. Jobs
that are still in a cluster's queue hold nothing; they know by the number of their run,
in their environment, that it has been replaced, and give up before they touch a file.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

NAME = ".lock"

# Executors hand the environment of a run to its jobs.
RUN = "SUMMANDS_RUN"

# Locks last as long as their files are open, so these stay open until the process ends.
_held: list[TextIO] = []


class LockError(RuntimeError):
    """A study's folder cannot be claimed; its text is meant for the user."""


class StudyBusyError(LockError):
    """Another run of the study is alive."""


class ReplacedError(LockError):
    """The run that a job belongs to is gone, and another one has begun."""


class UnwritableError(LockError):
    """The folder cannot be written to."""


def claim(folder: str | Path) -> None:
    """Claim a study's folder for this run, until this process ends.

    Parameters
    ----------
    folder : str or Path
        results/<study>; made if it is missing.

    Raises
    ------
    StudyBusyError
        If another run, or a job of one, is alive.
    UnwritableError
        If the folder cannot be written to.
    """
    file = _open(folder)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _held:
            # One number for all studies of a run: jobs are handed a single one.
            os.environ[RUN] = uuid.uuid4().hex
        owner = {
            "run": os.environ[RUN],
            "process": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        file.seek(0)
        file.truncate()
        json.dump(owner, file)
        file.flush()
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        named = defaultdict(lambda: "unknown", _owner(file))
        whose = "process {process} on {host}, since {since}".format_map(named)
        raise StudyBusyError(
            f"{folder} is in use by another run of this study ({whose}), or by a job "
            "that it left behind: wait for it to end, or stop it"
        ) from None
    _held.append(file)


def share(folder: str | Path) -> None:
    """Hold the lock for a job, together with its run and the run's other jobs.

    Raises
    ------
    ReplacedError
        If another run has claimed the folder since the job was submitted.
    UnwritableError
        If the folder cannot be written to.
    """
    file = _open(folder)
    fcntl.flock(file, fcntl.LOCK_SH)
    mine, theirs = os.environ.get(RUN), _owner(file).get("run")
    if mine and theirs and mine != theirs:
        file.close()
        raise ReplacedError(
            f"this job was submitted by a run of {folder} that is gone and has been "
            "replaced by another: nothing is left to do for it"
        )
    _held.append(file)


@contextmanager
def idle(folder: str | Path) -> Iterator[bool]:
    """Keep runs and jobs out of a study's folder for a moment.

    Yields
    ------
    bool
        False, and nothing is held, if a run or a job is alive or the folder cannot be
        written to.
    """
    try:
        file = _open(folder)
    except UnwritableError:
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            free = False
        else:
            free = True
        yield free


def _open(folder: str | Path) -> TextIO:
    path = Path(folder) / NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+")
    except OSError as error:
        raise UnwritableError(
            f"{folder} cannot be written to ({error.strerror}): give the run a folder "
            "where it can, with --directory"
        ) from None


def _owner(file: TextIO) -> dict[str, Any]:
    """Read what the last run put down about itself, nothing if that is unreadable."""
    file.seek(0)
    try:
        owner = json.loads(file.read())
    except ValueError:
        return {}
    return owner if isinstance(owner, dict) else {}
