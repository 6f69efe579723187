"""What the script that fits an observed table gives an estimator to read."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fit_table
from summands.data import observed, table_data
from summands.data.observed import Level, Source
from summands.estimators import Entry, huber

ROWS = 60
NAMES = ("cells", "levels", "identification", "rows")


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    tool = rng.integers(3, size=ROWS)
    value = 1e6 + np.array([-1.0, 0.0, 1.0])[tool] + 0.1 * rng.normal(size=ROWS)
    value[0] += 1e4
    label = np.array(["a b", "東京", '"'])[tool]
    path = tmp_path / "a table.parquet"
    pq.write_table(pa.table({"x": value, "tool": label}), path)
    return Source(str(path), "x", (Level("tool", ("tool",)),))


def fitted(folder, source, keep):
    inputs = {name: str(folder / f"{name}.parquet") for name in NAMES}
    table_data.write(observed.read(source, keep, [].append), inputs)
    outputs = {
        name: str(folder / f"made_{name}.parquet")
        for name in ("estimates", "fits", "components")
    }
    options = {name: rule["default"] for name, rule in huber.OPTIONS.items()}
    fit_table.main(1, Entry("robust", "huber", options), inputs, outputs)
    return {name: pq.read_table(path).to_pandas() for name, path in outputs.items()}


def test_an_estimator_of_rows_is_given_those_of_the_table(tmp_path, table):
    made = fitted(tmp_path, table, ROWS)
    assert made["fits"]["converged"].all()
    frame = made["estimates"]
    mu = frame[(frame["parameter"] == "mu") & (frame["level"] == 1)]
    found = dict(zip(mu["label"], mu["estimate"], strict=True))
    # The gross error is no more than one row too high.
    for label, truth in {"a b": -1.0, "東京": 0.0, '"': 1.0}.items():
        assert found[label] == pytest.approx(truth, abs=0.1)


def test_of_more_rows_than_are_kept_it_fails_in_words(tmp_path, table):
    made = fitted(tmp_path, table, ROWS - 1)
    (error,) = made["fits"]["error"]
    assert error == "ValueError: it reads rows, and of so many (60) only cells are kept"
    assert made["estimates"]["estimate"].isna().all()
