"""Measurement-system analysis: what a gauge adds to what differs between parts.

Names and formulas are those of the manual of the Automotive Industry Action Group
(AIAG 2010, Measurement Systems Analysis, 4th edition, chapter III, section B).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from summands.decomposition import components, intervals, tables
from summands.estimation.results import Components, Draws
from summands.files.columns import schema
from summands.model.cells import Cells
from summands.model.levels import Levels

Array = NDArray[np.float64]

SOURCES = ("repeatability", "reproducibility", "gauge", "part", "total")

# Width of the values that a source makes, in its standard deviations (AIAG: 99.73 %).
WIDTH = 6.0

# Of the number of distinct categories: the square root of 2 with the manual's digits,
# as software that is checked against its tables has it.
CATEGORIES = 1.41

ENDS = components.ENDS

GAUGE = schema(
    ("estimator", pa.string(), "name of the estimator"),
    (
        "source",
        pa.string(),
        "repeatability: the noise; reproducibility: all levels but the parts; gauge: "
        "both; part; total: all",
    ),
    ("sd", pa.float64(), "standard deviation of the values that the source makes"),
    ("sd_lower_95", pa.float64(), "lower end of its 95 % interval, as in components"),
    ("sd_upper_95", pa.float64(), "upper end of that interval"),
    ("contribution", pa.float64(), "% of the total variance"),
    ("contribution_lower_95", pa.float64(), "lower end of its 95 % interval"),
    ("contribution_upper_95", pa.float64(), "upper end of that interval"),
    ("study_variation", pa.float64(), "% of the total standard deviation"),
    ("study_variation_lower_95", pa.float64(), "lower end of its 95 % interval"),
    ("study_variation_upper_95", pa.float64(), "upper end of that interval"),
    (
        "tolerance_share",
        pa.float64(),
        f"{WIDTH:g} standard deviations in % of the tolerance; null without one",
    ),
    ("tolerance_share_lower_95", pa.float64(), "lower end of its 95 % interval"),
    ("tolerance_share_upper_95", pa.float64(), "upper end of that interval"),
    (
        "ndc",
        pa.float64(),
        f"in the row of the gauge: number of distinct categories, {CATEGORIES} times "
        "the standard deviation of the parts over that of the gauge; AIAG takes its "
        "whole part and asks for 5",
    ),
    ("ndc_lower_95", pa.float64(), "lower end of its 95 % interval"),
    ("ndc_upper_95", pa.float64(), "upper end of that interval"),
)


def of_draws(
    estimator: str,
    draws: Draws,
    cells: Cells,
    part: str,
    tolerance: float | None = None,
    also_parts: Collection[str] = (),
) -> pa.Table:
    """Tabulate the measurement-system analysis of draws.

    Repeatability is the noise. Reproducibility is all that can shift a reading of the
    same part: the operators, their interaction with the parts where that is a level
    (AIAG), and days, runs and instruments (NIST/SEMATECH e-Handbook, section 2.4.3;
    ISO 5725-1, reproducibility conditions). What parts share by their origin, as a
    batch, belongs to the parts, and has to be named.

    Parameters
    ----------
    estimator : str
    draws : Draws
        With `Draws.scales`, in the units of the data.
    cells : Cells
    part : str
        Name of the level of the parts.
    tolerance : float, optional
        Width of the tolerance, in the units of the data.
    also_parts : collection of str, optional
        Names of other levels that make parts differ.

    Returns
    -------
    pyarrow.Table
        With the columns of `GAUGE`. Estimates are those of the components' variances
        (`components.of_draws`), intervals those of the draws.

    Raises
    ------
    ValueError
        If no level is called so.
    """
    found = components.variances(draws, cells)
    variance = _sources(found.draws, cells.levels, {part, *also_parts})
    sd = np.sqrt(variance)
    columns: dict[str, list[float]] = {}
    from_zero = [intervals.reaches_zero(column) for column in sd.T]
    middle = np.median(found.draws, axis=0)
    points = _figures(
        _sources(middle[None], cells.levels, {part, *also_parts}), tolerance
    )
    for name, values in _figures(variance, tolerance).items():
        for number, column in enumerate(values.T):
            zero = from_zero[number]
            if name == "ndc":
                zero = from_zero[SOURCES.index("part")]
            _, *ends = intervals.summary(column, zero)
            summary = [points[name][0, number], *ends]
            for end, value in zip(ENDS, summary, strict=True):
                columns.setdefault(name + end, []).append(value)
    return tables.table(
        GAUGE,
        {"estimator": estimator, "source": SOURCES}
        | {name: np.asarray(values) for name, values in columns.items()},
    )


def of_components(
    estimator: str,
    found: Components,
    levels: Levels,
    part: str,
    tolerance: float | None = None,
    also_parts: Collection[str] = (),
) -> pa.Table:
    """Tabulate the measurement-system analysis of an estimator without draws.

    Intervals are those of its components: there are none of sums of components, and of
    ratios, as how the errors go together is not known. Otherwise see `of_draws`.

    Parameters
    ----------
    estimator : str
    found : Components
        In the units of the data.
    levels : Levels
    part : str
    tolerance : float, optional
    also_parts : collection of str, optional

    Returns
    -------
    pyarrow.Table
        With the columns of `GAUGE`.

    Raises
    ------
    ValueError
        If no level is called so.
    """
    chosen = [*tables.several(levels), levels.count]
    parts = {part, *also_parts}
    figures = _figures(_sources(found.sd[None, chosen] ** 2, levels, parts), tolerance)
    columns: dict[str, Array] = {}
    for name, values in figures.items():
        columns[name] = values[0]
        for end in ENDS[1:]:
            columns[name + end] = np.full(len(SOURCES), np.nan)
    # A sum over one component has its ends; over more, the sum of squares is NaN.
    for end, values in zip(ENDS[1:], (found.lower_95, found.upper_95), strict=True):
        groups = _groups(levels, parts)
        for source, mine in zip(SOURCES, groups, strict=True):
            if len(mine) == 1:
                sd = values[chosen][mine[0]]
                place = SOURCES.index(source)
                columns[f"sd{end}"][place] = sd
                if tolerance is not None:
                    columns[f"tolerance_share{end}"][place] = (
                        100.0 * WIDTH * sd / tolerance
                    )
    return tables.table(GAUGE, {"estimator": estimator, "source": SOURCES} | columns)


def _groups(levels: Levels, parts: Collection[str]) -> list[list[int]]:
    """Places of the components that make each source, in the order of `SOURCES`."""
    several = tables.several(levels)
    of_parts = {tables.number(levels, name) for name in parts}
    part = [place for place, level in enumerate(several) if level in of_parts]
    others = [place for place, level in enumerate(several) if level not in of_parts]
    noise = [len(several)]
    return [noise, others, others + noise, part, part + others + noise]


def _sources(variance: Array, levels: Levels, parts: Collection[str]) -> Array:
    """Variance of each source, shape (S, 5), from those of the components."""
    return np.stack(
        [variance[:, mine].sum(axis=1) for mine in _groups(levels, parts)], axis=1
    )


def _figures(variance: Array, tolerance: float | None) -> dict[str, Array]:
    """Compute what the table says of each source, shape (S, 5) each."""
    sd = np.sqrt(variance)
    total = SOURCES.index("total")
    gauge = SOURCES.index("gauge")
    share = variance / variance[:, total, None]
    categories = np.full_like(sd, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        categories[:, gauge] = CATEGORIES * (
            sd[:, SOURCES.index("part")] / sd[:, gauge]
        )
    return {
        "sd": sd,
        "contribution": 100.0 * share,
        "study_variation": 100.0 * np.sqrt(share),
        "tolerance_share": np.full_like(sd, np.nan)
        if tolerance is None
        else 100.0 * WIDTH * sd / tolerance,
        "ndc": categories,
    }
