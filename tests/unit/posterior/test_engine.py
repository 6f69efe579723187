"""The compiled kernel, its coordinates and the ridge moves against the PyMC model."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytensor.graph import clone_replace
from scipy import stats

from summands.data import generator
from summands.data.design import Design
from summands.estimation import conflicts, fitting
from summands.estimation.sampling import Route
from summands.estimators import nutpie
from summands.model import estimands, statement
from summands.model.cells import collapse
from summands.model.data_set import DataSet
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.model.rows import Rows
from summands.model.units import Units
from summands.posterior import allocation, cell_density, coordinates, density, mode
from summands.posterior.coordinates import KINDS
from summands.recovery import against_truth


def data_set(sizes, rows, seed=0, **scales):
    design = Design(Levels.of(sizes), rows, **scales)
    truth = generator.draw_truth(design, seed, 0)
    cells = collapse(generator.draw_rows(design, truth, seed, 0))
    problem = Problem(
        design.levels,
        design.mu_sd,
        design.log_sigma_mean,
        design.log_sigma_sd,
        intercept_sd=3.0,
        intercept_mean=1.5,
    )
    return problem, cells


def density_and_gradient(chosen, problem, cells, z):
    gradient = np.empty_like(z)
    return density.log_density(z, gradient, chosen.packed(problem, cells)), gradient


def stated_density(chosen, problem, cells):
    """The PyMC model's density in the same coordinates, differentiated by PyTensor."""
    levels = problem.levels
    built = statement.build(problem, cells)
    z = pt.dvector("z")
    q, a = chosen.mean_axes.shape[1], chosen.axes.shape[1]
    means = chosen.mean_centre + pt.dot(chosen.mean_axes, z[:q])
    x = chosen.centre + pt.dot(chosen.axes, z[q : q + a])
    if chosen.kind == "warped":
        u = x[:-1]
        s = chosen.kappa * pt.expm1(chosen.ratio * pt.softplus(u))
        log_jacobian = (pt.log(s + chosen.kappa) + pt.log(pt.sigmoid(u))).sum()
    else:
        contrasts = x[:-1]
        lowest = pt.stack(
            [
                contrasts[start : start + size].min()
                for start, size in zip(levels.offsets, levels.sizes, strict=True)
            ]
        )
        above = (x[-1] + lowest.sum()) / chosen.unit
        floor = chosen.unit * pt.softplus(above)
        share = pt.special.softmax(pt.concatenate([z[q + a :], pt.zeros(1)]))
        s = (floor * share - lowest)[levels.level] + contrasts
        log_jacobian = (
            (levels.count - 1) * pt.log(floor)
            + pt.log(share).sum()
            + pt.log(pt.sigmoid(above))
        )
    values = {"intercept": means[0]}
    for level, size in enumerate(levels.sizes):
        if size > 1:
            values[f"mu_{level}"] = means[1:][levels.level == level]
    values["scaled_variance"] = s / statement.information_scale(cells)
    replacements = {}
    for name, value in values.items():
        rv = built[name]
        transform = built.rvs_to_transforms[rv]
        if transform is not None:
            value = transform.forward(value, *rv.owner.inputs)
        replacements[built.rvs_to_values[rv]] = value
    logp = clone_replace(built.logp(jacobian=False), replacements) + log_jacobian
    return pytensor.function([z], [logp, pytensor.grad(logp, z)], mode="FAST_COMPILE")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("sizes", "rows"),
    [([1, 2], 40), ([3, 4], 300), ([1, 2, 3, 5], 2000), ([2, 3, 5, 10], 3000)],
)
def test_kernel_is_the_model(sizes, rows, kind):
    problem, cells = data_set(sizes, rows)
    chosen = coordinates.fit(problem, cells, kind)
    stated = stated_density(chosen, problem, cells)
    rng = np.random.default_rng(3)
    kernels, models = [], []
    for scale in (0.1, 0.5, 1.0, 2.0):
        z = scale * rng.normal(size=chosen.dimension)
        value, gradient = density_and_gradient(chosen, problem, cells, z)
        expected, slope = stated(z)
        assert gradient == pytest.approx(
            slope, rel=1e-9, abs=1e-9 * np.abs(slope).max()
        )
        kernels.append(value)
        models.append(float(expected))
    scale = np.abs(models).max()
    assert np.diff(kernels) == pytest.approx(np.diff(models), abs=1e-9 * scale)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 12), min_size=2, max_size=5),
    st.integers(30, 3000),
    st.integers(0, 10**6),
)
def test_a_grid_is_worth_its_cells_one_by_one(sizes, rows, seed):
    rng = np.random.default_rng(seed)
    levels = Levels.of(sizes)
    cells = collapse(
        Rows(
            levels,
            rng.normal(size=rows),
            tuple(rng.integers(size, size=rows) for size in sizes),
        )
    )
    arrangement = cell_density.arrange(cells)
    n = cells.n.astype(float)
    w = rng.normal(size=levels.contributors)
    s = rng.lognormal(0, 8, size=levels.contributors)
    alone = np.zeros((2, levels.contributors))
    one = cell_density.one_by_one(
        cells.members, n, cells.mean, cells.sum_of_squares, w, s, *alone
    )
    if arrangement.per_tile == 0:
        assert (arrangement.prefix == cells.members).all()
        assert len(n) < cell_density.FEWEST_CELLS or len(n) < cell_density.SPARSEST * (
            np.prod(sizes)
        )
        return
    # Every cell stands where its prefix and suffix meet.
    place = arrangement.cell % arrangement.shape[1]
    tile = arrangement.cell // arrangement.shape[1]
    row = tile * arrangement.per_tile + place // len(arrangement.suffix)
    members = np.concatenate(
        [
            arrangement.prefix[row],
            arrangement.suffix[place % len(arrangement.suffix)],
        ],
        axis=1,
    )
    assert (np.sort(members, axis=1) == cells.members).all()
    assert len(np.unique(arrangement.cell)) == len(n)
    together = np.zeros((2, levels.contributors))
    other = cell_density.as_grid(
        arrangement.per_tile,
        arrangement.prefix,
        arrangement.suffix,
        arrangement.fill(n),
        arrangement.fill(cells.mean),
        arrangement.fill(cells.sum_of_squares),
        w,
        s,
        *together,
    )
    assert other == pytest.approx(one, rel=1e-11)
    assert together == pytest.approx(alone, rel=1e-9, abs=1e-11 * np.abs(alone).max())


