"""Rows that a target takes: laws of the numbers, and what data so drawn reach."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from summands.data import generator, seeds
from summands.data.design import Design, read
from summands.estimators import maximum_likelihood
from summands.model import cells as numerics
from summands.model import estimands
from summands.model.levels import Levels
from summands.recovery import plans, rows_needed
from summands.recovery.plans import ROWS_NEEDED, Planned
from summands.recovery.rows_needed import MOST, Needed, Target

WIDTH = Target("mu", "width_95", 0.3)
TOP = Target("variance_contrast", "top_rate", 0.8)
SHIFT = Target("mu", "detection", 0.8, shift=0.5)
NOISE = Target("variance_contrast", "detection", 0.8, noise=2.0)


def design(sizes=(1, 4), layout="balanced", **more):
    return Design(
        Levels.of(sizes),
        1,
        layout=read("layout", layout),
        **{"log_sigma_sd": 0.5, **more},
    )


def rows(target, made=None, seed=1):
    return rows_needed.of(made or design(), target, seed).rows


def test_half_the_width_takes_four_times_the_rows():
    half = dataclasses.replace(WIDTH, wanted=WIDTH.wanted / 2)
    assert rows(half) == pytest.approx(4 * rows(WIDTH), rel=0.02)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
@pytest.mark.parametrize("target", [WIDTH, TOP, SHIFT, NOISE])
def test_rows_do_not_depend_on_the_unit(target, unit):
    """Of widths that is wanted in the unit; a shift has none.

    Another unit has other truths, beside those that are alike.
    """
    wanted = target.wanted * (unit if target is WIDTH else 1.0)
    moved = dataclasses.replace(target, wanted=wanted)
    other = design(mu_sd=unit, log_sigma_mean=np.log(unit), intercept_sd=1e6 * unit)
    near = 0.01 if target.metric == "detection" else 0.2
    assert rows(moved, other) == pytest.approx(rows(target), rel=near)


def test_of_contributors_alike_the_width_is_that_of_the_textbook():
    """A difference from the average of K means of n / K rows each."""
    for count in (2, 5, 100):
        made = design((1, count), log_sigma_sd=1e-9)
        # Two levels with sigma 1 each.
        error = np.sqrt(2.0 * count * (1.0 - 1.0 / count))
        expected = (2 * stats.norm.ppf(0.975) * error / WIDTH.wanted) ** 2
        assert rows(WIDTH, made) == pytest.approx(expected, rel=0.02)


def test_a_shift_is_detected_with_the_power_of_a_normal_test():
    count, sd = 5, np.sqrt(2.0)
    distance = 0.5 * sd * (1.0 - 1.0 / count)
    error = sd * np.sqrt(count * (1.0 - 1.0 / count))
    z = stats.norm.ppf([0.975, 0.8]).sum()
    expected = (z * error / distance) ** 2
    made = design((1, count), log_sigma_sd=1e-9)
    assert rows(SHIFT, made) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    "harder",
    [
        dataclasses.replace(WIDTH, wanted=0.2),
        dataclasses.replace(TOP, wanted=0.9),
        dataclasses.replace(SHIFT, wanted=0.9),
        dataclasses.replace(SHIFT, shift=0.3),
        dataclasses.replace(SHIFT, shift=-0.3),
        dataclasses.replace(NOISE, noise=1.5),
        dataclasses.replace(NOISE, wanted=0.95),
    ],
)
def test_more_that_is_wanted_takes_more_rows(harder):
    easier = {"width_95": WIDTH, "top_rate": TOP}.get(harder.metric) or (
        SHIFT if harder.parameter == "mu" else NOISE
    )
    assert rows(harder) > 1.05 * rows(easier)


@pytest.mark.parametrize("layout", [{"unequal": 1.5}, {"chunked": 25}])
def test_rows_of_a_worse_layout_are_more(layout):
    assert rows(SHIFT, design(layout=layout)) > 1.2 * rows(SHIFT)


@pytest.mark.parametrize("target", [WIDTH, TOP, SHIFT, NOISE])
def test_the_central_truths_are_around_the_number(target):
    needed = rows_needed.of(design((1, 3, 5), "uniform"), target, 1)
    assert needed.lower < needed.rows < needed.upper
    assert needed.remark is None


@pytest.mark.parametrize(
    ("made", "target", "remark"),
    [
        (design((1, 1)), WIDTH, "no level of several"),
        (design((1, 3, 10), {"nested": True}), WIDTH, "not determined by the data"),
        (design(), dataclasses.replace(WIDTH, wanted=1e-6), f"more than {MOST:,}"),
        (design((1, 4), truth="drawn"), Target("mu", "width_95", 1, 0), "no level of"),
    ],
)
def test_where_there_is_no_number_it_is_said_why(made, target, remark):
    needed = rows_needed.of(made, target, 1)
    assert needed.rows is None
    assert remark in needed.remark


def fitted(target, made, count, replicates=300, seed=11):
    """What maximum likelihood reaches with so many rows, on other truths."""
    made = dataclasses.replace(target.of(made), rows=count)
    size = len(estimands.index(made.levels).parameter)
    columns = np.full((4, replicates, size), np.nan)
    options = {
        name: rule["default"] for name, rule in maximum_likelihood.OPTIONS.items()
    }
    for replicate in range(replicates):
        truth = generator.draw_truth(made, seed, replicate)
        drawn = numerics.collapse_blocks(
            generator.draw_blocks(made, truth, seed, replicate)
        )
        seed_of = seeds.integer_seed(seed, made, replicate, "test")
        point = maximum_likelihood.estimate(
            drawn, made.problem(), options, seed_of, str
        )
        half = rows_needed.HALF * point.sd
        columns[:, replicate] = (
            estimands.evaluate_truth(
                made.levels, truth.intercept, truth.mu, truth.sigma
            ),
            point.estimate,
            point.estimate - half,
            point.estimate + half,
        )
    names = ("truth", "estimate", "lower_95", "upper_95")
    table = pa.table({n: c.ravel() for n, c in zip(names, columns, strict=True)})
    fits = pa.table({"converged": pa.array([True] * replicates)})
    return plans.verified(target, made.levels, table, fits)


@pytest.mark.slow
@pytest.mark.parametrize("target", [WIDTH, TOP, SHIFT, NOISE])
@pytest.mark.parametrize(
    ("sizes", "layout"),
    [((1, 4), "balanced"), ((1, 3, 6), "uniform"), ((1, 5), {"unequal": 1.0})],
)
def test_data_with_so_many_rows_reach_what_was_wanted(target, sizes, layout):
    made = design(sizes, layout)
    reached = fitted(target, made, rows(target, made))
    near = 0.05 * target.wanted
    assert reached.verified_lower - near < target.wanted < reached.verified_upper + near


@pytest.mark.slow
@pytest.mark.parametrize("target", [WIDTH, TOP, SHIFT, NOISE])
def test_data_with_half_as_many_do_not(target):
    reached = fitted(target, design(), rows(target) // 2)
    if target is WIDTH:
        assert reached.verified_lower > target.wanted
    else:
        assert reached.verified_upper < target.wanted


def test_a_plan_has_a_row_for_each_estimator_and_one_where_there_is_none():
    made = dataclasses.replace(design(), rows=80)
    planned = [
        Planned(made, WIDTH, Needed(80, 60, None)),
        Planned(made, TOP, Needed(None, remark="why")),
    ]
    reached = plans.Reached(0.31, 0.29, None, 40)
    found = {
        (made.id, str(WIDTH), "a"): reached,
        (made.id, str(WIDTH), "b"): reached,
    }
    table = plans.table(planned, found)
    assert table.schema.equals(ROWS_NEEDED)
    assert table["estimator"].to_pylist() == ["a", "b", None]
    assert table["rows"].to_pylist() == [80, 80, None]
    assert table["upper"].to_pylist() == [None, None, None]
    assert table["remark"].to_pylist() == [None, None, "why"]


@pytest.mark.parametrize("target", [WIDTH, TOP, SHIFT, NOISE])
def test_the_curve_passes_through_what_is_wanted_and_never_turns(target):
    needed = rows_needed.of(design(), target, 1)
    numbers, values = (np.array(column) for column in zip(*needed.curve, strict=True))
    assert numbers[0] < needed.rows < numbers[-1]
    here = np.interp(np.log(needed.rows), np.log(numbers), values)
    assert here == pytest.approx(target.wanted, rel=0.03)
    steps = np.diff(values)
    assert (steps <= 0).all() if target is WIDTH else (steps >= 0).all()
    planned = [Planned(dataclasses.replace(design(), rows=7), target, needed)]
    table = plans.curves(planned)
    assert table["rows"].to_pylist() == numbers.tolist()
    assert set(table["needed"].to_pylist()) == {needed.rows}
