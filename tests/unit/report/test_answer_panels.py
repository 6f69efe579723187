"""Panels of an observed table hold the numbers of its tables, each in its place."""

import numpy as np
import pandas as pd
import pytest

from summands.decomposition import cautions
from summands.report import answer_panels, check_panels, doubts, findings, labels

from ..observed_tables import LOTS, TOOLS, made

LEVELS = ["tool $x$", "lot"]


@pytest.fixture(scope="module")
def whole():
    return made()


@pytest.fixture(scope="module")
def many():
    return made(tools=[f"tool {number}" for number in range(70)], once=False)


def of(panel, found):
    module = answer_panels if hasattr(answer_panels, panel) else check_panels
    return getattr(module, panel)(found.frames, found.study)


def assert_same(panel, table, columns):
    """Numbers of a panel are those of a table, in some order."""
    for mine, theirs in columns.items():
        np.testing.assert_allclose(
            np.sort(panel[mine].to_numpy(dtype=float)),
            np.sort(table[theirs].to_numpy(dtype=float)),
        )


@pytest.mark.parametrize(
    ("name", "table", "columns"),
    [
        ("means", "shrinkage", {"estimate": "mu", "raw": "least_squares"}),
        ("differences", "differences", {"estimate": "estimate", "upper": "upper_95"}),
        (
            "priors",
            "sensitivity",
            {"estimate": "median", "prior_lower": "prior_lower_95"},
        ),
        ("variants", "comparison", {"estimate": "difference", "elpd": "elpd_loo"}),
        ("extremes", "ranking", {"probability": "probability"}),
    ],
)
def test_a_panel_holds_the_numbers_of_its_table(name, table, columns, whole):
    panel = of(name, whole)
    points = panel.cells if name == "extremes" else panel.points
    assert_same(points, whole.frames[table], columns)


def test_shares_are_percent_and_add_to_all(whole):
    points = of("shares", whole).points
    np.testing.assert_allclose(points.groupby("estimator")["estimate"].sum(), 100.0)


def test_the_gauge_is_shown_without_its_total(whole):
    points = of("gauge_study", whole).points
    assert set(points["row"]) == {"repeatability", "reproducibility", "gauge", "part"}


def test_noise_is_of_estimators_that_tell_contributors_apart(whole):
    points = of("noise", whole).points
    assert set(points["estimator"]) == {"full"}
    # Rows of a level: the noisy one is on top.
    first = points[points["level"] == LEVELS[0]].iloc[0]
    assert first["row"] == labels.distinct(TOOLS)[1]
    assert first["sd"] > first["others"]


@pytest.mark.parametrize("name", ["means", "noise", "extremes", "checks"])
def test_levels_keep_their_order_and_contributors_their_names(name, whole):
    panel = of(name, whole)
    points = panel.cells if name == "extremes" else panel.points
    assert list(pd.unique(points["level"])) == LEVELS
    for level, given in zip(LEVELS, (TOOLS, LOTS), strict=True):
        mine = points[points["level"] == level]
        assert set(mine["row"]) == set(labels.distinct(given))
    # Labels that are cut alike are not one contributor.
    by = ["level", "row", "estimator"]
    by += {"extremes": ["question"], "checks": ["statistic"]}.get(name, [])
    assert not points.duplicated(by).any()


def test_means_are_ordered_from_the_highest_to_the_lowest(whole):
    points = of("means", whole).points
    for _, mine in points.groupby("facet"):
        middle = mine.groupby("row", sort=False)["estimate"].mean()
        assert middle.is_monotonic_decreasing


@pytest.mark.parametrize("name", ["means", "noise", "extremes", "checks"])
def test_of_many_contributors_those_that_stand_out_are_kept(name, many):
    panel = of(name, many)
    points = panel.cells if name == "extremes" else panel.points
    rows = points[points["level"] == LEVELS[0]]["row"].unique()
    assert len(rows) == answer_panels.SHOWN
    assert panel.left_out == {LEVELS[0]: 70 - answer_panels.SHOWN}
    assert (f"tool {0 if name == 'means' else 1}") in rows


