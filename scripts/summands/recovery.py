"""Recovery metrics: how far estimates are from the truth, with Monte-Carlo errors.

Contributors of a level are pooled within a replicate first: they share a data set and
are not independent, so only replicates count as repetitions. Every Monte-Carlo
standard error is the jackknife's over replicates (Efron and Stein 1981, Annals of
Statistics 9:586), which for a mean over replicates is its standard error, and serves
roots of means as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from summands import estimands
from summands.levels import Levels
from summands.tables import RECOVERY

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Estimates of the M contributors of one level in R replicates.

    Parameters
    ----------
    truth, estimate, lower_50, upper_50, lower_95, upper_95 : ndarray, shape (R, M)
        NaN where the estimator gives none.
    zero_sum : bool
        Whether the quantity sums to zero over the level by definition.
    """

    truth: Array
    estimate: Array
    lower_50: Array
    upper_50: Array
    lower_95: Array
    upper_95: Array
    zero_sum: bool

    @property
    def error(self) -> Array:
        """Estimate less truth, shape (R, M)."""
        return self.estimate - self.truth


def mean(values: Array) -> tuple[float, float]:
    """Mean over replicates, with its jackknife standard error.

    Parameters
    ----------
    values : ndarray, shape (R,)

    Returns
    -------
    value, mcse : float
    """
    return _jackknife(values[:, None], lambda total, n: total[..., 0] / n)


def bias(sample: Sample) -> tuple[float, float]:
    """Mean error (Morris, White and Crowther 2019, Statistics in Medicine 38:2074).

    Absent for quantities that sum to zero over the level: there it is zero whatever
    the estimator does.
    """
    if sample.zero_sum:
        return np.nan, np.nan
    return mean(sample.error.mean(axis=1))


def bias_along_truth(sample: Sample) -> tuple[float, float]:
    """Mean error in the direction of the truth, for quantities that sum to zero.

    The mean of error x sign(truth): below zero where estimates are drawn towards
    zero, above zero where they are exaggerated.
    """
    if not sample.zero_sum:
        return np.nan, np.nan
    return mean((sample.error * np.sign(sample.truth)).mean(axis=1))


def rmse(sample: Sample) -> tuple[float, float]:
    """Root mean squared error."""
    squares = (sample.error**2).mean(axis=1)
    return _jackknife(squares[:, None], lambda total, n: np.sqrt(total[..., 0] / n))


def empirical_se(sample: Sample) -> tuple[float, float]:
    """Compute the standard deviation of the error, pooled over contributors.

    With a fixed truth it is the empirical standard error of Morris, White and
    Crowther (2019), table 6. Null for fewer than three replicates, where it has no
    Monte-Carlo error.
    """
    if len(sample.truth) < 3:
        return np.nan, np.nan
    size = sample.error.shape[1]

    def pooled(total: Array, n: int) -> Array:
        first, second = total[..., :size], total[..., size:]
        variance = (second - first**2 / n) / (n - 1)
        return np.sqrt(np.maximum(variance, 0.0).mean(axis=-1))

    # Taking the mean off first keeps the difference of sums from cancelling.
    error = sample.error - sample.error.mean(axis=0)
    return _jackknife(np.concatenate([error, error**2], axis=1), pooled)


def coverage_50(sample: Sample) -> tuple[float, float]:
    """Share of central 50 % intervals that hold the truth."""
    return _coverage(sample.truth, sample.lower_50, sample.upper_50)


def coverage_95(sample: Sample) -> tuple[float, float]:
    """Share of central 95 % intervals that hold the truth."""
    return _coverage(sample.truth, sample.lower_95, sample.upper_95)


def width_50(sample: Sample) -> tuple[float, float]:
    """Mean width of the central 50 % intervals."""
    return mean((sample.upper_50 - sample.lower_50).mean(axis=1))


def width_95(sample: Sample) -> tuple[float, float]:
    """Mean width of the central 95 % intervals."""
    return mean((sample.upper_95 - sample.lower_95).mean(axis=1))


METRICS: tuple[Callable[[Sample], tuple[float, float]], ...] = (
    bias,
    bias_along_truth,
    rmse,
    empirical_se,
    coverage_50,
    coverage_95,
    width_50,
    width_95,
)


def recovery(
    design: str, estimator: str, levels: Levels, estimates: pa.Table, fits: pa.Table
) -> pa.Table:
    """Compute all metrics of one design and estimator.

    Parameters
    ----------
    design, estimator : str
    levels : Levels
    estimates : pyarrow.Table
        R times P rows in the order of replicates and of `summands.estimands.index`.
    fits : pyarrow.Table
        R rows in the order of replicates.

    Returns
    -------
    pyarrow.Table
        With the columns of `RECOVERY`. Metrics that an estimator or a quantity does
        not have are absent.
    """
    converged = np.asarray(fits["converged"])
    failed = fits["error"].is_valid().to_numpy()
    records = []
    for gate, chosen in (("all", ~failed), ("converged", converged & ~failed)):
        for parameter, level, sample in _samples(levels, estimates, chosen):
            for metric in METRICS:
                value, mcse = metric(sample)
                if np.isfinite(value):
                    records.append(
                        {
                            "design": design,
                            "estimator": estimator,
                            "parameter": parameter,
                            "level": level,
                            "metric": metric.__name__,
                            "value": value,
                            "mcse": mcse if np.isfinite(mcse) else None,
                            "replicates": len(sample.truth),
                            "gate": gate,
                        }
                    )
    return pa.Table.from_pylist(records, RECOVERY)


def _samples(
    levels: Levels, estimates: pa.Table, chosen: NDArray[np.bool_]
) -> Iterator[tuple[str, int | None, Sample]]:
    names = estimands.index(levels)
    constant = estimands.constant(levels)
    if not chosen.any():
        return
    arrays = {
        name: estimates[name].to_numpy().reshape(len(chosen), -1)[chosen]
        for name in (
            "truth",
            "estimate",
            "lower_50",
            "upper_50",
            "lower_95",
            "upper_95",
        )
    }
    for parameter in estimands.PARAMETERS:
        for level in np.unique(names.level[names.where(parameter)]):
            columns = names.where(parameter) & (names.level == level) & ~constant
            if columns.any():
                sample = {name: values[:, columns] for name, values in arrays.items()}
                yield (
                    parameter,
                    None if level < 0 else int(level),
                    Sample(
                        **sample,
                        zero_sum=parameter in ("mu", "variance_contrast"),
                    ),
                )


def _coverage(truth: Array, lower: Array, upper: Array) -> tuple[float, float]:
    held = ((lower <= truth) & (truth <= upper)).astype(float)
    held[np.isnan(lower) | np.isnan(upper)] = np.nan
    return mean(held.mean(axis=1))


def _jackknife(
    terms: Array, statistic: Callable[[Array, int], Array]
) -> tuple[float, float]:
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
