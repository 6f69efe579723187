"""The protocol of a study: what is in it, and when one is written."""

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from summands import estimators
from summands.files import storage
from summands.files.manifest import PROTOCOL
from summands.model import estimands
from summands.recovery.catalogue import METRICS
from summands.report.page import protocols as told_by
from summands.report.protocol import __main__ as command
from summands.report.protocol.__main__ import ProtocolError
from summands.report.reading import Tables
from summands.study import asked, protocols, study
from summands.study.protocols import Told

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
STUDY = {
    "study": "s",
    "aims": 'Is "x" | y better?\n\n- In *any* way?',
    "replicates": 4,
    "grid": {"levels": [[1, 2]], "rows": [60]},
    "designs": {
        "given": {
            "rows": 500,
            "mu_sd": 1e-6,
            "coefficients": {
                "line\n1": {"Ж": [1234567.25, 1]},
                'a "b"': {f"c {k}": [k, 1e-6] for k in range(100)},
            },
        }
    },
    "estimators": {"huber": {"threshold": 2}, "own_name": {"method": "nutpie"}},
}


def write(folder: Path, *, later=0, amend=False, **changes) -> str | None:
    """Write a protocol and return its text, or None where none was needed."""
    now = NOW + timedelta(hours=later)
    path = command.write(study.load(STUDY | changes), folder, now, amend=amend)
    return None if path is None else path.read_text(encoding="utf-8")


def with_data(folder: Path) -> None:
    path = folder / "simulated" / "d" / "replicates-0-1" / "truth.parquet"
    path.parent.mkdir(parents=True)
    path.touch()


def section(text: str, title: str) -> str:
    return re.split(r"^## ", text.partition(f"\n## {title}\n")[2], flags=re.M)[0]


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "a b" / "results" / "s"


def test_all_parts_are_there_with_all_that_is_asked(folder):
    text = write(folder)
    titles = re.findall(r"^## (.*)$", text, re.M)
    assert titles == [
        *("Aims", "Data-generating mechanisms", "Estimands", "Methods"),
        *("Performance measures", "Replicates", "Seeds", "Failures", "Software"),
        "Study file",
    ]
    assert STUDY["aims"] in section(text, "Aims")
    for block in estimands.BLOCKS:
        assert f"`{block.name}`" in section(text, "Estimands")
    methods = section(text, "Methods")
    checked = study.load(STUDY)
    for name, entry in checked.estimators.items():
        assert f"### `{name}`" in methods
        for option, value in entry.options.items():
            told = json.dumps(value, ensure_ascii=False)
            assert re.search(rf"^\| `{option}` \| `{re.escape(told)}`", methods, re.M)
    measures = section(text, "Performance measures")
    for metric in METRICS.values():
        assert f"`{metric.name}" in measures
    (kept,) = re.findall(r"^````yaml\n(.*?)^````$", text, re.M | re.S)
    assert asked.content(study.load(yaml.safe_load(kept))) == asked.content(checked)
    assert asked.digest(asked.content(checked)) in text


def test_given_coefficients_are_told_with_all_their_digits(folder):
    text = section(write(folder), "Data-generating mechanisms")
    assert "level line 1: Ж (1234567.25, 1)" in text
    assert 'level a "b": c 0 (0, 1e-06), c 1 (1, 1e-06)' in text
    assert ", and 88 more in the study file" in text
    assert "(priors that are stated: mu_sd 1e-06)" in text


def test_mechanisms_are_told_where_they_are_at_work(folder):
    plain = section(write(folder), "Data-generating mechanisms")
    assert "x_i = b + sum_j (mu_jk + sigma_jk e_ij),   k = c_ij" in plain
    assert "rift" not in plain
    grid = STUDY["grid"] | {
        "noise": ["normal", {"student_t": 4}],
        "layout": [{"unequal": 1.5}],
        "drift": [0, 0.5],
        "interaction_sd": [1e-6],
        "autocorrelation": [-0.3],
        "truth": ["drawn", "fixed", {"one_off": {"shift": 3}}],
    }
    all_of = section(write(folder, grid=grid), "Data-generating mechanisms")
    for words in (
        "(mu_jk + sigma_jk e_ij + d_jk t_i) + g_cell,",
        '`{"student_t": 4.0}`. Student\'s t: heavy tails.',
        '`{"unequal": 1.5}`. Contributors take part unequally often',
        "D is 0 or 0.5,",
        "G is 0 or 1e-06,",
        "r is -0.3 or 0.",
        "All contributors alike but one",
        '`noise`: `"normal"`, `{"student_t": 4}`',
    ):
        assert words in all_of


def test_replicates_are_justified(folder):
    stated = section(write(folder), "Replicates")
    assert "4 replicates of each design, as stated" in stated
    assert "coverage of 95 % is 0.11" in stated
    wanted = {"precision": {"coverage_95": 0.02, "rmse_relative": 0.05}}
    document = {key: value for key, value in STUDY.items() if key != "replicates"}
    checked = study.load(document | wanted)
    planned_text = command.write(checked, folder, NOW, amend=False).read_text()
    assert "200 replicates of each design" in section(planned_text, "Replicates")
    assert re.search(r"\| `coverage_95` \| 0.02 \| 0.2179 \| 119 \|", planned_text)
    assert "Primary are `coverage_95` and `rmse`: " in planned_text


