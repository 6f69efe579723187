"""What a user is told about what they wrote: errors they can mend, words they meant."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence


class TableError(ValueError):
    """A user's table that cannot be read; its text is meant for the user."""


# Known words that are listed where none is near.
LISTED = 20


def alike(word: str) -> str:
    """Return a word without what the eye passes over: case and blanks."""
    return "".join(unicodedata.normalize("NFKC", word).casefold().split())


def nearest(word: str, known: Iterable[str]) -> str:
    """Suggest the nearest known word, or list them."""
    known = sorted(known)
    close = [one for one in known if alike(one) == alike(word)]
    close += difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    close += sorted((one for one in known if one.startswith(f"{word}_")), key=len)
    if close:
        return f'did you mean "{close[0]}"?'
    more = len(known) - LISTED
    return "known here: " + ", ".join(known[:LISTED]) + f" and {more} more" * (more > 0)


def listed(words: Sequence[str]) -> str:
    """Join words as a sentence does."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Write a number with its noun, whose plural has an s if no other is given."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
