import dataclasses
import hashlib
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from summands.data import data_sets, generator
from summands.data.design import Design
from summands.data.generator import Truth
from summands.model import cells as cells_module
from summands.model import estimands
from summands.model.cells import Cells, collapse, collapse_blocks
from summands.model.distributions import HalfNormal, LogNormal
from summands.model.levels import Levels
from summands.model.problem import PRIORS
from summands.model.rows import Rows


def some_rows(sizes, rows, seed, shift=0.0, scale=1.0) -> Rows:
    rng = np.random.default_rng(seed)
    return Rows(
        Levels.of(sizes),
        shift + scale * rng.normal(size=rows),
        tuple(rng.integers(size, size=rows) for size in sizes),
    )


some_data = st.builds(
    some_rows,
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.integers(1, 200),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, -3.0, 1e6]),
    st.sampled_from([1.0, 1e-3, 1e6]),
)


def cell_log_likelihood(cells: Cells, mean, variance) -> float:
    residual = cells.sum_of_squares + cells.n * (cells.mean - mean) ** 2
    return -0.5 * float(
        (cells.n * np.log(2 * np.pi * variance) + residual / variance).sum()
    )


@given(some_data, st.integers(0, 2**32 - 1))
def test_cells_keep_the_likelihood_of_the_rows(rows, seed):
    rng = np.random.default_rng(seed)
    k = rows.levels.contributors
    scale = np.std(rows.value) + 1e-6
    mu = rng.normal(size=k) * scale + np.mean(rows.value) / rows.levels.count
    variance = rng.lognormal(size=k) * scale**2
    picked = np.stack(rows.contributors, axis=1) + rows.levels.offsets
    by_rows = stats.norm.logpdf(
        rows.value, mu[picked].sum(axis=1), np.sqrt(variance[picked].sum(axis=1))
    ).sum()
    cells = collapse(rows)
    by_cells = cell_log_likelihood(
        cells, mu[cells.members].sum(axis=1), variance[cells.members].sum(axis=1)
    )
    # What rounding a value far from zero costs, in standard deviations, row by row.
    rounding = np.finfo(float).eps * np.abs(rows.value).max() / scale
    tolerance = 1e-6 + 20 * len(rows.value) * rounding
    assert by_cells == pytest.approx(by_rows, rel=1e-9, abs=tolerance)
    constant = -0.5 * len(rows.value) * np.log(2 * np.pi)
    assert cells.log_likelihood(0.0, mu, variance) + constant == pytest.approx(
        by_cells, rel=1e-9, abs=tolerance
    )
    # The intercept is what all means have in common.
    level = rows.levels.level == 0
    assert cells.log_likelihood(0.5, mu - 0.5 * level, variance) == pytest.approx(
        cells.log_likelihood(0.0, mu, variance), rel=1e-9, abs=tolerance
    )


@given(some_data)
def test_cells_are_the_moments_of_their_rows(rows):
    cells = collapse(rows)
    assert cells.n.sum() == len(rows.value)
    assert (np.diff(np.lexsort(cells.contributors.T[::-1])) == 1).all()
    assert len(np.unique(cells.contributors, axis=0)) == len(cells.n)
    picked = np.stack(rows.contributors, axis=1)
    for number, combination in enumerate(cells.contributors):
        values = rows.value[(picked == combination).all(axis=1)]
        spread = np.abs(values).max()
        assert cells.n[number] == len(values)
        assert cells.mean[number] == pytest.approx(values.mean(), rel=1e-12)
        assert cells.sum_of_squares[number] == pytest.approx(
            ((values - values.mean()) ** 2).sum(), rel=1e-9, abs=1e-15 * spread**2
        )


def exact_moments(values):
    values = [Fraction(value) for value in values.tolist()]
    mean = sum(values) / len(values)
    return float(mean), float(sum((value - mean) ** 2 for value in values))


