"""A wanted precision: what it takes, and whether what was reached is seen."""

import math

import numpy as np
import pyarrow as pa
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from summands.recovery import precision
from summands.recovery.catalogue import METRICS
from summands.recovery.precision import Reached
from summands.recovery.tables import RECOVERY

KEYS = precision.keys()


def moments(term) -> float:
    """Standard deviation over mean of a function of a standard normal number."""

    def mean(power):
        def weighted(z):
            return term(z) ** power * scipy.stats.norm.pdf(z)

        ends = [-scipy.stats.norm.isf(0.025), scipy.stats.norm.isf(0.025)]
        return scipy.integrate.quad(weighted, -15, 15, points=ends, limit=500)[0]

    return math.sqrt(mean(2) - mean(1) ** 2) / mean(1)


def crps(z):
    phi, cdf = scipy.stats.norm.pdf(z), scipy.stats.norm.cdf(z)
    return z * (2 * cdf - 1) + 2 * phi - 1 / math.sqrt(math.pi)


def interval_score(outside):
    end = scipy.stats.norm.isf(outside / 2)
    return lambda z: 2 * end + 2 / outside * max(abs(z) - end, 0.0)


@pytest.mark.parametrize(
    ("metric", "term"),
    [
        ("mse", lambda z: z**2),
        ("crps", crps),
        ("interval_score_50", interval_score(0.5)),
        ("interval_score_95", interval_score(0.05)),
    ],
)
def test_spreads_are_those_of_normal_errors(metric, term):
    spread, _ = precision.SPREADS[metric]
    assert spread == pytest.approx(moments(term), rel=1e-3)


@pytest.mark.parametrize("n", [60, 400])
def test_errors_of_that_many_replicates_are_those_that_were_wanted(n):
    """Simulated many times over, a metric scatters as its key says."""
    rng = np.random.default_rng(1)
    errors = rng.standard_normal((20_000, n))
    rmse = np.sqrt((errors**2).mean(axis=1))
    spread = rmse.std() / rmse.mean()
    assert spread == pytest.approx(KEYS["rmse_relative"].error(n), rel=0.03)
    held = (np.abs(errors) < scipy.stats.norm.isf(0.025)).mean(axis=1)
    assert held.std() == pytest.approx(KEYS["coverage_95"].error(n), rel=0.03)


def test_the_numbers_of_the_paper_come_out():
    """Morris et al. (2019, section 5.3): 95 % to half a point, and the worst case."""
    assert precision.takes({"coverage_95": 0.005}) == {"coverage_95": 1900}
    assert precision.takes({"top_rate": 0.005}) == {"top_rate": 10_000}


@given(st.sampled_from(sorted(KEYS)), st.floats(1e-3, 0.49))
def test_so_many_replicates_do_and_one_less_does_not(name, wanted):
    key = KEYS[name]
    count = precision.replicates({name: wanted})
    assert key.error(count) <= wanted * (1 + 1e-8)
    fewest = max(precision.FEWEST, METRICS[key.metric].fewest)
    assert count == fewest or key.error(count - 1) > wanted


@given(
    st.dictionaries(st.sampled_from(sorted(KEYS)), st.floats(1e-3, 0.49), min_size=1)
)
def test_what_takes_most_decides(wanted):
    taken = precision.takes(wanted)
    assert list(taken.values()) == sorted(taken.values(), reverse=True)
    assert precision.replicates(wanted) == max(
        precision.replicates({name: error}) for name, error in wanted.items()
    )


def test_every_share_and_only_metrics_can_be_wanted():
    assert {key.metric for key in KEYS.values()} <= set(METRICS)
    shares = {name for name, metric in METRICS.items() if metric.interval == "share"}
    assert shares == {name for name, key in KEYS.items() if not key.relative}
    assert not any(METRICS[key.metric].versus for key in KEYS.values())


@pytest.mark.parametrize("wanted", [1e-4, 1e-9, 1e-200, 5e-324])
def test_more_replicates_than_anyone_runs_are_refused(wanted):
    (said,) = precision.problems({"coverage_95": wanted}, ["drawn"])
    assert "precision.coverage_95: " in said
    assert "`replicates`" in said
    least = KEYS["coverage_95"].error(precision.MOST)
    assert precision.problems({"coverage_95": least}, ["drawn"]) == []


