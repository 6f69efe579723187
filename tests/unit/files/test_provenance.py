import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from summands.files import provenance
from summands.report import reference

ROOT = Path(__file__).parents[3]


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A copy of the scripts that a test may edit."""
    copy = tmp_path / "scripts"
    shutil.copytree(ROOT / "scripts", copy)
    monkeypatch.setattr(provenance, "SCRIPTS", copy)
    provenance._read.cache_clear()
    yield copy / "summands"
    provenance._read.cache_clear()


def digests() -> dict[str, str]:
    provenance._read.cache_clear()
    return {
        "simulate": provenance.digest("simulate.py"),
        "nutpie": provenance.digest("fit.py", "summands.estimators.nutpie"),
        "ridge": provenance.digest("fit.py", "summands.estimators.bayesian_ridge"),
        "tabulate": provenance.digest("tabulate.py"),
        "draw": provenance.digest("draw.py"),
    }


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


@pytest.mark.parametrize(
    ("module", "reruns"),
    [
        ("report/figures.py", {"draw"}),
        ("recovery/metrics_table.py", {"tabulate"}),
        ("model/statement.py", {"nutpie"}),
        ("posterior/density.py", {"nutpie"}),
        ("estimators/bayesian_ridge.py", {"ridge"}),
        ("estimation/fitting.py", {"nutpie", "ridge"}),
        ("data/generator.py", {"simulate", "nutpie", "ridge", "tabulate"}),
    ],
)
def test_an_edit_changes_what_depends_on_it(library, module, reruns):
    before = digests()
    append(library / module, "\nANSWER = 42\n")
    after = digests()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == reruns


def test_comments_docstrings_and_times_change_nothing(library):
    before = digests()
    for path in library.rglob("*.py"):
        append(path, "\n# A remark.\n")
        path.write_text(path.read_text().replace('"""The ', '"""This is the ', 1))
    assert digests() == before


def test_a_new_version_of_a_package_changes_what_imports_it(monkeypatch):
    before = digests()
    version = provenance._version
    monkeypatch.setattr(
        provenance, "_version", lambda name: "0" if name == "pymc" else version(name)
    )
    after = digests()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"nutpie"}


def test_the_record_names_commit_and_versions():
    record = provenance.record(provenance.dependencies())
    assert record["packages"]["pymc"] == locked("run")["pymc"]
    assert None not in record["packages"].values()
    assert record["commit"] is None or re.fullmatch("[0-9a-f]{40}", record["commit"])
    json.dumps(record)


def locked(group: str) -> dict[str, str]:
    text = (ROOT / "envs" / f"{group}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", text, re.MULTILINE))


def test_the_test_lock_is_the_run_lock_and_more():
    run, test = locked("run"), locked("test")
    assert run.items() <= test.items()
    assert "pytest" in test
    assert "pytest" not in run


def test_locks_are_pinned_by_hash_and_name_no_host():
    for lock in (ROOT / "envs").glob("*.txt"):
        text = lock.read_text()
        pins = re.findall(r"^[a-z0-9._-]+==.*$", text, re.MULTILINE)
        assert pins
        assert all(pin.endswith("\\") for pin in pins)
        assert "http" not in text
        assert set(re.findall(r"--[a-z-]+", text)) == {"--hash"}


def test_every_dependency_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(provenance.dependencies()) <= set(locked("run"))
    assert len(provenance.dependencies()) == len(project["project"]["dependencies"])


def test_the_conda_environment_has_the_versions_of_the_lock():
    environment = yaml.safe_load((ROOT / "envs" / "summands.yaml").read_text())
    pins = dict(item.split("=") for item in environment["dependencies"])
    del pins["python"]
    run = locked("run")
    assert pins == {name: run[name] for name in pins}
    needed = {
        name for name in provenance.dependencies() if not name.startswith("snakemake")
    }
    assert set(pins) == needed


def test_the_library_needs_no_snakemake():
    modules = sorted(
        ".".join(path.relative_to(ROOT / "scripts").with_suffix("").parts)
        for path in (ROOT / "scripts" / "summands").rglob("*.py")
        if path.name != "__init__.py"
    )
    code = (
        "import sys; sys.modules['snakemake'] = None\n"
        f"import importlib\nfor name in {modules}: importlib.import_module(name)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "scripts", check=True)


def test_reference_pages_are_those_of_the_definitions():
    assert (ROOT / "config" / "README.md").read_text() == reference.study_file()
    readme = (ROOT / "README.md").read_text()
    assert readme == reference.renewed(readme), (
        "run python -m summands.report.reference"
    )
