"""Charts of single estimates against their truth, and of ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from summands.report import names
from summands.report.axes import Axis
from summands.report.looks import COLOURS, GREY
from summands.report.page import charts
from summands.report.page.content import Chart, Select, Source
from summands.report.panels import Ranks, Scatter, present

# Lines of a facet of ranks; more would hide one another.
MOST_LINES = 24

# What a point of the scatter plot is, and how it is drawn.
POINTS = {
    "converged": "circle",
    "not converged": "cross",
    "beyond the axis": "triangle-up",
}


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
    value = charts.along(upwards)
    point = (
        alt.Chart()
        .mark_point(filled=True, size=14, opacity=0.5)
        .encode(
            x=alt.X("truth:Q", **charts.along(across)),
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
