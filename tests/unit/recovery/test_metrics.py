import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from summands.recovery import decisions, metrics, montecarlo, registry
from summands.recovery.catalogue import METRICS
from summands.recovery.sample import COLUMNS, Sample

DECISIONS = decisions.__name__


def sample(replicates, contributors, seed, zero_sum=False, positive=False) -> Sample:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(replicates, contributors))
    estimate = truth + rng.normal(0.1, 0.5, size=truth.shape)
    sd = rng.uniform(0.2, 1.0, size=truth.shape)
    made = {
        "truth": truth,
        "estimate": estimate,
        "lower_50": estimate - 0.67 * sd,
        "upper_50": estimate + 0.67 * sd,
        "lower_95": estimate - 1.96 * sd,
        "upper_95": estimate + 1.96 * sd,
    }
    if positive:
        made = {name: np.exp(values) for name, values in made.items()}
    return Sample(
        **made,
        sd=sd,
        crps=rng.uniform(0.1, 1.0, size=truth.shape),
        bound=rng.uniform(0.3, 0.5, size=truth.shape),
        p_largest=rng.dirichlet(np.ones(contributors), replicates),
        converged=rng.random(replicates) < 0.8,
        scale=rng.uniform(0.5, 5.0, size=replicates),
        prior_spread=np.linspace(1.0, 2.0, contributors),
        zero_sum=zero_sum,
        positive=positive,
        posterior=True,
    )


def measured(metric, *samples, apart=False):
    """Values and Monte-Carlo errors, or None where the metric is absent."""
    statistic = metric(*samples)
    if statistic is None:
        return None
    if not (statistic.of_contributors if apart else statistic.of_level):
        return None
    (found,) = montecarlo.measure([statistic], apart=apart)
    return found


def value(metric, *samples) -> tuple[float, float]:
    found = measured(metric, *samples)
    return found.value.item(), found.mcse.item()


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


def root_mean_square(values) -> float:
    return np.sqrt((values**2).mean())


