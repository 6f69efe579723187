import dataclasses
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from summands import estimands, metrics, recovery, tables
from summands.design import Design
from summands.fitting import Fit, Problem
from summands.levels import Levels
from summands.metrics import Sample


def sample(replicates, contributors, seed, zero_sum=False, posterior=True) -> Sample:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(replicates, contributors))
    estimate = truth + rng.normal(0.1, 0.5, size=truth.shape)
    sd = rng.uniform(0.2, 1.0, size=truth.shape)
    return Sample(
        truth=truth,
        estimate=estimate,
        sd=sd,
        lower_50=estimate - 0.67 * sd,
        upper_50=estimate + 0.67 * sd,
        lower_95=estimate - 1.96 * sd,
        upper_95=estimate + 1.96 * sd,
        crps=rng.uniform(0.1, 1.0, size=truth.shape),
        bound=rng.uniform(0.3, 0.5, size=truth.shape),
        converged=rng.random(replicates) < 0.8,
        prior_sd=np.linspace(1.0, 2.0, contributors),
        zero_sum=zero_sum,
        posterior=posterior,
    )


def taken(made: Sample, **changes) -> Sample:
    return dataclasses.replace(made, **changes)


def jackknifed(made: Sample, statistic) -> tuple[float, float]:
    """The jackknife by its definition: leave each replicate out and start again."""
    n = len(made.truth)
    left_out = [statistic(made.take(np.arange(n) != gone)) for gone in range(n)]
    return statistic(made), np.sqrt((n - 1) * np.var(left_out))


def interval_score(made: Sample) -> float:
    width = made.upper_95 - made.lower_95
    above = (made.truth - made.upper_95) * (made.truth > made.upper_95)
    below = (made.lower_95 - made.truth) * (made.truth < made.lower_95)
    return (width + 40 * (above + below)).mean()


def held(made: Sample) -> np.ndarray:
    return (made.lower_95 <= made.truth) & (made.truth <= made.upper_95)


def empirical_variance(made: Sample) -> float:
    return made.error.var(axis=0, ddof=1).mean()


BY_DEFINITION = {
    metrics.bias: lambda s: s.error.mean(),
    metrics.mse: lambda s: (s.error**2).mean(),
    metrics.rmse: lambda s: np.sqrt((s.error**2).mean()),
    metrics.empirical_se: lambda s: np.sqrt(empirical_variance(s)),
    metrics.model_se: lambda s: np.sqrt((s.sd**2).mean()),
    metrics.model_se_relative_error: lambda s: (
        np.sqrt((s.sd**2).mean() / empirical_variance(s)) - 1
    ),
    metrics.coverage_95: lambda s: held(s).mean(),
    metrics.width_95: lambda s: (s.upper_95 - s.lower_95).mean(),
    metrics.interval_score_95: interval_score,
    metrics.crps: lambda s: s.crps.mean(),
    metrics.rmse_over_bound: lambda s: np.sqrt(
        (s.error**2).mean() / (s.bound**2).mean()
    ),
    metrics.contraction: lambda s: (1 - (s.sd / s.prior_sd) ** 2).mean(),
    metrics.z_mean: lambda s: (s.error / s.sd).mean(),
    metrics.z_rms: lambda s: np.sqrt(((s.error / s.sd) ** 2).mean()),
    metrics.coverage_95_failures_missed: lambda s: (
        held(s) & s.converged[:, None]
    ).mean(),
    metrics.coverage_95_failures_held: lambda s: (
        held(s) | ~s.converged[:, None]
    ).mean(),
}

OF_CONTRASTS = {
    metrics.bias_along_truth: lambda s: (s.error * np.sign(s.truth)).mean(),
    metrics.sign_rate: lambda s: (np.sign(s.estimate) == np.sign(s.truth)).mean(),
    metrics.top_rate: lambda s: (
        s.estimate.argmax(axis=1) == s.truth.argmax(axis=1)
    ).mean(),
}


@settings(deadline=None)
@given(
    st.sampled_from([*BY_DEFINITION, *OF_CONTRASTS]),
    st.integers(3, 30),
    st.integers(2, 5),
    st.integers(0, 10**6),
)
def test_metrics_are_their_definitions(metric, replicates, contributors, seed):
    made = sample(replicates, contributors, seed, zero_sum=metric in OF_CONTRASTS)
    made.converged[0] = True
    definition = (BY_DEFINITION | OF_CONTRASTS)[metric]
    assert metric(made) == pytest.approx(
        jackknifed(made, definition), rel=1e-7, abs=1e-10
    )


