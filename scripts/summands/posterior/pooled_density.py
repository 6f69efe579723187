"""The posterior of variances and scales, with all that is normal integrated out.

The model is that of `model.statement` with estimated scales. Intercept and means
(`posterior.effects`), and the centre and the spread of each level's log sigmas
(`posterior.level_prior`), are integrated out, so that no funnel is left between scales
and what they are scales of. Left are log sigma, in the warped coordinates u of
`posterior.coordinates`, and for each level of more than one contributor its scale tau
of the means, as q = asinh(tau / unit): logarithmic where the data tell means apart,
linear below, and smooth through zero, where the density depends on the size of tau
alone. Both are whitened: (u, q) = centre + axes z.

Where the data tell little of each contributor's noise, log sigma still has a funnel:
small spreads hold all of a level together. There centre and spread are not integrated
out but sampled, as log sigma = m0 + s0 y + exp(a + b w) e with standard normal y and w
of each level and e of each contributor: x = (e, y, w, q).
"""

from __future__ import annotations

import math

import numba
import numpy as np

from summands.posterior import effects, level_prior
from summands.posterior.density import LARGEST, SMALLEST, backward, forward, softplus
from summands.posterior.foreign import report
from summands.posterior.records import ARRAY, table, vector

# Of K contributors in J levels, V of them of more than one.
RECORD = np.dtype(
    [
        ("integrated", np.bool_),  # whether centre and spread are
        ("ends", ARRAY),  # (J + 1,): first contributor of each level, and K
        ("centre", ARRAY),  # (D,), D = K + V, or K + 2 J + V
        ("axes", ARRAY),  # (D, D)
        ("kappa", ARRAY),  # (K,)
        ("ratio", ARRAY),  # (K,)
        ("unit", ARRAY),  # (V,)
        # The priors.
        ("tau_precision", np.float64),
        ("intercept_precision", np.float64),
        ("intercept_mean", np.float64),  # relative to what the cells' means are
        ("of_levels", ARRAY),  # m0, s0, a, b of `summands.posterior.level_prior`
        # See `summands.posterior.effects.Layout`.
        ("largest", np.int64),
        ("size", np.int64),
        ("eliminated", ARRAY),
        ("rest", ARRAY),
        ("of_rest", ARRAY),
        ("average", ARRAY),
        # The cells.
        ("members", ARRAY),
        ("n", ARRAY),
        ("mean", ARRAY),
        ("sum_of_squares", ARRAY),
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
    ends = vector(data.ends, np.int64)
    centre = vector(data.centre, np.float64)
    axes = table(data.axes, np.float64)
    kappa = vector(data.kappa, np.float64)
    ratio = vector(data.ratio, np.float64)
    prior = vector(data.of_levels, np.float64)
    count = len(kappa)

    x = np.empty(len(centre))
    forward(axes, z, x)
    for i in range(len(x)):
        x[i] += centre[i]
    free = len(x) - len(vector(data.unit, np.float64))
    s = np.empty(count)
    gs = np.zeros(count)
    slope = np.empty(count)
    log_sigma = np.empty(count)
    total = 0.0
    if data.integrated:
        total += warped(x, kappa, ratio, s, slope)
    else:
        total += non_centred(x[:free], ends, prior, s)
    for k in range(count):
        if not SMALLEST < s[k] < LARGEST:
            return np.nan
    tau = np.empty(len(x) - free)
    bend = np.empty(len(tau))
    total += scales(x[free:], record, tau)
    total += likelihood(s, tau, record, gs, bend)
    if not math.isfinite(total):
        return np.nan
    for k in range(count):
        gs[k] *= 2.0 * s[k]
    if data.integrated:
        for k in range(count):
            log_sigma[k] = 0.5 * math.log(s[k])
            total -= 2.0 * log_sigma[k]
        for j in range(len(ends) - 1):
            total += of_level(log_sigma, ends[j], ends[j + 1], prior, gs)
        # From log sigma to u; what the Jacobian adds comes with it.
        for k in range(count):
            ds = (s[k] + kappa[k]) * ratio[k] * slope[k]
            x[k] = (0.5 * gs[k] - 1.0) / s[k] * ds
            x[k] += ratio[k] * slope[k] + 1.0 - slope[k]
    else:
        to_non_centred(x[:free], ends, prior, gs)
    to_scales(x[free:], tau, bend, record)
    backward(axes, x, gradient)
    return total


@numba.njit(cache=True, error_model="numpy")
def warped(x, kappa, ratio, s, slope):  # type: ignore[no-untyped-def]
    """Write s of u, and return the log of the Jacobian (s + kappa) sigmoid(u)."""
    total = 0.0
    for k in range(len(s)):
        value, slope[k] = softplus(x[k])
        s[k] = kappa[k] * math.expm1(ratio[k] * value)
        total += ratio[k] * value + (x[k] - value)
    return total


@numba.njit(cache=True, error_model="numpy")
def non_centred(x, ends, prior, s):  # type: ignore[no-untyped-def]
    """Write s of (e, y, w), and return their log density."""
    count, levels = len(s), len(ends) - 1
    total = 0.0
    for i in range(len(x)):
        total -= 0.5 * x[i] * x[i]
    for j in range(levels):
        centre = prior[0] + prior[1] * x[count + j]
        spread = math.exp(prior[2] + prior[3] * x[count + levels + j])
        for k in range(ends[j], ends[j + 1]):
            s[k] = math.exp(2.0 * (centre + spread * x[k]))
    return total


@numba.njit(cache=True, error_model="numpy")
def to_non_centred(x, ends, prior, g):  # type: ignore[no-untyped-def]
    """Overwrite (e, y, w) by the gradient, from that of log L in log sigma."""
    levels = len(ends) - 1
    count = ends[levels]
    for j in range(levels):
        spread = math.exp(prior[2] + prior[3] * x[count + levels + j])
        of_centre = 0.0
        of_spread = 0.0
        for k in range(ends[j], ends[j + 1]):
            of_centre += g[k]
            of_spread += g[k] * x[k]
            x[k] = spread * g[k] - x[k]
        x[count + j] = prior[1] * of_centre - x[count + j]
        w = x[count + levels + j]
        x[count + levels + j] = prior[3] * spread * of_spread - w


@numba.njit(cache=True, error_model="numpy")
def scales(q, record, tau):  # type: ignore[no-untyped-def]
    """Write tau = unit sinh(q), and return its log prior with the log-Jacobian."""
    unit = vector(record[0].unit, np.float64)
    total = 0.0
    for j in range(len(q)):
        tau[j] = unit[j] * math.sinh(q[j])
        total -= 0.5 * record[0].tau_precision * tau[j] * tau[j]
        total += abs(q[j]) + math.log1p(math.exp(-2.0 * abs(q[j])))
    return total


@numba.njit(cache=True, error_model="numpy")
def to_scales(q, tau, bend, record):  # type: ignore[no-untyped-def]
    """Overwrite q by the gradient, from that of log L in log tau."""
    for j in range(len(q)):
        tangent = math.tanh(q[j])
        pull = bend[j] - record[0].tau_precision * tau[j] * tau[j]
        # At 0 the density has a highest or a lowest point.
        q[j] = tangent + (pull / tangent if abs(tangent) > 1e-9 else 0.0)


@numba.njit(cache=True, error_model="numpy")
def of_level(log_sigma, start, end, prior, gradient):  # type: ignore[no-untyped-def]
    """Log prior of a level's log sigmas; adds to its gradient in them."""
    k = end - start
    mean = 0.0
    for i in range(start, end):
        mean += log_sigma[i]
    mean /= k
    squares = 0.0
    for i in range(start, end):
        squares += (log_sigma[i] - mean) ** 2
    distance = mean - prior[0]
    value, within, between = level_prior.integral(k, squares, distance, prior)
    for i in range(start, end):
        gradient[i] -= within * (log_sigma[i] - mean) + between * distance
    return value


@numba.njit(cache=True, error_model="numpy")
def empty_gram(record):  # type: ignore[no-untyped-def]
    """Room for what `effects.gather` writes, and the layout."""
    data = record[0]
    of_rest = vector(data.of_rest, np.int64)
    size, rest = data.size, len(of_rest)
    return (
        np.empty(size),
        np.empty((rest, size)),
        np.empty((rest, rest)),
        np.empty(size),
        np.empty(rest),
    ), (data.largest, of_rest, vector(data.average, np.float64))


@numba.njit(cache=True, error_model="numpy")
def likelihood(s, tau, record, gs, bend):  # type: ignore[no-untyped-def]
    """Log likelihood with the means integrated out.

    Parameters
    ----------
    s : ndarray, shape (K,)
        Variances.
    tau : ndarray, shape (V,)
    record
    gs : ndarray, shape (K,)
        The gradient in s is added to it.
    bend : ndarray, shape (V,)
        Is written: the gradient in log tau.
    """
    data = record[0]
    members = table(data.members, np.int64)
    n = vector(data.n, np.float64)
    mean = vector(data.mean, np.float64)
    squares = vector(data.sum_of_squares, np.float64)
    eliminated = vector(data.eliminated, np.int64)
    rest = table(data.rest, np.int64)
    gram, layout = empty_gram(record)
    size, count = len(gram[3]), len(gram[4])
    cells, levels = members.shape
    v = np.empty(cells)
    weight = np.empty(cells)
    for c in range(cells):
        variance = 0.0
        for j in range(levels):
            variance += s[members[c, j]]
        v[c] = variance
        weight[c] = n[c] / variance
    effects.gather(eliminated, rest, weight, mean, size > 0, *gram)
    w_e = np.empty(size)
    w_r = np.empty(count)
    h_e = np.empty(size)
    h_re = np.empty((count, size))
    h_rr = np.empty((count, count))
    total, _ = effects.integrate(
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
    others = rest.shape[1]
    for c in range(cells):
        fitted = w_r[0]
        h = h_rr[0, 0]
        for i in range(others):
            r = rest[c, i]
            fitted += w_r[r]
            h += h_rr[r, r] + 2.0 * h_rr[r, 0]
            for j in range(i):
                h += 2.0 * h_rr[r, rest[c, j]]
        if size > 0:
            k = eliminated[c]
            fitted += w_e[k]
            across = h_re[0, k]
            for i in range(others):
                across += h_re[rest[c, i], k]
            h += h_e[k] + 2.0 * across
        residual = mean[c] - fitted
        square = (squares[c] + n[c] * residual * residual) / v[c]
        total -= 0.5 * (n[c] * math.log(v[c]) + square)
        g = 0.5 * (square + weight[c] * h - n[c]) / v[c]
        for j in range(levels):
            gs[members[c, j]] += g
    return total


def callback(dimension, z, gradient, value, user_data):  # type: ignore[no-untyped-def]
    """Serve nutpie, with the record behind user_data."""
    record = numba.carray(user_data, (1,), RECORD)
    slope = numba.carray(gradient, (dimension,))
    result = log_density(numba.carray(z, (dimension,)), slope, record)
    return report(result, slope, numba.carray(value, (1,)))
