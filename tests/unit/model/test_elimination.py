"""Equations with one level eliminated are the whole equations."""

import numpy as np
import pytest

from summands.model import elimination, estimands, indicators, information
from summands.model.cells import Cells, collapse
from summands.model.elimination import Elimination, NormalEquations
from summands.model.levels import Levels
from summands.model.prediction_errors import Estimated, Known, errors
from summands.model.restricted import Restricted
from summands.model.rows import Rows

SIZES = [[1], [5], [1, 7], [3, 2, 6], [4, 4], [1, 9, 3, 5]]


def cells_of(sizes, count=60, seed=0, unequal=False):
    rng = np.random.default_rng(seed)
    levels = Levels.of(sizes)
    picked = tuple(rng.integers(size, size=count) for size in sizes)
    value = rng.normal(size=count) + sum(
        rng.normal(size=size)[column]
        for size, column in zip(sizes, picked, strict=True)
    )
    cells = collapse(Rows(levels, value, picked))
    if unequal:
        n = rng.integers(1, 1001, len(cells.n))
        cells = Cells(levels, cells.contributors, n, cells.mean, cells.sum_of_squares)
    return cells


@pytest.fixture(params=["dense", "sparse"])
def stored(request, monkeypatch):
    """The block between as a matrix of either kind."""
    if request.param == "sparse":
        monkeypatch.setattr(elimination, "SMALL", 0)
        monkeypatch.setattr(elimination, "DENSE", 2.0)
    # Blocks of a few rows.
    monkeypatch.setattr(elimination, "BLOCK", 20)
    return request.param


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("level", [-1, 0, None])
# Of few cells the block between is made of lists of pairs.
@pytest.mark.parametrize("count", [60, 3])
def test_blocks_are_those_of_the_gram_matrix(stored, sizes, level, count):
    cells = cells_of(sizes, count)
    weight = np.random.default_rng(1).lognormal(size=len(cells.n))
    parts = Elimination(cells.members, sizes, weight, level)
    whole = indicators.gram(cells.members, weight, sum(sizes))
    between = parts.between
    if stored == "sparse" and len(parts.apart) and len(parts.rest):
        assert not isinstance(between, np.ndarray)
        between = between.toarray()
    assert np.sort(np.concatenate([parts.apart, parts.rest])).tolist() == [
        *range(sum(sizes))
    ]
    apart, rest = parts.apart, parts.rest
    assert np.diag(parts.diagonal) == pytest.approx(whole[np.ix_(apart, apart)])
    assert between == pytest.approx(whole[np.ix_(apart, rest)])
    assert parts.within == pytest.approx(whole[np.ix_(rest, rest)])
    vectors = np.random.default_rng(2).normal(size=(sum(sizes), 3))
    assert parts.times(vectors) == pytest.approx(whole @ vectors)
    share = np.random.default_rng(2).normal(size=len(apart))
    assert parts.weighted(share) == pytest.approx(
        between.T @ (share[:, None] * between)
    )
    matrix = np.random.default_rng(3).normal(size=(len(rest), len(rest)))
    expected = np.einsum("ki,ij,kj->k", between, matrix, between)
    assert parts.forms(matrix) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("count", [4, 60])
def test_least_squares_are_those_of_the_generalised_inverse(stored, sizes, count):
    """What is identified is the same; gaps and contributors without rows included."""
    cells = cells_of(sizes, count, unequal=True)
    levels, n = cells.levels, cells.n.astype(float)
    equations = NormalEquations(cells.members, sizes, n, cells.null_space)
    dense = np.linalg.pinv(indicators.gram(cells.members, n, sum(sizes)))
    right = indicators.sums(cells.members, n * cells.mean, sum(sizes))
    fitted = equations.solve(right)[cells.members].sum(axis=1)
    assert fitted == pytest.approx((dense @ right)[cells.members].sum(axis=1))
    averages = levels.level_means(np.eye(sum(sizes)))
    found = estimands.Errors.from_products(
        levels, equations.diagonal(), equations.solve(averages)
    )
    expected = estimands.Errors.of(levels, dense)
    identified = information.identified(cells)
    mu = identified[estimands.index(levels).where("mu")]
    assert found.contrast[mu] == pytest.approx(expected.contrast[mu], abs=1e-12)
    if identified[0]:
        assert found.average == pytest.approx(expected.average)


