import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.scale import LogTransform, SymmetricalLogTransform

import summands
from summands.recovery import calibration
from summands.report import design_panels, panels
from summands.report.axes import Axis

from ..studies import study_tables

PLAIN = Axis("metric", "log")


def estimates_of(truth, estimate, **more):
    """Estimates, a data set each, and their fits, all of which converged."""
    table = pd.DataFrame({"truth": truth, "estimate": estimate})
    keys = {"design": "d", "replicate": np.arange(len(table)), "estimator": "e"}
    table = table.assign(**{**keys, "parameter": "mu", "sd": 0.1, **more})
    return table, table[["design", "replicate", "estimator"]].assign(converged=True)


def metrics_of(rows, **more):
    """Rows of recovery.parquet, for which what is not named is nothing special."""
    common = {"gate": "common", "contributor": np.nan, "parameter": "mu"}
    common |= {"metric": "m", "estimator": "e", "level": 0, "largest_share": 0.1}
    common |= {"lower": np.nan, "upper": np.nan, "worst": np.nan}
    common |= {"level_name": "tool", "worst_label": "A", "replicates": 20} | more
    return pd.DataFrame([common | row for row in rows])


def by_design(rows, sizes=None, axis=PLAIN, **more):
    frame = metrics_of(rows, **more)
    sizes = sizes or dict.fromkeys(frame["design"], 1.0)
    return design_panels.metrics_by_design(frame, sizes, ("m",), axis)


def test_panels_need_no_matplotlib():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import summands.report.panels, summands.report.reading"
    )
    folder = summands.__path__[0] + "/.."
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)


def test_every_estimate_with_a_truth_is_a_point():
    whole, _ = study_tables()
    estimates, fits = (whole[name].to_pandas() for name in ("estimates", "fits"))
    panel = panels.truth_against_estimate(estimates, fits)
    assert tuple(panel.points.columns) == panels.POINTS
    assert tuple(panel.facets.columns) == panels.FACETS
    known = estimates.dropna(subset=["truth", "estimate"])
    # Alone in its level a contributor has nothing to estimate but its sigma.
    fixed = known["parameter"].isin(["mu", "variance_contrast"]) & known["level"].eq(0)
    expected = known[~(fixed & known["sd"].eq(0) & known["truth"].eq(0))]
    keys = ["parameter", "estimator", "design", "replicate", "truth", "estimate"]
    pd.testing.assert_frame_equal(
        panel.points[keys].sort_values(keys, ignore_index=True),
        expected[keys].sort_values(keys, ignore_index=True),
    )
    first = panel.points["replicate"] == 0
    assert (panel.points["converged"] == ~first).all()
    facets = panel.facets.set_index(["parameter", "estimator"])
    assert facets["estimates"].sum() == facets["points"].sum() == len(expected)
    # Estimators have a facet for what they do not estimate, too.
    assert facets["estimates"]["sigma", "partial"] == 0
    assert len(facets) == len(panel.axes) * 2


def test_what_is_shown_lies_within_the_axes():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=3000)
    estimate = truth + rng.normal(0, 0.1, 3000)
    estimate[7], estimate[8] = 1e6, -1e6
    panel = panels.truth_against_estimate(*estimates_of(truth, estimate))
    across, upwards = panel.axes["mu"]
    assert across.limits[0] < truth.min()
    assert truth.max() < across.limits[1]
    points = panel.points.set_index("replicate")
    assert points["beyond"][points["beyond"]].index.tolist() == [7, 8]
    assert points["shown"][7] == upwards.limits[1] < 6
    assert points["shown"][8] == upwards.limits[0] > -6
    within = points[~points["beyond"]]
    assert (within["shown"] == within["estimate"]).all()
    assert panel.facets["beyond"].tolist() == [2]


