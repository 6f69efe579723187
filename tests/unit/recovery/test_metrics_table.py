import numpy as np
import pyarrow as pa
import pytest

from summands.data import data_sets, generator
from summands.data.design import Design
from summands.estimation.results import Fit
from summands.model.levels import Levels
from summands.recovery import metrics_table
from summands.recovery.catalogue import METRICS
from summands.recovery.tables import RECOVERY

from ..stand_ins import score_of, tables_of

LEVELS = Levels.of([1, 2])
SIZE = 3 * LEVELS.contributors + 2
DRAWN = Design(LEVELS, 100)
FIXED = Design(LEVELS, 100, truth="fixed")
RANKED = {"rank": np.full(SIZE, 5.0), "rank_of": np.full(SIZE, 99.0)}


# Metrics that a level has and no contributor by itself.
OF_LEVELS = {
    "top_rate",
    "worst_detection_rate",
    "worst_detection_rate_holm",
    "familywise_error_rate",
    "familywise_error_rate_holm",
    "false_discovery_rate",
    "false_discovery_rate_holm",
    "regret",
    "expected_rank",
    "named_coverage_95",
    "named_bias",
}


def study_of(outcomes: list[str], name="e", noise=0.0) -> tuple[pa.Table, pa.Table]:
    """Tables of fits that are "good", "bad" (not converged) or "failed"."""
    rng = np.random.default_rng(0)
    truth = np.tile(np.arange(1.0, SIZE + 1), (len(outcomes), 1))
    bound = np.full_like(truth, 0.5)
    fits, scores = [], []
    for number, outcome in enumerate(outcomes):
        fit = Fit(SIZE, seconds=1.0)
        if outcome == "failed":
            fit.error = "it broke"
        else:
            fit.converged = outcome == "good"
            error = 0.1 * (number + 1) if outcome == "good" else 9.0
            fit.estimate = truth[number] + error + noise * rng.normal(size=SIZE)
            fit.sd = np.ones(SIZE)
            fit.lower_95, fit.upper_95 = truth[number] - 1, truth[number] + 1
        ranked = {} if outcome == "failed" else RANKED
        fits.append(fit)
        scores.append(score_of(SIZE, **ranked))
    return tables_of("d", name, LEVELS, fits, {"truth": truth, "bound": bound}, scores)


def found(table: pa.Table, **where) -> list[dict]:
    return [
        row
        for row in table.to_pylist()
        if all(row[key] == value for key, value in where.items())
    ]


def test_gates_count_every_fit_and_hide_none():
    table = metrics_table.recovery(
        "d", DRAWN, {"e": study_of(["good", "bad", "failed"])}
    )
    (of_all,) = found(table, parameter="intercept", metric="rmse", gate="all")
    (gated,) = found(table, parameter="intercept", metric="rmse", gate="converged")
    assert of_all["replicates"] == 2
    assert of_all["value"] == pytest.approx(np.sqrt((0.1**2 + 9**2) / 2))
    assert gated["replicates"] == 1
    assert gated["value"] == pytest.approx(0.1)
    assert gated["mcse"] is None
    coverage = {
        row["metric"]: (row["value"], row["replicates"])
        for row in found(table, parameter="intercept", gate="all")
        if row["metric"].startswith("coverage_95")
    }
    assert coverage["coverage_95"] == (pytest.approx(1.0), 2)
    assert coverage["coverage_95_failures_missed"] == (pytest.approx(1 / 3), 3)
    assert coverage["coverage_95_failures_held"] == (pytest.approx(1.0), 3)


def test_a_study_that_fails_altogether_has_no_metrics():
    table = metrics_table.recovery("d", DRAWN, {"e": study_of(["failed", "failed"])})
    assert table.num_rows == 0
    assert table.schema.equals(RECOVERY)


def test_what_does_not_exist_is_absent():
    table = metrics_table.recovery("d", FIXED, {"e": study_of(["good"] * 4)})
    # The 50 % interval was never given, and a lone contributor's mu is 0 by definition.
    assert not found(table, metric="coverage_50")
    assert not found(table, parameter="mu", level=0)
    assert found(table, parameter="sigma", level=0, metric="rmse")
    assert not found(table, parameter="mu", metric="bias", contributor=None)
    assert not found(table, parameter="mu", metric="rmse_log")
    assert not found(table, metric="empirical_se")


