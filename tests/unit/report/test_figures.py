import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.figure import Figure

from summands.report import (
    answer_figures,
    answer_panels,
    design_figures,
    design_panels,
    figures,
    panels,
    plotting,
    registry,
)
from summands.report.axes import Axis

from ..observed_tables import made
from ..studies import study_tables

MANY = [f"design_{number}" for number in range(60)]
METRICS = ("error", "coverage", "width", "efficiency", "ranking", "decisions")


def scatter(estimates, fits):
    panel = panels.truth_against_estimate(estimates, fits)
    figure = figures.truth_against_estimate(panel)
    figure.canvas.draw()
    return panel, figure


def of_metrics(name, recovery, sizes):
    metrics, axis = registry.FIGURES[name].panel.args
    panel = design_panels.metrics_by_design(recovery, sizes, metrics, axis)
    figure = design_figures.metrics_by_design(panel)
    figure.canvas.draw()
    return panel, figure


def frames_of(*arguments, **options):
    whole, _ = study_tables(*arguments, **options)
    return {name: table.to_pandas() for name, table in whole.items()}


def names_of(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def drawn(axis):
    """All points that axes show: of lines, of bars, of bands."""
    found = [line.get_xydata() for line in axis.lines]
    for collection in axis.collections:
        if isinstance(collection, LineCollection):
            found += [np.asarray(segment) for segment in collection.get_segments()]
        elif isinstance(collection, PolyCollection):
            # What closes a path is no point.
            found += [path.vertices[:-1] for path in collection.get_paths()]
        else:
            found.append(np.asarray(collection.get_offsets()))
    points = np.concatenate([np.zeros((0, 2)), *found])
    return points[np.isfinite(points).all(axis=1)]


def assert_drawn_numbers_are(found, *columns):
    """Every number drawn is one of a panel, and every one of the panel is drawn."""
    held = np.concatenate([np.asarray(column, dtype=float) for column in columns])
    held, found = np.unique(held[np.isfinite(held)]), np.unique(found)

    def lacking(numbers, others):
        near = np.abs(numbers[:, None] - others).min(axis=1)
        return numbers[near > 1e-9 * (1 + np.abs(numbers))]

    assert lacking(found, held).tolist() == []
    assert lacking(held, found).tolist() == []


@pytest.fixture(scope="module")
def frames():
    return frames_of()


@pytest.fixture(scope="module")
def recovery_of_many():
    return frames_of(MANY)["recovery"]


def test_the_points_of_the_scatter_plot_are_those_of_its_panel(frames):
    panel, figure = scatter(frames["estimates"], frames["fits"])
    shape = panel.facets["estimator"].nunique(), len(panel.axes)
    axes = np.reshape(figure.axes, shape)
    for line, estimator in zip(axes, ("full", "partial"), strict=True):
        for axis, parameter in zip(line, panel.axes, strict=True):
            held = panel.points[
                (panel.points["estimator"] == estimator)
                & (panel.points["parameter"] == parameter)
            ]
            points = [
                np.asarray(collection.get_offsets())
                for collection in axis.collections
                if isinstance(collection, PathCollection)
            ]
            found = np.concatenate([np.zeros((0, 2)), *points])
            expected = held[["truth", "shown"]].to_numpy()
            assert sorted(found.tolist()) == sorted(expected.tolist())
            across, upwards = panel.axes[parameter]
            assert axis.get_xlim() == pytest.approx(across.limits)
            assert axis.get_ylim() == pytest.approx(upwards.limits)
            texts = [text.get_text() for text in axis.texts]
            assert ("not estimated" in texts) == held.empty
    assert names_of(figure) == ["converged", "not converged"]


@pytest.mark.parametrize("name", METRICS)
def test_numbers_of_named_designs_are_those_of_their_panel(name, frames):
    panel, figure = of_metrics(name, frames["recovery"], {"one": 10.0, "two": 20.0})
    parameters = panels.present(panel.designs)
    for axis, parameter in zip(figure.axes, parameters, strict=True):
        held = panel.designs[panel.designs["parameter"] == parameter]
        main = held[held["metric"] == panel.metrics[0]]
        columns = [held[name] for name in ("value", "lower", "upper")]
        assert_drawn_numbers_are(
            drawn(axis)[:, 0], *columns, main["worst"], panel.axis.marks
        )
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["one", "two"]
    assert figure.get_supxlabel() == panel.axis.label


@pytest.mark.parametrize("name", METRICS)
def test_numbers_of_many_designs_are_those_of_their_panel(name, recovery_of_many):
    sizes = {design: 10.0 * (number + 1) for number, design in enumerate(MANY)}
    panel, figure = of_metrics(name, recovery_of_many, sizes)
    parameters = panels.present(panel.designs)
    for axis, parameter in zip(figure.axes, parameters, strict=True):
        held = panel.steps[panel.steps["parameter"] == parameter]
        main = held[held["metric"] == panel.metrics[0]]
        names = ("value", "lower", "upper", "low", "high")
        points = drawn(axis)
        assert_drawn_numbers_are(
            points[:, 1],
            *(held[name] for name in names),
            main["worst"],
            panel.axis.marks,
        )
        # Lines of what should be run from 0 to 1, whatever the axis.
        inside = ~np.isin(points[:, 1], panel.axis.marks)
        assert_drawn_numbers_are(points[inside, 0], held["size"])
    assert figure.get_supxlabel() == "rows per contributor (60 designs)"
    assert figure.get_supylabel().replace("\n", " ") == panel.axis.label
    label = next(t for t in figure.texts if t.get_text() == figure.get_supylabel())
    box, whole = label.get_window_extent(), figure.bbox
    assert whole.y0 <= box.y0 < box.y1 <= whole.y1


def test_a_figure_says_what_one_replicate_carries_and_who_is_worst():
    columns = {"gate": "common", "contributor": np.nan, "parameter": "mu"}
    columns |= {"metric": "m", "estimator": "e", "lower": 0.5, "upper": 4.0}
    columns |= {"level_name": "saw", "worst_label": "Säge 1", "replicates": 20}
    rows = [
        {"design": "a", "value": 1.0, "worst": 2.0, "largest_share": 0.1},
        {"design": "b", "value": 3.0, "worst": np.nan, "largest_share": 0.3},
    ]
    words = []
    for some in (rows, rows[:1], rows[1:]):
        frame = pd.DataFrame(some).assign(**columns)
        sizes = {"a": 1.0, "b": 2.0}
        panel = design_panels.metrics_by_design(frame, sizes, ("m",), Axis("x", "log"))
        figure = design_figures.metrics_by_design(panel)
        words.append(names_of(figure))
        (axis,) = figure.axes
        called = [text.get_text() for text in axis.texts]
        assert called == ["saw/Säge 1"] * ("worst contributor" in words[-1])
    assert words == [
        ["e", "worst contributor", "carried by one replicate"],
        ["e", "worst contributor"],
        ["e", "carried by one replicate"],
    ]


@pytest.mark.parametrize(
    ("metric", "worst"), [("coverage_95", 0.1), ("false_alarm_rate", 0.4)]
)
def test_the_worst_of_alarms_are_the_most_and_of_other_shares_the_fewest(metric, worst):
    columns = {"gate": "common", "contributor": np.nan, "parameter": "mu"}
    columns |= {"design": "a", "estimator": "e", "level_name": "1", "replicates": 20}
    columns |= {"lower": 0.0, "upper": 1.0, "largest_share": 0.0, "metric": metric}
    rows = [
        {"value": 0.2, "worst": 0.1, "worst_label": "low"},
        {"value": 0.3, "worst": 0.4, "worst_label": "high"},
        {"value": 0.3, "worst": 0.3, "worst_label": "middle"},
    ]
    frame = pd.DataFrame(rows).assign(**columns)
    panel = design_panels.metrics_by_design(frame, {"a": 1.0}, (metric,), Axis("x"))
    (row,) = panel.designs.to_dict("records")
    label = {0.1: "1/low", 0.4: "1/high"}[worst]
    assert (row["worst"], row["worst_name"]) == (worst, label)


def test_estimates_beyond_an_axis_are_counted_and_drawn_at_its_edge():
    truth = np.linspace(-2.0, 2.0, 3000)
    keys = {"design": "d", "replicate": np.arange(3000), "estimator": "e"}
    estimates = pd.DataFrame({**keys, "parameter": "mu", "truth": truth, "sd": 0.1})
    estimates["estimate"] = truth
    estimates.loc[7, "estimate"] = 1e6
    fits = estimates[list(keys)].assign(converged=True)
    _, figure = scatter(estimates, fits)
    (axis,) = figure.axes
    top = axis.get_ylim()[1]
    assert top < 6
    assert "1 beyond the axis" in [text.get_text() for text in axis.texts]
    heights = np.concatenate([c.get_offsets()[:, 1] for c in axis.collections])
    assert heights.max() == pytest.approx(top)
    # What there is none of has no place in the legend.
    assert names_of(figure) == ["converged"]


def test_the_lines_and_bands_of_ranks_are_those_of_their_panel():
    rng = np.random.default_rng(0)
    ranks = {("mu", f"1/{k}"): rng.integers(0, 100, 200) for k in range(3)}
    ranks["log_likelihood", ""] = rng.integers(0, 100, 200)
    panel = panels.ranks_by_design(
        [panels.Ranked(name, "e", ranks, 99) for name in ("a", "b")], 0.01
    )
    figure = figures.ranks_by_design(panel)
    figure.canvas.draw()
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title() for axis in shown] == ["a", "b"]
    for axis, design in zip(shown, ("a", "b"), strict=True):
        assert len(axis.lines) == 4
        lines, band = (
            frame[frame["design"] == design] for frame in (panel.lines, panel.bands)
        )
        points = drawn(axis)
        assert_drawn_numbers_are(
            points[:, 1], lines["difference"], band["lower"], band["upper"]
        )
        assert_drawn_numbers_are(points[:, 0], band["point"])
    assert names_of(figure) == ["mu", "log likelihood"]