def test_a_facet_has_so_many_points_at_the_most_and_counts_the_rest():
    truth = np.arange(panels.SCATTERED + 5.0)
    panel = panels.truth_against_estimate(*estimates_of(truth, truth))
    assert len(panel.points) == panels.SCATTERED
    (facet,) = panel.facets.to_dict("records")
    assert facet["estimates"] == panels.SCATTERED + 5
    assert facet["points"] == panels.SCATTERED
    again = panels.truth_against_estimate(*estimates_of(truth, truth))
    pd.testing.assert_frame_equal(again.points, panel.points)


def test_axes_fit_what_a_parameter_can_be():
    truth = np.array([0.1, 1.0, 10.0])
    scales = {}
    for parameter in ("mu", "sigma", "variance_contrast", "total_variance"):
        table = estimates_of(truth, truth, parameter=parameter)
        panel = panels.truth_against_estimate(*table)
        scales[parameter] = panel.axes[parameter][0].scale
    assert scales == {
        "mu": "linear",
        "sigma": "log",
        "variance_contrast": "symlog",
        "total_variance": "log",
    }


@pytest.mark.parametrize(
    ("reach", "step"), [(99.0, 10), (101.0, 100), (2999.0, 100), (3001.0, 1000)]
)
def test_wide_contrasts_have_fewer_numbers_along_their_axis(reach, step):
    """Half of the truths are no further from zero than 1, so it is linear up to 1."""
    truth = np.array([-1.0, 1.0, reach])
    table = estimates_of(truth, truth, parameter="variance_contrast")
    across, upwards = panels.truth_against_estimate(*table).axes["variance_contrast"]
    assert (across.linear, across.step) == (upwards.linear, upwards.step) == (1.0, step)


@pytest.mark.parametrize("scale", ["linear", "log", "symlog"])
def test_scales_are_those_that_are_drawn(scale):
    values = np.array([1e-3, 0.02, 0.5, 1.0, 3.0, 70.0, 4e5])
    values = values if scale == "log" else np.concatenate([-values, [0.0], values])
    forward, back = panels._transform(Axis("x", scale, linear=0.5))
    expected = {
        "linear": values,
        "log": LogTransform(10).transform_non_affine(values),
        "symlog": SymmetricalLogTransform(10, 0.5, 1.0).transform_non_affine(values),
    }[scale]
    assert forward(values) == pytest.approx(expected)
    assert back(forward(values)) == pytest.approx(values)


@pytest.mark.parametrize("parameter", ["mu", "sigma", "variance_contrast"])
def test_axes_of_a_constant_have_room_on_both_sides(parameter):
    table = estimates_of([2.0] * 3, [2.0] * 3, parameter=parameter)
    for axis in panels.truth_against_estimate(*table).axes[parameter]:
        low, high = axis.limits
        assert low < 2.0 < high
        assert high - low >= 2.0


@pytest.mark.parametrize(("truth", "estimate"), [(1.0, 0.0), (0.0, 1.0), (0.0, -1.0)])
def test_numbers_that_no_logarithm_has_lie_on_the_edge(truth, estimate):
    table = estimates_of([truth], [estimate], parameter="sigma")
    panel = panels.truth_against_estimate(*table)
    across, upwards = panel.axes["sigma"]
    assert 0 < across.limits[0] < across.limits[1]
    assert 0 < upwards.limits[0] < upwards.limits[1]
    if estimate <= 0:
        assert panel.points["beyond"].all()
        assert panel.points["shown"].tolist() == [upwards.limits[0]]


def test_a_panel_of_no_estimates_is_empty():
    table, fits = estimates_of([1.0], [np.nan])
    panel = panels.truth_against_estimate(table, fits)
    assert panel.points.empty
    assert panel.facets.empty
    assert panel.axes == {}
    assert tuple(panel.points.columns) == panels.POINTS
    assert tuple(panel.facets.columns) == panels.FACETS


