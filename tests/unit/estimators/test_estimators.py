"""The point estimators against independent computations on rows."""

import itertools
import re

import numpy as np
import pytest
import scipy.optimize
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from summands.data import generator
from summands.data.design import Design
from summands.estimation import fitting, tables
from summands.estimators import homoscedastic, least_squares, maximum_likelihood, nutpie
from summands.model import estimands, information
from summands.model.cells import Cells, collapse
from summands.model.data_set import DataSet
from summands.model.levels import Levels
from summands.model.prediction_errors import Estimated, Known
from summands.model.restricted import Restricted
from summands.model.rows import Rows
from summands.posterior import mode

LEVELS = st.lists(st.integers(1, 4), min_size=1, max_size=3)


def data_set(sizes, rows, seed=0, shift=0.0):
    design = Design(Levels.of(sizes), rows, log_sigma_sd=0.5)
    truth = generator.draw_truth(design, seed, 0)
    drawn = generator.draw_rows(design, truth, seed, 0)
    moved = Rows(drawn.levels, drawn.value + shift, drawn.contributors)
    return design, moved, collapse(moved)


def options_of(module, **changes):
    return {key: rule["default"] for key, rule in module.OPTIONS.items()} | changes


def point_of(module, design, cells):
    return module.estimate(
        cells, design.problem(), options_of(module), 0, lambda line: None
    )


def indicators_of(rows):
    z = np.zeros((len(rows.value), rows.levels.contributors))
    picked = np.stack(rows.contributors, axis=1) + rows.levels.offsets
    np.put_along_axis(z, picked, 1.0, axis=1)
    return z


def equal(found, expected, rel=1e-7):
    known = ~np.isnan(found)
    scale = np.abs(expected[known]).max()
    assert found[known] == pytest.approx(expected[known], rel=rel, abs=rel * scale)


@settings(deadline=None, max_examples=30)
@given(LEVELS, st.integers(40, 300), st.integers(0, 10**6))
def test_least_squares_is_two_regressions_on_rows(sizes, count, seed):
    design, rows, cells = data_set(sizes, count, seed)
    levels = design.levels
    point = point_of(least_squares, design, cells)
    z = indicators_of(rows)
    bread = np.linalg.pinv(z)
    means = bread @ rows.value
    squares = (rows.value - z @ means) ** 2
    squares *= count / (count - np.linalg.matrix_rank(z))
    variances = bread @ squares
    white = bread @ (squares[:, None] * bread.T)
    v = z @ variances
    normal = bread @ (2.0 * v[:, None] ** 2 * bread.T)
    estimate, sd = estimands.linear(
        levels,
        means,
        estimands.Errors.of(levels, white),
        variances,
        estimands.Errors.of(levels, normal),
    )
    lost = ~information.identified(cells)
    assert np.isnan(point.estimate[lost]).all()
    estimate[lost] = sd[lost] = np.nan
    equal(point.estimate, estimate, rel=1e-6)
    equal(point.sd, sd, rel=1e-6)


@settings(deadline=None, max_examples=25)
@given(LEVELS, st.integers(60, 400), st.integers(0, 10**6))
def test_maximum_likelihood_is_the_maximum(sizes, count, seed):
    """No other search finds a higher likelihood, and its value is that of rows."""
    design, rows, cells = data_set(sizes, count, seed)
    levels = design.levels
    k = levels.contributors
    try:
        point = point_of(maximum_likelihood, design, cells)
    except ValueError as error:
        assume("no maximum" not in str(error))
        raise
    assert point.converged
    names = estimands.index(levels)
    z = indicators_of(rows)

    def negative(parameters):
        means, variance = parameters[:k], parameters[k:]
        v = z @ variance
        residual = rows.value - z @ means
        value = 0.5 * (np.log(v) + residual**2 / v).sum()
        of_means = -(z.T @ (residual / v))
        of_variance = 0.5 * z.T @ ((v - residual**2) / v**2)
        return value, np.concatenate([of_means, of_variance])

    # Back to a set of variances with the estimated contrasts and total.
    contrasts = point.estimate[names.where("variance_contrast")]
    if np.isnan(point.estimate[~names.where("sigma")]).any():
        return
    lowest = np.minimum.reduceat(contrasts, levels.offsets)
    floor = (point.estimate[-1] + lowest.sum()) / levels.count
    variance = contrasts - lowest[levels.level] + max(floor, 0.0)
    means = point.estimate[names.where("mu")] + point.estimate[0] / levels.count
    mine = negative(np.concatenate([means, variance]))[0]
    start = np.concatenate([np.zeros(k), np.full(k, rows.value.var() / levels.count)])
    other = scipy.optimize.minimize(
        negative,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(None, None)] * k + [(1e-9, None)] * k,
        options={"maxiter": 2000, "ftol": 1e-14, "gtol": 1e-9},
    )
    assert mine <= other.fun + 1e-5
    assert (variance >= -1e-9).all()


