"""Mean squared errors of the predictions of a mixed model fitted by REML.

g1 + g2 + 2 g3 (Kackar and Harville 1984, JASA 79:853; Prasad and Rao 1990, JASA 85:163;
for REML Datta and Lahiri 2000, Statistica Sinica 10:613): g1 + g2 takes the variance
components as known, g3 comes of estimating them. Both are exact whatever the number
of contributors, and only what `estimands.Errors` need of them is computed: diagonals,
and products with a few vectors. The largest matrices are square in the contributors
that `restricted.Restricted` does not eliminate.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from summands.model.elimination import inverse
from summands.model.estimands import Errors
from summands.model.levels import Levels
from summands.model.restricted import Restricted, Solution

Array = NDArray[np.float64]


class Known:
    """Errors of intercept and effects where the components are known, g1 + g2.

    The inverse of the mixed-model equations in blocks: with K = Lambda S^-1 Lambda, the
    covariance is s2 K of the rest (the intercept among these), -s2 w B K between, and
    s2 (w + w B K B' w) of the level apart.

    Parameters
    ----------
    likelihood : Restricted
    theta : ndarray, shape (J',)
    solution : Solution
        Of `likelihood` at theta.
    """

    def __init__(
        self, likelihood: Restricted, theta: Array, solution: Solution
    ) -> None:
        self.likelihood = likelihood
        self.residual = likelihood.residual(solution)
        theta_apart, scale = likelihood.scales(theta)
        _, self.w = likelihood.shrunk(theta_apart)
        self.inverse = inverse(solution.root) * scale[:, None] * scale

    def diagonal(self) -> Array:
        """Variances of intercept and effects, shape (1 + K',)."""
        parts = self.likelihood.parts
        found = np.empty(len(parts.apart) + len(parts.rest))
        found[parts.rest] = np.diag(self.inverse)
        found[parts.apart] = self.w + self.w**2 * parts.forms(self.inverse)
        return self.residual * found

    def times(self, vectors: Array) -> Array:
        """Multiply their covariance by vectors, shape (1 + K', V)."""
        parts, w = self.likelihood.parts, self.w[:, None]
        apart, rest = w * vectors[parts.apart], vectors[parts.rest]
        solved = self.inverse @ (rest - parts.between.T @ apart)
        found = np.empty_like(vectors)
        found[parts.rest] = solved
        found[parts.apart] = apart - w * (parts.between @ solved)
        return self.residual * found


class Estimated:
    """Errors that come of estimating the variance components.

    With V = s2 (I + Z Theta^2 Z') the covariance of rows and P that of their REML
    contrasts, u = s2 Theta^2 Z'P x. So with A = s2 Z'PZ, R = I - Theta^2 A and E_j the
    selector of level j, d u / d tau_j^2 = R E_j Z'P x, where Cov(Z'P x) = A / s2; the
    intercept is the values' mean less that of their effects. The predictions depend on
    ratios to s2 alone, of which theta^2 has the expected REML information, s2 profiled
    out, J_ij = (|A_ij|^2 - tr A_ii tr A_jj / (N - 1)) / 2, where |A_ij| is the
    Frobenius norm of a block (Harville 1977, JASA 72:320, for tr(P V_i P V_j) / 2).
    What this adds to the predictions' variance is g3 = s2 R M R' with
    M = sum_ij (J^-1)_ij E_i A E_j (Datta and Lahiri 2000). It is not zero where theta
    is.

    In blocks, for the level apart and the rest, with D, w, B and T of `Restricted`,
    Q = (Lambda^2 T + P)^-1, K = Q Lambda^2 and F the columns of Q but the intercept's,

        A_ee = n / D - D^-1 B K B' D^-1,  A_er = D^-1 B F,  A_rr = T F,

    none of which divides by theta, so that every diagonal below is a form b' X b of the
    rows b of B, with a matrix X of the order of the rest.

    Parameters
    ----------
    likelihood : Restricted
    theta : ndarray, shape (J',)
    residual : float
        Residual variance, s2.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the rows cannot tell the variance components apart.
    """

    def __init__(self, likelihood: Restricted, theta: Array, residual: float) -> None:
        self.likelihood, self.residual = likelihood, residual
        parts = self.parts = likelihood.parts
        theta_apart, scale = likelihood.scales(theta)
        self.squared = np.square(theta)
        self.d, w = likelihood.shrunk(theta_apart)
        self.level = likelihood.of_level[likelihood.of_rest]
        t = likelihood.remaining(self.d, w)
        matrix = t * np.square(scale)[:, None]
        step = np.arange(1, len(scale))
        matrix[step, step] += 1.0
        of_matrix = np.linalg.inv(matrix)
        self.k = of_matrix * np.square(scale)
        self.f = of_matrix[:, 1:]
        of_rest = t[1:] @ self.f
        self.of_rest = 0.5 * (of_rest + of_rest.T)
        # B' D^-2 B, and its product with F.
        self.gamma = parts.weighted(self.d**-2)
        self.gamma_f = self.gamma @ self.f
        self.k_gamma = self.k @ self.gamma
        self.own = parts.diagonal / self.d
        self.forms = parts.forms(self.k)
        self.covariance, self.of_residual = self._components(len(theta))

    def _components(self, count: int) -> tuple[Array, float]:
        """Inverse information of theta^2, and the variance of the residual variance."""
        likelihood, apart = self.likelihood, self.likelihood.apart
        member = (self.level[:, None] == np.arange(count)).astype(float)
        norms = member.T @ np.square(self.of_rest) @ member
        traces = member.T @ np.diag(self.of_rest)
        if apart >= 0:
            norms[apart] += member.T @ (self.f * self.gamma_f).sum(axis=0)
            norms[:, apart] = norms[apart]
            own = self.own - self.forms / self.d**2
            traces[apart] = own.sum()
            norms[apart, apart] = (
                self.own**2 - 2.0 * self.own * self.forms / self.d**2
            ).sum() + (self.k_gamma * self.k_gamma.T).sum()
        freedom = likelihood.freedom
        information = 0.5 * (norms - np.outer(traces, traces) / freedom)
        silent = likelihood.silent
        with np.errstate(invalid="ignore", divide="ignore"):
            unit = np.where(silent, 1.0, np.sqrt(np.diag(norms)))
            scaled = information / unit / unit[:, None]
        if (
            silent.any()
            or not np.isfinite(scaled).all()
            or np.linalg.eigvalsh(scaled).min(initial=1.0) < 1e-10
        ):
            raise np.linalg.LinAlgError("the variance components are not identified")
        covariance = np.linalg.inv(information)
        share = traces / freedom
        variance = 2.0 / freedom + float(share @ covariance @ share)
        return covariance, self.residual**2 * variance

    def diagonal(self) -> Array:
        """Diagonal of g3 for the effects, shape (K',)."""
        likelihood, parts, f = self.likelihood, self.parts, self.f
        found = np.empty(len(likelihood.of_level))
        of_rest = self.squared[self.level]
        middle = self.covariance[np.ix_(self.level, self.level)] * self.of_rest
        root = f[1:]
        spread = root @ middle
        rest = (spread * root).sum(axis=1)
        if likelihood.apart >= 0:
            apart = likelihood.apart
            own = self.covariance[apart, apart]
            between = self.covariance[apart, self.level]
            gamma_3 = parts.weighted(self.own / self.d**2)
            k_gamma_f = self.k @ self.gamma_f
            rest += of_rest**2 * own * (f * (gamma_3 @ f)).sum(axis=0)
            rest -= of_rest**2 * own * (self.gamma_f * k_gamma_f).sum(axis=0)
            crossed = (f.T @ self.gamma_f) * between
            rest -= 2.0 * of_rest * (crossed * root).sum(axis=1)
            weighted = f * between
            first = self.k_gamma @ self.k
            x = -own * first - weighted @ f.T
            y = own * (self.k @ gamma_3 @ self.k - self.k_gamma @ first)
            mixed = k_gamma_f @ weighted.T
            y += f @ middle @ f.T - mixed - mixed.T
            d, n, square = self.d, self.own, float(self.squared[apart])
            # With r the row of R: M_kk + 2 theta^2 b (Y M)_k + theta^4 b Y M Y' b.
            found[likelihood.of_apart] = (
                own * (n - self.forms / d**2)
                + 2.0 * square * (own * n / d * self.forms + parts.forms(x) / d)
                + square**2 * parts.forms(y)
            ) / d**2
        found[likelihood.of_rest] = rest
        return self.residual * found

    def times(self, vectors: Array) -> Array:
        """Multiply g3 of intercept and effects by vectors, shape (1 + K', V)."""
        likelihood = self.likelihood
        squared = self.squared[likelihood.of_level][:, None]
        shares = likelihood.counts / likelihood.rows
        effects = vectors[1:] - shares[:, None] * vectors[0]
        turned = effects - self._a(squared * effects)
        total = np.zeros_like(turned)
        for j, row in enumerate(self.covariance):
            mine = (likelihood.of_level == j)[:, None]
            total += row[likelihood.of_level][:, None] * self._a(mine * turned)
        found = total - squared * self._a(total)
        return self.residual * np.concatenate([-shares[None] @ found, found])

    @cached_property
    def _own_share(self) -> Array:
        return (1.0 / self.d)[:, None]

    def _a(self, vectors: Array) -> Array:
        """Multiply A by vectors, shape (K', V)."""
        likelihood, between = self.likelihood, self.parts.between
        apart = vectors[likelihood.of_apart]
        rest = vectors[likelihood.of_rest]
        below = between.T @ (self._own_share * apart)
        found = np.empty_like(vectors)
        found[likelihood.of_apart] = self.own[:, None] * apart + self._own_share * (
            between @ (self.f @ rest - self.k @ below)
        )
        found[likelihood.of_rest] = self.f.T @ below + self.of_rest @ rest
        return found


def errors(levels: Levels, known: Known, estimated: Estimated) -> Errors:
    """Put g1 + g2 + 2 g3 of means together, as `estimands.linear` takes them.

    Parameters
    ----------
    levels : Levels
    known : Known
    estimated : Estimated
    """
    likelihood = known.likelihood
    k = levels.contributors
    # Effects of levels of one contributor are none.
    places = np.flatnonzero(likelihood.chosen)
    average = np.zeros((1 + len(places), levels.count + 1))
    of_level = levels.level[places]
    average[1 + np.arange(len(places)), of_level] = (
        1.0 / np.asarray(levels.sizes)[of_level]
    )
    # The intercept of a row that picks contributors at random.
    average[:, -1] = average.sum(axis=1)
    average[0, -1] = 1.0
    product = known.times(average) + 2.0 * estimated.times(average)
    diagonal, of_means = np.zeros(k), np.zeros((k, levels.count))
    diagonal[places] = known.diagonal()[1:] + 2.0 * estimated.diagonal()
    of_means[places] = product[1:, :-1]
    of_effects = Errors.from_products(levels, diagonal, of_means)
    return Errors(
        np.full(k, np.nan), of_effects.contrast, float(average[:, -1] @ product[:, -1])
    )
