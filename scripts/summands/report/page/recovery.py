"""What the page of a recovery study holds: its answer, its tables and its charts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from summands.files.words import listed
from summands.model import estimands
from summands.recovery.failures import MISSED
from summands.recovery.pooling import Pooled
from summands.report import (
    failures,
    grid_panels,
    labels,
    names,
    reached,
    registry,
    summary,
)
from summands.report.grids import NAMED_DESIGNS
from summands.report.page import (
    captions,
    design_charts,
    findings,
    machinery,
    metric_grids,
    planned,
)
from summands.report.page.content import Cell, Grid, Page, Section, Select
from summands.report.reading import Tables
from summands.report.totals import OfEstimator, Totals

# Metrics of the table: factor, style and unit of what is written.
SHOWN = {
    "rmse_over_total": (100.0, ".2g", " %"),
    "rmse_over_bound": (1.0, ".2f", ""),
    "coverage_95": (100.0, ".1f", " %"),
    "top_rate": (100.0, ".0f", " %"),
}

# Designs of the table of failures that have rows of their own.
MOST_DESIGNS = 1000

# Marks what the data do not determine.
LOOSE = "*"

# Figure whose section has the table of failures.
FAILURES = "failures"

# Columns of counts.
_HEADS = ("fits", "converged", *failures.COUNTED.values())

# Field of the choice of one design among many.
PICKED = "picked"


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
    many = len(study.designs) > NAMED_DESIGNS
    data_sets = study.replicates * len(study.designs)
    asked = [
        *machinery.aims(study),
        f"{findings.count(data_sets, 'simulated data set')}, "
        f"{study.replicates:,} of each of "
        f"{findings.count(len(study.designs), 'design')} (levels, rows, noise), in "
        "which the truth is known, and what "
        f"{listed(list(study.estimators))} made of them.",
    ]
    designs = tables.by_design()
    sections = [_answer(tables, totals, designs)]
    if study.plan:
        sections.append(planned.section(tables.whole("rows_needed")))
    if many:
        sections.append(_of_one_design(tables, designs))
    sections += _figures(tables, many=many)
    if not many:
        sections.append(
            Section(
                "metrics",
                "Metrics of each design, with their Monte-Carlo errors",
                "all metrics",
                tables=list(metric_grids.grids(tables)),
            )
        )
    sections.append(machinery.section(tables))
    parameters = [names.parameter(name) for name in estimands.PARAMETERS]
    selects = [
        Select("design", "Design", list(study.designs)),
        Select("estimator", "Estimator", list(study.estimators)),
        Select("parameter", "Parameter", parameters),
    ]
    return Page(
        study.name,
        "Parameter-recovery study",
        asked,
        sections,
        [select for select in selects if len(select.options) > 1],
        results=f"results/{study.name}",
        about=f"how well {_who(list(study.estimators))} the truth",
    )


def _who(estimators: Sequence[str]) -> str:
    if len(estimators) > findings.COMPARED:
        return f"{len(estimators)} estimators recover"
    verb = "recover" if len(estimators) > 1 else "recovers"
    return f"{listed(estimators)} {verb}"


def _figures(tables: Tables, *, many: bool) -> Iterator[Section]:
    estimators = list(tables.study.estimators)
    for entry in registry.of(tables.study):
        # A page can be made of the final tables alone, without a posterior.
        if not {*entry.needs} <= {*tables.paths}:
            continue
        yield Section(
            entry.name,
            entry.shows[0].upper() + entry.shows[1:],
            names.parameter(entry.name),
            captions.paragraphs(entry.name, many=many),
            charts=[entry.chart(entry.panel(tables), entry, estimators)],
            tables=[_failures(tables)] if entry.name == FAILURES else [],
        )


def _of_one_design(tables: Tables, designs: pd.DataFrame) -> Section:
    """List the worst of many designs, and show the one that is picked."""
    worst = _cases(designs)
    return Section(
        "one-design",
        "Worst designs, and each design by itself",
        "worst designs",
        charts=[
            design_charts.one_design(
                designs,
                PICKED,
                registry.FIGURES["forest"].source,
                list(tables.study.estimators),
                tables.loose(),
            )
        ],
        tables=[worst],
    )


def _answer(tables: Tables, totals: Totals, designs: pd.DataFrame) -> Section:
    errors = grid_panels.pooled(designs, tables.classes()).rows
    data_sets = tables.study.replicates * len(tables.study.designs)
    return Section(
        "answer",
        "What the study found",
        "answer",
        findings=[
            *findings.best(designs, tables.compared()),
            *findings.coverage(designs, data_sets),
            *findings.calibrated(totals),
            *findings.trust(totals),
            *findings.cost(totals),
            *findings.unidentified(totals),
            *findings.at_home(tables.study),
            *findings.precise(totals.reached),
            *findings.few(tables.study.replicates),
        ],
        tables=[_fits(totals), _recovered(errors, totals), *_precision(totals)],
    )


def _fits(totals: Totals) -> Grid:
    """Fits, convergence, failures and cost: always there, zeros included."""
    return Grid(
        "fits",
        "Fits of each estimator",
        ("estimator", *_HEADS, "seconds a fit"),
        [
            (
                Cell(name),
                *_counts(total.counts),
                _real(total.seconds / total.fits if total.fits else None, ".3g"),
            )
            for name, total in totals.estimators.items()
        ],
        (" ".join(failures.MEANT), " ".join(failures.HANDLED)),
    )


def _precision(totals: Totals) -> Iterator[Grid]:
    """List the quantities without the precision that was wanted, where it was."""
    found = totals.reached
    if not found.wanted:
        return
    without = {
        name: reached.absent(found, name, totals.estimators) for name in found.wanted
    }
    notes = [reached.NOTE, *(f"{name}: {who}." for name, who in without.items() if who)]
    missing = sum(found.count.values()) - sum(found.met.values())
    if missing > len(found.missed):
        notes.append(f"Of {missing:,} those are listed that need most.")
    yield Grid(
        "precision",
        "Where the precision that was wanted was not reached",
        ("precision", "wanted", "reached", "design", "estimator", "quantity", "needs"),
        [
            (
                Cell(one.key.name),
                _real(one.wanted, ".2g"),
                _real(one.reached, ".2g"),
                Cell(one.design),
                Cell(one.estimator),
                Cell(reached.place(one)),
                Cell(
                    reached.needs(one, found.replicates),
                    one.needed if math.isfinite(one.needed) else None,
                ),
            )
            for one in found.missed
        ],
        notes,
    )


def _failures(tables: Tables) -> Grid:
    """Failures and missing results of each design and estimator, zeros included."""
    shown = failures.gathered(tables.whole("failures"), MOST_DESIGNS)
    return Grid(
        f"{FAILURES}-by-design",
        "Failures and missing results of each design and estimator",
        ("design", "estimator", *_HEADS, "missed first", "first error", "data set"),
        [
            (
                Cell(row["design"]),
                Cell(row["estimator"]),
                *_counts(row),
                _missed(row),
                Cell(labels.isolated(row["first_error"]) if row["failed"] else "-"),
                _whole(int(row["first_error_replicate"]))
                if row["failed"]
                else Cell("-"),
            )
            for row in shown.to_dict("records")
        ],
        (
            "missed first: of the fits that did not converge, the criterion that each "
            "missed first, and how many did.",
            " ".join(failures.MEANT),
            " ".join(failures.HANDLED),
        ),
    )


def _counts(counts: Mapping[Any, int]) -> Iterator[Cell]:
    for name in ("fits", "converged", *failures.COUNTED):
        yield _whole(counts[name])


def _missed(row: Mapping[Any, int]) -> Cell:
    """Tell the criteria that were missed first; a file has the zeros, too."""
    counts = {name: row[column] for name, column in MISSED.items()}
    told = [f"{name} ({count:,})" for name, count in counts.items() if count]
    return Cell(", ".join(told) or "-", more={n: float(c) for n, c in counts.items()})


def _recovered(errors: pd.DataFrame, totals: Totals) -> Grid:
    """Tabulate what each estimator recovers, by class of size."""
    keys = ["size", "estimator", "parameter", "metric"]
    known = {
        key: (row["value"], row["lower"], row["upper"])
        for key, row in zip(
            errors[keys].itertuples(index=False, name=None),
            errors.to_dict("records"),
            strict=True,
        )
    }
    rows = []
    for size in sorted(totals.sizes):
        for name, total in totals.estimators.items():
            for parameter in estimands.PARAMETERS:
                series = summary.named(size), name, parameter
                if (*series, "rmse_over_total") not in known:
                    continue
                rows.append(
                    (
                        Cell(summary.named(size), float(size)),
                        _whole(totals.sizes[size]),
                        Cell(name),
                        Cell(_starred(parameter, totals)),
                        *_measured(known, series, total, size),
                    )
                )
    notes = [
        "Means over designs and levels, on the data sets that all estimators fitted. "
        "Error: root mean squared error, "
        "in percent of the total standard deviation (of variances: of the total "
        "variance). Over the bound: over the smallest that estimates without bias can "
        "have; below 1, priors or bounds help. Worst contributor: the one whose "
        "coverage is farthest from 95 %, where it is the same in all data sets. "
        "Largest named: how often the largest of a level is found. "
        f"{summary.CARRIED}: one data set carries more than a fifth of it, so another "
        "seed may give quite another value."
    ]
    if totals.sigma_unidentified:
        notes.append(
            f"{LOOSE}: not determined by the data; its estimate rests on the prior."
        )
    return Grid(
        "recovered",
        "How well each estimator recovers what, by rows per contributor",
        (
            "rows per contributor",
            "designs",
            "estimator",
            "parameter",
            "error",
            "over the bound",
            "95 % intervals that hold the truth",
            "worst contributor",
            "largest named",
        ),
        rows,
        notes,
        "95 % Monte-Carlo intervals",
    )


def _starred(parameter: str, totals: Totals) -> str:
    loose = parameter == "sigma" and totals.sigma_unidentified
    return names.parameter(parameter) + f" {LOOSE}" * loose


def _measured(
    known: Mapping[tuple[str, str, str, str], tuple[float, float, float]],
    series: tuple[str, str, str],
    total: OfEstimator,
    size: int,
) -> Iterator[Cell]:
    """Cells of the metrics, each with its interval."""
    for metric, (factor, style, unit) in SHOWN.items():
        pool = total.metric(size, series[2], metric)
        if metric == "top_rate":
            yield _worst(total.metric(size, series[2], "coverage_95"))
        if (*series, metric) not in known:
            yield Cell("-")
            continue
        numbers = known[(*series, metric)]
        value, low, high = (factor * number for number in numbers)
        mark = summary.CARRIED * pool.carried
        text = f"{value:{style}}{unit}{mark}"
        more: dict[str, float | str] = {}
        if low < high:
            text += f" ({low:{style}} to {high:{style}})"
            more = {"from": low, "to": high}
        if pool.carried:
            more["carried by one data set"] = "yes"
        yield Cell(text, value, more=more)


def _worst(covered: Pooled) -> Cell:
    if covered.worst is None or covered.whose is None:
        return Cell("-")
    share, name = 100.0 * covered.worst, names.contributor(*covered.whose)
    return Cell(f"{share:.0f} % of {name}", share, more={"which": name})


def _cases(designs: pd.DataFrame) -> Grid:
    """List the designs that do worst."""
    cases = grid_panels.worst_cases(designs)
    return Grid(
        "worst",
        "Worst designs of each metric, parameter and estimator",
        (
            "metric",
            "parameter",
            "estimator",
            "design",
            "value",
            "from",
            "to",
            "data sets",
        ),
        [
            (
                Cell(grid_panels.METRICS[row["metric"]][0]),
                Cell(names.parameter(row["parameter"])),
                Cell(row["estimator"]),
                Cell(row["design"], chosen={PICKED: row["design"], "at": "one-design"}),
                _real(row["value"], ".3g", carried=bool(row["carried"])),
                _real(row["lower"], ".3g"),
                _real(row["upper"], ".3g"),
                _whole(int(row["replicates"])),
            )
            for row in cases.to_dict("records")
        ],
        (
            "Of so many designs the worst are partly so by chance: their Monte-Carlo "
            "intervals (from, to) say how much. "
            f"{summary.CARRIED}: one data set carries more than a fifth of it.",
        ),
    )


def _whole(number: int) -> Cell:
    return Cell(f"{number:,}", float(number))


def _real(number: float | None, style: str, *, carried: bool = False) -> Cell:
    if number is None or not math.isfinite(number):
        return Cell("-")
    more: dict[str, float | str] = {"carried by one data set": "yes"} if carried else {}
    return Cell(
        format(number, style) + summary.CARRIED * carried, float(number), more=more
    )
