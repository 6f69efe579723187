"""Fit an observed table with one estimator."""

import signal

if __name__ == "__main__":
    # Ctrl-C ends it without a stack, from here on; the run has a word on it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pyarrow.parquet as pq

from summands.data import seeds, table_data
from summands.estimation import conflicts, draws_file, fitting, tables
from summands.estimators import Entry
from summands.files import job, storage
from summands.model.cells import Cells
from summands.model.data_set import DataSet
from summands.model.problem import Problem, known_of
from summands.model.rows import Rows

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake

    snakemake: Snakemake  # set by Snakemake before this file runs


def main(
    seed: int, entry: Entry, inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> None:
    """Write estimates, fits and components, and the posterior if there is one."""
    name, estimator = entry.name, entry.module
    levels, counts = table_data.read_levels(inputs["levels"])
    cells = table_data.read_cells(inputs, levels)
    data: Cells | Rows = cells
    estimate = estimator.estimate
    if estimator.READS == "rows" and counts.kept:
        data = table_data.read_rows(inputs["rows"], cells)
    elif estimator.READS == "rows":
        estimate = partial(_unread, counts.rows)
    data_set = DataSet(data, cells.null_space)
    problem = Problem.following(levels, data_set.units, data_set.noise)
    problem = problem.told(entry.priors)
    fitting.prepare(estimator.prepare, problem, entry.options, job.say)
    job.say(f"{name}: started")
    fit = fitting.fit(
        estimate,
        data_set,
        problem,
        entry.options,
        seeds.as_integer(seeds.of_table(seed, f"estimator/{name}")),
        progress=job.progress(name),
    )
    job.say(f"{name}: {fit}")
    if getattr(estimator, "PRIORS", False):
        stated = known_of(entry.priors)
        fit.prior_conflict = conflicts.find(stated, problem, data_set)
    if fit.prior_conflict is not None:
        job.warn(
            f"the priors that {name} is told contradict the table: "
            f"{fit.prior_conflict}; estimates lean towards them: state others, or let "
            "them follow the data"
        )
    if fit.error is not None:
        job.warn(f"{name} failed: {fit.error}")
    elif not fit.converged:
        job.warn(f"{name} did not converge ({fit.criterion}): do not trust its numbers")
    if "posterior" in outputs:
        purpose = seeds.of_table(seed, f"predictive/{name}")
        tree = draws_file.to_datatree(
            levels,
            [0],
            [fit.draws],
            {"design": table_data.DESIGN, "estimator": name},
            None,
            [cells],
            [np.random.default_rng(purpose)],
        )
        draws_file.write(tree, outputs["posterior"])
    for key, table in {
        "estimates": tables.estimates(table_data.DESIGN, name, levels, [0], [fit]),
        "fits": tables.fits(table_data.DESIGN, name, [0], [fit]),
        "components": tables.components(name, fit.components),
    }.items():
        with storage.whole(outputs[key]) as path:
            pq.write_table(table, path, compression=storage.COMPRESSION)


def _unread(rows: int, *arguments: Any) -> NoReturn:
    """Fail as a fit does."""
    raise ValueError(f"it reads rows, and of so many ({rows:,}) only cells are kept")


if __name__ == "__main__":
    job.start(snakemake.log[0], snakemake.params.results)
    main(
        snakemake.params.seed,
        Entry(
            snakemake.wildcards.estimator,
            snakemake.params.method,
            snakemake.params.options,
        ),
        dict(snakemake.input.items()),
        dict(snakemake.output.items()),
    )
