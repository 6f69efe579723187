"""Charts of an observed table, from the same panels as its figures; see `charts`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from summands.decomposition import predictive
from summands.report.answer_panels import Forest
from summands.report.axes import Axis
from summands.report.check_panels import Checked, Extremes, Priors
from summands.report.entries import Entry
from summands.report.findings import QUESTIONS
from summands.report.page import charts
from summands.report.page.content import Chart, Select
from summands.report.page.row_charts import (
    LEAST,
    Rows,
    down,
    faceted,
    margin,
    middle,
    placed,
)

# Shades of larger probabilities have light letters.
DARK = 0.75

# What hollow points are.
HOLLOW = "Hollow: beware. The column “beware” of the values says of what."

# Estimates below it have too many zeros to be read.
TINY = 1e-3


def forest(panel: Forest, entry: Entry) -> Chart:
    """Set estimates with their intervals one under the other.

    Parameters
    ----------
    panel : Forest
    entry : Entry
        Of the figure.

    Returns
    -------
    Chart
    """
    data = _with_raw(placed(panel.points, "facet"), panel.raw)
    several = bool(data["facet"].ne("").any())
    titles = {
        **({"facet": "level"} if several else {}),
        "row": panel.rows,
        "who": "estimator",
        "estimate": panel.axis.label,
        "lower": "95 % from",
        "upper": "to",
        **panel.more,
        "beware": "beware",
    }
    value = _across(panel.axis, data)
    rows = Rows(data, panel.estimators, "facet" if several else "")
    layers = rows.intervals(titles, value)
    marks = panel.axis.marks or (() if panel.axis.limits else (0.0,))
    layers = [*charts.marks(Axis("", marks=marks)), *layers]
    columns = [*titles, "estimator", "level", "doubt", "place", "facet_place"]
    return Chart(
        entry.name,
        _title(entry, panel.left_out),
        f"{panel.axis.label}, with 95 % intervals, for each {panel.rows} and estimator",
        rows.specification(layers),
        data[columns],
        titles,
        entry.source,
        ("estimator", "level"),
        facet_width=500,
        margin=margin(data["row"]),
        hollow=HOLLOW * rows.doubtful,
        line=rows.line,
    )


def extremes(panel: Extremes, entry: Entry) -> Chart:
    """Shade how probable each contributor is the extreme one of its level."""
    # A shade is of one estimator: choosing all would lay one over the other.
    data = placed(panel.cells, "level").rename(columns={"estimator": "asked"})
    options = list(pd.unique(data["asked"]))
    titles = {
        "level": "level",
        "row": "contributor",
        "asked": "estimator",
        "question": "question",
        "probability": "probability",
        "beware": "beware",
    }
    # What is not to be trusted is not read as if it were.
    doubt = data["beware"].ne("").map({True: " ?", False: ""})
    data["shown"] = data["probability"].map("{:.2f}".format) + doubt
    layers = [
        alt.Chart()
        .mark_rect(invalid=None)
        .encode(
            x=alt.X(
                "question:N",
                sort=list(QUESTIONS.values()),
                title=None,
                axis=alt.Axis(orient="top", labelAngle=0, domain=False, ticks=False),
            ),
            y=down(),
            color=alt.Color(
                "probability:Q",
                scale=alt.Scale(domain=[0, 1], scheme="blues"),
                legend=None,
            ),
            tooltip=charts.tooltip(titles, data),
        ),
        # Placed as the ranges of `Rows` are.
        alt.Chart()
        .mark_text(invalid=None)
        .encode(
            x=alt.value(middle("child_x", "question")),
            y=alt.value(middle("child_y", "row")),
            text="shown:N",
            color=alt.condition(
                f"datum.probability > {DARK}", alt.value("white"), alt.value("black")
            ),
        ),
    ]
    return Chart(
        entry.name,
        _title(entry, panel.left_out),
        "Probability of each contributor to be the highest, the lowest, the noisiest "
        "and the quietest of its level",
        charts.specification(faceted(layers, "level", {"step": LEAST})),
        data[[*titles, "shown", "place", "facet_place"]],
        titles,
        entry.source,
        ("asked", "level"),
        [
            Select(
                "asked",
                "Estimator",
                options,
                str(panel.main if panel.main in options else options[0]),
                everywhere=False,
            )
        ]
        if options
        else [],
        facet_width=420,
        margin=margin(data["row"]),
        shaded=True,
    )


def checks(panel: Checked, entry: Entry) -> Chart:
    """Set the data among tables drawn from the fits."""
    data = placed(panel.points, "level")
    data = data.assign(doubt=_doubt(data["outside"]), who=data["estimator"])
    titles = {
        "level": "level",
        "row": "contributor",
        "who": "estimator",
        "statistic": "of its rows",
        "observed": "in the data",
        "lower": "95 % of drawn tables from",
        "upper": "to",
        "position": "position",
        "probability": "share of drawn tables at least as large",
        "outside": "outside",
        "beware": "beware",
    }
    rows = Rows(data, panel.estimators, "level")
    value = alt.X("position:Q", title="position among drawn tables: -1 to 1 holds 95 %")
    layers = [
        *charts.marks(Axis("", marks=(-1.0, 1.0))),
        rows.points(titles, value),
    ]
    return Chart(
        entry.name,
        _title(entry, panel.left_out),
        "Where what was observed of each contributor's rows lies among tables drawn "
        "from the fit, by level and estimator; 95 % of them lie from -1 to 1",
        rows.specification(layers),
        data[[*titles, "estimator", "doubt", "place", "facet_place"]],
        titles,
        entry.source,
        ("estimator", "level", "statistic"),
        [
            Select(
                "statistic",
                "Of its rows",
                list(predictive.STATISTICS),
                panel.statistic,
                everywhere=False,
            )
        ],
        facet_width=500,
        margin=margin(data["row"]),
        hollow="Hollow: outside of 95 % of the drawn tables." * rows.doubtful,
        line=rows.line,
    )


def priors(panel: Priors, entry: Entry) -> Chart:
    """Set each component's standard deviation before the data beside that after."""
    data = placed(panel.points.assign(facet=""), "facet")
    data = data.assign(doubt=_doubt(data["beware"].ne("")), who=data["estimator"])
    titles = {
        "row": "component",
        "who": "estimator",
        "prior": "median before the data",
        "prior_lower": "95 % before from",
        "prior_upper": "before to",
        "estimate": "median after them",
        "lower": "95 % from",
        "upper": "to",
        "diagnosis": "who decides",
        "beware": "beware",
    }
    axis = Axis("standard deviation, in the unit of the values", "log")
    value = _across(axis, data)
    rows = Rows(data, panel.estimators)
    layers = [
        rows.ranges("prior_lower", "prior_upper", strokeWidth=8, strokeOpacity=0.25),
        *rows.intervals(titles, value),
    ]
    return Chart(
        entry.name,
        entry.shows,
        "Standard deviation of each component with 95 % intervals: broad bars before "
        "the data, thin ones after them",
        rows.specification(layers),
        data[[*titles, "estimator", "doubt", "place"]],
        titles,
        entry.source,
        ("estimator",),
        margin=margin(data["row"]),
        hollow=HOLLOW * rows.doubtful,
        line=rows.line,
    )


