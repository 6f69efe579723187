from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summands.study import plan, sizing
from summands.study.batch import Batch, parse
from summands.study.plan import Unit, batches
from summands.study.study import Study, load

counts = st.integers(1, 30)


@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=5))
def test_batches_cover_each_replicate_once_and_existing_ones_stay(requests):
    existing: set[Batch] = set()
    most = 0
    for replicates, per_job in requests:
        cut = batches(replicates, per_job, existing)
        covered = [number for batch in cut for number in batch.replicates]
        assert covered == list(range(len(covered)))
        assert len(covered) >= replicates
        new = set(cut) - existing
        assert all(len(batch.replicates) <= per_job for batch in new)
        # Only replicates that have never been asked for need a new batch.
        assert all(batch.first >= most for batch in new)
        assert all(batch.last < replicates for batch in new)
        existing |= new
        most = max(most, replicates, len(covered))


def test_a_fresh_design_is_cut_evenly():
    assert batches(25, 10, []) == [Batch(0, 9), Batch(10, 19), Batch(20, 24)]


@given(counts, counts)
def test_names_read_back(first, length):
    batch = Batch(first, first + length)
    assert parse(batch.name) == batch


def test_an_empty_folder_of_a_killed_job_is_no_unit(tmp_path):
    for name in ("empty", "half", "done"):
        (tmp_path / name / "replicates-0-3").mkdir(parents=True)
    (tmp_path / "half" / "replicates-0-3" / ".rows.parquet.part").touch()
    (tmp_path / "done" / "replicates-0-3" / "rows.parquet").touch()
    assert plan.on_disk(tmp_path) == [Unit("done", Batch(0, 3))]
    assert plan.on_disk(tmp_path / "nothing") == []


def study(rows: list[int], replicates: int = 2, **more: object) -> Study:
    document = {
        "study": "s",
        "replicates": replicates,
        "grid": {"levels": [[1, 2]], "rows": rows},
        "estimators": {"least_squares": {}},
    }
    return load(document | more)


def assert_whole(made: plan.Plan) -> None:
    """Each replicate of each design is in one unit, whose pack has the design."""
    covered: dict[str, list[int]] = {name: [] for name in made.study.designs}
    for unit, names in made.units.items():
        assert set(names) <= set(made.designs(unit.name))
        for name in names:
            covered[name] += unit.batch.replicates
            held = made.designs(unit.name)[name]
            assert held.content == made.study.designs[name].content
    for numbers in covered.values():
        assert sorted(numbers) == list(range(len(numbers)))
        assert len(numbers) >= made.study.replicates


requests = st.tuples(
    st.lists(st.integers(20, 40), min_size=1, max_size=8, unique=True).map(sorted),
    st.integers(1, 6),
    st.sampled_from([{}, {"replicates_per_job": 2}, {"replicates_per_job": 3}]),
    st.sampled_from([{}, {"designs_per_job": 1}, {"designs_per_job": 3}]),
    # Which of the planned units a killed run has finished.
    st.integers(0, 2**20),
)


@settings(deadline=None)
@given(st.lists(requests, min_size=1, max_size=4))
def test_whatever_is_asked_what_is_there_is_used_and_nothing_is_made_twice(requests):
    found: set[Unit] = set()
    packs: plan.Packs = {}
    asked: dict[str, int] = {}
    for rows, replicates, by_replicates, by_designs, done in requests:
        made = plan.make(
            study(rows, replicates, **by_replicates, **by_designs), found, packs
        )
        assert_whole(made)
        _, packs = plan.read(plan.written(made, found))
        new = [unit for unit in made.units if unit not in found]
        for unit in new:
            for name in made.units[unit]:
                assert unit.batch.first >= asked.get(name, 0)
        # The same plan is made again while it is carried out, in whatever order.
        finished = {unit for number, unit in enumerate(new) if done >> number & 1}
        again = plan.make(made.study, found | finished, packs)
        assert again.units == made.units
        found |= set(new)
        for name in made.study.designs:
            asked[name] = max(asked.get(name, 0), replicates)


def test_few_designs_have_jobs_of_their_own_and_many_tiny_ones_share_them():
    few = study(list(range(100, 100 + sizing.JOBS)))
    assert all(len(names) == 1 for names in plan.make(few, [], {}).units.values())
    tiny = study(list(range(100, 2100)))
    units = plan.make(tiny, [], {}).units
    assert len(units) < 20
    assert [name for names in units.values() for name in names] == list(tiny.designs)
    by_hand = study(list(range(100, 2100)), replicates_per_job=2)
    assert len(plan.make(by_hand, [], {}).units) == 2000
    both = study(list(range(100, 120)), replicates_per_job=1, designs_per_job=5)
    assert len(plan.make(both, [], {}).units) == 8


def test_a_named_design_with_new_coefficients_is_taken_from_no_old_pack():
    def named(sigma: float) -> Study:
        coefficients = [[[0, 1]], [[1, 1], [0, sigma]]]
        given = {"rows": 40, "coefficients": coefficients}
        return study([30], designs={"mine": given}, designs_per_job=2)

    before = plan.make(named(1.0), [], {})
    ((pack, names),) = before.units.items()
    assert names == ["levels-1-2_rows-30", "mine"]
    after = plan.make(named(2.0), [pack], before.packs)
    assert after.units == {
        pack: ["levels-1-2_rows-30"],
        Unit("mine", Batch(0, 1)): ["mine"],
    }


def test_a_plan_is_read_back_and_what_is_none_is_refused():
    assert plan.read(None) == ([], {})
    made = plan.make(study([30, 31, 32], designs_per_job=2), [], {})
    earlier = Unit("gone", Batch(0, 9))
    text = plan.written(made, [earlier])
    units, packs = plan.read(text)
    assert units == sorted([earlier, *made.units])
    assert packs == made.packs
    for broken in (text[:-20], "[]", "{}", '{"units": [1], "packs": {}}'):
        with pytest.raises(ValueError, match=r"."):
            plan.read(broken)


def test_folders_of_packs_have_names_that_file_systems_take():
    long = {"mu_mean": [1 / 3], "mu_sd": [1 / 7], "log_sigma_mean": [1 / 11]}
    grid = {"levels": [[1, 2, 3, 4, 5, 6]], "rows": [5000, 5001], **long}
    made = plan.make(study([1], grid=grid, designs_per_job=2), [], {})
    ((unit, _),) = made.units.items()
    assert len(str(Path(unit.name))) < 200
