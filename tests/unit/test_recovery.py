import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summands import recovery, tables
from summands.fitting import Fit
from summands.levels import Levels
from summands.recovery import Sample


def sample(replicates, contributors, seed, zero_sum=False) -> Sample:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(replicates, contributors))
    estimate = truth + rng.normal(0.1, 0.5, size=truth.shape)
    half = rng.uniform(0.2, 1.5, size=truth.shape)
    return Sample(
        truth,
        estimate,
        estimate - 0.4 * half,
        estimate + 0.4 * half,
        estimate - half,
        estimate + half,
        zero_sum,
    )


def jackknifed(made: Sample, statistic) -> tuple[float, float]:
    """The jackknife by its definition: leave each replicate out and start again."""
    n = len(made.truth)
    left_out = []
    for gone in range(n):
        keep = np.arange(n) != gone
        left_out.append(
            statistic(
                made.truth[keep],
                made.estimate[keep],
                made.lower_95[keep],
                made.upper_95[keep],
            )
        )
    value = statistic(made.truth, made.estimate, made.lower_95, made.upper_95)
    return value, np.sqrt((n - 1) * np.var(left_out))


BY_DEFINITION = {
    recovery.bias: lambda t, e, low, high: (e - t).mean(),
    recovery.rmse: lambda t, e, low, high: np.sqrt(((e - t) ** 2).mean()),
    recovery.empirical_se: lambda t, e, low, high: np.sqrt(
        (e - t).var(axis=0, ddof=1).mean()
    ),
    recovery.coverage_95: lambda t, e, low, high: ((low <= t) & (t <= high)).mean(),
    recovery.width_95: lambda t, e, low, high: (high - low).mean(),
}


@settings(deadline=None)
@given(
    st.sampled_from(list(BY_DEFINITION)),
    st.integers(3, 30),
    st.integers(1, 5),
    st.integers(0, 10**6),
)
def test_metrics_are_their_definitions(metric, replicates, contributors, seed):
    made = sample(replicates, contributors, seed)
    assert metric(made) == pytest.approx(
        jackknifed(made, BY_DEFINITION[metric]), rel=1e-7, abs=1e-10
    )


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=40)
    value, mcse = recovery.mean(values)
    assert value == pytest.approx(values.mean())
    assert mcse == pytest.approx(values.std(ddof=1) / np.sqrt(40))


@pytest.mark.parametrize(
    "metric",
    [recovery.bias, recovery.rmse, recovery.empirical_se, recovery.coverage_95],
)
def test_monte_carlo_errors_are_those_of_repeated_studies(metric):
    studies = np.array([metric(sample(100, 3, seed)) for seed in range(800)])
    value, mcse = studies.T
    assert np.sqrt(np.mean(mcse**2)) == pytest.approx(value.std(), rel=0.1)


def test_pooled_contributors_are_not_repetitions():
    """Contributors that err alike leave the error of a mean that of replicates."""
    one = sample(50, 1, 0)
    four = Sample(
        *(np.repeat(getattr(one, name), 4, axis=1) for name in NAMES), zero_sum=False
    )
    assert recovery.bias(four) == pytest.approx(recovery.bias(one))
    assert recovery.coverage_50(four) == pytest.approx(recovery.coverage_50(one))


NAMES = ("truth", "estimate", "lower_50", "upper_50", "lower_95", "upper_95")


def test_shrinkage_shows_as_bias_along_the_truth():
    made = sample(200, 3, 1, zero_sum=True)
    truth = made.truth - made.truth.mean(axis=1, keepdims=True)
    shrunk = Sample(truth, 0.8 * truth, *[truth] * 4, zero_sum=True)
    assert np.isnan(recovery.bias(shrunk)[0])
    value, _ = recovery.bias_along_truth(shrunk)
    assert value == pytest.approx(-0.2 * np.abs(truth).mean())
    assert np.isnan(recovery.bias_along_truth(sample(5, 2, 0))[0])


def test_squared_error_splits_into_bias_and_spread():
    made = sample(400, 1, 3)
    n = len(made.truth)
    bias, spread = recovery.bias(made)[0], recovery.empirical_se(made)[0]
    assert recovery.rmse(made)[0] ** 2 == pytest.approx(
        bias**2 + spread**2 * (n - 1) / n
    )


def test_one_replicate_has_no_monte_carlo_error():
    value, mcse = recovery.rmse(sample(1, 2, 0))
    assert np.isfinite(value)
    assert np.isnan(mcse)
    assert np.isnan(recovery.empirical_se(sample(2, 2, 0))).all()


LEVELS = Levels.of([1, 2])
SIZE = 3 * LEVELS.contributors + 2


def study_of(outcomes: list[str]) -> tuple[pa.Table, pa.Table]:
    """Tables of fits that are "good", "bad" (not converged) or "failed"."""
    truth = np.tile(np.arange(1.0, SIZE + 1), (len(outcomes), 1))
    fits = []
    for number, outcome in enumerate(outcomes):
        fit = Fit(SIZE, seconds=1.0)
        if outcome == "failed":
            fit.error = "it broke"
        else:
            fit.converged = outcome == "good"
            error = 0.1 * (number + 1) if outcome == "good" else 9.0
            fit.estimate = truth[number] + error
            fit.sd = np.ones(SIZE)
            fit.lower_95, fit.upper_95 = truth[number] - 1, truth[number] + 1
        fits.append(fit)
    replicates = range(len(outcomes))
    identified = [np.ones(SIZE, bool)] * len(outcomes)
    return (
        tables.estimates("d", "e", LEVELS, replicates, fits, truth, identified),
        tables.fits("d", "e", replicates, fits),
    )


def found(table: pa.Table, **where) -> list[dict]:
    return [
        row
        for row in table.to_pylist()
        if all(row[key] == value for key, value in where.items())
    ]


def test_gates_count_every_fit_and_hide_none():
    table = recovery.recovery("d", "e", LEVELS, *study_of(["good", "bad", "failed"]))
    (of_all,) = found(table, parameter="intercept", metric="rmse", gate="all")
    (gated,) = found(table, parameter="intercept", metric="rmse", gate="converged")
    assert of_all["replicates"] == 2
    assert of_all["value"] == pytest.approx(np.sqrt((0.1**2 + 9**2) / 2))
    assert gated["replicates"] == 1
    assert gated["value"] == pytest.approx(0.1)
    assert gated["mcse"] is None


def test_a_study_that_fails_altogether_has_no_metrics():
    table = recovery.recovery("d", "e", LEVELS, *study_of(["failed", "failed"]))
    assert table.num_rows == 0
    assert table.schema.equals(tables.RECOVERY)


def test_what_does_not_exist_is_absent():
    table = recovery.recovery("d", "e", LEVELS, *study_of(["good"] * 4))
    # The 50 % interval was never given, and a lone contributor's mu is 0 by definition.
    assert not found(table, metric="coverage_50")
    assert not found(table, parameter="mu", level=0)
    assert found(table, parameter="sigma", level=0, metric="rmse")
    assert not found(table, parameter="mu", metric="bias")
