"""The final tables of a study, read as far as panels need them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from summands.files import storage
from summands.recovery import calibration, pooling, precision
from summands.recovery.precision import Reached
from summands.recovery.registry import ALL, COMMON
from summands.report import (
    design_panels,
    grid_panels,
    replicate_panels,
    ridge_panel,
    ridges,
)
from summands.report.axes import Axis, Scale
from summands.report.panels import Ranked
from summands.report.ridge_panel import Ridge
from summands.report.totals import Totals
from summands.study.protocols import Told
from summands.study.study import Study

# Estimates that are held for the scatter plots; of more, so many at random.
MOST_ESTIMATES = 500_000

# Designs and estimators whose ranks are shown; of more, those with the smallest
# p-values.
MOST_RANKED = 16

BY = "design", "estimator"

NOTHING_TOLD = Told()


@dataclass(frozen=True)
class Tables:
    """Final tables, of which a call reads a part.

    Parameters
    ----------
    study : Study
    paths : mapping of str to str
        Files by name of table.
    protocols : Told, optional
        What there is to tell of protocols.
    """

    study: Study
    paths: Mapping[str, str]
    protocols: Told = NOTHING_TOLD

    def sizes(self) -> dict[str, float]:
        """Rows per contributor of each design."""
        return {
            name: design.rows / design.levels.contributors
            for name, design in self.study.designs.items()
        }

    def classes(self) -> dict[str, int]:
        """Class of size of each design."""
        return {
            name: pooling.size_class(design)
            for name, design in self.study.designs.items()
        }

    def loose(self) -> tuple[str, ...]:
        """Parameters that the data alone do not determine."""
        several = any(d.levels.count > 1 for d in self.study.designs.values())
        return ("sigma",) if several else ()

    def by_design(self) -> pd.DataFrame:
        """All `grid_panels.METRICS` by design, estimator and parameter."""
        ratios, shares = (
            tuple(name for name, told in grid_panels.METRICS.items() if told[2] == log)
            for log in (True, False)
        )
        parts = [self._designs(ratios, "log"), self._designs(shares, "linear")]
        return pd.concat(parts, ignore_index=True)

    def compared(self) -> pd.DataFrame:
        """Ratios of errors of each two estimators, by design and parameter."""
        names = tuple(f"rmse_ratio_vs_{name}" for name in self.study.estimators)
        return self._designs(names, "log")

    def _designs(self, metrics: tuple[str, ...], scale: Scale) -> pd.DataFrame:
        return design_panels.metrics_by_design(
            self.recovery(metrics), self.sizes(), metrics, Axis("", scale)
        ).designs

    def whole(self, name: str) -> pd.DataFrame:
        """All of a table that is small: without a row for each replicate."""
        return storage.read_table(self.paths[name]).to_pandas()

    def estimates(self) -> pd.DataFrame:
        """At most `MOST_ESTIMATES` estimates, and what they are held against."""
        columns = ["design", "replicate", "estimator", "parameter"]
        columns += ["level", "contributor", "level_name", "label"]
        columns += ["truth", "estimate", "sd", "lower_95", "upper_95"]
        some = storage.read_some(self.paths["estimates"], columns, MOST_ESTIMATES)
        return some.to_pandas()

    def fits(self) -> pd.DataFrame:
        """Which fits converged, which failed, and what they cost."""
        columns = ["design", "replicate", "estimator", "converged"]
        columns += ["seconds", "error"]
        return storage.read_table(self.paths["fits"], columns=columns).to_pandas()

    def recovery(self, metrics: Sequence[str]) -> pd.DataFrame:
        """Metrics on the data sets that all estimators fitted.

        Parameters
        ----------
        metrics : sequence of str
            Their names.

        Returns
        -------
        pandas.DataFrame
        """
        chosen = pc.field("metric").isin(metrics) & (pc.field("gate") == "common")
        return storage.read_table(self.paths["recovery"], filters=chosen).to_pandas()

    def ranked(self) -> Iterator[Ranked]:
        """Ranks of the designs with the smallest p-values, in the study's order."""
        verdicts = storage.read_table(self.paths["calibration"]).to_pandas()
        worst = verdicts.groupby(["design", "estimator"], sort=False)["p_adjusted"]
        chosen = set(worst.min().nsmallest(MOST_RANKED).index)
        for design, estimator in worst.min().index:
            if (design, estimator) not in chosen:
                continue
            here = (pc.field("design") == design) & (pc.field("estimator") == estimator)
            estimates = storage.read_table(self.paths["estimates"], filters=here)
            fits = storage.read_table(self.paths["fits"], filters=here)
            yield Ranked(
                design,
                estimator,
                calibration.gathered_ranks(self.study.designs[design], estimates, fits),
                int(pc.max(estimates["rank_of"]).as_py()),
            )

    def spreads(self) -> pd.DataFrame:
        """How far quantities spread in the prior, where truths are drawn from it."""
        return replicate_panels.spreads(
            {
                name: {
                    design_id: design.problem(instead=entry.priors)
                    for design_id, design in self.study.designs.items()
                    if design.truth == "drawn" and not design.drawn_scales
                }
                for name, entry in self.study.estimators.items()
                if entry.module.SAMPLES and not entry.estimates_scales
            }
        )

    def ridge(self) -> Ridge:
        """Draws of two levels' sigma, of one data set whose posterior was kept."""
        found = ridges.chosen(self.study)
        assert found is not None
        design = self.study.designs[found.design]
        here = pc.field("design") == found.design
        here &= pc.field("estimator") == found.estimator
        fits = storage.read_table(self.paths["fits"], filters=here).to_pandas()
        draws, replicate = ridges.draws(self.paths["posterior"], design.levels, fits)
        here &= pc.field("replicate") == replicate
        here &= pc.field("parameter") == "sigma"
        table = storage.read_table(self.paths["estimates"], filters=here)
        estimates = table.to_pandas()
        pair = ridges.contributors(estimates)
        return ridge_panel.ridge(
            draws[:, pair],
            estimates.iloc[pair],
            f"{found.estimator}, design {found.design}, data set {replicate}",
            design.levels.count,
        )

    def provenance(self) -> dict[str, Any]:
        """Commit, versions and machine of the run."""
        found: dict[str, Any] = json.loads(Path(self.paths["provenance"]).read_text())
        return found

    def totals(self) -> Totals:
        """Count what the tables hold, by design and estimator."""
        wanted = self.study.precision
        totals = Totals(reached=Reached(wanted, self.study.replicates))
        metric, gate = pc.field("metric"), pc.field("gate")
        shown = metric.isin(list(pooling.SHOWN)) & (gate == COMMON)
        shown &= pc.field("contributor").is_null()
        metrics = [precision.keys()[name].metric for name in wanted]
        asked = metric.isin(pa.array(metrics, pa.string()))
        recovery = storage.read_table(
            self.paths["recovery"], filters=shown | (asked & (gate == ALL))
        )
        lost = storage.read_table(
            self.paths["estimates"],
            columns=["design", "estimator", "parameter", "identified"],
            filters=~pc.field("identified") & (pc.field("parameter") == "sigma"),
        )
        fits = storage.read_table(self.paths["fits"])
        of_lost = dict(storage.cut(lost, *BY))
        for (design, estimator), part in storage.cut(fits, *BY):
            none = lost.slice(0, 0)
            totals.add_fits(
                design, estimator, of_lost.get((design, estimator), none), part
            )
        totals.add_failures(storage.read_table(self.paths["failures"]))
        by_design: dict[str, list[pa.Table]] = {}
        for (design, _), part in storage.cut(recovery, *BY):
            by_design.setdefault(design, []).append(part)
        for design, parts in by_design.items():
            totals.add_metrics(self.study.designs[design], pa.concat_tables(parts))
        verdicts = storage.read_table(self.paths["calibration"])
        for _, part in storage.cut(verdicts, *BY):
            totals.add_calibration(part)
        return totals
