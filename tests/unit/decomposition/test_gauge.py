"""Measurement-system analysis: AIAG's own numbers, and laws of sources."""

import csv
from pathlib import Path

import numpy as np
import pytest

from summands.decomposition import gauge
from summands.estimation.results import Components
from summands.model.cells import collapse
from summands.model.levels import Levels
from tests.unit.decomposition.stand_ins import plain_draws, table_of

LEVELS = Levels((1, 10, 3), ("baseline", "part", "operator"))


def aiag(path: Path) -> np.ndarray:
    """Values by part, operator and trial."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    names = {name.lower(): name for name in rows[0]}
    value = next(names[n] for n in names if n in ("value", "measurement", "y"))
    part, operator = names["part"], names["operator"]
    table = {}
    for row in rows:
        table.setdefault(row[part], {}).setdefault(row[operator], []).append(
            float(row[value])
        )
    return np.array([[*by.values()] for by in table.values()])


def balanced(y: np.ndarray) -> Components:
    """Components of a balanced crossed table without interaction, exact (= REML).

    From the mean squares (Searle, Casella and McCulloch 1992, section 4.3).
    """
    a, b, n = y.shape
    middle = y.mean()
    parts = b * n * ((y.mean(axis=(1, 2)) - middle) ** 2).sum() / (a - 1)
    operators = a * n * ((y.mean(axis=(0, 2)) - middle) ** 2).sum() / (b - 1)
    total = ((y - middle) ** 2).sum()
    rest = total - parts * (a - 1) - operators * (b - 1)
    noise = rest / (a * b * n - a - b + 1)
    sd = np.sqrt([0.0, (parts - noise) / (b * n), (operators - noise) / (a * n), noise])
    nothing = np.full(4, np.nan)
    return Components(sd, nothing, nothing)


PUBLISHED = {
    "repeatability": 0.199933,
    "reproducibility": 0.226838,
    "gauge": 0.302373,
    "part": 1.042327,
}


def by_source(table, column):
    return dict(
        zip(table["source"].to_pylist(), table[column].to_pylist(), strict=True)
    )


def test_published_numbers_come_out(public_tables):
    y = aiag(public_tables / "AIAG_gauge.csv")
    found = gauge.of_components("reml", balanced(y), LEVELS, "part", 8.0)
    assert found.schema.equals(gauge.GAUGE)
    sd = by_source(found, "sd")
    for source, value in PUBLISHED.items():
        assert sd[source] == pytest.approx(value, abs=2e-6)
    assert sd["total"] == pytest.approx(1.085, abs=5e-4)
    assert by_source(found, "ndc")["gauge"] == pytest.approx(4.861, abs=1e-3)


def test_figures_follow_from_the_published_components():
    sd = np.array([0.0, 1.042327, 0.226838, 0.199933])
    nothing = np.full(4, np.nan)
    found = gauge.of_components("a", Components(sd, nothing, nothing), LEVELS, "part")
    assert by_source(found, "sd")["gauge"] == pytest.approx(0.302373, abs=2e-6)
    # Printed in the manual as % of the total variation and of the contribution.
    share = by_source(found, "study_variation")
    assert share["gauge"] == pytest.approx(27.86, abs=0.01)
    assert share["part"] == pytest.approx(96.04, abs=0.01)
    assert by_source(found, "contribution")["gauge"] == pytest.approx(7.76, abs=0.01)
    assert found["tolerance_share"].null_count == 5
    assert found["ndc"].null_count == 4


def test_only_single_components_have_intervals_without_draws():
    levels = Levels.of([1, 5, 3, 4])
    sd = np.array([0.0, 3.0, 1.0, 2.0, 0.5])
    found = gauge.of_components(
        "r", Components(sd, 0.5 * sd, 2 * sd), levels, "1", tolerance=12.0
    )
    known = {"repeatability": 0.5, "part": 3.0}
    for column, factor in (("sd_lower_95", 0.5), ("sd_upper_95", 2.0)):
        values = by_source(found, column)
        tolerance = by_source(found, column.replace("sd", "tolerance_share"))
        for source in gauge.SOURCES:
            if source in known:
                assert values[source] == factor * known[source]
                assert tolerance[source] == pytest.approx(50.0 * values[source])
            else:
                assert values[source] is tolerance[source] is None
    for name in ("contribution", "study_variation", "ndc"):
        assert found[f"{name}_lower_95"].null_count == 5
    assert by_source(found, "sd")["reproducibility"] == pytest.approx(np.sqrt(5))


def cells_of(levels, count=300):
    rng = np.random.default_rng(0)
    contributors = [rng.integers(m, size=count) for m in levels.sizes]
    k = levels.contributors
    return collapse(table_of(levels, contributors, 0.0, np.zeros(k), np.ones(k), rng))


def test_sources_add_up_in_draws():
    draws, cells = plain_draws(LEVELS), cells_of(LEVELS)
    found = gauge.of_draws("n", draws, cells, "part", 8.0)
    share = by_source(found, "contribution")
    assert share["gauge"] + share["part"] == pytest.approx(100.0)
    assert share["repeatability"] + share["reproducibility"] == pytest.approx(
        share["gauge"]
    )
    assert share["total"] == 100.0
    for name in ("sd", "contribution", "study_variation", "tolerance_share"):
        lower, middle, upper = (
            found[name + end].to_numpy() for end in ("_lower_95", "", "_upper_95")
        )
        assert np.all((lower <= middle + 1e-9) & (middle <= upper + 1e-9))
    sd = found["sd"].to_numpy()
    np.testing.assert_allclose(found["tolerance_share"].to_numpy(), 75.0 * sd)
    ndc = by_source(found, "ndc")
    tau = draws.scales.mu_sd
    noise = (
        (draws.sigma**2)
        @ np.bincount(cells.members.ravel(), np.repeat(cells.n, 3), 14)
        / cells.n.sum()
    )
    part, operator, rest = (
        np.median(variance) for variance in (tau[..., 1] ** 2, tau[..., 2] ** 2, noise)
    )
    assert ndc["gauge"] == pytest.approx(1.41 * np.sqrt(part / (operator + rest)))


def test_everything_but_the_parts_is_the_gauge():
    levels = Levels((1, 6, 3, 4, 2), ("baseline", "part", "operator", "day", "batch"))
    draws, cells = plain_draws(levels), cells_of(levels)
    alone = by_source(gauge.of_draws("n", draws, cells, "part"), "sd")
    tau = draws.scales.mu_sd
    variance = np.median(tau.reshape(-1, levels.count) ** 2, axis=0)
    assert alone["reproducibility"] == pytest.approx(np.sqrt(variance[2:].sum()))
    both = by_source(
        gauge.of_draws("n", draws, cells, "part", also_parts=["batch"]), "sd"
    )
    assert both["part"] == pytest.approx(np.sqrt(variance[1] + variance[4]))
    assert both["total"] == pytest.approx(alone["total"])
    assert both["gauge"] < alone["gauge"]


def test_what_may_be_zero_starts_at_zero():
    draws, cells = plain_draws(LEVELS), cells_of(LEVELS)
    rng = np.random.default_rng(0)
    draws.scales.mu_sd[..., 1] = np.abs(rng.normal(size=(4, 250)))
    found = gauge.of_draws("n", draws, cells, "part")
    assert [x == 0 for x in found["sd_lower_95"].to_pylist()] == [False] * 3 + [
        True,
        False,
    ]
    assert by_source(found, "ndc_lower_95")["gauge"] == 0.0


def test_a_single_level_is_a_study_of_repeatability():
    levels = Levels((1, 5), ("baseline", "part"))
    found = gauge.of_draws("n", plain_draws(levels), cells_of(levels), "part")
    sd = by_source(found, "sd")
    assert sd["reproducibility"] == 0.0
    assert sd["gauge"] == pytest.approx(sd["repeatability"])


def test_levels_that_are_not_there_are_named():
    with pytest.raises(
        ValueError, match="called 'wafer': there are 'part', 'operator'"
    ):
        gauge.of_draws("n", plain_draws(LEVELS), cells_of(LEVELS), "wafer")
