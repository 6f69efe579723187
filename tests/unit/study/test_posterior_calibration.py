"""Ranks of a check are uniform among draws that see the table too, and only there.

The stages run as they do in a study, on a table so small that its posterior is wide.
"""

import csv

import numpy as np
import pyarrow.parquet as pq
import pytest

import fit
import fit_table
import imitate
import observe
from summands.data import table_data
from summands.data.observed import Observed
from summands.data.source import Level, Source
from summands.estimation import draws_file
from summands.estimators import Entry
from summands.model.cells import collapse
from summands.model.levels import Levels
from summands.model.rows import Rows
from summands.recovery import calibration
from summands.study import batch, study

COUNT = 150


@pytest.fixture(scope="module")
def ranked(tmp_path_factory):
    """Ranks of truths among draws of both kinds of fits, by quantity."""
    folder = tmp_path_factory.mktemp("ranked")
    rng = np.random.default_rng(4)
    with (folder / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x", "tool"])
        writer.writerows(
            (1e3 + 1e-3 * (0.4 * tool + rng.normal()), f"tool {tool}")
            for tool in range(3)
            for _ in range(4)
        )
    checked = study.load(
        {
            "study": "s",
            "observed": {"table": "t.csv", "value": "x", "levels": ["tool"]},
            "estimators": {"constant": {"method": "nutpie", "noise": "constant"}},
        }
    )
    entry: Entry = checked.estimators["constant"]
    data = {
        name: f"{folder}/{name}.parquet"
        for name in ("cells", "levels", "identification", "rows")
    }
    observe.main(Source(f"{folder}/t.csv", "x", Level.all_of(["tool"])), data)
    posterior = {"posterior": f"{folder}/posterior.nc"}
    kept = {
        name: f"{folder}/of-{name}.parquet"
        for name in ("estimates", "fits", "components")
    }
    fit_table.main(1, entry, data, kept | posterior)
    made = {
        f"{kind}_{name}": f"{folder}/{kind}-{name}"
        for kind in ("alone", "joint")
        for name in ("truth", "cells", "identification", "designs")
    }
    imitate.main(range(COUNT), 1, entry, data | posterior, made)
    found = {}
    for kind in ("alone", "joint"):
        designs = batch.read(made[f"{kind}_designs"])
        outputs = {n: f"{folder}/{kind}-{n}.parquet" for n in ("estimates", "fits")}
        inputs = {
            "data": made[f"{kind}_cells"],
            "truth": made[f"{kind}_truth"],
            "identification": made[f"{kind}_identification"],
        }
        fit.main(designs, range(COUNT), 1, entry, inputs, outputs)
        pair = (pq.read_table(outputs[name]) for name in ("estimates", "fits"))
        found[kind] = designs[kind], *pair
    return found


def smallest(design, estimates, fits):
    table = calibration.calibration(
        "d", design, "constant", estimates, fits, estimates_scales=True
    )
    assert table["verdict"].to_pylist()
    return min(value for value in table["p_adjusted"].to_pylist() if value is not None)


def test_a_posterior_that_failed_is_told_and_nothing_is_written(tmp_path, monkeypatch):
    def refuse(reason):
        raise SystemExit(reason)

    monkeypatch.setattr(imitate.job, "refuse", refuse)
    levels = Levels.of([1, 3])
    rows = Rows(levels, np.arange(6.0), (np.zeros(6, int), np.arange(6) % 3))
    cells = collapse(rows)
    inputs = {
        name: f"{tmp_path}/{name}.parquet"
        for name in ("cells", "levels", "identification", "rows")
    }
    seen = Observed(cells, cells.mean, cells.mean, 6, 0, 0, {}, (), None, None)
    table_data.write(seen, inputs)
    tree = draws_file.to_datatree(
        levels, [0], [None], {}, None, [cells], [np.random.default_rng(0)]
    )
    draws_file.write(tree, f"{tmp_path}/posterior.nc")
    inputs["posterior"] = f"{tmp_path}/posterior.nc"
    entry = Entry("nutpie", "nutpie", {"scales": "estimated"})
    with pytest.raises(SystemExit, match="check: nutpie failed on this table"):
        imitate.main(range(2), 1, entry, inputs, {"alone_truth": f"{tmp_path}/made"})
    assert not (tmp_path / "made").exists()


@pytest.mark.slow
def test_ranks_among_draws_that_see_the_table_are_uniform(ranked):
    assert smallest(*ranked["joint"]) > 0.01


@pytest.mark.slow
def test_among_draws_that_do_not_see_it_they_are_not(ranked):
    """They have less to go by, and are wider than what truths were drawn from."""
    design = ranked["joint"][0]
    assert smallest(design, *ranked["alone"][1:]) < 0.01


@pytest.mark.slow
def test_a_sampler_that_is_half_as_wide_is_caught(ranked):
    design, estimates, fits = ranked["joint"]
    rank = estimates["rank"].to_numpy()
    # Ranks among draws that are twice as far from the middle of the truths.
    spoiled = np.where(rank < 50, np.maximum(0, 2 * rank - 50), 2 * rank - 49)
    spoiled = np.clip(spoiled, 0, 99)
    place = estimates.schema.get_field_index("rank")
    moved = estimates.set_column(
        place, estimates.schema.field(place), [spoiled.astype(np.int32)]
    )
    assert smallest(design, moved, fits) < 0.01
