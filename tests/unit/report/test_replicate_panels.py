import numpy as np
import pandas as pd
import pytest
import xarray as xr

from summands.data.design import Design
from summands.model.levels import Levels
from summands.report import replicate_figures, replicate_panels, ridge_panel, ridges

from ..studies import LEVELS, study_tables


def frames():
    whole, _ = study_tables()
    return {name: table.to_pandas() for name, table in whole.items()}


def prior_of(*designs):
    problem = Design(LEVELS, 100).problem()
    return replicate_panels.spreads({"full": dict.fromkeys(designs, problem)})


def test_contraction_and_z_are_those_of_the_metrics():
    """Of each level the mean of the points is the number in recovery.parquet."""
    found = frames()
    panel = replicate_panels.contraction(
        found["estimates"], found["fits"], prior_of("one")
    )
    points = panel.points
    assert tuple(points.columns) == replicate_panels.CONTRACTED
    assert set(points["estimator"]) == {"full"}
    assert set(points["design"]) == {"one"}
    recovery = found["recovery"].query(
        "design == 'one' and estimator == 'full' and gate == 'all'"
    )
    for metric, column, function in (
        ("contraction", "contraction", np.mean),
        ("z_rms", "z", lambda values: np.sqrt(np.mean(values**2))),
    ):
        told = recovery[recovery["metric"] == metric]
        assert len(told) > 3
        for row in told.to_dict("records"):
            here = points[points["parameter"] == row["parameter"]]
            if not pd.isna(row["level"]):
                of_level = here["contributor"].str.startswith(f"{row['level']:.0f}/")
                here = here[of_level]
            # The metric holds contributors whose truth is 0 by definition; points not.
            if len(here) and not (row["parameter"] == "mu" and row["level"] == 0):
                assert function(here[column]) == pytest.approx(row["value"])


def test_nothing_is_told_of_what_has_no_prior_spread_or_no_truth_from_it():
    found = frames()
    tables = found["estimates"], found["fits"]
    points = replicate_panels.contraction(*tables, prior_of("one", "two")).points
    assert "variance_contrast" not in set(points["parameter"])
    assert set(points["design"]) == {"one", "two"}
    nothing = replicate_panels.contraction(*tables, prior_of()).points
    assert nothing.empty
    figure = replicate_figures.contraction(replicate_panels.Contraction(nothing))
    assert "no posteriors" in figure.texts[0].get_text()


def intervals_of(z, half=1.96, *, unit=1.0, **more):
    """Estimates so many standard errors of size 1 from their truth."""
    z = np.asarray(z, dtype=float)
    truth = np.random.default_rng(1).normal(size=len(z))
    table = pd.DataFrame({"truth": truth, "estimate": truth + z})
    table = table.assign(sd=1.0, lower_95=truth + z - half, upper_95=truth + z + half)
    numbers = ["truth", "estimate", "sd", "lower_95", "upper_95"]
    table[numbers] *= unit
    keys = {"design": "d", "replicate": np.arange(len(z)), "estimator": "e"}
    keys |= {"parameter": "intercept", "level": None, "contributor": None}
    keys |= {"level_name": None, "label": None}
    return table.assign(**keys | more)


def test_intervals_that_hold_the_truth_are_the_nearest_and_centiles_are_theirs():
    z = np.random.default_rng(0).normal(size=1000)
    panel = replicate_panels.zipped(intervals_of(z))
    shown = panel.intervals
    assert len(shown) == replicate_panels.ZIPPED
    assert (shown["distance"].diff().dropna() >= 0).all()
    assert (shown["centile"].diff().dropna() > 0).all()
    assert shown["centile"].between(0, 100).all()
    share = (np.abs(z) <= 1.96).mean()
    (told,) = panel.covered.to_dict("records")
    assert told["share"] == pytest.approx(share)
    assert (told["intervals"], told["shown"]) == (1000, replicate_panels.ZIPPED)
    assert told["lower"] < share < told["upper"]
    # Of equal intervals all below the share hold the truth, and none above.
    held = shown["covered"].astype(bool)
    assert shown["centile"][held].max() < 100 * share < shown["centile"][~held].min()


