"""Truths that are neither drawn from the priors nor given one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from summands.data import mechanisms
from summands.data.mechanisms import Mechanism
from summands.model.levels import Levels

Array = NDArray[np.float64]

# Truths that are words: coefficients drawn from the priors.
WORDS = ("drawn", "fixed")

# A word of no study file: coefficients drawn from the posterior of an observed table,
# for its check.
POSTERIOR = "posterior"


@dataclass(frozen=True)
class OneOff(Mechanism):
    """All contributors alike but one, which is what fault finding looks for.

    All have the mean 0 and the sigma exp(`log_sigma_mean`). Of the one, which is drawn
    for every replicate, the mean is `shift` times the standard deviation of a row of
    the others, and sigma is multiplied by `noise`. Its level is drawn too, among those
    of several contributors, unless `level` says which. Other shifts and noises have the
    same one in the same replicate.

    Parameters
    ----------
    shift : float, optional
    noise : float, optional
    level : int, optional
        Its number, from 0.
    """

    NAME: ClassVar[str] = "one_off"
    OPTIONS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "shift": {"type": "number", "examples": [3]},
        "noise": {"type": "number", "minimum": 0, "examples": [3]},
        "level": {"type": "integer", "minimum": 0, "examples": [1]},
    }

    shift: float = 0.0
    noise: float = 1.0
    level: int | None = None

    def of(
        self, levels: Levels, sigma: Array, rng: np.random.Generator
    ) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Draw the one, and give all coefficients.

        Parameters
        ----------
        levels : Levels
        sigma : ndarray, shape (K,)
            Of all that are alike.
        rng : numpy.random.Generator

        Returns
        -------
        mu, sigma : ndarray, shape (K,)
            The means are not centred.
        off : ndarray of bool, shape (K,)
            Which is the one.
        """
        several = np.flatnonzero(np.asarray(levels.sizes) > 1)
        # Drawn in any case: which one it is does not depend on who chose its level.
        level = int(rng.choice(several))
        level = level if self.level is None else self.level
        one = levels.offsets[level] + rng.integers(levels.sizes[level])
        off = np.arange(levels.contributors) == one
        row = math.sqrt(levels.level_means(sigma**2).sum())
        return self.shift * row * off, np.where(off, self.noise, 1.0) * sigma, off

    def problem(self, levels: Levels) -> str:
        """Say why levels cannot have such a truth; empty where they can."""
        if max(levels.sizes) == 1:
            return f"no level of {list(levels.sizes)} has several contributors"
        if self.level is None:
            return ""
        if self.level >= levels.count:
            return (
                f"one_off.level {self.level}: the levels {list(levels.sizes)} have the "
                f"numbers 0 to {levels.count - 1}"
            )
        if levels.sizes[self.level] == 1:
            return (
                f"one_off.level {self.level}: has one contributor, which differs from "
                "nobody"
            )
        return ""


KINDS = (OneOff,)


def read(given: Any) -> str | OneOff:
    """Read a truth; see `summands.data.mechanisms.read`."""
    if isinstance(given, str):
        return given
    found: OneOff = mechanisms.read(KINDS, given)
    return found
