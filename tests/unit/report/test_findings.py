from collections import Counter

import pandas as pd
import pytest

from summands.recovery import calibration
from summands.report.page import findings
from summands.report.totals import OfEstimator, Totals
from summands.study import study


def errors_of(values, parameter="mu", designs=("small", "large"), carried=()):
    """Errors by estimator, in two designs, in the second half as large."""
    rows = [
        {
            "design": design,
            "estimator": name,
            "metric": metric,
            "value": value / step,
            "carried": design in carried,
        }
        for step, design in enumerate(designs, start=1)
        for name, value in values.items()
        for metric in ("rmse_over_total", "rmse_over_bound")
    ]
    table = pd.DataFrame(rows).assign(parameter=parameter)
    return table.assign(lower=0.9 * table["value"], upper=1.1 * table["value"])


def ratios_of(values, spread=1.1, parameter="mu", designs=("small", "large")):
    rows = [
        {
            "design": design,
            "estimator": one,
            "metric": f"rmse_ratio_vs_{other}",
            "value": values[one] / values[other],
        }
        for design in designs
        for one in values
        for other in values
        if one != other
    ]
    columns = ["design", "estimator", "metric", "value"]
    table = pd.DataFrame(rows, columns=columns).assign(parameter=parameter)
    return table.assign(lower=table["value"] / spread, upper=table["value"] * spread)


def told(*arguments):
    return [finding.text for finding in findings.best(*arguments)]


@pytest.mark.parametrize("order", [("a", "b", "c"), ("c", "b", "a")])
def test_who_errs_least_is_named_whatever_the_order(order):
    values = {"a": 0.2, "b": 0.1, "c": 0.4}
    values = {name: values[name] for name in order}
    text = " ".join(told(errors_of(values), ratios_of(values)))
    assert "b errs least on average over 2 designs, and in each of them" in text
    assert "from 5 % (4.5 to 5.5 %) in large to 10 % (9 to 11 %) in small" in text
    assert "of the total standard deviation on average over 2 designs" in text
    assert "a errs 2.00 times (1.87 to 2.14)" in text
    assert "~" not in text
    assert "c errs 4.00 times" in text
    assert "cannot tell" not in text


def test_numbers_that_one_data_set_carries_are_marked_and_explained():
    values = {"a": 0.2, "b": 0.1}
    text, *_, note = told(errors_of(values, carried=("small",)), ratios_of(values))
    assert "10 %~ (9 to 11 %) in small" in text
    assert "5 % (4.5 to 5.5 %) in large" in text
    assert note.startswith("~: one data set carries more than a fifth")


def test_who_wins_in_some_designs_alone_is_said():
    one, other = {"a": 0.2, "b": 0.1}, {"a": 0.19, "b": 0.2}
    ratios = pd.concat(
        [ratios_of(one, designs=("small",)), ratios_of(other, designs=("large",))]
    )
    text = " ".join(told(errors_of(one), ratios))
    assert "b errs least on average over 2 designs, and in 1 of them" in text


def test_who_cannot_be_told_apart_is_said():
    values = {"a": 0.1, "b": 0.105}
    text = " ".join(told(errors_of(values), ratios_of(values)))
    assert "a errs least" in text
    assert "These data sets cannot tell b and a apart." in text


def test_an_estimator_alone_is_compared_with_none():
    text = " ".join(told(errors_of({"a": 0.1}), ratios_of({"a": 0.1})))
    assert "a estimates it" in text
    assert "least that is possible" in text
    assert "times as much" not in text
    both = pd.concat(
        [errors_of({"a": 0.1, "b": 0.2}), errors_of({"a": 0.1}, "variance_contrast")]
    )
    texts = told(both, ratios_of({"a": 0.1, "b": 0.2}))
    (alone,) = [text for text in texts if "only a estimates it" in text]
    assert "of the total variance" in alone


def test_what_nobody_estimates_is_not_told():
    assert told(errors_of({"a": 0.1}, "sigma"), ratios_of({"a": 0.1})) == []


def covering(mean, half, parameter="mu"):
    """A design whose coverage has an interval."""
    found = {"metric": "coverage_95", "estimator": "e", "parameter": parameter}
    found |= {"value": mean, "lower": mean - half, "upper": min(mean + half, 1.0)}
    return pd.DataFrame([found])


@pytest.mark.parametrize(
    ("mean", "half", "kind", "words"),
    [
        (0.951, 0.01, "good", "as they should"),
        # In the middle, but nobody knows.
        (0.95, 0.08, "note", "80 data sets cannot rule out a coverage of 87.0 %"),
        (0.93, 0.01, "warning", "too narrow"),
        (0.80, 0.02, "bad", "too narrow"),
        (0.99, 0.005, "warning", "wider than need be"),
        # Sure, but no matter.
        (0.948, 0.001, "good", "as they should"),
        # Far off, but by chance perhaps.
        (0.85, 0.12, "note", "this agrees with 95 %"),
    ],
)
def test_the_verdict_on_coverage_is_on_its_interval(mean, half, kind, words):
    (found,) = findings.coverage(covering(mean, half), 80)
    assert found.kind == kind
    assert words in found.text
    assert f"{100 * mean:.1f} %" in found.text


