"""What an axis says, whoever draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scale = Literal["linear", "log", "symlog"]


@dataclass(frozen=True)
class Axis:
    """An axis of a panel.

    Parameters
    ----------
    label : str
        What its numbers are.
    scale : {"linear", "log", "symlog"}
        "symlog" is linear around zero and logarithmic outside.
    limits : (float, float), optional
        Its ends; those of the data where there are none.
    marks : tuple of float
        Where lines mark what should be.
    linear : float
        How far the linear part of "symlog" reaches from zero.
    step : int
        Factor from one number that is marked on "symlog" to the next.
    brief : str
        The label in fewer words, where there is little room.
    """

    label: str
    scale: Scale = "linear"
    limits: tuple[float, float] | None = None
    marks: tuple[float, ...] = ()
    linear: float = 0.0
    step: int = 10
    brief: str = ""
