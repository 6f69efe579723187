"""Tables that cannot be read say what is wrong, where, and how to mend it."""

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from summands.data import observed, table_files, table_parts
from summands.data.observed import Level, Source, TableError

HEAD = b"a,b,x\n"
ROWS = b"1,u,1.5\n1,v,2.5\n2,u,3\n2,v,4\n"


def source(path: Path, *levels: Any, value: str = "x", **others: Any) -> Source:
    named = tuple(
        level if isinstance(level, Level) else Level(level, (level,))
        for level in levels or ("a", "b")
    )
    return Source(str(path), value, named, **others)


def refused(source: Source) -> str:
    """What a reader is told."""
    with pytest.raises(TableError) as error:
        observed.read(source, 100, [].append)
    return str(error.value)


def checked(source: Source) -> str:
    """What is said before any job starts; no less than when the table is read."""
    with pytest.raises(TableError) as error:
        observed.check(source)
    assert refused(source) == str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (HEAD, "has no rows"),
        (HEAD[:-1], "has no rows"),
        (HEAD + b"\n\n", "has no rows"),
        (HEAD + ROWS + b"1,u\n", "line 6 has 2 values for 3 columns"),
        (HEAD + ROWS + b"1,u,2,3\n", "line 6 has 4 values for 3 columns"),
        (HEAD + b'1,"u\nv",2\n\n' + ROWS + b"1\n", "line 9 has 1 values for 3"),
        (HEAD + ROWS + b"1,\xe4,2\n", "line 6 is not UTF-8 (byte 37 of"),
        (b"\xe4" + HEAD + ROWS, "line 1 is not UTF-8 (byte 1 of"),
        ((HEAD + ROWS).decode().encode("utf-16"), "is UTF-16"),
        (HEAD + ROWS + b'1,"u,2\n' + ROWS, "line 6 opens a quote that is never closed"),
        (HEAD + ROWS + b'1,u,2,"\n' + ROWS, "line 6 opens a quote that is never"),
        (HEAD + ROWS + b"1,u,12 mm\n", 'column "x", line 6: "12 mm" is not a number'),
        (
            HEAD + ROWS + b'1,u,"1,5"\n',
            'if that is a decimal, say so: `decimal: ","`',
        ),
        (HEAD + b'1,u,"1,500.5"\n' + ROWS, 'line 2: "1,500.5" is not a number; write'),
        (HEAD + ROWS + b"1,u,<0.1\n", '"<0.1" is not a number; a value is a number'),
        (HEAD + b'1,"u\n\nv",2\n\n1,u,no\n' + ROWS, 'line 6: "no" is not a number'),
        (HEAD + b'1,"u\n\nv",no\n' + ROWS, 'line 2: "no" is not a number'),
        (HEAD + ROWS + b"1,u,inf\n", 'line 6: "inf" is not a finite number'),
        (HEAD + ROWS + b"1,u,-1e999\n", 'line 6: "-1e999" is not a finite number'),
        (HEAD + ROWS + b"1,u,NA\n", 'line 6 has no "x"; fill it in'),
        (HEAD + ROWS + b"1,u,nan\n", 'line 6 has no "x"'),
        (HEAD + ROWS + b",u,3\n1,,4\n", 'line 6 has no "a"'),
        (HEAD + ROWS + b'1,"",3\n', 'line 6 has no "b"'),
        (HEAD + b"1,u,1\n1,v,2\n1,v,3\n", 'level "a": has but one contributor, "1"'),
        (HEAD + b"1,u,1\n2,v,2\n3,v,3\n", 'level "a": has as many contributors as t'),
        (HEAD + ROWS.replace(b"2", b"3")[:8] * 2 + b"2,v,1.5\n", "all values are 1.5"),
        (HEAD + b"1,u,1e300\n1,v,2\n2,u,3\n", "cannot be squared"),
    ],
)
def test_text_that_is_no_table_is_refused(tmp_path, text, said):
    path = tmp_path / "t.csv"
    path.write_bytes(text)
    assert said in refused(source(path))
    assert str(path) in refused(source(path))
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(text))
    assert said in refused(source(packed))
    # Byte order marks and line ends of Windows move no line.
    if not text.startswith((b"\xff", b"\xe4")) and b"\xe4" not in text:
        path.write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
        assert said in refused(source(path))


