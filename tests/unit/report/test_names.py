import pytest

from summands.report import names


def test_parameters_are_words():
    assert names.parameter("variance_contrast") == "variance contrast"
    assert names.parameter("mu") == "mu"


@pytest.mark.parametrize(
    ("label", "named"),
    [("b", "tool/b"), ("two\nlines", "tool/two lines"), ("Ü-2", "tool/Ü-2")],
)
def test_contributors_are_named_on_one_line(label, named):
    assert names.contributor("tool", label) == named


def test_no_name_is_longer_than_a_table_can_hold():
    just, over = "x" * (names.LONGEST - 5), "x" * (names.LONGEST - 4)
    assert names.contributor("tool", just) == f"tool/{just}"
    named = names.contributor("tool", over)
    assert len(named) == names.LONGEST
    assert named.endswith("x…")
