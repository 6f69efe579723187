"""How far the contributors of a level are apart, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from summands.decomposition import intervals, tables
from summands.estimation.results import Draws
from summands.files.columns import schema
from summands.model.levels import Levels

# Contributors beyond which nobody reads their pairs.
MOST = 100

PARAMETERS = ("mu", "sigma")

DIFFERENCES = schema(
    ("estimator", pa.string(), "name of the estimator"),
    ("level", pa.int32(), "level, from 0"),
    ("level_name", pa.string(), "what the level is called"),
    ("contributor", pa.int32(), "first of the pair, from 0 within the level"),
    ("label", pa.string(), "what it is called"),
    ("other", pa.int32(), "second of the pair"),
    ("other_label", pa.string(), "what it is called"),
    ("parameter", pa.string(), f"one of {', '.join(PARAMETERS)}"),
    ("estimate", pa.float64(), "posterior mean of the first less the second"),
    ("sd", pa.float64(), "its posterior standard deviation"),
    ("lower_95", pa.float64(), "lower end of the central 95 % interval"),
    ("upper_95", pa.float64(), "upper end of that interval"),
    ("probability", pa.float64(), "that the first is larger than the second"),
)


def check(levels: Levels, names: Sequence[str]) -> list[int]:
    """Find the levels whose differences are asked for.

    Parameters
    ----------
    levels : Levels
    names : sequence of str

    Returns
    -------
    list of int

    Raises
    ------
    ValueError
        If a level is not there, has one contributor, or has more than `MOST`.
    """
    chosen = [tables.number(levels, name) for name in names]
    for level in chosen:
        size = levels.sizes[level]
        if size > MOST:
            raise ValueError(
                f"differences of level {levels.names[level]!r}: its {size} "
                f"contributors make {size * (size - 1) // 2} pairs; ask for levels of "
                f"at most {MOST} contributors"
            )
    return chosen


def of_draws(
    estimator: str, draws: Draws, levels: Levels, names: Sequence[str]
) -> pa.Table:
    """Tabulate the differences between the contributors of some levels.

    Parameters
    ----------
    estimator : str
    draws : Draws
        In the units of the data.
    levels : Levels
    names : sequence of str
        Of the levels.

    Returns
    -------
    pyarrow.Table
        With the columns of `DIFFERENCES`: a row for each pair, the first before the
        second. Differences of sigma are left out for levels whose contributors have one
        sigma in all draws, as with constant noise.

    Raises
    ------
    ValueError
        See `check`.
    """
    first, second, parameters, numbers = [], [], [], []
    for level in check(levels, names):
        mine, size = tables.members(levels, level), levels.sizes[level]
        for parameter in PARAMETERS:
            values = getattr(draws, parameter)[..., mine].reshape(-1, size)
            if parameter == "sigma" and np.all(values == values[:, :1]):
                continue
            for k in range(size - 1):
                apart = values[:, k, None] - values[:, k + 1 :]
                numbers.append(
                    [
                        apart.mean(axis=0),
                        apart.std(axis=0, ddof=1),
                        *np.quantile(apart, intervals.CENTRAL, axis=0),
                        # Those who tie are as likely the larger as the smaller.
                        (apart > 0).mean(axis=0) + 0.5 * (apart == 0).mean(axis=0),
                    ]
                )
                first.append(np.full(size - 1 - k, mine.start + k))
                second.append(np.arange(mine.start + k + 1, mine.stop))
                parameters += [parameter] * (size - 1 - k)
    nothing = np.zeros(0, int)
    other = np.concatenate([nothing, *second])
    columns = np.concatenate([np.zeros((5, 0)), *numbers], axis=1)
    return tables.table(
        DIFFERENCES,
        tables.whose(levels, np.concatenate([nothing, *first]))
        | {
            "estimator": estimator,
            "other": levels.contributor[other],
            "other_label": levels.label[other],
            "parameter": parameters,
        }
        | dict(
            zip(
                ("estimate", "sd", "lower_95", "upper_95", "probability"),
                columns,
                strict=True,
            )
        ),
    )
