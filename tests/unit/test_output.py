import dataclasses

import arviz as az
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import xarray as xr

from summands import (
    calibration,
    estimands,
    figures,
    posterior,
    recovery,
    summary,
    tables,
)
from summands.design import Design
from summands.diagnostics import Diagnostics
from summands.fitting import Draws, Fit
from summands.levels import Levels

LEVELS = Levels.of([1, 2])
SIZE = 3 * LEVELS.contributors + 2


def draws_of(seed: int, kept_as: str = "float64") -> Draws:
    rng = np.random.default_rng(seed)
    return Draws(
        rng.normal(size=(2, 5)),
        rng.normal(size=(2, 5, 3)),
        rng.lognormal(size=(2, 5, 3)),
        {"diverging": np.zeros((2, 5), bool), "energy": rng.normal(size=(2, 5))},
        Diagnostics(*np.ones((3, SIZE)), divergences=0, min_ebfmi=1.0),
        gradients=1,
        parametrisation="straight",
        attempts=1,
        kept_as=kept_as,
    )


def test_a_posterior_file_can_be_read_without_anything_else(tmp_path):
    path = tmp_path / "posterior.nc"
    draws = [draws_of(seed) for seed in range(3)]
    tree = posterior.to_datatree(LEVELS, range(4, 7), draws, {"design": "d"})
    posterior.write(tree, path)
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
    tree = posterior.to_datatree(LEVELS, [0], [draws_of(0, "float32")], {})
    posterior.write(tree, tmp_path / "half.nc")
    with xr.open_datatree(tmp_path / "half.nc", engine="h5netcdf") as read:
        kept = read["posterior"].to_dataset()
        assert kept["sigma"].dtype == np.float32
        assert kept["sigma"][0].to_numpy() == pytest.approx(draws_of(0).sigma, rel=1e-6)


def test_a_failed_fit_is_nan_in_the_posterior_file(tmp_path):
    tree = posterior.to_datatree(LEVELS, [0, 1], [None, draws_of(0)], {})
    assert np.isnan(tree["posterior"]["mu"].sel(replicate=0)).all()
    assert np.isfinite(tree["posterior"]["mu"].sel(replicate=1)).all()
    posterior.write(tree, tmp_path / "one.nc")
    nothing = posterior.to_datatree(LEVELS, [0], [None], {})
    posterior.write(nothing, tmp_path / "none.nc")


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
            fits = []
            for number in range(replicates):
                fit = Fit(SIZE, seconds=0.5, converged=number > 0)
                fit.identified = ~index.where("sigma")
                if number == 0:
                    fit.identified &= ~index.where("mu")
                fit.estimate = truth[number] + rng.normal(0, 0.1, SIZE)
                fit.sd = np.full(SIZE, 0.1)
                fit.lower_50, fit.upper_50 = fit.estimate - 0.07, fit.estimate + 0.07
                fit.lower_95, fit.upper_95 = fit.estimate - 0.2, fit.estimate + 0.2
                if estimator == "partial":
                    fit.estimate[index.where("sigma")] = np.nan
                else:
                    fit.rank = rng.integers(0, 99, SIZE, endpoint=True).astype(float)
                    fit.rank_of = np.full(SIZE, 99.0)
                    fit.log_likelihood_rank = int(rng.integers(0, 99, endpoint=True))
                fits.append(fit)
            fits[-1] = Fit(SIZE, seconds=0.1, error="it broke")
            fits[-1].identified = ~index.where("sigma")
            numbers = range(replicates)
            pair = (
                tables.estimates(name, estimator, LEVELS, numbers, fits, known),
                tables.fits(name, estimator, numbers, fits),
            )
            gathered[estimator] = pair
            tested = calibration.calibration(name, design, estimator, *pair)
            totals.add_fits(name, estimator, *pair)
            totals.add_calibration(tested)
            for kind, table in zip(KINDS, (*pair, tested), strict=False):
                parts[kind].append(table)
        metrics = recovery.recovery(name, design, gathered)
        totals.add_metrics(metrics)
        parts["recovery"].append(metrics)
    whole = {kind: pa.concat_tables(made) for kind, made in parts.items()}
    return whole, totals


KINDS = ("estimates", "fits", "calibration", "recovery")


