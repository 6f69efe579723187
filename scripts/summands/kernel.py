"""The log density of the posterior and its gradient, compiled once for all designs.

The model is that of `summands.model`, in coordinates z in which a sampler moves well
(`summands.coordinates`). All that a data set and its coordinates amount to is one
array of floats and one of integers, so that one compiled function serves every design.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

# Kinds of coordinates of the variances.
WARPED = 0
FLOORS = 1

# Positions in the array of integers: sizes, then the offset of each array.
LEVELS, CONTRIBUTORS, CELLS, MEANS, KIND, AXES = range(6)
(
    O_MEMBERS,
    O_LEVEL,
    O_SIZES,
) = range(6, 9)
(
    O_N,
    O_MEAN,
    O_SQUARES,
    O_MEAN_CENTRE,
    O_MEAN_AXES,
    O_CENTRE,
    O_AXES,
    O_WARP,
    O_SCALARS,
) = range(9, 18)
HEADER = 18

# Among the scalars: precisions of the priors, and the unit of the total floor.
S_INTERCEPT, S_MU, S_LOG_MEAN, S_LOG_PRECISION, S_UNIT = range(5)

SIGNATURE = types.int64(
    types.uint64,
    types.CPointer(types.double),
    types.CPointer(types.double),
    types.CPointer(types.double),
    types.voidptr,
)


@intrinsic
def _pointer(typing_context: Any, address: Any) -> Any:
    """Turn an address into a pointer that `numba.carray` takes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), generate


@numba.njit(cache=True, inline="always")
def _softplus(u: float) -> float:
    return max(u, 0.0) + math.log1p(math.exp(-abs(u)))


@numba.njit(cache=True, inline="always")
def _sigmoid(u: float) -> float:
    e = math.exp(-abs(u))
    return (1.0 if u >= 0 else e) / (1.0 + e)


@numba.njit(cache=True)
def _cells(members, n, mean, squares, w, s, gw, gs):  # type: ignore[no-untyped-def]
    """Add the likelihood of all cells; gradients go to gw and gs."""
    count, levels = members.shape
    total = 0.0
    for c in range(count):
        m = 0.0
        v = 0.0
        for j in range(levels):
            k = members[c, j]
            m += w[k]
            v += s[k]
        inverse = 1.0 / v
        residual = mean[c] - m
        square = (squares[c] + n[c] * residual * residual) * inverse
        total -= 0.5 * (n[c] * math.log(v) + square)
        gm = n[c] * residual * inverse
        gv = 0.5 * inverse * (square - n[c])
        for j in range(levels):
            k = members[c, j]
            gw[k] += gm
            gs[k] += gv
    return total