def test_the_logarithm_of_the_grid_is_one():
    v = 10.0 ** np.random.default_rng(0).uniform(-280, 280, 10_000)
    v[:4] = [1.0, 2.0**0.5, 0.5**0.5, np.nextafter(1.0, 2.0)]
    bits = np.empty((2, len(v)), np.uint64)
    inverse, logarithm = np.empty((2, len(v)))
    cell_density.take_apart(v.view(np.uint64), bits[0], bits[1])
    mantissa, exponent = bits.view(np.float64)
    cell_density.inverse_and_logarithm(v, mantissa, exponent, inverse, logarithm)
    assert np.abs(logarithm - np.log(v)).max() <= 2e-13
    near_one = np.abs(np.log(v)) < 2
    assert logarithm[near_one] == pytest.approx(np.log(v[near_one]), rel=4e-16)
    assert inverse == pytest.approx(1 / v, rel=1e-15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [[1, 2], [2, 3], [1, 3, 4]])
def test_coordinates_are_a_bijection_with_its_jacobian(sizes, kind):
    """The kernel's Jacobian, by brute force from the map itself."""
    problem, cells = data_set(sizes, 400)
    chosen = coordinates.fit(problem, cells, kind)
    levels = problem.levels
    rng = np.random.default_rng(5)
    basis = mode.mean_basis(levels)

    def free(z):
        intercept, mu, variance = chosen.coefficients(z)
        means = np.append(intercept, mu) @ basis
        return np.concatenate([means, variance])

    def prior_and_likelihood(z):
        intercept, mu, s = chosen.coefficients(z)
        mean = intercept + mu[cells.members].sum(axis=1)
        v = s[cells.members].sum(axis=1)
        residual = cells.sum_of_squares + cells.n * (cells.mean - mean) ** 2
        sigma = np.sqrt(s)
        return (
            stats.norm.logpdf(intercept, problem.intercept_mean, problem.intercept_sd)
            + stats.norm.logpdf(mu, 0, problem.mu_sd).sum()
            + stats.lognorm.logpdf(
                sigma, problem.log_sigma_sd, scale=np.exp(problem.log_sigma_mean)
            ).sum()
            - np.log(2 * sigma).sum()
            - 0.5 * (cells.n * np.log(v) + residual / v).sum()
        )

    points = []
    for _ in range(4):
        z = 0.7 * rng.normal(size=chosen.dimension)
        back = chosen.locate(*chosen.coefficients(z))
        assert back == pytest.approx(z, abs=1e-8)
        steps = 1e-6 * np.eye(len(z))
        jacobian = np.stack([(free(z + h) - free(z - h)) / 2e-6 for h in steps])
        expected = prior_and_likelihood(z) + np.linalg.slogdet(jacobian)[1]
        points.append((density_and_gradient(chosen, problem, cells, z)[0], expected))
    differences = np.diff(points, axis=0)
    assert differences[:, 0] == pytest.approx(differences[:, 1], abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [[1, 3, 4], [3, 4, 8]])