def test_the_design_that_is_covered_least_is_named():
    one, other = covering(0.99, 0.005), covering(0.75, 0.2)
    both = pd.concat([one.assign(design="good"), other.assign(design="bad one")])
    (found,) = findings.coverage(both, 40)
    assert "; least in bad one, 75.0 %)" in found.text
    (found,) = findings.coverage(one.assign(design="good"), 40)
    assert "least in" not in found.text


def test_intervals_that_nobody_gives_have_no_verdict():
    assert list(findings.coverage(covering(0.5, 0.1).iloc[:0], 80)) == []
    assert list(findings.coverage(covering(0.5, 0.1, "sigma"), 80)) == []


def counted(converged, **more):
    return OfEstimator(Counter(fits=100, converged=converged, **more))


def test_failures_are_told_with_how_many_and_zero_is_told_too():
    totals = Totals()
    totals.estimators["e"] = counted(100)
    totals.estimators["f"] = counted(100)
    (found,) = findings.trust(totals)
    assert (found.kind, found.text) == ("good", "All 200 fits converged; none failed.")
    totals.estimators["f"] = counted(97, failed=1)
    totals.estimators["f"].first_error = ("it broke", "design", 4)
    (found,) = findings.trust(totals)
    assert found.kind == "warning"
    assert "3 of 100 fits of f did not converge, 1 of them failed" in found.text
    assert "it broke" in found.text
    totals.estimators["f"] = counted(90)
    assert [found.kind for found in findings.trust(totals)] == ["bad"]
    totals.estimators["f"] = counted(100, missing=7)
    lacking, fine = findings.trust(totals)
    assert lacking.kind == "bad"
    assert lacking.text.startswith("7 of 100 fits of f lack an estimate")
    assert fine.text == "All 200 fits converged; none failed."


def calibrated(passed, failed, ranked):
    total = OfEstimator(fewest_ranked=ranked)
    total.verdicts = {f"p{n}": calibration.PASSED for n in range(passed)}
    total.verdicts |= {f"f{n}": calibration.FAILED for n in range(failed)}
    totals = Totals()
    totals.estimators["e"] = total
    return list(findings.calibrated(totals))


@pytest.mark.parametrize(
    ("passed", "failed", "ranked", "kind"),
    [
        (6, 0, 500, "good"),
        # Gross errors only.
        (6, 0, 20, "note"),
        # One of 100 sound ones fails by chance, one of two does not.
        (99, 1, 500, "note"),
        (1, 1, 500, "bad"),
        (80, 20, 500, "bad"),
        (1, 1, 20, "bad"),
    ],
)
def test_the_verdict_on_calibration_allows_for_chance(passed, failed, ranked, kind):
    (found,) = calibrated(passed, failed, ranked)
    assert found.kind == kind
    assert f"{passed} of {passed + failed} designs" in found.text
    assert ("gross errors only" in found.text) == (ranked < 500)
    assert ("f0" in found.text) == bool(failed)


def test_of_many_failures_some_are_listed_and_the_rest_counted():
    (found,) = calibrated(10, 30, 500)
    assert "f2" in found.text
    assert "f3" not in found.text
    assert "27 more" in found.text


def test_nothing_is_said_of_calibration_where_nothing_was_tested():
    assert calibrated(0, 0, 500) == []


@pytest.mark.parametrize(
    ("options", "truth", "said"),
    [
        ({"scales": "known"}, "drawn", "In all of 2 designs"),
        ({"scales": "known"}, "mixed", "In 1 of 2 designs"),
        ({"scales": "known"}, "fixed", None),
        ({"scales": "estimated"}, "drawn", None),
        ({"scales": "known", "priors": {"mu_sd": 3.0}}, "drawn", None),
    ],
)
def test_whoever_is_given_the_prior_of_the_truths_is_named(options, truth, said):
    grid = {"levels": [[1, 3]], "rows": [50]}
    fixed = {"rows": 60, "coefficients": [[[0, 1]], [[1, 1], [-1, 2]]]}
    designs = {
        "drawn": {"grid": {"levels": [[1, 3]], "rows": [50, 60]}},
        "mixed": {"grid": grid, "designs": {"own": fixed}},
        "fixed": {"designs": {"own": fixed}},
    }[truth]
    checked = study.load(
        {"study": "s", "seed": 1, "replicates": 2, **designs}
        | {"estimators": {"nutpie": options, "least_squares": {}}}
    )
    found = [finding.text for finding in findings.at_home(checked)]
    assert len(found) == (said is not None)
    if said:
        assert found[0].startswith(said)
        assert "that nutpie is given" in found[0]
