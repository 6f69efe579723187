"""Suggestions: what was meant, or what there is."""

import pytest

from summands.files.words import LISTED, nearest


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("Bb", ["B", "C"], "B"),
        ("x", ["X", "y"], "X"),
        ("north1", ["south 1", " North  1"], " North  1"),
        ("machine", ["machines", "Machine"], "Machine"),
        ("b2", ["b\u00b2", "b"], "b\u00b2"),
    ],
)
def test_the_nearest_word_is_suggested_whatever_its_case_and_blanks(word, known, meant):
    assert nearest(word, known) == f'did you mean "{meant}"?'


def test_where_none_is_near_there_is_a_list_of_moderate_length():
    known = [f"s{number:04}" for number in range(LISTED + 300)]
    said = nearest("zz", known)
    assert said == f"known here: {', '.join(known[:LISTED])} and 300 more"
    assert nearest("zz", known[:LISTED]) == f"known here: {', '.join(known[:LISTED])}"
