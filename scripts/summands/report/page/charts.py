"""Charts of Vega-Lite, made with Vega-Altair from the same panels as the figures.

Their data are no part of them: a page puts in the rows that its reader chose, under the
name "rows". Fields are the columns of the panels, so no name of a user's becomes one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from summands.report import names
from summands.report.axes import Axis
from summands.report.page.content import Chart, Select, Source
from summands.report.panels import ByDesign, Ranks, Scatter, present
from summands.report.plotting import COLOURS

ROWS = alt.NamedData("rows")

# Pixels that a row of a chart with rows takes, for each estimator.
ROW = 16


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
        told["type"] = axis.scale
        told.pop("zero")
    if axis.scale == "symlog":
        told["constant"] = axis.linear
    if axis.limits is not None:
        told["domain"] = list(axis.limits)
    return alt.Scale(**told)


def coloured(estimators: Sequence[str], title: str = "") -> alt.Color:
    """Give each estimator the colour that it has in all charts and figures."""
    return alt.Color(
        "estimator:N",
        title=title or None,
        scale=alt.Scale(
            domain=list(estimators),
            range=[COLOURS[i % len(COLOURS)] for i in range(len(estimators))],
        ),
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


def faceted(layers: Sequence[Any], field: str, **kinds: Any) -> Any:
    """Lay charts over one another, one such for each value of a field."""
    return (
        alt.layer(*layers)
        .facet(
            facet=alt.Facet(f"{field}:N", title=None, sort=None),
            columns=3,
            data=ROWS,
        )
        .resolve_scale(**kinds)
    )


def by_design(
    panel: ByDesign, name: str, title: str, source: Source, estimators: Sequence[str]
) -> Chart:
    """Set metrics against designs or, of many, against their rows per contributor.

    Parameters
    ----------
    panel : ByDesign
    name, title : str
        Of the chart.
    source : Source
        Where its numbers come from.
    estimators : sequence of str
        Those of the study, in its order.

    Returns
    -------
    Chart
    """
    many = not panel.steps.empty
    data = (panel.steps if many else panel.designs).copy()
    data["parameter"] = data["parameter"].map(names.parameter)
    titles = {
        "estimator": "estimator",
        "parameter": "parameter",
        "metric": "metric",
        **({} if many else {"design": "design"}),
        "size": "rows per contributor",
        **({"designs": "designs"} if many else {}),
        "value": "value",
        "lower": "95 % Monte-Carlo from",
        "upper": "to",
        "worst": "worst contributor",
        **({"low": "nine in ten from", "high": "to (nine in ten)"} if many else {}),
        **({} if many else {"worst_name": "which", "carried": "carried by one"}),
    }
    value: dict[str, Any] = {
        "scale": scale(panel.axis),
        "title": _first_line(panel.axis.label),
    }
    base = alt.Chart().encode(color=coloured(estimators))
    told = tooltip(titles, data)
    if many:
        across = alt.X("size:Q", scale=alt.Scale(type="log"), title=panel.sizes.label)
        layers = [
            base.mark_area(opacity=0.15).encode(
                x=across, y=alt.Y("low:Q"), y2="high:Q"
            ),
            base.mark_line().encode(x=across, y=alt.Y("value:Q", **value)),
            base.mark_point(filled=True, size=45).encode(
                x=across, y="value:Q", tooltip=told
            ),
            *marks(panel.axis, "y"),
        ]
    else:
        line: dict[str, Any] = {
            "y": alt.Y(
                "design:N", sort=None, title=None, axis=alt.Axis(labelLimit=190)
            ),
            "yOffset": alt.YOffset(
                "estimator:N", scale=alt.Scale(domain=list(estimators))
            ),
        }
        layers = [
            *marks(panel.axis),
            base.mark_rule().encode(x=alt.X("lower:Q", **value), x2="upper:Q", **line),
            base.mark_point(shape="cross", size=25, angle=45).encode(
                x="worst:Q", **line
            ),
            base.mark_point(filled=True, size=45).encode(
                x="value:Q",
                shape=alt.Shape(
                    "carried:N",
                    scale=alt.Scale(domain=["no", "yes"], range=["circle", "diamond"]),
                    legend=None,
                ),
                tooltip=told,
                **line,
            ),
        ]
        layers = [each.properties(height={"step": ROW}) for each in layers]
    several = len(panel.metrics) > 1
    options = [metric for metric in panel.metrics if metric in set(data["metric"])]
    return Chart(
        name,
        title,
        f"{panel.axis.label}, for each parameter and estimator, by "
        + (panel.sizes.label if many else "design"),
        specification(faceted(layers, "parameter", x="shared")),
        data[list(titles)],
        titles,
        source,
        ["design"] * (not many) + ["estimator", "parameter"] + ["metric"] * several,
        [Select("metric", "Metric", options, options[0], everywhere=False)]
        if several and options
        else [],
        facet_width=300 if many else 420,
        margin=70 if many else 240,
    )


def _first_line(label: str) -> str:
    return label if len(label) < 60 else label.split(" (")[0]


def scatter(
    panel: Scatter, name: str, title: str, source: Source, estimators: Sequence[str]
) -> Chart:
    """Set estimates against true values, of one parameter at a time."""
    data = panel.points.copy()
    parameters = present(data)
    data["parameter"] = data["parameter"].map(names.parameter)
    data = data.rename(columns={"parameter": "scattered"})
    titles = {
        "estimator": "estimator",
        "scattered": "parameter",
        "design": "design",
        "replicate": "replicate",
        "truth": "truth",
        "estimate": "estimate",
        "converged": "converged",
    }
    point = (
        alt.Chart()
        .mark_point(filled=True, size=12, opacity=0.45)
        .encode(
            x=alt.X("truth:Q", scale=alt.Scale(zero=False)),
            y=alt.Y("estimate:Q", scale=alt.Scale(zero=False)),
            color=coloured(estimators),
            shape=alt.Shape(
                "converged:N",
                scale=alt.Scale(domain=["yes", "no"], range=["circle", "cross"]),
            ),
            tooltip=tooltip(titles, data),
        )
    )
    line = (
        alt.Chart()
        .mark_line(strokeDash=[4, 3], clip=True)
        .encode(x="truth:Q", y="truth:Q", color=alt.value("gray"))
    )
    options = [names.parameter(parameter) for parameter in parameters]
    return Chart(
        name,
        title,
        "Estimates against true values, an axis pair for each estimator; on the line "
        "they are equal",
        specification(faceted([line, point], "estimator")),
        data[list(titles)],
        titles,
        source,
        ("design", "estimator", "scattered"),
        [Select("scattered", "Parameter", options, options[0], everywhere=False)]
        if options
        else [],
        facet_width=240,
    )


def ranks(panel: Ranks, name: str, title: str, source: Source) -> Chart:
    """Set the distribution of ranks against the uniform one."""
    lines = panel.lines.assign(
        line=panel.lines["parameter"].map(names.parameter)
        + " "
        + panel.lines["contributor"].astype(str)
    )
    data = pd.concat([panel.bands, lines], ignore_index=True)
    data["title"] = data["title"].str.replace("\n", " ")
    titles = {
        "design": "design",
        "estimator": "estimator",
        "line": "quantity",
        "point": "rank, as a share",
        "difference": "share below, less the expected",
        "lower": "band from",
        "upper": "to",
    }
    across = alt.X("point:Q", title=panel.across.label)
    layers = [
        alt.Chart()
        .mark_area(color="gray", opacity=0.25)
        .encode(x=across, y=alt.Y("lower:Q", title=panel.upwards.label), y2="upper:Q"),
        alt.Chart()
        .transform_filter("isValid(datum.difference)")
        .mark_line(strokeWidth=1, opacity=0.8)
        .encode(
            x=across,
            y="difference:Q",
            detail="line:N",
            color=alt.value(COLOURS[0]),
            tooltip=[alt.Tooltip("line:N", title="quantity")],
        ),
    ]
    return Chart(
        name,
        title,
        "For each design, the share of truths up to a rank less the expected share; "
        "lines of a sound estimator stay within the band",
        specification(faceted(layers, "title")),
        data[["title", *titles]],
        titles,
        source,
        ("design", "estimator"),
    )
