"""Layouts: which contributors the rows of a simulated table have, one after the other.

What a layout draws (ranks, crossings, lots) is drawn anew for every replicate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from summands.data import mechanisms
from summands.data.mechanisms import Mechanism
from summands.model.levels import Levels

Column = NDArray[np.integer]

# Given a number of rows, the contributors of the next rows: level by level, as an index
# within the level. A column is drawn when it is asked for, not before.
Picks = Callable[[int], Iterator[Column]]

# Crossings that can be listed: so many, once in a random order, take 80 MB.
MOST_CROSSINGS = 10_000_000

# Rows whose crossings are drawn at a time.
PIECE = 10_000


@dataclass(frozen=True)
class Layout(Mechanism):
    """What a layout is asked."""

    def picks(self, levels: Levels, rows: int, rng: np.random.Generator) -> Picks:
        """Begin a table.

        Parameters
        ----------
        levels : Levels
        rows : int
            Of the whole table.
        rng : numpy.random.Generator
            Of the layout alone; but see `Uniform`.
        """
        raise NotImplementedError

    def cells(self, levels: Levels, rows: int) -> int:
        """Cells that can occur, at the most."""
        return min(rows, math.prod(levels.sizes))

    def problem(self, levels: Levels) -> str:
        """Say why levels cannot be laid out like this; empty where they can."""
        return ""


@dataclass(frozen=True)
class Uniform(Layout):
    """Each row picks a contributor of every level with equal probability."""

    NAME: ClassVar[str] = "uniform"

    def picks(self, levels: Levels, rows: int, rng: np.random.Generator) -> Picks:
        """See `Layout.picks`.

        With the generator of the noise, each column is drawn after the noise of its
        level: this is what seeds have always meant.
        """

        def pick(size: int) -> Iterator[Column]:
            for count in levels.sizes:
                dtype = _dtype(count)
                yield (
                    np.zeros(size, dtype)
                    if count == 1
                    else rng.integers(count, size=size, dtype=dtype)
                )

        return pick


@dataclass(frozen=True)
class Balanced(Layout):
    """All crossings equally often.

    The rows run through all of them, in a random order, again and again. Where rows are
    no multiple of the crossings, those of the last run are a random part of them, so
    that two crossings differ by one row at the most.
    """

    NAME: ClassVar[str] = "balanced"

    def picks(self, levels: Levels, rows: int, rng: np.random.Generator) -> Picks:
        """See `Layout.picks`."""
        crossings = math.prod(levels.sizes)

        def runs() -> Iterator[NDArray[np.int64]]:
            whole, rest = divmod(rows, crossings)
            together = -(-PIECE // crossings)
            for start in range(0, whole, together):
                count = min(together, whole - start)
                of_runs = np.tile(np.arange(crossings), (count, 1))
                yield rng.permuted(of_runs, axis=1).ravel()
            yield rng.choice(crossings, rest, replace=False)

        return _crossings(levels, runs())

    def problem(self, levels: Levels) -> str:
        """See `Layout.problem`."""
        return _too_many(self.NAME, levels)


@dataclass(frozen=True)
class Unequal(Layout):
    """Contributors take part unequally often, by Zipf's law.

    The one of rank r is picked with a probability in proportion to 1 / r to the power
    of the exponent. Ranks are shuffled for each level of each replicate.

    Parameters
    ----------
    exponent : float
    """

    NAME: ClassVar[str] = "unequal"
    OPTIONS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "exponent": {"type": "number", "exclusiveMinimum": 0, "examples": [1.5]}
    }

    exponent: float

    def picks(self, levels: Levels, rows: int, rng: np.random.Generator) -> Picks:
        """See `Layout.picks`."""
        edges = []
        for count in levels.sizes:
            share = np.arange(1.0, count + 1) ** -self.exponent
            edges.append(np.cumsum(rng.permutation(share / share.sum())))

        def pick(size: int) -> Iterator[Column]:
            for edge in edges:
                # The last edge is 1 but for rounding.
                found = np.searchsorted(edge[:-1], rng.random(size), side="right")
                yield found.astype(_dtype(len(edge)))

        return pick


@dataclass(frozen=True)
class Nested(Layout):
    """Each level inside the one before.

    Contributor k of m belongs to contributor floor(k p / m) of the p of the level
    before, so that all have equally many, or nearly so. A row picks one of the last
    level, each with equal probability, and the others follow. Level 0 is the baseline:
    if it has several contributors, they meet all others.
    """

    NAME: ClassVar[str] = "nested"
    OPTIONS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "inside": {"enum": [True], "examples": [True]}
    }

    inside: bool = True

    def picks(self, levels: Levels, rows: int, rng: np.random.Generator) -> Picks:
        """See `Layout.picks`."""
        first, *inner = levels.sizes
        # For each level, the contributor that each of the last level belongs to.
        chains = [np.arange(inner[-1])] if inner else []
        for outer, within in zip(inner[-2::-1], inner[:0:-1], strict=True):
            chains.append(chains[-1] * outer // within)

        def pick(size: int) -> Iterator[Column]:
            yield rng.integers(first, size=size, dtype=_dtype(first))
            if inner:
                last = rng.integers(inner[-1], size=size)
                for count, chain in zip(inner, reversed(chains), strict=True):
                    yield chain[last].astype(_dtype(count))

        return pick

    def cells(self, levels: Levels, rows: int) -> int:
        """See `Layout.cells`."""
        first, *inner = levels.sizes
        return min(rows, first * (inner[-1] if inner else 1))

    def problem(self, levels: Levels) -> str:
        """See `Layout.problem`."""
        for level in range(2, levels.count):
            outer, within = levels.sizes[level - 1], levels.sizes[level]
            if within < outer:
                return (
                    f"the {within} contributors of level {level} cannot be inside the "
                    f"{outer} of level {level - 1}, as each of those needs one: give "
                    "levels that do not get smaller, or another layout than nested"
                )
        return ""


@dataclass(frozen=True)
class Sparse(Layout):
    """A random share of the crossings occurs, the others never do.

    Those that occur hold together, so that the data determine all means once each of
    them has rows. Each is picked with equal probability.

    Parameters
    ----------
    share : float
    """

    NAME: ClassVar[str] = "sparse"
    OPTIONS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "share": {
            "type": "number",
            "exclusiveMinimum": 0,
            "exclusiveMaximum": 1,
            "examples": [0.3],
        }
    }

    share: float

    def picks(self, levels: Levels, rows: int, rng: np.random.Generator) -> Picks:
        """See `Layout.picks`."""
        chosen = self.crossings(levels, rng)

        def drawn() -> Iterator[NDArray[np.int64]]:
            while True:
                yield chosen[rng.integers(len(chosen), size=PIECE)]

        return _crossings(levels, drawn())

    def crossings(self, levels: Levels, rng: np.random.Generator) -> NDArray[np.int64]:
        """Choose the crossings that occur.

        One that is drawn first, then one for each other contributor, in random order,
        with contributors of the other levels that are there already: each adds a
        column to the span of the indicators, so that these have the rank of all
        crossings, 1 + sum_j (m_j - 1), and the means are identified
        (`summands.model.information`). The rest is drawn from all others.

        Parameters
        ----------
        levels : Levels
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of int, shape (round(share * crossings),)
            Numbers of crossings, in lexicographic order.
        """
        place = np.cumprod([1, *levels.sizes[:0:-1]])[::-1]
        there = [[int(rng.integers(size))] for size in levels.sizes]
        held = [int(np.dot(place, [one for (one,) in there]))]
        others = np.flatnonzero(
            levels.contributor != np.array([one for (one,) in there])[levels.level]
        )
        for k in rng.permutation(others):
            level, contributor = levels.level[k], int(levels.contributor[k])
            met = [one[int(rng.integers(len(one)))] for one in there]
            met[level] = contributor
            there[level].append(contributor)
            held.append(int(np.dot(place, met)))
        count = self._count(levels)
        drawn = rng.choice(math.prod(levels.sizes), count, replace=False)
        more = drawn[~np.isin(drawn, held)][: count - len(held)]
        return np.concatenate([held, more])

    def _count(self, levels: Levels) -> int:
        return round(self.share * math.prod(levels.sizes))

    def cells(self, levels: Levels, rows: int) -> int:
        """See `Layout.cells`."""
        return min(rows, self._count(levels))

    def problem(self, levels: Levels) -> str:
        """See `Layout.problem`."""
        crossings = math.prod(levels.sizes)
        fewest = levels.contributors - levels.count + 1
        if self._count(levels) < fewest:
            return (
                f"sparse {self.share:g} leaves {self._count(levels)} of the "
                f"{crossings} crossings of levels {list(levels.sizes)}, and the means "
                f"can be told apart with {fewest} at the least: give a larger share"
            )
        return _too_many(self.NAME, levels)


@dataclass(frozen=True)
class Chunked(Layout):
    """Rows come in lots, and those of a lot have the same contributors.

    Each lot picks one of every level with equal probability. The last lot may be
    shorter.

    Parameters
    ----------
    lot : int
        Rows of a lot.
    """

    NAME: ClassVar[str] = "chunked"
    OPTIONS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "lot": {"type": "integer", "minimum": 2, "examples": [25]}
    }

    lot: int

    def picks(self, levels: Levels, rows: int, rng: np.random.Generator) -> Picks:
        """See `Layout.picks`."""
        done = 0
        current = [0] * levels.count

        def pick(size: int) -> Iterator[Column]:
            nonlocal done
            # Rows that are left of the lot that the last block ended in.
            left = min(-done % self.lot, size)
            lots = -(-(size - left) // self.lot)
            done += size
            for level, count in enumerate(levels.sizes):
                picked = rng.integers(count, size=lots, dtype=_dtype(count))
                rest = np.repeat(picked, self.lot)[: size - left]
                yield np.concatenate([np.full(left, current[level], rest.dtype), rest])
                if lots:
                    current[level] = int(picked[-1])

        return pick

    def cells(self, levels: Levels, rows: int) -> int:
        """See `Layout.cells`."""
        return min(-(-rows // self.lot), math.prod(levels.sizes))


@dataclass(frozen=True)
class OfTable:
    """Contributors of the rows of a real table, in their order.

    Parameters
    ----------
    columns : tuple of J ndarrays of int, each of shape (N,)
    cells : int
        Combinations that occur.
    """

    columns: tuple[Column, ...]
    cells: int


@dataclass(frozen=True)
class Table(Layout):
    """The rows of a real table.

    Row i has the contributors of the table's row i; where a design has more rows, they
    begin again with the first.

    Parameters
    ----------
    digest : str
        Of the contributors of all rows.
    rows : OfTable, optional
        The rows, which are no part of a design's content.
    """

    NAME: ClassVar[str] = "table"
    OPTIONS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "digest": {"type": "string", "examples": ["lots.csv"]}
    }

    digest: str
    rows: OfTable | None = field(default=None, compare=False, repr=False)

    def picks(self, levels: Levels, rows: int, rng: np.random.Generator) -> Picks:
        """See `Layout.picks`."""
        assert self.rows is not None, "the table has not been read"
        columns = self.rows.columns
        done = 0

        def pick(size: int) -> Iterator[Column]:
            nonlocal done
            which = np.arange(done, done + size) % len(columns[0])
            done += size
            for column in columns:
                yield column[which]

        return pick

    def cells(self, levels: Levels, rows: int) -> int:
        """See `Layout.cells`."""
        occur = math.prod(levels.sizes) if self.rows is None else self.rows.cells
        return min(rows, occur)


UNIFORM = Uniform()

KINDS: tuple[type[Layout], ...] = (
    Uniform,
    Balanced,
    Unequal,
    Nested,
    Sparse,
    Chunked,
    Table,
)


def read(given: Any) -> Layout:
    """Read a layout; see `summands.data.mechanisms.read`."""
    found: Layout = mechanisms.read(KINDS, given)
    return found


def _crossings(levels: Levels, numbers: Iterator[NDArray[np.int64]]) -> Picks:
    """Make picks of the numbers of crossings, which come in pieces of any length."""
    waiting = np.empty(0, np.int64)

    def pick(size: int) -> Iterator[Column]:
        nonlocal waiting
        parts, there = [waiting], len(waiting)
        while there < size:
            parts.append(next(numbers))
            there += len(parts[-1])
        whole = np.concatenate(parts)
        waiting = whole[size:]
        columns = np.unravel_index(whole[:size], levels.sizes)
        for count, column in zip(levels.sizes, columns, strict=True):
            yield column.astype(_dtype(count))

    return pick


def _too_many(name: str, levels: Levels) -> str:
    crossings = math.prod(levels.sizes)
    if crossings <= MOST_CROSSINGS:
        return ""
    return (
        f"levels {list(levels.sizes)} have {crossings:,} crossings, and {name} takes "
        f"{MOST_CROSSINGS:,} at the most: give smaller levels, or another layout"
    )


def _dtype(count: int) -> np.dtype[Any]:
    """Smallest type of the indices of so many contributors."""
    return np.min_scalar_type(count - 1)
