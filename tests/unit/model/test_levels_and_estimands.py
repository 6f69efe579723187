import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summands.data import generator
from summands.data.design import Design
from summands.estimation import fitting, tables
from summands.estimators import least_squares, nutpie
from summands.model import estimands, information
from summands.model.cells import collapse
from summands.model.data_set import DataSet
from summands.model.levels import Levels
from summands.model.problem import Problem

sizes = st.lists(st.integers(1, 6), min_size=1, max_size=5)


@given(sizes, st.integers(0, 2**32 - 1))
def test_centring_gives_zero_sums_and_keeps_differences(sizes, seed):
    levels = Levels.of(sizes)
    values = np.random.default_rng(seed).normal(size=(3, levels.contributors))
    centred = levels.centre(values)
    for level in range(levels.count):
        of_level = levels.level == level
        assert np.allclose(centred[:, of_level].sum(axis=1), 0, atol=1e-12)
        assert np.allclose(
            np.diff(centred[:, of_level]), np.diff(values[:, of_level]), atol=1e-12
        )
    assert np.allclose(levels.centre(centred), centred, atol=1e-12)


@given(sizes, st.integers(0, 2**32 - 1))
def test_estimands_are_their_definitions(sizes, seed):
    levels = Levels.of(sizes)
    rng = np.random.default_rng(seed)
    mu = levels.centre(rng.normal(size=levels.contributors))
    sigma = rng.lognormal(size=levels.contributors)
    values = estimands.evaluate(levels, 0.7, mu, sigma)
    names = estimands.index(levels)
    assert len(values) == len(names.parameter) == 3 * levels.contributors + 2
    found = {
        (parameter, level, contributor): value
        for parameter, level, contributor, value in zip(
            names.parameter, names.level, names.contributor, values, strict=True
        )
    }
    assert found["intercept", -1, -1] == 0.7
    total = 0.0
    start = 0
    for level, size in enumerate(sizes):
        variances = sigma[start : start + size] ** 2
        total += variances.mean()
        for k in range(size):
            assert found["mu", level, k] == mu[start + k]
            assert found["sigma", level, k] == sigma[start + k]
            assert found["variance_contrast", level, k] == pytest.approx(
                variances[k] - variances.mean(), abs=1e-9
            )
        start += size
    assert found["total_variance", -1, -1] == pytest.approx(total)


@given(sizes, st.integers(0, 2**32 - 1))
def test_contrasts_are_centred_values(sizes, seed):
    levels = Levels.of(sizes)
    values = np.random.default_rng(seed).normal(3.0, 1.0, size=levels.contributors)
    found = levels.contrasts(values)
    assert found == pytest.approx(levels.centre(values), abs=1e-12)
    alone = (np.asarray(sizes) == 1)[levels.level]
    assert not found[alone].any()


@given(
    st.lists(st.integers(-3, 3), min_size=2, max_size=40),
    st.sampled_from([1e-6, 0.1, 0.3, 7.0]),
    st.sampled_from([0.0, 0.1, -1e3, 1e6]),
    st.booleans(),
)
def test_contrasts_that_are_zero_are_exactly_zero(steps, unit, added, of_squares):
    """In fractions of the unit they are; whatever is added to all."""
    count = len(steps)
    values = np.array(steps) * unit + added
    if of_squares:
        values = np.sqrt(values + 4 * unit + abs(added)) ** 2
    levels = Levels.of([1, count])
    found = levels.contrasts(np.append(5.0, values))[1:]
    expected = np.array(steps) * count - sum(steps)
    # What can be told apart at all, far from zero.
    told = np.abs(expected) * unit / count > 1e-8 * unit + 1e-15 * abs(added)
    assert (found[expected == 0] == 0).all()
    assert (np.sign(found[told]) == np.sign(expected[told])).all()


def test_the_spread_of_the_prior_is_that_of_its_draws():
    levels = Levels.of([1, 2, 4])
    rng = np.random.default_rng(1)
    size, k = 400_000, levels.contributors
    values = estimands.evaluate(
        levels,
        rng.normal(0, 2.0, size),
        levels.centre(rng.normal(0, 0.7, (size, k))),
        rng.lognormal(-0.2, 0.3, (size, k)),
    )
    found = estimands.prior_spread(Problem(levels, 0.7, 0.0, 0.3, 2.0))
    names = estimands.index(levels)
    linear = names.where("intercept") | names.where("mu")
    assert found[linear] == pytest.approx(
        values[:, linear].std(axis=0), rel=0.02, abs=1e-9
    )
    positive = names.where("sigma") | names.where("total_variance")
    lower, upper = np.quantile(np.log(values[:, positive]), [0.025, 0.975], axis=0)
    assert found[positive] == pytest.approx(upper - lower, rel=0.02)
    assert np.isnan(found[names.where("variance_contrast")]).all()
    # One variance alone is log-normal.
    alone = estimands.prior_spread(Problem(Levels.of([1]), 1.0, 0.0, 0.3, 1.0))
    assert alone[-1] == pytest.approx(2 * 3.92 * 0.3, rel=0.02)


