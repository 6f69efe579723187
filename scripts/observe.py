"""Read an observed table into cells."""

import signal

if __name__ == "__main__":
    # Ctrl-C ends it without a stack, from here on; the run has a word on it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from collections.abc import Mapping
from typing import TYPE_CHECKING

from summands.data import observed, table_data
from summands.data.source import Source
from summands.files import job
from summands.model import information

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake

    snakemake: Snakemake  # set by Snakemake before this file runs

# Rows of a table that are kept one by one, for what cells do not say.
KEEP_ROWS = 200_000


def main(source: Source, outputs: Mapping[str, str]) -> None:
    """Write the cells of a table, its levels, and its rows if they are few."""
    found = observed.read(source, KEEP_ROWS, job.say)
    table_data.write(found, outputs)
    # What a small table holds is said before the run starts.
    (job.say if observed.small(source) else job.warn)(found.size)
    if found.filtered:
        job.say(f"{found.filtered} rows are left out by the filter")
    for sentence in found.absent:
        job.warn(f"where: {sentence}")
    if found.dropped_rows:
        missing = ", ".join(f"{name} {count}" for name, count in found.dropped.items())
        job.warn(
            f"{found.dropped_rows} rows without a value or a label are left out "
            f"({missing})"
        )
    if gap := information.unidentified_means(found.cells):
        job.warn(f"some means are not identified: there are {gap}")


if __name__ == "__main__":
    job.start(snakemake.log[0], snakemake.params.results)
    main(
        Source.of(snakemake.params.table, snakemake.params.source),
        dict(snakemake.output.items()),
    )
