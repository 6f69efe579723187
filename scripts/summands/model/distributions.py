"""Prior distributions of scales, which a study file may name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Normal:
    """Normal distribution.

    Parameters
    ----------
    mean, sd : float
    """

    mean: float
    sd: float

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw independent numbers, shape (size,)."""
        return rng.normal(self.mean, self.sd, size)


@dataclass(frozen=True)
class HalfNormal:
    """Distribution of the absolute value of a Normal(0, scale) number.

    Parameters
    ----------
    scale : float
    """

    scale: float

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw independent numbers, shape (size,)."""
        return np.abs(rng.normal(0.0, self.scale, size))


@dataclass(frozen=True)
class LogNormal:
    """Distribution of exp of a Normal(mean, sd) number.

    Parameters
    ----------
    mean, sd : float
    """

    mean: float
    sd: float

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw independent numbers, shape (size,)."""
        return rng.lognormal(self.mean, self.sd, size)


Distribution = Normal | HalfNormal | LogNormal

# The distribution that each scale may have, and its name in a study file.
OF_SCALES: Mapping[str, tuple[str, type[Distribution]]] = {
    "mu_sd": ("half_normal", HalfNormal),
    "log_sigma_mean": ("normal", Normal),
    "log_sigma_sd": ("log_normal", LogNormal),
}


@dataclass(frozen=True)
class ScalePriors:
    """Priors of the scales of each level, where these are estimated.

    Independently for each level j of m contributors: mu_j ~ ZeroSumNormal(mu_sd_j) and
    log sigma_jk ~ Normal(log_sigma_mean_j, log_sigma_sd_j).

    Parameters
    ----------
    mu_sd : HalfNormal
    log_sigma_mean : Normal
    log_sigma_sd : LogNormal
    """

    mu_sd: HalfNormal
    log_sigma_mean: Normal
    log_sigma_sd: LogNormal

    def in_scale(self, scale: float) -> ScalePriors:
        """Express them for values that are divided by a scale."""
        centre = self.log_sigma_mean
        return ScalePriors(
            HalfNormal(self.mu_sd.scale / scale),
            Normal(centre.mean - math.log(scale), centre.sd),
            self.log_sigma_sd,
        )


def read(scale: str, given: Any) -> Any:
    """Read a prior of a study file: a number stays one, a mapping is a distribution.

    Parameters
    ----------
    scale : str
        One of `OF_SCALES`, or another prior, which is a number.
    given : float or mapping
        For instance ``{"half_normal": 1.0}`` or ``{"normal": [0.0, 1.0]}``.
    """
    if scale not in OF_SCALES or not isinstance(given, Mapping):
        return given
    name, kind = OF_SCALES[scale]
    arguments = given[name]
    if not isinstance(arguments, list | tuple):
        arguments = [arguments]
    return kind(*map(float, arguments))


def written(distribution: Distribution) -> dict[str, Any]:
    """Write a distribution as a study file does; see `read`."""
    match distribution:
        case HalfNormal(scale):
            return {"half_normal": scale}
        case Normal(mean, sd):
            return {"normal": [mean, sd]}
        case LogNormal(mean, sd):
            return {"log_normal": [mean, sd]}


def schema(scale: str) -> dict[str, Any]:
    """JSON schema of the distribution of a scale in a study file."""
    name, kind = OF_SCALES[scale]
    positive = {"type": "number", "exclusiveMinimum": 0}
    pair = {
        "type": "array",
        "prefixItems": [{"type": "number"}, positive],
        "minItems": 2,
        "maxItems": 2,
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name],
        "properties": {name: positive if kind is HalfNormal else pair},
    }