def test_each_regime_has_its_own_metrics():
    fits = {"e": study_of(["good"] * 10), "f": study_of(["good"] * 10, "f", 0.1)}
    of_regime = {
        regime: {
            row["metric"]
            for row in metrics_table.recovery("d", design, fits).to_pylist()
        }
        for regime, design in (("fixed", FIXED), ("drawn", DRAWN))
    }
    listed = {regime: set() for regime in ("both", "fixed", "drawn")}
    for metric in METRICS.values():
        names = (
            [metric.name + name for name in fits] if metric.versus else [metric.name]
        )
        # No 50 % interval, no score and no probability was given.
        unknown = metric.name.endswith("_50") or metric.name == "crps"
        if not unknown and "p_largest" not in metric.needs:
            listed[metric.regime] |= set(names)
    for regime, names in of_regime.items():
        assert names == listed["both"] | listed[regime]


def test_errors_are_over_the_total_variance_in_their_own_unit():
    estimates, fits = study_of(["good"] * 12, noise=0.3)
    table = metrics_table.recovery("d", DRAWN, {"e": (estimates, fits)})
    frame = estimates.to_pandas()
    total = frame[frame["parameter"] == "total_variance"].set_index("replicate")
    power = {"variance_contrast": 1, "total_variance": 1}
    rows = found(table, metric="rmse_over_total", gate="all")
    assert {row["parameter"] for row in rows} == set(frame["parameter"])
    for row in rows:
        part = frame[frame["parameter"] == row["parameter"]]
        part = part[part["level"].isna() | (part["level"] == row["level"])]
        scale = part["replicate"].map(total["truth"]) ** power.get(
            row["parameter"], 0.5
        )
        squares = ((part["estimate"] - part["truth"]) / scale) ** 2
        assert row["value"] == pytest.approx(np.sqrt(squares.mean()))


def test_a_prior_is_asked_for_only_where_truths_are_drawn():
    """Named designs may have priors that follow each data set."""
    named = Design(
        LEVELS,
        100,
        truth="fixed",
        coefficients=(((0.0, 1.0),), ((1.0, 1.0), (-1.0, 1.0))),
        name="d",
        mu_sd=None,
        log_sigma_mean=None,
        log_sigma_sd=None,
        intercept_sd=None,
    )
    table = metrics_table.recovery("d", named, {"e": study_of(["good"] * 4)})
    assert found(table, metric="rmse")


def test_contributors_of_a_fixed_truth_have_metrics_of_their_own():
    outcomes = ["good"] * 9 + ["bad", "failed"]
    fits = {"e": study_of(outcomes, noise=1.0), "f": study_of(outcomes, "f", 2.0)}
    table = metrics_table.recovery("d", FIXED, fits)
    keys = ("estimator", "parameter", "level", "metric", "gate")
    by_key = {}
    for row in table.to_pylist():
        by_key.setdefault(tuple(row[key] for key in keys), []).append(row)
    worst = 0
    for key, rows in by_key.items():
        (*_, level, name, _) = key
        of_contributors = {
            row["contributor"]: row["value"]
            for row in rows
            if row["contributor"] is not None
        }
        pooled = [row for row in rows if row["contributor"] is None]
        assert len(pooled) == 1 or (name == "bias" and not pooled)
        alone = level is None or name in OF_LEVELS or "_vs_" in name
        assert set(of_contributors) == set(() if alone else range(level + 1))
        for row in pooled:
            if len(of_contributors) < 2:
                assert row["worst"] is row["worst_contributor"] is None
                continue
            worst += 1
            values = np.array([*of_contributors.values()])
            badness = METRICS[name].badness
            assert row["worst"] == of_contributors[row["worst_contributor"]]
            assert badness(np.array(row["worst"])) == pytest.approx(
                badness(values).max()
            )
            if name in ("mse", "coverage_95", "width_95"):
                assert row["value"] == pytest.approx(values.mean())
    assert worst > 50
    drawn = metrics_table.recovery("d", DRAWN, fits)
    assert drawn["contributor"].null_count == drawn["worst"].null_count == len(drawn)


def test_one_contributor_that_is_never_covered_cannot_hide():
    estimates, fits = study_of(["good"] * 20)
    mask = estimates.select(["contributor", "parameter"]).to_pandas()
    missed = (mask["parameter"] == "mu") & (mask["contributor"] == 1)
    upper = estimates["upper_95"].to_numpy().copy()
    upper[missed] = estimates["truth"].to_numpy()[missed] - 0.5
    place = estimates.schema.get_field_index("upper_95")
    field = estimates.schema.field("upper_95")
    estimates = estimates.set_column(place, field, pa.array(upper))
    table = metrics_table.recovery("d", FIXED, {"e": (estimates, fits)})
    where = {"parameter": "mu", "metric": "coverage_95", "gate": "all"}
    (row,) = found(table, contributor=None, **where)
    assert (row["value"], row["worst"], row["worst_contributor"]) == (0.5, 0.0, 1)
    # Perfectly dependent, so 20 cases and not 40.
    assert row["lower"] < 0.3 < 0.7 < row["upper"]
    (row,) = found(table, contributor=1, **where)
    assert (row["value"], row["mcse"], row["lower"]) == (0.0, None, 0.0)
    assert row["upper"] > 0.15


