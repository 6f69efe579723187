"""Contributors beside each other: ranking, differences, shrinkage."""

from dataclasses import replace

import numpy as np
import pytest

from summands.decomposition import differences, ranking, shrinkage
from summands.model.cells import collapse
from summands.model.levels import Levels
from summands.model.rows import Rows
from tests.unit.decomposition.stand_ins import plain_draws, table_of

LEVELS = Levels(
    (1, 3, 5), labels=(("all",), ("a b", '"q"', "三"), ("1", "2", "3", "4", "5"))
)
ORDER = np.array([0, 3, 1, 2, 8, 6, 7, 4, 5])  # within levels


def by(table, *keys, value):
    rows = table.to_pylist()
    return {tuple(row[key] for key in keys): row[value] for row in rows}


def reordered(draws, levels, order=ORDER):
    labels = levels.label[order]
    parts = np.split(labels, levels.offsets[1:])
    return (
        replace(draws, mu=draws.mu[..., order], sigma=draws.sigma[..., order]),
        Levels(levels.sizes, levels.names, tuple(tuple(part) for part in parts)),
    )


def test_probabilities_add_to_one_over_a_level():
    found = ranking.of_draws("n", plain_draws(LEVELS), LEVELS)
    assert found.schema.equals(ranking.RANKING)
    sums = {}
    for row in found.to_pylist():
        key = row["level"], row["question"]
        sums[key] = sums.get(key, 0.0) + row["probability"]
    assert sums.keys() == {(j, q) for j in (1, 2) for q in ranking.QUESTIONS}
    assert list(sums.values()) == pytest.approx([1.0] * 8)


def test_ranking_counts_draws():
    draws = plain_draws(LEVELS)
    found = by(
        ranking.of_draws("n", draws, LEVELS), "question", "label", value="probability"
    )
    sigma = draws.sigma[..., 4:].reshape(-1, 5)
    for k, label in enumerate(LEVELS.labels[2]):
        assert found["noisiest", label] == pytest.approx(
            np.mean(sigma.argmax(axis=1) == k)
        )
        assert found["quietest", label] == pytest.approx(
            np.mean(sigma.argmin(axis=1) == k)
        )


def test_ranking_follows_labels():
    draws = plain_draws(LEVELS)
    keys = "level", "question", "label"
    one = by(ranking.of_draws("n", draws, LEVELS), *keys, value="probability")
    two = by(
        ranking.of_draws("n", *reordered(draws, LEVELS)), *keys, value="probability"
    )
    assert one == pytest.approx(two)


def test_mirrored_means_swap_the_questions():
    draws = plain_draws(LEVELS)
    keys = "level", "label"

    def answers(draws, question):
        found = ranking.of_draws("n", draws, LEVELS)
        chosen = [row == question for row in found["question"].to_pylist()]
        return by(found.filter(chosen), *keys, value="probability")

    mirrored = replace(draws, mu=-draws.mu)
    assert answers(draws, "highest_mu") == answers(mirrored, "lowest_mu")


def test_those_who_tie_share():
    draws = plain_draws(LEVELS)
    draws.mu[...] = 0.0
    found = ranking.of_draws("n", draws, LEVELS)
    shares = by(found, "question", "level", "label", value="probability")
    assert shares["highest_mu", 1, "三"] == pytest.approx(1 / 3)
    assert shares["lowest_mu", 2, "5"] == pytest.approx(1 / 5)


def test_constant_noise_is_not_ranked():
    draws = plain_draws(LEVELS, constant=True)
    found = ranking.of_draws("n", draws, LEVELS)
    assert {*found["question"].to_pylist()} == {*ranking.OF_MEANS}
    pairs = differences.of_draws("n", draws, LEVELS, ["1"])
    assert {*pairs["parameter"].to_pylist()} == {"mu"}


def test_a_level_alone_has_no_rank():
    levels = Levels((1,))
    assert ranking.of_draws("n", plain_draws(levels), levels).num_rows == 0


