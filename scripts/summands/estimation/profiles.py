"""Profile likelihood intervals of variance components, from the restricted likelihood.

lme4 profiles the likelihood itself; this profiles the restricted one, of which REML
estimates are the maximum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from summands.estimation.results import Components
from summands.model.levels import Levels
from summands.model.restricted import NOTHING, Restricted

Array = NDArray[np.float64]

# The 95 % quantile of chi^2 with one degree of freedom.
RISE = 3.841458820694124

# Ranges of log sd about the log of the noise's in which ends are looked for: of levels,
# and of the noise itself.
LEVELS, NOISE = (-14.0, 12.0), (-3.0, 14.0)

# Share of `RISE` to which an end is found; the step that then follows squares it.
CLOSE = 1e-3

# Share of the rise without any effects to which it is found, where it is far above what
# is asked: so far that the last digits cannot matter.
ROUGH, FAR = 0.01, 2.0

# Variance of effects that are none, beside that which can be seen.
NONE = 1e-6


def components(levels: Levels, likelihood: Restricted, theta: Array) -> Components:
    """Give the sd at the maximum, and ends where the deviance is 3.84 higher.

    The deviance, -2 log restricted likelihood, is minimised over all other components
    at each value of the one in question. Where it is less than 3.84 higher without any
    effects of a level, the interval starts at 0.

    Parameters
    ----------
    levels : Levels
    likelihood : Restricted
    theta : ndarray, shape (J',)
        Where the restricted likelihood is highest.

    Returns
    -------
    Components
        NaN for a level of which all rows have the same contributor.
    """
    sd, lower, upper = np.zeros((3, levels.count + 1))
    best = likelihood.solve(theta)
    noise = np.sqrt(likelihood.residual(best))
    places = np.append(likelihood.random, levels.count)
    sd[places] = np.append(theta, 1.0) * noise
    profile = Profile(likelihood, sd[places])
    for component, place in enumerate(places):
        if component < len(theta) and likelihood.silent[component]:
            sd[place] = lower[place] = upper[place] = np.nan
        elif best.squares <= NOTHING:
            lower[place] = upper[place] = np.nan
        else:
            try:
                lower[place], upper[place] = profile.ends(component)
            except np.linalg.LinAlgError:  # far from the maximum digits may run out
                lower[place] = upper[place] = np.nan
    return Components(sd, lower, upper)


class Profile:
    """Deviance in the logarithms of all components, the best but for one of them.

    Parameters
    ----------
    likelihood : Restricted
    sd : ndarray, shape (J' + 1,)
        Those of highest likelihood, that of the noise last.
    """

    def __init__(self, likelihood: Restricted, sd: Array) -> None:
        self.likelihood = likelihood
        self.noise = np.log(sd[-1])
        sizes = np.bincount(likelihood.of_level, minlength=len(sd) - 1)
        freedom = np.append(sizes - 1.0, likelihood.freedom)
        # Curvature of the deviance if each component was seen without error.
        self.step = 0.5 / np.sqrt(freedom)
        # Where effects begin to be seen: those of fewer start from there.
        seen = likelihood.freedom / np.append(sizes, likelihood.freedom)
        self.seen = self.noise - 0.5 * np.log(seen)
        self.ranges = self.noise + np.array([LEVELS] * (len(sd) - 1) + [NOISE])
        with np.errstate(divide="ignore"):
            self.best = np.log(sd)
        self.least, _ = self.deviance(self.best)

    def deviance(self, log_sd: Array) -> tuple[float, Array]:
        """-2 log restricted likelihood, less a constant, and its gradient."""
        freedom = self.likelihood.freedom
        noise = log_sd[-1]
        solution, slopes = self.likelihood.slopes(np.exp(log_sd[:-1] - noise))
        precision = np.exp(-2.0 * noise)
        slopes -= 2.0 * solution.spherical * precision
        squares = solution.squares * precision
        value = 2.0 * freedom * noise + squares + solution.log_determinant
        of_noise = 2.0 * (freedom - squares) - slopes.sum()
        return float(value), np.append(slopes, of_noise)

    def ends(self, component: int) -> tuple[float, float]:
        """Find the ends of the 95 % interval of a component's sd."""
        best = self.best[component]
        upper = self._end(component, max(best, self.seen[component]), 1.0)
        lower = 0.0
        of_level = component < len(self.best) - 1
        if np.isfinite(best) and (not of_level or self._rise_without(component) > RISE):
            lower = self._end(component, best, -1.0)
        return lower, upper

    def _rise_without(self, component: int) -> float:
        """How much higher the deviance is without any effects of a level."""
        value, _, where = self.minimised(component, -np.inf, self.best, ROUGH)
        if value - self.least < FAR * RISE:
            value, _, _ = self.minimised(component, -np.inf, where)
        return value - self.least

    def minimised(
        self, component: int, at: float, start: Array, close: float = 1e-14
    ) -> tuple[float, float, Array]:
        """Least deviance with one log sd fixed, its slope along that, and where it is.

        Parameters
        ----------
        component : int
        at : float
        start : ndarray, shape (J' + 1,)
        close : float, optional
            Share of the rise that a step must gain for another to follow.
        """
        import scipy.optimize

        others = np.arange(len(start)) != component
        full = np.where(others, start, at)
        # log(variance + what is seen of effects), in steps: as regular where there are
        # no effects as where they are large. The noise is always seen.
        seen = np.append(np.exp(2.0 * self.seen[:-1]), 0.0)[others]
        unit = 2.0 * self.step[others]

        def to_log_sd(z: Array) -> Array:
            return 0.5 * np.log(np.exp(unit * z) - seen)

        # The best that was met, so that it is not evaluated again.
        least, slope, where = np.inf, np.nan, full

        def moved(z: Array) -> tuple[float, Array]:
            nonlocal least, slope, where
            full[others] = to_log_sd(z)
            value, slopes = self.deviance(full)
            if value < least:
                least, slope, where = value, float(slopes[component]), full.copy()
            variance = np.exp(2.0 * full[others])
            rate = 0.5 * unit * (variance + seen) / variance
            return value - self.least, slopes[others] * rate

        ends = np.exp(2.0 * self.ranges[others])
        ends[:, 0] = np.maximum(ends[:, 0], NONE * seen)
        bounds = np.log(ends + seen[:, None]) / unit[:, None]
        if not others.any():
            moved(np.zeros(0))
            return least, slope, where
        begin = np.log(np.exp(2.0 * start[others]) + seen) / unit
        scipy.optimize.minimize(
            moved,
            np.clip(begin, *bounds.T),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"ftol": close, "gtol": 1e-4},
        )
        return least, slope, where

    def _end(self, component: int, at: float, side: float) -> float:
        """Where the deviance has risen by 3.84, above or below; NaN if nowhere.

        Newton's method on the root of the rise, which is all but linear (Venzon and
        Moolgavkar 1988, Applied Statistics 37:87, profile the same way), within what
        is known to hold the end.
        """
        low, high = self.ranges[component]
        inside, outside = (at, high) if side > 0 else (at, low)
        # Where the end is if the component is seen without error.
        at += side * min(np.sqrt(2.0 * RISE) * self.step[component], 1.0)
        where = self.best
        for _ in range(60):
            value, slope, where = self.minimised(component, at, where)
            rise = value - self.least
            root = np.sqrt(max(rise, 0.0))
            following = at + 2.0 * root * (np.sqrt(RISE) - root) / (slope or np.nan)
            if abs(rise - RISE) < CLOSE * RISE:
                return float(np.exp(following))
            inside, outside = (at, outside) if rise < RISE else (inside, at)
            # No more than a factor of ten at once where the deviance is flat.
            following = np.clip(following, at - 2.3, at + 2.3)
            between = min(inside, outside) < following < max(inside, outside)
            at = following if between else 0.5 * (inside + outside)
            if abs(inside - outside) < 1e-12:
                break
        return float(np.exp(at)) if outside not in (low, high) else np.nan
