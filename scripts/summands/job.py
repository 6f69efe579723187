"""What every job does: send its output to its log, and say how far it is."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from summands import lock, plan

# The run's standard error, once a job's own goes to its log.
_console: int | None = None


def start(log: str, study: str) -> None:
    """Begin a job.

    Standard output and error go to the rule's log from here on. File descriptors are
    redirected, not Python's streams alone: compiled samplers print past Python.

    Parameters
    ----------
    log : str
        The rule's log.
    study : str
        Name of the study, whose folder the job keeps locked until it ends.
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
    lock.share(plan.results(study))


def warn(message: str) -> None:
    """Write one line to the log and to where the run's own output goes."""
    say(message)
    if _console is not None:
        os.write(_console, f"summands: {message}\n".encode())


def say(message: str) -> None:
    """Write one line with the time of day, at once."""
    print(f"{time.strftime('%H:%M:%S')} {message}", flush=True)
