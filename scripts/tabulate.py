"""Gather the batches of a study into its final tables."""

import signal

if __name__ == "__main__":
    # Ctrl-C ends it without a stack, from here on; the run has a word on it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import itertools
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import yaml

from summands.files import job, provenance, storage
from summands.recovery import calibration, metrics_table, plans, precision
from summands.recovery.failures import Failures
from summands.report import summary
from summands.report.totals import Totals
from summands.study import study, tables, targets

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake

    snakemake: Snakemake  # set by Snakemake before this file runs


def main(
    checked: study.Study,
    units: Sequence[Sequence[str]],
    estimates: Sequence[str],
    fits: Sequence[str],
    packages: Sequence[str],
    outputs: Mapping[str, str],
) -> None:
    """Write the tables, design by design, in one pass over the files.

    A file is read when the first of its designs comes and let go after the last.

    Parameters
    ----------
    checked : Study
    units : sequence of sequence of str
        For each unit, the ids of the designs that are taken from it.
    estimates, fits : sequence of str
        Files of the units: for each estimator, for each unit, in order.
    packages : sequence of str
        Packages whose versions are recorded.
    outputs : mapping of str to str
        Paths by name of table, "study", "provenance" and "summary".
    """
    files = itertools.batched(zip(estimates, fits, strict=True), len(units))
    pieces = {
        estimator: tables.Pieces(units, of_estimator)
        for estimator, of_estimator in zip(checked.estimators, files, strict=True)
    }
    priors = {
        name: None if entry.estimates_scales else entry.priors
        for name, entry in checked.estimators.items()
    }
    totals = Totals(reached=precision.Reached(checked.precision, checked.replicates))
    failures = Failures()
    verified: dict[tuple[str, str, str], plans.Reached] = {}
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(
                storage.TableWriter(outputs[name], tables.SCHEMAS[name])
            )
            for name in ("estimates", "fits", "recovery", "calibration")
        }
        for number, (name, design) in enumerate(checked.designs.items(), 1):
            job.say(f"design {number} of {len(checked.designs)}: {name}")
            gathered = {
                estimator: of_estimator.take(name, checked.replicates)
                for estimator, of_estimator in pieces.items()
            }
            for estimator, (estimated, fitted) in gathered.items():
                calibrated = calibration.calibration(
                    name,
                    design,
                    estimator,
                    estimated,
                    fitted,
                    estimates_scales=checked.estimators[estimator].estimates_scales,
                )
                writers["estimates"].write(estimated)
                writers["fits"].write(fitted)
                writers["calibration"].write(calibrated)
                failures.add(name, design.levels, estimator, estimated, fitted)
                totals.add_fits(name, estimator, estimated, fitted)
                totals.add_calibration(calibrated)
            verified |= {
                (name, str(one.target), estimator): found
                for one in checked.plan
                if one.design.id == name
                for estimator, pair in gathered.items()
                if (found := plans.verified(one.target, design.levels, *pair))
            }
            metrics = metrics_table.recovery(name, design, gathered, priors)
            writers["recovery"].write(metrics)
            totals.add_metrics(design, metrics)
    small = {
        "designs": tables.designs(checked.designs, checked.replicates),
        "failures": failures.table(),
    }
    plan = plans.table(checked.plan, verified)
    if checked.plan:
        small |= {
            "rows_needed": plan,
            "plan_curves": plans.curves(checked.plan),
        }
    totals.add_failures(small["failures"])
    for name, table in small.items():
        with storage.whole(outputs[name]) as partial:
            pq.write_table(table, partial, compression=storage.COMPRESSION)
    texts = {
        "study": yaml.safe_dump(checked.resolved, sort_keys=False),
        "provenance": json.dumps(provenance.record(packages), indent=2) + "\n",
        "summary": summary.text(
            totals, checked.name, len(checked.designs), plan.to_pylist()
        ),
    }
    for key, text in texts.items():
        with storage.whole(outputs[key]) as partial:
            partial.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    job.start(snakemake.log[0], snakemake.params.results)
    arguments: dict[str, Any] = dict(snakemake.params.items())
    main(
        study.load(arguments["study"], memory=targets.MEMORY),
        arguments["units"],
        snakemake.input.estimates,
        snakemake.input.fits,
        arguments["packages"],
        dict(snakemake.output.items()),
    )