def test_standard_errors_of_maximum_likelihood_are_those_of_repetition():
    design = Design(Levels.of([1, 2, 3]), 3000, log_sigma_sd=0.5, truth="fixed")
    points = []
    for replicate in range(300):
        truth = generator.draw_truth(design, 8, replicate)
        cells = collapse(generator.draw_rows(design, truth, 8, replicate))
        points.append(point_of(maximum_likelihood, design, cells))
    spread = np.std([point.estimate for point in points], axis=0)
    given_ = np.sqrt(np.mean([point.sd**2 for point in points], axis=0))
    known = ~np.isnan(given_)
    assert known.sum() == 2 + 2 * 6
    assert given_[known] == pytest.approx(spread[known], rel=0.15, abs=1e-9)


def test_the_posterior_comes_to_the_maximum_likelihood():
    """As rows grow, mean and sd are those of the estimate (Bernstein, von Mises)."""
    design, _, cells = data_set([1, 2, 3], 400_000, seed=2)
    point = point_of(maximum_likelihood, design, cells)
    draws = nutpie.estimate(cells, design.problem(), options_of(nutpie), 1, print)
    values = draws.values(design.levels).reshape(-1, len(point.estimate))
    known = ~np.isnan(point.sd) & (point.sd > 0)
    shift = (values.mean(axis=0) - point.estimate)[known] / point.sd[known]
    assert np.abs(shift).max() < 0.2
    assert values.std(axis=0)[known] == pytest.approx(point.sd[known], rel=0.1)


def test_a_likelihood_without_a_maximum_is_refused():
    levels = Levels.of([1, 2])
    rows = Rows(
        levels,
        np.array([0.0, 1.0, 2.0, 5.0]),
        (np.zeros(4, dtype=int), np.array([0, 0, 0, 1])),
    )
    with pytest.raises(
        ValueError, match=r"no maximum: .* only row of 0/0 \+ 1/1 .* more rows would"
    ):
        point_of(maximum_likelihood, Design(levels, 4), collapse(rows))


def test_contributors_without_noise_are_the_reason_that_is_given():
    """A hundred rows are not too few: those of two contributors are all equal."""
    design = Design(
        Levels.of([1, 2]),
        100,
        coefficients=(((0.0, 0.0),), ((1.0, 0.0), (-1.0, 1.0))),
        name="noiseless",
    )
    truth = generator.draw_truth(design, 0, 0)
    cells = collapse(generator.draw_rows(design, truth, 0, 0))
    reason = rf"the {cells.n[0]} rows, which are equal, of 0/0 \+ 1/0 goes to zero"
    reason += "; a sigma above 0 of one of them"
    with pytest.raises(ValueError, match=reason):
        point_of(maximum_likelihood, design, cells)


def fit_of(design, cells):
    return fitting.fit(
        maximum_likelihood.estimate,
        DataSet(cells),
        design.problem(),
        options_of(maximum_likelihood),
        0,
        progress=lambda line: None,
    )


