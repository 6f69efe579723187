"""Names as people read them, in figures and in text."""

from __future__ import annotations


def parameter(name: str) -> str:
    """Name a parameter of the tables.

    Parameters
    ----------
    name : str
        As in the column ``parameter``.

    Returns
    -------
    str
    """
    return name.replace("_", " ")


def contributor(level: int, number: int) -> str:
    """Name a contributor of a level.

    Parameters
    ----------
    level, number : int
        As in the columns ``level`` and ``contributor``.

    Returns
    -------
    str
    """
    return f"{level}/{number}"
