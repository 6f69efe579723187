"""The posterior of one noise, scales and effects, the largest level integrated out.

The model of `posterior.constant_density` for tables whose effects are too many to be
factorised at each gradient. The means of level j are tau_j (c_k - mean c) with
c ~ Normal(0, 1), see `posterior.effects`; those of the largest level, who never meet,
are integrated out in closed form, and those of the rest are sampled.

Of a pilot's residuals x - b0 - a0 (b0 of intercept and rest, a0 of the largest level),
with delta = beta - b0, let s_e and n_e be sum and number of the largest level's rows
less what delta adds to them, f_e = s_e + n_e a0_e, t its scale and v the variance of a
row. With D_e = 1 + t^2 n_e / v, the effects of the level are independent normal,

    of means t^2 f_e / (v D_e) and variances t^2 / D_e,

the log likelihood without them is -N log(v) / 2 - sum log(D_e) / 2 - Q / (2 v),

    Q = SS - sum s_e^2 / n_e + sum f_e^2 / (n_e D_e),

SS the sum of squared residuals at delta; and the intercept's prior, which is one of b'
and the averages of all effects, meets their average's variance. Residuals of a pilot,
so that nothing is a difference of large numbers.

A scale has a sign, and is smooth through zero: unit sinh(q). The effects are centred as
far as the data tell them (Papaspiliopoulos, Roberts and Sköld 2007, Statistical Science
22:59), given those of smaller levels, their parents: with the information i_k that a
contributor's rows have beyond the larger levels,

    c_k = tau / (1 + tau^2 i_k) y_k + z_k / sqrt(1 + tau^2 i_k),
    y_k = i_k (best c_k tau without shrinking) - sum over parents i_kp delta_p.

The intercept b' has no parents. What the average of m effects adds to it nothing but
their prior tells, so that its spread grows with tau^2 / m.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from summands.posterior.density import LARGEST, SMALLEST
from summands.posterior.foreign import report
from summands.posterior.records import ARRAY, vector

# Of V levels of more than one contributor: E contributors of the largest and R places,
# the intercept's and those of the rest, parents first. Coordinates are q of the levels
# (where scales are estimated), log sigma, and z of the places.
RECORD = np.dtype(
    [
        ("estimated", np.bool_),  # whether scales are
        ("centre", ARRAY),  # (V + 1,) or (1,)
        ("spread", ARRAY),
        ("unit", ARRAY),  # (V,)
        ("tau", ARRAY),  # (V,): the scales where they are known
        # The priors.
        ("tau_precision", np.float64),
        ("intercept_precision", np.float64),
        ("intercept_mean", np.float64),  # relative to what the cells' means are
        ("log_sigma_mean", np.float64),
        ("log_sigma_precision", np.float64),
        # Levels of the rest: their places in V, where they start and, last, end.
        ("largest", np.int64),
        ("levels", ARRAY),
        ("ends", ARRAY),
        ("average", ARRAY),  # (R,): 1 of the intercept, and 1 / m_j
        ("size", np.float64),  # E
        # The pilot: b0, i_k, y_k at delta = 0, and i_kp row by row; of the intercept
        # the first, and its variance beside that of the effects' averages.
        ("pilot", ARRAY),
        ("information", ARRAY),
        ("best", ARRAY),
        ("shares", ARRAY),
        ("intercept_variance", np.float64),
        # Z' diag(n) Z: of places with places, and of the largest level with places but
        # for the intercept, in compressed rows.
        ("own_starts", ARRAY),
        ("own_columns", ARRAY),
        ("own_values", ARRAY),
        ("starts", ARRAY),
        ("columns", ARRAY),
        ("values", ARRAY),
        ("n", ARRAY),  # (E,)
        # Residuals of the pilot: their sums, and those of the largest level's own.
        ("right", ARRAY),  # (R,)
        ("sums", ARRAY),  # (E,)
        ("full_sums", ARRAY),  # (E,): with n_e a0_e
        ("squares", np.float64),
        ("rows", np.float64),
    ],
    align=True,
)


@numba.njit(cache=True, error_model="numpy")
def intercept_spread(record, tau):  # type: ignore[no-untyped-def]
    """Compute the unit of the intercept's coordinate at these scales."""
    data = record[0]
    levels = vector(data.levels, np.int64)
    ends = vector(data.ends, np.int64)
    total = data.intercept_variance
    for j in range(len(levels)):
        total += tau[levels[j]] ** 2 / (ends[j + 1] - ends[j])
    return math.sqrt(total)


@numba.njit(cache=True, error_model="numpy")
def scales(z, record, tau):  # type: ignore[no-untyped-def]
    """Write the scales of the means at z, shape (V,), with signs."""
    data = record[0]
    centre = vector(data.centre, np.float64)
    spread = vector(data.spread, np.float64)
    unit = vector(data.unit, np.float64)
    known = vector(data.tau, np.float64)
    for j in range(len(tau)):
        tau[j] = known[j]
        if data.estimated:
            tau[j] = unit[j] * math.sinh(centre[j] + spread[j] * z[j])


