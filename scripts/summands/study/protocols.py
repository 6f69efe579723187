"""Protocols of a study: which were written, and which were there when a run began.

``results/<study>/protocol.json`` lists the versions of a study's protocol with what the
study asked then; `summands.report.protocol` writes it. ``runs.json`` beside it lists
what the study asked, and which version was there, when runs began: the first of them
tells whether the protocol came before the data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from summands.files import storage
from summands.files.manifest import VERSIONS

# The list of runs.
RUNS = "runs.json"

# Files that only a run makes, below the folder of the results.
DATA = (
    "*.parquet",
    "simulated/*/*/*.parquet",
    "observed/*.parquet",
    "fitted/**/*.parquet",
)


@dataclass(frozen=True)
class Version:
    """A protocol as it was written.

    Parameters
    ----------
    file : str
        Below the folder of the results.
    written : str
        When, in ISO 8601.
    sha256 : str
        Of what the study asked, see `summands.study.asked.digest`.
    text : str
        SHA-256 of the file as it was written.
    after_data : bool
        Whether the study had data by then.
    table : str or None
        SHA-256 over the files of an observed table; None where there was none yet.
    asked : dict
        See `summands.study.asked.content`.
    """

    file: str
    written: str
    sha256: str
    text: str
    after_data: bool
    table: str | None
    asked: dict[str, Any]

    @property
    def stamp(self) -> dict[str, str]:
        """What a run puts down of it."""
        return {"file": self.file, "written": self.written, "sha256": self.sha256}


def moment(written: str) -> str:
    """Write a time in ISO 8601, in UTC, as a person does."""
    return f"{written[:10]} at {written[11:16]} UTC"


def read(folder: Path) -> list[Version]:
    """Read the versions of a study's protocol, the first one first.

    Parameters
    ----------
    folder : Path
        results/<study>.

    Raises
    ------
    DamagedFileError
        If they are there and cannot be read.
    """
    path = folder / VERSIONS
    if not path.is_file():
        return []
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))["versions"]
        return [Version(**version) for version in kept]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise storage.DamagedFileError(
            f"{path} cannot be read ({error}): put a copy of it in its place, or "
            "delete it and write the protocol again"
        ) from error


def written(versions: Sequence[Version]) -> str:
    """Write versions as JSON, for `read`."""
    kept = {"versions": [asdict(version) for version in versions]}
    return json.dumps(kept, indent=2, ensure_ascii=False) + "\n"


def has_data(folder: Path) -> bool:
    """Whether there is anything in a folder of results that data were needed for."""
    return any(path.is_file() for kind in DATA for path in folder.glob(kind))


def runs(
    earlier: str | None, versions: Sequence[Version], digest: str, *, begun: bool
) -> list[dict[str, Any]]:
    """List what a study asked and which protocol was there, this run the last.

    Parameters
    ----------
    earlier : str or None
        What is in the list by now; None where there is none.
    versions : sequence of Version
        That are there.
    digest : str
        Of what the study asks.
    begun : bool
        Whether the study has data already. Where they have no list it begins with one
        of which nothing is known; where there are none it begins anew.

    Returns
    -------
    list of dict
        ``asked`` is the digest, ``protocol`` the stamp of the last version.
        Runs that are alike follow one another as one.

    Raises
    ------
    ValueError
        If the list cannot be read.
    """
    known: list[dict[str, Any]] = [{"asked": None, "protocol": None}] * begun
    if begun and earlier is not None:
        try:
            known = json.loads(earlier)["runs"]
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a list of runs: {error}") from None
    now = {"asked": digest, "protocol": versions[-1].stamp if versions else None}
    return known if known[-1:] == [now] else [*known, now]


@dataclass(frozen=True)
class Told:
    """What a page tells of protocols.

    Parameters
    ----------
    versions : tuple of Version
    first : mapping or None
        Stamp of the one that was there when the first run began.
    """

    versions: tuple[Version, ...] = ()
    first: Mapping[str, str] | None = None

    @property
    def before(self) -> bool:
        """Whether the protocol was there before the first run."""
        return bool(self.versions) and self.first == self.versions[0].stamp

    @property
    def plain(self) -> dict[str, Any]:
        """As plain JSON values, for `Told.of`."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Told:
        """Read what `plain` wrote."""
        versions = tuple(Version(**version) for version in plain["versions"])
        return cls(versions, plain["first"])