def test_units_of_the_data_do_not_matter_and_neither_does_another_design():
    z = np.random.default_rng(0).normal(size=50)
    tables = [
        intervals_of(z, unit=unit, design=name)
        for name, unit in (("a", 1e-6), ("b", 1e6))
    ]
    columns = ["lower", "error", "upper", "distance", "centile"]
    apart = [
        replicate_panels.zipped(table).intervals[columns].to_numpy(float)
        for table in tables
    ]
    assert apart[0] == pytest.approx(apart[1])
    both = replicate_panels.zipped(pd.concat(tables)).intervals
    for name, alone in zip(("a", "b"), apart, strict=True):
        here = both.loc[both["design"] == name, columns[:4]].to_numpy(float)
        assert here == pytest.approx(alone[:, :4])


def test_half_widths_are_one_on_average_over_estimators_of_a_design():
    z = np.zeros(40)
    table = pd.concat(
        [
            intervals_of(z, half=half, estimator=name)
            for name, half in (("short", 1.0), ("long", 3.0))
        ]
    )
    shown = replicate_panels.zipped(table).intervals
    half = (shown["upper"] - shown["lower"]).astype(float) / 2
    of_each = half.groupby(shown["estimator"]).mean()
    assert of_each.to_dict() == pytest.approx({"short": 0.5, "long": 1.5})


def test_replicates_that_share_contributors_tell_coverage_no_better_than_they_are():
    """A data set whose contributors all miss is one case, not as many."""
    z = np.repeat([0.0] * 15 + [9.0] * 5, 30)
    contributors = {"level": 0, "level_name": "tool", "parameter": "mu"}
    contributors |= {"contributor": np.tile(np.arange(30), 20), "label": "x"}
    together = intervals_of(z, **contributors, replicate=np.repeat(np.arange(20), 30))
    alone = intervals_of(z)
    widths = []
    for table in (together, alone):
        (told,) = replicate_panels.zipped(table).covered.to_dict("records")
        assert told["share"] == 0.75
        widths.append(told["upper"] - told["lower"])
    assert widths[0] > 4 * widths[1]


def test_estimators_without_intervals_have_none():
    table = intervals_of([0.0, 1.0]).assign(lower_95=np.nan)
    panel = replicate_panels.zipped(table)
    assert panel.intervals.empty
    assert panel.covered.empty
    assert "no estimator" in replicate_figures.zipped(panel).texts[0].get_text()


def sigmas(low, high, truth=(1.0, 1.0)):
    return pd.DataFrame(
        {
            "set_lower": np.sqrt(low),
            "set_upper": np.sqrt(high),
            "truth": truth,
            "level_name": ["tool", "person"],
            "label": ["A", "<b>"],
        }
    )


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_the_edge_of_the_identified_set_keeps_the_sum_and_ends_where_sets_end(unit):
    low, high = np.array([0.5, 0.0]) * unit**2, np.array([2.5, 2.0]) * unit**2
    draws = np.full((10, 2), unit)
    panel = ridge_panel.ridge(draws, sigmas(low, high, (unit, unit)), "told", 2)
    edge = panel.places[panel.places["kind"] == "set"]
    squares = edge[["across", "upwards"]].to_numpy(float) ** 2
    assert squares.sum(axis=1) == pytest.approx(low[0] + high[1])
    assert squares[0] == pytest.approx([low[0], high[1]])
    assert squares[-1] == pytest.approx([high[0], low[1]])
    assert (np.diff(squares[:, 0]) > 0).all()
    assert panel.across.label == "sigma of tool/A"
    assert panel.upwards.label == "sigma of person/<b>"
    replicate_figures.ridge(panel).canvas.draw()


