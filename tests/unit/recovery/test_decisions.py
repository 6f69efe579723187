"""Decisions: their rates against the rule written down anew, and against theory."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from summands.model.levels import Levels
from summands.recovery.catalogue import METRICS
from summands.recovery.sample import Sample
from tests.unit.recovery.test_metrics import sample, value

HALF = stats.norm.ppf(0.975)
RATES = (
    "detection_rate",
    "worst_detection_rate",
    "false_alarm_rate",
    "familywise_error_rate",
    "false_discovery_rate",
)


def rate(name, made):
    return value(METRICS[name], made)[0]


def drawn(truth, sd, replicates=20_000, seed=0) -> Sample:
    """Estimates of contrasts with the errors of centred independent means."""
    rng = np.random.default_rng(seed)
    truth = np.broadcast_to(np.asarray(truth, float), (replicates, len(truth)))
    errors = sd * rng.normal(size=truth.shape)
    errors -= errors.mean(axis=1, keepdims=True)
    own = np.full_like(truth, sd * np.sqrt(1.0 - 1.0 / truth.shape[1]))
    estimate = truth + errors
    return dataclasses.replace(
        sample(replicates, truth.shape[1], seed, zero_sum=True),
        truth=truth,
        estimate=estimate,
        sd=own,
        lower_95=estimate - HALF * own,
        upper_95=estimate + HALF * own,
    )


@pytest.mark.parametrize("count", [2, 3, 8, 100])
@pytest.mark.parametrize("unit", [1.0, 1e-6])
def test_where_all_are_alike_five_percent_are_alarms(count, unit):
    made = drawn(np.zeros(count), unit)
    assert rate("false_alarm_rate", made) == pytest.approx(0.05, abs=0.006)
    assert METRICS["worst_detection_rate"](made) is None
    # Nothing is truly off the average: there is nothing to detect.
    assert np.isnan(rate("detection_rate", made))
    any_alarm = rate("familywise_error_rate", made)
    assert any_alarm == rate("false_discovery_rate", made)
    if count > 2:
        assert any_alarm > 0.09
    # Errors of contrasts are correlated by -1 / (count - 1): Holm's bound is near.
    assert rate("familywise_error_rate_holm", made) == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize("count", [3, 6])
def test_power_is_that_of_a_normal_test(count):
    truth = Levels.of([count]).centre(np.eye(count)[0] * 2.0)
    made = drawn(truth, 1.0)
    own = np.sqrt(1.0 - 1.0 / count)
    expected = stats.norm.cdf(truth / own - HALF)
    below = stats.norm.cdf(-truth / own - HALF)
    power = np.where(truth > 0, expected, below)
    assert rate("worst_detection_rate", made) == pytest.approx(power[0], abs=0.025)
    assert rate("detection_rate", made) == pytest.approx(power.mean(), abs=0.015)
    # Those alike are truly a little below: said to be above, they are alarms.
    other_side = np.where(truth > 0, below, expected).mean()
    assert rate("false_alarm_rate", made) == pytest.approx(other_side, abs=0.006)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 6), st.integers(2, 6), st.integers(0, 10**6))
def test_rates_are_those_of_counting_one_by_one(replicates, count, seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(-2, 3, (replicates, count)).astype(float)
    estimate = truth + rng.normal(size=truth.shape)
    sd = rng.uniform(0.2, 1.0, truth.shape)
    made = dataclasses.replace(
        sample(replicates, count, seed, zero_sum=True),
        truth=truth,
        estimate=estimate,
        sd=sd,
        lower_95=estimate - HALF * sd,
        upper_95=estimate + HALF * sd,
    )
    for ending, said in (("", one_by_one(estimate, sd)), ("_holm", holm(estimate, sd))):
        alarms, found, right, off = [], [], 0, 0
        for i in range(replicates):
            wrong = 0
            for k in range(count):
                if truth[i, k] != 0:
                    off += 1
                    right += said[i][k] == np.sign(truth[i, k])
                wrong += said[i][k] not in (0, np.sign(truth[i, k]))
            alarms.append(wrong)
            found.append(sum(side != 0 for side in said[i]))
        alarms, found = np.array(alarms), np.array(found)
        expected = {
            "detection_rate": right / off if off else np.nan,
            "false_alarm_rate": alarms.sum() / truth.size,
            "familywise_error_rate": (alarms > 0).mean(),
            "false_discovery_rate": (alarms / np.maximum(found, 1)).mean(),
        }
        for name, number in expected.items():
            assert rate(name + ending, made) == pytest.approx(number, nan_ok=True)


def one_by_one(estimate, sd):
    return [
        [0 if abs(e) < HALF * s else np.sign(e) for e, s in zip(*row, strict=True)]
        for row in zip(estimate, sd, strict=True)
    ]


def holm(estimate, sd):
    """Step by step, from the smallest p-value on, until one is too large."""
    said = []
    for values, errors in zip(estimate, sd, strict=True):
        p = 2.0 * stats.norm.sf(np.abs(values / errors))
        sides, left = np.zeros(len(p)), len(p)
        for k in np.argsort(p):
            # Two contrasts that sum to zero are one.
            if p[k] > 0.05 / (left if len(p) > 2 else 1):
                break
            sides[k] = np.sign(values[k])
            left -= 1
        said.append(sides)
    return said


@pytest.mark.parametrize("name", RATES)
def test_units_and_signs_do_not_matter(name):
    made = drawn([0.5, 0.1, -0.2, -0.4], 0.3, 500)
    turned = dataclasses.replace(
        made,
        truth=-1e-6 * made.truth,
        estimate=-1e-6 * made.estimate,
        sd=1e-6 * made.sd,
        lower_95=-1e-6 * made.upper_95,
        upper_95=-1e-6 * made.lower_95,
    )
    for ending in ("", "_holm"):
        assert rate(name + ending, turned) == pytest.approx(rate(name + ending, made))


def test_naming_the_largest_estimate_loses_and_promises_what_order_statistics_say():
    """Of equal contributors it promises the mean maximum of the errors."""
    made = drawn(np.zeros(5), 1.0)
    assert rate("regret", made) == 0.0
    assert rate("named_bias", made) == pytest.approx(1.163, abs=0.03)
    assert METRICS["expected_rank"](made) is None
    # That none of nearly independent errors is larger than the interval.
    assert rate("named_coverage_95", made) == pytest.approx(0.975**5, abs=0.01)
    truth = np.array([1.0, 0.4, -0.2, -0.4, -0.8])
    made = drawn(truth, 0.8)
    named = made.estimate.argmax(axis=1)
    assert rate("regret", made) == pytest.approx((1.0 - truth[named]).mean())
    rank = 1 + (made.estimate > made.estimate[:, :1]).sum(axis=1)
    assert rate("expected_rank", made) == pytest.approx(rank.mean())
    sure = drawn(truth, 1e-3)
    assert rate("regret", sure) == 0.0
    assert rate("expected_rank", sure) == 1.0


def test_ranks_by_guessing_are_in_the_middle():
    made = drawn([1.0, 0.0, 0.0, -1.0], 0.5, 50)
    guessed = dataclasses.replace(made, estimate=np.zeros_like(made.estimate))
    assert rate("expected_rank", guessed) == 2.5
    # One named at random loses the mean of what each would.
    assert rate("regret", guessed) == 1.0
    assert rate("named_bias", guessed) == 0.0


def test_a_posterior_that_knows_its_odds_is_right_as_often_as_it_says():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(6000, 4))
    estimate = 0.5 * (truth + rng.normal(size=truth.shape))
    draws = estimate + np.sqrt(0.5) * rng.normal(size=(400, *truth.shape))
    p = np.stack([(draws.argmax(axis=2) == k).mean(axis=0) for k in range(4)], axis=1)
    made = dataclasses.replace(
        sample(6000, 4, 0, zero_sum=True), truth=truth, estimate=estimate, p_largest=p
    )
    said = rate("likeliest_probability", made)
    assert rate("likeliest_rate", made) == pytest.approx(said, abs=0.025)
    sharper = dataclasses.replace(made, p_largest=p**3 / (p**3).sum(1, keepdims=True))
    assert rate("likeliest_probability", sharper) > said + 0.1


def test_there_is_nothing_to_decide_of_one_contributor_or_of_a_scale():
    names = [
        name
        for name in METRICS
        if METRICS[name].statistic.__module__.endswith("decisions")
    ]
    assert len(names) == 18
    for name in names:
        assert METRICS[name](sample(20, 1, 0, zero_sum=True)) is None
        assert METRICS[name](sample(20, 3, 0, positive=True)) is None
