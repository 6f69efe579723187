"""Noise: the law of what contributors add at random, and what else moves the values.

Whatever its law, the noise of a contributor has the mean 0 and the standard deviation
sigma: laws are standardised, and sigma scales them.
"""

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


@dataclass(frozen=True)
class Noise(Mechanism):
    """A distribution with mean 0 and standard deviation 1."""

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """Draw independent numbers, shape (size,)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Normal(Noise):
    """Normal, as the model has it."""

    NAME: ClassVar[str] = "normal"

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """See `Noise.draw`."""
        return rng.standard_normal(size)


@dataclass(frozen=True)
class StudentT(Noise):
    """Student's t: heavy tails.

    Its excess kurtosis is 6 / (df - 4), and infinite for df of at most 4.

    Parameters
    ----------
    df : float
        Degrees of freedom, above 2.
    """

    NAME: ClassVar[str] = "student_t"
    OPTIONS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "df": {"type": "number", "exclusiveMinimum": 2, "examples": [4]}
    }

    df: float

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """See `Noise.draw`."""
        return rng.standard_t(self.df, size) * math.sqrt(1.0 - 2.0 / self.df)


@dataclass(frozen=True)
class SkewNormal(Noise):
    """Skew normal: one tail longer than the other.

    Azzalini (1985, Scandinavian J. of Statistics 12:171). A shape of 5 has the skewness
    0.85; with a negative one the long tail is the lower.

    Parameters
    ----------
    shape : float
    """

    NAME: ClassVar[str] = "skew_normal"
    OPTIONS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "shape": {"type": "number", "examples": [5]}
    }

    shape: float

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """See `Noise.draw`."""
        delta = self.shape / math.hypot(1.0, self.shape)
        mean = delta * math.sqrt(2.0 / math.pi)
        drawn = delta * np.abs(rng.standard_normal(size))
        drawn += math.sqrt(1.0 - delta**2) * rng.standard_normal(size)
        return (drawn - mean) / math.sqrt(1.0 - mean**2)


@dataclass(frozen=True)
class Contaminated(Noise):
    """Normal, with a share of outliers: normal numbers that are `factor` times as wide.

    Tukey's contaminated normal distribution. As sigma is the standard deviation of all,
    the sound ones have less.

    Parameters
    ----------
    share : float
        Of outliers.
    factor : float
        Standard deviation of outliers over that of the others.
    """

    NAME: ClassVar[str] = "contaminated"
    OPTIONS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "share": {
            "type": "number",
            "exclusiveMinimum": 0,
            "exclusiveMaximum": 1,
            "examples": [0.01],
        },
        "factor": {"type": "number", "exclusiveMinimum": 1, "examples": [10]},
    }

    share: float
    factor: float

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """See `Noise.draw`."""
        drawn = rng.standard_normal(size)
        drawn[rng.random(size) < self.share] *= self.factor
        return drawn / math.sqrt(1.0 + self.share * (self.factor**2 - 1.0))


NORMAL = Normal()

KINDS: tuple[type[Noise], ...] = (Normal, StudentT, SkewNormal, Contaminated)


def read(given: Any) -> Noise:
    """Read the law of a noise; see `summands.data.mechanisms.read`."""
    found: Noise = mechanisms.read(KINDS, given)
    return found


class Memory:
    """Autocorrelation of each contributor's own noise.

    Over the rows that a contributor takes part in, its standardised noise is
    e_t = r e_(t-1) + sqrt(1 - r^2) u_t, of independent u_t and with e_1 = u_1: the
    standard deviation stays 1, and what is k of its rows apart has the correlation r^k.

    Parameters
    ----------
    levels : Levels
    correlation : float
        r, of successive rows; between -1 and 1.
    """

    def __init__(self, levels: Levels, correlation: float) -> None:
        self._levels = levels
        self._correlation = correlation
        self._fresh = math.sqrt(1.0 - correlation**2)
        self._last = np.full(levels.contributors, np.nan)

    def remember(
        self, level: int, contributor: NDArray[np.integer], drawn: Array
    ) -> Array:
        """Make noise of a level of the next rows depend on what was before.

        Parameters
        ----------
        level : int
        contributor : ndarray of int, shape (N,)
            Index within the level.
        drawn : ndarray, shape (N,)
            Independent numbers.
        """
        # Takes long to import, and only such designs need it.
        import scipy.signal

        order = np.argsort(contributor, kind="stable")
        sorted_ = contributor[order].astype(np.int64)
        starts = np.flatnonzero(np.diff(sorted_, prepend=-1))
        result = np.empty_like(drawn)
        for rows in np.split(order, starts[1:]):
            k = self._levels.offsets[level] + contributor[rows[0]]
            carried = (
                (1.0 - self._fresh) * drawn[rows[0]]
                if np.isnan(self._last[k])
                else self._correlation * self._last[k]
            )
            result[rows], _ = scipy.signal.lfilter(
                [self._fresh], [1.0, -self._correlation], drawn[rows], zi=[carried]
            )
            self._last[k] = result[rows[-1]]
        return result


class Drift:
    """Means of contributors that move over the rows of a table.

    Row i of N adds `sd` s_k t_i for each contributor k that it has, with a slope
    s_k ~ Normal(0, 1) that is drawn for each replicate, and with

        t_i = (i - (N + 1) / 2) / sqrt((N^2 - 1) / 12),

    which has the mean 0 and the standard deviation 1 over the rows. So from the first
    row to the last a mean moves by sqrt(12) `sd` s_k.

    Parameters
    ----------
    levels : Levels
    rows : int
        N.
    sd : float
        Standard deviation, over rows and contributors, of what is added at each level.
    rng : numpy.random.Generator
    """

    def __init__(
        self, levels: Levels, rows: int, sd: float, rng: np.random.Generator
    ) -> None:
        self._levels = levels
        self._rows = rows
        self._slope = sd * rng.standard_normal(levels.contributors)

    def moved(self, start: int, level: int, contributor: NDArray[np.integer]) -> Array:
        """Give what is added to rows at one level.

        Parameters
        ----------
        start : int
            The first of the rows.
        level : int
        contributor : ndarray of int, shape (N,)
            Index within the level.
        """
        row = np.arange(start, start + len(contributor))
        middle = (self._rows - 1) / 2
        scale = math.sqrt((self._rows**2 - 1) / 12) or 1.0
        slope = self._slope[self._levels.offsets[level] :][contributor]
        return slope * ((row - middle) / scale)


class Interaction:
    """A random effect of each cell, Normal(0, sd).

    Effects are not held, as there may be more cells than memory has room for: each is
    worked out of random words of the contributors that meet, wherever the cell occurs.

    Parameters
    ----------
    levels : Levels
    sd : float
    rng : numpy.random.Generator
    """

    def __init__(self, levels: Levels, sd: float, rng: np.random.Generator) -> None:
        words = rng.integers(2**64, size=levels.contributors, dtype=np.uint64)
        self._words = np.split(words, levels.offsets[1:])
        self._sd = sd

    def of(self, contributors: list[NDArray[np.integer]]) -> Array:
        """Effects of the cells of rows.

        Parameters
        ----------
        contributors : list of J ndarrays of int, each of shape (N,)
        """
        # Takes long to import, and only such designs need it.
        import scipy.special

        word = np.zeros(len(contributors[0]), np.uint64)
        for words, picked in zip(self._words, contributors, strict=True):
            word ^= words[picked]
        # The last step of SplitMix64 (Steele, Lea and Flood 2014, OOPSLA, figure 17).
        # Without it, what two contributors differ by would be the same word in every
        # cell.
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            word = (word ^ (word >> np.uint64(shift))) * np.uint64(factor)
        word ^= word >> np.uint64(31)
        uniform = ((word >> np.uint64(11)) + 0.5) * 2.0**-53
        return self._sd * np.asarray(scipy.special.ndtri(uniform))
