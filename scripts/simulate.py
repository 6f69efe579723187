"""Simulate a batch: truth, rows and cells of its replicates."""

import signal

if __name__ == "__main__":
    # Ctrl-C ends it without a stack, from here on; the run has a word on it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from summands.data import data_sets, generator, table_layout
from summands.data.design import Design
from summands.data.layouts import Table
from summands.data.source import Source
from summands.files import job, storage
from summands.files.words import TableError
from summands.model import cells, information
from summands.study import batch

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake

    snakemake: Snakemake  # set by Snakemake before this file runs


def main(
    designs: Mapping[str, Design],
    replicates: range,
    seed: int,
    outputs: Mapping[str, str],
) -> None:
    """Write truth and cells, a row group per data set, and rows if they are kept.

    Rows are drawn, written and collapsed block by block: however many there are, only
    a block is held.
    """
    columns = max(design.levels.count for design in designs.values())
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(storage.TableWriter(path))
            for name, path in outputs.items()
        }
        for name, design in designs.items():
            gaps: dict[int, str] = {}
            for replicate in replicates:
                truth = generator.draw_truth(design, seed, replicate)
                blocks = generator.draw_blocks(design, truth, seed, replicate)
                if "rows" in writers:
                    blocks = data_sets.written(
                        blocks, writers["rows"], name, replicate, columns
                    )
                collapsed = cells.collapse_blocks(blocks)
                bound = information.standard_errors(collapsed, truth.sigma**2)
                writers["truth"].write(
                    data_sets.truth_table(design.levels, truth, bound, name, replicate)
                )
                writers["identification"].write(
                    data_sets.identification_table(collapsed, name, replicate)
                )
                writers["cells"].write(
                    data_sets.cells_table(collapsed, name, replicate, columns)
                )
                gap = information.unidentified_means(collapsed)
                if gap:
                    gaps[replicate] = gap
                job.say(
                    f"{name} replicate {replicate} of {replicates[0]} to "
                    f"{replicates[-1]}: {design.rows} rows in {len(collapsed.n)} cells"
                )
            if gaps:
                first = min(gaps)
                job.warn(
                    f"{name}: in {len(gaps)} of the data sets of replicates "
                    f"{replicates[0]} to {replicates[-1]} some means are not "
                    f"identified, in that of replicate {first} there are {gaps[first]}"
                )


def _laid_out(
    designs: Mapping[str, Design], tables: Mapping[str, tuple[str, Mapping[str, Any]]]
) -> dict[str, Design]:
    """Read the tables that are the layout of designs, which have their digests."""
    found = {
        digest: table_layout.read(Source.of(*said), job.say)
        for digest, said in tables.items()
    }
    laid_out = dict(designs)
    for name, design in designs.items():
        if isinstance(design.layout, Table):
            (path, _), digest = tables[design.layout.digest], design.layout.digest
            levels, rows = found[digest]
            layout = table_layout.laid_out(rows, levels, design.levels)
            if layout.digest != digest:
                raise TableError(f"{path}: changed since the run began; run it again")
            laid_out[name] = replace(design, layout=layout)
    return laid_out


if __name__ == "__main__":
    job.start(snakemake.log[0], snakemake.params.results)
    designs, replicates = batch.unit(snakemake)
    main(
        _laid_out(designs, snakemake.params.tables),
        replicates,
        snakemake.params.seed,
        dict(snakemake.output.items()),
    )
