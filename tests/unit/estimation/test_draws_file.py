import arviz as az
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from summands.estimation import draws_file
from summands.estimation.results import Draws
from summands.model import estimands
from summands.model.cells import Cells, collapse
from summands.model.levels import Levels
from summands.model.rows import Rows
from summands.posterior.diagnostics import Diagnostics

LEVELS = Levels.of([1, 2])
SIZE = 3 * LEVELS.contributors + 2


def draws_of(
    seed: int, levels: Levels = LEVELS, shape: tuple[int, int] = (2, 5), **kept
) -> Draws:
    rng = np.random.default_rng(seed)
    k = levels.contributors
    return Draws(
        rng.normal(size=shape),
        levels.centre(rng.normal(size=(*shape, k))),
        rng.lognormal(size=(*shape, k)),
        {"diverging": np.zeros(shape, bool), "energy": rng.normal(size=shape)},
        Diagnostics(*np.ones((3, SIZE)), divergences=0, min_ebfmi=1.0),
        gradients=1,
        parametrisation="straight",
        attempts=1,
        **kept,
    )


def cells_of(seed: int, levels: Levels = LEVELS, rows: int = 12) -> Cells:
    rng = np.random.default_rng(seed)
    picked = tuple(rng.integers(size, size=rows) for size in levels.sizes)
    return collapse(Rows(levels, rng.normal(size=rows), picked))


def tree_of(draws, attributes=None, levels=LEVELS, data=None, first=0):
    """The tree of these fits, the truth and cells of which come of their places."""
    count = len(draws)
    size = 3 * levels.contributors + 2
    return draws_file.to_datatree(
        levels,
        range(first, first + count),
        draws,
        attributes or {},
        np.arange(count * size, dtype=float).reshape(count, size),
        data or [cells_of(place, levels) for place in range(count)],
        [np.random.default_rng(place) for place in range(count)],
    )


def test_a_posterior_file_can_be_read_without_anything_else(tmp_path):
    path = tmp_path / "posterior.nc"
    draws = [draws_of(seed) for seed in range(3)]
    tree = tree_of(draws, {"design": "d"}, first=4)
    draws_file.write(tree, path)
    with xr.open_datatree(path, engine="h5netcdf") as read:
        kept = read["posterior"].to_dataset()
        assert dict(kept.sizes) == {
            "replicate": 3,
            "chain": 2,
            "draw": 5,
            "contributor": 3,
        }
        assert kept["contributor"].to_numpy().tolist() == ["0/0", "1/0", "1/1"]
        constant = read["constant_data"].to_dataset().sel(contributor="1/1")
        assert (constant["level"], constant["contributor_in_level"]) == (1, 1)
        # ArviZ takes one replicate of the file as it takes any posterior.
        summary = az.summary(read.sel(replicate=5), kind="stats")
        assert "sigma[1/1]" in summary.index
        assert kept.attrs["design"] == "d"
        one = kept.sel(replicate=5, contributor="1/1")
        assert (one["sigma"].to_numpy() == draws[1].sigma[..., 2]).all()
        statistics = read["sample_stats"].to_dataset()
        assert (
            statistics["energy"][2].to_numpy() == draws[2].statistics["energy"]
        ).all()
        assert statistics["diverging"].dtype == bool


def test_draws_can_be_kept_in_half_the_space(tmp_path):
    tree = tree_of([draws_of(0, kept_as="float32")])
    draws_file.write(tree, tmp_path / "half.nc")
    with xr.open_datatree(tmp_path / "half.nc", engine="h5netcdf") as read:
        kept = read["posterior"].to_dataset()
        assert kept["sigma"].dtype == np.float32
        assert kept["sigma"][0].to_numpy() == pytest.approx(draws_of(0).sigma, rel=1e-6)


def test_a_failed_fit_is_nan_in_the_posterior_file(tmp_path):
    tree = tree_of([None, draws_of(0, keep_predictive=True)])
    assert np.isnan(tree["posterior"]["sigma"].sel(replicate=0)).all()
    assert np.isfinite(tree["posterior"]["sigma"].sel(replicate=1)).all()
    for group in ("log_likelihood", "posterior_predictive"):
        assert np.isnan(tree[group]["mean"].sel(replicate=0)).all()
        assert np.isfinite(tree[group]["mean"].sel(replicate=1)).all()
    draws_file.write(tree, tmp_path / "one.nc")
    nothing = tree_of([None])
    assert nothing["posterior"].sizes["chain"] == 0
    assert nothing["posterior"].sizes["draw"] == 0
    draws_file.write(nothing, tmp_path / "none.nc")


def test_the_file_has_the_truth_and_the_cells(tmp_path):
    """Replicates whose cells differ: of 12 rows, and of one row."""
    wide = Levels.of([1, 2, 3])
    data = [cells_of(0, wide, 12), cells_of(1, wide, 1)]
    tree = tree_of([draws_of(0, wide), draws_of(1, wide)], levels=wide, data=data)
    draws_file.write(tree, tmp_path / "posterior.nc")
    names = estimands.index(wide)
    with xr.open_datatree(tmp_path / "posterior.nc", engine="h5netcdf") as read:
        constant = read["constant_data"].to_dataset()
        for place in range(2):
            values = np.arange(len(names.parameter)) + place * len(names.parameter)
            known = constant.sel(replicate=place)
            assert known["true_intercept"] == values[0]
            for name in ("mu", "sigma"):
                found = known[f"true_{name}"].to_numpy()
                assert found.tolist() == values[names.where(name)].tolist()
        observed = read["observed_data"].to_dataset()
        # ArviZ takes all variables of this group for outcomes.
        assert list(observed.data_vars) == ["mean"]
        for place, cells in enumerate(data):
            one = observed.sel(replicate=place)
            count = len(cells.n)
            for name in ("n", "mean", "sum_of_squares"):
                found = one[name].to_numpy()
                assert (found[:count] == getattr(cells, name)).all()
                empty = found[count:]
                assert (empty == 0).all() if name == "n" else np.isnan(empty).all()
            for level in range(3):
                found = one[f"level_{level}"].to_numpy()
                assert (found[:count] == cells.contributors[:, level]).all()
                assert (found[count:] == -1).all()
        assert "log_likelihood" not in read
        assert "posterior_predictive" not in read


