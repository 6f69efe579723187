"""What a run's tables hold, counted while they are written: no table is read again."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from summands.data.design import Design
from summands.recovery import pooling
from summands.recovery.pooling import Pooled
from summands.recovery.precision import Reached


@dataclass
class OfEstimator:
    """What is counted for one estimator."""

    fits: int = 0
    converged: int = 0
    failed: int = 0
    seconds: float = 0.0
    first_error: str = ""
    criteria: Counter[str] = field(default_factory=Counter)
    remarked: int = 0
    first_remark: str = ""
    # By design: data sets with one, and what the first of them says.
    conflicts: dict[str, tuple[int, str]] = field(default_factory=dict)
    # By size class, parameter and metric.
    metrics: dict[tuple[int, str, str], Pooled] = field(default_factory=dict)
    # Of calibration, by design; the first reason why one is not testable.
    verdicts: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    fewest_ranked: int = 0

    def with_verdict(self, *verdicts: str) -> list[str]:
        """Designs of which calibration has one of these verdicts."""
        return [
            design for design, verdict in self.verdicts.items() if verdict in verdicts
        ]

    def metric(self, size: int, parameter: str, metric: str) -> Pooled:
        """Pool of a metric over the designs of a size class; it may be empty."""
        empty = Pooled(pooling.SHOWN[metric])
        return self.metrics.get((size, parameter, metric), empty)


@dataclass
class Totals:
    """Counts that grow as designs are tabulated."""

    estimates: int = 0
    metrics: int = 0
    parameters_calibrated: int = 0
    estimators: dict[str, OfEstimator] = field(
        default_factory=lambda: defaultdict(OfEstimator)
    )
    sigma_unidentified: bool = False
    # By design: data sets that do not determine all means.
    gaps: dict[str, int] = field(default_factory=dict)
    # Designs of each size class.
    sizes: Counter[int] = field(default_factory=Counter)
    # Of the precision that the study wanted.
    reached: Reached = field(default_factory=lambda: Reached({}, 0))

    @property
    def fits(self) -> int:
        """Fits of all estimators."""
        return sum(total.fits for total in self.estimators.values())

    @property
    def converged(self) -> int:
        """Fits of all estimators that converged."""
        return sum(total.converged for total in self.estimators.values())

    @property
    def failed(self) -> int:
        """Fits of all estimators that failed."""
        return sum(total.failed for total in self.estimators.values())

    def add_fits(
        self, design: str, estimator: str, estimates: pa.Table, fits: pa.Table
    ) -> None:
        """Count one design of one estimator.

        Parameters
        ----------
        design, estimator : str
        estimates, fits : pyarrow.Table
            Rows of the tables of those names.
        """
        self.estimates += estimates.num_rows
        total = self.estimators[estimator]
        total.fits += fits.num_rows
        total.converged += pc.sum(fits["converged"]).as_py()
        errors = fits["error"].drop_null()
        total.failed += len(errors)
        if len(errors) and not total.first_error:
            total.first_error = errors[0].as_py()
        total.seconds += pc.sum(fits["seconds"]).as_py()
        for criterion in fits["criterion"].drop_null().to_pylist():
            # Without the values: "min_ess_bulk 212 < 400" is one criterion for all.
            total.criteria.update(
                re.sub(r" \S+ [<>].*", "", part) for part in criterion.split("; ")
            )
        remarks = fits["remark"].drop_null()
        total.remarked += len(remarks)
        total.first_remark = total.first_remark or "".join(remarks[:1].to_pylist())
        conflicts = fits["prior_conflict"].drop_null()
        if len(conflicts):
            total.conflicts[design] = len(conflicts), conflicts[0].as_py()
        lost = estimates.filter(pc.invert(estimates["identified"]))
        sigma = pc.equal(lost["parameter"], "sigma")
        self.sigma_unidentified |= bool(pc.any(sigma).as_py())
        of_means = lost.filter(pc.equal(lost["parameter"], "mu"))
        if of_means.num_rows:
            self.gaps[design] = len(of_means["replicate"].unique())

    def add_metrics(self, design: Design, recovery: pa.Table) -> None:
        """Count the metrics of one design, rows of recovery.parquet."""
        self.metrics += recovery.num_rows
        size = pooling.size_class(design)
        self.sizes[size] += 1
        self.reached.add(recovery)
        # Estimators are set side by side, so on the data sets that all could fit.
        shown = recovery.filter(
            (pc.field("gate") == "common")
            & pc.field("metric").isin(list(pooling.SHOWN))
            & pc.field("contributor").is_null()
        )

        def key(row: dict[str, Any]) -> tuple[str, str, str]:
            return row["estimator"], row["parameter"], row["metric"]

        for (estimator, parameter, metric), rows in groupby(
            sorted(shown.to_pylist(), key=key), key=key
        ):
            pooled = self.estimators[estimator].metrics.setdefault(
                (size, parameter, metric), Pooled(pooling.SHOWN[metric])
            )
            pooled.add(list(rows))

    def add_calibration(self, verdicts: pa.Table) -> None:
        """Count the verdict on one design and estimator, rows of calibration.parquet.

        Parameters
        ----------
        verdicts : pyarrow.Table
            May be empty.
        """
        self.parameters_calibrated += verdicts.num_rows
        for row in verdicts.to_pylist()[:1]:
            total = self.estimators[row["estimator"]]
            few = total.fewest_ranked or row["replicates"]
            total.fewest_ranked = min(few, row["replicates"])
            total.verdicts[row["design"]] = row["verdict"]
            total.reason = total.reason or row["reason"] or ""
