"""Metrics of decisions: which contributors differ from their level, and which is worst.

A contributor is said to be higher, or lower, than the average of its level where its
95 % interval excludes 0 (for means the decision of an analysis of means; Nelson,
Wludyka and Copeland 2005, The Analysis of Means). Saying so is wrong where the truth
is zero, and where it has the other sign (Shaffer 2002, Psychological Methods 7:356).
With Holm's procedure (1979, Scandinavian Journal of Statistics 6:65) all that is said
of a level is right in 95 % of data sets; its p-values are those of a normal
distribution with the estimate and its sd.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.special
from numpy.typing import NDArray

from summands.recovery import montecarlo
from summands.recovery.montecarlo import POSITIVE, REAL, SHARE, Statistic, Sums, share
from summands.recovery.registry import (
    CLEAR,
    FromNominal,
    from_zero,
    largest,
    metric,
    smallest,
)
from summands.recovery.sample import Sample

Array = NDArray[np.float64]

# Of the intervals, and of Holm's procedure for a level.
ERROR = 0.05

NEEDS = ("estimate", "lower_95", "upper_95")
NEEDS_P = ("estimate", "sd")
NEEDS_DRAWS = ("estimate", "p_largest")


@metric(SHARE, smallest, needs=NEEDS)
def detection_rate(sample: Sample) -> Statistic | None:
    """Share of contributors truly off the average of which the interval says so.

    Its 95 % interval excludes 0 on the side of the truth. Of mu and variance_contrast.
    """
    return _detected(sample, _said(sample))


@metric(SHARE, smallest, needs=NEEDS_P)
def detection_rate_holm(sample: Sample) -> Statistic | None:
    """Share of contributors truly off the average that Holm's procedure detects."""
    return _detected(sample, _said_holm(sample))


@metric(SHARE, smallest, needs=NEEDS)
def worst_detection_rate(sample: Sample) -> Statistic | None:
    """Share of replicates in which the farthest from the average is detected.

    What finds the one faulty machine. Absent where several are truly farthest.
    """
    return _detected_farthest(sample, _said(sample))


@metric(SHARE, smallest, needs=NEEDS_P)
def worst_detection_rate_holm(sample: Sample) -> Statistic | None:
    """Share of replicates in which Holm's procedure detects the farthest."""
    return _detected_farthest(sample, _said_holm(sample))


@metric(SHARE, largest, needs=NEEDS)
def false_alarm_rate(sample: Sample) -> Statistic | None:
    """Share of contributors of which the interval says what is not so.

    It excludes 0 though the truth is 0, or on the other side of it: 5 % where all
    contributors are alike. Of mu and variance_contrast.
    """
    return _of_each(sample, _wrong(sample, _said(sample)))


@metric(SHARE, largest, needs=NEEDS_P)
def false_alarm_rate_holm(sample: Sample) -> Statistic | None:
    """Share of contributors of which Holm's procedure says what is not so."""
    return _of_each(sample, _wrong(sample, _said_holm(sample)))


@metric(SHARE, largest, needs=NEEDS)
def familywise_error_rate(sample: Sample) -> Statistic | None:
    """Share of replicates with a false alarm among the contributors of the level."""
    return _of_any(sample, _wrong(sample, _said(sample)))


@metric(SHARE, largest, needs=NEEDS_P)
def familywise_error_rate_holm(sample: Sample) -> Statistic | None:
    """Share of replicates with a false alarm of Holm's procedure: at most 5 %."""
    return _of_any(sample, _wrong(sample, _said_holm(sample)))


@metric(SHARE, largest, needs=NEEDS)
def false_discovery_rate(sample: Sample) -> Statistic | None:
    """Mean share of false alarms among what is said of a level, 0 where nothing is.

    Benjamini and Hochberg (1995, JRSS B 57:289).
    """
    return _of_said(sample, _said(sample))


@metric(SHARE, largest, needs=NEEDS_P)
def false_discovery_rate_holm(sample: Sample) -> Statistic | None:
    """Mean share of false alarms among what Holm's procedure says of a level."""
    return _of_said(sample, _said_holm(sample))


@metric(REAL, largest)
def regret(sample: Sample) -> Statistic | None:
    """Mean of the largest true contrast less that of the contributor that is named.

    Named is that of the largest estimate: what is lost by repairing that machine and
    not the worst. Of mu and variance_contrast, in the unit of the quantity.
    """
    if not _ranked(sample):
        return None
    return _of_replicates(sample.truth.max(axis=1) - _at_named(sample, sample.truth))


@metric(POSITIVE, largest)
def expected_rank(sample: Sample) -> Statistic | None:
    """Mean rank, by the estimates, of the contributor of the largest true contrast.

    1 where it always is named. Absent where the largest true contrasts are equal.
    """
    if not _ranked(sample) or sample.tied_at_top.any():
        return None
    there = sample.at_largest(sample.estimate)[:, None]
    above = (sample.estimate > there).sum(axis=1)
    equal = (sample.estimate == there).sum(axis=1)
    return _of_replicates(above + 0.5 * (equal + 1.0))


@metric(SHARE, FromNominal(0.95), needs=NEEDS)
def named_coverage_95(sample: Sample) -> Statistic | None:
    """Share of replicates in which the interval of the one that is named holds it.

    Intervals that are right on average miss that of the largest estimate more often,
    the winner's curse (Andrews, Kitagawa and McCloskey 2024, QJE 139:305), unless
    estimates are drawn towards their mean as a posterior's are.
    """
    if not _ranked(sample):
        return None
    held = (sample.lower_95 <= sample.truth) & (sample.truth <= sample.upper_95)
    return _of_shares(_at_named(sample, held.astype(float)))


