"""What an estimator may know beside the data: the levels, and the priors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from summands.model.distributions import (
    Distribution,
    HalfNormal,
    LogNormal,
    Normal,
    ScalePriors,
)
from summands.model.levels import Levels
from summands.model.units import Units

# What the priors are made of.
PRIORS = ("mu_sd", "log_sigma_mean", "log_sigma_sd", "intercept_sd", "intercept_mean")

# Where the spread of log sigma within a level is estimated: nobody asks for noises
# that differ by less than a tenth, and none differ by powers of ten.
SPREAD = LogNormal(math.log(0.5), 0.6)


@dataclass(frozen=True)
class Problem:
    """What an estimator may know beside the data, in the units of those data.

    Parameters
    ----------
    levels : Levels
    mu_sd : float
        Scale of the zero-sum normal prior of mu.
    log_sigma_mean, log_sigma_sd : float
        Parameters of the log-normal prior of sigma.
    intercept_sd, intercept_mean : float, optional
        Scale and location of the normal prior of the intercept.
    scales : ScalePriors, optional
        Priors of the scales, for an estimator that estimates them level by level
        instead of knowing `mu_sd`, `log_sigma_mean` and `log_sigma_sd`.
    """

    levels: Levels
    mu_sd: float
    log_sigma_mean: float
    log_sigma_sd: float
    intercept_sd: float = 5.0
    intercept_mean: float = 0.0
    scales: ScalePriors | None = None

    @property
    def intercept_precision(self) -> float:
        """Of the prior of the intercept."""
        return self.intercept_sd**-2

    @property
    def mu_precision(self) -> float:
        """Of the prior of mu."""
        return self.mu_sd**-2

    # log sigma^2 = 2 log sigma is normal as well.

    @property
    def log_variance_mean(self) -> float:
        """Of the prior of log sigma^2."""
        return 2.0 * self.log_sigma_mean

    @property
    def log_variance_sd(self) -> float:
        """Of the prior of log sigma^2."""
        return 2.0 * self.log_sigma_sd

    @property
    def log_variance_precision(self) -> float:
        """Of the prior of log sigma^2."""
        return self.log_variance_sd**-2

    @classmethod
    def following(
        cls, levels: Levels, units: Units | None = None, noise: float | None = None
    ) -> Problem:
        """Priors that follow the data, for what nobody states.

        With the mean m and the standard deviation S of all values, and J levels, they
        are Normal(m, 5 S) for the intercept, the scale S for mu, and for log sigma
        Normal(log(S / sqrt(J + 1)), 1), as if the means and each level had equal
        shares of the total variance. Where scales are estimated, that of mu is
        HalfNormal(S), the mean of log sigma Normal(log(R / sqrt(J)), 1), as if levels
        had equal shares of the variance R^2 of the residuals, and its spread `SPREAD`.
        (With S for R a table whose parts differ by far more than its noise, as those of
        gauge studies do, would contradict its prior.)

        Parameters
        ----------
        levels : Levels
        units : Units, optional
            Those of the data; without them m is 0 and S is 1.
        noise : float, optional
            R, see `summands.model.data_set.DataSet.noise`; by default as if the means
            had a share as large as that of a level.
        """
        units = units or Units()
        share = math.log(units.scale / math.sqrt(levels.count + 1))
        return cls(
            levels,
            mu_sd=units.scale,
            log_sigma_mean=share,
            log_sigma_sd=1.0,
            intercept_sd=5.0 * units.scale,
            intercept_mean=units.origin,
            scales=ScalePriors(
                HalfNormal(units.scale),
                Normal(
                    share
                    if noise is None
                    else math.log(noise / math.sqrt(levels.count)),
                    1.0,
                ),
                SPREAD,
            ),
        )

    def told(self, priors: Mapping[str, float | Distribution]) -> Problem:
        """Take other priors, by name: numbers, or distributions of estimated scales."""
        numbers: dict[str, Any] = known_of(priors)
        others: dict[str, Any] = {k: v for k, v in priors.items() if k not in numbers}
        scales = self.scales and replace(self.scales, **others)
        return replace(self, scales=scales, **numbers)

    def in_units(self, units: Units) -> Problem:
        """Express the priors in other units, whose origin and scale are in these."""
        return replace(
            self,
            mu_sd=self.mu_sd / units.scale,
            log_sigma_mean=self.log_sigma_mean - math.log(units.scale),
            intercept_sd=self.intercept_sd / units.scale,
            intercept_mean=(self.intercept_mean - units.origin) / units.scale,
            scales=self.scales and self.scales.in_scale(units.scale),
        )


def known_of(priors: Mapping[str, float | Distribution]) -> dict[str, float]:
    """Give those of some priors that are numbers: what is known, not estimated."""
    return {
        name: prior for name, prior in priors.items() if isinstance(prior, int | float)
    }
