"""Estimates of one parameter and level over the replicates of a design."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Columns of estimates.parquet that metrics are made of.
COLUMNS = (
    "truth",
    "estimate",
    "sd",
    "lower_50",
    "upper_50",
    "lower_95",
    "upper_95",
    "crps",
    "bound",
    "p_largest",
)

# Differences of less than this share of a level's largest value are none: the rounding
# of coefficients far from zero, with differences of size 1, is no larger.
TIE = 1e-8


@dataclass(frozen=True)
class Sample:
    """Estimates of the M contributors of one level in R replicates.

    Parameters
    ----------
    truth, estimate, sd, lower_50, upper_50, lower_95, upper_95, crps, bound, p_largest
        Columns of estimates.parquet, each an ndarray of shape (R, M); NaN where there
        is none.
    converged : ndarray of bool, shape (R,)
        Whether the fit succeeded and converged.
    scale : ndarray, shape (R,)
        True total variance of the replicate; its root, where the quantity has the unit
        of the values.
    prior_spread : ndarray, shape (M,)
        See `summands.model.estimands.prior_spread`; NaN where truths are not drawn.
    zero_sum : bool
        Whether the quantity sums to zero over the level by definition.
    positive : bool
        Whether the quantity is positive by definition.
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
    p_largest: Array
    converged: NDArray[np.bool_]
    scale: Array
    prior_spread: Array
    zero_sum: bool
    positive: bool
    posterior: bool

    @cached_property
    def error(self) -> Array:
        """Estimate less truth, shape (R, M)."""
        return self.estimate - self.truth

    @cached_property
    def tie(self) -> Array:
        """Largest difference of a replicate that is only rounding, shape (R, 1)."""
        return TIE * np.abs(self.truth).max(axis=1, keepdims=True)

    @cached_property
    def direction(self) -> Array:
        """Sign of the truth, 0 where it is zero or only rounding, shape (R, M).

        1 for quantities that do not sum to zero.
        """
        return self.sign(self.truth) if self.zero_sum else np.ones_like(self.truth)

    @cached_property
    def tied_at_top(self) -> NDArray[np.bool_]:
        """Whether the largest truths are equal, of two or more, shape (R,)."""
        second, first = np.partition(self.truth, -2, axis=1)[:, -2:].T
        return first - second <= self.tie[:, 0]

    def at_largest(self, values: Array) -> Array:
        """Values, shape (R, M), of the contributor of the largest truth, shape (R,)."""
        which = self.truth.argmax(axis=1)[:, None]
        return np.take_along_axis(values, which, axis=1)[:, 0]

    def sign(self, values: Array) -> Array:
        """Signs, 0 where the value is only rounding, shape (R, M)."""
        return np.where(np.abs(values) <= self.tie, 0.0, np.sign(values))

    def has(self, name: str) -> NDArray[np.bool_]:
        """Mark the replicates in which something is known for all contributors.

        Parameters
        ----------
        name : str
            One of `COLUMNS`, or "logarithm", which estimates and truths of positive
            quantities have.

        Returns
        -------
        ndarray of bool, shape (R,)
        """
        if name == "logarithm":
            known = (self.estimate > 0) & (self.truth > 0) & self.positive
        else:
            known = np.isfinite(getattr(self, name))
        return known.all(axis=1)

    def take(self, chosen: NDArray[np.bool_]) -> Sample:
        """Keep some of the replicates."""
        if chosen.all():
            return self
        return replace(
            self,
            converged=self.converged[chosen],
            scale=self.scale[chosen],
            **{name: getattr(self, name)[chosen] for name in COLUMNS},
        )