def test_measures_are_those_that_the_study_has(folder):
    document = {key: value for key, value in STUDY.items() if key != "designs"}
    checked = study.load(document | {"estimators": {"huber": {}}})
    path = command.write(checked, folder, NOW, amend=False)
    measures = section(path.read_text(), "Performance measures")
    assert "`coverage_95`" in measures
    for absent in ("empirical_se", "_vs_", "likeliest_rate"):
        assert f"| `{absent}" not in measures
        assert f"{absent}<" not in measures


def test_without_aims_that_is_said(folder):
    checked = study.load({key: STUDY[key] for key in STUDY if key != "aims"})
    text = command.write(checked, folder, NOW, amend=False).read_text()
    assert "None were stated" in section(text, "Aims")


@pytest.mark.usefixtures("few_truths")
@pytest.mark.parametrize(
    "path", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda path: path.stem
)
def test_studies_of_the_project_have_a_protocol(path, tmp_path):
    checked = study.read(path)
    written = command.write(checked, tmp_path, NOW, amend=False).read_text()
    assert "None\n" not in written
    assert not re.search(r"<\w+ object|\bnan\b", written.partition("````")[0])
    if checked.observed is not None:
        assert section(written, "Data")
        assert protocols.read(tmp_path)[0].table in written
        assert ("None beside" in section(written, "Check")) == (checked.check is None)


def test_a_table_that_is_not_there_yet_can_be_planned(tmp_path):
    observed = {"table": "no such.csv", "value": "x", "levels": ["a"]}
    document = {"study": "s", "observed": observed, "estimators": {"nutpie": {}}}
    path = command.write(study.load(document), tmp_path, NOW, amend=False)
    assert "was not there yet" in path.read_text()


def test_many_designs_are_told_by_their_grid(folder):
    grid = {"levels": [[1, 2], [1, 3]], "rows": [*range(60, 160)]}
    text = write(folder, grid=grid)
    assert "201 designs, with 4 data sets of each" in text
    assert "Too many to be listed here: 201." in text


def test_a_draft_gives_way_to_the_next_until_there_are_data(folder):
    assert "before any data" in write(folder)
    assert "seed of the study is 5" in write(folder, seed=5)
    (version,) = protocols.read(folder)
    assert version.sha256 == asked.digest(
        asked.content(study.load(STUDY | {"seed": 5}))
    )
    assert version.text == storage.digest(folder / PROTOCOL)
    assert not version.after_data


def test_a_draft_that_was_edited_is_not_overwritten(folder):
    write(folder)
    (folder / PROTOCOL).write_text("My own words.")
    with pytest.raises(ProtocolError, match="was edited"):
        write(folder, seed=5)
    assert (folder / PROTOCOL).read_text() == "My own words."


def test_once_there_are_data_the_protocol_stays(folder):
    before = write(folder)
    with_data(folder)
    assert write(folder, later=1) is None
    assert write(folder, later=1, amend=True, aims="Others.") is None
    with pytest.raises(ProtocolError, match=r"2 keys changed since.*AMEND=yes"):
        write(folder, later=1, seed=5, replicates=6)
    assert (folder / PROTOCOL).read_text() == before
    assert len(protocols.read(folder)) == 1


def test_amendments_are_dated_and_tell_what_changed(folder):
    before = write(folder)
    with_data(folder)
    first = write(folder, later=1, amend=True, seed=5)
    second = write(folder, later=2, amend=True, seed=6)
    third = write(folder, later=48, amend=True, seed=7)
    names = [version.file for version in protocols.read(folder)]
    days = ("2026-02-03", "2026-02-03-2", "2026-02-05")
    assert names == [PROTOCOL, *(f"amendments/{day}.md" for day in days)]
    assert (folder / PROTOCOL).read_text() == before
    for text, seed in ((first, 5), (second, 6), (third, 7)):
        assert text.startswith("# Amended protocol of s\n")
        assert "when it had data already" in text
        assert f"| `seed` | `0` | `{seed}` |" in section(text, "What was changed")


def test_one_that_came_after_data_says_so(folder):
    with_data(folder)
    assert "when it had data already" in write(folder)
    assert protocols.read(folder)[0].after_data


def run(monkeypatch, capsys, *arguments: object) -> str:
    monkeypatch.setattr(sys, "argv", ["protocol", *map(str, arguments)])
    command.main()
    return capsys.readouterr().out


