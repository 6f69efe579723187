"""Charts of a whole grid of designs: nested loops, maps, and forests of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from summands.report import names
from summands.report.axes import Axis
from summands.report.grid_panels import METRICS, Loop, Map, Pool
from summands.report.looks import GREY
from summands.report.page import charts
from summands.report.page.content import Chart, Select, Source
from summands.report.panels import present


def nested_loop(
    panel: Loop, name: str, title: str, source: Source, estimators: Sequence[str]
) -> Chart:
    """Run through the grid in nested loops, with their settings below the curves.

    Parameters
    ----------
    panel : Loop
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
    parameters = present(panel.values)
    parts: list[pd.DataFrame] = []
    for parameter in parameters:
        values = panel.values[panel.values["parameter"] == parameter]
        parts += [
            values.assign(looped=names.parameter(parameter), place=values["value"]),
            placed(panel, parameter).assign(looped=names.parameter(parameter)),
        ]
    columns = ["looped", "estimator", "position", "place", "value", "designs"]
    columns += ["combination", "factor", "setting", "called", "above"]
    data = pd.concat(parts or [pd.DataFrame()]).reindex(columns=columns)
    titles = {
        "looped": "parameter",
        "estimator": "estimator",
        "combination": "design",
        "value": panel.axis.label,
        "designs": "designs",
        "factor": "what designs differ in",
        "setting": "its setting",
    }
    count = int(panel.values["position"].max()) + 1 if len(panel.values) else 1
    across = alt.X(
        "position:Q",
        title="designs, in nested loops",
        scale=alt.Scale(domain=[-0.5, count - 0.5], nice=False),
        axis=alt.Axis(labels=False, ticks=False, grid=False),
    )
    told = charts.tooltip(
        {key: titles[key] for key in ("estimator", "combination", "value", "designs")},
        data,
    )
    scaled = charts.along(panel.axis)
    upwards = alt.Y("place:Q", **scaled)
    curve = (
        alt.Chart(charts.ROWS)
        .transform_filter("isValid(datum.value)")
        .encode(x=across, y=upwards, color=charts.coloured(estimators))
    )
    steps = (
        alt.Chart(charts.ROWS)
        .transform_filter("isValid(datum.factor)")
        .encode(x=across, y=upwards, color=alt.value(GREY))
    )
    layers = [
        steps.mark_line(interpolate="step", strokeWidth=1.2).encode(
            detail="factor:N", tooltip=[alt.Tooltip("factor:N", title="loop")]
        ),
        steps.transform_filter("isValid(datum.called)")
        .mark_text(align="left", dx=4, dy=-5, fontSize=10)
        .encode(text="called:N", x=alt.value(0), y="above:Q"),
        curve.mark_line(interpolate="step", strokeWidth=1.5),
        charts.pointed(
            curve, charts.coloured(estimators), charts.shaped(estimators), size=30
        ).encode(tooltip=told),
    ]
    options = [names.parameter(parameter) for parameter in parameters]
    return Chart(
        name,
        title,
        f"{panel.axis.label} along all combinations of "
        + ", ".join(panel.factors)
        + ", which are curves of steps below",
        charts.specification(alt.layer(*layers).properties(height=380)),
        data,
        titles,
        source,
        ("estimator", "looped"),
        [Select("looped", "Parameter", options, options[0], everywhere=False)]
        if options
        else [],
        margin=70,
        facet_most=1100,
    )


def placed(panel: Loop, parameter: str) -> pd.DataFrame:
    """Place the steps of the loops below the curves of a parameter.

    Parameters
    ----------
    panel : Loop
    parameter : str

    Returns
    -------
    pandas.DataFrame
        ``place`` is on the axis of the metric, which is logarithmic; the outermost loop
        is on top. At the first position ``called`` says what a curve is.
    """
    values = panel.values.loc[panel.values["parameter"] == parameter, "value"]
    low, high = np.log(values.min()), np.log(values.max())
    # Each takes a seventh of the curves' height, and as much of a gap for its name.
    unit = max(high - low, 0.5) / 7.0
    order = panel.settings["factor"].map(panel.factors.index)
    height = low - unit * (2.0 * (order + 1.0) - panel.settings["height"])
    table = panel.settings.assign(place=np.exp(height))
    called = {
        str(factor): str(factor)
        + ": "
        + " · ".join(dict.fromkeys(part.sort_values("height")["setting"]))
        for factor, part in table.groupby("factor", sort=False)
    }
    called = {
        factor: words if len(words) < 90 else _ends(table, str(factor))
        for factor, words in called.items()
    }
    first = table["position"] == 0
    table["called"] = table["factor"].map(called).where(first, None)
    table["above"] = np.exp(low - unit * (2.0 * (order + 1.0) - 1.0)).where(first)
    return table


def _ends(table: pd.DataFrame, factor: str) -> str:
    part = table[table["factor"] == factor].sort_values("height")
    return f"{factor}: {part['setting'].iloc[0]} to {part['setting'].iloc[-1]}"


def _metric_axis(metric: str) -> Axis:
    label, mark, log = METRICS[metric]
    return Axis(
        label, "log" if log else "linear", marks=() if mark is None else (mark,)
    )


