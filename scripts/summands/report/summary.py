"""The last words of a run: what its tables hold, and how the estimators did."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from summands.files.words import counted
from summands.model import estimands
from summands.recovery import calibration, pooling
from summands.recovery.pooling import Pooled
from summands.report import failures, names, reached
from summands.report.totals import OfEstimator, Totals

# Designs that are listed by name; a study may have thousands.
LISTED = 10

# Numbers from here on are written by their power of ten.
WIDEST = 1e3

# Ends the numbers that one replicate carries.
CARRIED = "~"


def text(
    totals: Totals,
    study: str,
    designs: int,
    plan: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Write the summary.

    Parameters
    ----------
    totals : Totals
    study : str
        Name of the study.
    designs : int
        Number of its designs.
    plan : sequence of mapping, optional
        Rows of rows_needed.parquet, where the study has a plan.

    Returns
    -------
    str
        A line per table; the rows that a plan takes; the share of fits that converged,
        failures and missing results; what the data do not determine; verdicts on
        calibration; the precision that was wanted; and by size of the designs, a row
        per estimator and parameter with metrics averaged over designs and levels.
    """
    lines = [*_tables(totals, study, designs), "", *_convergence(totals)]
    for part in (
        _plan(plan),
        _identification(totals),
        _calibration(totals),
        _precision(totals),
    ):
        lines += ["", *part] if part else []
    return "\n".join([*lines, "", *_recovery(totals)]) + "\n"


def _tables(totals: Totals, study: str, designs: int) -> list[str]:
    return [
        f"Study {study}: results/{study}/",
        f"  designs.parquet      {counted(designs, 'design')}",
        f"  estimates.parquet    {counted(totals.estimates, 'estimate')}",
        f"  fits.parquet         {counted(totals.fits, 'fit')}, "
        f"{totals.converged:,} converged, {totals.failed:,} failed",
        f"  failures.parquet     {counted(len(totals.failures), 'row')}, "
        "one for each design and estimator",
        f"  recovery.parquet     {counted(totals.metrics, 'metric')}",
        "  calibration.parquet  "
        + counted(
            totals.parameters_calibrated, "parameter tested", "parameters tested"
        ),
    ]


def _plan(plan: Sequence[Mapping[str, Any]]) -> list[str]:
    if not plan:
        return []
    lines = [
        "Rows needed, by the information that they hold, and what fits reach with so "
        "many:",
    ]
    last = None
    for row in plan:
        whose = row["design"], row["target"]
        if whose != last:
            ends = " to ".join(
                "no end" if end is None else f"{end:,}"
                for end in (row["lower"], row["upper"])
            )
            said = row["remark"] or f"{row['rows']:,} (90 % of truths {ends})"
            lines += [f"  {row['target']}, {row['design']}: {said}"]
        last = whose
        if row["estimator"] is not None:
            reached = f"{row['verified']:.4g}"
            if row["verified_lower"] is not None:
                reached += (
                    f" ({row['verified_lower']:.4g} to {row['verified_upper']:.4g})"
                )
            lines.append(f"    {row['estimator']:<20}{reached}")
    return lines


def _convergence(totals: Totals) -> list[str]:
    """Tell convergence, failures and missing results, zeros included."""
    designs = totals.failures["design"].nunique()
    listed = {
        name: _listed(totals.failures, name, designs=designs)
        for name in totals.estimators
    }
    shown = (name for rows in listed.values() for name in [*rows][:LISTED])
    wide = max([22, *(3 + len(name) for name in shown)])
    heads = "".join(f"{name:>{_width(name)}}" for name in failures.COUNTED.values())
    lines = [
        f"{'estimator':<{wide}}{'fits':>8}{'converged':>11}{heads}{'seconds a fit':>15}"
    ]
    for name, total in totals.estimators.items():
        seconds = f"{total.seconds / total.fits:>15.3f}" if total.fits else ""
        lines.append(_counted(name, total.counts, wide) + seconds)
        some = [
            _counted(f"  {design}", row, wide) for design, row in listed[name].items()
        ]
        lines += _first(some, "designs, see failures.parquet")
        if designs > LISTED and not some:
            lines.append(f"  all {designs:,} designs: 0 of all of these")
        if total.first_error:
            error, design, replicate = total.first_error
            lines.append(f"  first error, in data set {replicate} of {design}: {error}")
        if total.missed:
            missed = ", ".join(
                f"{criterion} ({count:,})" for criterion, count in total.missed.items()
            )
            lines.append(f"  not converged, by what was missed first: {missed}")
        if total.remarked:
            lines.append(
                f"  {counted(total.remarked, 'fit')} with a remark: "
                f"{total.first_remark}"
            )
        lines += _first(
            [
                f"  a stated prior conflicts with the data of {design}: in "
                f"{counted(count, 'data set')}, {first}"
                for design, (count, first) in total.conflicts.items()
            ],
            "designs, see prior_conflict in fits.parquet",
        )
    return [*lines, "", *failures.MEANT, *failures.HANDLED]


