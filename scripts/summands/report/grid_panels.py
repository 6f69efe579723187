"""What figures of a whole grid of designs show: loops, maps, forests, worst cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from summands.data.design import Design
from summands.report import grids, summary
from summands.report.axes import Axis
from summands.report.design_panels import SERIES
from summands.report.panels import present, together

# Points along a nested loop, which a screen can still tell apart.
LOOPS = 240

# Worst designs that are listed of each metric, parameter and estimator.
WORST = 3

# Metrics of forests, maps and lists: what they are called, where they should be, and
# whether their mean over designs is that of the logarithm.
METRICS: Mapping[str, tuple[str, float | None, bool]] = {
    "rmse_over_total": ("error / total", None, True),
    "rmse_over_bound": ("error / bound", 1.0, True),
    "coverage_95": ("coverage of 95 % intervals", 0.95, False),
    "width_95_over_total": ("width of 95 % intervals / total", None, True),
    "top_rate": ("how often the largest is named", 1.0, False),
}

LOOP = ("position", "estimator", "parameter", "value", "designs", "combination")
LEVELS = ("factor", "position", "setting", "height")
CELLS = (*SERIES, "across", "upwards", "value", "designs")
ROWS = ("size", "designs", *SERIES, "value", "lower", "upper", "mark")
CASES = (
    "metric",
    "parameter",
    "estimator",
    "design",
    "value",
    "lower",
    "upper",
    "carried",
    "replicates",
)


def factors(designs: Mapping[str, Design]) -> pd.DataFrame:
    """Tabulate what the designs of a grid differ in.

    Parameters
    ----------
    designs : mapping of str to Design

    Returns
    -------
    pandas.DataFrame
        A row for each design without coefficients of its own, a column for each of
        `grids.FACTORS` that takes several values, as places in their order; its
        attribute "settings" has, by factor, what the places mean.
    """
    gridded = {
        name: design for name, design in designs.items() if design.coefficients is None
    }
    found: dict[str, list[int]] = {}
    settings: dict[str, list[str]] = {}
    for factor in grids.varied(gridded.values()):
        values = [grids.setting(design, factor) for design in gridded.values()]
        distinct = _ordered(values)
        called = grids.FACTORS[factor]
        found[called] = [distinct.index(value) for value in values]
        settings[called] = [_written(value) for value in distinct]
    table = pd.DataFrame(found, index=pd.Index(gridded, name="design"))
    table.attrs["settings"] = settings
    return table


def _ordered(values: Sequence[Any]) -> list[Any]:
    """Distinct values: numbers by size, others as they come."""
    distinct = list(dict.fromkeys(values))
    if all(isinstance(value, int | float) for value in distinct):
        return sorted(distinct)
    return distinct


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)


def told_apart(designs: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """Order factors by how much of a metric's spread their settings explain.

    Parameters
    ----------
    designs : pandas.DataFrame
        Columns design, estimator, parameter and value, which is positive.
    table : pandas.DataFrame
        See `factors`.

    Returns
    -------
    list of str
        The factor whose means differ most comes first.
    """
    joined = designs.merge(table, left_on="design", right_index=True)
    logs = np.log(joined["value"].to_numpy(float))
    series = [joined["estimator"], joined["parameter"]]
    apart = logs - pd.Series(logs, joined.index).groupby(series).transform("mean")
    spread = {
        name: float(
            apart.groupby([*series, joined[name]]).transform("mean").var(ddof=0)
        )
        for name in table.columns
    }
    return sorted(spread, key=lambda name: -spread[name])


@dataclass(frozen=True)
class Loop:
    """A metric along all combinations of factors, nested in one another.

    Parameters
    ----------
    values : pandas.DataFrame
        Columns `LOOP`: the geometric mean ``value`` over so many ``designs`` of a
        ``combination`` of settings, which stands at ``position``.
    settings : pandas.DataFrame
        Columns `LEVELS`: the setting of each factor at each position; ``height`` runs
        from 0 for its first setting to 1 for its last.
    factors : tuple of str
        From the outermost loop to the innermost.
    averaged : tuple of str
        Factors over whose settings values are averaged.
    axis : Axis
        Of the metric.
    """

    values: pd.DataFrame
    settings: pd.DataFrame
    factors: tuple[str, ...]
    averaged: tuple[str, ...]
    axis: Axis


def nested_loop(designs: pd.DataFrame, table: pd.DataFrame, axis: Axis) -> Loop:
    """Run through the grid in nested loops.

    Rücker and Schwarzer (2014, BMC Medical Research Methodology 14:129). The factor
    that matters most is the outermost loop. Of so many designs that a plot could not
    tell them apart, the factors that matter least are averaged over.

    Parameters
    ----------
    designs : pandas.DataFrame
        Columns design, estimator, parameter and value, which is positive.
    table : pandas.DataFrame
        See `factors`.
    axis : Axis

    Returns
    -------
    Loop
    """
    some = designs[designs["design"].isin(table.index)]
    order = told_apart(some, table)
    settings = table.attrs["settings"]
    kept: list[str] = []
    for name in order:
        combinations = table[[*kept, name]].drop_duplicates()
        if kept and len(combinations) > LOOPS:
            break
        kept.append(name)
    places = table[kept].drop_duplicates().sort_values(kept)
    places["position"] = np.arange(len(places))
    joined = some.merge(table[kept].reset_index().merge(places, on=kept), on="design")
    joined["value"] = np.log(joined["value"].to_numpy(float))
    grouped = joined.groupby(["position", "estimator", "parameter"], sort=False)
    values = grouped["value"].agg(["mean", "size"]).reset_index()
    values["value"] = np.exp(values["mean"])
    words = {
        position: "; ".join(
            f"{name} {settings[name][place]}"
            for name, place in zip(kept, row, strict=True)
        )
        for position, *row in places[["position", *kept]].itertuples(index=False)
    }
    values["combination"] = values["position"].map(words)
    # Stable: figures take the order of estimators, and so their colours, from it.
    values = values.rename(columns={"size": "designs"})
    values = values.sort_values("position", kind="stable")
    levels = [
        pd.DataFrame(
            {
                "position": places["position"],
                "setting": [settings[name][place] for place in places[name]],
                "height": places[name] / (len(settings[name]) - 1),
            }
        ).assign(factor=name)
        for name in kept
    ]
    return Loop(
        values[list(LOOP)].reset_index(drop=True),
        together(levels, LEVELS),
        tuple(kept),
        tuple(order[len(kept) :]),
        axis,
    )


@dataclass(frozen=True)
class Map:
    """Metrics over two factors of the grid.

    Parameters
    ----------
    cells : pandas.DataFrame
        Columns `CELLS`: the mean ``value`` over so many ``designs``, of logarithms for
        errors and widths; ``across`` and ``upwards`` are settings.
    across, upwards : str
        The factors.
    settings : mapping of str to list of str
        Of these, in their order.
    averaged : tuple of str
        Factors over whose settings values are averaged.
    """

    cells: pd.DataFrame
    across: str
    upwards: str
    settings: Mapping[str, Sequence[str]]
    averaged: tuple[str, ...]


def heat(designs: pd.DataFrame, table: pd.DataFrame) -> Map:
    """Lay metrics over the two factors of the grid that tell most apart.

    Parameters
    ----------
    designs : pandas.DataFrame
        Columns design, estimator, parameter, metric, one of `METRICS`, and value.
    table : pandas.DataFrame
        See `factors`; at least two.

    Returns
    -------
    Map
    """
    some = designs[designs["design"].isin(table.index)]
    first = some[some["metric"] == some["metric"].iloc[0]]
    order = told_apart(first[first["value"] > 0], table)
    # That with more settings goes across: pages are wide.
    settings = table.attrs["settings"]
    across, upwards = sorted(order[:2], key=lambda name: -len(settings[name]))
    joined = some.merge(table[[across, upwards]], left_on="design", right_index=True)
    parts = []
    for metric, part in joined.groupby("metric", sort=False):
        log = METRICS[str(metric)][2]
        values = part["value"].to_numpy(float)
        part = part.assign(value=np.log(values) if log else values)
        keys = ["estimator", "parameter", "metric", across, upwards]
        cells = part.groupby(keys, sort=True)["value"].agg(["mean", "size"])
        cells = cells.reset_index().rename(columns={"size": "designs"})
        cells["value"] = np.exp(cells["mean"]) if log else cells["mean"]
        cells["across"] = [settings[across][place] for place in cells[across]]
        cells["upwards"] = [settings[upwards][place] for place in cells[upwards]]
        parts.append(cells)
    return Map(
        together(parts, CELLS),
        across,
        upwards,
        {name: settings[name] for name in (across, upwards)},
        tuple(order[2:]),
    )


def worst_cases(designs: pd.DataFrame) -> pd.DataFrame:
    """List the designs that do worst.

    Parameters
    ----------
    designs : pandas.DataFrame
        Of a `ByDesign`, with metrics of `METRICS`.

    Returns
    -------
    pandas.DataFrame
        Columns `CASES`: for each metric, parameter and estimator `WORST` designs, the
        worst first. Errors and widths are worst where largest, rates of success where
        smallest, and coverage where farthest from 95 %.
    """
    parts = []
    for metric in METRICS:
        of_metric = designs[designs["metric"] == metric]
        for parameter in present(of_metric):
            of_parameter = of_metric[of_metric["parameter"] == parameter]
            for _, part in of_parameter.groupby("estimator", sort=False):
                badness = _badness(metric, part["value"])
                parts.append(part.loc[badness.nlargest(WORST, keep="first").index])
    return together(parts, CASES)


def _badness(metric: str, value: pd.Series) -> pd.Series:
    if metric == "coverage_95":
        return (value - 0.95).abs()
    return value if METRICS[metric][2] else -value


@dataclass(frozen=True)
class Pool:
    """Metrics averaged over designs of like size, for a forest of estimators.

    Parameters
    ----------
    rows : pandas.DataFrame
        Columns `ROWS`: by class of ``size``, estimator, parameter and metric the mean
        ``value`` over so many ``designs``, with its Monte-Carlo interval, and the
        ``mark`` where it should be, NaN where there is none.
    loose : tuple of str
        Parameters that the data alone do not determine.
    """

    rows: pd.DataFrame
    loose: tuple[str, ...] = ()


def pooled(
    designs: pd.DataFrame, classes: Mapping[str, int], loose: tuple[str, ...] = ()
) -> Pool:
    """Average metrics over designs of like size.

    Parameters
    ----------
    designs : pandas.DataFrame
        Of a `ByDesign`, with metrics of `METRICS`.
    classes : mapping of str to int
        `recovery.pooling.size_class` of each design.
    loose : tuple of str, optional
        Parameters that the data alone do not determine.

    Returns
    -------
    Pool
    """
    told = designs.assign(place=designs["design"].map(classes))
    records = []
    for metric, (_, mark, log) in METRICS.items():
        of_metric = told[told["metric"] == metric]
        for parameter in present(of_metric):
            of_parameter = of_metric[of_metric["parameter"] == parameter]
            for (place, estimator), part in of_parameter.groupby(
                ["place", "estimator"], sort=False
            ):
                series = place, len(part), estimator, parameter, metric
                marked = np.nan if mark is None else mark
                records.append((*series, *mean_over_designs(part, log=log), marked))
    rows = pd.DataFrame(records, columns=list(ROWS))
    rows = rows.sort_values("size", kind="stable", ignore_index=True)
    rows["size"] = [summary.named(size) for size in rows["size"]]
    return Pool(rows, loose)


def mean_over_designs(part: pd.DataFrame, *, log: bool) -> tuple[float, float, float]:
    """Average a metric over designs, of which each has an interval.

    Parameters
    ----------
    part : pandas.DataFrame
        Columns value, lower and upper; at least a row.
    log : bool
        Whether the mean is geometric.

    Returns
    -------
    value, lower, upper : float
        Designs are independent, so half widths add up in squares, on the scale of the
        logarithm if `log`. Wilson's intervals lean towards one half, most where a share
        is 0 or 1; the mean of several shares has that lean in its middle no longer, so
        of them both sides count alike. Shares stay between 0 and 1.
    """
    forward, back = (np.log, np.exp) if log else (np.asarray, np.asarray)
    with np.errstate(divide="ignore"):
        value, lower, upper = (
            forward(part[name].to_numpy(float)) for name in ("value", "lower", "upper")
        )
    mean = value.mean()
    # Where a design has no interval its own error is not known, and left out.
    sides = [np.nan_to_num(np.abs(end - value), posinf=0.0) for end in (lower, upper)]
    if not log and len(part) > 1:
        sides = [(sides[0] + sides[1]) / 2.0] * 2
    down, up = (np.sqrt((side**2).sum()) / len(part) for side in sides)
    found = back(np.array([mean, mean - down, mean + up]))
    if not log:
        found[1:] = np.clip(found[1:], 0.0, 1.0)
    return float(found[0]), float(found[1]), float(found[2])
