"""Fit the replicates of a batch with one estimator."""

import signal

if __name__ == "__main__":
    # Ctrl-C ends it without a stack, from here on; the run has a word on it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import gc
import itertools
from collections.abc import Mapping
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import xarray as xr

from summands.data import data_sets, seeds
from summands.data.design import Design
from summands.estimation import conflicts, draws_file, fitting, tables
from summands.estimators import Entry
from summands.files import job, storage
from summands.model.data_set import DataSet
from summands.model.problem import known_of
from summands.recovery import against_truth
from summands.study import batch

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake

    snakemake: Snakemake  # set by Snakemake before this file runs


def main(
    designs: Mapping[str, Design],
    replicates: range,
    seed: int,
    entry: Entry,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
) -> None:
    """Write estimates and fits, and posteriors if they are kept."""
    name, estimator = entry.name, entry.module
    read: Any = {"cells": data_sets.read_cells, "rows": data_sets.read_rows}
    levels = {design_id: design.levels for design_id, design in designs.items()}
    observed = read[estimator.READS](inputs["data"], levels)
    truths = data_sets.read_truth(inputs["truth"])
    null_spaces = data_sets.read_null_spaces(inputs["identification"])
    tabulated: dict[str, list[pa.Table]] = {"fits": [], "estimates": []}
    kept: dict[str, xr.DataTree] = {}
    for design_id, of_design in itertools.groupby(observed, key=itemgetter(0)):
        design = designs[design_id]
        fitting.prepare(estimator.prepare, design.problem(), entry.options, job.say)
        if not tabulated["fits"]:
            # What is imported stays: looking through it for garbage would take a
            # twentieth of the time of small fits.
            gc.freeze()
        truth = truths[design_id]
        fits, scores, draws, cells = [], [], [], []
        for position, (_, replicate, data) in enumerate(of_design):
            say = partial(
                _say,
                f"{design_id} replicate {replicate} ({position + 1} of "
                f"{len(replicates)}) {name}",
            )
            say("started")
            data_set = DataSet(data, null_spaces[design_id][position])
            noise = data_set.noise if entry.estimates_scales else None
            problem = design.problem(data_set.units, entry.priors, noise)
            fit = fitting.fit(
                estimator.estimate,
                data_set,
                problem,
                entry.options,
                seeds.integer_seed(seed, design, replicate, f"estimator/{name}"),
                progress=say,
            )
            if getattr(estimator, "PRIORS", False):
                stated = known_of(design.stated(entry.priors))
                fit.prior_conflict = conflicts.find(stated, problem, data_set)
            say(str(fit))
            scores.append(
                against_truth.score(
                    fit,
                    truth["truth"][position],
                    seeds.generator(seed, design, replicate, f"rank/{name}"),
                )
            )
            if "posterior" in outputs:
                draws.append(fit.draws)
                cells.append(data_set.cells)
            fit.standard = None
            fits.append(fit)
        conflicting = {
            replicate: fit.prior_conflict
            for replicate, fit in zip(replicates, fits, strict=True)
            if fit.prior_conflict is not None
        }
        if conflicting:
            first = min(conflicting)
            job.warn(
                f"{design_id}: the priors that {name} is told contradict "
                f"{len(conflicting)} of the data sets of replicates {replicates[0]} to "
                f"{replicates[-1]}, that of replicate {first} by {conflicting[first]}; "
                "estimates lean towards them: state others, or let those of a named "
                "design follow its data"
            )
        of_estimates, of_fits = against_truth.joined(truth, scores)
        tabulated["fits"].append(
            tables.fits(design_id, name, replicates, fits, of_fits)
        )
        tabulated["estimates"].append(
            tables.estimates(
                design_id, name, design.levels, replicates, fits, of_estimates
            )
        )
        if "posterior" in outputs:
            kept[design_id] = draws_file.to_datatree(
                design.levels,
                replicates,
                draws,
                {"design": design_id, "estimator": name},
                truth["truth"],
                cells,
                [
                    seeds.generator(seed, design, replicate, f"predictive/{name}")
                    for replicate in replicates
                ],
            )
    if kept:
        job.say("writing the posteriors")
        draws_file.write(draws_file.together(kept), outputs["posterior"])
    for key, pieces in tabulated.items():
        with storage.whole(outputs[key]) as path:
            table = pa.concat_tables(pieces).combine_chunks()
            pq.write_table(table, path, compression=storage.COMPRESSION)


def _say(place: str, line: str) -> None:
    job.say(f"{place}: {line}")


if __name__ == "__main__":
    job.start(snakemake.log[0], snakemake.params.results)
    main(
        *batch.unit(snakemake),
        snakemake.params.seed,
        Entry(
            snakemake.wildcards.estimator,
            snakemake.params.method,
            snakemake.params.options,
        ),
        dict(snakemake.input.items()),
        dict(snakemake.output.items()),
    )