def grows_without_bound(cells):
    """Whether the likelihood does on a path where some variances go to zero together.

    For every set of contributors: the best means along the path are those of least
    squares weighted by 1 / v, whose limit fits the cells of the set as well as can be.
    """
    k = cells.levels.contributors
    for chosen in itertools.product([False, True], repeat=k):
        inside = np.array(chosen)[cells.members].all(axis=1)
        if not inside.any():
            continue
        z = cells.indicators[inside] * np.sqrt(cells.n[inside])[:, None]
        mean = cells.mean[inside] * np.sqrt(cells.n[inside])
        left = mean - z @ np.linalg.lstsq(z, mean)[0]
        if left @ left + cells.sum_of_squares[inside].sum() < 1e-20:
            # -(n / 2) log v grows, and nothing holds it.
            return True
    return False


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=3),
    st.integers(3, 25),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_a_mode_that_is_no_maximum_is_remarked(sizes, count, seed, ties):
    """Brute force over the ways to zero; with tied values, cells of rows alike too."""
    design, rows, _ = data_set(sizes, count, seed)
    value = np.round(rows.value) if ties else rows.value
    cells = collapse(Rows(rows.levels, value, rows.contributors))
    assume(np.ptp(value) > 0)
    unbounded = grows_without_bound(cells)
    fit = fit_of(design, cells)
    if fit.error is not None:
        assert "no maximum" in fit.error
        assert unbounded
        return
    assert (fit.remark is not None) == unbounded
    if fit.remark is not None:
        lost = int((cells.sum_of_squares < 1e-20).sum())
        assert f"no maximum: {lost} cell" in fit.remark


@pytest.mark.parametrize("sizes", [[1, 2], [2, 2], [3]])
def test_the_likelihood_grows_along_the_path_that_is_remarked(sizes):
    """That cell fitted exactly, and the variances of its contributors to zero."""
    levels = Levels.of(sizes)
    rng = np.random.default_rng(0)
    picked = np.stack([rng.integers(size, size=40) for size in sizes], axis=1)
    alone = np.array([size - 1 for size in sizes])
    picked = np.vstack([picked[(picked != alone).any(axis=1)], alone])
    value = rng.normal(size=len(picked))
    value[-1] = 4.0
    cells = collapse(Rows(levels, value, tuple(picked.T)))
    fit = fit_of(Design(levels, len(value)), cells)
    if sizes != [2, 2]:
        # The mean of a contributor's only row is that row: no mode is inside.
        assert "the only row of 0/" in fit.error
    else:
        assert "1 cell of one row" in fit.remark
    members = alone + levels.offsets
    mu = np.zeros(levels.contributors)
    mu[members[-1]] = value[-1]
    reached = []
    for least in 10.0 ** -np.arange(0.0, 80.0, 10.0):
        variance = np.ones(levels.contributors)
        variance[members] = least
        reached.append(cells.log_likelihood(0.0, mu, variance))
    # Half of log 10^10 for each step, once the others' variance is their own.
    assert np.diff(reached)[1:] == pytest.approx(np.full(6, 5.0 * np.log(10.0)))


def test_remarks_stand_in_the_table_of_fits():
    design, rows, _ = data_set([2, 3], 200)
    first, second = rows.contributors
    whole = (first != 0) | (second != 0)
    fits = []
    for kept in (whole, whole | (np.cumsum(~whole) == 1)):
        value = np.where(whole, rows.value, 20.0)
        of_kept = Rows(rows.levels, value[kept], (first[kept], second[kept]))
        fits.append(fit_of(design, collapse(of_kept)))
    table = tables.fits("d", "ml", range(2), fits)
    assert table["error"].to_pylist() == [None, None]
    assert table["remark"].to_pylist() == [
        None,
        "the likelihood has no maximum: 1 cell of one row; this is an interior mode",
    ]
    assert "interior mode" in str(fits[1])


