"""From coordinates of the noise of many contributors to their variances, and back.

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
from summands.posterior.records import vector


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
