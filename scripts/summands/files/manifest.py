"""What the files of a study were when they were written, and whether they still are.

``results/<study>/manifest.json`` holds size, SHA-256 and time of every file of a
study's results, logs and Snakemake's report left aside. Jobs put down what they write
in a journal (see `summands.files.storage.keep_journal`); the run gathers it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from summands.files import storage

NAME = "manifest.json"

# A protocol, its versions, and those that came after data: no run writes them.
PROTOCOL, VERSIONS, AMENDMENTS = "protocol.md", "protocol.json", "amendments"

# Logs grow, and what is written for other programs, for a paper, and as Snakemake's
# report is made of files that are all listed.
OF_OTHERS = ("logs", "csv", "paper", "provenance.html")
LEFT_OUT = (*OF_OTHERS, PROTOCOL, VERSIONS, AMENDMENTS, NAME)


class AlteredError(RuntimeError):
    """Files are not what was written; its text is meant for the user."""


@dataclass(frozen=True)
class Record:
    """A file as it was when it was written.

    Parameters
    ----------
    size : int
        In bytes.
    sha256 : str
        Hexadecimal digits.
    mtime_ns : int
        Time of its last change, in nanoseconds. Snakemake, a copy or a clock may set
        another without changing the file: then the digest decides.
    """

    size: int
    sha256: str
    mtime_ns: int


class Manifest:
    """Records of the files of one study.

    A file has one from the manifest, some from the journal, or both, where the process
    that was to replace it, or the run that was to gather, was killed: it is as it was
    written if it agrees with any of them.

    Parameters
    ----------
    folder : str or Path
        results/<study>.

    Raises
    ------
    DamagedFileError
        If the manifest cannot be read.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        # Before the manifest: what a run gathers in the meantime is there, then.
        self._pages = sorted((self.folder / storage.JOURNAL).glob("*.jsonl"))
        self._journal: dict[str, list[Record]] = defaultdict(list)
        for name, record in _lines(self._pages):
            self._journal[name].append(record)
        self._gathered = _read(self.folder / NAME)
        # With their new time, files that `altered` has found to be what they were.
        self._moved: dict[str, Record] = {}

    def __bool__(self) -> bool:
        return bool(self._gathered or self._journal)

    def __contains__(self, name: str) -> bool:
        return name in (self._gathered or {}) or name in self._journal

    def check(self, names: Iterable[str]) -> None:
        """Refuse files that are not what was written.

        Parameters
        ----------
        names : iterable of str
            See `altered`.

        Raises
        ------
        AlteredError
            With the files, and what to do.
        """
        altered = self.altered(names)
        if altered:
            # A run that is alive may have written them since the records were read.
            altered = Manifest(self.folder).altered(altered)
        if altered:
            paths = [str(self.folder / name) for name in altered]
            raise AlteredError(
                "altered since the study wrote them, and neither used nor overwritten "
                f"now:{listed(paths)}\nDelete them and run the study again, which "
                "makes them anew"
            )

    def altered(self, names: Iterable[str], *, every_digest: bool = False) -> list[str]:
        """Find the files that are not what was written; those that are gone are not.

        Parameters
        ----------
        names : iterable of str
            Below the folder. Files without a record are taken as they are.
        every_digest : bool, optional
            Whether the digest is also taken of files whose size and time are as they
            were.

        Returns
        -------
        list of str
            In alphabetical order.
        """
        doubtful: dict[str, Record] = {}
        found = set()
        for name in names:
            now, records = self._now(name), self._records(name)
            if now is None or not records:
                continue
            if not any(now.size == record.size for record in records):
                found.add(name)
            elif every_digest or not _agreeing(now, records):
                doubtful[name] = now
        for name, now in self._with_digests(doubtful):
            if any(now.sha256 == record.sha256 for record in self._records(name)):
                self._moved[name] = now
            else:
                found.add(name)
        return sorted(found)

    def gather(self, used: Collection[str], *, alone: bool) -> None:
        """Write what is known into the manifest.

        A file in the journal that has the size that was put down is taken for the one
        that was written, although Snakemake sets its time when its job has ended: what
        is left of earlier runs goes through `check` first.

        Parameters
        ----------
        used : collection of str
            Files that the study uses. Of others those that are gone are forgotten: they
            are what the study asked for earlier.
        alone : bool
            Whether nobody writes into the journal any more, so that it can go.
        """
        records = dict(self._gathered or {})
        doubtful = []
        for name, journal in self._journal.items():
            now = self._now(name)
            if now is None:
                continue
            records.setdefault(name, journal[-1])
            agreeing = _agreeing(now, self._records(name))
            sums = {record.sha256 for record in journal if record.size == now.size}
            if agreeing:
                records[name] = agreeing
            elif len(sums) == 1:
                records[name] = replace(now, sha256=sums.pop())
            elif name not in self._moved:
                doubtful.append(name)
        self.altered(doubtful)
        records |= self._moved
        if self._gathered is None:
            # Results from before there were manifests: taken as they are.
            rest = {name: self._now(name) for name in self.files()}
            unknown = {
                name: now
                for name, now in rest.items()
                if now is not None and name not in records
            }
            records |= dict(self._with_digests(unknown))
        records = {
            name: record
            for name, record in sorted(records.items())
            if name in used or (self.folder / name).exists()
        }
        if records != self._gathered:
            with storage.whole(self.folder / NAME, journal=False) as path:
                path.write_text(_written(records), encoding="utf-8")
        if alone:
            for page in self._pages:
                page.unlink(missing_ok=True)
            with suppress(OSError):
                (self.folder / storage.JOURNAL).rmdir()

    def verify(self) -> tuple[int, dict[str, list[str]]]:
        """Read every file again.

        Returns
        -------
        count : int
            Files that are as they were written.
        problems : dict of str to list of str
            Names of files by what is wrong with them, "altered", "missing" or
            "unrecorded"; empty if nothing is.
        """
        names = {*(self._gathered or {}), *self._journal}
        # In the journal alone: not yet written, or removed with a job that failed.
        missing = {
            name for name in self._gathered or {} if not (self.folder / name).exists()
        }
        there = {name for name in names if (self.folder / name).exists()}
        altered = self.altered(sorted(there), every_digest=True)
        problems = {
            "altered": altered,
            "missing": sorted(missing),
            "unrecorded": sorted(name for name in self.files() if name not in names),
        }
        count = len(there) - len(altered)
        return count, {kind: files for kind, files in problems.items() if files}

    def files(self) -> list[str]:
        """Files that there are and that a manifest lists, without those left out."""
        inside = (path.relative_to(self.folder) for path in self.folder.rglob("*"))
        return [
            path.as_posix()
            for path in inside
            if path.parts[0] not in LEFT_OUT
            and not any(part.startswith(".") for part in path.parts)
            and (self.folder / path).is_file()
        ]

    def _records(self, name: str) -> list[Record]:
        """All records of a file."""
        gathered = (self._gathered or {}).get(name)
        return [*([gathered] if gathered else []), *self._journal.get(name, [])]

    def _now(self, name: str) -> Record | None:
        """Look at a file, digest left aside; None if it is gone."""
        try:
            state = (self.folder / name).stat()
        except FileNotFoundError:
            return None
        return Record(state.st_size, "", state.st_mtime_ns)

    def _with_digests(self, files: dict[str, Record]) -> Iterator[tuple[str, Record]]:
        """Take the digests of some files, several at once."""
        paths = [self.folder / name for name in files]
        with ThreadPoolExecutor() as pool:
            for (name, now), digest in zip(
                files.items(), pool.map(storage.digest, paths), strict=True
            ):
                yield name, replace(now, sha256=digest)


