"""Which contributors rows have: the law of each layout."""

import dataclasses
import math
import tracemalloc
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from summands.data import generator, layouts
from summands.data.design import Design
from summands.data.layouts import (
    Balanced,
    Chunked,
    Nested,
    OfTable,
    Sparse,
    Table,
    Unequal,
    Uniform,
)
from summands.model import estimands, information
from summands.model.cells import Cells, collapse_blocks
from summands.model.levels import Levels

SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=4)
SEEDS = st.integers(0, 2**32 - 1)
TABLE = Table("0", OfTable((np.arange(7) % 2, np.arange(7) % 3), 6))
ALL = [
    Uniform(),
    Balanced(),
    Unequal(1.5),
    Nested(),
    Sparse(0.7),
    Chunked(25),
    TABLE,
]


def laid_out(layout, sizes, rows, seed=0, block=1000):
    """Contributors of all rows, shape (rows, J), drawn block by block."""
    picks = layout.picks(Levels.of(sizes), rows, np.random.default_rng(seed))
    blocks = []
    for start in range(0, rows, block):
        size = min(block, rows - start)
        columns = list(picks(size))
        assert [len(column) for column in columns] == [size] * len(sizes)
        blocks.append(np.stack([column.astype(int) for column in columns], axis=1))
    return np.concatenate(blocks)


def counts(picked, sizes):
    """Rows of every crossing, in lexicographic order."""
    numbers = np.ravel_multi_index(tuple(picked.T), sizes)
    return np.bincount(numbers, minlength=math.prod(sizes))


@pytest.mark.parametrize("layout", ALL, ids=lambda layout: layout.NAME)
def test_a_layout_is_of_its_stream_alone(layout):
    one = laid_out(layout, [2, 3], 2345)
    assert (one == laid_out(layout, [2, 3], 2345)).all()
    assert one.min() == 0
    assert (one.max(axis=0) == [1, 2]).all()
    if layout is not TABLE:
        assert (one != laid_out(layout, [2, 3], 2345, seed=1)).any()


@settings(deadline=None)
@given(SIZES, st.integers(1, 700), SEEDS, st.sampled_from([1, 64, 1000]))
def test_balanced_crossings_differ_by_one_row_at_the_most(sizes, rows, seed, block):
    n = counts(laid_out(Balanced(), sizes, rows, seed, block), sizes)
    whole, rest = divmod(rows, math.prod(sizes))
    assert Counter(n.tolist()) == Counter(
        {whole: len(n) - rest} | ({whole + 1: rest} if rest else {})
    )


def test_the_rest_of_a_balanced_table_is_drawn_at_random():
    n = sum(
        counts(laid_out(Balanced(), [2, 3], 8, seed), [2, 3]) - 1 for seed in range(900)
    )
    assert stats.chisquare(n).pvalue > 1e-4
    # And so is the order of a run.
    first = Counter(
        tuple(laid_out(Balanced(), [2, 3], 6, seed)[0]) for seed in range(900)
    )
    assert stats.chisquare([*first.values()]).pvalue > 1e-4
    assert len(first) == 6


@pytest.mark.parametrize("exponent", [0.5, 1.5])
def test_unequal_contributors_follow_zipfs_law(exponent):
    picked = laid_out(Unequal(exponent), [1, 6, 4], 60_000, 3)
    assert (picked[:, 0] == 0).all()
    for level, size in ((1, 6), (2, 4)):
        n = np.sort(np.bincount(picked[:, level], minlength=size))[::-1]
        share = np.arange(1.0, size + 1) ** -exponent
        assert stats.chisquare(n, len(picked) * share / share.sum()).pvalue > 1e-4
    both = np.zeros((6, 4))
    np.add.at(both, tuple(picked[:, 1:].T), 1)
    assert stats.chi2_contingency(both).pvalue > 1e-4


