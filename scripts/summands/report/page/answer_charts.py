"""Charts of an observed table, from the same panels as its figures; see `charts`.

Marks are told to leave nothing out (`invalid`): what is missing is made transparent
instead, so that all layers of a chart have the same rows and one order of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from summands.report.plotting import COLOURS, GREY

# Pixels that a row takes for each estimator, and at least.
OF_ROW, LEAST = 11, 18

# Pixels of a letter of a label, and what an axis takes beside its labels.
LETTER, BESIDE = 6, 46

# Pixels that labels get: more than the longest has.
LIMIT = 260

# Shapes of a point: full, hollow for what is to beware of, a cross for what rows say
# alone. A ring is two arcs there, and two back.
SHAPES = {
    "sure": "circle",
    "beware": "M-1,0A1,1,0,1,1,1,0A1,1,0,1,1,-1,0ZM-.5,0A.5,.5,0,1,0,.5,0A.5,.5,0,1,0,"
    "-.5,0Z",
    "raw": "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z",
}


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
    data = _with_raw(_placed(panel.points, "facet"), panel.raw)
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
    value = alt.X("estimate:Q", title=panel.axis.label, scale=charts.scale(panel.axis))
    rows = _Rows(data, panel.estimators, "facet" if several else "")
    layers = rows.intervals(titles, value)
    if panel.axis.limits is None:
        layers = [*charts.marks(Axis("", marks=(0.0,))), *layers]
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
        margin=_margin(data["row"]),
    )


def extremes(panel: Extremes, entry: Entry) -> Chart:
    """Shade how probable each contributor is the extreme one of its level."""
    # A shade is of one estimator: choosing all would lay one over the other.
    data = _placed(panel.cells, "level").rename(columns={"estimator": "asked"})
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
            y=_down(),
            color=alt.Color(
                "probability:Q",
                scale=alt.Scale(domain=[0, 1], scheme="blues"),
                legend=None,
            ),
            tooltip=charts.tooltip(titles, data),
        ),
        # Placed as the ranges of `_Rows` are.
        alt.Chart()
        .mark_text(invalid=None)
        .encode(
            x=alt.value(_middle("child_x", "question")),
            y=alt.value(_middle("child_y", "row")),
            text="shown:N",
            color=alt.condition(
                "datum.probability > 0.5", alt.value("white"), alt.value("black")
            ),
        ),
    ]
    return Chart(
        entry.name,
        _title(entry, panel.left_out),
        "Probability of each contributor to be the highest, the lowest, the noisiest "
        "and the quietest of its level",
        charts.specification(_faceted(layers, "level", {"step": LEAST})),
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
        margin=_margin(data["row"]),
    )


def checks(panel: Checked, entry: Entry) -> Chart:
    """Set the data among tables drawn from the fits."""
    data = _placed(panel.points, "level")
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
    rows = _Rows(data, panel.estimators)
    value = alt.X("position:Q", title="position among drawn tables: -1 to 1 holds 95 %")
    layers = [
        *charts.marks(Axis("", marks=(-1.0, 1.0))),
        rows.points(titles, value, "outside"),
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
        margin=_margin(data["row"]),
    )


def priors(panel: Priors, entry: Entry) -> Chart:
    """Set each component's standard deviation before the data beside that after."""
    data = _placed(panel.points.assign(facet=""), "facet")
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
    value = alt.X("estimate:Q", title=axis.label, scale=charts.scale(axis))
    rows = _Rows(data, panel.estimators)
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
        margin=_margin(data["row"]),
    )


