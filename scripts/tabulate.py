"""Gather the batches of a study into its final tables."""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from summands import (
    calibration,
    job,
    provenance,
    recovery,
    storage,
    study,
    summary,
    tables,
)

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake

    snakemake: Snakemake  # set by Snakemake before this file runs


def main(
    checked: study.Study,
    batches: Mapping[str, int],
    estimates: Iterable[str],
    fits: Iterable[str],
    packages: Sequence[str],
    outputs: Mapping[str, str],
) -> None:
    """Write the tables, design by design, so that one design is held at a time.

    Parameters
    ----------
    checked : Study
    batches : mapping of str to int
        Number of batches of each design.
    estimates, fits : iterable of str
        Files of the batches: for each design, for each estimator, in order.
    packages : sequence of str
        Packages whose versions are recorded.
    outputs : mapping of str to str
        Paths by name of table, "study", "provenance" and "summary".
    """
    files = zip(estimates, fits, strict=True)
    with ExitStack() as stack:
        writers = {}
        for name in ("estimates", "fits", "recovery", "calibration"):
            partial = stack.enter_context(storage.whole(outputs[name]))
            writers[name] = stack.enter_context(
                pq.ParquetWriter(
                    partial, tables.SCHEMAS[name], compression=storage.COMPRESSION
                )
            )

        def write(name: str, table: pa.Table) -> None:
            if table.num_rows:
                writers[name].write_table(table)

        totals = summary.Totals()
        for number, (name, design) in enumerate(checked.designs.items(), 1):
            job.say(f"design {number} of {len(checked.designs)}: {name}")
            gathered = {}
            for estimator in checked.estimators:
                paths = list(itertools.islice(files, batches[name]))
                estimated = _gather([path for path, _ in paths], checked)
                fitted = _gather([path for _, path in paths], checked)
                gathered[estimator] = estimated, fitted
                calibrated = calibration.calibration(
                    name, design, estimator, estimated, fitted
                )
                write("estimates", estimated)
                write("fits", fitted)
                write("calibration", calibrated)
                totals.add_fits(name, estimator, estimated, fitted)
                totals.add_calibration(calibrated)
            metrics = recovery.recovery(name, design, gathered)
            write("recovery", metrics)
            totals.add_metrics(metrics)
    designs = tables.designs(checked.designs, checked.replicates)
    with storage.whole(outputs["designs"]) as partial:
        pq.write_table(designs, partial, compression=storage.COMPRESSION)
    texts = {
        "study": yaml.safe_dump(checked.resolved, sort_keys=False),
        "provenance": json.dumps(provenance.record(packages), indent=2) + "\n",
        "summary": totals.text(checked.name, len(checked.designs)),
    }
    for key, text in texts.items():
        with storage.whole(outputs[key]) as partial:
            partial.write_text(text, encoding="utf-8")


def _gather(paths: Sequence[str], checked: study.Study) -> pa.Table:
    """Read batches, without the replicates that the study no longer asks for."""
    table = pa.concat_tables(storage.read_table(path) for path in paths)
    return table.filter(pc.field("replicate") < checked.replicates)


if __name__ == "__main__":
    job.start(snakemake.log[0], snakemake.config["study"])
    arguments: dict[str, Any] = dict(snakemake.params.items())
    main(
        study.load(arguments["study"]),
        arguments["batches"],
        snakemake.input.estimates,
        snakemake.input.fits,
        arguments["packages"],
        dict(snakemake.output.items()),
    )
