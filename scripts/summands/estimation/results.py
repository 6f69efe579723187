"""What estimators return, and what a fit keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from summands.model import estimands
from summands.model.cells import Cells
from summands.model.levels import Levels
from summands.model.units import Units

if TYPE_CHECKING:
    # Compiles; what only reads fits need not wait for it.
    from summands.posterior.diagnostics import Diagnostics


@dataclass(frozen=True)
class Scales:
    """Draws of the scales of each level, where these are estimated.

    Parameters
    ----------
    mu_sd : ndarray, shape (chains, draws, J)
        Scale of the population that the means of a level come from. For a level of one
        contributor, which has no means to learn it from, 0.
    log_sigma_mean, log_sigma_sd : ndarray, shape (chains, draws, J), or None
        Centre and spread of log sigma within a level. None where all rows have one
        noise.
    """

    mu_sd: NDArray[np.float64]
    log_sigma_mean: NDArray[np.float64] | None = None
    log_sigma_sd: NDArray[np.float64] | None = None

    def times(self, scale: float) -> Scales:
        """Express them for values that are multiplied by a scale."""
        centre = self.log_sigma_mean
        return Scales(
            scale * self.mu_sd,
            None if centre is None else centre + np.log(scale),
            self.log_sigma_sd,
        )


@dataclass(frozen=True)
class Components:
    """Standard deviations of the levels and of the noise, without draws.

    Parameters
    ----------
    sd, lower_95, upper_95 : ndarray, shape (J + 1,)
        Of each level, the scale of the population that its means come from (0 for a
        level of one contributor); last that of the noise, whose square is the mean over
        rows of their variance. NaN where there is no interval.
    """

    sd: NDArray[np.float64]
    lower_95: NDArray[np.float64]
    upper_95: NDArray[np.float64]

    def times(self, scale: float) -> Components:
        """Express them for values that are multiplied by a scale."""
        return Components(scale * self.sd, scale * self.lower_95, scale * self.upper_95)


@dataclass(frozen=True)
class Draws:
    """Draws of the coefficients from their posterior.

    Parameters
    ----------
    intercept : ndarray, shape (chains, draws)
    mu, sigma : ndarray, shape (chains, draws, K)
    statistics : mapping of str to ndarray, each of shape (chains, draws)
        Sampler statistics of the kept draws. Energies and log densities are those of
        the data in standard units.
    diagnostics : Diagnostics
    gradients : int
        Gradient evaluations, those of tuning and of given-up attempts included.
    parametrisation : str
        Name of the coordinates that were sampled in.
    attempts : int
        How many times the data set was sampled until the draws converged or no
        further attempt was allowed.
    kept_as : str, optional
        Type in which the draws are stored.
    keep_predictive : bool, optional
        Whether what they predict for each cell is stored with them.
    scales : Scales, optional
        Draws of the levels' scales, where these were estimated.
    """

    intercept: NDArray[np.float64]
    mu: NDArray[np.float64]
    sigma: NDArray[np.float64]
    statistics: Mapping[str, NDArray[Any]]
    diagnostics: Diagnostics
    gradients: int
    parametrisation: str
    attempts: int
    kept_as: str = "float64"
    keep_predictive: bool = False
    scales: Scales | None = None

    def values(self, levels: Levels) -> NDArray[np.float64]:
        """Draws of every quantity of `model.estimands`, shape (chains, draws, P)."""
        return estimands.evaluate(levels, self.intercept, self.mu, self.sigma)


@dataclass(frozen=True)
class Point:
    """Estimates with standard errors; NaN where the estimator has none.

    Parameters
    ----------
    estimate, sd : ndarray, shape (P,)
        In the order of `model.estimands.index`. Intervals are those of a normal
        distribution.
    converged : bool
        Whether the estimator's own criterion was met.
    remark : str, optional
        What else is to be known of the fit.
    components : Components, optional
        Where the estimator has them.
    """

    estimate: NDArray[np.float64]
    sd: NDArray[np.float64]
    converged: bool
    remark: str | None = None
    components: Components | None = None


@dataclass(frozen=True)
class Standard:
    """What an estimator was given and returned, in standard units.

    Parameters
    ----------
    units : Units
        Of the data set, in its own unit.
    cells : Cells
        The data.
    result : Draws or Point
    """

    units: Units
    cells: Cells
    result: Draws | Point

    @cached_property
    def flat(self) -> NDArray[np.float64]:
        """Draws of every quantity, those of all chains in line, shape (N, P)."""
        assert isinstance(self.result, Draws)
        values = self.result.values(self.cells.levels)
        return values.reshape(-1, values.shape[-1])

    @cached_property
    def ordered(self) -> NDArray[np.float64]:
        """The same in ascending order, shape (P, N)."""
        # Not of `flat`, which would be kept beside it.
        assert isinstance(self.result, Draws)
        values = self.result.values(self.cells.levels)
        return np.sort(values.reshape(-1, values.shape[-1]).T, axis=1)


@dataclass
class Fit:
    """One fitted data set: a row of fits.parquet and P rows of estimates.parquet.

    Arrays have the shape (P,), in the units of the data, NaN where there is nothing to
    say. What was computed in standard units is kept until somebody takes it away.
    """

    size: int
    estimate: NDArray[np.float64] = field(init=False)
    sd: NDArray[np.float64] = field(init=False)
    lower_50: NDArray[np.float64] = field(init=False)
    upper_50: NDArray[np.float64] = field(init=False)
    lower_95: NDArray[np.float64] = field(init=False)
    upper_95: NDArray[np.float64] = field(init=False)
    ess_bulk: NDArray[np.float64] = field(init=False)
    ess_tail: NDArray[np.float64] = field(init=False)
    rhat: NDArray[np.float64] = field(init=False)
    set_lower: NDArray[np.float64] = field(init=False)
    set_upper: NDArray[np.float64] = field(init=False)
    p_largest: NDArray[np.float64] = field(init=False)
    identified: NDArray[np.float64 | np.bool] = field(init=False)
    seconds: float = float("nan")
    gradients: int | None = None
    divergences: int | None = None
    min_ebfmi: float | None = None
    parametrisation: str | None = None
    attempts: int | None = None
    converged: bool = False
    criterion: str | None = None
    error: str | None = None
    remark: str | None = None
    prior_conflict: str | None = None
    standard: Standard | None = None

    def __post_init__(self) -> None:
        for item in fields(self):
            if not item.init:
                setattr(self, item.name, np.full(self.size, np.nan))

    @property
    def draws(self) -> Draws | None:
        """The draws in the units of the data, None if there are none."""
        if self.standard is None or not isinstance(self.standard.result, Draws):
            return None
        draws, units = self.standard.result, self.standard.units
        return replace(
            draws,
            intercept=units.scale * draws.intercept + units.origin,
            mu=units.scale * draws.mu,
            sigma=units.scale * draws.sigma,
            scales=draws.scales and draws.scales.times(units.scale),
        )

    @property
    def components(self) -> Components | None:
        """Components of an estimator without draws, in the units of the data."""
        if self.standard is None or not isinstance(self.standard.result, Point):
            return None
        found = self.standard.result.components
        return found and found.times(self.standard.units.scale)

    @property
    def max_rhat(self) -> float | None:
        """Largest R-hat of all quantities."""
        return None if np.isnan(self.rhat).all() else float(np.nanmax(self.rhat))

    @property
    def min_ess_bulk(self) -> float | None:
        """Smallest bulk effective sample size."""
        ess = self.ess_bulk
        return None if np.isnan(ess).all() else float(np.nanmin(ess))

    @property
    def min_ess_tail(self) -> float | None:
        """Smallest tail effective sample size."""
        ess = self.ess_tail
        return None if np.isnan(ess).all() else float(np.nanmin(ess))

    def __str__(self) -> str:
        if self.error is not None:
            return f"failed: {self.error}"
        text = f"{self.seconds:.2f} s"
        if self.max_rhat is not None:
            text += f", {self.parametrisation}, attempt {self.attempts}"
            text += f", R-hat {self.max_rhat:.3f}, {self.divergences} divergences"
        text += (
            ", converged" if self.converged else f", not converged: {self.criterion}"
        )
        return text if self.remark is None else f"{text}; {self.remark}"
