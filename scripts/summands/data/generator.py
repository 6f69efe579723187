"""The generator: coefficients, and rows whose values are sums over the levels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from summands.data import seeds
from summands.data.design import Design
from summands.data.layouts import UNIFORM
from summands.data.noises import Drift, Interaction, Memory
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
    off : ndarray of bool, shape (K,), optional
        Which contributor differs from all others, where one is said to.
    """

    intercept: float
    mu: NDArray[np.float64]
    sigma: NDArray[np.float64]
    off: NDArray[np.bool_] | None = None


def draw_truth(design: Design, seed: int, replicate: int) -> Truth:
    """Coefficients of a replicate, drawn and centred, or as given.

    Given means, and those of a truth with one that is off, do not sum to zero within a
    level: they are centred too, and what is taken off them goes to the intercept, so
    that the sums keep their distribution.

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
    one_off = None if isinstance(design.truth, str) else design.truth
    rng = seeds.coefficients(
        seed, design, replicate, "one_off" if one_off else "coefficients"
    )
    mu_sd, log_sigma_mean, log_sigma_sd = (
        scale
        if isinstance(scale, int | float)
        else scale.draw(rng, levels.count)[levels.level]
        for scale in (design.mu_sd, design.log_sigma_mean, design.log_sigma_sd)
    )
    if one_off:
        sigma = np.exp(np.broadcast_to(log_sigma_mean, levels.contributors))
        mu, sigma, off = one_off.of(levels, sigma, rng)
        intercept = float(rng.standard_normal() * design.intercept_sd)
        intercept += float(levels.level_means(mu).sum())
        return Truth(intercept, levels.contrasts(mu), sigma, off)
    mu = rng.normal(design.mu_mean, mu_sd, levels.contributors)
    sigma = rng.lognormal(log_sigma_mean, log_sigma_sd, levels.contributors)
    # Last: coefficients do not depend on it, nor the number itself on its scale.
    intercept = float(rng.standard_normal() * design.intercept_sd)
    return Truth(intercept, levels.contrasts(mu), sigma)


def draw_blocks(
    design: Design, truth: Truth, seed: int, replicate: int
) -> Iterator[Rows]:
    """Draw the rows of a replicate, block by block.

    Each row has a contributor of every level, as the layout says, and its value is the
    intercept plus what they add:

        x_i = b + sum_j (mu_jk + sigma_jk e_ij + d_jk t_i) + g_cell,   k = c_ij

    with noise e of the design's law, independent but for the autocorrelation of each
    contributor's own; and with drift d t and interaction g where the design has them,
    see `summands.data.noises`.

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

    def stream(purpose: str) -> np.random.Generator:
        return seeds.generator(seed, design, replicate, purpose)

    rng = stream("rows")
    # A uniform layout shares the stream of the noise, whose turns are what they were
    # when there was no other: numbers stay the same.
    picks = design.layout.picks(
        levels, design.rows, rng if design.layout == UNIFORM else stream("layout")
    )
    memory = Memory(levels, design.autocorrelation) if design.autocorrelation else None
    drift = (
        Drift(levels, design.rows, design.drift, stream("drift"))
        if design.drift
        else None
    )
    interaction = (
        Interaction(levels, design.interaction_sd, stream("interaction"))
        if design.interaction_sd
        else None
    )
    for start in range(0, design.rows, BLOCK):
        size = min(BLOCK, design.rows - start)
        value = np.full(size, truth.intercept)
        columns = picks(size)
        picked: list[NDArray[np.integer]] = []
        for level, (count, offset) in enumerate(
            zip(levels.sizes, levels.offsets, strict=True)
        ):
            mu = truth.mu[offset : offset + count]
            sigma = truth.sigma[offset : offset + count]
            # Before the column of the layout, see there.
            summand = design.noise.draw(rng, size)
            contributor = next(columns)
            if memory:
                summand = memory.remember(level, contributor, summand)
            if count == 1:
                summand *= sigma[0]
            else:
                summand *= sigma[contributor]
                summand += mu[contributor]
            if drift:
                summand += drift.moved(start, level, contributor)
            value += summand
            picked.append(contributor)
        if interaction:
            value += interaction.of(picked)
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
