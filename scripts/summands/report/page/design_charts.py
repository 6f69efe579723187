"""Charts of metrics by design: rows of few designs, curves of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import altair as alt
import pandas as pd

from summands.recovery.registry import SPREAD
from summands.report import names
from summands.report.axes import Axis
from summands.report.design_panels import ByDesign
from summands.report.grid_panels import METRICS
from summands.report.page import charts
from summands.report.page.content import Chart, Select, Source
from summands.report.panels import present

# Where metrics should be of which one at a time is shown.
MARKS: dict[str, tuple[float, ...]] = {
    "coverage_95": (0.95,),
    "coverage_50": (0.5,),
    "worst_detection_rate": (),
    "false_alarm_rate": (0.05,),
}

# What hollow points are.
HOLLOW = "Hollow: beware. The column “beware” of the values says of what."

# Metrics of each design that a page of many designs holds.
PICKED_METRICS: tuple[str, ...] = ("rmse_over_total", "coverage_95")

# Rows of both, above which it holds the first alone: each takes room in the file.
MOST_PICKED = 50_000


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
    parameters = present(data)
    data["parameter"] = data["parameter"].map(names.parameter)
    if not many:
        data["beware"] = _doubts(data)
    fits = set(parameters) == {"fits"}
    titles = _titles(data, many=many, fits=fits)
    options = [metric for metric in panel.metrics if metric in set(data["metric"])]
    fields = ["estimator", *([] if fits else ["parameter"])]
    fields += [] if many else ["design"]
    selects, chosen = [], ""
    if len(options) > 1:
        called = [names.parameter(option) for option in options]
        chosen = f"{name}_metric"
        selects = [Select(chosen, "Metric", called, called[0], everywhere=False)]
        data[chosen] = data["metric"].map(names.parameter)
        fields.append(chosen)
    own = ["parameter"]
    columns = list(dict.fromkeys([*own, *titles, *fields]))
    head = charts.header(panel.loose)
    if fits:
        head = alt.Header(labelExpr="''", title=None)
    order = [names.parameter(parameter) for parameter in parameters]
    specs = {}
    for option in options or [""]:
        axis = panel.axis
        if option in MARKS:
            axis = replace(axis, marks=MARKS[option], limits=None)
        of_option = data[data["metric"] == option]
        layers = (_steps if many else _designs)(
            replace(panel, axis=axis), of_option, estimators, titles
        )
        specs[names.parameter(option)] = charts.specification(
            charts.faceted(layers, "parameter", order, head, x="shared")
        )
    labels = [] if many else list(data["design"].astype(str))
    return Chart(
        name,
        title,
        f"{panel.axis.label}, for each estimator"
        + ("" if fits else " and parameter")
        + ", by "
        + (panel.sizes.label if many else "design"),
        next(iter(specs.values())),
        data[columns],
        titles,
        source,
        fields,
        selects,
        facet_width=280 if many else 220,
        margin=70 if many else 25,
        edge=0 if many else charts.edge(labels),
        varies=chosen,
        specs=specs if chosen else {},
        hollow=HOLLOW if "beware" in titles else "",
        line=0 if many else charts.ROW,
    )


def _doubts(data: pd.DataFrame) -> list[str]:
    """Say what to beware of in the value of each design; "" if nothing."""
    unconverged = data.get("unconverged", pd.Series(0, index=data.index)).fillna(0)
    return [
        ", ".join(
            word
            for word, there in (
                ("one data set carries it", carried),
                ("few data sets", replicates < SPREAD),
                ("with fits that did not converge", lost > 0),
            )
            if there
        )
        for carried, replicates, lost in zip(
            data["carried"], data["replicates"], unconverged, strict=True
        )
    ]


def _steps(
    panel: ByDesign, data: pd.DataFrame, estimators: Sequence[str], titles: Any
) -> list[Any]:
    """Layers of curves over the size of designs."""
    colour = charts.coloured(estimators)
    base = alt.Chart().encode(color=colour)
    across = alt.X("size:Q", **charts.along(panel.sizes))
    value = alt.Y("value:Q", **charts.along(panel.axis))
    return [
        base.mark_area(opacity=0.15).encode(x=across, y="low:Q", y2="high:Q"),
        base.mark_line().encode(x=across, y=value),
        base.mark_rule().encode(x=across, y="lower:Q", y2="upper:Q"),
        charts.pointed(alt.Chart(), colour, charts.shaped(estimators)).encode(
            x=across, y="value:Q", tooltip=charts.tooltip(titles, data)
        ),
        *charts.marks(panel.axis, "y"),
    ]


def _designs(
    panel: ByDesign, data: pd.DataFrame, estimators: Sequence[str], titles: Any
) -> list[Any]:
    """Layers of a row for each design."""
    base = alt.Chart().encode(
        y=alt.Y(
            "design:N",
            sort=list(dict.fromkeys(data["design"])),
            title=None,
        ),
        yOffset=alt.YOffset("estimator:N", scale=alt.Scale(domain=list(estimators))),
        color=charts.coloured(estimators),
    )
    value = charts.along(panel.axis)
    layers = [
        *charts.marks(panel.axis),
        base.mark_rule().encode(x=alt.X("lower:Q", **value), x2="upper:Q"),
    ]
    if "worst" in titles:
        layers.append(
            base.mark_point(shape="cross", angle=45, size=35, filled=True)
            .transform_filter("isValid(datum.worst)")
            .encode(x="worst:Q", tooltip=charts.tooltip(titles, data))
        )
    layers.append(
        charts.pointed(
            base,
            charts.coloured(estimators),
            charts.shaped(estimators),
            "datum.beware !== ''" if "beware" in titles else "",
        ).encode(x="value:Q", tooltip=charts.tooltip(titles, data))
    )
    return layers


def _titles(data: pd.DataFrame, *, many: bool, fits: bool) -> dict[str, str]:
    """Name the columns that there are something of."""
    titles = {
        "estimator": "estimator",
        **({} if fits else {"parameter": "parameter", "metric": "metric"}),
        **({} if many else {"design": "design"}),
        "size": "rows per contributor",
        **({"designs": "designs"} if many else {}),
        "value": "value",
        "lower": "95 % Monte-Carlo interval from",
        "upper": "to",
    }
    if data["worst"].notna().any():
        titles["worst"] = "longest" if fits else "worst contributor"
        titles |= {} if many else {"worst_name": "which"}
    if many:
        return titles | {"low": "nine in ten designs from", "high": "up to"}
    titles["replicates"] = "data sets"
    if "unconverged" in data and data["unconverged"].any():
        titles["unconverged"] = "fits that did not converge"
    return titles | ({"beware": "beware"} if any(data["beware"]) else {})


def one_design(
    designs: pd.DataFrame,
    field: str,
    source: Source,
    estimators: Sequence[str],
    loose: Sequence[str],
) -> Chart:
    """Show the metrics of one design of many, which a reader picks.

    Parameters
    ----------
    designs : pandas.DataFrame
        Of a `ByDesign`, with metrics of `grid_panels.METRICS`.
    field : str
        Of the choice of the design.
    source : Source
        Where its numbers come from.
    estimators : sequence of str
        Those of the study, in its order.
    loose : sequence of str
        Parameters that the data alone do not determine.

    Returns
    -------
    Chart
    """
    metrics = PICKED_METRICS
    some = designs[designs["metric"].isin(metrics)]
    if len(some) > MOST_PICKED:
        metrics = PICKED_METRICS[:1]
        some = designs[designs["metric"].isin(metrics)]
    parameters = present(some)
    order = [names.parameter(parameter) for parameter in parameters]
    called = {metric: METRICS[metric][0] for metric in metrics}
    rounded = {
        name: [float(f"{value:.3g}") for value in some[name]]
        for name in ("value", "lower", "upper")
    }
    data = some.assign(
        **rounded,
        parameter=some["parameter"].map(names.parameter),
        picked_metric=some["metric"].map(called),
        **{field: some["design"]},
    )
    titles = {
        field: "design",
        "estimator": "estimator",
        "parameter": "parameter",
        "picked_metric": "metric",
        "value": "value",
        "lower": "95 % Monte-Carlo interval from",
        "upper": "to",
    }
    specs = {}
    for metric, title in called.items():
        _, mark, log = METRICS[metric]
        axis = Axis(
            title, "log" if log else "linear", marks=() if mark is None else (mark,)
        )
        base = alt.Chart().encode(
            y=alt.Y("estimator:N", sort=list(estimators), title=None),
            color=charts.coloured(estimators),
        )
        layers = [
            *charts.marks(axis),
            base.mark_rule().encode(
                x=alt.X("lower:Q", **charts.along(axis)), x2="upper:Q"
            ),
            charts.pointed(
                base, charts.coloured(estimators), charts.shaped(estimators), size=60
            ).encode(x="value:Q", tooltip=charts.tooltip(titles, data)),
        ]
        specs[title] = charts.specification(
            charts.faceted(layers, "parameter", order, charts.header(loose))
        )
    options = list(dict.fromkeys(some["design"]))
    worst = some[some["metric"] == metrics[0]].sort_values("value")["design"]
    first = str(worst.iloc[-1]) if len(worst) else ""
    return Chart(
        "one-design",
        "each design by itself",
        "A metric of the design that is chosen, for each parameter and estimator, with "
        "its Monte-Carlo interval",
        next(iter(specs.values())),
        data[list(titles)],
        titles,
        source,
        ("estimator", "parameter", field, "picked_metric"),
        [
            Select(field, "Design", options, first, everywhere=False),
            Select("picked_metric", "Metric", list(specs), next(iter(specs)), False),
        ],
        facet_width=220,
        margin=25,
        edge=charts.edge(estimators),
        line=24,
        facet_most=360,
        varies="picked_metric",
        specs=specs,
    )
