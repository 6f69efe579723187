"""The law of each noise, and of what moves values beside it."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from summands.data import generator
from summands.data.design import Design
from summands.data.generator import Truth
from summands.data.noises import (
    NORMAL,
    Contaminated,
    Drift,
    Interaction,
    Memory,
    SkewNormal,
    StudentT,
)
from summands.model.cells import collapse
from summands.model.levels import Levels

COUNT = 200_000


class Mixture(stats.rv_continuous):
    """Contaminated normal distribution, by its distribution function."""

    def _cdf(self, x, share, factor):
        unit = np.sqrt(1 - share + share * factor**2)
        return (1 - share) * stats.norm.cdf(x * unit) + share * stats.norm.cdf(
            x * unit / factor
        )


def skewed(shape):
    """A skew normal distribution with mean 0 and standard deviation 1."""
    mean, variance = stats.skewnorm.stats(shape)
    return stats.skewnorm(shape, -mean / np.sqrt(variance), 1 / np.sqrt(variance))


def kurtosis_of_mixture(share, factor):
    fourth = 3 * (1 - share + share * factor**4)
    return fourth / (1 - share + share * factor**2) ** 2 - 3


# Of each noise its distribution, and its skewness and excess kurtosis.
LAWS = {
    "normal": (NORMAL, stats.norm(), 0, 0),
    "heavy tails": (StudentT(4.0), stats.t(4, scale=np.sqrt(0.5)), 0, None),
    "light tails": (StudentT(20.0), stats.t(20, scale=np.sqrt(0.9)), 0, 6 / 16),
    "skewed": (
        SkewNormal(5.0),
        skewed(5),
        *map(float, stats.skewnorm.stats(5, moments="sk")),
    ),
    "skewed down": (
        SkewNormal(-2.0),
        skewed(-2),
        *map(float, stats.skewnorm.stats(-2, moments="sk")),
    ),
    "not skewed": (SkewNormal(0.0), stats.norm(), 0, 0),
    "outliers": (
        Contaminated(0.01, 10.0),
        Mixture()(0.01, 10.0),
        0,
        kurtosis_of_mixture(0.01, 10.0),
    ),
    "many outliers": (
        Contaminated(0.3, 3.0),
        Mixture()(0.3, 3.0),
        0,
        kurtosis_of_mixture(0.3, 3.0),
    ),
}


def assert_law(drawn, law, skewness, kurtosis):
    """Within five standard errors, those of moments by batches of the numbers."""
    assert stats.kstest(drawn, law.cdf).pvalue > 1e-4
    batches = drawn.reshape(50, -1)
    for moment, expected in (
        (batches.mean(1), 0),
        ((batches**2).mean(1), 1),
        ((batches**3).mean(1), skewness),
        ((batches**4).mean(1), None if kurtosis is None else kurtosis + 3),
    ):
        if expected is not None:
            error = moment.std(ddof=1) / np.sqrt(50)
            assert moment.mean() == pytest.approx(expected, abs=5 * error)


@pytest.mark.parametrize("name", LAWS)
def test_noise_has_its_law_with_mean_0_and_sd_1(name):
    noise, *law = LAWS[name]
    drawn = noise.draw(np.random.default_rng(1), COUNT)
    assert_law(drawn, *law)


@pytest.mark.parametrize("name", LAWS)
def test_sigma_is_the_standard_deviation_whatever_the_law(name):
    """In rows as they are simulated, of contributors with other sigmas."""
    noise, *law = LAWS[name]
    design = Design(Levels.of([4]), COUNT, noise=noise)
    truth = Truth(7.0, np.array([1.0, -2.0, 0.5, 0.5]), np.array([1e-3, 1.0, 5.0, 1e3]))
    rows = generator.draw_rows(design, truth, 1, 0)
    (picked,) = rows.contributors
    standard = (rows.value - 7.0 - truth.mu[picked]) / truth.sigma[picked]
    assert_law(standard, *law)


@pytest.mark.parametrize(
    "broken",
    [
        lambda rng, size: rng.standard_t(4, size),
        lambda rng, size: SkewNormal(5.0).draw(rng, size) + 0.02,
        lambda rng, size: Contaminated(0.01, 11.0).draw(rng, size),
    ],
)
def test_a_broken_noise_is_noticed(broken):
    laws = [law for noise, *law in LAWS.values() if noise != NORMAL]
    drawn = broken(np.random.default_rng(1), COUNT)
    for law in laws:
        with pytest.raises(AssertionError):
            assert_law(drawn, *law)


def recursion(correlation, contributors, drawn):
    """Autocorrelated noise, row by row."""
    last, made = {}, []
    for k, number in zip(contributors.tolist(), drawn.tolist(), strict=True):
        if k in last:
            number *= np.sqrt(1 - correlation**2)
            number += correlation * last[k]
        last[k] = number
        made.append(number)
    return np.array(made)


@settings(deadline=None)
@given(
    st.floats(-0.99, 0.99),
    st.integers(0, 2**32 - 1),
    st.integers(1, 300),
    st.sampled_from([np.uint8, np.int64]),
)
def test_noise_remembers_over_blocks_of_any_length(correlation, seed, size, dtype):
    rng = np.random.default_rng(seed)
    levels = Levels.of([1, 5])
    picked = rng.integers(5, size=size, dtype=dtype)
    drawn = rng.standard_normal((2, size))
    for level, contributors in ((0, np.zeros(size, dtype)), (1, picked)):
        memory = Memory(levels, correlation)
        cuts = [0, *np.sort(rng.integers(size + 1, size=3)).tolist(), size]
        made = np.concatenate(
            [
                memory.remember(level, contributors[a:b], drawn[level, a:b])
                for a, b in itertools.pairwise(cuts)
                if a < b
            ]
        )
        by_rows = recursion(correlation, contributors, drawn[level])
        np.testing.assert_allclose(made, by_rows, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("correlation", [0.8, -0.5])
@pytest.mark.parametrize("noise", [NORMAL, StudentT(10.0)])
def test_autocorrelation_is_of_each_contributors_own_rows(correlation, noise):
    design = Design(Levels.of([3]), COUNT, noise=noise, autocorrelation=correlation)
    truth = Truth(0.0, np.zeros(3), np.array([0.1, 1.0, 10.0]))
    rows = generator.draw_rows(design, truth, 2, 0)
    (picked,) = rows.contributors
    of_each = [rows.value[picked == k] / truth.sigma[k] for k in range(3)]
    for own in of_each:
        # Of so many rows, which tell less than independent ones.
        error = np.sqrt((1 + correlation**2) / (1 - correlation**2) / len(own))
        assert own.std() == pytest.approx(1, abs=5 * error)
        for apart in (1, 2, 3):
            found = np.corrcoef(own[:-apart], own[apart:])[0, 1]
            assert found == pytest.approx(correlation**apart, abs=5 * error)
    shortest = min(map(len, of_each))
    others = np.corrcoef([own[:shortest] for own in of_each])
    assert np.abs(others - np.eye(3)).max() < 0.05


def drift_alone(drift, rows=50, sizes=(2, 3), seed=0):
    """Rows to which nothing but drift adds."""
    levels = Levels.of(sizes)
    design = Design(levels, rows, drift=drift)
    nothing = np.zeros(levels.contributors)
    return generator.draw_rows(design, Truth(0.0, nothing, nothing), seed, 0)


def test_means_move_in_a_line_of_their_own():
    rows = drift_alone(2.0, 3000)
    time = np.arange(3000) - 1499.5
    cells = np.ravel_multi_index(rows.contributors, (2, 3))
    slopes = []
    for cell in range(6):
        slope = rows.value[cells == cell] / time[cells == cell]
        np.testing.assert_allclose(slope, slope[0])
        slopes.append(slope[0])
    # What cells differ by are sums of what their contributors do.
    slopes = np.reshape(slopes, (2, 3))
    assert (
        np.linalg.matrix_rank(slopes - slopes.mean(0) - slopes.mean(1)[:, None], 1e-9)
        <= 1
    )
    np.testing.assert_allclose(np.diff(slopes[1] - slopes[0]), 0, atol=1e-12)


def test_drift_is_a_standard_deviation_over_rows_and_contributors():
    levels = Levels.of([1000])
    for rows in (2, 7, 1000):
        drift = Drift(levels, rows, 3.0, np.random.default_rng(4))
        moved = np.array(
            [drift.moved(0, 0, np.array([k]))[0] for k in range(levels.contributors)]
        )
        # The first row is farthest from the middle.
        farthest = (rows - 1) / 2 / np.sqrt((rows**2 - 1) / 12)
        assert stats.kstest(moved / farthest / 3.0, "norm").pvalue > 1e-4
        of_one = drift.moved(0, 0, np.zeros(rows, int))
        assert of_one.mean() == pytest.approx(0, abs=1e-12)
        assert np.ptp(np.diff(of_one)) < 1e-9
        assert of_one.std() / abs(moved[0]) == pytest.approx(1 / farthest)
    # A single row does not move.
    alone = Drift(levels, 1, 3.0, np.random.default_rng(4))
    assert alone.moved(0, 0, np.array([5])) == 0


def effects(sd, sizes=(1, 40, 50), seed=1, replicate=0):
    """What the interaction adds to each cell, as a matrix."""
    levels = Levels.of(sizes)
    design = Design(levels, 400 * 50, interaction_sd=sd)
    nothing = np.zeros(levels.contributors)
    rows = generator.draw_rows(design, Truth(0.0, nothing, nothing), seed, replicate)
    cells = collapse(rows)
    # Wherever a cell occurs it has the same effect.
    assert np.sqrt(cells.sum_of_squares / cells.n).max() < 1e-9
    found = np.full(sizes, np.nan)
    found[tuple(cells.contributors.T)] = cells.mean
    return found[0]


def test_each_cell_has_a_random_effect_of_its_own():
    found = effects(2.0)
    known = found[~np.isnan(found)]
    assert len(known) > 1990
    assert stats.kstest(known / 2.0, "norm").pvalue > 1e-4
    error = 2.0 / np.sqrt(2 * len(known))
    assert known.std() == pytest.approx(2.0, abs=5 * error)
    # Independent: means over rows and over columns scatter as those of so many do.
    filled = np.where(np.isnan(found), 0.0, found)
    for axis, size in ((0, 40), (1, 50)):
        means = filled.mean(axis)
        chi = (means**2).sum() / (4.0 / size)
        assert 1e-4 < stats.chi2.cdf(chi, len(means)) < 1 - 1e-4
    # And so are squares of four, and neighbours.
    squares = np.diff(np.diff(filled, axis=0), axis=1)[::2, ::2]
    assert squares.std() == pytest.approx(4.0, rel=0.2)
    for other in (effects(2.0, replicate=1), effects(2.0, seed=2)):
        both = ~np.isnan(found) & ~np.isnan(other)
        assert abs(np.corrcoef(found[both], other[both])[0, 1]) < 0.1


@settings(deadline=None)
@given(st.floats(1e-6, 1e6), st.integers(0, 2**32 - 1))
def test_other_units_change_nothing_but_units(unit, seed):
    levels = Levels.of([1, 4])
    picked = [np.zeros(50, np.uint8), np.arange(50) % 4]

    def made(scale):
        drift = Drift(levels, 50, scale, np.random.default_rng(seed))
        cells = Interaction(levels, scale, np.random.default_rng(seed))
        return drift.moved(0, 1, picked[1]) + cells.of(picked)

    np.testing.assert_allclose(made(unit), unit * made(1.0), rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "written"),
    [
        ({"noise": StudentT(4.0)}, "noise-student_t-4"),
        ({"noise": SkewNormal(-5.0)}, "noise-skew_normal--5"),
        (
            {"noise": Contaminated(0.01, 10.0)},
            "noise-contaminated-share-0.01-factor-10",
        ),
        ({"interaction_sd": 0.5}, "interaction_sd-0.5"),
        ({"drift": 0.5}, "drift-0.5"),
        ({"autocorrelation": -0.5}, "autocorrelation--0.5"),
    ],
)
def test_a_mechanism_is_part_of_a_design_and_departs_from_the_model(changes, written):
    plain = Design(Levels.of([1, 3]), 50)
    assert plain.as_modelled
    design = dataclasses.replace(plain, **changes)
    assert design.id == f"levels-1-3_rows-50_{written}"
    assert Design.from_content(design.content) == design
    assert not design.as_modelled