def test_metrics_are_averaged_over_the_levels_of_a_design():
    panel = by_design(
        [
            {"design": "a", "value": 1.0, "worst": 2.0},
            {"design": "a", "value": 4.0, "worst": 9.0, "largest_share": 0.3},
            {"design": "b", "value": 3.0},
            # Not pooled, not of all estimators' data sets, another metric.
            {"design": "b", "value": 7.0, "contributor": 1},
            {"design": "b", "value": 7.0, "gate": "all"},
            {"design": "b", "value": 7.0, "metric": "other"},
            # No logarithm.
            {"design": "b", "value": 0.0},
        ],
        {"a": 10.0, "b": 20.0},
        lower=0.5,
        upper=4.0,
    )
    made = panel.designs.set_index("design")
    assert made["value"].to_dict() == pytest.approx({"a": 2.0, "b": 3.0})
    assert made["size"].to_dict() == {"a": 10.0, "b": 20.0}
    assert made["worst"]["a"] == pytest.approx(9.0)
    assert np.isnan(made["worst"]["b"])
    assert made["carried"].to_dict() == {"a": True, "b": False}
    # From 4 down to 0.5 is the longest way, and from 1 up to 4.
    assert made["lower"]["a"] == pytest.approx(2.0 / 8.0)
    assert made["upper"]["a"] == pytest.approx(2.0 * 4.0)
    assert panel.steps.empty


def test_shares_are_averaged_as_they_are_and_the_least_is_the_worst():
    panel = by_design(
        [
            {"design": "a", "value": 0.8, "worst": 0.6, "lower": 0.7, "upper": 0.9},
            {"design": "a", "value": 0.0, "worst": 0.0, "lower": 0.0, "upper": 0.3},
        ],
        axis=Axis("share"),
    )
    (made,) = panel.designs.to_dict("records")
    assert made["value"] == pytest.approx(0.4)
    assert made["worst"] == 0.0
    assert (made["lower"], made["upper"]) == pytest.approx((0.3, 0.7))


@pytest.mark.parametrize("count", [1, 60])
def test_intervals_of_shares_end_where_shares_do(count):
    """Averaged over levels, half the width of another level may reach beyond."""
    rows = [
        {"design": f"d{n}", "value": value, "worst": value, "lower": low, "upper": high}
        for n in range(count)
        for value, low, high in ((1.0, 0.9, 1.0), (0.96, 0.6, 1.0), (0.99, 0.9, 1.9))
    ]
    sizes = {f"d{n}": 1.0 + n for n in range(count)}
    panel = by_design(rows, sizes, Axis("share"))
    made = panel.designs if count == 1 else panel.steps
    assert made["lower"].between(0.0, 1.0).all()
    assert made["upper"].between(0.0, 1.0).all()


def test_many_designs_are_steps_of_like_size():
    """Ten steps of six designs each, by their sizes, which run against their order."""
    count = 6 * design_panels.STEPS
    assert count > design_panels.NAMED_DESIGNS
    value = np.random.default_rng(0).lognormal(size=count)
    sizes = {f"design {number}": float(count - number) for number in range(count)}
    panel = by_design(
        [
            {"design": name, "value": value[n], "worst": 2.0 * value[n]}
            | {"lower": value[n] / 2, "upper": value[n] * 3}
            for n, name in enumerate(sizes)
        ],
        sizes,
    )
    steps = panel.steps
    assert steps["designs"].tolist() == [6] * design_panels.STEPS
    logs = np.log(value[::-1]).reshape(design_panels.STEPS, 6)
    assert steps["value"].to_numpy() == pytest.approx(np.exp(logs.mean(axis=1)))
    assert steps["worst"].to_numpy() == pytest.approx(2 * np.exp(logs.mean(axis=1)))
    place = np.log(np.arange(1, count + 1)).reshape(design_panels.STEPS, 6).mean(axis=1)
    assert steps["size"].to_numpy() == pytest.approx(np.exp(place))
    # Of independent designs: half widths are those of one over the root of six.
    ratio = steps["value"] / steps["lower"]
    assert ratio.to_numpy() == pytest.approx(2 ** (1 / 6**0.5))
    ratio = steps["upper"] / steps["value"]
    assert ratio.to_numpy() == pytest.approx(3 ** (1 / 6**0.5))
    band = np.exp(np.quantile(logs, [0.05, 0.95], axis=1))
    ends = steps[["low", "high"]].to_numpy().T
    assert ends == pytest.approx(band)
    assert panel.sizes.label == "rows per contributor (60 designs)"