def test_equations_beyond_the_digits_of_floats_are_refused():
    """Counts that are far apart leave one contrast without information."""
    levels = Levels.of([2, 2])
    picked = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    weight = np.array([1.0, 1e-17, 1e-17, 1.0])
    null = indicators.null_space(picked + levels.offsets, levels.sizes)
    with pytest.raises(np.linalg.LinAlgError):
        NormalEquations(picked + levels.offsets, levels.sizes, weight, null)


@pytest.mark.parametrize("sizes", [[1, 7], [3, 2, 6], [1, 9, 3, 5]])
@pytest.mark.parametrize("zero", [None, 0, 1])
def test_prediction_errors_do_not_mind_how_they_are_stored(stored, sizes, zero):
    """Diagonals are those of all products; no theta is too small for them."""
    cells = cells_of(sizes, 80)
    likelihood = Restricted(cells)
    theta = np.full(len(likelihood.random), 0.6)
    if zero is not None and zero < len(theta):
        theta[zero] = 0.0
    solution = likelihood.solve(theta)
    known = Known(likelihood, theta, solution)
    estimated = Estimated(likelihood, theta, 0.7)
    every = np.eye(1 + len(likelihood.of_level))
    assert known.diagonal() == pytest.approx(np.diag(known.times(every)))
    g3 = estimated.times(every)
    assert g3 == pytest.approx(g3.T, abs=1e-12)
    assert estimated.diagonal() == pytest.approx(np.diag(g3)[1:], rel=1e-8)
    # And those of linear forms are those of the whole matrix.
    whole = known.times(every) + 2.0 * g3
    levels = cells.levels
    spread = np.zeros((levels.contributors, len(every)))
    spread[:, 0] = 1.0 / levels.count
    places = np.flatnonzero(likelihood.chosen)
    spread[places, 1 + np.arange(len(places))] = 1.0
    expected = estimands.Errors.of(levels, spread @ whole @ spread.T)
    found = errors(levels, known, estimated)
    assert found.contrast == pytest.approx(expected.contrast, abs=1e-12)
    assert found.average == pytest.approx(expected.average)


def test_many_contributors_need_no_matrix_of_all():
    """A matrix of all pairs would have 3.6 billion entries."""
    levels = Levels.of([1, 60_000, 30])
    rng = np.random.default_rng(0)
    zero, many, few = (rng.integers(size, size=200_000) for size in levels.sizes)
    many[:60_000] = np.arange(60_000)
    cells = collapse(Rows(levels, rng.normal(size=200_000), (zero, many, few)))
    assert cells.null_space.shape == (60_031, 2)
    names = estimands.index(levels)
    identified = information.identified(cells)
    assert identified[~names.where("sigma")].all()
    assert not identified[names.where("sigma")].any()


def test_sets_of_too_many_classes_are_not_given():
    """Groups that share no contributor: each can move on its own."""
    groups = information.CLASSES
    for count, given_ in ((groups // 4, True), (groups, False)):
        levels = Levels.of([1, count, 2 * count])
        inner = np.arange(2 * count)
        picked = np.stack([np.zeros_like(inner), inner // 2, inner], axis=1)
        cells = Cells(
            levels,
            picked,
            np.full(len(picked), 2),
            np.zeros(len(picked)),
            np.ones(len(picked)),
        )
        variance = np.random.default_rng(0).lognormal(size=levels.contributors)
        lower, upper = information.sigma_set(
            cells, levels.centre(variance), float(levels.level_means(variance).sum())
        )
        assert np.isfinite(lower).all() == given_
        if given_:
            assert (lower <= upper).all()
