"""Batches of replicates, and the names of the folders that results are in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from summands.data.design import Design
from summands.files import storage

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake


@dataclass(frozen=True, order=True)
class Batch:
    """Consecutive replicates ``first`` to ``last``."""

    first: int
    last: int

    @property
    def name(self) -> str:
        """Name of the batch's folder."""
        return f"replicates-{self.first}-{self.last}"

    @property
    def replicates(self) -> range:
        """The replicates of the batch."""
        return range(self.first, self.last + 1)


PATTERN = r"replicates-\d+-\d+"


def parse(name: str) -> Batch:
    """Read a batch back from its `Batch.name`."""
    first, last = name.split("-")[1:]
    return Batch(int(first), int(last))


def results(study: str) -> str:
    """Folder of a study's results, below the working directory."""
    return f"results/{study}"


def unit(snakemake: Snakemake) -> tuple[dict[str, Design], range]:
    """Read what a job of a stage handles: designs by id, and replicates of each.

    What is known of designs only when the run is under way, such as the levels of a
    table, comes in a file; see `written`.
    """
    inputs = dict(snakemake.input.items())
    if "designs" in inputs:
        designs = read(inputs["designs"])
    else:
        # What levels and contributors are called is no part of a design's content, on
        # which its data depend.
        called = snakemake.params.names
        designs = {
            name: Design.from_content(content, name, *called.get(name, ()))
            for name, content in snakemake.params.designs.items()
        }
    return designs, parse(snakemake.wildcards.batch).replicates


def written(designs: Mapping[str, Design]) -> str:
    """Write designs, by id, as JSON for the jobs that handle them."""
    plain = {
        name: [design.content, design.levels.names, design.levels.labels]
        for name, design in designs.items()
    }
    return json.dumps(plain, ensure_ascii=False) + "\n"


def read(path: str | Path) -> dict[str, Design]:
    """Read designs, by id, from a file that holds what `written` made of them."""
    with storage.reading(path):
        kept = json.loads(Path(path).read_text(encoding="utf-8"))
    return {
        name: Design.from_content(content, name, names, labels)
        for name, (content, names, labels) in kept.items()
    }
