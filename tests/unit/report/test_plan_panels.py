"""The figure of a plan holds its curves, and what fits reach."""

import json

import numpy as np
import pandas as pd
import pytest

from summands.recovery import plans
from summands.report import plan_figures, plan_panels
from summands.report.page import plan_charts

from ..plans import TOP, WIDTH, plan_tables


def panel(**told):
    made = plan_tables(**told)
    return plan_panels.plan(
        made["plan_curves"].to_pandas(),
        made["rows_needed"].to_pandas(),
        ["full", "partial"],
    )


def test_curves_and_fits_of_a_design_have_one_name():
    made = panel()
    assert made.designs == ["levels-1-2", "levels-1-3"]
    counts = made.points.groupby(["target", "design", "kind"]).size()
    assert set(counts.xs(plan_panels.CURVE, level="kind")) == {3}
    assert set(counts.xs(plan_panels.FITS, level="kind")) == {2}


def test_of_many_designs_some_are_shown_and_the_rest_counted():
    made = panel(designs=11)
    assert len(made.designs) == plan_panels.SHOWN
    assert made.left_out == 3
    chart = plan_charts.plan(made, "plan", "rows", None, made.estimators)
    assert "3 more designs are not shown" in chart.title


@pytest.mark.parametrize("lower", [0.28, None])
def test_it_is_drawn(lower):
    figure = plan_figures.plan(panel(lower=lower))
    figure.canvas.draw()
    assert [axes.get_title() for axes in figure.axes] == [str(WIDTH), str(TOP)]
    for axes in figure.axes:
        assert len(axes.lines) == 1 + 2 * (1 + 1 + 2 * 2)


def test_a_chart_has_the_points_and_no_name_of_a_user_in_its_form():
    made = panel()
    chart = plan_charts.plan(made, "plan", "rows", None, made.estimators)
    assert len(chart.data) == len(made.points)
    assert set(chart.titles) == set(chart.data.columns)
    assert str(WIDTH) not in json.dumps(chart.spec)


def test_without_a_number_there_is_nothing_to_draw():
    nothing = plan_panels.plan(
        pd.DataFrame(columns=plans.PLAN_CURVES.names),
        pd.DataFrame([dict.fromkeys(plans.ROWS_NEEDED.names, np.nan)], dtype=object),
        ["full"],
    )
    assert nothing.points.empty
    plan_figures.plan(nothing).canvas.draw()
