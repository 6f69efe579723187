"""The answer of an observed table in sentences; `findings` has the facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import pandas as pd

from summands.decomposition import cautions, gauge, ranking
from summands.files.words import listed
from summands.report import doubts, findings, labels, numbers
from summands.report.findings import Frames, Number, Standing
from summands.report.labels import isolated, named
from summands.report.page import answer_check
from summands.report.page.content import Finding, Kind
from summands.study.study import Study

# Of contributors, by the numbers of their level and of themselves.
Names = Mapping[tuple[int, int], str]

# Contributors that tell little of the population that they come from.
FEW = 6

# Of checks so many times what chance does are told, if no more.
MORE = 2.0

# AIAG asks for so many distinct categories.
CATEGORIES = 5.0

# Cautions that are told as more than a warning, and as less.
BAD = (cautions.Kind.FAILED, cautions.Kind.UNCONVERGED)
NOTES = (cautions.Kind.REMARK, cautions.Kind.ONE_ROW_EACH)


def sentences(main: str | None, frames: Frames, study: Study) -> list[Finding]:
    """Say what a table says, and what it cannot.

    Parameters
    ----------
    main : str or None
        The estimator whose answer it is; None where none converged.
    frames : mapping of str to pandas.DataFrame
        The final tables.
    study : Study

    Returns
    -------
    list of Finding
    """
    if main is None:
        told = [Finding("bad", "No estimator converged: there is no answer to trust.")]
        return [*told, *_cautions(frames)]
    return [
        *_shares(main, frames, study),
        *_standings(main, frames, study),
        *_gauge(main, frames, study),
        *answer_check.seals(main, frames, study),
        *_trust(main, frames, study),
        *_cautions(frames),
    ]


def _shares(main: str, frames: Frames, study: Study) -> Iterator[Finding]:
    """Say what each level owns of the variance."""
    found = frames["components"]
    mine = found[(found["estimator"] == main) & found["share"].notna()]
    if mine.empty:
        return
    names = pd.Series(labels.of_components(mine, study), index=mine.index)
    order = mine["share"].sort_values(ascending=False, kind="stable").index
    told = []
    for place in order:
        row: Any = mine.loc[place]
        share = f"{named(names[place])} {numbers.percent(row['share'])} %"
        if pd.notna(row["share_lower_95"]):
            share += (
                f" ({numbers.percent(row['share_lower_95'])} to "
                f"{numbers.percent(row['share_upper_95'])} %)"
            )
        told.append(share)
    yield Finding(
        "answer", f"What makes the values differ, by variance: {listed(told)}."
    )
    shrinkage = frames["shrinkage"]
    sizes = shrinkage.groupby("level_name", sort=False)["contributor"].nunique()
    small = [
        f"{named(str(name))} ({size})"
        for name, size in sizes.items()
        if 1 < size < FEW and str(name) in set(mine["component"])
    ]
    if small and mine["share_lower_95"].notna().any():
        yield Finding(
            "note",
            "The share of a level is that of all contributors like these, not of these "
            f"alone: of few it stays unsure, however many rows there are: "
            f"{listed(small)}.",
        )


def _standings(main: str, frames: Frames, study: Study) -> Iterator[Finding]:
    """Say of each level who shifts the values, and who is noisy."""
    standings = findings.standings(main, frames)
    assert study.observed is not None
    names = labels.by_level(study)
    told = labels.of_contributors(frames, labels.IN_TEXT)
    for level, some in groupby(standings, lambda one: one.level):
        mine = list(some)
        for questions, what in (
            (ranking.OF_MEANS, f"shifts {named(study.observed.source.value)}"),
            (ranking.OF_NOISE, "is noisy"),
        ):
            asked = [one for one in mine if one.question in questions]
            if not asked:
                continue
            lead = f"Which {named(names[level])} {what}"
            if asked[0].by_prior:
                lead += ", as far as the prior tells it from other levels"
            kind: Kind = "answer" if any(one.clear for one in asked) else "note"
            yield Finding(kind, f"{lead}? {_extremes(asked, told)}.")
    if not standings:
        yield from _without_draws(main, frames, study)


def _extremes(asked: Sequence[Standing], names: Names) -> str:
    clear = [one for one in asked if one.clear]
    if clear and asked[0].size == 2:
        return _of_two(clear[0], names)
    if clear:
        told = [
            _clear(one, names) if one.clear else _unclear(one, names) for one in asked
        ]
        return f"T{'; '.join(told)[1:]}"
    # Of two the one is the highest where the other is the lowest.
    first = asked[:1] if asked[0].size == 2 else asked
    some = "; ".join(_unclear(one, names) for one in first)
    if asked[0].doubtful:
        return f"Perhaps none: the data cannot tell whether they differ ({some})"
    return f"None stands out ({some})"


def _called(one: Standing, names: Names) -> list[str]:
    """Name the likeliest contributors, no two alike."""
    return [isolated(names[one.level, number]) for number in one.contributors]


def _clear(one: Standing, names: Names) -> str:
    word = findings.QUESTIONS[one.question]
    said = f"the {word} is {_called(one, names)[0]} (probability {one.probability:.2f})"
    above = _above(one.value, "the mean of the level")
    if one.scatter is None or one.others is None:
        return f"{said}, {above}"
    width = one.scatter.upper - one.scatter.lower
    scatter = numbers.with_ends(
        one.scatter.estimate, one.scatter.lower, one.scatter.upper
    )
    return (
        f"{said}: rows with it scatter with a standard deviation of {scatter}, rows "
        f"with the others of {numbers.rounded(one.others.estimate, width)} "
        f"({one.scatter.estimate / one.others.estimate:.2g} times); its variance is "
        f"{above}"
    )


def _of_two(one: Standing, names: Names) -> str:
    """Say how two contributors differ: of each, half the difference is told."""
    sign = 1.0 if one.value.estimate >= 0 else -1.0
    low, high = sorted((2 * sign * one.value.lower, 2 * sign * one.value.upper))
    apart = numbers.with_ends(2 * abs(one.value.estimate), low, high)
    said = f"{_called(one, names)[0]} (probability {one.probability:.2f})"
    if one.scatter is None or one.others is None:
        word = "higher" if one.question == "highest_mu" else "lower"
        return f"{said} is {word} than the other by {apart}"
    width = one.scatter.upper - one.scatter.lower
    word = "noisier" if one.question == "noisiest" else "quieter"
    return (
        f"{said} is {word} than the other: rows with it scatter with a standard "
        f"deviation of {numbers.rounded(one.scatter.estimate, width)}, rows with the "
        f"other of {numbers.rounded(one.others.estimate, width)}; their variances "
        f"differ by {apart}"
    )


def _unclear(one: Standing, names: Names) -> str:
    some = [
        f"{name} with {'probability ' * (place == 0)}{share:.2f}"
        for place, (name, (_, share)) in enumerate(
            zip(_called(one, names), one.likeliest, strict=True)
        )
    ]
    if more := one.size - len(some):
        some.append("or the other" if more == 1 else f"or one of {more:,} others")
    return f"the {findings.QUESTIONS[one.question]} is {', '.join(some)}"


def _above(value: Number, what: str) -> str:
    """Say by how much a number is above or below something."""
    word, sign = ("above", 1) if value.estimate >= 0 else ("below", -1)
    low, high = sorted((sign * value.lower, sign * value.upper))
    return f"{numbers.with_ends(abs(value.estimate), low, high)} {word} {what}"


def _without_draws(main: str, frames: Frames, study: Study) -> Iterator[Finding]:
    sampling = any(entry.module.SAMPLES for entry in study.estimators.values())
    why = "none has converged" if sampling else "this study has none (nutpie is one)"
    yield Finding(
        "note",
        "Who shifts the values, and who is noisy, is said with a probability by "
        f"estimators with draws alone, and {why}; the means of {main} are below.",
    )


def _gauge(main: str, frames: Frames, study: Study) -> Iterator[Finding]:
    """Say what the gauge adds to what differs between parts."""
    if "gauge" not in frames:
        return
    found = frames["gauge"]
    mine = found[found["estimator"] == main].set_index("source")
    if mine.empty:
        return
    told = []
    for source in gauge.SOURCES[:-1]:
        row: Any = mine.loc[source]
        number = findings.number(row, "study_variation")
        share = numbers.with_ends(number.estimate, number.lower, number.upper, " %")
        told.append(f"{source} {numbers.rounded(row['sd'])}, of the total {share}")
    number = findings.number(mine.loc["gauge"], "ndc")
    categories = numbers.with_ends(number.estimate, number.lower, number.upper)
    assert study.observed is not None
    assert study.observed.gauge is not None
    part = study.observed.gauge.part
    others = [named(one.name) for one in study.observed.source.levels]
    others.remove(named(part))
    yield Finding(
        "answer",
        f"The gauge, as standard deviations: {'; '.join(told)}. Reproducibility is "
        f"what {listed(others)} {'add' if len(others) > 1 else 'adds'}.",
    )
    if number.lower >= CATEGORIES or (
        not number.bounded and number.estimate >= CATEGORIES
    ):
        kind: Kind = "good"
    elif number.upper >= CATEGORIES:
        kind = "warning"
        categories += ", which may be enough or not"
    else:
        kind = "bad"
    yield Finding(
        kind,
        f"Categories of {named(part)} that it tells apart: {categories}. AIAG asks for "
        f"{CATEGORIES:.0f}.",
    )


def _trust(main: str, frames: Frames, study: Study) -> Iterator[Finding]:
    """Say whose answer it is, and why it may be believed."""
    bad = doubts.unconverged(frames)
    count = len(study.estimators)
    every = {1: "it", 2: "both estimators"}.get(count, f"all {count} estimators")
    yield Finding(
        "note" if bad else "good",
        f"All this is by {main}"
        + (", which converged; others did not." if bad else f"; {every} converged."),
    )
    checked = findings.checks(main, frames)
    if checked is not None:
        said = (
            f"Does the model explain the table? {checked.outside:,} of "
            f"{checked.count:,} checks against tables drawn from it lie outside of 95 %"
        )
        chance = f"by chance some {max(checked.expected, 1):,.0f} would"
        worst = [
            f"the {statistic} of {named(level)} {named(label)}"
            for statistic, level, label in checked.worst
        ]
        if checked.too_many:
            yield Finding(
                "bad", f"{said}, and {chance}: it does not. Farthest: {listed(worst)}."
            )
        elif checked.outside > MORE * max(checked.expected, 1.0):
            yield Finding(
                "note",
                f"{said}; {chance}. One row may be behind several. Farthest: "
                f"{listed(worst)}.",
            )
        else:
            far = f" Farthest out: {listed(worst)}." if worst else ""
            yield Finding("good", f"{said}; {chance}.{far}")
    yield from _variants(frames)


def _variants(frames: Frames) -> Iterator[Finding]:
    found = frames["comparison"]
    if len(found) < 2:
        return
    best = found["estimator"].iloc[0]
    for row in found.iloc[1:].to_dict("records"):
        apart = (
            f"{abs(row['difference']):.1f} (standard error {row['difference_se']:.1f})"
        )
        other = row["estimator"]
        if findings.telling(row):
            said = f"{best} predicts rows that it has not seen better than {other}"
        elif abs(row["difference"]) < findings.LEAST:
            said = f"{best} and {other} predict rows that they have not seen alike"
        else:
            said = (
                f"Whether {best} predicts rows that it has not seen better than "
                f"{other} is not clear"
            )
        yield Finding("note", f"{said}: log densities differ by {apart}.")
    unsure = found[found["pareto_k_over_0_7"] > 0]
    if not unsure.empty:
        told = [
            f"{row.pareto_k_over_0_7:,} of {row.rows:,} rows of {row.estimator}"
            for row in unsure.itertuples()
        ]
        yield Finding("note", f"That comparison is not sure for {listed(told)}.")


def _cautions(frames: Frames) -> Iterator[Finding]:
    for row in frames["cautions"].to_dict("records"):
        kind: Kind = (
            "bad"
            if row["kind"] in BAD
            else "note"
            if row["kind"] in NOTES
            else "warning"
        )
        yield Finding(kind, isolated(str(row["text"])))
