"""Files that tell others what this project is agree with each other."""

import re
import tomllib
from pathlib import Path

import yaml

from .test_architecture import ORDER

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())


def test_one_version_is_named_everywhere():
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert newest
    assert PROJECT["version"] == CITATION["version"] == newest[1]


def test_one_license_and_its_holders_are_named_everywhere():
    text = (ROOT / "LICENSE").read_text()
    assert text.startswith(f"{CITATION['license']} License\n")
    assert PROJECT["license"] == CITATION["license"]
    (holders,) = CITATION["authors"]
    assert re.search(rf"^Copyright \(c\) \d{{4}} {holders['name']}$", text, re.M)


def test_the_guide_for_contributors_knows_every_package_in_its_place():
    """Order and all: each package imports none but those before it."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert tuple(re.findall(r"^\| `(\w+)` \|", text, re.M)) == ORDER


def test_the_catalogue_finds_what_it_looks_for():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())
    assert usage["usage"]["software-stack-deployment"] == {"conda": True}
    assert usage["usage"]["report"] is True
    for name in ("workflow/Snakefile", "config/README.md", "config/config.yaml"):
        assert (ROOT / name).is_file(), name
    words = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in words
    assert "workflow" in words


def test_hosted_integration_runs_what_everyone_runs():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    assert ".ci/run" in [step.get("run") for step in steps]
    assert (ROOT / ".ci/run").stat().st_mode & 0o111
