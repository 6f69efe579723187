"""Fisher information, the Cramér-Rao bound, identification, and identified sets."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from summands.data import generator
from summands.data.design import Design
from summands.estimators import least_squares
from summands.model import estimands, information
from summands.model.cells import Cells, collapse
from summands.model.levels import Levels


def cells_of(levels: Levels, members: np.ndarray, n=None) -> Cells:
    """Cells of these contributors (indices within their levels), without values."""
    count = len(members)
    return Cells(
        levels,
        np.asarray(members, dtype=np.int64),
        np.full(count, 2) if n is None else np.asarray(n),
        np.zeros(count),
        np.ones(count),
    )


def crossed(levels: Levels) -> np.ndarray:
    """All combinations of contributors."""
    grid = np.meshgrid(*map(np.arange, levels.sizes))
    return np.stack([axis.ravel() for axis in grid], axis=1)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_crossed_levels_identify_all_but_single_sigmas(sizes):
    levels = Levels.of(sizes)
    identified = information.identified(cells_of(levels, crossed(levels)))
    names = estimands.index(levels)
    assert identified[~names.where("sigma")].all()
    assert (identified[names.where("sigma")] == (levels.count == 1)).all()


@given(
    st.lists(st.integers(1, 3), min_size=2, max_size=3),
    st.integers(0, 2**32 - 1),
    st.integers(1, 6),
)
def test_identified_means_no_change_of_the_cells_can_hide_it(sizes, seed, kept):
    """Brute force: estimable if and only if adding its row does not raise the rank."""
    levels = Levels.of(sizes)
    members = crossed(levels)
    members = members[np.random.default_rng(seed).permutation(len(members))[:kept]]
    cells = cells_of(levels, members)
    z = cells.indicators
    rank = np.linalg.matrix_rank(z)
    expected = [
        np.linalg.matrix_rank(np.vstack([z, row])) == rank
        for row in estimands.of_contributors(levels, np.eye(levels.contributors)).T
    ]
    assert information.identified(cells).tolist() == expected


def test_gaps_are_named():
    levels = Levels.of([1, 2, 3])
    everything = cells_of(levels, crossed(levels))
    assert information.unidentified_means(everything) == ""
    without = [row for row in crossed(levels) if row[2] != 1]
    assert information.unidentified_means(cells_of(levels, without)) == "no rows of 2/1"
    # 1/0 meets only 2/0, and 1/1 the others: which level makes the difference?
    apart = [[0, 0, 0], [0, 1, 1], [0, 1, 2]]
    text = information.unidentified_means(cells_of(levels, apart))
    assert "too few rows in which 1/0, 1/1, 2/0, 2/1, 2/2 meet others" in text
    both = information.unidentified_means(cells_of(levels, apart[:2]))
    assert both.startswith(
        "no rows of 2/2 and too few rows in which 1/0, 1/1, 2/0, 2/1"
    )
    names = estimands.index(levels)
    identified = information.identified(cells_of(levels, apart))
    assert not identified[names.where("mu")][1:].any()


@pytest.mark.parametrize("size", [7, 8, 9, 12])
def test_eight_contributors_are_named_and_the_others_counted(size):
    levels = Levels.of([1, size + 1])
    text = information.unidentified_means(cells_of(levels, [[0, size]]))
    named = ", ".join(f"1/{k}" for k in range(min(size, 8)))
    others = f" and {size - 8} more" if size > 8 else ""
    assert text == f"no rows of {named}{others}"


def information_by_rows(cells: Cells, variance: np.ndarray) -> np.ndarray:
    """Fisher information by simulation: the covariance of the scores of rows."""
    rng = np.random.default_rng(0)
    k = cells.levels.contributors
    total = np.zeros((2 * k, 2 * k))
    v = variance[cells.members].sum(axis=1)
    for member, count, spread in zip(cells.members, cells.n, v, strict=True):
        error = rng.normal(0, np.sqrt(spread), 100_000)
        score = np.zeros((2 * k, len(error)))
        score[member] = error / spread
        score[k + member] = 0.5 * (error**2 / spread - 1.0) / spread
        total += count * np.cov(score)
    return total


def test_information_is_the_covariance_of_the_score():
    levels = Levels.of([1, 2, 2])
    cells = cells_of(levels, crossed(levels), [3, 5, 2, 7])
    variance = np.array([0.5, 1.0, 2.0, 0.2, 3.0])
    v = variance[cells.members].sum(axis=1)
    k = levels.contributors
    found = np.zeros((2 * k, 2 * k))
    found[:k, :k] = information.of_means(cells, v)
    found[k:, k:] = information.of_variances(cells, v)
    assert found == pytest.approx(
        information_by_rows(cells, variance), rel=0.03, abs=0.1
    )


def test_the_bound_of_one_level_is_the_textbook_one():
    """One contributor: sd/sqrt(n) for the mean, s sqrt(2/n) for the variance."""
    levels = Levels.of([1])
    cells = cells_of(levels, [[0]], [50])
    found = information.standard_errors(cells, np.array([4.0]))
    names = estimands.index(levels)
    assert found[0] == pytest.approx(2.0 / np.sqrt(50))
    assert found[names.where("total_variance")] == pytest.approx(4.0 * np.sqrt(2 / 50))
    assert found[names.where("sigma")] == pytest.approx(2.0 / np.sqrt(2 * 50))
    assert (found[names.where("mu")] == 0).all()


def exact_errors(cells: Cells, variance: np.ndarray) -> np.ndarray:
    """The bound in rational numbers, for levels that all meet; sigma left out.

    Means and variances of all but the first contributors of later levels are enough
    to write every cell: their information is regular and inverted by elimination.
    """
    levels = cells.levels
    kept = [k for k in range(levels.contributors) if k not in levels.offsets[1:]]
    v = [sum(Fraction(float(variance[k])) for k in row) for row in cells.members]
    result = np.full(3 * levels.contributors + 2, np.nan)
    weights = estimands.of_contributors(levels, np.eye(levels.contributors)).T
    names = estimands.index(levels)
    of_mean = names.where("intercept") | names.where("mu")
    for chosen, weight in (
        (of_mean, [int(n) / x for n, x in zip(cells.n, v, strict=True)]),
        (
            ~of_mean & ~names.where("sigma"),
            [Fraction(int(n), 2) / x**2 for n, x in zip(cells.n, v, strict=True)],
        ),
    ):
        size = len(kept)
        table = [
            [
                sum(
                    w
                    for w, row in zip(weight, cells.members, strict=True)
                    if a in row and b in row
                )
                for b in kept
            ]
            + [Fraction(int(place == column)) for column in range(size)]
            for place, a in enumerate(kept)
        ]
        for pivot in range(size):
            best = max(range(pivot, size), key=lambda row: abs(table[row][pivot]))
            table[pivot], table[best] = table[best], table[pivot]
            table[pivot] = [x / table[pivot][pivot] for x in table[pivot]]
            for row in range(size):
                if row != pivot:
                    factor = table[row][pivot]
                    table[row] = [
                        x - factor * y
                        for x, y in zip(table[row], table[pivot], strict=True)
                    ]
        covariance = [row[size:] for row in table]
        for place in np.flatnonzero(chosen):
            a = [
                Fraction(float(x)).limit_denominator(1000) for x in weights[place][kept]
            ]
            total = sum(
                a[i] * covariance[i][j] * a[j] for i in range(size) for j in range(size)
            )
            result[place] = np.sqrt(float(total))
    return result


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=3),
    st.integers(0, 10**6),
    st.sampled_from([1.0, 3.0, 8.0]),
)
def test_the_bound_is_exact_or_not_given_however_far_variances_are_apart(
    sizes, seed, log_sigma_sd
):
    levels = Levels.of(sizes)
    rng = np.random.default_rng(seed)
    members = crossed(levels)
    cells = cells_of(levels, members, rng.integers(1, 1000, len(members)))
    variance = rng.lognormal(0, 2.0 * log_sigma_sd, levels.contributors)
    found = information.standard_errors(cells, variance)
    given_ = ~np.isnan(found) & ~estimands.index(levels).where("sigma")
    assert found[given_] == pytest.approx(
        exact_errors(cells, variance)[given_], rel=1e-3
    )
    if log_sigma_sd == 1.0:
        assert given_.sum() == 2 + 2 * levels.contributors


@pytest.mark.parametrize("unit", [1e-12, 1e-6, 1.0, 1e6, 1e12])
def test_the_bound_has_the_unit_of_the_values(unit):
    levels = Levels.of([1, 2, 3])
    cells = cells_of(levels, crossed(levels), [3, 5, 2, 7, 1, 400])
    variance = np.array([0.5, 1.0, 2.0, 0.2, 3.0, 1e-3])
    names = estimands.index(levels)
    squared = names.where("variance_contrast") | names.where("total_variance")
    assert information.standard_errors(cells, variance * unit**2) == pytest.approx(
        information.standard_errors(cells, variance) * unit ** np.where(squared, 2, 1),
        rel=1e-9,
        nan_ok=True,
    )


def test_a_bound_beyond_the_digits_of_floats_is_not_given():
    """sigma of 1e-12 to 1e12, a hundred contributors, and one that is noiseless."""
    levels = Levels.of([1, 100])
    cells = cells_of(levels, crossed(levels), np.ones(100, dtype=int))
    for variance in (
        np.append(1e-24, np.logspace(-24, 24, 100)),
        np.append(0.0, np.logspace(-24, 24, 100)),
        np.append(0.0, np.append(0.0, np.ones(99))),
    ):
        found = information.standard_errors(cells, variance)
        assert found.shape == (3 * 101 + 2,)
        known = found[~np.isnan(found)]
        assert np.isfinite(known).all()


def test_there_is_no_bound_where_a_cell_has_no_variance():
    levels = Levels.of([2, 2])
    cells = cells_of(levels, crossed(levels))
    some = information.standard_errors(cells, np.array([0.0, 1.0, 1.0, 1.0]))
    assert np.isfinite(some).any()
    for variance in ([0.0, 1.0, 0.0, 1.0], [0.0] * 4):
        assert np.isnan(information.standard_errors(cells, np.array(variance))).all()


def test_two_groups_are_the_textbook_ones():
    """Levels [1, 2]: mu is half the difference of two independent groups."""
    levels = Levels.of([1, 2])
    cells = cells_of(levels, [[0, 0], [0, 1]], [30, 70])
    found = information.standard_errors(cells, np.array([1.0, 0.5, 2.0]))
    names = estimands.index(levels)
    v, n = np.array([1.5, 3.0]), np.array([30, 70])
    half = 0.5 * np.sqrt((v / n).sum())
    assert found[names.where("mu")] == pytest.approx([0.0, half, half])
    assert found[0] == pytest.approx(half)
    of_variance = 0.5 * np.sqrt((2 * v**2 / n).sum())
    contrast = names.where("variance_contrast")
    assert found[contrast] == pytest.approx([0.0, of_variance, of_variance])
    assert found[-1] == pytest.approx(of_variance)
    assert np.isnan(found[names.where("sigma")]).all()


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.integers(0, 10**6),
    st.integers(2, 12),
)
def test_identified_sets_are_the_solutions_of_linear_programs(sizes, seed, kept):
    """Brute force: least and greatest s with the same cell variances and no s < 0."""
    levels = Levels.of(sizes)
    rng = np.random.default_rng(seed)
    members = crossed(levels)
    cells = cells_of(levels, members[rng.permutation(len(members))[:kept]])
    variance = rng.lognormal(0, 1, levels.contributors)
    lower, upper = information.sigma_set(
        cells,
        levels.centre(variance),
        float(levels.level_means(variance).sum()),
    )
    z = cells.indicators
    if information.identified(cells)[~estimands.index(levels).where("sigma")].all():
        same = z @ variance
        for k in range(levels.contributors):
            unit = np.eye(levels.contributors)[k]
            ends = [
                scipy.optimize.linprog(sign * unit, A_eq=z, b_eq=same, bounds=(0, None))
                for sign in (1, -1)
            ]
            assert lower[k] ** 2 == pytest.approx(ends[0].fun, abs=1e-7)
            assert upper[k] ** 2 == pytest.approx(-ends[1].fun, abs=1e-7)
    single = information.identified(cells)[estimands.index(levels).where("sigma")]
    assert upper[single] == pytest.approx(lower[single])


def test_a_contributor_without_rows_may_have_any_variance():
    levels = Levels.of([1, 3])
    cells = cells_of(levels, [[0, 0], [0, 1]])
    variance = np.array([1.0, 2.0, 3.0, 4.0])
    lower, upper = information.sigma_set(
        cells, levels.centre(variance), float(levels.level_means(variance).sum())
    )
    assert lower[3] == pytest.approx(0.0)
    assert upper[3] == np.inf
    assert upper[1] ** 2 == pytest.approx(3.0)  # all that 0/0 and 1/0 have together


def test_sets_hold_the_truth_as_rows_grow():
    """The ends of the set are limits of estimates: those of many rows are near."""
    design = Design(Levels.of([2, 3]), 200_000, truth="fixed")
    truth = generator.draw_truth(design, 3, 0)
    cells = collapse(generator.draw_rows(design, truth, 3, 0))
    variance = truth.sigma**2
    levels = design.levels
    exact = information.sigma_set(
        cells, levels.centre(variance), float(levels.level_means(variance).sum())
    )
    point = least_squares.estimate(cells, design.problem(), {}, 0, print)
    names = estimands.index(levels)
    found = information.sigma_set(
        cells,
        point.estimate[names.where("variance_contrast")],
        float(point.estimate[-1]),
    )
    assert (exact[0] <= truth.sigma).all()
    assert (truth.sigma <= exact[1]).all()
    assert np.stack(found) ** 2 == pytest.approx(np.stack(exact) ** 2, abs=0.05)


def test_estimates_that_contradict_each_other_have_no_set():
    """Contrasts of -2 and 2 with a total of 1 would need a negative variance."""
    levels = Levels.of([1, 2])
    cells = cells_of(levels, crossed(levels))
    for ends in information.sigma_set(cells, np.array([0.0, -2.0, 2.0]), 1.0):
        assert np.isnan(ends).all()
    lower, upper = information.sigma_set(cells, np.array([0.0, -1.0, 1.0]), 1.0)
    assert (lower == upper).all()  # no floor is left to share
