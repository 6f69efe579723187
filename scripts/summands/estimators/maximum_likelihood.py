"""Maximum likelihood of the heteroscedastic sum, with variances that are not negative.

The efficient frequentist answer, which the posterior must match as rows grow. With a
cell of one row the likelihood has no maximum; an interior mode is given then, and the
column ``remark`` of ``fits.parquet`` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from summands.estimation.results import Components, Point
from summands.model import estimands, information
from summands.model.cells import Cells
from summands.model.elimination import NormalEquations
from summands.model.indicators import sums
from summands.model.problem import Problem

READS = "cells"
SAMPLES = False
OPTIONS: dict[str, dict[str, Any]] = {
    "max_iter": {
        "type": "integer",
        "minimum": 1,
        "default": 500,
        "description": "Rounds of Fisher scoring, at the most.",
    },
    "tol": {
        "type": "number",
        "exclusiveMinimum": 0,
        "default": 1e-9,
        "description": (
            "Stop when a round can raise the log likelihood by no more than this."
        ),
    },
}

# A cell's variance, over the mean square of all residuals, below which the search is
# taken to follow a likelihood that grows without bound.
COLLAPSED = 1e-8

# Spread of a cell's rows, over the root mean square of all residuals, that is none but
# for rounding.
EQUAL = 1e-12

# Contributors above which the largest level of the means is eliminated, which takes
# longer for few, and variances are sought level by level, so many times: an active set
# of thousands would take hours.
MANY, SWEEPS = 300, 30

Array = NDArray[np.float64]


def prepare(problem: Problem, options: Mapping[str, Any]) -> None:
    """Import SciPy's solver."""
    import scipy.optimize  # noqa: F401


def estimate(
    cells: Cells,
    problem: Problem,
    options: Mapping[str, Any],
    seed: int,
    progress: Callable[[str], None],
) -> Point:
    """Maximise the likelihood by Fisher scoring, alternating means and variances.

    Means given variances are weighted least squares. Variances given means: a step of
    Fisher scoring is the regression of the cells' squared residuals on their
    contributors, weighted by n / (2 v^2) (McCullagh and Nelder 1989, Generalized Linear
    Models, section 10.5), here with coefficients that are not negative (Lawson and
    Hanson 1974, chapter 23), and halved until the likelihood does not fall.

    The likelihood grows without bound if, and only if, the rows of some cell have no
    spread about their mean, as a single row has none: let the variances of that cell's
    contributors go to 0, with the means such that the cell is fitted exactly. Every
    other cell has at least one other contributor, whose variance stays, and a finite
    likelihood. (If all cells have spread, none can exceed that of a normal sample with
    a mean and a variance of its own.) Where such cells exist, the search ends at an
    interior mode: a local maximum, as the maximum is with more rows in each cell.

    Parameters
    ----------
    cells : Cells
    problem : Problem
        Its priors do not matter.
    options : mapping
    seed : int
        Not used: nothing is random.
    progress : callable
        Not used: it takes milliseconds, of thousands of contributors a minute.

    Returns
    -------
    Point
        Standard errors are those of the expected information at the estimate. What is
        not identified is NaN. The remark counts the cells without spread. Components
        have no intervals.

    Raises
    ------
    ValueError
        If the search comes to no interior mode: it follows the likelihood to where the
        variance of a cell is zero.
    """
    levels = cells.levels
    members, k = cells.members, levels.contributors
    n = cells.n.astype(float)
    null = cells.null_space
    # Around their mean, so that values far from zero keep their digits.
    origin = np.average(cells.mean, weights=n)

    def regress(v: Array) -> tuple[Array, Array]:
        """Means, and mean squared residuals of cells, given the cells' variances."""
        right = sums(members, n / v * (cells.mean - origin), k)
        if k > MANY:
            means = NormalEquations(members, levels.sizes, n / v, null).solve(right)
        else:
            means = information.inverse(information.of_means(cells, v), null) @ right
        residual = cells.mean - origin - means[members].sum(axis=1)
        return means, cells.sum_of_squares / n + residual**2

    def likelihood(v: Array, squares: Array) -> float:
        return float(-0.5 * (n * (np.log(v) + squares / v)).sum())

    _, squares = regress(np.ones(len(n)))
    # Means that fit exactly leave nothing but rounding.
    whole = cells.sum_of_squares + n * (cells.mean - origin) ** 2
    scale = max((n * squares).sum(), EQUAL**2 * whole.sum()) / n.sum()
    spikes = _without_spread(cells, scale)
    if scale == 0:
        raise ValueError(_no_mode(cells, 0))
    variances = np.full(k, scale / levels.count)
    v = variances[members].sum(axis=1)
    converged = False
    for _ in range(options["max_iter"]):
        means, squares = regress(v)
        if k > MANY:
            target = _descended(cells, 0.5 * n / v**2, squares, variances)
        else:
            target = _nonnegative(
                information.of_variances(cells, v),
                sums(members, 0.5 * n * squares / v**2, k),
            )
        direction = target - variances
        score = sums(members, 0.5 * n * (squares - v) / v**2, k)
        gain = float(score @ direction)
        if gain <= options["tol"]:
            converged = True
            break
        before = likelihood(v, squares)
        step = 1.0
        while step > 1e-12:
            moved = variances + step * direction
            there = moved[members].sum(axis=1)
            if there.min() > 0 and likelihood(there, squares) >= before:
                break
            step *= 0.5
        else:
            break
        variances, v = moved, there
        collapsed = np.flatnonzero(spikes & (v < COLLAPSED * scale))
        if len(collapsed):
            raise ValueError(_no_mode(cells, int(collapsed[0])))
    means, _ = regress(v)
    means += origin / levels.count
    estimate, _ = estimands.linear(levels, means, None, variances, None)
    sd = information.standard_errors(cells, variances)
    lost = ~information.identified(cells)
    estimate[lost] = np.nan
    return Point(
        estimate,
        sd,
        converged=converged,
        remark=_remark(cells, spikes),
        components=_components(cells, estimate, sd, v),
    )


