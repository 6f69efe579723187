"""The last words of a run: what its tables hold, and how the estimators did."""

from __future__ import annotations

import math
from collections.abc import Collection

from summands.files.words import counted
from summands.model import estimands
from summands.recovery import calibration, pooling
from summands.recovery.pooling import Pooled
from summands.report import names, reached
from summands.report.totals import OfEstimator, Totals

# Designs that are listed by name; a study may have thousands.
LISTED = 10

# Numbers from here on are written by their power of ten.
WIDEST = 1e3

# Ends the numbers that one replicate carries.
CARRIED = "~"


def text(totals: Totals, study: str, designs: int) -> str:
    """Write the summary.

    Parameters
    ----------
    totals : Totals
    study : str
        Name of the study.
    designs : int
        Number of its designs.

    Returns
    -------
    str
        A line per table; the share of fits that converged; what the data do not
        determine; verdicts on calibration; the precision that was wanted; and by size
        of the designs, a row per estimator and parameter with metrics averaged over
        designs and levels.
    """
    lines = [*_tables(totals, study, designs), "", *_convergence(totals)]
    for part in (
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
        f"  recovery.parquet     {counted(totals.metrics, 'metric')}",
        "  calibration.parquet  "
        + counted(
            totals.parameters_calibrated, "parameter tested", "parameters tested"
        ),
    ]


def _convergence(totals: Totals) -> list[str]:
    lines = [
        f"{'estimator':<22}{'fits':>8}{'converged':>11}{'failed':>8}"
        f"{'seconds a fit':>15}"
    ]
    for name, total in totals.estimators.items():
        lines.append(
            f"{name:<22}{total.fits:>8,}{_share(total.converged, total.fits):>11}"
            f"{total.failed:>8,}{total.seconds / total.fits:>15.3f}"
        )
        if total.failed:
            lines.append(f"  the first of them failed with {total.first_error}")
        if total.criteria:
            missed = ", ".join(
                f"{criterion} ({count:,})"
                for criterion, count in total.criteria.most_common()
            )
            lines.append(f"  criteria that were missed, by fits: {missed}")
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
    return lines


def _identification(totals: Totals) -> list[str]:
    lines = []
    if totals.sigma_unidentified:
        lines += [
            "A single sigma (marked *) is not determined by the data: what one "
            "level loses in",
            "variance another can gain. Its estimate rests on the prior; "
            "set_lower and set_upper in",
            "estimates.parquet hold every value that fits the data equally well. "
            "Contrasts of",
            "variance within a level and the total variance are determined, where "
            "contributors meet.",
        ]
    gaps = [
        f"{design}: in {counted(count, 'data set')} some contributors have no "
        "rows or do not meet the others; nothing is determined of them."
        for design, count in totals.gaps.items()
    ]
    return lines + _first(gaps, "designs with such data sets, see estimates.parquet")


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
    return f"{math.floor(1000 * part / whole) / 10:.1f}%"
