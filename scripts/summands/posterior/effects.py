"""The means integrated out of the likelihood: linear algebra of crossed effects.

Given all variances and the scales tau of the levels, intercept and means are normal.
Their zero-sum prior is stated with independent effects u ~ Normal(0, 1): the means of
level j are tau_j (u_k - mean u), and the intercept is b = b' + sum_j tau_j mean u of
level j, whose prior is Normal(m, 1 / p). In the coefficients beta = (b', u), with
D = diag(1, tau), G = [1 Z]' diag(n / v) [1 Z], r = [1 Z]' diag(n / v) x and
alpha = (1, 1 / m_j), the posterior is normal with

    precision B = D (G + p alpha alpha') D + diag(0, 1, ..., 1)
    and mean B^-1 D (r + p m alpha);

the u of a level have a mean of their own that nothing depends on but their prior, so
this is exactly the model of zero-sum means. Levels of one contributor have no effects.

Contributors of one level never meet, so the largest level's block of B is diagonal but
for alpha: it is eliminated in closed form and the rest factorised (Bates et al. 2015,
Journal of Statistical Software 67(1)). The intercept's prior comes last, of rank one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from summands.model.cells import Cells
from summands.posterior.cholesky import factorise, multiply

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """Which coefficients there are, and who has which.

    Parameters
    ----------
    varying : ndarray of int, shape (V,)
        Levels of more than one contributor: those that have effects.
    largest : int
        Place in `varying` of the level that is eliminated, -1 without any.
    size : int
        Its contributors, E.
    eliminated : ndarray of int, shape (C,)
        Of each cell, the contributor of that level.
    rest : ndarray of int, shape (C, V - 1)
        Of each cell, the other effects, as places 1..R-1 beside the intercept's 0.
    of_rest : ndarray of int, shape (R,)
        Place in `varying` of the level of each of those; -1 of the intercept.
    contributor : ndarray of int, shape (E + R,)
        Contributor of each coefficient, the eliminated first; -1 of the intercept.
    average : ndarray, shape (V,)
        1 / m_j.
    """

    varying: NDArray[np.int64]
    largest: int
    size: int
    eliminated: NDArray[np.int64]
    rest: NDArray[np.int64]
    of_rest: NDArray[np.int64]
    contributor: NDArray[np.int64]
    average: Array

    @classmethod
    def of(cls, cells: Cells) -> Layout:
        """Lay out the effects of a data set."""
        levels = cells.levels
        sizes = np.asarray(levels.sizes)
        varying = np.flatnonzero(sizes > 1)
        largest = int(np.argmax(sizes[varying])) if len(varying) else -1
        others = [place for place in range(len(varying)) if place != largest]
        rest, of_rest, contributor = [], [-1], [-1]
        for place in others:
            level = varying[place]
            rest.append(cells.contributors[:, level] + len(of_rest))
            of_rest += [place] * sizes[level]
            contributor += range(
                levels.offsets[level], levels.offsets[level] + sizes[level]
            )
        size, eliminated, first = 0, np.zeros(len(cells.n), np.int64), []
        if largest >= 0:
            level = varying[largest]
            size = int(sizes[level])
            eliminated = cells.contributors[:, level].astype(np.int64)
            first = list(range(levels.offsets[level], levels.offsets[level] + size))
        return cls(
            varying,
            largest,
            size,
            eliminated,
            np.stack(rest, axis=1).astype(np.int64)
            if rest
            else np.zeros((len(cells.n), 0), np.int64),
            np.array(of_rest, np.int64),
            np.array(first + contributor, np.int64),
            1.0 / sizes[varying],
        )


@numba.njit(cache=True, error_model="numpy")
def gather(eliminated, rest, weight, x, has, d, cross, square, of_e, of_r):  # type: ignore[no-untyped-def]
    """Add up G and r of the cells: of the eliminated level, the rest, and between.

    Parameters
    ----------
    eliminated, rest
        See `Layout`.
    weight, x : ndarray, shape (C,)
        n / v, and the cells' means.
    has : bool
        Whether there is a level to eliminate.
    d, cross, square, of_e, of_r : ndarray, shapes (E,), (R, E), (R, R), (E,), (R,)
        Are written.
    """
    d[:] = 0.0
    cross[:] = 0.0
    square[:] = 0.0
    of_e[:] = 0.0
    of_r[:] = 0.0
    levels = rest.shape[1]
    for c in range(len(weight)):
        w = weight[c]
        wx = w * x[c]
        square[0, 0] += w
        of_r[0] += wx
        if has:
            k = eliminated[c]
            d[k] += w
            of_e[k] += wx
            for i in range(levels):
                cross[rest[c, i], k] += w
        for i in range(levels):
            r = rest[c, i]
            of_r[r] += wx
            square[r, 0] += w
            for j in range(i + 1):
                square[r, rest[c, j]] += w
    for k in range(len(d)):
        cross[0, k] = d[k]


@numba.njit(cache=True, error_model="numpy")
def eliminate(gram, layout, tau, pivots, across, root, inverse_root):  # type: ignore[no-untyped-def]
    """Factorise B without the intercept's prior.

    Parameters
    ----------
    gram : tuple of ndarray
        d, cross, square, of_e, of_r; see `gather`.
    layout : tuple
        `Layout`'s largest, of_rest and average.
    tau : ndarray, shape (V,)
    pivots : ndarray, shape (E,)
        Is written: the eliminated block of B, which is diagonal.
    across : ndarray, shape (R, E)
        Is written: the block between, over the pivots' roots.
    root, inverse_root : ndarray, shape (R, R)
        Are written: in its lower triangle the Cholesky factor of what is left once
        the level is eliminated, and the factor's inverse.

    Returns
    -------
    float
        log |B|; NaN where rounding leaves no factor.
    """
    d, cross, square = gram[0], gram[1], gram[2]
    largest, of_rest = layout[0], layout[1]
    size, count = len(d), len(of_rest)
    scale = tau[largest] if size > 0 else 0.0
    value = 0.0
    for k in range(size):
        pivots[k] = 1.0 + scale * scale * d[k]
        value += math.log(pivots[k])
    for r in range(count):
        own = scale if r == 0 else scale * tau[of_rest[r]]
        for k in range(size):
            across[r, k] = own * cross[r, k] / math.sqrt(pivots[k])
    if size > 0 and count > 1:
        root[:] = multiply(across, across)
        for r in range(count):
            for j in range(r + 1):
                root[r, j] = -root[r, j]
    else:
        root[:] = 0.0
    for r in range(1, count):
        own = tau[of_rest[r]]
        for j in range(1, r + 1):
            root[r, j] += own * tau[of_rest[j]] * square[r, j]
        root[r, r] += 1.0
    # Each cell has one contributor of the largest level, so that what is left of the
    # intercept's column is a sum and no difference of large numbers.
    for r in range(count):
        own = 1.0 if r == 0 else tau[of_rest[r]]
        left = 0.0
        for k in range(size):
            left += cross[r, k] / pivots[k]
        root[r, 0] = own * (left if size > 0 else square[r, 0])
    if not factorise(root, inverse_root):
        return np.nan
    for r in range(count):
        value += 2.0 * math.log(root[r, r])
    return value


@numba.njit(cache=True, error_model="numpy")
def solve(pivots, across, inverse_root, e, r):  # type: ignore[no-untyped-def]
    """Replace (e, r) by the solution of B x = (e, r), without the intercept's prior."""
    size, count = len(e), len(r)
    for k in range(size):
        e[k] /= math.sqrt(pivots[k])
    for i in range(count):
        value = 0.0
        for k in range(size):
            value += across[i, k] * e[k]
        r[i] -= value
    _square(inverse_root, r)
    for k in range(size):
        value = e[k]
        for i in range(count):
            value -= across[i, k] * r[i]
        e[k] = value / math.sqrt(pivots[k])


