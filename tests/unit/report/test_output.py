import dataclasses

import arviz as az
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import xarray as xr
from scipy import stats

from summands.data.design import Design
from summands.estimation import draws_file
from summands.estimation.results import Draws, Fit
from summands.model import estimands
from summands.model.cells import Cells, collapse
from summands.model.levels import Levels
from summands.model.rows import Rows
from summands.posterior.diagnostics import Diagnostics
from summands.recovery import calibration, metrics_table, pooling
from summands.recovery.tables import CALIBRATION
from summands.report import design_figures, figures, plotting, summary
from summands.study import tables

from ..stand_ins import score_of, tables_of

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
    draws_file.write(tree_of([None]), tmp_path / "none.nc")


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


def study_tables(names=("one", "two"), estimators=("full", "partial"), replicates=6):
    """Tables of designs with drawn truths; of the last one, with a fixed truth."""
    rng = np.random.default_rng(0)
    index = estimands.index(LEVELS)
    designs = {name: Design(LEVELS, 100) for name in names}
    designs[names[-1]] = Design(LEVELS, 100, truth="fixed")
    parts: dict[str, list[pa.Table]] = {name: [] for name in KINDS}
    totals = summary.Totals()
    for name, design in designs.items():
        gathered = {}
        for estimator in estimators:
            truth = np.abs(rng.normal(1, 0.5, (replicates, SIZE))) + 0.1
            truth[:, estimands.constant(LEVELS)] = 0.0
            known = {"truth": truth, "bound": np.full_like(truth, 0.1)}
            fits, scores = [], []
            for number in range(replicates):
                fit = Fit(SIZE, seconds=0.5, converged=number > 0)
                fit.identified = ~index.where("sigma")
                if number == 0:
                    fit.identified &= ~index.where("mu")
                    fit.criterion = "min_ess_bulk 100 < 400"
                    if estimator == "full" and name == names[0]:
                        fit.criterion += "; divergences 3 > 0"
                        fit.prior_conflict = "too far"
                if number == 1 and estimator == "full":
                    fit.remark = "it rests on a point"
                fit.estimate = truth[number] + rng.normal(0, 0.1, SIZE)
                fit.sd = np.full(SIZE, 0.1)
                fit.lower_50, fit.upper_50 = fit.estimate - 0.07, fit.estimate + 0.07
                fit.lower_95, fit.upper_95 = fit.estimate - 0.2, fit.estimate + 0.2
                if estimator == "partial":
                    fit.estimate[index.where("sigma")] = np.nan
                    scores.append(score_of(SIZE))
                else:
                    rank = rng.integers(0, 99, SIZE, endpoint=True).astype(float)
                    scores.append(
                        score_of(
                            SIZE,
                            rank=rank,
                            rank_of=np.full(SIZE, 99.0),
                            log_likelihood_rank=int(rng.integers(0, 99, endpoint=True)),
                        )
                    )
                fits.append(fit)
            fits[-1] = Fit(SIZE, seconds=0.1, error="it broke")
            fits[-1].identified = ~index.where("sigma")
            scores[-1] = score_of(SIZE)
            pair = tables_of(name, estimator, LEVELS, fits, known, scores)
            gathered[estimator] = pair
            tested = calibration.calibration(name, design, estimator, *pair)
            totals.add_fits(name, estimator, *pair)
            totals.add_calibration(tested)
            for kind, table in zip(KINDS, (*pair, tested), strict=False):
                parts[kind].append(table)
        metrics = metrics_table.recovery(name, design, gathered)
        totals.add_metrics(design, metrics)
        parts["recovery"].append(metrics)
    whole = {kind: pa.concat_tables(made) for kind, made in parts.items()}
    return whole, totals


KINDS = ("estimates", "fits", "calibration", "recovery")


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
        assert labels["contributor_in_level"].to_numpy().tolist() == [0, 0, 1, 2]
    assert draws_file.together({"small": trees["small"]}) is trees["small"]


