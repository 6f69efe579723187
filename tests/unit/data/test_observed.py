"""Observed tables: the cells are those of the rows, however they are written down."""

import csv
import datetime
import decimal
import gzip
import tracemalloc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summands.data import gathering, observed, table_parts
from summands.data.observed import Level, Observed, Source, TableError

NASTY = (
    "two words",
    " blank first",
    'say "B"',
    "it's",
    "a,b\tc;d",
    "<script>alert(1)</script>",
    "東京",
    "Größe",
    "مرحبا",
    "🧪",
    "line\nbreak",
    "x" * 300,
    "a/b",
    "NA",
    "true",
    "-",
)


def source(table: Path, *levels: Any, value: str = "x", **others: Any) -> Source:
    named = tuple(
        level if isinstance(level, Level) else Level(level, (level,))
        for level in levels or ("a", "b")
    )
    return Source(str(table), value, named, **others)


def read(
    table: Path, *levels: Any, keep: int = 10**6, said: list[str] | None = None, **rest
) -> Observed:
    say = [].append if said is None else said.append
    return observed.read(source(table, *levels, **rest), keep, say)


def write(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """Write a table in the way that its name says."""
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.table(dict(columns)), path, row_group_size=37)
        return path
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t" if ".tsv" in path.name else ",")
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow(["" if value is None else value for value in row])
    return path


def some_table(seed: int, rows: int = 200, shift: float = 0.0, scale: float = 1.0):
    rng = np.random.default_rng(seed)
    return {
        "a": rng.integers(1, 12, rows).tolist(),
        "b": rng.choice(NASTY, rows).tolist(),
        "x": (shift + scale * rng.normal(size=rows)).tolist(),
    }


def permuted(columns: Mapping[str, Sequence[Any]], order: Sequence[int]):
    return {name: [values[i] for i in order] for name, values in columns.items()}


def same(one: Observed, other: Observed) -> None:
    """To the last bit."""
    assert one.cells.levels == other.cells.levels
    for name in ("contributors", "n", "mean", "sum_of_squares"):
        assert (getattr(one.cells, name) == getattr(other.cells, name)).all(), name
    for name in ("smallest", "largest"):
        assert (getattr(one, name) == getattr(other, name)).all()
    for name in ("rows", "filtered", "dropped", "dropped_rows"):
        assert getattr(one, name) == getattr(other, name)
    assert (one.values is None) == (other.values is None)
    if one.values is not None:
        assert (one.values == other.values).all()
        assert (one.cell == other.cell).all()


def near(one: Observed, other: Observed) -> None:
    """But for rounding."""
    assert one.cells.levels == other.cells.levels
    assert (one.cells.contributors == other.cells.contributors).all()
    assert (one.cells.n == other.cells.n).all()
    size = max(np.abs(one.smallest).max(), np.abs(one.largest).max())
    spread = one.largest.max() - one.smallest.min()
    rounding = 8 * np.finfo(float).eps * size
    assert one.cells.mean == pytest.approx(other.cells.mean, rel=0, abs=rounding)
    assert one.cells.sum_of_squares == pytest.approx(
        other.cells.sum_of_squares, rel=1e-12, abs=rounding * spread * one.rows
    )
    assert (one.smallest == other.smallest).all()
    assert (one.largest == other.largest).all()


