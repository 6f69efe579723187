"""The options of nutpie that estimate scales, or give all rows one noise."""

import itertools

import numpy as np
import pytest

from summands.estimation import fitting, sampling
from summands.estimators import nutpie
from summands.model import estimands
from summands.model.cells import collapse
from summands.model.data_set import DataSet
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.model.rows import Rows
from summands.model.units import Units

MODELS = {
    "estimated": {"scales": "estimated"},
    "constant": {"scales": "estimated", "noise": "constant"},
    "constant, known scales": {"noise": "constant"},
}


def options_of(**changes):
    return {key: rule["default"] for key, rule in nutpie.OPTIONS.items()} | changes


def drawn_rows(sizes, count, seed=0, sigma=None, mu_sd=1.0, crossed=False):
    rng = np.random.default_rng([seed, count, *sizes])
    levels = Levels.of(sizes)
    mu = levels.centre(mu_sd * rng.normal(size=levels.contributors))
    if sigma is None:
        sigma = rng.lognormal(-0.5, 0.5, levels.contributors)
    if crossed:
        picked = np.array(list(itertools.product(*map(range, sizes))))
    else:
        picked = np.stack([rng.integers(size, size=count) for size in sizes], axis=1)
    members = picked + levels.offsets
    noise = np.sqrt((np.broadcast_to(sigma, len(mu))[members] ** 2).sum(axis=1))
    value = mu[members].sum(axis=1) + noise * rng.normal(size=len(members))
    return Rows(levels, value, tuple(picked.T))


def fit_of(rows, seed=5, progress=str, **options):
    data = DataSet(collapse(rows))
    problem = Problem.following(rows.levels, data.units)
    return fitting.fit(
        nutpie.estimate, data, problem, options_of(**options), seed, progress=progress
    )


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("sizes", "count"), [([1, 3], 80), ([2, 4, 3], 2000)])
def test_fits_converge_and_say_what_they_estimate(model, sizes, count):
    rows = drawn_rows(sizes, count)
    fit = fit_of(rows, **MODELS[model])
    assert fit.converged, str(fit)
    draws, levels = fit.draws, rows.levels
    assert np.abs(levels.level_means(draws.mu)).max() < 1e-9
    if "scales" not in MODELS[model]:
        assert draws.scales is None
    else:
        shape = (*draws.intercept.shape, levels.count)
        alone = np.asarray(sizes) == 1
        assert draws.scales.mu_sd.shape == shape
        assert (draws.scales.mu_sd[..., alone] == 0).all()
        assert (draws.scales.mu_sd[..., ~alone] > 0).all()
    if "noise" in MODELS[model]:
        first = levels.level == 0
        assert (draws.sigma[..., ~first] == 0).all()
        assert (draws.sigma[..., first] == draws.sigma[..., :1]).all()
        if draws.scales is not None:
            assert draws.scales.log_sigma_mean is None
            assert draws.scales.log_sigma_sd is None
    else:
        assert draws.scales.log_sigma_mean.shape == shape
        assert (draws.scales.log_sigma_sd > 0).all()


@pytest.mark.parametrize("model", ["estimated", "constant"])
def test_other_units_and_origins_give_the_same_posterior(model):
    rows = drawn_rows([1, 3], 80)
    one = fit_of(rows, **MODELS[model])
    moved = Rows(rows.levels, 1e6 + 1e-3 * rows.value, rows.contributors)
    other = fit_of(moved, **MODELS[model])
    origin, scale = estimands.in_units(rows.levels, Units(origin=1e6, scale=1e-3))
    known = one.sd > 1e-12
    size = np.fmin(one.ess_bulk, other.ess_bulk)[known]
    shift = ((other.estimate - origin) / scale - one.estimate)[known] / one.sd[known]
    assert np.abs(shift * np.sqrt(size / 2)).max() < 4.5
    assert (other.sd / scale)[known] == pytest.approx(one.sd[known], rel=0.15)
    spread, again = one.draws.scales, other.draws.scales
    medians = [np.median(x.mu_sd[..., 1]) for x in (spread, again)]
    assert medians[1] == pytest.approx(1e-3 * medians[0], rel=0.1)


