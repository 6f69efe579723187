"""The key `observed` of a study file."""

from pathlib import Path

import pytest

from summands.data.source import Level
from summands.study import study
from summands.study.observed import Gauge
from summands.study.validation import StudyError


def document(**observed):
    given = {"table": "../data/t.csv", "value": "x", "levels": ["tool", "lot"]}
    return {
        "study": "s",
        "observed": given | observed,
        "estimators": {"nutpie": {}, "homoscedastic": None},
    }


def refused(given) -> str:
    with pytest.raises(StudyError) as caught:
        study.load(given)
    return str(caught.value)


def test_a_table_is_found_from_the_study_file(tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    path = folder / "study.yaml"
    path.write_text("study: s\n")
    found = study.load(document(), (path,)).observed
    assert Path(found.source.table) == folder / "../data/t.csv"
    absolute = study.load(document(table="/data/t.csv"), (path,)).observed
    assert absolute.source.table == "/data/t.csv"


def test_what_is_asked_is_read():
    found = study.load(
        document(
            levels=["tool", {"name": "cask", "columns": ["batch", "cask"]}],
            where="day < 10",
            missing="drop",
            gauge={"part": "cask", "operator": "tool"},
            differences=["tool"],
        )
    ).observed
    assert found.source.levels == (
        Level("tool", ("tool",)),
        Level("cask", ("batch", "cask")),
    )
    assert (found.source.where, found.source.missing) == ("day < 10", "drop")
    assert found.gauge == Gauge("cask", "tool", None)
    assert found.differences == ("tool",)


def test_the_resolved_study_resolves_to_itself():
    once = study.load(document())
    again = study.load(once.resolved)
    assert again.resolved == once.resolved
    assert "replicates" not in once.resolved
    assert not once.designs


def test_a_layout_is_read_as_it_is_said():
    said = {"separator": ";", "decimal": ",", "skip_lines": 2}
    found = study.load(document(**said)).observed.source
    assert {key: getattr(found, key) for key in said} == said
    found = study.load(document()).observed.source
    assert (found.separator, found.decimal, found.skip_lines) == (None, ".", 0)


def test_scales_of_an_observed_table_are_estimated():
    entry = study.load(document()).estimators["nutpie"]
    assert entry.options["scales"] == "estimated"
    simulated = {
        "study": "s",
        "grid": {"levels": [[1, 2]], "rows": [50]},
        "estimators": {"nutpie": {}},
    }
    assert study.load(simulated).estimators["nutpie"].options["scales"] == "known"
    known = document()
    known["estimators"]["nutpie"] = {"scales": "known"}
    assert "estimators.nutpie.scales: 'known' is not one of: estimated" in refused(
        known
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"levels": []}, "observed.levels: is empty"),
        ({"levels": ["tool", "tool"]}, 'observed.level "tool": is given twice'),
        ({"levels": ["x"]}, 'observed.level "x": its column "x" is that of the values'),
        ({"levels": [3]}, "observed.levels[0]: 3 is not text"),
        ({"levels": [{"name": "a"}]}, "observed.levels[0].columns: missing"),
        ({"missing": "keep"}, "observed.missing: 'keep' is not one of: refuse, drop"),
        ({"separator": "\\t"}, "observed.separator: '\\\\t' is no character that"),
        ({"decimal": ";"}, "observed.decimal: ';' is not one of: '.', ','"),
        ({"skip_lines": -1}, "observed.skip_lines: -1 is less than 0"),
        ({"wher": "a"}, 'observed.wher: unknown key; did you mean "where"?'),
        (
            {"differences": ["tol"]},
            "observed.differences[0]: 'tol' is not a level; did you mean \"tool\"?",
        ),
        (
            {"gauge": {"part": "lot", "operator": "lot"}},
            "observed.gauge: part and operator are both 'lot'",
        ),
        (
            {"gauge": {"part": "lots", "operator": "tool", "tolerance": 0}},
            "observed.gauge.tolerance: 0 is not more than 0",
        ),
    ],
)
def test_a_broken_table_is_explained(changes, message):
    assert message in refused(document(**changes))


@pytest.mark.parametrize(
    ("key", "value"),
    [("grid", {"levels": [[1, 2]], "rows": [50]}), ("replicates", 3)],
)
def test_a_study_is_simulated_or_observed(key, value):
    assert f"{key}: is about simulated data" in refused(document() | {key: value})


@pytest.mark.parametrize(
    ("priors", "sound"),
    [
        ({"mu_sd": 0.1}, False),
        ({"mu_sd": {"half_normal": 0.1}}, True),
        ({"mu_sd": {"normal": [0, 1]}}, False),
        ({"log_sigma_mean": {"normal": [0, -1]}}, False),
        ({"intercept_mean": 3.0, "intercept_sd": 1.0}, True),
    ],
)
def test_priors_of_estimated_scales_are_distributions(priors, sound):
    given = document()
    given["estimators"]["nutpie"] = {"priors": priors}
    if sound:
        assert study.load(given).estimators["nutpie"].priors
    else:
        assert "estimators.nutpie.priors" in refused(given)
