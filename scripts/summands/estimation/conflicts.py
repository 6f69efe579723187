"""Whether data contradict the priors that a design states."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from scipy import special

from summands.model import residuals
from summands.model.cells import Cells
from summands.model.data_set import DataSet
from summands.model.indicators import sums
from summands.model.problem import Problem
from summands.model.units import Units

Array = NDArray[np.float64]

# Standard deviations of its prior beyond which a quantity is in conflict with it, and
# the probability of a normal number beyond them, on one side.
LIMIT = 5.0
TAIL = float(special.ndtr(-LIMIT))


def find(stated: Collection[str], problem: Problem, data_set: DataSet) -> str | None:
    """Compare simple statistics of the data with the priors that are stated.

    With N rows of mean m and variance S^2, and n_k rows of mean m_k and variance S_k^2
    of contributor k (all with divisor n), a conflict is

    - intercept: (m - intercept_mean)^2 > 5^2 intercept_sd^2 + t^2 S^2 / (N - 1),
    - mu: (m_k - m)^2 > 5^2 mu_sd^2 a_k + t_k^2 (S_k^2 / (n_k - 1) + S^2 / (N - 1)),
      where a_k = 1 - 2 w_k + sum_l w_l^2 is the variance of mu_k - sum_l w_l mu_l
      over mu_sd^2, for the shares w of the rows within the level;
    - sigma: with R^2 = RSS / f the residual variance around the least-squares means,
      on f degrees of freedom, log R - log_sigma_mean - log(J) / 2 outside of
      [-5 log_sigma_sd + log(q_low / f) / 2, 5 log_sigma_sd + log(q_high / f) / 2].

    t and q are the quantiles of Student's t and of chi^2 that leave out as much as 5
    standard deviations of a normal distribution do: few rows prove little. Where all
    log sigma are within 5 standard deviations of their prior's mean, each row's
    variance v is within J exp(2 log_sigma_mean -+ 10 log_sigma_sd); RSS is a quadratic
    form of rank f in normal numbers whose eigenvalues lie between the smallest and the
    largest v (Poincare's separation theorem), so it lies between those times chi^2
    numbers on f degrees of freedom.

    Parameters
    ----------
    stated : collection of str
        Names of the priors that are stated; others follow the data.
    problem : Problem
        With those priors, in the units of the data.
    data_set : DataSet

    Returns
    -------
    str or None
        The conflicts, separated by "; "; None where there are none.
    """
    cells, units = data_set.cells, data_set.units
    _, within = data_set.standard
    rows = float(cells.n.sum())
    found = []
    # Squared standard error of the mean of all values, in squared standard units.
    of_mean = 1.0 / max(rows - 1.0, 1.0)
    if {"intercept_sd", "intercept_mean"} & set(stated):
        distance = abs(units.origin - problem.intercept_mean)
        noise = _student(rows - 1.0) * units.scale * np.sqrt(of_mean)
        if distance > np.hypot(LIMIT * problem.intercept_sd, noise):
            found.append(
                f"intercept: the values have the mean {units.origin:.4g}, its prior is "
                f"Normal({problem.intercept_mean:g}, {problem.intercept_sd:.4g})"
            )
    if "mu_sd" in stated:
        found += _of_means(within, units, problem.mu_sd, of_mean)
    if {"log_sigma_mean", "log_sigma_sd"} & set(stated):
        found += _of_noise(within, units, problem)
    return "; ".join(found) or None


def _of_means(cells: Cells, units: Units, mu_sd: float, of_mean: float) -> list[str]:
    """Say which contributor's mean is farthest out, if one is too far."""
    levels, members, k = cells.levels, cells.members, cells.levels.contributors
    rows = sums(members, cells.n.astype(float), k)
    mean = sums(members, cells.n * cells.mean, k) / np.maximum(rows, 1.0)
    squares = cells.sum_of_squares + cells.n * cells.mean**2
    variance = sums(members, squares, k) / np.maximum(rows, 1.0) - mean**2
    share = rows / rows[levels.level == 0].sum()
    spread = 1.0 - 2.0 * share + np.add.reduceat(share**2, levels.offsets)[levels.level]
    freedom = np.maximum(rows - 1.0, 0.0)
    noise = np.maximum(variance, 0.0) / np.maximum(freedom, 1.0) + of_mean
    limit = np.hypot(
        LIMIT * mu_sd / units.scale * np.sqrt(np.maximum(spread, 0.0)),
        _student(freedom) * np.sqrt(noise),
    )
    # A contributor without rows, or alone in its level, has nothing to say.
    counts = (rows > 0) & (np.asarray(levels.sizes) > 1)[levels.level]
    excess = np.where(counts, np.abs(mean) - limit, -np.inf)
    worst = int(np.argmax(excess))
    if not excess[worst] > 0:
        return []
    return [
        f"mu: the values of {levels.titles[worst]} are "
        f"{units.scale * mean[worst]:+.4g} off the mean of all, its prior has the "
        f"scale {mu_sd:g}"
    ]


def _of_noise(cells: Cells, units: Units, problem: Problem) -> list[str]:
    squares, freedom = residuals.sum_of_squares(cells)
    if not squares > 0:
        return []
    size = 0.5 * np.log(squares / freedom) + np.log(units.scale)
    middle = problem.log_sigma_mean + 0.5 * np.log(cells.levels.count)
    reach = LIMIT * problem.log_sigma_sd
    low, high = 0.5 * np.log(special.chdtri(freedom, [1.0 - TAIL, TAIL]) / freedom)
    if middle - reach + low <= size <= middle + reach + high:
        return []
    return [
        f"sigma: the residuals have the standard deviation {np.exp(size):.4g}, the "
        f"prior of log sigma is Normal({problem.log_sigma_mean:.4g}, "
        f"{problem.log_sigma_sd:g})"
    ]


def _student(freedom: Array | float) -> Array:
    """Quantile of Student's t that corresponds to the limit; infinite without rows."""
    few = np.maximum(freedom, 1.0)
    return np.where(np.less(freedom, 1.0), np.inf, -special.stdtrit(few, TAIL))
