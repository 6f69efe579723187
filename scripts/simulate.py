"""Simulate a batch: truth, rows and cells of its replicates."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from summands import cells, information, job, plan, simulate, storage
from summands.design import Design

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake

    snakemake: Snakemake  # set by Snakemake before this file runs


def main(
    design: Design, replicates: range, seed: int, outputs: Mapping[str, str]
) -> None:
    """Write truth and cells, a row group per replicate, and rows if they are kept.

    Rows are drawn, written and collapsed block by block: however many there are, only
    a block is held.
    """
    gaps: dict[int, str] = {}
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(storage.BatchWriter(path))
            for name, path in outputs.items()
        }
        for replicate in replicates:
            truth = simulate.draw_truth(design, seed, replicate)
            blocks = simulate.draw_blocks(design, truth, seed, replicate)
            if "rows" in writers:
                blocks = _written(blocks, writers["rows"], replicate)
            collapsed = cells.collapse_blocks(blocks)
            bound = information.standard_errors(collapsed, truth.sigma**2)
            writers["truth"].write(
                storage.truth_table(design.levels, truth, bound, replicate)
            )
            writers["cells"].write(storage.cells_table(collapsed))
            gap = information.unidentified_means(collapsed)
            if gap:
                gaps[replicate] = gap
            job.say(
                f"{design.id} replicate {replicate} of {replicates[0]} to "
                f"{replicates[-1]}: {design.rows} rows in {len(collapsed.n)} cells"
            )
    if gaps:
        first = min(gaps)
        job.warn(
            f"{design.id}: in {len(gaps)} of the data sets of replicates "
            f"{replicates[0]} to {replicates[-1]} some means are not identified, in "
            f"that of replicate {first} there are {gaps[first]}"
        )


def _written(
    blocks: Iterator[simulate.Rows], writer: storage.BatchWriter, replicate: int
) -> Iterator[simulate.Rows]:
    """Write each block as it passes."""
    for block in blocks:
        writer.write(storage.rows_table(block, replicate))
        yield block


if __name__ == "__main__":
    job.start(snakemake.log[0], snakemake.config["study"])
    main(
        Design.from_content(snakemake.params.design, snakemake.wildcards.design),
        plan.parse(snakemake.wildcards.batch).replicates,
        snakemake.params.seed,
        dict(snakemake.output.items()),
    )