BY_DEFINITION = {
    metrics.bias: lambda s: s.error.mean(),
    metrics.mse: lambda s: (s.error**2).mean(),
    metrics.rmse: lambda s: root_mean_square(s.error),
    metrics.rmse_over_bound: lambda s: root_mean_square(s.error / s.bound),
    metrics.rmse_over_total: lambda s: root_mean_square((s.error.T / s.scale).T),
    metrics.empirical_se: lambda s: np.sqrt(empirical_variance(s)),
    metrics.model_se: lambda s: root_mean_square(s.sd),
    metrics.model_se_relative_error: lambda s: (
        np.sqrt((s.sd**2).mean() / empirical_variance(s)) - 1
    ),
    metrics.coverage_95: lambda s: held(s).mean(),
    metrics.width_95: lambda s: (s.upper_95 - s.lower_95).mean(),
    metrics.width_95_over_total: lambda s: (
        (s.upper_95 - s.lower_95).T / s.scale
    ).mean(),
    metrics.interval_score_95: interval_score,
    metrics.crps: lambda s: s.crps.mean(),
    metrics.contraction: lambda s: (1 - (s.sd / s.prior_spread) ** 2).mean(),
    metrics.z_mean: lambda s: (s.error / s.sd).mean(),
    metrics.z_rms: lambda s: root_mean_square(s.error / s.sd),
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

OF_POSITIVE = {
    metrics.rmse_log: lambda s: root_mean_square(np.log(s.estimate) - np.log(s.truth)),
}

DEFINITIONS = BY_DEFINITION | OF_CONTRASTS | OF_POSITIVE

metrics_and_samples = st.builds(
    lambda metric, *size: (
        metric,
        sample(*size, zero_sum=metric in OF_CONTRASTS, positive=metric in OF_POSITIVE),
    ),
    st.sampled_from([*DEFINITIONS]),
    st.integers(metrics.SPREAD, 30),
    st.integers(2, 5),
    st.integers(0, 10**6),
)


@settings(deadline=None)
@given(metrics_and_samples)
def test_metrics_are_their_definitions(chosen):
    metric, made = chosen
    made.converged[0] = True
    assert value(metric, made) == pytest.approx(
        jackknifed(made, DEFINITIONS[metric]), rel=1e-7, abs=1e-10
    )


@settings(deadline=None)
@given(metrics_and_samples)
def test_metrics_of_a_contributor_are_those_of_its_estimates_alone(chosen):
    metric, made = chosen
    found = measured(metric, made, apart=True)
    if metric is metrics.top_rate:
        assert found is None
        return
    for k in range(made.truth.shape[1]):
        alone = taken(
            made,
            prior_spread=made.prior_spread[[k]],
            **{name: getattr(made, name)[:, [k]] for name in COLUMNS},
        )
        if not made.converged.any():
            continue
        (expected,) = montecarlo.measure([metric(alone)], apart=False)
        for name in ("value", "mcse", "largest_share", "count"):
            of_contributor = getattr(found, name)[k]
            assert of_contributor == pytest.approx(
                getattr(expected, name)[0], rel=1e-9, abs=1e-12, nan_ok=True
            )


def test_every_metric_is_tested_against_its_definition():
    by_other_means = {"coverage_50", "width_50", "interval_score_50"}
    by_other_means |= {"bias_eliminated_coverage_50", "bias_eliminated_coverage_95"}
    by_other_means |= {"relative_precision_vs_", "rmse_ratio_vs_"}
    # In tests/unit/recovery/test_decisions.py.
    by_other_means |= {
        name for name, each in METRICS.items() if each.statistic.__module__ == DECISIONS
    }
    assert by_other_means == {*METRICS} - {metric.name for metric in DEFINITIONS}


def test_bias_eliminated_coverage_is_coverage_of_the_mean_estimate():
    made = sample(40, 3, 0)
    centred = np.broadcast_to(made.estimate.mean(axis=0), made.truth.shape)
    shifted = taken(made, truth=centred)
    for name in ("50", "95"):
        eliminated = getattr(metrics, f"bias_eliminated_coverage_{name}")
        covered = getattr(metrics, f"coverage_{name}")
        expected = value(covered, shifted)[0]
        assert value(eliminated, made)[0] == pytest.approx(expected, abs=1e-12)


def test_the_narrow_intervals_have_their_own_level():
    """The metrics of the 50 % intervals are those of the 95 % ones at another level."""
    made = sample(30, 2, 4)
    narrow = taken(made, lower_95=made.lower_50, upper_95=made.upper_50)
    assert value(metrics.coverage_50, made) == value(metrics.coverage_95, narrow)
    assert value(metrics.width_50, made) == value(metrics.width_95, narrow)
    width, score = (
        value(metrics.width_50, made)[0],
        value(metrics.interval_score_50, made)[0],
    )
    wide_score = value(metrics.interval_score_95, narrow)[0]
    # The penalty is 2 / (1 - level) times the distance: 4 here, 40 there.
    assert (score - width) * 10 == pytest.approx(wide_score - width)


def test_the_interval_score_is_least_for_the_true_quantiles():
    """It is proper (Gneiting and Raftery 2007): other intervals score worse."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(20_000, 1))

    def score(half):
        ends = np.full_like(truth, half)
        made = taken(sample(2, 1, 0), truth=truth, lower_95=-ends, upper_95=ends)
        return value(metrics.interval_score_95, made)[0]

    best = stats.norm.ppf(0.975)
    assert score(best) < min(score(0.8 * best), score(1.25 * best))


def test_the_jackknife_of_a_mean_is_its_standard_error():
    made = sample(40, 1, 0)
    found, mcse = value(metrics.bias, made)
    assert found == pytest.approx(made.error.mean())
    assert mcse == pytest.approx(made.error.std(ddof=1) / np.sqrt(40))


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
    studies = np.array([value(metric, sample(100, 3, seed)) for seed in range(800)])
    found, mcse = studies.T
    assert np.sqrt(np.mean(mcse**2)) == pytest.approx(found.std(), rel=0.1)


def test_the_error_of_bias_eliminated_coverage_knows_that_the_mean_moves():
    """Skewed estimates with wider intervals where they are larger."""
    rng = np.random.default_rng(0)
    found = []
    for seed in range(800):
        estimate = rng.chisquare(4, size=(100, 1)) / 4
        half = 1.96 * estimate * np.sqrt(2 / 4)
        made = taken(
            sample(100, 1, seed),
            estimate=estimate,
            lower_95=estimate - half,
            upper_95=estimate + half,
        )
        found.append(value(metrics.bias_eliminated_coverage_95, made))
    of_studies, mcse = np.array(found).T
    error = of_studies.std()
    assert np.sqrt(np.mean(mcse**2)) == pytest.approx(error, rel=0.1)
    # With a mean that stays where it is the error would be a share's.
    share = of_studies.mean()
    assert np.sqrt(share * (1 - share) / 100) > 1.1 * error


def test_the_share_without_a_replicate_moves_with_the_mean_and_its_own_interval():
    """Lower ends spread evenly over [-1, 1]: half the share to a unit of the mean."""
    rng = np.random.default_rng(0)
    n = 4001
    estimate = rng.normal(0, 0.4, (n, 1))
    made = taken(
        sample(n, 1, 0),
        estimate=estimate,
        lower_95=rng.permutation(np.linspace(-1, 1, n))[:, None],
        upper_95=np.full((n, 1), 5.0),
    )
    shares = metrics.bias_eliminated_coverage_95(made)
    held = made.lower_95 <= estimate.mean()
    own = held - held.mean()
    moved = own + 0.5 * (estimate - estimate.mean())
    assert (shares.share - shares.left_out) * (n - 1) == pytest.approx(moved, abs=0.02)


def test_of_two_replicates_the_share_without_one_is_that_of_the_other():
    """Where no interval ends near the mean, which then moves nothing."""
    made = taken(
        sample(2, 1, 0),
        estimate=np.array([[1.0], [1.2]]),
        lower_95=np.array([[-9.0], [8.0]]),
        upper_95=np.array([[9.0], [9.0]]),
    )
    shares = metrics.bias_eliminated_coverage_95(made)
    assert shares.share == 0.5
    assert shares.left_out[:, 0].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("metric", [metrics.relative_precision, metrics.rmse_ratio])
def test_estimators_are_compared_in_pairs(metric):
    """By definition, and with the error of repeated paired studies."""
    found = []
    for seed in range(800):
        one = sample(100, 3, seed)
        noise = np.random.default_rng(10**6 + seed).normal(0, 0.2, one.truth.shape)
        other = taken(one, estimate=one.estimate + noise)
        if metric is metrics.relative_precision:
            expected = empirical_variance(other) / empirical_variance(one) - 1
        else:
            expected = root_mean_square(one.error) / root_mean_square(other.error)
        found.append(value(metric, one, other))
        assert found[-1][0] == pytest.approx(expected)
    of_studies, mcse = np.array(found).T
    assert np.sqrt(np.mean(mcse**2)) == pytest.approx(of_studies.std(), rel=0.1)
    # Estimators that err alike differ by no more than they do: pairing tells.
    unpaired = np.sqrt(4 / 300) if metric is metrics.relative_precision else 0.06
    assert mcse.mean() < 0.5 * unpaired


def test_pooled_contributors_are_not_repetitions():
    """Contributors that err alike leave the error of a mean that of replicates."""
    one = sample(50, 1, 0)
    four = taken(
        one,
        prior_spread=np.ones(4),
        **{name: np.repeat(getattr(one, name), 4, axis=1) for name in COLUMNS},
    )
    assert value(metrics.bias, four) == pytest.approx(value(metrics.bias, one))
    assert value(metrics.coverage_50, four) == pytest.approx(
        value(metrics.coverage_50, one)
    )


def test_shrinkage_shows_as_bias_along_the_truth():
    made = sample(200, 3, 1, zero_sum=True)
    truth = made.truth - made.truth.mean(axis=1, keepdims=True)
    shrunk = taken(made, truth=truth, estimate=0.8 * truth)
    assert measured(metrics.bias, shrunk) is None
    along, _ = value(metrics.bias_along_truth, shrunk)
    assert along == pytest.approx(-0.2 * np.abs(truth).mean())
    assert value(metrics.sign_rate, shrunk)[0] == 1.0
    assert value(metrics.top_rate, shrunk)[0] == 1.0
    assert metrics.bias_along_truth(sample(5, 2, 0)) is None


def test_contrasts_that_are_zero_have_no_sign_and_equal_ones_no_order():
    made = sample(6, 3, 0, zero_sum=True)
    truth = np.tile([2.0, 0.0, -2.0], (6, 1))
    estimate = np.tile([1.0, -0.1, 0.5], (6, 1))
    found = taken(made, truth=truth, estimate=estimate)
    assert value(metrics.sign_rate, found)[0] == pytest.approx(0.5)
    assert value(metrics.bias_along_truth, found)[0] == pytest.approx((-1 - 2.5) / 2)
    assert value(metrics.z_mean, taken(found, sd=np.ones((6, 3))))[0] == pytest.approx(
        (-1 - 2.5) / 2
    )
    assert value(metrics.top_rate, found)[0] == 1.0
    for less in (0.0, 1e-12):
        equal = taken(found, truth=np.tile([1.0, 1.0 - less, -2.0], (6, 1)))
        assert metrics.top_rate(equal) is None


def test_equal_estimates_share_the_success():
    """Nothing is gained by estimating nothing: it is as good as guessing."""
    made = sample(300, 4, 0, zero_sum=True)
    none = taken(made, estimate=np.zeros_like(made.truth))
    assert value(metrics.top_rate, none)[0] == pytest.approx(0.25)
    rounding = np.random.default_rng(0).normal(0, 1e-17, made.truth.shape)
    for metric in (metrics.top_rate, metrics.sign_rate):
        assert value(metric, taken(none, estimate=rounding)) == value(metric, none)
    two = taken(made, estimate=made.truth.copy())
    two.estimate[:, 0] = two.estimate.max(axis=1)
    first = made.truth.argmax(axis=1) == 0
    expected = np.where(first, 1.0, 0.5).mean()
    assert value(metrics.top_rate, two)[0] == pytest.approx(expected)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_scale_free_errors_have_no_unit(unit):
    made = sample(30, 3, 5, positive=True)
    other = taken(
        made,
        sd=made.sd * unit,
        scale=made.scale * unit,
        crps=made.crps * unit,
        bound=made.bound * unit,
        **{name: getattr(made, name) * unit for name in COLUMNS if "_" in name},
        truth=made.truth * unit,
        estimate=made.estimate * unit,
    )
    for metric in (
        metrics.rmse_over_bound,
        metrics.rmse_over_total,
        metrics.width_95_over_total,
        metrics.rmse_log,
        metrics.contraction,
        metrics.z_rms,
        metrics.coverage_95,
    ):
        assert value(metric, other) == pytest.approx(value(metric, made))
    assert value(metrics.rmse, other)[0] == pytest.approx(
        unit * value(metrics.rmse, made)[0]
    )


def test_a_metric_says_how_much_of_it_is_one_replicate():
    made = sample(20, 3, 0)
    for metric in (metrics.mse, metrics.rmse, metrics.bias):
        power = 1 if metric is metrics.bias else 2
        of_replicates = np.abs((made.error**power).mean(axis=1))
        (share,) = measured(metric, made).largest_share
        assert share == pytest.approx(of_replicates.max() / of_replicates.sum())
    assert np.isnan(measured(metrics.coverage_95, made).largest_share).all()
    far = taken(made, estimate=made.estimate.copy())
    far.estimate[4] += 1e6
    for metric in (metrics.mse, metrics.bias, metrics.empirical_se):
        assert measured(metric, far).largest_share[0] > 0.9


def test_errors_of_variances_are_not_those_of_one_replicate():
    """Truths of the default prior, estimated with an error of a tenth."""
    rng = np.random.default_rng(0)
    shares = {metrics.mse: [], metrics.rmse_over_total: [], metrics.rmse_log: []}
    for seed in range(100):
        truth = rng.lognormal(0.0, 2.0, size=(20, 1))
        estimate = truth * rng.lognormal(0.0, 0.1, size=truth.shape)
        made = taken(
            sample(20, 1, seed, positive=True),
            truth=truth,
            estimate=estimate,
            scale=truth[:, 0],
        )
        for metric, found in shares.items():
            found.append(measured(metric, made).largest_share[0])
    assert np.median(shares[metrics.mse]) > 2 * registry.LARGEST_SHARE
    assert np.median(shares[metrics.rmse_log]) == pytest.approx(
        np.median(shares[metrics.rmse_over_total]), rel=0.2
    )
    assert np.median(shares[metrics.rmse_over_total]) < 1.3 * registry.LARGEST_SHARE


def test_a_ratio_of_spreads_tells_the_larger_share_of_its_two_sums():
    """One replicate may carry the errors, or the standard errors they are held to."""
    made = taken(sample(40, 1, 0), truth=np.zeros((40, 1)), sd=np.ones((40, 1)))
    far = made.estimate.copy()
    far[7] = 1e3
    wide = made.sd.copy()
    wide[3] = 1e2
    metric = metrics.model_se_relative_error
    for carried in ({"estimate": far}, {"sd": wide}):
        assert measured(metric, taken(made, **carried)).largest_share > 0.9
    assert measured(metric, made).largest_share < 0.5


def test_squared_error_splits_into_bias_and_spread():
    made = sample(400, 1, 3)
    n = len(made.truth)
    bias, spread = value(metrics.bias, made)[0], value(metrics.empirical_se, made)[0]
    assert value(metrics.mse, made)[0] == pytest.approx(
        bias**2 + spread**2 * (n - 1) / n
    )


def test_one_replicate_has_no_monte_carlo_error():
    found, mcse = value(metrics.rmse, sample(1, 2, 0))
    assert np.isfinite(found)
    assert np.isnan(mcse)


def test_two_replicates_tell_an_error():
    """The standard error of a mean of two numbers: half their distance."""
    made = taken(sample(2, 1, 0), truth=np.zeros((2, 1)))
    found, mcse = value(metrics.bias, taken(made, estimate=np.array([[1.0], [4.0]])))
    assert (found, mcse) == pytest.approx((2.5, 1.5))


def test_nothing_is_relative_to_a_spread_of_zero():
    made = taken(sample(20, 1, 0), truth=np.zeros((20, 1)))
    still = taken(made, estimate=np.full((20, 1), 0.25))
    assert np.isnan(value(metrics.model_se_relative_error, still)[0])
    assert np.isnan(value(metrics.relative_precision, still, made)[0])
    assert value(metrics.relative_precision, made, still)[0] == -1.0


def test_a_spread_over_replicates_needs_ten_of_them():
    for count in (1, 2, metrics.SPREAD - 1, metrics.SPREAD):
        made = sample(count, 2, 0)
        enough = count == metrics.SPREAD
        assert (metrics.empirical_se(made) is not None) == enough
        assert (metrics.model_se_relative_error(made) is not None) == enough
        assert (metrics.relative_precision(made, made) is not None) == enough
        assert metrics.rmse_ratio(made, made) is not None


def test_a_posterior_that_is_the_prior_contracts_by_nothing():
    made = sample(20, 2, 0)
    prior = taken(made, sd=np.broadcast_to(made.prior_spread, made.sd.shape))
    assert value(metrics.contraction, prior)[0] == pytest.approx(0.0)
    made = sample(20, 2, 0, positive=True)
    for part, expected in ((1.0, 0.0), (0.5, 0.75), (1e-9, 1.0)):
        width = np.broadcast_to(part * made.prior_spread, made.sd.shape)
        posterior = taken(made, upper_95=made.lower_95 * np.exp(width))
        found = value(metrics.contraction, posterior)[0]
        assert found == pytest.approx(expected, abs=1e-9)
