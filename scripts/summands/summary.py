"""The last words of a run: what its tables hold, and how the estimators did."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from summands import estimands


@dataclass
class Totals:
    """Counts that grow as designs are tabulated, and the text made of them."""

    estimates: int = 0
    metrics: int = 0
    fits: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    converged: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    failed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    errors: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    pooled: dict[tuple[str, str, str], list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(self, estimator: str, parts: Mapping[str, pa.Table]) -> None:
        """Count one design of one estimator.

        Parameters
        ----------
        estimator : str
        parts : mapping of str to pyarrow.Table
            Its "estimates", "fits" and "recovery".
        """
        self.estimates += parts["estimates"].num_rows
        self.metrics += parts["recovery"].num_rows
        for fit in parts["fits"].to_pylist():
            self.fits[estimator] += 1
            self.converged[estimator] += fit["converged"]
            self.failed[estimator] += fit["error"] is not None
            if fit["error"] is not None:
                self.errors.setdefault(estimator, fit["error"])
            self.seconds[estimator].append(fit["seconds"])
        for row in parts["recovery"].to_pylist():
            if row["gate"] == "all":
                key = (estimator, row["parameter"], row["metric"])
                self.pooled[key].append(row["value"])

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
            A line per table, then a row per estimator and parameter. RMSE and
            coverage are pooled over designs and levels, each with equal weight.
        """
        fits = sum(self.fits.values())
        converged = sum(self.converged.values())
        failed = sum(self.failed.values())
        lines = [
            f"Study {study}: results/{study}/",
            f"  designs.parquet    {_count(designs, 'design')}",
            f"  estimates.parquet  {_count(self.estimates, 'estimate')}",
            f"  fits.parquet       {_count(fits, 'fit')}, {converged:,} converged, "
            f"{failed:,} failed",
            f"  recovery.parquet   {_count(self.metrics, 'metric')}",
            *(
                f"  {self.failed[name]:,} of {self.fits[name]:,} fits by {name} "
                f"failed, the first with {error}"
                for name, error in self.errors.items()
            ),
            "",
            "Pooled over designs and levels:",
            f"{'estimator':<16}{'parameter':<20}{'RMSE':>9}{'95 % coverage':>15}"
            f"{'seconds a fit':>15}{'converged':>11}",
        ]
        for estimator, count in self.fits.items():
            last = f"{np.mean(self.seconds[estimator]):>15.3f}"
            last += f"{self.converged[estimator] / count:>11.1%}"
            label = estimator
            for parameter in estimands.PARAMETERS:
                squares = np.square(self.pooled[estimator, parameter, "rmse"])
                if not squares.size:
                    continue
                covered = self.pooled[estimator, parameter, "coverage_95"]
                coverage = f"{np.mean(covered):.1%}" if covered else "-"
                lines.append(
                    f"{label:<16}{parameter:<20}{math.sqrt(squares.mean()):>9.3f}"
                    f"{coverage:>15}{last}"
                )
                label = last = ""
            if last:
                lines.append(f"{label:<45}{'-':>15}{last}")
        return "\n".join(lines) + "\n"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
