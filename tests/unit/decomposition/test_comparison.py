"""Leave-one-out comparison: equal to ArviZ on all rows, and to exact refits."""

from dataclasses import replace

import arviz_stats
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from summands.decomposition import comparison
from summands.model.cells import collapse
from summands.model.levels import Levels
from tests.unit.decomposition.stand_ins import cells_of, draws_of, plain_draws, table_of

LEVELS = Levels.of([1, 3, 4])


def rows_of(count=150, levels=LEVELS, seed=0):
    rng = np.random.default_rng(seed)
    contributors = [rng.integers(m, size=count) for m in levels.sizes]
    k = levels.contributors
    mu = levels.centre(rng.normal(size=k))
    return table_of(levels, contributors, 1.0, mu, np.full(k, 1.0), rng)


def density_of(draws, rows):
    """Log density of each row in each draw, written out, shape (chains, draws, N)."""
    flat = np.stack(rows.contributors, axis=1) + rows.levels.offsets
    mean = draws.intercept[..., None] + draws.mu[..., flat].sum(axis=-1)
    sd = np.sqrt((draws.sigma[..., flat] ** 2).sum(axis=-1))
    return stats.norm.logpdf(rows.value, mean, sd)


def compared(fits, rows, seed=0):
    cells, cell, *_ = cells_of(rows)
    rng = np.random.default_rng(seed)
    return comparison.of_draws(fits, cells, rows.value, cell, rng)


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_blocks_give_what_arviz_gives_for_all_rows(monkeypatch):
    rows, fits = rows_of(), {name: plain_draws(LEVELS, name) for name in (1, 2)}
    fits = {f"fit {name}": draws for name, draws in fits.items()}
    monkeypatch.setattr(comparison, "BLOCK", 17_000)
    found = compared(fits, rows).to_pylist()
    by_arviz = {
        name: arviz_stats.loo(
            xr.DataTree.from_dict(
                {
                    "log_likelihood": xr.Dataset(
                        {"x": (("chain", "draw", "row"), density_of(draws, rows))},
                        coords={"chain": range(4), "draw": range(250)},
                    )
                }
            ),
            pointwise=True,
            reff=1.0,
        )
        for name, draws in fits.items()
    }
    assert len(found) == 2
    for row in found:
        theirs = by_arviz[row["estimator"]]
        assert row["elpd_loo"] == pytest.approx(theirs.elpd)
        assert row["se"] == pytest.approx(theirs.se)
        assert row["p_loo"] == pytest.approx(theirs.p)
        assert row["pareto_k_over_0_7"] == (theirs.pareto_k > 0.7).sum()
        assert row["rows"] == 150
    best, other = found
    assert best["difference"] == best["difference_se"] == 0.0
    apart = by_arviz[other["estimator"]].elpd_i - by_arviz[best["estimator"]].elpd_i
    assert other["difference"] == pytest.approx(float(apart.sum()))
    assert other["difference"] < 0
    assert other["difference_se"] == pytest.approx(float(np.sqrt(150 * apart.var())))


def conjugate(value, sd, tau, rng):
    """Draws of one mean with a normal prior, and the exact leave-one-out density."""
    precision = len(value) / sd**2 + 1 / tau**2
    mean = rng.normal(value.sum() / sd**2 / precision, precision**-0.5, (4, 250))
    levels = Levels((1,))
    draws = draws_of(
        levels, mean, np.zeros((4, 250, 1)), np.full((4, 250, 1), sd, float)
    )
    left = precision - 1 / sd**2
    centre = (value.sum() - value) / sd**2 / left
    return draws, stats.norm.logpdf(value, centre, np.sqrt(sd**2 + 1 / left)).sum()


