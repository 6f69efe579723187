"""How far rows scatter with a contributor, beside the others of its level.

Rows that differ in the contributors of one level alone differ in their variance by what
data determine, the contrasts within that level, and so do averages of such rows over
the rest of the table. With p_k the share of the rows that contributor k of level j
takes part in, and the contributors of all other levels as they are in the table, the
mean variance of rows is

    v_k = r_j + sigma_k^2,    r_j = sum over the other levels of sum_i p_i sigma_i^2

with k, and r_j + sum_{i != k} p_i sigma_i^2 / (1 - p_k) with the others of its level.
Weighted by p_k and 1 - p_k they add to the variance of the noise (`components`). Who
meets whom does not matter: a contributor is not noisy for its company.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from summands.decomposition import intervals, tables
from summands.estimation.results import Draws
from summands.files.columns import schema
from summands.model import indicators
from summands.model.cells import Cells

Array = NDArray[np.float64]

# Contributors whose draws are worked on at a time.
BLOCK = 100

SCATTER = schema(
    ("estimator", pa.string(), "name of the estimator"),
    ("level", pa.int32(), "level, from 0"),
    ("level_name", pa.string(), "what the level is called"),
    ("contributor", pa.int32(), "contributor within the level, from 0"),
    ("label", pa.string(), "what the contributor is called"),
    (
        "sd",
        pa.float64(),
        "standard deviation of rows with the contributor, around what the means of "
        "their contributors add to: root of their mean variance, the contributors of "
        "the other levels as they are in the table; posterior median. As far as "
        "`variance_contrast` is identified, so is this",
    ),
    ("sd_lower_95", pa.float64(), "lower end of its central 95 % interval"),
    ("sd_upper_95", pa.float64(), "upper end of that interval"),
    (
        "others_sd",
        pa.float64(),
        "the same of rows with the others of its level, as often as each occurs",
    ),
    ("others_sd_lower_95", pa.float64(), "lower end of its 95 % interval"),
    ("others_sd_upper_95", pa.float64(), "upper end of that interval"),
    ("ratio", pa.float64(), "`sd` over `others_sd`, draw by draw; posterior median"),
    ("ratio_lower_95", pa.float64(), "lower end of its 95 % interval"),
    ("ratio_upper_95", pa.float64(), "upper end of that interval"),
)


def of_draws(estimator: str, draws: Draws, cells: Cells) -> pa.Table:
    """Tabulate how far rows scatter with each contributor and with the others.

    Parameters
    ----------
    estimator : str
    draws : Draws
        In the units of the data.
    cells : Cells
        Those of the table.

    Returns
    -------
    pyarrow.Table
        With the columns of `SCATTER`. Levels whose contributors have one sigma in all
        draws, as with constant noise, are left out.
    """
    levels = cells.levels
    rows = indicators.sums(cells.members, cells.n.astype(float), levels.contributors)
    share = rows / cells.n.sum()
    sigma = draws.sigma.reshape(-1, levels.contributors)
    of_levels = np.stack(
        [_mean(sigma, share, tables.members(levels, j)) for j in range(levels.count)]
    )
    flat, numbers = [np.zeros(0, int)], [np.zeros((0, 9))]
    for level in tables.several(levels):
        mine = tables.members(levels, level)
        if np.all(sigma[:, mine] == sigma[:, [mine.start]]):
            continue
        rest = np.delete(of_levels, level, axis=0).sum(axis=0)[:, None]
        for start in range(mine.start, mine.stop, BLOCK):
            block = np.arange(start, min(start + BLOCK, mine.stop))
            variance = sigma[:, block] ** 2
            others = of_levels[level][:, None] - share[block] * variance
            sd = np.sqrt(rest + variance)
            others_sd = np.sqrt(rest + np.maximum(others, 0.0) / (1 - share[block]))
            flat.append(block)
            numbers.append(
                np.concatenate(
                    [
                        np.quantile(each, (0.5, *intervals.CENTRAL), axis=0)
                        for each in (sd, others_sd, sd / others_sd)
                    ]
                ).T
            )
    names = SCATTER.names[5:]
    return tables.table(
        SCATTER,
        {"estimator": estimator}
        | tables.whose(levels, np.concatenate(flat))
        | dict(zip(names, np.concatenate(numbers).T, strict=True)),
    )


def _mean(sigma: Array, share: Array, mine: slice) -> Array:
    """Mean over rows of what a level adds to their variance, in each draw."""
    of_level: Array = np.einsum(
        "sk,sk,k->s", sigma[:, mine], sigma[:, mine], share[mine]
    )
    return of_level
