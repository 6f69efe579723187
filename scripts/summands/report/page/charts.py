"""Charts of Vega-Lite, made with Vega-Altair from the same panels as the figures.

Their data are no part of them: a page puts in the rows that its reader chose, under the
name "rows". Fields are the columns of the panels, so no name of a user's becomes one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from summands.report import looks
from summands.report.axes import Axis

ROWS = alt.NamedData("rows")

# Pixels that a row of a chart with rows takes, for each estimator.
ROW = 16

# Points of a facet on a page, of which each takes room in its file.
POINTS = 1200

# A letter of a label along an axis, and the longest such label, in pixels.
LETTER, LABEL = 6, 260


def specification(chart: Any) -> dict[str, Any]:
    """Give a chart as Vega-Lite, without what a page has for itself.

    Parameters
    ----------
    chart : altair.TopLevelMixin

    Returns
    -------
    dict
    """
    # Tests hold charts against the schema; here that would take most of the time.
    found: dict[str, Any] = chart.to_dict(validate=False)
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


def along(axis: Axis, **more: Any) -> dict[str, Any]:
    """Say how the numbers along an axis are told: its scale, title and marks.

    Where an axis is not even the page chooses its marks, by what is shown.
    """
    return {
        "scale": scale(axis),
        "title": axis.brief or axis.label,
        "axis": alt.Axis(labelOverlap=True, tickCount=5, format=".6~g", **more),
    }


def header(loose: Sequence[str]) -> alt.Header:
    """Title facets of parameters, and mark those that the data do not determine."""
    told = "datum.value"
    for name in loose:
        told = f"datum.value === '{name}' ? '{name}: rests on the prior' : {told}"
    return alt.Header(labelExpr=told, title=None)


def step(pixels: float) -> dict[str, Any]:
    """Make rows as high as they have estimators, each so many pixels."""
    return {"step": pixels, "for": "offset"}


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


def coloured(estimators: Sequence[str], field: str = "estimator") -> alt.Color:
    """Give each estimator the colour that it has in all charts and figures."""
    return alt.Color(
        f"{field}:N",
        title=None,
        scale=alt.Scale(
            domain=list(estimators), range=[*map(looks.colour, range(len(estimators)))]
        ),
        # Faint marks have a full colour in it.
        legend=alt.Legend(symbolOpacity=1),
    )


def shaped(estimators: Sequence[str], field: str = "estimator") -> alt.Shape:
    """Give each estimator the shape that it has in all charts and figures."""
    return alt.Shape(
        f"{field}:N",
        title=None,
        scale=alt.Scale(
            domain=list(estimators), range=[*map(looks.shape, range(len(estimators)))]
        ),
        legend=alt.Legend(symbolOpacity=1),
    )


def pointed(
    base: alt.Chart,
    color: alt.Color,
    shape: alt.Shape,
    hollow: str = "",
    **mark: Any,
) -> alt.Chart:
    """Draw a point for each row.

    Parameters
    ----------
    base : altair.Chart
    color : altair.Color
    shape : altair.Shape
        Of the same field.
    hollow : str, optional
        Expression of Vega that says for which rows points are hollow.
    **mark
        Properties of the points.

    Returns
    -------
    altair.Chart
    """
    told = {"size": 45, "opacity": 1.0, "strokeWidth": 1.2} | mark
    drawn = base.mark_point(filled=True, **told).encode(color=color, shape=shape)
    if not hollow:
        return drawn
    same: Any = color.to_dict()
    return drawn.encode(
        stroke=alt.Stroke.from_dict(same),
        fillOpacity=alt.condition(hollow, alt.value(0.0), alt.value(1.0)),
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
