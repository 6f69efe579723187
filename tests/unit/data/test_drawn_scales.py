"""Designs that draw the scales of each level anew."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from summands.data import generator
from summands.data.design import Design
from summands.model.distributions import HalfNormal, LogNormal, Normal
from summands.model.levels import Levels
from summands.model.units import Units
from summands.study import study
from summands.study.validation import StudyError

LEVELS = Levels.of([1, 40, 40])
DRAWN = Design(
    LEVELS,
    500,
    mu_sd=HalfNormal(2.0),
    log_sigma_mean=Normal(1.0, 0.5),
    log_sigma_sd=LogNormal(-0.7, 0.6),
)


def document(**grid):
    return {
        "study": "s",
        "grid": {"levels": [[1, 3]], "rows": [50]} | grid,
        "estimators": {"nutpie": {"scales": "estimated"}},
    }


def test_a_design_is_its_content():
    again = Design.from_content(DRAWN.content)
    assert again == DRAWN
    assert again.drawn_scales == DRAWN.drawn_scales != {}
    assert "mu_sd-half_normal-2" in DRAWN.id
    assert Design.from_content(Design(LEVELS, 500).content).drawn_scales == {}


def test_numbers_are_drawn_as_before():
    """A level's scales are drawn only where they are asked for."""
    known = generator.draw_truth(Design(LEVELS, 500), 1, 0)
    rng = np.random.default_rng(np.random.SeedSequence(0))
    assert known.mu.shape == rng.normal(size=81).shape
    same = generator.draw_truth(Design(LEVELS, 900), 1, 0)
    np.testing.assert_array_equal(known.mu, same.mu)


def test_each_level_has_scales_of_its_own():
    truths = [generator.draw_truth(DRAWN, 3, number) for number in range(400)]
    mu = np.array([truth.mu for truth in truths])[:, 1:].reshape(400, 2, 40)
    log_sigma = np.log([truth.sigma for truth in truths])[:, 1:].reshape(400, 2, 40)
    scale, centre, spread = mu.std(2, ddof=1), log_sigma.mean(2), log_sigma.std(2)
    for of_levels, law in (
        (scale, stats.halfnorm(scale=2.0)),
        (spread, stats.lognorm(0.6, scale=np.exp(-0.7))),
    ):
        # What 40 contributors say of it is within a tenth or so.
        assert stats.kstest(of_levels.ravel(), law.cdf).statistic < 0.06
        assert abs(stats.spearmanr(*of_levels.T).statistic) < 0.15
    assert abs(centre.mean() - 1.0) < 0.06
    assert abs(centre.std() - 0.5) < 0.06


def test_estimated_scales_have_the_distributions_of_the_design():
    problem = DRAWN.problem(Units(5.0, 3.0))
    assert problem.scales.mu_sd == DRAWN.mu_sd
    assert problem.scales.log_sigma_mean == DRAWN.log_sigma_mean
    assert problem.scales.log_sigma_sd == DRAWN.log_sigma_sd
    some = replace(DRAWN, log_sigma_sd=0.7).problem(Units(5.0, 3.0))
    assert some.scales.mu_sd == DRAWN.mu_sd
    assert some.log_sigma_sd == 0.7


def test_a_grid_may_draw_scales_beside_numbers():
    found = study.load(document(mu_sd=[1.0, {"half_normal": 1}])).designs
    assert list(found) == [
        "levels-1-3_rows-50",
        "levels-1-3_rows-50_mu_sd-half_normal-1",
    ]
    whole = study.load(document(mu_sd=[{"half_normal": 1.0}])).designs
    assert list(whole) == list(found)[1:]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"mu_sd": [{"half_normal": 0}]}, "grid.mu_sd[0].half_normal: 0 is not more"),
        ({"mu_sd": [{"normal": [0, 1]}]}, "grid.mu_sd[0].normal: unknown key"),
        ({"log_sigma_sd": ["wide"]}, "grid.log_sigma_sd[0]: 'wide' is not a number"),
        ({"log_sigma_mean": [{"normal": [0]}]}, "grid.log_sigma_mean[0].normal"),
    ],
)
def test_a_broken_distribution_is_explained(grid, message):
    with pytest.raises(StudyError, match="problem") as caught:
        study.load(document(**grid))
    assert message in str(caught.value)


def test_nobody_knows_scales_that_are_drawn():
    given = document(mu_sd=[{"half_normal": 1.0}])
    given["estimators"] = {"nutpie": {}, "homoscedastic": {}}
    with pytest.raises(StudyError) as caught:
        study.load(given)
    assert "estimators.nutpie: the grid draws scales" in str(caught.value)
    assert "homoscedastic" not in str(caught.value)
