"""Rows that a wanted precision takes, from the Fisher information of a design.

With the information of its rows, estimates are nearly normal, with covariances in
inverse proportion to the number of rows, and what is wanted of them can be solved for
that number (`summands.model.information`; for detection as in any power analysis, e.g.
Cohen 1988, Statistical Power Analysis). The information does not know of priors, nor of
the skewness of few rows: `summands.recovery.plans` holds it against simulated fits.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import NDArray

from summands.data import generator, seeds
from summands.data.design import Design
from summands.data.generator import Truth
from summands.data.truths import OneOff
from summands.model import cells as numerics
from summands.model import estimands, information
from summands.model.cells import Cells
from summands.model.levels import Levels
from summands.recovery.montecarlo import CONFIDENCE

Array = NDArray[np.float64]

# What can be wanted of estimates.
WIDTH, TOP, DETECTION = METRICS = ("width_95", "top_rate", "detection")

# Half the width of a 95 % interval, in standard errors.
HALF = float(scipy.special.ndtri(0.5 + CONFIDENCE / 2.0))

# Truths that a number of rows is worked out for, those among them with which it is
# looked for, and draws of estimates for each.
TRUTHS, FEW, DRAWS = 256, 64, 500

# Rows of the first table that is laid out, and of the largest one; a larger one has the
# same shares of rows.
FIRST, LARGEST = 10_000, 100_000

# The answer is worked out again for a table of as many rows as it says, until it does
# not move by more than this share.
PASSES, NEAR = 12, 0.02

# More rows than these are no plan.
MOST = 10**9

# Points of a curve, which reaches from a tenth of the rows to ten times them.
POINTS, REACH = 21, 10.0

# Central part of the truths that `Needed.lower` and `upper` hold.
CENTRAL = 0.9


@dataclass(frozen=True)
class Target:
    """What is wanted.

    Parameters
    ----------
    parameter : {"mu", "variance_contrast"}
    metric : {"width_95", "top_rate", "detection"}
        Mean width of 95 % intervals over the contributors; how often the largest is
        named; how often the one that is off is said to be.
    wanted : float
        Its value, the width in the unit of the parameter.
    level : int, optional
        The level that counts, by number; by default all of several contributors.
    shift, noise : float, optional
        Of detection: how far the one is off, see `summands.data.truths.OneOff`.
    """

    parameter: str
    metric: str
    wanted: float
    level: int | None = None
    shift: float = 0.0
    noise: float = 1.0

    def __str__(self) -> str:
        said = f"{self.parameter} {self.metric} {self.wanted:g}"
        if self.metric == DETECTION:
            said += f" of shift {self.shift:g}" * bool(self.shift)
            said += f" of noise {self.noise:g}" * (self.noise != 1.0)
        return said + (f" at level {self.level}" if self.level is not None else "")

    def of(self, design: Design) -> Design:
        """Give the design whose truths it is about."""
        if self.metric != DETECTION:
            return design
        truth = OneOff(self.shift, self.noise, self.level)
        return dataclasses.replace(design, truth=truth)

    def columns(self, levels: Levels) -> NDArray[np.intp]:
        """Places of the quantities that count, of those of `estimands.index`."""
        names = estimands.index(levels)
        chosen = names.where(self.parameter) & ~estimands.constant(levels)
        if self.level is not None:
            chosen = chosen & (names.level == self.level)
        return np.flatnonzero(chosen)


@dataclass(frozen=True)
class Needed:
    """Rows that a target takes.

    Parameters
    ----------
    rows : int or None
        Of widths the median over truths of what each takes; of rates the number with
        which the mean rate over truths is the one wanted. None where there is none.
    lower, upper : int or None
        Ends of the central 90 % of what each truth takes; None where it is without end.
    remark : str or None
        Why there is no number.
    curve : tuple of (int, float)
        Numbers of rows around it, and what each gives: the median width, or the mean
        rate, over truths.
    """

    rows: int | None
    lower: int | None = None
    upper: int | None = None
    remark: str | None = None
    curve: tuple[tuple[int, float], ...] = ()


def of(design: Design, target: Target, seed: int) -> Needed:
    """Work out the rows that a target takes.

    Parameters
    ----------
    design : Design
        Its number of rows does not matter.
    target : Target
    seed : int
        The study's seed: truths are those of the first replicates.

    Returns
    -------
    Needed
    """
    design = target.of(design)
    levels = design.levels
    if not len(target.columns(levels)):
        return Needed(None, remark="no level of several contributors")
    truths = [generator.draw_truth(design, seed, number) for number in range(TRUTHS)]

    def asked(rows: int, count: int = FEW) -> _Rates | _Widths:
        """Say what truths take, if a table of so many rows is laid out."""
        laid_out = min(rows, LARGEST)
        each = [
            _of_truth(target, truth, _cells(design, laid_out, seed, number), seed)
            for number, truth in enumerate(truths[:count])
        ]
        return (_Widths if target.metric == WIDTH else _Rates)(target.wanted, each)

    # A table of few rows may leave out contributors that a large one has, or have so
    # few rows of some that more are needed than a large one says.
    fewest = levels.parameters
    low, high = float(fewest - 1), math.inf
    rows = FIRST
    for _ in range(PASSES):
        found = asked(rows)
        whole = found.whole()
        if whole <= rows:
            high = rows
        else:
            low = rows
        if rows >= LARGEST or abs(whole / rows - 1.0) < NEAR or high / low < 1.0 + NEAR:
            break
        if not low < whole < high:
            whole = math.sqrt(low * high) if math.isfinite(high) else 10.0 * rows
        rows = max(fewest, math.ceil(min(whole, MOST)))
    if math.isfinite(whole):
        found = asked(max(fewest, math.ceil(min(whole, MOST))), TRUTHS)
        whole = found.whole()
    if not math.isfinite(whole):
        return Needed(None, remark="not determined by the data, however many rows")
    if whole > MOST:
        return Needed(None, remark=f"more than {MOST:,} rows")
    rows = max(fewest, math.ceil(whole))
    tail = (1.0 - CENTRAL) / 2.0
    ends = np.quantile(found.needed, [tail, 1.0 - tail], method="inverted_cdf")
    lower, upper = (
        max(math.ceil(end), fewest) if math.isfinite(end) else None for end in ends
    )
    around = np.geomspace(max(fewest, rows / REACH), rows * REACH, POINTS)
    curve = tuple(
        (int(n), found.at(int(n))) for n in np.unique(around.round().astype(int))
    )
    return Needed(rows, lower, upper, curve=curve)


@dataclass(frozen=True)
class _Rate:
    """A rate of a truth by the number of rows.

    Parameters
    ----------
    at : callable
        From rows to the rate.
    needed : float
        Rows with which it is the one wanted.
    """

    at: Callable[[float], float]
    needed: float


def _cells(design: Design, rows: int, seed: int, number: int) -> Cells:
    """Lay out a table of so many rows."""
    levels = design.levels
    rng = seeds.generator(seed, design, number, f"plan/{rows}")
    columns = tuple(design.layout.picks(levels, rows, rng)(rows))
    code, count = numerics.number(columns, levels.sizes)
    first = np.empty(count, dtype=np.int64)
    first[code[::-1]] = np.arange(rows - 1, -1, -1)
    contributors = np.stack([column[first].astype(np.int64) for column in columns], 1)
    nothing = np.zeros(count)
    in_each = np.bincount(code, minlength=count)
    return Cells(levels, contributors, in_each, nothing, nothing)


def _of_truth(target: Target, truth: Truth, cells: Cells, seed: int) -> _Rate | float:
    """Rows that one truth takes, and, of rates, the rate of any number of rows."""
    levels, columns = cells.levels, target.columns(cells.levels)
    variance = truth.sigma**2
    error = _of_a_row(cells, variance, columns)
    if not np.isfinite(error).all():
        return math.inf if target.metric == WIDTH else _Rate(lambda rows: 0.0, math.inf)
    if target.metric == WIDTH:
        return float((2.0 * HALF * error.mean() / target.wanted) ** 2)
    value = truth.mu if target.parameter == "mu" else levels.centre(variance)
    if target.metric == DETECTION:
        off = truth.off
        assert off is not None
        names = estimands.index(levels)
        place = int(np.flatnonzero(off[_contributors(levels, names, columns)])[0])
        # The error of a variance grows with it.
        alike = np.where(off, variance[~off].mean(), variance)
        at_zero = _of_a_row(cells, alike, columns)
        return _detected(
            abs(value[off][0]), error[place], at_zero[place], target.wanted
        )
    return _named(target, value, variance, cells, seed)


def _of_a_row(cells: Cells, variance: Array, columns: NDArray[np.intp]) -> Array:
    """Give the standard errors from one row that holds what each of a table does."""
    errors = information.standard_errors(cells, variance)[columns]
    return errors * math.sqrt(cells.n.sum())


def _contributors(
    levels: Levels, names: estimands.Index, columns: NDArray[np.intp]
) -> NDArray[np.int64]:
    """Flat numbers of the contributors that quantities are of."""
    return levels.offsets[names.level[columns]] + names.contributor[columns]


def _detected(distance: float, error: float, at_zero: float, wanted: float) -> _Rate:
    """Chance that an interval lies beyond zero, on the side of the truth.

    The standard error of one row, s(t), is taken to be linear from that at zero to that
    at the truth d: s(t) = s0 + b t. Then g(t) = log(1 + b t / s0) / b has the error
    1 / sqrt(n) everywhere (a variance-stabilising transformation; Bartlett 1947,
    Biometrics 3:39), and intervals t -+ z s(t) / sqrt(n) lie beyond zero from
    t* = z s0 / (sqrt(n) - z b) on: the chance is Phi(sqrt(n) (g(d) - g(t*))). Without
    b it is the power of a normal test, Phi(d sqrt(n) / s0 - z).
    """
    if distance == 0:
        return _Rate(lambda rows: (1.0 - CONFIDENCE) / 2.0, math.inf)
    slope = (error - at_zero) / distance

    def stable(value: float) -> float:
        share = slope * value / at_zero
        return value / at_zero * (math.log1p(share) / share if share else 1.0)

    def at(rows: float) -> float:
        root = math.sqrt(rows)
        if root <= HALF * slope:
            return 0.0
        least = HALF * at_zero / (root - HALF * slope)
        return float(scipy.special.ndtr(root * (stable(distance) - stable(least))))

    def missing(logarithm: float) -> float:
        return at(math.exp(logarithm)) - wanted

    return _Rate(at, _crossing(missing))


def _crossing(missing: Callable[[float], float]) -> float:
    """Rows whose logarithm is where what rises with them crosses zero."""
    ends = 0.0, math.log(10.0 * MOST)
    if missing(ends[1]) < 0:
        return math.inf
    if missing(ends[0]) >= 0:
        return 1.0
    # Takes long to import, and every study reads this module.
    import scipy.optimize

    return math.exp(scipy.optimize.brentq(missing, *ends, xtol=1e-6))


def _named(
    target: Target, value: Array, variance: Array, cells: Cells, seed: int
) -> _Rate:
    """Chance that the largest of a level has the largest estimate, over the levels.

    With errors e / sqrt(n) contributor k is not above the largest, l, from
    n = ((e_k - e_l) / (theta_l - theta_k))^2 rows on: each draw of errors has a number
    of rows from which on the largest is named.
    """
    levels = cells.levels
    v = variance[cells.members].sum(axis=1)
    of = information.of_means if target.parameter == "mu" else information.of_variances
    covariance = cells.n.sum() * information.inverse(of(cells, v), cells.null_space)
    covariance = levels.centre(levels.centre(covariance).T)
    rng = np.random.default_rng([seed, DRAWS])
    wanted = range(levels.count) if target.level is None else [target.level]
    thresholds = []
    for level in wanted:
        if levels.sizes[level] == 1:
            continue
        mine = levels.level == level
        theta, own = value[mine], covariance[np.ix_(mine, mine)]
        axes = np.linalg.eigh(own)
        root = axes.eigenvectors * np.sqrt(np.maximum(axes.eigenvalues, 0.0))
        errors = rng.standard_normal((DRAWS, len(theta))) @ root.T
        top = int(theta.argmax())
        others = np.arange(len(theta)) != top
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (errors[:, others] - errors[:, [top]]) / (
                theta[top] - theta[others]
            )
        thresholds.append(np.fmax(ratio, 0.0).max(axis=1) ** 2)
    all_of = np.sort(np.concatenate(thresholds))
    return _Rate(
        lambda rows: float(np.searchsorted(all_of, rows, "right") / len(all_of)),
        float(np.quantile(all_of, target.wanted, method="inverted_cdf")),
    )


class _Widths:
    """Widths of some truths, which fall as the root of the number of rows.

    Parameters
    ----------
    wanted : float
    each : list of float
        Rows with which each truth has it.
    """

    def __init__(self, wanted: float, each: list[Any]) -> None:
        self.wanted, self.needed = wanted, np.array(each, dtype=float)

    def whole(self) -> float:
        """Rows with which half of the truths have what is wanted."""
        return float(np.quantile(self.needed, 0.5, method="inverted_cdf"))

    def at(self, rows: int) -> float:
        """Median width of so many rows."""
        return self.wanted * math.sqrt(self.whole() / rows)


class _Rates:
    """Rates of some truths.

    Parameters
    ----------
    wanted : float
    each : list of _Rate
    """

    def __init__(self, wanted: float, each: list[Any]) -> None:
        self.wanted, self.each = wanted, each
        self.needed = np.array([rate.needed for rate in each])

    def whole(self) -> float:
        """Rows with which the mean rate is the one wanted."""
        return _crossing(lambda logarithm: self.at(math.exp(logarithm)) - self.wanted)

    def at(self, rows: float) -> float:
        """Mean rate of so many rows."""
        return sum(rate.at(rows) for rate in self.each) / len(self.each)
