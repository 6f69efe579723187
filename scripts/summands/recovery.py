"""The table of recovery: each metric of `summands.metrics`, where it applies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from summands import estimands, metrics
from summands.design import Design
from summands.fitting import Problem
from summands.metrics import Estimated, Metric, Sample
from summands.tables import RECOVERY


def recovery(
    name: str, design: Design, tables: Mapping[str, tuple[pa.Table, pa.Table]]
) -> pa.Table:
    """Compute all metrics of one design.

    Parameters
    ----------
    name : str
        The design's id.
    design : Design
    tables : mapping of str to (pyarrow.Table, pyarrow.Table)
        By estimator, its estimates (R times P rows in the order of replicates and of
        `summands.estimands.index`) and its fits (R rows in the order of replicates).

    Returns
    -------
    pyarrow.Table
        With the columns of `RECOVERY`. Metrics that a regime, an estimator or a
        quantity does not have are absent.
    """
    fixed = design.truth == "fixed"
    regime = metrics.WITH_FIXED_TRUTH if fixed else metrics.WITH_DRAWN_TRUTH
    samples = {
        estimator: {
            (parameter, level): sample
            for parameter, level, sample in _samples(design, *pair)
        }
        for estimator, pair in tables.items()
    }
    records = []
    for estimator, quantities in samples.items():
        for (parameter, level), sample in quantities.items():
            of_chosen = _Measured(sample)
            found: list[tuple[str, str, int, Estimated]] = [
                (metric.__name__, "all", len(sample.truth), metric(sample))
                for metric in metrics.OF_ALL_FITS
            ]
            known = {
                name: sample.has(name)
                for name in ("estimate", *metrics.NEEDED.values())
            }
            for gate in ("all", "converged"):
                chosen = known["estimate"] & (sample.converged | (gate == "all"))
                for metric in metrics.IN_BOTH + regime:
                    able = chosen & known[metrics.NEEDED.get(metric, "estimate")]
                    if able.any():
                        value = of_chosen(metric, able)
                        found.append((metric.__name__, gate, int(able.sum()), value))
                for other in samples if fixed else ():
                    if other == estimator:
                        continue
                    rival = samples[other][parameter, level]
                    both = chosen & rival.has("estimate")
                    both &= rival.converged | (gate == "all")
                    found.append(
                        (
                            metrics.RELATIVE_PRECISION + other,
                            gate,
                            int(both.sum()),
                            metrics.relative_precision(
                                sample.take(both), rival.take(both)
                            ),
                        )
                    )
            records += [
                {
                    "design": name,
                    "estimator": estimator,
                    "parameter": parameter,
                    "level": level,
                    "metric": metric,
                    "value": value,
                    "mcse": mcse if np.isfinite(mcse) else None,
                    "replicates": replicates,
                    "gate": gate,
                }
                for metric, gate, replicates, (value, mcse) in found
                if np.isfinite(value)
            ]
    return pa.Table.from_pylist(records, RECOVERY)


class _Measured:
    """Metrics of some replicates of a sample, computed once for each set of them.

    Where all fits converge, the two gates are one.
    """

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self._parts: dict[bytes, Sample] = {}
        self._values: dict[tuple[Metric, bytes], Estimated] = {}

    def __call__(self, metric: Metric, able: NDArray[np.bool_]) -> Estimated:
        which = able.tobytes()
        if which not in self._parts:
            self._parts[which] = self._sample if able.all() else self._sample.take(able)
        if (metric, which) not in self._values:
            self._values[metric, which] = metric(self._parts[which])
        return self._values[metric, which]


def _samples(
    design: Design, estimates: pa.Table, fits: pa.Table
) -> Iterator[tuple[str, int | None, Sample]]:
    """Cut the estimates of all replicates by parameter and level."""
    levels = design.levels
    problem = Problem.of(design)
    names = estimands.index(levels)
    constant = estimands.constant(levels)
    prior_sd = estimands.prior_sd(
        levels,
        problem.intercept_sd,
        problem.mu_sd,
        problem.log_sigma_mean,
        problem.log_sigma_sd,
    )
    arrays = {
        name: estimates[name].to_numpy().reshape(fits.num_rows, -1)
        for name in metrics.ARRAYS
    }
    converged = np.asarray(fits["converged"])
    posterior = estimates["rank_of"].null_count < estimates.num_rows
    for parameter in estimands.PARAMETERS:
        for level in np.unique(names.level[names.where(parameter)]):
            columns = names.where(parameter) & (names.level == level) & ~constant
            if columns.any():
                sample = {name: values[:, columns] for name, values in arrays.items()}
                yield (
                    parameter,
                    None if level < 0 else int(level),
                    Sample(
                        **sample,
                        converged=converged,
                        prior_sd=prior_sd[columns],
                        zero_sum=parameter in ("mu", "variance_contrast"),
                        posterior=posterior,
                    ),
                )
