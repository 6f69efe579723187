"""The log density of the posterior and its gradient, compiled once for all designs.

The model is that of `model.statement`, in coordinates z in which a sampler moves well
(`posterior.coordinates`). All that a data set and its coordinates amount to is one
record (`RECORD`), so that one compiled function serves every design.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from summands.posterior import cell_density
from summands.posterior.foreign import report
from summands.posterior.records import ARRAY, table, vector

# What the density is made of. Of K contributors in J levels, with Q coordinates of the
# means and A axes of the variances:
RECORD = np.dtype(
    [
        ("levels", np.int64),
        ("level", ARRAY),  # (K,): of each contributor
        # The coordinates; see `summands.posterior.coordinates.Coordinates`.
        ("floors", np.bool_),  # "floors", else "warped"
        ("mean_centre", ARRAY),  # (K + 1,)
        ("mean_axes", ARRAY),  # (K + 1, Q)
        ("centre", ARRAY),  # (K + 1,)
        ("axes", ARRAY),  # (K + 1, A)
        ("kappa", ARRAY),  # (K,)
        ("ratio", ARRAY),  # (K,)
        ("unit", np.float64),
        # The priors.
        ("intercept_mean", np.float64),
        ("intercept_precision", np.float64),
        ("mu_precision", np.float64),
        ("log_variance_mean", np.float64),
        ("log_variance_precision", np.float64),
        # The cells; see `summands.posterior.cell_density.Arrangement`.
        ("per_tile", np.int64),
        ("prefix", ARRAY),
        ("suffix", ARRAY),
        ("n", ARRAY),
        ("mean", ARRAY),  # relative to that at the centre
        ("sum_of_squares", ARRAY),
    ],
    align=True,
)

# Variances outside of this range are refused: sums and products of those inside
# neither overflow nor lose their precision.
SMALLEST, LARGEST = 1e-280, 1e280


@numba.njit(cache=True, inline="always")
def softplus(u: float) -> tuple[float, float]:
    """log(1 + exp(u)) and its slope, from one exponential."""
    e = math.exp(-abs(u))
    return max(u, 0.0) + math.log1p(e), (1.0 if u >= 0 else e) / (1.0 + e)


@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def forward(axes, z, out):  # type: ignore[no-untyped-def]
    """Multiply: out = axes z."""
    for k in range(len(axes)):
        value = 0.0
        for i in range(len(z)):
            value += axes[k, i] * z[i]
        out[k] = value


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def backward(axes, g, out):  # type: ignore[no-untyped-def]
    """Multiply: out = axes' g."""
    for i in range(len(out)):
        out[i] = 0.0
    for k in range(len(axes)):
        for i in range(len(out)):
            out[i] += axes[k, i] * g[k]