def _across(axis: Axis, data: pd.DataFrame) -> alt.X:
    """Make the axis of estimates; tiny numbers are written with an exponent."""
    tiny = data["estimate"].abs().max() < TINY
    told: dict[str, Any] = {"axis": alt.Axis(format="~e")} if tiny else {}
    return alt.X("estimate:Q", title=axis.label, scale=charts.scale(axis), **told)


def _with_raw(data: pd.DataFrame, raw: str) -> pd.DataFrame:
    """Let what the rows say alone be one more answer, which no choice takes away."""
    data = data.assign(doubt=_doubt(data["beware"].ne("")), who=data["estimator"])
    alone = data[data["raw"].notna()].drop_duplicates("place")
    alone = alone.assign(
        estimate=alone["raw"],
        lower=float("nan"),
        upper=float("nan"),
        beware="",
        doubt="raw",
        who=raw,
        estimator=None,
    )
    if alone.empty:
        return data
    return pd.concat([data, alone]).sort_values("place", kind="stable")


def _doubt(there: pd.Series) -> pd.Series:
    return there.map({True: "beware", False: "sure"})


def _title(entry: Entry, left_out: Mapping[str, int]) -> str:
    if not left_out:
        return entry.shows
    told = ", ".join(f"{name} {count:,}" for name, count in left_out.items())
    return f"{entry.shows} (those that stand out; not shown: {told})"