def test_a_data_set_with_a_gap_takes_only_its_own_estimates_away():
    """Null in one replicate: metrics rest on the others, and say on how many."""
    estimates, fits = study_of(["good"] * 5)
    for name, gaps in (("estimate", 1), ("lower_95", 1), ("bound", 2)):
        values = estimates[name].to_numpy().copy()
        values[: gaps * SIZE] = np.nan
        place = estimates.schema.get_field_index(name)
        column = pa.array(values, mask=np.isnan(values))
        estimates = estimates.set_column(place, estimates.schema.field(name), column)
    table = metrics_table.recovery("d", FIXED, {"e": (estimates, fits)})
    where = {"parameter": "intercept", "gate": "all"}
    (rmse,) = found(table, metric="rmse", **where)
    assert rmse["replicates"] == 4
    assert rmse["value"] == pytest.approx(0.1 * np.sqrt((4 + 9 + 16 + 25) / 4))
    for count, share in (("missed", 0.8), ("held", 1.0)):
        metric = f"coverage_95_failures_{count}"
        (covered,) = found(table, metric=metric, **where)
        assert (covered["value"], covered["replicates"]) == (pytest.approx(share), 5)
    (ratio,) = found(table, metric="rmse_over_bound", **where)
    assert ratio["replicates"] == 3
    assert ratio["value"] == pytest.approx(0.2 * np.sqrt((9 + 16 + 25) / 3))


def test_estimators_are_compared_on_what_all_have_fitted():
    fits = {
        "e": study_of(["good", "good", "failed", "good", "good", "bad"]),
        "f": study_of(["good", "failed", "good", "good", "good", "good"], "f", 0.1),
        "never": study_of(["failed"] * 6, "never"),
    }
    table = metrics_table.recovery("d", DRAWN, fits)
    where = {"parameter": "intercept", "metric": "rmse"}
    for name, count in (("e", 5), ("f", 5)):
        (of_all,) = found(table, estimator=name, gate="all", **where)
        (common,) = found(table, estimator=name, gate="common", **where)
        assert (of_all["replicates"], common["replicates"]) == (count, 4)
    values = {
        name: found(table, estimator=name, gate="common", **where)[0]["value"]
        for name in ("e", "f")
    }
    for name, other in (("e", "f"), ("f", "e")):
        (ratio,) = found(table, parameter="intercept", metric=f"rmse_ratio_vs_{other}")
        assert (ratio["gate"], ratio["replicates"]) == ("common", 4)
        assert ratio["estimator"] == name
        assert ratio["value"] == pytest.approx(values[name] / values[other])
    assert not found(table, metric="rmse_ratio_vs_never")


def test_who_leaves_the_hard_data_sets_out_is_not_better():
    """The same estimates, but one estimator fails where they are worst."""
    rng = np.random.default_rng(0)
    outcomes = np.where(rng.random(60) < 0.2, "bad", "good")
    all_ = study_of(list(outcomes), "all", 0.5)
    some = study_of(["good" if x == "good" else "failed" for x in outcomes], "some")
    estimates, fits = some
    for name in ("estimate", "lower_95", "upper_95", "sd"):
        easy = np.repeat(outcomes == "good", SIZE)
        values = np.where(easy, all_[0][name].to_numpy(), np.nan)
        place = estimates.schema.get_field_index(name)
        column = pa.array(values, mask=np.isnan(values))
        estimates = estimates.set_column(place, estimates.schema.field(name), column)
    pairs = {"all": all_, "some": (estimates, fits)}
    table = metrics_table.recovery("d", FIXED, pairs)
    keys = ("parameter", "level", "contributor", "metric")
    value, common = (
        {
            name: {
                tuple(row[key] for key in keys): row["value"]
                for row in found(table, estimator=name, gate=gate)
                if "_vs_" not in row["metric"]
            }
            for name in pairs
        }
        for gate in ("all", "common")
    )
    rmse = ("intercept", None, None, "rmse")
    assert value["some"][rmse] < 0.9 * value["all"][rmse]
    assert common["some"] == common["all"]
    for row in found(table, metric="rmse_ratio_vs_all"):
        assert row["value"] == pytest.approx(1.0)
        assert row["mcse"] == pytest.approx(0.0, abs=1e-12)


