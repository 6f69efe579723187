"""Whether the answer of a table would be found again, in sentences.

They tell what came of tables that were drawn like the observed one, from its posterior
and on its layout, and fitted as it was: for the summary and, as its seal, for the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from summands.files.words import listed
from summands.recovery import calibration
from summands.report import labels, verdicts
from summands.report.page.content import Finding, Kind
from summands.study.study import Study

Frames = Mapping[str, pd.DataFrame]

# What is told of, and what that is of a contributor.
TOLD = {"mu": "mean", "variance_contrast": "variance"}

# What is asked of them.
QUESTIONS = {"mu": "highest", "variance_contrast": "noisiest"}

# A contributor whose intervals hold the truth too seldom is told where chance would
# give as few this seldom.
SELDOM = 0.01

# From this share of failed or unconverged fits on, it is not good.
MANY = 0.05


def sentences(main: str | None, found: Frames, study: Study) -> list[Finding]:
    """Say how tables like the observed one came out.

    Parameters
    ----------
    main : str or None
        The estimator whose answer it is; None where none converged.
    found : mapping of str to pandas.DataFrame
        The tables "held", "recovery", "calibration" and "fits".
    study : Study

    Returns
    -------
    list of Finding
        That of the main estimator's intervals is the first; empty where the study has
        no check, or the estimator no intervals.
    """
    if study.check is None or main is None:
        return []
    return [
        *_held(main, found["held"], study),
        *_answers(main, found["recovery"], study),
        *_calibrated(found["calibration"]),
        *_fits(found["held"]),
        *_posterior(found["fits"], study.check.of),
    ]


def _held(main: str, found: pd.DataFrame, study: Study) -> Iterator[Finding]:
    """Say how often intervals held the truth; the main estimator comes first."""
    assert study.check is not None
    count = f"{study.check.replicates:,} tables"
    order = sorted(study.estimators, key=lambda name: name != main)
    lead = (
        f"On tables like yours ({study.check.replicates:,} were drawn from the "
        f"posterior of {study.check.of}, with your rows) "
    )
    for name in order:
        told: list[str] = []
        ends: list[tuple[float, float]] = []
        poor: list[str] = []
        for parameter, what in TOLD.items():
            mine = found[
                (found["estimator"] == name) & (found["parameter"] == parameter)
            ]
            for row in mine.to_dict("records"):
                ends.append((row["lower"], row["upper"]))
                told.append(f"a contributor's {what} in {_with_ends(row)}")
                if row["worst_p"] < SELDOM:
                    poor.append(
                        f"the {what} of {_called(row)} in "
                        f"{_with_ends(row, 'worst', 'worst_')} only"
                    )
        if not told:
            continue
        kind, verdict = verdicts.of_coverage(ends, count)
        said = f"{lead}95 % intervals of {name} held {listed(told)}: {verdict}."
        if poor:
            kind = "bad" if kind == "bad" else "warning"
            said += f" But they held {listed(poor)}."
        yield Finding(kind, said)
        lead = ""


def _called(row: Any) -> str:
    return " ".join(
        labels.short(row[f"worst_{name}"], labels.IN_TEXT)
        for name in ("level_name", "label")
    )


def _answers(main: str, found: pd.DataFrame, study: Study) -> Iterator[Finding]:
    """Say how often the highest and the noisiest would be named, and rightly."""
    rows = found[
        (found["estimator"] == main)
        & (found["gate"] == "all")
        & found["contributor"].isna()
    ]
    metrics = {
        (row["parameter"], row["level"], row["metric"]): row
        for row in rows.to_dict("records")
    }
    for level, name in labels.by_level(study).items():
        told = []
        for parameter, question in QUESTIONS.items():
            clear = metrics.get((parameter, level, "clear_rate"))
            right = metrics.get((parameter, level, "clear_right_rate"))
            if clear is not None:
                said = f"which is the {question} would be clear in "
                told.append(said + _with_ends(clear, "value"))
            if clear is not None and right is not None:
                told[-1] += f", and right in {_with_ends(right, 'value')} of these"
        if told:
            what = labels.short(name, labels.IN_TEXT)
            yield Finding("answer", f"Of {what} in such tables: {'; '.join(told)}.")


def _calibrated(found: pd.DataFrame) -> Iterator[Finding]:
    """Say whether the sampler is right where the table is."""
    if found.empty or found["p_adjusted"].isna().all():
        return
    name, count = found["estimator"].iloc[0], int(found["replicates"].max())
    failed = bool((found["verdict"] == calibration.FAILED).any())
    kind: Kind = "bad" if failed else "good"
    said = (
        f"The posterior of {name} "
        + ("fails" if failed else "passes")
        + " the test of calibration on such tables together with yours (smallest p of "
        f"{int(found['quantities'].sum()):,} quantities, adjusted for their number: "
        f"{found['p_adjusted'].min():.2g})"
    )
    if count < calibration.ENOUGH and not failed:
        kind = "note"
        said += (
            f"; {count:,} tables show gross errors only, {calibration.ENOUGH} are "
            "recommended"
        )
    yield Finding(kind, f"{said}.")


def _fits(found: pd.DataFrame) -> Iterator[Finding]:
    """Say of which estimators fits of such tables did not converge."""
    for name, mine in found.groupby("estimator", sort=False):
        fits, converged = int(mine["fits"].iloc[0]), int(mine["converged"].iloc[0])
        if missing := fits - converged:
            yield Finding(
                "bad" if missing > MANY * fits else "warning",
                f"{missing:,} of {fits:,} fits of such tables by {name} did not "
                "converge; what they say counts like the rest.",
            )


def _posterior(fits: pd.DataFrame, of: str) -> Iterator[Finding]:
    """Warn of tables drawn from a posterior that is not to be trusted."""
    if not fits.loc[fits["estimator"] == of, "converged"].all():
        yield Finding(
            "bad",
            f"The posterior of {of} that such tables were drawn from did not converge: "
            "they may not be like yours.",
        )


def _with_ends(row: Any, name: str = "coverage_95", prefix: str = "") -> str:
    value, low, high = (row[key] for key in (name, f"{prefix}lower", f"{prefix}upper"))
    said = verdicts.share(value)
    if pd.isna(low):
        return said
    return f"{said} ({100 * low:.1f} to {100 * high:.1f})"
