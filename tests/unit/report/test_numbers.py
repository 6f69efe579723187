import math
import re

import numpy as np
import pytest

from summands.report import numbers


@pytest.mark.parametrize("unit", [1e-9, 1e-6, 1.0, 1e6])
def test_a_number_is_told_to_two_digits_of_its_interval(unit):
    rng = np.random.default_rng(1)
    for _ in range(200):
        value = unit * rng.normal(0, 10 ** rng.uniform(-2, 2))
        width = unit * 10 ** rng.uniform(-3, 2)
        told = numbers.rounded(value, width)
        assert abs(float(told) - value) <= 0.0501 * width
        assert len(told) < 17, "and no more than that"


def test_a_large_origin_keeps_the_digits_that_matter():
    assert numbers.rounded(1e6 + 0.123456, 0.05) == "1000000.123"
    assert numbers.rounded(1234567.0, 4000.0) == "1234600"


def test_what_is_not_known_is_not_made_up():
    assert numbers.rounded(math.nan) == "-"
    assert numbers.rounded(math.inf, 1.0) == "-"
    assert numbers.rounded(0.0) == "0"
    assert numbers.rounded(1.23456) == "1.235"
    assert numbers.with_ends(2.0, math.nan, math.nan, " %") == "2 %"


def test_an_interval_stands_behind_its_number():
    assert (
        numbers.with_ends(-0.03732, -0.04706, -0.02759) == "-0.037 (-0.047 to -0.028)"
    )
    assert numbers.with_ends(18.4, 10.2, 26.0, " %") == "18 % (10 to 26 %)"
    # An interval of no width says nothing of digits.
    assert numbers.with_ends(1.5, 1.5, 1.5) == "1.5 (1.5 to 1.5)"


@pytest.mark.parametrize("unit", [1e-12, 1e-9, 1e-6, 1e-3, 1.0, 1e6])
def test_no_number_on_one_side_of_zero_is_rounded_to_nothing(unit):
    """However skewed its interval is; and all numbers have one exponent."""
    rng = np.random.default_rng(2)
    for _ in range(200):
        low, value, high = unit * np.sort(10 ** rng.uniform(-3, 1, 3))
        told = numbers.with_ends(value, low, high)
        found = [float(each) for each in re.findall(r"[-\d.]+(?:e-?\d+)?", told)]
        assert found == pytest.approx([value, low, high], rel=0.051)
        assert len({*re.findall(r"e-?\d+", told)}) < 2
        mirrored = numbers.with_ends(-value, -high, -low)
        assert mirrored.replace("-", "").split()[0] == told.replace("-", "").split()[0]


@pytest.mark.parametrize("unit", [1e-9, 1e-6, 1.0, 1e6])
def test_a_standard_error_stands_behind_its_number(unit):
    rng = np.random.default_rng(2)
    for _ in range(200):
        value = unit * rng.normal(0, 10 ** rng.uniform(-2, 2))
        error = unit * 10 ** rng.uniform(-3, 1)
        told = numbers.with_error(value, error)
        said, behind = (float(each) for each in told.rstrip(")").split(" ("))
        assert abs(said - value) <= 0.0501 * error
        assert abs(behind - error) <= 0.0501 * error
        assert len(set(re.findall("e-?[0-9]+", told))) <= 1
    assert numbers.with_error(0.95, 0.0218) == "0.950 (0.022)"
    assert numbers.with_error(1e6 + 0.25, 0.1) == "1000000.25 (0.10)"
    # A share of 1 has none, and one data set neither.
    assert numbers.with_error(1.0, math.nan) == "1"
    assert numbers.with_error(0.5, 0.0) == "0.5"


def test_numbers_that_stand_together_have_one_exponent():
    told = [numbers.rounded(value, like=2e-6) for value in (2e-6, 3e-8, 4.5e-7)]
    assert told == ["2e-6", "0.03e-6", "0.45e-6"]


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (0.0, "0"),
        (1.0, "100"),
        (0.9996, "100"),
        (0.991446, "99.1"),
        (0.0082, "0.8"),
        (0.0003, "0.03"),
        (1e-7, "under 0.01"),
        (math.nan, "-"),
    ],
)
def test_small_shares_are_not_rounded_to_nothing(share, told):
    assert numbers.percent(share) == told
