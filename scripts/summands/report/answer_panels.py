"""What the figures of an observed table show, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from summands.report.axes import Axis

# Contributors of a level that are shown, at most: those that stand out.
SHOWN = 30

# Letters of a label.
LETTERS = 28

POINTS = ("facet", "row", "estimator", "estimate", "lower", "upper", "raw")


@dataclass(frozen=True)
class Forest:
    """Estimates with intervals, one under the other, in facets.

    Parameters
    ----------
    points : pandas.DataFrame
        Columns `POINTS`; rows of a facet from top to bottom. ``lower``, ``upper`` and
        ``raw``, what the rows alone say, may be NaN.
    axis : Axis
        Of the estimates.
    left_out : mapping of str to int
        Rows that are not shown, by facet.
    raw : str
        What the raw points are; empty where there are none.
    """

    points: pd.DataFrame
    axis: Axis
    left_out: Mapping[str, int]
    raw: str = ""


def shares(components: pd.DataFrame) -> Forest:
    """Take the share of the variance of each component and estimator."""
    known = components[components["share"].notna()]
    points = pd.DataFrame(
        {
            "facet": "",
            "row": known["component"].map(short),
            "estimator": known["estimator"],
            "estimate": 100 * known["share"],
            "lower": 100 * known["share_lower_95"],
            "upper": 100 * known["share_upper_95"],
            "raw": float("nan"),
        }
    )
    return Forest(points, Axis("share of the variance, %", limits=(-2.0, 102.0)), {})


def means(shrinkage: pd.DataFrame, value: str) -> Forest:
    """Take the mean of each contributor, beside that of its rows."""
    shrinkage = shrinkage[shrinkage["mu"].notna()]
    points = pd.DataFrame(
        {
            "facet": shrinkage["level_name"].map(short),
            "row": shrinkage["label"].map(short),
            "contributor": shrinkage["contributor"],
            "estimator": shrinkage["estimator"],
            "estimate": shrinkage["mu"],
            "lower": shrinkage["lower_95"],
            "upper": shrinkage["upper_95"],
            "raw": shrinkage["least_squares"],
        }
    )
    axis = Axis(f"{short(value)}, less the mean over the level")
    return _outstanding(points, axis, "least squares")


def noise(estimates: pd.DataFrame) -> Forest:
    """Take the variance contrast of each contributor."""
    mine = estimates[
        (estimates["parameter"] == "variance_contrast") & estimates["estimate"].notna()
    ]
    # A contributor alone in its level has none, nor has one noise for all rows.
    alone = mine.groupby("level")["contributor"].transform("max") == 0
    alike = mine.groupby("estimator")["sd"].transform("max") == 0
    mine = mine[~alone & ~alike]
    points = pd.DataFrame(
        {
            "facet": mine["level_name"].map(short),
            "row": mine["label"].map(short),
            "contributor": mine["contributor"],
            "estimator": mine["estimator"],
            "estimate": mine["estimate"],
            "lower": mine["lower_95"],
            "upper": mine["upper_95"],
            "raw": float("nan"),
        }
    )
    return _outstanding(points, Axis("variance, less the mean over the level"))


def short(text: str) -> str:
    """Cut a text that a user chose to what a figure has room for."""
    line = " ".join(str(text).split())
    return line if len(line) <= LETTERS else line[: LETTERS - 1] + "…"


def _outstanding(points: pd.DataFrame, axis: Axis, raw: str = "") -> Forest:
    """Order the contributors of each level, and keep the first and the last."""
    kept = []
    left_out = {}
    for facet, mine in points.groupby("facet", sort=False):
        middle = mine.groupby("contributor")["estimate"].mean()
        order = middle.sort_values(ascending=False, kind="stable").index
        if len(order) > SHOWN:
            left_out[str(facet)] = len(order) - SHOWN
            order = order[: SHOWN // 2].append(order[-(SHOWN // 2) :])
        place = pd.Series(range(len(order)), index=order)
        chosen = mine[mine["contributor"].isin(order)]
        by_place = chosen["contributor"].map(place).sort_values(kind="stable").index
        kept.append(chosen.loc[by_place])
    together = pd.concat(kept) if kept else points
    return Forest(together[list(POINTS)], axis, left_out, raw)