def test_rows_are_found_far_into_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(table_parts, "BLOCK_BYTES", 64)
    path = tmp_path / "t.csv"
    path.write_bytes(HEAD + ROWS * 50 + b"1,u,\n")
    assert 'line 202 has no "x"' in refused(source(path))
    assert 'line 202 has no "x"' in refused(source(path, where="a == 1"))
    path.write_bytes(HEAD + ROWS * 50 + b'1,"' + b"u" * 100 + b'",2\n')
    assert "a row is longer than 64 bytes" in refused(source(path))
    monkeypatch.setattr(table_parts, "BATCH_ROWS", 7)
    x = np.arange(100.0)
    x[74] = np.nan
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1, 2] * 50, "x": x}), path, row_group_size=30)
    assert 'row 75 has no "x"' in refused(source(path, "a"))
    assert 'row 75 has no "x"' in refused(source(path, "a", where="a == 1"))


def test_quotes_that_swallow_the_rest_of_a_file_are_seen(tmp_path, monkeypatch):
    """In a last column, all lines to come are one label to the parser."""
    path = tmp_path / "t.csv"
    path.write_bytes(b'x,a\n1,"u"\n2,v\n3,"u\n4,v\n5,u\n')
    assert "line 4 opens a quote that is never closed" in refused(source(path, "a"))
    monkeypatch.setattr(table_parts, "BLOCK_BYTES", 12)
    path.write_bytes(b'x,a\n1,u\n2,v\n3,u"\n4,v\n5,"u"\n')
    found = observed.read(source(path, "a"), 9, [].append)
    assert found.cells.levels.labels[1] == ("u", 'u"', "v")


LAYOUTS: list[tuple[bytes, str, dict[str, Any]]] = [
    (
        b"a;b;x\n1;u;1,5\n2;v;2\n",
        'seems to be separated by ";" and have decimal commas; if so, say '
        '`separator: ";"` and `decimal: ","`',
        {"separator": ";", "decimal": ","},
    ),
    (
        b"a\tb\tx\n1\tu\t1.5\n2\tv\t2\n",
        'seems to be separated by tabs; if so, say `separator: "\\t"`',
        {"separator": "\t"},
    ),
    (
        b'Export of "x"; 2024\n\nby B, of "A\na,b,x\n1,u,1.5\n2,v,2\n',
        "seems to name its columns in line 4; if so, say `skip_lines: 3`",
        {"skip_lines": 3},
    ),
    (
        "Größe".encode() + b"\n,,,\na|b|x|n, m\n1|u|1,5|\n2|v|2|\n",
        'seems to name its columns in line 3, be separated by "|" and have decimal '
        'commas; if so, say `skip_lines: 2`, `separator: "|"` and `decimal: ","`',
        {"skip_lines": 2, "separator": "|", "decimal": ","},
    ),
]


@pytest.mark.parametrize(("text", "said", "keys"), LAYOUTS)
def test_what_a_file_of_another_layout_needs_is_said_and_is_enough(
    tmp_path, text, said, keys
):
    path, packed = tmp_path / "t.csv", tmp_path / "p.csv.gz"
    plain = tmp_path / "plain.csv"
    plain.write_bytes(b"a,b,x\n1,u,1.5\n2,v,2\n1,v,3\n")
    add = text.splitlines()[-1].replace(b"2", b"1", 1).replace(b"2", b"3")
    path.write_bytes(text + add + b"\n")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    same = observed.read(source(plain), 9, [].append)
    for written in (path, packed):
        assert checked(source(written)) == f"{written}: {said}"
        # One name of three that is not there hides nothing.
        assert said in checked(source(written, "a", "c"))
        found = observed.read(source(written, **keys), 9, [].append)
        assert found.cells.levels == same.cells.levels
        np.testing.assert_array_equal(found.cells.mean, same.cells.mean)
    lines = text.count(b"\n") + 2
    path.write_bytes(path.read_bytes() + add.replace(b"3", b"no") + b"\n")
    assert f'line {lines}: "no" is not' in refused(source(path, **keys))


