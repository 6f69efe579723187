"""Write the page of a study: one HTML file with its answer, charts and tables."""

import signal

if __name__ == "__main__":
    # Ctrl-C ends it without a stack, from here on; the run has a word on it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from summands.files import job, storage
from summands.report.page import answer, document, recovery
from summands.report.reading import Tables
from summands.study import study, targets
from summands.study.protocols import Told

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake

    snakemake: Snakemake  # set by Snakemake before this file runs


def main(
    checked: study.Study, inputs: Mapping[str, str], told: Told, output: str
) -> None:
    """Make the page of the final tables, and of what is told of protocols."""
    tables = Tables(checked, inputs, told)
    made = (recovery if checked.observed is None else answer).page(tables)
    with storage.whole(output) as unfinished:
        unfinished.write_text(document.render(made), encoding="utf-8")


if __name__ == "__main__":
    job.start(snakemake.log[0], snakemake.params.results)
    paths = dict(snakemake.input.items())
    main(
        study.read(Path(paths["study"]), Path(), targets.MEMORY),
        paths,
        Told.of(snakemake.params.protocols),
        snakemake.output.page,
    )
