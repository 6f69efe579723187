import itertools

import numpy as np
import pytest
from scipy import stats

from summands.recovery import montecarlo
from summands.recovery.montecarlo import POSITIVE, REAL, RELATIVE, SHARE, Sums


def errors(studies, replicates, contributors, correlation, rng):
    """Standard normal errors, those of a replicate alike."""
    shape = (studies, replicates)
    common = rng.normal(size=(*shape, 1))
    own = rng.normal(size=(*shape, contributors))
    return np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own


def intervals(statistics, kind, replicates):
    measured = montecarlo.measure(statistics, apart=False)
    value, mcse, count = (
        np.array([getattr(found, name)[0] for found in measured])
        for name in ("value", "mcse", "count")
    )
    size = len(value)
    return montecarlo.intervals(
        np.full(size, kind), value, mcse, np.full(size, replicates), count
    )


def shares(held):
    return [
        Sums(np.stack([one, np.ones_like(one)]), montecarlo.ratio, (), counted=True)
        for one in held.astype(float)
    ]


LAYOUTS = [(1, 0.0), (5, 0.0), (5, 0.9), (5, 1.0)]


@pytest.mark.parametrize("replicates", [20, 100, 500])
def test_intervals_of_coverage_hold_it(replicates):
    """Also at 99 %, and whether or not contributors err alike."""
    rng = np.random.default_rng(replicates)
    found = []
    for coverage, layout in itertools.product((0.8, 0.95, 0.99), LAYOUTS):
        held = errors(600, replicates, *layout, rng) < stats.norm.ppf(coverage)
        lower, upper = intervals(shares(held), SHARE, replicates)
        assert (lower >= 0).all()
        assert (upper <= 1).all()
        found.append(((lower <= coverage) & (coverage <= upper)).mean())
    # 0.92 is what Wilson's interval itself has at 99 % and 100 replicates; two and a
    # half standard errors of 600 studies below that.
    assert min(found) > 0.92 - 2.5 * np.sqrt(0.92 * 0.08 / 600)
    assert 0.94 < np.mean(found) < 0.975


@pytest.mark.parametrize("replicates", [20, 100, 500])
def test_intervals_of_errors_hold_them(replicates):
    rng = np.random.default_rng(replicates)
    for layout in LAYOUTS:
        squares = errors(600, replicates, *layout, rng) ** 2
        statistics = [Sums(one[None], montecarlo.root) for one in squares]
        lower, upper = intervals(statistics, POSITIVE, replicates)
        assert (lower > 0).all()
        held = ((lower <= 1) & (upper >= 1)).mean()
        assert held > 0.93 - 2.5 * np.sqrt(0.93 * 0.07 / 600)


def test_contributors_that_err_alike_count_once():
    rng = np.random.default_rng(0)
    one = errors(1, 50, 1, 0.0, rng) < 1.3
    alike = np.repeat(one, 8, axis=2)
    apart = rng.permuted(alike, axis=1)
    width = {}
    for name, held in (("one", one), ("alike", alike), ("apart", apart)):
        lower, upper = intervals(shares(held), SHARE, 50)
        width[name] = upper - lower
    assert width["alike"] == pytest.approx(width["one"])
    assert width["apart"] < 0.6 * width["one"]


@pytest.mark.parametrize("contributors", [1, 7, 49])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_without_exception_is_not_certain(share, contributors):
    """No interval missed in R replicates: what Wilson's interval of R cases says."""
    lower, upper = intervals(shares(np.full((1, 20, contributors), share)), SHARE, 20)
    far = 20 / (20 + stats.t.ppf(0.975, 19) ** 2)
    expected = (far, 1.0) if share else (0.0, 1 - far)
    assert (lower[0], upper[0]) == pytest.approx(expected, abs=1e-12)


def test_intervals_stay_where_their_statistic_is():
    kinds = np.array([REAL, POSITIVE, RELATIVE])
    value, mcse = np.array([0.5, 0.5, -0.5]), np.full(3, 0.4)
    count, replicates = np.full(3, np.nan), np.array([10, 10, 20])
    lower, upper = montecarlo.intervals(kinds, value, mcse, replicates, count)
    t = stats.t.ppf(0.975, replicates - 1)
    assert lower[0] == pytest.approx(0.5 - 0.4 * t[0])
    assert upper[0] == pytest.approx(0.5 + 0.4 * t[0])
    # In the middle on their scale, and as wide there as the delta method says.
    for number, origin in ((1, 0.0), (2, -1.0)):
        middle = (lower[number] - origin) * (upper[number] - origin)
        assert middle == pytest.approx((value[number] - origin) ** 2)
        width = np.log((upper[number] - origin) / (lower[number] - origin))
        assert width == pytest.approx(2 * t[number] * 0.4 / 0.5)
    alone = montecarlo.intervals(
        np.array([REAL, POSITIVE, SHARE]),
        np.array([0.5, 0.5, 1.0]),
        np.full(3, np.nan),
        np.ones(3, dtype=int),
        np.array([np.nan, np.nan, 4.0]),
    )
    assert np.isnan(alone).all()


def test_variances_without_a_replicate_are_those_of_the_others():
    """Also far from zero, where a difference of sums would have no digits left."""
    values = 1e9 + np.random.default_rng(0).normal(size=(12, 3))
    terms = montecarlo.deviations(values)
    total = terms.sum(axis=1)
    assert montecarlo.variance(total, 12) == pytest.approx(values.var(axis=0, ddof=1))
    for gone in range(12):
        others = np.delete(values, gone, axis=0).var(axis=0, ddof=1)
        found = montecarlo.variance(total - terms[:, gone], 11)
        assert found == pytest.approx(others, rel=1e-6)