def test_keys_of_csv_are_checked(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(HEAD + ROWS + b"1,u,1.500\n")
    said = refused(source(path, decimal=","))
    assert 'line 2: "1.5" is not a number; if that is a decimal, say so' in said
    assert '`decimal: "."`' in said
    assert "nothing is left below the 7 lines" in checked(source(path, skip_lines=7))
    assert "skip_lines: 0" in checked(source(path, skip_lines=2))
    for odd in ("", ";;", "x", '"', "\n"):
        assert f"separator: {odd!r} is no character" in checked(
            source(path, separator=odd)
        )
    other = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1, 2, 1], "x": [1.0, 2.0, 3.0]}), other)
    assert "is Parquet" in checked(source(other, "a", decimal=","))


def test_filters_compare_numbers_with_decimal_commas(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a;x\n1;1,5\n2;2,5\n1;3\n2;-0,5\n1;7e1\n")
    keys = {"separator": ";", "decimal": ",", "where": "0 < x < 2.75 or x == 3"}
    assert observed.read(source(path, "a", **keys), 9, [].append).rows == 3


def test_texts_that_a_filter_asks_for_in_vain_are_told(tmp_path):
    path = tmp_path / "t.csv"
    sites = [b"Bee", b"B", b"North 1", *(b"s%d" % number for number in range(1500))]
    rows = [b"%d,%s,%d\n" % (n % 2, site, n) for n, site in enumerate(sites * 2)]
    path.write_bytes(b"a,site,x\n" + b"".join(rows))

    def absent(where: str) -> list[str]:
        return [*observed.read(source(path, "a", where=where), 9, str).absent]

    meant = 'no row has "bee" in "site"; did you mean "Bee"?'
    assert refused(source(path, "a", where="site == 'bee'")).endswith(f"; {meant}")
    assert absent("a < 2 and site != 'bee'") == [meant]
    assert absent("site in ['s1', 'bee'] or 's2' == site") == [meant]
    (said,) = absent("site in ['s1', 'north1', 's1499']")
    assert said.endswith('did you mean "North 1"?')
    assert absent("site == 'B' or a == 0 or x > 3") == []
    (said,) = absent("site in ['B', 's1499', 'zzz']")
    assert "known here: B, Bee" in said
    assert len(said) < 300


def test_files_that_are_damaged_are_refused(tmp_path):
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress((HEAD + ROWS) * 100)[:-20])
    assert "is damaged" in refused(source(packed))
    packed.write_bytes(HEAD + ROWS)
    assert "is damaged" in checked(source(packed))
    path = tmp_path / "t.parquet"
    table = pa.table({"a": [1, 2] * 5000, "b": [1, 1, 2, 2] * 2500})
    table = table.append_column(
        "x", pa.array(np.random.default_rng(1).normal(size=10**4))
    )
    pq.write_table(table, path, compression="zstd")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    assert "is damaged" in checked(source(path))
    path.write_bytes(whole[:4] + b"\0" * 60_000 + whole[60_004:])
    assert str(path) in refused(source(path))
    path.write_bytes(b"")
    assert str(path) in checked(source(path))


def test_columns_are_checked_in_every_part(tmp_path):
    for name, head in [
        ("1.csv", HEAD),
        ("2.csv", b"a,bb,x\n"),
        ("3.csv", b"a,b,x,x\n"),
    ]:
        rows = ROWS if name < "3" else ROWS.replace(b"\n", b",0\n")
        (tmp_path / name).write_bytes(head + rows)
    said = checked(source(tmp_path))
    assert '2.csv: level "b": there is no column "b"; did you mean "bb"?' in said
    assert '3.csv: value: there are 2 columns "x"; rename all but one' in said
    # A name that nobody uses may come twice, and such a column may hold anything.
    (tmp_path / "4.csv").write_bytes(b"a,b,x,n,n\n1,u,1,\xff,\n1,v,2,,\n2,v,3,,\n")
    assert observed.read(source(tmp_path / "4.csv"), 9, [].append).rows == 3


