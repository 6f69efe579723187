"""Recovery metrics: how far estimates are from the truth.

Two regimes. With a fixed truth, replicates repeat one experiment, and the metrics are
those of Morris, White and Crowther (2019, Statistics in Medicine 38:2074). With truths
drawn from the prior, replicates average over it, and a posterior can be held to its
own promise. A metric without a meaning in a regime is absent there.

Each metric is one function of a `Sample`, listed with what else there is to know of it
(`summands.recovery.registry`). Its terms are those of each replicate and contributor:
`recovery.montecarlo` takes them together over a level, or contributor by contributor.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from summands.recovery import montecarlo
from summands.recovery.montecarlo import (
    POSITIVE,
    REAL,
    RELATIVE,
    SHARE,
    Shares,
    Statistic,
    Sums,
    share,
)
from summands.recovery.registry import (
    ALL,
    COMMON,
    SPREAD,
    FromNominal,
    from_zero,
    largest,
    metric,
    smallest,
)
from summands.recovery.sample import Sample

Array = NDArray[np.float64]

NEEDS_50 = ("estimate", "lower_50", "upper_50")
NEEDS_95 = ("estimate", "lower_95", "upper_95")


@metric(REAL, from_zero)
def bias(sample: Sample) -> Statistic:
    """Mean error (Morris et al. 2019, table 6), in the unit of the quantity.

    Of mu and variance_contrast, which sum to zero, only by contributor: over the level
    it is zero whatever the estimator does.
    """
    return Sums(sample.error[None], montecarlo.mean, of_level=not sample.zero_sum)


@metric(REAL, from_zero)
def bias_along_truth(sample: Sample) -> Statistic | None:
    """Mean of error x sign(truth), of mu and variance_contrast, which sum to zero.

    Below zero where estimates are drawn towards zero (shrinkage), above zero where they
    are exaggerated. Contrasts that are truly zero have no direction and do not count.
    In the unit of the quantity.
    """
    return _directed(sample, sample.error) if sample.zero_sum else None


@metric(POSITIVE, largest)
def mse(sample: Sample) -> Statistic:
    """Mean squared error (Morris et al. 2019, table 6), in the quantity's unit squared.

    With drawn truths of variances few replicates carry it: see their `largest_share`.
    """
    return Sums((sample.error**2)[None], montecarlo.mean)


@metric(POSITIVE, largest)
def rmse(sample: Sample) -> Statistic:
    """Root mean squared error, in the unit of the quantity."""
    return _root_mean_square(sample.error)


@metric(POSITIVE, largest, needs=("estimate", "bound"))
def rmse_over_bound(sample: Sample) -> Statistic:
    """Root mean square of error / Cramér-Rao bound: 1 is efficient. Without a unit.

    Each error over the bound of its own replicate and contributor, that of its cells at
    the truth (`bound` in `estimates.parquet`). Absent where not identified.
    """
    return _root_mean_square(sample.error / sample.bound)


@metric(POSITIVE, largest)
def rmse_over_total(sample: Sample) -> Statistic:
    """Root mean square of error / true total standard deviation. Without a unit.

    Each error over that of its own replicate; of variance_contrast and total_variance
    over the total variance.
    """
    return _root_mean_square(sample.error / sample.scale[:, None])


@metric(POSITIVE, largest, needs=("estimate", "logarithm"))
def rmse_log(sample: Sample) -> Statistic:
    """Root mean square of log(estimate / truth), of sigma and total_variance.

    It rests on the replicates whose estimates are positive, and has no unit.
    """
    return _root_mean_square(np.log(sample.estimate / sample.truth))


@metric(POSITIVE, largest, regime="fixed", fewest=SPREAD)
def empirical_se(sample: Sample) -> Statistic:
    """Empirical standard error (Morris et al. 2019, table 6), in the quantity's unit.

    The standard deviation of the estimate over replicates, its square averaged over the
    contributors of a level. Absent for fewer than ten replicates.
    """
    return Sums(montecarlo.deviations(sample.error), _root_of_variance)


@metric(POSITIVE, largest, regime="fixed", needs=("estimate", "sd"))
def model_se(sample: Sample) -> Statistic:
    """Root mean square of the standard errors given (Morris et al. 2019, table 6).

    In the unit of the quantity.
    """
    return _root_mean_square(sample.sd)


@metric(RELATIVE, from_zero, regime="fixed", needs=("estimate", "sd"), fewest=SPREAD)
def model_se_relative_error(sample: Sample) -> Statistic:
    """Model over empirical standard error, less 1 (Morris et al. 2019, table 6).

    Absent for fewer than ten replicates.
    """
    squares = (sample.sd**2)[None]
    terms = np.concatenate([montecarlo.deviations(sample.error), squares])
    return Sums(terms, _root_over_variance, carried=(0, 2))


@metric(SHARE, FromNominal(0.5), needs=NEEDS_50)
def coverage_50(sample: Sample) -> Statistic:
    """Share of central 50 % intervals that hold the truth."""
    return share(_held(sample.truth, sample.lower_50, sample.upper_50))


@metric(SHARE, FromNominal(0.95), needs=NEEDS_95)
def coverage_95(sample: Sample) -> Statistic:
    """Share of central 95 % intervals that hold the truth."""
    return share(_held(sample.truth, sample.lower_95, sample.upper_95))


@metric(SHARE, FromNominal(0.5), regime="fixed", needs=NEEDS_50)
def bias_eliminated_coverage_50(sample: Sample) -> Statistic:
    """Share of central 50 % intervals that hold the mean estimate.

    As `bias_eliminated_coverage_95`.
    """
    return _bias_eliminated(sample.estimate, sample.lower_50, sample.upper_50)


@metric(SHARE, FromNominal(0.95), regime="fixed", needs=NEEDS_95)
def bias_eliminated_coverage_95(sample: Sample) -> Statistic:
    """Share of central 95 % intervals that hold the mean estimate.

    Morris et al. (2019, table 6). Beside `coverage_95` it tells bias from intervals of
    a wrong width.
    """
    return _bias_eliminated(sample.estimate, sample.lower_95, sample.upper_95)


@metric(POSITIVE, largest, needs=NEEDS_50)
def width_50(sample: Sample) -> Statistic:
    """Mean width of the central 50 % intervals, in the unit of the quantity."""
    return Sums((sample.upper_50 - sample.lower_50)[None], montecarlo.mean)


@metric(POSITIVE, largest, needs=NEEDS_95)
def width_95(sample: Sample) -> Statistic:
    """Mean width of the central 95 % intervals, in the unit of the quantity."""
    return Sums((sample.upper_95 - sample.lower_95)[None], montecarlo.mean)


@metric(POSITIVE, largest, needs=NEEDS_95)
def width_95_over_total(sample: Sample) -> Statistic:
    """Mean of width / true total standard deviation, of the central 95 % intervals.

    Each over that of its own replicate; of variance_contrast and total_variance over
    the total variance. Without a unit.
    """
    width = sample.upper_95 - sample.lower_95
    return Sums((width / sample.scale[:, None])[None], montecarlo.mean)


@metric(POSITIVE, largest, needs=NEEDS_50)
def interval_score_50(sample: Sample) -> Statistic:
    """Mean interval score of the central 50 % intervals, in the quantity's unit.

    Width, and 2 / 0.5 times the distance of a truth that is outside; see
    `interval_score_95`.
    """
    return _interval_score(sample.truth, sample.lower_50, sample.upper_50, 0.5)


@metric(POSITIVE, largest, needs=NEEDS_95)
def interval_score_95(sample: Sample) -> Statistic:
    """Mean interval score of the central 95 % intervals, in the quantity's unit.

    Width, and 2 / 0.05 times the distance of a truth that is outside (Gneiting and
    Raftery 2007, JASA 102:359, equation 43). Less is better.
    """
    return _interval_score(sample.truth, sample.lower_95, sample.upper_95, 0.05)


@metric(REAL, largest, needs=("estimate", "crps"))
def crps(sample: Sample) -> Statistic:
    """Mean continuous ranked probability score, in the unit of the quantity.

    E|X - truth| - 1/2 E|X - X'|, with X and X' two draws from the posterior, or from a
    normal distribution with the estimate and its standard error (Gneiting and Raftery
    2007, equations 21 and 22). Less is better. That of draws is the fair score (Ferro
    2014, QJRMS 140:1917), which may be below zero.
    """
    return Sums(sample.crps[None], montecarlo.mean)


@metric(SHARE, smallest)
def sign_rate(sample: Sample) -> Statistic | None:
    """Share of contrasts whose estimate has the sign of the truth.

    Of mu and variance_contrast. Contrasts that are truly zero have no sign and do not
    count.
    """
    if not sample.zero_sum:
        return None
    direction = sample.direction
    right = (sample.sign(sample.estimate) == direction) & (direction != 0)
    return share(right.astype(float), direction != 0)


@metric(SHARE, smallest)
def top_rate(sample: Sample) -> Statistic | None:
    """Share of replicates in which the largest contrast is estimated to be largest.

    Of mu and variance_contrast. Where several estimates are largest, they share the
    success. Absent where the largest true contrasts are equal.
    """
    if not sample.zero_sum or sample.truth.shape[1] < 2:
        return None
    if sample.tied_at_top.any():
        return None
    highest = sample.estimate.max(axis=1, keepdims=True) - sample.tie
    on_top = sample.estimate >= highest
    right = sample.at_largest(on_top.astype(float)) / on_top.sum(axis=1)
    return replace(share(right[:, None]), of_contributors=False)


@metric(
    REAL,
    smallest,
    regime="drawn",
    needs=("estimate", "sd", "lower_95", "upper_95"),
)
def contraction(sample: Sample) -> Statistic | None:
    """Mean of 1 - (posterior spread / prior spread)^2, of estimators with draws.

    Schad, Betancourt and Vasishth (2021, Psychological Methods 26:103): 0 where the
    data say nothing, near 1 where they say all. The spread is the standard deviation
    for intercept and mu, and the width of the central 95 % on the scale of the
    logarithm for sigma and total_variance, whose variances in the prior are those of
    its tail. Absent for variance_contrast, which has neither.
    """
    if not sample.posterior:
        return None
    spread = sample.sd
    if sample.positive:
        spread = np.log(sample.upper_95 / sample.lower_95)
    terms = 1.0 - (spread / sample.prior_spread) ** 2
    return Sums(terms[None], montecarlo.mean)


@metric(REAL, from_zero, regime="drawn", needs=("estimate", "sd"))
def z_mean(sample: Sample) -> Statistic | None:
    """Mean posterior z-score, (estimate - truth) / sd, of estimators with draws.

    Schad et al. (2021). Of mu and variance_contrast times the sign of the truth, as
    scores of contrasts sum to nearly zero.
    """
    return _directed(sample, sample.error / sample.sd) if sample.posterior else None


@metric(POSITIVE, largest, regime="drawn", needs=("estimate", "sd"))
def z_rms(sample: Sample) -> Statistic | None:
    """Root mean square of the posterior z-score, of estimators with draws.

    Schad et al. (2021): 1 if sd is as large as the error.
    """
    return _root_mean_square(sample.error / sample.sd) if sample.posterior else None


@metric(SHARE, FromNominal(0.95), needs=(), gates=(ALL,))
def coverage_95_failures_missed(sample: Sample) -> Statistic | None:
    """95 % coverage if every interval that cannot be trusted misses the truth.

    Those of fits that failed or did not converge, and those that data with a gap do
    not give, count as 0.
    """
    return _coverage_with_failures(sample, held=0.0)


@metric(SHARE, FromNominal(0.95), needs=(), gates=(ALL,))
def coverage_95_failures_held(sample: Sample) -> Statistic | None:
    """95 % coverage if every interval that cannot be trusted holds the truth.

    The same intervals as in `coverage_95_failures_missed`; here they count as 1.
    """
    return _coverage_with_failures(sample, held=1.0)


@metric(RELATIVE, smallest, regime="fixed", fewest=SPREAD, gates=(COMMON,), versus=True)
def relative_precision(sample: Sample, other: Sample) -> Statistic:
    """Precision of one estimator over that of another on the same data, less 1.

    (EmpSE_other / EmpSE)^2 - 1 (Morris et al. 2019, table 6): 0.5 is as good as half as
    many replicates more. Paired: both have fitted the same replicates. Absent for fewer
    than ten.
    """
    terms = [montecarlo.deviations(one.error) for one in (sample, other)]
    return Sums(
        np.concatenate(terms),
        _precision_over_precision,
        carried=(0, 2),
        of_contributors=False,
    )


@metric(POSITIVE, largest, gates=(COMMON,), versus=True)
def rmse_ratio(sample: Sample, other: Sample) -> Statistic:
    """Root mean squared error of one estimator over that of another on the same data.

    Paired: both have fitted the same replicates. Below 1 where this one errs less.
    """
    return Sums(
        np.stack([sample.error**2, other.error**2]),
        montecarlo.root_of_ratio,
        carried=(0, 1),
        of_contributors=False,
    )


def _root_mean_square(values: Array) -> Sums:
    return Sums((values**2)[None], montecarlo.root)


def _directed(sample: Sample, values: Array) -> Sums:
    """Mean of values in the direction of the truth, of those that have one."""
    terms = np.stack([values * sample.direction, np.abs(sample.direction)])
    return Sums(terms, montecarlo.ratio)


def _held(truth: Array, lower: Array, upper: Array) -> Array:
    """1 where an interval holds the truth, else 0."""
    return ((lower <= truth) & (truth <= upper)).astype(float)


def _coverage_with_failures(sample: Sample, held: float) -> Sums | None:
    """Absent where no fit that converged has an interval: there is no coverage then."""
    known = ~np.isnan(sample.lower_95 + sample.upper_95) & sample.converged[:, None]
    if not known.any():
        return None
    of_known = _held(sample.truth, sample.lower_95, sample.upper_95)
    return share(np.where(known, of_known, held))


def _bias_eliminated(estimate: Array, lower: Array, upper: Array) -> Shares:
    """Share of intervals that hold the mean estimate, which moves without a replicate.

    By its slope there, a difference quotient: whether one or no interval ends between
    the two means is too coarse to tell, and a jackknife that counts them gives errors
    half as large again.
    """
    n = len(estimate)
    centre = estimate.mean(axis=0)
    held = _held(centre, lower, upper)
    step = estimate.std(axis=0) * n**-0.2
    rise = _held(centre + step, lower, upper) - _held(centre - step, lower, upper)
    slope = rise.mean(axis=0) / np.where(step > 0, 2.0 * step, np.inf)
    proportion = held.mean(axis=0)
    moved = held + slope * (estimate - centre) - proportion
    return Shares(proportion, proportion - moved / max(n - 1, 1))


def _interval_score(truth: Array, lower: Array, upper: Array, outside: float) -> Sums:
    beyond = np.maximum(lower - truth, 0.0) + np.maximum(truth - upper, 0.0)
    terms = upper - lower + 2.0 / outside * beyond
    return Sums(terms[None], montecarlo.mean)


def _root_of_variance(total: Array, n: int) -> Array:
    return np.sqrt(montecarlo.variance(total, n))


def _root_over_variance(total: Array, n: int) -> Array:
    """Root of a mean over a variance, less 1; NaN where nothing varies."""
    spread = montecarlo.variance(total[:2], n)
    above = montecarlo.mean(total[2:], n)
    return np.sqrt(above / np.where(spread > 0, spread, np.nan)) - 1.0


def _precision_over_precision(total: Array, n: int) -> Array:
    """Variance of the second over that of the first, less 1; NaN if that is zero."""
    spread = montecarlo.variance(total[:2], n)
    other = montecarlo.variance(total[2:], n)
    return other / np.where(spread > 0, spread, np.nan) - 1.0
