"""What must not change in an answer when a table is written in another way."""

import csv
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from summands.data import observed, seeds, table_data
from summands.data.source import Level, Source
from summands.decomposition import cautions
from summands.estimation import fitting, tables
from summands.model.data_set import DataSet
from summands.model.problem import Problem
from summands.report import answer, findings
from summands.study import answers, study

TOOLS, LOTS = ["a", "b", "c", "d"], ["x", "y", "z"]
ESTIMATORS = {
    "nutpie": {"tune": 300, "draws": 600},
    "constant": {
        "method": "nutpie",
        "noise": "constant",
        "tune": 300,
        "draws": 600,
    },
    "homoscedastic": {},
    "maximum_likelihood": {},
}


def rows():
    """Values that floats hold exactly, also when they are shifted and scaled."""
    rng = np.random.default_rng(4)
    shift, noise = (
        dict(zip(TOOLS, (0, 1, -1, 0), strict=True)),
        dict(zip(TOOLS, (1, 1, 1, 4), strict=True)),
    )
    return [
        (
            float(np.round(64 * (shift[tool] + noise[tool] * rng.normal())) / 64),
            tool,
            lot,
        )
        for tool in TOOLS
        for lot in LOTS
        for _ in range(6)
    ]


def taken_apart(folder, table, **asked):
    """Take a table apart as the workflow does, and return its tables."""
    path = folder / "table.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["value", "tool", "lot"])
        writer.writerows((repr(value), *labels) for value, *labels in table)
    checked = study.load(
        {
            "study": "s",
            "seed": 1,
            "observed": {
                "table": str(path),
                "value": "value",
                "levels": ["tool", "lot"],
            }
            | asked,
            "estimators": ESTIMATORS,
        }
    )
    source = Source(
        str(path), "value", (Level("tool", ("tool",)), Level("lot", ("lot",)))
    )
    read = observed.read(source, 1000, str)
    levels, data_set = read.cells.levels, DataSet(read.cells)
    problem = Problem.following(levels, data_set.units, data_set.noise)
    fitted = {}
    for name, entry in checked.estimators.items():
        seed = seeds.as_integer(seeds.of_table(1, f"estimator/{name}"))
        fit = fitting.fit(
            entry.module.estimate, data_set, problem, entry.options, seed, progress=str
        )
        assert fit.error is None
        fitted[name] = answers.Fitted(
            entry,
            tables.estimates("observed", name, levels, [0], [fit]),
            tables.fits("observed", name, [0], [fit]),
            fit.components,
            fit.draws,
        )
    counts = table_data.Counts(read.rows, 0, 0, {}, True)
    whole = answers.Table(
        levels, read.cells, counts, read.smallest, read.largest, read.values, read.cell
    )
    found = {
        "estimates": pa.concat_tables(f.estimates for f in fitted.values()),
        "fits": pa.concat_tables(f.fits for f in fitted.values()),
    }
    found |= answers.make(checked, whole, fitted, str)
    return checked, levels, counts, found


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return taken_apart(
        tmp_path_factory.mktemp("plain"),
        rows(),
        differences=["tool"],
        gauge={"part": "lot", "operator": "tool"},
    )[3]


def moved(folder, change, **labels):
    table = [
        (change(value), labels.get(tool, tool), labels.get(lot, lot))
        for value, tool, lot in rows()
    ]
    return taken_apart(
        folder,
        table,
        differences=["tool"],
        gauge={"part": "lot", "operator": "tool"},
    )[3]


# Columns in the unit of the values.
UNIT = ("sd", "mu", "average", "deviation", "least_squares", "median")


def factors(name, table, scale):
    """What each number of a table is multiplied by."""
    frame = table.to_pandas()
    found = {}
    for field in table.schema:
        if not pa.types.is_floating(field.type):
            continue
        stem = field.name.removesuffix("_lower_95").removesuffix("_upper_95")
        power = np.zeros(len(frame))
        if stem in UNIT or (stem in ("lower_95", "upper_95", "prior", "prior_median")):
            power += 1
        if field.name in ("lower_95", "upper_95", "lower_50", "upper_50"):
            power[:] = 1
        if stem == "variance":
            power += 2
        if name in ("estimates", "differences") and field.name in (
            "estimate",
            "sd",
            "lower_95",
            "upper_95",
            "lower_50",
            "upper_50",
            "set_lower",
            "set_upper",
        ):
            square = frame["parameter"].isin(["variance_contrast", "total_variance"])
            power = np.where(square, 2, 1)
        found[field.name] = scale**power
    return found


