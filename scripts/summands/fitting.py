"""Fit data sets with an estimator and put what it says into the tables' form.

Nothing here assumes that a truth exists: it is None for observed data.
"""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from summands import estimands, information, scores
from summands.cells import Cells, collapse
from summands.design import PRIORS, Design
from summands.levels import Levels
from summands.simulate import Rows
from summands.units import Units

if TYPE_CHECKING:
    # Compiles; what only reads fits need not wait for it.
    from summands.diagnostics import Diagnostics

# Draws that the truth is ranked among: few enough to be nearly independent wherever
# the effective sample size is enough, and one less than a round number of ranks.
RANKED_DRAWS = 99

# Quantiles of a normal distribution's central 50 % and 95 %.
Z_50, Z_95 = (NormalDist().inv_cdf(0.5 + level / 2) for level in (0.5, 0.95))


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
    """

    levels: Levels
    mu_sd: float
    log_sigma_mean: float
    log_sigma_sd: float
    intercept_sd: float = 5.0
    intercept_mean: float = 0.0

    @classmethod
    def of(cls, design: Design, units: Units | None = None) -> Problem:
        """Levels of a design, with its priors.

        Those that the design does not state follow the data: with the mean m and the
        standard deviation S of all values, and J levels, they are Normal(m, 5 S) for
        the intercept, the scale S for mu, and for log sigma
        Normal(log(S / sqrt(J + 1)), 1), as if the means and each level had equal
        shares of the total variance. An intercept that is always 0 has a weak prior
        none the less.

        Parameters
        ----------
        design : Design
        units : Units, optional
            Those of the data; without them m is 0 and S is 1.
        """
        units = units or Units()
        followed = cls(
            design.levels,
            mu_sd=units.scale,
            log_sigma_mean=math.log(units.scale / math.sqrt(design.levels.count + 1)),
            log_sigma_sd=1.0,
            intercept_sd=5.0 * units.scale,
            intercept_mean=units.origin,
        )
        stated = {name: getattr(design, name) for name in PRIORS}
        if stated["intercept_sd"] == 0.0:
            stated["intercept_sd"] = cls.intercept_sd
        return replace(
            followed,
            **{name: value for name, value in stated.items() if value is not None},
        )

    def in_units(self, units: Units) -> Problem:
        """Express the priors in other units, whose origin and scale are in these."""
        return replace(
            self,
            mu_sd=self.mu_sd / units.scale,
            log_sigma_mean=self.log_sigma_mean - math.log(units.scale),
            intercept_sd=self.intercept_sd / units.scale,
            intercept_mean=(self.intercept_mean - units.origin) / units.scale,
        )


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

    def values(self, levels: Levels) -> NDArray[np.float64]:
        """Draws of every quantity of `summands.estimands`, shape (chains, draws, P)."""
        return estimands.evaluate(levels, self.intercept, self.mu, self.sigma)


@dataclass(frozen=True)
class Point:
    """Estimates with standard errors; NaN where the estimator has none.

    Parameters
    ----------
    estimate, sd : ndarray, shape (P,)
        In the order of `summands.estimands.index`. Intervals are those of a normal
        distribution.
    converged : bool
        Whether the estimator's own criterion was met.
    remark : str, optional
        What else is to be known of the fit.
    """

    estimate: NDArray[np.float64]
    sd: NDArray[np.float64]
    converged: bool
    remark: str | None = None


@dataclass
class Fit:
    """One fitted data set: a row of fits.parquet and P rows of estimates.parquet.

    Arrays have the shape (P,), NaN where there is nothing to say.
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
    rank: NDArray[np.float64] = field(init=False)
    rank_of: NDArray[np.float64] = field(init=False)
    crps: NDArray[np.float64] = field(init=False)
    set_lower: NDArray[np.float64] = field(init=False)
    set_upper: NDArray[np.float64] = field(init=False)
    identified: NDArray[np.float64 | np.bool] = field(init=False)
    seconds: float = float("nan")
    gradients: int | None = None
    divergences: int | None = None
    min_ebfmi: float | None = None
    parametrisation: str | None = None
    attempts: int | None = None
    log_likelihood_rank: int | None = None
    log_likelihood_rank_of: int | None = None
    converged: bool = False
    criterion: str | None = None
    error: str | None = None
    remark: str | None = None
    prior_conflict: str | None = None
    draws: Draws | None = None

    def __post_init__(self) -> None:
        for item in fields(self):
            if not item.init:
                setattr(self, item.name, np.full(self.size, np.nan))

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