def test_cells_are_those_of_pandas(tmp_path):
    table = some_table(1, shift=1e6)
    found = read(write(tmp_path / "t.csv", table))
    by = pd.DataFrame(table).groupby(["a", "b"])["x"]
    levels = found.cells.levels
    assert levels.names == ("baseline", "a", "b")
    assert levels.labels[0] == ("all",)
    assert levels.labels[1] == tuple(map(str, range(1, 12)))
    assert levels.labels[2] == tuple(sorted(set(table["b"])))
    assert found.cells.contributors[:, 0].tolist() == [0] * by.ngroups
    for cell, (_, a, b) in enumerate(found.cells.contributors):
        values = by.get_group((int(levels.labels[1][a]), levels.labels[2][b]))
        assert found.cells.n[cell] == len(values)
        assert found.cells.mean[cell] == pytest.approx(values.mean(), rel=1e-15)
        squares = ((values - values.mean()) ** 2).sum()
        assert found.cells.sum_of_squares[cell] == pytest.approx(squares, abs=1e-9)
        assert found.smallest[cell] == values.min()
        assert found.largest[cell] == values.max()
        mine = found.values[found.cell == cell]
        assert mine.tolist() == sorted(values)
    assert found.rows == found.cells.n.sum() == len(found.values) == 200
    order = np.lexsort(found.cells.contributors.T[::-1])
    assert order.tolist() == list(range(by.ngroups))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(30, 120),
    st.sampled_from([0.0, 1e6, -3.0]),
    st.sampled_from([1.0, 1e-6, 1e6]),
)
def test_the_order_of_rows_columns_and_parts_changes_no_bit(
    tmp_path_factory, seed, rows, shift, scale
):
    folder = tmp_path_factory.mktemp("tables")
    table = some_table(seed, rows, shift, scale)
    rng = np.random.default_rng(seed)
    whole = read(write(folder / "whole.csv", table))
    mixed = permuted(table, rng.permutation(rows))
    turned = {name: mixed[name] for name in ("x", "b", "a")}
    same(read(write(folder / "turned.csv", turned)), whole)
    same(read(write(folder / "turned.parquet", turned)), whole)
    cuts = sorted(rng.integers(0, rows + 1, 2).tolist())
    for number, part in enumerate(np.split(np.arange(rows), cuts)):
        piece = permuted(mixed, part)
        write(folder / "parts" / f"{'cab'[number]}.csv.gz", piece)
    same(read(folder / "parts"), whole)
    same(read(folder / "parts" / "*.csv.gz"), whole)


@pytest.mark.parametrize("ending", ["csv.gz", "tsv", "tsv.gz", "parquet"])
def test_all_kinds_of_files_say_the_same(tmp_path, ending):
    table = some_table(2)
    one = read(write(tmp_path / "t.csv", table), where="a < 9 and b != '-'")
    other = read(write(tmp_path / f"t.{ending}", table), where="a < 9 and b != '-'")
    same(one, other)
    assert 0 < one.filtered < 200


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_rows_that_are_not_kept_make_the_same_cells(tmp_path, monkeypatch, shift):
    """Blocks of rows, and of bytes, leave no trace but rounding."""
    table = some_table(3, 3000, shift)
    paths = [write(tmp_path / f"t.{end}", table) for end in ("csv", "parquet")]
    whole = read(paths[0])
    monkeypatch.setattr(table_parts, "BLOCK_BYTES", 4000)
    monkeypatch.setattr(table_parts, "BATCH_ROWS", 23)
    monkeypatch.setattr(gathering, "BLOCK", 50)
    monkeypatch.setattr(gathering, "WAITING", 120)
    for path in paths:
        same(read(path), whole)
        for keep in (0, 1, 2999):
            found = read(path, keep=keep)
            assert found.values is None
            assert found.cell is None
            near(found, whole)
        same(read(path, keep=3000), whole)
    # Two blocks that wait for each other to the end.
    monkeypatch.setattr(gathering, "WAITING", 10**6)
    for rows in (1600, 1500):
        monkeypatch.setattr(gathering, "BLOCK", rows)
        monkeypatch.setattr(table_parts, "BATCH_ROWS", rows)
        near(read(paths[1], keep=0), whole)


