"""What the tables of an observed table say, as facts: for its summary and its page.

Which estimator answers, who stands out and how surely, and what is not to be claimed is
decided here, once; `report.answer` and `report.page.answer` put it into words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy import stats

from summands.decomposition import intervals, ranking
from summands.recovery.registry import CLEAR

# Contributors of a level that are named where none is the answer.
NAMED = 3

# Checks that lie outside of their 95 % are too many if chance alone would give as many
# or more this seldom.
SELDOM = 0.001

# A difference in elpd says something from so many of its standard errors on, and from
# so much in all.
ERRORS, LEAST = 4.0, 4.0

QUESTIONS = {
    "highest_mu": "highest",
    "lowest_mu": "lowest",
    "noisiest": "noisiest",
    "quietest": "quietest",
}

Frames = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Number:
    """A number with the ends of its 95 % interval, which may be NaN."""

    estimate: float
    lower: float
    upper: float

    @property
    def bounded(self) -> bool:
        """Whether it has an interval."""
        return not (pd.isna(self.lower) or pd.isna(self.upper))


@dataclass(frozen=True)
class Standing:
    """Who of a level is the answer to a question.

    Parameters
    ----------
    level : int
    level_name : str
    size : int
        Contributors of the level.
    question : str
        One of `ranking.QUESTIONS`.
    likeliest : sequence of (str, float)
        Labels of the first `NAMED`, each with the probability that it is the one.
    contributors : sequence of int
        Their numbers.
    doubtful : bool
        Whether perhaps none differs at all: the level may not shift the values.
    by_prior : bool
        Whether the data alone do not tell contributors of this level from those of
        another, so that the prior has a say.
    value : Number
        Of the likeliest: its mean, or its variance, less the mean over its level.
    scatter, others : Number or None
        Standard deviation of rows with the likeliest, and with the others of its level;
        of questions about noise.
    """

    level: int
    level_name: str
    size: int
    question: str
    likeliest: Sequence[tuple[str, float]]
    contributors: Sequence[int]
    doubtful: bool
    by_prior: bool
    value: Number
    scatter: Number | None = None
    others: Number | None = None

    @property
    def label(self) -> str:
        """The likeliest contributor."""
        return self.likeliest[0][0]

    @property
    def probability(self) -> float:
        """Probability of the likeliest."""
        return self.likeliest[0][1]

    @property
    def clear(self) -> bool:
        """Whether the likeliest is the answer."""
        return self.probability >= CLEAR and not self.doubtful


@dataclass(frozen=True)
class Checks:
    """How the checks of an estimator came out.

    Parameters
    ----------
    count, outside : int
        All, and those outside of the 95 % of the tables drawn from the fit.
    expected : float
        How many would be by chance.
    too_many : bool
        Whether chance does not explain them.
    worst : sequence of (str, str, str)
        Statistic, level and label of the farthest out, the first `NAMED`.
    """

    count: int
    outside: int
    expected: float
    too_many: bool
    worst: Sequence[tuple[str, str, str]]


def main_estimator(frames: Frames) -> str | None:
    """Choose the estimator whose answer is told in words.

    The first that converged of those with the most to say: with ranks of the noise of
    contributors, or of their means, or with components.

    Parameters
    ----------
    frames : mapping of str to pandas.DataFrame
        The final tables "fits", "ranking" and "components".

    Returns
    -------
    str or None
        None where no estimator converged.
    """
    fits, ranks = frames["fits"], frames["ranking"]
    good = list(fits.loc[fits["converged"].astype(bool), "estimator"])
    for some in (
        ranks.loc[ranks["question"].isin(ranking.OF_NOISE), "estimator"],
        ranks["estimator"],
        frames["components"]["estimator"],
        good,
    ):
        chosen = [name for name in good if name in set(some)]
        if chosen:
            return chosen[0]
    return None


def number(row: Any, name: str = "estimate") -> Number:
    """Take a number and its interval from a row of a table.

    Parameters
    ----------
    row : mapping
    name : str
        Its column; those of its ends begin so, but for "estimate", "mu" and
        "observed", whose ends are the only ones of their tables.
    """
    prefix = "" if name in ("estimate", "mu", "observed") else f"{name}_"
    return Number(
        *(
            float("nan") if pd.isna(value) else float(value)
            for value in (
                row[name],
                row[f"{prefix}lower_95"],
                row[f"{prefix}upper_95"],
            )
        )
    )


def standings(estimator: str, frames: Frames) -> list[Standing]:
    """Say who stands out in each level, and how surely.

    Parameters
    ----------
    estimator : str
    frames : mapping of str to pandas.DataFrame
        The final tables "ranking", "estimates", "scatter" and "components".

    Returns
    -------
    list of Standing
        By level, and in it by question; empty for estimators without draws.
    """
    ranks, estimates, scatter, components = (
        frames[name][frames[name]["estimator"] == estimator]
        for name in ("ranking", "estimates", "scatter", "components")
    )
    of_interest = estimates["parameter"].isin(["mu", "variance_contrast"])
    unidentified = of_interest & ~estimates["identified"].astype(bool)
    by_prior = set(estimates.loc[unidentified, "level"])
    doubtful = set(components.loc[components["sd_lower_95"] == 0, "level"])
    keys = ["level", "contributor"]
    values = {
        parameter: estimates[estimates["parameter"] == parameter].set_index(keys)
        for parameter in ("mu", "variance_contrast")
    }
    scatter = scatter.set_index(keys)
    found = []
    for _, mine in ranks.groupby(["level", "question"], sort=False):
        order = mine.sort_values("probability", ascending=False, kind="stable")
        best: Any = order.iloc[0]
        level, question = int(best["level"]), str(best["question"])
        key: Any = (level, best["contributor"])
        of_means = question in ranking.OF_MEANS
        parameter = "mu" if of_means else "variance_contrast"
        first: Any = order.head(NAMED)
        found.append(
            Standing(
                level,
                str(best["level_name"]),
                len(mine),
                question,
                [
                    (str(label), float(share))
                    for label, share in zip(
                        first["label"], first["probability"], strict=True
                    )
                ],
                [int(number) for number in first["contributor"]],
                of_means and level in doubtful,
                level in by_prior,
                number(values[parameter].loc[key]),
                None if of_means else number(scatter.loc[key], "sd"),
                None if of_means else number(scatter.loc[key], "others_sd"),
            )
        )
    return sorted(
        found,
        key=lambda one: (one.level, ranking.QUESTIONS.index(one.question)),
    )


def checks(estimator: str, frames: Frames) -> Checks | None:
    """Count the predictive checks of an estimator.

    Parameters
    ----------
    estimator : str
    frames : mapping of str to pandas.DataFrame
        The final table "checks".

    Returns
    -------
    Checks or None
        None where it has none.
    """
    found = frames["checks"]
    mine = found[(found["estimator"] == estimator) & found["observed"].notna()]
    if mine.empty:
        return None
    out = outside(mine)
    # How far from the nearer end, as a share of the width.
    width = (mine["upper_95"] - mine["lower_95"]).where(lambda w: w > 0)
    far = (
        pd.concat(
            [mine["lower_95"] - mine["observed"], mine["observed"] - mine["upper_95"]],
            axis=1,
        ).max(axis=1)
        / width
    )
    worst = mine.loc[far[out].sort_values(ascending=False, kind="stable").index]
    count, many = len(mine), int(out.sum())
    share = 1.0 - (intervals.CENTRAL[1] - intervals.CENTRAL[0])
    return Checks(
        count,
        many,
        share * count,
        bool(stats.binom.sf(many - 1, count, share) < SELDOM),
        [
            (str(row.statistic), str(row.level_name), str(row.label))
            for row in worst.head(NAMED).itertuples()
        ],
    )


def outside(checked: pd.DataFrame) -> pd.Series:
    """Say which checks lie outside of the 95 % of tables drawn from the fit."""
    return (checked["observed"] < checked["lower_95"]) | (
        checked["observed"] > checked["upper_95"]
    )


def telling(row: Any) -> bool:
    """Whether a difference in elpd, of a row of "comparison", says something."""
    apart = abs(row["difference"])
    return bool(apart >= LEAST and apart >= ERRORS * row["difference_se"])