def test_other_units_change_units_alone(plain, tmp_path):
    """To the last digits but for draws: other roundings draw other numbers."""
    scale = 2.0**-20
    found = moved(tmp_path, lambda value: scale * value)
    for name in ("components", "ranking", "shrinkage", "gauge", "sensitivity"):
        one, other = plain[name], found[name]
        expected = factors(name, one, scale)
        drawn = np.isin(one["estimator"].to_pylist(), ["nutpie", "constant"])
        for field in one.schema:
            if not pa.types.is_floating(field.type):
                same = one[field.name].equals(other[field.name])
                assert same or field.name == "diagnosis", f"{name}.{field.name}"
                continue
            unit = expected[field.name]
            before, after = one[field.name].to_numpy(), other[field.name].to_numpy()
            # Of what is about 0 the error is that of its neighbours.
            about = np.nanmax(np.abs(before), initial=0.0)
            error = np.abs(after / unit - before)
            allowed = np.where(drawn, 0.3 * np.abs(before) + 0.1 * about, 1e-6 * about)
            assert (np.isnan(before) == np.isnan(after)).all()
            assert not (error > allowed).any(), f"{name}.{field.name}"
    of_loo = found["comparison"]["elpd_loo"].to_numpy()
    expected = plain["comparison"]["elpd_loo"].to_numpy() - len(rows()) * np.log(scale)
    np.testing.assert_allclose(of_loo, expected, rtol=2e-3)


def test_another_origin_moves_the_intercept_alone(plain, tmp_path):
    found = moved(tmp_path, lambda value: value + 2.0**20)
    one, other = plain["estimates"].to_pandas(), found["estimates"].to_pandas()
    intercept = one["parameter"] == "intercept"
    # Other roundings draw other numbers: within a quarter of their standard deviation.
    difference = (other["estimate"] - one["estimate"] - 2.0**20 * intercept).abs()
    assert (difference <= 0.25 * one["sd"].fillna(0) + 1e-7)[one["sd"].notna()].all()
    assert (other["estimate"][intercept] - one["estimate"][intercept] > 2.0**19).all()
    for name in ("components", "ranking"):
        probability = "probability" if name == "ranking" else "share"
        np.testing.assert_allclose(
            found[name][probability].to_numpy(),
            plain[name][probability].to_numpy(),
            atol=0.05,
        )


def test_names_change_names_alone(plain, tmp_path):
    """As long as they stand in the same order."""
    called = {"a": 'A "1"', "b": "B's", "c": "C <i>", "d": "D{x}", "x": "я", "y": "龍"}
    found = moved(tmp_path, lambda value: value, **called, z="ﬀ")
    for name, table in plain.items():
        for field in table.schema:
            if field.name in ("label", "other_label", "seconds"):
                continue
            assert table[field.name].equals(found[name][field.name]), field.name
    labels = set(found["ranking"]["label"].to_pylist())
    assert labels == {*called.values(), "ﬀ"}


def test_another_order_of_labels_permutes_the_answer(plain, tmp_path):
    """In distribution: another order draws other numbers."""
    turned = dict(zip(TOOLS, reversed(TOOLS), strict=True))
    found = moved(tmp_path, lambda value: value, **turned)
    one, other = plain["ranking"].to_pandas(), found["ranking"].to_pandas()
    other["label"] = other["label"].replace(turned)
    keys = ["estimator", "level_name", "label", "question"]
    both = one.merge(other, on=keys, validate="one_to_one")
    assert len(both) == len(one)
    np.testing.assert_allclose(both["probability_x"], both["probability_y"], atol=0.12)
    exact = ["homoscedastic", "maximum_likelihood"]
    shares = [
        table[table["estimator"].isin(exact)]["share"].to_numpy()
        for table in (plain["components"].to_pandas(), found["components"].to_pandas())
    ]
    np.testing.assert_allclose(*shares, rtol=1e-6)


def test_the_summary_says_what_the_tables_say(tmp_path):
    checked, levels, counts, found = taken_apart(tmp_path, rows())
    frames = {name: table.to_pandas() for name, table in found.items()}
    assert findings.main_estimator(frames) == "nutpie"
    long = "A warning that is long enough to need a second line, " + "x " * 60
    told = [cautions.Caution(cautions.Kind.REMARK, long)]
    text = answer.text(
        checked,
        levels,
        replace(counts, filtered=3, dropped_rows=2, dropped={"value": 2}),
        found | {"cautions": cautions.table(told)},
    )
    assert "72 rows of value; levels tool (4), lot (3)" in text
    assert "left out by the filter: 3 rows" in text
    assert "left out for want of a value or a label: 2 rows (value 2)" in text
    ranking = found["ranking"].to_pandas()
    noisiest = ranking[
        (ranking["estimator"] == "nutpie")
        & (ranking["question"] == "noisiest")
        & (ranking["level_name"] == "tool")
    ].sort_values("probability")
    best = noisiest.iloc[-1]
    assert best["label"] == "d"
    assert f"noisiest  d, probability {best['probability']:.2f}" in text
    assert "  - A warning" in text
    assert all(len(line) < 130 for line in text.splitlines())
