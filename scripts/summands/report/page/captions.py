"""What figures mean, in words: Snakemake's report has the same captions."""

from __future__ import annotations

import re

from summands.report.page import CAPTIONS


def paragraphs(name: str) -> list[str]:
    """Read a caption, without the title that begins it.

    Parameters
    ----------
    name : str
        Of the figure.

    Returns
    -------
    list of str
        Its paragraphs, a line each; what stands between double backticks is code.
    """
    text = (CAPTIONS / f"{name}.rst").read_text(encoding="utf-8")
    told = re.sub(r"^\*\*.+?\*\*\s*", "", text.strip(), flags=re.DOTALL)
    return [" ".join(part.split()) for part in told.split("\n\n")]