@pytest.mark.parametrize("count", [20, 200])
def test_it_is_the_density_of_rows_that_were_left_out(count):
    rng = np.random.default_rng(count)
    value = rng.normal(0.3, 1.0, count)
    levels = Levels((1,))
    rows = table_of(levels, [np.zeros(count, int)], 0.0, np.zeros(1), np.ones(1), rng)
    rows = replace(rows, value=value)
    draws, exact = conjugate(value, 1.0, 1.0, rng)
    wide, exact_wide = conjugate(value, 2.0, 1.0, rng)
    found = {
        row["estimator"]: row
        for row in compared({"wide": wide, "right": draws}, rows).to_pylist()
    }
    assert found["right"]["elpd_loo"] == pytest.approx(exact, abs=0.1)
    assert found["wide"]["elpd_loo"] == pytest.approx(exact_wide, abs=0.1)
    assert found["wide"]["difference"] == pytest.approx(exact_wide - exact, abs=0.2)
    assert list(found) == ["right", "wide"]
    assert found["right"]["p_loo"] == pytest.approx(1.0, abs=0.5)


def test_units_change_the_density_alone():
    rows, draws = rows_of(), plain_draws(LEVELS)
    other = plain_draws(LEVELS, 1)
    one = compared({"a": draws, "b": other}, rows).to_pylist()
    for scale, origin in ((1e3, 0.0), (1e-6, 1e6), (1.0, -1e9)):

        def moved(draws, scale=scale, origin=origin):
            return replace(
                draws,
                intercept=origin + scale * draws.intercept,
                mu=scale * draws.mu,
                sigma=scale * draws.sigma,
            )

        there = replace(rows, value=origin + scale * rows.value)
        two = compared({"a": moved(draws), "b": moved(other)}, there).to_pylist()
        for first, second in zip(one, two, strict=True):
            assert second["estimator"] == first["estimator"]
            assert second["elpd_loo"] + 150 * np.log(scale) == pytest.approx(
                first["elpd_loo"], abs=0.05
            )
            assert second["difference"] == pytest.approx(first["difference"], abs=0.05)


def test_of_many_rows_some_are_chosen(monkeypatch):
    monkeypatch.setattr(comparison, "MOST_ROWS", 60)
    rows, fits = rows_of(), {"a": plain_draws(LEVELS), "b": plain_draws(LEVELS, 1)}
    once, again = compared(fits, rows), compared(fits, rows)
    assert once.equals(again)
    assert once["rows"].to_pylist() == [60, 60]
    assert not once.equals(compared(fits, rows, seed=1))
    # The same rows for all: the difference has the error of the pairs.
    assert once["difference_se"][1].as_py() < sum(once["se"].to_pylist())


def test_draws_are_thinned_and_told_how_good_they_are(monkeypatch):
    rows, draws = rows_of(), plain_draws(LEVELS, shape=(4, 1000))
    cells, cell, *_ = cells_of(rows)
    found = comparison.leave_one_out(draws, cells, rows.value, cell)
    assert found.n_samples == 1000
    seen = []
    real = arviz_stats.loo

    def loo(*given, **options):
        seen.append(options["reff"])
        return real(*given, **options)

    monkeypatch.setattr(arviz_stats, "loo", loo)
    for effective, expected in ((500.0, 0.5), (3000.0, 1.0), (np.nan, 1.0)):
        diagnostics = replace(
            draws.diagnostics, ess_bulk=np.full_like(draws.diagnostics.rhat, effective)
        )
        given = replace(draws, diagnostics=diagnostics)
        comparison.leave_one_out(given, cells, rows.value, cell)
        assert seen[-1] == expected


def test_one_estimator_and_none():
    rows = rows_of()
    (row,) = compared({"a": plain_draws(LEVELS)}, rows).to_pylist()
    assert row["difference"] == row["difference_se"] == 0.0
    nothing = comparison.of_draws(
        {}, collapse(rows), rows.value, np.zeros(150, int), np.random.default_rng(0)
    )
    assert nothing.num_rows == 0
    assert nothing.schema.equals(comparison.COMPARISON)
