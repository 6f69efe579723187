"""The posterior of one noise and the levels' scales, the means integrated out.

The model is that of `model.statement` with constant noise: all rows have the variance
v = sigma^2. With the means integrated out (`posterior.effects`) the posterior lives in
log sigma and, where the scales tau of the means are estimated, in one q = asinh(tau /
unit) a level, see `posterior.pooled_density`: the likelihood is the restricted one of
mixed models (Harville 1977, JASA 72:320) but for the prior of the intercept. G and r
of the effects are sums over the cells once and for all, divided by v.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from summands.posterior import effects
from summands.posterior.density import LARGEST, SMALLEST, backward, forward
from summands.posterior.foreign import report
from summands.posterior.pooled_density import scales, to_scales
from summands.posterior.records import ARRAY, table, vector

# Of V levels of more than one contributor; D is V + 1, or 1 where scales are known.
RECORD = np.dtype(
    [
        ("centre", ARRAY),  # (D,)
        ("axes", ARRAY),  # (D, D)
        ("unit", ARRAY),  # (V,)
        ("tau", ARRAY),  # (V,): the scales where they are known
        # The priors.
        ("tau_precision", np.float64),
        ("intercept_precision", np.float64),
        ("intercept_mean", np.float64),  # relative to what the cells' means are
        ("log_sigma_mean", np.float64),
        ("log_sigma_precision", np.float64),
        # See `summands.posterior.effects.Layout`, and `gather` there, with n for n / v.
        ("largest", np.int64),
        ("eliminated", ARRAY),
        ("rest", ARRAY),
        ("of_rest", ARRAY),
        ("average", ARRAY),
        ("d", ARRAY),
        ("cross", ARRAY),
        ("square", ARRAY),
        ("of_e", ARRAY),
        ("of_r", ARRAY),
        # The cells.
        ("n", ARRAY),
        ("mean", ARRAY),
        ("rows", np.float64),
        ("sum_of_squares", np.float64),
    ],
    align=True,
)


@numba.njit(cache=True, error_model="numpy")
def log_density(z, gradient, record):  # type: ignore[no-untyped-def]
    """Log density at z, up to a constant, and its gradient.

    Parameters
    ----------
    z, gradient : ndarray, shape (D,)
        The gradient is written.
    record : ndarray of `RECORD`, shape (1,)

    Returns
    -------
    float
        Not finite where the density is not.
    """
    data = record[0]
    centre = vector(data.centre, np.float64)
    axes = table(data.axes, np.float64)
    known = vector(data.tau, np.float64)
    n = vector(data.n, np.float64)
    mean = vector(data.mean, np.float64)
    eliminated = vector(data.eliminated, np.int64)
    rest = table(data.rest, np.int64)

    x = np.empty(len(centre))
    forward(axes, z, x)
    for i in range(len(x)):
        x[i] += centre[i]
    free = len(x) - 1
    log_sigma = x[free]
    v = math.exp(2.0 * log_sigma)
    if not SMALLEST < v < LARGEST:
        return np.nan
    pull = data.log_sigma_precision * (log_sigma - data.log_sigma_mean)
    total = -0.5 * pull * (log_sigma - data.log_sigma_mean)
    tau = known.copy()
    if free > 0:
        total += scales(x[:free], record, tau)

    gram, layout = scaled_gram(v, record)
    size, count = len(gram[3]), len(gram[4])
    w_e = np.empty(size)
    w_r = np.empty(count)
    h_e = np.empty(size)
    h_re = np.empty((count, size))
    h_rr = np.empty((count, count))
    bend = np.empty(len(tau))
    value, trace = effects.integrate(
        gram,
        layout,
        tau,
        data.intercept_precision,
        data.intercept_mean,
        w_e,
        w_r,
        h_e,
        h_re,
        h_rr,
        bend,
    )
    square = data.sum_of_squares
    for c in range(len(n)):
        residual = mean[c] - w_r[0]
        for i in range(rest.shape[1]):
            residual -= w_r[rest[c, i]]
        if size > 0:
            residual -= w_e[eliminated[c]]
        square += n[c] * residual * residual
    square /= v
    total += value - 0.5 * square - data.rows * log_sigma
    if not math.isfinite(total):
        return np.nan
    x[free] = square + trace - data.rows - pull
    if free > 0:
        to_scales(x[:free], tau, bend, record)
    backward(axes, x, gradient)
    return total


@numba.njit(cache=True, error_model="numpy")
def scaled_gram(v, record):  # type: ignore[no-untyped-def]
    """G and r of the effects for this variance of the rows, and their layout."""
    data = record[0]
    return (
        vector(data.d, np.float64) / v,
        table(data.cross, np.float64) / v,
        table(data.square, np.float64) / v,
        vector(data.of_e, np.float64) / v,
        vector(data.of_r, np.float64) / v,
    ), (
        data.largest,
        vector(data.of_rest, np.int64),
        vector(data.average, np.float64),
    )


def callback(dimension, z, gradient, value, user_data):  # type: ignore[no-untyped-def]
    """Serve nutpie, with the record behind user_data."""
    record = numba.carray(user_data, (1,), RECORD)
    slope = numba.carray(gradient, (dimension,))
    result = log_density(numba.carray(z, (dimension,)), slope, record)
    return report(result, slope, numba.carray(value, (1,)))
