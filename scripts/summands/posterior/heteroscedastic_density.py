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

What the data determine of the noise is the sum of the levels' variances, and contrasts
within a level. So the coordinates of the noise are the logarithm of the total T, logits
of the levels' shares M_j of T, for each level of more than one the logarithm of
U = t M, which is about half of the spread of its variances, and contrasts zeta:

    s_k = M_j exp(2 t zeta_k) / sum_k omega_k exp(2 t zeta_k),

with omega the contributors' shares of the level's rows, so that T is the mean variance
of a row. With l = log sigma and A the mean of l over the level, l_k = A + t zeta_k.
Given t (known, or with its log-normal prior) zeta is standard normal in the zero-sum
space, and A is normal around m0 with variance s0^2 + t^2 / m: the centre of l is
integrated out. Of a level of one contributor centre and spread are both integrated out
(`posterior.level_prior`). All Jacobians but one are constant.

The contrasts are centred as far as the data tell them, given U: the projection to zero
sum of c_k = U y_k / (1 + U^2 i_k) + x_k / sqrt(1 + U^2 i_k), x isometric to z.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from summands.posterior import level_prior
from summands.posterior.cell_density import inverse_and_logarithm, take_apart
from summands.posterior.crossed_density import effects, scales, to_effects, to_scales
from summands.posterior.density import LARGEST, SMALLEST
from summands.posterior.foreign import report
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
def zero_sum(z, x):  # type: ignore[no-untyped-def]
    """Write x, of m numbers that add up to zero, isometric to m - 1 numbers z."""
    m = len(x)
    total = 0.0
    for k in range(m - 1):
        total += z[k]
    root = math.sqrt(m)
    for k in range(m - 1):
        x[k] = z[k] - total / (root + m)
    x[m - 1] = -total / root


@numba.njit(cache=True, error_model="numpy")
def from_zero_sum(g, out):  # type: ignore[no-untyped-def]
    """Write the gradient in z, from that in x of `zero_sum`."""
    m = len(g)
    total = 0.0
    for k in range(m - 1):
        total += g[k]
    root = math.sqrt(m)
    shift = total / (root + m) + g[m - 1] / root
    for k in range(m - 1):
        out[k] = g[k] - shift


@numba.njit(cache=True, error_model="numpy")
def shares(z, record, log_m):  # type: ignore[no-untyped-def]
    """Write the logarithms of the levels' mean variances, at log T and the logits."""
    centre = vector(record[0].noise_centre, np.float64)
    spread = vector(record[0].noise_spread, np.float64)
    reference = record[0].reference
    count = len(log_m)
    log_m[reference] = 0.0
    highest = 0.0
    for i in range(1, count):
        j = i if i > reference else i - 1
        log_m[j] = centre[i] + spread[i] * z[i]
        highest = max(highest, log_m[j])
    total = 0.0
    for j in range(count):
        total += math.exp(log_m[j] - highest)
    shift = centre[0] + spread[0] * z[0] - highest - math.log(total)
    for j in range(count):
        log_m[j] += shift


@numba.njit(cache=True, error_model="numpy")
def noise(hyper, z, record, log_m, log_u, zeta, s):  # type: ignore[no-untyped-def]
    """Write variances.

    Parameters
    ----------
    hyper, z : ndarray
        The coordinates of levels and of contrasts.
    record : ndarray of `RECORD`, shape (1,)
    log_m, log_u : ndarray, shape (J,)
        Are written: log M and log U.
    zeta, s : ndarray, shape (K,)
        Are written.
    """
    data = record[0]
    ends = vector(data.noise_ends, np.int64)
    centre = vector(data.noise_centre, np.float64)
    spread = vector(data.noise_spread, np.float64)
    known = vector(data.known_spread, np.float64)
    weight = vector(data.weight, np.float64)
    information = vector(data.noise_information, np.float64)
    best = vector(data.noise_best, np.float64)
    prior = vector(data.of_levels, np.float64)
    count = len(log_m)
    shares(hyper, record, log_m)
    place = count
    done = 0
    for j in range(count):
        start, end = ends[j], ends[j + 1]
        m = end - start
        log_u[j] = known[j]
        if m == 1:
            zeta[start] = 0.0
            s[start] = math.exp(log_m[j])
            continue
        log_t = prior[2]
        if data.estimated:
            log_u[j] = centre[place] + spread[place] * hyper[place]
            log_t = log_u[j] - log_m[j]
            place += 1
        u, t = math.exp(log_u[j]), math.exp(log_t)
        zero_sum(z[done : done + m - 1], zeta[start:end])
        done += m - 1
        mean = 0.0
        for k in range(start, end):
            shrunk = 1.0 / (1.0 + u * u * information[k])
            zeta[k] = u * shrunk * best[k] + math.sqrt(shrunk) * zeta[k]
            mean += zeta[k]
        mean /= m
        total = 0.0
        for k in range(start, end):
            zeta[k] -= mean
            s[k] = math.exp(2.0 * t * zeta[k])
            total += weight[k] * s[k]
        factor = math.exp(log_m[j]) / total
        for k in range(start, end):
            s[k] *= factor


