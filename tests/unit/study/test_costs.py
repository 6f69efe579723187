import dataclasses
import time
from collections import namedtuple
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fit
import simulate
from summands.data import observed
from summands.data.source import Level, Source
from summands.estimators import Entry, bayesian_ridge
from summands.study import costs, sizing
from summands.study.study import Study, load

Usage = namedtuple("Usage", "total used free")
BASE = {
    "study": "s",
    "replicates": 20,
    "grid": {"levels": [[1, 2]], "rows": [1000]},
    "estimators": {"nutpie": {}, "bayesian_ridge": {}},
}


def study(**changes) -> Study:
    return load(BASE | changes)


SOME = study()


def of(**changes) -> costs.Costs:
    return costs.of(study(**changes))


def disk(monkeypatch, free: float, folder: Path, **changes) -> costs.Excess | None:
    monkeypatch.setattr(costs.shutil, "disk_usage", lambda path: Usage(0, 0, free))
    return costs.of_disk(study(**changes), of(**changes), folder)


@pytest.fixture
def reads_rows(monkeypatch):
    """An estimator that reads rows, as one may."""
    monkeypatch.setattr(bayesian_ridge, "READS", "rows")


def test_costs_take_as_long_to_add_up_whatever_the_number_of_replicates():
    grid = {"levels": [[1, 2], [1, 3], [2, 2], [1, 3, 5]], "rows": [*range(1000, 3500)]}
    large = study(grid=grid)
    assert len(large.designs) == 10_000
    taken = []
    for replicates in (20, 10**12):
        many = dataclasses.replace(large, replicates=replicates)
        start = time.process_time()
        found = costs.of(many)
        taken.append(time.process_time() - start)
        assert found.fits == 2 * 10_000 * replicates
    assert taken[1] < 5 * taken[0]


@settings(deadline=None)
@given(st.integers(1, 10**6), st.integers(2, 50))
def test_costs_grow_with_replicates(replicates, times):
    one, more = (
        costs.of(dataclasses.replace(SOME, replicates=count))
        for count in (replicates, times * replicates)
    )
    assert more.fits == times * one.fits
    for part in ("rows", "draws"):
        assert getattr(more, part) == pytest.approx(times * getattr(one, part))
    for part in ("others", "seconds"):
        assert getattr(one, part) < getattr(more, part)
        assert getattr(more, part) <= times * getattr(one, part) * (1 + 1e-9)


def test_what_is_not_kept_takes_no_room():
    kept = of(estimators={"nutpie": {}})
    for key, part in (("keep_rows", "rows"), ("keep_posteriors", "draws")):
        changed = of(estimators={"nutpie": {}}, **{key: False})
        assert getattr(changed, part) == 0 < getattr(kept, part)
        assert changed.others == kept.others
        assert changed.disk == pytest.approx(kept.disk - getattr(kept, part))


def test_half_as_wide_draws_take_about_half_the_room():
    wide = {"levels": [[1, 30]], "rows": [1000]}
    whole, half = (
        of(grid=wide, estimators={"nutpie": {"keep_draws": kind}}).draws
        for kind in ("float64", "float32")
    )
    assert 0.5 < half / whole < 0.6


def test_bytes_on_disk_are_those_of_real_files(tmp_path):
    """The largest design of the default study, with its estimators."""
    grid = {"levels": [[2, 3, 5, 10, 10]], "rows": [10_000]}
    checked = study(grid=grid, replicates=2)
    (design,) = checked.designs.values()
    data = {
        kind: str(tmp_path / f"{kind}.parquet")
        for kind in ("rows", "cells", "truth", "identification")
    }
    simulate.main(checked.designs, range(2), 0, data)

    def size(*paths: str) -> float:
        return sum(Path(path).stat().st_size for path in paths)

    def near(real: float, expected: float) -> bool:
        return real / 2 < expected < 2 * real

    of_rows, of_others = sizing.data_bytes(design, keep_rows=True)
    assert near(size(data["rows"]), 2 * of_rows)
    assert near(
        size(data["cells"], data["truth"], data["identification"]), 2 * of_others
    )
    for estimator, entry in checked.estimators.items():
        kinds = {"estimates": "parquet", "fits": "parquet"}
        kinds |= {"posterior": "nc"} if estimator == "nutpie" else {}
        made = {kind: str(tmp_path / f"{kind}.{end}") for kind, end in kinds.items()}
        read = data | {"data": data["cells"]}
        fit.main(checked.designs, range(2), 0, entry, read, made)
        of_draws, of_fit = sizing.fit_bytes(
            design, entry.method, entry.options, keep_draws=True
        )
        if "posterior" in made:
            assert near(size(made["posterior"]), 2 * of_draws)
        # Estimates are in the final tables once more.
        assert near(2 * size(made["estimates"]), 2 * of_fit + 2 * sizing.OF_FILE)


def test_results_need_room_on_the_disk_for_what_is_not_there_yet(monkeypatch, tmp_path):
    needed = of().disk
    check = partial(disk, monkeypatch, folder=tmp_path / "results" / "s")
    assert check(needed) is None
    assert not check(0.6 * needed).certain
    assert check(0.4 * needed).certain
    there = tmp_path / "results" / "s" / "posterior.nc"
    there.parent.mkdir(parents=True)
    there.write_bytes(bytes(int(0.2 * needed)))
    assert not check(0.4 * needed).certain


