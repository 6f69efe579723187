"""Point estimates and 95 % intervals of draws, also of what may be 0."""

from __future__ import annotations

import arviz_stats
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Ends of a central 95 % interval.
CENTRAL = (0.025, 0.975)

# An interval whose lower end is below this share of the upper one starts at 0.
NEAR_ZERO = 0.01


def reaches_zero(draws: Array) -> bool:
    """Whether draws of a standard deviation cannot be told from 0.

    A central interval never reaches the bound of a positive quantity, the shortest one
    does where the density is highest there: the data leave 0 possible if the lower end
    of the highest-density 95 % interval is below 1 % of its upper end.

    Parameters
    ----------
    draws : ndarray
        At least 0.
    """
    flat = np.ravel(draws)
    if np.isnan(flat).any():
        return False
    lower, upper = arviz_stats.hdi(flat, prob=0.95)
    return bool(lower <= NEAR_ZERO * upper)


def summary(draws: Array, from_zero: bool = False) -> tuple[float, float, float]:
    """Posterior mean and the ends of the 95 % interval.

    Parameters
    ----------
    draws : ndarray
    from_zero : bool, optional
        Whether the interval is that from 0 to the 95 % quantile, instead of the
        central one.

    Returns
    -------
    estimate, lower, upper : float
        NaN where the draws are.
    """
    if from_zero:
        return float(np.mean(draws)), 0.0, float(np.quantile(draws, 0.95))
    lower, upper = np.quantile(draws, CENTRAL)
    return float(np.mean(draws)), float(lower), float(upper)
