"""The table of recovery: each metric of `recovery.metrics`, where it applies."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from summands.data.design import Design
from summands.model import estimands
from summands.model.levels import Levels
from summands.recovery import montecarlo
from summands.recovery.catalogue import METRICS
from summands.recovery.montecarlo import SHARE, Measured, Statistic
from summands.recovery.registry import COMMON, CONVERGED, GATES, Metric
from summands.recovery.sample import COLUMNS, TIE, Sample
from summands.recovery.tables import RECOVERY

# Parameter and level.
Quantity = tuple[str, int | None]

# What a metric rests on.
Needs = tuple[str, ...]

# What is computed of a metric, column by column.
Row = tuple[object, ...]


def recovery(
    name: str,
    design: Design,
    tables: Mapping[str, tuple[pa.Table, pa.Table]],
    priors: Mapping[str, Mapping[str, Any] | None] = MappingProxyType({}),
) -> pa.Table:
    """Compute all metrics of one design.

    Parameters
    ----------
    name : str
        The design's id.
    design : Design
    tables : mapping of str to (pyarrow.Table, pyarrow.Table)
        By estimator, its estimates (R times P rows in the order of replicates and of
        `model.estimands.index`) and its fits (R rows in the order of replicates).

    priors : mapping of str to mapping or None, optional
        By estimator, what it is told instead of the priors of the design; None where
        it estimates their scales, so that they have no one spread.

    Returns
    -------
    pyarrow.Table
        With the columns of `RECOVERY`. Metrics that a regime, an estimator or a
        quantity does not have are absent.
    """
    regime = ("both", design.truth)
    metrics = [metric for metric in METRICS.values() if metric.regime in regime]
    samples: dict[Quantity, dict[str, Sample]] = defaultdict(dict)
    for estimator, pair in tables.items():
        for quantity, sample in _samples(design, *pair, priors.get(estimator, {})):
            samples[quantity][estimator] = sample
    compared = {
        quantity: _Compared(
            of_estimators,
            metrics,
            apart=design.keeps_contributors and quantity[1] is not None,
        )
        for quantity, of_estimators in samples.items()
    }
    # Degenerate numbers, such as an error over a total variance of 0, leave their
    # metric absent.
    with np.errstate(all="ignore"):
        rows = [
            (estimator, *quantity, gate, *row)
            for estimator in tables
            for quantity, of_quantity in compared.items()
            for gate, row in of_quantity.rows(estimator)
        ]
        return _table(name, design.levels, rows)


class _Compared:
    """What the estimators say of one quantity.

    Parameters
    ----------
    samples : mapping of str to Sample
        By estimator, of the same replicates.
    metrics : sequence of Metric
    apart : bool
        Whether there are contributors, the same in all replicates.
    """

    def __init__(
        self, samples: Mapping[str, Sample], metrics: Sequence[Metric], *, apart: bool
    ) -> None:
        self._samples = samples
        self._metrics = metrics
        self._apart = apart
        self._known: dict[tuple[str, Needs], NDArray[np.bool_]] = {}
        self._common: dict[Needs, NDArray[np.bool_]] = {}

    def rows(self, estimator: str) -> Iterator[tuple[str, Row]]:
        """Gate, and columns of `COMPUTED`, for each gate and metric.

        Metrics are computed once for each set of replicates: where every fit converges,
        the gates are one.
        """
        sets: dict[tuple[str, Needs], bytes] = {}
        asked: dict[bytes, dict[str, Metric]] = defaultdict(dict)
        for gate in GATES:
            for metric in self._metrics:
                if gate in metric.gates:
                    which = gate, metric.needs
                    if which not in sets:
                        sets[which] = self._chosen(estimator, *which).tobytes()
                    asked[sets[which]][metric.name] = metric
        found: dict[tuple[str, bytes], list[Row]] = defaultdict(list)
        for chosen, metrics in asked.items():
            mask = np.frombuffer(chosen, dtype=bool)
            if mask.any():
                for name, row in self._measure(estimator, mask, metrics.values()):
                    found[name, chosen].append(row)
        for gate in GATES:
            for metric in self._metrics:
                if gate in metric.gates:
                    for row in found.get((metric.name, sets[gate, metric.needs]), ()):
                        yield gate, row

    def _has(self, estimator: str, needs: Needs) -> NDArray[np.bool_]:
        """Mark the replicates in which an estimator gives what is needed."""
        if (estimator, needs) not in self._known:
            sample = self._samples[estimator]
            if len(needs) == 1:
                known = sample.has(needs[0])
            else:
                known = np.ones(len(sample.truth), dtype=bool)
                for name in needs:
                    known = known & self._has(estimator, (name,))
            self._known[estimator, needs] = known
        return self._known[estimator, needs]

    def _chosen(self, estimator: str, gate: str, needs: Needs) -> NDArray[np.bool_]:
        """Mark the replicates that a metric rests on at a gate."""
        chosen = self._has(estimator, needs)
        if gate == CONVERGED:
            return chosen & self._samples[estimator].converged
        return chosen & self._given(needs) if gate == COMMON else chosen

    def _given(self, needs: Needs) -> NDArray[np.bool_]:
        """Mark the replicates in which all estimators give what is needed.

        Those that never give it take no replicate from the others.
        """
        if needs not in self._common:
            common = np.ones_like(next(iter(self._samples.values())).converged)
            for estimator in self._samples:
                for what in {("estimate",), needs}:
                    known = self._has(estimator, what)
                    if known.any():
                        common = common & known
            self._common[needs] = common
        return self._common[needs]

    def _measure(
        self, estimator: str, chosen: NDArray[np.bool_], metrics: Iterable[Metric]
    ) -> Iterator[tuple[str, Row]]:
        """Name and columns of `COMPUTED`, for each metric of some replicates."""
        sample = self._samples[estimator].take(chosen)
        asked: list[tuple[Metric, str, Statistic]] = []
        for metric in metrics:
            others: list[tuple[str, tuple[Sample, ...]]] = [("", ())]
            if metric.versus:
                others = [
                    (name, (other.take(chosen),))
                    for name, other in self._samples.items()
                    if name != estimator and self._has(name, metric.needs).any()
                ]
            for name, rivals in others:
                statistic = metric(sample, *rivals)
                if statistic is not None:
                    asked.append((metric, metric.name + name, statistic))
        statistics = [statistic for *_, statistic in asked]
        pooled = montecarlo.measure(statistics, apart=False)
        apart = montecarlo.measure(statistics, apart=True) if self._apart else None
        replicates = len(sample.truth)
        for place, (metric, name, statistic) in enumerate(asked):
            whole, each = pooled[place], None
            if apart is not None and statistic.of_contributors:
                each = apart[place]
            if statistic.of_level:
                for row in _rows(whole, [None], *_worst(metric, each)):
                    yield metric.name, (name, metric.interval, replicates, *row)
            if each is not None:
                for row in _rows(each, range(len(each.value)), None, None):
                    yield metric.name, (name, metric.interval, replicates, *row)


# Columns of a metric's rows, those of `_rows` at the end.
COMPUTED = (
    "metric",
    "interval",
    "replicates",
    "contributor",
    "value",
    "mcse",
    "largest_share",
    "count",
    "worst",
    "worst_contributor",
)


def _rows(
    measured: Measured,
    contributors: Iterable[int | None],
    worst: float | None,
    worst_contributor: int | None,
) -> Iterator[Row]:
    for contributor, value, *others in zip(
        contributors,
        measured.value.tolist(),
        measured.mcse.tolist(),
        measured.largest_share.tolist(),
        measured.count.tolist(),
        strict=True,
    ):
        if math.isfinite(value):
            yield contributor, value, *others, worst, worst_contributor


def _worst(
    metric: Metric, each: Measured | None
) -> tuple[float, int] | tuple[None, None]:
    """Find the worst value of a contributor, and the first that has it."""
    if each is None or len(each.value) < 2 or not np.isfinite(each.value).any():
        return None, None
    badness = np.where(np.isfinite(each.value), metric.badness(each.value), -np.inf)
    worst = badness.max()
    contributor = int((badness >= worst - TIE * abs(worst)).argmax())
    return float(each.value[contributor]), contributor


def _table(design: str, levels: Levels, rows: Sequence[Row]) -> pa.Table:
    """Put rows of estimator, parameter, level, gate and `COMPUTED` into their table."""
    if not rows:
        return RECOVERY.empty_table()
    names = ("estimator", "parameter", "level", "gate", *COMPUTED)
    columns: dict[str, Any] = dict(zip(names, zip(*rows, strict=True), strict=True))
    kind, value, mcse, replicates, count = (
        np.array(columns[name])
        for name in ("interval", "value", "mcse", "replicates", "count")
    )
    columns["lower"], columns["upper"] = montecarlo.intervals(
        kind, value, mcse, replicates, count
    )
    # A share of 0 or 1 has no spread to tell its error from.
    certain = (kind == SHARE) & ((value == 0) | (value == 1))
    columns["mcse"] = np.where(certain, np.nan, mcse)
    columns["largest_share"] = np.array(columns["largest_share"])
    columns["design"] = pa.repeat(pa.scalar(design), len(rows))
    columns["level_name"] = [
        None if level is None else levels.names[level] for level in columns["level"]
    ]
    for numbers, labels in (
        ("contributor", "label"),
        ("worst_contributor", "worst_label"),
    ):
        columns[labels] = [
            None if number is None else levels.labels[level][number]
            for level, number in zip(columns["level"], columns[numbers], strict=True)
        ]
    return pa.table(
        [
            pa.array(
                columns[field.name],
                None if field.name == "design" else field.type,
                from_pandas=True,
            )
            for field in RECOVERY
        ],
        schema=RECOVERY,
    )


def _samples(
    design: Design,
    estimates: pa.Table,
    fits: pa.Table,
    priors: Mapping[str, Any] | None,
) -> Iterator[tuple[Quantity, Sample]]:
    """Cut the estimates of all replicates by parameter and level."""
    levels = design.levels
    names = estimands.index(levels)
    constant = estimands.constant(levels)
    # Only drawn truths have a prior that is the same for all data sets.
    spread = np.full(len(constant), np.nan)
    if design.truth == "drawn" and priors is not None:
        spread = estimands.prior_spread(design.problem(instead=priors))
    arrays = {
        name: estimates[name].to_numpy().reshape(fits.num_rows, -1) for name in COLUMNS
    }
    total = arrays["truth"][:, names.where("total_variance")][:, 0]
    converged = np.asarray(fits["converged"])
    posterior = estimates["rank_of"].null_count < estimates.num_rows
    for block in estimands.BLOCKS:
        scale = total if block.power == 2 else np.sqrt(total)
        of_block = names.where(block.name)
        for level in np.unique(names.level[of_block]):
            columns = of_block & (names.level == level) & ~constant
            if columns.any():
                sample = {name: values[:, columns] for name, values in arrays.items()}
                yield (
                    (block.name, None if level < 0 else int(level)),
                    Sample(
                        **sample,
                        converged=converged,
                        scale=scale,
                        prior_spread=spread[columns],
                        zero_sum=block.zero_sum,
                        positive=block.positive,
                        posterior=posterior,
                    ),
                )
