"""Read all files of a study again, and tell which are not what they were.

::

    export PYTHONPATH=scripts
    .venv/bin/python -m summands.study.verify STUDY.yaml [--directory DIR]

``make verify STUDY=STUDY.yaml`` does the same.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from summands.files import storage
from summands.files.manifest import NAME, Manifest, listed
from summands.study import batch, study


def main() -> None:
    """Check the digests of all files of a study."""
    parser = argparse.ArgumentParser(
        prog="summands.study.verify", description=main.__doc__
    )
    parser.add_argument("study", type=Path, help="the study file")
    parser.add_argument(
        "--directory", type=Path, default=Path(), help="the folder that has results/"
    )
    given = parser.parse_args()
    try:
        folder = given.directory / batch.results(study.read(given.study).name)
        if not folder.is_dir():
            sys.exit(f"summands: {folder}: there are no results of this study yet")
        manifest = Manifest(folder)
    except (study.StudyError, storage.DamagedFileError) as refusal:
        sys.exit(f"summands: {refusal}")
    if not manifest:
        sys.exit(
            f"summands: {folder} has no {NAME} yet: run the study again, which takes "
            "its files as they are and keeps their digests from then on"
        )
    count, problems = manifest.verify()
    if not problems:
        print(f"{folder}: all {count} files are as they were written")
        return
    for kind, names in problems.items():
        print(f"{folder}: {len(names)} {kind}:{listed(names, len(names))}")
    sys.exit(
        f"summands: {folder} is not as it was written: delete what was altered and run "
        "the study again, which makes it and what is missing anew; what is unrecorded "
        "no run has written"
    )


if __name__ == "__main__":
    main()
