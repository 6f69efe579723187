"""Cut a study into batches, and name the files of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Batch:
    """Consecutive replicates ``first`` to ``last`` of a design."""

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


def results(study: str) -> str:
    """Folder of a study's results, below the working directory."""
    return f"results/{study}"


PATTERN = r"replicates-\d+-\d+"


def parse(name: str) -> Batch:
    """Read a batch back from its `Batch.name`."""
    first, last = name.split("-")[1:]
    return Batch(int(first), int(last))


def batches(replicates: int, per_job: int, folder: Path) -> list[Batch]:
    """Cover the replicates of a design, with batches that exist where there are any.

    A batch that has been simulated stays as it is, so that more replicates, or another
    number per job, add files and leave the others alone; a batch that reaches beyond
    the last replicate serves as well, its surplus is left out of the tables. How
    replicates are cut into batches changes no value.

    Parameters
    ----------
    replicates : int
        Replicates to cover, 0 to replicates - 1.
    per_job : int
        Replicates of a new batch, at the most.
    folder : Path
        Folder of the design, with one folder per batch.

    Returns
    -------
    list of Batch
        In order, without gap or overlap.
    """
    existing: dict[int, Batch] = {}
    if folder.is_dir():
        for path in folder.iterdir():
            if re.fullmatch(PATTERN, path.name) and any(path.glob("[!.]*")):
                batch = parse(path.name)
                kept = existing.setdefault(batch.first, batch)
                existing[batch.first] = max(kept, batch)
    starts = sorted(existing)
    plan: list[Batch] = []
    position = 0
    while position < replicates:
        if position in existing:
            batch = existing[position]
        else:
            later = [start for start in starts if start > position]
            end = min([position + per_job, replicates, *later[:1]])
            batch = Batch(position, end - 1)
        plan.append(batch)
        position = batch.last + 1
    return plan
