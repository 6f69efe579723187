import dataclasses
from itertools import product

import numpy as np
import pandas as pd
import pytest

from summands.data.design import Design
from summands.data.truths import OneOff
from summands.model.levels import Levels
from summands.report import power_figures, power_panels
from summands.report.page import power_charts
from summands.report.page.content import Source

LEVELS = Levels.of([1, 2, 4])
TRUTHS = (
    OneOff(level=2),
    OneOff(shift=0.5, level=2),
    OneOff(noise=2.0, level=2),
)
ROWS = (40, 400)


def grid_of(truths=TRUTHS, rows=ROWS, **settings):
    found = [
        Design(LEVELS, count, truth=truth, **settings)
        for truth, count in product(truths, rows)
    ]
    return {design.id: design for design in found}


def recovery_of(designs, rate, estimators=("e", "f")):
    """Rows of the table: `rate` gives a metric's value, None where it is absent."""
    rows = [
        {
            "design": name,
            "estimator": estimator,
            "parameter": parameter,
            "level": level,
            "metric": metric,
            "value": value,
        }
        for (name, design), estimator, parameter, level, metric in product(
            designs.items(),
            estimators,
            ("mu", "variance_contrast"),
            (1, 2),
            power_panels.METRICS,
        )
        if (value := rate(design, parameter, level, metric)) is not None
    ]
    columns = {"gate": "common", "contributor": np.nan, "worst": np.nan}
    columns |= {"level_name": "1", "worst_label": None, "replicates": 200}
    table = pd.DataFrame(rows).assign(**columns, largest_share=0.0)
    return table.assign(
        lower=(table["value"] - 0.02).clip(0),
        upper=(table["value"] + 0.02).clip(None, 1),
    )


def as_simulated(design, parameter, level, metric):
    off = level == 2 and (
        design.truth.shift if parameter == "mu" else design.truth.noise - 1
    )
    if metric == "worst_detection_rate":
        return 1 - np.exp(-design.rows / 400) if off else None
    return 0.05 if level == 2 else 0.3


def test_curves_are_of_what_is_off_and_of_false_alarms_where_nothing_is():
    designs = grid_of()
    panel = power_panels.power(recovery_of(designs, as_simulated), designs)
    assert panel.truths == ("all alike", "shift 0.5", "noise 2")
    found = panel.curves
    assert len(found) == 2 * 2 * 3 * len(ROWS)
    for (parameter, truth), part in found.groupby(["parameter", "truth"]):
        told = {"mu": "shift", "variance_contrast": "noise"}[parameter]
        for _, curve in part.groupby("estimator"):
            # Rows of a contributor of the level at which one is off.
            assert curve["size"].tolist() == pytest.approx([10.0, 100.0])
            assert (curve["designs"] == 1).all()
            if truth.startswith(told):
                assert (curve["kind"] == "detected").all()
                expected = [1 - np.exp(-rows / 400) for rows in ROWS]
                assert curve["value"].tolist() == pytest.approx(expected)
            else:
                assert (curve["kind"] == "false alarm").all()
                # That of the other level does not count.
                assert curve["value"].tolist() == pytest.approx([0.05, 0.05])
            assert (curve["lower"] <= curve["value"]).all()
            assert (curve["value"] <= curve["upper"]).all()


def test_what_else_designs_differ_in_is_averaged_over():
    designs = grid_of() | grid_of(drift=0.5)

    def rate(design, parameter, level, metric):
        value = as_simulated(design, parameter, level, metric)
        return value if value is None or not design.drift else value / 2

    panel = power_panels.power(recovery_of(designs, rate), designs)
    assert (panel.curves["designs"] == 2).all()
    alarms = panel.curves["kind"] == "false alarm"
    assert panel.curves["value"][alarms].to_numpy() == pytest.approx(0.0375)


def test_of_drawn_truths_all_levels_count_and_named_designs_do_not():
    designs = grid_of(("drawn",))
    own = (((0.0, 1.0),), ((0.0, 1.0), (1.0, 1.0)), ((0.0, 1.0),) * 4)
    named = Design(LEVELS, 77, coefficients=own, name="own")
    designs["own"] = dataclasses.replace(named, mu_sd=None)
    rates = {1: 0.2, 2: 0.6}
    table = recovery_of(designs, lambda design, parameter, level, metric: rates[level])
    curves = power_panels.power(table, designs).curves
    assert (curves["kind"] == "detected").all()
    assert curves["value"].to_numpy() == pytest.approx(0.4)
    sizes = sorted(set(curves["size"]))
    assert sizes == pytest.approx([rows / np.sqrt(2 * 4) for rows in ROWS])


def test_the_figure_draws_every_curve_and_says_what_is_not_estimated():
    designs = grid_of()
    table = recovery_of(designs, as_simulated)
    table = table[(table["estimator"] == "e") | (table["parameter"] == "mu")]
    panel = power_panels.power(table, designs)
    figure = power_figures.power(panel)
    figure.canvas.draw()
    axes = np.reshape(figure.axes, (2, 2))
    assert [place.get_title() for place in axes[0]] == ["e", "f"]
    called = [place.get_ylabel() for place in axes[:, 0]]
    assert called == ["mu", "variance contrast"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(panel.truths)
    for (parameter, estimator), place in zip(
        product(("mu", "variance_contrast"), ("e", "f")), axes.flat, strict=True
    ):
        curves = panel.curves
        held = curves[
            (curves["parameter"] == parameter) & (curves["estimator"] == estimator)
        ]
        lines = [line for line in place.lines if len(line.get_xdata()) == len(ROWS)]
        drawn = {tuple(line.get_ydata()) for line in lines}
        assert {tuple(part["value"]) for _, part in held.groupby("truth")} <= drawn
        words = [text.get_text() for text in place.texts]
        assert words == ["not estimated"] * held.empty


def test_nothing_to_show():
    empty = recovery_of(grid_of(), as_simulated).iloc[:0]
    panel = power_panels.power(empty, grid_of())
    assert panel.curves.empty
    (words,) = [text.get_text() for text in power_figures.power(panel).texts]
    assert "nothing to show" in words
    chart = power_charts.power(panel, "power", "t", Source("recovery"), ["e"])
    assert chart.data.empty
