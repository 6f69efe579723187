"""What every job does: send its output to its log, and say how far it is."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from summands.files import lock, storage
from summands.files.words import TableError

# Exit status of a job whose log says why it ended; that of wrong input in sysexits.h.
REFUSED = 65

# Seconds between lines of a job on the screen.
PATIENCE = 30.0

# The run's standard error, once a job's own goes to its log.
_console: int | None = None


def start(log: str, results: str) -> None:
    """Begin a job.

    Standard output and error go to the rule's log from here on. File descriptors are
    redirected, not Python's streams alone: compiled samplers print past Python.

    Parameters
    ----------
    log : str
        The rule's log.
    results : str
        Folder of the study's results, which the job keeps locked until it ends, and in
        whose journal it puts down the files that it writes.
    """
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    global _console
    _console = os.dup(2)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    sys.excepthook = _explain
    lock.share(results)
    storage.keep_journal(results)


def _explain(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Say in one line what a user can mend; show anything else as Python does."""
    advice = ""
    text = str(error).strip()
    if isinstance(error, storage.DamagedFileError | lock.LockError | TableError):
        advice = text
    elif "No space left on device" in text or "Disk quota exceeded" in text:
        advice = (
            f"the disk is full ({text.splitlines()[0]}): make room and run the study "
            "again, which goes on from here"
        )
    elif isinstance(error, PermissionError) or "Read-only file system" in text:
        advice = f"results cannot be written ({text.splitlines()[0]})"
    elif isinstance(error, MemoryError):
        advice = "there is not enough memory: give the job more, or run fewer at once"
    if advice:
        refuse(advice)
    else:
        sys.__excepthook__(kind, error, trace)


def refuse(reason: str) -> NoReturn:
    """End the job with what a user can mend, which the run tells at its end.

    Parameters
    ----------
    reason : str
        What is wrong, where, and how to mend it; a line each, if it is several.
    """
    status = REFUSED
    try:
        say(f"summands: {reason}")
    except OSError:
        # The disk of the log is full: the run will find nothing there.
        status = 1
        if _console is not None:
            os.write(_console, f"summands: {reason}\n".encode())
    # At once: it is called where Python shows an error, and takes no other any more.
    os._exit(status)


def reason(logs: Iterable[str | Path], since: float = 0.0) -> str | None:
    """Find what a job that ended by `refuse` said.

    Parameters
    ----------
    logs : iterable of str or Path
        Logs of the job.
    since : float, optional
        Time before which logs are of earlier jobs, in seconds since the epoch: a job
        that is killed as it starts leaves the log of the one before it.

    Returns
    -------
    str or None
        None if none of them has it.
    """
    for log in logs:
        try:
            if Path(log).stat().st_mtime < since:
                continue
            text = Path(log).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if found := re.search(r"^[\d:]{8} summands: (.+)\Z", text, re.M | re.S):
            return found[1].strip()
    return None


def warn(message: str) -> None:
    """Write one line to the log and to where the run's own output goes."""
    say(message)
    if _console is not None:
        os.write(_console, f"summands: {message}\n".encode())


def progress(name: str) -> Callable[[str], None]:
    """Make a function that says how far a long job is.

    Parameters
    ----------
    name : str
        Of what is at work.

    Returns
    -------
    callable
        Takes lines for the log, and shows one each `PATIENCE` seconds where the run's
        own output goes.
    """
    shown = time.monotonic()

    def tell(message: str) -> None:
        nonlocal shown
        say(message)
        # Of several lines are stacks of Python, which the log is for.
        if _console is None or "\n" in message:
            return
        now = time.monotonic()
        if now - shown >= PATIENCE:
            shown = now
            os.write(_console, f"{name}: {message}\n".encode())

    return tell


def say(message: str) -> None:
    """Write one line with the time of day, at once."""
    print(f"{time.strftime('%H:%M:%S')} {message}", flush=True)
