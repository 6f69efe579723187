"""Names that users gave, as figures and pages have room for: no two become alike."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import pandas as pd

from summands.decomposition import components
from summands.report.findings import Frames
from summands.study.study import Study

# Letters of a label, and of one in a sentence.
LETTERS, IN_TEXT = 28, 40

# Classes of letters that turn text around them round.
TURNING = {"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "FSI"}


def level_names(study: Study) -> list[str]:
    """Names of the levels as panels have them, no two alike."""
    assert study.observed is not None
    return distinct([level.name for level in study.observed.source.levels])


def short(text: str, letters: int = LETTERS) -> str:
    """Cut a text that a user chose to what a figure has room for, in its middle."""
    line = " ".join(str(text).split()) or "(blank)"
    if len(line) <= letters:
        return line
    tail = letters // 3
    return f"{line[: letters - 1 - tail]}…{line[-tail:]}"


def distinct(texts: Sequence[str], letters: int = LETTERS) -> list[str]:
    """Cut texts so that no two become alike: those that would are numbered."""
    found: list[str] = []
    taken = set()
    for text in texts:
        name = short(text, letters)
        count = 1
        while name in taken:
            count += 1
            mark = f" ({count})"
            name = short(text, letters - len(mark)) + mark
        taken.add(name)
        found.append(name)
    return found


def named(text: str) -> str:
    """Cut a name to what a sentence has room for, and keep its direction to itself.

    Parameters
    ----------
    text : str
        What a user calls something.

    Returns
    -------
    str
        A name that runs from right to left stands between Unicode's isolates, so that
        it does not turn the numbers beside it round.
    """
    return isolated(short(text, IN_TEXT))


def isolated(text: str) -> str:
    """Put text with parts that run from right to left between Unicode's isolates."""
    turning = any(unicodedata.bidirectional(letter) in TURNING for letter in text)
    return (
        f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}" * turning or text
    )


def by_level(study: Study) -> dict[int, str]:
    """Name levels, by their numbers."""
    return dict(enumerate(level_names(study), start=1))


def of_components(found: pd.DataFrame, study: Study) -> list[str]:
    """Name the component of each row of a table, by its column ``level``."""
    names = distinct([*level_names(study), components.NOISE])
    return [
        names[-1] if pd.isna(level) else names[int(level) - 1]
        for level in found["level"]
    ]


def of_contributors(
    frames: Frames, letters: int = LETTERS
) -> dict[tuple[int, int], str]:
    """Name contributors, by the numbers of their level and of themselves."""
    columns = ["level", "contributor", "label"]
    every = frames["estimates"][columns].dropna().drop_duplicates(columns[:2])
    found: dict[tuple[int, int], str] = {}
    for _, mine in every.groupby("level"):
        names = distinct([str(label) for label in mine["label"]], letters)
        found |= dict(zip(keys(mine), names, strict=True))
    return found


def keys(found: pd.DataFrame) -> list[tuple[int, int]]:
    """Level and contributor of each row of a table."""
    return [
        (int(level), int(contributor))
        for level, contributor in zip(found["level"], found["contributor"], strict=True)
    ]


def of_rows(found: pd.DataFrame, frames: Frames) -> list[str]:
    """Name the contributor of each row of a table."""
    names = of_contributors(frames)
    return [names[key] for key in keys(found)]
