"""The prior of a level's log sigmas, whose centre and spread are estimated as well.

log sigma_k ~ Normal(c, t) for k contributors, c ~ Normal(m0, s0), log t ~ Normal(a, b).
Centre and spread are integrated out, and drawn afterwards. With l = log sigma,
S = sum (l - mean l)^2 and d = mean l - m0, the centre goes in closed form, and of the
spread y = log t is left:

    p(l) = int exp(g(y)) dy,
    g = -(y - a)^2 / (2 b^2) - (k - 1) y - log(e^2y + k s0^2) / 2
        - S e^-2y / 2 - k d^2 / (2 (e^2y + k s0^2)).

The trapezoidal rule, whose error is exponentially small for such integrands (Trefethen
and Weideman 2014, SIAM Review 56:385), is laid around the highest point of g. A fixed
grid would not do: of a hundred sigmas that are nearly equal, the integrand is narrow
and can be anywhere.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from summands.model.problem import Problem

# Parts of the integrand below exp(-REACH) of its highest are left out.
REACH = 30.0

# Distance of two nodes: this, or this part of the standard deviation at the highest
# point.
WIDEST, PART = 0.2, 0.7

# Widths of the prior of log t beyond which no node is laid: arithmetic ends there.
FARTHEST = 60.0


def of(problem: Problem) -> NDArray[np.float64]:
    """m0, s0, a, b, as compiled code takes them."""
    assert problem.scales is not None
    centre, spread = problem.scales.log_sigma_mean, problem.scales.log_sigma_sd
    return np.array([centre.mean, centre.sd, spread.mean, spread.sd])


@numba.njit(cache=True, error_model="numpy")
def _slope(y, k, squares, distance, prior):  # type: ignore[no-untyped-def]
    """Slope and curvature of g."""
    a, b, s0 = prior[2], prior[3], prior[1]
    e = math.exp(2.0 * y)
    total = e + k * s0 * s0
    share = e / total
    pull = k * distance * distance / total
    of_squares = squares / e
    slope = -(y - a) / (b * b) - (k - 1.0) + of_squares - share * (1.0 - pull)
    bend = (
        -1.0 / (b * b)
        - 2.0 * of_squares
        - 2.0 * share * (1.0 - share) * (1.0 - pull)
        - 2.0 * share * share * pull
    )
    return slope, bend


@numba.njit(cache=True, error_model="numpy")
def height(y, k, squares, distance, prior):  # type: ignore[no-untyped-def]
    """Compute the exponent g of the integrand at y = log t.

    Parameters
    ----------
    y : float
    k : int
        Contributors of the level.
    squares, distance : float
        S and d.
    prior : ndarray
        m0, s0, a, b.
    """
    deviation = (y - prior[2]) / prior[3]
    e = math.exp(2.0 * y)
    total = e + k * prior[1] * prior[1]
    return (
        -0.5 * deviation * deviation
        - (k - 1.0) * y
        - 0.5 * math.log(total)
        - 0.5 * squares / e
        - 0.5 * k * distance * distance / total
    )


@numba.njit(cache=True, error_model="numpy")
def _climb(y, low, high, longest, k, squares, distance, prior):  # type: ignore[no-untyped-def]
    """Find a highest point of g by Newton's method, kept inside of a bracket.

    With steps no longer than `longest`, so as not to pass the next one.
    """
    for _ in range(100):
        slope, bend = _slope(y, k, squares, distance, prior)
        if slope > 0.0:
            low = y
        else:
            high = y
        there = y - slope / bend
        if not (bend < 0.0 and low < there < high):
            there = 0.5 * (low + high)
        there = min(max(there, y - longest), y + longest)
        moved = abs(there - y)
        y = there
        if moved < 1e-3 * prior[3]:
            break
    return y


@numba.njit(cache=True, error_model="numpy")
def span(k, squares, distance, prior):  # type: ignore[no-untyped-def]
    """Where the integrand is, and how finely it has to be taken.

    Returns
    -------
    left, right, step, highest : float
        Ends and distance of nodes, and the largest value of g.
    """
    a, b, s0 = prior[2], prior[3], prior[1]
    lowest, farthest = a - FARTHEST * b - k * b * b, a + FARTHEST * b
    start = a
    if k > 1:
        # Between what the prior and what the squares alone would have.
        wanted = 0.5 * math.log(max(squares, 1e-300) / (k - 1.0))
        weight = 2.0 * (k - 1.0) * b * b
        start = (a + weight * wanted) / (1.0 + weight)
    start = min(max(start, lowest), farthest)
    left = _climb(start, lowest, farthest, np.inf, k, squares, distance, prior)
    right = left
    if k * distance * distance > 4.0 * (math.exp(2.0 * left) + k * s0 * s0):
        # A centre far from its prior may also be told by a large spread: then there
        # is a second highest point, to the right.
        wanted = min(math.log(abs(distance)) + 0.5 * math.log(k), farthest)
        right = _climb(
            max(wanted, left), left, farthest, 0.3, k, squares, distance, prior
        )
        other = _climb(left, lowest, right, np.inf, k, squares, distance, prior)
        left = min(left, other)
    step = WIDEST
    highest = -np.inf
    for y in (left, right):
        _, bend = _slope(y, k, squares, distance, prior)
        step = min(step, PART / math.sqrt(max(-bend, 1e-10)))
        highest = max(highest, height(y, k, squares, distance, prior))
    while left > lowest:
        left -= 4.0 * step
        if height(left, k, squares, distance, prior) < highest - REACH:
            break
    while right < farthest:
        right += 4.0 * step
        if height(right, k, squares, distance, prior) < highest - REACH:
            break
    return left, right, step, highest


@numba.njit(cache=True, error_model="numpy")
def integral(k, squares, distance, prior):  # type: ignore[no-untyped-def]
    """Compute log p(l), up to a constant, and what its gradient is made of.

    Parameters
    ----------
    k, squares, distance, prior
        See `height`.

    Returns
    -------
    value : float
    within, between : float
        E[t^-2] and E[1 / (t^2 + k s0^2)] given l: the gradient in l_k is
        -within (l_k - mean l) - between d.
    """
    a, b, s0 = prior[2], prior[3], prior[1]
    left, right, step, highest = span(k, squares, distance, prior)
    count = math.ceil((right - left) / step) + 1
    spread = k * s0 * s0
    pull = k * distance * distance
    total = 0.0
    within = 0.0
    between = 0.0
    e = math.exp(2.0 * left)
    factor = math.exp(2.0 * step)
    for i in range(count):
        y = left + i * step
        deviation = (y - a) / b
        inverse = 1.0 / e
        shrunk = 1.0 / (e + spread)
        weight = math.sqrt(shrunk) * math.exp(
            -0.5 * deviation * deviation
            - (k - 1.0) * y
            - 0.5 * squares * inverse
            - 0.5 * pull * shrunk
            - highest
        )
        total += weight
        within += weight * inverse
        between += weight * shrunk
        e *= factor
    return highest + math.log(total * step), within / total, between / total


@numba.njit(cache=True, error_model="numpy")
def draw(k, squares, distance, prior, rng):  # type: ignore[no-untyped-def]
    """Draw the centre c and the spread t of a level, given its log sigmas.

    Of log t by inversion, between nodes ten times as close as the integral's; of c,
    which is normal given t, exactly.
    """
    left, right, step, highest = span(k, squares, distance, prior)
    step *= 0.1
    count = math.ceil((right - left) / step) + 1
    cumulative = np.empty(count)
    total = 0.0
    before = 0.0
    for i in range(count):
        y = left + i * step
        here = math.exp(height(y, k, squares, distance, prior) - highest)
        total += 0.5 * (before + here)
        before = here
        cumulative[i] = total
    target = rng.random() * total
    i = np.searchsorted(cumulative, target, side="right")
    i = min(max(i, 1), count - 1)
    part = (target - cumulative[i - 1]) / (cumulative[i] - cumulative[i - 1])
    t = math.exp(left + (i - 1 + part) * step)
    s0 = prior[1]
    gain = k * s0 * s0 / (t * t + k * s0 * s0)
    spread = s0 * t / math.sqrt(t * t + k * s0 * s0)
    return prior[0] + gain * distance + spread * rng.standard_normal(), t