def test_no_point_breaks_the_kernel(sizes, kind):
    """Everything is a density and a gradient, or is refused as not finite."""
    problem, cells = data_set(sizes, 300)
    chosen = coordinates.fit(problem, cells, kind)
    record = chosen.packed(problem, cells)
    rng = np.random.default_rng(0)
    points = 250_000
    scale = 10.0 ** rng.uniform(-3, 8, size=(points, 1))
    z = scale * rng.standard_t(2, size=(points, chosen.dimension))
    special = np.array([0.0, np.inf, -np.inf, np.nan, 1e308, -1e308, 5e-324])
    where = rng.random(z.shape) < 0.002
    z[where] = rng.choice(special, where.sum())
    gradient = np.empty(chosen.dimension)
    finite = 0
    for point in z:
        value = density.log_density(point, gradient, record)
        assert value != np.inf
        finite += np.isfinite(value)
    assert 0.05 < finite / points < 1


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([[1, 2], [2, 2], [1, 5], [1, 3, 3], [2, 3, 5, 4]]),
    st.integers(30, 3000),
    st.integers(0, 10**6),
    st.sampled_from([-2.3, 0.0, 2.3]),
)
def test_the_mode_is_where_the_gradient_is_zero(sizes, rows, seed, log_sigma_mean):
    problem, cells = data_set(sizes, rows, seed, log_sigma_mean=log_sigma_mean)
    found = mode.find(problem, cells)
    basis = mode.mean_basis(problem.levels)

    def density(means, log_s):
        full = basis @ means
        s = np.exp(log_s)
        mean = full[0] + full[1:][cells.members].sum(axis=1)
        v = s[cells.members].sum(axis=1)
        residual = cells.sum_of_squares + cells.n * (cells.mean - mean) ** 2
        return (
            -0.5 * (cells.n * np.log(v) + residual / v).sum()
            + stats.norm.logpdf(full[0], problem.intercept_mean, problem.intercept_sd)
            + stats.norm.logpdf(full[1:], 0, problem.mu_sd).sum()
            + stats.norm.logpdf(
                log_s, 2 * problem.log_sigma_mean, 2 * problem.log_sigma_sd
            ).sum()
        )

    means = basis.T @ found.means
    log_s = np.log(found.variance)
    best = density(means, log_s)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        other = density(
            means + 1e-2 * found.mean_root[0, 0] * rng.normal(size=len(means)),
            log_s + 1e-2 * rng.normal(size=len(log_s)),
        )
        # The search stops when the expected gain is small, so this is near, not exact.
        assert other <= best + 0.05


