import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from summands.data import data_sets, generator
from summands.data.design import Design
from summands.files import storage
from summands.model.cells import collapse
from summands.model.levels import Levels

DESIGN = Design(Levels.of([1, 3, 300]), 700)


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "file.txt"

    def break_off() -> None:
        with storage.whole(path) as partial:
            partial.write_text("half")
            assert not path.exists()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert list(path.parent.iterdir()) == []
    with storage.whole(path) as partial:
        partial.write_text("all of it")
    assert path.read_text() == "all of it"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_rewrite_leaves_the_old_file(tmp_path):
    path = tmp_path / "batch.parquet"
    table = pa.table({"x": [1.0]})
    with storage.TableWriter(path) as writer:
        writer.write(table)

    def break_off() -> None:
        with storage.TableWriter(path) as writer:
            writer.write(pa.table({"x": [2.0]}))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert pq.read_table(path).equals(table)
    assert list(tmp_path.iterdir()) == [path]


def test_rows_cells_and_truth_survive_their_files(tmp_path):
    paths = [tmp_path / f"{name}.parquet" for name in ("rows", "cells", "truth")]
    made = []
    with (
        storage.TableWriter(paths[0]) as rows_writer,
        storage.TableWriter(paths[1]) as cells_writer,
        storage.TableWriter(paths[2]) as truth_writer,
    ):
        for replicate in range(3):
            truth = generator.draw_truth(DESIGN, 1, replicate)
            rows = generator.draw_rows(DESIGN, truth, 1, replicate)
            cells = collapse(rows)
            bound = np.arange(3.0 * DESIGN.levels.contributors + 2) + replicate
            rows_writer.write(data_sets.rows_table(rows, "d", replicate))
            cells_writer.write(data_sets.cells_table(cells, "d", replicate))
            truth_writer.write(
                data_sets.truth_table(DESIGN.levels, truth, bound, "d", replicate)
            )
            made.append((rows, cells, truth))
    read_rows = data_sets.read_rows(paths[0], {"d": DESIGN.levels})
    read_cells = data_sets.read_cells(paths[1], {"d": DESIGN.levels})
    truths = data_sets.read_truth(paths[2])["d"]
    shape = (3, 3 * DESIGN.levels.contributors + 2)
    assert truths["truth"].shape == truths["bound"].shape == shape
    assert (truths["bound"] == np.arange(shape[1]) + np.arange(3)[:, None]).all()
    for replicate, ((rows, cells, truth), of_rows, of_cells, truth_) in enumerate(
        zip(made, read_rows, read_cells, truths["truth"], strict=True)
    ):
        *whose, rows_ = of_rows
        *same, cells_ = of_cells
        assert whose == same == ["d", replicate]
        assert (rows_.value == rows.value).all()
        for mine, other in zip(rows_.contributors, rows.contributors, strict=True):
            assert (mine == other).all()
        for name in ("contributors", "n", "mean", "sum_of_squares"):
            assert (getattr(cells_, name) == getattr(cells, name)).all()
        assert truth_[0] == truth.intercept
        assert (truth_[1 : 1 + len(truth.mu)] == truth.mu).all()


def test_contributors_are_dictionary_encoded(tmp_path):
    truth = generator.draw_truth(DESIGN, 1, 0)
    table = data_sets.rows_table(generator.draw_rows(DESIGN, truth, 1, 0), "d", 0)
    for level in range(DESIGN.levels.count):
        assert pa.types.is_dictionary(table.schema.field(f"level_{level}").type)


def test_names_are_null_where_they_do_not_apply():
    levels = Levels.of([1, 2])
    table = pa.table(data_sets.names_columns(levels, repeat=2))
    assert table.num_rows == 2 * 11
    records = table.to_pylist()
    nothing = dict.fromkeys(("level", "contributor", "level_name", "label"))
    assert records[0] == {"parameter": "intercept"} | nothing
    of_second = {"level": 1, "contributor": 1, "level_name": "1", "label": "1"}
    assert records[3] == {"parameter": "mu"} | of_second
    assert records[:11] == records[11:]
    assert np.array(table["level"].null_count) == 4


