"""What charts with a row for each contributor have alike.

Marks are told to leave nothing out (`invalid`): what is missing is made transparent
instead, so that all layers of a chart have the same rows and one order of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from summands.report import looks
from summands.report.page import charts

# Pixels that a row takes for each estimator, and at least.
OF_ROW, LEAST = 12, 18

# Pixels of a letter of a label, and what an axis takes beside its labels.
LETTER, BESIDE = 6, 46

# Pixels that labels get: more than the longest has.
LIMIT = 330

# What rows say alone is a cross.
CROSS = "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z"


class Rows:
    """A row for each label, and in it one for each estimator: what layers have alike.

    Parameters
    ----------
    data : pandas.DataFrame
        With columns ``row``, ``place``, ``who`` (the estimator, or what the rows say
        alone) and ``doubt``.
    estimators : sequence of str
        Those of the study, which have colours and shapes by their place.
    facet : str
        Column that tells facets apart; empty for none.
    """

    def __init__(
        self, data: pd.DataFrame, estimators: Sequence[str], facet: str = ""
    ) -> None:
        self.data = data
        self.facet = facet
        whose = set(data["who"])
        numbers = {
            name: place for place, name in enumerate(estimators) if name in whose
        }
        alone = sorted(whose - {*numbers})
        self.whose = [*numbers, *alone]
        colours = [*map(looks.colour, numbers.values()), *[looks.GREY for _ in alone]]
        shapes = [*map(looks.shape, numbers.values()), *[CROSS for _ in alone]]
        self.color = alt.Color(
            "who:N",
            title=None,
            scale=alt.Scale(domain=self.whose, range=colours),
            legend=alt.Legend(symbolOpacity=1),
        )
        self.shape = alt.Shape(
            "who:N",
            title=None,
            scale=alt.Scale(domain=self.whose, range=shapes),
            legend=alt.Legend(symbolOpacity=1),
        )
        self.base = alt.Chart().encode(color=self.color)

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

    def points(self, titles: Mapping[str, str], value: alt.X) -> Any:
        """Draw points, hollow where to beware."""
        drawn = charts.pointed(
            alt.Chart(),
            self.color,
            self.shape,
            "datum.doubt === 'beware'" if self.doubtful else "",
            invalid=None,
        )
        return drawn.encode(
            x=value,
            y=down(),
            yOffset=alt.YOffset("who:N", scale=alt.Scale(domain=self.whose)),
            tooltip=charts.tooltip(titles, self.data),
        )

    @property
    def doubtful(self) -> bool:
        """Whether there is a row to beware of."""
        return bool(self.data["doubt"].eq("beware").any())

    @property
    def line(self) -> int:
        """Pixels that an estimator takes of a row."""
        return max(OF_ROW, -(-LEAST // max(len(self.whose), 1)))

    def specification(self, layers: Sequence[Any]) -> dict[str, Any]:
        """Give layers as Vega-Lite."""
        step = charts.step(self.line)
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