@numba.njit(cache=True)
def log_density(z, gradient, integers, floats):  # type: ignore[no-untyped-def]
    """Log density at z, up to a constant, and its gradient.

    Parameters
    ----------
    z : ndarray, shape (D,)
    gradient : ndarray, shape (D,)
        Is written.
    integers, floats : ndarray
        See `summands.coordinates.Coordinates.packed`.

    Returns
    -------
    float
        Not finite where the density is not.
    """
    levels, k_count = integers[LEVELS], integers[CONTRIBUTORS]
    cells, q = integers[CELLS], integers[MEANS]
    kind, axes_count = integers[KIND], integers[AXES]

    start = integers[O_MEMBERS]
    members = integers[start : start + cells * levels].reshape((cells, levels))
    level = integers[integers[O_LEVEL] : integers[O_LEVEL] + k_count]
    n = floats[integers[O_N] : integers[O_N] + cells]
    mean = floats[integers[O_MEAN] : integers[O_MEAN] + cells]
    squares = floats[integers[O_SQUARES] : integers[O_SQUARES] + cells]
    mean_centre = floats[
        integers[O_MEAN_CENTRE] : integers[O_MEAN_CENTRE] + k_count + 1
    ]
    mean_axes = floats[
        integers[O_MEAN_AXES] : integers[O_MEAN_AXES] + (k_count + 1) * q
    ].reshape((k_count + 1, q))
    centre = floats[integers[O_CENTRE] : integers[O_CENTRE] + k_count + 1]
    axes = floats[
        integers[O_AXES] : integers[O_AXES] + (k_count + 1) * axes_count
    ].reshape((k_count + 1, axes_count))
    warp = floats[integers[O_WARP] : integers[O_WARP] + 2 * k_count].reshape(
        (2, k_count)
    )
    scalars = floats[integers[O_SCALARS] : integers[O_SCALARS] + 5]

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
    intercept = 0.0
    for i in range(q):
        intercept += mean_axes[0, i] * z[i]
    for k in range(k_count):
        deviation = 0.0
        for i in range(q):
            deviation += mean_axes[k + 1, i] * z[i]
        mu = mean_centre[k + 1] + deviation
        total -= 0.5 * scalars[S_MU] * mu * mu
        # The prior's gradient waits here until that of the cells joins it.
        gx[k] = -scalars[S_MU] * mu
        w[k] = deviation + (intercept if level[k] == 0 else 0.0)
    b = mean_centre[0] + intercept
    total -= 0.5 * scalars[S_INTERCEPT] * b * b

    # Variances.
    y = z[q:]
    for k in range(k_count + 1):
        value = centre[k]
        for i in range(axes_count):
            value += axes[k, i] * y[i]
        x[k] = value
    if kind == WARPED:
        for k in range(k_count):
            kappa, ratio = warp[0, k], warp[1, k]
            s[k] = kappa * math.expm1(ratio * _softplus(x[k]))
    else:
        lowest = small[:levels]
        share = small[levels : 2 * levels]
        for j in range(levels):
            lowest[j] = np.inf
        for k in range(k_count):
            lowest[level[k]] = min(lowest[level[k]], x[k])
        unit = scalars[S_UNIT]
        above = x[k_count] / unit
        for j in range(levels):
            above += lowest[j] / unit
        floor = unit * _softplus(above)
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
        if not (s[k] > 0.0 and s[k] < 1e300):
            return np.nan
    total += _cells(members, n, mean, squares, w, s, gw, gs)

    # Prior of the variances: log s ~ Normal(mean, 1 / precision).
    for k in range(k_count):
        logarithm = math.log(s[k])
        pull = scalars[S_LOG_PRECISION] * (logarithm - scalars[S_LOG_MEAN])
        total -= 0.5 * pull * (logarithm - scalars[S_LOG_MEAN]) + logarithm
        gs[k] -= (pull + 1.0) / s[k]

    # Back to z: means.
    g_intercept = -scalars[S_INTERCEPT] * b
    for k in range(k_count):
        if level[k] == 0:
            g_intercept += gw[k]
    for i in range(q):
        gradient[i] = g_intercept * mean_axes[0, i]
    for k in range(k_count):
        g = gw[k] + gx[k]
        for i in range(q):
            gradient[i] += g * mean_axes[k + 1, i]

    # Back to z: variances, with the logarithm of the Jacobian.
    for k in range(k_count + 1):
        gx[k] = 0.0
    if kind == WARPED:
        for k in range(k_count):
            kappa, ratio = warp[0, k], warp[1, k]
            slope = _sigmoid(x[k])
            ds = (s[k] + kappa) * ratio * slope
            total += math.log(s[k] + kappa) - _softplus(-x[k])
            gx[k] = gs[k] * ds + ratio * slope + (1.0 - slope)
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
        total += (levels - 1) * math.log(floor) - _softplus(-above)
        g_floor += (levels - 1) / floor
        slope = _sigmoid(above)
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
    for i in range(axes_count):
        value = 0.0
        for k in range(k_count + 1):
            value += axes[k, i] * gx[k]
        gradient[q + i] = value
    return total


def _callback(dimension, z, gradient, value, user_data):  # type: ignore[no-untyped-def]
    """Serve nutpie: nutpie's C signature, with the arrays behind user_data."""
    header = numba.carray(user_data, (4,), np.int64)
    integers = numba.carray(_pointer(header[0]), (header[1],), np.int64)
    floats = numba.carray(_pointer(header[2]), (header[3],), np.float64)
    point = numba.carray(z, (dimension,))
    slope = numba.carray(gradient, (dimension,))
    result = log_density(point, slope, integers, floats)
    numba.carray(value, (1,))[0] = result
    if not math.isfinite(result):
        return 4
    for i in range(len(slope)):
        if not math.isfinite(slope[i]):
            return 3
    return 0


def _copy(dimension, expanded, z, out, user_data):  # type: ignore[no-untyped-def]
    """Keep draws as they are; they are mapped to coefficients all at once later."""
    source = numba.carray(z, (dimension,))
    target = numba.carray(out, (expanded,))
    for i in range(len(target)):
        target[i] = source[i]
    return 0


def compiled() -> tuple[Any, Any]:
    """Compile, or load from the cache, the two C functions that nutpie calls."""
    expand = types.int64(
        types.uint64,
        types.uint64,
        types.CPointer(types.double),
        types.CPointer(types.double),
        types.voidptr,
    )
    return (
        numba.cfunc(SIGNATURE, cache=True)(_callback),
        numba.cfunc(expand, cache=True)(_copy),
    )