def test_everything_is_said_at_once(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(HEAD + ROWS)
    said = checked(
        source(
            path,
            "a",
            "a",
            Level("baseline", ("a", "b")),
            Level("values", ("x",)),
            Level("again", ("b", "b")),
            Level("same", ("a",)),
            "c",
            where="d > 1 and",
            missing="ignore",
        )
    )
    for part in (
        'missing: \'ignore\' is neither "refuse" nor "drop"',
        'level "a": is given twice',
        'level "baseline": the level that all rows share is called so',
        'level "values": its column "x" is that of the values',
        'level "again": has the same column twice',
        'levels "a" and "same": are of the same columns',
        'level "c": there is no column "c"; known here: a, b, x',
        "where: cannot be read at character",
    ):
        assert part in said
    assert len(said.splitlines()) == 8
    assert "where: there is no column" in checked(source(path, where="d > 1"))
    assert "holds text" in checked(source(path, where="b > 1"))
    assert "without quotes" in checked(source(path, where="a == '1'"))
    assert "name a column at least" in checked(Source(str(path), "x", ()))


def test_filters_that_leave_nothing_are_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(HEAD + ROWS)
    assert "none of 4 rows is such that a > 2" in refused(source(path, where="a > 2"))
    path.write_bytes(HEAD + b"1,u,1\n2,,2\n")
    said = refused(source(path, where="a == 2", missing="drop"))
    assert "1 of 2 are left out by `where`, 1 miss a value or a label" in said


def test_types_that_are_no_numbers_or_labels_are_refused(tmp_path):
    path = tmp_path / "t.parquet"
    for column, said in [
        (pa.array(["1", "2", "3"]), "holds string, not numbers"),
        (pa.array([True, False, True]), "holds bool, not numbers"),
    ]:
        pq.write_table(pa.table({"a": [1, 1, 2], "x": column}), path)
        assert said in checked(source(path, "a"))
    pq.write_table(pa.table({"a": [[1], [1], [2]], "x": [1, 2, 3]}), path)
    assert "which cannot be read" in checked(source(path, "a"))
    pq.write_table(pa.table({"a": pa.nulls(3), "x": [1, 2, 3]}), path)
    assert 'row 1 has no "a"' in refused(source(path, "a"))
    pq.write_table(pa.table({"a": [1.0, 2.0, np.nan], "x": [1, 2, 3]}), path)
    assert 'row 3 has no "a"' in refused(source(path, "a"))
    pq.write_table(pa.table({"a": [b"u", b"\xff", b"u"], "x": [1, 2, 3]}), path)
    assert 'column "a" cannot be read as string' in refused(source(path, "a"))
    pq.write_table(pa.table({"a": [1, 2, 1], "x": [1.0, np.inf, 3]}), path)
    assert 'row 2: "inf" is not a finite number' in refused(source(path, "a"))


def test_files_that_are_none_are_refused(tmp_path):
    assert "no such file" in checked(source(tmp_path / "gone" / "t.csv"))
    (tmp_path / "penicillin.csv").write_bytes(HEAD + ROWS)
    said = checked(source(tmp_path / "penicilin.csv"))
    assert 'did you mean "penicillin.csv"?' in said
    assert "no file has such a name" in checked(source(tmp_path / "*.tsv"))
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    assert "t.xlsx: cannot be read as a table" in checked(source(tmp_path / "t.xlsx"))
    folder = tmp_path / "parts"
    folder.mkdir()
    assert "the folder holds no file" in checked(source(folder))
    for name in (".hidden.csv", "_SUCCESS", "_metadata.parquet"):
        (folder / name).touch()
    (folder / ".folder").mkdir()
    (folder / ".folder" / "t.csv").write_bytes(HEAD + ROWS)
    assert "the folder holds no file" in checked(source(folder))
    (folder / "b.csv").write_bytes(HEAD + ROWS)
    (folder / "deep").mkdir()
    (folder / "deep" / "a.CSV").write_bytes(HEAD + ROWS)
    found = table_files.files(str(folder))
    assert [path.name for path in found] == ["b.csv", "a.CSV"]
    assert observed.read(source(folder), 9, [].append).rows == 8
    (folder / "c.csv.gz").write_bytes(gzip.compress(HEAD + ROWS))
    said = checked(source(folder))
    assert "several kinds" in said
    assert "c.csv.gz" in said
    (folder / "readme.md").touch()
    assert "readme.md: cannot be read as a table" in checked(source(folder))


def test_rows_are_found_behind_columns_that_are_not_read(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\n\na,note,x\n1,caf\xe9,1\n\n1,\xff,2\n2,,\n")
    assert 'line 7 has no "x"' in refused(source(path, "a"))
    path.write_bytes(b"a,note,x\n1,\xe9,1\n1,2\n")
    assert "line 3 has 2 values" in refused(source(path, "a"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_files_that_may_not_be_read_are_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(HEAD + ROWS)
    path.chmod(0)
    assert "cannot be read (Permission denied)" in checked(source(path))


def test_a_table_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_bytes(HEAD + ROWS)
    batches = table_parts.Part.batches

    def growing(self, types):
        yield from batches(self, types)
        with path.open("ab") as file:
            file.write(ROWS)

    monkeypatch.setattr(table_parts.Part, "batches", growing)
    assert "changed while it was read" in refused(source(path))


def written(path: Path, data: bytes, age: float = 100.0) -> Path:
    """Write a file as it would have been some seconds ago."""
    path.write_bytes(data)
    then = path.stat().st_mtime - age
    os.utime(path, (then, then))
    return path


def test_digests_are_of_what_files_hold(tmp_path):
    one = written(tmp_path / "1.csv", HEAD + ROWS)
    two = written(tmp_path / "2.csv", HEAD + ROWS + ROWS)
    digest, known = observed.digest([one, two], {})
    assert len(digest) == 64
    assert len(known) == 2
    # Neither order, names, times nor what is noted counts.
    assert observed.digest([two, one], known)[0] == digest
    os.utime(one)
    assert observed.digest([one, two], known)[0] == digest
    one.rename(tmp_path / "3.csv")
    assert observed.digest([tmp_path / "3.csv", two], known)[0] == digest
    # What is in the files does, and how they are read.
    written(two, HEAD + ROWS + ROWS.replace(b"3", b"4"))
    assert observed.digest([tmp_path / "3.csv", two], known)[0] != digest
    assert observed.digest([two], {})[0] != observed.digest([two, two], {})[0]
    other = written(tmp_path / "2.tsv", two.read_bytes())
    assert observed.digest([two], {})[0] != observed.digest([other], {})[0]


def test_files_are_hashed_once(tmp_path, monkeypatch):
    path = written(tmp_path / "t.csv", HEAD + ROWS)
    digest, known = observed.digest([path], {})

    def never(*_):
        raise AssertionError("is hashed again")

    with monkeypatch.context() as patch:
        patch.setattr("hashlib.file_digest", never)
        assert observed.digest([path], known) == (digest, known)
        written(path, HEAD + ROWS + ROWS)
        with pytest.raises(AssertionError):
            observed.digest([path], known)
    # A change of the same length whose time is put back is seen all the same.
    before = path.stat()
    path.write_bytes(HEAD + ROWS)
    digest, known = observed.digest([written(path, HEAD + ROWS)], {})
    before = path.stat()
    path.write_bytes(HEAD + ROWS.replace(b"4", b"5"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert observed.digest([path], known)[0] != digest


def test_files_that_are_just_written_are_hashed_again(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(HEAD + ROWS)
    assert observed.digest([path], {})[1] == {}
    with pytest.raises(TableError, match="no such file any more"):
        observed.digest([tmp_path / "gone.csv"], {})
