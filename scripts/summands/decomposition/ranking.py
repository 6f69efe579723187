"""Which contributor of a level is the highest, the lowest, the noisiest, the quietest.

The probability is the share of the draws in which it is.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from summands.decomposition import tables
from summands.estimation.results import Draws
from summands.files.columns import schema
from summands.model.levels import Levels

Array = NDArray[np.float64]

OF_MEANS = ("highest_mu", "lowest_mu")
OF_NOISE = ("noisiest", "quietest")
QUESTIONS = OF_MEANS + OF_NOISE

RANKING = schema(
    ("estimator", pa.string(), "name of the estimator"),
    ("level", pa.int32(), "level, from 0"),
    ("level_name", pa.string(), "what the level is called"),
    ("contributor", pa.int32(), "contributor within the level, from 0"),
    ("label", pa.string(), "what the contributor is called"),
    ("question", pa.string(), f"one of {', '.join(QUESTIONS)}"),
    (
        "probability",
        pa.float64(),
        "that the contributor is the one: the share of the draws in which it is; adds "
        "to 1 over a level",
    ),
)


def of_draws(estimator: str, draws: Draws, levels: Levels) -> pa.Table:
    """Tabulate who is the extreme one of each level of several contributors.

    Parameters
    ----------
    estimator : str
    draws : Draws
    levels : Levels

    Returns
    -------
    pyarrow.Table
        With the columns of `RANKING`. Questions of noise are left out for levels whose
        contributors have one sigma in all draws, as with constant noise.
    """
    flat, questions, probability = [], [], []
    for level in tables.several(levels):
        mine = tables.members(levels, level)
        asked = [(OF_MEANS, draws.mu[..., mine])]
        sigma = draws.sigma[..., mine]
        if np.any(sigma != sigma[..., :1]):
            asked.append((OF_NOISE, sigma))
        for (highest, lowest), values in asked:
            ordered = values.reshape(-1, levels.sizes[level])
            for question, extreme in (
                (highest, ordered.max(axis=1)),
                (lowest, ordered.min(axis=1)),
            ):
                flat.append(np.arange(mine.start, mine.stop))
                questions += [question] * levels.sizes[level]
                probability.append(_shares(ordered, extreme))
    chosen = np.concatenate([np.zeros(0, int), *flat])
    return tables.table(
        RANKING,
        tables.whose(levels, chosen)
        | {
            "estimator": estimator,
            "question": questions,
            "probability": np.concatenate([np.zeros(0), *probability]),
        },
    )


def _shares(values: Array, extreme: Array) -> Array:
    """Share of the draws in which each one is the extreme; those who tie share it."""
    place, who = np.nonzero(values == extreme[:, None])
    tied = np.bincount(place, minlength=len(values))
    return np.bincount(who, 1.0 / tied[place], values.shape[1]) / len(values)