def _components(cells: Cells, estimate: Array, sd: Array, v: Array) -> Components:
    """Scales of the levels by the method of moments, and the noise.

    The squares of the estimated mu of a level of m add up, on average, to
    (m - 1) tau^2 and their sampling variances: of contributors of equal weight the
    variance component of Hedges and Olkin (1985, Statistical Methods for
    Meta-Analysis, section 9.C). 0 where the squares are less than those variances, NaN
    where the contributors' means are not identified.

    Parameters
    ----------
    cells : Cells
    estimate, sd : ndarray, shape (P,)
    v : ndarray, shape (C,)
        Variance of a row of each cell.
    """
    levels = cells.levels
    mu = estimands.index(levels).where("mu")
    excess = np.add.reduceat(estimate[mu] ** 2 - sd[mu] ** 2, levels.offsets)
    freedom = np.maximum(np.asarray(levels.sizes) - 1, 1)
    noise = np.average(v, weights=cells.n)
    found = np.sqrt(np.append(np.maximum(excess / freedom, 0.0), noise))
    unknown = np.full(len(found), np.nan)
    return Components(found, unknown, unknown)


def _without_spread(cells: Cells, scale: float) -> NDArray[np.bool_]:
    """Mark the cells whose rows have no spread, shape (C,).

    Parameters
    ----------
    cells : Cells
    scale : float
        Mean square of all residuals.
    """
    return cells.sum_of_squares <= cells.n * EQUAL**2 * scale


def _remark(cells: Cells, spikes: NDArray[np.bool_]) -> str | None:
    """Say that a mode is not a maximum, None if it is one."""
    count = int(spikes.sum())
    if not count:
        return None
    single = cells.n[spikes] == 1
    kind = "of one row" if single.all() else "of equal rows"
    if single.any() and not single.all():
        kind = "of one row or of equal rows"
    noun = "cell" if count == 1 else "cells"
    return (
        f"the likelihood has no maximum: {count} {noun} {kind}; "
        "this is an interior mode"
    )


def _no_mode(cells: Cells, cell: int) -> str:
    """Say why the search came to no mode, and what would mend it."""
    place = " + ".join(cells.levels.titles[k] for k in cells.members[cell])
    rows = int(cells.n[cell])
    what = "only row" if rows == 1 else f"{rows} rows, which are equal,"
    remedy = "more rows" if rows == 1 else "a sigma above 0 of one of them"
    return (
        "the likelihood has no maximum: it grows without bound as the variance of the "
        f"{what} of {place} goes to zero; {remedy} would mend it"
    )


def _descended(cells: Cells, weight: Array, squares: Array, start: Array) -> Array:
    """Come near the variances that fit squares best, none of them negative.

    By coordinate descent: those of a level, who never meet, are best one by one given
    the others. As near as a round of scoring needs.

    Parameters
    ----------
    cells : Cells
    weight, squares : ndarray, shape (C,)
        Of the squared residuals, and these.
    start : ndarray, shape (K,)
    """
    levels = cells.levels
    found = start.copy()
    columns = cells.contributors.T
    known = [
        np.maximum(np.bincount(column, weight, size), np.finfo(float).tiny)
        for column, size in zip(columns, levels.sizes, strict=True)
    ]
    left = weight * (squares - found[cells.members].sum(axis=1))
    for _ in range(SWEEPS):
        for j, (offset, size) in enumerate(
            zip(levels.offsets, levels.sizes, strict=True)
        ):
            own = found[offset : offset + size]
            step = np.bincount(columns[j], left, size) / known[j]
            moved = np.maximum(own + step, 0.0) - own
            own += moved
            left -= weight * moved[columns[j]]
    return found


def _nonnegative(gram: Array, moments: Array) -> Array:
    """Minimise s' gram s / 2 - moments' s over s >= 0."""
    import scipy.optimize

    # A scale for each unknown keeps contributors of few rows from drowning.
    unit = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    values, vectors = np.linalg.eigh(gram / unit / unit[:, None])
    kept = values > 1e-12 * values[-1]
    root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    target = (vectors[:, kept].T @ (moments / unit)) / np.sqrt(values[kept])
    solution, _ = scipy.optimize.nnls(root, target, maxiter=100 * len(gram))
    return solution / unit