def prepare(
    prepare: Callable[[Problem, Mapping[str, Any]], None],
    problem: Problem,
    options: Mapping[str, Any],
    progress: Callable[[str], None] = print,
) -> None:
    """Import and compile what the fits of a batch share, apart from their time.

    An estimator that cannot be prepared fails here as it will in each fit, where the
    failure is recorded; here it is only told.

    Parameters
    ----------
    prepare : callable
        The function of an estimator's module.
    problem : Problem
    options : mapping
        The estimator's options.
    progress : callable, optional
        Takes lines for the log.
    """
    start = time.perf_counter()
    try:
        prepare(problem, options)
    except Exception:
        progress(traceback.format_exc().rstrip())
    seconds = time.perf_counter() - start
    # Most designs share what the first of a job has compiled.
    if seconds > 0.1:
        progress(f"imported and compiled in {seconds:.1f} s")


def fit(
    estimate: Callable[..., Draws | Point],
    data: Rows | Cells,
    problem: Problem,
    options: Mapping[str, Any],
    seed: int,
    *,
    truth: NDArray[np.float64] | None = None,
    tie_breaker: np.random.Generator | None = None,
    progress: Callable[[str], None] = print,
) -> Fit:
    """Fit one data set. An estimator that fails gives a fit with an error.

    The estimator is given the data, and the priors, in standard units
    (`summands.units`): a table in millimetres gives what it gives in metres, and a
    large baseline costs nothing. All that is computed from its result is computed in
    these units too, and brought back at the end.

    Parameters
    ----------
    estimate : callable
        The function of an estimator's module.
    data : Rows or Cells
        What the estimator reads.
    problem : Problem
    options : mapping
        The estimator's options.
    seed : int
        Seed of the estimator.
    truth : ndarray of shape (P,), optional
        Ranked among the draws, if there are any.
    tie_breaker : numpy.random.Generator, optional
        Orders the truth among draws equal to it; needed with a truth.
    progress : callable, optional
        Takes lines for the log.

    Returns
    -------
    Fit
    """
    fitted = Fit(len(estimands.index(problem.levels).parameter))
    start = time.perf_counter()
    try:
        cells = data if isinstance(data, Cells) else collapse(data)
        fitted.identified = information.identified(cells)
        units = Units.of(data)
        data, cells = units.standard(data), units.standard(cells)
        if truth is not None:
            origin, scale = units.of_quantities(problem.levels)
            truth = (truth - origin) / scale
        # Only the estimator's time is the fit's.
        start = time.perf_counter()
        result = estimate(data, problem.in_units(units), options, seed, progress)
        fitted.seconds = time.perf_counter() - start
        if isinstance(result, Draws):
            _summarise(fitted, result, cells, truth, tie_breaker)
        else:
            _state(fitted, result, truth)
        _bound_sigma(fitted, cells)
        _bring_back(fitted, units, problem.levels)
    # Whatever goes wrong in one fit is a result of the study; it must not take the
    # other fits of the job with it.
    except Exception as error:
        progress(traceback.format_exc().rstrip())
        failed = Fit(fitted.size, seconds=time.perf_counter() - start)
        failed.identified = fitted.identified
        text = str(error).strip().splitlines()
        failed.error = f"{type(error).__name__}: {text[0] if text else 'no message'}"
        return failed
    return fitted


def _state(fitted: Fit, point: Point, truth: NDArray[np.float64] | None) -> None:
    for name in ("estimate", "sd"):
        shape = np.shape(getattr(point, name))
        if shape != (fitted.size,):
            raise ValueError(
                f"the estimator's {name} has shape {shape} where ({fitted.size},) is "
                "needed, see summands.estimands.index"
            )
    fitted.estimate = point.estimate
    fitted.sd = point.sd
    fitted.lower_50 = point.estimate - Z_50 * point.sd
    fitted.upper_50 = point.estimate + Z_50 * point.sd
    fitted.lower_95 = point.estimate - Z_95 * point.sd
    fitted.upper_95 = point.estimate + Z_95 * point.sd
    fitted.converged = point.converged
    fitted.remark = point.remark
    fitted.criterion = None if point.converged else "the estimator's own criterion"
    if truth is not None:
        fitted.crps = scores.normal_crps(point.estimate, point.sd, truth)