def _listed(
    table: pd.DataFrame, estimator: str, *, designs: int
) -> dict[str, Mapping[str, int]]:
    """Choose the designs of an estimator that have lines: of many those not 0."""
    mine = table[table["estimator"] == estimator]
    if designs == 1:
        # The line of the estimator says it.
        return {}
    if designs > LISTED:
        mine = mine[failures.amiss(mine)]
    records: list[dict[str, Any]] = mine.to_dict("records")  # type: ignore[assignment]
    return {row["design"]: row for row in records}


def _counted(name: str, counts: Mapping[str, int], wide: int) -> str:
    """Write a line of counts."""
    told = "".join(
        f"{counts[column]:>{_width(word)},}"
        for column, word in failures.COUNTED.items()
    )
    share = _share(counts["converged"], counts["fits"])
    return f"{name:<{wide}}{counts['fits']:>8,}{share:>11}{told}"


def _width(word: str) -> int:
    return max(8, 2 + len(word))


def _identification(totals: Totals) -> list[str]:
    if not totals.sigma_unidentified:
        return []
    return [
        "A single sigma (marked *) is not determined by the data: what one "
        "level loses in",
        "variance another can gain. Its estimate rests on the prior; "
        "set_lower and set_upper in",
        "estimates.parquet hold every value that fits the data equally well. "
        "Contrasts of",
        "variance within a level and the total variance are determined, where "
        "contributors meet.",
    ]


def _calibration(totals: Totals) -> list[str]:
    lines = []
    for name, total in totals.estimators.items():
        tested = total.with_verdict(calibration.PASSED, calibration.FAILED)
        failed = total.with_verdict(calibration.FAILED)
        silent = total.with_verdict(calibration.NOT_TESTABLE)
        if tested:
            line = (
                f"Calibration of {name}: {len(tested) - len(failed):,} of "
                f"{counted(len(tested), 'design')} passed"
            )
            if total.fewest_ranked < calibration.ENOUGH:
                line += (
                    f"; with {counted(total.fewest_ranked, 'replicate')} only gross "
                    f"errors show, {calibration.ENOUGH} are recommended"
                )
            if failed:
                line += (
                    f"; by chance {calibration.LEVEL:.0%} of the designs of a "
                    "sound estimator fail"
                )
            listed = [f"  failed: {design}" for design in failed]
            lines += [
                line + ".",
                *_first(listed, "designs, see calibration.parquet"),
            ]
        if silent:
            lines.append(
                f"Calibration of {name}: {counted(len(silent), 'design')} not "
                f"testable: {total.reason}."
            )
    return lines


def _precision(totals: Totals) -> list[str]:
    found = totals.reached
    if not found.wanted:
        return []
    lines = [
        "Precision that was wanted (Monte-Carlo standard errors), with "
        f"{counted(found.replicates, 'replicate')} of each design:"
    ]
    for name in found.wanted:
        without = reached.absent(found, name, totals.estimators)
        lines.append(
            f"  {reached.headline(found, name)}{'; ' * bool(without)}{without}"
        )
    missed = [
        f"  {one.key.name} {one.reached:.2g}: {one.estimator}, {one.design}, "
        f"{reached.place(one)}: {reached.needs(one, found.replicates)}"
        for one in found.missed[:LISTED]
    ]
    rest = sum(found.count.values()) - sum(found.met.values()) - len(missed)
    more = [f"  and {rest:,} more that need less, see report.html"] * (rest > 0)
    return [*lines, *missed, *more]


