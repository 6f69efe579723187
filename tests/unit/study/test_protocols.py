"""The record of protocols, and of what was there when runs began."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summands.files.manifest import VERSIONS
from summands.files.storage import DamagedFileError
from summands.study import protocols
from summands.study.protocols import Told, Version

DRAFT = Version(
    "protocol.md", "2026-01-02T03:04:05+00:00", "ab", "cd", False, None, {"seed": 1}
)
AMENDED = Version(
    "amendments/x y.md", "2026-02-02T03:04:05+00:00", "ef", "gh", True, None, {}
)


def text(runs) -> str:
    return json.dumps({"runs": runs})


def test_versions_are_read_as_they_were_written(tmp_path):
    assert protocols.read(tmp_path) == []
    (tmp_path / VERSIONS).write_text(protocols.written([DRAFT, AMENDED]))
    assert protocols.read(tmp_path) == [DRAFT, AMENDED]


@pytest.mark.parametrize("damaged", ["", "{", "[]", "{}", '{"versions": [{}]}', "null"])
def test_a_list_that_cannot_be_read_is_told(tmp_path, damaged):
    (tmp_path / VERSIONS).write_text(damaged)
    with pytest.raises(DamagedFileError, match="cannot be read"):
        protocols.read(tmp_path)


def test_the_first_run_with_a_protocol_is_after_it():
    (run,) = protocols.runs(None, [DRAFT], "ab", begun=False)
    assert run == {"asked": "ab", "protocol": DRAFT.stamp}
    assert Told((DRAFT,), run["protocol"]).before


def test_a_protocol_that_came_after_results_is_never_said_to_be_before():
    runs = protocols.runs(None, [DRAFT], "ab", begun=True)
    assert runs[0] == {"asked": None, "protocol": None}
    runs = protocols.runs(text(runs), [DRAFT], "ab", begun=True)
    assert not Told((DRAFT,), runs[0]["protocol"]).before
    # Nor one that took the place of the first, whatever it asks.
    first = protocols.runs(None, [DRAFT], "ab", begun=False)[0]["protocol"]
    later = Version(*(*DRAFT.stamp.values(), "ij", True, None, {}))
    assert Told((later,), first).before
    anew = Version("protocol.md", "2027-01-01T00:00:00+00:00", "ab", "", True, None, {})
    assert not Told((anew,), first).before
    assert not Told((), first).before


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), min_size=1), st.booleans()
)
def test_runs_that_are_alike_are_one_and_none_is_forgotten(steps, begun):
    """Also: to begin again changes nothing, so that no page is written anew."""
    known, expected = None, [(None, None)] * begun
    for digest, protocol in steps:
        versions = [DRAFT] if protocol else []
        known = text(protocols.runs(known, versions, digest, begun=begun))
        # The run has drawn data.
        begun = True
        assert text(protocols.runs(known, versions, digest, begun=True)) == known
        now = (digest, DRAFT.sha256 if protocol else None)
        expected += [now] * (expected[-1:] != [now])
    found = [
        (run["asked"], run["protocol"] and run["protocol"]["sha256"])
        for run in json.loads(known)["runs"]
    ]
    assert found == expected


def test_a_run_that_ended_before_it_had_data_leaves_a_draft_a_draft():
    known = text(protocols.runs(None, [], "ab", begun=False))
    (run,) = protocols.runs(known, [DRAFT], "ab", begun=False)
    assert run["protocol"] == DRAFT.stamp


@pytest.mark.parametrize("damaged", ["", "{}", "[]", "3"])
def test_a_list_of_runs_that_cannot_be_read_is_an_error(damaged):
    with pytest.raises(ValueError, match=r".+"):
        protocols.runs(damaged, [], "ab", begun=True)


def test_what_a_page_is_told_survives_being_written():
    told = Told((DRAFT, AMENDED), DRAFT.stamp)
    assert Told.of(json.loads(json.dumps(told.plain))) == told


def test_data_are_what_only_a_run_makes(tmp_path):
    for name in ("protocol.md", "plan.json", "logs/x.log", "runs.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert not protocols.has_data(tmp_path)
    assert not protocols.has_data(tmp_path / "nowhere")
    for name in ("simulated/d/b/truth", "observed/cells", "fitted/e/fits", "fits"):
        folder = tmp_path / name.replace("/", "-")
        path = folder / f"{name}.parquet"
        path.parent.mkdir(parents=True)
        path.touch()
        assert protocols.has_data(folder)