def test_estimators_without_intervals_take_none_away():
    """Points alone compare by their errors; coverage is that of the others."""
    estimates, fits = study_of(["good", "failed", "good"], "points")
    for name in ("sd", "lower_95", "upper_95"):
        place = estimates.schema.get_field_index(name)
        column = pa.nulls(len(estimates), pa.float64())
        estimates = estimates.set_column(place, estimates.schema.field(name), column)
    pairs = {"points": (estimates, fits), "e": study_of(["good"] * 3)}
    table = metrics_table.recovery("d", DRAWN, pairs)
    where = {"parameter": "intercept", "metric": "coverage_95", "gate": "common"}
    (covered,) = found(table, **where)
    assert (covered["estimator"], covered["replicates"]) == ("e", 2)


def of_named(means, variances, replicates=12):
    """Metrics of contrasts, estimated with the same errors whatever is added to all."""
    deviations = np.sqrt(variances)
    coefficients = (((0.0, 1.0),), tuple(zip(means, deviations, strict=True)))
    levels = Levels.of([1, len(means)])
    design = Design(levels, 100, truth="fixed", coefficients=coefficients, name="d")
    truth = generator.draw_truth(design, 1, 0)
    size = 3 * levels.contributors + 2
    rng = np.random.default_rng(0)
    table = data_sets.truth_table(levels, truth, np.full(size, 0.05), "d", 0)
    fits, scores = [], []
    for _ in range(replicates):
        fit = Fit(size, seconds=1.0, converged=True)
        error = rng.normal(0.0, 0.05, size)
        fit.estimate = table["truth"].to_numpy() + error
        fit.sd = np.full(size, 0.05)
        for share, half in ((50, 0.03), (95, 0.1)):
            setattr(fit, f"lower_{share}", fit.estimate - half)
            setattr(fit, f"upper_{share}", fit.estimate + half)
        fits.append(fit)
        scores.append(score_of(size, crps=np.abs(error)))
    known = {
        name: np.tile(table[name].to_numpy(), (replicates, 1))
        for name in ("truth", "bound")
    }
    pair = tables_of("d", "e", levels, fits, known, scores)
    return metrics_table.recovery("d", design, {"e": pair})


def contrasts(table, parameter, without=()):
    return {
        (row["contributor"], row["metric"], row["gate"]): (
            row["value"],
            row["mcse"],
            row["worst_contributor"],
        )
        for row in found(table, parameter=parameter)
        if row["metric"] not in without
    }


@pytest.mark.parametrize("added", [0.1, 1e3, 1e6, -1e6])
@pytest.mark.parametrize(
    "values", [[0.1, 0.2, 0.3], [0.3, 0.3, 0.3], [0.7, 0.1, 0.7, 0.5], [0.1] * 100]
)
def test_metrics_of_contrasts_do_not_know_what_all_have_in_common(values, added):
    values = np.array(values)
    plain = of_named(values, values)
    moved = of_named(values + added, values)
    assert contrasts(moved, "mu") == approx_rows(contrasts(plain, "mu"))
    # What is over the total variance knows it, of course.
    without = ["rmse_over_total", "width_95_over_total"]
    found = contrasts(
        of_named(values, values + abs(added)), "variance_contrast", without
    )
    assert found == approx_rows(contrasts(plain, "variance_contrast", without))


def approx_rows(rows):
    return {
        key: (
            pytest.approx(value, rel=1e-6, abs=1e-6),
            mcse if mcse is None else pytest.approx(mcse, rel=1e-6, abs=1e-6),
            worst,
        )
        for key, (value, mcse, worst) in rows.items()
    }


def test_rounding_is_no_sign():
    metrics_of = {
        parameter: {
            row["metric"]: row["value"]
            for row in found(of_named(means, np.full(3, 0.09)), parameter=parameter)
            if row["contributor"] is None
        }
        for parameter, means in (
            ("mu", [0.1, 0.2, 0.3]),
            ("variance_contrast", [0.0, 1.0, 2.0]),
        )
    }
    # The errors are half as large as the contrasts at the ends.
    assert metrics_of["mu"]["sign_rate"] > 0.9
    for name in ("sign_rate", "bias_along_truth", "top_rate"):
        assert name not in metrics_of["variance_contrast"]
    assert "rmse" in metrics_of["variance_contrast"]
