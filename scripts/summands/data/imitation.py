"""Tables like an observed one: on its layout, with coefficients from its posterior."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from summands.data import seeds
from summands.data.design import Design
from summands.data.generator import BLOCK, Truth
from summands.data.truths import POSTERIOR
from summands.model.cells import Cells
from summands.model.levels import Levels
from summands.model.problem import PRIORS, Problem
from summands.model.rows import Rows

Array = NDArray[np.float64]

# A table drawn alone, and the observed one together with it.
ALONE, JOINT = KINDS = ("alone", "joint")


def design(levels: Levels, rows: int) -> Design:
    """Make the design of such tables, whose priors follow the data as a table's do."""
    priors: dict[str, Any] = dict.fromkeys(PRIORS)
    return Design(levels, rows, truth=POSTERIOR, **priors)


def joint_design(problem: Problem, rows: int, *, estimates_scales: bool) -> Design:
    """Make the design of the observed table together with one such table.

    Parameters
    ----------
    problem : Problem
        Of the observed table: its priors stay, whatever is added to it.
    rows : int
        Of one of the two.
    estimates_scales : bool
        Whether scales have priors of their own.
    """
    priors = {name: getattr(problem, name) for name in PRIORS}
    if estimates_scales:
        assert problem.scales is not None
        priors |= vars(problem.scales)
    return Design(problem.levels, 2 * rows, truth=POSTERIOR, **priors)


def truth(
    intercept: Array, mu: Array, sigma: Array, seed: int, replicate: int
) -> Truth:
    """Take one draw of a posterior for the coefficients of a replicate.

    Parameters
    ----------
    intercept : ndarray, shape (chains, draws)
    mu, sigma : ndarray, shape (chains, draws, K)
    seed : int
        The study's seed.
    replicate : int

    Returns
    -------
    Truth
        Drawn with replacement, so that more replicates change none of those before.
    """
    rng = np.random.default_rng(seeds.of_table(seed, f"check/truth/{replicate}"))
    which = np.unravel_index(rng.integers(intercept.size), intercept.shape)
    return Truth(float(intercept[which]), mu[which], sigma[which])


def draw_blocks(
    cells: Cells, truth: Truth, seed: int, replicate: int
) -> Iterator[Rows]:
    """Draw a table with the contributors of another, block by block.

    As `summands.data.generator.draw_blocks` does, but the rows of a cell one after the
    other, and with one normal number a row: the sum of what contributors add is normal,
    with the sum of their variances.

    Parameters
    ----------
    cells : Cells
        Of the other table, of which contributors and numbers of rows count.
    truth : Truth
    seed : int
        The study's seed.
    replicate : int

    Yields
    ------
    Rows
        Of `BLOCK` rows, the last of fewer.
    """
    rng = np.random.default_rng(seeds.of_table(seed, f"check/rows/{replicate}"))
    mean = truth.intercept + truth.mu[cells.members].sum(axis=1)
    sd = np.sqrt((truth.sigma**2)[cells.members].sum(axis=1))
    ends = np.cumsum(cells.n)
    for start in range(0, int(ends[-1]), BLOCK):
        rows = np.arange(start, min(start + BLOCK, int(ends[-1])))
        cell = np.searchsorted(ends, rows, side="right")
        value = mean[cell] + sd[cell] * rng.standard_normal(len(rows))
        yield Rows(cells.levels, value, tuple(cells.contributors[cell].T))
