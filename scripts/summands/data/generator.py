"""The generator: coefficients, and rows whose values are sums over the levels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from summands.data import seeds
from summands.data.design import Design
from summands.model.rows import Rows

# Rows are drawn in blocks of this length. It bounds the memory of a data set of any
# size and keeps a block in cache; as the streams are read block by block, it is part
# of what a seed means.
BLOCK = 65_536


@dataclass(frozen=True)
class Truth:
    """Coefficients of one replicate.

    Parameters
    ----------
    intercept : float
        b, in the unit of the values.
    mu : ndarray, shape (K,)
        Mean of each contributor, summing to zero within a level.
    sigma : ndarray, shape (K,)
        Standard deviation of each contributor.
    """

    intercept: float
    mu: NDArray[np.float64]
    sigma: NDArray[np.float64]


def draw_truth(design: Design, seed: int, replicate: int) -> Truth:
    """Coefficients of a replicate, drawn and centred, or as given.

    Given means that do not sum to zero within a level are centred too, and what is
    taken off them goes to the intercept, so that the sums keep their distribution.

    Parameters
    ----------
    design : Design
        A truth of "fixed" shares one draw among all replicates, that of the drawn
        replicate of the same number.
    seed : int
        The study's seed.
    replicate : int

    Returns
    -------
    Truth
    """
    levels = design.levels
    if design.coefficients is not None:
        given = np.array([pair for level in design.coefficients for pair in level])
        mu, sigma = given[:, 0], given[:, 1]
        intercept = float(levels.level_means(mu).sum())
        return Truth(intercept, levels.contrasts(mu), sigma)
    # Only designs with given coefficients leave their scales to the data.
    assert design.mu_sd is not None
    assert design.log_sigma_mean is not None
    assert design.log_sigma_sd is not None
    assert design.intercept_sd is not None
    rng = seeds.coefficients(seed, design, replicate)
    mu_sd, log_sigma_mean, log_sigma_sd = (
        scale
        if isinstance(scale, int | float)
        else scale.draw(rng, levels.count)[levels.level]
        for scale in (design.mu_sd, design.log_sigma_mean, design.log_sigma_sd)
    )
    mu = rng.normal(design.mu_mean, mu_sd, levels.contributors)
    sigma = rng.lognormal(log_sigma_mean, log_sigma_sd, levels.contributors)
    # Last: coefficients do not depend on it, nor the number itself on its scale.
    intercept = float(rng.standard_normal() * design.intercept_sd)
    return Truth(intercept, levels.contrasts(mu), sigma)


def draw_blocks(
    design: Design, truth: Truth, seed: int, replicate: int
) -> Iterator[Rows]:
    """Draw the rows of a replicate, block by block.

    Each row picks a contributor of every level with equal probability; its value is
    the intercept plus one normal number per level.

    Parameters
    ----------
    design : Design
    truth : Truth
    seed : int
        The study's seed.
    replicate : int

    Yields
    ------
    Rows
        Of `BLOCK` rows, the last of fewer.
    """
    levels = design.levels
    rng = seeds.generator(seed, design, replicate, "rows")
    for start in range(0, design.rows, BLOCK):
        size = min(BLOCK, design.rows - start)
        value = np.full(size, truth.intercept)
        picked = []
        for count, offset in zip(levels.sizes, levels.offsets, strict=True):
            mu = truth.mu[offset : offset + count]
            sigma = truth.sigma[offset : offset + count]
            dtype = np.min_scalar_type(count - 1)
            summand = rng.standard_normal(size)
            if count == 1:
                contributor = np.zeros(size, dtype)
                summand *= sigma[0]
            else:
                contributor = rng.integers(count, size=size, dtype=dtype)
                summand *= sigma[contributor]
                summand += mu[contributor]
            value += summand
            picked.append(contributor)
        yield Rows(levels, value, tuple(picked))


def draw_rows(design: Design, truth: Truth, seed: int, replicate: int) -> Rows:
    """Draw all rows of a replicate at once; see `draw_blocks`."""
    blocks = list(draw_blocks(design, truth, seed, replicate))
    return Rows(
        design.levels,
        np.concatenate([block.value for block in blocks]),
        tuple(
            np.concatenate(column)
            for column in zip(*(block.contributors for block in blocks), strict=True)
        ),
    )