def test_the_command_says_where_it_is_and_refuses_in_one_line(
    tmp_path, monkeypatch, capsys
):
    file = tmp_path / "my study.yaml"
    file.write_text(yaml.safe_dump(STUDY))
    told = run(monkeypatch, capsys, file, "--directory", tmp_path)
    folder = tmp_path / "results" / "s"
    assert told == f"{folder / PROTOCOL}\n"
    with_data(folder)
    assert "nothing changed" in run(monkeypatch, capsys, file, "--directory", tmp_path)
    file.write_text(yaml.safe_dump(STUDY | {"seed": 9}))
    with pytest.raises(SystemExit, match=r"^summands: .*1 key changed"):
        run(monkeypatch, capsys, file, "--directory", tmp_path)
    told = run(monkeypatch, capsys, file, "--directory", tmp_path, "--amend")
    assert re.search(r"amendments/\d{4}-\d\d-\d\d\.md\n$", told)
    with pytest.raises(SystemExit, match=r"^summands: .*no\.yaml"):
        run(monkeypatch, capsys, tmp_path / "no.yaml")


def tables(folder: Path, told: Told, table: str | None = None, **changes) -> Tables:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "provenance.json").write_text(json.dumps({"table": table}))
    paths = {"provenance": str(folder / "provenance.json")}
    return Tables(study.load(STUDY | changes), paths, told)


def told_of(folder: Path, first: int | None = 0) -> Told:
    versions = protocols.read(folder)
    return Told(tuple(versions), None if first is None else versions[first].stamp)


def test_the_page_says_when_there_is_none(folder):
    (said,) = told_by.paragraphs(tables(folder, Told()))
    assert "No protocol was written" in said
    assert list(told_by.grids(tables(folder, Told()))) == []


def test_the_page_says_that_a_protocol_was_kept_to(folder):
    write(folder)
    made = tables(folder, told_of(folder), aims="In other words.", keep_rows=True)
    (said,) = told_by.paragraphs(made)
    assert "before the study had data; nothing that it asks for was changed" in said
    assert "2026-02-03 at 04:05 UTC" in said
    assert list(told_by.grids(made)) == []


def test_the_page_lists_what_was_changed_and_where_that_was_announced(folder):
    write(folder)
    with_data(folder)
    write(folder, later=1, amend=True, seed=5, replicates=6)
    made = tables(folder, told_of(folder), seed=5, replicates=7)
    first, second = told_by.paragraphs(made)
    assert "2 things that it asks for were changed since" in first
    assert "amendments/2026-02-03.md" in second
    (grid,) = told_by.grids(made)
    cells = [[cell.text for cell in row] for row in grid.rows]
    assert cells == [
        ["replicates", "4", "7", "-"],
        ["seed", "0", "5", "amendments/2026-02-03.md"],
    ]


def test_the_page_does_not_take_a_late_protocol_for_an_early_one(folder):
    with_data(folder)
    write(folder)
    (said,) = told_by.paragraphs(tables(folder, told_of(folder, None)))
    assert "when the study had data already" in said
    assert "before the study had data" not in said


def test_the_page_says_that_the_first_protocol_is_gone(folder):
    write(folder)
    first = protocols.read(folder)[0].stamp
    (said,) = told_by.paragraphs(tables(folder, Told((), first)))
    assert "is not among the results any more" in said
    assert first["sha256"] in said


def test_the_page_sees_that_the_table_is_another_one(tmp_path):
    observed = {"table": "t.csv", "value": "x", "levels": ["a"]}
    document = {"study": "s", "observed": observed, "estimators": {"nutpie": {}}}
    checked = study.load(document)
    command.write(checked, tmp_path, NOW, amend=False)
    version = protocols.read(tmp_path)[0]
    for known, found, count in ((None, "ab", 0), ("ab", "ab", 0), ("ab", "cd", 1)):
        told = Told((protocols.Version(**{**vars(version), "table": known}),), None)
        made = Tables(checked, tables(tmp_path, told, found).paths, told)
        assert len(told_by.changes(made)) == count


def test_every_estimator_can_be_told(tmp_path):
    entries = {name: {} for name in estimators.names()}
    document = {key: STUDY[key] for key in ("study", "grid")}
    checked = study.load(document | {"estimators": entries})
    text = command.write(checked, tmp_path, NOW, amend=False).read_text()
    assert text.count("\n### `") == len(entries)


def test_rows_that_a_plan_takes_are_told_with_their_targets(folder):
    plan = {
        "targets": [
            {"parameter": "mu", "width_95": 0.5},
            {"parameter": "mu", "detection": 0.9, "shift": 0.5},
        ]
    }
    document = {
        "study": "s",
        "grid": {"levels": [[1, 3]], "mu_sd": [0.5]},
        "plan": plan,
        "estimators": {"least_squares": {}},
    }
    checked = study.load(document)
    path = command.write(checked, folder, NOW, amend=False)
    text = section(path.read_text(), "Data-generating mechanisms")
    for one in checked.plan:
        assert f"| {one.target} | {one.needed.rows:,} | `{one.design.id}` |" in text
    nothing = study.load(document | {"plan": plan | {"verify": False}})
    with pytest.raises(ProtocolError, match="nothing to simulate"):
        command.write(nothing, folder, NOW, amend=False)
