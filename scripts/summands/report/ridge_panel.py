"""What the figure of the variance ridge shows: what the data do not tell of levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from summands.report import names
from summands.report.axes import Axis

# Draws that are shown of the posterior.
DRAWS = 1000

# Points along the identified set.
STEPS = 60

Array = NDArray[np.float64]

PLACES = ("kind", "across", "upwards", "order")


@dataclass(frozen=True)
class Ridge:
    """Joint posterior of the sigma of two levels' contributors, of one data set.

    Parameters
    ----------
    places : pandas.DataFrame
        Columns `PLACES`: of the kinds "draw"; "set", along the edge of the identified
        set, in ``order``; and "truth".
    across, upwards : Axis
    told : str
        Design, data set and estimator, in words.
    levels : int
        How many the design has: of two the identified set is its edge, of more it is
        all below the edge that is no less than both ends of it.
    """

    places: pd.DataFrame
    across: Axis
    upwards: Axis
    told: str
    levels: int


def ridge(draws: Array, estimates: pd.DataFrame, told: str, levels: int) -> Ridge:
    """Set the sigma of one level's contributor against that of another's.

    With the sets [d1, d1 + R] and [d2, d2 + R] of the two variances
    (`model.information.sigma_set`), what one gives the other takes: the edge is
    (d1 + t, d2 + R - t) for t from 0 to R.

    Parameters
    ----------
    draws : ndarray, shape (S, 2)
        Of sigma.
    estimates : pandas.DataFrame
        Rows of the table of that name for the two, in this order; none if all failed.
    told : str
        Design, data set and estimator, in words.
    levels : int
        Of the design.

    Returns
    -------
    Ridge
    """
    if estimates.empty:
        nothing = Axis("sigma")
        return Ridge(pd.DataFrame(columns=list(PLACES)), nothing, nothing, told, levels)
    step = np.linspace(0, len(draws) - 1, min(DRAWS, len(draws))).round().astype(int)
    low, high = (
        estimates[name].to_numpy(float) ** 2 for name in ("set_lower", "set_upper")
    )
    # Even along the curve, which is steep where a variance is near zero.
    share = np.sin(np.linspace(0.0, np.pi / 2.0, STEPS)) ** 2
    edge = np.sqrt(
        np.stack(
            [
                low[0] + share * (high[0] - low[0]),
                high[1] - share * (high[1] - low[1]),
            ],
            axis=1,
        )
    )
    truth = estimates["truth"].to_numpy(float)[None]
    parts = [
        pd.DataFrame(
            {
                "kind": kind,
                "across": places[:, 0],
                "upwards": places[:, 1],
                "order": np.arange(len(places)),
            }
        )
        for kind, places in (("draw", draws[step]), ("set", edge), ("truth", truth))
    ]
    across, upwards = (
        Axis(f"sigma of {names.contributor(level, label)}")
        for level, label in zip(
            estimates["level_name"], estimates["label"], strict=True
        )
    )
    return Ridge(
        pd.concat(parts, ignore_index=True)[list(PLACES)].dropna(ignore_index=True),
        across,
        upwards,
        told,
        levels,
    )
