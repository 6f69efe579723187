"""How the data of a simulated study come about, for its protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from summands.data import layouts, noises, truths
from summands.data.design import Design, levels_of, pairs_of, written
from summands.data.layouts import Table
from summands.data.mechanisms import Kinds
from summands.files.words import counted
from summands.model.distributions import Distribution, HalfNormal, LogNormal, Normal
from summands.model.problem import PRIORS
from summands.recovery.plans import Planned
from summands.report.markdown import table
from summands.report.reference import described
from summands.study.study import Study

# Designs that are listed; of more the grid says what they are.
LISTED = 40

# Contributors of a level whose coefficients are listed.
CONTRIBUTORS = 12


def section(study: Study) -> Iterator[str]:
    """Write the paragraphs of the data-generating mechanisms.

    Parameters
    ----------
    study : Study
        A simulated one.

    Yields
    ------
    str
        Markdown, a block each.
    """
    designs = study.designs
    yield (
        f"{counted(len(designs), 'design')}, with "
        f"{counted(study.replicates, 'data set')} of each. A row i of a data set has "
        "one contributor c_ij at every level j, level 0 being the baseline, and its "
        "value is the sum of what they add:"
    )
    yield _code(_formula(designs))
    yield "\n".join(_terms(designs))
    yield from _truths(designs)
    yield "### Designs"
    if "grid" in study.resolved:
        yield from _grid(study.resolved["grid"])
    if len(designs) <= LISTED:
        yield table(
            ("design", "contributors per level", "rows", "layout", "noise", "truth"),
            [
                (
                    f"`{name}`",
                    ", ".join(map(str, design.levels.sizes)),
                    f"{design.rows:,}",
                    _told(design.layout),
                    _told(design.noise),
                    _truth(design),
                )
                for name, design in designs.items()
            ],
        )
    else:
        yield f"Too many to be listed here: {len(designs):,}."
    if study.plan:
        yield from _planned(study.plan)
    yield from _given(study.resolved.get("designs", {}))


def _code(*lines: str) -> str:
    return "\n".join(f"    {line}" for line in lines)


def _any(designs: Mapping[str, Design], name: str) -> bool:
    return any(getattr(design, name) for design in designs.values())


def _formula(designs: Mapping[str, Design]) -> str:
    drift = " + d_jk t_i" * _any(designs, "drift")
    cell = " + g_cell" * _any(designs, "interaction_sd")
    return f"x_i = b + sum_j (mu_jk + sigma_jk e_ij{drift}){cell},   k = c_ij"


def _terms(designs: Mapping[str, Design]) -> Iterator[str]:
    """Explain each term, in a list."""
    yield (
        "- b is the intercept; mu_jk and sigma_jk are the mean and the standard "
        "deviation of contributor k of level j, with sum_k mu_jk = 0."
    )
    every = designs.values()
    for title, kinds, used in (
        ("layout, which says the c_ij", layouts.KINDS, {d.layout for d in every}),
        ("noise, the law of the e_ij", noises.KINDS, {d.noise for d in every}),
    ):
        for kind, words in _words(kinds, used):
            yield f"- The {title}: {words}" + (
                ""
                if kind is not Table
                else " (`table` by a digest of its contributors)"
            )
    yield "- The e_ij have the mean 0 and the standard deviation 1."
    if _any(designs, "autocorrelation"):
        yield (
            "- Autocorrelation r: over the rows that a contributor takes part in, e_t "
            "= r e_(t-1) + sqrt(1 - r²) u_t, of independent u with the law of the "
            f"noise; r is {_values(designs, 'autocorrelation')}."
        )
    else:
        yield "- They are independent of one another, of the layout and of the truth."
    if _any(designs, "drift"):
        yield (
            "- Drift: d_jk ~ Normal(0, D), drawn anew for every data set, with t_i = "
            "(i - (N + 1) / 2) / sqrt((N² - 1) / 12) of the rows i = 1 to N; D is "
            f"{_values(designs, 'drift')}, in the unit of the values."
        )
    if _any(designs, "interaction_sd"):
        yield (
            "- Interaction: g_cell ~ Normal(0, G), one for each combination of "
            "contributors, drawn anew for every data set; G is "
            f"{_values(designs, 'interaction_sd')}, in the unit of the values."
        )


def _words(kinds: Kinds, used: set[Any]) -> Iterator[tuple[type, str]]:
    """Say what mechanisms are, each kind once, with the values that it is used with."""
    for kind in kinds:
        own = [one for one in used if isinstance(one, kind)]
        if own:
            values = ", ".join(sorted(f"`{written(one)}`" for one in own))
            yield kind, f"{values}. {described(kind)}"


def _values(designs: Mapping[str, Design], name: str) -> str:
    found = sorted({getattr(design, name) for design in designs.values()})
    return " or ".join(map(_number, found))


def _told(mechanism: Any) -> str:
    return f"`{written(mechanism)}`"


def _truth(design: Design) -> str:
    if design.coefficients:
        return "given below"
    if design.truth == "fixed":
        return f"fixed, number {design.truth_number}"
    return f"`{written(design.truth)}`"


def _truths(designs: Mapping[str, Design]) -> Iterator[str]:
    """Say where the coefficients come from."""
    drawn = [design for design in designs.values() if not design.coefficients]
    if not drawn:
        return
    yield "### Truths"
    scales = {
        tuple(
            (name, _scale(getattr(design, name))) for name in ("mu_mean", *PRIORS[:4])
        )
        for design in drawn
    }
    if any(isinstance(design.truth, str) for design in drawn):
        yield "Coefficients of the designs of the grid are drawn:"
        yield _code(
            "b ~ Normal(0, intercept_sd)",
            "mu_jk ~ Normal(mu_mean, mu_sd), then centred within its level",
            "log sigma_jk ~ Normal(log_sigma_mean, log_sigma_sd)",
        )
    yield "with\n\n" + "\n".join(
        "- " + ", ".join(f"{name} = {value}" for name, value in one)
        for one in sorted(scales)[:LISTED]
    )
    if any(design.drawn_scales for design in drawn):
        yield (
            "Of a scale that is a distribution each level of each data set draws one "
            "of its own, which no estimator is told."
        )
    kinds = {design.truth if isinstance(design.truth, str) else "" for design in drawn}
    if "drawn" in kinds:
        yield (
            "Where the truth is `drawn` every data set has one of its own, and designs "
            "that draw from the same distributions have the same ones, whatever their "
            "rows: differences between them are paired."
        )
    if "fixed" in kinds:
        yield "Where it is `fixed` all data sets of a design share one draw."
    for _, words in _words(truths.KINDS, {design.truth for design in drawn}):
        yield words


def _scale(value: float | Distribution | None) -> str:
    match value:
        case HalfNormal(scale):
            return f"the absolute value of Normal(0, {_number(scale)})"
        case Normal(mean, sd):
            return f"Normal({_number(mean)}, {_number(sd)})"
        case LogNormal(mean, sd):
            return f"exp(Normal({_number(mean)}, {_number(sd)}))"
        case None:
            return "-"
    return _number(value)


def _number(value: float) -> str:
    """Write a number with all its digits."""
    return repr(float(value)).removesuffix(".0")


def _grid(grid: Mapping[str, Any]) -> Iterator[str]:
    lists = {key: each for key, each in grid.items() if isinstance(each, list)}
    varied = {key: each for key, each in lists.items() if len(each) > 1}
    if varied:
        yield "The grid crosses all values of\n\n" + "\n".join(
            f"- `{key}`: {_listed(values)}" for key, values in varied.items()
        )
    if grid.get("fixed_truths", 1) > 1:
        yield f"Each fixed truth is a design; there are {grid['fixed_truths']} of them."


def _planned(plan: Sequence[Planned]) -> Iterator[str]:
    """Say where numbers of rows come from that targets ask for."""
    yield (
        "Numbers of rows are those that targets take, worked out from the Fisher "
        "information of each design; fits verify them:"
    )
    yield table(
        ("target", "rows", "design"),
        [
            (
                str(one.target),
                one.needed.remark or f"{one.needed.rows:,}",
                f"`{one.design.id}`",
            )
            for one in plan[:LISTED]
        ],
    )


def _listed(values: list[Any]) -> str:
    return ", ".join(f"`{json.dumps(value, ensure_ascii=False)}`" for value in values)


def _given(designs: Mapping[str, Any]) -> Iterator[str]:
    """Write coefficients that are given, each set once."""
    if not designs:
        return
    yield "### Given coefficients"
    yield (
        "As pairs (mu, sigma), before means are centred within their level; the "
        "intercept takes up what is taken off them."
    )
    for name, asked in designs.items():
        levels = levels_of(asked["coefficients"])
        lines = []
        for level, pairs in enumerate(pairs_of(asked["coefficients"])):
            shown = [
                f"{_line(label)} ({_number(mu)}, {_number(sigma)})"
                for label, (mu, sigma) in zip(levels.labels[level], pairs, strict=True)
            ][:CONTRIBUTORS]
            more = len(pairs) - len(shown)
            rest = f", and {more:,} more in the study file" * (more > 0)
            lines.append(
                f"  - level {_line(levels.names[level])}: {', '.join(shown)}{rest}"
            )
        priors = ", ".join(
            f"{key} {_number(asked[key])}" for key in PRIORS if key in asked
        )
        stated = f"priors that are stated: {priors or 'none'}"
        yield f"- `{name}` ({stated})\n" + "\n".join(lines)


def _line(name: str) -> str:
    """Write what something is called on one line."""
    return " ".join(name.split())
