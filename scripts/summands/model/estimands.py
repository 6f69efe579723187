"""The quantities that are estimated, in the one order that all tables use.

`BLOCKS` is that list. The index, the tables, the bounds, the units and the priors'
spreads derive from it: a new quantity is a new block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.model.units import Units

Array = NDArray[np.float64]

# Upper end of the central 95 % of a standard normal distribution.
NORMAL_95 = NormalDist().inv_cdf(0.975)

# Draws that tell the width of a distribution to about 1 %.
PRIOR_DRAWS = 50_000


@dataclass(frozen=True)
class Coefficients:
    """What quantities are functions of, once or for many draws.

    Parameters
    ----------
    levels : Levels
    intercept : ndarray, shape (...)
    mu, sigma : ndarray, shape (..., K)
    centre : callable
        Takes the level's mean off each contributor, shape (..., K).
    """

    levels: Levels
    intercept: Array
    mu: Array
    sigma: Array
    centre: Callable[[Array], Array]


@dataclass(frozen=True)
class Errors:
    """Variances of linear forms in what is estimated of contributors.

    Parameters
    ----------
    single, contrast : ndarray, shape (K,)
        Of each contributor's own number, and of that less its mean over the level.
    average : float
        Of the sum over levels of the mean over the level.
    """

    single: Array
    contrast: Array
    average: float

    @classmethod
    def of(cls, levels: Levels, covariance: Array) -> Errors:
        """Take them from the covariance matrix of all, shape (K, K)."""
        return cls.from_products(
            levels, np.diag(covariance), levels.level_means(covariance)
        )

    @classmethod
    def from_products(cls, levels: Levels, diagonal: Array, product: Array) -> Errors:
        """Take them from what little of a covariance matrix they need.

        Parameters
        ----------
        levels : Levels
        diagonal : ndarray, shape (K,)
        product : ndarray, shape (K, J)
            Covariance with the mean over each level.
        """
        own = product[np.arange(len(product)), levels.level]
        of_means = levels.level_means(product.T)
        contrast = diagonal - 2.0 * own + np.diag(of_means)[levels.level]
        return cls(diagonal, contrast, float(of_means.sum()))


@dataclass(frozen=True)
class Block:
    """A kind of quantity: one in all, or one a contributor.

    Parameters
    ----------
    name : str
        The parameter's name in tables.
    meaning : str
    symbol : str
        What figures call it.
    of : {"all", "contributor"}
        What there is one of.
    evaluate : callable
        Its values, shape (..., size), from `Coefficients`.
    linear_in : {"means", "variances"}
        The contributors' uncentred means or variances.
    linear : callable
        The linear form in those, shape (..., size), from `Levels` and what they are,
        shape (..., K); for sigma that of its square.
    error : callable
        Variance of that form, shape (size,), from `Errors`.
    prior_spread : callable
        How far it spreads in the prior, shape (size,), from `Problem`; see
        `prior_spread`.
    power : int
        Power of the unit of the values that it has.
    located : bool
        Whether it moves with the origin of the values.
    zero_sum : bool
        Whether it sums to zero over a level by definition.
    positive : bool
        Whether it is positive by definition.
    root : bool
        Whether it is the square root of its linear form.
    identified : str
        When the data alone determine it.
    """

    name: str
    meaning: str
    symbol: str
    of: Literal["all", "contributor"]
    evaluate: Callable[[Coefficients], Array]
    linear_in: Literal["means", "variances"]
    linear: Callable[[Levels, Array], Array]
    error: Callable[[Errors], Array]
    prior_spread: Callable[[Problem], Array]
    power: int
    identified: str
    located: bool = False
    zero_sum: bool = False
    positive: bool = False
    root: bool = False

    def size(self, levels: Levels) -> int:
        """How many there are."""
        return 1 if self.of == "all" else levels.contributors


def _average(levels: Levels, values: Array) -> Array:
    """Sum over levels of the mean over the level, shape (..., 1)."""
    return levels.level_means(values).sum(axis=-1, keepdims=True)


def _contrast(levels: Levels, values: Array) -> Array:
    return levels.centre(values)


def _contrast_spread(problem: Problem) -> Array:
    """Compute the spread of mu: of m contributors, contrasts keep 1 - 1/m."""
    levels = problem.levels
    kept = np.sqrt(1.0 - 1.0 / np.asarray(levels.sizes))[levels.level]
    return problem.mu_sd * kept


def _no_spread(problem: Problem) -> Array:
    return np.full(problem.levels.contributors, np.nan)


def _log_sigma_width(problem: Problem) -> Array:
    """Width of the central 95 % of log sigma."""
    width = 2.0 * NORMAL_95 * problem.log_sigma_sd
    return np.full(problem.levels.contributors, width)


def _log_total_width(problem: Problem) -> Array:
    """Width of the central 95 % of the logarithm of total_variance."""
    sizes = tuple(sorted(problem.levels.sizes))
    return np.array([_simulated_width(sizes, problem.log_sigma_sd)])


@cache
def _simulated_width(sizes: tuple[int, ...], log_sigma_sd: float) -> float:
    """Compute that width by simulation.

    Sums of log-normal numbers have no quantiles in closed form. With a seed of its own,
    so that it is always the same.
    """
    rng = np.random.default_rng(0)
    total = np.zeros(PRIOR_DRAWS)
    for size in sizes:
        for _ in range(size):
            total += np.exp(2.0 * log_sigma_sd * rng.normal(size=PRIOR_DRAWS)) / size
    lower, upper = np.quantile(np.log(total), [0.025, 0.975])
    return float(upper - lower)


WHERE_LEVELS_MEET = "where contributors meet those of other levels in enough rows"

BLOCKS = (
    Block(
        name="intercept",
        meaning="mean of a row that picks contributors at random",
        symbol="intercept",
        of="all",
        evaluate=lambda given: given.intercept[..., None],
        linear_in="means",
        linear=_average,
        error=lambda errors: np.array([errors.average]),
        prior_spread=lambda problem: np.array([problem.intercept_sd]),
        power=1,
        located=True,
        identified=WHERE_LEVELS_MEET,
    ),
    Block(
        name="mu",
        meaning="what a contributor adds on average, less the mean over its level",
        symbol="mu",
        of="contributor",
        evaluate=lambda given: given.mu,
        linear_in="means",
        linear=_contrast,
        error=lambda errors: errors.contrast,
        prior_spread=_contrast_spread,
        power=1,
        zero_sum=True,
        identified=WHERE_LEVELS_MEET,
    ),
    Block(
        name="sigma",
        meaning="standard deviation of what a contributor adds",
        symbol="sigma",
        of="contributor",
        evaluate=lambda given: given.sigma,
        linear_in="variances",
        linear=lambda levels, values: values,
        error=lambda errors: errors.single,
        prior_spread=_log_sigma_width,
        power=1,
        positive=True,
        root=True,
        identified="where there is but one level",
    ),
    Block(
        name="variance_contrast",
        meaning="sigma² less its mean over the level",
        symbol="variance contrast",
        of="contributor",
        evaluate=lambda given: given.centre(given.sigma**2),
        linear_in="variances",
        linear=_contrast,
        error=lambda errors: errors.contrast,
        prior_spread=_no_spread,
        power=2,
        zero_sum=True,
        identified=WHERE_LEVELS_MEET,
    ),
    Block(
        name="total_variance",
        meaning="sum over levels of the mean of sigma²",
        symbol="total variance",
        of="all",
        evaluate=lambda given: _average(given.levels, given.sigma**2),
        linear_in="variances",
        linear=_average,
        error=lambda errors: np.array([errors.average]),
        prior_spread=_log_total_width,
        power=2,
        positive=True,
        identified=WHERE_LEVELS_MEET,
    ),
)

PARAMETERS = tuple(block.name for block in BLOCKS)
BY_NAME = {block.name: block for block in BLOCKS}


@dataclass(frozen=True)
class Index:
    """Names of the P quantities.

    Parameters
    ----------
    parameter : ndarray of str, shape (P,)
        One of `PARAMETERS`.
    level, contributor : ndarray of int, shape (P,)
        -1 where they do not apply.
    level_name, label : ndarray of object, shape (P,)
        The same in words, None where they do not apply.
    """

    parameter: NDArray[np.str_]
    level: NDArray[np.int64]
    contributor: NDArray[np.int64]
    level_name: NDArray[np.object_]
    label: NDArray[np.object_]

    def where(self, parameter: str) -> NDArray[np.bool_]:
        """Mark the entries of one parameter, shape (P,)."""
        return self.parameter == parameter


def index(levels: Levels) -> Index:
    """Names of the quantities of these levels."""
    none, nameless = np.array([-1]), np.array([None])
    places = {
        "all": (none, none, nameless, nameless),
        "contributor": (
            levels.level,
            levels.contributor,
            levels.level_name,
            levels.label,
        ),
    }
    columns = zip(*(places[block.of] for block in BLOCKS), strict=True)
    return Index(
        np.repeat(PARAMETERS, [block.size(levels) for block in BLOCKS]),
        *map(np.concatenate, columns),
    )


def each[Value](levels: Levels, of_block: Callable[[Block], Value]) -> NDArray[Any]:
    """Repeat something that blocks have for each of their quantities, shape (P,)."""
    sizes = [block.size(levels) for block in BLOCKS]
    return np.repeat(np.array([of_block(block) for block in BLOCKS]), sizes)


def evaluate(
    levels: Levels,
    intercept: Array | float,
    mu: Array,
    sigma: Array,
) -> Array:
    """Compute every quantity from the coefficients.

    Parameters
    ----------
    levels : Levels
    intercept : ndarray, shape (...)
    mu, sigma : ndarray, shape (..., K)

    Returns
    -------
    ndarray, shape (..., P)
        In the order of `index`.
    """
    return _evaluate(
        Coefficients(levels, np.asarray(intercept), mu, sigma, levels.centre)
    )


def evaluate_truth(levels: Levels, intercept: float, mu: Array, sigma: Array) -> Array:
    """Compute every quantity of true coefficients, shape (P,).

    As `evaluate`, but contrasts that are only rounding are 0 (`Levels.contrasts`).
    """
    return _evaluate(
        Coefficients(levels, np.asarray(intercept), mu, sigma, levels.contrasts)
    )


def _evaluate(given: Coefficients) -> Array:
    return np.concatenate([block.evaluate(given) for block in BLOCKS], axis=-1)


def in_units(levels: Levels, units: Units) -> tuple[Array, Array]:
    """Origin and scale of each quantity, whose value is scale * standard + origin.

    Returns
    -------
    origin, scale : ndarray, shape (P,)
        Only the intercept has an origin; variances have the squared scale.
    """
    located = each(levels, lambda block: block.located)
    power = each(levels, lambda block: block.power)
    return (
        np.where(located, units.origin, 0.0),
        np.where(power == 2, units.scale**2, units.scale),
    )


def constant(levels: Levels) -> NDArray[np.bool_]:
    """Mark quantities that the sum-to-zero constraint alone sets to 0, shape (P,).

    These are contrasts of a level with a single contributor.
    """
    alone = np.concatenate([np.asarray(levels.sizes) == 1, [False]])
    return alone[index(levels).level] & each(levels, lambda block: block.zero_sum)


def of_contributors(levels: Levels, values: Array) -> Array:
    """Apply each quantity's linear form to numbers of the contributors.

    Intercept and mu are linear in the uncentred means, variance_contrast and
    total_variance in the variances; sigma is a function of its own variance.

    Parameters
    ----------
    levels : Levels
    values : ndarray, shape (..., K)

    Returns
    -------
    ndarray, shape (..., P)
    """
    return np.concatenate([block.linear(levels, values) for block in BLOCKS], axis=-1)


def prior_spread(problem: Problem) -> Array:
    """Compute how far every quantity spreads in the prior, shape (P,).

    The standard deviation of intercept and mu. The width of the central 95 % of the
    logarithm of sigma and total_variance, as variances of log-normal numbers are those
    of their tails. NaN for variance_contrast, which has neither.
    """
    return np.concatenate([block.prior_spread(problem) for block in BLOCKS])


def linear(
    levels: Levels,
    means: Array,
    of_means: Errors | None,
    variances: Array,
    of_variances: Errors | None,
) -> tuple[Array, Array]:
    """Estimates and standard errors from those of the contributors.

    Parameters
    ----------
    levels : Levels
    means, variances : ndarray, shape (K,)
        Uncentred means, whose sums are the means of cells, and variances.
    of_means, of_variances : Errors or None
        Of those; without them standard errors are NaN.

    Returns
    -------
    estimate, sd : ndarray, shape (P,)
        sigma is the root of its variance, by the delta method with
        sd(sigma) = sd(sigma^2) / (2 sigma), and NaN where that is negative.
    """
    given = {"means": (means, of_means), "variances": (variances, of_variances)}
    estimates, errors = [], []
    for block in BLOCKS:
        values, known = given[block.linear_in]
        estimates.append(block.linear(levels, values))
        if known is None:
            errors.append(np.full(block.size(levels), np.nan))
        else:
            errors.append(np.sqrt(np.maximum(block.error(known), 0.0)))
    estimate, sd = np.concatenate(estimates), np.concatenate(errors)
    root = each(levels, lambda block: block.root)
    with np.errstate(invalid="ignore", divide="ignore"):
        estimate[root] = np.sqrt(estimate[root])
        sd[root] /= 2.0 * estimate[root]
    fixed = constant(levels)
    estimate[fixed & ~np.isnan(estimate)] = 0.0
    sd[fixed & ~np.isnan(sd)] = 0.0
    return estimate, sd
