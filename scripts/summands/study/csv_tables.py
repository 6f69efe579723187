"""Write the tables of a study as CSV, for programs that do not read Parquet.

::

    export PYTHONPATH=scripts
    .venv/bin/python -m summands.study.csv_tables STUDY.yaml [--directory DIR]

``make csv STUDY=STUDY.yaml`` does the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from summands.files import storage
from summands.study import batch, study

# Folder of the files, in that of the study's results.
FOLDER = "csv"


def write(results: Path) -> list[Path]:
    """Write each table in a folder of results as CSV: commas, points, UTF-8.

    Parameters
    ----------
    results : Path
        results/<study>.

    Returns
    -------
    list of Path
        The files, in ``csv/`` there, in the order of their names.
    """
    written = []
    for path in sorted(results.glob("*.parquet")):
        written.append(results / FOLDER / f"{path.stem}.csv")
        with storage.whole(written[-1]) as passing:
            pyarrow.csv.write_csv(_flat(storage.read_table(path)), passing)
    return written


def _flat(table: pa.Table) -> pa.Table:
    """Write lists, which CSV has none of, as text such as [1, 3]."""
    for place, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            texts = [
                None if values is None else json.dumps(values, ensure_ascii=False)
                for values in table[place].to_pylist()
            ]
            table = table.set_column(place, field.name, pa.array(texts, pa.string()))
    return table


def main() -> None:
    """Write the tables of a study as CSV files."""
    parser = argparse.ArgumentParser(
        prog="summands.study.csv_tables", description=main.__doc__
    )
    parser.add_argument("study", type=Path, help="the study file")
    parser.add_argument(
        "--directory", type=Path, default=Path(), help="the folder that has results/"
    )
    given = parser.parse_args()
    try:
        folder = given.directory / batch.results(study.read(given.study).name)
        written = write(folder)
    except (study.StudyError, storage.DamagedFileError) as refusal:
        sys.exit(f"summands: {refusal}")
    if not written:
        sys.exit(f"summands: {folder}: there are no tables of this study yet")
    print(f"{len(written)} tables in {folder / FOLDER}/")


if __name__ == "__main__":
    main()