def test_every_metric_is_tested_against_its_definition():
    listed = {
        *metrics.IN_BOTH,
        *metrics.WITH_FIXED_TRUTH,
        *metrics.WITH_DRAWN_TRUTH,
        *metrics.OF_ALL_FITS,
    }
    by_other_means = {"coverage_50", "width_50", "interval_score_50"}
    by_other_means |= {"bias_eliminated_coverage_50", "bias_eliminated_coverage_95"}
    names = {metric.__name__ for metric in listed - {*BY_DEFINITION, *OF_CONTRASTS}}
    assert names == by_other_means


def test_the_readme_explains_every_metric_in_its_regime():
    text = (Path(__file__).parents[2] / "README.md").read_text()
    table = text.split("| metric | truth | meaning |")[1].split("\n\n")[0]
    explained = {"both": set(), "fixed": set(), "drawn": set()}
    for line in table.splitlines()[2:]:
        names, regime, _ = line.strip("|").split("|", 2)
        explained[regime.strip()] |= set(re.findall(r"`([^`]+)`", names))
    explained["fixed"].remove(metrics.RELATIVE_PRECISION + "<estimator>")
    named = {
        "both": metrics.IN_BOTH + metrics.OF_ALL_FITS,
        "fixed": metrics.WITH_FIXED_TRUTH,
        "drawn": metrics.WITH_DRAWN_TRUTH,
    }
    assert explained == {
        regime: {metric.__name__ for metric in listed}
        for regime, listed in named.items()
    }


def test_bias_eliminated_coverage_is_coverage_of_the_mean_estimate():
    made = sample(40, 3, 0)
    centred = np.broadcast_to(made.estimate.mean(axis=0), made.truth.shape)
    shifted = taken(made, truth=centred)
    for name in ("50", "95"):
        eliminated = getattr(metrics, f"bias_eliminated_coverage_{name}")(made)
        assert eliminated == getattr(metrics, f"coverage_{name}")(shifted)


def test_the_narrow_intervals_have_their_own_level():
    """The metrics of the 50 % intervals are those of the 95 % ones at another level."""
    made = sample(30, 2, 4)
    narrow = taken(made, lower_95=made.lower_50, upper_95=made.upper_50)
    assert metrics.coverage_50(made) == metrics.coverage_95(narrow)
    assert metrics.width_50(made) == metrics.width_95(narrow)
    width, score = metrics.width_50(made)[0], metrics.interval_score_50(made)[0]
    wide_score = metrics.interval_score_95(narrow)[0]
    # The penalty is 2 / (1 - level) times the distance: 4 here, 40 there.
    assert (score - width) * 10 == pytest.approx(wide_score - width)