def test_many_contributors_are_ranked():
    levels = Levels.of([1, 300])
    found = ranking.of_draws("n", plain_draws(levels, shape=(2, 100)), levels)
    assert found.num_rows == 4 * 300
    assert sum(found["probability"].to_pylist()) == pytest.approx(4.0)


def test_each_pair_is_there_once():
    found = differences.of_draws("n", plain_draws(LEVELS), LEVELS, ["2", "1"])
    assert found.schema.equals(differences.DIFFERENCES)
    pairs = [
        (row["level"], row["parameter"], frozenset((row["label"], row["other_label"])))
        for row in found.to_pylist()
    ]
    assert len(pairs) == len({*pairs}) == 2 * (10 + 3)
    assert all(len(pair[2]) == 2 for pair in pairs)


def test_differences_are_those_of_the_draws():
    draws = plain_draws(LEVELS)
    found = differences.of_draws("n", draws, LEVELS, ["2"])
    for row in found.to_pylist():
        values = getattr(draws, row["parameter"])[..., 4:]
        apart = (values[..., row["contributor"]] - values[..., row["other"]]).ravel()
        assert row["estimate"] == pytest.approx(apart.mean())
        assert row["sd"] == pytest.approx(apart.std(ddof=1))
        assert row["probability"] == pytest.approx((apart > 0).mean())
        assert row["lower_95"] == pytest.approx(np.quantile(apart, 0.025))
        assert row["upper_95"] == pytest.approx(np.quantile(apart, 0.975))


def test_swapped_contributors_swap_signs():
    draws = plain_draws(LEVELS)
    keys = "parameter", "label", "other_label"

    def pairs(draws, levels):
        return {
            key: value
            for name in ("estimate", "probability")
            for key, value in (
                ((name, *k), v)
                for k, v in by(
                    differences.of_draws("n", draws, levels, ["2"]), *keys, value=name
                ).items()
            )
        }

    one, two = pairs(draws, LEVELS), pairs(*reordered(draws, LEVELS))
    swapped = 0
    for (name, parameter, first, second), value in one.items():
        if (name, parameter, first, second) in two:
            assert two[name, parameter, first, second] == pytest.approx(value)
        else:
            mirrored = -value if name == "estimate" else 1.0 - value
            assert two[name, parameter, second, first] == pytest.approx(mirrored)
            swapped += 1
    assert swapped


def test_too_many_pairs_are_refused_in_words():
    levels = Levels.of([1, 101, 100])
    with pytest.raises(ValueError, match=r"'1': its 101 contributors make 5050 pairs"):
        differences.check(levels, ["2", "1"])
    assert differences.check(levels, ["2"]) == [2]
    with pytest.raises(ValueError, match=r"called 'plate': there are '1', '2'"):
        differences.check(levels, ["plate"])
    with pytest.raises(ValueError, match="called '0'"):
        differences.check(levels, ["0"])


def rows_of(levels, count, seed=0, balanced=False, tau=1.0):
    rng = np.random.default_rng(seed)
    if balanced:
        grid = np.indices((*levels.sizes, count)).reshape(levels.count + 1, -1)
        contributors = [*grid[:-1]]
    else:
        contributors = [
            rng.integers(rng.integers(1, m + 1, count)) for m in levels.sizes
        ]
        for column, size in zip(contributors, levels.sizes, strict=True):
            column[:size] = np.arange(size)
    k = levels.contributors
    mu = levels.centre(rng.normal(0.0, tau, k))
    return table_of(levels, contributors, 3.0, mu, np.full(k, 0.4), rng)


