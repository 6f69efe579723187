"""Point estimates and 95 % intervals of draws, also of what may be 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Ends of a central 95 % interval.
CENTRAL = (0.025, 0.975)

# Where the density is positive at 0, the distribution function rises in a line from
# there, and the 1 % quantile is a tenth of the 10 % quantile. Where the density rises
# from 0 in a line instead, it is 0.32 of it. Of a normal density that is cut at 0, two
# standard deviations below its top, it is 0.19 of it: a ratio of likelihoods would
# leave 0 possible up to there.
LOWEST, LOW = 0.01, 0.1
LINE = 0.2


def reaches_zero(draws: Array) -> bool:
    """Whether draws of a standard deviation cannot be told from 0.

    A central interval never reaches the bound of a positive quantity. The data leave 0
    possible where the density is positive at 0: then the distribution function rises
    in a line from 0, and low quantiles are to each other as their probabilities. That
    does not depend on how far the upper tail reaches, which of a level of few
    contributors is the prior's.

    Parameters
    ----------
    draws : ndarray
        At least 0.
    """
    flat = np.ravel(draws)
    if np.isnan(flat).any():
        return False
    lowest, low = np.quantile(flat, (LOWEST, LOW))
    return bool(lowest <= LINE * low)


def summary(
    draws: Array, from_zero: bool = False, middle: Callable[[Array], Any] = np.mean
) -> tuple[float, float, float]:
    """Point estimate and the ends of the 95 % interval.

    Parameters
    ----------
    draws : ndarray
    from_zero : bool, optional
        Whether the interval is that from 0 to the 95 % quantile, instead of the
        central one.
    middle : callable, optional
        Makes the estimate of the draws.

    Returns
    -------
    estimate, lower, upper : float
        NaN where the draws are.
    """
    if from_zero:
        return float(middle(draws)), 0.0, float(np.quantile(draws, 0.95))
    lower, upper = np.quantile(draws, CENTRAL)
    return float(middle(draws)), float(lower), float(upper)