def test_the_interval_score_is_least_for_the_true_quantiles():
    """It is proper (Gneiting and Raftery 2007): other intervals score worse."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(20_000, 1))

    def score(half):
        ends = np.full_like(truth, half)
        made = taken(sample(2, 1, 0), truth=truth, lower_95=-ends, upper_95=ends)
        return metrics.interval_score_95(made)[0]

    best = stats.norm.ppf(0.975)
    assert score(best) < min(score(0.8 * best), score(1.25 * best))


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=40)
    value, mcse = metrics.mean(values)
    assert value == pytest.approx(values.mean())
    assert mcse == pytest.approx(values.std(ddof=1) / np.sqrt(40))


@pytest.mark.parametrize(
    "metric",
    [
        metrics.bias,
        metrics.rmse,
        metrics.empirical_se,
        metrics.model_se_relative_error,
        metrics.coverage_95,
        metrics.bias_eliminated_coverage_95,
        metrics.rmse_over_bound,
        metrics.z_rms,
    ],
)
def test_monte_carlo_errors_are_those_of_repeated_studies(metric):
    studies = np.array([metric(sample(100, 3, seed)) for seed in range(800)])
    value, mcse = studies.T
    assert np.sqrt(np.mean(mcse**2)) == pytest.approx(value.std(), rel=0.1)


def test_relative_precision_is_paired():
    """Morris et al. (2019, table 6), with the error of repeated paired studies."""
    found = []
    for seed in range(800):
        one = sample(100, 3, seed)
        noise = np.random.default_rng(10**6 + seed).normal(0, 0.2, one.truth.shape)
        other = taken(one, estimate=one.estimate + noise)
        value, mcse = metrics.relative_precision(one, other)
        spread = [made.error.var(axis=0, ddof=1).mean() for made in (other, one)]
        assert value == pytest.approx(spread[0] / spread[1] - 1)
        found.append((value, mcse))
    value, mcse = np.array(found).T
    assert np.sqrt(np.mean(mcse**2)) == pytest.approx(value.std(), rel=0.1)
    assert value.mean() == pytest.approx(0.2**2 / 0.5**2, rel=0.05)
    # Estimators that err alike differ by no more than they do: pairing tells.
    assert mcse.mean() < 0.5 * np.sqrt(4 / 300)


def test_pooled_contributors_are_not_repetitions():
    """Contributors that err alike leave the error of a mean that of replicates."""
    one = sample(50, 1, 0)
    four = taken(
        one,
        prior_sd=np.ones(4),
        **{name: np.repeat(getattr(one, name), 4, axis=1) for name in metrics.ARRAYS},
    )
    assert metrics.bias(four) == pytest.approx(metrics.bias(one))
    assert metrics.coverage_50(four) == pytest.approx(metrics.coverage_50(one))


def test_shrinkage_shows_as_bias_along_the_truth():
    made = sample(200, 3, 1, zero_sum=True)
    truth = made.truth - made.truth.mean(axis=1, keepdims=True)
    shrunk = taken(made, truth=truth, estimate=0.8 * truth)
    assert np.isnan(metrics.bias(shrunk)[0])
    value, _ = metrics.bias_along_truth(shrunk)
    assert value == pytest.approx(-0.2 * np.abs(truth).mean())
    assert metrics.sign_rate(shrunk)[0] == 1.0
    assert metrics.top_rate(shrunk)[0] == 1.0
    assert np.isnan(metrics.bias_along_truth(sample(5, 2, 0))[0])


def test_contrasts_that_are_zero_have_no_sign_and_equal_ones_no_order():
    made = sample(6, 3, 0, zero_sum=True)
    truth = np.tile([2.0, 0.0, -2.0], (6, 1))
    estimate = np.tile([1.0, -0.1, 0.5], (6, 1))
    found = taken(made, truth=truth, estimate=estimate)
    assert metrics.sign_rate(found)[0] == pytest.approx(0.5)
    assert metrics.top_rate(found)[0] == 1.0
    equal = taken(found, truth=np.tile([1.0, 1.0, -2.0], (6, 1)))
    assert np.isnan(metrics.top_rate(equal)[0])


def test_squared_error_splits_into_bias_and_spread():
    made = sample(400, 1, 3)
    n = len(made.truth)
    bias, spread = metrics.bias(made)[0], metrics.empirical_se(made)[0]
    assert metrics.mse(made)[0] == pytest.approx(bias**2 + spread**2 * (n - 1) / n)


def test_one_replicate_has_no_monte_carlo_error():
    value, mcse = metrics.rmse(sample(1, 2, 0))
    assert np.isfinite(value)
    assert np.isnan(mcse)
    assert np.isnan(metrics.empirical_se(sample(2, 2, 0))).all()


def test_prior_spread_is_that_of_prior_draws():
    levels = Levels.of([1, 2, 4])
    problem = Problem(levels, 0.7, -0.2, 0.3, intercept_sd=2.0)
    rng = np.random.default_rng(0)
    size, k = 400_000, levels.contributors
    values = estimands.evaluate(
        levels,
        rng.normal(0, 2.0, size),
        levels.centre(rng.normal(0, 0.7, (size, k))),
        rng.lognormal(-0.2, 0.3, (size, k)),
    )
    found = estimands.prior_sd(
        levels,
        problem.intercept_sd,
        problem.mu_sd,
        problem.log_sigma_mean,
        problem.log_sigma_sd,
    )
    assert found == pytest.approx(values.std(axis=0), rel=0.02, abs=1e-9)


LEVELS = Levels.of([1, 2])
SIZE = 3 * LEVELS.contributors + 2
DRAWN = Design(LEVELS, 100)
FIXED = Design(LEVELS, 100, truth="fixed")


def study_of(outcomes: list[str], name="e", noise=0.0) -> tuple[pa.Table, pa.Table]:
    """Tables of fits that are "good", "bad" (not converged) or "failed"."""
    rng = np.random.default_rng(0)
    truth = np.tile(np.arange(1.0, SIZE + 1), (len(outcomes), 1))
    bound = np.full_like(truth, 0.5)
    fits = []
    for number, outcome in enumerate(outcomes):
        fit = Fit(SIZE, seconds=1.0)
        if outcome == "failed":
            fit.error = "it broke"
        else:
            fit.converged = outcome == "good"
            error = 0.1 * (number + 1) if outcome == "good" else 9.0
            fit.estimate = truth[number] + error + noise * rng.normal(size=SIZE)
            fit.sd = np.ones(SIZE)
            fit.lower_95, fit.upper_95 = truth[number] - 1, truth[number] + 1
            fit.rank = np.full(SIZE, 5.0)
            fit.rank_of = np.full(SIZE, 99.0)
        fits.append(fit)
    replicates = range(len(outcomes))
    known = {"truth": truth, "bound": bound}
    return (
        tables.estimates("d", name, LEVELS, replicates, fits, known),
        tables.fits("d", name, replicates, fits),
    )


def found(table: pa.Table, **where) -> list[dict]:
    return [
        row
        for row in table.to_pylist()
        if all(row[key] == value for key, value in where.items())
    ]


def test_gates_count_every_fit_and_hide_none():
    table = recovery.recovery("d", DRAWN, {"e": study_of(["good", "bad", "failed"])})
    (of_all,) = found(table, parameter="intercept", metric="rmse", gate="all")
    (gated,) = found(table, parameter="intercept", metric="rmse", gate="converged")
    assert of_all["replicates"] == 2
    assert of_all["value"] == pytest.approx(np.sqrt((0.1**2 + 9**2) / 2))
    assert gated["replicates"] == 1
    assert gated["value"] == pytest.approx(0.1)
    assert gated["mcse"] is None
    coverage = {
        row["metric"]: (row["value"], row["replicates"])
        for row in found(table, parameter="intercept", gate="all")
        if row["metric"].startswith("coverage_95")
    }
    assert coverage["coverage_95"] == (pytest.approx(1.0), 2)
    assert coverage["coverage_95_failures_missed"] == (pytest.approx(1 / 3), 3)
    assert coverage["coverage_95_failures_held"] == (pytest.approx(1.0), 3)


def test_a_study_that_fails_altogether_has_no_metrics():
    table = recovery.recovery("d", DRAWN, {"e": study_of(["failed", "failed"])})
    assert table.num_rows == 0
    assert table.schema.equals(tables.RECOVERY)


def test_what_does_not_exist_is_absent():
    table = recovery.recovery("d", FIXED, {"e": study_of(["good"] * 4)})
    # The 50 % interval was never given, and a lone contributor's mu is 0 by definition.
    assert not found(table, metric="coverage_50")
    assert not found(table, parameter="mu", level=0)
    assert found(table, parameter="sigma", level=0, metric="rmse")
    assert not found(table, parameter="mu", metric="bias")


def test_each_regime_has_its_own_metrics():
    fits = {"e": study_of(["good"] * 5), "f": study_of(["good"] * 5, "f", 0.1)}
    of_fixed, of_drawn = (
        {row["metric"] for row in recovery.recovery("d", design, fits).to_pylist()}
        for design in (FIXED, DRAWN)
    )
    repeated = {metric.__name__ for metric in metrics.WITH_FIXED_TRUTH}
    averaged = {metric.__name__ for metric in metrics.WITH_DRAWN_TRUTH}
    versus = {metrics.RELATIVE_PRECISION + name for name in fits}
    repeated.discard("bias_eliminated_coverage_50")  # no 50 % interval was given
    assert repeated | versus <= of_fixed
    assert averaged <= of_drawn
    assert not (averaged & of_fixed)
    assert not ((repeated | versus) & of_drawn)


def test_a_data_set_with_a_gap_takes_only_its_own_estimates_away():
    """Null in one replicate: metrics rest on the others, and say on how many."""
    estimates, fits = study_of(["good"] * 5)
    for name, gaps in (("estimate", 1), ("lower_95", 1), ("bound", 2)):
        values = estimates[name].to_numpy().copy()
        values[: gaps * SIZE] = np.nan
        place = estimates.schema.get_field_index(name)
        column = pa.array(values, mask=np.isnan(values))
        estimates = estimates.set_column(place, estimates.schema.field(name), column)
    table = recovery.recovery("d", FIXED, {"e": (estimates, fits)})
    where = {"parameter": "intercept", "gate": "all"}
    (rmse,) = found(table, metric="rmse", **where)
    assert rmse["replicates"] == 4
    assert rmse["value"] == pytest.approx(0.1 * np.sqrt((4 + 9 + 16 + 25) / 4))
    for count, share in (("missed", 0.8), ("held", 1.0)):
        metric = f"coverage_95_failures_{count}"
        (covered,) = found(table, metric=metric, **where)
        assert (covered["value"], covered["replicates"]) == (pytest.approx(share), 5)
    (ratio,) = found(table, metric="rmse_over_bound", **where)
    assert ratio["replicates"] == 3
    assert ratio["value"] == pytest.approx(0.2 * np.sqrt((9 + 16 + 25) / 3))


def test_estimators_are_compared_on_what_both_have_fitted():
    one = study_of(["good", "good", "failed", "good", "good", "bad"])
    two = study_of(["good", "failed", "good", "good", "good", "good"], "f", 0.1)
    table = recovery.recovery("d", FIXED, {"e": one, "f": two})
    where = {"estimator": "e", "parameter": "intercept"}
    where["metric"] = metrics.RELATIVE_PRECISION + "f"
    assert [row["replicates"] for row in found(table, gate="all", **where)] == [4]
    assert [row["replicates"] for row in found(table, gate="converged", **where)] == [3]
