"""Numbers in words: with as many digits as their intervals bear."""

from __future__ import annotations

import math

# Significant digits of a number of which no error is known, and of an interval.
DIGITS, LEAST = 4, 2

# Below, numbers are written with an exponent.
SMALL = 1e-4


def rounded(value: float, width: float = math.nan, like: float = math.nan) -> str:
    """Write a number.

    Parameters
    ----------
    value : float
    width : float, optional
        Of its interval: it is written to two digits of that.
    like : float, optional
        The largest of the numbers that it stands with, whose exponent it gets.

    Returns
    -------
    str
        "-" for what is not known. Exponents are multiples of three.
    """
    if not math.isfinite(value):
        return "-"
    exponent = _exponent(like if math.isfinite(like) else value)
    if math.isfinite(width) and width > 0:
        return _written(value, _digits(width, LEAST), exponent)
    if value == 0:
        return "0"
    told = _written(value, _digits(value, DIGITS), exponent)
    number, mark, power = told.partition("e")
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return number + mark + power


def with_ends(
    value: float,
    lower: float,
    upper: float,
    unit: str = "",
    like: float = math.nan,
) -> str:
    """Write a number with its 95 % interval, if it has one.

    Parameters
    ----------
    value, lower, upper : float
    unit : str, optional
        Put after the number and the interval.
    like : float, optional
        See `rounded`.

    Returns
    -------
    str
        All of one exponent. An interval that does not hold zero may be wide and begin
        near it: two digits are left to each number then.
    """
    width = upper - lower
    if not math.isfinite(width):
        return rounded(value, like=like) + unit
    if width == 0:
        said, low, high = (rounded(n, like=like) for n in (value, lower, upper))
        return f"{said}{unit} ({low} to {high}{unit})"
    if not math.isfinite(like):
        like = max(value, lower, upper, key=abs)
    decimals, apart = _digits(width, LEAST), lower > 0 or upper < 0
    said, low, high = (
        _written(
            number,
            max(decimals, _digits(number, LEAST)) if apart else decimals,
            _exponent(like),
        )
        for number in (value, lower, upper)
    )
    return f"{said}{unit} ({low} to {high}{unit})"


def _digits(size: float, count: int) -> int:
    """Decimals that show so many digits of a number of some size."""
    return count - 1 - math.floor(math.log10(abs(size))) if size else 0


def _exponent(value: float) -> int:
    if value == 0 or abs(value) >= SMALL:
        return 0
    return 3 * math.floor(math.log10(abs(value)) / 3)


def _written(value: float, decimals: int, exponent: int) -> str:
    value = round(value, decimals)
    if value == 0:
        return "0"
    digits = max(decimals + exponent, 0)
    return f"{value / 10.0**exponent:.{digits}f}" + (f"e{exponent}" if exponent else "")


def with_error(value: float, error: float) -> str:
    """Write a number with its standard error in brackets, if that is known.

    Parameters
    ----------
    value, error : float

    Returns
    -------
    str
        Both to two digits of the error, with one exponent.
    """
    if not (math.isfinite(error) and error > 0):
        return rounded(value)
    like = max(value, error, key=abs)
    return f"{rounded(value, error, like)} ({rounded(error, error, like)})"


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
