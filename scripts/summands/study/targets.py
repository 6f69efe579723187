"""The key ``plan`` of a study file: the precision that is wanted, and its rows."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from summands.data.design import Design
from summands.files import provenance, storage
from summands.recovery import rows_needed
from summands.recovery.plans import Planned
from summands.recovery.rows_needed import DETECTION, METRICS, Needed, Target

# Where a run keeps numbers, beside what Snakemake remembers: all its processes ask for
# them.
MEMORY = Path(".snakemake", "summands")

# How far the one is off that is to be detected, by what is looked at.
OFF = {"mu": ("shift", 0.0), "variance_contrast": ("noise", 1.0)}


def problems(given: Mapping[str, Any]) -> list[str]:
    """Say what no schema can see of a plan, a sentence each.

    Parameters
    ----------
    given : mapping
        The key as the study file has it.
    """
    found = []
    for place, target in enumerate(given["targets"]):
        where = f"plan.targets[{place}]"
        wanted = [name for name in METRICS if name in target]
        if len(wanted) != 1:
            found.append(
                f"{where}: wants {' and '.join(wanted) or 'nothing'}; say one of "
                f"{', '.join(METRICS)}"
            )
            continue
        key, nothing = OFF[target["parameter"]]
        if wanted != [DETECTION]:
            found += [
                f"{where}.{name}: is of detection, of one contributor that is off; "
                "take it away"
                for name in ("shift", "noise")
                if name in target
            ]
        elif target.get(key, nothing) == nothing:
            found.append(
                f"{where}: say how far the one is off that is to be detected, as "
                f"`{key}: {0.5 if key == 'shift' else 2}`"
            )
    return found


def read(given: Mapping[str, Any]) -> list[Target]:
    """Read the targets of a checked plan."""
    return [
        Target(
            target["parameter"],
            metric,
            float(target[metric]),
            target.get("level"),
            float(target.get("shift", 0.0)),
            float(target.get("noise", 1.0)),
        )
        for target in given["targets"]
        for metric in METRICS
        if metric in target
    ]


def planned(
    design: Design, targets: list[Target], seed: int, memory: Path | None = None
) -> Iterator[Planned | str]:
    """Work out the rows that a design takes, target by target.

    Parameters
    ----------
    design : Design
        Its number of rows does not matter.
    targets : list of Target
    seed : int
        The study's seed.
    memory : Path, optional
        Folder in which numbers are kept for other processes of a run, which all ask
        for them.

    Yields
    ------
    Planned or str
        A sentence where the design cannot have such a truth.
    """
    for target in targets:
        of_target = target.of(design)
        faults = of_target.problems()
        if faults:
            yield faults[0]
            continue
        needed = _remembered(design, target, seed, memory)
        rows = needed.rows or design.levels.parameters
        yield Planned(dataclasses.replace(of_target, rows=rows), target, needed)


def _remembered(
    design: Design, target: Target, seed: int, memory: Path | None
) -> Needed:
    if memory is None:
        return rows_needed.of(design, target, seed)
    # Numbers that are kept are those of this code.
    code = provenance.digest("summands/recovery/rows_needed.py")
    asked = json.dumps([design.content, dataclasses.asdict(target), seed, code])
    path = memory / f"{hashlib.sha256(asked.encode()).hexdigest()}.json"
    # What nobody can read is not there.
    with suppress(OSError, ValueError, TypeError, KeyError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        curve = tuple((int(rows), float(value)) for rows, value in kept.pop("curve"))
        return Needed(**kept, curve=curve)
    needed = rows_needed.of(design, target, seed)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with storage.whole(path) as passing:
            passing.write_text(json.dumps(dataclasses.asdict(needed)), encoding="utf-8")
    return needed
