import dataclasses
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summands import estimators
from summands.data.design import Design
from summands.estimators import Entry, bayesian_ridge
from summands.model.levels import Levels
from summands.study import sizing
from summands.study.study import load

DESIGNS = st.builds(
    Design,
    st.lists(st.integers(1, 12), min_size=1, max_size=4).map(Levels.of),
    st.integers(10, 10**6),
)
memory = partial(sizing.memory, keep_draws=True)
NAMES = st.sampled_from(estimators.names())


def options_of(name, **changed):
    options = estimators.load(name).OPTIONS
    return {each: option["default"] for each, option in options.items()} | changed


NUTPIE = options_of("nutpie")


@settings(deadline=None)
@given(DESIGNS, NAMES, st.integers(1, 500))
def test_more_of_anything_is_never_less_work(design, name, replicates):
    more = dataclasses.replace(design, rows=2 * design.rows)
    wider = dataclasses.replace(design, levels=Levels.of([*design.levels.sizes, 3]))
    options = options_of(name)
    for other in (more, wider):
        assert sizing.seconds(other, name, options) >= sizing.seconds(
            design, name, options
        )
        assert memory([other], name, options, replicates) >= memory(
            [design], name, options, replicates
        )
        assert memory([design, other], name, options, replicates) >= memory(
            [other], name, options, replicates
        )
    assert memory([design], name, options, replicates + 1) >= memory(
        [design], name, options, replicates
    )


@settings(deadline=None)
@given(DESIGNS, st.integers(1, 5000))
def test_jobs_are_worth_starting_and_no_longer_than_that(design, replicates):
    chosen = {
        "slow": Entry("slow", "nutpie", NUTPIE),
        "least_squares": Entry("least_squares", "least_squares"),
    }
    count = sizing.replicates_per_job(design, chosen, replicates)
    assert 1 <= count <= replicates
    one = sizing.seconds(design, "nutpie", NUTPIE)
    if count < replicates:
        assert sizing.WORTH_STARTING <= count * one < sizing.WORTH_STARTING + one


def test_a_posterior_of_many_draws_asks_for_the_memory_that_holds_them():
    design = Design(Levels.of([1, 2, 3, 5, 10, 10]), 10_000)
    few = memory([design], "nutpie", {"chains": 4, "draws": 1000}, 100)
    many = memory([design], "nutpie", {"chains": 4, "draws": 5000}, 100)
    stored = 8 * 4 * 4000 * 100 * (2 * 31 + 1) / 1e6
    assert many - few > stored
    dropped = sizing.memory(
        [design], "nutpie", {"chains": 4, "draws": 5000}, 100, keep_draws=False
    )
    assert dropped < 2 * sizing.EMPTY
    assert memory([design], "least_squares", {}, 100) < 2 * sizing.EMPTY
    # Two numbers a cell and draw, held and written.
    predicted = memory(
        [design], "nutpie", {"chains": 4, "draws": 1000, "keep_predictive": True}, 100
    )
    assert predicted - few > 2 * 2 * 8 * 4000 * 100 * sizing.cells(design) / 1e6


@pytest.fixture
def reads_rows(monkeypatch):
    """An estimator that reads rows, as one may."""
    monkeypatch.setattr(bayesian_ridge, "READS", "rows")


@pytest.mark.usefixtures("reads_rows")
def test_rows_are_counted_where_they_are_read():
    large = Design(Levels.of([1, 50]), 10**7)
    by_rows = memory([large], "bayesian_ridge", {}, 1)
    assert by_rows > 10**7 * 50 * 8 / 1e6
    assert memory([large], "least_squares", {}, 1) < 2 * sizing.EMPTY
    assert sizing.runtime(600) == pytest.approx(5 + sizing.PATIENCE * 10)


def study(levels: list[list[int]], rows: list[int]):
    return load(
        {
            "study": "s",
            "replicates": 10,
            "grid": {"levels": levels, "rows": rows},
            "estimators": {"nutpie": {}, "least_squares": {}},
        }
    )


def test_packs_are_worth_starting_and_leave_work_for_many_cores():
    tiny = [[1, 2], [1, 3], [2, 2]]
    for rows in (50, 500, 2000):
        swept = study(tiny, list(range(200, 200 + rows)))
        packs = sizing.packs(swept)
        assert [name for pack in packs for name in pack] == list(swept.designs)
        work = [
            sum(
                swept.replicates * sizing.slowest(swept.designs[name], swept.estimators)
                for name in pack
            )
            for pack in packs
        ]
        starts = sizing.START * (1 + len(swept.estimators))
        shortest = min(10 * starts, sum(work) / sizing.FEWEST_JOBS)
        most = max(shortest, min(sizing.WORTH_STARTING, sum(work) / sizing.JOBS))
        assert max(work) <= most
        assert len(packs) >= sizing.FEWEST_JOBS
        # All but the last are as full as whole designs make them.
        assert min(work[:-1]) > 0.9 * most
        if len(packs) > sizing.FEWEST_JOBS + 1:
            assert sum(work) > 9 * starts * (len(work) - 1)


def test_a_large_design_shares_its_job_with_no_other():
    swept = study([[1, 2], [1, 20, 30, 40]], list(range(20_000, 20_040)))
    for pack in sizing.packs(swept):
        sizes = {swept.designs[name].levels.count for name in pack}
        assert len(pack) == 1 or sizes == {2}


def test_estimated_scales_take_longer():
    design = Design(Levels.of([1, 3, 10]), 600)
    known = sizing.seconds(design, "nutpie", NUTPIE)
    constant = {"scales": "estimated", "noise": "constant"}
    assert sizing.seconds(design, "nutpie", NUTPIE | constant) == known
    estimated = sizing.seconds(design, "nutpie", NUTPIE | {"scales": "estimated"})
    assert 5 * known < estimated < 5.0
