"""What the page of a recovery study says in sentences, each with its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from summands.files.words import listed
from summands.recovery import calibration
from summands.recovery.precision import Reached
from summands.recovery.registry import SPREAD
from summands.report import names, reached, summary, verdicts
from summands.report.grid_panels import mean_over_designs
from summands.report.page.content import Finding, Kind
from summands.report.totals import Totals
from summands.study.study import Study

# What is told in sentences of its own: what shifts a sum, and what makes it noisy.
TOLD = {
    "mu": ("What a contributor adds on average (mu)", "total standard deviation"),
    "variance_contrast": (
        "How much noisier a contributor is (variance contrast)",
        "total variance",
    ),
}

# From this share of failed or unconverged fits on, it is not good.
MANY = 0.05

# Designs that a sentence names.
NAMED = 3

# Where sound estimators fail with a smaller chance than this, it is no chance.
CHANCE = 0.05

# Estimators that a sentence compares.
COMPARED = 3


# By estimator, how many times as much another errs, with the ends of its interval.
Ratios = Mapping[str, Mapping[str, tuple[float, float, float]]]


def best(designs: pd.DataFrame, ratios: pd.DataFrame) -> Iterator[Finding]:
    """Say who errs least about what, by how much, and how much more others err.

    Parameters
    ----------
    designs : pandas.DataFrame
        Of a `ByDesign`, with the metrics rmse_over_total and rmse_over_bound.
    ratios : pandas.DataFrame
        See `Tables.compared`.
    """
    errors = designs[designs["metric"] == "rmse_over_total"]
    several = len(set(errors["estimator"])) > 1
    uncertain = False
    for parameter, (what, unit) in TOLD.items():
        known = errors[errors["parameter"] == parameter]
        if known.empty:
            continue
        estimators = list(dict.fromkeys(known["estimator"]))
        of_parameter = ratios[ratios["parameter"] == parameter]
        others = _others(of_parameter, estimators)
        first = _first(others, estimators)
        lead = _lead(of_parameter, first, estimators, several=several)
        own = designs[
            (designs["parameter"] == parameter) & (designs["estimator"] == first)
        ]
        error = own[own["metric"] == "rmse_over_total"]
        bound = own[own["metric"] == "rmse_over_bound"]
        off = _by_design(error, 100.0, ".2g", " %", f" of the {unit}")
        uncertain |= bool(error["carried"].any() or bound["carried"].any())
        said = [f"{what}: {lead}. It is off by {off}.", *_more(others[first], first)]
        yield Finding("answer", " ".join(said))
        if len(bound):
            least = " times the least that is possible without bias"
            told = _by_design(bound, 1.0, ".2f", "", least)
            called = names.parameter(parameter)
            yield Finding("answer", f"The error of {first} in {called} is {told}.")
    if uncertain:
        yield Finding(
            "note",
            f"{summary.CARRIED}: one data set carries more than a fifth of the number, "
            "so another seed may give quite another one.",
        )


def _lead(
    ratios: pd.DataFrame, first: str, estimators: Sequence[str], *, several: bool
) -> str:
    """Say who errs least, and in how many designs."""
    if len(estimators) == 1:
        return f"only {first} estimates it" if several else f"{first} estimates it"
    others = ratios[ratios["metric"] == f"rmse_ratio_vs_{first}"]
    least = others.groupby("design", sort=False)["value"].min()
    if len(least) < 2:
        return f"{first} errs least"
    wins = int((least >= 1.0).sum())
    told = "each" if wins == len(least) else f"{wins:,}"
    return (
        f"{first} errs least on average over {count(len(least), 'design')}, and in "
        f"{told} of them by itself"
    )


def _by_design(
    part: pd.DataFrame, factor: float, style: str, sign: str, unit: str
) -> str:
    """Tell a metric's mean over designs, and the designs where it is best and worst."""

    def told(value: float, lower: float, upper: float, *, carried: bool) -> str:
        said, low, high = (format(factor * n, style) for n in (value, lower, upper))
        said += sign + summary.CARRIED * carried
        return said + (f" ({low} to {high}{sign})" if lower < upper else "")

    order = part.sort_values("value", kind="stable")
    best, worst = (
        (
            told(
                row["value"], row["lower"], row["upper"], carried=bool(row["carried"])
            ),
            row["design"],
        )
        for row in order.iloc[[0, -1]].to_dict("records")
    )
    if len(part) == 1:
        return best[0] + unit
    carried = bool(part["carried"].any())
    mean = told(*mean_over_designs(part, log=True), carried=carried)
    return (
        f"{mean}{unit} on average over {count(len(part), 'design')}: from {best[0]} in "
        f"{best[1]} to {worst[0]} in {worst[1]}"
    )


