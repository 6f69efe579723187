"""Charts of how fits ended."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from summands.report.fit_panels import FAILED, FINE, NOT_CONVERGED, Outcomes
from summands.report.looks import COLOURS
from summands.report.page import charts
from summands.report.page.content import Chart, Source

OF_RESULTS = {FAILED: COLOURS[1], NOT_CONVERGED: COLOURS[5], FINE: "#9aa4ae"}


def outcomes(
    panel: Outcomes, name: str, title: str, source: Source, estimators: Sequence[str]
) -> Chart:
    """Stack the fits that failed, that did not converge, and that did."""
    data = panel.rows.assign(place=panel.rows["result"].map(list(OF_RESULTS).index))
    titles = {
        "design": "design",
        "estimator": "estimator",
        "result": "fits",
        "fits": "number",
        "of": "of",
        "error": "first error",
    }
    designs = list(dict.fromkeys(data["design"]))
    bar = (
        alt.Chart()
        .mark_bar()
        .encode(
            y=alt.Y(
                "design:N",
                sort=designs,
                title=None,
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
        line=charts.ROW,
        facet_most=360,
    )
