"""The Python snippets of the documentation run, on the studies that they name."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from .conftest import ROOT, run_once

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]

# In snippets that read from a bucket: test_object_store.py runs them, on a server.
BUCKET = "S3FileSystem"

FEW_DRAWS = {"tune": 60, "draws": 20, "escalations": 0}

# The shipped studies with fewer designs and draws; names of files stay what they are.
SMALLER = {
    "config/config.yaml": {
        "grid": {"levels": [[1, 2]], "rows": [60]},
        "estimators": {"nutpie": FEW_DRAWS, "bayesian_ridge": {}},
    },
    "config/studies/drifting_tool.yaml": {
        "replicates": 3,
        "replicates_per_job": 3,
        "grid": {"levels": [[1, 2]], "rows": [60]},
        "estimators": {
            "nutpie": FEW_DRAWS,
            "homoscedastic": {},
            "bayesian_ridge": {},
        },
    },
    "config/studies/silicon_wafers.yaml": {
        "estimators": {
            "nutpie": FEW_DRAWS,
            "constant": {"method": "nutpie", "noise": "constant", **FEW_DRAWS},
            "homoscedastic": {},
        },
    },
    "config/studies/sweep.yaml": {
        "designs_per_job": 2,
        "grid": {
            "levels": [[1, 4]],
            "rows": [100],
            "mu_sd": [0.1],
            "log_sigma_sd": [0.1, 0.25],
        },
        "estimators": {
            "nutpie": FEW_DRAWS,
            "maximum_likelihood": {},
            "homoscedastic": {},
        },
    },
}


def snippets(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.M)


def on_disk(page: Path) -> list[str]:
    return [block for block in snippets(page) if BUCKET not in block]


def in_bucket(page: Path) -> list[str]:
    return [block for block in snippets(page) if BUCKET in block]


def run(blocks: list[str], folder: Path, environment: Mapping[str, str] = {}) -> None:
    """Run snippets one after the other, in one namespace."""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def shipped(once):
    """A folder in which the studies that pages name have been run, only smaller."""
    studies = []
    for name, smaller in SMALLER.items():
        study = yaml.safe_load((ROOT / name).read_text())
        assert smaller["estimators"].keys() == study["estimators"].keys()
        if "designs" in study:
            study["designs"] = dict(list(study["designs"].items())[:1])
        if "observed" in study:
            # Relative to the study file, which is written elsewhere here.
            place = (ROOT / name).parent / study["observed"]["table"]
            study["observed"]["table"] = str(place.resolve())
        studies.append(study | smaller)
    return run_once(once, "shipped", *studies)


@pytest.mark.parametrize("page", list(filter(on_disk, PAGES)), ids=str)
def test_snippets_run_in_the_order_of_their_page(shipped, page):
    blocks = on_disk(page)
    # A snippet on another study needs that study above.
    for study in re.findall(r"results/(\w+)/", "".join(blocks)):
        assert shipped.results(study).is_dir(), study
    run(blocks, shipped.folder)
