"""Estimates follow the units of the data: their origin and their scale."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summands.data import generator
from summands.data.design import Design
from summands.estimation import fitting
from summands.estimators import load, nutpie
from summands.model import estimands
from summands.model.cells import collapse
from summands.model.data_set import DataSet
from summands.model.levels import Levels
from summands.model.problem import PRIORS, Problem
from summands.model.rows import Rows
from summands.model.units import Units
from summands.recovery import against_truth

ROOM = {"chains": 4, "tune": 200, "draws": 600, "escalations": 0}
MOVED = [(500.0, 1.0), (1e6, 1.0), (0.0, 1e-6), (1e6, 1e-6), (-1e6, 1e6)]


def given_design(sizes, rows, seed=0, noise=1.0):
    """A design with given coefficients that states no priors."""
    rng = np.random.default_rng(seed)
    coefficients = tuple(
        tuple(
            (float(mu), float(sigma))
            for mu, sigma in zip(
                rng.normal(size=size), noise * rng.lognormal(0, 0.5, size), strict=True
            )
        )
        for size in sizes
    )
    content = {
        "levels": list(sizes),
        "rows": rows,
        "truth": "fixed",
        "coefficients": coefficients,
    }
    return Design.from_content(content)


def data_of(design, replicate=0):
    truth = generator.draw_truth(design, 1, replicate)
    rows = generator.draw_rows(design, truth, 1, replicate)
    return rows, np.array(
        estimands.evaluate(design.levels, truth.intercept, truth.mu, truth.sigma)
    )


def moved(rows, shift, scale):
    """Shift by so many of the scale's units, then scale."""
    return replace(rows, value=(rows.value + shift) * scale)


def options_of(module, **changes):
    return {key: rule["default"] for key, rule in module.OPTIONS.items()} | changes


def fit_of(name, design, rows, seed=5, **changes):
    module = load(name)
    data = rows if module.READS == "rows" else collapse(rows)
    return fitting.fit(
        module.estimate,
        DataSet(data),
        design.problem(Units.of(data)),
        options_of(module, **changes),
        seed,
        progress=str,
    )


def score_of(fit, truth):
    return against_truth.score(fit, truth, np.random.default_rng(0))


def of_quantities(levels, shift, scale):
    """The origin and scale of every quantity, written out by hand."""
    names = estimands.index(levels)
    factor = np.full(len(names.parameter), scale)
    factor[names.where("variance_contrast") | names.where("total_variance")] *= scale
    origin = np.zeros(len(factor))
    origin[0] = shift * scale
    return origin, factor


LOCATED = ("estimate", "lower_50", "upper_50", "lower_95", "upper_95")
SCALED = ("sd", "set_lower", "set_upper")


@pytest.mark.parametrize(("shift", "scale"), MOVED)
@pytest.mark.parametrize(
    ("sizes", "rows", "noise"),
    [([1, 3], 200, 1.0), ([2, 3, 4], 800, 0.1), ([1, 24, 6], 144, 1.0)],
)
@pytest.mark.parametrize(
    "name", ["bayesian_ridge", "homoscedastic", "least_squares", "maximum_likelihood"]
)
def test_point_estimates_move_with_the_data(name, sizes, rows, noise, shift, scale):
    design = given_design(sizes, rows, noise=noise)
    drawn, truth = data_of(design)
    if sizes == [1, 24, 6]:
        drawn = one_row_a_cell(sizes)
    origin, factor = of_quantities(design.levels, shift, scale)
    here = fit_of(name, design, drawn)
    there = fit_of(name, design, moved(drawn, shift, scale))
    crps = score_of(there, origin + factor * truth).crps / factor
    assert crps == pytest.approx(
        score_of(here, truth).crps, rel=1e-6, abs=1e-6, nan_ok=True
    )
    assert here.error == there.error
    assert here.converged == there.converged
    size = np.nanmax(np.abs(here.estimate), initial=0.0)
    for field in LOCATED + SCALED:
        expected = getattr(here, field)
        found = (getattr(there, field) - origin * (field in LOCATED)) / factor
        assert found == pytest.approx(
            expected, rel=1e-6, abs=1e-6 * size, nan_ok=True
        ), field


def one_row_a_cell(sizes, seed=0):
    """Every combination once, with unequal means and noise."""
    rng = np.random.default_rng(seed)
    levels = Levels.of(sizes)
    picked = np.stack(np.unravel_index(np.arange(np.prod(sizes)), sizes), axis=1)
    flat = picked + levels.offsets
    mu, sigma = rng.normal(size=levels.contributors), rng.lognormal(0, 0.5, 500)
    value = mu[flat].sum(axis=1) + (sigma[flat] * rng.normal(size=flat.shape)).sum(1)
    return Rows(levels, value, tuple(picked.T))


@pytest.mark.parametrize("sizes", [[1, 3], [1, 24, 6], [1, 100]])
def test_the_posterior_moves_with_the_data(sizes):
    if sizes == [1, 24, 6]:
        drawn = one_row_a_cell(sizes)
        design = given_design(sizes, len(drawn.value))
    else:
        design = given_design(sizes, 10 * sizes[1])
        drawn, _ = data_of(design)
    here = fit_of("nutpie", design, drawn, **ROOM)
    varies = ~estimands.constant(design.levels)
    assert here.error is None
    for shift, scale in MOVED if sizes == [1, 3] else MOVED[-1:]:
        origin, factor = of_quantities(design.levels, shift, scale)
        there = fit_of("nutpie", design, moved(drawn, shift, scale), **ROOM)
        error = here.sd * np.sqrt(1 / here.ess_bulk + 1 / there.ess_bulk)
        z = ((there.estimate - origin) / factor - here.estimate) / error
        assert np.abs(z[varies]).max() < 4.5
        width = (here.upper_50 - here.lower_50)[varies]
        found = ((there.upper_50 - there.lower_50) / factor)[varies]
        assert found == pytest.approx(width, rel=0.35)
        for end in ("lower_95", "upper_95"):
            found = (getattr(there, end) - origin) / factor
            distance = (found - getattr(here, end))[varies] / here.sd[varies]
            # An extreme quantile of some hundred effective draws.
            assert np.abs(distance).max() < 1.0