def test_ridge_moves_leave_the_likelihood_alone():
    problem, cells = data_set([1, 3, 4], 500)
    rng = np.random.default_rng(1)
    variance = rng.lognormal(size=(50, problem.levels.contributors))
    moved = allocation.mix(problem, variance, 7)
    assert (moved > 0).all()
    assert not np.isclose(moved, variance).any(axis=1).all()
    before = variance[:, cells.members].sum(axis=2)
    after = moved[:, cells.members].sum(axis=2)
    assert after == pytest.approx(before, rel=1e-9)


@pytest.mark.parametrize("sizes", [[1, 2], [2, 3, 1]])
@pytest.mark.parametrize("log_sigma_sd", [0.5, 1.5])
def test_ridge_moves_leave_the_prior_as_it_was(sizes, log_sigma_sd):
    """Without data the posterior is the prior, which the moves must keep."""
    problem = Problem(Levels.of(sizes), 1.0, 0.3, log_sigma_sd)
    rng = np.random.default_rng(2)
    log_sigma = rng.normal(0.3, log_sigma_sd, (20_000, problem.levels.contributors))
    moved = allocation.mix(problem, np.exp(2 * log_sigma), 3, sweeps=3)
    for column in (np.log(moved) / 2).T:
        assert stats.kstest((column - 0.3) / log_sigma_sd, "norm").pvalue > 1e-4
    # Also jointly: the levels stay independent of each other.
    correlation = np.corrcoef(np.log(moved).T) - np.eye(problem.levels.contributors)
    assert np.abs(correlation).max() < 0.04


def options_of(**changes):
    return {key: rule["default"] for key, rule in nutpie.OPTIONS.items()} | changes


@pytest.mark.slow
def test_both_backends_sample_the_same_posterior():
    problem, cells = data_set([1, 3], 80)
    fits = [
        fitting.fit(
            nutpie.estimate,
            DataSet(cells),
            problem,
            options_of(backend=backend, draws=3000),
            5,
        )
        for backend in ("compiled", "pymc")
    ]
    varies = ~estimands.constant(problem.levels)
    one, other = fits
    assert one.converged
    assert other.error is None
    assert {one.parametrisation, other.parametrisation} <= {*KINDS, "softplus"}
    error = np.sqrt(
        one.sd**2 / np.fmax(one.ess_bulk, 1) + other.sd**2 / np.fmax(other.ess_bulk, 1)
    )
    z = (one.estimate - other.estimate)[varies] / error[varies]
    assert np.abs(z).max() < 4.5
    assert one.sd[varies] == pytest.approx(other.sd[varies], rel=0.15)


@pytest.mark.parametrize(
    ("sizes", "rows"),
    [([1, 2], 200), ([2, 2], 20_000), ([1, 3, 3], 2000), ([1, 30], 2000)],
)
@pytest.mark.parametrize("scale", [-2.3, 0.0, 2.3])
def test_fits_converge(sizes, rows, scale):
    problem, cells = data_set(sizes, rows, seed=99, log_sigma_mean=scale)
    fit = fitting.fit(
        nutpie.estimate, DataSet(cells), problem, options_of(), 5, progress=str
    )
    assert fit.converged, str(fit)
    assert fit.attempts <= 3