def dense_restricted_deviance(rows, tau, residual_variance):
    """-2 log restricted likelihood from the full covariance matrix of the rows.

    Harville (1977, JASA 72:320), up to a constant.
    """
    z = indicators_of(rows)
    spread = np.repeat(np.square(tau), rows.levels.sizes)
    v = residual_variance * np.eye(len(z)) + (z * spread) @ z.T
    inverse = np.linalg.inv(v)
    ones = np.ones(len(z))
    precision = ones @ inverse @ ones
    mean = (ones @ inverse @ rows.value) / precision
    residual = rows.value - mean
    deviance = np.linalg.slogdet(v)[1] + np.log(precision)
    return deviance + residual @ inverse @ residual, mean, spread, z, inverse, residual


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.integers(2, 4), min_size=1, max_size=3),
    st.integers(30, 80),
    st.integers(0, 10**6),
)
def test_the_mixed_model_is_that_of_the_dense_covariance_matrix(sizes, count, seed):
    _design, rows, cells = data_set(sizes, count, seed)
    profile = Restricted(cells)
    rng = np.random.default_rng(seed)
    differences = []
    for _ in range(4):
        theta = rng.lognormal(0, 1, len(sizes))
        value, slope = profile.deviance(np.log(theta))
        solution = profile.solve(theta)
        residual = profile.residual(solution)
        tau = theta * np.sqrt(residual)
        dense, mean, spread, z, inverse, error = dense_restricted_deviance(
            rows, tau, residual
        )
        differences.append(dense - value * (count - 1))
        # Best linear unbiased predictions: D Z' V^-1 (x - b).
        assert solution.intercept == pytest.approx(mean)
        assert solution.effects == pytest.approx(spread * (z.T @ inverse @ error))
        # The residual variance given theta is where the likelihood is highest.
        for factor in (0.98, 1.02):
            other = dense_restricted_deviance(
                rows, tau * np.sqrt(factor), residual * factor
            )[0]
            assert other > dense
        for j in range(len(sizes)):
            step = 1e-5 * np.eye(len(sizes))[j]
            ends = [profile.deviance(np.log(theta) + s * step)[0] for s in (1, -1)]
            assert slope[j] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-6)
    assert differences == pytest.approx([differences[0]] * 4)


@pytest.mark.parametrize("rows", [50, 1000, 100_000])
@pytest.mark.parametrize("sizes", [[1, 4], [2, 3, 5, 10], [2, 2, 2]])
def test_the_search_finds_the_best_variance_components(sizes, rows):
    """No other point of a wide grid is better, whatever the number of rows."""
    for seed in range(4):
        design, _, cells = data_set(sizes, rows, seed)
        point = point_of(homoscedastic, design, cells)
        assert point.converged
        profile = Restricted(cells)
        # The residual variance tells which deviance was reached.
        rng = np.random.default_rng(seed)
        tried = rng.uniform(-6, 3, (400, len(profile.random)))
        values = [profile.deviance(log_theta)[0] for log_theta in tried]
        nearest = scipy.optimize.minimize(
            lambda log_theta, profile=profile: profile.deviance(log_theta)[0],
            tried[np.argmin(values)],
            method="Nelder-Mead",
            options={"maxiter": 4000, "xatol": 1e-7, "fatol": 1e-14},
        )
        residual = profile.residual(profile.solve(np.exp(nearest.x)))
        assert point.estimate[-1] == pytest.approx(residual, rel=1e-4)


def test_prediction_errors_of_the_mixed_model_are_those_of_repetition():
    levels = Levels.of([3, 4])
    rng = np.random.default_rng(0)
    picked = tuple(rng.integers(size, size=60) for size in levels.sizes)
    errors, given_ = [], []
    for _ in range(600):
        effects = rng.normal(0, 0.7, 7)
        value = 1.0 + rng.normal(0, 1.0, 60)
        for column, offset in zip(picked, levels.offsets, strict=True):
            value += effects[offset + column]
        cells = collapse(Rows(levels, value, picked))
        profile = Restricted(cells)
        theta = np.array([0.7, 0.7])
        solution = profile.solve(theta)
        found = np.append(solution.intercept, solution.effects)
        errors.append(found - np.append(1.0, effects))
        given_.append(Known(profile, theta, solution).diagonal())
    assert np.sqrt(np.mean(given_, axis=0)) == pytest.approx(
        np.std(errors, axis=0), rel=0.12
    )