@pytest.mark.parametrize(("shift", "scale"), MOVED)
def test_what_an_estimator_sees_has_no_units(shift, scale):
    design = given_design([1, 3], 200)
    drawn, _ = data_of(design)
    seen = []

    def remembers(data, problem, options, seed, progress):
        seen.append((data, problem))
        raise ValueError

    for rows in (drawn, moved(drawn, shift, scale)):
        for data in (rows, collapse(rows)):
            problem = design.problem(Units.of(data))
            fitting.fit(remembers, DataSet(data), problem, {}, 0, progress=str)
    rows, cells, moved_rows, moved_cells = seen
    assert rows[0].value.mean() == pytest.approx(0, abs=1e-12)
    assert rows[0].value.std() == pytest.approx(1)
    near = {"rel": 1e-8, "abs": 1e-8}
    assert moved_rows[0].value == pytest.approx(rows[0].value, **near)
    assert collapse(rows[0]).mean == pytest.approx(cells[0].mean, **near)
    for name in ("mean", "sum_of_squares"):
        expected = getattr(cells[0], name)
        assert getattr(moved_cells[0], name) == pytest.approx(expected, **near)
    for _, problem in seen:
        assert problem.mu_sd == pytest.approx(1)
        assert problem.log_sigma_mean == pytest.approx(-np.log(3) / 2)
        assert problem.log_sigma_sd == 1
        assert problem.intercept_sd == pytest.approx(5)
        assert problem.intercept_mean == pytest.approx(0, abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(
    st.floats(-1e6, 1e6),
    st.floats(-6, 6).map(lambda power: 10.0**power),
    st.integers(0, 1000),
)
def test_stated_priors_move_with_the_data_too(shift, scale, seed):
    """A model in other units is the same model: what an estimator sees is the same."""
    drawn, _ = data_of(Design(Levels.of([1, 2]), 30), seed)
    stated = Problem(drawn.levels, 0.7, 0.3, 0.9, 4.0, 1.5)
    there = Problem(
        drawn.levels,
        0.7 * scale,
        0.3 + np.log(scale),
        0.9,
        4.0 * scale,
        (1.5 + shift) * scale,
    )
    one = stated.in_units(Units.of(drawn))
    other = there.in_units(Units.of(moved(drawn, shift, scale)))
    for name in PRIORS:
        found, expected = getattr(other, name), getattr(one, name)
        assert found == pytest.approx(expected, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize(("shift", "scale"), MOVED)
def test_ranks_scores_and_draws_are_in_the_units_of_the_data(shift, scale):
    """Draws that an estimator makes in standard units, the same for all data."""
    design = given_design([1, 3], 200)
    levels = design.levels
    drawn, truth = data_of(design)
    sampled = nutpie.estimate(
        Units.of(drawn).standard(collapse(drawn)),
        design.problem(),
        options_of(nutpie, chains=2, tune=100, draws=100, escalations=0),
        1,
        str,
    )
    fits, scores = [], []
    for move in ((0.0, 1.0), (shift, scale)):
        origin, factor = of_quantities(levels, *move)
        data = collapse(moved(drawn, *move))
        fit = fitting.fit(
            lambda *arguments: sampled,
            DataSet(data),
            design.problem(Units.of(data)),
            {},
            0,
            progress=str,
        )
        assert fit.error is None
        scores.append(score_of(fit, origin + factor * truth))
        values = fit.draws.values(levels).reshape(-1, fit.size)
        near = {"rel": 1e-9, "abs": 1e-9 * factor.max()}
        assert fit.estimate == pytest.approx(values.mean(axis=0), **near)
        assert fit.upper_95 == pytest.approx(np.quantile(values, 0.975, 0), **near)
        fits.append((fit, origin, factor))
    (here, *_), (there, origin, factor) = fits
    assert (scores[1].rank == scores[0].rank).all()
    assert scores[1].log_likelihood_rank == scores[0].log_likelihood_rank
    assert scores[1].crps / factor == pytest.approx(scores[0].crps, rel=1e-6, abs=1e-6)
    for field in LOCATED + SCALED:
        found = (getattr(there, field) - origin * (field in LOCATED)) / factor
        expected = getattr(here, field)
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True), field


def test_values_that_do_not_vary_have_the_scale_of_the_data():
    levels = Levels.of([1, 2])
    contributors = (np.zeros(7, int), np.array([0, 1, 0, 1, 0, 1, 1]))
    for value in (0.0, 1 / 3, -1e6 / 3, 1e100):
        rows = Rows(levels, np.full(7, value), contributors)
        for data in (rows, collapse(rows)):
            assert Units.of(data).scale == 1.0
            assert Units.of(data).origin == pytest.approx(value)


def test_without_units_values_are_what_they_are():
    rows, _ = data_of(given_design([1, 3], 200))
    for data in (rows, collapse(rows)):
        same = Units().standard(data)
        for name in ("value",) if data is rows else ("mean", "sum_of_squares"):
            assert (getattr(same, name) == getattr(data, name)).all()
    origin, scale = estimands.in_units(rows.levels, Units())
    assert not origin.any()
    assert (scale == 1.0).all()