EXTREME = {
    "wide noise": Design(Levels.of([1, 3, 5]), 60, log_sigma_sd=8.0),
    "wide means, hardly any noise": Design(
        Levels.of([1, 3, 5]), 60, mu_sd=1e6, log_sigma_mean=-10.0
    ),
    "means beyond the digits of the noise": Design(
        Levels.of([1, 3, 5]), 60, mu_sd=1e15, log_sigma_mean=-10.0
    ),
    "noise beyond all numbers": Design(Levels.of([1, 3]), 60, log_sigma_sd=200.0),
    "noise of one contributor alone": Design.from_content(
        {
            "levels": [1, 3],
            "rows": 60,
            "coefficients": [[[1e6, 0]], [[1, 0], [2, 0], [3, 1]]],
        }
    ),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", EXTREME)
@pytest.mark.parametrize("replicate", range(2))
def test_extreme_scales_end_in_a_result_or_an_error(name, replicate):
    design = EXTREME[name]
    truth = generator.draw_truth(design, 1, replicate)
    cells = collapse(generator.draw_rows(design, truth, 1, replicate))
    fit = fitting.fit(
        nutpie.estimate,
        DataSet(cells),
        design.problem(Units.of(cells)),
        options_of(tune=100, draws=200, escalations=0),
        5,
        progress=str,
    )
    assert (fit.error is None) == np.isfinite(fit.estimate).all()
    assert fit.converged == (fit.error is None and fit.criterion is None)
    told = conflicts.find(design.stated(), design.problem(), DataSet(cells))
    assert told is None or "prior" in told
    true = estimands.evaluate(design.levels, truth.intercept, truth.mu, truth.sigma)
    score = against_truth.score(fit, true, np.random.default_rng(0))
    assert np.isnan(score.rank).all() == (fit.error is not None)


def test_attempts_follow_the_rule_and_are_recorded():
    """Draws too few to converge take every attempt, the last one in "warped"."""
    problem, cells = data_set([2, 2], 2000, log_sigma_sd=0.3)
    kinds = []
    for escalations in (0, 1, 2):
        options = options_of(draws=10, tune=50, escalations=escalations)
        fit = fitting.fit(
            nutpie.estimate, DataSet(cells), problem, options, 5, progress=str
        )
        assert not fit.converged
        assert fit.attempts == escalations + 1
        kinds.append(fit.parametrisation)
    assert kinds == ["floors", "floors", "warped"]


@pytest.mark.parametrize("target", [0.8, 0.98])
def test_each_attempt_is_what_the_option_says(monkeypatch, target):
    problem, cells = data_set([1, 2], 40)
    sample, asked = Route.sample, []

    def watched(route, cells, problem, settings, attempt, seed):
        of_attempt = [settings[n] for n in ("tune", "draws", "target_accept")]
        asked.append([*of_attempt, attempt.kind])
        return sample(route, cells, problem, settings, attempt, seed)

    monkeypatch.setattr(Route, "sample", watched)
    options = options_of(draws=10, tune=50, escalations=2, target_accept=target)
    draws = nutpie.estimate(cells, problem, options, 5, str)
    assert asked == [
        [50, 10, target, None],
        [100, 10, max(target, 0.97), None],
        [200, 40, 0.99, "warped"],
    ]
    assert draws.intercept.shape == (options["chains"], 10)


def test_nutpie_is_what_the_bridge_expects():
    """The bridge builds nutpie's internal objects: say which of them has changed."""
    from nutpie import _lib
    from nutpie.sample import CompiledModel

    message = (
        "nutpie {} is not what posterior/nuts.py was written for: compare it with "
        "CompiledPyMCModel._make_model in nutpie/compile_pymc.py"
    )
    for name in ("LogpFunc", "ExpandFunc", "PyMcModel", "PyVariable", "PySampler"):
        assert hasattr(_lib, name), message.format(name)
    assert hasattr(_lib.PySampler, "from_pymc"), message.format("PySampler")
    assert hasattr(_lib.PyVariable, "new_variables"), message.format("PyVariable")
    parameters = list(inspect.signature(CompiledModel._make_sampler).parameters)
    assert parameters[0] == "self", message.format("CompiledModel")
    from nutpie.compile_pymc import CompiledPyMCModel

    expected = [
        *("self", "settings", "init_mean", "cores", "progress_type"),
        *("extra_callback", "extra_callback_rate", "store"),
    ]
    found = list(inspect.signature(CompiledPyMCModel._make_sampler).parameters)
    assert found == expected, message.format("_make_sampler")


def test_a_worker_does_not_import_what_it_does_not_use():
    """nutpie imports ArviZ, whose plots and statistics no fit needs."""
    code = (
        "import sys; import summands.estimators.nutpie, summands.posterior.nuts;"
        "print([name for name in ('arviz_plots', 'matplotlib', 'scipy.stats', 'pymc')"
        " if name in sys.modules]);"
        "import arviz; arviz.rcParams; print('arviz_plots' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(nutpie.__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:2] == ["[]", "True"]
