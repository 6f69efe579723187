import string
import unicodedata

import numpy as np
import pytest

from summands.report import labels

TEXTS = (
    ["a", "b"],
    ["x" * 300 + "A", "x" * 300 + "B"],
    ["x" * 300 + "A" + "y" * 300, "x" * 300 + "B" + "y" * 300] * 6,
    ["L1", "L1 ", " L1", "L1 (2)", "L1\n(2)"],
    ["", " ", "\t", "(blank)"],
    ["é" * 30 + "1", "é" * 30 + "2", "א" * 40],
)


@pytest.mark.parametrize("texts", TEXTS)
@pytest.mark.parametrize("letters", [labels.LETTERS, 14])
def test_no_two_names_become_alike(texts, letters):
    names = labels.distinct(texts, letters)
    assert len(names) == len(set(names)) == len(texts)
    for text, name in zip(texts, names, strict=True):
        assert 0 < len(name) <= letters
        assert name == " ".join(name.split()), "one line"
        if len(text) <= letters and text == " ".join(text.split()) and text:
            assert name.startswith(text[: letters - 5])


def test_thousands_of_names_that_agree_stay_apart():
    names = labels.distinct(["z" * 400] * 3000)
    assert len(set(names)) == 3000
    assert max(map(len, names)) <= labels.LETTERS


def test_names_that_fit_and_differ_stay_as_they_are():
    rng = np.random.default_rng(0)
    texts = sorted(
        {"".join(rng.choice([*string.printable[:90]], 8)) for _ in range(99)}
    )
    texts = [text for text in texts if text == " ".join(text.split())]
    assert labels.distinct(texts) == texts


@pytest.mark.parametrize("text", ["plain 1", "${x}", "<b>", "日本", "🦊"])
def test_text_that_runs_on_is_left_alone(text):
    assert labels.isolated(text) == text


@pytest.mark.parametrize("text", ["עברית", "a عربي 1", "\u202eturned", "\u2067x"])
def test_text_that_turns_is_kept_to_itself(text):
    told = labels.isolated(text)
    assert told[1:-1] == text
    assert [unicodedata.bidirectional(end) for end in (told[0], told[-1])] == [
        "FSI",
        "PDI",
    ]
