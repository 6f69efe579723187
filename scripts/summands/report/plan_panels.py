"""What the figure of a plan shows: precision over rows, and what fits reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

COLUMNS = (
    "target",
    "design",
    "kind",
    "estimator",
    "rows",
    "value",
    "lower",
    "upper",
    "wanted",
    "needed",
)

# What a row is of: a curve by the information, or fits.
CURVE, FITS = "by the information", "fits"

# Designs that are drawn; of more, the first of them.
SHOWN = 8


@dataclass(frozen=True)
class Plan:
    """Precision over the number of rows.

    Parameters
    ----------
    points : pandas.DataFrame
        Columns `COLUMNS`: of each ``target`` and ``design`` a curve, and for each
        ``estimator`` what its fits reach with the rows that are needed, with its
        Monte-Carlo interval, which may be NaN.
    designs : sequence of str
        In the order of the study: those that are shown.
    estimators : sequence of str
        Those of the study, in its order.
    left_out : int
        Designs that are not shown.
    """

    points: pd.DataFrame
    designs: Sequence[str]
    estimators: Sequence[str]
    left_out: int


def plan(curves: pd.DataFrame, needed: pd.DataFrame, estimators: Sequence[str]) -> Plan:
    """Set what fits reach beside the curves of a plan.

    Parameters
    ----------
    curves, needed : pandas.DataFrame
        The tables "plan_curves" and "rows_needed".
    estimators : sequence of str
        Of the study.
    """
    fits = needed[needed["verified"].notna()]
    points = pd.concat(
        [
            curves.assign(kind=CURVE, estimator="", lower=np.nan, upper=np.nan),
            pd.DataFrame(
                {
                    "target": fits["target"],
                    "design": fits["design"],
                    "kind": FITS,
                    "estimator": fits["estimator"],
                    "rows": fits["rows"],
                    "value": fits["verified"],
                    "lower": fits["verified_lower"].astype(float),
                    "upper": fits["verified_upper"].astype(float),
                    "wanted": fits["wanted"],
                    "needed": fits["rows"],
                }
            ),
        ],
        ignore_index=True,
    )[list(COLUMNS)]
    # A design of a plan has its rows in its name, which differ by target.
    points = points.assign(
        design=[
            name.replace(f"_rows-{rows}", "", 1)
            for name, rows in zip(points["design"], points["needed"], strict=True)
        ]
    )
    designs = list(dict.fromkeys(points["design"]))
    shown = points[points["design"].isin(designs[:SHOWN])]
    return Plan(
        shown.reset_index(drop=True),
        designs[:SHOWN],
        list(estimators),
        len(designs[SHOWN:]),
    )
