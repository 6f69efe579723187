import dataclasses
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import pytest

from summands.data.design import Design
from summands.data.layouts import Balanced
from summands.data.noises import Contaminated
from summands.data.truths import OneOff
from summands.model.levels import Levels
from summands.recovery import montecarlo
from summands.report import grid_figures, grid_panels
from summands.report.axes import Axis

AXIS = Axis("error", "log")


def grid_of(**settings):
    """Designs of all combinations of some settings."""
    default = {"levels": [[1, 2]], "rows": [100], "mu_sd": [1.0]}
    default |= settings
    found = [
        Design(Levels.of(levels), rows, mu_sd=sd)
        for levels, rows, sd in product(*default.values())
    ]
    return {design.id: design for design in found}


def metric_of(designs, function, metric="rmse_over_total", estimators=("e",), **more):
    """A metric of every design, as a function of it."""
    rows = [
        {"design": name, "estimator": estimator, "value": function(design)}
        for name, design in designs.items()
        for estimator in estimators
    ]
    more = {"parameter": "mu", "carried": False, "replicates": 20} | more
    table = pd.DataFrame(rows).assign(metric=metric, **more)
    return table.assign(lower=table["value"] / 1.5, upper=table["value"] * 1.5)


def test_factors_are_what_designs_of_a_grid_differ_in():
    designs = grid_of(rows=[1000, 60], levels=[[1, 2], [1, 3]])
    designs["own"] = Design(
        Levels.of([1, 1]), 7, coefficients=(((0.0, 1.0),), ((0.0, 1.0),)), name="own"
    )
    table = grid_panels.factors(designs)
    assert list(table.columns) == ["contributors per level", "rows"]
    assert "own" not in table.index
    # Numbers in their order, whatever that of the study.
    assert table.attrs["settings"]["rows"] == ["60", "1,000"]
    for name, design in designs.items():
        if name != "own":
            place = table.loc[name, "rows"]
            assert [60, 1000][place] == design.rows


def test_mechanisms_are_factors():
    plain = Design(Levels.of([1, 2]), 100)
    designs = {
        str(number): dataclasses.replace(plain, **changes)
        for number, changes in enumerate(
            (
                {},
                {"noise": Contaminated(0.01, 10.0), "layout": Balanced()},
                {"drift": 0.5, "truth": OneOff(3.0)},
            )
        )
    }
    table = grid_panels.factors(designs)
    assert table.attrs["settings"] == {
        "truth": ["drawn", "one_off-shift-3"],
        "layout": ["uniform", "balanced"],
        "noise": ["normal", "contaminated-share-0.01-factor-10"],
        "drift": ["0", "0.5"],
    }


def test_the_factor_that_matters_most_is_the_outermost_loop():
    designs = grid_of(rows=[10, 100, 1000], mu_sd=[0.5, 1.0, 2.0])
    table = grid_panels.factors(designs)
    for function, outermost in (
        (lambda d: d.rows**-0.5 * (1 + 0.01 * d.mu_sd), "rows"),
        (lambda d: d.mu_sd * (1 + 1e-5 * d.rows), "mu_sd"),
    ):
        loop = grid_panels.nested_loop(metric_of(designs, function), table, AXIS)
        assert loop.factors[0] == outermost
        assert loop.averaged == ()
        # The outermost changes least often along the way.
        changes = {
            factor: (part.sort_values("position")["height"].diff() != 0).sum()
            for factor, part in loop.settings.groupby("factor")
        }
        assert min(changes, key=changes.get) == outermost
        values = loop.values.set_index("combination")["value"]
        assert len(values) == len(designs)
        assert sorted(values) == pytest.approx(sorted(map(function, designs.values())))


def test_estimators_keep_their_order_along_a_loop():
    """Their colours follow it."""
    designs = grid_of(rows=list(range(100, 120)), mu_sd=[0.5, 1.0, 2.0])
    names = ("z", "a", "m", "b", "y")
    table = metric_of(designs, lambda d: d.mu_sd / d.rows, estimators=names)
    loop = grid_panels.nested_loop(table, grid_panels.factors(designs), AXIS)
    for _, here in loop.values.groupby("position"):
        assert tuple(here["estimator"]) == names