def test_unknown_values_are_null_and_not_nan():
    whole, _ = study_tables()
    for name, table in whole.items():
        assert table.schema.equals(tables.SCHEMAS[name])
        for column in table.columns:
            if pa.types.is_floating(column.type):
                assert not np.isnan(column.drop_null().to_numpy()).any()
    failed = whole["estimates"].to_pandas().query("replicate == 5")
    assert failed["estimate"].isna().all()
    assert failed["truth"].notna().all()


def test_designs_are_listed_as_they_are():
    design = Design(Levels.of([1, 3]), 50, mu_sd=2.0)
    table = tables.designs({design.id: design}, 7)
    assert table.schema.equals(tables.DESIGNS)
    (row,) = table.to_pylist()
    assert row.pop("design") == design.id
    assert row.pop("replicates") == 7
    assert row.pop("levels") == [1, 3]
    assert row.pop("truth_number") is None
    assert row == {key: getattr(design, key) for key in row}
    assert row["mu_sd"] == 2.0
    fixed = dataclasses.replace(design, truth="fixed", truth_number=2, mu_sd=None)
    (row,) = tables.designs({"d": fixed}, 7).to_pylist()
    assert (row["truth_number"], row["mu_sd"]) == (2, None)


def test_the_summary_counts_everything():
    whole, totals = study_tables()
    text = totals.text("demo", 2)
    lines = text.splitlines()
    assert "designs.parquet      2 designs" in text
    assert f"estimates.parquet    {whole['estimates'].num_rows} estimates" in text
    assert "fits.parquet         24 fits, 16 converged, 4 failed" in text
    assert f"recovery.parquet     {whole['recovery'].num_rows:,} metrics" in text
    tested = whole["calibration"].num_rows
    assert tested == len(estimands.PARAMETERS) + 1
    assert f"calibration.parquet  {tested} parameters tested" in text
    # The share that converged comes before any metric.
    converged = next(line for line in lines if line.startswith("full"))
    assert converged.split()[:4] == ["full", "12", "66.6%", "2"]
    assert "the first of them failed with it broke" in text
    assert "sigma *" in text
    assert "one: in 1 data set some contributors have no rows" in text
    assert "Calibration of full: 1 of 1 design passed; with 5 replicates only" in text
    assert (
        "criteria that were missed, by fits: min_ess_bulk (2), divergences (1)" in text
    )
    assert "2 fits with a remark: it rests on a point" in text
    assert (
        "a stated prior conflicts with the data of one: in 1 data set, too far" in text
    )
    # 100 rows of three contributors.
    assert "30 to 100 rows per contributor, 2 designs:" in lines
    frame = whole["recovery"].to_pandas()
    chosen = frame.query(
        "gate == 'common' and estimator == 'full' and parameter == 'intercept'"
    )

    def geometric(metric):
        return np.exp(np.log(chosen.query("metric == @metric")["value"]).mean())

    line = next(line for line in lines if line.split()[:2] == ["full", "intercept"])
    bound, total, width, covered = line.split()[2:6]
    assert bound.rstrip("~") == f"{geometric('rmse_over_bound'):.2f}"
    assert total.rstrip("~") == f"{geometric('rmse_over_total'):.3f}"
    assert width.rstrip("~") == f"{geometric('width_95_over_total'):.3f}"
    share = chosen.query("metric == 'coverage_95'")["value"].mean()
    assert covered == f"{share:.1%}"


def recovered(value, **more):
    """A row of recovery.parquet as the pooling reads it."""
    return {
        "value": value,
        "lower": None,
        "upper": None,
        "largest_share": None,
        "level": 1,
        "worst": None,
        "worst_contributor": None,
    } | more