@numba.njit(cache=True, error_model="numpy")
def effects(z, record, tau, c, delta):  # type: ignore[no-untyped-def]
    """Write the effects at the coordinates of the places.

    Parameters
    ----------
    z : ndarray, shape (R,)
    record : ndarray, shape (1,)
    tau : ndarray, shape (V,)
    c, delta : ndarray, shape (R,)
        Are written: effects over tau (of the intercept 0), and effects less the
        pilot's.
    """
    data = record[0]
    levels = vector(data.levels, np.int64)
    ends = vector(data.ends, np.int64)
    pilot = vector(data.pilot, np.float64)
    information = vector(data.information, np.float64)
    best = vector(data.best, np.float64)
    shares = vector(data.shares, np.float64)
    c[0] = 0.0
    delta[0] = intercept_spread(record, tau) * z[0]
    share = 0
    for j in range(len(levels)):
        t = tau[levels[j]]
        parents = ends[j]
        for k in range(parents, ends[j + 1]):
            y = best[k]
            for i in range(parents):
                y -= shares[share + i] * delta[i]
            share += parents
            shrunk = 1.0 / (1.0 + t * t * information[k])
            c[k] = t * shrunk * y + math.sqrt(shrunk) * z[k]
        # Siblings are no parents.
        for k in range(parents, ends[j + 1]):
            delta[k] = t * c[k] - pilot[k]


@numba.njit(cache=True, error_model="numpy")
def unfold(z, record, tau, c, delta):  # type: ignore[no-untyped-def]
    """Write scales and effects at z; see `scales` and `effects`.

    Returns
    -------
    log_sigma : float
    places : int
        Where the coordinates of the places start.
    """
    centre = vector(record[0].centre, np.float64)
    spread = vector(record[0].spread, np.float64)
    scales(z, record, tau)
    free = len(centre) - 1
    places = free + 1
    effects(z[places:], record, tau, c, delta)
    return centre[free] + spread[free] * z[free], places


@numba.njit(cache=True, error_model="numpy")
def left_over(record, delta, s):  # type: ignore[no-untyped-def]
    """Write s, shape (E,): the sums of the largest level's residuals at delta."""
    data = record[0]
    n = vector(data.n, np.float64)
    sums = vector(data.sums, np.float64)
    starts = vector(data.starts, np.int64)
    columns = vector(data.columns, np.int64)
    values = vector(data.values, np.float64)
    for e in range(len(n)):
        left = sums[e] - n[e] * delta[0]
        for i in range(starts[e], starts[e + 1]):
            left -= values[i] * delta[columns[i]]
        s[e] = left


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
    spread = vector(data.spread, np.float64)
    average = vector(data.average, np.float64)
    pilot = vector(data.pilot, np.float64)
    n = vector(data.n, np.float64)
    sums = vector(data.sums, np.float64)
    full_sums = vector(data.full_sums, np.float64)
    starts = vector(data.starts, np.int64)
    columns = vector(data.columns, np.int64)
    values = vector(data.values, np.float64)
    right = vector(data.right, np.float64)
    own_starts = vector(data.own_starts, np.int64)
    own_columns = vector(data.own_columns, np.int64)
    own_values = vector(data.own_values, np.float64)
    count, size = len(pilot), len(n)

    tau = np.empty(len(vector(data.tau, np.float64)))
    c = np.empty(count)
    delta = np.empty(count)
    log_sigma, places = unfold(z, record, tau, c, delta)
    free = places - 1
    v = math.exp(2.0 * log_sigma)
    if not SMALLEST < v < LARGEST:
        return np.nan
    pull = data.log_sigma_precision * (log_sigma - data.log_sigma_mean)
    total = -0.5 * pull * (log_sigma - data.log_sigma_mean) - data.rows * log_sigma

    # What data and the intercept's prior say of delta, its slope gathered in `slope`.
    slope = np.empty(count)
    squares = data.squares
    b = 0.0
    for r in range(count):
        product = 0.0
        for i in range(own_starts[r], own_starts[r + 1]):
            product += own_values[i] * delta[own_columns[i]]
        slope[r] = (right[r] - product) / v
        squares += delta[r] * (product - 2.0 * right[r])
        b += average[r] * (pilot[r] + delta[r])
    t = tau[data.largest]
    ratio = t * t / v
    s = np.empty(size)
    left_over(record, delta, s)
    # Sums over the largest level: of the means and variances of its effects over
    # t^2 / v and t^2, and for slopes.
    mean = variance = mean_2 = variance_2 = fitted = kept = seen = 0.0
    log_det = 0.0
    for e in range(size):
        inverse = 1.0 / (1.0 + ratio * n[e])
        f = s[e] + full_sums[e] - sums[e]
        log_det -= math.log(inverse)
        if n[e] > 0.0:
            squares += (f * f * inverse - s[e] * s[e]) / n[e]
        mean += f * inverse
        mean_2 += f * inverse * inverse
        variance += inverse
        variance_2 += inverse * inverse
        fitted += f * f * inverse * inverse
        kept += n[e] * inverse
        seen += n[e] * inverse * inverse
    b += ratio * mean / size
    known = 1.0 / (1.0 / data.intercept_precision + t * t * variance / size**2)
    off = known * (b - data.intercept_mean)
    total += (
        0.5 * math.log(known)
        - 0.5 * off * (b - data.intercept_mean)
        - 0.5 * log_det
        - 0.5 * squares / v
    )
    of_variance = 0.5 * (off * off - known) / size**2

    # In the scale of the largest level, and in log v, which share sums.
    of_ratio = 0.5 * fitted / v - 0.5 * kept - off * mean_2 / size
    of_tau = np.zeros(len(tau))
    of_tau[data.largest] = 2.0 * t * (of_ratio / v + of_variance * variance_2)
    of_log_v = (
        0.5 * squares / v
        - 0.5 * data.rows
        - ratio * of_ratio
        + of_variance * t * t * ratio * seen
    )

    for r in range(count):
        slope[r] -= off * average[r]
    back = off * ratio / size
    for e in range(size):
        inverse = 1.0 / (1.0 + ratio * n[e])
        f = s[e] + full_sums[e] - sums[e]
        weight = back * inverse
        if n[e] > 0.0:
            weight += (f * inverse - s[e]) / (n[e] * v)
        slope[0] += weight * n[e]
        for i in range(starts[e], starts[e + 1]):
            slope[columns[i]] += weight * values[i]

    total += to_effects(
        z[places:], gradient[places:], record, tau, c, delta, slope, of_tau
    )
    gradient[free] = spread[free] * (2.0 * of_log_v - pull)
    total = to_scales(z, gradient, record, tau, of_tau, total)
    return total if math.isfinite(total) else np.nan


