"""Say how many rows the targets of a study's plan take.

::

    export PYTHONPATH=scripts
    .venv/bin/python -m summands.study.rows STUDY.yaml

``make plan STUDY=STUDY.yaml`` does the same, and verifies them by simulation where the
plan asks for it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from summands.data.design import Design
from summands.recovery.plans import Planned
from summands.study import study
from summands.study.targets import MEMORY


def told(planned: Sequence[Planned]) -> Iterator[str]:
    """Write a plan, a line for each design and target.

    Parameters
    ----------
    planned : sequence of Planned
    """
    yield f"{'rows':>12}{'90 % of truths':>24}  target, design"
    for one in planned:
        needed, said = one.needed, f"{one.target}, {name(one.design)}"
        if needed.rows is None:
            yield f"{'-':>12}{'':>24}  {said}: {needed.remark}"
            continue
        ends = " to ".join(
            "no end" if end is None else f"{end:,}"
            for end in (needed.lower, needed.upper)
        )
        yield f"{needed.rows:>12,}{ends:>24}  {said}"


def name(design: Design) -> str:
    """Name a design without its rows."""
    return design.id.replace(f"_rows-{design.rows}", "", 1)


def main() -> None:
    """Print the rows that the targets of a study's plan take."""
    parser = argparse.ArgumentParser(
        prog="summands.study.rows", description=main.__doc__
    )
    parser.add_argument("study", type=Path, help="the study file")
    parser.add_argument(
        "--verifies",
        action="store_true",
        help="print nothing; succeed if there is something to simulate",
    )
    given = parser.parse_args()
    try:
        checked = study.read(given.study, memory=MEMORY)
    except study.StudyError as refusal:
        sys.exit(f"summands: {refusal}")
    if not checked.plan:
        sys.exit(
            f"summands: {given.study} has no `plan` with targets: docs/planning.md "
            "shows one"
        )
    if given.verifies:
        sys.exit(0 if checked.designs else 1)
    print("\n".join(told(checked.plan)))


if __name__ == "__main__":
    main()
