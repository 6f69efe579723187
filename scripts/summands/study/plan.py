"""Cut a study into jobs, and name the files of each.

A job handles a batch: consecutive replicates of one design or, where designs are tiny,
of a pack of them, so that its start is a small part of it. How a study is cut changes
no value. What is on disk keeps its cut: a study that grows adds files and leaves the
others alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from summands.data.design import Design
from summands.study import sizing
from summands.study.batch import PATTERN, Batch, parse
from summands.study.study import Study

# Contents of designs by id, by name of the pack that holds them.
Packs = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True, order=True)
class Unit:
    """What one job of a stage handles.

    Parameters
    ----------
    name : str
        Id of a design, or name of a pack; also of the folder that the files are in.
    batch : Batch
    """

    name: str
    batch: Batch


@dataclass(frozen=True)
class Plan:
    """How a study is cut into units of work.

    Parameters
    ----------
    study : Study
    units : dict of Unit to list of str
        For each unit, in the order of the study, the ids of the designs that the study
        takes from it. A unit on disk may hold more: designs and replicates that the
        study asked for earlier.
    packs : dict
        Contents of the designs of each pack, those of earlier runs included.
    """

    study: Study
    units: dict[Unit, list[str]]
    packs: Packs

    def designs(self, name: str) -> dict[str, Design]:
        """Designs that the units of a name hold, by id."""
        if name in self.study.designs:
            return {name: self.study.designs[name]}
        return {
            identifier: self._design(identifier, content)
            for identifier, content in self.packs[name].items()
        }

    def _design(self, identifier: str, content: Mapping[str, Any]) -> Design:
        """Give a design of a pack; what it is called is no part of its content."""
        own = self.study.designs.get(identifier)
        if own is not None and own.content == content:
            return own
        return Design.from_content(dict(content), identifier)


def make(study: Study, found: Iterable[Unit], packs: Packs) -> Plan:
    """Cut a study into units, with those on disk where there are any.

    Parameters
    ----------
    study : Study
    found : iterable of Unit
        Units that have been simulated; see `on_disk` and `read`.
    packs : mapping
        Packs of earlier runs; see `read`.

    Returns
    -------
    Plan
        Each replicate of each design is in one unit. Designs that share one are those
        that `sizing.packs` puts together, as far as they are not on disk already.
    """
    contents = {name: design.content for name, design in study.designs.items()}
    existing: dict[str, dict[Batch, str]] = defaultdict(dict)
    for unit in sorted(found):
        if unit.name in contents:
            existing[unit.name].setdefault(unit.batch, unit.name)
        for name, content in packs.get(unit.name, {}).items():
            if content == contents.get(name):
                existing[name].setdefault(unit.batch, unit.name)
    taken: dict[Unit, list[str]] = defaultdict(list)
    known = dict(packs)
    for together in sizing.packs(study):
        missing: dict[Batch, list[str]] = defaultdict(list)
        for name in together:
            per_job = study.replicates_per_job or sizing.replicates_per_job(
                study.designs[name], study.estimators, study.replicates
            )
            for batch in batches(study.replicates, per_job, existing[name]):
                if batch in existing[name]:
                    taken[Unit(existing[name][batch], batch)].append(name)
                else:
                    missing[batch].append(name)
        for batch, names in missing.items():
            pack = {name: contents[name] for name in names}
            unit = Unit(_pack_name(pack) if len(pack) > 1 else names[0], batch)
            if len(pack) > 1:
                known[unit.name] = pack
            taken[unit] += names
    return Plan(study, dict(taken), known)


def batches(replicates: int, per_job: int, existing: Iterable[Batch]) -> list[Batch]:
    """Cover the replicates of a design, with batches that exist where there are any.

    A batch that has been simulated stays as it is, so that more replicates, or another
    number per job, add files and leave the others alone; a batch that reaches beyond
    the last replicate serves as well, its surplus is left out of the tables.

    Parameters
    ----------
    replicates : int
        Replicates to cover, 0 to replicates - 1.
    per_job : int
        Replicates of a new batch, at the most.
    existing : iterable of Batch

    Returns
    -------
    list of Batch
        In order, without gap or overlap.
    """
    longest = {batch.first: batch for batch in sorted(existing)}
    starts = sorted(longest)
    plan: list[Batch] = []
    position = 0
    while position < replicates:
        if position in longest:
            batch = longest[position]
        else:
            later = [start for start in starts if start > position]
            end = min([position + per_job, replicates, *later[:1]])
            batch = Batch(position, end - 1)
        plan.append(batch)
        position = batch.last + 1
    return plan


def on_disk(folder: Path) -> list[Unit]:
    """List the units that have files in a folder of a folder per name and batch.

    An empty folder, and files that are still being written, are what a killed job
    leaves behind: no unit.
    """
    if not folder.is_dir():
        return []
    return [
        Unit(named.name, parse(path.name))
        for named in folder.iterdir()
        if named.is_dir()
        for path in named.iterdir()
        if re.fullmatch(PATTERN, path.name) and any(path.glob("[!.]*"))
    ]


def written(plan: Plan, earlier: Iterable[Unit]) -> str:
    """Put down how a study is cut, for the runs that go on with it.

    Names of packs do not say which designs they hold, and not every storage can list
    what is in it.

    Parameters
    ----------
    plan : Plan
    earlier : iterable of Unit
        Units that were put down before; they stay.

    Returns
    -------
    str
        A line for each unit and for each pack, in JSON.
    """
    units = sorted({*earlier, *plan.units})
    lines = [json.dumps([unit.name, unit.batch.name]) for unit in units]
    packs = [
        f"{json.dumps(name)}: {json.dumps(pack)}" for name, pack in plan.packs.items()
    ]
    return (
        '{"units": [\n'
        + ",\n".join(lines)
        + '\n],\n"packs": {\n'
        + ",\n".join(packs)
        + "\n}}\n"
    )


def read(text: str | None) -> tuple[list[Unit], Packs]:
    """Read the units and the packs of earlier runs from what `written` put down.

    Parameters
    ----------
    text : str or None
        None where there is nothing yet.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if text is None:
        return [], {}
    try:
        kept = json.loads(text)
        units = [Unit(name, parse(batch)) for name, batch in kept["units"]]
        return units, kept["packs"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a plan: {error}") from None


def _pack_name(pack: Mapping[str, Mapping[str, Any]]) -> str:
    """Name of a pack: its first design, how many more, and a digest of all."""
    digest = hashlib.sha256(_canonical(pack).encode()).hexdigest()[:10]
    return f"{next(iter(pack))}_and_{len(pack) - 1}_more_{digest}"


def _canonical(content: Any) -> str:
    return json.dumps(content, sort_keys=True)