def _recovery(totals: Totals) -> list[str]:
    lines = []
    starred = ["sigma"] if totals.sigma_unidentified else []
    worst = [
        _worst(pooled)
        for total in totals.estimators.values()
        for (_, _, metric), pooled in total.metrics.items()
        if metric == "coverage_95"
    ]
    wide = max([13, *(2 + len(text) for text in worst)])
    for size in sorted(totals.sizes):
        lines += [
            f"{named(size)} rows per contributor, "
            f"{counted(totals.sizes[size], 'design')}:",
            f"{'estimator':<20}{'parameter':<19}{'/ bound':>8}{'/ total':>8}"
            f"{'width':>8}{'95 % coverage':>23}{'worst':>{wide}}{'top':>7}",
        ]
        for name, total in totals.estimators.items():
            lines += _of_class(name, total, size, starred=starred, wide=wide)
        lines.append("")
    return [
        *lines,
        "Means over designs and levels, on the data sets that all estimators fitted.",
        "/ bound: root mean squared error over the smallest that unbiased "
        "estimates can have; below 1,",
        "priors or bounds help. / total: over the total standard deviation, for "
        "variances the total variance.",
        "width: mean width of the 95 % intervals, in the same unit. 95 % coverage: "
        "with its Monte-Carlo interval;",
        "worst: that of the worst contributor (level/contributor), where it is the "
        "same in all replicates.",
        "top: how often the largest of a level is named. "
        f"{CARRIED} one replicate carries more than a fifth of it.",
    ]


def _of_class(
    name: str, total: OfEstimator, size: int, *, starred: Collection[str], wide: int
) -> list[str]:
    lines = []
    for parameter in estimands.PARAMETERS:
        bound, error, width, covered, top = (
            total.metric(size, parameter, metric) for metric in pooling.SHOWN
        )
        if not error.count:
            continue
        label = parameter + " *" * (parameter in starred)
        lines.append(
            f"{name:<20}{label:<19}{_mean(bound, '.2f'):>8}{_mean(error, '.3f'):>8}"
            f"{_mean(width, '.3f'):>8}{_covered(covered):>23}{_worst(covered):>{wide}}"
            f"{_mean(top, '.0%'):>7}".rstrip()
        )
        name = ""
    return lines


def named(size: int) -> str:
    """Name a class of size, as rows per contributor."""
    if size == 0:
        return f"Up to {pooling.SIZES[0]}"
    if size == len(pooling.SIZES):
        return f"More than {pooling.SIZES[-1]:,}"
    return f"{pooling.SIZES[size - 1]:,} to {pooling.SIZES[size]:,}"


def _mean(pooled: Pooled, style: str) -> str:
    """Format a mean, with a dash where there is none."""
    mean = pooled.mean()
    if mean is None:
        return "-"
    # A posterior that the data hardly bind may have a mean beyond all columns.
    style = style if abs(mean) < WIDEST else ".0e"
    return format(mean, style) + CARRIED * pooled.carried


def _covered(pooled: Pooled) -> str:
    """Format a share in percent, with its Monte-Carlo interval."""
    mean, interval = pooled.mean(), pooled.interval()
    if mean is None or interval is None:
        return "-"
    low, high = (100 * end for end in interval)
    return f"{mean:.1%} ({low:.1f} to {high:.1f})"


def _worst(pooled: Pooled) -> str:
    """Format the worst contributor's share, and whose it is."""
    if pooled.worst is None or pooled.whose is None:
        return "-"
    return f"{pooled.worst:.1%} {names.contributor(*pooled.whose)}"


def _first(lines: list[str], rest: str) -> list[str]:
    """Keep the first lines, and say how many more there are and of what."""
    if len(lines) <= LISTED:
        return lines
    return [*lines[:LISTED], f"  and {len(lines) - LISTED:,} more {rest}"]


def _share(part: int, whole: int) -> str:
    """Percent, rounded down: 100 % means all."""
    return f"{math.floor(1000 * part / whole) / 10:.1f}%" if whole else "-"