def _others(ratios: pd.DataFrame, estimators: Sequence[str]) -> Ratios:
    found: dict[str, dict[str, tuple[float, float, float]]] = {}
    for name in estimators:
        of_name = ratios[ratios["metric"] == f"rmse_ratio_vs_{name}"]
        found[name] = {
            str(other): mean_over_designs(part, log=True)
            for other, part in of_name.groupby("estimator", sort=False)
        }
    return found


def _first(others: Ratios, estimators: Sequence[str]) -> str:
    """Choose the estimator than which no other errs less, or most nearly so."""
    return max(
        estimators,
        key=lambda name: min(
            (value for value, _, _ in others[name].values()), default=math.inf
        ),
    )


def _more(
    others: Mapping[str, tuple[float, float, float]], first: str
) -> Iterator[str]:
    if not others:
        return
    ordered = sorted(others.items(), key=lambda item: item[1][0])
    some = ordered if len(ordered) <= COMPARED else [ordered[0], ordered[-1]]
    told = [
        f"{name} errs {value:.2f} times ({low:.2f} to {high:.2f})"
        for name, (value, low, high) in some
    ]
    yield f"Over all designs, on the same data, {listed(told)} as much."
    if alike := [name for name, (_, low, _) in some if low <= 1.0]:
        yield f"These data sets cannot tell {listed([*alike, first])} apart."


def coverage(designs: pd.DataFrame, data_sets: int) -> Iterator[Finding]:
    """Say how often 95 % intervals hold the truth, and whether that is as it should be.

    The verdict is on what the Monte-Carlo interval holds: where that is wide, there is
    none.

    Parameters
    ----------
    designs : pandas.DataFrame
        Of a `ByDesign`, with the metric coverage_95.
    data_sets : int
        Of each estimator.
    """
    covered = designs[designs["metric"] == "coverage_95"]
    for name, of_name in covered.groupby("estimator", sort=False):
        told: list[str] = []
        ends: list[tuple[float, float]] = []
        for parameter in TOLD:
            part = of_name[of_name["parameter"] == parameter]
            if part.empty:
                continue
            mean, low, high = mean_over_designs(part, log=False)
            ends.append((low, high))
            said, least, most = map(verdicts.share, (mean, low, high))
            said += f" ({least} to {most}"
            if len(part) > 1:
                worst = part.iloc[int(part["value"].argmin())]
                said += (
                    f"; least in {worst['design']}, {verdicts.share(worst['value'])}"
                )
            told.append(f"{names.parameter(parameter)} in {said})")
        if not told:
            continue
        kind, verdict = verdicts.of_coverage(ends, count(data_sets, "data set"))
        yield Finding(
            kind, f"95 % intervals of {name} hold the true {listed(told)}: {verdict}."
        )


def trust(totals: Totals) -> Iterator[Finding]:
    """Say how many fits converged, and how many failed."""
    for name, total in totals.estimators.items():
        missing = total.fits - total.converged
        of_all = f"of {count(total.fits, 'fit')} of {name}"
        kind: Kind = "bad" if missing > MANY * total.fits else "warning"
        if missing:
            text = f"{missing:,} {of_all} did not converge"
            if total.first_error:
                text += f", {total.failed:,} of them failed ({total.first_error[0]})"
            yield Finding(kind, f"{text}.")
        if lacking := total.counts["missing"]:
            kind = "bad" if lacking > MANY * total.fits else "warning"
            yield Finding(
                kind,
                f"{lacking:,} {of_all} lack an estimate or an interval that others "
                "have.",
            )
    if totals.fits == totals.converged:
        yield Finding(
            "good", f"All {count(totals.fits, 'fit')} converged; none failed."
        )