def _agreeing(now: Record, records: Iterable[Record]) -> Record | None:
    """Find the record of a file's size and time."""
    for record in records:
        if (record.size, record.mtime_ns) == (now.size, now.mtime_ns):
            return record
    return None


def _lines(pages: Iterable[Path]) -> Iterator[tuple[str, Record]]:
    """Read a journal; a process that is killed may leave its last line unfinished."""
    for page in pages:
        try:
            lines = page.read_bytes().splitlines()
        except FileNotFoundError:
            continue  # gathered in the meantime
        for line in lines:
            with suppress(ValueError):
                content = json.loads(line)
                yield content.pop("file"), Record(**content)


def _read(path: Path) -> dict[str, Record] | None:
    if not path.exists():
        return None
    with storage.reading(path):
        try:
            files = json.loads(path.read_text(encoding="utf-8"))["files"]
            return {name: Record(**record) for name, record in files.items()}
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a manifest: {error}") from None


def _written(records: dict[str, Record]) -> str:
    lines = (
        f"{json.dumps(name)}: {json.dumps(asdict(record))}"
        for name, record in records.items()
    )
    return '{"files": {\n' + ",\n".join(lines) + "\n}}\n"


def listed(names: Sequence[str], at_most: int = 20) -> str:
    """Names of files, one a line, so many at the most."""
    lines = [f"\n  - {name}" for name in names[:at_most]]
    if len(names) > at_most:
        lines.append(f"\n  - and {len(names) - at_most} more")
    return "".join(lines)
