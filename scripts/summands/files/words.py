"""What a user is told about what they wrote: errors they can mend, words they meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TableError(ValueError):
    """A user's table that cannot be read; its text is meant for the user."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Suggest the nearest known word, or list them all."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return "known here: " + ", ".join(known)
