"""What is said of tables like the observed one: no more than they show."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from summands.model import estimands
from summands.model.levels import Levels
from summands.recovery import held
from summands.recovery.tables import CALIBRATION, RECOVERY
from summands.report import seal
from summands.study import study

LEVELS = Levels(
    (1, 3, 2),
    ("baseline", "tool", "lot"),
    (("all",), ("A", "B $x$", "機械"), ("x", "y")),
)
NAMES = estimands.index(LEVELS)


def checked(replicates=200):
    return study.load(
        {
            "study": "s",
            "observed": {"table": "t.csv", "value": "x", "levels": ["tool", "lot"]},
            "check": {"replicates": replicates},
            "estimators": {"nutpie": {}, "reml": {"method": "homoscedastic"}},
        }
    )


def intervals(replicates=200, width=1.959964, worst=None, converged=1.0, seed=0):
    rng = np.random.default_rng(seed)
    error = rng.normal(size=(replicates, len(NAMES.parameter)))
    half = np.full(error.shape, width)
    if worst is not None:
        half[:, worst] *= 0.5
    made = pa.table(
        {
            "truth": np.zeros(error.size),
            "lower_95": (error - half).ravel(),
            "upper_95": (error + half).ravel(),
        }
    )
    good = pa.array(np.arange(replicates) < converged * replicates)
    return made, pa.table({"converged": good})


def recovery(**values):
    rows = [
        {
            "estimator": "nutpie",
            "parameter": "mu",
            "level": 1,
            "metric": metric,
            "value": value,
            "lower": value - 0.05,
            "upper": value + 0.05,
            "gate": "all",
        }
        for metric, value in values.items()
    ]
    return pa.Table.from_pylist(rows, RECOVERY).to_pandas()


def verdict(p=0.3, replicates=200):
    row = {
        "design": "joint",
        "estimator": "nutpie",
        "parameter": "mu",
        "replicates": replicates,
        "quantities": 5,
        "p_adjusted": p,
        "verdict": "passed" if p >= 0.01 else "failed",
    }
    return pa.Table.from_pylist([row], CALIBRATION).to_pandas()


def told(main="nutpie", found=None, replicates=200, converged=True, **frames):
    of = found or {"nutpie": intervals(replicates)}
    made = {
        "held": held.held(LEVELS, of).to_pandas(),
        "recovery": frames.get("recovery", recovery()),
        "calibration": frames.get("calibration", verdict(replicates=replicates)),
        "fits": pd.DataFrame({"estimator": ["nutpie"], "converged": [converged]}),
    }
    return seal.sentences(main, made, checked(replicates))


def test_sound_intervals_are_good_and_come_first():
    reml = {"reml": intervals(width=1.2), "nutpie": intervals(600)}
    first, second, *_ = told(found=reml)
    assert first.kind == "good"
    assert first.text.startswith("On tables like yours (200 were drawn from the post")
    assert "95 % intervals of nutpie held a contributor's mean in 9" in first.text
    assert second.kind == "bad"
    assert "intervals of reml" in second.text
    assert "too narrow" in second.text


@pytest.mark.parametrize(
    ("width", "kind", "word"),
    [(1.2, "bad", "too narrow"), (3.0, "warning", "wider than need be")],
)
def test_intervals_of_a_wrong_width_are_no_seal(width, kind, word):
    first, *_ = told(found={"nutpie": intervals(width=width)})
    assert first.kind == kind
    assert word in first.text


@pytest.mark.parametrize("contributor", [0, 2])
def test_one_contributor_that_is_missed_is_named(contributor):
    place = np.flatnonzero((NAMES.parameter == "mu") & (NAMES.level == 1))[contributor]
    first, *_ = told(found={"nutpie": intervals(600, worst=place)})
    assert first.kind in ("warning", "bad")
    assert f"But they held the mean of tool {LEVELS.labels[1][contributor]} in" in (
        first.text
    )


def test_few_tables_give_no_verdict():
    first, *_ = told(found={"nutpie": intervals(6)}, replicates=6)
    assert first.kind == "note"
    assert "6 tables cannot rule out" in first.text


def test_what_would_be_named_is_told_by_level():
    given = recovery(clear_rate=0.62, clear_right_rate=0.97)
    said = [one.text for one in told(recovery=given)]
    assert (
        "Of tool in such tables: which is the highest would be clear in 62.0 % (57.0 "
        "to 67.0), and right in 97.0 % (92.0 to 102.0) of these."
    ) in said
    assert not any("Of lot" in one for one in said)


@pytest.mark.parametrize(
    ("p", "replicates", "kind"),
    [(0.3, 600, "good"), (0.3, 200, "note"), (0.001, 200, "bad")],
)
def test_the_sampler_is_judged_where_the_table_is(p, replicates, kind):
    of_sampler = told(calibration=verdict(p, replicates))[-1]
    assert of_sampler.kind == kind
    assert ("fails" in of_sampler.text) == (kind == "bad")


@pytest.mark.parametrize(("share", "kind"), [(0.98, "warning"), (0.5, "bad")])
def test_fits_that_did_not_converge_are_told(share, kind):
    last = told(found={"nutpie": intervals(converged=share)})[-1]
    assert last.kind == kind
    assert f"{200 - int(200 * share)} of 200 fits of such tables by nutpie" in last.text


def test_tables_of_a_posterior_that_did_not_converge_are_told():
    last = told(converged=False)[-1]
    assert last.kind == "bad"
    assert "posterior of nutpie that such tables were drawn from" in last.text


def test_without_an_answer_or_a_check_nothing_is_said():
    assert told(main=None) == []
    plain = {key: v for key, v in checked().resolved.items() if key != "check"}
    assert seal.sentences("nutpie", {"held": pd.DataFrame()}, study.load(plain)) == []