def test_data_sets_over_several_row_groups_are_read_whole(tmp_path):
    design = Design(Levels.of([1, 2]), 2 * storage.ROW_GROUP + 10)
    with storage.TableWriter(tmp_path / "rows.parquet") as writer:
        for replicate in range(2):
            truth = generator.draw_truth(design, 1, replicate)
            for block in generator.draw_blocks(design, truth, 1, replicate):
                writer.write(data_sets.rows_table(block, "d", replicate))
    with pq.ParquetFile(tmp_path / "rows.parquet") as file:
        assert file.num_row_groups > 2
    for expected_replicate, (_, replicate, rows) in enumerate(
        data_sets.read_rows(tmp_path / "rows.parquet", {"d": design.levels})
    ):
        assert replicate == expected_replicate
        truth = generator.draw_truth(design, 1, replicate)
        expected = generator.draw_rows(design, truth, 1, replicate)
        assert (rows.value == expected.value).all()
        assert (rows.contributors[1] == expected.contributors[1]).all()


def test_data_sets_of_several_designs_share_a_file(tmp_path):
    designs = {
        f"levels-{number}": Design(Levels.of(sizes), 50 + number)
        for number, sizes in enumerate([[2], [1, 2, 4], [3, 2], [1, 2, 4]])
    }
    made = []
    with (
        storage.TableWriter(tmp_path / "rows.parquet") as rows_writer,
        storage.TableWriter(tmp_path / "cells.parquet") as cells_writer,
    ):
        for name, design in designs.items():
            for replicate in range(2):
                truth = generator.draw_truth(design, 1, replicate)
                rows = generator.draw_rows(design, truth, 1, replicate)
                cells = collapse(rows)
                rows_writer.write(data_sets.rows_table(rows, name, replicate, 3))
                cells_writer.write(data_sets.cells_table(cells, name, replicate, 3))
                made.append((name, replicate, rows, cells))
    with pq.ParquetFile(tmp_path / "cells.parquet") as file:
        assert file.num_row_groups == 1
    levels = {name: design.levels for name, design in designs.items()}
    for (*whose, rows, cells), of_rows, of_cells in zip(
        made,
        data_sets.read_rows(tmp_path / "rows.parquet", levels),
        data_sets.read_cells(tmp_path / "cells.parquet", levels),
        strict=True,
    ):
        *of_read, read = of_rows
        *of_collapsed, collapsed = of_cells
        assert whose == of_read == of_collapsed
        assert (read.value == rows.value).all()
        for mine, other in zip(read.contributors, rows.contributors, strict=True):
            assert (mine == other).all()
        assert (collapsed.contributors == cells.contributors).all()
        assert (collapsed.mean == cells.mean).all()
    table = storage.read_table(tmp_path / "cells.parquet")
    by_design = storage.by_design(table)
    assert list(by_design) == list(designs)
    assert by_design["levels-0"]["level_1"].null_count == by_design["levels-0"].num_rows


def test_some_rows_of_a_large_file_are_the_same_each_time(tmp_path):
    path = tmp_path / "large.parquet"
    table = pa.table({"x": np.arange(10_000.0), "y": np.zeros(10_000)})
    pq.write_table(table, path, row_group_size=999)
    some = storage.read_some(path, ["x"], 1000)
    assert some.column_names == ["x"]
    assert 800 < some.num_rows < 1200
    assert some.equals(storage.read_some(path, ["x"], 1000))
    assert abs(np.mean(some["x"].to_numpy()) - 5000) < 500
    assert storage.read_some(path, ["x", "y"], 10_000).equals(table)


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("results/s/cells.parquet", "results/s/cells.parquet"),
        (".snakemake/storage/s3/bucket/a/cells.parquet", "s3://bucket/a/cells.parquet"),
    ],
)
def test_a_damaged_file_is_named_where_its_owner_finds_it(path, named):
    message = f"{named} is damaged (it ends here): delete it"
    with (
        pytest.raises(storage.DamagedFileError) as caught,
        storage.reading(path),
    ):
        raise pa.ArrowInvalid("it ends here")
    assert message in str(caught.value)


@pytest.mark.parametrize("designs", [[], ["a"], ["a", "a", "b", "a"]])
def test_a_table_is_cut_where_a_key_changes(designs):
    table = pa.table(
        {"design": pa.array(designs, pa.string()), "row": range(len(designs))}
    )
    parts = list(storage.cut(table, "design"))
    rows = [row for _, part in parts for row in part["row"].to_pylist()]
    assert rows == [*range(len(designs))]
    for (key,), part in parts:
        assert {*part["design"].to_pylist()} == {key}
    named = [key for key, _ in parts]
    assert all(one != other for one, other in itertools.pairwise(named))
