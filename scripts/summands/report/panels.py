"""What figures show, as plain data: every number that is drawn, and nothing of how.

A function here takes tables and returns one dataclass of pandas frames. Points,
intervals, bands, bins and what lies beyond an axis are made here, so that whoever draws
a panel computes nothing. Here are those of single estimates and of ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from summands.model import estimands
from summands.recovery import calibration
from summands.report.axes import Axis, Scale

Array = NDArray[np.float64]

# Points of a facet of the scatter plot; more would only blacken it.
SCATTERED = 4000

# Share of estimates, at either end, that may lie beyond the axes of the scatter plot:
# one estimate gone astray would flatten the facets of all estimators.
BEYOND = 0.002

# Of parameters that are always positive, and of differences of such.
SCALES: Mapping[str, Scale] = {
    "sigma": "log",
    "total_variance": "log",
    "variance_contrast": "symlog",
}

POINTS = (
    "parameter",
    "estimator",
    "design",
    "replicate",
    "truth",
    "estimate",
    "shown",
    "beyond",
    "converged",
)
FACETS = ("parameter", "estimator", "estimates", "points", "beyond")
BANDS = ("design", "estimator", "title", "point", "lower", "upper")
LINES = (
    "design",
    "estimator",
    "title",
    "parameter",
    "contributor",
    "point",
    "difference",
)


def present(table: pd.DataFrame) -> list[str]:
    """Parameters that occur in a table, in their order, and what else has its place."""
    occurring = list(dict.fromkeys(table["parameter"]))
    known = [name for name in estimands.PARAMETERS if name in occurring]
    return known + [name for name in occurring if name not in known]


@dataclass(frozen=True)
class Scatter:
    """Estimates over true values, a facet for each estimator and parameter.

    Parameters
    ----------
    points : pandas.DataFrame
        Columns `POINTS`. ``shown`` is the estimate or, where that is ``beyond`` the
        axis, the end of the axis.
    facets : pandas.DataFrame
        Columns `FACETS`: how many ``estimates`` there are, how many of them are
        ``points``, and how many of these lie beyond the axis.
    axes : mapping of str to (Axis, Axis)
        Across and upwards, by parameter.
    """

    points: pd.DataFrame
    facets: pd.DataFrame
    axes: Mapping[str, tuple[Axis, Axis]]


def truth_against_estimate(estimates: pd.DataFrame, fits: pd.DataFrame) -> Scatter:
    """Set estimates against true values.

    Parameters
    ----------
    estimates, fits : pandas.DataFrame
        The tables of those names.

    Returns
    -------
    Scatter
    """
    known = estimates.dropna(subset=["truth", "estimate"]).merge(
        fits[["design", "replicate", "estimator", "converged"]],
        on=["design", "replicate", "estimator"],
    )
    # A contributor alone in its level has mu and variance contrast 0 by definition.
    known = known[(known["truth"] != 0) | (known["sd"] != 0)]
    axes, points, facets = {}, [], []
    for parameter in present(known):
        of_parameter = known[known["parameter"] == parameter]
        across, upwards = _axes(of_parameter, SCALES.get(parameter, "linear"))
        axes[parameter] = across, upwards
        for estimator in pd.unique(known["estimator"]):
            part = of_parameter[of_parameter["estimator"] == estimator]
            some = part
            if len(part) > SCATTERED:
                some = part.sample(SCATTERED, random_state=0)
            shown = some["estimate"].clip(*(upwards.limits or (None, None)))
            beyond = shown != some["estimate"]
            points.append(some.assign(shown=shown, beyond=beyond))
            facets.append((parameter, estimator, len(part), len(some), beyond.sum()))
    return Scatter(
        together(points, POINTS),
        pd.DataFrame(facets, columns=FACETS),
        axes,
    )


def together(parts: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Put frames below one another; there may be none."""
    if not parts:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(parts, ignore_index=True)[list(columns)]


def _axes(values: pd.DataFrame, scale: Scale) -> tuple[Axis, Axis]:
    """Make the axes that the facets of one parameter share."""
    across = Axis("truth", scale)
    if scale == "symlog":
        # Contrasts of both signs span orders of magnitude. Linear as far as half of
        # the truths reach.
        size = values["truth"].abs()
        linear = float(10.0 ** np.floor(np.log10(size.median() or 1.0)))
        reach = size.max() / linear
        step = 10 if reach < 100 else 100 if reach < 3000 else 1000
        across = replace(across, linear=linear, step=step)
    upwards = replace(across, label="estimate")
    truth = values["truth"].to_numpy()
    estimate = values["estimate"].to_numpy()
    return (
        replace(across, limits=_limits(across, truth, truth)),
        replace(upwards, limits=_limits(upwards, truth, estimate)),
    )


