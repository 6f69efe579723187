"""The check of an observed table: what its study file says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from summands.estimators import Entry
from summands.files.words import nearest
from summands.study.batch import Batch


@dataclass(frozen=True)
class Check:
    """Tables like the observed one, drawn from its posterior and fitted.

    Parameters
    ----------
    replicates : int
        How many are drawn.
    of : str
        Name of the estimator whose posterior they are drawn from.
    replicates_per_job : int
    """

    replicates: int
    of: str
    replicates_per_job: int

    @property
    def batches(self) -> list[Batch]:
        """Consecutive replicates that jobs handle."""
        step = self.replicates_per_job
        return [
            Batch(first, min(first + step, self.replicates) - 1)
            for first in range(0, self.replicates, step)
        ]


def read(
    resolved: Mapping[str, Any], entries: Mapping[str, Entry]
) -> tuple[Check | None, list[str]]:
    """Read the key ``check`` of a study file.

    Parameters
    ----------
    resolved : mapping
        The checked study file.
    entries : mapping of str to Entry
        Its estimators.

    Returns
    -------
    check : Check or None
        None where there is none, or where something is wrong.
    problems : list of str
        A sentence for each thing that is wrong.
    """
    given = resolved.get("check")
    if given is None:
        return None, []
    if "observed" not in resolved:
        return None, [
            "check: is about an observed table, and simulated studies check estimators "
            "as they are; take it away"
        ]
    samplers = [name for name, entry in entries.items() if entry.module.SAMPLES]
    if not samplers:
        return None, [
            "check: draws tables from a posterior, and no estimator of this study has "
            "one; add `nutpie: {}`"
        ]
    of = given.get("of", samplers[0])
    if of not in entries:
        return None, [
            f"check.of: {of!r} is no estimator of this study; {nearest(of, samplers)}"
        ]
    if of not in samplers:
        return None, [
            f"check.of: {of} has no posterior to draw tables from; "
            f"{' and '.join(samplers)} {'have' if len(samplers) > 1 else 'has'}"
        ]
    return Check(int(given["replicates"]), of, int(given["replicates_per_job"])), []