def test_ranks_are_shuffled_anew_for_each_level_of_each_replicate():
    tables = (laid_out(Unequal(3.0), [4, 4], 300, seed) for seed in range(600))
    most = np.array(
        [[np.bincount(column).argmax() for column in table.T] for table in tables]
    )
    for column in most.T:
        assert stats.chisquare(np.bincount(column, minlength=4)).pvalue > 1e-4
    both = np.zeros((4, 4))
    np.add.at(both, tuple(most.T), 1)
    assert stats.chi2_contingency(both).pvalue > 1e-4


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=4).map(sorted), SEEDS)
def test_nested_contributors_have_one_parent_each(sizes, seed):
    sizes = [3, *sizes]
    picked = laid_out(Nested(), sizes, 2000, seed)
    for level in range(2, len(sizes)):
        pairs = {tuple(pair) for pair in picked[:, level - 1 : level + 1].tolist()}
        children = [child for _, child in pairs]
        assert len(children) == len({*children})
        # Parents have equally many, or nearly so, as long as all have rows.
        if len(children) == sizes[level]:
            families = Counter(parent for parent, _ in pairs)
            assert len(families) == sizes[level - 1]
            assert max(families.values()) - min(families.values()) <= 1
    # The innermost are picked with equal probability, and meet the baseline's.
    both = np.zeros((3, sizes[-1]))
    np.add.at(both, (picked[:, 0], picked[:, -1]), 1)
    assert stats.chisquare(both.ravel()).pvalue > 1e-7


def test_sizes_that_cannot_nest_are_refused_in_words():
    assert Nested().problem(Levels.of([5, 1, 3, 3, 9])) == ""
    assert Nested().problem(Levels.of([1])) == ""
    said = Nested().problem(Levels.of([1, 5, 3]))
    assert said.startswith(
        "the 3 contributors of level 2 cannot be inside the 5 of level 1"
    )


def cells_of(levels, crossings):
    """Cells of one row each."""
    contributors = np.stack(np.unravel_index(crossings, levels.sizes), axis=1)
    one = np.ones(len(crossings))
    return Cells(levels, contributors, one.astype(int), one, one)


def means_identified(levels, crossings):
    """Whether the data determine all means, by the rank of the indicators."""
    cells = cells_of(levels, crossings)
    full = levels.contributors - levels.count + 1
    by_rank = np.linalg.matrix_rank(cells.indicators) == full
    of_means = estimands.index(levels).where("mu")
    assert information.identified(cells)[of_means].all() == by_rank
    return by_rank


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=4),
    st.floats(0.0, 1.0),
    SEEDS,
)
def test_sparse_crossings_determine_all_means(sizes, share, seed):
    levels = Levels.of(sizes)
    fewest = levels.contributors - levels.count + 1
    # From the fewest that can, up to all but one.
    share = min((fewest + share * (math.prod(sizes) - fewest)) / math.prod(sizes), 0.99)
    layout = Sparse(share)
    if layout.problem(levels):
        assert round(share * math.prod(sizes)) < fewest
        return
    chosen = layout.crossings(levels, np.random.default_rng(seed))
    assert len(chosen) == len({*chosen.tolist()}) == round(share * math.prod(sizes))
    assert chosen.min() >= 0
    assert chosen.max() < math.prod(sizes)
    assert means_identified(levels, chosen)


def test_crossings_chosen_without_care_would_not_do():
    levels = Levels.of([1, 6, 6])
    sound = [
        means_identified(levels, np.random.default_rng(seed).choice(36, 12, False))
        for seed in range(50)
    ]
    assert sum(sound) < 25
    assert all(
        means_identified(
            levels, Sparse(1 / 3).crossings(levels, np.random.default_rng(seed))
        )
        for seed in range(50)
    )


def test_sparse_rows_are_spread_over_a_share_of_the_crossings():
    n = counts(laid_out(Sparse(0.3), [1, 8, 10], 24_000, 5), [1, 8, 10])
    assert (n > 0).sum() == 24
    assert stats.chisquare(n[n > 0]).pvalue > 1e-4
    # Each crossing may be among them.
    often = sum(
        counts(laid_out(Sparse(0.5), [1, 3, 4], 400, seed), [1, 3, 4]) > 0
        for seed in range(300)
    )
    assert often.min() > 90
    assert often.max() < 210


