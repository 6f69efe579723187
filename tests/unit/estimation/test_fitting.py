import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from summands.data import generator
from summands.data.design import Design
from summands.estimation import fitting
from summands.estimation.results import Draws, Point
from summands.estimation.tables import estimates
from summands.estimators import EstimatorError, bayesian_ridge, load, names, nutpie
from summands.model import estimands, information
from summands.model.cells import collapse
from summands.model.data_set import DataSet
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.model.rows import Rows
from summands.model.units import Units
from summands.posterior import diagnostics, stated
from summands.recovery import against_truth, crps

DESIGN = Design(Levels.of([1, 2, 3]), 300)
PROBLEM = Problem(DESIGN.levels, 1.0, 0.0, 1.0)
SIZE = 3 * DESIGN.levels.contributors + 2


def data_set(design=DESIGN, replicate=0):
    truth = generator.draw_truth(design, 1, replicate)
    rows = generator.draw_rows(design, truth, 1, replicate)
    values = estimands.evaluate(design.levels, truth.intercept, truth.mu, truth.sigma)
    return rows, collapse(rows), values


def coefficients(seed=0, chains=4, length=1000):
    rng = np.random.default_rng(seed)
    k = DESIGN.levels.contributors
    return (
        rng.normal(size=(chains, length)),
        DESIGN.levels.centre(rng.normal(size=(chains, length, k))),
        rng.lognormal(size=(chains, length, k)),
    )


def draws_of(intercept, mu, sigma, **statistics):
    rng = np.random.default_rng(1)
    statistics = {
        "diverging": np.zeros(intercept.shape, bool),
        "energy": rng.normal(size=intercept.shape),
    } | statistics
    values = estimands.evaluate(DESIGN.levels, intercept, mu, sigma)
    return Draws(
        intercept,
        mu,
        sigma,
        statistics,
        diagnostics.diagnose(DESIGN.levels, values, statistics),
        gradients=17,
        parametrisation="straight",
        attempts=2,
    )


def fit_of(result):
    """The fit of data in standard units, which are then those of the result."""
    _, cells, _ = data_set()
    cells = Units.of(cells).standard(cells)
    return fitting.fit(
        lambda *arguments: result, DataSet(cells), PROBLEM, {}, 0, progress=str
    )


def test_draws_are_summarised_by_their_moments_and_quantiles():
    draws = draws_of(*coefficients())
    fit = fit_of(draws)
    sigma = draws.sigma.reshape(-1, DESIGN.levels.contributors)
    where = estimands.index(DESIGN.levels).where("sigma")
    assert fit.estimate[where] == pytest.approx(sigma.mean(axis=0))
    assert fit.sd[where] == pytest.approx(sigma.std(axis=0, ddof=1))
    for name, probability in (
        ("lower_50", 0.25),
        ("upper_50", 0.75),
        ("lower_95", 0.025),
        ("upper_95", 0.975),
    ):
        expected = np.quantile(sigma, probability, axis=0)
        assert getattr(fit, name)[where] == pytest.approx(expected)
    assert fit.converged
    assert (fit.gradients, fit.divergences, fit.error) == (17, 0, None)
    assert (fit.parametrisation, fit.attempts) == ("straight", 2)
    constant = estimands.constant(DESIGN.levels)
    assert np.isnan(fit.rhat[constant]).all()
    assert np.isfinite(fit.rhat[~constant]).all()