@pytest.mark.parametrize(("scale", "origin"), [(1.0, 0.0), (1e-6, 1e6), (1e4, -3.0)])
@pytest.mark.parametrize("sizes", [(1, 3, 5), (1, 4), (1, 30, 20, 4)])
def test_least_squares_are_those_of_a_dense_solution(sizes, scale, origin):
    levels = Levels.of(sizes)
    rows = rows_of(levels, 400)
    # The same digits that the rows are left with.
    value = origin + scale * rows.value
    rows = replace(rows, value=value)
    z = np.zeros((len(value), levels.contributors))
    flat = np.stack(rows.contributors, axis=1) + levels.offsets
    np.put_along_axis(z, flat, 1.0, axis=1)
    dense = levels.centre(np.linalg.lstsq(z, (value - origin) / scale)[0])
    found = shrinkage.least_squares(collapse(rows)) / scale
    np.testing.assert_allclose(found, dense, atol=1e-8 if origin < 1 else 1e-3)


def of(rows, mu, identified=None):
    cells = collapse(rows)
    found = shrinkage.least_squares(cells, identified)
    return shrinkage.of_estimates("n", cells, mu, mu - 1, mu + 1, found)


def test_averages_are_those_of_the_rows():
    rows = rows_of(LEVELS, 200)
    found = of(rows, np.zeros(9))
    assert found.schema.equals(shrinkage.SHRINKAGE)
    for row in found.to_pylist():
        mine = rows.value[rows.contributors[row["level"]] == row["contributor"]]
        assert row["rows"] == len(mine)
        assert row["average"] == pytest.approx(mine.mean())
        assert row["deviation"] == pytest.approx(mine.mean() - rows.value.mean())
    assert found.num_rows == 8


def test_a_balanced_table_is_shrunk_by_its_ratio_of_variances():
    """tau^2 / (tau^2 + sigma^2 / n) for every contributor (Searle et al. 1992)."""
    levels = Levels.of([1, 6])
    rows = rows_of(levels, 5, balanced=True)
    tau2, noise = 0.7, 0.3
    average = np.array([rows.value[rows.contributors[1] == k].mean() for k in range(6)])
    factor = tau2 / (tau2 + noise / 5)
    mu = np.concatenate([[0.0], factor * (average - average.mean())])
    found = of(rows, mu)["shrinkage"].to_numpy()
    np.testing.assert_allclose(found, factor, rtol=1e-9)


def test_shrinkage_has_no_unit():
    rows = rows_of(LEVELS, 200)
    mu = 0.5 * shrinkage.least_squares(collapse(rows))
    for scale, origin in ((1.0, 0.0), (1e-3, 50.0)):
        moved = replace(rows, value=origin + scale * rows.value)
        found = of(moved, scale * mu)["shrinkage"].to_numpy()
        np.testing.assert_allclose(found, 0.5, rtol=1e-9)


@pytest.mark.parametrize(("scale", "origin"), [(1.0, 0.0), (1e-6, 1e6), (1e5, -1.0)])
def test_who_does_not_differ_has_no_shrinkage(scale, origin):
    levels = Levels((1, 3))
    value = np.array([0.1, 0.2, 0.7, 0.4, 0.5, 0.9, 0.8, 0.1, 0.2])
    contributor = np.repeat([0, 1, 2], 3)
    value[3:6] += (value.mean() - value[3:6].mean()) * 1.5
    rows = Rows(levels, origin + scale * value, (np.zeros(9, int), contributor))
    found = of(rows, scale * np.array([0.0, -0.1, 1e-3, 0.1]))["shrinkage"]
    assert found.is_null().to_pylist() == [False, True, False]


def test_what_is_not_known_has_no_shrinkage():
    rows = rows_of(LEVELS, 200)
    identified = np.ones(9, bool)
    identified[2] = False
    found = of(rows, np.full(9, 0.1), identified)
    assert found["least_squares"].is_null().to_pylist().count(True) == 1
    assert found["shrinkage"][1].as_py() is None
    # Contributors that do not differ.
    same = Rows(LEVELS, np.full(len(rows.value), 7.0), rows.contributors)
    assert of(same, np.zeros(9))["shrinkage"].null_count == 8
    nothing = of(rows, np.full(9, np.nan))
    assert nothing["mu"].null_count == nothing["shrinkage"].null_count == 8
