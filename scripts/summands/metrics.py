"""Recovery metrics: how far estimates are from the truth, with Monte-Carlo errors.

Two regimes. With a fixed truth, replicates repeat one experiment, and the metrics are
those of Morris, White and Crowther (2019, Statistics in Medicine 38:2074). With truths
drawn from the prior, replicates average over it, and a posterior can be held to its
own promise. A metric without a meaning in a regime is absent there.

Contributors of a level are pooled within a replicate first: they share a data set and
are not independent, so only replicates count as repetitions. Every Monte-Carlo
standard error is the jackknife's over replicates (Efron and Stein 1981, Annals of
Statistics 9:586), which for a mean over replicates is its standard error, and serves
roots and ratios of means as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ARRAYS = (
    "truth",
    "estimate",
    "sd",
    "lower_50",
    "upper_50",
    "lower_95",
    "upper_95",
    "crps",
    "bound",
)


@dataclass(frozen=True)
class Sample:
    """Estimates of the M contributors of one level in R replicates.

    Parameters
    ----------
    truth, estimate, sd, lower_50, upper_50, lower_95, upper_95, crps, bound : ndarray
        Columns of estimates.parquet, each of shape (R, M); NaN where there is none.
    converged : ndarray of bool, shape (R,)
        Whether the fit succeeded and converged.
    prior_sd : ndarray, shape (M,)
        Standard deviation of the quantity in the prior.
    zero_sum : bool
        Whether the quantity sums to zero over the level by definition.
    posterior : bool
        Whether estimate and sd are those of a posterior.
    """

    truth: Array
    estimate: Array
    sd: Array
    lower_50: Array
    upper_50: Array
    lower_95: Array
    upper_95: Array
    crps: Array
    bound: Array
    converged: NDArray[np.bool_]
    prior_sd: Array
    zero_sum: bool
    posterior: bool

    @property
    def error(self) -> Array:
        """Estimate less truth, shape (R, M)."""
        return self.estimate - self.truth

    def has(self, name: str) -> NDArray[np.bool_]:
        """Mark the replicates in which an array is known for all contributors."""
        return ~np.isnan(getattr(self, name)).any(axis=1)

    def take(self, chosen: NDArray[np.bool_]) -> Sample:
        """Keep some of the replicates."""
        return replace(
            self,
            converged=self.converged[chosen],
            **{name: getattr(self, name)[chosen] for name in ARRAYS},
        )


Estimated = tuple[float, float]
ABSENT: Estimated = (np.nan, np.nan)


def mean(values: Array) -> Estimated:
    """Mean over replicates, with its jackknife standard error.

    Parameters
    ----------
    values : ndarray, shape (R,)

    Returns
    -------
    value, mcse : float
    """
    return _jackknife(values[:, None], lambda total, n: total[..., 0] / n)


def bias(sample: Sample) -> Estimated:
    """Mean error (Morris et al. 2019, table 6).

    Absent for quantities that sum to zero over the level: there it is zero whatever
    the estimator does.
    """
    if sample.zero_sum:
        return ABSENT
    return mean(sample.error.mean(axis=1))


def bias_along_truth(sample: Sample) -> Estimated:
    """Mean error in the direction of the truth, for quantities that sum to zero.

    The mean of error x sign(truth): below zero where estimates are drawn towards
    zero, above zero where they are exaggerated.
    """
    if not sample.zero_sum:
        return ABSENT
    return mean((sample.error * np.sign(sample.truth)).mean(axis=1))


def mse(sample: Sample) -> Estimated:
    """Mean squared error (Morris et al. 2019, table 6)."""
    return mean((sample.error**2).mean(axis=1))


def rmse(sample: Sample) -> Estimated:
    """Root mean squared error."""
    squares = (sample.error**2).mean(axis=1)
    return _jackknife(squares[:, None], lambda total, n: np.sqrt(total[..., 0] / n))


def empirical_se(sample: Sample) -> Estimated:
    """Compute the empirical standard error (Morris et al. 2019, table 6).

    The standard deviation of the estimate over replicates, its square averaged over
    contributors. Absent for fewer than three replicates, where it has no Monte-Carlo
    error.
    """
    if len(sample.truth) < 3:
        return ABSENT
    return _jackknife(
        _moments(sample.error), lambda total, n: np.sqrt(_variance(total, n))
    )


def model_se(sample: Sample) -> Estimated:
    """Root mean square of the standard errors given (Morris et al. 2019, table 6)."""
    squares = (sample.sd**2).mean(axis=1)
    return _jackknife(squares[:, None], lambda total, n: np.sqrt(total[..., 0] / n))


def model_se_relative_error(sample: Sample) -> Estimated:
    """Model over empirical standard error, less 1 (Morris et al. 2019, table 6)."""
    if len(sample.truth) < 3:
        return ABSENT
    terms = np.column_stack([(sample.sd**2).mean(axis=1), _moments(sample.error)])

    def relative(total: Array, n: int) -> Array:
        return np.sqrt(total[..., 0] / n / _variance(total[..., 1:], n)) - 1.0

    return _jackknife(terms, relative)


def coverage_50(sample: Sample) -> Estimated:
    """Share of central 50 % intervals that hold the truth."""
    return _share(_held(sample.truth, sample.lower_50, sample.upper_50))


def coverage_95(sample: Sample) -> Estimated:
    """Share of central 95 % intervals that hold the truth."""
    return _share(_held(sample.truth, sample.lower_95, sample.upper_95))


def bias_eliminated_coverage_50(sample: Sample) -> Estimated:
    """Share of central 50 % intervals that hold the mean estimate."""
    centre = sample.estimate.mean(axis=0)
    return _share(_held(centre, sample.lower_50, sample.upper_50))


def bias_eliminated_coverage_95(sample: Sample) -> Estimated:
    """Share of central 95 % intervals that hold the mean estimate.

    Morris et al. (2019, table 6); with the coverage it tells bias from intervals of a
    wrong width.
    """
    centre = sample.estimate.mean(axis=0)
    return _share(_held(centre, sample.lower_95, sample.upper_95))


def width_50(sample: Sample) -> Estimated:
    """Mean width of the central 50 % intervals."""
    return mean((sample.upper_50 - sample.lower_50).mean(axis=1))


def width_95(sample: Sample) -> Estimated:
    """Mean width of the central 95 % intervals."""
    return mean((sample.upper_95 - sample.lower_95).mean(axis=1))


def interval_score_50(sample: Sample) -> Estimated:
    """Mean interval score of the central 50 % intervals."""
    return _interval_score(sample.truth, sample.lower_50, sample.upper_50, 0.5)


def interval_score_95(sample: Sample) -> Estimated:
    """Mean interval score of the central 95 % intervals.

    Width, and 2 / 0.05 times the distance of a truth that is outside (Gneiting and
    Raftery 2007, JASA 102:359, equation 43).
    """
    return _interval_score(sample.truth, sample.lower_95, sample.upper_95, 0.05)


def crps(sample: Sample) -> Estimated:
    """Mean continuous ranked probability score."""
    return mean(sample.crps.mean(axis=1))


def sign_rate(sample: Sample) -> Estimated:
    """Share of contrasts whose estimate has the sign of the truth.

    Contrasts that are truly zero have no sign and do not count.
    """
    has_sign = sample.truth != 0
    if not sample.zero_sum or not has_sign.any():
        return ABSENT
    right = (np.sign(sample.estimate) == np.sign(sample.truth)) & has_sign
    right_or_missing = np.where(np.isnan(sample.estimate), np.nan, right)
    return _ratio(right_or_missing.sum(axis=1), has_sign.sum(axis=1).astype(float))


def top_rate(sample: Sample) -> Estimated:
    """Share of replicates in which the largest contrast is estimated to be largest.

    Absent where the largest true contrasts are equal.
    """
    if not sample.zero_sum or sample.truth.shape[1] < 2:
        return ABSENT
    two = np.partition(sample.truth, -2, axis=1)[:, -2:]
    if np.isnan(sample.estimate).any() or (two[:, 0] == two[:, 1]).any():
        return ABSENT
    right = sample.estimate.argmax(axis=1) == sample.truth.argmax(axis=1)
    return mean(right.astype(float))


def rmse_over_bound(sample: Sample) -> Estimated:
    """Root mean squared error over the Cramér-Rao bound: 1 is efficient.

    Squares are averaged over contributors and replicates before the ratio is taken,
    with the bound of each replicate's own cells. Absent where not identified.
    """
    return _ratio(
        (sample.error**2).mean(axis=1), (sample.bound**2).mean(axis=1), np.sqrt
    )


def contraction(sample: Sample) -> Estimated:
    """Mean of 1 - posterior variance / prior variance.

    Schad, Betancourt and Vasishth (2021, Psychological Methods 26:103): 0 where the
    data say nothing, near 1 where they say all.
    """
    if not sample.posterior:
        return ABSENT
    return mean((1.0 - (sample.sd / sample.prior_sd) ** 2).mean(axis=1))


def z_mean(sample: Sample) -> Estimated:
    """Mean posterior z-score, (estimate - truth) / sd, in the direction of the truth.

    Schad et al. (2021). Directed, because scores of contrasts sum to nearly zero; not
    directed for the other quantities.
    """
    if not sample.posterior:
        return ABSENT
    direction = np.sign(sample.truth) if sample.zero_sum else 1.0
    return mean((sample.error / sample.sd * direction).mean(axis=1))


def z_rms(sample: Sample) -> Estimated:
    """Root mean square of the posterior z-score: 1 if sd is as large as the error."""
    if not sample.posterior:
        return ABSENT
    squares = ((sample.error / sample.sd) ** 2).mean(axis=1)
    return _jackknife(squares[:, None], lambda total, n: np.sqrt(total[..., 0] / n))


def coverage_95_failures_missed(sample: Sample) -> Estimated:
    """95 % coverage if every fit without a trusted interval misses the truth.

    Those that failed or did not converge, and those of data with a gap.
    """
    return _coverage_with_failures(sample, held=0.0)


def coverage_95_failures_held(sample: Sample) -> Estimated:
    """95 % coverage if every fit without a trusted interval holds the truth."""
    return _coverage_with_failures(sample, held=1.0)


Metric = Callable[[Sample], Estimated]

IN_BOTH: tuple[Metric, ...] = (
    bias,
    bias_along_truth,
    mse,
    rmse,
    coverage_50,
    coverage_95,
    width_50,
    width_95,
    interval_score_50,
    interval_score_95,
    crps,
    sign_rate,
    top_rate,
)

# What supposes that replicates repeat one experiment.
WITH_FIXED_TRUTH: tuple[Metric, ...] = (
    empirical_se,
    model_se,
    model_se_relative_error,
    bias_eliminated_coverage_50,
    bias_eliminated_coverage_95,
    rmse_over_bound,
)

# What supposes that truths come from the prior.
WITH_DRAWN_TRUTH: tuple[Metric, ...] = (contraction, z_mean, z_rms)

# What counts failed fits as well.
OF_ALL_FITS: tuple[Metric, ...] = (
    coverage_95_failures_missed,
    coverage_95_failures_held,
)

# What a metric needs beside estimates: it rests on the replicates that have it.
NEEDED: Mapping[Metric, str] = {rmse_over_bound: "bound"}

# With the name of the other estimator after it.
RELATIVE_PRECISION = "relative_precision_vs_"


def relative_precision(sample: Sample, other: Sample) -> Estimated:
    """Precision of one estimator over that of another on the same data, less 1.

    (EmpSE_other / EmpSE)^2 - 1 (Morris et al. 2019, table 6): 0.5 is as good as half as
    many replicates more. Paired: replicates that both have fitted.

    Parameters
    ----------
    sample, other : Sample
        Of the same replicates.
    """
    if len(sample.truth) < 3:
        return ABSENT
    terms = np.column_stack([_moments(other.error), _moments(sample.error)])
    size = terms.shape[1] // 2

    def relative(total: Array, n: int) -> Array:
        spread = _variance(total[..., size:], n)
        return (
            _variance(total[..., :size], n) / np.where(spread > 0, spread, np.nan) - 1
        )

    return _jackknife(terms, relative)


def _held(truth: Array, lower: Array, upper: Array) -> Array:
    """1 where an interval holds the truth, 0 where not, NaN where there is none."""
    held = ((lower <= truth) & (truth <= upper)).astype(float)
    held[np.isnan(lower) | np.isnan(upper)] = np.nan
    return held


def _share(held: Array) -> Estimated:
    return mean(held.mean(axis=1))


def _coverage_with_failures(sample: Sample, held: float) -> Estimated:
    """Absent where no fit that converged has an interval: there is no coverage then."""
    of_replicates = _held(sample.truth, sample.lower_95, sample.upper_95).mean(axis=1)
    known = sample.converged & np.isfinite(of_replicates)
    if not known.any():
        return ABSENT
    return mean(np.where(known, of_replicates, held))


def _interval_score(
    truth: Array, lower: Array, upper: Array, outside: float
) -> Estimated:
    beyond = np.maximum(lower - truth, 0.0) + np.maximum(truth - upper, 0.0)
    return mean((upper - lower + 2.0 / outside * beyond).mean(axis=1))


def _moments(error: Array) -> Array:
    """Terms whose sums give `_variance`, shape (R, 2 M)."""
    # Taking the mean off first keeps the difference of sums from cancelling.
    centred = error - error.mean(axis=0)
    return np.concatenate([centred, centred**2], axis=1)


def _variance(total: Array, n: int) -> Array:
    """Variance over replicates, averaged over contributors, from sums of `_moments`."""
    size = total.shape[-1] // 2
    first, second = total[..., :size], total[..., size:]
    return np.maximum((second - first**2 / n) / (n - 1), 0.0).mean(axis=-1)


def _ratio(
    above: Array, below: Array, function: Callable[[Array], Array] = np.asarray
) -> Estimated:
    """Compute a function of the ratio of two sums over replicates."""

    def ratio(total: Array, n: int) -> Array:
        whole = np.where(total[..., 1] > 0, total[..., 1], np.nan)
        return function(total[..., 0] / whole)

    return _jackknife(np.column_stack([above, below]), ratio)


def _jackknife(terms: Array, statistic: Callable[[Array, int], Array]) -> Estimated:
    """Compute a function of sums over replicates, and its jackknife standard error.

    Parameters
    ----------
    terms : ndarray, shape (R, Q)
        What each replicate adds to the Q sums.
    statistic : callable
        Takes sums, shape (..., Q), and the number of replicates they are over.

    Returns
    -------
    value, mcse : float
        mcse is NaN for a single replicate.
    """
    n = len(terms)
    total = terms.sum(axis=0)
    value = float(statistic(total, n))
    if n < 2:
        return value, np.nan
    left_out = statistic(total - terms, n - 1)
    spread = ((left_out - left_out.mean()) ** 2).sum()
    return value, float(np.sqrt((n - 1) / n * spread))
