"""What figures of metrics by design show: points of few designs, steps of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from summands.recovery.registry import LARGEST_SHARE
from summands.report import names
from summands.report.axes import Axis
from summands.report.grids import NAMED_DESIGNS
from summands.report.panels import together

# Steps of rows per contributor, each with as many designs.
STEPS = 10

# Share of the designs of a step, at either end, that its band leaves out.
OUTSIDE = 0.05

# Shares that are the worse the larger they are.
ALARMS = ("false_alarm_rate",)

OF_STEP = ("size", "designs", "value", "lower", "upper", "low", "high", "worst")
SERIES = ("estimator", "parameter", "metric")


@dataclass(frozen=True)
class ByDesign:
    """Metrics by design, a facet for each parameter.

    Parameters
    ----------
    metrics : tuple of str
        Names as in recovery.parquet; the first is the main one.
    axis : Axis
        Of the metrics.
    sizes : Axis
        Of the steps.
    designs : pandas.DataFrame
        By design, estimator, parameter and metric: ``size``, rows per contributor of
        the design; ``value``, the mean over levels (geometric on a logarithmic axis);
        ``lower`` and ``upper``, its Monte-Carlo interval, as long as the longest of
        the levels, which share their data sets; ``worst`` and ``worst_name``, the worst
        contributor's value and what it is called, NaN where there is none;
        ``carried``, whether one replicate carries more than a fifth of it;
        ``replicates``, how many it rests on.
    steps : pandas.DataFrame
        Of more than `NAMED_DESIGNS` designs, and empty otherwise. By estimator,
        parameter and metric, for `STEPS` steps of size with as many ``designs``:
        ``size``, the geometric mean; ``value``, ``lower`` and ``upper``, the mean over
        designs with its Monte-Carlo interval; ``low`` and ``high``, between which nine
        in ten designs lie; ``worst``, the mean of the worst contributor's values.
    loose : tuple of str
        Parameters that the data alone do not determine.
    """

    metrics: tuple[str, ...]
    axis: Axis
    sizes: Axis
    designs: pd.DataFrame
    steps: pd.DataFrame
    loose: tuple[str, ...] = ()


def metrics_by_design(
    recovery: pd.DataFrame,
    sizes: Mapping[str, float],
    metrics: tuple[str, ...],
    axis: Axis,
    loose: tuple[str, ...] = (),
) -> ByDesign:
    """Average metrics over the levels of each design, and over designs of like size.

    Parameters
    ----------
    recovery : pandas.DataFrame
        The table of that name; pooled rows of the gate "common" count.
    sizes : mapping of str to float
        Rows per contributor of each design.
    metrics : tuple of str
        Names as in recovery.parquet, the main one first.
    axis : Axis
        Of the metrics. On a logarithmic one means are those of logarithms.
    loose : tuple of str, optional
        Parameters that the data alone do not determine.

    Returns
    -------
    ByDesign
    """
    log = axis.scale == "log"
    designs = _of_designs(recovery, metrics, log=log)
    return stepped(designs, sizes, metrics, axis, loose)


def stepped(
    designs: pd.DataFrame,
    sizes: Mapping[str, float],
    metrics: tuple[str, ...],
    axis: Axis,
    loose: tuple[str, ...] = (),
) -> ByDesign:
    """Take designs of like size together where there are many.

    Parameters
    ----------
    designs : pandas.DataFrame
        See `ByDesign`, without ``size``.
    sizes, metrics, axis, loose
        See `metrics_by_design`.

    Returns
    -------
    ByDesign
    """
    log = axis.scale == "log"
    designs = designs.copy()
    designs.insert(1, "size", designs["design"].map(sizes).astype(float))
    count = designs["design"].nunique()
    parts = []
    if count > NAMED_DESIGNS:
        parts = [
            _of_steps(part, log=log)
            for _, part in designs.groupby(list(SERIES), sort=False)
        ]
    return ByDesign(
        metrics,
        axis,
        Axis(f"rows per contributor ({count:,} designs)", "log"),
        designs,
        together(parts, [*SERIES, *OF_STEP]),
        loose,
    )


def _of_designs(
    recovery: pd.DataFrame, metrics: Sequence[str], *, log: bool
) -> pd.DataFrame:
    chosen = recovery[
        (recovery["gate"] == "common")
        & recovery["contributor"].isna()
        & recovery["metric"].isin(metrics)
        & ((recovery["value"] > 0) | (not log))
    ]
    forward, back = (np.log, np.exp) if log else (np.asarray, np.asarray)
    columns = ["value", "lower", "upper", "worst"]
    with np.errstate(divide="ignore"):
        scaled = chosen.assign(
            **{name: forward(chosen[name].to_numpy(dtype=float)) for name in columns}
        )
    scaled["below"] = scaled["value"] - scaled["lower"]
    scaled["above"] = scaled["upper"] - scaled["value"]
    scaled["carried"] = chosen["largest_share"].fillna(0.0) > LARGEST_SHARE
    grouped = scaled.groupby(["design", *SERIES], sort=False)
    pooled = grouped[["value"]].mean()
    pooled["lower"] = pooled["value"] - grouped["below"].max().fillna(0.0)
    pooled["upper"] = pooled["value"] + grouped["above"].max().fillna(0.0)
    # Of shares the smallest is the worst; of errors, widths and alarms the largest.
    worst = scaled.dropna(subset=["worst"])
    up = log | worst["metric"].isin(ALARMS)
    worst = worst.iloc[
        np.argsort(worst["worst"].where(up, -worst["worst"]), kind="stable")
    ]
    worst["worst_name"] = [
        names.contributor(level, label)
        for level, label in zip(worst["level_name"], worst["worst_label"], strict=True)
    ]
    of_worst = worst.groupby(["design", *SERIES], sort=False)[["worst", "worst_name"]]
    pooled = pooled.join(of_worst.last())
    pooled[columns] = back(pooled[columns])
    pooled["carried"] = grouped["carried"].any()
    pooled["replicates"] = grouped["replicates"].min()
    if not log:
        # Half the width of one level may reach beyond what shares can be.
        pooled[["lower", "upper"]] = pooled[["lower", "upper"]].clip(0.0, 1.0)
    return pooled.reset_index()


def _of_steps(part: pd.DataFrame, *, log: bool) -> pd.DataFrame:
    """Take designs of like size together; means are of logarithms if `log`."""
    forward, back = (np.log, np.exp) if log else (np.asarray, np.asarray)
    sizes = part["size"].to_numpy()
    value, lower, upper, worst = (
        forward(part[name].to_numpy()) for name in ("value", "lower", "upper", "worst")
    )
    # Intervals of a mean over independent designs.
    below, above = (
        np.nan_to_num(end - value, posinf=0.0, neginf=0.0) for end in (lower, upper)
    )
    order = np.argsort(sizes, kind="stable")
    records = []
    for step in np.array_split(order, min(STEPS, len(np.unique(sizes)))):
        mean = value[step].mean()
        known = worst[step][np.isfinite(worst[step])]
        down, up = (
            np.sqrt((side[step] ** 2).sum()) / len(step) for side in (below, above)
        )
        ends = np.quantile(value[step], [OUTSIDE, 1.0 - OUTSIDE])
        records.append(
            (
                np.exp(np.log(sizes[step]).mean()),
                len(step),
                *back(np.array([mean, mean - down, mean + up])),
                *back(ends),
                back(known.mean()) if len(known) else np.nan,
            )
        )
    steps = pd.DataFrame(records, columns=OF_STEP)
    return steps.assign(**{name: part[name].iloc[0] for name in SERIES})
