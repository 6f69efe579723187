"""One step of a large study in a process of its own, for its time and its memory.

``python -m benchmarks.scale STEP FOLDER NUMBER`` in scripts/, called by bench_scale.py.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

import decompose
import fit
import fit_table
import observe
import simulate
import tabulate
from summands.data.design import Design
from summands.data.source import Level, Source
from summands.estimation import tables as as_tables
from summands.estimation.results import Fit
from summands.estimators import Entry, nutpie
from summands.files import storage
from summands.model import estimands
from summands.model.levels import Levels
from summands.recovery import against_truth
from summands.recovery.against_truth import Score
from summands.study import answers, plan, study, tables

# Data sets of each number of rows.
DATA_SETS = 3

# Replicates of each design.
REPLICATES = 10

ESTIMATORS = ("nutpie", "least_squares")

# Contributors per level of observed tables, by their rows. The first is small: it has
# everything compiled before the others are measured. The second has the shape of
# InstEval, lectures rated by students, which lme4 documents.
TABLES = {
    5_000: (300, 100, 5),
    73_421: (2_972, 1_128, 14),
    10**6: (300, 300, 300),
    10**7: (300, 300, 300),
}

# Standard deviations of the means of the levels, and of the noise.
SPREADS, NOISE = (0.33, 0.52, 0.08), 1.18


def of_rows(rows: int) -> Design:
    """Make a design of 15 cells."""
    return Design(Levels.of([1, 3, 5]), rows)


def of_designs(count: int) -> study.Study:
    """Make a study of so many tiny designs, and some replicates of each."""
    levels = [[1, 2], [1, 3], [1, 4], [1, 2, 2], [1, 2, 3]]
    scales = [round(0.2 * step, 1) for step in range(1, 21)]
    document = {
        "study": "scale",
        "replicates": REPLICATES,
        "keep_rows": False,
        "keep_posteriors": False,
        "grid": {
            "levels": levels,
            "mu_sd": scales,
            "rows": [1000 + 10 * step for step in range(count // 100)],
        },
        "estimators": {name: {} for name in ESTIMATORS},
    }
    return study.load(document)


def draw_rows(folder: Path, rows: int) -> None:
    """Draw and collapse data sets, as a job does."""
    kinds = ("truth", "cells", "identification")
    files = {name: str(folder / f"{name}.parquet") for name in kinds}
    simulate.main({"d": of_rows(rows)}, range(DATA_SETS), 1, files)


def sample(folder: Path, rows: int) -> None:
    """Sample their posteriors, as a job does."""
    options = {key: rule["default"] for key, rule in nutpie.OPTIONS.items()}
    inputs = {
        "data": f"{folder}/cells.parquet",
        "identification": f"{folder}/identification.parquet",
        "truth": f"{folder}/truth.parquet",
    }
    outputs = {name: f"{folder}/{name}.parquet" for name in ("estimates", "fits")}
    outputs["posterior"] = f"{folder}/posterior.nc"
    entry = Entry("nutpie", "nutpie", options)
    design = of_rows(rows)
    fit.main({"d": design}, range(DATA_SETS), 1, entry, inputs, outputs)


def stand_in(folder: Path, count: int) -> None:
    """Write a study's file, and files as its fits would: noise for estimates."""
    checked = of_designs(count)
    (folder / "study.yaml").write_text(yaml.safe_dump(checked.resolved))
    for name in ESTIMATORS:
        for unit in plan.make(checked, [], {}).units.items():
            _write_stand_in(folder, checked, name, *unit)


def _write_stand_in(
    folder: Path, checked: study.Study, name: str, unit: plan.Unit, designs: list[str]
) -> None:
    rng = np.random.default_rng(0)
    fits: list[pa.Table] = []
    estimates: list[pa.Table] = []
    replicates = unit.batch.replicates
    for design_id in designs:
        levels = checked.designs[design_id].levels
        size = len(estimands.index(levels).parameter)
        truth = rng.lognormal(size=(len(replicates), size))
        made, scores = [], []
        for true in truth:
            stand = Fit(size, seconds=0.1, converged=True)
            stand.estimate = true + 0.1 * rng.normal(size=size)
            stand.sd = np.full(size, 0.1)
            for share, width in ((50, 0.0674), (95, 0.196)):
                setattr(stand, f"lower_{share}", stand.estimate - width)
                setattr(stand, f"upper_{share}", stand.estimate + width)
            stand.identified = ~estimands.index(levels).where("sigma")
            crps, nothing = np.abs(stand.estimate - true), np.full(size, np.nan)
            score = Score(crps, nothing, nothing)
            if name == "nutpie":
                stand.rhat = np.full(size, 1.001)
                stand.ess_bulk = stand.ess_tail = np.full(size, 2000.0)
                ranks = rng.integers(0, 99, size + 1, endpoint=True)
                among = np.full(size, 99.0)
                score = Score(crps, ranks[:-1].astype(float), among, int(ranks[-1]), 99)
            made.append(stand)
            scores.append(score)
        known = {"truth": truth, "bound": np.full_like(truth, 0.1)}
        of_estimates, of_fits = against_truth.joined(known, scores)
        fits.append(as_tables.fits(design_id, name, replicates, made, of_fits))
        estimates.append(
            as_tables.estimates(design_id, name, levels, replicates, made, of_estimates)
        )
    place = _fitted(folder, name, unit)
    place.mkdir(parents=True)
    for key, pieces in (("fits", fits), ("estimates", estimates)):
        pq.write_table(
            pa.concat_tables(pieces).combine_chunks(),
            place / f"{key}.parquet",
            compression=storage.COMPRESSION,
        )


