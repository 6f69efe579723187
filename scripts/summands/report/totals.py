"""What a run's tables hold, counted while they are written: no table is read again."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from summands.data.design import Design
from summands.recovery import pooling
from summands.recovery.failures import FAILURES, MISSED
from summands.recovery.pooling import Pooled
from summands.recovery.precision import Reached
from summands.report.failures import SUMMED


@dataclass
class OfEstimator:
    """What is counted for one estimator."""

    # Sums over designs of the counts of failures.parquet.
    counts: Counter[str] = field(default_factory=Counter)
    # With design and replicate.
    first_error: tuple[str, str, int] | None = None
    seconds: float = 0.0
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

    @property
    def fits(self) -> int:
        """All fits."""
        return self.counts["fits"]

    @property
    def converged(self) -> int:
        """Fits that converged."""
        return self.counts["converged"]

    @property
    def failed(self) -> int:
        """Fits that ended with an error."""
        return self.counts["failed"]

    @property
    def missed(self) -> dict[str, int]:
        """Fits that did not converge, by the criterion that they missed first."""
        return {
            criterion: self.counts[column]
            for criterion, column in MISSED.items()
            if self.counts[column]
        }

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
    # The table of that name.
    failures: pd.DataFrame = field(default_factory=FAILURES.empty_table().to_pandas)
    # Designs of each size class.
    sizes: Counter[int] = field(default_factory=Counter)
    # Of the precision that the study wanted.
    reached: Reached = field(default_factory=lambda: Reached({}, 0))

    @property
    def gaps(self) -> dict[str, int]:
        """By design, data sets that do not determine all means."""
        most = self.failures.groupby("design", sort=False)["undetermined"].max()
        return {str(design): count for design, count in most[most > 0].items()}

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
        total.seconds += pc.sum(fits["seconds"]).as_py()
        remarks = fits["remark"].drop_null()
        total.remarked += len(remarks)
        total.first_remark = total.first_remark or "".join(remarks[:1].to_pylist())
        conflicts = fits["prior_conflict"].drop_null()
        if len(conflicts):
            total.conflicts[design] = len(conflicts), conflicts[0].as_py()
        of_sigma = pc.field("parameter") == "sigma"
        lost = estimates.filter(of_sigma & ~pc.field("identified"))
        self.sigma_unidentified |= lost.num_rows > 0

    def add_failures(self, failures: pa.Table) -> None:
        """Take the counts of the whole study, failures.parquet."""
        self.failures = failures.to_pandas()
        for name, part in self.failures.groupby("estimator", sort=False):
            total = self.estimators[str(name)]
            total.counts.update({column: int(part[column].sum()) for column in SUMMED})
            wrong = part[part["first_error"].notna()]
            if len(wrong):
                row = wrong.iloc[0]
                total.first_error = (
                    row["first_error"],
                    row["design"],
                    int(row["first_error_replicate"]),
                )

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