WORLD = {
    "baseline of a million, unit of a millionth": (
        drawn_rows([1, 3], 60, sigma=0.5),
        1e6,
        1e-6,
    ),
    "no differences": (drawn_rows([1, 6], 30, mu_sd=0.0, sigma=1.0), 0.0, 1.0),
    "equal sigmas": (drawn_rows([1, 4], 4000, sigma=1.0), 0.0, 1.0),
    "a hundred contributors": (drawn_rows([1, 100], 500), 0.0, 1.0),
    "one row a cell": (drawn_rows([1, 12, 6], 0, crossed=True), 0.0, 1.0),
    "nothing varies": (drawn_rows([1, 1], 20), 0.0, 1.0),
    "only one level": (drawn_rows([5], 60), 0.0, 1.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLD)
@pytest.mark.parametrize("model", MODELS)
def test_the_world_is_fitted(model, name):
    rows, origin, unit = WORLD[name]
    moved = Rows(rows.levels, origin + unit * rows.value, rows.contributors)
    fit = fit_of(moved, **MODELS[model])
    assert fit.converged, str(fit)
    assert fit.estimate[0] == pytest.approx(
        origin + unit * rows.value.mean(), abs=unit * (1 + np.abs(rows.value).max())
    )


def test_numbers_that_leave_no_noise_end_in_a_result_or_an_error():
    rows = drawn_rows([1, 3], 40, sigma=0.0)
    for options in MODELS.values():
        fit = fit_of(rows, tune=100, draws=50, escalations=0, **options)
        assert (fit.error is None) == np.isfinite(fit.estimate).all()


def test_scales_without_a_prior_are_refused():
    rows = drawn_rows([1, 3], 40)
    data = DataSet(collapse(rows))
    known = Problem(rows.levels, 1.0, 0.0, 1.0)
    for work in (
        lambda: nutpie.prepare(known, options_of(scales="estimated")),
        lambda: nutpie.estimate(
            data.cells, known, options_of(scales="estimated"), 1, str
        ),
    ):
        with pytest.raises(ValueError, match=r"needs a prior.*half_normal"):
            work()


def test_attempts_are_what_the_option_says(monkeypatch):
    rows = drawn_rows([1, 2], 40)
    sample, asked = sampling.Route.sample, []

    def watched(route, cells, problem, settings, *others):
        asked.append([settings[n] for n in ("tune", "draws", "target_accept")])
        return sample(route, cells, problem, settings, *others)

    monkeypatch.setattr(sampling.Route, "sample", watched)
    told = []
    fit = fit_of(rows, draws=10, tune=50, scales="estimated", progress=told.append)
    assert not fit.converged
    assert fit.attempts == 3
    given_up = [line for line in told if "did not converge (" in line]
    assert [line[:10] for line in given_up] == ["attempt 1 ", "attempt 2 "]
    assert all(" < 400" in line for line in given_up)
    assert asked == [[50, 10, 0.98], [100, 10, 0.99], [200, 40, 0.998]]
    assert fit.draws.intercept.shape == (4, 10)
    assert fit.draws.scales.log_sigma_sd.shape == (4, 10, 2)


def test_scales_that_do_not_mix_are_a_reason(monkeypatch):
    rows = drawn_rows([1, 3], 80)
    sample = sampling.Route.sample

    def stuck(*arguments):
        sampled = sample(*arguments)
        sampled.scales.log_sigma_sd[0] += 10.0
        return sampled

    monkeypatch.setattr(sampling.Route, "sample", stuck)
    fit = fit_of(rows, scales="estimated", escalations=0)
    assert "max_rhat" in fit.criterion
    assert fit.max_rhat < 1.01


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_both_backends_sample_the_same_posterior(model):
    rows = drawn_rows([1, 3], 80)
    one, other = (
        fit_of(rows, backend=backend, draws=3000, escalations=0, **MODELS[model])
        for backend in ("compiled", "pymc")
    )
    assert one.error is None
    assert other.error is None
    varies = ~estimands.constant(rows.levels) & (one.sd > 1e-12)
    size = np.fmax(np.fmin(one.ess_bulk, other.ess_bulk), 1.0)
    error = np.hypot(one.sd, other.sd) / np.sqrt(size)
    z = (one.estimate - other.estimate)[varies] / error[varies]
    assert np.abs(z).max() < 4.5
    assert one.sd[varies] == pytest.approx(other.sd[varies], rel=0.15)
    if one.draws.scales is not None:
        for name, values in vars(one.draws.scales).items():
            again = getattr(other.draws.scales, name)
            if values is None:
                assert again is None
                continue
            spread = values.std(axis=(0, 1)) + 1e-12
            shift = (values.mean(axis=(0, 1)) - again.mean(axis=(0, 1))) / spread
            assert np.abs(shift).max() < 0.15
