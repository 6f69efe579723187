"""What figures of ranks, checks and priors of an observed table show, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from summands.decomposition import predictive
from summands.report import doubts, findings, labels, numbers
from summands.report.answer_panels import SHOWN
from summands.report.findings import Frames
from summands.study.study import Study


@dataclass(frozen=True)
class Extremes:
    """How probable each contributor is the extreme one of its level.

    Parameters
    ----------
    cells : pandas.DataFrame
        Columns ``level``, ``row``, ``estimator``, ``question``, ``probability``,
        ``beware``; rows of a level from top to bottom.
    main : str or None
        The estimator that is shown first.
    left_out : mapping of str to int
        Contributors that are not shown, by level.
    """

    cells: pd.DataFrame
    main: str | None
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class Checked:
    """Where the data lie among tables drawn from a fit.

    Parameters
    ----------
    points : pandas.DataFrame
        Columns ``level``, ``row``, ``estimator``, ``statistic``, ``position`` (-1 and 1
        are the ends of the 95 % of drawn tables), ``observed``, ``lower`` and ``upper``
        (as text, with the digits that matter), ``probability``, ``outside``,
        ``beware``.
    statistic : str
        The one that is shown first: that of the point farthest out.
    estimators : sequence of str
        Those of the study.
    left_out : mapping of str to int
        Contributors that are not shown, by level.
    """

    points: pd.DataFrame
    statistic: str
    estimators: Sequence[str]
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class Priors:
    """Standard deviation of each component before and after the data.

    Parameters
    ----------
    points : pandas.DataFrame
        Columns ``row`` (the component), ``estimator``, ``prior``, ``prior_lower``,
        ``prior_upper``, ``estimate``, ``lower``, ``upper``, ``diagnosis``, ``beware``.
    estimators : sequence of str
        Those of the study.
    """

    points: pd.DataFrame
    estimators: Sequence[str]


def extremes(frames: Frames, study: Study) -> Extremes:
    """Take the probability of each contributor to be the extreme one."""
    found = frames["ranking"]
    cells = pd.DataFrame(
        {
            "level": found["level"].map(labels.by_level(study)),
            "row": labels.of_rows(found, frames),
            "estimator": found["estimator"],
            "question": found["question"].map(findings.QUESTIONS),
            "probability": found["probability"],
            "beware": doubts.of_fits(found, frames),
        }
    )
    cells, left_out = _largest(cells, "probability")
    return Extremes(cells, findings.main_estimator(frames), left_out)


def checks(frames: Frames, study: Study) -> Checked:
    """Take where the data lie among tables drawn from each fit."""
    found = frames["checks"]
    found = found[found["observed"].notna()]
    half = ((found["upper_95"] - found["lower_95"]) / 2).where(lambda w: w > 0)
    middle = (found["upper_95"] + found["lower_95"]) / 2
    told = {
        name: [
            numbers.rounded(value, 2 * width)
            for value, width in zip(found[column], half, strict=True)
        ]
        for name, column in (
            ("observed", "observed"),
            ("lower", "lower_95"),
            ("upper", "upper_95"),
        )
    }
    points = pd.DataFrame(
        {
            "level": found["level"].map(labels.by_level(study)),
            "row": labels.of_rows(found, frames),
            "estimator": found["estimator"],
            "statistic": found["statistic"],
            "position": (found["observed"] - middle) / half,
            **told,
            "probability": found["probability"],
            "outside": findings.outside(found),
            "beware": doubts.of_fits(found, frames),
        }
    )
    points = points[points["position"].notna()]
    points["far"] = points["position"].abs()
    first = predictive.STATISTICS[0]
    if not points.empty:
        first = str(points.nlargest(1, "far")["statistic"].iloc[0])
    points, left_out = _largest(points, "far")
    return Checked(points.drop(columns="far"), first, list(study.estimators), left_out)


def priors(frames: Frames, study: Study) -> Priors:
    """Take the standard deviation of each component before and after the data."""
    found = frames["sensitivity"]
    points = pd.DataFrame(
        {
            "row": labels.of_components(found, study),
            "estimator": found["estimator"],
            "prior": found["prior_median"],
            "prior_lower": found["prior_lower_95"],
            "prior_upper": found["prior_upper_95"],
            "estimate": found["median"],
            "lower": found["lower_95"],
            "upper": found["upper_95"],
            "diagnosis": found["diagnosis"].fillna("not known"),
            "beware": doubts.of_fits(found, frames),
        }
    )
    return Priors(points, list(study.estimators))


def _largest(cells: pd.DataFrame, column: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Keep the rows of each level that have the largest numbers, in their order."""
    kept = []
    left_out: dict[str, int] = {}
    for level, mine in cells.groupby("level", sort=False):
        largest = mine.groupby("row", sort=False)[column].max()
        if len(largest) > SHOWN:
            left_out[str(level)] = len(largest) - SHOWN
            largest = largest.nlargest(SHOWN)
        kept.append(mine[mine["row"].isin(largest.index)])
    return (pd.concat(kept) if kept else cells), left_out