def test_every_combination_says_its_own_settings():
    designs = grid_of(rows=[10, 1000], mu_sd=[0.5, 2.0], levels=[[1, 2], [3, 3]])
    table = grid_panels.factors(designs)
    loop = grid_panels.nested_loop(
        metric_of(designs, lambda d: 1.0 / d.rows), table, AXIS
    )
    for row in loop.values.to_dict("records"):
        (rows,) = [
            part.removeprefix("rows ").replace(",", "")
            for part in row["combination"].split("; ")
            if part.startswith("rows ")
        ]
        assert row["value"] == pytest.approx(1.0 / float(rows))
        here = loop.settings[loop.settings["position"] == row["position"]]
        for factor, setting in zip(here["factor"], here["setting"], strict=True):
            assert f"{factor} {setting}" in row["combination"]


def test_too_many_combinations_are_averaged_over_what_matters_least():
    designs = grid_of(
        rows=list(range(100, 120)),
        mu_sd=[0.1 * n for n in range(1, 21)],
        levels=[[1, 2], [1, 3], [1, 4]],
    )
    assert len(designs) > grid_panels.LOOPS
    table = grid_panels.factors(designs)

    def error(design):
        return design.mu_sd * design.levels.contributors**2 * (design.rows / 110) ** 0.1

    loop = grid_panels.nested_loop(metric_of(designs, error), table, AXIS)
    assert loop.averaged == ("rows",)
    assert len(loop.values) == 60
    assert (loop.values["designs"] == 20).all()
    logs = np.log(list(map(error, designs.values())))
    assert np.log(loop.values["value"]).mean() == pytest.approx(logs.mean())
    grid_figures.nested_loop(loop).canvas.draw()


@pytest.mark.parametrize("metric", ["rmse_over_total", "coverage_95"])
def test_cells_of_a_map_are_means_over_the_designs_with_both_settings(metric):
    designs = grid_of(rows=[10, 100, 1000], mu_sd=[1.0, 2.0], levels=[[1, 2], [1, 5]])
    table = grid_panels.factors(designs)
    rng = np.random.default_rng(0)
    noise = {name: rng.uniform(0.9, 1.0) for name in designs}

    def value(design):
        return noise[design.id] * design.rows**-0.2 * design.mu_sd**-0.9

    panel = grid_panels.heat(metric_of(designs, value, metric), table)
    assert (panel.across, panel.upwards) == ("rows", "mu_sd")
    assert panel.averaged == ("contributors per level",)
    assert len(panel.cells) == 6
    log = grid_panels.METRICS[metric][2]
    for cell in panel.cells.to_dict("records"):
        own = [
            value(design)
            for design in designs.values()
            if f"{design.rows:,}" == cell["across"]
            and f"{design.mu_sd:g}" == cell["upwards"]
        ]
        assert cell["designs"] == len(own) == 2
        mean = np.exp(np.log(own).mean()) if log else np.mean(own)
        assert cell["value"] == pytest.approx(mean)
    grid_figures.heat(panel).canvas.draw()


def test_the_worst_are_listed_worst_first_and_coverage_on_either_side():
    designs = grid_of(rows=list(range(100, 150)))
    error = metric_of(designs, lambda d: float(d.rows), estimators=("e", "f"))
    covered = metric_of(
        designs,
        lambda d: {149: 0.5, 148: 1.0, 147: 0.91}.get(d.rows, 0.95),
        "coverage_95",
    )
    cases = grid_panels.worst_cases(pd.concat([error, covered], ignore_index=True))
    assert tuple(cases.columns) == grid_panels.CASES
    counts = cases.groupby(["metric", "parameter", "estimator"]).size()
    assert (counts == grid_panels.WORST).all()
    for name in ("e", "f"):
        here = (cases["metric"] == "rmse_over_total") & (cases["estimator"] == name)
        assert cases["value"][here].tolist() == [149, 148, 147]
    here = cases["metric"] == "coverage_95"
    assert cases["value"][here].tolist() == [0.5, 1.0, 0.91]


