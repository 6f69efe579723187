"""Fit data sets with an estimator and put what it says into the tables' form.

Nothing here knows of a truth: it is joined afterwards, see `recovery.against_truth`.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from statistics import NormalDist
from typing import Any

import numpy as np

from summands.estimation.results import Draws, Fit, Point, Standard
from summands.model import estimands, information
from summands.model.cells import Cells
from summands.model.data_set import DataSet
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.model.units import Units

# Quantiles of a normal distribution's central 50 % and 95 %.
Z_50, Z_95 = (NormalDist().inv_cdf(0.5 + level / 2) for level in (0.5, 0.95))

# Numbers that are summarised at once.
BLOCK = 2_000_000


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
    data_set: DataSet,
    problem: Problem,
    options: Mapping[str, Any],
    seed: int,
    *,
    progress: Callable[[str], None] = print,
) -> Fit:
    """Fit one data set. An estimator that fails gives a fit with an error.

    The estimator is given the data, and the priors, in standard units
    (`summands.model.units`): a table in millimetres gives what it gives in metres, and
    a large baseline costs nothing. All that is computed from its result is computed in
    these units too, and brought back at the end.

    Parameters
    ----------
    estimate : callable
        The function of an estimator's module.
    data_set : DataSet
    problem : Problem
    options : mapping
        The estimator's options.
    seed : int
        Seed of the estimator.
    progress : callable, optional
        Takes lines for the log.

    Returns
    -------
    Fit
    """
    fitted = Fit(len(estimands.index(problem.levels).parameter))
    start = time.perf_counter()
    try:
        fitted.identified = information.identified(data_set.cells)
        units = data_set.units
        data, cells = data_set.standard
        # Only the estimator's time is the fit's.
        start = time.perf_counter()
        result = estimate(data, problem.in_units(units), options, seed, progress)
        fitted.seconds = time.perf_counter() - start
        fitted.standard = Standard(units, cells, result)
        if isinstance(result, Draws):
            _summarise(fitted, fitted.standard, result)
        else:
            _state(fitted, result)
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


def _state(fitted: Fit, point: Point) -> None:
    for name in ("estimate", "sd"):
        shape = np.shape(getattr(point, name))
        if shape != (fitted.size,):
            raise ValueError(
                f"the estimator's {name} has shape {shape} where ({fitted.size},) is "
                "needed, see summands.model.estimands.index"
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


def _summarise(fitted: Fit, standard: Standard, draws: Draws) -> None:
    ordered = standard.ordered
    # A few quantities at a time, as all of these make copies.
    step = max(1, BLOCK // ordered.shape[1])
    for start in range(0, fitted.size, step):
        some = slice(start, start + step)
        fitted.estimate[some] = ordered[some].mean(axis=1)
        fitted.sd[some] = ordered[some].std(axis=1, ddof=1)
        (
            fitted.lower_95[some],
            fitted.lower_50[some],
            fitted.upper_50[some],
            fitted.upper_95[some],
        ) = np.quantile(ordered[some], [0.025, 0.25, 0.75, 0.975], axis=1)
    names = estimands.index(standard.cells.levels)
    for contrast in ("mu", "variance_contrast"):
        of_contrast = names.where(contrast)
        for level in np.unique(names.level[of_contrast]):
            of_level = np.flatnonzero(of_contrast & (names.level == level))
            values = standard.flat[:, of_level]
            if (values == values[:, :1]).all():
                # Of one contributor, or of one noise for all, none is the largest.
                continue
            on_top = values.argmax(axis=1)
            counts = np.bincount(on_top, minlength=len(of_level))
            fitted.p_largest[of_level] = counts / len(on_top)
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
    origin, scale = estimands.in_units(levels, units)
    for name in ("sd", "set_lower", "set_upper"):
        setattr(fitted, name, scale * getattr(fitted, name))
    for name in ("estimate", "lower_50", "upper_50", "lower_95", "upper_95"):
        setattr(fitted, name, scale * getattr(fitted, name) + origin)
