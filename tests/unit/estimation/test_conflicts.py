"""Priors that data contradict are told, and no others."""

import re
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats

import fit
import simulate as simulate_script
from summands import estimators
from summands.data import generator
from summands.data.design import Design
from summands.estimation import conflicts
from summands.estimators import Entry
from summands.files import job
from summands.model.cells import collapse
from summands.model.data_set import DataSet
from summands.model.levels import Levels
from summands.model.rows import Rows

DRAWN = {
    "small": Design(Levels.of([1, 2]), 6),
    "plain": Design(Levels.of([1, 3, 5]), 100),
    "a baseline of several": Design(Levels.of([2, 2]), 60, intercept_sd=0.0),
    "hardly any spread": Design(
        Levels.of([1, 4]), 40, mu_sd=0.01, log_sigma_sd=0.01, intercept_sd=0.01
    ),
    "wide": Design(
        Levels.of([2, 5]), 30, mu_sd=30.0, log_sigma_sd=2.5, log_sigma_mean=-3.0
    ),
    "many contributors": Design(Levels.of([1, 24, 6]), 100, mu_sd=5.0),
}


def find(design, data):
    """The conflicts of a design's priors, in the words of `conflicts.find`."""
    data_set = DataSet(data)
    return conflicts.find(design.stated(), design.problem(data_set.units), data_set)


def data_of(design, replicate=0, shift=0.0, scale=1.0):
    truth = generator.draw_truth(design, 1, replicate)
    rows = generator.draw_rows(design, truth, 1, replicate)
    return collapse(replace(rows, value=(rows.value + shift) * scale))


@pytest.mark.parametrize("name", DRAWN)
def test_designs_are_at_peace_with_their_own_data(name):
    told = [find(DRAWN[name], data_of(DRAWN[name], r)) for r in range(200)]
    assert sum(text is not None for text in told) <= 2, set(told)


def of(text):
    return [part.split(":")[0] for part in (text or "").split("; ") if part]


@pytest.mark.parametrize("rows", [60, 2000])
def test_each_prior_can_be_contradicted(rows):
    design = Design(Levels.of([1, 3, 4]), rows, log_sigma_sd=0.5)
    assert of(find(design, data_of(design, shift=500.0))) == ["intercept"]
    assert of(find(design, data_of(design, scale=1e3)))[-1] == "sigma"
    assert of(find(design, data_of(design, scale=1e-4))) == ["sigma"]
    apart = replace(design, levels=Levels.of([1, 4]), mu_sd=50.0)
    assert find(apart, data_of(apart)) is None
    narrow = replace(apart, mu_sd=0.5)
    assert of(find(narrow, data_of(apart))) == ["mu"]


def test_only_stated_priors_are_in_conflict_whatever_the_units():
    content = {"levels": [1, 3], "rows": 200, "truth": "fixed"}
    content["coefficients"] = [[[0, 1]], [[0, 1], [50, 2], [1, 0]]]
    design = Design.from_content(content)
    for move in ({}, {"shift": 1e6}, {"scale": 1e-6}, {"shift": -1e6, "scale": 1e6}):
        assert find(design, data_of(design, **move)) is None
    for stated, shift, parameter in (
        ({"intercept_sd": 5.0, "intercept_mean": 0.0}, 500.0, "intercept"),
        ({"intercept_mean": 0.0}, 1e4, "intercept"),
        ({"mu_sd": 1.0}, 0.0, "mu"),
        ({"log_sigma_mean": 12.0}, 0.0, "sigma"),
    ):
        given = replace(design, **stated)
        assert of(find(given, data_of(given, shift=shift))) == [parameter]