class _Rows:
    """A row for each label, and in it one for each estimator: what layers have alike.

    Parameters
    ----------
    data : pandas.DataFrame
        With columns ``row``, ``place``, ``who`` (the estimator, or what the rows say
        alone) and ``doubt``.
    estimators : sequence of str
        Those of the study, which have their colours by their place.
    facet : str
        Column that tells facets apart; empty for none.
    """

    def __init__(
        self, data: pd.DataFrame, estimators: Sequence[str], facet: str = ""
    ) -> None:
        self.data = data
        self.facet = facet
        whose = set(data["who"])
        colours = {
            name: COLOURS[place % len(COLOURS)]
            for place, name in enumerate(estimators)
            if name in whose
        }
        self.whose = {**colours, **dict.fromkeys(whose - {*colours}, GREY)}
        names = list(self.whose)
        self.base = alt.Chart().encode(
            color=alt.Color(
                "who:N",
                title=None,
                scale=alt.Scale(domain=names, range=list(self.whose.values())),
            ),
        )

    def ranges(self, lower: str, upper: str, **mark: Any) -> Any:
        # Of layers in facets one alone may have scales that say how large they are:
        # Vega-Lite cannot see that those of several are the same, and warns of it. So
        # these are put where the points are, by the names that it gives to scales.
        y = "child_y" if self.facet else "y"
        place = (
            f"scale('{y}', datum.row) + scale('yOffset', datum.who) "
            "+ bandwidth('yOffset') / 2"
        )
        return self.base.mark_rule(invalid=None, **mark).encode(
            x=f"{lower}:Q",
            x2=f"{upper}:Q",
            y=alt.value(alt.ExprRef(place)),
            opacity=alt.condition(
                f"isValid(datum.{lower})", alt.value(1.0), alt.value(0.0)
            ),
        )

    def intervals(self, titles: Mapping[str, str], value: alt.X) -> list[Any]:
        return [self.ranges("lower", "upper"), self.points(titles, value)]

    def points(
        self, titles: Mapping[str, str], value: alt.X, doubtful: str = "beware"
    ) -> Any:
        legend = None
        if self.data["doubt"].eq("beware").any():
            legend = alt.Legend(
                title=None, values=["beware"], labelExpr=f"'{doubtful}'"
            )
        shape = alt.Shape(
            "doubt:N",
            scale=alt.Scale(domain=list(SHAPES), range=list(SHAPES.values())),
            legend=legend,
        )
        return self.base.mark_point(filled=True, size=45, invalid=None).encode(
            x=value,
            y=_down(),
            yOffset=alt.YOffset("who:N", scale=alt.Scale(domain=list(self.whose))),
            shape=shape,
            tooltip=charts.tooltip(titles, self.data),
        )

    def specification(self, layers: Sequence[Any]) -> dict[str, Any]:
        size = max(OF_ROW, -(-LEAST // max(len(self.whose), 1)))
        step = {"step": size, "for": "offset"}
        if self.facet:
            return charts.specification(_faceted(layers, self.facet, step))
        return charts.specification(
            alt.layer(*layers, data=charts.ROWS).properties(height=step)
        )


def _placed(points: pd.DataFrame, facet: str) -> pd.DataFrame:
    """Give rows and facets numbers in their order, which charts sort them by."""
    data = points.reset_index(drop=True)
    keys = data[[facet, "row"]].apply(tuple, axis=1) if len(data) else data["row"]
    return data.assign(
        place=pd.factorize(keys)[0], facet_place=pd.factorize(data[facet])[0]
    )


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


def _down() -> alt.Y:
    """Put rows under each other, in their order."""
    return alt.Y(
        "row:N",
        sort=alt.EncodingSortField("place", op="min"),
        title=None,
        axis=alt.Axis(labelLimit=LIMIT),
    )


def _middle(scale: str, field: str) -> alt.ExprRef:
    return alt.ExprRef(f"scale('{scale}', datum.{field}) + bandwidth('{scale}') / 2")


def _faceted(layers: Sequence[Any], field: str, step: Mapping[str, Any]) -> Any:
    return (
        alt.layer(*layers)
        .properties(height=step)
        .facet(
            facet=alt.Facet(
                f"{field}:N",
                title=None,
                sort=alt.EncodingSortField("facet_place", op="min"),
            ),
            columns=3,
            data=charts.ROWS,
        )
        .resolve_scale(x="independent", y="independent")
    )


def _margin(rows: pd.Series) -> int:
    """Pixels that the labels of the rows take beside a plot."""
    longest = max((len(str(row)) for row in rows), default=0)
    return BESIDE + LETTER * longest


def _title(entry: Entry, left_out: Mapping[str, int]) -> str:
    if not left_out:
        return entry.shows
    told = ", ".join(f"{name} {count:,}" for name, count in left_out.items())
    return f"{entry.shows} (those that stand out; not shown: {told})"
