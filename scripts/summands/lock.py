"""One run of a study at a time, without a lock that outlives its owner.

The operating system holds the lock (flock) and drops it when the process ends, however
it ends: nothing needs unlocking by hand. The run and each of its jobs share it, so
that a job left behind by a killed run keeps the next one out until it is done.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from pathlib import Path
from typing import TextIO

NAME = ".lock"

# Locks last as long as their files are open, so these stay open until the process ends.
_held: list[TextIO] = []


class LockError(RuntimeError):
    """A study's folder cannot be claimed; its text is meant for the user."""


class StudyBusyError(LockError):
    """Another run of the study is alive."""


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
        owner = {
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
        raise StudyBusyError(
            f"{folder} is in use by another run of this study{_owner(file)}, or by a "
            "job that it left behind: wait for it to end, or stop it"
        ) from None
    _held.append(file)


def share(folder: str | Path) -> None:
    """Hold the lock for a job, together with its run and the run's other jobs."""
    file = _open(folder)
    fcntl.flock(file, fcntl.LOCK_SH)
    _held.append(file)


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


def _owner(file: TextIO) -> str:
    file.seek(0)
    try:
        owner = json.loads(file.read())
        return " (process {process} on {host}, since {since})".format(**owner)
    except (ValueError, KeyError):
        return ""
