"""Write the protocol of a study.

::

    export PYTHONPATH=scripts
    .venv/bin/python -m summands.report.protocol STUDY.yaml [--directory DIR] [--amend]

``make protocol STUDY=STUDY.yaml`` does the same; ``AMEND=yes`` stands for ``--amend``.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from summands.data import table_files
from summands.estimators import EstimatorError
from summands.files import provenance, storage
from summands.files.manifest import AMENDMENTS, PROTOCOL, VERSIONS
from summands.files.words import TableError, counted
from summands.report.protocol import text
from summands.study import asked, batch, protocols, study
from summands.study.protocols import Version
from summands.study.study import Study


class ProtocolError(RuntimeError):
    """A protocol that is not written; its text is meant for the user."""


def write(checked: Study, folder: Path, now: datetime, *, amend: bool) -> Path | None:
    """Write the protocol of a study, or an amendment where there are data already.

    Before the study has data a protocol is replaced by the next. Afterwards it stays,
    and another one is written beside it if that is asked for.

    Parameters
    ----------
    checked : Study
    folder : Path
        results/<study>.
    now : datetime
        With its time zone.
    amend : bool

    Returns
    -------
    Path or None
        The file; None where the last protocol says what the study asks.

    Raises
    ------
    ProtocolError
        If there are data and another protocol, and no amendment is asked for; if the
        protocol was edited by hand; if the study has nothing to simulate.
    DamagedFileError
        If the list of versions cannot be read.
    """
    if checked.observed is None and not checked.designs:
        raise ProtocolError(
            "there is nothing to simulate, and so no protocol: `make plan` says how "
            "many rows are needed"
        )
    versions = protocols.read(folder)
    after_data = protocols.has_data(folder)
    content = asked.content(checked)
    version = Version(
        PROTOCOL,
        now.astimezone(UTC).isoformat(timespec="seconds"),
        asked.digest(content),
        "",
        after_data,
        _digest(checked),
        content,
    )
    if after_data and versions:
        last = versions[-1]
        if last.sha256 == version.sha256:
            return None
        if not amend:
            count = len(asked.changes(last.asked, content))
            raise ProtocolError(
                f"{folder / last.file} was written {protocols.moment(last.written)} "
                f"and stays as it is, as the study has data: of the study file "
                f"{counted(count, 'key')} changed since. `make protocol AMEND=yes` (or "
                "--amend) writes an amendment beside it that lists what changed"
            )
        version = dataclasses.replace(version, file=_dated(folder, now))
    else:
        # What nobody has seen data for is a draft.
        _keep_edits(folder, versions)
        versions = []
    made = text.document(
        checked, version, versions, provenance.record(provenance.dependencies())
    )
    path = folder / version.file
    with storage.whole(path) as unfinished:
        unfinished.write_text(made, encoding="utf-8")
    version = dataclasses.replace(version, text=storage.digest(path))
    with storage.whole(folder / VERSIONS) as unfinished:
        unfinished.write_text(protocols.written([*versions, version]), encoding="utf-8")
    return path


def _digest(checked: Study) -> str | None:
    if checked.observed is None:
        return None
    with suppress(TableError):
        table = checked.observed.source.table
        return table_files.digest(table_files.files(table), {})[0]
    return None


def _dated(folder: Path, now: datetime) -> str:
    """Name an amendment by its day, and by a number where the day has several."""
    day = now.astimezone(UTC).date().isoformat()
    number, name = 1, f"{AMENDMENTS}/{day}.md"
    while (folder / name).exists():
        number += 1
        name = f"{AMENDMENTS}/{day}-{number}.md"
    return name


def _keep_edits(folder: Path, versions: list[Version]) -> None:
    path = folder / PROTOCOL
    if not path.exists():
        return
    if any(storage.digest(path) == version.text for version in versions):
        return
    raise ProtocolError(
        f"{path} was edited, or not written by summands: move it to another name to "
        "have it written anew"
    )


def main() -> None:
    """Write the protocol of a study: what it asks, before it is run."""
    parser = argparse.ArgumentParser(
        prog="summands.report.protocol", description=main.__doc__
    )
    parser.add_argument("study", type=Path, help="the study file")
    parser.add_argument(
        "--directory", type=Path, default=Path(), help="the folder that has results/"
    )
    parser.add_argument(
        "--amend",
        action="store_true",
        help="where the study has data, write an amendment beside its protocol",
    )
    given = parser.parse_args()
    try:
        checked = study.read(given.study)
        folder = given.directory / batch.results(checked.name)
        path = write(checked, folder, datetime.now(UTC), amend=given.amend)
    except (
        study.StudyError,
        EstimatorError,
        ProtocolError,
        storage.DamagedFileError,
    ) as refusal:
        sys.exit(f"summands: {refusal}")
    except OSError as error:
        sys.exit(f"summands: the protocol cannot be written ({error})")
    if path is None:
        last = folder / protocols.read(folder)[-1].file
        print(f"{last} says what the study asks: nothing changed since")
        return
    print(path)


if __name__ == "__main__":
    main()
