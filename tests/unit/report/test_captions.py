"""Captions of the page: what is of image files, or of many designs, stays away."""

import pytest

from summands.report import registry
from summands.report.page import captions


@pytest.mark.parametrize("name", registry.FIGURES)
def test_a_page_has_no_words_on_image_files(name):
    few, many = captions.paragraphs(name), captions.paragraphs(name, many=True)
    assert few
    assert {*few} <= {*many}
    assert not any("image file" in part for part in many)
    assert not any("more than 40" in part or "ten steps" in part for part in few)


def test_what_is_left_out_is_in_the_captions_of_files():
    text = (captions.CAPTIONS / "contraction.rst").read_text(encoding="utf-8")
    assert "In image files" in text
    assert any("On the page" in part for part in captions.paragraphs("error"))
    assert len(captions.paragraphs("error", many=True)) > len(
        captions.paragraphs("error")
    )
