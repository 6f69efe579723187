"""Random streams, named by what they are for and by nothing else."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from summands.data.design import OF_COEFFICIENTS, Design


def seed_sequence(
    seed: int, design: Design, replicate: int | None, purpose: str
) -> np.random.SeedSequence:
    """Seed of one random stream of a study.

    It depends on the four arguments only: never on the place of the design in the
    grid, on batches, cores or the executor. So a study can grow, and be computed in
    any order, and every number stays what it was.

    Parameters
    ----------
    seed : int
        The study's seed.
    design : Design
        The design; its name does not matter, its content does.
    replicate : int or None
        The replicate; None for what all replicates of a design share.
    purpose : str
        What the stream is for, for instance "rows" or "estimator/nutpie".

    Returns
    -------
    numpy.random.SeedSequence
    """
    return _named(seed, [design.content, replicate, purpose])


def of_table(seed: int, purpose: str) -> np.random.SeedSequence:
    """Seed of one random stream of an observed table, whatever the table holds.

    Parameters
    ----------
    seed : int
        The study's seed.
    purpose : str
        What the stream is for, for instance "estimator/nutpie".
    """
    return _named(seed, ["observed", purpose])


def coefficients(
    seed: int, design: Design, replicate: int, purpose: str = "coefficients"
) -> np.random.Generator:
    """Make the generator of a replicate's coefficients.

    It depends on the study's seed, on what coefficients are drawn from and on the
    number of the truth: that of the replicate, or of the fixed truth. So designs that
    differ in anything else, such as their rows, are compared at the same truths.
    """
    content = design.content
    drawn_from = {key: content[key] for key in OF_COEFFICIENTS if key in content}
    number = design.truth_number if design.truth == "fixed" else replicate
    return np.random.default_rng(_named(seed, [drawn_from, number, purpose]))


def _named(seed: int, name: list[Any]) -> np.random.SeedSequence:
    """Seed of the stream of this name, which is made of plain JSON values."""
    text = json.dumps(name, sort_keys=True)
    words = np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=">u4")
    return np.random.SeedSequence(seed, spawn_key=tuple(int(word) for word in words))


def generator(
    seed: int, design: Design, replicate: int | None, purpose: str
) -> np.random.Generator:
    """Make the generator of one random stream; see `seed_sequence`."""
    return np.random.default_rng(seed_sequence(seed, design, replicate, purpose))


def integer_seed(seed: int, design: Design, replicate: int | None, purpose: str) -> int:
    """Seed below 2**63 for libraries that take an integer; see `seed_sequence`."""
    return as_integer(seed_sequence(seed, design, replicate, purpose))


def as_integer(sequence: np.random.SeedSequence) -> int:
    """Give a seed below 2**63, for libraries that take an integer."""
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
