"""How much of the variance of the values comes from each level, and from noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from summands.decomposition import intervals, tables
from summands.estimation.results import Components, Draws
from summands.files.columns import schema
from summands.model.cells import Cells
from summands.model.levels import Levels

Array = NDArray[np.float64]

NOISE = "noise"

ENDS = ("", "_lower_95", "_upper_95")

COMPONENTS = schema(
    ("estimator", pa.string(), "name of the estimator"),
    (
        "component",
        pa.string(),
        "a level's name, or noise: what makes values differ, beside their noise",
    ),
    ("level", pa.int32(), "number of the level; null for the noise"),
    (
        "sd",
        pa.float64(),
        "scale of the population that the level's means come from; of the noise, the "
        "root of the variance: posterior median, or the estimate",
    ),
    (
        "sd_lower_95",
        pa.float64(),
        "lower end of its 95 % interval: central, or from 0 to the 95 % quantile where "
        "the data do not tell it from 0",
    ),
    ("sd_upper_95", pa.float64(), "upper end of that interval"),
    (
        "variance",
        pa.float64(),
        "its square; for the noise the mean over rows of their variance",
    ),
    ("variance_lower_95", pa.float64(), "lower end of its 95 % interval"),
    ("variance_upper_95", pa.float64(), "upper end of that interval"),
    (
        "share",
        pa.float64(),
        "share in the sum of all variances; the shares of an estimator add to 1",
    ),
    (
        "share_lower_95",
        pa.float64(),
        "lower end of its 95 % interval; null for estimators without draws",
    ),
    ("share_upper_95", pa.float64(), "upper end of that interval"),
)


@dataclass(frozen=True)
class Variances:
    """Draws of the variance of each component.

    Parameters
    ----------
    levels : tuple of int
        The levels that are components, in their order; the noise comes after them.
    draws : ndarray, shape (S, len(levels) + 1)
        NaN where the scale of a level is not estimated.
    """

    levels: tuple[int, ...]
    draws: Array


def noise_variance(sigma: Array, cells: Cells) -> Array:
    """Mean over rows of their variance.

    A row's variance is the sum of its contributors', so their mean over rows is that
    of the contributors, weighted by the share of the rows that they take part in.

    Parameters
    ----------
    sigma : ndarray, shape (..., K)
    cells : Cells

    Returns
    -------
    ndarray, shape (...)
    """
    share = cells.rows / cells.n.sum()
    result: Array = np.einsum("...k,...k,k->...", sigma, sigma, share)
    return result


def variances(draws: Draws, cells: Cells) -> Variances:
    """Take the variance of each component from draws.

    Parameters
    ----------
    draws : Draws
    cells : Cells
    """
    several = tables.several(cells.levels)
    noise = noise_variance(draws.sigma, cells).reshape(-1, 1)
    if draws.scales is None:
        of_levels = np.full((len(noise), len(several)), np.nan)
    else:
        scale = draws.scales.mu_sd[..., several]
        of_levels = scale.reshape(-1, len(several)) ** 2
    return Variances(tuple(several), np.concatenate([of_levels, noise], axis=1))


def of_draws(estimator: str, draws: Draws, cells: Cells) -> pa.Table:
    """Tabulate the components of draws.

    Of standard deviations and variances the posterior median, as the upper tail of a
    level of few contributors is the prior's; shares are those of these variances, and
    add to 1. Intervals of shares are computed draw by draw. An interval is the central
    one, or starts at 0 if the
    component cannot be told from 0 (`intervals.reaches_zero`).

    Parameters
    ----------
    estimator : str
    draws : Draws
        In the units of the data. Without `Draws.scales`, where these are known and not
        estimated, levels have no component, and nothing has a share.
    cells : Cells
        In the same units.

    Returns
    -------
    pyarrow.Table
        With the columns of `COMPONENTS`.
    """
    found = variances(draws, cells)
    total = found.draws.sum(axis=1)
    columns: dict[str, list[float]] = {
        what + end: [] for what in ("sd", "variance", "share") for end in ENDS
    }
    for variance in found.draws.T:
        sd = np.sqrt(variance)
        from_zero = intervals.reaches_zero(sd)
        for what, values in (
            ("sd", sd),
            ("variance", variance),
            ("share", variance / total),
        ):
            summary = intervals.summary(values, from_zero, np.median)
            for end, number in zip(ENDS, summary, strict=True):
                columns[what + end].append(number)
    middle = np.asarray(columns["variance"])
    columns["share"] = list(middle / middle.sum())
    return _table(estimator, cells.levels, found.levels, columns)


def of_components(estimator: str, components: Components, levels: Levels) -> pa.Table:
    """Tabulate the components of an estimator without draws.

    A variance is the square of the standard deviation, and so are its ends. Shares have
    no interval: how the errors of the components go together is not known.

    Parameters
    ----------
    estimator : str
    components : Components
        In the units of the data.
    levels : Levels

    Returns
    -------
    pyarrow.Table
        With the columns of `COMPONENTS`.
    """
    several = tables.several(levels)
    chosen = [*several, levels.count]
    columns: dict[str, Array] = {}
    for end, values in zip(
        ENDS, (components.sd, components.lower_95, components.upper_95), strict=True
    ):
        columns[f"sd{end}"] = values[chosen]
        columns[f"variance{end}"] = values[chosen] ** 2
        columns[f"share{end}"] = np.full(len(chosen), np.nan)
    columns["share"] = columns["variance"] / columns["variance"].sum()
    return _table(estimator, levels, several, columns)


def _table(
    estimator: str,
    levels: Levels,
    several: Sequence[int],
    columns: dict[str, list[float]] | dict[str, Array],
) -> pa.Table:
    return tables.table(
        COMPONENTS,
        {
            "estimator": estimator,
            "component": [*(levels.names[level] for level in several), NOISE],
            "level": [*several, None],
        }
        | {name: np.asarray(values, float) for name, values in columns.items()},
    )
