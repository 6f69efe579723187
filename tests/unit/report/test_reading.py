from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from summands.data.design import Design
from summands.report import reading
from summands.report.reading import Tables

from ..studies import LEVELS, study_tables

NAMES = ("a", "b", "c", "d")


@pytest.fixture
def tables(tmp_path):
    whole, _ = study_tables(NAMES)
    for name, table in whole.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    study = SimpleNamespace(designs={name: Design(LEVELS, 100) for name in NAMES})
    return Tables(study, {name: str(tmp_path / f"{name}.parquet") for name in whole})


def test_sizes_are_rows_per_contributor(tables):
    assert tables.sizes() == pytest.approx(dict.fromkeys(NAMES, 100 / 3))


def test_metrics_are_those_of_data_sets_that_all_estimators_fitted(tables):
    found = tables.recovery(["coverage_95", "coverage_50"])
    assert set(found["gate"]) == {"common"}
    assert set(found["metric"]) == {"coverage_95", "coverage_50"}


def test_of_many_estimates_some_are_read(tables, monkeypatch):
    every = len(tables.estimates())
    assert every == pq.read_metadata(tables.paths["estimates"]).num_rows
    monkeypatch.setattr(reading, "MOST_ESTIMATES", 40)
    assert 0 < len(tables.estimates()) <= 40


def test_ranks_are_those_of_the_smallest_p_values_in_the_order_of_designs(
    tables, monkeypatch
):
    # The last design has a fixed truth, and "partial" no draws.
    assert [(one.design, one.estimator) for one in tables.ranked()] == [
        (name, "full") for name in NAMES[:-1]
    ]
    verdicts = pq.read_table(tables.paths["calibration"])
    p_values = {"a": 0.2, "b": 0.9, "c": 0.1}
    column = pa.array([p_values[name] for name in verdicts["design"].to_pylist()])
    place = verdicts.schema.get_field_index("p_adjusted")
    pq.write_table(
        verdicts.set_column(place, "p_adjusted", column), tables.paths["calibration"]
    )
    monkeypatch.setattr(reading, "MOST_RANKED", 2)
    found = list(tables.ranked())
    assert [one.design for one in found] == ["a", "c"]
    for one in found:
        assert one.rank_of == 99
        for ranks in one.quantities.values():
            assert np.isin(ranks, range(100)).all()
            # One of six fits failed.
            assert len(ranks) == 5