def cost(totals: Totals) -> Iterator[Finding]:
    """Say what a fit of each estimator takes."""
    told = [
        f"{total.seconds / total.fits:.2g} seconds with {name}"
        for name, total in totals.estimators.items()
        if total.fits
    ]
    if told:
        yield Finding("answer", f"A fit takes {listed(told)}, on average over designs.")


def calibrated(totals: Totals) -> Iterator[Finding]:
    """Say whether the ranks of truths among draws are as they should be."""
    for name, total in totals.estimators.items():
        tested = total.with_verdict(calibration.PASSED, calibration.FAILED)
        failed = total.with_verdict(calibration.FAILED)
        if not tested:
            continue
        few = total.fewest_ranked < calibration.ENOUGH
        kind: Kind = "note" if few else "good"
        text = (
            f"Posteriors of {name} pass the test of calibration in "
            f"{len(tested) - len(failed):,} of {count(len(tested), 'design')}"
        )
        if failed:
            chance = _chance(len(failed), len(tested))
            text += f", not in {listed(failed[:NAMED])}"
            if len(failed) > NAMED:
                text += f" and {len(failed) - NAMED:,} more"
            kind = "bad"
            if chance > CHANCE:
                kind = "note"
                text += f"; chance alone does as much with probability {chance:.2f}"
        if few:
            text += (
                f". {count(total.fewest_ranked, 'truth')} a design show gross errors "
                f"only; {calibration.ENOUGH} are recommended"
            )
        yield Finding(kind, f"{text}.")


def _chance(failed: int, tested: int) -> float:
    """Chance that a sound estimator fails at least so often."""
    level = calibration.LEVEL
    fewer = sum(
        math.comb(tested, n) * level**n * (1.0 - level) ** (tested - n)
        for n in range(failed)
    )
    return 1.0 - fewer


def unidentified(totals: Totals) -> Iterator[Finding]:
    """Say what the data do not determine."""
    if totals.sigma_unidentified:
        yield Finding(
            "warning",
            "A single sigma rests on its prior, however many rows there are: what one "
            "level loses in variance another can gain. The data do tell contrasts of "
            "variance within a level, and the total.",
        )
    if totals.gaps:
        yield Finding(
            "warning",
            f"In {count(len(totals.gaps), 'design')} some data sets do not determine "
            "all means: contributors without rows, or that do not meet others.",
        )


def at_home(study: Study) -> Iterator[Finding]:
    """Say which estimators are given the very priors that truths are drawn from."""
    given = [
        name
        for name, entry in study.estimators.items()
        if entry.module.SAMPLES
        and entry.options.get("scales") == "known"
        and not entry.options.get("priors")
    ]
    drawn = [
        name
        for name, design in study.designs.items()
        if design.truth == "drawn" and design.as_modelled
    ]
    if given and drawn:
        all_of = "all" if len(drawn) == len(study.designs) else f"{len(drawn):,}"
        yield Finding(
            "note",
            f"In {all_of} of {count(len(study.designs), 'design')} truths are drawn "
            f"from the very priors that {listed(given)} is given: its best case. "
            "Errors below the bound, and exact coverage, may be owed to that.",
        )


def precise(found: Reached) -> Iterator[Finding]:
    """Say of each precision that was wanted whether it was reached.

    Parameters
    ----------
    found : Reached
    """
    for name in found.wanted:
        met = found.met[name] == found.count[name] > 0
        yield Finding(
            "good" if met else "warning",
            f"Wanted was the precision of {reached.headline(found, name)}.",
        )


def few(replicates: int) -> Iterator[Finding]:
    """Warn of designs with so few data sets that their numbers say little."""
    if replicates < SPREAD:
        yield Finding(
            "warning",
            f"Each design has {count(replicates, 'data set')}: too few to tell how "
            "estimates spread. Numbers of single designs may be chance.",
        )


def percent(share: float) -> str:
    """Write a share with two digits."""
    return f"{100 * share:.2g} %"


def count(number: int, noun: str) -> str:
    """Write a number with its noun."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}{'es' if noun.endswith('s') else 's'}"
