"""Draw the figures of a study."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from summands import figures, job, storage

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake

    snakemake: Snakemake  # set by Snakemake before this file runs


def main(inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    """Draw each figure from the final tables."""
    tables = {name: pd.read_parquet(path) for name, path in inputs.items()}
    drawn: dict[str, Figure] = {
        "truth": figures.truth_against_estimate(tables["estimates"], tables["fits"]),
        "error": figures.error_by_design(tables["recovery"]),
        "coverage": figures.coverage_by_design(tables["recovery"]),
    }
    for name, figure in drawn.items():
        with storage.whole(outputs[name]) as partial:
            figure.savefig(partial, format="png")


if __name__ == "__main__":
    job.start(snakemake.log[0], snakemake.config["study"])
    main(dict(snakemake.input.items()), dict(snakemake.output.items()))
