"""Simulate a batch: truth, rows and cells of its replicates."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from summands import cells, information, job, plan, simulate, storage
from summands.design import Design

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake

    snakemake: Snakemake  # set by Snakemake before this file runs


def main(
    design: Design, replicates: range, seed: int, truth: str, rows: str, cells_path: str
) -> None:
    """Write the three files of a batch, a row group per replicate."""
    gaps: dict[int, str] = {}
    with ExitStack() as stack:
        writers = [
            stack.enter_context(storage.BatchWriter(path))
            for path in (truth, rows, cells_path)
        ]
        for replicate in replicates:
            coefficients = simulate.draw_truth(design, seed, replicate)
            data = simulate.draw_rows(design, coefficients, seed, replicate)
            collapsed = cells.collapse(data)
            tables: list[Any] = [
                storage.truth_table(
                    design.levels,
                    coefficients,
                    information.standard_errors(collapsed, coefficients.sigma**2),
                    replicate,
                ),
                storage.rows_table(data),
                storage.cells_table(collapsed),
            ]
            for writer, table in zip(writers, tables, strict=True):
                writer.write(table)
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


if __name__ == "__main__":
    job.start(snakemake.log[0], snakemake.config["study"])
    main(
        Design.from_content(snakemake.params.design, snakemake.wildcards.design),
        plan.parse(snakemake.wildcards.batch).replicates,
        snakemake.params.seed,
        snakemake.output.truth,
        snakemake.output.rows,
        snakemake.output.cells,
    )
