"""Names as people read them, in figures and in text."""

from __future__ import annotations

# Letters of a contributor's name.
LONGEST = 40


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


def contributor(level: str, label: str) -> str:
    """Name a contributor in full, on one line and no longer than a table can hold.

    Parameters
    ----------
    level, label : str
        As in the columns ``level_name`` and ``label``.

    Returns
    -------
    str
    """
    full = " ".join(f"{level}/{label}".split())
    return full if len(full) <= LONGEST else full[: LONGEST - 1] + "…"
