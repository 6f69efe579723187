"""What a metric is, beside its formula, and the list of all metrics.

`recovery.metrics` and `recovery.decisions` have the formulas, `recovery.catalogue` all
of them; whatever shows metrics asks here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from summands.recovery.montecarlo import Statistic
from summands.recovery.sample import Sample

Array = NDArray[np.float64]

# A metric of which one replicate makes up more than this share says what that replicate
# says.
LARGEST_SHARE = 0.2

# From this probability on a contributor is the answer to which is the largest.
CLEAR = 0.8

# Fewest replicates that tell a spread over replicates.
SPREAD = 10


@dataclass(frozen=True)
class Metric:
    """What a metric is, for whatever computes and shows it.

    Parameters
    ----------
    name : str
        As in recovery.parquet; with "_vs_" at its end, the other estimator follows.
    statistic : callable
        Takes a `Sample`, and for relative metrics that of the other estimator in the
        same replicates; None where the quantity does not have the metric.
    interval : str
        See `summands.recovery.montecarlo.intervals`.
    badness : callable
        Takes values of contributors; the worst has the largest.
    regime : {"both", "fixed", "drawn"}
        Truths with which the metric has a meaning.
    needs : tuple of str
        What it rests on (`Sample.has`): replicates without it do not count.
    fewest : int
        Replicates below which it is absent.
    gates : tuple of str
        Sets of replicates for which it is computed.
    versus : bool
        Whether it compares two estimators.
    """

    name: str
    statistic: Callable[..., Statistic | None]
    interval: str
    badness: Callable[[Array], Array]
    regime: str
    needs: tuple[str, ...]
    fewest: int
    gates: tuple[str, ...]
    versus: bool

    @property
    def nominal(self) -> float | None:
        """Value that it has where all is as it should be, None where there is none."""
        badness = self.badness
        return badness.level if isinstance(badness, FromNominal) else None

    def __call__(self, *samples: Sample) -> Statistic | None:
        """Take the metric's terms of these replicates; None where it is absent."""
        if len(samples[0].truth) < self.fewest:
            return None
        return self.statistic(*samples)


# Sets of replicates: all that were fitted, those that converged, and those that all
# estimators of the study fitted.
ALL, CONVERGED, COMMON = GATES = ("all", "converged", "common")

# All metrics by name, in the order of recovery.parquet.
METRICS: dict[str, Metric] = {}


def largest(values: Array) -> Array:
    """Badness of errors, widths and scores."""
    return values


def smallest(values: Array) -> Array:
    """Badness of rates of success."""
    return -values


def from_zero(values: Array) -> Array:
    """Badness of biases."""
    return np.abs(values)


@dataclass(frozen=True)
class FromNominal:
    """Badness of coverages: distance from the level of the interval.

    Parameters
    ----------
    level : float
    """

    level: float

    def __call__(self, values: Array) -> Array:
        """See `Metric.badness`."""
        return np.abs(values - self.level)


def metric(
    interval: str,
    badness: Callable[[Array], Array],
    *,
    regime: str = "both",
    needs: tuple[str, ...] = ("estimate",),
    fewest: int = 1,
    gates: tuple[str, ...] = GATES,
    versus: bool = False,
) -> Callable[[Callable[..., Statistic | None]], Metric]:
    """List a function as the `Metric` of its name."""

    def listed(statistic: Callable[..., Statistic | None]) -> Metric:
        name = statistic.__name__ + ("_vs_" if versus else "")
        METRICS[name] = Metric(
            name, statistic, interval, badness, regime, needs, fewest, gates, versus
        )
        return METRICS[name]

    return listed