def test_predictions_are_those_of_the_rows():
    """Log densities are sums over rows; means drawn anew are Normal(m, sqrt(v / n))."""
    levels = Levels.of([2, 3])
    rng = np.random.default_rng(0)
    picked = tuple(rng.integers(size, size=30) for size in levels.sizes)
    rows = Rows(levels, rng.normal(size=30), picked)
    cells = collapse(rows)
    draws = draws_of(0, levels, (2, 4000), keep_predictive=True)
    tree = tree_of([draws], levels=levels, data=[cells])
    members = np.stack(picked, axis=1) + levels.offsets
    one = draws.mu[1, 7], draws.sigma[1, 7] ** 2, draws.intercept[1, 7]
    of_rows = stats.norm.logpdf(
        rows.value,
        one[2] + one[0][members].sum(axis=1),
        one[1][members].sum(axis=1) ** 0.5,
    )
    code = (members[:, None] == cells.members).all(axis=2).argmax(axis=1)
    found = tree["log_likelihood"]["mean"][0, 1, 7].to_numpy()
    assert found == pytest.approx(np.bincount(code, of_rows))
    mean = draws.intercept[..., None] + draws.mu[..., cells.members].sum(axis=-1)
    v = (draws.sigma**2)[..., cells.members].sum(axis=-1)
    drawn = tree["posterior_predictive"]["mean"][0].to_numpy()
    standard = (drawn - mean) / np.sqrt(v / cells.n)
    for cell in range(len(cells.n)):
        assert stats.kstest(standard[..., cell].ravel(), "norm").pvalue > 1e-4


@pytest.mark.filterwarnings("error")
def test_arviz_takes_a_replicate_of_the_file_without_complaint(tmp_path):
    """A summary, LOO and a predictive plot, of a level with one contributor too."""
    draws = [
        draws_of(seed, shape=(4, 250), keep_predictive=True, kept_as="float32")
        for seed in range(2)
    ]
    data = [cells_of(1, rows=1), cells_of(0, rows=40)]
    path = tmp_path / "posterior.nc"
    draws_file.write(tree_of(draws, data=data, first=3), path)
    with xr.open_datatree(path, engine="h5netcdf") as read:
        # Cells of other replicates that this one does not have.
        one = read.sel(replicate=4).map_over_datasets(
            lambda group: group.dropna("cell") if "cell" in group.dims else group
        )
        summary = az.summary(one)
        assert np.isnan(summary["mean"].astype(float)["mu[0/0]"])
        others = summary.drop("mu[0/0]").astype(float)
        assert np.isfinite(others).all(axis=None)
        loo = az.loo(one, pointwise=True)
        assert loo.n_data_points == 2
        density = one["log_likelihood"]["mean"].to_numpy()
        upper = np.log(np.exp(density).mean(axis=(0, 1)))
        assert (loo.elpd_i.to_numpy() < upper).all()
        shown = az.plot_ppc_dist(one, backend="none")
        assert "mean" in shown.viz["predictive_dist"]
        assert "mean" in shown.viz["observed_dist"]


def test_posteriors_of_several_designs_share_a_file(tmp_path):
    wide = Levels.of([1, 3])
    of_wide = [draws_of(seed, wide, keep_predictive=True) for seed in (2, 3)]
    of_small = [draws_of(seed, keep_predictive=True) for seed in (0, 1)]
    trees = {
        "small": tree_of(of_small, {"design": "small"}),
        "wide": tree_of(of_wide, {"design": "wide"}, wide),
    }
    draws_file.write(draws_file.together(trees), tmp_path / "pack.nc")
    with xr.open_datatree(tmp_path / "pack.nc", engine="h5netcdf") as tree:
        for name, alone in trees.items():
            one = tree["posterior"].to_dataset().sel(design=name)
            expected = alone["posterior"].to_dataset()
            held = one.dropna("contributor", how="all").drop_vars("design")
            xr.testing.assert_equal(held, expected)
            for group in ("log_likelihood", "posterior_predictive", "observed_data"):
                one = tree[group].to_dataset().sel(design=name)
                held = one.dropna("cell", how="all").drop_vars("design")
                expected = alone[group].to_dataset()
                xr.testing.assert_equal(held[list(expected.variables)], expected)
                assert held.sizes["cell"] == (2 if name == "small" else 3)
            one = tree["constant_data"].to_dataset().sel(design=name)
            expected = alone["constant_data"].to_dataset()
            held = one.sel(contributor=expected["contributor"]).drop_vars("design")
            xr.testing.assert_equal(held, expected)
            assert (tree["observed_data"]["level_1"].sel(design=name) >= -1).all()
        assert "design" not in tree["posterior"].attrs
        labels = tree["constant_data"].to_dataset()
        assert labels["level"].dtype.kind == "i"
        assert labels["contributor"].to_numpy().tolist() == ["0/0", "1/0", "1/1", "1/2"]
        # A design's own numbers; of a contributor that it does not have -1.
        for name, numbers in (("small", [0, 0, 1, -1]), ("wide", [0, 0, 1, 2])):
            found = labels["contributor_in_level"].sel(design=name)
            assert found.to_numpy().tolist() == numbers
    assert draws_file.together({"small": trees["small"]}) is trees["small"]
