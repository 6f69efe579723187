"""Components of estimators without draws, against dense matrices of rows by rows."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize

from summands.data import generator
from summands.data.design import Design
from summands.estimation import fitting, profiles
from summands.estimators import homoscedastic, maximum_likelihood
from summands.model import estimands
from summands.model.cells import collapse
from summands.model.data_set import DataSet
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.model.restricted import Restricted
from summands.model.rows import Rows

RISE = 3.841458820694124


def fit_of(module, rows):
    data_set = DataSet(collapse(rows))
    options = {key: rule["default"] for key, rule in module.OPTIONS.items()}
    problem = Problem.following(rows.levels, data_set.units)
    return fitting.fit(
        module.estimate, data_set, problem, options, 0, progress=lambda line: None
    )


def drawn(sizes, count, sds, noise=1.0, seed=0):
    """Rows of crossed random intercepts, their contributors at random."""
    rng = np.random.default_rng(seed)
    levels = Levels.of(sizes)
    picked = tuple(rng.integers(size, size=count) for size in sizes)
    value = noise * rng.normal(size=count)
    for column, size, sd in zip(picked, sizes, sds, strict=True):
        value += sd * rng.normal(size=size)[column]
    return Rows(levels, value, picked)


def dense_deviance(rows, sd):
    """-2 log restricted likelihood up to a constant (Harville 1977), sd of all."""
    v = sd[-1] ** 2 * np.eye(len(rows.value))
    for column, each in zip(rows.contributors, sd[:-1], strict=True):
        v += each**2 * (column[:, None] == column)
    inverse = np.linalg.inv(v)
    precision = inverse.sum()
    residual = rows.value - (inverse @ rows.value).sum() / precision
    logs = np.linalg.slogdet(v)[1] + np.log(precision)
    return logs + residual @ inverse @ residual


def dense_profile(rows, place, sd, start):
    """Least deviance with one sd fixed, over the squares of the others."""
    levels = rows.levels
    free = [
        j
        for j in range(levels.count + 1)
        if j != place and (j == levels.count or levels.sizes[j] > 1)
    ]

    def value(roots):
        full = np.zeros(levels.count + 1)
        full[place], full[free] = sd, np.abs(roots)
        return dense_deviance(rows, full)

    found = min(
        (
            scipy.optimize.minimize(
                value,
                at,
                method="Nelder-Mead",
                options={"xatol": 1e-7, "fatol": 1e-9, "maxiter": 4000},
            )
            for at in (start[free] + 0.05, np.full(len(free), 0.5))
        ),
        key=lambda found: found.fun,
    )
    return found.fun


@pytest.mark.parametrize(
    ("sizes", "count", "sds", "seed"),
    [
        ([1, 5], 30, [0, 1.0], 0),
        ([1, 6], 40, [0, 0.0], 2),
        # Without effects the deviance is 3.03 higher: not enough.
        ([1, 5], 30, [0, 0.5], 11),
        ([1, 4, 5], 50, [0, 0.8, 0.3], 1),
        ([2, 3], 40, [0.5, 0.5], 3),
    ],
)
def test_intervals_end_where_the_dense_profile_has_risen(sizes, count, sds, seed):
    rows = drawn(sizes, count, sds, seed=seed)
    found = fit_of(homoscedastic, rows).components
    least = dense_deviance(rows, found.sd)
    zero = False
    for place in range(len(sizes) + 1):
        if place < len(sizes) and sizes[place] == 1:
            assert found.sd[place] == found.upper_95[place] == 0.0
            continue
        # Nothing is lower, so these are the REML estimates.
        assert dense_profile(rows, place, found.sd[place], found.sd) > least - 1e-6
        for end in (found.lower_95[place], found.upper_95[place]):
            rise = dense_profile(rows, place, end, found.sd) - least
            if end == 0.0:
                assert rise <= RISE + 1e-5
                zero = True
            else:
                assert rise == pytest.approx(RISE, abs=1e-3)
    assert zero == (seed != 0)


@pytest.mark.parametrize(
    ("shift", "scale"), [(1e6, 1.0), (0.0, 1e-6), (1e6, 1e-6), (-1e6, 1e6)]
)
def test_components_move_with_the_units(shift, scale):
    rows = drawn([1, 5, 3], 80, [0, 1.0, 0.4])
    other = replace(rows, value=(rows.value + shift) * scale)
    for module in (homoscedastic, maximum_likelihood):
        here, there = (fit_of(module, each).components for each in (rows, other))
        for name in ("sd", "lower_95", "upper_95"):
            assert getattr(there, name) / scale == pytest.approx(
                getattr(here, name), rel=1e-6, abs=1e-7, nan_ok=True
            )


def test_components_do_not_mind_names_and_orders():
    rows = drawn([1, 5, 3], 80, [0, 1.0, 0.4])
    here = fit_of(homoscedastic, rows).components
    order = np.random.default_rng(1).permutation(5)
    first, second, third = rows.contributors
    levels = Levels(
        (3, 5, 1),
        ("nombre d'or", 'the "second"', "底"),
        (("a b", "ä", "'"), tuple("vwxyz"), ("baseline",)),
    )
    other = Rows(levels, rows.value, (third, order[second], first))
    there = fit_of(homoscedastic, other).components
    for name in ("sd", "lower_95", "upper_95"):
        expected = getattr(here, name)[[2, 1, 0, 3]]
        assert getattr(there, name) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("sizes", [[1, 8], [1, 3, 30]])
def test_intervals_hold_the_sd_as_often_as_they_say(sizes):
    held = []
    for seed in range(150):
        sds = [0.0, *np.full(len(sizes) - 1, 0.7)]
        rows = drawn(sizes, 120, sds, seed=seed)
        found = fit_of(homoscedastic, rows).components
        true = np.array([*sds, 1.0])
        held.append((found.lower_95 <= true) & (true <= found.upper_95))
    held = np.mean(held, axis=0)
    assert held[0] == 1.0
    # Asymptotic: a little off for three contributors. Three standard errors.
    assert (held[1:] > 0.90).all()
    assert (held[1:] < 1.0).all()


def test_a_level_whose_rows_are_all_of_one_contributor_has_no_component():
    levels = Levels.of([1, 2, 4])
    rng = np.random.default_rng(0)
    none, picked = np.zeros(40, dtype=int), rng.integers(4, size=40)
    value = rng.normal(size=40) + rng.normal(size=4)[picked]
    found = fit_of(homoscedastic, Rows(levels, value, (none, none, picked))).components
    for each in (found.sd, found.lower_95, found.upper_95):
        assert np.isnan(each).tolist() == [False, True, False, False]


@pytest.mark.parametrize("noise", [0.0, 1e-9, 1e-3])
def test_hardly_any_noise_leaves_numbers_or_nothing(noise):
    """Scales are right where floats can tell them, and never infinite."""
    rows = drawn([1, 6, 4], 60, [0, 1.0, 0.3], noise=noise)
    fit = fit_of(homoscedastic, rows)
    assert fit.error is None
    found = fit.components
    for each in (found.sd, found.lower_95, found.upper_95):
        assert not np.isinf(each).any()
    if noise == 1e-3:
        assert found.sd[-1] == pytest.approx(noise, rel=0.3)
        assert found.lower_95[1] < 1.0 < found.upper_95[1]
        assert found.lower_95[2] < 0.3 < found.upper_95[2]


def test_effects_that_are_none_are_exactly_none():
    """Where the search ends near none, none at all is as likely, and is given."""
    count = 0
    for seed in range(40):
        rows = drawn([1, 5, 4], 60, [0, 0.0, 0.0], seed=seed)
        fit = fit_of(homoscedastic, rows)
        for level in (1, 2):
            sd = fit.components.sd[level]
            assert sd == 0.0 or sd > 1e-3
            if sd == 0.0:
                count += 1
                mu = estimands.index(rows.levels).where("mu")
                of_level = rows.levels.level == level
                assert np.abs(fit.estimate[mu][of_level]).max() < 1e-15
    assert count > 20


@pytest.mark.parametrize("sizes", [[1], [4], [1, 6, 3], [3, 7, 7]])
def test_slopes_of_all_components_are_those_of_differences(sizes):
    rows = drawn(sizes, 70, np.full(len(sizes), 0.5))
    likelihood = Restricted(collapse(rows))
    rng = np.random.default_rng(0)
    profile = profiles.Profile(likelihood, np.ones(len(likelihood.random) + 1))
    differences = []
    for _ in range(5):
        at = rng.normal(-0.5, 0.7, len(likelihood.random) + 1)
        _, slopes = profile.deviance(at)
        for j, step in enumerate(1e-5 * np.eye(len(at))):
            ends = [profile.deviance(at + sign * step)[0] for sign in (1, -1)]
            assert slopes[j] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-4)
        sd = np.zeros(len(sizes) + 1)
        sd[np.append(likelihood.random, len(sizes))] = np.exp(at)
        differences.append(profile.deviance(at)[0] - dense_deviance(rows, sd))
    assert differences == pytest.approx([differences[0]] * 5, abs=1e-7)


def test_moments_recover_the_scales_of_levels():
    """Means differ by their errors too: squares alone would say too much."""
    design = Design(Levels.of([1, 40, 12]), 4000, mu_sd=0.3, log_sigma_sd=0.5)
    squares, naive = [], []
    for replicate in range(30):
        truth = generator.draw_truth(design, 3, replicate)
        rows = generator.draw_rows(design, truth, 3, replicate)
        fit = fit_of(maximum_likelihood, rows)
        found = fit.components
        assert np.isnan(found.lower_95).all()
        assert np.isnan(found.upper_95).all()
        assert found.sd[0] == 0.0
        squares.append(found.sd**2)
        mu = fit.estimate[estimands.index(design.levels).where("mu")]
        naive.append((mu[1:41] ** 2).sum() / 39)
        v = (truth.sigma**2)[collapse(rows).members].sum(axis=1)
        expected = np.average(v, weights=collapse(rows).n)
        assert found.sd[-1] ** 2 == pytest.approx(expected, rel=0.15)
    mean, error = np.mean(squares, 0), np.std(squares, 0) / np.sqrt(30)
    assert np.abs(mean[1:3] - 0.09) == pytest.approx(np.zeros(2), abs=3.5 * error[1])
    assert np.mean(naive) - 0.09 > 4 * error[1]


def test_no_more_than_chance_is_no_scale():
    found = [
        fit_of(maximum_likelihood, drawn([1, 4], 60, [0, 0.0], seed=seed)).components
        for seed in range(12)
    ]
    zero = [each.sd[1] == 0.0 for each in found]
    assert any(zero)
    assert not all(zero)
    assert all(np.isfinite(each.sd).all() for each in found)


def test_what_data_do_not_tell_apart_has_no_moments():
    levels = Levels.of([1, 2, 2])
    picked = np.repeat([0, 1], 10)
    value = np.random.default_rng(0).normal(size=20)
    rows = Rows(levels, value, (np.zeros(20, dtype=int), picked, picked))
    found = fit_of(maximum_likelihood, rows).components
    assert np.isnan(found.sd).tolist() == [False, True, True, False]


def test_the_interval_of_one_balanced_level_is_that_of_its_mean_squares():
    """The profile in closed form, of the two mean squares."""
    groups, size = 6, 5
    rows = drawn([1, groups], groups * size, [0, 1.0])
    picked = np.repeat(np.arange(groups), size)
    rng = np.random.default_rng(4)
    value = rng.normal(size=groups)[picked] + rng.normal(size=len(picked))
    rows = Rows(rows.levels, value, (np.zeros_like(picked), picked))
    means = value.reshape(groups, size).mean(axis=1)
    between = size * ((means - means.mean()) ** 2).sum()
    within = ((value.reshape(groups, size) - means[:, None]) ** 2).sum()
    free = groups - 1, groups * (size - 1)

    def deviance(tau, noise):
        sums = noise**2 + size * tau**2, noise**2
        pairs = zip(free, (between, within), sums, strict=True)
        return sum(f * np.log(each) + square / each for f, square, each in pairs)

    found = fit_of(homoscedastic, rows).components
    least = deviance(*found.sd[1:])
    for end in (found.lower_95[1], found.upper_95[1]):
        best = scipy.optimize.minimize_scalar(
            lambda noise, end=end: deviance(end, noise),
            bounds=(0.1, 10),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert best.fun - least == pytest.approx(RISE, abs=1e-5)
    grid = itertools.product(np.linspace(0.01, 4, 60), repeat=2)
    assert min(deviance(*each) for each in grid) > least - 1e-9
