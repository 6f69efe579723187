"""Observed tables of the benchmark, without the time that it takes."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import bench_scale, scale


def test_r_is_given_the_table_that_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "TABLES", {50: (7, 3, 2)})
    scale.make_table(tmp_path, 50)
    table = pd.read_parquet(tmp_path / "table.parquet")
    assert table.shape == (50, 4)
    for name, column in table.items():
        kind = float if name == "value" else np.int32
        bare = np.fromfile(tmp_path / f"{name}.bin", kind)
        np.testing.assert_array_equal(bare, column)
    scale.read_table(tmp_path, 50)
    cells = pd.read_parquet(tmp_path / "cells.parquet")
    assert cells["n"].sum() == 50
    assert len(cells) == len(table.groupby(["a", "b", "c"]))


STEPS = ("read", "reml", "posterior", "take-apart")


@pytest.mark.parametrize("lme4", [True, False])
def test_the_report_says_whether_lme4_was_there(lme4):
    measured = pd.DataFrame(
        [
            {"rows": rows, "contributors": (300, 200, 10), "cells": rows // 2}
            | dict.fromkeys(STEPS, 1.5)
            | {f"{name}_memory": 1234.0 for name in STEPS}
            for rows in (10**6, 10**7)
        ]
    )
    if lme4:
        # Of the larger table it is not asked for.
        measured["lme4"] = [77.0, np.nan]
        measured["lme4_memory"] = [2000.0, np.nan]
    text = bench_scale.tables_report(measured)
    assert ("lme4 not installed" in text) == (not lme4)
    assert ("| 77 | 2,000 |" in text) == lme4
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1