@numba.njit(cache=True, error_model="numpy")
def to_scales(z, gradient, record, tau, of_tau, total):  # type: ignore[no-untyped-def]
    """Add the log prior of the scales, with the log-Jacobian, to a total.

    Parameters
    ----------
    gradient : ndarray, shape (D,)
        The slopes in the coordinates of the scales are written.
    of_tau : ndarray, shape (V,)
        The slope of the rest of the density in the scales.
    """
    data = record[0]
    centre = vector(data.centre, np.float64)
    spread = vector(data.spread, np.float64)
    unit = vector(data.unit, np.float64)
    if data.estimated:
        for j in range(len(tau)):
            q = centre[j] + spread[j] * z[j]
            cosh = unit[j] * math.cosh(q)
            total += math.log(math.cosh(q)) - 0.5 * data.tau_precision * tau[j] * tau[j]
            gradient[j] = spread[j] * (
                cosh * (of_tau[j] - data.tau_precision * tau[j]) + math.tanh(q)
            )
    return total


@numba.njit(cache=True, error_model="numpy")
def to_effects(z, gradient, record, tau, c, delta, slope, of_tau):  # type: ignore[no-untyped-def]
    """Log prior of the effects with the log-Jacobian, and slopes from children up.

    Parameters
    ----------
    z, gradient : ndarray, shape (R,)
        Of the places; the gradient is written.
    slope : ndarray, shape (R,)
        That of the rest of the density in delta; is overwritten.
    of_tau : ndarray, shape (V,)
        The slope in the scales is added to it.
    """
    data = record[0]
    levels = vector(data.levels, np.int64)
    ends = vector(data.ends, np.int64)
    information = vector(data.information, np.float64)
    best = vector(data.best, np.float64)
    shares = vector(data.shares, np.float64)
    total = 0.0
    share = len(shares)
    for j in range(len(levels) - 1, -1, -1):
        t = tau[levels[j]]
        parents = ends[j]
        for k in range(ends[j + 1] - 1, parents - 1, -1):
            share -= parents
            y = best[k]
            for i in range(parents):
                y -= shares[share + i] * delta[i]
            info = information[k]
            shrunk = 1.0 / (1.0 + t * t * info)
            root = math.sqrt(shrunk)
            own = z[k]
            total += 0.5 * math.log(shrunk) - 0.5 * c[k] * c[k]
            of_c = t * slope[k] - c[k]
            gradient[k] = root * of_c
            of_tau[levels[j]] += (
                slope[k] * c[k]
                + of_c * shrunk * ((2.0 * shrunk - 1.0) * y - t * info * root * own)
                - t * info * shrunk
            )
            of_y = t * shrunk * of_c
            for i in range(parents):
                slope[i] -= shares[share + i] * of_y
    spread = intercept_spread(record, tau)
    gradient[0] = spread * slope[0]
    for j in range(len(levels)):
        grown = tau[levels[j]] / (ends[j + 1] - ends[j]) / spread
        of_tau[levels[j]] += grown * (slope[0] * z[0] + 1.0 / spread)
    return total + math.log(spread)


def callback(dimension, z, gradient, value, user_data):  # type: ignore[no-untyped-def]
    """Serve nutpie, with the record behind user_data."""
    record = numba.carray(user_data, (1,), RECORD)
    slope = numba.carray(gradient, (dimension,))
    result = log_density(numba.carray(z, (dimension,)), slope, record)
    return report(result, slope, numba.carray(value, (1,)))
