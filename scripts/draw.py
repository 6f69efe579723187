"""Draw the figures of a study."""

import signal

if __name__ == "__main__":
    # Ctrl-C ends it without a stack, from here on; the run has a word on it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc
from matplotlib.figure import Figure

from summands.files import job, storage
from summands.recovery import calibration
from summands.report import design_figures, figures
from summands.study import batch, study

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake

    snakemake: Snakemake  # set by Snakemake before this file runs

# Panels of the calibration figure; of more designs, those with the smallest p-values.
MOST_PANELS = 16

# Estimates that are held for the scatter plots; of more, so many at random.
MOST_ESTIMATES = 500_000


def main(
    checked: study.Study, inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> None:
    """Draw those of the figures that are asked for, from the final tables."""
    size = {
        name: design.rows / design.levels.contributors
        for name, design in checked.designs.items()
    }

    def of_metrics(kind: design_figures.Kind) -> Figure:
        chosen = pc.field("metric").isin(kind.metrics) & (pc.field("gate") == "common")
        recovery = storage.read_table(inputs["recovery"], filters=chosen)
        return design_figures.draw(recovery.to_pandas(), size, kind)

    def truth_against_estimate() -> Figure:
        columns = ["design", "replicate", "estimator"]
        fits = storage.read_table(inputs["fits"], columns=[*columns, "converged"])
        columns += ["parameter", "truth", "estimate", "sd"]
        some = storage.read_some(inputs["estimates"], columns, MOST_ESTIMATES)
        return figures.truth_against_estimate(some.to_pandas(), fits.to_pandas())

    drawings: dict[str, Callable[[], Figure]] = {
        "truth": truth_against_estimate,
        "calibration": lambda: figures.ranks_by_design(
            _ranks(checked, inputs), calibration.LEVEL
        ),
    } | {name: partial(of_metrics, kind) for name, kind in design_figures.KINDS.items()}
    for name, path in outputs.items():
        with storage.whole(path) as unfinished:
            drawings[name]().savefig(unfinished, format="png")


def _ranks(checked: study.Study, inputs: Mapping[str, str]) -> dict[str, figures.Ranks]:
    """Ranks of the designs with the smallest p-values, in the order of the study."""
    verdicts = storage.read_table(inputs["calibration"]).to_pandas()
    worst = verdicts.groupby(["design", "estimator"], sort=False)["p_adjusted"].min()
    chosen = set(worst.nsmallest(MOST_PANELS).index)
    several = len(checked.estimators) > 1
    found: dict[str, figures.Ranks] = {}
    for design, estimator in worst.index:
        if (design, estimator) not in chosen:
            continue
        here = (pc.field("design") == design) & (pc.field("estimator") == estimator)
        estimates = storage.read_table(inputs["estimates"], filters=here)
        fits = storage.read_table(inputs["fits"], filters=here)
        ranks = calibration.ranks(checked.designs[design], estimates, fits)
        title = design.replace("levels-", "").replace("_", "\n", 1)
        found[f"{estimator}\n{title}" if several else title] = (
            ranks,
            int(pc.max(estimates["rank_of"]).as_py()),
        )
    return found


if __name__ == "__main__":
    job.start(snakemake.log[0], batch.results(snakemake.config["study"]))
    paths = dict(snakemake.input.items())
    main(study.read(Path(paths.pop("study"))), paths, dict(snakemake.output.items()))
