"""Draw tables like the observed one from its posterior: truth, rows and cells."""

import signal

if __name__ == "__main__":
    # Ctrl-C ends it without a stack, from here on; the run has a word on it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from summands.data import data_sets, imitation, table_data
from summands.data.imitation import ALONE, JOINT
from summands.estimation import draws_file
from summands.estimators import Entry
from summands.files import job, storage
from summands.model import cells as numerics
from summands.model import information
from summands.model.data_set import DataSet
from summands.model.problem import Problem
from summands.study import batch

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake

    snakemake: Snakemake  # set by Snakemake before this file runs


def main(
    replicates: range,
    seed: int,
    entry: Entry,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
) -> None:
    """Write what simulated data sets have, of tables alone and of each with the first.

    Parameters
    ----------
    replicates : range
    seed : int
    entry : Entry
        The estimator that the posterior is of.
    inputs : mapping of str to str
        Paths of "cells", "levels", "identification" and "posterior".
    outputs : mapping of str to str
        Paths by kind and name: "alone_cells", "joint_truth", ...
    """
    levels, _ = table_data.read_levels(inputs["levels"])
    cells = table_data.read_cells(inputs, levels)
    coefficients = draws_file.read_coefficients(inputs["posterior"])
    if not all(values.size and np.isfinite(values).all() for values in coefficients):
        job.refuse(
            f"check: {entry.name} failed on this table, so there is no posterior to "
            "draw tables from: name another estimator with `of`, or take `check` away"
        )
    data_set = DataSet(cells, cells.null_space)
    rows = int(cells.n.sum())
    problem = Problem.following(levels, data_set.units, data_set.noise)
    designs = {
        ALONE: imitation.design(levels, rows),
        JOINT: imitation.joint_design(
            problem, rows, estimates_scales=entry.estimates_scales
        ),
    }
    for kind, design in designs.items():
        with storage.whole(outputs[f"{kind}_designs"]) as path:
            path.write_text(batch.written({kind: design}), encoding="utf-8")
    # Cells are the same in all of them, and so is what they cannot tell.
    identified = {
        kind: data_sets.identification_table(cells, kind, 0) for kind in designs
    }
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(storage.TableWriter(path))
            for name, path in outputs.items()
            if not name.endswith("_designs")
        }
        for replicate in replicates:
            truth = imitation.truth(*coefficients, seed, replicate)
            blocks = imitation.draw_blocks(cells, truth, seed, replicate)
            if "alone_rows" in writers:
                blocks = data_sets.written(
                    blocks, writers["alone_rows"], ALONE, replicate
                )
            drawn = replace(
                numerics.collapse_blocks(blocks), known_null_space=cells.null_space
            )
            bound = information.standard_errors(drawn, truth.sigma**2)
            for kind, data in (
                (ALONE, drawn),
                (JOINT, numerics.merge([cells, drawn])),
            ):
                # Twice the rows in the same cells have twice the information.
                of_kind = bound if kind == ALONE else bound / np.sqrt(2.0)
                writers[f"{kind}_truth"].write(
                    data_sets.truth_table(levels, truth, of_kind, kind, replicate)
                )
                writers[f"{kind}_identification"].write(
                    data_sets.of_replicate(identified[kind], replicate)
                )
                writers[f"{kind}_cells"].write(
                    data_sets.cells_table(data, kind, replicate)
                )
            job.say(f"table {replicate} of {replicates[0]} to {replicates[-1]}")


if __name__ == "__main__":
    job.start(snakemake.log[0], snakemake.params.results)
    main(
        batch.parse(snakemake.wildcards.batch).replicates,
        snakemake.params.seed,
        Entry(snakemake.params.of, snakemake.params.method, snakemake.params.options),
        dict(snakemake.input.items()),
        dict(snakemake.output.items()),
    )
