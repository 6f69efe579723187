"""How the numbers of a page came to be, and how to make them again."""

from __future__ import annotations

import json

import yaml

from summands.report.page.content import Block, Section
from summands.report.reading import Tables


def section(tables: Tables) -> Section:
    """Tell study file, seed, versions, machine, and how to run it again.

    Parameters
    ----------
    tables : Tables

    Returns
    -------
    Section
    """
    study = tables.study
    record = tables.provenance()
    commit = record["commit"] or "unknown: not run from a git checkout"
    if record["modified"]:
        commit += ", with changes that are in no commit"
    return Section(
        "made",
        "How this was made, and how to make it again",
        "how it was made",
        (
            f"Seed {study.seed}; commit {commit}; Python {record['python']} on "
            f"{record['platform']}.",
            "Save the study file below as ``study.yaml`` beside that commit of "
            "summands, and run ``make study STUDY=study.yaml``: the numbers come out "
            "the same.",
        ),
        blocks=[
            Block("Study file", yaml.safe_dump(study.resolved, sort_keys=False)),
            Block("Versions of packages", json.dumps(record["packages"], indent=2)),
        ],
    )