def test_draws_of_a_ridge_are_some_of_those_given_and_the_truth_is_the_truth():
    draws = np.random.default_rng(0).lognormal(size=(5000, 2))
    low, high = np.zeros(2), np.ones(2)
    panel = ridge_panel.ridge(draws, sigmas(low, high, (0.3, 0.4)), "told", 2)
    of = dict(list(panel.places.groupby("kind")))
    shown = of["draw"][["across", "upwards"]].to_numpy(float)
    assert len(shown) == ridge_panel.DRAWS
    assert {*map(tuple, shown)} <= {*map(tuple, draws)}
    assert of["truth"][["across", "upwards"]].to_numpy().tolist() == [[0.3, 0.4]]


def test_where_all_fits_failed_there_is_no_ridge():
    nobody = sigmas(np.zeros(2), np.ones(2)).iloc[:0]
    panel = ridge_panel.ridge(np.zeros((0, 2)), nobody, "told", 2)
    assert panel.places.empty
    assert "nothing" in replicate_figures.ridge(panel).texts[0].get_text()


def test_spreads_are_of_every_quantity_of_every_design():
    designs = {"a": Design(LEVELS, 10), "b": Design(Levels.of([2, 2]), 10, mu_sd=3.0)}
    problems = {name: design.problem() for name, design in designs.items()}
    table = replicate_panels.spreads({"e": problems, "f": problems})
    assert len(table) == 2 * sum(
        3 * d.levels.contributors + 2 for d in designs.values()
    )
    mu = table.query("design == 'b' and parameter == 'mu'")["prior"]
    assert mu.to_numpy() == pytest.approx(3.0 * np.sqrt(0.5))


def posterior(folder, levels, designs=()):
    """Write draws of sigma that say whose they are: replicate + contributor / 10."""
    titles = list(levels.titles)
    shape = 3, 2, 5, len(titles)
    sigma = np.arange(3.0)[:, None, None, None] + np.arange(len(titles)) / 10
    names, values = ["replicate", "chain", "draw", "contributor"], np.zeros(shape)
    draws = xr.Dataset(
        {"sigma": (names, values + sigma)},
        coords={"replicate": range(3), "contributor": titles},
    )
    if designs:
        parts = [draws + 100 * number for number in range(len(designs))]
        # Designs of one file may order and lack contributors as they like.
        parts[0] = parts[0].isel(contributor=slice(None, None, -1))
        draws = xr.concat(parts, pd.Index(designs, name="design"), join="outer")
    path = str(folder / "posterior.nc")
    xr.DataTree.from_dict({"posterior": draws}).to_netcdf(path, engine="h5netcdf")
    return path


@pytest.mark.parametrize("designs", [(), ("first", "second")])
def test_draws_are_of_the_design_the_data_set_and_the_contributors_asked_for(
    designs, tmp_path
):
    levels = Levels.of([1, 3])
    path = posterior(tmp_path, levels, designs)
    for number, design in enumerate(designs or ["only"]):
        fits = pd.DataFrame({"design": design, "replicate": range(3)}, index=range(3))
        for converged, errors, expected in (
            ([True] * 3, [None] * 3, 0),
            ([False, False, True], [None] * 3, 2),
            ([False] * 3, ["it broke", None, None], 1),
        ):
            table = fits.assign(converged=converged, error=errors)
            found, replicate = ridges.draws(path, levels, table)
            assert replicate == expected
            assert found.shape == (10, 4)
            own = 100 * number + expected + np.arange(4) / 10
            assert found[0] == pytest.approx(own)
        failed = fits.assign(converged=False, error="it broke")
        found, replicate = ridges.draws(path, levels, failed)
        assert (found.shape, replicate) == ((0, 4), -1)


def test_the_least_noisy_of_two_levels_are_set_against_each_other():
    estimates = pd.DataFrame(
        {"level": [0, 0, 1, 1, 1, 2], "set_lower": [0.5, 0.0, 2.0, 3.0, 0.0, 0.0]}
    )
    assert ridges.contributors(estimates) == [1, 4]
    assert ridges.contributors(estimates.assign(set_lower=np.nan)) == [0, 2]
    assert ridges.contributors(estimates.iloc[:0]) == []
