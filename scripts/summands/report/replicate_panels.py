"""What figures of single data sets show: how posteriors and intervals do one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from summands.model import estimands
from summands.model.problem import Problem
from summands.recovery import montecarlo
from summands.report import names
from summands.report.axes import Axis
from summands.report.panels import SCATTERED, present, together

# Intervals of a facet of the zip plot; more would be narrower than a line.
ZIPPED = 400

CONTRACTED = (
    "parameter",
    "estimator",
    "design",
    "replicate",
    "contributor",
    "contraction",
    "z",
    "converged",
)
INTERVALS = (
    "parameter",
    "estimator",
    "design",
    "replicate",
    "contributor",
    "distance",
    "centile",
    "lower",
    "error",
    "upper",
    "covered",
)
COVERED = ("parameter", "estimator", "share", "lower", "upper", "intervals", "shown")

FITTED = ["design", "replicate", "estimator"]
QUANTITY = ["design", "parameter", "level", "contributor"]


@dataclass(frozen=True)
class Contraction:
    """What posteriors learnt, against how far off they are; a point is a quantity.

    Parameters
    ----------
    points : pandas.DataFrame
        Columns `CONTRACTED`. ``contraction`` is 1 - (spread of the posterior / spread
        of the prior)^2 and ``z`` (estimate - truth) / sd.
    loose : tuple of str
        Parameters that the data alone do not determine.
    across, upwards : Axis
    """

    points: pd.DataFrame
    loose: tuple[str, ...] = ()
    across: Axis = field(
        default=Axis("what the data told (0: nothing, 1: all)", limits=(-0.05, 1.05)),
        kw_only=True,
    )
    upwards: Axis = field(
        default=Axis("error / posterior standard deviation", marks=(-2.0, 0.0, 2.0)),
        kw_only=True,
    )


def spreads(problems: Mapping[str, Mapping[str, Problem]]) -> pd.DataFrame:
    """Tabulate how far every quantity spreads in the prior.

    Parameters
    ----------
    problems : mapping of str to mapping of str to Problem
        Levels and priors by estimator and design.

    Returns
    -------
    pandas.DataFrame
        Columns estimator, `QUANTITY` and ``prior``, see `estimands.prior_spread`.
    """
    parts = []
    for estimator, of_designs in problems.items():
        for design, problem in of_designs.items():
            index = estimands.index(problem.levels)
            parts.append(
                pd.DataFrame(
                    {
                        "parameter": index.parameter,
                        "level": index.level,
                        "contributor": index.contributor,
                        "prior": estimands.prior_spread(problem),
                    }
                ).assign(design=design, estimator=estimator)
            )
    return together(parts, ["estimator", *QUANTITY, "prior"])


def contraction(
    estimates: pd.DataFrame,
    fits: pd.DataFrame,
    prior: pd.DataFrame,
    loose: tuple[str, ...] = (),
) -> Contraction:
    """Set the contraction of posteriors against their z-scores.

    Schad, Betancourt and Vasishth (2021, Psychological Methods 26:103). The spread is
    the standard deviation or, of quantities that are positive by definition, the width
    of the central 95 % of the logarithm, as in the metric ``contraction``.

    Parameters
    ----------
    estimates, fits : pandas.DataFrame
        The tables of those names.
    prior : pandas.DataFrame
        Of what has draws and drawn truths, see `spreads`.
    loose : tuple of str, optional
        Parameters that the data alone do not determine.

    Returns
    -------
    Contraction
        At most `SCATTERED` points of each parameter and estimator.
    """
    known = _named(estimates).merge(prior, on=["estimator", *QUANTITY])
    known = known.merge(fits[[*FITTED, "converged"]], on=FITTED)
    positive = known["parameter"].map(lambda name: estimands.BY_NAME[name].positive)
    with np.errstate(divide="ignore", invalid="ignore"):
        width = np.log(known["upper_95"] / known["lower_95"])
        spread = np.where(positive, width, known["sd"])
        known["contraction"] = 1.0 - (spread / known["prior"]) ** 2
        known["z"] = (known["estimate"] - known["truth"]) / known["sd"]
    finite = np.isfinite(known[["contraction", "z"]].to_numpy(float)).all(axis=1)
    known = known[finite & (known["prior"] > 0)].assign(contributor=known["called"])
    parts = [
        _some(part, SCATTERED)
        for parameter in present(known)
        for _, part in known[known["parameter"] == parameter].groupby(
            "estimator", sort=False
        )
    ]
    return Contraction(together(parts, CONTRACTED), loose)


@dataclass(frozen=True)
class Zip:
    """Intervals one above the other, the farthest from the truth on top.

    Parameters
    ----------
    intervals : pandas.DataFrame
        Columns `INTERVALS`. ``distance`` is that of estimate and truth in standard
        errors, and ``centile`` where it stands among all of its facet, in percent.
        ``lower``, ``error`` and ``upper`` are ends and middle of the interval less the
        truth, over the mean half width of all estimators' intervals in its design.
    covered : pandas.DataFrame
        Columns `COVERED`: the ``share`` of all ``intervals`` of a facet that hold the
        truth, with ends of its Monte-Carlo interval; ``shown`` are drawn.
    across, upwards : Axis
    """

    intervals: pd.DataFrame
    covered: pd.DataFrame
    across: Axis = field(
        default=Axis("interval, less the truth", marks=(0.0,)), kw_only=True
    )
    upwards: Axis = field(
        default=Axis(
            "centile of the distance from the truth", limits=(0.0, 100.0), marks=(95.0,)
        ),
        kw_only=True,
    )


def zipped(estimates: pd.DataFrame) -> Zip:
    """Order 95 % intervals by how far they are from the truth, in standard errors.

    Morris, White and Crowther (2019, Statistics in Medicine 38:2074, figure 5). Where
    all is well the upper 5 % do not hold the truth, on either side as many.

    Parameters
    ----------
    estimates : pandas.DataFrame
        The table of that name.

    Returns
    -------
    Zip
        At most `ZIPPED` intervals of each parameter and estimator, evenly among all.
    """
    known = _named(estimates)
    known = known[known["lower_95"].notna() & known["upper_95"].notna()].copy()
    known = known[known["sd"] > 0]
    half = (known["upper_95"] - known["lower_95"]) / 2.0
    unit = half.groupby([known["design"], known["parameter"]]).transform("mean")
    for name, column in (
        ("lower", "lower_95"),
        ("error", "estimate"),
        ("upper", "upper_95"),
    ):
        known[name] = (known[column] - known["truth"]) / unit
    known["distance"] = (known["estimate"] - known["truth"]).abs() / known["sd"]
    known["covered"] = known["truth"].between(known["lower_95"], known["upper_95"])
    known = known.assign(contributor=known["called"])
    parts, facets = [], []
    for parameter in present(known):
        of_parameter = known[known["parameter"] == parameter]
        for estimator, part in of_parameter.groupby("estimator", sort=False):
            ordered = part.sort_values("distance", kind="stable")
            count = len(ordered)
            ordered["centile"] = 100.0 * (np.arange(count) + 0.5) / count
            step = np.linspace(0, count - 1, min(count, ZIPPED)).round().astype(int)
            parts.append(ordered.iloc[step])
            facets.append((parameter, estimator, *_share(ordered), count, len(step)))
    return Zip(together(parts, INTERVALS), pd.DataFrame(facets, columns=COVERED))


def _share(intervals: pd.DataFrame) -> tuple[float, float, float]:
    """Share that hold the truth, with its interval; data sets are independent."""
    of_data_sets = intervals.groupby(["design", "replicate"])["covered"]
    mean, sizes = of_data_sets.mean().to_numpy(float), of_data_sets.size().to_numpy()
    share, sets = float(intervals["covered"].mean()), len(mean)
    # Of a ratio of sums over data sets.
    spread = np.sqrt(((sizes * (mean - share)) ** 2).sum() / max(sets - 1, 1) / sets)
    lower, upper = montecarlo.intervals(
        np.array([montecarlo.SHARE]),
        np.array([share]),
        np.array([spread / sizes.mean()]),
        np.array([sets]),
        np.array([len(intervals)]),
    )
    return share, float(lower[0]), float(upper[0])


def _named(estimates: pd.DataFrame) -> pd.DataFrame:
    """Keep what has truth and estimate, level and contributor as -1 where none is."""
    known = estimates.dropna(subset=["truth", "estimate", "sd"])
    numbers = known[["level", "contributor"]].fillna(-1).astype(int)
    called = [
        "" if number < 0 else names.contributor(level, label)
        for number, level, label in zip(
            numbers["level"], known["level_name"], known["label"], strict=True
        )
    ]
    return known.assign(**numbers, called=called)


def _some(part: pd.DataFrame, most: int) -> pd.DataFrame:
    return part.sample(most, random_state=0) if len(part) > most else part
