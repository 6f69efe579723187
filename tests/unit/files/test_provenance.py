import ast
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

ROOT = Path(__file__).parents[3]


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A copy of the scripts that a test may edit."""
    copy = tmp_path / "scripts"
    shutil.copytree(ROOT / "scripts", copy)
    monkeypatch.setattr(provenance, "SCRIPTS", copy)
    return copy / "summands"


def digests() -> dict[str, str]:
    """What each stage is a result of: fits with and without draws apart."""
    return {
        "simulate": provenance.digest("simulate.py"),
        "nutpie": provenance.digest("fit.py", "summands.estimators.nutpie"),
        "ridge": provenance.digest("fit.py", "summands.estimators.bayesian_ridge"),
        "tabulate": provenance.digest("tabulate.py"),
        "draw": provenance.digest("draw.py"),
        "page": provenance.digest("page.py"),
        "observe": provenance.digest("observe.py"),
        "table": provenance.digest("fit_table.py", "summands.estimators.nutpie"),
        "decompose": provenance.digest("decompose.py"),
        "imitate": provenance.digest("imitate.py"),
        "check": provenance.digest("check.py"),
    }


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


CHECKED = {"imitate", "check"}
OBSERVED = {"observe", "table", "decompose"} | CHECKED
SHOWN = {"draw", "page"}
EVERY = {"simulate", "nutpie", "ridge", "tabulate"} | SHOWN | OBSERVED
SAMPLED = {"nutpie", "table"}
FITS = {"nutpie", "ridge", "table"}

# Stages that may run again when a module of a package changes, and those that must
# where they are not all of them: by module, or by package.
MAY = {
    "files": set(),
    "model": EVERY,
    "data": EVERY,
    "posterior": SAMPLED | {"decompose"},
    "estimation": FITS | {"tabulate", "decompose"} | CHECKED | SHOWN,
    "estimation/kept_draws.py": {"decompose"},
    "estimators": FITS | {"tabulate", "decompose"} | CHECKED | SHOWN,
    "estimators/nutpie.py": SAMPLED,
    "estimators/bayesian_ridge.py": {"ridge"},
    "estimators/least_squares.py": set(),
    "estimators/homoscedastic.py": set(),
    "estimators/maximum_likelihood.py": set(),
    "recovery": {"tabulate", "decompose", "check"} | SHOWN,
    "recovery/crps.py": FITS - {"table"},
    "recovery/against_truth.py": FITS - {"table"},
    "decomposition": {"decompose"} | SHOWN,
    "study": {"tabulate", "decompose"} | CHECKED | SHOWN,
    "study/batch.py": EVERY,
    "report": {"tabulate", "decompose"} | SHOWN,
}
MUST = {
    "model/cells.py": EVERY,
    "model/statement.py": SAMPLED,
    "data/generator.py": {"simulate"},
    "data/observed.py": {"observe"},
    "posterior/density.py": SAMPLED,
    "posterior/convergence.py": SAMPLED,
    "estimation/fitting.py": FITS,
    "estimation/draws_file.py": FITS,
    "recovery/against_truth.py": FITS - {"table"},
    "decomposition/components.py": {"decompose"},
    "recovery/metrics.py": {"tabulate"},
    "recovery/metrics_table.py": {"tabulate", "check"},
    "recovery/calibration.py": {"tabulate", "check"},
    "recovery/failures.py": {"tabulate"},
    "study/tables.py": {"tabulate"},
    "study/answers.py": {"decompose"},
    "report/answer.py": {"decompose"},
    "data/imitation.py": {"imitate"},
    "recovery/held.py": {"check"},
    "report/answer_figures.py": {"draw"},
    "report/summary.py": {"tabulate"},
    "report/failures.py": {"tabulate"} | SHOWN,
    "report/figures.py": {"draw"},
    "report/panels.py": SHOWN,
}


def test_an_edit_runs_again_what_depends_on_it_and_nothing_else(library):
    """A metric, a figure, a file's lock: none of them is a reason to fit again."""
    before = digests()
    seen = set()
    for path in sorted(library.glob("*/*.py")):
        module = path.relative_to(library).as_posix()
        if path.name == "__init__.py" and module != "estimators/__init__.py":
            continue
        text = path.read_text()
        append(path, "\nANSWER = 42\n")
        after = digests()
        changed = {name for name in before if before[name] != after[name]}
        path.write_text(text)
        may = MAY.get(module, MAY[path.parent.name])
        assert changed <= may, module
        assert changed >= MUST.get(module, set()), module
        seen.add(module)
    assert seen >= {*MUST}


class Reworded(ast.NodeTransformer):
    """Says everything in other words."""

    def visit_Constant(self, node):
        if isinstance(node.value, str) and " " in node.value:
            return ast.copy_location(
                ast.Constant(f"In other words: {node.value}"), node
            )
        return node


def test_wording_and_remarks_run_nothing_again(library):
    before = digests()
    count = 0
    for path in library.rglob("*.py"):
        tree = Reworded().visit(ast.parse(path.read_text()))
        text = "# A remark.\n" + ast.unparse(ast.fix_missing_locations(tree)) + "\n"
        count += text.count("In other words")
        path.write_text(text)
    assert count > 500
    assert digests() == before


def test_the_wording_of_the_page_and_of_figures_is_their_content(library):
    def worded():
        return {
            script: provenance.digest(
                script, "summands.estimators.nutpie", wording=True
            )
            for script in ("page.py", "draw.py")
        }

    page, estimator = library / "report" / "page", library / "estimators"
    for path, old, changes in (
        (page / "findings.py", "errs least", {"page.py"}),
        (page / "recovery.py", "Parameter-recovery study", {"page.py"}),
        (library / "report" / "answer_figures.py", "probability (", {"draw.py"}),
        (estimator / "nutpie.py", '"""', {"page.py", "draw.py"}),
    ):
        before, text = worded(), path.read_text()
        assert old in text
        path.write_text(text.replace(old, f"{old}In other words ", 1))
        after = worded()
        assert {name for name in before if before[name] != after[name]} >= changes
        append(path, "# A remark.\n")
        assert worded() == after
        path.write_text(text)
        assert worded() == before


def test_a_new_version_of_a_package_changes_what_imports_it(monkeypatch):
    before = digests()
    version = provenance._version
    monkeypatch.setattr(
        provenance, "_version", lambda name: "0" if name == "pymc" else version(name)
    )
    after = digests()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == SAMPLED


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
        assert "://" not in text
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
