import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import scale
from summands.files import storage
from summands.study import plan, tables


@pytest.fixture
def stand_in(tmp_path):
    """Files of the fits of 100 designs, in packs."""
    scale.stand_in(tmp_path, 100)
    return tmp_path


def test_each_file_is_read_once_and_let_go(stand_in, monkeypatch):
    read: list[str] = []
    held: list[int] = []

    def counted(path, **options):
        read.append(str(path))
        return read_table(path, **options)

    def take(self, design, replicates):
        taken = take_one(self, design, replicates)
        held.append(len(self._read))
        return taken

    read_table, take_one = storage.read_table, tables.Pieces.take
    monkeypatch.setattr(storage, "read_table", counted)
    monkeypatch.setattr(tables.Pieces, "take", take)
    scale.aggregate(stand_in, 100)
    units = plan.make(scale.of_designs(100), [], {}).units
    assert 1 < len(units) < 100
    assert len(read) == len(set(read)) == 2 * len(scale.ESTIMATORS) * len(units)
    assert max(held) == 1
    assert held[-1] == 0


def test_tables_have_every_estimate_in_the_order_of_the_study(stand_in):
    scale.aggregate(stand_in, 100)
    designs = list(scale.of_designs(100).designs)
    estimates = pq.read_table(stand_in / "estimates.parquet")
    fits = pq.read_table(stand_in / "fits.parquet")
    assert fits.num_rows == 100 * 10 * len(scale.ESTIMATORS)
    for table in (estimates, fits):
        assert table["design"].unique().to_pylist() == designs
    parts = [
        pq.read_table(path) for path in stand_in.glob("fitted/*/*/*/estimates.parquet")
    ]
    keys = ["design", "estimator", "replicate", "parameter", "level", "contributor"]
    order = [(key, "ascending") for key in keys]
    whole = pa.concat_tables(parts).sort_by(order)
    assert estimates.sort_by(order).equals(whole)


def test_a_table_of_many_small_pieces_is_written_in_large_row_groups(tmp_path):
    path = tmp_path / "pieces.parquet"
    schema = pa.schema([("x", pa.int64())])
    with storage.TableWriter(path, schema) as writer:
        for number in range(3 * storage.PIECES):
            writer.write(pa.table({"x": [number]}))
            assert len(writer._gathered) <= storage.PIECES
        writer.write(pa.table({"x": pa.array([], pa.int64())}))
    with pq.ParquetFile(path) as file:
        assert file.num_row_groups == 1
        assert file.read()["x"].to_pylist() == list(range(3 * storage.PIECES))
    with storage.TableWriter(tmp_path / "empty.parquet", schema):
        pass
    assert pq.read_table(tmp_path / "empty.parquet").schema.equals(schema)
