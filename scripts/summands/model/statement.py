"""The model, as PyMC states it: priors, constraints, and the likelihood on cells.

It is what nutpie's backend "pymc" samples. The default backend samples the same density
from `posterior.density`, compiled by hand: whatever changes here has to change there
(with `posterior.mode`), or a test of their equality fails.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.logprob.transforms import Transform
from pytensor.tensor import TensorVariable

from summands.model.cells import Cells
from summands.model.problem import PRIORS, Problem


def build(problem: Problem, cells: Cells) -> pm.Model:
    """State the model for one data set.

    The data and the priors are `pymc.Data` containers named as in `data`, so that
    another data set of the same levels, with any number of cells, can take their place.

    Parameters
    ----------
    problem : Problem
        Levels and priors.
    cells : Cells
        The first data set.

    Returns
    -------
    pymc.Model
        With ``intercept``, ``mu`` and ``sigma``, the latter two over the K
        contributors.
    """
    levels = problem.levels
    with pm.Model(coords={"contributor": np.arange(levels.contributors)}) as model:
        observed = {
            name: pm.Data(name, value) for name, value in data(problem, cells).items()
        }
        # The problem again, with containers for numbers.
        prior = replace(problem, **{name: observed[name] for name in PRIORS})
        intercept = pm.Normal("intercept", prior.intercept_mean, prior.intercept_sd)
        mu = pm.Deterministic(
            "mu",
            pt.concatenate(
                [
                    pt.zeros(1)
                    if size == 1
                    else pm.ZeroSumNormal(f"mu_{level}", prior.mu_sd, shape=size)
                    for level, size in enumerate(levels.sizes)
                ]
            ),
            dims="contributor",
        )
        # The prior of sigma, stated for sigma^2 / tau, which is log-normal as well.
        tau = observed["information_scale"]
        scaled_variance = pm.LogNormal(
            "scaled_variance",
            prior.log_variance_mean - pt.log(tau),
            prior.log_variance_sd,
            dims="contributor",
            default_transform=None,
            transform=Softplus(),
        )
        sigma = pm.Deterministic(
            "sigma", pt.sqrt(tau * scaled_variance), dims="contributor"
        )
        mean = intercept + mu[observed["members"]].sum(axis=1)
        variance = (sigma**2)[observed["members"]].sum(axis=1)
        pm.Potential(
            "log_likelihood",
            cell_log_likelihood(
                observed["n"],
                observed["mean"],
                observed["sum_of_squares"],
                mean,
                variance,
            ).sum(),
        )
    return model


def data(problem: Problem, cells: Cells) -> dict[str, NDArray[np.generic]]:
    """Values of the model's data containers for one data set and its priors."""
    return priors(problem, cells) | {
        "members": cells.members,
        "n": cells.n.astype(float),
        "mean": cells.mean,
        "sum_of_squares": cells.sum_of_squares,
    }


def priors(problem: Problem, cells: Cells) -> dict[str, NDArray[np.generic]]:
    """Those of the values that the priors of the model's parameters depend on."""
    return {name: np.asarray(getattr(problem, name)) for name in PRIORS} | {
        "information_scale": information_scale(cells)
    }


def cell_log_likelihood(
    n: TensorVariable,
    mean: TensorVariable,
    sum_of_squares: TensorVariable,
    model_mean: TensorVariable,
    model_variance: TensorVariable,
) -> TensorVariable:
    """Gaussian log likelihood of the rows of each cell, exact.

    -(n/2) log(2 pi v) - (SS + n (mean - m)^2) / (2 v): the sum over the cell's rows
    of their normal log densities, rearranged around the cell's mean.

    Parameters
    ----------
    n, mean, sum_of_squares : array, shape (C,)
        Sufficient statistics of the cells.
    model_mean, model_variance : array, shape (C,)
        m and v, the mean and variance of each row of the cell.

    Returns
    -------
    array, shape (C,)
    """
    residual = sum_of_squares + n * (mean - model_mean) ** 2
    return -0.5 * (n * pt.log(2.0 * np.pi * model_variance) + residual / model_variance)


def information_scale(cells: Cells) -> NDArray[np.float64]:
    """Compute the standard error with which data know each contributor's variance.

    tau_k = vbar_k sqrt(2 / n_k), where vbar_k is the mean variance of the n_k rows of
    contributor k around the least-squares fit of the means: the standard error of a
    normal variance from n_k rows. A contributor without rows counts as having one.

    Parameters
    ----------
    cells : Cells

    Returns
    -------
    ndarray, shape (K,)
        In squared units of the values, above zero.
    """
    z = cells.indicators
    root = np.sqrt(cells.n)
    weights, *_ = np.linalg.lstsq(z * root[:, None], cells.mean * root)
    squares = cells.sum_of_squares + cells.n * (cells.mean - z @ weights) ** 2
    total = squares.sum() / cells.n.sum()
    rows = z.T @ cells.n
    variance = np.where(rows > 0, z.T @ squares / np.maximum(rows, 1), total)
    # Rows that fit without any residual would give a scale of zero.
    floor = np.finfo(float).tiny ** 0.5
    return np.maximum(variance, max(1e-6 * total, floor)) * np.sqrt(
        2.0 / np.maximum(rows, 1)
    )


class Softplus(Transform):
    """x = softplus(u) = log(1 + e^u): linear for large x, logarithmic for small.

    For variances in units of what the data know about them (`information_scale`).
    The data fix only contrasts and the total of the variances, so the posterior has
    ridges along which variance moves from one level to another. They are straight in
    sigma^2 and curve sharply in log sigma, which a sampler cannot follow. Softplus
    keeps them straight where the data inform, and spreads the prior's mass near zero
    out as the logarithm does.
    """

    name = "softplus"
    ndim_supp = 0

    def forward(self, value: TensorVariable, *inputs: TensorVariable) -> TensorVariable:
        """Map x to u = x + log(1 - e^-x), which neither overflows nor cancels."""
        return value + pt.log(-pt.expm1(-value))

    def backward(
        self, value: TensorVariable, *inputs: TensorVariable
    ) -> TensorVariable:
        """Map u to x."""
        return pt.softplus(value)

    def log_jac_det(
        self, value: TensorVariable, *inputs: TensorVariable
    ) -> TensorVariable:
        """Log of dx/du = 1 / (1 + e^-u)."""
        return -pt.softplus(-value)