def test_of_many_pairs_those_farthest_apart_are_kept(many):
    panel = of("differences", many)
    pairs = 70 * 69 // 2
    assert panel.left_out[f"{LEVELS[0]}: mean"] == pairs - answer_panels.SHOWN
    table = many.frames["differences"]
    mean = table[table["parameter"] == "mu"].groupby(["label", "other_label"])
    most = mean["estimate"].mean().max()
    kept = panel.points[panel.points["facet"] == f"{LEVELS[0]}: mean"]
    assert kept.groupby("row")["estimate"].mean().max() == pytest.approx(most)


def test_the_position_among_drawn_tables_says_what_lies_outside(whole):
    panel = of("checks", whole)
    outside = panel.points["position"].abs() > 1
    assert outside.equals(panel.points["outside"].astype(bool))
    table = whole.frames["checks"]
    assert outside.sum() == findings.outside(table[table["observed"].notna()]).sum()
    far = panel.points.loc[panel.points["position"].abs().idxmax()]
    assert panel.statistic == far["statistic"]


@pytest.mark.parametrize(("origin", "unit"), [(0.0, 1.0), (1e6, 1.0), (0.0, 1e-6)])
def test_positions_do_not_depend_on_origin_and_unit(origin, unit):
    one = of("checks", made()).points["position"]
    other = of("checks", made(origin=origin, unit=unit)).points
    np.testing.assert_allclose(one, other["position"], rtol=1e-3, atol=1e-3)
    # And the numbers beside them have the digits that tell them apart.
    for _, row in other.iterrows():
        low, seen, high = (float(row[name]) for name in ("lower", "observed", "upper"))
        assert low < high
        slack = 0.06 * (high - low)
        assert (seen < low - slack or seen > high + slack) <= row["outside"]


def test_what_is_to_beware_of_stands_beside_it(whole):
    points = of("means", whole).points
    last = labels.distinct(TOOLS)[-1]
    once = points["beware"].str.contains(cautions.Kind.SEEN_ONCE)
    assert set(points.loc[once, "row"]) == {last}
    # REML puts the lots' component at 0.
    perhaps = points["beware"].str.contains(doubts.PERHAPS_NONE)
    assert set(
        zip(points[perhaps]["estimator"], points[perhaps]["level"], strict=True)
    ) == {("reml", "lot")}
    shares = of("shares", whole).points.set_index(["estimator", "row"])["beware"]
    assert shares["reml", "lot"] == "at 0"
    assert shares["reml", "noise"] == ""


@pytest.mark.parametrize(
    "name",
    [
        "shares",
        "means",
        "noise",
        "differences",
        "gauge_study",
        "variants",
        "extremes",
        "checks",
        "priors",
    ],
)
def test_what_did_not_converge_is_marked_everywhere(name):
    panel = of(name, made(converged=False))
    points = panel.cells if name == "extremes" else panel.points
    unsure = points["beware"].str.contains(cautions.Kind.UNCONVERGED)
    assert unsure.equals(points["estimator"] == "full")
    assert unsure.any()


def test_components_that_may_be_0_are_marked():
    found = made(mu_sd=0.0)
    shares = of("shares", found).points.set_index(["estimator", "row"])["beware"]
    assert "may be 0" in shares["full", "lot"]
    means = of("means", found).points
    mine = means[means["estimator"] == "full"]
    assert mine["beware"].str.contains(doubts.PERHAPS_NONE).all()


def test_what_an_estimator_does_not_know_is_not_shown(whole):
    table = whole.tables["shrinkage"].to_pandas()
    table.loc[table["estimator"] == "reml", ["mu", "lower_95", "upper_95"]] = np.nan
    points = answer_panels.means(
        whole.frames | {"shrinkage": table}, whole.study
    ).points
    assert set(points["estimator"]) == {"full", "constant"}


def test_of_a_single_drawn_table_shares_have_no_interval():
    found = made()
    of_check = found.tables["recovery"].to_pandas()
    of_check = of_check.assign(lower=np.nan, upper=np.nan, replicates=1)
    frames = found.frames | {"recovery": of_check}
    panel = answer_panels.held(frames, found.study)
    assert panel.points["lower"].isna().all()
    low, high = panel.axis.limits
    assert low < panel.points["estimate"].min()
    assert high > 100