@pytest.mark.parametrize(
    ("metric", "log"), [("rmse_over_total", True), ("coverage_95", False)]
)
def test_more_designs_tell_their_mean_better(metric, log):
    widths = {}
    for count in (1, 16):
        designs = grid_of(rows=list(range(100, 100 + count)))
        table = metric_of(designs, lambda d: 0.5, metric)
        panel = grid_panels.pooled(table, dict.fromkeys(designs, 2))
        (row,) = panel.rows.to_dict("records")
        assert row["designs"] == count
        assert row["value"] == pytest.approx(0.5)
        assert row["size"] == "100 to 300"
        ends = np.array([row["lower"], row["upper"]])
        widths[count] = np.diff(np.log(ends) if log else ends)[0]
    assert widths[16] == pytest.approx(widths[1] / 4)


def over_rows(factor, design):
    return factor / design.rows


def test_pools_keep_sizes_estimators_and_parameters_apart():
    designs = grid_of(rows=[50, 5000])
    classes = dict(zip(designs, (1, 4), strict=True))
    parts = [
        metric_of(designs, partial(over_rows, factor), estimators=(name,), parameter=of)
        for factor, name, of in (
            (1.0, "e", "mu"),
            (2.0, "f", "mu"),
            (3.0, "e", "sigma"),
        )
    ]
    rows = grid_panels.pooled(pd.concat(parts), classes).rows
    assert len(rows) == 6
    found = rows.set_index(["size", "estimator", "parameter"])["value"]
    assert found["30 to 100", "f", "mu"] == pytest.approx(2.0 / 50)
    assert found["More than 1,000", "e", "sigma"] == pytest.approx(3.0 / 5000)
    # Small designs come first.
    assert rows["size"].iloc[0] == "30 to 100"
    grid_figures.pooled(grid_panels.pooled(pd.concat(parts), classes)).canvas.draw()


def test_an_interval_that_is_not_known_adds_nothing():
    designs = grid_of(rows=[100, 110])
    table = metric_of(designs, lambda d: 1.0)
    table.loc[0, ["lower", "upper"]] = np.nan
    mean, low, high = grid_panels.mean_over_designs(table, log=True)
    assert mean == pytest.approx(1.0)
    assert (low, high) == pytest.approx((1.5**-0.5, 1.5**0.5))
    # A share of zero has no logarithm, and an interval down to it no end.
    table.loc[1, "lower"] = 0.0
    assert np.isfinite(grid_panels.mean_over_designs(table, log=True)).all()


def test_the_interval_of_a_mean_of_shares_holds_what_is_true():
    """Of many designs with few data sets each, most of which hold all truths."""
    rng = np.random.default_rng(0)
    designs, replicates, true = 200, 10, 0.95
    held = rng.binomial(replicates, true, size=(300, designs)) / replicates
    kind = np.full(held.size, montecarlo.SHARE)
    counts = np.full(held.size, replicates)
    share = held.ravel()
    error = np.sqrt(share * (1 - share) / (replicates - 1))
    lower, upper = montecarlo.intervals(kind, share, error, counts, counts * 1.0)
    columns = {"value": share, "lower": lower, "upper": upper}
    table = pd.DataFrame(columns).assign(study=np.repeat(np.arange(300), designs))
    ends = np.array(
        [
            grid_panels.mean_over_designs(part, log=False)
            for _, part in table.groupby("study")
        ]
    )
    inside = (ends[:, 1] < true) & (true < ends[:, 2])
    assert inside.mean() > 0.9
    # Misses on both sides are about as rare, and the interval is not far too wide.
    assert (ends[:, 1] > true).mean() < 0.06
    assert (ends[:, 2] < true).mean() < 0.06
    spread = 1.96 * np.sqrt(true * (1 - true) / (designs * replicates))
    assert np.diff(ends[:, 1:], axis=1).mean() < 2.5 * 2 * spread
