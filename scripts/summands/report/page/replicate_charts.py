"""Charts of single data sets: posteriors, intervals, and what data do not tell."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from summands.report import names
from summands.report.looks import COLOURS, GREY
from summands.report.page import charts
from summands.report.page.content import Chart, Select, Source
from summands.report.panels import present
from summands.report.replicate_panels import Contraction, Zip
from summands.report.ridge_panel import Ridge

# Shape of a line in a legend.
LINE = "M-1,-.2H1V.2H-1Z"


def contraction(
    panel: Contraction,
    name: str,
    title: str,
    source: Source,
    estimators: Sequence[str],
) -> Chart:
    """Set what posteriors learnt against how far off they are.

    Parameters
    ----------
    panel : Contraction
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
    data = panel.points.copy()
    order = [names.parameter(parameter) for parameter in present(data)]
    data["parameter"] = data["parameter"].map(names.parameter)
    data["fit"] = data["converged"].map({True: "converged", False: "not converged"})
    data = charts.thinned(data, ["parameter", "estimator"])
    titles = {
        "estimator": "estimator",
        "parameter": "parameter",
        "contributor": "contributor",
        "design": "design",
        "replicate": "data set",
        "contraction": panel.across.label,
        "z": panel.upwards.label,
        "fit": "fit",
    }
    lost = not data["converged"].all()
    point = charts.pointed(
        alt.Chart(),
        charts.coloured(estimators),
        charts.shaped(estimators),
        "datum.fit === 'not converged'" if lost else "",
        size=18,
        opacity=0.5,
        clip=True,
    ).encode(
        x=alt.X("contraction:Q", **charts.along(panel.across)),
        y=alt.Y("z:Q", **charts.along(panel.upwards)),
        tooltip=charts.tooltip(titles, data),
    )
    layers = [*charts.marks(panel.upwards, "y"), point]
    return Chart(
        name,
        title,
        "For each parameter: to the right what the data told, upwards the error in "
        "posterior standard deviations",
        charts.specification(
            charts.faceted(layers, "parameter", order, charts.header(panel.loose))
        ),
        data[list(titles)],
        titles,
        source,
        ("design", "estimator", "parameter"),
        facet_width=240,
        margin=25,
        edge=50,
        facet_most=400,
        hollow="Hollow: of fits that did not converge." if lost else "",
    )


def zipped(
    panel: Zip, name: str, title: str, source: Source, estimators: Sequence[str]
) -> Chart:
    """Lay intervals one above the other, the farthest from the truth on top."""
    data = panel.intervals.copy()
    options = [names.parameter(parameter) for parameter in present(data)]
    data["zipped"] = data["parameter"].map(names.parameter)
    data["covered"] = data["covered"].map({True: "holds it", False: "misses it"})
    titles = {
        "estimator": "estimator",
        "zipped": "parameter",
        "contributor": "contributor",
        "design": "design",
        "replicate": "data set",
        "distance": "standard errors from the truth",
        "lower": "interval less the truth from",
        "error": "estimate less the truth",
        "upper": "interval less the truth up to",
        "covered": "the truth",
    }
    # Among those that the reader chose.
    ranked = (
        alt.Chart()
        .transform_window(
            among="percent_rank()",
            sort=[alt.SortField("distance")],
            groupby=["estimator"],
        )
        .transform_calculate(
            centile="100 * datum.among", held="datum.covered === 'holds it' ? 100 : 0"
        )
    )
    scale = alt.Scale(domain=["holds it", "misses it"], range=[COLOURS[4], COLOURS[1]])
    upwards = alt.Y(
        "centile:Q", title=panel.upwards.label, scale=alt.Scale(domain=[0, 100])
    )
    layers = [
        ranked.mark_rule(strokeWidth=1.3).encode(
            x=alt.X("lower:Q", title=panel.across.label, axis=alt.Axis(tickCount=5)),
            x2="upper:Q",
            y=upwards,
            color=alt.Color("covered:N", title="the interval", scale=scale),
            tooltip=charts.tooltip(titles, data),
        ),
        ranked.mark_rule(strokeWidth=2).encode(y="mean(held):Q"),
        alt.Chart()
        .mark_rule(strokeDash=[4, 3])
        .encode(y=alt.datum(panel.upwards.marks[0])),
        alt.Chart().mark_rule(color=GREY).encode(x=alt.datum(0.0)),
    ]
    return Chart(
        name,
        title,
        "95 % intervals less the truth, one above the other, the farthest from it on "
        "top; a full line at the share that hold it, a dashed one at 95 %",
        charts.specification(charts.faceted(layers, "estimator", list(estimators))),
        data[list(titles)],
        titles,
        source,
        ("design", "estimator", "zipped"),
        [Select("zipped", "Parameter", options, options[0], everywhere=False)]
        if options
        else [],
        facet_width=240,
        margin=25,
        edge=50,
        facet_most=400,
    )


def ridge(panel: Ridge, name: str, title: str, source: Source) -> Chart:
    """Set one level's sigma against another's, of one data set."""
    data = panel.places
    titles = {
        "kind": "what",
        "across": panel.across.label,
        "upwards": panel.upwards.label,
    }
    across = alt.X(
        "across:Q", title=panel.across.label, scale=alt.Scale(domainMin=0, nice=False)
    )
    upwards = alt.Y(
        "upwards:Q", title=panel.upwards.label, scale=alt.Scale(domainMin=0, nice=False)
    )
    words = {
        "draw": "draw of the posterior",
        "set": "fits the data equally well",
        "truth": "truth",
    }
    data = data.assign(kind=data["kind"].map(words))
    colour = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(
            domain=list(words.values()), range=[COLOURS[0], COLOURS[1], GREY]
        ),
        legend=alt.Legend(symbolOpacity=1),
    )
    shape = alt.Shape(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=list(words.values()), range=["circle", LINE, "diamond"]),
        legend=alt.Legend(symbolOpacity=1),
    )
    base = alt.Chart(charts.ROWS).encode(x=across, y=upwards, color=colour)

    def only(kind: str) -> alt.Chart:
        return base.transform_filter(f"datum.kind === '{words[kind]}'")

    layers = [
        only("draw")
        .mark_point(filled=True, size=10, opacity=0.4)
        .encode(shape=shape, tooltip=charts.tooltip(titles, data)),
        only("set").mark_line(strokeWidth=3, clip=True).encode(order="order:Q"),
        only("truth")
        .mark_point(filled=True, size=130, opacity=1.0)
        .encode(shape=shape, tooltip=charts.tooltip(titles, data)),
    ]
    return Chart(
        name,
        f"{title} ({panel.told})",
        f"{panel.upwards.label} against {panel.across.label}: draws of the posterior, "
        "the pairs that fit the data equally well, and the truth",
        charts.specification(alt.layer(*layers).properties(height=360)),
        data[["kind", "across", "upwards", "order"]],
        titles,
        source,
        margin=70,
        facet_most=420,
    )
