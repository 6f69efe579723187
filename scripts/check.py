"""Gather the fits of tables like the observed one into the tables of its check."""

import signal

if __name__ == "__main__":
    # Ctrl-C ends it without a stack, from here on; the run has a word on it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from summands.data.imitation import ALONE, JOINT, KINDS
from summands.files import job, storage
from summands.recovery import calibration, held, metrics_table
from summands.study import batch, study

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake

    snakemake: Snakemake  # set by Snakemake before this file runs


def main(
    checked: study.Study, inputs: Mapping[str, Any], outputs: Mapping[str, str]
) -> None:
    """Write the tables.

    Parameters
    ----------
    checked : Study
    inputs : mapping
        Paths of "alone_designs" and "joint_designs"; lists of those of
        "alone_estimates" and "alone_fits", for each estimator, for each batch, in
        order, and of "joint_estimates" and "joint_fits", for each batch.
    outputs : mapping of str to str
        Paths by name of table.
    """
    assert checked.check is not None
    of = checked.check.of
    designs = {kind: batch.read(inputs[f"{kind}_designs"])[kind] for kind in KINDS}
    batches = len(checked.check.batches)
    alone = {
        name: _gathered(inputs, ALONE, slice(n * batches, (n + 1) * batches))
        for n, name in enumerate(checked.estimators)
    }
    joint = _gathered(inputs, JOINT, slice(None))
    job.say("ranks among draws that see the table too")
    entry = checked.estimators[of]
    found = {
        "calibration": calibration.calibration(
            JOINT,
            designs[JOINT],
            of,
            *joint,
            estimates_scales=entry.estimates_scales,
        )
    }
    job.say("recovery")
    found["recovery"] = metrics_table.recovery(ALONE, designs[ALONE], alone)
    found["held"] = held.held(designs[ALONE].levels, alone)
    for place, name in enumerate(("check_estimates", "check_fits")):
        found[name] = pa.concat_tables(
            [*(pair[place] for pair in alone.values()), joint[place]]
        )
    for name, table in found.items():
        with storage.whole(outputs[name]) as path:
            pq.write_table(table, path, compression=storage.COMPRESSION)


def _gathered(
    inputs: Mapping[str, Any], kind: str, which: slice
) -> tuple[pa.Table, pa.Table]:
    """Estimates and fits of the batches, in the order of their tables."""
    estimates, fits = (
        pa.concat_tables(map(storage.read_table, inputs[f"{kind}_{name}"][which]))
        for name in ("estimates", "fits")
    )
    return estimates, fits


if __name__ == "__main__":
    job.start(snakemake.log[0], snakemake.params.results)
    main(
        study.load(snakemake.params.study),
        {name: getattr(snakemake.input, name) for name, _ in snakemake.input.items()},
        dict(snakemake.output.items()),
    )
