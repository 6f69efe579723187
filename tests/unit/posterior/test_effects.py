"""Means integrated out, against the dense covariance matrix of zero-sum means."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summands.model.cells import collapse
from summands.model.levels import Levels
from summands.model.rows import Rows
from summands.posterior import cholesky, effects, mode
from summands.posterior.effects import Layout


def drawn_cells(sizes, rows, seed):
    rng = np.random.default_rng(seed)
    picked = tuple(rng.integers(size, size=rows) for size in sizes)
    return collapse(Rows(Levels.of(sizes), rng.normal(size=rows), picked))


class Integrated:
    """What `effects.integrate` finds, by cell and by contributor."""

    def __init__(self, cells, variance, tau, precision, at):
        layout = Layout.of(cells)
        size, count = layout.size, len(layout.of_rest)
        self.gram = (
            np.empty(size),
            np.empty((count, size)),
            np.empty((count, count)),
            np.empty(size),
            np.empty(count),
        )
        self.layout = layout
        self.shape = layout.largest, layout.of_rest, layout.average
        weight = cells.n / variance
        effects.gather(
            layout.eliminated, layout.rest, weight, cells.mean, size > 0, *self.gram
        )
        w_e, w_r, h_e = np.empty(size), np.empty(count), np.empty(size)
        h_re, h_rr = np.empty((count, size)), np.empty((count, count))
        self.bend = np.empty(len(tau))
        self.value, self.trace = effects.integrate(
            self.gram, self.shape, tau, precision, at, w_e, w_r, h_e, h_re, h_rr,
            self.bend,
        )  # fmt: skip
        self.means = np.zeros(cells.levels.contributors)
        effect = layout.contributor >= 0
        self.means[layout.contributor[effect]] = np.concatenate([w_e, w_r])[effect]
        self.intercept = w_r[0]
        fitted = self.intercept + self.means[cells.members].sum(axis=1)
        self.value -= 0.5 * (weight * (cells.mean - fitted) ** 2).sum()
        self.spread = np.empty(len(weight))
        for c, members in enumerate(layout.rest):
            rest = np.append(0, members)
            self.spread[c] = h_rr[np.ix_(rest, rest)].sum()
            if size:
                k = layout.eliminated[c]
                self.spread[c] += h_e[k] + 2.0 * h_re[rest, k].sum()


class Dense:
    """The same from the covariance matrix of all cells' means."""

    def __init__(self, cells, variance, tau, precision, at):
        levels = cells.levels
        self.basis = mode.mean_basis(levels)
        z = np.column_stack([np.ones(len(cells.n)), cells.indicators]) @ self.basis
        scale = np.ones(levels.count)
        scale[np.asarray(levels.sizes) > 1] = tau
        of_column = np.repeat(scale, np.asarray(levels.sizes) - 1)
        prior = np.append(1.0 / precision, of_column**2)
        noise = variance / cells.n
        covariance = (z * prior) @ z.T + np.diag(noise)
        residual = cells.mean - at
        self.value = -0.5 * (
            np.linalg.slogdet(covariance)[1]
            + residual @ np.linalg.solve(covariance, residual)
        )
        self.value += 0.5 * (np.log(noise).sum() + np.log(1.0 / precision))
        # A scale of zero leaves no precision: by conditioning, not by its inverse.
        gain = np.linalg.solve(covariance, z * prior).T
        self.mean = gain @ residual
        self.mean[0] += at
        self.covariance = np.diag(prior) - gain @ (z * prior)
        self.fitted = z @ self.mean
        self.spread = np.einsum("ci,ij,cj->c", z, self.covariance, z)


CASES = st.tuples(
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.integers(2, 60),
    st.integers(0, 10**6),
)


