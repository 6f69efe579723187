"""What a study asks: its content, a digest of it, and what differs between two.

Of a study file written out in full everything counts that a number, or why there are so
many, depends on. What does not count is listed in `NOT_ASKED`. Tables count by what is
in them where they are the layout of simulated rows, and by their file's name where they
are taken apart; folders never count. YAML's 1 and 1.0 are one number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from summands.study import table_layouts
from summands.study.study import Study
from summands.study.validation import at

# Keys that say how a study is called, told, cut into jobs and kept.
NOT_ASKED = (
    "study",
    "aims",
    "replicates_per_job",
    "designs_per_job",
    "keep_rows",
    "keep_posteriors",
    "check.replicates_per_job",
)


def content(study: Study) -> dict[str, Any]:
    """Give what a study asks, as plain JSON values.

    Parameters
    ----------
    study : Study

    Returns
    -------
    dict
        Its study file with every default, without what is `NOT_ASKED`.
    """
    found = table_layouts.by_rows(study.resolved, study.layout_tables)
    if "observed" in found:
        table = PurePath(found["observed"]["table"]).name
        found["observed"] = {**found["observed"], "table": table}
    plain: dict[str, Any] = _plain(found)
    for key in NOT_ASKED:
        *parents, last = key.split(".")
        place = plain
        for parent in parents:
            place = place.get(parent, {})
        place.pop(last, None)
    return plain


def digest(asked: Mapping[str, Any]) -> str:
    """SHA-256 of what a study asks, whatever the order of its keys, in hexadecimal."""
    text = json.dumps(asked, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Change:
    """A key that differs between what two studies ask.

    Parameters
    ----------
    key : tuple of str
        Its path in the study file.
    before, after : object
        Its values; `MISSING` where it is not there.
    """

    key: tuple[str, ...]
    before: Any
    after: Any

    @property
    def place(self) -> str:
        """Its path as a person writes it."""
        return at(self.key)


# Of a key that is not there: null is a value.
MISSING = object()


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """List what differs between what two studies ask, key by key.

    Parameters
    ----------
    before, after : mapping
        See `content`.

    Returns
    -------
    list of Change
        In the order of the first, then of what the second alone has; empty if, and only
        if, the digests are the same.
    """
    one, other = dict(_leaves(before)), dict(_leaves(after))
    return [
        Change(key, one.get(key, MISSING), other.get(key, MISSING))
        for key in {**one, **other}
        if shown(one.get(key, MISSING)) != shown(other.get(key, MISSING))
    ]


def value(asked: Mapping[str, Any], key: tuple[str, ...]) -> Any:
    """Find the value at the path of a `Change`, `MISSING` where there is none."""
    return dict(_leaves(asked)).get(key, MISSING)


def shown(value: Any) -> str:
    """Write a value of a `Change` for people."""
    return "-" if value is MISSING else json.dumps(value, ensure_ascii=False)


def _leaves(
    part: Any, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield values by their path; a mapping is one only where it is empty."""
    if isinstance(part, Mapping) and part:
        for key, inner in part.items():
            yield from _leaves(inner, (*path, key))
    else:
        yield path, part


def _plain(part: Any) -> Any:
    if isinstance(part, Mapping):
        return {key: _plain(inner) for key, inner in part.items()}
    if isinstance(part, list | tuple):
        return [_plain(inner) for inner in part]
    whole = isinstance(part, float) and part.is_integer()
    return int(part) if whole else part
