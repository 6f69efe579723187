"""Facts are those of the tables, and no more is claimed than they bear."""

import numpy as np
import pandas as pd
import pytest

from summands.decomposition import ranking
from summands.report import findings

from ..observed_tables import made


@pytest.fixture(scope="module")
def frames():
    return made().frames


@pytest.fixture(scope="module")
def nothing_shifts():
    return made(mu_sd=0.0).frames


def test_the_one_with_the_most_to_say_answers(frames):
    assert findings.main_estimator(frames) == "full"

    def without(name):
        fits = frames["fits"].copy()
        fits.loc[fits["estimator"].isin(name), "converged"] = False
        return findings.main_estimator(frames | {"fits": fits})

    assert without(["full"]) == "constant"
    assert without(["full", "constant"]) == "reml"
    assert without(["full", "constant", "reml"]) is None


def test_standings_are_the_largest_probabilities(frames):
    standings = findings.standings("full", frames)
    assert [(one.level, one.question) for one in standings] == [
        (level, question) for level in (1, 2) for question in ranking.QUESTIONS
    ]
    ranks = frames["ranking"]
    for one in standings:
        mine = ranks[
            (ranks["estimator"] == "full")
            & (ranks["level"] == one.level)
            & (ranks["question"] == one.question)
        ].set_index("contributor")
        assert one.size == len(mine)
        assert one.probability == mine["probability"].max()
        for number, (label, share) in zip(one.contributors, one.likeliest, strict=True):
            assert mine.loc[number, "label"] == label
            assert mine.loc[number, "probability"] == share
        shares = [share for _, share in one.likeliest]
        assert shares == sorted(shares, reverse=True)
        assert one.clear == (one.probability >= findings.CLEAR)


def test_who_is_high_and_who_is_noisy_is_found_with_how_much(frames):
    highest, _, noisiest, _ = findings.standings("full", frames)[:4]
    assert highest.clear
    assert highest.contributors[0] == 0
    assert highest.value.lower < 3.0 * 4 / 5 < highest.value.upper
    assert noisiest.clear
    assert noisiest.contributors[0] == 1
    assert noisiest.scatter.estimate > 1.5 * noisiest.others.estimate
    assert highest.scatter is None


def test_of_a_level_that_may_not_shift_nobody_is_named(nothing_shifts):
    standings = findings.standings("full", nothing_shifts)
    of_means = [one for one in standings if one.question in ranking.OF_MEANS]
    assert all(one.doubtful and not one.clear for one in of_means)
    of_noise = [one for one in standings if one.question not in ranking.OF_MEANS]
    assert not any(one.doubtful for one in of_noise)
    assert any(one.clear for one in of_noise)


def test_estimators_without_draws_rank_nobody(frames):
    assert findings.standings("reml", frames) == []
    assert findings.checks("reml", frames) is None
    # One noise for all: nobody is the noisiest.
    questions = {one.question for one in findings.standings("constant", frames)}
    assert questions == set(ranking.OF_MEANS)


def checked(positions):
    """Checks with intervals from -1 to 1."""
    count = len(positions)
    return {
        "checks": pd.DataFrame(
            {
                "estimator": "e",
                "level_name": "tool",
                "label": [f"t{place}" for place in range(count)],
                "statistic": "mean",
                "observed": positions,
                "lower_95": -1.0,
                "upper_95": 1.0,
            }
        )
    }


@pytest.mark.parametrize("count", [20, 200, 2000])
def test_one_in_twenty_outside_is_chance_and_many_more_are_not(count):
    inside = np.zeros(count)
    some = inside.copy()
    some[: count // 20] = 1.5
    found = findings.checks("e", checked(some))
    assert (found.count, found.outside) == (count, count // 20)
    assert found.expected == pytest.approx(0.05 * count)
    assert not found.too_many
    some[: count // 2] = -1.5
    some[7] = 9.0
    found = findings.checks("e", checked(some))
    assert found.too_many
    assert found.worst[0] == ("mean", "tool", "t7")
    assert len(found.worst) == findings.NAMED
    assert not findings.checks("e", checked(inside)).worst


def test_what_was_not_checked_is_not_counted():
    found = findings.checks("e", checked([0.0, np.nan, 2.0]))
    assert (found.count, found.outside) == (2, 1)


@pytest.mark.parametrize(
    ("difference", "error", "tells"),
    [(-20.0, 2.0, True), (-20.0, 6.0, False), (-3.0, 0.1, False), (0.0, 0.0, False)],
)
def test_small_or_unsure_differences_tell_nothing(difference, error, tells):
    row = {"difference": difference, "difference_se": error}
    assert findings.telling(row) == tells
