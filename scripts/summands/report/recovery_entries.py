"""The figures of a recovery study; see `registry`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from summands.report import grids, ridges
from summands.report.axes import Axis
from summands.report.entries import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from summands.report.page.content import Chart
    from summands.report.reading import Tables
    from summands.study.study import Study


# What is imported is named in full: the digest of a rule's code follows names alone.
def _draw(module: str, name: str) -> Callable[[Any], Figure]:
    """Draw a panel with a function of this package."""

    def draw(panel: Any) -> Figure:
        from summands.report import (
            design_figures,
            figures,
            grid_figures,
            plan_figures,
            power_figures,
            replicate_figures,
        )

        modules = {
            "design_figures": design_figures,
            "figures": figures,
            "grid_figures": grid_figures,
            "plan_figures": plan_figures,
            "power_figures": power_figures,
            "replicate_figures": replicate_figures,
        }
        figure: Figure = getattr(modules[module], name)(panel)
        return figure

    return draw


def _chart(
    module: str, name: str, *, estimators: bool = True
) -> Callable[[Any, Entry, list[str]], Chart]:
    """Make a chart of a panel with a function of `report.page`."""

    def make(panel: Any, entry: Entry, names: list[str]) -> Chart:
        from summands.report.page import (
            design_charts,
            estimate_charts,
            fit_charts,
            grid_charts,
            plan_charts,
            power_charts,
            replicate_charts,
        )

        modules = {
            "design_charts": design_charts,
            "estimate_charts": estimate_charts,
            "fit_charts": fit_charts,
            "grid_charts": grid_charts,
            "plan_charts": plan_charts,
            "power_charts": power_charts,
            "replicate_charts": replicate_charts,
        }
        told = [names] if estimators else []
        chart: Chart = getattr(modules[module], name)(
            panel, entry.name, entry.shows, entry.source, *told
        )
        return chart

    return make


def _panel(name: str) -> Callable[[Tables], Any]:
    """Make a panel of a recovery study's tables."""

    def make(tables: Tables) -> Any:
        from summands.report import recovery_panels

        return getattr(recovery_panels, name)(tables)

    return make


def _metrics(metrics: tuple[str, ...], axis: Axis, tables: Tables) -> Any:
    from summands.report import recovery_panels

    return recovery_panels.metrics(tables, metrics, axis)


def _of_metrics(name: str, shows: str, metrics: tuple[str, ...], axis: Axis) -> Entry:
    """Enter a figure of metrics by design, of which the first is the main one."""
    return Entry(
        name,
        shows,
        ("recovery", "fits"),
        partial(_metrics, metrics, axis),
        _draw("design_figures", "metrics_by_design"),
        _chart("design_charts", "by_design"),
        (("gate", "==", "common"), ("metric", "in", metrics)),
    )


def _with_grid(study: Study) -> bool:
    """Whether designs differ in several ways, so that loops can be nested."""
    return len(grids.varied(study.designs.values())) > 1


def _with_many(study: Study) -> bool:
    """Whether there are more designs than can be shown one by one."""
    return _with_grid(study) and len(study.designs) > grids.NAMED_DESIGNS


def _plans(study: Study) -> bool:
    return bool(study.plan)


def _with_power(study: Study) -> bool:
    """Whether designs of the grid differ in their rows, and in their truths."""
    return {"rows", "truth"} <= {*grids.varied(study.designs.values())}


def _with_ridge(study: Study) -> bool:
    return ridges.chosen(study) is not None


def _ranks_truths(study: Study) -> bool:
    """Whether a study has truths from their prior, and draws that they rank among."""
    return study.with_drawn_truth and any(
        entry.module.SAMPLES for entry in study.estimators.values()
    )


_OVER_TOTAL = "/ total standard deviation (of variances: total variance)"