@metric(REAL, from_zero)
def named_bias(sample: Sample) -> Statistic | None:
    """Mean error of the estimate of the contributor that is named, the largest one.

    Above 0 it promises more than there is. In the unit of the quantity.
    """
    return _of_replicates(_at_named(sample, sample.error)) if _ranked(sample) else None


@metric(SHARE, smallest, needs=NEEDS_DRAWS)
def likeliest_rate(sample: Sample) -> Statistic | None:
    """Share of replicates in which the likeliest to be the largest is the largest.

    By posterior probability (`p_largest` in `estimates.parquet`). Absent where the
    largest true contrasts are equal.
    """
    if not _ranked(sample) or sample.tied_at_top.any():
        return None
    return _of_shares(sample.p_largest.argmax(axis=1) == sample.truth.argmax(axis=1))


@metric(SHARE, smallest, needs=NEEDS_DRAWS)
def likeliest_probability(sample: Sample) -> Statistic | None:
    """Mean posterior probability of the likeliest to be the largest.

    With truths drawn from the prior it is `likeliest_rate`, but for chance.
    """
    if not _ranked(sample):
        return None
    return _of_shares(sample.p_largest.max(axis=1))


@metric(SHARE, smallest, needs=NEEDS_DRAWS)
def clear_rate(sample: Sample) -> Statistic | None:
    """Share of replicates with a clear answer: a likeliest with a probability of 0.8.

    From there on summary and page of an observed table name a contributor, where its
    level shifts the values at all; else they say that it is not clear.
    """
    if not _ranked(sample):
        return None
    return _of_shares(sample.p_largest.max(axis=1) >= CLEAR)


@metric(SHARE, smallest, needs=NEEDS_DRAWS)
def clear_right_rate(sample: Sample) -> Statistic | None:
    """Share of clear answers that are right; see `clear_rate`.

    Absent where the largest true contrasts are equal, or no answer is clear.
    """
    if not _ranked(sample) or sample.tied_at_top.any():
        return None
    clear = sample.p_largest.max(axis=1) >= CLEAR
    right = sample.p_largest.argmax(axis=1) == sample.truth.argmax(axis=1)
    return _of_shares(right & clear, clear)


def _ranked(sample: Sample) -> bool:
    """Whether contributors are compared: contrasts of two or more."""
    return sample.zero_sum and sample.truth.shape[1] > 1


def _said(sample: Sample) -> Array:
    """Side on which the interval excludes 0, -1 or 1, or 0 if it does not."""
    return (sample.lower_95 > 0).astype(float) - (sample.upper_95 < 0)


def _said_holm(sample: Sample) -> Array:
    """Side on which Holm's procedure puts a contributor, or 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.abs(sample.estimate / sample.sd)
    p = 2.0 * scipy.special.ndtr(-np.nan_to_num(z, nan=0.0))
    count = p.shape[1]
    # Contrasts of two are one hypothesis.
    tests = np.arange(count, 0, -1) if count > 2 else np.ones(count)
    order = np.argsort(p, axis=1)
    adjusted = np.maximum.accumulate(tests * np.take_along_axis(p, order, 1), axis=1)
    rejected = np.empty(p.shape)
    np.put_along_axis(rejected, order, adjusted <= ERROR, axis=1)
    return rejected * np.sign(sample.estimate)


def _wrong(sample: Sample, said: Array) -> Array:
    return (said != 0) & (said != sample.direction)


def _detected(sample: Sample, said: Array) -> Statistic | None:
    if not _ranked(sample):
        return None
    off = sample.direction != 0
    return share((off & (said == sample.direction)).astype(float), off)


def _detected_farthest(sample: Sample, said: Array) -> Statistic | None:
    if not _ranked(sample):
        return None
    distance = np.abs(sample.truth)
    second, first = np.partition(distance, -2, axis=1)[:, -2:].T
    # Two contributors are as far from their average, and detected together.
    if distance.shape[1] > 2 and (first - second <= sample.tie[:, 0]).any():
        return None
    if (first <= sample.tie[:, 0]).any():
        return None
    which = distance.argmax(axis=1)[:, None]
    right = np.take_along_axis(said == sample.direction, which, axis=1)
    return _of_shares(right[:, 0])


def _of_each(sample: Sample, wrong: Array) -> Statistic | None:
    return share(wrong.astype(float)) if _ranked(sample) else None


def _of_any(sample: Sample, wrong: Array) -> Statistic | None:
    return _of_shares(wrong.any(axis=1)) if _ranked(sample) else None


def _of_said(sample: Sample, said: Array) -> Statistic | None:
    wrong = _wrong(sample, said).sum(axis=1)
    found = (said != 0).sum(axis=1)
    return _of_shares(wrong / np.maximum(found, 1)) if _ranked(sample) else None


def _at_named(sample: Sample, values: Array) -> Array:
    """Values, shape (R, M), of the contributor of the largest estimate, shape (R,).

    Of several with it their mean, as if one of them were named at random.
    """
    on_top = sample.estimate >= sample.estimate.max(axis=1, keepdims=True) - sample.tie
    return (values * on_top).sum(axis=1) / on_top.sum(axis=1)


def _of_replicates(values: Array) -> Statistic:
    return Sums(values[None, :, None], montecarlo.mean, of_contributors=False)


def _of_shares(
    values: Array | NDArray[np.bool_], counted: NDArray[np.bool_] | None = None
) -> Statistic:
    of = None if counted is None else counted[:, None].astype(float)
    return replace(share(values[:, None].astype(float), of), of_contributors=False)
