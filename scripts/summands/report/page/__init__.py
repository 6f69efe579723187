"""A study's page: one HTML file with its answer, charts and tables, for any browser."""

from pathlib import Path

HERE = Path(__file__).parent

# Captions of figures, which Snakemake's report has too.
CAPTIONS = HERE.parent / "captions"


def texts() -> list[Path]:
    """Files that a page is made of beside code."""
    return sorted(
        path
        for folder in (HERE, CAPTIONS)
        for path in folder.iterdir()
        if path.is_file() and path.suffix != ".py"
    )
