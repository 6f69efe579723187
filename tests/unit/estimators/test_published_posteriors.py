"""The posterior on public tables: published estimates lie within it."""

from pathlib import Path

import numpy as np
import pytest

from summands.data import observed
from summands.data.source import Level, Source
from summands.decomposition import components, gauge, ranking
from summands.estimation import fitting
from summands.estimators import homoscedastic, nutpie
from summands.model.data_set import DataSet
from summands.model.problem import Problem

SHIPPED = Path(__file__).parents[3] / "config" / "tables" / "silicon_wafers.csv"

# Table: value, levels, and the standard deviations of levels and noise by REML. From
# the tests of MixedModels.jl and nlme; lme4 1.1-31 for radon; the manual of the
# Automotive Industry Action Group (4th edition) for the gauge.
PUBLISHED = {
    "Penicillin": ("diameter", ["plate", "sample"], [0.84670, 1.93156, 0.54992]),
    "Dyestuff": ("Yield", ["Batch"], [1764.05**0.5, 2451.25**0.5]),
    "Dyestuff2": ("Yield", ["Batch"], [0.0, 3.7157]),
    "Rail": ("travel", ["Rail"], [24.805, 4.0208]),
    "AIAG_gauge": ("value", ["part", "operator"], [1.042327, 0.226838, 0.199933]),
    "radon_mn": ("log_radon", ["county", "floor"], [0.315103, 0.466368, 0.725815]),
}


def read(path, value, levels):
    source = Source(str(path), value, tuple(Level(name, (name,)) for name in levels))
    return observed.read(source, 0, str).cells


def fit(cells, method=nutpie, **options):
    defaults = {name: rule["default"] for name, rule in method.OPTIONS.items()}
    data_set = DataSet(cells)
    problem = Problem.following(cells.levels, data_set.units, data_set.noise)
    found = fitting.fit(
        method.estimate, data_set, problem, defaults | options, 1, progress=str
    )
    assert found.error is None
    assert found.converged, found.criterion
    return found


def posterior(cells, **options):
    return fit(cells, scales="estimated", **options).draws


@pytest.mark.parametrize("name", PUBLISHED)
def test_intervals_hold_what_is_published(public_tables, name):
    value, levels, reml = PUBLISHED[name]
    cells = read(public_tables / f"{name}.csv", value, levels)
    found = components.of_draws("n", posterior(cells, noise="constant"), cells)
    for row, sd in zip(found.to_pylist(), reml, strict=True):
        assert row["sd_lower_95"] <= sd <= row["sd_upper_95"], row
    if name == "Dyestuff2":
        assert found["sd_lower_95"][0].as_py() == 0


def test_a_gauge_comes_out_to_the_printed_digits(public_tables):
    value, levels, _ = PUBLISHED["AIAG_gauge"]
    cells = read(public_tables / "AIAG_gauge.csv", value, levels)
    found = fit(cells, homoscedastic).components
    rows = gauge.of_components("r", found, cells.levels, "part").to_pylist()
    printed = [0.199933, 0.226838, 0.302373, 1.042327, 1.085]
    error = np.abs(np.array([row["sd"] for row in rows]) - printed)
    # The printed parts add to a gauge of 0.302372; the total is printed to 3 digits.
    assert (error <= [1e-6, 1e-6, 2e-6, 1e-6, 5e-4]).all(), error
    assert max(row["ndc"] or 0 for row in rows) == pytest.approx(4.861, abs=1e-3)


def test_the_noisiest_operator_is_found(public_tables):
    value, levels, _ = PUBLISHED["AIAG_gauge"]
    cells = read(public_tables / "AIAG_gauge.csv", value, levels)
    found = ranking.of_draws("n", posterior(cells), cells.levels).to_pandas()
    asked = found[
        (found["level_name"] == "operator") & (found["question"] == "noisiest")
    ]
    best = asked.sort_values("probability").iloc[-1]
    # Of the variances within cells, .0910 over .0363 with 20 degrees of freedom each, F
    # alone says .977.
    assert (best["label"], best["probability"] > 0.97) == ("B", True)


def test_the_example_has_both_answers():
    """One probe reads low, another is noisy."""
    cells = read(SHIPPED, "resistivity", ["wafer", "probe", "run"])
    found = ranking.of_draws("n", posterior(cells), cells.levels).to_pandas()
    of_probes = found[found["level_name"] == "probe"]
    best = of_probes.loc[of_probes.groupby("question")["probability"].idxmax()]
    best = best.set_index("question")
    assert best.loc["lowest_mu", "label"] == "2362"
    assert best.loc["lowest_mu", "probability"] > 0.99
    assert best.loc["noisiest", "label"] == "2062"
    assert best.loc["noisiest", "probability"] > 0.9