@settings(deadline=None, max_examples=15)
@given(
    st.lists(st.integers(2, 4), min_size=1, max_size=3),
    st.integers(30, 60),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_what_estimated_components_add_is_that_of_dense_matrices(
    sizes, count, seed, boundary
):
    """g3 = sum_ij cov(phi)_ij dL_i V dL_j' for predictions L(phi) x, by differences.

    With matrices of rows by rows throughout, and the residual variance among the
    components: Harville's (1977) information tr(P V_i P V_j) / 2.
    """
    _, rows, cells = data_set(sizes, count, seed)
    rng = np.random.default_rng(seed)
    theta = rng.lognormal(-0.5, 0.7, len(sizes))
    if boundary:
        theta[rng.integers(len(sizes))] = 0.0
    residual = rng.lognormal()
    z, ones = indicators_of(rows), np.ones((count, 1))
    of_level = np.repeat(np.arange(len(sizes)), sizes)
    parts = [z[:, of_level == j] @ z[:, of_level == j].T for j in range(len(sizes))]
    parts.append(np.eye(count))

    def matrices(phi):
        """V, P and L, which takes values to the intercept and the effects."""
        v = sum(amount * part for amount, part in zip(phi, parts, strict=True))
        inverse = np.linalg.inv(v)
        gls = ones.T @ inverse / (ones.T @ inverse @ ones)
        p = inverse - inverse @ ones @ gls
        return v, p, np.vstack([gls, phi[:-1][of_level][:, None] * z.T @ p])

    phi = np.append(theta**2, 1.0) * residual
    v, p, _ = matrices(phi)
    known = 0.5 * np.array([[np.trace(p @ a @ p @ b) for a in parts] for b in parts])
    covariance = np.linalg.inv(known)
    step = 1e-5 * residual
    slopes = [
        (matrices(phi + change)[2] - matrices(phi - change)[2]) / (2.0 * step)
        for change in step * np.eye(len(phi))
    ]
    expected = sum(
        covariance[i, j] * slopes[i] @ v @ slopes[j].T
        for i in range(len(phi))
        for j in range(len(phi))
    )
    profile = Restricted(cells)
    estimated = Estimated(profile, theta, residual)
    found = estimated.times(np.eye(len(expected)))
    near = {"rel": 1e-5, "abs": 1e-6 * np.abs(expected).max()}
    assert found == pytest.approx(expected, **near)
    assert estimated.diagonal() == pytest.approx(np.diag(expected)[1:], **near)
    assert estimated.of_residual == pytest.approx(covariance[-1, -1], rel=1e-6)


@pytest.mark.parametrize("theta", [0.0, 0.3, 2.0, 400.0])
@pytest.mark.parametrize(("groups", "size"), [(2, 8), (5, 3), (300, 4)])
def test_what_an_estimated_component_adds_to_one_balanced_way(groups, size, theta):
    """Prasad and Rao's (1990) g3 for m groups of n, shrunk by w = n t2 / (1 + n t2).

    (dw / dt2)^2 var(t2) var(mean of a group), where t2 = (F - 1) / n for the ratio F
    of mean squares, with variance (1 + n t2)^2 (2 / (m - 1) + 2 / (N - m)) / n^2.
    """
    levels = Levels.of([1, groups])
    picked = np.repeat(np.arange(groups), size)
    value = np.random.default_rng(0).normal(size=groups * size)
    rows = Rows(levels, value, (np.zeros_like(picked), picked))
    profile = Restricted(collapse(rows))
    estimated = Estimated(profile, np.array([theta]), 1.7)
    found = estimated.times(np.eye(1 + groups))
    within = groups * (size - 1)
    added = 2.0 / (groups - 1) + 2.0 / within
    added *= (1 - 1 / groups) * 1.7 / (size * (1 + size * theta**2))
    # Next to the error of known components, which is up to 1.7 / size.
    for diagonal in (np.diag(found)[1:], estimated.diagonal()):
        assert diagonal == pytest.approx(
            np.full(groups, added), rel=1e-4, abs=1e-5 * 1.7 / size
        )
    assert found[0] == pytest.approx(np.zeros(groups + 1), abs=1e-5 * 1.7 / size)
    assert estimated.of_residual == pytest.approx(2.0 * 1.7**2 / within, rel=1e-6)


def mean_intervals(sizes, rows, replicates, log_sigma_sd):
    """Standardised errors of mu, and whether a scale of the data set collapsed."""
    design = Design(Levels.of(sizes), rows, log_sigma_sd=log_sigma_sd)
    names = estimands.index(design.levels)
    mu = names.where("mu") & ~estimands.constant(design.levels)
    errors, collapsed = [], []
    for replicate in range(replicates):
        truth = generator.draw_truth(design, 5, replicate)
        cells = collapse(generator.draw_rows(design, truth, 5, replicate))
        point = point_of(homoscedastic, design, cells)
        true = estimands.evaluate(design.levels, truth.intercept, truth.mu, truth.sigma)
        errors.append((point.estimate[mu] - true[mu]) / point.sd[mu])
        collapsed.append((np.abs(point.estimate[mu]) < 1e-6).any())
    return np.abs(errors), np.array(collapsed)


@pytest.mark.parametrize("sizes", [[1, 2], [1, 4]])
def test_intervals_hold_the_truth_where_a_scale_collapses(sizes):
    errors, collapsed = mean_intervals(sizes, 20, 250, 1e-9)
    assert collapsed.sum() > 25
    # Quantiles are normal ones, so that few rows fall a little short.
    assert 0.90 < (errors < 1.96).mean() < 0.98
    assert (errors[collapsed] < 1.96).mean() > 0.85


def test_no_prediction_is_worse_known_than_by_least_squares():
    """Nor better than with components that are known."""
    for seed in range(20):
        design, _, cells = data_set([2, 2, 5], 25, seed)
        point = point_of(homoscedastic, design, cells)
        of_means = information.standard_errors(
            cells, np.full(9, point.estimate[-1] / 3.0)
        )[:10]
        known = ~np.isnan(of_means)
        assert (point.sd[:10][known] <= of_means[known] * (1 + 1e-9)).all()
        assert (point.sd[:10] > 0.2 * of_means)[known].all()


def test_components_without_information_leave_no_made_up_errors():
    """All rows of one contributor: its level's scale, and the mean of both, is open."""
    levels = Levels.of([1, 2])
    picked = np.zeros(30, dtype=int)
    value = np.random.default_rng(1).normal(size=30)
    cells = collapse(Rows(levels, value, (picked, picked)))
    point = point_of(homoscedastic, Design(levels, 30), cells)
    names = estimands.index(levels)
    assert np.isnan(point.sd[names.where("intercept")]).all()
    assert point.sd[names.where("mu")][0] == 0.0
    assert np.isnan(point.sd[names.where("mu")][1:]).all()


SCALES = {
    "equal": lambda rng, k: np.ones(k),
    "far apart": lambda rng, k: 10.0 ** rng.uniform(-12, 12, k),
    "one of 0": lambda rng, k: np.arange(k) * 1.0,
    "all 0": lambda rng, k: np.zeros(k),
}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("sizes", [[1], [3], [1, 2], [2, 3, 4], [1, 100]])
def test_extreme_data_are_estimated_or_explained(sizes, scale):
    """Finite numbers or null, or one of the reasons that are meant for the reader."""
    levels = Levels.of(sizes)
    reasons = r"no maximum|leave no residuals|a single row|fit without error"
    rng = np.random.default_rng(0)
    for base, unit, count in itertools.product([0.0, 1e6], [1e-6, 1e6], [2, 6, 300]):
        drawn = rng.integers(0, np.array(sizes)[:, None], (len(sizes), count))
        for picked in (drawn, np.unique(drawn, axis=1)):
            members = picked + levels.offsets[:, None]
            mu = levels.centre(rng.normal(size=levels.contributors))
            noise = np.sqrt((SCALES[scale](rng, len(mu))[members] ** 2).sum(axis=0))
            value = mu[members].sum(axis=0) + noise * rng.normal(size=len(noise))
            value = base + unit * value
            cells = collapse(Rows(levels, value, tuple(picked)))
            problem = Design(levels, len(value)).problem()
            for module in (least_squares, maximum_likelihood, homoscedastic):
                fit = fitting.fit(
                    module.estimate,
                    DataSet(cells),
                    problem,
                    options_of(module),
                    0,
                    progress=lambda line: None,
                )
                assert fit.error is None or re.search(reasons, fit.error)
                assert not np.isinf(fit.estimate).any()
                assert not np.isinf(fit.sd).any()
            try:
                found = mode.find(problem, cells)
            except FloatingPointError as error:
                if not re.search(reasons, str(error)):
                    raise
            else:
                assert np.isfinite(found.means).all()
                assert np.isfinite(found.mean_root).all()


@pytest.mark.parametrize("module", [least_squares, maximum_likelihood, homoscedastic])
def test_values_shifted_and_scaled_shift_and_scale_the_estimates(module):
    design, rows, cells = data_set([1, 2, 4], 800)
    point = point_of(module, design, cells)
    moved = Rows(rows.levels, 100.0 * rows.value + 1e5, rows.contributors)
    other = point_of(module, design, collapse(moved))
    names = estimands.index(design.levels)
    power = np.where(
        names.where("variance_contrast") | names.where("total_variance"), 2, 1
    )
    factor = 100.0**power
    expected = point.estimate * factor
    expected[0] += 1e5
    equal(other.estimate, expected, rel=1e-5)
    equal(other.sd, point.sd * factor, rel=1e-4)


@pytest.mark.parametrize("module", [least_squares, maximum_likelihood, homoscedastic])
def test_contributors_renamed_rename_the_estimates(module):
    design, rows, cells = data_set([2, 3], 500)
    point = point_of(module, design, cells)
    order = np.array([2, 0, 1])
    renamed = Rows(
        rows.levels, rows.value, (rows.contributors[0], order[rows.contributors[1]])
    )
    other = point_of(module, design, collapse(renamed))
    place = np.array([0, 1, *(2 + np.argsort(order))])
    shuffled = np.concatenate([[0], 1 + place, 6 + place, 11 + place, [16]])
    equal(other.estimate[1:], point.estimate[shuffled][1:], rel=1e-5)
    equal(other.sd[1:], point.sd[shuffled][1:], rel=1e-4)


def test_steps_of_scoring_that_overshoot_are_halved():
    """Whole steps go round in circles on these rows, which few others make them do."""
    *_, cells = [part for part in data_set([2, 3], 40, 12) if isinstance(part, Cells)]
    options = {
        name: rule["default"] for name, rule in maximum_likelihood.OPTIONS.items()
    }
    assert maximum_likelihood.estimate(cells, None, options, 0, print).converged


@pytest.mark.parametrize(
    ("at", "slope", "over"),
    [
        (0.0, 0.0, True),
        (0.0, 1e-4, True),
        (-1.0, 0.1, False),
        (1.0, -0.1, False),
        (-3.0, 0.1, True),
        (-3.0, -0.1, False),
        (2.0, -0.1, True),
        (2.0, 0.1, False),
    ],
)
def test_a_search_is_over_where_the_only_way_down_is_out_of_bounds(at, slope, over):
    bounds = np.array([[-3.0, 2.0]] * 2)
    found = homoscedastic._stationary(np.array([at, 0]), np.array([slope, 0]), bounds)
    assert found == over
