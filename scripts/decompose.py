"""Put the fits of an observed table into the tables of its answer."""

import signal

if __name__ == "__main__":
    # Ctrl-C ends it without a stack, from here on; the run has a word on it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from summands.data import table_data
from summands.estimation import kept_draws, tables
from summands.files import job, provenance, storage
from summands.model import units
from summands.report import answer, findings
from summands.study import answers, study

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake

    snakemake: Snakemake  # set by Snakemake before this file runs


def main(
    checked: study.Study,
    inputs: Mapping[str, Any],
    samplers: Sequence[str],
    packages: Sequence[str],
    digest: str,
    outputs: Mapping[str, str],
) -> None:
    """Write the tables and the summary.

    Parameters
    ----------
    checked : Study
    inputs : mapping
        Paths: of "cells", "levels", "identification" and "rows"; lists of those of
        "estimates", "fits" and "components", an estimator each, and of "posteriors", a
        sampler each; with a check those of its tables, as "of_check" and so on.
    samplers : sequence of str
        Names of the estimators with posteriors.
    packages : sequence of str
        Packages whose versions are recorded.
    digest : str
        Of the table.
    outputs : mapping of str to str
        Paths by name of table, "study", "provenance" and "summary".
    """
    levels, counts = table_data.read_levels(inputs["levels"])
    cells = table_data.read_cells(inputs, levels)
    estimates, fits, components = (
        dict(
            zip(checked.estimators, map(storage.read_table, inputs[name]), strict=True)
        )
        for name in ("estimates", "fits", "components")
    )
    posteriors = dict(zip(samplers, inputs["posteriors"], strict=True))
    fitted = {
        name: answers.Fitted(
            checked.estimators[name],
            estimates[name],
            table,
            tables.read_components(components[name]),
            kept_draws.read(posteriors[name], levels)
            if name in posteriors and table["error"][0].as_py() is None
            else None,
        )
        for name, table in fits.items()
    }
    table = answers.Table(
        levels,
        cells,
        counts,
        *table_data.read_extremes(inputs["cells"]),
        *(table_data.read_values(inputs["rows"]) if counts.kept else (None, None)),
    )
    found = {
        "estimates": pa.concat_tables(estimates.values()),
        "fits": pa.concat_tables(fits.values()),
    } | answers.make(checked, table, fitted, job.say)
    main_estimator = findings.main_estimator(
        {name: found[name].to_pandas() for name in ("fits", "ranking", "components")}
    )
    found["cautions"] = answers.cautions(cells, found, main_estimator)
    for name, made in found.items():
        with storage.whole(outputs[name]) as path:
            pq.write_table(made, path, compression=storage.COMPRESSION)
    checked_by = {
        name: storage.read_table(inputs[f"of_{name}"])
        for name in answers.READ_OF_CHECK
        if f"of_{name}" in inputs
    }
    whole = units.Units.of(cells)
    texts = {
        "study": yaml.safe_dump(checked.resolved, sort_keys=False),
        "provenance": json.dumps(
            {
                **provenance.record(packages),
                "table": digest,
                "values": {
                    "rows": int(cells.n.sum()),
                    "mean": whole.origin,
                    "sd": whole.scale,
                },
            },
            indent=2,
        )
        + "\n",
        "summary": answer.text(checked, levels, counts, found, checked_by),
    }
    for line in found["cautions"]["text"].to_pylist():
        job.say(line)
    for key, text in texts.items():
        with storage.whole(outputs[key]) as path:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    job.start(snakemake.log[0], snakemake.params.results)
    arguments: dict[str, Any] = dict(snakemake.params.items())
    try:
        main(
            study.load(arguments["study"]),
            {
                name: getattr(snakemake.input, name)
                for name, _ in snakemake.input.items()
            },
            arguments["samplers"],
            arguments["packages"],
            arguments["digest"],
            dict(snakemake.output.items()),
        )
    except answers.RequestError as refusal:
        job.refuse(str(refusal))
