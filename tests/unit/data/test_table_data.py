"""Files of an observed table: what is read back is what was written."""

import numpy as np
import pandas as pd
import pytest

from summands.data import observed, table_data
from summands.data.observed import Level, Source


@pytest.mark.parametrize("rows", [40, 4000])
@pytest.mark.parametrize("keep", [0, 10**6])
@pytest.mark.parametrize(("scale", "origin"), [(1.0, 0.0), (1e-6, 1e6)])
def test_cells_are_those_that_were_read(tmp_path, rows, keep, scale, origin):
    """Of few rows most are alone in their cell, of many none."""
    rng = np.random.default_rng(rows)
    a, b = rng.integers(9, size=rows), rng.integers(11, size=rows)
    table = pd.DataFrame({"a": a, "b": b, "x": origin + scale * rng.normal(size=rows)})
    table.to_parquet(tmp_path / "table.parquet")
    source = Source(
        str(tmp_path / "table.parquet"), "x", (Level("a", ("a",)), Level("b", ("b",)))
    )
    found = observed.read(source, keep, str)
    names = ("cells", "levels", "identification", "rows")
    files = {name: str(tmp_path / f"{name}.parquet") for name in names}
    table_data.write(found, files)
    levels, counts = table_data.read_levels(files["levels"])
    assert levels == found.cells.levels
    assert counts.rows == rows
    assert counts.kept == bool(keep)
    cells = table_data.read_cells(files, levels)
    for name in ("contributors", "n", "mean", "sum_of_squares", "null_space"):
        np.testing.assert_array_equal(getattr(cells, name), getattr(found.cells, name))
        assert getattr(cells, name).dtype == getattr(found.cells, name).dtype
    smallest, largest = table_data.read_extremes(files["cells"])
    by_cell = table.groupby(["a", "b"])["x"]
    np.testing.assert_array_equal(smallest, by_cell.min())
    np.testing.assert_array_equal(largest, by_cell.max())


def test_rows_of_contributors_are_counted(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({name: rng.integers(5, size=200) for name in "ab"})
    table["x"] = rng.normal(size=200)
    table.to_csv(tmp_path / "table.csv", index=False)
    levels = (Level("a", ("a",)), Level("b", ("b",)))
    cells = observed.read(
        Source(str(tmp_path / "table.csv"), "x", levels), 0, str
    ).cells
    expected = np.concatenate(
        [[200], *(np.bincount(table[name], minlength=5) for name in "ab")]
    )
    np.testing.assert_array_equal(cells.rows, expected)
    weight = rng.normal(size=len(cells.n))
    np.testing.assert_allclose(cells.sums(weight), cells.indicators.T @ weight)
