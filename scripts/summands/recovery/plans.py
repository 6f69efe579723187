"""Plans: the rows that targets take of designs, and what fits with so many reach.

`recovery.rows_needed` works out the numbers; here they are held against simulated fits
and put into tables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from summands.data.design import Design
from summands.files.columns import schema
from summands.model import estimands
from summands.model.levels import Levels
from summands.recovery import montecarlo
from summands.recovery.montecarlo import CONFIDENCE, SHARE
from summands.recovery.rows_needed import DETECTION, TOP, WIDTH, Needed, Target

Array = NDArray[np.float64]

# Part of what is wanted that may be missing.
CLOSE = 0.05


@dataclass(frozen=True)
class Reached:
    """What simulated fits reach.

    Parameters
    ----------
    verified : float
        Of widths the median over replicates of the mean over contributors, of rates
        their mean.
    verified_lower, verified_upper : float or None
        95 % Monte-Carlo interval: of medians by order statistics (e.g. David and
        Nagaraja 2003, Order Statistics, section 7.1), of rates Wilson's.
    replicates : int
        With estimates and intervals of all that counts.
    """

    verified: float
    verified_lower: float | None
    verified_upper: float | None
    replicates: int


def verified(
    target: Target, levels: Levels, estimates: pa.Table, fits: pa.Table
) -> Reached | None:
    """Say what simulated fits reach.

    Parameters
    ----------
    target : Target
    levels : Levels
    estimates, fits : pyarrow.Table
        Of one design and estimator, see `summands.recovery.metrics_table.recovery`.

    Returns
    -------
    Reached or None
        None where the estimator gives no such estimate or interval.
    """
    columns = target.columns(levels)
    truth, estimate, lower, upper = (
        estimates[name].to_numpy().reshape(fits.num_rows, -1)[:, columns]
        for name in ("truth", "estimate", "lower_95", "upper_95")
    )
    asked = estimate if target.metric == TOP else upper - lower
    known = np.isfinite(asked).all(axis=1)
    if not known.any():
        return None
    count = int(known.sum())
    truth, estimate, lower, upper = (
        values[known] for values in (truth, estimate, lower, upper)
    )
    if target.metric == WIDTH:
        return _median((upper - lower).mean(axis=1))
    if target.metric == DETECTION:
        off = np.abs(truth).argmax(axis=1)[:, None]
        side = np.sign(np.take_along_axis(truth, off, axis=1))
        said = (lower > 0).astype(float) - (upper < 0)
        right = np.take_along_axis(said, off, axis=1) == side
    else:
        of_level = estimands.index(levels).level[columns]
        right = np.stack(
            [
                truth[:, of_level == level].argmax(axis=1)
                == estimate[:, of_level == level].argmax(axis=1)
                for level in np.unique(of_level)
            ],
            axis=1,
        )
    (measured,) = montecarlo.measure(
        [montecarlo.share(right.astype(float))], apart=False
    )
    low, high = montecarlo.intervals(
        np.array([SHARE]),
        measured.value,
        measured.mcse,
        np.array([count]),
        measured.count,
    )
    return Reached(float(measured.value[0]), _known(low[0]), _known(high[0]), count)


def _median(values: Array) -> Reached:
    import scipy.stats

    count, ordered = len(values), np.sort(values)
    below = int(scipy.stats.binom.ppf((1.0 - CONFIDENCE) / 2.0, count, 0.5))
    middle = float(np.median(values))
    if below == 0:
        return Reached(middle, None, None, count)
    low, high = float(ordered[below - 1]), float(ordered[count - below])
    return Reached(middle, low, high, count)


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def met(row: Any) -> bool:
    """Whether fits reach what is wanted, within a part of it or Monte-Carlo error.

    Parameters
    ----------
    row : mapping
        A row of `ROWS_NEEDED` that an estimator verifies.
    """
    best, sign = row["verified_upper"], 1.0
    if row["metric"] == WIDTH:
        best, sign = row["verified_lower"], -1.0
    best = row["verified"] if best is None or math.isnan(best) else best
    short = sign * (row["wanted"] - row["verified"])
    return bool(short <= CLOSE * row["wanted"] or sign * (row["wanted"] - best) <= 0)


ROWS_NEEDED = schema(
    (
        "design",
        pa.string(),
        "id of the design with as many rows, or, where there is no number, of the one "
        "with the fewest",
    ),
    ("levels", pa.list_(pa.int32()), "contributors per level"),
    ("target", pa.string(), "what is wanted, in words"),
    ("parameter", pa.string(), "mu or variance_contrast"),
    ("metric", pa.string(), "width_95, top_rate or detection"),
    ("level", pa.int32(), "level that counts; null: all of several contributors"),
    ("wanted", pa.float64(), "value that is wanted"),
    (
        "rows",
        pa.int64(),
        "rows that it takes, from the Fisher information: of widths the median over "
        "truths, of rates the number with which the mean over truths is the one wanted",
    ),
    (
        "lower",
        pa.int64(),
        "lower end of what the central 90 % of the truths take; null: without end",
    ),
    ("upper", pa.int64(), "upper end of that"),
    ("remark", pa.string(), "why there is no number, else null"),
    (
        "estimator",
        pa.string(),
        "estimator whose fits verify it; null where nothing was simulated",
    ),
    (
        "verified",
        pa.float64(),
        "what its fits reach with so many rows: of widths the median over replicates, "
        "of rates the mean",
    ),
    ("verified_lower", pa.float64(), "lower end of its 95 % Monte-Carlo interval"),
    ("verified_upper", pa.float64(), "upper end of that interval"),
    ("replicates", pa.int32(), "replicates that it rests on"),
)


@dataclass(frozen=True)
class Planned:
    """A design of a plan, and what one target takes of it.

    Parameters
    ----------
    design : Design
        With the rows that are needed, or, where there is no number, the fewest.
    target : Target
    needed : Needed
    """

    design: Design
    target: Target
    needed: Needed


def table(
    planned: Sequence[Planned], found: Mapping[tuple[str, str, str], Reached]
) -> pa.Table:
    """Tabulate a plan.

    Parameters
    ----------
    planned : sequence of Planned
    found : mapping
        By id of the design, words of the target and name of the estimator, what
        `verified` says; empty where nothing was simulated.

    Returns
    -------
    pyarrow.Table
        With the columns of `ROWS_NEEDED`: a row for each estimator that verifies a
        target, one for a target that none does.
    """
    rows = []
    for one in planned:
        said = {
            "design": one.design.id,
            "levels": list(one.design.levels.sizes),
            "target": str(one.target),
            "parameter": one.target.parameter,
            "metric": one.target.metric,
            "level": one.target.level,
            "wanted": one.target.wanted,
            "rows": one.needed.rows,
            "lower": one.needed.lower,
            "upper": one.needed.upper,
            "remark": one.needed.remark,
        }
        verifying = [
            {"estimator": estimator, **asdict(reached)}
            for (design, target, estimator), reached in found.items()
            if (design, target) == (said["design"], said["target"])
        ]
        rows += [said | each for each in verifying or [{}]]
    return pa.Table.from_pylist(rows, ROWS_NEEDED)


PLAN_CURVES = schema(
    ("design", pa.string(), "as in rows_needed.parquet"),
    ("target", pa.string(), "likewise"),
    ("wanted", pa.float64(), "value that is wanted"),
    ("needed", pa.int64(), "rows that it takes"),
    ("rows", pa.int64(), "rows around that number"),
    (
        "value",
        pa.float64(),
        "what they give by the Fisher information: the median width, or the mean rate, "
        "over truths",
    ),
)


def curves(planned: Sequence[Planned]) -> pa.Table:
    """Tabulate what numbers of rows around those that are needed give.

    Parameters
    ----------
    planned : sequence of Planned

    Returns
    -------
    pyarrow.Table
        With the columns of `PLAN_CURVES`.
    """
    rows = [
        {
            "design": one.design.id,
            "target": str(one.target),
            "wanted": one.target.wanted,
            "needed": one.needed.rows,
            "rows": rows,
            "value": value,
        }
        for one in planned
        for rows, value in one.needed.curve
    ]
    return pa.Table.from_pylist(rows, PLAN_CURVES)
