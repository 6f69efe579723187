"""The chart of a plan."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from summands.report.page import charts
from summands.report.page.content import Chart, Source
from summands.report.plan_panels import CURVE, FITS, Plan


def plan(
    panel: Plan, name: str, title: str, source: Source, estimators: Sequence[str]
) -> Chart:
    """Set precision against rows, a curve for each design and a facet for each target.

    Parameters
    ----------
    panel : Plan
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
    titles = {
        "target": "target",
        "design": "design",
        "kind": "what says so",
        "estimator": "estimator",
        "rows": "rows",
        "value": "value",
        "lower": "95 % Monte-Carlo interval from",
        "upper": "to",
        "wanted": "wanted",
        "needed": "rows needed",
    }
    colour = charts.coloured(panel.designs, "design")
    across = alt.X("rows:Q", title="rows", scale=alt.Scale(type="log", nice=False))
    value = alt.Y("value:Q", title=None, scale=alt.Scale(zero=False))
    of_curves = alt.Chart().transform_filter(f"datum.kind === '{CURVE}'")
    of_fits = alt.Chart().transform_filter(f"datum.kind === '{FITS}'")
    layers = [
        of_curves.mark_line().encode(x=across, y=value, color=colour),
        of_curves.mark_rule(strokeDash=[4, 3]).encode(y=alt.Y("wanted:Q", title=None)),
        of_fits.mark_rule().encode(x=across, y="lower:Q", y2="upper:Q", color=colour),
        charts.pointed(of_fits, colour, charts.shaped(estimators)).encode(
            x=across, y=value, tooltip=charts.tooltip(titles, panel.points)
        ),
    ]
    more = f" ({panel.left_out:,} more designs are not shown)" * bool(panel.left_out)
    return Chart(
        name,
        title + more,
        "What is wanted against the number of rows: a curve for each design, and what "
        "the fits of each estimator reach with the rows that are needed",
        charts.specification(
            charts.faceted(layers, "target", x="independent", y="independent")
        ),
        panel.points[list(titles)],
        titles,
        source,
        facet_width=300,
        margin=70,
    )
