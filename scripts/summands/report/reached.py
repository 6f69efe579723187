"""The precision that a study wanted and what it reached, in words."""

from __future__ import annotations

import math
from collections.abc import Collection

from summands.files.words import counted, listed
from summands.recovery import precision
from summands.recovery.precision import Missed, Reached
from summands.report import names

NOTE = (
    "A quantity is a parameter of a level, in a design and of an estimator, with all "
    f"fits that gave an estimate; an error of up to {precision.TOLERANCE:g} times the "
    "wanted one counts as reached, as it is an estimate itself. What would do is n "
    "(reached / wanted)²."
)


def headline(found: Reached, name: str) -> str:
    """Say in how many quantities a wanted precision was reached.

    Parameters
    ----------
    found : Reached
    name : str
        One of those that were wanted.
    """
    count, met = found.count[name], found.met[name]
    text = f"{name} to {found.wanted[name]:g}: "
    if not count:
        return text + "no fit has it"
    quantities = "the only quantity" if count == 1 else f"all {count:,} quantities"
    if met == count:
        return text + f"reached in {quantities}"
    text += f"reached in {met:,} of {counted(count, 'quantity', 'quantities')}"
    if math.isfinite(found.needed[name]):
        text += f", and {math.ceil(found.needed[name]):,} replicates would do in all"
    return text


def absent(found: Reached, name: str, estimators: Collection[str]) -> str:
    """Say which estimators have a metric nowhere; empty where all have it."""
    without = found.absent(name, estimators)
    if not without or len(without) == len(estimators):
        return ""
    return f"{listed(without)} {'has' if len(without) == 1 else 'have'} none"


def place(missed: Missed) -> str:
    """Name the quantity, and the contributor that has the largest error."""
    whose = missed.level_name
    if whose is not None and missed.label is not None:
        whose = names.contributor(whose, missed.label)
    elif whose is not None:
        whose = f"level {whose}"
    return names.parameter(missed.parameter) + (f" of {whose}" if whose else "")


def needs(missed: Missed, replicates: int) -> str:
    """Say how many replicates would do, and how many more these are."""
    if not math.isfinite(missed.needed):
        return "one data set tells no error"
    needed = math.ceil(missed.needed)
    text = f"{needed:,} replicates would do, {needed - replicates:,} more"
    return text + ", or others: one data set carries it" * missed.carried
