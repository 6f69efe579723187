"""The model, as PyMC states it: priors, constraints, and the likelihood on cells.

It is what nutpie's backend "pymc" samples. The default backend samples the same
densities from `posterior.density`, `posterior.pooled_density` and
`posterior.constant_density`, compiled by hand: whatever changes here has to change
there (with `posterior.mode`), or a test of their equality fails.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.logprob.transforms import Transform
from pytensor.tensor import TensorVariable

from summands.model.cells import Cells
from summands.model.levels import Levels
from summands.model.problem import Problem


def build(
    problem: Problem, cells: Cells, estimated: bool = False, constant: bool = False
) -> pm.Model:
    """State the model for one data set.

    The data and the priors are `pymc.Data` containers named as in `data`, so that
    another data set of the same levels, with any number of cells, can take their place.

    Parameters
    ----------
    problem : Problem
        Levels and priors.
    cells : Cells
        The first data set.
    estimated : bool, optional
        Whether each level has scales of its own, with the priors `Problem.scales`.
    constant : bool, optional
        Whether all rows have one noise: the sigma of level 0, and 0 of the others.

    Returns
    -------
    pymc.Model
        With ``intercept``, ``mu`` and ``sigma``, the latter two over the K
        contributors; where scales are estimated with ``mu_sd``, and unless the noise
        is constant ``log_sigma_mean`` and ``log_sigma_sd``, over the J levels.
    """
    levels = problem.levels
    coords = {
        "contributor": np.arange(levels.contributors),
        "level": np.arange(levels.count),
    }
    with pm.Model(coords=coords) as model:
        given = {
            name: pm.Data(name, value)
            for name, value in data(problem, cells, estimated, constant).items()
        }
        intercept = pm.Normal(
            "intercept", given["intercept_mean"], given["intercept_sd"]
        )
        mu = _scaled_means(levels, given) if estimated else _means(levels, given)
        if constant:
            sigma = _one_noise(levels, given)
        elif estimated:
            sigma = _pooled_noise(levels, given)
        else:
            sigma = _noise(given)
        mean = intercept + mu[given["members"]].sum(axis=1)
        variance = (sigma**2)[given["members"]].sum(axis=1)
        pm.Potential(
            "log_likelihood",
            cell_log_likelihood(
                given["n"], given["mean"], given["sum_of_squares"], mean, variance
            ).sum(),
        )
    return model


Given = dict[str, TensorVariable]


def _means(levels: Levels, given: Given) -> TensorVariable:
    """Zero-sum means of a known scale."""
    parts = [
        pt.zeros(1)
        if size == 1
        else pm.ZeroSumNormal(f"mu_{level}", given["mu_sd"], shape=size)
        for level, size in enumerate(levels.sizes)
    ]
    return pm.Deterministic("mu", pt.concatenate(parts), dims="contributor")


def _scaled_means(levels: Levels, given: Given) -> TensorVariable:
    """Zero-sum means in units of their level's scale, which has a half-normal prior."""
    scales: list[TensorVariable] = []
    parts = []
    for level, size in enumerate(levels.sizes):
        if size == 1:
            # A level without differences tells nothing of their scale.
            scales.append(pt.as_tensor(0.0))
            parts.append(pt.zeros(1))
        else:
            scale = pm.HalfNormal(f"mu_sd_{level}", given["mu_sd_scale"])
            scales.append(scale)
            parts.append(scale * pm.ZeroSumNormal(f"effect_{level}", 1.0, shape=size))
    pm.Deterministic("mu_sd", pt.stack(scales), dims="level")
    return pm.Deterministic("mu", pt.concatenate(parts), dims="contributor")


def _noise(given: Given) -> TensorVariable:
    """Log-normal sigma of known centre and spread.

    Stated for sigma^2 / tau, which is log-normal as well.
    """
    tau = given["information_scale"]
    scaled_variance = pm.LogNormal(
        "scaled_variance",
        given["log_variance_mean"] - pt.log(tau),
        given["log_variance_sd"],
        dims="contributor",
        default_transform=None,
        transform=Softplus(),
    )
    return pm.Deterministic("sigma", pt.sqrt(tau * scaled_variance), dims="contributor")


def _pooled_noise(levels: Levels, given: Given) -> TensorVariable:
    """Log-normal sigma whose centre and spread each level has of its own."""
    centre = pm.Normal(
        "log_sigma_mean", given["centre_mean"], given["centre_sd"], dims="level"
    )
    spread = pm.LogNormal(
        "log_sigma_sd", given["spread_mean"], given["spread_sd"], dims="level"
    )
    deviation = pm.Normal("deviation", 0.0, 1.0, dims="contributor")
    log_sigma = centre[levels.level] + spread[levels.level] * deviation
    return pm.Deterministic("sigma", pt.exp(log_sigma), dims="contributor")


def _one_noise(levels: Levels, given: Given) -> TensorVariable:
    """One log-normal noise of all rows, where that of J levels would be in one."""
    log_noise = pm.Normal(
        "log_noise",
        given["centre_mean"] + 0.5 * np.log(levels.count),
        given["centre_sd"],
    )
    return pm.Deterministic(
        "sigma",
        pt.switch(levels.level == 0, pt.exp(log_noise), 0.0),
        dims="contributor",
    )


def data(
    problem: Problem, cells: Cells, estimated: bool = False, constant: bool = False
) -> dict[str, NDArray[np.generic]]:
    """Values of the model's data containers for one data set and its priors."""
    return priors(problem, cells, estimated, constant) | {
        "members": cells.members,
        "n": cells.n.astype(float),
        "mean": cells.mean,
        "sum_of_squares": cells.sum_of_squares,
    }


def priors(
    problem: Problem, cells: Cells, estimated: bool = False, constant: bool = False
) -> dict[str, NDArray[np.generic]]:
    """Those of the values that the priors of the model's parameters depend on."""
    found: dict[str, object] = {
        "intercept_mean": problem.intercept_mean,
        "intercept_sd": problem.intercept_sd,
    }
    centre = problem.log_sigma_mean, problem.log_sigma_sd
    if estimated:
        assert problem.scales is not None
        of_centre, of_spread = (
            problem.scales.log_sigma_mean,
            problem.scales.log_sigma_sd,
        )
        centre = of_centre.mean, of_centre.sd
        found["mu_sd_scale"] = problem.scales.mu_sd.scale
    else:
        found["mu_sd"] = problem.mu_sd
    if constant or estimated:
        found["centre_mean"], found["centre_sd"] = centre
    else:
        found["log_variance_mean"] = problem.log_variance_mean
        found["log_variance_sd"] = problem.log_variance_sd
        found["information_scale"] = information_scale(cells)
    if estimated and not constant:
        found["spread_mean"], found["spread_sd"] = of_spread.mean, of_spread.sd
    return {name: np.asarray(value) for name, value in found.items()}


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