@settings(deadline=None, max_examples=25)
@given(CASES, st.floats(-4.0, 4.0), st.floats(-6.0, 6.0), st.booleans())
def test_it_is_the_dense_model_of_zero_sum_means(case, width, log_precision, none):
    cells = drawn_cells(*case)
    rng = np.random.default_rng(case[2])
    variance = rng.lognormal(0, 1, len(cells.n))
    tau = rng.lognormal(width, 1, sum(size > 1 for size in case[0]))
    if none and len(tau):
        tau[0] = 0.0
    arguments = cells, variance, tau, np.exp(log_precision), 0.7
    found, dense = Integrated(*arguments), Dense(*arguments)
    assert found.value == pytest.approx(dense.value, rel=1e-8, abs=1e-8)
    fitted = found.intercept + found.means[cells.members].sum(axis=1)
    assert fitted == pytest.approx(dense.fitted, rel=1e-6, abs=1e-6)
    assert found.spread == pytest.approx(dense.spread, rel=1e-6, abs=1e-9)
    assert found.trace == pytest.approx((found.spread * cells.n / variance).sum())
    levels = cells.levels
    intercept = found.intercept + levels.level_means(found.means).sum()
    means = np.append(intercept, levels.centre(found.means)) @ dense.basis
    assert means == pytest.approx(dense.mean, rel=1e-6, abs=1e-6)
    for j in range(len(tau)):
        if tau[j] > 0:
            step = 1e-5 * np.eye(len(tau))[j]
            ends = [
                Dense(cells, variance, tau * np.exp(s * step), *arguments[3:]).value
                for s in (1, -1)
            ]
            slope = (ends[0] - ends[1]) / 2e-5
            assert found.bend[j] == pytest.approx(slope, rel=1e-5, abs=1e-5)


def test_draws_have_the_mean_and_covariance_of_the_dense_model():
    cells = drawn_cells([2, 4, 1, 3], 60, 5)
    rng = np.random.default_rng(0)
    arguments = cells, rng.lognormal(size=len(cells.n)), np.array([0.3, 2.0, 1.0])
    found = Integrated(*arguments, 4.0, 0.7)
    dense = Dense(*arguments, 4.0, 0.7)
    levels, layout = cells.levels, found.layout
    w_e, w_r = np.empty(layout.size), np.empty(len(layout.of_rest))
    draws = np.empty((10_000, len(dense.mean)))
    for draw in draws:
        effects.draw(found.gram, found.shape, arguments[2], 4.0, 0.7, rng, w_e, w_r)
        means = np.zeros(levels.contributors)
        effect = layout.contributor >= 0
        means[layout.contributor[effect]] = np.concatenate([w_e, w_r])[effect]
        intercept = w_r[0] + levels.level_means(means).sum()
        draw[:] = np.append(intercept, levels.centre(means)) @ dense.basis
    sd = np.sqrt(np.diag(dense.covariance))
    error = (draws.mean(axis=0) - dense.mean) / sd
    assert np.abs(error).max() < 4.5 / np.sqrt(len(draws))
    correlation = np.cov(draws.T) / np.outer(sd, sd)
    expected = dense.covariance / np.outer(sd, sd)
    assert correlation == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_the_origin_of_the_values_does_not_matter(shift):
    cells = drawn_cells([1, 3, 2], 40, 1)
    moved = cells.__class__(
        cells.levels,
        cells.contributors,
        cells.n,
        cells.mean + shift,
        cells.sum_of_squares,
    )
    tau, variance = np.array([0.5, 1.5]), np.ones(len(cells.n))
    one = Integrated(cells, variance, tau, 2.0, 0.1)
    other = Integrated(moved, variance, tau, 2.0, 0.1 + shift)
    assert other.value == pytest.approx(one.value, rel=1e-12)
    assert other.means == pytest.approx(one.means, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("size", [1, 2, 31, 47, 48, 49, 64, 65, 97, 160])
def test_factors_in_blocks_are_factors(size):
    rng = np.random.default_rng(size)
    a = rng.normal(size=(size, 2 * size))
    a = a @ a.T + np.eye(size)
    root, inverse = np.tril(a), np.full((size, size), np.nan)
    assert cholesky.factorise(root, inverse)
    expected = np.linalg.cholesky(a)
    assert np.tril(root) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert inverse == pytest.approx(np.linalg.inv(expected), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("size", [3, 60])
@pytest.mark.parametrize("at", [0, -1])
def test_what_has_no_factor_is_told(size, at):
    a = np.eye(size)
    a[at, at] = -1.0
    assert not cholesky.factorise(a.copy(), np.empty((size, size)))
    a[at, at] = np.nan
    assert not cholesky.factorise(a, np.empty((size, size)))