def test_posteriors_of_several_designs_share_a_file(tmp_path):
    wide = Levels.of([1, 3])
    rng = np.random.default_rng(1)
    of_wide = [
        dataclasses.replace(
            draws_of(seed),
            mu=rng.normal(size=(2, 5, 4)),
            sigma=rng.lognormal(size=(2, 5, 4)),
        )
        for seed in (2, 3)
    ]
    trees = {
        "small": posterior.to_datatree(
            LEVELS, range(2), [draws_of(0), draws_of(1)], {"design": "small"}
        ),
        "wide": posterior.to_datatree(wide, range(2), of_wide, {"design": "wide"}),
    }
    posterior.write(posterior.together(trees), tmp_path / "pack.nc")
    with xr.open_datatree(tmp_path / "pack.nc", engine="h5netcdf") as tree:
        for name, alone in trees.items():
            one = tree["posterior"].to_dataset().sel(design=name)
            expected = alone["posterior"].to_dataset()
            held = one.dropna("contributor", how="all").drop_vars("design")
            xr.testing.assert_equal(held, expected)
        assert "design" not in tree["posterior"].attrs
        labels = tree["constant_data"].to_dataset()
        assert labels["level"].dtype.kind == "i"
        assert labels["contributor"].to_numpy().tolist() == ["0/0", "1/0", "1/1", "1/2"]
        assert labels["contributor_in_level"].to_numpy().tolist() == [0, 0, 1, 2]
    assert posterior.together({"small": trees["small"]}) is trees["small"]


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
    assert f"recovery.parquet     {whole['recovery'].num_rows} metrics" in text
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
    frame = whole["recovery"].to_pandas()
    chosen = frame.query(
        "gate == 'all' and estimator == 'full' and parameter == 'intercept'"
    )
    rmse = np.sqrt((chosen.query("metric == 'rmse'")["value"] ** 2).mean())
    ratio = chosen.query("metric == 'rmse_over_bound'")["value"].mean()
    line = next(line for line in lines if line.split()[:2] == ["full", "intercept"])
    assert line.split()[2:4] == [f"{rmse:.3f}", f"{ratio:.2f}"]


@pytest.mark.parametrize("designs", [["one"], [f"design_{n}" for n in range(60)]])
def test_figures_show_every_design_and_estimator(designs):
    whole, _ = study_tables(designs)
    frames = {name: table.to_pandas() for name, table in whole.items()}
    sizes = {name: 10.0 * (number + 1) for number, name in enumerate(designs)}
    drawn = [
        figures.truth_against_estimate(frames["estimates"], frames["fits"]),
        figures.error_by_design(frames["recovery"], sizes),
        figures.coverage_by_design(frames["recovery"], sizes),
        figures.efficiency_by_design(frames["recovery"], sizes),
    ]
    for figure in drawn:
        figure.canvas.draw()
    scatter = drawn[0]
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
    for figure, metric in zip(drawn[1:3], ("rmse", "coverage_95"), strict=True):
        assert_values_are_drawn(figure, frames["recovery"], metric, sizes)


def assert_values_are_drawn(figure, recovery, metric, sizes):
    """The intercept's values of the full estimator: each, or means of tenths."""
    chosen = recovery.query(
        "gate == 'all' and estimator == 'full' and parameter == 'intercept' "
        "and metric == @metric"
    )
    expected = chosen["value"].to_numpy()
    few = len(sizes) <= figures.NAMED_DESIGNS
    if not few:
        tenths = expected.reshape(figures.STEPS, -1)
        logarithmic = metric == "rmse"
        expected = np.exp(np.log(tenths).mean(1)) if logarithmic else tenths.mean(1)
    lines = [line.get_data()[0 if few else 1] for line in figure.axes[0].lines]
    assert any(
        len(line) == len(expected) and np.allclose(line, expected) for line in lines
    )
    text = figure.get_supxlabel()
    assert few or text == "rows per contributor (60 designs)"


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
        figures.error_by_design(frames["recovery"], sizes),
        figures.coverage_by_design(frames["recovery"], sizes),
        figures.efficiency_by_design(frames["recovery"], sizes),
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
        totals.add_calibration(pa.Table.from_pylist(rows, tables.CALIBRATION))
    fits = whole["fits"].filter(pc.field("estimator") == "full")
    totals.add_fits("one", "full", whole["estimates"], fits)
    lines = totals.text("many", 50).splitlines()
    failed = [line for line in lines if line.startswith("  failed: design_")]
    assert len(failed) == summary.LISTED
    assert "  and 40 more designs, see calibration.parquet" in lines
    assert any("by chance 1% of the designs" in line for line in lines)
