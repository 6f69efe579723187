"""What to beware of in a number, in a few words that stand beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from summands.decomposition import cautions, sensitivity
from summands.report import labels
from summands.report.findings import Frames

BY_PRIOR = "not told by the data alone"
PERHAPS_NONE = "its level may not shift the values"


def of_component(row: Any, frames: Frames) -> str:
    """Say in a few words what to beware of in a component; "" if nothing.

    Parameters
    ----------
    row : mapping
        A row of the table "components".
    frames : mapping of str to pandas.DataFrame
        The final tables "fits" and "sensitivity".
    """
    found: list[str] = []
    if row["estimator"] in unconverged(frames):
        found.append(cautions.Kind.UNCONVERGED)
    if pd.isna(row["sd"]):
        found.append("not determined")
    elif pd.notna(row["level"]) and row["sd"] == 0:
        found.append("at 0")
    elif pd.notna(row["level"]) and row["sd_lower_95"] == 0:
        found.append("may be 0")
    told = frames["sensitivity"]
    mine = told[
        (told["estimator"] == row["estimator"])
        & (told["component"] == row["component"])
    ]
    for diagnosis in mine["diagnosis"]:
        if diagnosis == sensitivity.STRONG:
            found.append(cautions.Kind.PRIOR_DECIDES)
        elif diagnosis == sensitivity.CONFLICT:
            found.append(cautions.Kind.PRIOR_MATTERS)
    return ", ".join(found)


def unconverged(frames: Frames) -> set[str]:
    """Names of the estimators whose numbers are not to be trusted."""
    fits = frames["fits"]
    return set(fits.loc[~fits["converged"].astype(bool), "estimator"])


def by_prior(frames: Frames) -> set[tuple[str, str, int, int]]:
    """Estimator, parameter, level and contributor of what the data do not determine."""
    estimates = frames["estimates"]
    lost = estimates[~estimates["identified"].astype(bool)].dropna(subset=["level"])
    return set(
        zip(
            lost["estimator"],
            lost["parameter"],
            lost["level"].astype(int),
            lost["contributor"].astype(int),
            strict=True,
        )
    )


def of_contributors(found: pd.DataFrame, frames: Frames, parameter: str) -> list[str]:
    """Say what to beware of in a parameter of each row's contributor.

    Parameters
    ----------
    found : pandas.DataFrame
        Rows of a table with columns ``estimator``, ``level`` and ``contributor``.
    frames : mapping of str to pandas.DataFrame
        The final tables "fits", "estimates", "shrinkage" and "components".
    parameter : str
        "mu" or "variance_contrast".

    Returns
    -------
    list of str
        Empty where there is nothing.
    """
    shrinkage, parts = frames["shrinkage"], frames["components"]
    alone = set(labels.keys(shrinkage[shrinkage["rows"] == 1]))
    lost = by_prior(frames)
    zero = parts[(parts["sd_lower_95"] == 0) | (parts["sd"] == 0)]
    perhaps = set(zip(zero["estimator"], zero["level"], strict=True))
    whose = list(zip(found["estimator"], labels.keys(found), strict=True))
    return joined(
        [cautions.Kind.SEEN_ONCE * (key in alone) for _, key in whose],
        [BY_PRIOR * ((name, parameter, *key) in lost) for name, key in whose],
        [
            PERHAPS_NONE * (parameter == "mu" and (name, key[0]) in perhaps)
            for name, key in whose
        ],
        of_fits(found, frames),
    )


def of_fits(found: pd.DataFrame, frames: Frames) -> list[str]:
    """Say of each row whether its estimator did not converge."""
    bad = unconverged(frames)
    return [cautions.Kind.UNCONVERGED * (name in bad) for name in found["estimator"]]


def joined(*parts: Iterable[str]) -> list[str]:
    """Join what is said of each row."""
    return [", ".join(filter(None, some)) for some in zip(*parts, strict=True)]