def _summarise(
    fitted: Fit,
    draws: Draws,
    cells: Cells,
    truth: NDArray[np.float64] | None,
    tie_breaker: np.random.Generator | None,
) -> None:
    flat = draws.values(cells.levels).reshape(-1, fitted.size)
    ordered = np.sort(flat.T, axis=1)
    fitted.estimate = flat.mean(axis=0)
    fitted.sd = flat.std(axis=0, ddof=1)
    (
        fitted.lower_95,
        fitted.lower_50,
        fitted.upper_50,
        fitted.upper_95,
    ) = np.quantile(ordered, [0.025, 0.25, 0.75, 0.975], axis=1)
    found = draws.diagnostics
    fitted.rhat = found.rhat
    fitted.ess_bulk = found.ess_bulk
    fitted.ess_tail = found.ess_tail
    fitted.divergences = found.divergences
    fitted.min_ebfmi = found.min_ebfmi
    fitted.converged = found.converged
    fitted.criterion = found.criterion
    fitted.gradients = draws.gradients
    fitted.parametrisation = draws.parametrisation
    fitted.attempts = draws.attempts
    fitted.draws = draws
    if truth is not None and tie_breaker is not None:
        fitted.crps = scores.draws_crps(ordered, truth)
        _rank(fitted, flat, cells, truth, tie_breaker)


def _bound_sigma(fitted: Fit, cells: Cells) -> None:
    names = estimands.index(cells.levels)
    sigma = names.where("sigma")
    fitted.set_lower[sigma], fitted.set_upper[sigma] = information.sigma_set(
        cells,
        fitted.estimate[names.where("variance_contrast")],
        float(fitted.estimate[names.where("total_variance")][0]),
    )


def _bring_back(fitted: Fit, units: Units, levels: Levels) -> None:
    """Express a fit in standard units in those of the data."""
    origin, scale = units.of_quantities(levels)
    for name in ("sd", "crps", "set_lower", "set_upper"):
        setattr(fitted, name, scale * getattr(fitted, name))
    for name in ("estimate", "lower_50", "upper_50", "lower_95", "upper_95"):
        setattr(fitted, name, scale * getattr(fitted, name) + origin)
    if fitted.draws is not None:
        fitted.draws = replace(
            fitted.draws,
            intercept=units.scale * fitted.draws.intercept + units.origin,
            mu=units.scale * fitted.draws.mu,
            sigma=units.scale * fitted.draws.sigma,
        )


def _rank(
    fitted: Fit,
    flat: NDArray[np.float64],
    cells: Cells,
    truth: NDArray[np.float64],
    tie_breaker: np.random.Generator,
) -> None:
    """Rank the truth among thinned draws, ties broken at random.

    The statistic of simulation-based calibration (Talts et al. 2018,
    arXiv:1804.06788, algorithm 2): the number of draws below the truth. The log
    likelihood as well, whose ranks show what those of single quantities cannot
    (Modrák et al. 2023, Bayesian Analysis, arXiv:2211.02383).
    """
    kept = np.linspace(0, len(flat) - 1, min(RANKED_DRAWS, len(flat))).round()
    thinned = flat[kept.astype(int)]
    names = estimands.index(cells.levels)

    def log_likelihood(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return cells.log_likelihood(
            values[..., 0],
            values[..., names.where("mu")],
            values[..., names.where("sigma")] ** 2,
        )

    with_likelihood = np.column_stack([thinned, log_likelihood(thinned)])
    true = np.append(truth, log_likelihood(truth))
    below = (with_likelihood < true).sum(axis=0)
    ties = (with_likelihood == true).sum(axis=0)
    ranks = below + tie_breaker.integers(0, ties, endpoint=True)
    fitted.rank = ranks[:-1].astype(float)
    fitted.rank_of = np.full(fitted.size, float(len(thinned)))
    fitted.log_likelihood_rank = int(ranks[-1])
    fitted.log_likelihood_rank_of = len(thinned)
