"""Replicates from a wanted precision, and the precision that was reached.

Wanted are Monte-Carlo standard errors of metrics. How many replicates they take is
worked out by formula before anything runs, from assumptions that are told; what was
reached is read off the metrics afterwards, with their own errors.

Of a mean over n independent replicates whose terms have the standard deviation s the
error is s / sqrt(n), so that an error e takes n = (s / e)^2 replicates. Contributors of
one replicate share a data set and count as one: what a level gains by having several is
not counted on.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.special
from numpy.typing import NDArray

from summands.recovery.catalogue import METRICS
from summands.recovery.montecarlo import CONFIDENCE, SHARE
from summands.recovery.registry import ALL, LARGEST_SHARE

Array = NDArray[np.float64]

# Ends a key whose error is a part of the metric itself.
RELATIVE = "_relative"

# Replicates that a precision may ask for; who wants more says so by `replicates`.
MOST = 1_000_000

# Fewest that have an error.
FEWEST = 2

# An error that is larger by up to this factor is one that was reached: it is an
# estimate itself, and shares are planned at one value and found at another.
TOLERANCE = 1.1

# Quantities without the wanted precision of which all is kept.
LISTED = 200

# Standard deviation of a squared standard normal number, over its mean.
SQUARE = math.sqrt(2.0)

OF_ROOTS = "errors are normal, with one standard deviation"
OF_SCORES = "errors are normal, and estimators give their standard deviation"
OF_WIDTHS = (
    "widths vary as a standard deviation does that one degree of freedom tells; with "
    "many rows and fixed truths they vary less"
)

# Metrics whose error may be wanted as a part of themselves: standard deviation of a
# replicate's term over the mean of all, and what that takes for granted.
#
# - Of a mean square of normal errors it is sqrt(2), as the fourth moment of a normal
#   number is 3 sd^4 (mse: Morris et al. 2019, table 6). A root has half the relative
#   error of what it is the root of (delta method): 1 / sqrt(2 n), as table 6 has it for
#   the empirical standard error, with n - 1 for n.
# - Of scores it follows from their moments where the error over its stated standard
#   deviation is standard normal: interval scores by integrating equation 43 of Gneiting
#   and Raftery (2007, JASA 102:359), the crps by equation 21. Tests integrate them.
# - Widths are in proportion to an estimated standard deviation, whose relative error is
#   about 1 / sqrt(2 f) with f degrees of freedom; of these one is the fewest.
SPREADS: Mapping[str, tuple[float, str]] = {
    **dict.fromkeys(
        (
            "rmse",
            "rmse_over_bound",
            "rmse_over_total",
            "rmse_log",
            "empirical_se",
            "z_rms",
        ),
        (SQUARE / 2.0, OF_ROOTS),
    ),
    "mse": (SQUARE, OF_ROOTS),
    "crps": (0.7151, OF_SCORES),
    "interval_score_50": (0.7207, OF_SCORES),
    "interval_score_95": (0.9609, OF_SCORES),
    **dict.fromkeys(
        ("width_50", "width_95", "width_95_over_total", "model_se"),
        (SQUARE / 2.0, OF_WIDTHS),
    ),
}


@dataclass(frozen=True)
class Key:
    """What a study file may want the precision of.

    Parameters
    ----------
    name : str
        In study files.
    metric : str
        In recovery.parquet.
    spread : float
        Standard deviation of a replicate's term: of a relative error over the metric.
    assumed : str
        What that takes for granted.
    """

    name: str
    metric: str
    spread: float
    assumed: str

    @property
    def relative(self) -> bool:
        """Whether the error is a part of the metric."""
        return self.name != self.metric

    def error(self, replicates: int) -> float:
        """Monte-Carlo standard error to be expected of so many replicates."""
        return self.spread / math.sqrt(replicates)

    def replicates(self, error: float) -> float:
        """Replicates that an error takes, as a real number; see the module."""
        ratio = self.spread / error
        # Of 0.95 * 0.05 / 0.01^2 rounding may make a little more than 475.
        needed = ratio * ratio * (1.0 - 1e-9)
        return max(needed, FEWEST, METRICS[self.metric].fewest)


@cache
def keys() -> Mapping[str, Key]:
    """All that a study file may want the precision of, by name.

    Shares have p (1 - p) / n for the square of their error (Morris, White and Crowther
    2019, Statistics in Medicine 38:2074, section 5.3): those that have a nominal value
    with that for p, others with 1/2, which is the worst case.
    """
    found = {}
    for name, metric in METRICS.items():
        if metric.interval == SHARE:
            p = 0.5 if metric.nominal is None else metric.nominal
            assumed = "the worst case" if metric.nominal is None else "as nominal"
            spread = math.sqrt(p * (1.0 - p))
            found[name] = Key(
                name, name, spread, f"a share of {100 * p:.0f} %, {assumed}"
            )
    for name, (spread, assumed) in SPREADS.items():
        found[name + RELATIVE] = Key(name + RELATIVE, name, spread, assumed)
    return found


def schema() -> dict[str, Any]:
    """JSON schemas of the key ``precision`` of a study file, by name."""
    return {
        name: {
            "type": "number",
            "exclusiveMinimum": 0,
            "exclusiveMaximum": 1 if key.relative else 0.5,
        }
        for name, key in keys().items()
    }


def takes(wanted: Mapping[str, float]) -> dict[str, int]:
    """Replicates that each wanted error takes, the most first.

    Parameters
    ----------
    wanted : mapping of str to float
        Errors by name of `keys`, none of them a `problems`.
    """
    found = {
        name: math.ceil(keys()[name].replicates(error))
        for name, error in wanted.items()
    }
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def replicates(wanted: Mapping[str, float]) -> int:
    """Replicates that all wanted errors together take; see `takes`."""
    return max(takes(wanted).values())


def problems(wanted: Mapping[str, float], truths: Iterable[object]) -> list[str]:
    """Say which wanted errors no study of these truths can have, a sentence each.

    Parameters
    ----------
    wanted : mapping of str to float
    truths : iterable
        What the designs have as ``truth``.
    """
    found = []
    regimes = {"both", *(truth for truth in truths if isinstance(truth, str))}
    for name, error in wanted.items():
        key = keys()[name]
        regime = METRICS[key.metric].regime
        if regime not in regimes:
            found.append(
                f"precision.{name}: {key.metric} is of {regime} truths, and no design "
                "of this study has them; take it away"
            )
        needed = key.replicates(error)
        if needed > MOST:
            count = f"{needed:,.0f}" if needed < 1e15 else f"{needed:.0e}"
            found.append(
                f"precision.{name}: {error:g} takes {count} replicates of each "
                f"design, and {MOST:,} are the most; want less "
                f"({key.error(MOST):.1g} takes so many), or say `replicates`"
            )
    return found


@dataclass(frozen=True)
class Missed:
    """A quantity of a design and an estimator without the precision that was wanted.

    Parameters
    ----------
    key : Key
    wanted, reached : float
        Monte-Carlo standard errors; infinite where one replicate tells none.
    design, estimator, parameter : str
    level_name, label : str or None
        Of the contributor that has the largest error, where one by itself has it.
    needed : float
        Replicates of the design that would do: n (reached / wanted)^2.
    carried : bool
        Whether one replicate carries the metric, so that its error is hardly known.
    """

    key: Key
    wanted: float
    reached: float
    design: str
    estimator: str
    parameter: str
    level_name: str | None
    label: str | None
    needed: float
    carried: bool


class Reached:
    """What precision metrics have, counted design by design.

    Counted are quantities: a parameter of a level, of a design and an estimator, by the
    largest error that its rows of recovery.parquet have, those of single contributors
    among them.

    Parameters
    ----------
    wanted : mapping of str to float
        Errors by name of `keys`.
    replicates : int
        Of each design.

    Attributes
    ----------
    count, met : dict of str to int
        By name, quantities that have the metric, and those of them that have the
        precision: an error of up to `TOLERANCE` times the wanted one.
    needed : dict of str to float
        By name, replicates that would do for all of them.
    missed : list of Missed
        The others, those that need most first; of more than `LISTED` the first.
    """

    def __init__(self, wanted: Mapping[str, float], replicates: int) -> None:
        self.wanted = dict(wanted)
        self.replicates = replicates
        self.count = dict.fromkeys(wanted, 0)
        self.met = dict.fromkeys(wanted, 0)
        self.needed = dict.fromkeys(wanted, 0.0)
        self.missed: list[Missed] = []
        self._of: dict[str, set[str]] = defaultdict(set)

    def absent(self, name: str, estimators: Iterable[str]) -> list[str]:
        """Those of some estimators that have the metric of a name nowhere."""
        return [each for each in estimators if each not in self._of[name]]

    def add(self, recovery: pa.Table) -> None:
        """Count the metrics of some designs, rows of recovery.parquet."""
        for name, wanted in self.wanted.items():
            key = keys()[name]
            rows = recovery.filter(
                (pc.field("gate") == ALL) & (pc.field("metric") == key.metric)
            )
            if rows.num_rows:
                self._count(key, wanted, rows)
        self.missed.sort(key=lambda one: -one.needed)
        del self.missed[LISTED:]

    def _count(self, key: Key, wanted: float, rows: pa.Table) -> None:
        error = errors(key, rows)
        largest: dict[tuple[Any, ...], int] = {}
        names = ("design", "estimator", "parameter", "level")
        columns = [rows[name].to_pylist() for name in names]
        for place, quantity in enumerate(zip(*columns, strict=True)):
            before = largest.setdefault(quantity, place)
            if error[place] > error[before]:
                largest[quantity] = place
        for (design, estimator, parameter, _), place in largest.items():
            self._of[key.name].add(estimator)
            self.count[key.name] += 1
            reached = float(error[place])
            if reached <= TOLERANCE * wanted:
                self.met[key.name] += 1
                continue
            needed = self.replicates * (reached / wanted) ** 2
            self.needed[key.name] = max(needed, self.needed[key.name])
            row = {
                name: rows[name][place].as_py()
                for name in ("level_name", "label", "largest_share")
            }
            self.missed.append(
                Missed(
                    key,
                    wanted,
                    reached,
                    design,
                    estimator,
                    parameter,
                    row["level_name"],
                    row["label"],
                    needed,
                    (row["largest_share"] or 0.0) > LARGEST_SHARE,
                )
            )


def errors(key: Key, rows: pa.Table) -> Array:
    """Monte-Carlo standard errors of a metric, relative ones where the key is.

    A share of exactly 0 or 1 has no standard error in its rows: its Wilson interval
    stands for one, as half its width over the quantile of Student's t that it was made
    with.

    Parameters
    ----------
    key : Key
    rows : pyarrow.Table
        Rows of recovery.parquet.

    Returns
    -------
    ndarray, shape (rows,)
        Infinite for a single replicate.
    """
    value, mcse, lower, upper = (
        rows[name].to_numpy() for name in ("value", "mcse", "lower", "upper")
    )
    if key.relative:
        # What is 0 in every replicate has no error.
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(mcse == 0.0, 0.0, mcse / np.abs(value))
    else:
        freedom = np.maximum(rows["replicates"].to_numpy() - 1.0, 1.0)
        t = scipy.special.stdtrit(freedom, 0.5 + CONFIDENCE / 2.0)
        found = np.where(np.isnan(mcse), (upper - lower) / (2.0 * t), mcse)
    return np.where(np.isnan(found), np.inf, found)
