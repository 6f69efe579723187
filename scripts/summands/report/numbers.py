"""Numbers in words: with as many digits as their intervals bear."""

from __future__ import annotations

import math

# Significant digits of a number of which no error is known.
DIGITS = 4

# Below, numbers are written with an exponent.
SMALL = 1e-4


def rounded(value: float, width: float = math.nan) -> str:
    """Write a number.

    Parameters
    ----------
    value : float
    width : float, optional
        Of its interval: it is written to two digits of that.

    Returns
    -------
    str
        "-" for what is not known.
    """
    if not math.isfinite(value):
        return "-"
    if not (math.isfinite(width) and width > 0):
        return format(value, f".{DIGITS}g") if value else "0"
    decimals = 1 - math.floor(math.log10(width))
    value = round(value, decimals)
    if value == 0:
        return "0"
    if abs(value) < SMALL:
        digits = math.floor(math.log10(abs(value))) + decimals
        return format(value, f".{max(digits, 0)}e")
    return format(value, f".{max(decimals, 0)}f")


def with_ends(value: float, lower: float, upper: float, unit: str = "") -> str:
    """Write a number with its 95 % interval, if it has one.

    Parameters
    ----------
    value, lower, upper : float
    unit : str, optional
        Put after the number and the interval.
    """
    width = upper - lower
    said = rounded(value, width) + unit
    if not math.isfinite(width):
        return said
    return f"{said} ({rounded(lower, width)} to {rounded(upper, width)}{unit})"


def percent(share: float) -> str:
    """Write a share in percent, the unit left out.

    Parameters
    ----------
    share : float
        From 0 to 1.
    """
    if not math.isfinite(share):
        return "-"
    number = 100.0 * share
    if number == 0 or number >= 99.95:
        return f"{number:.0f}"
    if number < 0.01:
        return "under 0.01"
    return format(number, ".1f" if number >= 1 else ".1g")