def test_too_small_a_share_is_refused_in_words():
    said = Sparse(0.05).problem(Levels.of([1, 8, 10]))
    assert said.startswith("sparse 0.05 leaves 4 of the 80 crossings")
    assert "with 17 at the least" in said
    assert Sparse(0.3).problem(Levels.of([1, 8, 10])) == ""
    many = Levels.of([1, 5000, 5000])
    for layout in (Sparse(0.3), Balanced()):
        assert "25,000,000 crossings" in layout.problem(many)


@settings(deadline=None)
@given(
    st.integers(2, 60),
    st.integers(1, 400),
    SEEDS,
    st.sampled_from([1, 7, 50, 1000]),
)
def test_rows_of_a_lot_have_the_same_contributors(lot, rows, seed, block):
    picked = laid_out(Chunked(lot), [1, 5, 1000], rows, seed, block)
    for start in range(0, rows, lot):
        assert (picked[start : start + lot] == picked[start]).all()
    # Of a thousand contributors two lots in a row hardly ever have the same.
    changes = (np.diff(picked[:, 2]) != 0).sum()
    assert changes >= 0.7 * (-(-rows // lot) - 1)


def test_lots_pick_contributors_with_equal_probability():
    picked = laid_out(Chunked(25), [2, 5], 25 * 4000)[::25]
    assert stats.chisquare(counts(picked, [2, 5])).pvalue > 1e-4
    after = np.zeros((5, 5))
    np.add.at(after, (picked[:-1, 1], picked[1:, 1]), 1)
    assert stats.chi2_contingency(after).pvalue > 1e-4


def test_rows_of_a_table_come_in_its_order_again_and_again():
    columns = (np.zeros(5, np.uint8), np.array([0, 2, 2, 1, 0], np.uint8))
    layout = Table("0", OfTable(columns, 3))
    picked = laid_out(layout, [1, 3], 12, block=4)
    assert picked[:, 1].tolist() == [0, 2, 2, 1, 0, 0, 2, 2, 1, 0, 0, 2]


@pytest.mark.parametrize("layout", ALL, ids=lambda layout: layout.NAME)
@pytest.mark.parametrize("rows", [3, 40, 4000])
def test_no_more_cells_occur_than_are_counted_with(layout, rows):
    picked = laid_out(layout, [2, 3], rows)
    most = layout.cells(Levels.of([2, 3]), rows)
    assert len(np.unique(picked, axis=0)) <= most <= rows
    if rows == 4000:
        assert len(np.unique(picked, axis=0)) == most


@pytest.mark.parametrize("layout", ALL[1:], ids=lambda layout: layout.NAME)
def test_a_layout_survives_its_content_and_names_its_design(layout):
    design = Design(Levels.of([1, 3]), 50, layout=layout)
    assert Design.from_content(design.content) == design
    assert layouts.read(layout) is layout
    assert f"layout-{layout.NAME}" in design.id
    plain = dataclasses.replace(design, layout=Uniform())
    assert plain.content == {"levels": [1, 3], "rows": 50}


def test_layouts_leave_truths_alone():
    plain = Design(Levels.of([1, 3]), 50)
    laid = dataclasses.replace(plain, layout=Balanced())
    assert (
        generator.draw_truth(plain, 1, 2).mu == generator.draw_truth(laid, 1, 2).mu
    ).all()


@pytest.mark.parametrize("layout", [Balanced(), Sparse(0.6)], ids=lambda x: x.NAME)
def test_a_large_table_needs_the_memory_of_a_block(layout):
    """Three million rows, whose values alone are 24 MB, with all there is."""
    design = Design(
        Levels.of([1, 3, 5]),
        3_000_000,
        layout=layout,
        interaction_sd=1.0,
        drift=1.0,
        autocorrelation=0.5,
    )
    truth = generator.draw_truth(design, 1, 0)
    # What is imported is no part of it.
    next(generator.draw_blocks(design, truth, 1, 0))
    tracemalloc.start()
    cells = collapse_blocks(generator.draw_blocks(design, truth, 1, 0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert cells.n.sum() == 3_000_000
    assert peak < 16e6