def test_draws_say_how_probable_each_is_to_be_the_largest():
    draws = draws_of(*coefficients())
    fit = fit_of(draws)
    names, levels = estimands.index(DESIGN.levels), DESIGN.levels
    mu = draws.mu.reshape(-1, levels.contributors)
    found = fit.p_largest[names.where("mu")]
    several = np.flatnonzero(np.asarray(levels.sizes) > 1)
    for level in several:
        mine = levels.level == level
        largest = mu[:, mine] == mu[:, mine].max(axis=1, keepdims=True)
        assert found[mine] == pytest.approx(largest.mean(axis=0))
    assert len(several)
    contrasts = fit.p_largest[names.where("variance_contrast")]
    for level, size in enumerate(levels.sizes):
        whole = contrasts[levels.level == level].sum()
        assert whole == pytest.approx(1.0) if size > 1 else np.isnan(whole)
    assert np.isnan(fit.p_largest[names.where("sigma")]).all()
    intercept, mu_draws, sigma = coefficients()
    alike = fit_of(draws_of(intercept, mu_draws, np.ones_like(sigma)))
    assert np.isnan(alike.p_largest[names.where("variance_contrast")]).all()
    point = Point(np.zeros(fit.size), np.ones(fit.size), converged=True)
    assert np.isnan(fit_of(point).p_largest).all()


def diverged(intercept, mu, sigma):
    diverging = np.zeros(intercept.shape, bool)
    diverging[2, 5] = True
    return draws_of(intercept, mu, sigma, diverging=diverging)


def short_of_energy(intercept, mu, sigma):
    """The energy of one chain changes little from draw to draw: a random walk."""
    energy = np.random.default_rng(1).normal(size=intercept.shape)
    energy[2] = np.cumsum(energy[2])
    return draws_of(intercept, mu, sigma, energy=energy)


def stuck(intercept, mu, sigma):
    intercept[1] += 3.0
    return draws_of(intercept, mu, sigma)


def correlated(intercept, mu, sigma):
    return draws_of(intercept, np.repeat(mu[:, ::50], 50, axis=1), sigma)


def thin_tails(intercept, mu, sigma):
    """Excursions that all happen in one stretch of each chain: tails do not mix."""
    intercept[:, :50] += 5.0
    return draws_of(intercept, mu, sigma)