@pytest.mark.parametrize("blocks", [1, 3, 200])
def test_moments_far_from_zero_keep_their_digits(blocks):
    """Where the mean's rounding is a good part of the standard deviation."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        value = 1e9 + rng.integers(3, size=600) * 2.0**-22
        rows = Rows(Levels.of([1]), value, (np.zeros(600, dtype=np.int64),))
        parts = [
            Rows(rows.levels, part, (np.zeros(len(part), dtype=np.int64),))
            for part in np.array_split(value, blocks)
        ]
        cells = collapse_blocks(parts)
        mean, sum_of_squares = exact_moments(value)
        assert cells.mean == pytest.approx(mean, rel=2e-16)
        # Means of parts, to a half of their last digit, are all that merging knows.
        tolerance = 1e-12 if blocks == 1 else 0.2
        assert cells.sum_of_squares == pytest.approx(sum_of_squares, rel=tolerance)


@given(st.floats(-1e12, 1e12), st.integers(1, 60))
def test_equal_values_have_no_negative_spread(value, count):
    rows = Rows(
        Levels.of([1]), np.full(count, value), (np.zeros(count, dtype=np.int64),)
    )
    cells = collapse(rows)
    assert 0 <= cells.sum_of_squares[0] <= count * (4e-16 * value) ** 2


@given(some_data, st.integers(0, 2**32 - 1))
def test_cells_do_not_depend_on_the_order_of_rows(rows, seed):
    order = np.random.default_rng(seed).permutation(len(rows.value))
    shuffled = Rows(
        rows.levels,
        rows.value[order],
        tuple(column[order] for column in rows.contributors),
    )
    one, other = collapse(rows), collapse(shuffled)
    assert (one.contributors == other.contributors).all()
    assert (one.n == other.n).all()
    assert np.allclose(one.mean, other.mean, rtol=1e-12)


def test_cells_of_many_levels_do_not_overflow():
    rows = some_rows([50] * 20, 300, 0)
    cells = collapse(rows)
    assert len(cells.n) == 300
    assert (np.sort(cells.mean) == np.sort(rows.value)).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["drawn", "fixed"]))
def test_truth_is_centred_and_fixed_only_when_asked(seed, truth):
    design = Design(
        Levels.of([1, 3, 5]), 100, truth=truth, mu_mean=4.0, intercept_sd=0.0
    )
    first, second = (generator.draw_truth(design, seed, number) for number in (0, 1))
    assert np.allclose(design.levels.level_means(first.mu), 0, atol=1e-12)
    assert first.intercept == 0
    assert (first.sigma > 0).all()
    assert (first.mu == second.mu).all() == (truth == "fixed")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 50), st.floats(1e-3, 1e3))
def test_designs_share_their_truths(seed, number, spread):
    """Only what coefficients are drawn from, and their number, make them differ."""
    design = Design(Levels.of([1, 3, 5]), 100, mu_sd=2.0)
    truth = generator.draw_truth(design, seed, number)
    fixed = dataclasses.replace(design, truth="fixed", truth_number=number)
    for other in (
        dataclasses.replace(design, rows=5000),
        fixed,
        dataclasses.replace(fixed, rows=77),
    ):
        same = generator.draw_truth(other, seed, number)
        assert same.intercept == truth.intercept
        assert (same.mu == truth.mu).all()
        assert (same.sigma == truth.sigma).all()
    wide = generator.draw_truth(
        dataclasses.replace(design, intercept_sd=spread), seed, number
    )
    assert (wide.mu == truth.mu).all()
    assert wide.intercept / spread == pytest.approx(truth.intercept / 5.0)
    for change in (
        {"mu_mean": 0.5},
        {"mu_sd": 1.0},
        {"log_sigma_mean": 1.0},
        {"log_sigma_sd": 2.0},
        {"levels": Levels.of([1, 5, 3])},
    ):
        moved = generator.draw_truth(
            dataclasses.replace(design, **change), seed, number
        )
        assert moved.intercept != truth.intercept
    next_one = generator.draw_truth(
        dataclasses.replace(fixed, truth_number=number + 1), seed, 0
    )
    assert next_one.intercept != truth.intercept
    assert (
        next_one.intercept == generator.draw_truth(design, seed, number + 1).intercept
    )


def test_designs_of_the_same_truth_have_rows_of_their_own():
    drawn = Design(Levels.of([1, 3]), 100)
    designs = [
        drawn,
        dataclasses.replace(drawn, truth="fixed"),
        dataclasses.replace(drawn, truth="fixed", truth_number=1),
        dataclasses.replace(drawn, intercept_sd=1.0),
    ]
    truth = generator.draw_truth(drawn, 1, 0)
    first = {generator.draw_rows(design, truth, 1, 0).value[0] for design in designs}
    assert len(first) == len(designs)


def test_given_means_are_centred_into_the_intercept():
    given_ = (((0.0, 5.0),), ((0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (4.0, 2.0)))
    design = Design(
        Levels.of([1, 4]), 10, truth="fixed", coefficients=given_, name="cc_02"
    )
    truth = generator.draw_truth(design, 1, 7)
    assert truth.intercept == 1.0
    assert truth.mu.tolist() == [0.0, -1.0, -1.0, -1.0, 3.0]
    assert truth.sigma.tolist() == [5.0, 1.0, 1.0, 1.0, 2.0]


def test_truths_that_are_equal_differ_by_nothing():
    """However they are given, or drawn from a prior without a spread."""
    means = (0.1, 0.2, 0.3)
    given_ = (((0.0, 1.0),), tuple((mean + 1e6, 0.3) for mean in means))
    levels = Levels.of([1, 3])
    given_truth = Design(levels, 10, truth="fixed", coefficients=given_, name="d")
    equal = Design(levels, 10, mu_mean=0.1, mu_sd=0.0, log_sigma_sd=0.0)
    names = estimands.index(levels)
    contrasts = names.where("variance_contrast")
    for design in (given_truth, equal):
        truth = generator.draw_truth(design, 1, 0)
        bound = np.ones(len(names.parameter))
        table = data_sets.truth_table(levels, truth, bound, "d", 0)
        values = table["truth"].to_numpy()
        assert (values[names.where("mu")] == truth.mu).all()
        assert not values[contrasts].any()
        assert truth.mu[2] == 0
        assert (truth.mu[1] == 0) == (design is equal)


def test_drawn_scales_are_those_of_the_design():
    design = Design(
        Levels.of([1, 2000]), 1, mu_sd=3.0, log_sigma_mean=-1.0, log_sigma_sd=0.5
    )
    truth = generator.draw_truth(design, 3, 0)
    assert stats.kstest(truth.mu[1:] / 3.0, "norm").pvalue > 1e-4
    assert stats.kstest((np.log(truth.sigma) + 1.0) / 0.5, "norm").pvalue > 1e-4


def test_rows_are_sums_of_what_contributors_add():
    """Each cell's values are normal with the summed mean and variance."""
    design = Design(Levels.of([2, 3]), 200_000)
    truth = generator.draw_truth(design, 5, 0)
    rows = generator.draw_rows(design, truth, 5, 0)
    cells = collapse(rows)
    assert len(cells.n) == 6
    assert stats.chisquare(cells.n).pvalue > 1e-4
    mean = truth.intercept + truth.mu[cells.members].sum(axis=1)
    variance = (truth.sigma[cells.members] ** 2).sum(axis=1)
    z = (cells.mean - mean) / np.sqrt(variance / cells.n)
    assert np.abs(z).max() < 4.5
    chi = cells.sum_of_squares / variance
    assert stats.chi2.cdf(chi, cells.n - 1) == pytest.approx(0.5, abs=0.4999)
    standard = (rows.value - truth.intercept) / 1.0
    picked = np.stack(rows.contributors, axis=1) + rows.levels.offsets
    standard -= truth.mu[picked].sum(axis=1)
    standard /= np.sqrt((truth.sigma[picked] ** 2).sum(axis=1))
    assert stats.kstest(standard, "norm").pvalue > 1e-4