@pytest.mark.parametrize(("count", "named"), [(40, True), (41, False)])
def test_up_to_forty_designs_are_shown_one_by_one(count, named):
    rows = [{"design": str(number), "value": 1.0} for number in range(count)]
    assert by_design(rows).steps.empty == named


def test_many_designs_of_one_size_are_one_step():
    rows = [{"design": str(number), "value": 1.0} for number in range(50)]
    (step,) = by_design(rows).steps.to_dict("records")
    assert step["designs"] == 50
    # Of constants every mean is the constant, and without intervals there are none.
    names = ("value", "lower", "upper", "low", "high", "size")
    assert [step[name] for name in names] == [1.0] * 6
    assert np.isnan(step["worst"])


def test_a_panel_of_no_metrics_is_empty():
    panel = by_design([{"design": "a", "value": 1.0, "gate": "all"}])
    assert panel.designs.empty
    assert panel.steps.empty
    for name in (
        "design",
        "size",
        *design_panels.SERIES,
        "value",
        "lower",
        "upper",
        "worst",
    ):
        assert name in panel.designs.columns
    assert tuple(panel.steps.columns) == (*design_panels.SERIES, *design_panels.OF_STEP)


def ranked(design="levels-1-2_rows-9_x", ranks=None, rank_of=19):
    rng = np.random.default_rng(0)
    if ranks is None:
        ranks = {("mu", f"1/{k}"): rng.integers(0, rank_of + 1, 50) for k in range(2)}
    return panels.Ranked(design, "e", ranks, rank_of)


def test_ranks_are_differences_from_the_uniform_distribution_with_a_band():
    one = ranked()
    panel = panels.ranks_by_design([one, ranked("b")], 0.01)
    assert tuple(panel.lines.columns) == panels.LINES
    assert tuple(panel.bands.columns) == panels.BANDS
    points = np.arange(1, 20) / 20
    for (parameter, contributor), found in one.quantities.items():
        line = panel.lines[
            (panel.lines["design"] == one.design)
            & (panel.lines["parameter"] == parameter)
            & (panel.lines["contributor"] == contributor)
        ]
        assert line["point"].to_numpy() == pytest.approx(points)
        share = [(found < rank).mean() for rank in range(1, 20)]
        assert (line["difference"] + points).to_numpy() == pytest.approx(share)
    band = panel.bands.query("design == @one.design")
    _, lower, upper = calibration.band(50, 19, 0.01)
    assert (band["lower"] + points).to_numpy() == pytest.approx(lower)
    assert (band["upper"] + points).to_numpy() == pytest.approx(upper)
    assert len(panel.lines) == 2 * 2 * 19
    assert len(panel.bands) == 2 * 19


def test_equal_ranks_are_far_from_uniform():
    panel = panels.ranks_by_design(
        [ranked(ranks={("mu", ""): np.zeros(50, int)})], 0.01
    )
    joined = panel.lines.merge(panel.bands, on=["design", "estimator", "point"])
    assert (joined["difference"] == 1.0 - joined["point"]).all()
    assert (joined["difference"] > joined["upper"])[:-5].all()


def test_titles_name_estimators_where_there_are_several():
    titles = [
        panels.ranks_by_design([ranked()], 0.01, several=several).bands["title"][0]
        for several in (False, True)
    ]
    assert titles == ["1-2\nrows-9_x", "e\n1-2\nrows-9_x"]


def test_a_panel_of_no_ranks_is_empty():
    panel = panels.ranks_by_design([], 0.01)
    assert tuple(panel.lines.columns) == panels.LINES
    assert tuple(panel.bands.columns) == panels.BANDS
    assert panel.lines.empty
    assert panel.bands.empty
