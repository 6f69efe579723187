"""Write the tables of a study's page for LaTeX and Markdown, and its figures as PDF.

::

    export PYTHONPATH=scripts
    .venv/bin/python -m summands.report.paper STUDY.yaml [--directory DIR]

``make paper STUDY=STUDY.yaml`` does the same. All are made of the final tables: nothing
is run again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from summands.files import storage
from summands.report import plotting, registry, ridges
from summands.report.page import answer, papers, recovery
from summands.report.reading import Tables
from summands.study import answers, batch, plan, study, tables

# Folder of the files, in that of the study's results.
FOLDER = "paper"


class MissingError(RuntimeError):
    """Final tables that are not there; its text is meant for the user."""


def read(results: Path) -> Tables:
    """Find the final tables in a folder of results.

    Parameters
    ----------
    results : Path
        results/<study>.

    Returns
    -------
    Tables

    Raises
    ------
    MissingError
        If the study has not run to its end, or was run by an earlier version.
    """
    made = results / "study.yaml"
    if not made.is_file():
        raise MissingError(f"{results}: there are no tables of this study yet: run it")
    checked = study.read(made, Path())
    if checked.observed is None:
        names = [*tables.SCHEMAS]
    else:
        names = answers.tables_of(checked.observed)
        if checked.check is not None:
            names += answers.OF_CHECK
    paths = {name: results / f"{name}.parquet" for name in names}
    paths["provenance"] = results / "provenance.json"
    lost = [path.name for path in paths.values() if not path.is_file()]
    if lost:
        raise MissingError(
            f"{results}: there is no {', '.join(lost)}: run the study again, which "
            "makes what is missing"
        )
    paths["study"] = made
    if checked.observed is None:
        posterior = _posterior(checked, results)
        if posterior is not None:
            paths["posterior"] = posterior
    return Tables(checked, {name: str(path) for name, path in paths.items()})


def _posterior(checked: study.Study, results: Path) -> Path | None:
    """Find the posterior that a figure shows, if it is there."""
    kept = results / "plan.json"
    if not kept.is_file():
        return None
    with storage.reading(kept):
        _, packs = plan.read(kept.read_text(encoding="utf-8"))
    found = plan.on_disk(results / "simulated")
    name = ridges.posterior(checked, plan.make(checked, found, packs).units)
    path = None if name is None else results / name
    return path if path is not None and path.is_file() else None


def write(made: Tables, folder: Path) -> tuple[int, int]:
    """Write all tables of the page as LaTeX and as Markdown, and all figures as PDF.

    Parameters
    ----------
    made : Tables
    folder : Path
        Where to.

    Returns
    -------
    tables, figures : int
        How many.
    """
    page = (recovery if made.study.observed is None else answer).page(made)
    grids = [grid for section in page.sections for grid in section.tables]
    for grid in grids:
        label = f"{made.study.name}-{grid.id}"
        for kind, text in (
            ("tex", papers.latex(grid, label)),
            ("md", papers.markdown(grid)),
        ):
            with storage.whole(folder / f"{grid.id}.{kind}") as unfinished:
                unfinished.write_text(text, encoding="utf-8")
    # Figures can be drawn of the final tables alone, without a posterior.
    figures = [
        entry for entry in registry.of(made.study) if {*entry.needs} <= {*made.paths}
    ]
    for entry in figures:
        drawn = entry.draw(entry.panel(made))
        plotting.save(drawn, {"pdf": folder / f"{entry.name}.pdf"})
    return len(grids), len(figures)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the tables and the figures of a study for a paper."""
    parser = argparse.ArgumentParser(
        prog="summands.report.paper", description=main.__doc__
    )
    parser.add_argument("study", type=Path, help="the study file")
    parser.add_argument(
        "--directory", type=Path, default=Path(), help="the folder that has results/"
    )
    given = parser.parse_args(arguments)
    try:
        folder = given.directory / batch.results(study.read(given.study).name)
        grids, figures = write(read(folder), folder / FOLDER)
    except (study.StudyError, storage.DamagedFileError, MissingError) as refusal:
        sys.exit(f"summands: {refusal}")
    print(
        f"{grids} tables as LaTeX and Markdown and {figures} figures as PDF in "
        f"{folder / FOLDER}/"
    )


if __name__ == "__main__":
    main()
