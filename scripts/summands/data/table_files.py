"""The files that a user's table is in: which they are, and what they hold."""

from __future__ import annotations

import glob
import hashlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from summands.files.words import TableError, nearest

# What a file's name may end with.
ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")

# A file that was written this short a time before it was hashed may be written again
# without a new time of change: clocks of file systems are coarse. In nanoseconds.
SETTLED = 2_000_000_000


def files(table: str) -> list[Path]:
    """List the files of a table, in an order that does not depend on the disk.

    Parameters
    ----------
    table : str
        A file, a folder of parts (all within it but hidden ones, and those whose names
        begin with "_"), or a glob.

    Returns
    -------
    list of Path
        At least one, all of one kind.

    Raises
    ------
    TableError
        If there is none, a name has an unknown ending, or kinds are mixed.
    """
    path = Path(table)
    if path.is_dir():
        found = [part for part in path.rglob("*") if _counts(part.relative_to(path))]
        empty = f"{table}: the folder holds no file; {_endings()}"
    elif path.exists():
        found, empty = [path], ""
    elif glob.has_magic(table):
        found = [Path(part) for part in glob.glob(table, recursive=True)]
        empty = f"{table}: no file has such a name"
    else:
        raise TableError(f"{table}: no such file{_similar(path)}")
    found = sorted((part for part in found if part.is_file()), key=Path.as_posix)
    if not found:
        if path.exists() and not path.is_dir():
            raise TableError(f"{table}: is not a file")
        raise TableError(empty)
    if odd := [part for part in found if not ending(part)]:
        raise TableError(f"{odd[0]}: cannot be read as a table; {_endings()}")
    kinds = {ending(part): part for part in reversed(found)}
    if len(kinds) > 1:
        names = " and ".join(str(kinds[kind]) for kind in sorted(kinds))
        raise TableError(
            f"{table}: holds files of several kinds, for instance {names}; "
            "keep those of one kind, or name them by a glob such as parts/*.parquet"
        )
    return found


def ending(path: Path) -> str:
    """Return which of `ENDINGS` a file's name has, in small letters; "" for none."""
    name = path.name.lower()
    return next((end for end in ENDINGS if name.endswith(end)), "")


def digest(
    paths: Sequence[Path], known: Mapping[str, Any]
) -> tuple[str, dict[str, list[Any]]]:
    """Identify what the files of a table hold.

    Parameters
    ----------
    paths : sequence of Path
        See `files`.
    known : mapping
        What an earlier call returned, or empty: files that still have the size, the
        times and the place on the disk noted there are not read again.

    Returns
    -------
    digest : str
        SHA-256 over the SHA-256 of all files. Names, folders and times do not count,
        nor does the order of the parts; kinds do, as they say how files are read.
    known : dict
        For the next call; JSON can hold it. Files that were written only just now are
        not in it: they could be written again without a trace.

    Raises
    ------
    TableError
        If a file cannot be read, or changes meanwhile.
    """
    sums, noted = [], {}
    for path in paths:
        with readable(path):
            state = _state(path)
            name = str(path.resolve())
            entry = list(known.get(name, ()))
            begun = time.time_ns()
            if entry[:-1] != state:
                with path.open("rb") as file:
                    entry = [*state, hashlib.file_digest(file, "sha256").hexdigest()]
            unchanged([path], [state])
        sums.append(f"{ending(path)} {entry[-1]}\n")
        if begun - state[1] > SETTLED or known.get(name) == entry:
            noted[name] = entry
    return hashlib.sha256("".join(sorted(sums)).encode()).hexdigest(), noted


def states(paths: Iterable[Path]) -> list[list[int]]:
    """Note sizes, times and places of files, to see later whether they changed."""
    found = []
    for path in paths:
        with readable(path):
            found.append(_state(path))
    return found


def unchanged(paths: Sequence[Path], before: Sequence[list[int]]) -> None:
    """Refuse files that are no longer as `states` found them."""
    for path, then, now in zip(paths, before, states(paths), strict=True):
        if then != now:
            raise TableError(
                f"{path}: changed while it was read; run the study again once "
                "nothing writes to it"
            )


class readable:  # noqa: N801
    """Context in which a file is opened: what the disk says becomes a `TableError`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise TableError(f"{self.path}: no such file any more") from None
        if isinstance(error, OSError):
            raise TableError(
                f"{self.path}: cannot be read ({error.strerror or error})"
            ) from None


def _state(path: Path) -> list[int]:
    """Size, times of change in nanoseconds, and place on the disk."""
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _counts(inside: Path) -> bool:
    return not any(name.startswith((".", "_")) for name in inside.parts)


def _endings() -> str:
    return "names end with " + ", ".join(ENDINGS[:-1]) + " or " + ENDINGS[-1]


def _similar(path: Path) -> str:
    """Suggest the file that may have been meant."""
    folder = path.parent
    if not folder.is_dir():
        return f" (nor a folder {folder})"
    names = [part.name for part in folder.iterdir() if ending(part) or part.is_dir()]
    hint = nearest(path.name, names)
    return f"; {hint}" if hint.startswith("did") else ""