def test_figures_of_a_study_where_everything_failed():
    frames = frames_of(["one"], replicates=1)
    sizes = {"one": 10.0}
    for figure in (
        scatter(frames["estimates"], frames["fits"])[1],
        *(of_metrics(name, frames["recovery"], sizes)[1] for name in METRICS),
        figures.ranks_by_design(panels.ranks_by_design([], 0.01)),
    ):
        (words,) = [text.get_text() for text in figure.texts]
        assert "nothing to show" in words


@pytest.mark.parametrize("values", [{"estimate": 0.0}, {"truth": 0.0, "estimate": -1}])
def test_numbers_that_no_logarithm_has_are_drawn(values):
    """An estimator may say of every sigma that it is zero."""
    frames = frames_of(["one"])
    estimates = frames["estimates"].assign(**values, sd=1.0)
    scatter(estimates, frames["fits"])


@pytest.mark.parametrize("size", [0.0, 1e-12, 1e-6, 1.0, 1e5, 1e9, 1e200])
@pytest.mark.parametrize("centre", [0.0, 1e3, -1e6])
def test_axes_say_in_their_labels_alone_what_their_numbers_are(size, centre):
    """No factor or summand stands at their end, where it would run into others."""
    figure = Figure(layout="constrained")
    place = figure.subplots()
    values = size * (centre + np.array([-1.0, 0.3, 2.0]))
    place.plot(values, values)
    place.set_xlabel("length" + plotting.plain(place.xaxis, place.yaxis))
    figure.canvas.draw()
    unit = re.fullmatch(r"length(?: \(unit (1e-?\d+)\))?", place.get_xlabel())[1]
    for axis in (place.xaxis, place.yaxis):
        assert axis.get_offset_text().get_text() == ""
        low, high = axis.get_view_interval()
        marks = axis.get_ticklocs()
        texts = [label.get_text() for label in axis.get_ticklabels()]
        inside = (low <= marks) & (marks <= high)
        assert 2 <= inside.sum() <= 12
        assert max(map(len, texts)) < 12
        np.testing.assert_allclose(
            [float(text) * float(unit or 1) for text in texts],
            marks,
            atol=1e-3 * (high - low),
        )


@pytest.mark.parametrize("scale", [1e-7, 1.0, 1e8])
def test_figures_of_tiny_and_huge_units_have_their_units_in_labels(scale, frames):
    columns = ["truth", "estimate", "sd", "lower_95", "upper_95"]
    estimates = frames["estimates"].copy()
    estimates[columns] *= scale
    figures_drawn = [scatter(estimates, frames["fits"])[1]]
    found = made(unit=scale)
    panel = answer_panels.noise(found.frames, found.study)
    figures_drawn.append(answer_figures.forest(panel))
    for figure in figures_drawn:
        figure.canvas.draw()
        for place in figure.axes:
            for axis in (place.xaxis, place.yaxis):
                assert axis.get_offset_text().get_text() == ""
    words = [place.get_title() + place.get_xlabel() for place in figure.axes]
    assert any("unit 1e" in word for word in words) == (scale != 1)