def heat(
    panel: Map, name: str, title: str, source: Source, estimators: Sequence[str]
) -> Chart:
    """Lay a metric over two factors of the grid."""
    data = panel.cells.copy()
    parameters = present(data)
    data["mapped"] = data["parameter"].map(names.parameter)
    called = {metric: told[0] for metric, told in METRICS.items()}
    data["mapped_metric"] = data["metric"].map(called)
    titles = {
        "estimator": "estimator",
        "mapped": "parameter",
        "mapped_metric": "metric",
        "across": panel.across,
        "upwards": panel.upwards,
        "value": "mean",
        "designs": "designs",
    }

    def drawn(metric: str) -> dict[str, Any]:
        axis = _metric_axis(metric)
        shade = alt.Scale(scheme="viridis", type="log")
        if axis.scale == "linear":
            shade = alt.Scale(scheme="viridis", zero=False, reverse=True)
        rect = (
            alt.Chart()
            .mark_rect()
            .encode(
                x=alt.X(
                    "across:O",
                    sort=list(panel.settings[panel.across]),
                    title=panel.across,
                    axis=alt.Axis(labelOverlap=True, labelAngle=-45),
                ),
                y=alt.Y(
                    "upwards:O",
                    sort=list(panel.settings[panel.upwards])[::-1],
                    title=panel.upwards,
                    axis=alt.Axis(labelOverlap=True),
                ),
                color=alt.Color(
                    "value:Q",
                    title=axis.label,
                    scale=shade,
                    legend=alt.Legend(format=".3~g", gradientLength=160),
                ),
                tooltip=charts.tooltip(titles, data),
            )
            .properties(height={"step": 18})
        )
        return charts.specification(
            charts.faceted([rect], "estimator", list(estimators))
        )

    present_metrics = [metric for metric in METRICS if metric in set(data["metric"])]
    specs = {called[metric]: drawn(metric) for metric in present_metrics}
    options = [names.parameter(parameter) for parameter in parameters]
    chosen = next((o for o in options if o == "mu"), options[0])
    return Chart(
        name,
        title,
        f"The metric as a shade, {panel.upwards} against {panel.across}, for each "
        "estimator",
        next(iter(specs.values())),
        data[list(titles)],
        titles,
        source,
        ("estimator", "mapped", "mapped_metric"),
        [
            Select("mapped", "Parameter", options, chosen, everywhere=False),
            Select("mapped_metric", "Metric", list(specs), next(iter(specs)), False),
        ],
        facet_width=300,
        margin=30,
        edge=charts.edge(list(panel.settings[panel.upwards])),
        shaded=True,
        varies="mapped_metric",
        specs=specs,
    )


def pooled(
    panel: Pool,
    name: str,
    title: str,
    source: Source,
    estimators: Sequence[str],
) -> Chart:
    """Set estimators one under the other, by size of the designs."""
    data = panel.rows.copy()
    order = [names.parameter(parameter) for parameter in present(data)]
    data["parameter"] = data["parameter"].map(names.parameter)
    called = {metric: told[0] for metric, told in METRICS.items()}
    data["pooled"] = data["metric"].map(called)
    titles = {
        "pooled": "metric",
        "parameter": "parameter",
        "size": "rows per contributor",
        "designs": "designs",
        "estimator": "estimator",
        "value": "mean",
        "lower": "95 % Monte-Carlo interval from",
        "upper": "to",
    }
    sizes = list(dict.fromkeys(data["size"]))

    def drawn(metric: str) -> dict[str, Any]:
        axis = _metric_axis(metric)
        value = charts.along(axis)
        base = alt.Chart().encode(
            y=alt.Y("size:N", sort=sizes, title="rows per contributor"),
            yOffset=alt.YOffset(
                "estimator:N", scale=alt.Scale(domain=list(estimators))
            ),
            color=charts.coloured(estimators),
        )
        layers = [
            *charts.marks(axis),
            base.mark_rule().encode(x=alt.X("lower:Q", **value), x2="upper:Q"),
            charts.pointed(
                base, charts.coloured(estimators), charts.shaped(estimators)
            ).encode(x="value:Q", tooltip=charts.tooltip(titles, data)),
        ]
        return charts.specification(
            charts.faceted(layers, "parameter", order, charts.header(panel.loose))
        )

    specs = {
        called[metric]: drawn(metric)
        for metric in METRICS
        if metric in set(data["metric"])
    }
    options = list(specs) or [""]
    return Chart(
        name,
        title,
        "A metric averaged over designs of like size, with its Monte-Carlo interval, "
        "for each parameter and estimator",
        specs.get(options[0]) or drawn(next(iter(METRICS))),
        data[list(titles)],
        titles,
        source,
        ("estimator", "parameter", "pooled"),
        [Select("pooled", "Metric", options, options[0], everywhere=False)]
        if specs
        else [],
        facet_width=220,
        margin=25,
        edge=charts.edge(sizes) + 15,
        line=charts.ROW,
        facet_most=360,
        varies="pooled",
        specs=specs,
    )
