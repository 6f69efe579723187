"""Draw the figures of a study."""

import signal

if __name__ == "__main__":
    # Ctrl-C ends it without a stack, from here on; the run has a word on it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from summands.files import job
from summands.report import plotting, registry
from summands.report.reading import Tables
from summands.study import study, targets

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake

    snakemake: Snakemake  # set by Snakemake before this file runs

# Outputs of the rule, by the ends of their names.
FORMATS = {"png": "", "svg": "_svg"}


def main(
    checked: study.Study, inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> None:
    """Draw those of the figures that are asked for, from the final tables."""
    tables = Tables(checked, inputs)
    for figure in registry.of(checked):
        plotting.save(
            figure.draw(figure.panel(tables)),
            {kind: outputs[figure.name + end] for kind, end in FORMATS.items()},
        )


if __name__ == "__main__":
    job.start(snakemake.log[0], snakemake.params.results)
    paths = dict(snakemake.input.items())
    checked = study.read(Path(paths.pop("study")), Path(), targets.MEMORY)
    main(checked, paths, dict(snakemake.output.items()))