# All of them, in the order of a report.
OF_STUDIES = (
    Entry(
        "plan",
        "what is wanted over the number of rows",
        ("rows_needed", "plan_curves"),
        _panel("plan"),
        _draw("plan_figures", "plan"),
        _chart("plan_charts", "plan"),
        condition=_plans,
    ),
    Entry(
        "forest",
        "estimators side by side",
        ("recovery",),
        _panel("pooled"),
        _draw("grid_figures", "pooled"),
        _chart("grid_charts", "pooled"),
        (("gate", "==", "common"),),
    ),
    Entry(
        "grid",
        "map over the grid",
        ("recovery",),
        _panel("heat"),
        _draw("grid_figures", "heat"),
        _chart("grid_charts", "heat"),
        (("gate", "==", "common"),),
        condition=_with_many,
    ),
    Entry(
        "nested_loop",
        "error in nested loops over the grid",
        ("recovery",),
        _panel("nested_loop"),
        _draw("grid_figures", "nested_loop"),
        _chart("grid_charts", "nested_loop"),
        (("gate", "==", "common"), ("metric", "==", "rmse_over_total")),
        condition=_with_grid,
    ),
    Entry(
        "truth",
        "truth against estimate",
        ("estimates", "fits"),
        _panel("truth"),
        _draw("figures", "truth_against_estimate"),
        _chart("estimate_charts", "scatter"),
    ),
    _of_metrics(
        "error",
        "error by design",
        ("rmse_over_total",),
        Axis(f"root mean squared error {_OVER_TOTAL}", "log", brief="error / total"),
    ),
    _of_metrics(
        "coverage",
        "coverage by design",
        ("coverage_95", "coverage_50"),
        Axis(
            "share of intervals that hold the truth (hollow: 50 %, full: 95 %)",
            limits=(-0.03, 1.03),
            marks=(0.5, 0.95),
            brief="share that hold the truth",
        ),
    ),
    _of_metrics(
        "width",
        "width of intervals by design",
        ("width_95_over_total",),
        Axis(f"width of 95 % intervals {_OVER_TOTAL}", "log", brief="width / total"),
    ),
    _of_metrics(
        "efficiency",
        "error over the Cramér-Rao bound",
        ("rmse_over_bound",),
        Axis(
            "root mean squared error / Cramér-Rao bound",
            "log",
            marks=(1.0,),
            brief="error / bound",
        ),
    ),
    _of_metrics(
        "ranking",
        "how often the largest is named",
        ("top_rate",),
        Axis(
            "share of data sets in which the largest of a level is named",
            limits=(-0.03, 1.03),
            brief="share named",
        ),
    ),
    _of_metrics(
        "decisions",
        "how often what is off is detected, and false alarms",
        ("worst_detection_rate", "false_alarm_rate"),
        Axis(
            "share of data sets in which the farthest from the average is detected "
            "(hollow: of contributors, with a false alarm)",
            limits=(-0.03, 1.03),
            marks=(0.05,),
            brief="share",
        ),
    ),
    Entry(
        "power",
        "what is detected with how many rows",
        ("recovery",),
        _panel("power"),
        _draw("power_figures", "power"),
        _chart("power_charts", "power"),
        (
            ("gate", "==", "common"),
            ("metric", "in", ("worst_detection_rate", "false_alarm_rate")),
        ),
        condition=_with_power,
    ),
    Entry(
        "zip",
        "intervals by their distance from the truth",
        ("estimates",),
        _panel("zipped"),
        _draw("replicate_figures", "zipped"),
        _chart("replicate_charts", "zipped"),
    ),
    Entry(
        "contraction",
        "what posteriors learnt, and how far off they are",
        ("estimates", "fits"),
        _panel("contraction"),
        _draw("replicate_figures", "contraction"),
        _chart("replicate_charts", "contraction"),
        condition=_ranks_truths,
    ),
    Entry(
        "calibration",
        "ranks of truths among draws",
        ("estimates", "fits", "calibration"),
        _panel("ranks"),
        _draw("figures", "ranks_by_design"),
        _chart("estimate_charts", "ranks", estimators=False),
        condition=_ranks_truths,
    ),
    Entry(
        "ridge",
        "what data do not tell of two levels",
        ("estimates", "fits", "posterior"),
        _panel("ridge"),
        _draw("replicate_figures", "ridge"),
        _chart("replicate_charts", "ridge", estimators=False),
        condition=_with_ridge,
    ),
    Entry(
        "convergence",
        "convergence by design",
        ("fits",),
        _panel("convergence"),
        _draw("design_figures", "metrics_by_design"),
        _chart("design_charts", "by_design"),
    ),
    Entry(
        "cost",
        "cost by design",
        ("fits",),
        _panel("cost"),
        _draw("design_figures", "metrics_by_design"),
        _chart("design_charts", "by_design"),
    ),
    Entry(
        "failures",
        "failures by estimator and design",
        ("failures",),
        _panel("outcomes"),
        _draw("replicate_figures", "outcomes"),
        _chart("fit_charts", "outcomes"),
    ),
)