def test_a_metric_that_no_truth_of_the_study_has_is_refused():
    wanted = {"empirical_se_relative": 0.1}
    (said,) = precision.problems(wanted, ["drawn", object()])
    assert "fixed truths" in said
    assert precision.problems(wanted, ["drawn", "fixed"]) == []


ROW = {
    "design": "d",
    "estimator": "e",
    "parameter": "mu",
    "level": 1,
    "level_name": "tool",
    "metric": "coverage_95",
    "value": 0.9,
    "mcse": 0.01,
    "lower": 0.88,
    "upper": 0.92,
    "replicates": 100,
    "gate": "all",
}


def table(*rows) -> pa.Table:
    return pa.Table.from_pylist([ROW | row for row in rows], RECOVERY)


def reached(wanted, *rows, replicates=100) -> Reached:
    found = Reached(wanted, replicates)
    found.add(table(*rows))
    return found


@given(st.floats(1e-3, 0.4), st.floats(1e-3, 0.4), st.integers(2, 10_000))
def test_what_would_do_is_the_square_of_the_ratio(wanted, error, n):
    found = reached({"coverage_95": wanted}, {"mcse": error}, replicates=n)
    assert found.count == {"coverage_95": 1}
    if error <= precision.TOLERANCE * wanted:
        assert found.met == {"coverage_95": 1}
        assert found.missed == []
    else:
        (missed,) = found.missed
        assert missed.needed == pytest.approx(n * (error / wanted) ** 2)
        assert found.needed["coverage_95"] == missed.needed > n


def test_a_quantity_counts_once_by_its_worst_contributor():
    rows = [{"mcse": 0.01}] + [
        {"contributor": k, "label": f"b {k}", "mcse": error}
        for k, error in enumerate((0.02, 0.05, 0.03))
    ]
    found = reached({"coverage_95": 0.01}, *rows, {"level": 2, "level_name": "2"})
    assert (found.count, found.met) == ({"coverage_95": 2}, {"coverage_95": 1})
    (missed,) = found.missed
    assert (missed.label, missed.reached) == ("b 1", 0.05)


def test_other_gates_and_metrics_do_not_count():
    rows = ({"gate": "common"}, {"gate": "converged"}, {"metric": "coverage_50"})
    found = reached({"coverage_95": 0.001}, *rows)
    assert found.count == {"coverage_95": 0}
    assert found.absent("coverage_95", ["e"]) == ["e"]


@pytest.mark.parametrize("n", [20, 475])
def test_of_a_share_of_1_the_interval_tells(n):
    """As much as one replicate's failure would, and never nothing."""
    t = scipy.stats.t.ppf(0.975, n - 1)
    lower = 1.0 - (t**2 / n) / (1.0 + t**2 / n)
    row = {"value": 1.0, "mcse": None, "lower": lower, "upper": 1.0, "replicates": n}
    (error,) = precision.errors(KEYS["coverage_95"], table(row))
    one_failure = math.sqrt((1 - 1 / n) / n / n)
    assert 0.5 * one_failure < error < 2 * one_failure


def test_one_replicate_tells_no_error():
    row = {"mcse": None, "lower": None, "upper": None, "replicates": 1}
    found = reached(
        {"coverage_95": 0.1, "rmse_relative": 0.1}, row, row | {"metric": "rmse"}
    )
    assert found.met == {"coverage_95": 0, "rmse_relative": 0}
    assert all(math.isinf(missed.needed) for missed in found.missed)


def test_relative_errors_are_those_of_the_size_of_the_metric():
    rows = [
        {"metric": "crps", "value": value, "mcse": mcse, "parameter": f"p{value}"}
        for value, mcse in ((2.0, 0.1), (-2e6, 1e5), (0.0, 0.0), (0.0, 0.1))
    ]
    found = precision.errors(KEYS["crps_relative"], table(*rows))
    assert found.tolist() == [0.05, 0.05, 0.0, math.inf]


def test_those_that_need_most_are_kept(monkeypatch):
    monkeypatch.setattr(precision, "LISTED", 5)
    found = Reached({"coverage_95": 0.001}, 100)
    for number in range(40):
        found.add(table({"design": f"d{number}", "mcse": 0.01 + 0.001 * (number % 20)}))
    assert found.count == {"coverage_95": 40}
    assert len(found.missed) == 5
    assert found.missed[0].reached == pytest.approx(0.029)
    assert min(missed.reached for missed in found.missed) == pytest.approx(0.027)
