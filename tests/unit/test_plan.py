from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from summands.plan import Batch, batches, parse


def simulate(folder: Path, plan: list[Batch]) -> None:
    for batch in plan:
        (folder / batch.name).mkdir(parents=True, exist_ok=True)
        (folder / batch.name / "rows.parquet").touch()


counts = st.integers(1, 30)


@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=5))
def test_batches_cover_each_replicate_once_and_existing_ones_stay(
    tmp_path_factory, requests
):
    folder = tmp_path_factory.mktemp("design")
    most = 0
    for replicates, per_job in requests:
        plan = batches(replicates, per_job, folder)
        covered = [number for batch in plan for number in batch.replicates]
        assert covered == list(range(len(covered)))
        assert len(covered) >= replicates
        new = [batch for batch in plan if not (folder / batch.name).exists()]
        assert all(len(batch.replicates) <= per_job for batch in new)
        # Only replicates that have never been asked for need a new batch.
        assert all(batch.first >= most for batch in new)
        assert all(batch.last < replicates for batch in new)
        simulate(folder, plan)
        most = max(most, replicates, len(covered))


def test_a_fresh_design_is_cut_evenly(tmp_path):
    assert batches(25, 10, tmp_path / "none") == [
        Batch(0, 9),
        Batch(10, 19),
        Batch(20, 24),
    ]


def test_an_empty_folder_of_a_killed_job_is_no_batch(tmp_path):
    (tmp_path / "replicates-0-3").mkdir()
    (tmp_path / "replicates-0-3" / ".rows.parquet.part").touch()
    assert batches(2, 2, tmp_path) == [Batch(0, 1)]


@given(counts, counts)
def test_names_read_back(first, length):
    batch = Batch(first, first + length)
    assert parse(batch.name) == batch