def _limits(axis: Axis, truth: Array, values: Array) -> tuple[float, float]:
    """Find ends that hold every truth and all but the outermost values."""
    if axis.scale == "log":
        truth, values = truth[truth > 0], values[values > 0]
    # On an axis of logarithms there may be none of either.
    if not len(truth):
        truth = values if len(values) else np.ones(1)
    if not len(values):
        values = truth
    ends = np.quantile(values, [BEYOND, 1.0 - BEYOND])
    forward, back = _transform(axis)
    low, high = forward(
        np.array([min(ends[0], truth.min()), max(ends[1], truth.max())])
    )
    # Of one truth, which has no width, points stand apart.
    margin = 0.05 * (high - low) or 1.0
    found = back(np.array([low - margin, high + margin]))
    return float(found[0]), float(found[1])


def _transform(axis: Axis) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """Return the function of an axis's scale, in which it is even, and its inverse."""
    if axis.scale == "linear":
        return np.asarray, np.asarray
    if axis.scale == "log":
        return np.log10, lambda values: np.power(10.0, values)
    linear = axis.linear
    # As long as a decade, so that the linear part is as steep as what follows it.
    slope = 1.0 / (1.0 - 1.0 / 10.0)

    def forward(values: Array) -> Array:
        decades = np.log10(np.maximum(np.abs(values) / linear, 1.0))
        beyond = np.sign(values) * linear * (slope + decades)
        return np.where(np.abs(values) <= linear, slope * values, beyond)

    def back(values: Array) -> Array:
        decades = np.maximum(np.abs(values) / linear - slope, 0.0)
        beyond = np.sign(values) * linear * np.power(10.0, decades)
        return np.where(np.abs(values) <= slope * linear, values / slope, beyond)

    return forward, back


@dataclass(frozen=True)
class Ranked:
    """Ranks of truths, of one design and estimator.

    Parameters
    ----------
    design, estimator : str
    quantities : mapping of (str, str) to ndarray of int
        Ranks by parameter and contributor (`recovery.calibration.gathered_ranks`).
    rank_of : int
        How many draws they are among.
    """

    design: str
    estimator: str
    quantities: Mapping[tuple[str, str], NDArray[np.int64]]
    rank_of: int


@dataclass(frozen=True)
class Ranks:
    """Distribution functions of ranks less the uniform one, a facet for each design.

    Parameters
    ----------
    lines : pandas.DataFrame
        Columns `LINES`: at each ``point``, for each quantity, the ``difference``.
    bands : pandas.DataFrame
        Columns `BANDS`: what a line of a sound estimator stays within.
    across, upwards : Axis
    """

    lines: pd.DataFrame
    bands: pd.DataFrame
    across: Axis = field(
        default=Axis("rank of the truth among the draws, as a share"), kw_only=True
    )
    upwards: Axis = field(
        default=Axis("share of truths below, less the expected"), kw_only=True
    )


def ranks_by_design(
    ranked: Iterable[Ranked], level: float, *, several: bool = False
) -> Ranks:
    """Set the distribution of ranks against the uniform one.

    Parameters
    ----------
    ranked : iterable of Ranked
    level : float
        Share of sound estimators that leave the band of a quantity somewhere.
    several : bool
        Whether the study has several estimators, which titles then name.

    Returns
    -------
    Ranks
    """
    lines, bands = [], []
    for one in ranked:
        design = one.design.replace("levels-", "").replace("_", "\n", 1)
        facet: dict[str, Any] = {
            "design": one.design,
            "estimator": one.estimator,
            "title": f"{one.estimator}\n{design}" if several else design,
        }
        count = len(next(iter(one.quantities.values())))
        points, lower, upper = calibration.band(count, one.rank_of, level)
        bands.append(
            pd.DataFrame(
                {"point": points, "lower": lower - points, "upper": upper - points}
            ).assign(**facet)
        )
        for (parameter, contributor), found in one.quantities.items():
            share = (found[:, None] < np.arange(1, one.rank_of + 1)).mean(axis=0)
            lines.append(
                pd.DataFrame({"point": points, "difference": share - points}).assign(
                    **facet, parameter=parameter, contributor=contributor
                )
            )
    return Ranks(together(lines, LINES), together(bands, BANDS))
