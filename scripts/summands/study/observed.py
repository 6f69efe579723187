"""The observed table of a study: what its file says about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from summands.data.source import Level, Source
from summands.files.words import nearest

# Keys of a study file that say how data are simulated.
OF_SIMULATIONS = (
    "grid",
    "designs",
    "replicates",
    "precision",
    "replicates_per_job",
    "designs_per_job",
    "keep_rows",
    "keep_posteriors",
)


@dataclass(frozen=True)
class Gauge:
    """What a measurement-system analysis asks for.

    Parameters
    ----------
    part, operator : str
        Names of levels.
    tolerance : float or None
        Width of the tolerance, in the unit of the values.
    """

    part: str
    operator: str
    tolerance: float | None


@dataclass(frozen=True)
class Observed:
    """An observed table, and what is asked about it.

    Parameters
    ----------
    source : Source
        With the path of the table from the working directory.
    gauge : Gauge or None
    differences : tuple of str
        Names of the levels of which all pairs are compared.
    """

    source: Source
    gauge: Gauge | None
    differences: tuple[str, ...]


def read(given: Mapping[str, Any], folder: Path) -> Observed:
    """Read the key ``observed`` of a study file, checked and with its defaults.

    Parameters
    ----------
    given : mapping
    folder : Path
        What the path of the table is relative to.
    """
    source = Source(
        str(folder / Path(given["table"]).expanduser()),
        given["value"],
        Level.all_of(given["levels"]),
        given.get("where"),
        given["missing"],
        given.get("separator"),
        given["decimal"],
        given["skip_lines"],
    )
    gauge = given.get("gauge")
    return Observed(
        source,
        gauge and Gauge(gauge["part"], gauge["operator"], gauge.get("tolerance")),
        tuple(given["differences"]),
    )


def problems(document: Mapping[str, Any], observed: Observed) -> list[str]:
    """Say what is wrong whatever the table holds, a sentence each.

    Parameters
    ----------
    document : mapping
        The study file as it was given.
    observed : Observed
    """
    found = [
        f"{key}: is about simulated data, and this study takes an observed table "
        "apart; take it away"
        for key in OF_SIMULATIONS
        if key in document
    ]
    found += [f"observed.{sentence}" for sentence in observed.source.problems()]
    names = [level.name for level in observed.source.levels]
    asked: Sequence[tuple[str, str]] = [
        (f"differences[{place}]", name)
        for place, name in enumerate(observed.differences)
    ]
    if observed.gauge is not None:
        gauge = observed.gauge
        asked = [("gauge.part", gauge.part), ("gauge.operator", gauge.operator), *asked]
        if gauge.part == gauge.operator:
            found.append(
                f"observed.gauge: part and operator are both {gauge.part!r}; they are "
                "two levels"
            )
    found += [
        f"observed.{key}: {name!r} is not a level; {nearest(name, names)}"
        for key, name in asked
        if name not in names
    ]
    return found
