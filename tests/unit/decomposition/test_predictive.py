"""Predictive checks: calm where the model made the rows, alarmed where not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from summands.decomposition import passes, predictive
from summands.model.cells import collapse
from summands.model.levels import Levels
from summands.model.rows import Rows
from tests.unit.decomposition.stand_ins import cells_of, draws_of, table_of

LEVELS = Levels((1, 3, 4), labels=(("all",), ("a b", '"q"', "三"), tuple("1234")))


def truth(levels=LEVELS, seed=0):
    rng = np.random.default_rng(seed)
    k = levels.contributors
    return 2.0, levels.centre(rng.normal(size=k)), rng.lognormal(0.0, 0.3, k)


def rows_of(count, seed, levels=LEVELS):
    rng = np.random.default_rng(seed)
    contributors = [rng.integers(m, size=count) for m in levels.sizes]
    return table_of(levels, contributors, *truth(levels), rng)


def known(levels=LEVELS, shape=(2, 150)):
    """Draws that are all the truth."""
    intercept, mu, sigma = truth(levels)
    return draws_of(
        levels,
        np.full(shape, intercept),
        np.broadcast_to(mu, (*shape, len(mu))),
        np.broadcast_to(sigma, (*shape, len(mu))),
    )


def checked(rows, draws, seed=0):
    cells, _, smallest, largest = cells_of(rows)
    rng = np.random.default_rng(seed)
    return predictive.of_draws("n", draws, cells, smallest, largest, rng)


def probabilities(found, statistic):
    return [
        row["probability"] for row in found.to_pylist() if row["statistic"] == statistic
    ]


@pytest.mark.parametrize("count", [24, 300])
def test_probabilities_are_uniform_where_the_model_made_the_rows(count):
    found = {name: [] for name in predictive.STATISTICS}
    draws = known(shape=(2, 75))
    for seed in range(150):
        table = checked(rows_of(count, seed), draws, seed)
        for name, values in found.items():
            # One contributor: those of a table share its rows.
            values.append(probabilities(table, name)[1])
    for name, values in found.items():
        steps = np.array(values, float)
        assert stats.kstest(steps, "uniform").pvalue > 1e-3, name


@pytest.mark.parametrize("few", [0, 5, predictive.FEW])
def test_the_replicates_are_those_of_rows_drawn_one_by_one(few, monkeypatch):
    """Intervals equal those of 10,000 tables of rows, within their error."""
    monkeypatch.setattr(predictive, "FEW", few)
    rows, draws = rows_of(60, 3), known(shape=(2, 5000))
    flat = np.stack(rows.contributors, axis=1) + LEVELS.offsets
    intercept, mu, sigma = truth()
    rng = np.random.default_rng(5)
    mean, sd = mu[flat].sum(axis=1), np.sqrt((sigma[flat] ** 2).sum(axis=1))
    anew = intercept + rng.normal(mean, sd, (10_000, 60))
    of_rows = {
        "mean": np.mean,
        "spread": lambda x, axis: np.std(x, axis=axis, ddof=1),
        "smallest": np.min,
        "largest": np.max,
    }
    monkeypatch.setattr(predictive, "MOST_DRAWS", 10_000)
    found = checked(rows, draws).to_pylist()
    for row in found:
        mine = rows.contributors[row["level"]] == row["contributor"]
        statistic = of_rows[row["statistic"]]
        values = statistic(anew[:, mine], axis=1)
        observed = statistic(rows.value[None, mine], axis=1)[0]
        assert row["observed"] == pytest.approx(observed)
        error = 0.15 * values.std()
        assert row["lower_95"] == pytest.approx(np.quantile(values, 0.025), abs=error)
        assert row["upper_95"] == pytest.approx(np.quantile(values, 0.975), abs=error)
        assert row["probability"] == pytest.approx(
            (values >= observed).mean(), abs=0.03
        )


def test_the_largest_of_n_has_its_distribution():
    rng = np.random.default_rng(0)
    for n in (2, 1_000, 10**9):
        found = predictive._largest(np.full(4000, n), rng)
        uniform = np.exp(n * stats.norm.logcdf(found))
        assert stats.kstest(uniform, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("statistic", predictive.STATISTICS)
def test_corrupted_rows_are_found(statistic):
    rows = rows_of(300, 1)
    mine = np.flatnonzero(rows.contributors[1] == 2)
    value = rows.value.copy()
    match statistic:
        case "mean":
            value[mine] += 2.0
        case "spread":
            value[mine] = value[mine].mean() + 2.5 * (value[mine] - value[mine].mean())
        case "smallest":
            value[mine[0]] -= 30.0
        case "largest":
            value[mine[0]] += 30.0
    found = checked(replace(rows, value=value), known())
    expected = 1.0 if statistic == "smallest" else 0.0
    assert probabilities(found, statistic)[2] == expected
    calm = probabilities(checked(rows, known()), statistic)[2]
    assert 0.0 < calm < 1.0


def test_it_is_repeatable():
    rows, draws = rows_of(100, 0), known()
    assert checked(rows, draws).equals(checked(rows, draws))
    assert not checked(rows, draws).equals(checked(rows, draws, seed=1))


@pytest.mark.parametrize(("scale", "origin"), [(1e3, 7.0), (1e-3, 1e6)])
def test_units_do_not_matter(scale, origin):
    rows, draws = rows_of(100, 0), known()
    moved = replace(
        draws,
        intercept=origin + scale * draws.intercept,
        mu=scale * draws.mu,
        sigma=scale * draws.sigma,
    )
    one = checked(rows, draws)
    two = checked(replace(rows, value=origin + scale * rows.value), moved)
    np.testing.assert_allclose(
        two["probability"].to_numpy(), one["probability"].to_numpy(), atol=0.005
    )
    spread = np.array([name == "spread" for name in one["statistic"].to_pylist()])
    for column in ("observed", "lower_95", "upper_95"):
        expected = np.where(spread, 0.0, origin) + scale * one[column].to_numpy()
        np.testing.assert_allclose(two[column].to_numpy(), expected, atol=1e-6 * scale)


def test_single_rows_have_no_spread():
    levels = Levels.of([1, 24, 6])
    grid = np.indices((24, 6)).reshape(2, -1)
    rng = np.random.default_rng(0)
    rows = table_of(levels, [np.zeros(144, int), *grid], *truth(levels), rng)
    found = checked(rows, known(levels))
    assert found["observed"].null_count == 0
    once = Rows(levels, rows.value[:30], tuple(c[:30] for c in rows.contributors))
    found = checked(once, known(levels))
    rowless = [row for row in found.to_pylist() if row["observed"] is None]
    # Five plates have their rows, the others none.
    assert {row["level"] for row in rowless} == {1}
    assert len(rowless) == 4 * 19
    single = Rows(levels, rows.value[:6], tuple(c[:6] for c in rows.contributors))
    found = checked(single, known(levels)).to_pylist()
    spreads = [r for r in found if r["level"] == 2 and r["statistic"] == "spread"]
    assert all(row["observed"] is row["probability"] is None for row in spreads)
    means = [r for r in found if r["level"] == 2 and r["statistic"] == "mean"]
    largest = [r for r in found if r["level"] == 2 and r["statistic"] == "largest"]
    assert [r["observed"] for r in means] == [r["observed"] for r in largest]
    assert [r["probability"] for r in means] == [r["probability"] for r in largest]


def test_a_large_table_gets_fewer_replicates(monkeypatch):
    rows = rows_of(100, 0)
    cells = collapse(rows)
    monkeypatch.setattr(predictive, "MOST_CELLS", 120 * len(cells.n))
    seen = []
    real = passes.draw
    monkeypatch.setattr(passes, "draw", lambda *given: seen.append(1) or real(*given))
    checked(rows, known(shape=(4, 300)))
    assert len(seen) == 120
