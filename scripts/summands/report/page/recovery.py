"""What the page of a recovery study says: who recovers what, at what cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from summands.model import estimands
from summands.recovery import calibration, pooling
from summands.report import names, registry, summary
from summands.report.page import captions, machinery
from summands.report.page.content import (
    Cell,
    Finding,
    Grid,
    Kind,
    Page,
    Section,
    Select,
)
from summands.report.reading import Tables
from summands.report.totals import OfEstimator, Totals

# What is told in a sentence of its own: what shifts a sum, and what makes it noisy.
TOLD = {
    "mu": "What a contributor adds on average (mu)",
    "variance_contrast": "Which contributor is noisier (variance contrast)",
}

# From this share of failed or unconverged fits on, it is not good.
MANY = 0.05


def page(tables: Tables) -> Page:
    """Make the page of a simulated study.

    Parameters
    ----------
    tables : Tables

    Returns
    -------
    Page
    """
    study = tables.study
    totals = tables.totals()
    data_sets = study.replicates * len(study.designs)
    asked = [
        f"{_count(data_sets, 'simulated data set')} of "
        f"{_count(len(study.designs), 'design')} (levels, rows, noise), in which the "
        "truth is known, and what "
        f"{_list(list(study.estimators))} made of them."
    ]
    sections = [_answer(totals), *_figures(tables)]
    sections.append(machinery.section(tables))
    selects = [
        Select("design", "Design", list(study.designs)),
        Select("estimator", "Estimator", list(study.estimators)),
        Select(
            "parameter",
            "Parameter",
            [names.parameter(name) for name in estimands.PARAMETERS],
        ),
    ]
    return Page(
        study.name,
        "Parameter-recovery study",
        asked,
        sections,
        [select for select in selects if len(select.options) > 1],
        results=f"results/{study.name}",
    )


def _figures(tables: Tables) -> Iterator[Section]:
    estimators = list(tables.study.estimators)
    for entry in registry.of(tables.study):
        yield Section(
            entry.name,
            entry.shows[0].upper() + entry.shows[1:],
            entry.name,
            captions.paragraphs(entry.name),
            charts=[entry.chart(entry.panel(tables), entry, estimators)],
        )


def _answer(totals: Totals) -> Section:
    return Section(
        "answer",
        "What the study found",
        "answer",
        findings=[
            *_best(totals),
            *_coverage(totals),
            *_trust(totals),
            *_calibrated(totals),
            *_unidentified(totals),
        ],
        tables=[_fits(totals), *_recovered(totals)],
    )


def _best(totals: Totals) -> Iterator[Finding]:
    """Say who errs least about what, and by how much."""
    for parameter, what in TOLD.items():
        errors = {
            size: {
                name: mean
                for name, total in totals.estimators.items()
                if (mean := total.metric(size, parameter, "rmse_over_total").mean())
                is not None
            }
            for size in sorted(totals.sizes)
        }
        errors = {size: found for size, found in errors.items() if found}
        if not errors:
            continue
        wins = [min(found, key=lambda name: found[name]) for found in errors.values()]
        best = max(dict.fromkeys(wins), key=wins.count)
        unit = "variance" if parameter == "variance_contrast" else "standard deviation"
        told = "; ".join(
            f"{summary.named(size).lower()} rows per contributor: "
            + ", ".join(
                f"{name} {_percent(found[name])}"
                for name in totals.estimators
                if name in found
            )
            for size, found in errors.items()
        )
        sole = len(totals.estimators) == 1 or all(len(f) == 1 for f in errors.values())
        lead = (
            f"{best} errs"
            if sole
            else f"{best} errs least in {wins.count(best)} of "
            f"{_count(len(wins), 'class')} of size"
        )
        yield Finding(
            "answer",
            f"{what}: {lead}. Error in % of the total {unit}, {told}.",
        )


def _coverage(totals: Totals) -> Iterator[Finding]:
    """Say how often 95 % intervals held the truth."""
    for name, total in totals.estimators.items():
        told, worst = [], 0.0
        for parameter in TOLD:
            parts = [
                total.metric(size, parameter, "coverage_95") for size in totals.sizes
            ]
            parts = [part for part in parts if part.count]
            if not parts:
                continue
            count = sum(part.count for part in parts)
            mean = sum(part.total for part in parts) / count
            below = math.sqrt(sum(part.below for part in parts)) / count
            above = math.sqrt(sum(part.above for part in parts)) / count
            low, high = max(mean - below, 0.0), min(mean + above, 1.0)
            worst = max(worst, 0.95 - high, low - 0.95)
            told.append(
                f"{names.parameter(parameter)} in {mean:.1%} ({low:.1%} to {high:.1%})"
            )
        if told:
            yield Finding(
                "bad" if worst > 0.02 else "warning" if worst > 0.0 else "good",
                f"95 % intervals of {name} held the truth of {_list(told)}.",
            )


def _trust(totals: Totals) -> Iterator[Finding]:
    for name, total in totals.estimators.items():
        missing = total.fits - total.converged
        if not missing:
            continue
        kind: Kind = "bad" if missing > MANY * total.fits else "warning"
        text = (
            f"{missing:,} of {_count(total.fits, 'fit')} of {name} did not converge"
            + (
                f", {total.failed:,} of them failed ({total.first_error})"
                if total.failed
                else ""
            )
        )
        yield Finding(kind, f"{text}.")
    if all(total.fits == total.converged for total in totals.estimators.values()):
        yield Finding(
            "good", f"All {_count(totals.fits, 'fit')} converged; none failed."
        )


def _calibrated(totals: Totals) -> Iterator[Finding]:
    for name, total in totals.estimators.items():
        tested = total.with_verdict(calibration.PASSED, calibration.FAILED)
        failed = total.with_verdict(calibration.FAILED)
        if not tested:
            continue
        few = (
            f"; {_count(total.fewest_ranked, 'replicate')} show gross errors only, "
            f"{calibration.ENOUGH} are recommended"
            if total.fewest_ranked < calibration.ENOUGH
            else ""
        )
        text = (
            f"The posteriors of {name} are calibrated in "
            f"{len(tested) - len(failed):,} of "
            f"{_count(len(tested), 'tested design')}"
        )
        if failed:
            text += f"; not in {_list(failed[: summary.LISTED])}"
        yield Finding("bad" if failed else "good", f"{text}{few}.")


def _unidentified(totals: Totals) -> Iterator[Finding]:
    if totals.sigma_unidentified:
        yield Finding(
            "warning",
            "The data do not tell a single sigma: what one level loses in variance "
            "another can gain. Contrasts within a level and the total are told.",
        )
    if totals.gaps:
        yield Finding(
            "warning",
            f"In {_count(len(totals.gaps), 'design')} some data sets do not determine "
            "all means.",
        )


def _fits(totals: Totals) -> Grid:
    """Fits, convergence, failures and cost: always there, zeros included."""
    return Grid(
        "fits",
        "Fits and failures",
        ("estimator", "fits", "converged", "not converged", "failed", "seconds a fit"),
        [
            (
                Cell(name),
                _whole(total.fits),
                _whole(total.converged),
                _whole(total.fits - total.converged - total.failed),
                _whole(total.failed),
                _real(total.seconds / total.fits if total.fits else None, ".3g"),
            )
            for name, total in totals.estimators.items()
        ],
    )


def _recovered(totals: Totals) -> Iterator[Grid]:
    rows = [
        (Cell(summary.named(size), float(size)), _whole(totals.sizes[size]), *row)
        for size in sorted(totals.sizes)
        for name, total in totals.estimators.items()
        for row in _of_class(size, name, total)
    ]
    yield Grid(
        "recovered",
        "How well each estimator recovers what, by rows per contributor",
        (
            "rows per contributor",
            "designs",
            "estimator",
            "parameter",
            "error / total",
            "error / bound",
            "95 % coverage",
            "from",
            "to",
            "worst contributor",
            "largest named",
        ),
        rows,
        (
            "Means over designs and levels, on the data sets that all estimators "
            "fitted. error / total: root mean squared error over the total standard "
            "deviation (of variances: the total variance). error / bound: over the "
            "smallest that unbiased estimates can have; below 1, priors or bounds "
            "help. from, to: Monte-Carlo interval of the coverage. largest named: how "
            f"often the largest of a level is found. {summary.CARRIED}: one replicate "
            "carries more than a fifth of it.",
        ),
    )


def _of_class(size: int, name: str, total: OfEstimator) -> Iterator[Sequence[Cell]]:
    for parameter in estimands.PARAMETERS:
        bound, error, _, covered, top = (
            total.metric(size, parameter, metric) for metric in pooling.SHOWN
        )
        if not error.count:
            continue
        interval = covered.interval() or (None, None)
        yield (
            Cell(name),
            Cell(names.parameter(parameter)),
            _real(error.mean(), ".3g", carried=error.carried),
            _real(bound.mean(), ".2f", carried=bound.carried),
            _real(covered.mean(), ".1%"),
            _real(interval[0], ".1%"),
            _real(interval[1], ".1%"),
            Cell("", None)
            if covered.worst is None or covered.whose is None
            else Cell(
                f"{covered.worst:.1%} {names.contributor(*covered.whose)}",
                covered.worst,
            ),
            _real(top.mean(), ".0%"),
        )


def _whole(number: int) -> Cell:
    return Cell(f"{number:,}", float(number))


def _real(number: float | None, style: str, *, carried: bool = False) -> Cell:
    if number is None or not math.isfinite(number):
        return Cell("-")
    return Cell(format(number, style) + summary.CARRIED * carried, float(number))


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _count(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}{'es' if noun.endswith('s') else 's'}"


def _list(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
