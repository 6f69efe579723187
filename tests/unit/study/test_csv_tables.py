"""Tables as CSV hold what they hold as Parquet."""

import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import yaml

from summands.files.manifest import Manifest
from summands.study import answers, csv_tables, tables

NASTY = ["plain", 'say "B"', "a,b", "line\nbreak", "東京", "", None]


def made_up(schema: pa.Schema) -> pa.Table:
    """A table with nulls and digits in every column."""
    numbers = np.array([0.1, 1e-300, -1 / 3, 1e6 + 1e-6, 0.0, 7.0, 1.0])
    columns = []
    for field in schema:
        if pa.types.is_string(field.type):
            columns.append(pa.array(NASTY, field.type))
        elif pa.types.is_boolean(field.type):
            columns.append(pa.array([True, False, None] * 2 + [True], field.type))
        elif pa.types.is_floating(field.type):
            gaps = np.arange(7) == 4
            columns.append(pa.array(numbers.astype("f8"), mask=gaps).cast(field.type))
        elif pa.types.is_list(field.type):
            lists = [[1, 3], [], None, [1], [2, 2], [5], [1, 1]]
            texts = pa.types.is_string(field.type.value_type)
            mine = [x and [*map(str, x)] if texts else x for x in lists]
            columns.append(pa.array(mine, field.type))
        else:
            columns.append(pa.array([1, 2, None, 4, 5, 6, 7], field.type))
    return pa.table(columns, schema=schema)


def is_list(field: pa.Field) -> bool:
    return pa.types.is_list(field.type)


def run(monkeypatch, capsys, *arguments: object) -> str:
    monkeypatch.setattr(sys, "argv", ["csv_tables", *map(str, arguments)])
    csv_tables.main()
    return capsys.readouterr().out


def test_all_tables_of_any_study_are_written_to_the_last_bit(
    tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "results" / "s"
    folder.mkdir(parents=True)
    file = tmp_path / "s.yaml"
    observed = {"table": "t.csv", "value": "x", "levels": ["a"]}
    document = {"study": "s", "observed": observed, "estimators": {"homoscedastic": {}}}
    file.write_text(yaml.safe_dump(document))
    schemas = answers.SCHEMAS | tables.SCHEMAS
    with pytest.raises(SystemExit, match="there are no tables of this study yet"):
        run(monkeypatch, capsys, file, "--directory", tmp_path)
    for name, schema in schemas.items():
        pq.write_table(made_up(schema), folder / f"{name}.parquet")
    said = run(monkeypatch, capsys, file, "--directory", tmp_path)
    assert said == f"{len(schemas)} tables in {folder}/csv/\n"
    assert {path.stem for path in (folder / "csv").iterdir()} == {*schemas}
    for name, schema in schemas.items():
        read = pacsv.read_csv(
            folder / "csv" / f"{name}.csv",
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types=pa.schema(
                    [
                        (each.name, pa.string() if is_list(each) else each.type)
                        for each in schema
                    ]
                ),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        for each in schema:
            mine, same = read[each.name].to_pylist(), made_up(schema)[each.name]
            if is_list(each):
                mine = [text and json.loads(text) for text in mine]
            assert mine == same.to_pylist(), (name, each)
    (folder / "s.parquet").write_bytes(b"")
    with pytest.raises(SystemExit, match=r"s\.parquet is damaged"):
        run(monkeypatch, capsys, file, "--directory", tmp_path)
    # They are no results, and none of a run's business.
    assert not any("csv" in name for name in Manifest(folder).verify()[1]["unrecorded"])