def test_an_average_says_what_one_replicate_carries_and_who_is_worst():
    ratio = pooling.Pooled(logarithmic=True)
    ratio.add([recovered(1.0), recovered(4.0)])
    assert ratio.mean(".2f") == "2.00"
    ratio.add([recovered(8.0, largest_share=0.21)])
    assert ratio.mean(".2f") == "4.00~"
    share = pooling.Pooled(logarithmic=False)
    assert share.share() == share.mean(".1f") == share.least() == "-"
    share.add([recovered(0.9, lower=0.84, upper=0.94, worst=0.8, worst_contributor=3)])
    share.add([recovered(1.0, lower=0.92, upper=1.0, worst=1.0, worst_contributor=0)])
    # Half of the root of 0.06^2 + 0.08^2, and of 0.04^2 + 0.
    assert share.share() == "95.0% (90.0 to 97.0)"
    assert share.least() == "80.0% 1/3"


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        (60, "Up to 30"),
        (62, "30 to 100"),
        (2000, "300 to 1,000"),
        (2002, "More than 1,000"),
    ],
)
def test_designs_are_pooled_with_those_of_like_size(rows, named):
    design = Design(Levels.of([1, 1]), rows)
    assert pooling.named(pooling.size_class(design)) == named


@pytest.mark.parametrize("designs", [["one"], [f"design_{n}" for n in range(60)]])
def test_figures_show_every_design_and_estimator(designs):
    whole, _ = study_tables(designs)
    frames = {name: table.to_pandas() for name, table in whole.items()}
    sizes = {name: 10.0 * (number + 1) for number, name in enumerate(designs)}
    scatter = figures.truth_against_estimate(frames["estimates"], frames["fits"])
    scatter.canvas.draw()
    shown = sum(
        len(collection.get_offsets())
        for axis in scatter.axes
        for collection in axis.collections
    )
    estimates = frames["estimates"].dropna(subset=["estimate"])
    constant = estimates["parameter"].isin(["mu", "variance_contrast"]) & (
        estimates["level"] == 0
    )
    assert shown == (~constant | (estimates["sd"] != 0)).sum()
    for kind in design_figures.KINDS.values():
        figure = design_figures.draw(frames["recovery"], sizes, kind)
        figure.canvas.draw()
        for metric in kind.metrics:
            assert_values_are_drawn(figure, frames["recovery"], metric, sizes, kind)


def assert_values_are_drawn(figure, recovery, metric, sizes, kind):
    """Values of the full estimator in the first panel: each, or means of tenths."""
    pooled = recovery.query("gate == 'common' and contributor.isna()")
    first = plotting.present(pooled[pooled["metric"].isin(kind.metrics)])[0]
    chosen = pooled[
        (pooled["estimator"] == "full")
        & (pooled["parameter"] == first)
        & (pooled["metric"] == metric)
    ]
    expected = chosen["value"].to_numpy()
    few = len(sizes) <= design_figures.NAMED_DESIGNS
    if not few:
        tenths = expected.reshape(design_figures.STEPS, -1)
        expected = np.exp(np.log(tenths).mean(1)) if kind.log else tenths.mean(1)
    lines = [line.get_data()[0 if few else 1] for line in figure.axes[0].lines]
    assert any(
        len(line) == len(expected) and np.allclose(line, expected) for line in lines
    )
    text = figure.get_supxlabel()
    assert few or text == "rows per contributor (60 designs)"


def test_a_figure_says_what_one_replicate_carries_and_who_is_worst():
    kind = design_figures.KINDS["error"]
    columns = {"gate": "common", "contributor": np.nan, "parameter": "mu"}
    columns |= {"metric": kind.metrics[0], "estimator": "e", "lower": 0.5, "upper": 4.0}
    frame = pd.DataFrame(
        [
            {"design": "a", "value": 1.0, "worst": 2.0, "largest_share": 0.1},
            {"design": "a", "value": 4.0, "worst": 9.0, "largest_share": 0.3},
            {"design": "b", "value": 3.0, "worst": np.nan, "largest_share": 0.1},
        ]
    ).assign(**columns)
    made = design_figures.by_design(frame, kind).set_index("design")
    assert made["value"].to_dict() == pytest.approx({"a": 2.0, "b": 3.0})
    assert made["worst"]["a"] == pytest.approx(9.0)
    assert made["carried"].to_dict() == {"a": True, "b": False}
    # From 4 down to 0.5 is the longest way, and from 1 up to 4.
    assert made["lower"]["a"] == pytest.approx(2.0 / 8.0)
    assert made["upper"]["a"] == pytest.approx(2.0 * 4.0)
    figure = design_figures.draw(frame, {"a": 1.0, "b": 2.0}, kind)
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["e", "worst contributor", "carried by one replicate"]


