"""The key `check` of a study file, and what a run of it takes."""

import pytest

from summands.study import study
from summands.study.check import Check
from summands.study.validation import StudyError

OBSERVED = {"table": "t.csv", "value": "x", "levels": ["tool", "lot"]}


def document(estimators=None, **check):
    return {
        "study": "s",
        "observed": OBSERVED,
        "check": check,
        "estimators": estimators or {"homoscedastic": {}, "full": {"method": "nutpie"}},
    }


def refused(given) -> str:
    with pytest.raises(StudyError) as caught:
        study.load(given)
    return str(caught.value)


def test_a_check_is_of_the_first_estimator_with_a_posterior():
    assert study.load(document()).check == Check(200, "full", 50)
    assert study.load(document(replicates=7)).check.replicates == 7
    without = document()
    del without["check"]
    assert study.load(without).check is None


def test_the_resolved_study_resolves_to_itself():
    once = study.load(document(replicates=30))
    assert once.resolved["check"]["of"] == "full"
    assert study.load(once.resolved).resolved == once.resolved


@pytest.mark.parametrize(
    ("replicates", "per_job"), [(1, 50), (50, 50), (51, 50), (7, 3), (200, 1)]
)
def test_batches_hold_each_table_once(replicates, per_job):
    check = Check(replicates, "full", per_job)
    held = [n for batch in check.batches for n in batch.replicates]
    assert held == list(range(replicates))
    # With more of them, those that were full stay as they are.
    more = Check(replicates + 10, "full", per_job).batches
    full = [batch for batch in check.batches if len(batch.replicates) == per_job]
    assert more[: len(full)] == full


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (document(of="ful"), 'did you mean "full"?'),
        (document(of="homoscedastic"), "homoscedastic has no posterior"),
        (document({"homoscedastic": {}}), "add `nutpie: {}`"),
        (document(replicates=0), "check.replicates"),
        (document(tables=3), "check"),
    ],
)
def test_what_cannot_be_checked_is_told(given, message):
    assert message in refused(given)


def test_a_simulated_study_has_no_table_to_check():
    given = document()
    given["grid"] = {"levels": [[1, 3]], "rows": [60]}
    del given["observed"]
    assert "check: is about an observed table" in refused(given)