def test_numbers_are_read_as_people_write_them(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('a,x,c\nu, 1.5,1\nu,"2", 2\nv,+3e0 ,3 \nv,.5,NA\nv,-1.,"5"\n')
    assert sorted(read(path, "a").values) == [-1, 0.5, 1.5, 2, 3]
    found = read(path, "a", where="c < 4")
    assert sorted(found.values) == [1.5, 2, 3]


def test_whole_numbers_beyond_those_of_floats_are_values(tmp_path):
    table = {"a": [1, 1, 2, 2], "x": [2**60 + 1, 5, 2**62, 7]}
    found = read(write(tmp_path / "t.parquet", table), "a")
    assert found.largest.tolist() == [2.0**60, 2.0**62]


def test_zeros_have_no_sign(tmp_path):
    table = {"a": [1, 1, 2, 2], "x": [0.0, -0.0, -0.0, 1.0]}
    found = read(write(tmp_path / "t.parquet", table), "a")
    numbers = [found.values, found.smallest, found.cells.mean]
    assert not np.signbit(np.concatenate(numbers)).any()


@pytest.mark.parametrize("count", [8, 12])
def test_many_levels_of_many_contributors_are_no_matter(tmp_path, monkeypatch, count):
    """Combinations of 8 levels of 100 fill any memory, of 12 there are no numbers."""
    monkeypatch.setattr(gathering, "BLOCK", 100)
    monkeypatch.setattr(gathering, "WAITING", 150)
    rng = np.random.default_rng(4)
    names = [f"level {j}" for j in range(count)]
    table: dict[str, Any] = {name: rng.integers(100, size=900) for name in names}
    table = {name: np.tile(column, 2) for name, column in table.items()}
    table["x"] = rng.normal(size=1800)
    path = write(tmp_path / "t.parquet", table)
    whole, parts = read(path, *names), read(path, *names, keep=0)
    assert (whole.cells.n == 2).all()
    assert len(whole.cells.n) == 900
    near(parts, whole)


@pytest.mark.parametrize(("scale", "shift"), [(1e6, 0.0), (2.0, 3.0), (-1e-6, 1e6)])
def test_other_units_move_cells_as_they_should(tmp_path, scale, shift):
    table = some_table(5)
    moved = {**table, "x": [shift + scale * x for x in table["x"]]}
    one = read(write(tmp_path / "t.csv", table))
    other = read(write(tmp_path / "u.csv", moved))
    rounding = 1e-15 * (abs(shift) + 5 * abs(scale))
    assert other.cells.levels == one.cells.levels
    assert (other.cells.n == one.cells.n).all()
    assert other.cells.mean == pytest.approx(
        shift + scale * one.cells.mean, abs=rounding
    )
    assert other.cells.sum_of_squares == pytest.approx(
        scale**2 * one.cells.sum_of_squares, rel=1e-9, abs=rounding * abs(scale) * 20
    )
    ends = (one.smallest, one.largest)
    low, high = ends if scale > 0 else ends[::-1]
    assert other.smallest == pytest.approx(shift + scale * low, abs=rounding)
    assert other.largest == pytest.approx(shift + scale * high, abs=rounding)


def test_values_far_from_zero_keep_their_digits(tmp_path, monkeypatch):
    """Differences of a billionth of the baseline, through blocks and merges."""
    monkeypatch.setattr(gathering, "BLOCK", 64)
    monkeypatch.setattr(gathering, "WAITING", 64)
    steps = np.arange(1024) - 511.5
    table: dict[str, Any] = {"a": [1, 2] * 512, "b": [1, 1, 2, 2] * 256}
    table["x"] = (1e9 + steps).tolist()
    path = write(tmp_path / "t.csv", table)
    for keep in (0, 10**6):
        found = read(path, keep=keep)
        for cell, (_, a, b) in enumerate(found.cells.contributors):
            mine = steps[2 * b + a :: 4]
            assert found.cells.mean[cell] - 1e9 == mine.mean()
            squares = ((mine - mine.mean()) ** 2).sum()
            assert found.cells.sum_of_squares[cell] == pytest.approx(squares, rel=1e-14)


def test_memory_is_that_of_blocks(tmp_path):
    """Two million rows, 128 MB as numbers, pass through a few at a time."""
    rows, pieces = 200_000, 10
    rng = np.random.default_rng(6)
    path = tmp_path / "t.parquet"
    kinds = pa.schema([("a", pa.int64()), ("b", pa.int64()), ("x", pa.float64())])
    with pq.ParquetWriter(path, kinds) as writer:
        for _ in range(pieces):
            columns = [rng.integers(30, size=rows), rng.integers(9, size=rows)]
            columns.append(rng.normal(size=rows))
            writer.write_table(pa.table(columns, schema=kinds))
    read(path, keep=0)
    pool = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(pool)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathering, "BLOCK", 50_000)
        patch.setattr(table_parts, "BATCH_ROWS", 50_000)
        pa.set_memory_pool(counted)
        tracemalloc.start()
        try:
            found = read(path, keep=0)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            pa.set_memory_pool(pool)
    assert found.rows == rows * pieces
    assert len(found.cells.n) == 270
    assert 1e5 < counted.max_memory() < 12e6
    assert peak < 12e6


def labels(path: Path, *levels: Any) -> tuple[str, ...]:
    return read(path, *(levels or ("a",))).cells.levels.labels[1]