@pytest.mark.parametrize("shift", [0.0, 40.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_conflict_begins_where_its_definition_says(seed, shift):
    """By the formulas of `conflicts.find`, written out for rows."""
    rng = np.random.default_rng(seed)
    sizes, count = (1, 3, 4), 400
    contributors = tuple(
        rng.integers(rng.integers(1, size + 1, count)) for size in sizes
    )
    picked = np.stack(contributors, axis=1) + np.array([0, 1, 4])
    x = shift + rng.normal(0, 3, 8)[picked].sum(axis=1) + rng.normal(size=count)
    cells = collapse(Rows(Levels.of(sizes), x, contributors))
    design = Design(
        Levels.of(sizes),
        count,
        mu_sd=None,
        log_sigma_mean=None,
        log_sigma_sd=None,
        intercept_sd=None,
        intercept_mean=None,
    )

    def told(**stated):
        return find(replace(design, **stated), cells)

    def begins(name, limit, **others):
        """Conflicts of a prior below this limit, and none above."""
        assert told(**{name: limit * (1 + 1e-6)}, **others) is None
        return told(**{name: limit * (1 - 1e-6)}, **others)

    def student(freedom):
        return stats.t.isf(stats.norm.sf(5), freedom)

    of_mean = x.var() / (count - 1)
    far = (x.mean() - 100.0) ** 2 - student(count - 1) ** 2 * of_mean
    text = begins("intercept_sd", np.sqrt(far) / 5, intercept_mean=100.0)
    assert text.startswith(f"intercept: the values have the mean {x.mean():.4g}, ")

    least = {}
    for k in range(1, 8):
        mine = x[(picked == k).any(axis=1)]
        shares = (picked == np.arange(8)[:, None, None]).any(axis=2).mean(axis=1)
        of_level = shares[1:4] if k < 4 else shares[4:]
        if len(mine) < 2:
            continue
        noise = student(len(mine) - 1) ** 2 * (mine.var() / (len(mine) - 1) + of_mean)
        spread = 1 - 2 * shares[k] + (of_level**2).sum()
        least[k] = ((mine.mean() - x.mean()) ** 2 - noise) / (25 * spread)
    assert max(least.values()) > 0
    text = begins("mu_sd", np.sqrt(max(least.values())))
    # Whose mean is farthest beyond its limit then, as differences of means.
    (named,) = re.findall(r"values of (\S+) are (\S+) off the mean", text)
    place = ["0/0", *(f"1/{k}" for k in range(3)), *(f"2/{k}" for k in range(4))]
    assert least[place.index(named[0])] == max(least.values())
    off = x[(picked == place.index(named[0])).any(axis=1)].mean() - x.mean()
    assert named[1] == f"{off:+.4g}"

    z = (picked[:, :, None] == np.arange(8)).any(axis=1).astype(float)
    fitted = z @ np.linalg.lstsq(z, x)[0]
    freedom = count - np.linalg.matrix_rank(z)
    size = 0.5 * np.log(((x - fitted) ** 2).sum() / freedom) - 0.5 * np.log(3)
    tail = stats.norm.sf(5)
    for quantile, side in (
        (stats.chi2.isf(tail, freedom), 1),
        (stats.chi2.ppf(tail, freedom), -1),
    ):
        limit = size - side * 5 * 0.3 - 0.5 * np.log(quantile / freedom)
        within = told(log_sigma_mean=limit + side * 1e-6, log_sigma_sd=0.3)
        beyond = told(log_sigma_mean=limit - side * 1e-6, log_sigma_sd=0.3)
        assert within is None
        spread = np.exp(size + 0.5 * np.log(3))
        assert beyond.startswith(
            f"sigma: the residuals have the standard deviation {spread:.4g}, "
        )


def test_few_rows_prove_nothing():
    """One row a cell, or none but one: no residuals, and no variance of any mean."""
    design = Design(Levels.of([1, 3]), 3, mu_sd=1e-3, intercept_sd=1e-3)
    contributors = (np.zeros(3, int), np.arange(3))
    rows = Rows(design.levels, np.array([-7.0, 1.0, 9.0]), contributors)
    assert find(design, collapse(rows)) is None
    alone = Rows(design.levels, np.array([3.0]), (np.zeros(1, int), np.zeros(1, int)))
    assert find(design, collapse(alone)) is None


@pytest.mark.parametrize("name", ["nutpie", "least_squares"])
def test_a_conflict_is_a_line_and_a_column_of_estimators_with_priors(
    name, tmp_path, monkeypatch
):
    content = {"levels": [1, 2], "rows": 30, "truth": "fixed"}
    content["coefficients"] = [[[500, 1]], [[0, 1], [1, 2]]]
    designs = {
        "free": Design.from_content(content, "free"),
        "clash": Design.from_content(
            content | {"intercept_sd": 5.0, "intercept_mean": 0.0}, "clash"
        ),
    }
    kinds = ("truth", "rows", "cells", "identification")
    data = {key: str(tmp_path / f"{key}.parquet") for key in kinds}
    made = {key: str(tmp_path / f"{key}.parquet") for key in ("fits", "estimates")}
    simulate_script.main(designs, range(3), 1, data)
    lines = []
    monkeypatch.setattr(job, "warn", lines.append)
    options = {
        key: rule["default"] for key, rule in estimators.load(name).OPTIONS.items()
    }
    if name == "nutpie":
        options |= {"draws": 50, "escalations": 0}
    inputs = data | {"data": data["cells"]}
    fit.main(designs, range(3), 1, Entry(name, name, options), inputs, made)
    table = pq.read_table(made["fits"]).to_pylist()
    told = {(row["design"], of(row["prior_conflict"]) != []) for row in table}
    assert told == {("free", False), ("clash", name == "nutpie")}
    assert [line.split(":")[0] for line in lines] == ["clash"] * (name == "nutpie")
    for row in table:
        assert (row["criterion"] is None) == row["converged"]
