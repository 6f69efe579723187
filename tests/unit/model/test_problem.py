"""What an estimator may know beside the data."""

import numpy as np
import pytest

from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.model.units import Units


def test_the_prior_of_a_variance_is_that_of_a_standard_deviation_squared():
    problem = Problem(Levels.of([1, 2]), 2.0, -0.7, 0.4, 3.0, 1.0)
    sigma = np.random.default_rng(0).lognormal(-0.7, 0.4, 200_000)
    log_variance = np.log(sigma**2)
    assert problem.log_variance_mean == pytest.approx(log_variance.mean(), abs=0.01)
    assert problem.log_variance_sd == pytest.approx(log_variance.std(), rel=0.01)
    assert problem.log_variance_precision * problem.log_variance_sd**2 == pytest.approx(
        1
    )
    assert problem.mu_precision * problem.mu_sd**2 == pytest.approx(1)
    assert problem.intercept_precision * problem.intercept_sd**2 == pytest.approx(1)


def test_priors_that_nobody_states_follow_the_units_of_the_data():
    levels = Levels.of([1, 2])
    standard = Problem.following(levels)
    assert (standard.mu_sd, standard.intercept_sd, standard.intercept_mean) == (1, 5, 0)
    assert standard.log_sigma_mean == pytest.approx(-np.log(3) / 2)
    units = Units(7.0, 2.0)
    assert Problem.following(levels, units).in_units(units) == standard