def test_one_estimate_gone_astray_flattens_no_panel():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=3000)
    estimates = pd.DataFrame(
        {
            "design": "d",
            "replicate": np.arange(3000),
            "estimator": "e",
            "parameter": "mu",
            "truth": truth,
            "estimate": truth + rng.normal(0, 0.1, 3000),
            "sd": 0.1,
        }
    )
    estimates.loc[7, "estimate"] = 1e6
    fits = estimates[["design", "replicate", "estimator"]].assign(converged=True)
    figure = figures.truth_against_estimate(estimates, fits)
    (axis,) = figure.axes
    assert axis.get_ylim()[1] < 6
    assert "1 beyond the axis" in [text.get_text() for text in axis.texts]
    # What there is none of has no place in the legend.
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["converged"]


def test_the_figure_of_ranks_has_a_line_a_quantity_and_their_band():
    rng = np.random.default_rng(0)
    ranks = {("mu", f"1/{k}"): rng.integers(0, 100, 200) for k in range(3)}
    figure = figures.ranks_by_design({"a": (ranks, 99), "b": (ranks, 99)}, 0.01)
    figure.canvas.draw()
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [len(axis.lines) for axis in shown] == [3, 3]
    drawn = shown[0].lines[0].get_ydata()
    points = np.arange(1, 100)
    share = (ranks["mu", "1/0"][:, None] < points).mean(axis=0)
    assert drawn == pytest.approx(share - points / 100)


def test_figures_of_a_study_where_everything_failed():
    whole, _ = study_tables(["one"], replicates=1)
    frames = {name: table.to_pandas() for name, table in whole.items()}
    sizes = {"one": 10.0}
    for figure in (
        figures.truth_against_estimate(frames["estimates"], frames["fits"]),
        *(
            design_figures.draw(frames["recovery"], sizes, kind)
            for kind in design_figures.KINDS.values()
        ),
        figures.ranks_by_design({}, 0.01),
    ):
        (words,) = [text.get_text() for text in figure.texts]
        assert "nothing to show" in words


def test_the_summary_of_thousands_of_designs_is_no_longer_than_that_of_ten():
    totals = summary.Totals()
    whole, _ = study_tables()
    verdicts = whole["calibration"].to_pylist()
    for number in range(50):
        name = f"design_{number}"
        rows = [row | {"design": name, "verdict": "failed"} for row in verdicts]
        totals.add_calibration(pa.Table.from_pylist(rows, CALIBRATION))
    fits = whole["fits"].filter(pc.field("estimator") == "full")
    totals.add_fits("one", "full", whole["estimates"], fits)
    lines = totals.text("many", 50).splitlines()
    failed = [line for line in lines if line.startswith("  failed: design_")]
    assert len(failed) == summary.LISTED
    assert "  and 40 more designs, see calibration.parquet" in lines
    assert any("by chance 1% of the designs" in line for line in lines)


@pytest.mark.parametrize("values", [{"estimate": 0.0}, {"truth": 0.0, "estimate": -1}])
def test_numbers_that_no_logarithm_has_are_drawn(values):
    """An estimator may say of every sigma that it is zero."""
    whole, _ = study_tables(["one"])
    frames = {name: table.to_pandas() for name, table in whole.items()}
    estimates = frames["estimates"].assign(**values, sd=1.0)
    figures.truth_against_estimate(estimates, frames["fits"]).canvas.draw()