FAULTS = {
    "max_rhat": stuck,
    "min_ess_bulk": correlated,
    "min_ess_tail": thin_tails,
    "divergences": diverged,
    "min_ebfmi": short_of_energy,
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_convergence_criterion_can_fail(name):
    sound = fit_of(draws_of(*coefficients()))
    assert sound.converged
    assert sound.criterion is None
    fit = fit_of(FAULTS[name](*coefficients()))
    assert not fit.converged
    assert fit.error is None
    failed = [text.split()[0] for text in fit.criterion.split("; ")]
    assert name in failed
    assert failed == sorted(failed, key=list(FAULTS).index)


@given(
    st.floats(0.9, 2.0) | st.sampled_from([np.inf, 1.01, 1.0099999, 1.0100001]),
    st.floats(1, 1e4) | st.sampled_from([399.9999, 400.0, np.nan]),
    st.floats(1, 1e4) | st.sampled_from([399.9999, 400.0]),
    st.integers(0, 2),
    st.floats(0, 2) | st.sampled_from([0.29999999, 0.3, np.nan]),
)
def test_the_criteria_that_failed_are_named_and_no_other(rhat, bulk, tail, count, low):
    """Each that is told contradicts its limit as it is written; the rest are met."""
    quantities = np.array([[1.0, np.nan, rhat], [5e3, np.nan, bulk], [5e3, 0.0, tail]])
    found = diagnostics.Diagnostics(*quantities, divergences=count, min_ebfmi=low)
    failing = {
        "max_rhat": not rhat < diagnostics.MAX_RHAT,
        "min_ess_bulk": not bulk >= diagnostics.MIN_ESS,
        "min_ess_tail": not tail >= diagnostics.MIN_ESS,
        "divergences": count > 0,
        "min_ebfmi": not low >= diagnostics.MIN_EBFMI,
    }
    told = (found.criterion or "").split("; ") if found.criterion else []
    assert [text.split()[0] for text in told] == [
        name for name, fails in failing.items() if fails
    ]
    assert found.converged == (not told)
    compare = {"<": operator.lt, ">": operator.gt, ">=": operator.ge}
    for text in told:
        _, value, sign, limit = text.split()
        assert value == "nan" or compare[sign](float(value), float(limit))


def test_draws_that_do_not_move_have_not_converged():
    intercept, mu, sigma = coefficients()
    sigma[..., 2] = 1.0
    fit = fit_of(draws_of(intercept, mu, sigma))
    assert fit.criterion == "max_rhat inf >= 1.01"


def test_estimators_without_draws_have_a_criterion_of_their_own():
    zeros = np.zeros(SIZE)
    assert fit_of(Point(zeros, zeros, converged=True)).criterion is None
    fit = fit_of(Point(zeros, zeros, converged=False))
    assert fit.criterion == "the estimator's own criterion"
    assert str(fit).endswith("not converged: the estimator's own criterion")


def test_an_estimator_that_raises_is_a_failed_fit():
    lines = []

    def breaks(*arguments):
        raise ZeroDivisionError("nothing to divide by\nand more")

    _, cells, _ = data_set()
    fit = fitting.fit(breaks, DataSet(cells), PROBLEM, {}, 0, progress=lines.append)
    assert fit.error == "ZeroDivisionError: nothing to divide by"
    assert not fit.converged
    assert fit.criterion is None
    assert np.isnan(fit.estimate).all()
    assert (fit.identified == information.identified(cells)).all()
    assert "Traceback" in lines[0]


def test_what_fails_before_the_estimator_is_a_failed_fit_too(monkeypatch):
    def breaks(cells):
        raise np.linalg.LinAlgError("Eigenvalues did not converge")

    monkeypatch.setattr(information, "identified", breaks)
    fit = fit_of(Point(np.zeros(SIZE), np.ones(SIZE), converged=True))
    assert fit.error == "LinAlgError: Eigenvalues did not converge"
    truth = {"truth": np.zeros((1, SIZE)), "bound": np.zeros((1, SIZE))}
    table = estimates("d", "e", DESIGN.levels, [0], [fit], truth)
    assert table["identified"].null_count == SIZE
    monkeypatch.undo()
    whole = fit_of(Point(np.zeros(SIZE), np.ones(SIZE), converged=True))
    truth = {name: np.zeros((2, SIZE)) for name in truth}
    table = estimates("d", "e", DESIGN.levels, [0, 1], [fit, whole], truth)
    assert table["identified"].null_count == SIZE


def test_point_estimates_get_normal_intervals():
    estimate = np.arange(SIZE, dtype=float)
    sd = np.full(SIZE, 2.0)
    sd[3] = np.nan
    fit = fit_of(Point(estimate, sd, converged=True))
    for level, lower, upper in (
        (0.5, fit.lower_50, fit.upper_50),
        (0.95, fit.lower_95, fit.upper_95),
    ):
        ends = stats.norm.interval(level, estimate, sd)
        assert np.stack([lower, upper]) == pytest.approx(np.stack(ends), nan_ok=True)
    assert fit.gradients is None
    assert fit.max_rhat is None
    assert fit.draws is None


def test_estimates_of_the_wrong_length_are_a_failed_fit():
    fit = fit_of(Point(np.zeros(SIZE - 2), np.zeros(SIZE), converged=True))
    assert f"shape ({SIZE - 2},) where ({SIZE},) is needed" in fit.error
    assert fit.draws is None


def test_an_incomplete_estimator_is_explained(monkeypatch):
    monkeypatch.delattr(bayesian_ridge, "SAMPLES")
    with pytest.raises(EstimatorError, match=r"bayesian_ridge.py does not .* SAMPLES"):
        load("bayesian_ridge")


def test_ranks_of_a_draw_from_the_posterior_are_uniform():
    levels = DESIGN.levels
    ranks = []
    for seed in range(400):
        rng = np.random.default_rng(10_000 + seed)
        draws = draws_of(*coefficients(seed, chains=1, length=200))
        truth = estimands.evaluate(
            levels,
            rng.normal(),
            levels.centre(rng.normal(size=levels.contributors)),
            rng.lognormal(size=levels.contributors),
        )
        score = against_truth.score(fit_of(draws), truth, rng)
        assert (score.rank_of == against_truth.RANKED_DRAWS).all()
        assert score.log_likelihood_rank_of == against_truth.RANKED_DRAWS
        ranks.append([*score.rank, score.log_likelihood_rank])
    # mu of a contributor alone in its level is 0 in every draw: ties at random.
    for column in np.array(ranks).T:
        assert column.min() >= 0
        assert column.max() <= against_truth.RANKED_DRAWS
        counts = np.histogram(column, np.linspace(0, 100, 11))[0]
        assert stats.chisquare(counts).pvalue > 1e-5


def test_every_estimator_keeps_its_contract():
    assert names() == [
        "bayesian_ridge",
        "homoscedastic",
        "huber",
        "least_squares",
        "maximum_likelihood",
        "nutpie",
    ]
    for name in names():
        module = load(name)
        assert module.READS in ("rows", "cells")
        for rule in module.OPTIONS.values():
            assert {"default", "description"} < set(rule)


def options_of(module, **changes):
    return {key: rule["default"] for key, rule in module.OPTIONS.items()} | changes


def test_bayesian_ridge_is_the_ridge_solution_at_its_own_precisions():
    """The weights solve (alpha Z'Z + lambda I) w = alpha Z'x; the rest is linear."""
    from sklearn.linear_model import BayesianRidge

    rows, cells, _ = data_set()
    levels = DESIGN.levels
    options = options_of(bayesian_ridge)
    point = bayesian_ridge.estimate(cells, PROBLEM, options, 0, print)
    z = np.zeros((len(rows.value), levels.contributors))
    picked = np.stack(rows.contributors, axis=1) + levels.offsets
    np.put_along_axis(z, picked, 1.0, axis=1)
    ridge = BayesianRidge(fit_intercept=False).fit(z, rows.value)
    precision = ridge.alpha_ * z.T @ z + ridge.lambda_ * np.eye(levels.contributors)
    covariance = np.linalg.inv(precision)
    w = ridge.alpha_ * covariance @ z.T @ rows.value
    names_ = estimands.index(levels)
    assert point.estimate[0] == pytest.approx(levels.level_means(w).sum())
    assert point.estimate[names_.where("mu")] == pytest.approx(
        levels.centre(w), abs=1e-9
    )
    # Brute force: simulate weights, centre each of them.
    draws = np.random.default_rng(0).multivariate_normal(w, covariance, 200_000)
    assert point.sd[0] == pytest.approx(
        levels.level_means(draws).sum(axis=1).std(), rel=0.02
    )
    assert point.sd[names_.where("mu")] == pytest.approx(
        levels.centre(draws).std(axis=0), rel=0.02, abs=1e-9
    )
    for parameter in ("sigma", "variance_contrast"):
        assert np.isnan(point.estimate[names_.where(parameter)]).all()
    assert point.estimate[-1] == pytest.approx(1 / ridge.alpha_)
    assert np.isnan(point.sd[-1])


@pytest.mark.parametrize(
    ("sizes", "count", "shift", "scale"),
    [
        ([1, 3, 5], 400, 0.0, 1.0),
        ([1, 100], 300, 1e6, 1.0),
        ([2, 30, 20], 40, 0.0, 1e-6),
        ([1, 4], 1000, 1e6, 1e6),
        ([1, 24, 6], 144, 0.0, 1.0),
        ([3], 2, 0.0, 1.0),
    ],
)
def test_bayesian_ridge_of_cells_is_that_of_rows(
    monkeypatch, sizes, count, shift, scale
):
    """Fewer rows than contributors, one a cell, large baselines; in blocks, too."""
    from sklearn.linear_model import BayesianRidge

    levels = Levels.of(sizes)
    rng = np.random.default_rng(1)
    if count == np.prod(sizes):
        picked = np.stack(np.unravel_index(np.arange(count), sizes), axis=1)
    else:
        picked = rng.integers(0, sizes, (count, len(sizes)))
    members = picked + levels.offsets
    mu = rng.normal(size=levels.contributors)
    value = shift + scale * (mu[members].sum(axis=1) + rng.normal(size=count))
    rows = Rows(levels, value, tuple(picked.T))
    standard = Units.of(rows).standard(rows)
    z = np.zeros((count, levels.contributors))
    np.put_along_axis(z, members, 1.0, axis=1)
    ridge = BayesianRidge(fit_intercept=False).fit(z, standard.value)
    names_ = estimands.index(levels)
    mine = names_.where("mu")
    centred = np.eye(levels.contributors)
    centred = levels.centre(centred)
    expected = levels.centre(ridge.coef_)
    sd = np.sqrt(np.einsum("ki,ij,kj->k", centred, ridge.sigma_, centred))
    problem = Problem(levels, 1.0, 0.0, 1.0)
    for block in (bayesian_ridge.BLOCK, 1):
        monkeypatch.setattr(bayesian_ridge, "BLOCK", block)
        options = options_of(bayesian_ridge)
        point = bayesian_ridge.estimate(collapse(standard), problem, options, 0, print)
        assert point.converged == (ridge.n_iter_ < 300)
        assert point.estimate[mine] == pytest.approx(expected, rel=1e-7, abs=1e-9)
        assert point.sd[mine] == pytest.approx(sd, rel=1e-7, abs=1e-9)
        assert point.estimate[-1] == pytest.approx(1.0 / ridge.alpha_, rel=1e-7)


def test_bayesian_ridge_takes_contributors_without_rows():
    rows, _, _ = data_set()
    keep = rows.contributors[2] != 1
    fewer = Rows(
        rows.levels, rows.value[keep], tuple(c[keep] for c in rows.contributors)
    )
    point = bayesian_ridge.estimate(
        collapse(fewer), PROBLEM, options_of(bayesian_ridge), 0, print
    )
    assert np.isfinite(point.estimate[estimands.index(DESIGN.levels).where("mu")]).all()


def test_nutpie_finds_the_posterior_that_importance_sampling_finds():
    """Two routes to one posterior: NUTS, and the prior weighted by the likelihood."""
    design = Design(Levels.of([1, 2]), 12, intercept_sd=1.0)
    problem = Problem(design.levels, 1.0, 0.0, 0.7, intercept_sd=1.0)
    _, cells, _ = data_set(design, 1)
    fit = fitting.fit(
        nutpie.estimate, DataSet(cells), problem, options_of(nutpie, draws=4000), 3
    )
    assert fit.error is None
    assert fit.max_rhat < 1.02

    rng = np.random.default_rng(0)
    size = 1_000_000
    levels = design.levels
    intercept = rng.normal(0, 1.0, size)
    mu = levels.centre(rng.normal(0, 1.0, (size, 3)))
    sigma = rng.lognormal(0.0, 0.7, (size, 3))
    mean = intercept[:, None] + mu[:, cells.members].sum(axis=2)
    variance = (sigma[:, cells.members] ** 2).sum(axis=2)
    residual = cells.sum_of_squares + cells.n * (cells.mean - mean) ** 2
    log_weight = -0.5 * (cells.n * np.log(variance) + residual / variance).sum(axis=1)
    assert log_weight[:9] == pytest.approx(
        cells.log_likelihood(intercept[:9], mu[:9], sigma[:9] ** 2)
    )
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    effective = 1 / (weight**2).sum()
    assert effective > 10_000
    values = estimands.evaluate(levels, intercept, mu, sigma)
    expected = weight @ values
    spread = np.sqrt(weight @ (values - expected) ** 2)
    error = spread * np.sqrt(1 / effective + 1 / np.fmax(fit.ess_bulk, 1.0))
    varies = ~estimands.constant(levels)
    z = (fit.estimate - expected)[varies] / error[varies]
    assert np.abs(z).max() < 4.5
    assert fit.sd[varies] == pytest.approx(spread[varies], rel=0.15)


@pytest.mark.parametrize(
    "backend", ["compiled", pytest.param("pymc", marks=pytest.mark.slow)]
)
def test_nutpie_draws_do_not_depend_on_the_data_set_before(backend):
    design = Design(Levels.of([1, 2]), 50)
    problem = Problem(design.levels, 1.0, 0.0, 1.0)
    options = options_of(nutpie, chains=2, tune=100, draws=50, backend=backend)
    _, first, _ = data_set(design, 0)
    _, second, _ = data_set(design, 1)
    if backend == "pymc":
        stated.compiled.cache_clear()
    alone = nutpie.estimate(second, problem, options, 5, print)
    other = Problem(design.levels, 3.0, -2.0, 0.3, 0.1, 50.0)
    nutpie.estimate(first, other, options, 4, print)
    after = nutpie.estimate(second, problem, options, 5, print)
    assert (alone.sigma == after.sigma).all()
    assert (alone.mu == after.mu).all()
    assert alone.gradients == after.gradients


def test_scores_of_draws_and_of_normals_are_integrals():
    """CRPS is the integral of (F(x) - 1[x >= truth])^2: by quadrature, for both."""
    rng = np.random.default_rng(0)
    x = np.linspace(-30, 30, 600_001)
    step = x[1] - x[0]
    for truth in (-1.3, 0.2, 4.0):
        heaviside = x >= truth
        expected = ((stats.norm.cdf(x, 0.5, 1.7) - heaviside) ** 2).sum() * step
        found = crps.of_normal(*np.array([[0.5], [1.7], [truth]]))
        assert found[0] == pytest.approx(expected, rel=1e-4)
        draws = np.sort(rng.gamma(2.0, 1.0, 300))
        share = np.searchsorted(draws, x, side="right") / 300
        expected = ((share - heaviside) ** 2).sum() * step
        # The integral pairs draws with themselves, as the fair score does not.
        pairs = np.abs(draws[:, None] - draws).sum() / 2
        expected -= pairs / (300 * 299) - pairs / 300**2
        found = crps.of_draws(draws[None, :], np.array([truth]))
        assert found[0] == pytest.approx(expected, rel=1e-3)
    without_spread = crps.of_normal(np.array([2.0]), np.zeros(1), np.array([5.0]))
    assert without_spread == pytest.approx([3.0])
    unknown = np.array([np.nan])
    assert np.isnan(crps.of_normal(unknown, unknown, np.ones(1))).all()


def test_the_score_of_draws_does_not_depend_on_how_many_they_are():
    """On average it is that of the distribution which they are from."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=40_000)
    zero, one = np.zeros_like(truth), np.ones_like(truth)
    expected = crps.of_normal(zero, one, truth).mean()
    for count in (2, 5, 20):
        draws = np.sort(rng.normal(size=(len(truth), count)), axis=1)
        score = crps.of_draws(draws, truth)
        error = score.std() / np.sqrt(len(score))
        assert score.mean() == pytest.approx(expected, abs=4 * error)
        assert error < 0.01


def test_scores_and_sets_reach_every_estimator_that_can_have_them():
    rows, cells, truth = data_set()
    index = estimands.index(DESIGN.levels)
    for name in names():
        module = load(name)
        data = cells if module.READS == "cells" else rows
        fit = fitting.fit(
            module.estimate,
            DataSet(data),
            PROBLEM,
            options_of(module),
            0,
            progress=str,
        )
        assert fit.error is None, fit.error
        assert fit.converged
        has_spread = ~np.isnan(fit.sd)
        crps = against_truth.score(fit, truth, np.random.default_rng(0)).crps
        assert (np.isnan(crps) == ~has_spread).all()
        has_set = not np.isnan(fit.estimate[index.where("variance_contrast")]).any()
        sigma = index.where("sigma")
        assert np.isfinite(fit.set_lower[sigma]).all() == has_set
        assert np.isnan(fit.set_upper[~sigma]).all()
        if has_set:
            assert (fit.set_lower[sigma] < fit.set_upper[sigma]).all()
