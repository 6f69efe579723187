"""The last words of a run: what its tables hold, and how the estimators did."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from summands.data.design import Design
from summands.model import estimands
from summands.recovery import calibration, pooling
from summands.recovery.pooling import Pooled

# Designs that are listed by name; a study may have thousands.
LISTED = 10


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
    conflicts: dict[str, str] = field(default_factory=dict)
    # By size class, parameter and metric.
    metrics: dict[tuple[int, str, str], Pooled] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    reason: str = ""
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
    # Designs of each size class.
    sizes: Counter[int] = field(default_factory=Counter)

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
            total.conflicts[design] = (
                f"in {_count(len(conflicts), 'data set')}, {conflicts[0].as_py()}"
            )
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
            determine; verdicts on calibration; and by size of the designs, a row per
            estimator and parameter with metrics averaged over designs and levels.
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
            if total.criteria:
                missed = ", ".join(
                    f"{name} ({count:,})"
                    for name, count in total.criteria.most_common()
                )
                lines.append(f"  criteria that were missed, by fits: {missed}")
            if total.remarked:
                lines.append(
                    f"  {_count(total.remarked, 'fit')} with a remark: "
                    f"{total.first_remark}"
                )
            lines += _first(
                [
                    f"  a stated prior conflicts with the data of {design}: {text}"
                    for design, text in total.conflicts.items()
                ],
                "designs, see prior_conflict in fits.parquet",
            )
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
            tested = [
                design
                for design, verdict in total.verdicts.items()
                if verdict != calibration.NOT_TESTABLE
            ]
            failed = [
                f"  failed: {design}"
                for design in tested
                if total.verdicts[design] == calibration.FAILED
            ]
            silent = len(total.verdicts) - len(tested)
            if tested:
                line = (
                    f"Calibration of {name}: {len(tested) - len(failed):,} of "
                    f"{_count(len(tested), 'design')} passed"
                )
                if total.fewest_ranked < calibration.ENOUGH:
                    line += (
                        f"; with {_count(total.fewest_ranked, 'replicate')} only gross "
                        f"errors show, {calibration.ENOUGH} are recommended"
                    )
                if failed:
                    line += (
                        f"; by chance {calibration.LEVEL:.0%} of the designs of a "
                        "sound estimator fail"
                    )
                lines += [line + ".", *_first(failed, _MORE_VERDICTS)]
            if silent:
                lines.append(
                    f"Calibration of {name}: {_count(silent, 'design')} not testable: "
                    f"{total.reason}."
                )
        return lines

    def _recovery(self) -> list[str]:
        lines = []
        for size in sorted(self.sizes):
            lines += [
                f"{pooling.named(size)} rows per contributor, "
                f"{_count(self.sizes[size], 'design')}:",
                f"{'estimator':<20}{'parameter':<19}{'/ bound':>8}{'/ total':>8}"
                f"{'width':>8}{'95 % coverage':>23}{'worst':>13}{'top':>7}",
            ]
            for name, total in self.estimators.items():
                lines += self._of_class(name, total, size)
            lines.append("")
        return [
            *lines,
            "Means over designs and levels, on the data sets that all estimators "
            "fitted.",
            "/ bound: root mean squared error over the smallest that unbiased "
            "estimates can have; below 1,",
            "priors or bounds help. / total: over the total standard deviation, for "
            "variances the total variance.",
            "width: mean width of the 95 % intervals, in the same unit. 95 % coverage: "
            "with its Monte-Carlo interval;",
            "worst: that of the worst contributor (level/contributor), where it is the "
            "same in all replicates.",
            "top: how often the largest of a level is named. "
            f"{pooling.CARRIED} one replicate carries more than a fifth of it.",
        ]

    def _of_class(self, name: str, total: OfEstimator, size: int) -> list[str]:
        lines = []
        for parameter in estimands.PARAMETERS:
            bound, error, width, covered, top = (
                total.metrics.get(
                    (size, parameter, metric), Pooled(pooling.SHOWN[metric])
                )
                for metric in pooling.SHOWN
            )
            if not error.count:
                continue
            starred = parameter == "sigma" and self.sigma_unidentified
            label = parameter + " *" * starred
            lines.append(
                f"{name:<20}{label:<19}{bound.mean('.2f'):>8}{error.mean('.3f'):>8}"
                f"{width.mean('.3f'):>8}{covered.share():>23}{covered.least():>13}"
                f"{top.mean('.0%'):>7}".rstrip()
            )
            name = ""
        return lines


_MORE_VERDICTS = "designs, see calibration.parquet"


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