@numba.njit(cache=True, error_model="numpy")
def to_noise(hyper, z, g_hyper, g_z, record, log_m, log_u, zeta, s, gs):  # type: ignore[no-untyped-def]
    """Log prior of the noise with the log-Jacobian, and its slopes.

    Parameters
    ----------
    hyper, z, record, log_m, log_u, zeta, s
        See `noise`.
    g_hyper, g_z : ndarray
        The gradients in `hyper` and `z` are written.
    gs : ndarray, shape (K,)
        That of the likelihood in s; is overwritten.
    """
    data = record[0]
    ends = vector(data.noise_ends, np.int64)
    spread = vector(data.noise_spread, np.float64)
    weight = vector(data.weight, np.float64)
    information = vector(data.noise_information, np.float64)
    best = vector(data.noise_best, np.float64)
    prior = vector(data.of_levels, np.float64)
    m0, s0 = prior[0], prior[1]
    count = len(log_m)
    of_log_m = np.zeros(count)
    total = 0.0
    place = count
    done = 0
    for j in range(count):
        start, end = ends[j], ends[j + 1]
        m = end - start
        if m == 1:
            distance = 0.5 * log_m[j] - m0
            if data.estimated:
                value, _, between = level_prior.integral(1, 0.0, distance, prior)
            else:
                between = math.exp(-2.0 * prior[2])
                value = -0.5 * between * distance * distance
            total += value
            of_log_m[j] = gs[start] * s[start] - 0.5 * between * distance
            continue
        log_t = log_u[j] - log_m[j] if data.estimated else prior[2]
        u, t = math.exp(log_u[j]), math.exp(log_t)
        # Sums of the slopes in log s, of these with zeta, and of omega s with zeta.
        factor = math.exp(-log_m[j])
        slope = 0.0
        with_zeta = 0.0
        weighted = 0.0
        level = 0.0
        squares = 0.0
        for k in range(start, end):
            gs[k] *= s[k]
            slope += gs[k]
            with_zeta += gs[k] * zeta[k]
            weighted += weight[k] * s[k] * factor * zeta[k]
            level += 0.5 * math.log(s[k])
            squares += zeta[k] * zeta[k]
        # A, and what its prior says.
        distance = level / m - m0
        variance = s0 * s0 + t * t / m
        pull = -distance / variance
        total += -0.5 * squares + 0.5 * pull * distance - 0.5 * math.log(variance)
        of_log_m[j] = slope + 0.5 * pull
        of_t = (
            2.0 * (with_zeta - slope * weighted)
            - pull * weighted
            + (pull * pull - 1.0 / variance) * t / m
        )
        # In zeta, and the mean of that, which the projection takes off.
        mean = 0.0
        for k in range(start, end):
            share = weight[k] * s[k] * factor
            gs[k] = 2.0 * t * (gs[k] - share * slope) - pull * t * share - zeta[k]
            mean += gs[k]
        mean /= m
        of_log_u = 0.0
        inverse = 0.0
        kept = 0.0
        reverse = 0.0
        x = np.empty(m)
        zero_sum(z[done : done + m - 1], x)
        for k in range(start, end):
            shrunk = 1.0 / (1.0 + u * u * information[k])
            root = math.sqrt(shrunk)
            of_c = gs[k] - mean
            if data.estimated:
                of_log_u += of_c * (
                    u * shrunk * best[k] * (2.0 * shrunk - 1.0)
                    - root * (1.0 - shrunk) * x[k - start]
                )
                total += 0.5 * math.log(shrunk)
                kept += 1.0 - shrunk
                inverse += 1.0 / root
                reverse += (1.0 - shrunk) / root
            gs[k] = root * of_c
        from_zero_sum(gs[start:end], g_z[done : done + m - 1])
        done += m - 1
        if data.estimated:
            total += math.log(inverse)
            deviation = (log_t - prior[2]) / prior[3]
            total -= 0.5 * deviation * deviation
            of_log_t = t * of_t - deviation / prior[3]
            of_log_m[j] -= of_log_t
            g_hyper[place] = spread[place] * (
                of_log_t + of_log_u - kept + reverse / inverse
            )
            place += 1
    # From log M to log T and the logits: a softmax.
    of_total = 0.0
    for j in range(count):
        of_total += of_log_m[j]
    g_hyper[0] = spread[0] * of_total
    highest = log_m[0]
    for j in range(1, count):
        highest = max(highest, log_m[j])
    norm = 0.0
    for j in range(count):
        norm += math.exp(log_m[j] - highest)
    for i in range(1, count):
        j = i if i > data.reference else i - 1
        share = math.exp(log_m[j] - highest) / norm
        g_hyper[i] = spread[i] * (of_log_m[j] - share * of_total)
    return total


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