def test_blocks_follow_each_other_into_the_same_rows():
    design = Design(Levels.of([1, 3]), 2 * generator.BLOCK + 17)
    truth = generator.draw_truth(design, 1, 0)
    blocks = list(generator.draw_blocks(design, truth, 1, 0))
    assert [len(block.value) for block in blocks] == [generator.BLOCK] * 2 + [17]
    shorter = dataclasses.replace(design, rows=generator.BLOCK)
    assert len(generator.draw_rows(shorter, truth, 1, 0).value) == generator.BLOCK
    whole = generator.draw_rows(design, truth, 1, 0)
    assert (whole.value[generator.BLOCK : 2 * generator.BLOCK] == blocks[1].value).all()
    assert not (blocks[0].value == blocks[1].value).any()


# Of designs without mechanisms, as drawn before there were any: id, intercept, mu and
# sigma of contributor 1, first and last value, sum of all, digest of contributors.
AS_BEFORE = {
    "plain": (
        Design(Levels.of([1, 3, 5]), 3000),
        "levels-1-3-5_rows-3000",
        (-0.6436105568583282, -0.8076348618189487, 1.3925121602022659),
        (-1.4200751468578166, 2.379624681654252, -1887.9945126162693),
        "d8587f565d70",
    ),
    "blocks": (
        Design(Levels.of([2, 300]), 70000),
        "levels-2-300_rows-70000",
        (2.990321873479809, -0.0701528972803086, 2.1631330447421617),
        (7.05758264744619, 3.5532120606632382, 209207.66239748307),
        "5e5f312637d9",
    ),
    "fixed": (
        Design(Levels.of([1, 4]), 100, truth="fixed", truth_number=2, mu_sd=3.0),
        "levels-1-4_rows-100_mu_sd-3_truth-fixed_truth_number-2",
        (2.5523744882533475, 0.38327095051176713, 1.8837584559386336),
        (3.5032477089792833, 0.382691245314906, 229.37374415406936),
        "1b555a5d83e3",
    ),
    "scales": (
        Design(
            Levels.of([1, 3]),
            50,
            mu_sd=HalfNormal(1.0),
            log_sigma_sd=LogNormal(-0.7, 0.6),
        ),
        "levels-1-3_rows-50_mu_sd-half_normal-1_log_sigma_sd-log_normal--0.7-0.6",
        (-0.396184576560182, 0.15277708824568853, 0.8968898417303729),
        (0.0697334870070786, -0.7726514581402821, -24.99471635944029),
        "e2d031e9a1fe",
    ),
    "given": (
        Design(
            Levels.of([1, 2]),
            1000,
            truth="fixed",
            coefficients=(((0.0, 5.0),), ((1.0, 1.0), (-1.0, 1.0))),
            name="cc_01",
            **dict.fromkeys(PRIORS),
        ),
        "cc_01",
        (0.0, 1.0, 1.0),
        (1.2005500668626576, 0.13350774844169688, -153.81150737803404),
        "aa445de15c32",
    ),
}