@numba.njit(cache=True, error_model="numpy")
def log_density(z, gradient, record):  # type: ignore[no-untyped-def]
    """Log density at z, up to a constant, and its gradient.

    Parameters
    ----------
    z : ndarray, shape (D,)
    gradient : ndarray, shape (D,)
        Is written.
    record : ndarray of `RECORD`, shape (1,)
        See `summands.posterior.coordinates.Coordinates.packed`.

    Returns
    -------
    float
        Not finite where the density is not.
    """
    data = record[0]
    levels = data.levels
    level = vector(data.level, np.int64)
    mean_centre = vector(data.mean_centre, np.float64)
    mean_axes = table(data.mean_axes, np.float64)
    centre = vector(data.centre, np.float64)
    axes = table(data.axes, np.float64)
    kappa = vector(data.kappa, np.float64)
    ratio = vector(data.ratio, np.float64)
    prefix = table(data.prefix, np.int64)
    suffix = table(data.suffix, np.int64)
    n = table(data.n, np.float64)
    mean = table(data.mean, np.float64)
    squares = table(data.sum_of_squares, np.float64)
    k_count, q, axes_count = len(level), mean_axes.shape[1], axes.shape[1]

    # One allocation for all that is passing.
    scratch = np.zeros(6 * k_count + 2 + 4 * levels)
    w = scratch[:k_count]
    s = scratch[k_count : 2 * k_count]
    gw = scratch[2 * k_count : 3 * k_count]
    gs = scratch[3 * k_count : 4 * k_count]
    x = scratch[4 * k_count : 5 * k_count + 1]
    gx = scratch[5 * k_count + 1 : 6 * k_count + 2]
    small = scratch[6 * k_count + 2 :]

    total = 0.0
    # Means: deviations from the centre, which the cells' means are relative to.
    forward(mean_axes, z[:q], x)
    intercept = x[0]
    for k in range(k_count):
        deviation = x[k + 1]
        mu = mean_centre[k + 1] + deviation
        total -= 0.5 * data.mu_precision * mu * mu
        # The prior's gradient waits here until that of the cells joins it.
        gx[k + 1] = -data.mu_precision * mu
        w[k] = deviation + (intercept if level[k] == 0 else 0.0)
    b = mean_centre[0] + intercept - data.intercept_mean
    total -= 0.5 * data.intercept_precision * b * b

    # Variances.
    y = z[q:]
    forward(axes, y[:axes_count], x)
    for k in range(k_count + 1):
        x[k] += centre[k]
    if not data.floors:
        for k in range(k_count):
            value, slope = softplus(x[k])
            s[k] = kappa[k] * math.expm1(ratio[k] * value)
            # The Jacobian (s + kappa) sigmoid(u): its logarithm, up to a constant.
            total += ratio[k] * value + (x[k] - value)
            # From here on only the slope is needed.
            x[k] = slope
    else:
        lowest = small[:levels]
        share = small[levels : 2 * levels]
        for j in range(levels):
            lowest[j] = np.inf
        for k in range(k_count):
            lowest[level[k]] = min(lowest[level[k]], x[k])
        unit = data.unit
        above = x[k_count] / unit
        for j in range(levels):
            above += lowest[j] / unit
        value, slope = softplus(above)
        floor = unit * value
        logits = y[axes_count:]
        highest = 0.0
        for j in range(levels - 1):
            highest = max(highest, logits[j])
        norm = math.exp(-highest)
        for j in range(levels - 1):
            share[j] = math.exp(logits[j] - highest)
            norm += share[j]
        share[levels - 1] = math.exp(-highest)
        for j in range(levels):
            share[j] /= norm
        for k in range(k_count):
            j = level[k]
            s[k] = floor * share[j] + (x[k] - lowest[j])

    for k in range(k_count):
        if not SMALLEST < s[k] < LARGEST:
            return np.nan
    if data.per_tile > 0:
        total += cell_density.as_grid(
            data.per_tile, prefix, suffix, n, mean, squares, w, s, gw, gs
        )
    else:
        total += cell_density.one_by_one(
            prefix, n[0], mean[0], squares[0], w, s, gw, gs
        )

    # Prior of the variances: log s ~ Normal(mean, 1 / precision).
    for k in range(k_count):
        logarithm = math.log(s[k])
        pull = data.log_variance_precision * (logarithm - data.log_variance_mean)
        total -= 0.5 * pull * (logarithm - data.log_variance_mean) + logarithm
        gs[k] -= (pull + 1.0) / s[k]

    # Back to z: means.
    gx[0] = -data.intercept_precision * b
    for k in range(k_count):
        if level[k] == 0:
            gx[0] += gw[k]
        gx[k + 1] += gw[k]
    backward(mean_axes, gx, gradient[:q])

    # Back to z: variances, with the logarithm of the Jacobian.
    for k in range(k_count + 1):
        gx[k] = 0.0
    if not data.floors:
        for k in range(k_count):
            slope = x[k]
            ds = (s[k] + kappa[k]) * ratio[k] * slope
            gx[k] = gs[k] * ds + ratio[k] * slope + (1.0 - slope)
    else:
        g_share = small[2 * levels : 3 * levels]
        g_lowest = small[3 * levels : 4 * levels]
        g_floor = 0.0
        for k in range(k_count):
            j = level[k]
            gx[k] = gs[k]
            g_lowest[j] -= gs[k]
            g_share[j] += gs[k] * floor
            g_floor += gs[k] * share[j]
        total += (levels - 1) * math.log(floor) + (above - value)
        g_floor += (levels - 1) / floor
        g_above = g_floor * unit * slope + (1.0 - slope)
        mixed = 0.0
        for j in range(levels):
            g_lowest[j] += g_above / unit
            total += math.log(share[j])
            mixed += share[j] * g_share[j]
        gx[k_count] = g_above / unit
        for k in range(k_count):
            j = level[k]
            # The first of equal minima takes the gradient of the minimum.
            if x[k] == lowest[j]:
                gx[k] += g_lowest[j]
                g_lowest[j] = 0.0
        for j in range(levels - 1):
            gradient[q + axes_count + j] = (
                share[j] * (g_share[j] - mixed) + 1.0 - levels * share[j]
            )
    backward(axes, gx, gradient[q : q + axes_count])
    return total


def callback(dimension, z, gradient, value, user_data):  # type: ignore[no-untyped-def]
    """Serve nutpie, with the record behind user_data."""
    record = numba.carray(user_data, (1,), RECORD)
    slope = numba.carray(gradient, (dimension,))
    result = log_density(numba.carray(z, (dimension,)), slope, record)
    return report(result, slope, numba.carray(value, (1,)))
