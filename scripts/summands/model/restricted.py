"""The restricted likelihood of crossed random intercepts with one residual variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from summands.model.cells import Cells
from summands.model.elimination import Elimination, cholesky, half_inverse
from summands.model.indicators import sums

Array = NDArray[np.float64]

# A residual sum of squares that is nothing.
NOTHING = 1e-300


@dataclass(frozen=True)
class Solution:
    """Predictions given the components, and what they cost.

    Parameters
    ----------
    intercept : float
    effects : ndarray, shape (K',)
        Of the contributors of levels of more than one, `Restricted.chosen`.
    spherical : ndarray, shape (J',)
        Sum of the squared effects of each level over theta squared.
    squares : float
        Penalised residual sum of squares: of residuals and of spherical effects.
    log_determinant : float
        log|S| + sum log D; see `Restricted`.
    root : ndarray, shape (1 + R, 1 + R)
        Lower Cholesky factor of S.
    """

    intercept: float
    effects: Array
    spherical: Array
    squares: float
    log_determinant: float
    root: Array


class Restricted:
    """The restricted likelihood of crossed random intercepts, in theta.

    theta_j is the standard deviation of the effects of a level over that of the
    residuals. Bates, Mächler, Bolker and Walker (2015, Journal of Statistical Software
    67(1)), equations 34 to 42, with sums over cells in place of sums over rows, and the
    largest level eliminated: with theta_e its theta, n_e its rows, B what it shares
    with the rest (the intercept among these), Lambda the thetas of the rest (1 for the
    intercept) and P the identity but for a 0 of the intercept,

        D = 1 + theta_e^2 n_e,  w = theta_e^2 / D,
        T = G - B' diag(w) B,   S = Lambda T Lambda + P.

    Parameters
    ----------
    cells : Cells
        Values around some origin near their mean.
    weight : ndarray, shape (C,), optional
        What a row of each cell counts: the residual variance over its own. By default
        all count the same.
    """

    def __init__(self, cells: Cells, weight: Array | float = 1.0) -> None:
        levels = cells.levels
        # A level with one contributor is the intercept.
        self.random = np.flatnonzero(np.asarray(levels.sizes) > 1)
        self.chosen = np.isin(levels.level, self.random)
        self.of_level = np.searchsorted(self.random, levels.level[self.chosen])
        n: Array = weight * cells.n.astype(float)
        self.rows = float(n.sum())
        self.freedom = self.rows - 1.0
        # The intercept as a level of one contributor, which comes first.
        sizes = [1, *(levels.sizes[j] for j in self.random)]
        first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        members = np.zeros((len(n), len(sizes)), dtype=np.int64)
        members[:, 1:] = cells.contributors[:, self.random] + first[1:]
        largest = 1 + int(np.argmax(sizes[1:])) if len(sizes) > 1 else None
        self.apart = -1 if largest is None else largest - 1
        self.parts = Elimination(members, sizes, n, largest)
        # Places among the effects, which do not have the intercept.
        self.of_apart = self.parts.apart - 1
        self.of_rest = self.parts.rest[1:] - 1
        self.counts = sums(members, n, sum(sizes))[1:]
        # A level of which all rows have the same contributor says nothing.
        within = np.bincount(
            self.of_level, self.counts * (1.0 - self.counts / self.rows)
        )
        self.silent = within <= 1e-12 * self.rows
        right = sums(members, n * cells.mean, sum(sizes))
        self.right_apart = right[self.parts.apart]
        self.right_rest = right[self.parts.rest]
        squares = weight * cells.sum_of_squares + n * cells.mean**2
        self.squares = float(squares.sum())

    def scales(self, theta: Array) -> tuple[float, Array]:
        """Theta of the level apart (0 without one), and Lambda, shape (1 + R,)."""
        of_rest = np.append(1.0, theta[self.of_level[self.of_rest]])
        return (0.0 if self.apart < 0 else float(theta[self.apart])), of_rest

    def shrunk(self, theta_apart: float) -> tuple[Array, Array]:
        """D and w, shape (E,)."""
        d = 1.0 + theta_apart**2 * self.parts.diagonal
        return d, theta_apart**2 / d

    def remaining(self, d: Array, w: Array) -> Array:
        """T, shape (1 + R, 1 + R)."""
        found = self.parts.within - self.parts.weighted(w)
        if self.apart >= 0:
            # The intercept's, without the difference of large numbers: 1 - w n = 1 / D.
            found[0] = found[:, 0] = self.parts.between.T @ (1.0 / d)
        return found

    def solve(self, theta: Array) -> Solution:
        """Best linear unbiased predictions given theta.

        Parameters
        ----------
        theta : ndarray, shape (J',)
            One for each level of more than one contributor, not negative.
        """
        solution, _ = self._solve(theta)
        return solution

    def _solve(self, theta: Array) -> tuple[Solution, Array]:
        parts = self.parts
        theta_apart, scale = self.scales(theta)
        d, w = self.shrunk(theta_apart)
        scaled = self.remaining(d, w) * scale[:, None] * scale
        penalised = scaled.copy()
        step = np.arange(1, len(scale))
        penalised[step, step] += 1.0
        root = cholesky(penalised)
        right = scale * (self.right_rest - parts.between.T @ (w * self.right_apart))
        half = scipy.linalg.solve_triangular(root, right, lower=True)
        spherical = scipy.linalg.solve_triangular(root, half, lower=True, trans=1)
        rest = scale * spherical
        # The spherical effects of the level apart; the effects are theta times them.
        apart = theta_apart * (self.right_apart - parts.between @ rest) / d
        effects = np.empty(len(self.of_level))
        effects[self.of_apart] = theta_apart * apart
        effects[self.of_rest] = rest[1:]
        squared = np.empty(len(effects))
        squared[self.of_apart] = apart**2
        squared[self.of_rest] = spherical[1:] ** 2
        squares = self.squares - (w * self.right_apart**2).sum() - (half**2).sum()
        determinant = 2.0 * np.log(np.diag(root)).sum() + np.log(d).sum()
        solution = Solution(
            float(rest[0]),
            effects,
            np.bincount(self.of_level, squared, len(theta)),
            max(float(squares), NOTHING),
            float(determinant),
            root,
        )
        return solution, scaled

    def slopes(self, theta: Array) -> tuple[Solution, Array]:
        """Solve, and give the slopes of log_determinant along each log theta.

        Those of the squares are -2 `spherical`, as effects are at their best.

        Returns
        -------
        solution : Solution
        slopes : ndarray, shape (J',)
        """
        solution, scaled = self._solve(theta)
        inverse = half_inverse(solution.root)
        # Traces of products of symmetric matrices, from the triangle below.
        # All are stored by columns.
        products = inverse * scaled.T
        of_rest = products.sum(axis=0) + products.sum(axis=1) - np.diag(products)
        slopes = np.zeros(len(theta))
        np.add.at(slopes, self.of_level[self.of_rest], 2.0 * of_rest[1:])
        if self.apart >= 0:
            theta_apart, scale = self.scales(theta)
            d, w = self.shrunk(theta_apart)
            inverse *= self.parts.weighted(w / d).T
            moved = 2.0 * scale @ inverse @ scale - np.diag(inverse) @ scale**2
            slopes[self.apart] = 2.0 * ((w * self.parts.diagonal).sum() - moved)
        return solution, slopes

    def residual(self, solution: Solution) -> float:
        """Residual variance that is best with these components."""
        return solution.squares / self.freedom

    def deviance(self, log_theta: Array) -> tuple[float, Array]:
        """-2 log restricted likelihood over N - 1, less a constant, and its gradient.

        The residual variance is the best one. A row's share, so that a search meets the
        same slopes whatever the rows.

        Parameters
        ----------
        log_theta : ndarray, shape (J',)
        """
        solution, slopes = self.slopes(np.exp(log_theta))
        residual = self.residual(solution)
        slopes -= 2.0 * solution.spherical / residual
        return self.value(solution), slopes / self.freedom

    def value(self, solution: Solution) -> float:
        """`deviance`, without its gradient, of a solution."""
        residual = self.residual(solution)
        return float(np.log(residual)) + solution.log_determinant / self.freedom

    def criterion(self, solution: Solution) -> float:
        """Compute -2 log restricted likelihood with all constants, as lme4 does."""
        scale = 2.0 * np.pi * self.residual(solution)
        return solution.log_determinant + self.freedom * float(1.0 + np.log(scale))

    def guess(self) -> Array:
        """Spread of the effects over that of the residuals, if effects hardly shrink.

        Returns
        -------
        ndarray, shape (J',)
        """
        solution = self.solve(np.full(len(self.random), 10.0))
        count = np.bincount(self.of_level)
        squares = np.bincount(self.of_level, solution.effects**2)
        spread = squares / (count - 1) / self.residual(solution)
        return np.sqrt(np.maximum(spread, 1e-8))
