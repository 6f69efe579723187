"""The last words of a run: what its tables hold, and how the estimators did."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from summands import calibration, estimands

# Designs that are listed by name; a study may have thousands.
LISTED = 10

# Metrics of the last table.
SHOWN = ("rmse", "rmse_over_bound", "coverage_95")


@dataclass
class Mean:
    """A mean that grows, without its numbers."""

    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        """Count one more number."""
        self.total += value
        self.count += 1

    def shown(self, style: str) -> str:
        """Format the mean, with a dash where there is none."""
        return format(self.total / self.count, style) if self.count else "-"


@dataclass
class OfEstimator:
    """What is counted for one estimator."""

    fits: int = 0
    converged: int = 0
    failed: int = 0
    seconds: float = 0.0
    first_error: str = ""
    metrics: dict[tuple[str, str], Mean] = field(
        default_factory=lambda: defaultdict(Mean)
    )
    verdicts: dict[str, bool] = field(default_factory=dict)
    fewest_ranked: int = 0


@dataclass
class Totals:
    """Counts that grow as designs are tabulated, and the text made of them."""

    estimates: int = 0
    metrics: int = 0
    parameters_calibrated: int = 0
    estimators: dict[str, OfEstimator] = field(
        default_factory=lambda: defaultdict(OfEstimator)
    )
    sigma_unidentified: bool = False
    gaps: dict[str, int] = field(default_factory=dict)

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
        lost = estimates.filter(pc.invert(estimates["identified"]))
        sigma = pc.equal(lost["parameter"], "sigma")
        self.sigma_unidentified |= bool(pc.any(sigma).as_py())
        of_means = lost.filter(pc.equal(lost["parameter"], "mu"))
        if of_means.num_rows:
            self.gaps[design] = len(of_means["replicate"].unique())

    def add_metrics(self, recovery: pa.Table) -> None:
        """Count the metrics of one design, rows of recovery.parquet."""
        self.metrics += recovery.num_rows
        shown = recovery.filter(
            (pc.field("gate") == "all") & pc.field("metric").isin(SHOWN)
        )
        for row in shown.to_pylist():
            value = row["value"] ** 2 if row["metric"] == "rmse" else row["value"]
            of_estimator = self.estimators[row["estimator"]].metrics
            of_estimator[row["parameter"], row["metric"]].add(value)

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
            total.verdicts[row["design"]] = row["verdict"] == "passed"

    def text(self, study: str, designs: int) -> str:
        """Write the summary.

        Parameters
        ----------
        study : str
            Name of the study.
        designs : int
            Number of its designs.

        Returns
        -------
        str
            A line per table; the share of fits that converged; what the data do not
            determine; verdicts on calibration; a row per estimator and parameter with
            metrics pooled over designs and levels, each with equal weight.
        """
        lines = [*self._tables(study, designs), "", *self._convergence()]
        for part in (self._identification(), self._calibration()):
            lines += ["", *part] if part else []
        return "\n".join([*lines, "", *self._recovery()]) + "\n"

    def _tables(self, study: str, designs: int) -> list[str]:
        fits = sum(total.fits for total in self.estimators.values())
        converged = sum(total.converged for total in self.estimators.values())
        failed = sum(total.failed for total in self.estimators.values())
        return [
            f"Study {study}: results/{study}/",
            f"  designs.parquet      {_count(designs, 'design')}",
            f"  estimates.parquet    {_count(self.estimates, 'estimate')}",
            f"  fits.parquet         {_count(fits, 'fit')}, {converged:,} converged, "
            f"{failed:,} failed",
            f"  recovery.parquet     {_count(self.metrics, 'metric')}",
            "  calibration.parquet  "
            + _count(
                self.parameters_calibrated, "parameter tested", "parameters tested"
            ),
        ]

    def _convergence(self) -> list[str]:
        lines = [
            f"{'estimator':<22}{'fits':>8}{'converged':>11}{'failed':>8}"
            f"{'seconds a fit':>15}"
        ]
        for name, total in self.estimators.items():
            lines.append(
                f"{name:<22}{total.fits:>8,}{_share(total.converged, total.fits):>11}"
                f"{total.failed:>8,}{total.seconds / total.fits:>15.3f}"
            )
            if total.failed:
                lines.append(f"  the first of them failed with {total.first_error}")
        return lines

    def _identification(self) -> list[str]:
        lines = []
        if self.sigma_unidentified:
            lines += [
                "A single sigma (marked *) is not determined by the data: what one "
                "level loses in",
                "variance another can gain. Its estimate rests on the prior; "
                "set_lower and set_upper in",
                "estimates.parquet hold every value that fits the data equally well. "
                "Contrasts of",
                "variance within a level and the total variance are determined, where "
                "contributors meet.",
            ]
        gaps = [
            f"{design}: in {_count(count, 'data set')} some contributors have no "
            "rows or do not meet the others; nothing is determined of them."
            for design, count in self.gaps.items()
        ]
        return lines + _first(
            gaps, "designs with such data sets, see estimates.parquet"
        )

    def _calibration(self) -> list[str]:
        lines = []
        for name, total in self.estimators.items():
            if not total.verdicts:
                continue
            line = (
                f"Calibration of {name}: {sum(total.verdicts.values()):,} of "
                f"{_count(len(total.verdicts), 'design')} passed"
            )
            if total.fewest_ranked < calibration.ENOUGH:
                line += (
                    f"; with {_count(total.fewest_ranked, 'replicate')} only gross "
                    f"errors show, {calibration.ENOUGH} are recommended"
                )
            if not all(total.verdicts.values()):
                line += (
                    f"; by chance {calibration.LEVEL:.0%} of the designs of a sound "
                    "estimator fail"
                )
            lines.append(line + ".")
            failed = [
                f"  failed: {design}"
                for design, passed in total.verdicts.items()
                if not passed
            ]
            lines += _first(failed, "designs, see calibration.parquet")
        return lines

    def _recovery(self) -> list[str]:
        lines = [
            "Pooled over designs and levels, all fits:",
            f"{'estimator':<22}{'parameter':<20}{'RMSE':>9}{'/ bound':>9}"
            f"{'95 % coverage':>15}",
        ]
        for name, total in self.estimators.items():
            label = name
            for parameter in estimands.PARAMETERS:
                squares, ratios, covered = (
                    total.metrics[parameter, metric] for metric in SHOWN
                )
                if not squares.count:
                    continue
                starred = parameter == "sigma" and self.sigma_unidentified
                mark = " *" if starred else ""
                lines.append(
                    f"{label:<22}{parameter + mark:<20}"
                    f"{math.sqrt(squares.total / squares.count):>9.3f}"
                    f"{ratios.shown('.2f'):>9}{covered.shown('.1%'):>15}"
                )
                label = ""
        return [
            *lines,
            "/ bound: RMSE over the smallest that unbiased estimates can have "
            "(fixed truths only).",
        ]


def _first(lines: list[str], rest: str) -> list[str]:
    """Keep the first lines, and say how many more there are and of what."""
    if len(lines) <= LISTED:
        return lines
    return [*lines[:LISTED], f"  and {len(lines) - LISTED:,} more {rest}"]


def _share(part: int, whole: int) -> str:
    """Percent, rounded down: 100 % means all."""
    return f"{math.floor(1000 * part / whole) / 10:.1f}%"


def _count(number: int, noun: str, nouns: str = "") -> str:
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
