"""The log density of the posterior and its gradient, compiled once for all designs.

The model is that of `model.statement`, in coordinates z in which a sampler moves well
(`posterior.coordinates`). All that a data set and its coordinates amount to is one
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

from summands.posterior import cell_density

# Kinds of coordinates of the variances.
WARPED = 0
FLOORS = 1

# Positions in the array of integers: sizes, then the offset of each array.
LEVELS, CONTRIBUTORS, MEANS, KIND, AXES = range(5)
PER_TILE, PREFIXES, PREFIX_LEVELS, SUFFIXES, SUFFIX_LEVELS, TILES, WIDTH = range(5, 12)
O_PREFIX, O_SUFFIX, O_LEVEL = range(12, 15)
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
) = range(15, 24)
HEADER = 24

# Variances outside of this range are refused: sums and products of those inside
# neither overflow nor lose their precision.
SMALLEST, LARGEST = 1e-280, 1e280

# Among the scalars: means and precisions of the priors, the unit of the total floor.
S_INTERCEPT, S_MU, S_LOG_MEAN, S_LOG_PRECISION, S_UNIT, S_INTERCEPT_MEAN = range(6)

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
def _softplus(u: float) -> tuple[float, float]:
    """log(1 + exp(u)) and its slope, from one exponential."""
    e = math.exp(-abs(u))
    return max(u, 0.0) + math.log1p(e), (1.0 if u >= 0 else e) / (1.0 + e)


# Views by address: a reshape is a call that costs as much as the density of a small
# design. Addresses have eight bytes a number.


@numba.njit(cache=True, inline="always")
def _table(integers, floats, offset, rows, columns):  # type: ignore[no-untyped-def]
    address = floats.ctypes.data + 8 * integers[offset]
    return numba.carray(_pointer(address), (rows, columns), np.float64)


@numba.njit(cache=True, inline="always")
def _integer_table(integers, offset, rows, columns):  # type: ignore[no-untyped-def]
    address = integers.ctypes.data + 8 * integers[offset]
    return numba.carray(_pointer(address), (rows, columns), np.int64)


@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _forward(axes, z, out):  # type: ignore[no-untyped-def]
    """Multiply: out = axes z."""
    for k in range(len(axes)):
        value = 0.0
        for i in range(len(z)):
            value += axes[k, i] * z[i]
        out[k] = value


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def _backward(axes, g, out):  # type: ignore[no-untyped-def]
    """Multiply: out = axes' g."""
    for i in range(len(out)):
        out[i] = 0.0
    for k in range(len(axes)):
        for i in range(len(out)):
            out[i] += axes[k, i] * g[k]


@numba.njit(cache=True, error_model="numpy")
def log_density(z, gradient, integers, floats):  # type: ignore[no-untyped-def]
    """Log density at z, up to a constant, and its gradient.

    Parameters
    ----------
    z : ndarray, shape (D,)
    gradient : ndarray, shape (D,)
        Is written.
    integers, floats : ndarray
        See `summands.posterior.coordinates.Coordinates.packed`.

    Returns
    -------
    float
        Not finite where the density is not.
    """
    levels, k_count = integers[LEVELS], integers[CONTRIBUTORS]
    q, kind, axes_count = integers[MEANS], integers[KIND], integers[AXES]
    prefix = _integer_table(
        integers, O_PREFIX, integers[PREFIXES], integers[PREFIX_LEVELS]
    )
    suffix = _integer_table(
        integers, O_SUFFIX, integers[SUFFIXES], integers[SUFFIX_LEVELS]
    )
    level = integers[integers[O_LEVEL] : integers[O_LEVEL] + k_count]
    tiles, width = integers[TILES], integers[WIDTH]
    n = _table(integers, floats, O_N, tiles, width)
    mean = _table(integers, floats, O_MEAN, tiles, width)
    squares = _table(integers, floats, O_SQUARES, tiles, width)
    mean_centre = _table(integers, floats, O_MEAN_CENTRE, 1, k_count + 1)[0]
    mean_axes = _table(integers, floats, O_MEAN_AXES, k_count + 1, q)
    centre = _table(integers, floats, O_CENTRE, 1, k_count + 1)[0]
    axes = _table(integers, floats, O_AXES, k_count + 1, axes_count)
    warp = _table(integers, floats, O_WARP, 2, k_count)
    scalars = _table(integers, floats, O_SCALARS, 1, 6)[0]

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
    _forward(mean_axes, z[:q], x)
    intercept = x[0]
    for k in range(k_count):
        deviation = x[k + 1]
        mu = mean_centre[k + 1] + deviation
        total -= 0.5 * scalars[S_MU] * mu * mu
        # The prior's gradient waits here until that of the cells joins it.
        gx[k + 1] = -scalars[S_MU] * mu
        w[k] = deviation + (intercept if level[k] == 0 else 0.0)
    b = mean_centre[0] + intercept - scalars[S_INTERCEPT_MEAN]
    total -= 0.5 * scalars[S_INTERCEPT] * b * b

    # Variances.
    y = z[q:]
    _forward(axes, y[:axes_count], x)
    for k in range(k_count + 1):
        x[k] += centre[k]
    if kind == WARPED:
        for k in range(k_count):
            kappa, ratio = warp[0, k], warp[1, k]
            value, slope = _softplus(x[k])
            s[k] = kappa * math.expm1(ratio * value)
            # The Jacobian (s + kappa) sigmoid(u): its logarithm, up to a constant.
            total += ratio * value + (x[k] - value)
            # From here on only the slope is needed.
            x[k] = slope
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
        value, slope = _softplus(above)
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
    if integers[PER_TILE] > 0:
        total += cell_density.as_grid(
            integers[PER_TILE], prefix, suffix, n, mean, squares, w, s, gw, gs
        )
    else:
        total += cell_density.one_by_one(
            prefix, n[0], mean[0], squares[0], w, s, gw, gs
        )

    # Prior of the variances: log s ~ Normal(mean, 1 / precision).
    for k in range(k_count):
        logarithm = math.log(s[k])
        pull = scalars[S_LOG_PRECISION] * (logarithm - scalars[S_LOG_MEAN])
        total -= 0.5 * pull * (logarithm - scalars[S_LOG_MEAN]) + logarithm
        gs[k] -= (pull + 1.0) / s[k]

    # Back to z: means.
    gx[0] = -scalars[S_INTERCEPT] * b
    for k in range(k_count):
        if level[k] == 0:
            gx[0] += gw[k]
        gx[k + 1] += gw[k]
    _backward(mean_axes, gx, gradient[:q])

    # Back to z: variances, with the logarithm of the Jacobian.
    for k in range(k_count + 1):
        gx[k] = 0.0
    if kind == WARPED:
        for k in range(k_count):
            kappa, ratio = warp[0, k], warp[1, k]
            slope = x[k]
            ds = (s[k] + kappa) * ratio * slope
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
    _backward(axes, gx, gradient[q : q + axes_count])
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
