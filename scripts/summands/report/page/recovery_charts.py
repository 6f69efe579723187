"""Charts of estimates, of ranks, of metrics by design, and of fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from summands.report import names
from summands.report.axes import Axis
from summands.report.design_panels import ByDesign
from summands.report.fit_panels import FAILED, FINE, NOT_CONVERGED, Outcomes
from summands.report.page import charts
from summands.report.page.content import Chart, Select, Source
from summands.report.panels import Ranks, Scatter, present
from summands.report.plotting import COLOURS, GREY

# Lines of a facet of ranks; more would hide one another.
MOST_LINES = 24

# Colours of how fits ended.
OF_RESULTS = {FAILED: COLOURS[1], NOT_CONVERGED: COLOURS[5], FINE: "#9aa4ae"}

# What a point of the scatter plot is, and how it is drawn.
POINTS = {
    "converged": "circle",
    "not converged": "cross",
    "beyond the axis": "triangle-up",
}


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
        data["carried"] = data["carried"].map({True: "yes", False: "no"})
    titles = {
        "estimator": "estimator",
        "parameter": "parameter",
        "metric": "metric",
        **({} if many else {"design": "design"}),
        "size": "rows per contributor",
        **({"designs": "designs"} if many else {}),
        "value": "value",
        "lower": "95 % Monte-Carlo interval from",
        "upper": "to",
        "worst": "worst contributor",
    }
    if many:
        titles |= {"low": "nine in ten designs from", "high": "up to"}
    else:
        titles |= {
            "worst_name": "which",
            "carried": "carried by one data set",
            "replicates": "data sets",
        }
    fits = set(parameters) == {"fits"}
    if fits:
        for column in ("parameter", "metric", "carried"):
            titles.pop(column, None)
        titles["worst"] = "longest"
    if data["worst"].isna().all():
        for column in ("worst", "worst_name"):
            titles.pop(column, None)
    layers = (_steps if many else _designs)(panel, data, estimators, titles)
    options = [metric for metric in panel.metrics if metric in set(data["metric"])]
    selects = []
    if len(options) > 1:
        field = f"{name}_metric"
        selects = [
            Select(
                field,
                "Metric",
                [names.parameter(option) for option in options],
                names.parameter(options[0]),
                everywhere=False,
            )
        ]
        data[field] = data["metric"].map(names.parameter)
    fields = ["estimator", *([] if fits else ["parameter"])]
    fields += [] if many else ["design"]
    fields += [select.field for select in selects]
    own = ["parameter"] if many else ["parameter", "carried"]
    columns = list(dict.fromkeys([*own, *titles, *fields]))
    head = alt.Header(labels=False, title=None) if fits else charts.header(panel.loose)
    order = [names.parameter(parameter) for parameter in parameters]
    labels = [] if many else list(data["design"].astype(str))
    return Chart(
        name,
        title,
        f"{panel.axis.label}, for each estimator"
        + ("" if fits else " and parameter")
        + ", by "
        + (panel.sizes.label if many else "design"),
        charts.specification(
            charts.faceted(layers, "parameter", order, head, x="shared")
        ),
        data[columns],
        titles,
        source,
        fields,
        selects,
        facet_width=280 if many else 220,
        margin=70 if many else 25,
        edge=0 if many else charts.edge(labels),
    )


def _steps(
    panel: ByDesign, data: pd.DataFrame, estimators: Sequence[str], titles: Any
) -> list[Any]:
    """Layers of curves over the size of designs."""
    base = alt.Chart().encode(color=charts.coloured(estimators))
    across = alt.X("size:Q", **charts.along(panel.sizes, data["size"]))
    value = alt.Y(
        "value:Q", **charts.along(panel.axis, data[["low", "high"]].to_numpy().ravel())
    )
    return [
        base.mark_area(opacity=0.15).encode(x=across, y="low:Q", y2="high:Q"),
        base.mark_line().encode(x=across, y=value),
        base.mark_rule().encode(x=across, y="lower:Q", y2="upper:Q"),
        base.mark_point(filled=True, size=45).encode(
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
            axis=alt.Axis(labelLimit=charts.LABEL),
        ),
        yOffset=alt.YOffset("estimator:N", scale=alt.Scale(domain=list(estimators))),
        color=charts.coloured(estimators),
    )
    drawn = data[["value", "lower", "upper", "worst"]].to_numpy(float).ravel()
    value = charts.along(panel.axis, drawn)
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
    # Those that one data set carries are diamonds.
    for shape, carried in (("circle", "no"), ("diamond", "yes")):
        if carried in set(data["carried"]):
            layers.append(
                base.mark_point(shape=shape, filled=True, size=45)
                .transform_filter(f"datum.carried === '{carried}'")
                .encode(x="value:Q", tooltip=charts.tooltip(titles, data))
            )
    return [each.properties(height={"step": charts.ROW}) for each in layers]


def scatter(
    panel: Scatter, name: str, title: str, source: Source, estimators: Sequence[str]
) -> Chart:
    """Set estimates against true values, of one parameter at a time."""
    data = panel.points.copy()
    parameters = present(data)
    data["parameter"] = data["parameter"].map(names.parameter)
    data["fit"] = data["converged"].map({True: "converged", False: "not converged"})
    data["fit"] = data["fit"].where(~data["beyond"].astype(bool), "beyond the axis")
    data = data.rename(columns={"parameter": "scattered"})
    data = charts.thinned(data, ["scattered", "estimator"])
    titles = {
        "estimator": "estimator",
        "scattered": "parameter",
        "design": "design",
        "replicate": "data set",
        "truth": "truth",
        "estimate": "estimate",
        "fit": "fit",
    }
    options = [names.parameter(parameter) for parameter in parameters]
    specs = {
        names.parameter(parameter): charts.specification(
            _scattered(data, *panel.axes[parameter], estimators, titles)
        )
        for parameter in parameters
    }
    even = Axis("truth"), Axis("estimate")
    return Chart(
        name,
        title,
        "Estimates against true values, an axis pair for each estimator; on the line "
        "they are equal",
        next(iter(specs.values()), {})
        or charts.specification(_scattered(data, *even, estimators, titles)),
        data[[*titles, "shown"]],
        titles,
        source,
        ("design", "estimator", "scattered"),
        [Select("scattered", "Parameter", options, options[0], everywhere=False)]
        if options
        else [],
        facet_width=240,
        margin=30,
        edge=40,
        facet_most=400,
        varies="scattered",
        specs=specs,
    )


def _scattered(
    data: pd.DataFrame,
    across: Axis,
    upwards: Axis,
    estimators: Sequence[str],
    titles: Any,
) -> Any:
    shapes = {name: shape for name, shape in POINTS.items() if name in set(data["fit"])}
    value = charts.along(upwards, data["shown"])
    point = (
        alt.Chart()
        .mark_point(filled=True, size=14, opacity=0.5)
        .encode(
            x=alt.X("truth:Q", **charts.along(across, data["truth"])),
            y=alt.Y("shown:Q", **value),
            color=charts.coloured(estimators).legend(None),
            shape=alt.Shape(
                "fit:N",
                title=None,
                scale=alt.Scale(domain=list(shapes), range=list(shapes.values())),
                legend=alt.Legend() if len(shapes) > 1 else None,
            ),
            tooltip=charts.tooltip(titles, data),
        )
    )
    line = (
        alt.Chart()
        .mark_line(strokeDash=[4, 3], clip=True)
        .encode(
            x="truth:Q", y=alt.Y("truth:Q", title=upwards.label), color=alt.value(GREY)
        )
    )
    return charts.faceted([line, point], "estimator", list(estimators))


def ranks(panel: Ranks, name: str, title: str, source: Source) -> Chart:
    """Set the distribution of ranks against the uniform one.

    Of the many quantities of a design those that stray farthest have lines.
    """
    lines = panel.lines.assign(
        line=panel.lines["parameter"].map(names.parameter)
        + " "
        + panel.lines["contributor"].astype(str)
    )
    keys = ["title", "line"]
    farthest = lines["difference"].abs().groupby([lines[key] for key in keys]).max()
    kept = farthest.groupby("title", group_keys=False).nlargest(MOST_LINES)
    lines = lines.merge(kept.rename("farthest").reset_index(), on=keys)
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
    across = alt.X("point:Q", title="rank, as a share", axis=alt.Axis(tickCount=5))
    upwards = alt.Y("lower:Q", title="share of truths below, less the expected")
    curve = (
        alt.Chart()
        .transform_filter("isValid(datum.difference)")
        .encode(x=across, y="difference:Q", detail="line:N")
    )
    layers = [
        alt.Chart()
        .transform_filter("isValid(datum.lower)")
        .mark_area(color="gray", opacity=0.3)
        .encode(x=across, y=upwards, y2="upper:Q"),
        curve.mark_line(strokeWidth=1, opacity=0.6).encode(color=alt.value(COLOURS[0])),
        # Wide and unseen: what is pointed at.
        curve.mark_line(strokeWidth=7, opacity=0).encode(
            tooltip=[alt.Tooltip("line:N", title="quantity")]
        ),
    ]
    return Chart(
        name,
        title,
        "For each design, the share of truths up to a rank less the expected share, "
        f"of the {MOST_LINES} quantities that stray farthest at the most; lines of a "
        "sound estimator stay within the band",
        charts.specification(charts.faceted(layers, "title")),
        data[["title", *titles]],
        titles,
        source,
        ("design", "estimator"),
        facet_width=220,
        margin=25,
        edge=50,
        facet_most=300,
    )


def outcomes(
    panel: Outcomes, name: str, title: str, source: Source, estimators: Sequence[str]
) -> Chart:
    """Stack the fits that failed, that did not converge, and that did."""
    data = panel.rows.assign(place=panel.rows["result"].map(list(OF_RESULTS).index))
    titles = {
        "design": "design",
        "estimator": "estimator",
        "result": "fits that",
        "fits": "number",
        "of": "of",
        "error": "first error",
    }
    titles["result"] = "fits"
    designs = list(dict.fromkeys(data["design"]))
    bar = (
        alt.Chart()
        .mark_bar()
        .encode(
            y=alt.Y(
                "design:N",
                sort=designs,
                title=None,
                axis=alt.Axis(labelLimit=charts.LABEL),
            ),
            x=alt.X(
                "share:Q",
                title="share of fits",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format="%", tickCount=4),
            ),
            color=alt.Color(
                "result:N",
                title=None,
                scale=alt.Scale(
                    domain=list(OF_RESULTS), range=list(OF_RESULTS.values())
                ),
            ),
            order="place:Q",
            tooltip=charts.tooltip(titles, data),
        )
        .properties(height={"step": charts.ROW})
    )
    return Chart(
        name,
        title,
        "Share of fits that failed, that did not converge and that did, by design and "
        "estimator",
        charts.specification(charts.faceted([bar], "estimator", list(estimators))),
        data[[*titles, "share", "place"]],
        titles,
        source,
        ("design", "estimator"),
        facet_width=200,
        margin=25,
        edge=charts.edge(designs),
        facet_most=360,
    )
