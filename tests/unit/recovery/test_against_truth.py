"""Scores of a fit against the truth."""

import numpy as np

from summands.recovery import against_truth
from tests.unit.estimation.test_fitting import coefficients, draws_of, fit_of


def test_equal_draws_are_ties_that_any_rank_among_them_breaks():
    """A truth that lies on n draws may come anywhere from before to behind them."""
    intercept, mu, sigma = coefficients(length=against_truth.RANKED_DRAWS, chains=1)
    size = intercept.size
    intercept[0] = np.repeat([-1.0, 2.0, 3.0], [20, 50, size - 70])
    fit = fit_of(draws_of(intercept, mu, sigma))
    truth = fit.standard.flat[0].copy()
    for value, lowest, highest in ((-1.5, 0, 0), (2.0, 20, 70), (4.0, size, size)):
        truth[0] = value
        found = {
            against_truth.score(fit, truth, np.random.default_rng(seed)).rank[0]
            for seed in range(600)
        }
        assert found == set(range(lowest, highest + 1))


def test_the_likelihood_of_the_truth_is_ranked_among_those_of_the_draws():
    fit = fit_of(draws_of(*coefficients(length=against_truth.RANKED_DRAWS, chains=1)))
    standard = fit.standard
    draws = standard.result
    density = standard.cells.log_likelihood(
        draws.intercept[0], draws.mu[0], draws.sigma[0] ** 2
    )
    rng = np.random.default_rng(0)
    for place in (0, 10, 98):
        # Between a draw and itself lies no other: its own rank, or the next.
        score = against_truth.score(fit, standard.flat[place], rng)
        below = (density < density[place]).sum()
        assert score.log_likelihood_rank in (below, below + 1)


def test_a_fit_that_failed_has_no_score():
    fit = fit_of(draws_of(*coefficients()))
    fit.standard = None
    score = against_truth.score(fit, np.zeros(fit.size), np.random.default_rng(0))
    for values in (score.crps, score.rank, score.rank_of):
        assert np.isnan(values).all()
    assert score.log_likelihood_rank is None
