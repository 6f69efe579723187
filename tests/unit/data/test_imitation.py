"""Tables like an observed one have its layout, and the law that the model gives."""

import numpy as np
import pytest
from scipy import stats

from summands.data import imitation
from summands.data.design import Design
from summands.data.generator import BLOCK, Truth
from summands.model import cells as numerics
from summands.model.data_set import DataSet
from summands.model.distributions import OF_SCALES
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.model.rows import Rows

LEVELS = Levels(
    (1, 3, 2), ("baseline", "tool", "lot"), (("all",), tuple("ABC"), ("x", "y"))
)


def table(rows=400, seed=0, origin=0.0, unit=1.0):
    """An unbalanced table in cells: of some there is one row."""
    rng = np.random.default_rng(seed)
    tool = rng.choice(3, rows, p=[0.6, 0.3, 0.1])
    picked = np.zeros(rows, int), tool, rng.choice(2, rows)
    return numerics.collapse(
        Rows(LEVELS, origin + unit * rng.normal(size=rows), picked)
    )


def truth(unit=1.0, origin=0.0):
    mu = np.array([0.0, 1.0, 0.0, -1.0, 0.5, -0.5])
    return Truth(origin, unit * mu, unit * np.array([0.5, 1.0, 2.0, 0.1, 1.0, 0.3]))


def drawn(cells, of, seed=1, replicate=0):
    return numerics.collapse_blocks(imitation.draw_blocks(cells, of, seed, replicate))


@pytest.mark.parametrize("rows", [6, 400, 2 * BLOCK + 17])
def test_a_table_has_the_cells_of_the_other(rows):
    cells = table(rows)
    made = drawn(cells, truth())
    np.testing.assert_array_equal(made.contributors, cells.contributors)
    np.testing.assert_array_equal(made.n, cells.n)


@pytest.mark.parametrize(
    ("unit", "origin"), [(1.0, 0.0), (1e-6, 1e6 * 1e-6), (1e6, 1e9)]
)
def test_rows_of_a_cell_are_normal_with_its_mean_and_variance(unit, origin):
    cells, of = table(200_000), truth(unit, origin)
    made = drawn(cells, of)
    mean = of.intercept + of.mu[cells.members].sum(axis=1)
    variance = (of.sigma**2)[cells.members].sum(axis=1)
    z = (made.mean - mean) / np.sqrt(variance / cells.n)
    assert stats.kstest(z, stats.norm.cdf).pvalue > 0.001
    squares = made.sum_of_squares / variance
    p = stats.chi2.cdf(squares, cells.n - 1)
    assert stats.kstest(p, stats.uniform.cdf).pvalue > 0.001
    # A variance that is a tenth too large would be seen.
    wrong = stats.chi2.cdf(squares / 1.1, cells.n - 1)
    assert stats.kstest(wrong, stats.uniform.cdf).pvalue < 0.001


def test_tables_are_independent_and_each_stays_what_it_is():
    cells = table(50_000)
    first, second = (drawn(cells, truth(), replicate=n).mean for n in (0, 1))
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(first, drawn(cells, truth()).mean)


def test_truths_are_draws_of_the_posterior_each_as_likely():
    rng = np.random.default_rng(0)
    intercept, mu = rng.normal(size=(2, 5)), rng.normal(size=(2, 5, 6))
    sigma = rng.lognormal(size=(2, 5, 6))
    which = []
    for replicate in range(2000):
        made = imitation.truth(intercept, mu, sigma, 3, replicate)
        ((chain, draw),) = np.argwhere(intercept == made.intercept)
        np.testing.assert_array_equal(made.mu, mu[chain, draw])
        np.testing.assert_array_equal(made.sigma, sigma[chain, draw])
        which.append(5 * chain + draw)
    assert stats.chisquare(np.bincount(which, minlength=10)).pvalue > 0.001


def test_designs_say_all_that_fits_need():
    cells = table(origin=1e6, unit=1e-3)
    data_set = DataSet(cells)
    problem = Problem.following(LEVELS, data_set.units, data_set.noise)
    alone = imitation.design(LEVELS, 400)
    joint = imitation.joint_design(problem, 400, estimates_scales=True)
    for design in (alone, joint):
        again = Design.from_content(design.content, None, LEVELS.names, LEVELS.labels)
        assert again.content == design.content
        assert again.keeps_contributors
        assert again.as_modelled
    # Alone priors follow the new data, as those of a table do; jointly they stay.
    assert alone.stated() == {}
    other = DataSet(table(seed=5, origin=-3.0, unit=1e3))
    assert alone.problem(other.units, noise=other.noise) == Problem.following(
        LEVELS, other.units, other.noise
    )
    kept = joint.problem(other.units, noise=other.noise)
    for name in ("scales", "intercept_sd", "intercept_mean"):
        assert getattr(kept, name) == getattr(problem, name)
    assert set(joint.drawn_scales) == set(OF_SCALES)
    known = imitation.joint_design(problem, 400, estimates_scales=False)
    assert not known.drawn_scales
    assert known.problem(other.units).mu_sd == problem.mu_sd
