"""Fit the replicates of a batch with one estimator."""

import gc
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from summands import (
    cells,
    estimators,
    fitting,
    information,
    job,
    plan,
    posterior,
    seeds,
    storage,
    tables,
)
from summands.design import Design

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake

    snakemake: Snakemake  # set by Snakemake before this file runs


def main(
    design: Design,
    replicates: range,
    seed: int,
    name: str,
    options: Mapping[str, Any],
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
) -> None:
    """Write estimates and fits, and the posterior if the estimator samples one."""
    estimator = estimators.load(name)
    levels = design.levels
    problem = fitting.Problem.of(design)
    read: Any = {"cells": storage.read_cells, "rows": storage.read_rows}
    fitting.prepare(estimator.prepare, problem, options, job.say)
    # What is imported stays: looking through it for garbage would take a twentieth of
    # the time of small fits.
    gc.freeze()
    truth = storage.read_truth(inputs["truth"])
    fits, identified = [], []
    data_sets = read[estimator.READS](inputs["data"], levels)
    for position, (replicate, data) in enumerate(
        zip(replicates, data_sets, strict=True)
    ):
        place = f"{design.id} replicate {replicate} ({position + 1} of "
        place += f"{len(replicates)}) {name}"
        say = partial(_say, place)
        say("started")
        fit = fitting.fit(
            estimator.estimate,
            data,
            problem,
            options,
            seeds.integer_seed(seed, design, replicate, f"estimator/{name}"),
            truth=truth["truth"][position],
            tie_breaker=seeds.generator(seed, design, replicate, f"rank/{name}"),
            progress=say,
        )
        say(str(fit))
        fits.append(fit)
        collapsed = data if isinstance(data, cells.Cells) else cells.collapse(data)
        identified.append(information.identified(collapsed))
    if estimator.SAMPLES:
        tree = posterior.to_datatree(
            levels,
            replicates,
            [fit.draws for fit in fits],
            {"design": design.id, "estimator": name},
        )
        posterior.write(tree, outputs["posterior"])
    written = {
        "fits": tables.fits(design.id, name, replicates, fits),
        "estimates": tables.estimates(
            design.id, name, levels, replicates, fits, truth, identified
        ),
    }
    for key, table in written.items():
        with storage.whole(outputs[key]) as path:
            pq.write_table(table, path, compression=storage.COMPRESSION)


def _say(place: str, line: str) -> None:
    job.say(f"{place}: {line}")


if __name__ == "__main__":
    job.start(snakemake.log[0], snakemake.config["study"])
    main(
        Design.from_content(snakemake.params.design, snakemake.wildcards.design),
        plan.parse(snakemake.wildcards.batch).replicates,
        snakemake.params.seed,
        snakemake.wildcards.estimator,
        snakemake.params.options,
        dict(snakemake.input.items()),
        dict(snakemake.output.items()),
    )