@pytest.mark.parametrize("name", AS_BEFORE)
def test_numbers_are_those_of_before_there_were_mechanisms(name):
    design, identifier, coefficients, values, digest = AS_BEFORE[name]
    assert design.id == identifier
    truth = generator.draw_truth(design, 20261122, 3)
    assert (truth.intercept, truth.mu[1], truth.sigma[1]) == pytest.approx(
        coefficients, rel=1e-13
    )
    rows = generator.draw_rows(design, truth, 20261122, 3)
    assert (rows.value[0], rows.value[-1], rows.value.sum()) == pytest.approx(
        values, rel=1e-11
    )
    picked = b"".join(column.astype("<i4").tobytes() for column in rows.contributors)
    assert hashlib.sha256(picked).hexdigest().startswith(digest)


def test_zero_sigma_contributes_its_mean_alone():
    design = Design(Levels.of([1, 2]), 50)
    truth = Truth(2.0, np.array([0.0, 1.0, -1.0]), np.zeros(3))
    rows = generator.draw_rows(design, truth, 0, 0)
    assert (rows.value == np.where(rows.contributors[1] == 0, 3.0, 1.0)).all()


@settings(deadline=None)
@given(some_data, st.integers(1, 40), st.integers(2, 5))
def test_cells_of_blocks_are_those_of_all_rows(rows, length, parts):
    def blocks():
        for start in range(0, len(rows.value), length):
            part = slice(start, start + length)
            yield Rows(
                rows.levels,
                rows.value[part],
                tuple(column[part] for column in rows.contributors),
            )

    whole = collapse(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells_module, "PARTS", parts)
        merged = collapse_blocks(blocks())
    assert (merged.contributors == whole.contributors).all()
    assert (merged.n == whole.n).all()
    scale = np.abs(rows.value).max() + 1e-300
    rounding = 8 * np.finfo(float).eps * scale
    assert merged.mean == pytest.approx(whole.mean, abs=rounding)
    # A mean that is rounded moves each deviation from it.
    spread = rows.value.std() + rounding
    assert merged.sum_of_squares == pytest.approx(
        whole.sum_of_squares, rel=1e-9, abs=rounding * spread * len(rows.value)
    )


def test_a_large_table_needs_the_memory_of_a_block():
    """Ten million rows, whose values alone are 80 MB, pass through a few."""
    design = Design(Levels.of([1, 3, 5]), 10_000_000)
    truth = generator.draw_truth(design, 1, 0)
    tracemalloc.start()
    cells = collapse_blocks(generator.draw_blocks(design, truth, 1, 0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert cells.n.sum() == design.rows
    assert peak < 16e6
    # Five standard errors: the cells are those of this truth.
    mean = truth.intercept + truth.mu[cells.members].sum(axis=1)
    v = (truth.sigma[cells.members] ** 2).sum(axis=1)
    assert (np.abs(cells.mean - mean) < 5 * np.sqrt(v / cells.n)).all()
