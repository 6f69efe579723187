"""What the designs of a study's grid differ in.

The rules ask when Snakemake starts: nothing here takes long to import.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from summands.data.design import Design

# Above this, designs are not shown one by one.
NAMED_DESIGNS = 40

# What a design can differ in, and what it is called.
FACTORS = {
    "levels": "contributors per level",
    "rows": "rows",
    "mu_mean": "mu_mean",
    "mu_sd": "mu_sd",
    "log_sigma_mean": "log_sigma_mean",
    "log_sigma_sd": "log_sigma_sd",
    "intercept_sd": "intercept_sd",
    "truth": "truth",
    "layout": "layout",
    "noise": "noise",
    "interaction_sd": "interaction_sd",
    "drift": "drift",
    "autocorrelation": "autocorrelation",
}


def setting(design: Design, factor: str) -> Any:
    """Give what a design has of a factor, one of `FACTORS`."""
    from summands.data import mechanisms
    from summands.data.mechanisms import Mechanism
    from summands.model import distributions

    if factor == "levels":
        return tuple(design.levels.sizes)
    if factor in design.drawn_scales:
        ((name, told),) = distributions.written(design.drawn_scales[factor]).items()
        return f"{name} {told}"
    value = getattr(design, factor)
    return mechanisms.shown(value.written) if isinstance(value, Mechanism) else value


def varied(designs: Iterable[Design]) -> list[str]:
    """Choose the factors in which designs without own coefficients differ.

    Parameters
    ----------
    designs : iterable of Design

    Returns
    -------
    list of str
        Of `FACTORS`.
    """
    drawn = [design for design in designs if design.coefficients is None]
    return [
        factor
        for factor in FACTORS
        if len({setting(design, factor) for design in drawn}) > 1
    ]