def _fitted(folder: Path, name: str, unit: plan.Unit) -> Path:
    return folder / "fitted" / name / unit.name / unit.batch.name


def aggregate(folder: Path, count: int) -> None:
    """Make the tables of a study from the files of its fits, as the workflow does."""
    checked = of_designs(count)
    units = plan.make(checked, [], {}).units
    places = [_fitted(folder, name, unit) for name in ESTIMATORS for unit in units]
    outputs = [*tables.SCHEMAS, "study", "provenance", "summary"]
    tabulate.main(
        checked,
        list(units.values()),
        [str(place / "estimates.parquet") for place in places],
        [str(place / "fits.parquet") for place in places],
        [],
        {name: str(folder / f"{name}.parquet") for name in outputs},
    )


def of_table(folder: Path) -> study.Study:
    """Make the study of a table."""
    document = {
        "study": "table",
        "observed": {
            "table": str(folder / "table.parquet"),
            "value": "value",
            "levels": list("abc"),
        },
        "estimators": {"nutpie": {"noise": "constant"}, "homoscedastic": {}},
    }
    return study.load(document)


def make_table(folder: Path, rows: int) -> None:
    """Draw a table: as Parquet, and as bare numbers for R."""
    rng = np.random.default_rng(rows)
    value = NOISE * rng.standard_normal(rows)
    columns = {}
    for name, size, spread in zip("abc", TABLES[rows], SPREADS, strict=True):
        picked = rng.integers(size, size=rows, dtype=np.int32)
        value += (spread * rng.standard_normal(size))[picked]
        columns[name] = picked
    pq.write_table(pa.table(columns | {"value": value}), folder / "table.parquet")
    for name, column in (columns | {"value": value}).items():
        column.tofile(folder / f"{name}.bin")


def _of_table(folder: Path, *names: str) -> dict[str, str]:
    return {name: str(folder / f"{name}.parquet") for name in names}


def _kept(folder: Path) -> dict[str, str]:
    return _of_table(folder, "cells", "levels", "identification", "rows")


def read_table(folder: Path, rows: int) -> None:
    """Read a table into cells, as a job does."""
    levels = tuple(Level(name, (name,)) for name in "abc")
    observe.main(Source(str(folder / "table.parquet"), "value", levels), _kept(folder))


def _fit_table(folder: Path, name: str) -> None:
    outputs = _of_table(folder / name, "estimates", "fits", "components")
    if name == "nutpie":
        outputs["posterior"] = str(folder / "posterior.nc")
    entry = of_table(folder).estimators[name]
    fit_table.main(1, entry, _kept(folder), outputs)


def fit_reml(folder: Path, rows: int) -> None:
    """Fit a table by REML, as a job does."""
    _fit_table(folder, "homoscedastic")


def sample_table(folder: Path, rows: int) -> None:
    """Sample the posterior of a table, as a job does."""
    _fit_table(folder, "nutpie")


def take_apart(folder: Path, rows: int) -> None:
    """Make the tables of an observed table's study, as a job does."""
    checked = of_table(folder)
    inputs: dict[str, Any] = _kept(folder) | {
        name: [str(folder / each / f"{name}.parquet") for each in checked.estimators]
        for name in ("estimates", "fits", "components")
    }
    inputs["posteriors"] = [str(folder / "posterior.nc")]
    assert checked.observed is not None
    names = [*answers.tables_of(checked.observed), "study", "provenance", "summary"]
    decompose.main(
        checked, inputs, ["nutpie"], [], "", _of_table(folder / "answer", *names)
    )


STEPS: dict[str, Callable[[Path, int], None]] = {
    "draw": draw_rows,
    "sample": sample,
    "stand-in": stand_in,
    "aggregate": aggregate,
    "table": make_table,
    "read": read_table,
    "reml": fit_reml,
    "posterior": sample_table,
    "take-apart": take_apart,
}

if __name__ == "__main__":
    step, place, number = sys.argv[1:]
    start = time.process_time()
    STEPS[step](Path(place), int(number))
    print("SECONDS", time.process_time() - start)
