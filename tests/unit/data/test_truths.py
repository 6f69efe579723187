"""Truths in which one contributor differs from all others."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from summands.data import data_sets, generator
from summands.data.design import Design
from summands.data.truths import OneOff
from summands.model import estimands
from summands.model.distributions import HalfNormal, Normal
from summands.model.levels import Levels

DESIGN = Design(Levels.of([1, 4, 3]), 100, truth=OneOff(3.0, 2.0))


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=4).filter(lambda x: max(x) > 1),
    st.floats(-5, 5),
    st.floats(0.1, 10),
    st.floats(-3, 3),
    st.integers(0, 2**32 - 1),
)
def test_all_are_alike_but_one(sizes, shift, noise, log_sigma_mean, seed):
    levels = Levels.of(sizes)
    design = Design(
        levels, 100, truth=OneOff(shift, noise), log_sigma_mean=log_sigma_mean
    )
    truth = generator.draw_truth(design, seed, 0)
    assert truth.off.sum() == 1
    (one,) = np.flatnonzero(truth.off)
    assert sizes[levels.level[one]] > 1
    alike = np.exp(log_sigma_mean)
    np.testing.assert_allclose(truth.sigma[~truth.off], alike)
    np.testing.assert_allclose(truth.sigma[one], noise * alike)
    # Means are centred; what is left is that the one differs from its colleagues, in
    # standard deviations of a row without it.
    np.testing.assert_allclose(levels.level_means(truth.mu), 0, atol=1e-12 * alike)
    others = (levels.level == levels.level[one]) & ~truth.off
    row = alike * np.sqrt(len(sizes))
    np.testing.assert_allclose(
        truth.mu[one] - truth.mu[others], shift * row, atol=1e-9 * alike
    )
    assert not truth.mu[levels.level != levels.level[one]].any()


def test_the_one_is_drawn_for_each_replicate():
    off = np.array([generator.draw_truth(DESIGN, 1, r).off for r in range(1200)])
    expected = 1200 * np.repeat([0.0, 1 / 8, 1 / 6], [1, 4, 3])
    assert not off[:, 0].any()
    assert stats.chisquare(off.sum(0)[1:], expected[1:]).pvalue > 1e-4
    stated = dataclasses.replace(DESIGN, truth=OneOff(3.0, 2.0, 2))
    off = np.array([generator.draw_truth(stated, 1, r).off for r in range(300)])
    assert not off[:, :5].any()
    assert stats.chisquare(off.sum(0)[5:]).pvalue > 1e-4


@settings(deadline=None)
@given(st.floats(-5, 5), st.floats(0.1, 5), st.integers(0, 100))
def test_effects_of_any_size_are_compared_at_the_same_contributor(shift, noise, number):
    one = generator.draw_truth(DESIGN, 1, number)
    for design in (
        dataclasses.replace(DESIGN, truth=OneOff(shift, noise)),
        dataclasses.replace(DESIGN, rows=5000, truth=OneOff()),
    ):
        other = generator.draw_truth(design, 1, number)
        assert (other.off == one.off).all()
    assert (generator.draw_truth(DESIGN, 1, number + 1).intercept) != one.intercept


def test_without_an_effect_one_is_named_all_the_same():
    """What metrics of false alarms are taken against."""
    design = dataclasses.replace(DESIGN, truth=OneOff())
    truth = generator.draw_truth(design, 1, 0)
    assert truth.off.sum() == 1
    assert not truth.mu.any()
    assert (truth.sigma == truth.sigma[0]).all()


def test_the_sum_of_a_row_without_the_one_is_the_intercept():
    """The shift is what the one adds: it does not move the rows of others."""
    for number in range(20):
        plain, shifted = (
            generator.draw_truth(
                dataclasses.replace(DESIGN, truth=OneOff(shift)), 1, number
            )
            for shift in (0.0, 3.0)
        )
        (one,) = np.flatnonzero(shifted.off)
        level = DESIGN.levels.level
        other = np.flatnonzero((level == level[one]) & ~shifted.off)[0]
        assert shifted.intercept + shifted.mu[other] == pytest.approx(plain.intercept)


def test_scales_that_levels_draw_are_shared_within_a_level():
    design = dataclasses.replace(
        DESIGN, log_sigma_mean=Normal(0.0, 1.0), mu_sd=HalfNormal(1.0)
    )
    truth = generator.draw_truth(design, 1, 0)
    for level in range(3):
        alike = truth.sigma[(design.levels.level == level) & ~truth.off]
        assert len({*alike.tolist()}) == 1
    assert len({*truth.sigma[~truth.off].tolist()}) == 3


def test_the_table_of_truths_names_the_one():
    truth = generator.draw_truth(DESIGN, 1, 0)
    names = estimands.index(DESIGN.levels)
    bound = np.ones(len(names.parameter))
    table = data_sets.truth_table(DESIGN.levels, truth, bound, "d", 0).to_pandas()
    for parameter in ("mu", "sigma", "variance_contrast"):
        of_parameter = table[table["parameter"] == parameter]
        assert of_parameter["off"].tolist() == truth.off.tolist()
    for parameter in ("intercept", "total_variance"):
        assert table[table["parameter"] == parameter]["off"].isna().all()
    drawn = dataclasses.replace(DESIGN, truth="drawn")
    truth = generator.draw_truth(drawn, 1, 0)
    table = data_sets.truth_table(DESIGN.levels, truth, bound, "d", 0)
    assert table["off"].null_count == len(table)


@pytest.mark.parametrize(
    ("truth", "written"),
    [
        (OneOff(), "truth-one_off"),
        (OneOff(3.0), "truth-one_off-shift-3"),
        (OneOff(3.0, 2.0, 1), "truth-one_off-shift-3-noise-2-level-1"),
    ],
)
def test_such_a_truth_is_part_of_a_design(truth, written):
    design = Design(Levels.of([1, 3]), 50, truth=truth)
    assert design.id == f"levels-1-3_rows-50_{written}"
    assert Design.from_content(design.content) == design
    # Its rows are as the model has them.
    assert design.as_modelled


def test_levels_without_colleagues_are_refused_in_words():
    levels = Levels.of([1, 3])
    assert OneOff(level=1).problem(levels) == ""
    assert "the numbers 0 to 1" in OneOff(level=2).problem(levels)
    assert "has one contributor" in OneOff(level=0).problem(levels)
    assert "no level of [1, 1]" in OneOff().problem(Levels.of([1, 1]))
