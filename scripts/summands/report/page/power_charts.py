"""The chart of power curves."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from summands.report import names
from summands.report.page import charts
from summands.report.page.content import Chart, Select, Source
from summands.report.panels import present
from summands.report.power_panels import ALARM, DETECTED, KINDS, Power

HOLLOW = "Hollow: nobody differs, and what is shown are false alarms."


def power(
    panel: Power, name: str, title: str, source: Source, estimators: Sequence[str]
) -> Chart:
    """Set what is detected against rows per contributor, a curve for each truth.

    Parameters
    ----------
    panel : Power
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
    options = [names.parameter(parameter) for parameter in present(panel.curves)]
    data = panel.curves.assign(
        powered=panel.curves["parameter"].map(names.parameter),
    )
    titles = {
        "estimator": "estimator",
        "powered": "parameter",
        "truth": "truth",
        "kind": "share that is",
        "size": panel.sizes.label,
        "designs": "designs",
        "value": "share",
        "lower": "95 % Monte-Carlo interval from",
        "upper": "to",
    }
    colour = charts.coloured(panel.truths, "truth")
    base = alt.Chart().encode(color=colour)
    across = alt.X("size:Q", **charts.along(panel.sizes))
    value = alt.Y("value:Q", **charts.along(panel.axis))
    layers = [
        base.mark_line().encode(
            x=across,
            y=value,
            strokeDash=alt.StrokeDash(
                "kind:N",
                scale=alt.Scale(
                    domain=[KINDS[DETECTED], KINDS[ALARM]], range=[[1, 0], [3, 3]]
                ),
                title=None,
            ),
        ),
        base.mark_rule().encode(x=across, y="lower:Q", y2="upper:Q"),
        charts.pointed(
            alt.Chart(),
            colour,
            charts.shaped(panel.truths, "truth"),
            f"datum.kind === '{KINDS[ALARM]}'",
        ).encode(x=across, y=value, tooltip=charts.tooltip(titles, data)),
        *charts.marks(panel.axis, "y"),
    ]
    return Chart(
        name,
        title,
        "The share of data sets in which the farthest from the average is detected, "
        f"over {panel.sizes.label}, for each truth and estimator",
        charts.specification(charts.faceted(layers, "estimator", list(estimators))),
        data[list(titles)],
        titles,
        source,
        ("estimator", "powered"),
        [Select("powered", "Parameter", options, options[0], everywhere=False)]
        if options
        else [],
        facet_width=280,
        margin=70,
        hollow=HOLLOW if (data["kind"] == KINDS[ALARM]).any() else "",
    )