def test_only_contributors_alone_in_their_level_are_constant():
    levels = Levels.of([1, 2])
    names = estimands.index(levels)
    constant = [
        (str(parameter), int(level))
        for parameter, level, fixed in zip(
            names.parameter, names.level, estimands.constant(levels), strict=True
        )
        if fixed
    ]
    assert constant == [("mu", 0), ("variance_contrast", 0)]


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4).map(Levels.of),
    st.integers(0, 1000),
)
def test_every_block_is_its_linear_form(levels, seed):
    """Two routes to one number: from coefficients, and from contributors' moments."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=levels.contributors)
    sigma = rng.lognormal(size=levels.contributors)
    intercept = float(levels.level_means(means).sum())
    values = estimands.evaluate(levels, intercept, levels.centre(means), sigma)
    names = estimands.index(levels)
    weights = estimands.of_contributors(levels, np.eye(levels.contributors)).T
    for block in estimands.BLOCKS:
        mine = names.where(block.name)
        assert mine.sum() == block.size(levels)
        moments = {"means": means, "variances": sigma**2}[block.linear_in]
        found = values[mine] ** 2 if block.root else values[mine]
        assert found == pytest.approx(weights[mine] @ moments, abs=1e-9)
        if block.zero_sum:
            assert levels.level_means(values[mine]) == pytest.approx(0.0, abs=1e-9)
        if block.positive:
            assert (values[mine] > 0).all()
    linear, _ = estimands.linear(levels, means, None, sigma**2, None)
    assert linear == pytest.approx(values, abs=1e-9)


def test_positive_are_the_quantities_that_are_so_whatever_the_coefficients():
    levels = Levels.of([2, 3])
    rng = np.random.default_rng(0)
    mu = levels.centre(rng.normal(size=(50, 5)))
    values = estimands.evaluate(
        levels, rng.normal(size=50), mu, rng.lognormal(size=(50, 5))
    )
    for block in estimands.BLOCKS:
        mine = values[:, estimands.index(levels).where(block.name)]
        assert block.positive == bool((mine > 0).all())


def test_a_new_quantity_is_a_new_block_and_nothing_else(monkeypatch):
    """It reaches index, units, priors, bounds, fits and tables from the one list."""
    block = estimands.Block(
        name="mean_variance",
        meaning="mean of sigma² over all contributors",
        symbol="mean variance",
        of="all",
        evaluate=lambda given: (given.sigma**2).mean(axis=-1, keepdims=True),
        linear_in="variances",
        linear=lambda levels, values: values.mean(axis=-1, keepdims=True),
        error=lambda errors: np.array([errors.average]),
        prior_spread=lambda problem: np.array([np.nan]),
        power=2,
        positive=True,
        identified="where there is but one level",
    )
    monkeypatch.setattr(estimands, "BLOCKS", (*estimands.BLOCKS, block))
    monkeypatch.setattr(estimands, "PARAMETERS", (*estimands.PARAMETERS, block.name))
    levels = Levels.of([4])
    design = Design(levels, 400)
    truth = generator.draw_truth(design, 1, 0)
    cells = collapse(generator.draw_rows(design, truth, 1, 0))
    bound = information.standard_errors(cells, truth.sigma**2)
    assert len(bound) == len(estimands.prior_spread(design.problem())) == 15
    fits = [
        fitting.fit(module.estimate, DataSet(cells), design.problem(), options, 0)
        for module, options in (
            (least_squares, {}),
            (nutpie, {key: rule["default"] for key, rule in nutpie.OPTIONS.items()}),
        )
    ]
    for fit in fits:
        assert fit.error is None
        table = tables.estimates("d", "e", levels, [0], [fit]).to_pandas()
        (row,) = table[table["parameter"] == "mean_variance"].to_dict("records")
        of_sigma = table[table["parameter"] == "sigma"]
        assert row["identified"]
        assert row["estimate"] == pytest.approx(
            (of_sigma["estimate"] ** 2).mean(), rel=0.05
        )
        assert 0.3 * bound[-1] < row["sd"] < 3 * bound[-1]
    assert fits[1].rhat[-1] < 1.01


@pytest.mark.parametrize("sizes", [[1], [3], [1, 2], [2, 3, 4]])
def test_a_zero_sum_takes_one_free_mean_from_each_level(sizes):
    levels = Levels.of(sizes)
    k = levels.contributors
    means = np.linalg.matrix_rank(levels.centre(np.eye(k)))
    assert levels.parameters == 1 + means + k


def test_levels_and_contributors_are_called_by_number_unless_they_are_named():
    assert Levels.of([1, 2]).titles == ("0/0", "1/0", "1/1")
    assert not Levels.of([1, 2]).named
    named = Levels((1, 2), ("base", "Werkzeug 1"), (("all",), ("Ä", "b'c")))
    assert named.named
    assert named.titles == ("base/all", "Werkzeug 1/Ä", "Werkzeug 1/b'c")
    names = estimands.index(named)
    mu = names.where("mu")
    assert names.level_name[mu].tolist() == ["base", "Werkzeug 1", "Werkzeug 1"]
    assert names.label[mu].tolist() == ["all", "Ä", "b'c"]
    assert names.label[0] is names.level_name[-1] is None


@pytest.mark.parametrize(
    ("names", "labels", "reason"),
    [
        (("a",), (), "1 names for 2 levels"),
        (("a", "a"), (), "level 'a' is given twice"),
        ((), (("x",), ("y",)), r"\[1, 1\] labels for \[1, 2\] contributors"),
        ((), (("x",), ("y", "y")), "two contributors would be called '1/y'"),
        (
            ("a", "a/b"),
            (("b/c",), ("c", "d")),
            "two contributors would be called 'a/b/c'",
        ),
    ],
)
def test_names_that_cannot_be_told_apart_are_refused(names, labels, reason):
    with pytest.raises(ValueError, match=reason):
        Levels((1, 2), names, labels)
