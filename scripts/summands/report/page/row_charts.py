"""What charts with a row for each contributor have alike.

Marks are told to leave nothing out (`invalid`): what is missing is made transparent
instead, so that all layers of a chart have the same rows and one order of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from summands.report.page import charts
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


class Rows:
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
        """Draw lines from one column to another."""
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
        """Draw points with their 95 % intervals."""
        return [self.ranges("lower", "upper"), self.points(titles, value)]

    def points(
        self, titles: Mapping[str, str], value: alt.X, doubtful: str = "beware"
    ) -> Any:
        """Draw points, hollow where to beware, which the legend calls by a word."""
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
            y=down(),
            yOffset=alt.YOffset("who:N", scale=alt.Scale(domain=list(self.whose))),
            shape=shape,
            tooltip=charts.tooltip(titles, self.data),
        )

    def specification(self, layers: Sequence[Any]) -> dict[str, Any]:
        """Give layers as Vega-Lite."""
        size = max(OF_ROW, -(-LEAST // max(len(self.whose), 1)))
        step = {"step": size, "for": "offset"}
        if self.facet:
            return charts.specification(faceted(layers, self.facet, step))
        return charts.specification(
            alt.layer(*layers, data=charts.ROWS).properties(height=step)
        )


def placed(points: pd.DataFrame, facet: str) -> pd.DataFrame:
    """Give rows and facets numbers in their order, which charts sort them by."""
    data = points.reset_index(drop=True)
    keys = data[[facet, "row"]].apply(tuple, axis=1) if len(data) else data["row"]
    return data.assign(
        place=pd.factorize(keys)[0], facet_place=pd.factorize(data[facet])[0]
    )


def down() -> alt.Y:
    """Put rows under each other, in their order."""
    return alt.Y(
        "row:N",
        sort=alt.EncodingSortField("place", op="min"),
        title=None,
        axis=alt.Axis(labelLimit=LIMIT),
    )


def middle(scale: str, field: str) -> alt.ExprRef:
    """Place a mark where another layer has put that of the same row."""
    return alt.ExprRef(f"scale('{scale}', datum.{field}) + bandwidth('{scale}') / 2")


def faceted(layers: Sequence[Any], field: str, step: Mapping[str, Any]) -> Any:
    """Lay charts over one another, for each facet with axes of its own."""
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


def margin(rows: pd.Series) -> int:
    """Pixels that the labels of the rows take beside a plot."""
    longest = max((len(str(row)) for row in rows), default=0)
    return BESIDE + LETTER * longest
