"""Charts of Vega-Lite, made with Vega-Altair from the same panels as the figures.

Their data are no part of them: a page puts in the rows that its reader chose, under the
name "rows". Fields are the columns of the panels, so no name of a user's becomes one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from summands.report.axes import Axis
from summands.report.plotting import COLOURS

ROWS = alt.NamedData("rows")

# Pixels that a row of a chart with rows takes, for each estimator.
ROW = 16

# Points of a facet on a page, of which each takes room in its file.
POINTS = 1200

# A letter of a label along an axis, and the longest such label, in pixels.
LETTER, LABEL = 6, 190


def specification(chart: Any) -> dict[str, Any]:
    """Give a chart as Vega-Lite, without what a page has for itself.

    Parameters
    ----------
    chart : altair.TopLevelMixin

    Returns
    -------
    dict
    """
    found: dict[str, Any] = chart.to_dict()
    for name in ("config", "$schema"):
        found.pop(name, None)
    return found


def scale(axis: Axis) -> alt.Scale:
    """Make the scale of an axis."""
    told: dict[str, Any] = {"zero": False, "nice": axis.limits is None}
    if axis.scale != "linear":
        told |= {"type": axis.scale, "nice": False, "padding": 8}
        told.pop("zero")
    if axis.scale == "symlog":
        told["constant"] = axis.linear
    if axis.limits is not None:
        told["domain"] = list(axis.limits)
    return alt.Scale(**told)


def ticks(axis: Axis, values: Sequence[float]) -> list[float]:
    """Choose numbers to mark along an axis that is not even; of others Vega knows.

    Parameters
    ----------
    axis : Axis
    values : sequence of float
        What is drawn along it.

    Returns
    -------
    list of float
        Few enough to be read; empty for an even axis. Those beyond its ends are not
        drawn.
    """
    known = sorted(abs(value) for value in values if value and math.isfinite(value))
    if axis.scale == "linear" or not known:
        return []
    low, high = known[0], known[-1]
    if axis.scale == "symlog":
        low = axis.linear or low
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    multiples: tuple[int, ...] = (1, 3) if len(decades) < 5 else (1,)
    if axis.scale == "log" and high < 10.0 * low:
        multiples = (1, 2, 3, 5)
    step = max(1, len(decades) // 5)
    found = [
        float(f"{multiple}e{decade}")
        for decade in decades[::step]
        for multiple in multiples
    ]
    if axis.scale == "symlog":
        return [-tick for tick in reversed(found)] + [0.0, *found]
    return found


def along(axis: Axis, values: Any, **more: Any) -> dict[str, Any]:
    """Say how the numbers along an axis are told: its scale, title and marks."""
    numbers = pd.to_numeric(pd.Series(values), errors="coerce").dropna().tolist()
    told: dict[str, Any] = {"labelOverlap": True, **more}
    if marked := ticks(axis, numbers):
        told |= {"values": marked, "format": "~g"}
    else:
        told["tickCount"] = 5
    return {
        "scale": scale(axis),
        "title": axis.brief or axis.label,
        "axis": alt.Axis(**told),
    }


def header(loose: Sequence[str]) -> alt.Header:
    """Title facets of parameters, and mark those that the data do not determine."""
    told = "datum.value"
    for name in loose:
        told = f"datum.value === '{name}' ? '{name}: rests on the prior' : {told}"
    return alt.Header(labelExpr=told, title=None)


def edge(labels: Sequence[str]) -> int:
    """Pixels that labels take beside an axis."""
    return min(LABEL, LETTER * max(map(len, labels), default=0)) + 25


def thinned(data: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Keep `POINTS` of each facet, at random but always the same."""
    parts = [
        part if len(part) <= POINTS else part.sample(POINTS, random_state=0)
        for _, part in data.groupby(list(by), sort=False)
    ]
    return pd.concat(parts, ignore_index=True) if parts else data


def coloured(estimators: Sequence[str], title: str = "") -> alt.Color:
    """Give each estimator the colour that it has in all charts and figures."""
    return alt.Color(
        "estimator:N",
        title=title or None,
        scale=alt.Scale(
            domain=list(estimators),
            range=[COLOURS[i % len(COLOURS)] for i in range(len(estimators))],
        ),
        # Faint marks have a full colour in it.
        legend=alt.Legend(symbolOpacity=1, symbolType="circle", symbolStrokeWidth=0),
    )


def tooltip(titles: Mapping[str, str], data: pd.DataFrame) -> list[alt.Tooltip]:
    """Tell on a point what its row says."""
    return [
        alt.Tooltip(field=name, type="quantitative", title=title, format=".4~g")
        if pd.api.types.is_numeric_dtype(data[name])
        and not pd.api.types.is_bool_dtype(data[name])
        else alt.Tooltip(field=name, type="nominal", title=title)
        for name, title in titles.items()
    ]


def marks(axis: Axis, across: str = "x") -> list[Any]:
    """Draw lines where numbers should be."""
    return [
        alt.Chart().mark_rule(strokeDash=[4, 3]).encode(**{across: alt.datum(mark)})
        for mark in axis.marks
    ]


def faceted(
    layers: Sequence[Any],
    field: str,
    order: Sequence[str] | None = None,
    head: alt.Header | None = None,
    **kinds: Any,
) -> Any:
    """Lay charts over one another, one such for each value of a field."""
    told: dict[str, Any] = {} if head is None else {"header": head}
    return (
        alt.layer(*layers)
        .facet(
            facet=alt.Facet(f"{field}:N", title=None, sort=order, **told),
            columns=3,
            data=ROWS,
        )
        .resolve_scale(**kinds)
    )
