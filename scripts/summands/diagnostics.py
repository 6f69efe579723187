"""Whether draws can be trusted: R-hat, effective sample sizes, divergences.

Rank-normalised split R-hat, bulk and tail effective sample size of Vehtari, Gelman,
Simpson, Carpenter and Bürkner (2021, Bayesian Analysis 16:667), as in ArviZ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from summands import estimands
from summands.levels import Levels

# Limits of Vehtari et al. (2021), sections 4 and 7.
MAX_RHAT = 1.01
MIN_ESS = 400

# Sampler statistics of a draw that are kept, by nutpie's name.
STATISTICS = (
    "diverging",
    "energy",
    "logp",
    "n_steps",
    "step_size",
    "depth",
    "mean_tree_accept",
)


@dataclass(frozen=True)
class Diagnostics:
    """Diagnostics of the draws of one data set.

    Parameters
    ----------
    rhat, ess_bulk, ess_tail : ndarray, shape (P,)
        NaN for what a constraint sets to zero: it does not mix.
    divergences : int
    """

    rhat: NDArray[np.float64]
    ess_bulk: NDArray[np.float64]
    ess_tail: NDArray[np.float64]
    divergences: int

    @property
    def converged(self) -> bool:
        """Whether every quantity passes, and no transition diverged."""
        varies = np.isfinite(self.rhat)
        return bool(
            self.divergences == 0
            and (self.rhat[varies] < MAX_RHAT).all()
            and (self.ess_bulk[varies] >= MIN_ESS).all()
            and (self.ess_tail[varies] >= MIN_ESS).all()
        )


def diagnose(
    levels: Levels, values: NDArray[np.float64], diverging: NDArray[np.bool_]
) -> Diagnostics:
    """Diagnose the draws of one data set.

    Parameters
    ----------
    levels : Levels
    values : ndarray, shape (chains, draws, P)
        See `summands.estimands.evaluate`.
    diverging : ndarray of bool, shape (chains, draws)

    Returns
    -------
    Diagnostics
    """
    # Imported here: it takes seconds, which estimators without draws need not pay.
    from arviz_stats.base import array_stats

    varies = ~estimands.constant(levels)
    chains = np.moveaxis(values[..., varies], -1, 0)
    rhat, bulk, tail = (np.full(values.shape[-1], np.nan) for _ in range(3))
    rhat[varies] = array_stats.rhat(chains, method="rank")
    bulk[varies] = array_stats.ess(chains, method="bulk")
    tail[varies] = array_stats.ess(chains, method="tail", prob=(0.05, 0.95))
    return Diagnostics(rhat, bulk, tail, int(diverging.sum()))