@pytest.mark.usefixtures("reads_rows")
@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        (
            {"grid": {"levels": [[1, 2]], "rows": [10**9]}},
            "`keep_rows: false` without bayesian_ridge, which reads them, or fewer "
            "`rows` or fewer `replicates`",
        ),
        (
            {
                "grid": {"levels": [[1, 2]], "rows": [10**9]},
                "estimators": {"nutpie": {}},
            },
            "simulated rows: `keep_rows: false` or fewer `rows`",
        ),
        (
            {"estimators": {"nutpie": {"draws": 10**9}}},
            "posteriors: `keep_posteriors: false`, fewer `draws` or fewer `replicates`",
        ),
        (
            {"replicates": 10**9, "keep_posteriors": False},
            "rows: `keep_rows: false`",
        ),
        (
            {
                "replicates": 10**9,
                "keep_posteriors": False,
                "keep_rows": False,
                "estimators": {"least_squares": {}},
            },
            "estimates and tables: fewer designs or fewer `replicates`",
        ),
    ],
)
def test_the_keys_to_change_are_those_of_what_fills_the_disk(
    monkeypatch, tmp_path, changes, advice
):
    assert advice in disk(monkeypatch, 1e11, tmp_path, **changes).text


MEMORY = {
    "`keep_posteriors: false`": {"keep_posteriors": False},
    "a smaller `replicates_per_job`": {"replicates_per_job": 1},
    "fewer `draws`": {"estimators": {"nutpie": {"draws": 10}}},
    "fewer `rows`": {"grid": {"levels": [[1, 2]], "rows": [100]}},
}


@pytest.mark.usefixtures("reads_rows")
@pytest.mark.parametrize(
    ("changes", "advised"),
    [
        ({"estimators": {"nutpie": {"draws": 10**9}}}, ["fewer `draws`"]),
        (
            {
                "estimators": {"nutpie": {"draws": 10**5}},
                "replicates": 10**4,
                "replicates_per_job": 10**4,
            },
            list(MEMORY)[:3],
        ),
        (
            {
                "grid": {"levels": [[1, 2]], "rows": [10**9]},
                "estimators": {"bayesian_ridge": {}},
            },
            ["fewer `rows`"],
        ),
    ],
)
def test_the_advice_on_memory_is_what_helps(changes, advised):
    available = 8e9
    excess = costs.of_memory(of(**changes), available)
    assert excess.certain
    for advice, change in MEMORY.items():
        enough = costs.of_memory(of(**changes | change), available) is None
        if change.keys() & {"estimators"} and "nutpie" not in changes["estimators"]:
            enough = False
        assert (advice in excess.text) == (advice in advised) == enough


def test_a_small_study_fits_everywhere():
    assert costs.of_memory(of(), 5e8) is None
    assert costs.machine_memory() > 1e8


@settings(deadline=None)
@given(st.integers(2, 20), st.integers(10, 1000))
def test_the_draws_that_are_recommended_are_enough(chains, draws):
    def said(draws: int) -> list[str]:
        chosen = {
            "nutpie": Entry("nutpie", "nutpie", {"chains": chains, "draws": draws}),
            "bayesian_ridge": Entry("bayesian_ridge", "bayesian_ridge"),
        }
        return list(costs.short_chains(dataclasses.replace(SOME, estimators=chosen)))

    lines = said(draws)
    assert len(lines) == (chains * draws < 800)
    if lines:
        assert lines[0].startswith("estimators.nutpie: ")
        enough = int(lines[0].split("`draws: ")[1].split("`")[0])
        assert draws < enough
        assert said(enough) == []
        assert said(enough - 1)


@pytest.mark.usefixtures("reads_rows")
@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "40 fits, about 1 core-minute, "),
        ({"replicates": 1, "estimators": {"least_squares": {}}}, "1 fit, about 1 "),
        (
            {
                "grid": {"levels": [[1, 2]], "rows": [10**9]},
                "estimators": {"bayesian_ridge": {}},
            },
            "20 fits, about 6 core-hours, 197 GB on disk and up to 145 GB of memory",
        ),
    ],
)
def test_costs_are_told_in_units_that_suit_them(changes, shown):
    assert str(of(**changes)).startswith(shown)


def test_what_a_table_takes_is_told_and_grows_with_it(tmp_path):
    """Of levels in the words of the table."""

    def told(rows: int, contributors: int, **estimators) -> str:
        path = tmp_path / "t.csv"
        lines = [f"{number},a{number % contributors}\n" for number in range(rows)]
        path.write_text("x,the tool\n" + "".join(lines))
        given = load(
            {
                "study": "s",
                "observed": {"table": str(path), "value": "x", "levels": ["the tool"]},
                "estimators": estimators,
            }
        )
        found = observed.glance(given.observed.source)
        return costs.of_table(given, found)

    assert told(60, 3, homoscedastic={}) == (
        "1 fit of 60 rows in 3 cells (the tool (3)), about 1 core-minute"
    )
    long = told(90_000, 30_000, nutpie={"draws": 100_000}, homoscedastic={})
    assert long.startswith("2 fits of 90,000 rows in 30,000 cells (the tool (30,000))")
    assert "core-hours, or several times that where a sampler has to try" in long


def test_only_small_tables_are_read_before_a_run(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("x,a\n" + "1,u\n2,v\n3,v\n")
    source = Source(str(path), "x", (Level("a", ("a",)),))
    assert observed.glance(source).size == "3 rows in 2 cells (a (2))"
    monkeypatch.setattr(observed, "SMALL", path.stat().st_size - 1)
    assert observed.glance(source) is None
