"""The answer of an observed table in tables that stand in its page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from summands.decomposition import ranking
from summands.report import doubts, findings, labels, numbers
from summands.report.answer_panels import SHOWN
from summands.report.findings import Frames, Number
from summands.report.labels import named
from summands.report.page.content import Cell, Grid
from summands.study.study import Study

# Columns of the table "estimates" with a variance contrast and its interval.
CONTRAST = ("estimate", "lower_95", "upper_95")

# What stands in brackets.
INTERVALS = "95 % intervals"

# Columns of the table "gauge" that are shown.
GAUGE = ("sd", "contribution", "study_variation", "tolerance_share", "ndc")


def grids(main: str | None, frames: Frames, study: Study) -> Iterator[Grid]:
    """Tabulate components, contributors, the gauge and the fits.

    Parameters
    ----------
    main : str or None
        The estimator whose answer it is; None where none converged.
    frames : mapping of str to pandas.DataFrame
        The final tables.
    study : Study

    Yields
    ------
    Grid
    """
    yield _components(frames, study)
    if main is not None:
        yield from _contributors(main, frames, study)
    if "gauge" in frames and not frames["gauge"].empty:
        yield _gauges(frames)
    yield _fits(frames)


def _components(frames: Frames, study: Study) -> Grid:
    found = frames["components"]
    names = labels.of_components(found, study)
    largest = _largest(found["sd"], found["sd_upper_95"])
    rows = []
    for name, row in zip(names, found.to_dict("records"), strict=True):
        share, sd = findings.number(row, "share"), findings.number(row, "sd")
        rows.append(
            (
                Cell(named(name)),
                Cell(row["estimator"]),
                _percent(share),
                _with_ends(sd, largest),
                Cell(doubts.of_component(row, frames)),
            )
        )
    return Grid(
        "components",
        "What each level, and the noise, owns",
        (
            "component",
            "estimator",
            "% of the variance",
            "standard deviation",
            "beware",
        ),
        rows,
        (
            "The standard deviation is that of the population that the contributors of "
            "a level come from, not of the few that are here, in the unit of the "
            "values.",
        ),
        INTERVALS,
    )


def _contributors(main: str, frames: Frames, study: Study) -> Iterator[Grid]:
    """List the contributors that stand out, by the main estimator."""
    found = frames["shrinkage"]
    found = found[found["estimator"] == main]
    if found.empty:
        return
    keys = ["level", "contributor"]
    estimates, ranks, scatter = (
        frames[name][frames[name]["estimator"] == main]
        for name in ("estimates", "ranking", "scatter")
    )
    contrast = estimates[estimates["parameter"] == "variance_contrast"]
    told: Any = found.assign(
        row=labels.of_rows(found, frames),
        beware=doubts.of_contributors(found, frames, "mu"),
    )
    questions = [
        question
        for question in ranking.QUESTIONS
        if ranks["question"].eq(question).any()
    ]
    for question in questions:
        mine = ranks[ranks["question"] == question].set_index(keys)["probability"]
        told = told.join(mine.rename(question), on=keys)
    told = told.join(
        scatter.set_index(keys)[["sd", "sd_lower_95", "sd_upper_95"]], on=keys
    )
    told = told.join(
        contrast.set_index(keys)[[*CONTRAST]].add_prefix("c_"),
        on=keys,
    )
    noisy = not scatter.empty
    if questions:
        told["most"] = told[questions].max(axis=1)
    else:
        told["most"] = told["mu"].abs()
    rows = []
    left = 0
    names = labels.by_level(study)
    means = _largest(told["mu"], told["lower_95"], told["upper_95"])
    sds = _largest(told["sd"], told["sd_upper_95"])
    contrasts = _largest(told["c_estimate"], told["c_upper_95"])
    for level, mine in told.groupby("level"):
        chosen = mine.nlargest(SHOWN, "most") if len(mine) > SHOWN else mine
        left += len(mine) - len(chosen)
        for row in chosen.sort_values("mu", ascending=False).to_dict("records"):
            contrast_of = Number(*(row[f"c_{n}"] for n in CONTRAST))
            scattered = (
                _with_ends(findings.number(row, "sd"), sds),
                _with_ends(contrast_of, contrasts),
            )
            rows.append(
                (
                    Cell(named(row["row"])),
                    Cell(named(names[int(str(level))])),
                    Cell(f"{row['rows']:,}", float(row["rows"])),
                    _cell(
                        row["least_squares"], row["upper_95"] - row["lower_95"], means
                    ),
                    _with_ends(findings.number(row, "mu"), means),
                    *(scattered if noisy else ()),
                    *(
                        Cell(f"{row[question]:.2f}", _known(row[question]))
                        for question in questions
                    ),
                    Cell(row["beware"]),
                )
            )
    yield Grid(
        "contributors",
        f"Contributors, by {main}",
        (
            "contributor",
            "level",
            "rows",
            "rows alone",
            "mean",
            *(("sd of rows with it", "variance") if noisy else ()),
            *(f"{findings.QUESTIONS[question]}?" for question in questions),
            "beware",
        ),
        rows,
        (
            "mean, variance: less the mean over the level; rows "
            "alone: the mean by least squares. Questions: the probability that the "
            "contributor is the one."
            + (
                f" {left:,} contributors that stand out less are not shown; "
                "``shrinkage.parquet`` has all."
                if left
                else ""
            ),
        ),
        INTERVALS,
    )


def _gauges(frames: Frames) -> Grid:
    rows = []
    for row in frames["gauge"].to_dict("records"):
        cells = [_with_ends(findings.number(row, name)) for name in GAUGE]
        rows.append((Cell(row["source"]), Cell(row["estimator"]), *cells))
    return Grid(
        "gauge-study",
        "The gauge",
        (
            "source",
            "estimator",
            "standard deviation",
            "% of the variance",
            "% of the sd",
            "% of the tolerance",
            "categories",
        ),
        rows,
        brackets=INTERVALS,
    )


def _fits(frames: Frames) -> Grid:
    compared = frames["comparison"].set_index("estimator")
    rows = []
    for row in frames["fits"].to_dict("records"):
        name = row["estimator"]
        checked = findings.checks(name, frames)
        behind = compared.loc[name] if name in compared.index else None
        rows.append(
            (
                Cell(name),
                Cell(_state(row)),
                Cell(str(_first(row["error"], row["criterion"]))),
                _cell(row["seconds"]),
                Cell("-")
                if checked is None
                else Cell(
                    f"{checked.outside:,} of {checked.count:,}",
                    checked.outside / checked.count,
                ),
                *(
                    (Cell("-"), Cell("-"), Cell("-"))
                    if behind is None
                    else (
                        Cell(f"{behind['difference']:.1f}", behind["difference"]),
                        Cell(f"{behind['difference_se']:.1f}", behind["difference_se"]),
                        Cell(
                            f"{behind['pareto_k_over_0_7']:,.0f}",
                            float(behind["pareto_k_over_0_7"]),
                        ),
                    )
                ),
            )
        )
    return Grid(
        "fits",
        "How the fits went",
        (
            "estimator",
            "converged",
            "why not",
            "seconds",
            "checks outside of 95 %",
            "log density of left-out rows, less the best",
            "standard error",
            "rows not sure",
        ),
        rows,
    )


def _state(row: Any) -> str:
    if pd.notna(row["error"]):
        return "failed"
    return "yes" if row["converged"] else "no"


def _first(*texts: Any) -> Any:
    return next((text for text in texts if pd.notna(text)), "")


def _percent(share: Number) -> Cell:
    scaled = Number(*(100.0 * number for number in _of(share)))
    return Cell(_share(share), _known(scaled.estimate), more=_ends(scaled))


def _ends(number: Number) -> dict[str, float | str]:
    """Give files the ends of an interval."""
    return {"from": number.lower, "to": number.upper} if number.bounded else {}


def _of(number: Number) -> tuple[float, float, float]:
    return number.estimate, number.lower, number.upper


def _share(share: Number) -> str:
    said = numbers.percent(share.estimate)
    if not share.bounded:
        return said
    return f"{said} ({numbers.percent(share.lower)} to {numbers.percent(share.upper)})"


def _with_ends(number: Number, like: float = float("nan")) -> Cell:
    told = numbers.with_ends(*_of(number), like=like)
    return Cell(told, _known(number.estimate), more=_ends(number))


def _largest(*columns: pd.Series) -> float:
    """Give the largest size in some columns, whose exponent all their cells get."""
    return float(pd.concat(columns).abs().max())


def _cell(
    value: float, width: float = float("nan"), like: float = float("nan")
) -> Cell:
    return Cell(numbers.rounded(value, width, like), _known(value))


def _known(value: float) -> float | None:
    return None if pd.isna(value) else float(value)