@numba.njit(cache=True, error_model="numpy")
def _square(inverse_root, r):  # type: ignore[no-untyped-def]
    """Replace r by L^-T L^-1 r."""
    count = len(r)
    for i in range(count - 1, -1, -1):
        value = 0.0
        for j in range(i + 1):
            value += inverse_root[i, j] * r[j]
        r[i] = value
    for i in range(count):
        value = 0.0
        for j in range(i, count):
            value += inverse_root[j, i] * r[j]
        r[i] = value


@numba.njit(cache=True, error_model="numpy")
def integrate(gram, layout, tau, precision, at, w_e, w_r, h_e, h_re, h_rr, bend):  # type: ignore[no-untyped-def]
    """Integrate intercept and effects out.

    Parameters
    ----------
    gram, layout, tau
        See `eliminate`.
    precision, at : float
        p and m, the latter relative to what values are relative to.
    w_e, w_r : ndarray, shapes (E,), (R,)
        Are written: the means D x of D beta, x = B^-1 D (r + p m alpha).
    h_e, h_re, h_rr : ndarray, shapes (E,), (R, E), (R, R)
        Are written: the variances D B^-1 D, of the eliminated level its diagonal.
    bend : ndarray, shape (V,)
        Is written: sum (x_k^2 + (B^-1)_kk - 1) of each level, the slope of log L in
        log tau.

    Returns
    -------
    value : float
        -(|u|^2 + p (b - m)^2 + log |B|) / 2 at the means: what log L is beside the
        likelihood there.
    trace : float
        tr(D B^-1 D G): of as many coefficients, how many the data determine.
    """
    of_e, of_r = gram[3], gram[4]
    largest, of_rest, average = layout
    size, count = len(of_e), len(of_rest)
    pivots = np.empty(size)
    across = np.empty((count, size))
    root = np.empty((count, count))
    inverse_root = np.empty((count, count))
    log_det = eliminate(gram, layout, tau, pivots, across, root, inverse_root)
    if not math.isfinite(log_det):
        return np.nan, np.nan
    scale = tau[largest] if size > 0 else 0.0
    a_e = scale * average[largest] if size > 0 else 0.0
    a_r = np.ones(count)
    for r in range(1, count):
        a_r[r] = tau[of_rest[r]] * average[of_rest[r]]
    # g = B^-1 a, first without the intercept's prior.
    g_e = np.full(size, a_e)
    g_r = a_r.copy()
    solve(pivots, across, inverse_root, g_e, g_r)
    reach = 0.0
    for k in range(size):
        reach += a_e * g_e[k]
        w_e[k] = scale * of_e[k] + precision * at * a_e
    for r in range(count):
        reach += a_r[r] * g_r[r]
        own = 1.0 if r == 0 else tau[of_rest[r]]
        w_r[r] = own * of_r[r] + precision * at * a_r[r]
    kept = 1.0 / (1.0 + precision * reach)
    solve(pivots, across, inverse_root, w_e, w_r)
    b = 0.0
    for k in range(size):
        b += a_e * w_e[k]
    for r in range(count):
        b += a_r[r] * w_r[r]
    update = precision * kept
    for k in range(size):
        w_e[k] -= update * b * g_e[k]
    for r in range(count):
        w_r[r] -= update * b * g_r[r]

    # B^-1: of the rest, S^-1; across, -S^-1 times across over the pivots' roots.
    h_rr[:] = multiply(inverse_root.T, inverse_root.T)
    if size > 0:
        h_re[:] = multiply(h_rr, across.T)
    bend[:] = 0.0
    value = -log_det + math.log(kept)
    trace = kept
    b = 0.0
    for k in range(size):
        own = 1.0
        for r in range(count):
            own += across[r, k] * h_re[r, k]
        own = own / pivots[k] - update * g_e[k] * g_e[k]
        for r in range(count):
            factor = 1.0 if r == 0 else tau[of_rest[r]]
            h_re[r, k] = -(factor * scale) * (
                h_re[r, k] / math.sqrt(pivots[k]) + update * g_r[r] * g_e[k]
            )
        h_e[k] = scale * scale * own
        bend[largest] += w_e[k] * w_e[k] + own - 1.0
        trace += 1.0 - own
        value -= w_e[k] * w_e[k]
        b += a_e * w_e[k]
        w_e[k] *= scale
    for r in range(count):
        own = 1.0 if r == 0 else tau[of_rest[r]]
        b += a_r[r] * w_r[r]
        for j in range(count):
            factor = 1.0 if j == 0 else tau[of_rest[j]]
            entry = h_rr[r, j] - update * g_r[r] * g_r[j]
            if j == r and r > 0:
                bend[of_rest[r]] += w_r[r] * w_r[r] + entry - 1.0
                trace += 1.0 - entry
                value -= w_r[r] * w_r[r]
            h_rr[r, j] = own * factor * entry
        w_r[r] *= own
    value -= precision * (b - at) * (b - at)
    return 0.5 * value, trace


