"""How far rows scatter: averages of variances that the data determine."""

from dataclasses import replace

import numpy as np
import pytest

from summands.decomposition import components, scatter
from summands.model.cells import Cells, collapse
from summands.model.levels import Levels
from summands.model.rows import Rows
from tests.unit.decomposition.stand_ins import plain_draws

LEVELS = Levels.of([1, 3, 130])
NAMES = [
    name for name in scatter.SCATTER.names if name.startswith(("sd", "others", "r"))
]


def cells(seed: int = 0, count: int = 900) -> Cells:
    """Cells in which who meets whom is far from even."""
    rng = np.random.default_rng(seed)
    many = np.concatenate([np.arange(130), rng.integers(130, size=count - 130)])
    few = np.where(rng.random(count) < 0.8, many % 3, 0)
    return collapse(Rows(LEVELS, rng.normal(size=count), (0 * few, few, many)))


CELLS = cells()


def one_draw(draws):
    return replace(draws, sigma=draws.sigma[:1, :1], mu=draws.mu[:1, :1])


def test_with_and_without_a_contributor_rows_have_the_variance_of_the_noise():
    draws = one_draw(plain_draws(LEVELS))
    noise = components.noise_variance(draws.sigma, CELLS).item()
    found = scatter.of_draws("n", draws, CELLS).to_pandas()
    assert list(found["level"]) == [1] * 3 + [2] * 130
    for row in found.itertuples():
        flat = LEVELS.offsets[row.level] + row.contributor
        share = CELLS.n[(CELLS.members == flat).any(axis=1)].sum() / CELLS.n.sum()
        both = share * row.sd**2 + (1 - share) * row.others_sd**2
        assert both == pytest.approx(noise, rel=1e-12)
        assert row.ratio == pytest.approx(row.sd / row.others_sd, rel=1e-12)


def test_of_balanced_rows_it_is_the_mean_variance_of_those_that_there_are():
    few, many = np.indices((3, 130)).reshape(2, -1)
    balanced = collapse(Rows(LEVELS, few + 1.0 * many, (0 * few, few, many)))
    draws = one_draw(plain_draws(LEVELS))
    variance = (draws.sigma[0, 0][balanced.members] ** 2).sum(axis=1)
    found = scatter.of_draws("n", draws, balanced).to_pandas()
    for row in found.itertuples():
        its = balanced.contributors[:, row.level] == row.contributor
        assert row.sd == pytest.approx(np.sqrt(variance[its].mean()), rel=1e-12)
        assert row.others_sd == pytest.approx(np.sqrt(variance[~its].mean()), rel=1e-12)


def test_what_levels_share_otherwise_changes_nothing():
    """Data do not say which level noise belongs to."""
    draws = plain_draws(LEVELS)
    moved = draws.sigma**2
    moved[..., 1:4] += 0.7
    moved[..., 4:] += 0.4
    moved[..., 0] += 5.0
    other = draws.sigma**2
    other[..., 0] += 6.1
    one, two = (
        scatter.of_draws("n", replace(draws, sigma=np.sqrt(variance)), CELLS)
        for variance in (moved, other)
    )
    for name in NAMES:
        np.testing.assert_allclose(one[name], two[name], rtol=1e-10)


@pytest.mark.parametrize("unit", [1e-9, 1e6])
def test_units_scale_what_has_one(unit):
    draws = plain_draws(LEVELS)
    one = scatter.of_draws("n", draws, CELLS)
    two = scatter.of_draws("n", replace(draws, sigma=unit * draws.sigma), CELLS)
    for name in NAMES:
        of_unit = 1.0 if name.startswith("ratio") else unit
        np.testing.assert_allclose(two[name], of_unit * one[name].to_numpy(), rtol=1e-9)


def test_constant_noise_has_none():
    found = scatter.of_draws("n", plain_draws(LEVELS, constant=True), CELLS)
    assert found.schema.equals(scatter.SCATTER)
    assert found.num_rows == 0
