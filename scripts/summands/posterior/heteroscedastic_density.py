"""The posterior of many contributors' noise, scales and effects.

The model of `posterior.density` (scales known) and `posterior.pooled_density` (scales
estimated) for tables of too many contributors to map or factorise at each gradient: it
costs what cells and contributors cost. Means are those of `posterior.crossed_density`,
with w = n / v in place of n, v the variance of a row of the cell: the effects of the
largest level, who never meet, are integrated out in closed form; those of the rest, and
the intercept, are sampled, centred with a pilot. Of what is left of a cell's mean
without them, r,

    h_e = t^2 / (1 + t^2 sum w),   a_e = h_e sum w r

are variance and mean of an effect of the largest level given all else, t its scale, and

    log L = -1/2 sum (n log v + (SS + n (r - a)^2) / v)
            -1/2 sum (a^2 / t^2 + log(t^2 / h)) + log N(m; b + average a, 1/p + var),

the last the intercept's prior, with the variance of the average of the a.

The coordinates of the noise are those of `posterior.noise_map`.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from summands.posterior.cell_density import inverse_and_logarithm, take_apart
from summands.posterior.crossed_density import effects, scales, to_effects, to_scales
from summands.posterior.density import LARGEST, SMALLEST
from summands.posterior.foreign import report
from summands.posterior.noise_map import noise, to_noise
from summands.posterior.records import ARRAY, table, vector

# Of J levels with K contributors, V levels of more than one: E contributors of the
# largest and R places, the intercept's and those of the rest, parents first.
# Coordinates are q of the V (where scales are estimated), log T, J - 1 logits, log U of
# the V (where estimated), z of the places, and m - 1 contrasts of each of the V.
RECORD = np.dtype(
    [
        # As in `summands.posterior.crossed_density`.
        ("estimated", np.bool_),
        ("centre", ARRAY),  # (V,) or (0,)
        ("spread", ARRAY),
        ("unit", ARRAY),
        ("tau", ARRAY),
        ("tau_precision", np.float64),
        ("intercept_precision", np.float64),
        ("intercept_mean", np.float64),
        ("largest", np.int64),
        ("levels", ARRAY),
        ("ends", ARRAY),
        ("average", ARRAY),
        ("size", np.float64),
        ("pilot", ARRAY),
        ("information", ARRAY),
        ("best", ARRAY),
        ("shares", ARRAY),
        ("intercept_variance", np.float64),
        # The noise: prior m0, s0, a, b, of known scales m0, 0, log t and 1; where each
        # level's contributors start and, last, end; centres and units of log T, logits
        # and log U; and of each contributor omega, i and y.
        ("of_levels", ARRAY),
        ("noise_ends", ARRAY),  # (J + 1,)
        ("reference", np.int64),  # the level whose logit is 0
        ("noise_centre", ARRAY),  # (J + V,), or (J,)
        ("noise_spread", ARRAY),
        ("known_spread", ARRAY),  # (J,): log U where it is no coordinate
        ("weight", ARRAY),  # (K,)
        ("noise_information", ARRAY),  # (K,)
        ("noise_best", ARRAY),  # (K,)
        # The cells, in the order of their contributor of the largest level, and in
        # tiles: places of the rest, where those of each contributor start and, last,
        # end, and where tiles do, in contributors.
        ("contributor", ARRAY),  # (R,): of each place, -1 of the intercept
        ("apart", np.int64),  # the first of the largest level
        ("rest", ARRAY),  # (C, V - 1)
        ("starts", ARRAY),  # (E + 1,)
        ("tiles", ARRAY),
        ("width", np.int64),  # of the largest tile
        ("n", ARRAY),  # (C,)
        ("mean", ARRAY),  # less the pilot's intercept and rest
        ("sum_of_squares", ARRAY),
    ],
    align=True,
)


@numba.njit(cache=True, error_model="numpy")
def apart(record, t, delta, s, inverse, left, h, a, w):  # type: ignore[no-untyped-def]
    """Write what is left of the cells, and the effects of the largest level.

    Parameters
    ----------
    record : ndarray of `RECORD`, shape (1,)
    t : float
        The level's scale.
    delta : ndarray, shape (R,)
    s : ndarray, shape (K,)
    inverse, left : ndarray, shape (C,)
        Are written: 1 / v and r.
    h, a, w : ndarray, shape (E,)
        Are written: variances and means of the effects, and the sums of w.

    Returns
    -------
    float
        sum n log v.
    """
    data = record[0]
    ends = vector(data.noise_ends, np.int64)
    contributor = vector(data.contributor, np.int64)
    rest = table(data.rest, np.int64)
    starts = vector(data.starts, np.int64)
    tiles = vector(data.tiles, np.int64)
    n = vector(data.n, np.float64)
    mean = vector(data.mean, np.float64)
    passing = np.empty((2, data.width))
    bits = np.empty((2, data.width), np.uint64)
    levels = rest.shape[1]
    # All rows have the contributors of levels of one.
    base = 0.0
    for j in range(len(ends) - 1):
        if ends[j + 1] - ends[j] == 1:
            base += s[ends[j]]
    pairs = np.empty((len(delta), 2))
    for r in range(len(delta)):
        pairs[r, 0] = delta[r]
        pairs[r, 1] = s[contributor[r]] if r > 0 else 0.0
    total = 0.0
    for tile in range(len(tiles) - 1):
        first = starts[tiles[tile]]
        count = starts[tiles[tile + 1]] - first
        v = passing[0, :count]
        for e in range(tiles[tile], tiles[tile + 1]):
            known = base + s[data.apart + e]
            for c in range(starts[e], starts[e + 1]):
                variance = known
                effect = delta[0]
                for i in range(levels):
                    r = rest[c, i]
                    effect += pairs[r, 0]
                    variance += pairs[r, 1]
                v[c - first] = variance
                left[c] = mean[c] - effect
        take_apart(v.view(np.uint64), bits[0, :count], bits[1, :count])
        logarithm = passing[1, :count]
        inverse_and_logarithm(
            v,
            bits[0, :count].view(np.float64),
            bits[1, :count].view(np.float64),
            inverse[first : first + count],
            logarithm,
        )
        for e in range(tiles[tile], tiles[tile + 1]):
            sum_w = 0.0
            sum_wr = 0.0
            for c in range(starts[e], starts[e + 1]):
                weight = n[c] * inverse[c]
                sum_w += weight
                sum_wr += weight * left[c]
                total += n[c] * logarithm[c - first]
            w[e] = sum_w
            h[e] = t * t / (1.0 + t * t * sum_w)
            a[e] = h[e] * sum_wr
    return total


@numba.njit(cache=True, error_model="numpy")
def likelihood(record, tau, delta, s, slope, of_tau, gs):  # type: ignore[no-untyped-def]
    """Log likelihood, the largest level integrated out, with the intercept's prior.

    Parameters
    ----------
    record : ndarray of `RECORD`, shape (1,)
    tau : ndarray, shape (V,)
    delta : ndarray, shape (R,)
        Effects of the rest less the pilot's.
    s : ndarray, shape (K,)
        Variances.
    slope, gs : ndarray, shapes (R,) and (K,)
        Are written: the gradients in delta and s.
    of_tau : ndarray, shape (V,)
        The slope in the largest level's scale is added to it.
    """
    data = record[0]
    ends = vector(data.noise_ends, np.int64)
    average = vector(data.average, np.float64)
    pilot = vector(data.pilot, np.float64)
    contributor = vector(data.contributor, np.int64)
    rest = table(data.rest, np.int64)
    starts = vector(data.starts, np.int64)
    n = vector(data.n, np.float64)
    squares = vector(data.sum_of_squares, np.float64)
    size, levels = len(starts) - 1, rest.shape[1]
    inverse = np.empty(len(n))
    left = np.empty(len(n))
    h = np.empty(size)
    a = np.empty(size)
    w = np.empty(size)
    t = tau[data.largest]
    total = -0.5 * apart(record, t, delta, s, inverse, left, h, a, w)
    b = 0.0
    for r in range(len(delta)):
        b += average[r] * (pilot[r] + delta[r])
    reach = 0.0
    for e in range(size):
        b += a[e] / size
        reach += h[e] / size**2
    known = 1.0 / (1.0 / data.intercept_precision + reach)
    off = known * (b - data.intercept_mean)
    total += 0.5 * math.log(known) - 0.5 * off * (b - data.intercept_mean)
    of_a = -off / size
    of_h = 0.5 * (off * off - known) / size**2

    pairs = np.zeros((len(delta), 2))
    of_base = 0.0
    of_square = 0.0
    for e in range(size):
        shrunk = 1.0 / (1.0 + t * t * w[e])
        own = 0.0
        raw = 0.0
        for c in range(starts[e], starts[e + 1]):
            residual = left[c] - a[e]
            weight = n[c] * inverse[c]
            raw += weight * left[c]
            square = squares[c] + n[c] * residual * residual
            total -= 0.5 * square * inverse[c]
            gm = weight * (residual - of_a * h[e])
            gv = 0.5 * inverse[c] * (
                inverse[c] * (square + n[c] * h[e]) - n[c]
            ) - weight * inverse[c] * h[e] * (of_a * residual - of_h * h[e])
            own += gv
            pairs[0, 0] += gm
            for i in range(levels):
                r = rest[c, i]
                pairs[r, 0] += gm
                pairs[r, 1] += gv
        # The effect over t^2.
        fitted = shrunk * raw
        gs[data.apart + e] = own
        of_base += own
        total -= 0.5 * a[e] * fitted - 0.5 * math.log(shrunk)
        of_square += (
            0.5 * fitted * fitted
            - 0.5 * w[e] * shrunk
            + of_a * fitted * shrunk
            + of_h * shrunk * shrunk
        )
    of_tau[data.largest] += 2.0 * t * of_square
    for r in range(len(delta)):
        slope[r] = pairs[r, 0] - off * average[r]
        if r > 0:
            gs[contributor[r]] = pairs[r, 1]
    for j in range(len(ends) - 1):
        if ends[j + 1] - ends[j] == 1:
            gs[ends[j]] = of_base
    return total


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
    count = len(vector(data.weight, np.float64))
    levels = len(vector(data.noise_ends, np.int64)) - 1
    rest = len(vector(data.average, np.float64))
    hyper = len(vector(data.centre, np.float64))
    places = hyper + len(vector(data.noise_centre, np.float64))
    contrasts = places + rest
    tau = np.empty(len(vector(data.tau, np.float64)))
    c = np.empty(rest)
    delta = np.empty(rest)
    log_m = np.empty(levels)
    log_u = np.empty(levels)
    zeta = np.empty(count)
    s = np.empty(count)
    scales(z, record, tau)
    effects(z[places:contrasts], record, tau, c, delta)
    noise(z[hyper:places], z[contrasts:], record, log_m, log_u, zeta, s)
    for k in range(count):
        if not SMALLEST < s[k] < LARGEST:
            return np.nan
    slope = np.empty(rest)
    gs = np.empty(count)
    of_tau = np.zeros(len(tau))
    total = likelihood(record, tau, delta, s, slope, of_tau, gs)
    total += to_effects(
        z[places:contrasts],
        gradient[places:contrasts],
        record,
        tau,
        c,
        delta,
        slope,
        of_tau,
    )
    total += to_noise(
        z[hyper:places],
        z[contrasts:],
        gradient[hyper:places],
        gradient[contrasts:],
        record,
        log_m,
        log_u,
        zeta,
        s,
        gs,
    )
    total = to_scales(z, gradient, record, tau, of_tau, total)
    return total if math.isfinite(total) else np.nan


def callback(dimension, z, gradient, value, user_data):  # type: ignore[no-untyped-def]
    """Serve nutpie, with the record behind user_data."""
    record = numba.carray(user_data, (1,), RECORD)
    slope = numba.carray(gradient, (dimension,))
    result = log_density(numba.carray(z, (dimension,)), slope, record)
    return report(result, slope, numba.carray(value, (1,)))