KINDS = {
    "int8": (pa.array([3, -1, 20, 3], pa.int8()), ("-1", "3", "20")),
    "uint64": (pa.array([2**63, 7, 10, 7], pa.uint64()), ("7", "10", str(2**63))),
    "double": (
        pa.array([10.0, 2.5, -0.0, 0.0]),
        ("0", "2.5", "10"),
    ),
    "large": (pa.array([1e20, 2.0, 1e-7, 2.0]), ("0.0000001", "2", "1e+20")),
    "float": (pa.array([0.1, 12, 2, 2], pa.float32()), ("0.1", "2", "12")),
    "half": (pa.array(np.array([0.1, 12, 2, 2], np.float16)), ("0.1", "2", "12")),
    "bool": (pa.array([True, False, True, True]), ("false", "true")),
    "string": (pa.array(["b", "10", "9", "B", "9"]), ("9", "10", "B", "b")),
    "zeros": (pa.array(["01", "1", "001", "1"]), ("001", "01", "1")),
    "large_string": (
        pa.array(["é", "z", "e", "z"], pa.large_string()),
        ("e", "z", "é"),
    ),
    "bytes": (pa.array([b"b", b"a", b"b", b"a"]), ("a", "b")),
    "dictionary": (
        pa.array(["z", "y", "z", "y"]).dictionary_encode(),
        ("y", "z"),
    ),
    "numbers": (pa.array([30, 4, 30, 4]).dictionary_encode(), ("4", "30")),
    "decimal": (
        pa.array(
            [decimal.Decimal(text) for text in ("10.00", "2.50", "2.50", "-1.00")]
        ),
        ("-1", "2.5", "10"),
    ),
    "date": (
        pa.array([datetime.date(2024, 1, 2), datetime.date(1969, 12, 31)] * 2),
        ("1969-12-31", "2024-01-02"),
    ),
    "midnights": (
        pa.array([datetime.datetime(2024, 1, 2), datetime.datetime(2023, 1, 2)] * 2),
        ("2023-01-02", "2024-01-02"),
    ),
    "times": (
        pa.array(
            [
                datetime.datetime(2024, 1, 2),
                datetime.datetime(2023, 1, 2, 3, 4, 5, 250000),
            ]
            * 2,
            pa.timestamp("ns"),
        ),
        ("2023-01-02 03:04:05.25", "2024-01-02 00:00:00"),
    ),
    "clock": (
        pa.array([datetime.time(23, 0), datetime.time(3, 4, 5)] * 2),
        ("03:04:05", "23:00:00"),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_what_a_person_would_write(tmp_path, kind):
    column, expected = KINDS[kind]
    path = tmp_path / "t.parquet"
    table = pa.table({"a": column, "x": np.arange(len(column)) / 2})
    for order in (np.arange(len(column)), np.arange(len(column))[::-1]):
        pq.write_table(table.take(order), path)
        assert labels(path) == expected


def test_zones_tell_times_apart_that_clocks_do_not(tmp_path):
    hours = [datetime.datetime(2024, 10, 27, hour) for hour in (0, 1)]
    column = pa.array(hours * 2, pa.timestamp("s", "UTC")).cast(
        pa.timestamp("s", "Europe/Berlin")
    )
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": column, "x": [1.0, 2, 3, 4]}), path)
    assert labels(path) == ("2024-10-27 02:00:00+0200", "2024-10-27 02:00:00+0100")


def test_labels_of_csv_are_what_is_written(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(
        b"\xef\xbb\xbfa,x\r\n10,1\r\n01,2\r\n1.0,3\r\n9,4\r\n1,5\r\nTRUE,6\r\n9,7\r\n"
    )
    assert labels(path) == ("01", "1", "1.0", "9", "10", "TRUE")


def test_nasty_labels_come_through(tmp_path):
    table = {"a": NASTY * 2, "b": ["u", "v"] * len(NASTY), "x": list(range(32))}
    for end in ("csv", "tsv", "parquet"):
        assert labels(write(tmp_path / f"t.{end}", table), "a") == tuple(sorted(NASTY))
    said: list[str] = []
    read(tmp_path / "t.csv", said=said)
    assert any('"NA" is read as a contributor' in line for line in said)


def test_parts_of_other_types_go_together(tmp_path):
    kinds = [
        (pa.array([1, 2, 10], pa.int8()), pa.array([1, 2, 3], pa.int32())),
        (pa.array([1.0, 2.5, 10.0]), pa.array([4.5, 5, 6])),
        (pa.nulls(0), pa.array([], pa.float32())),
        (pa.array([2, 2, 1]).dictionary_encode(), pa.array([7, 8, 9])),
    ]
    for number, (a, x) in enumerate(kinds):
        pq.write_table(pa.table({"a": a, "x": x}), tmp_path / f"{number}.parquet")
    found = read(tmp_path, "a")
    assert found.cells.levels.labels[1] == ("1", "2", "2.5", "10")
    assert found.cells.n.tolist() == [3, 3, 1, 2]
    pq.write_table(pa.table({"a": ["1"], "x": [1.0]}), tmp_path / "4.parquet")
    with pytest.raises(TableError, match=r"do not go together .*4\.parquet"):
        observed.check(source(tmp_path, "a"))


def test_combinations_are_contributors(tmp_path):
    table = {
        "batch": [10, 9, 9, 10, 9],
        "cask": ["b", "b", "a", "b", "a"],
        "x": [1.0, 2.0, 3.0, 4.0, 6.0],
    }
    path = write(tmp_path / "t.csv", table)
    for keep in (0, 100):
        found = read(path, Level("cask", ("batch", "cask")), "batch", keep=keep)
        assert found.cells.levels.labels[1] == ("9, a", "9, b", "10, b")
        assert found.cells.levels.labels[2] == ("9", "10")
        assert found.cells.contributors[:, 1:].tolist() == [[0, 0], [1, 0], [2, 1]]
        assert found.cells.mean.tolist() == [4.5, 2.0, 2.5]
        # Columns the other way round: others come first, cells in another order.
        turned = read(path, Level("cask", ("cask", "batch")), "batch", keep=keep)
        assert turned.cells.levels.labels[1] == ("a, 9", "b, 9", "b, 10")


def test_contributors_that_would_be_called_the_same_are_refused(tmp_path):
    table = {"a": ["p, q", "p", "p"], "b": ["r", "q, r", "s"], "x": [1, 2, 3]}
    path = write(tmp_path / "t.csv", {name: v * 2 for name, v in table.items()})
    with pytest.raises(TableError, match="two contributors would be called"):
        read(path, Level("both", ("a", "b")))


def test_what_is_missing_is_counted_by_column(tmp_path):
    table = {
        "a": [1, 1, None, 2, None, 2, 1],
        "b": ["u", "v", "v", None, " ", "u", "v"],
        "x": [1.0, "NA", 3.0, 4.0, "", 5.0, 6.0],
    }
    texts = write(tmp_path / "t.csv", table)
    typed = {**table, "x": [1.0, float("nan"), 3.0, 4.0, None, 5.0, 6.0]}
    for path in (texts, write(tmp_path / "t.parquet", typed)):
        found = read(path, missing="drop")
        assert found.dropped == {"a": 2, "b": 2, "x": 2}
        assert found.dropped_rows == 4
        assert found.rows == 3
        assert found.values.tolist() == [1.0, 6.0, 5.0]
        # What the filter leaves out is not missed.
        found = read(path, missing="drop", where="a > 0")
        assert (found.filtered, found.dropped_rows) == (2, 2)
        assert found.dropped == {"b": 1, "x": 1}


def test_columns_of_filters_are_numbers_where_all_of_them_are(tmp_path, monkeypatch):
    """Text that comes late makes text of the column, as it would had it come first."""
    monkeypatch.setattr(table_parts, "BLOCK_BYTES", 100)
    table = {
        "a": [1, 2] * 200,
        "x": list(range(400)),
        "c": ["9"] * 200 + ["10"] * 200,
        "d": ["9"] * 399 + ["ten"],
        "e": ["9"] * 200 + ["9.5"] * 200,
    }
    path = write(tmp_path / "t.csv", table)
    assert read(path, "a", where="c < 10").filtered == 200
    assert read(path, "a", where="e < 9.25").filtered == 200
    assert read(path, "a", where="e == 9").filtered == 200
    assert read(path, "a", where="d == '9'", keep=0).filtered == 1
    with pytest.raises(TableError, match=r'compared with the column "d".*line 401'):
        read(path, "a", where="d < 10")


def test_levels_are_text_while_filters_count(tmp_path):
    table = {"a": ["01", "1", "10", "01"], "x": [1, 2, 3, 4]}
    found = read(write(tmp_path / "t.csv", table), "a", where="a < 2")
    assert found.cells.levels.labels[1] == ("01", "1")


def test_published_tables_are_read(public_tables):
    found = read(public_tables / "Penicillin.csv", "plate", "sample", value="diameter")
    assert found.rows == len(found.cells.n) == 144
    assert found.cells.levels.sizes == (1, 24, 6)
    assert found.values.mean() == pytest.approx(22.97222, abs=5e-6)
    found = read(public_tables / "AIAG_gauge.csv", "part", "operator", value="value")
    assert (found.cells.n == 3).all()
    by_operator = [
        found.cells.sum_of_squares[found.cells.contributors[:, 2] == k].sum() / 20
        for k in range(3)
    ]
    assert by_operator == pytest.approx([0.010587, 0.091047, 0.036313], abs=5e-7)