@numba.njit(cache=True, error_model="numpy")
def draw(gram, layout, tau, precision, at, rng, w_e, w_r):  # type: ignore[no-untyped-def]
    """Draw intercept and effects given the rest: D beta, and b' first of w_r.

    A draw without the intercept's prior is corrected by what the prior's pseudo-row
    says beyond it (Hoffman and Ribak 1991, Astrophysical Journal 380:L5).
    """
    of_e, of_r = gram[3], gram[4]
    largest, of_rest, average = layout
    size, count = len(of_e), len(of_rest)
    pivots = np.empty(size)
    across = np.empty((count, size))
    root = np.empty((count, count))
    inverse_root = np.empty((count, count))
    eliminate(gram, layout, tau, pivots, across, root, inverse_root)
    scale = tau[largest] if size > 0 else 0.0
    a_e = scale * average[largest] if size > 0 else 0.0
    a_r = np.ones(count)
    for r in range(1, count):
        a_r[r] = tau[of_rest[r]] * average[of_rest[r]]
    g_e = np.full(size, a_e)
    g_r = a_r.copy()
    solve(pivots, across, inverse_root, g_e, g_r)
    # With e + sqrt(pivots) z on the right side, and L z, the solution is a draw.
    noise = rng.standard_normal(count)
    for k in range(size):
        w_e[k] = scale * of_e[k] + math.sqrt(pivots[k]) * rng.standard_normal()
    for r in range(count):
        own = 1.0 if r == 0 else tau[of_rest[r]]
        value = own * of_r[r]
        for j in range(r + 1):
            value += root[r, j] * noise[j]
        for k in range(size):
            value += across[r, k] * (w_e[k] - scale * of_e[k]) / math.sqrt(pivots[k])
        w_r[r] = value
    solve(pivots, across, inverse_root, w_e, w_r)
    reach = 0.0
    b = 0.0
    for k in range(size):
        reach += a_e * g_e[k]
        b += a_e * w_e[k]
    for r in range(count):
        reach += a_r[r] * g_r[r]
        b += a_r[r] * w_r[r]
    surprise = at + rng.standard_normal() / math.sqrt(precision) - b
    gain = surprise / (1.0 / precision + reach)
    for k in range(size):
        w_e[k] = scale * (w_e[k] + gain * g_e[k])
    for r in range(count):
        own = 1.0 if r == 0 else tau[of_rest[r]]
        w_r[r] = own * (w_r[r] + gain * g_r[r])
