"""What figures mean, in words: Snakemake's report has the same captions."""

from __future__ import annotations

import re

from summands.report.page import CAPTIONS

# Beginnings of paragraphs that are not for every page.
OF_FILES, OF_MANY = "In image files ", "Of many designs"


def paragraphs(name: str, *, many: bool = False) -> list[str]:
    """Read a caption, without the title that begins it and what is of image files.

    Parameters
    ----------
    name : str
        Of the figure.
    many : bool
        Whether the study has more designs than are shown one by one.

    Returns
    -------
    list of str
        Its paragraphs, a line each; what stands between double backticks is code.
    """
    text = (CAPTIONS / f"{name}.rst").read_text(encoding="utf-8")
    told = re.sub(r"^\*\*.+?\*\*\s*", "", text.strip(), flags=re.DOTALL)
    parts = [" ".join(part.split()) for part in told.split("\n\n")]
    return [
        part
        for part in parts
        if not part.startswith(OF_FILES) and (many or not part.startswith(OF_MANY))
    ]
