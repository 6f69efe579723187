"""The prior of a level's log sigmas, its centre and spread integrated out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from summands.posterior import level_prior

PRIOR = np.array([-0.5, 1.0, np.log(0.5), 0.6])


def by_quadrature(k, squares, distance, prior):
    """The integral over log t, and both expectations, by an adaptive rule."""
    _, s0, a, b = prior

    def exponent(y):
        e = np.exp(2.0 * y)
        total = e + k * s0**2
        return (
            -0.5 * ((y - a) / b) ** 2
            - (k - 1) * y
            - 0.5 * np.log(total)
            - 0.5 * squares / e
            - 0.5 * k * distance**2 / total
        )

    grid = np.linspace(a - 12 * b - k * b**2, a + 12 * b + 5.0, 40_001)
    highest = exponent(grid).max()
    inside = grid[exponent(grid) > highest - 45.0]
    ends = inside[0] - 0.01, inside[-1] + 0.01
    found = [
        integrate.quad(
            lambda y, of=of: np.exp(exponent(y) - highest) * of(np.exp(2.0 * y)),
            *ends,
            limit=500,
            epsabs=0.0,
            epsrel=1e-11,
        )[0]
        for of in (lambda e: 1.0, lambda e: 1.0 / e, lambda e: 1.0 / (e + k * s0**2))
    ]
    return highest + np.log(found[0]), found[1] / found[0], found[2] / found[0]


@pytest.mark.parametrize("k", [1, 2, 3, 10, 50, 100])
@pytest.mark.parametrize("spread", [0.0, 1e-3, 0.1, 0.5, 2.0])
@pytest.mark.parametrize("distance", [0.0, -1.0, 4.0, -12.0])
def test_the_grid_is_as_good_as_adaptive_quadrature(k, spread, distance):
    squares = (k - 1) * spread**2
    found = level_prior.integral(k, squares, distance, PRIOR)
    value, *moments = by_quadrature(k, squares, distance, PRIOR)
    assert found[0] == pytest.approx(value, abs=1e-7)
    assert found[1:] == pytest.approx(moments, rel=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 40),
    st.floats(0.0, 3.0),
    st.floats(-5.0, 5.0),
    st.floats(-2.0, 1.0),
    st.floats(0.2, 2.0),
    st.floats(-3.0, 1.0),
    st.floats(0.1, 1.2),
)
def test_any_prior_is_integrated(k, spread, distance, m0, s0, a, b):
    prior = np.array([m0, s0, a, b])
    squares = (k - 1) * spread**2
    found = level_prior.integral(k, squares, distance, prior)
    value, *moments = by_quadrature(k, squares, distance, prior)
    assert found[0] == pytest.approx(value, abs=1e-7)
    assert found[1:] == pytest.approx(moments, rel=1e-6)


def test_one_contributor_has_the_mixture_of_normals():
    """Of one, p(l) is the mean over t of Normal(l; m0, sqrt(s0^2 + t^2))."""
    _, s0, a, b = PRIOR
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    t = np.exp(a + b * nodes)
    differences = []
    for distance in (-6.0, -1.0, 0.0, 0.3, 2.0):
        density = stats.norm.pdf(distance, 0.0, np.hypot(s0, t)) @ weights
        found, *_ = level_prior.integral(1, 0.0, distance, PRIOR)
        differences.append(found - np.log(density))
    assert differences == pytest.approx(np.full(5, differences[0]), abs=1e-9)


@pytest.mark.parametrize("k", [1, 3, 20])
def test_centre_and_spread_are_drawn_as_they_were(k):
    """Drawn from the prior, given log sigmas drawn from them: again the prior."""
    m0, s0, a, b = PRIOR
    rng = np.random.default_rng(k)
    drawn = []
    for _ in range(8000):
        c, t = rng.normal(m0, s0), rng.lognormal(a, b)
        log_sigma = rng.normal(c, t, k)
        squares = ((log_sigma - log_sigma.mean()) ** 2).sum()
        distance = log_sigma.mean() - m0
        again = level_prior.draw(k, squares, distance, PRIOR, rng)
        drawn.append([again[0], np.log(again[1]), (log_sigma[0] - again[0]) / again[1]])
    centre, log_spread, standard = np.array(drawn).T
    assert stats.kstest((centre - m0) / s0, "norm").pvalue > 1e-3
    assert stats.kstest((log_spread - a) / b, "norm").pvalue > 1e-3
    assert stats.kstest(standard, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(centre, log_spread)[0, 1]) < 0.05
