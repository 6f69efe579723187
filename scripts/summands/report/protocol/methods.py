"""Estimators of a study, for its protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator

from summands.estimators import Entry
from summands.posterior.convergence import MAX_RHAT, MIN_EBFMI, MIN_ESS
from summands.report.markdown import paragraphs, table
from summands.study.study import Study

KNOWN = """\
Its priors are b ~ Normal(intercept_mean, intercept_sd), mu_j ~ ZeroSumNormal(mu_sd),
and log sigma_jk ~ Normal(log_sigma_mean, log_sigma_sd)."""

OF_GRID = """\
For designs of the grid the scales are those that truths are drawn from: it is told the
truth's own distribution."""

FOLLOWING = """\
Where they are not stated they follow the data: with the mean m and the standard
deviation S of all values, and J levels, Normal(m, 5 S) for the intercept, S for mu_sd,
and Normal(log(S / sqrt(J + 1)), 1) for log sigma."""

ESTIMATED = """\
It estimates the scales of each level j: mu_j ~ ZeroSumNormal(mu_sd_j), mu_sd_j ~
HalfNormal(S), log sigma_jk ~ Normal(log_sigma_mean_j, log_sigma_sd_j), log_sigma_mean_j
~ Normal(log(R / sqrt(J)), 1), log_sigma_sd_j ~ LogNormal(log 0.5, 0.6), b ~ Normal(m, 5
S), where nobody states others; m and S are the mean and the standard deviation of all
values, R that of the residuals around the least-squares means, J the number of
levels."""


def section(study: Study) -> Iterator[str]:
    """Write what each estimator is, what it takes for granted and its options.

    Parameters
    ----------
    study : Study

    Yields
    ------
    str
        Markdown, a block each.
    """
    seen = (
        "All estimators see the same data sets, and are told nothing of layouts, laws "
        "of noise, drift or interactions."
        if study.observed is None
        else "All estimators see the same table."
    )
    yield (
        f"{seen} Each assumes what it says below. A cell is a combination of "
        "contributors that occurs: the number of its rows, their mean and their sum of "
        "squares hold all that rows with normal noise can tell."
    )
    for name, entry in study.estimators.items():
        variant = "" if name == entry.method else f" (method `{entry.method}`)"
        yield f"### `{name}`{variant}"
        yield from paragraphs(entry.module)
        yield _facts(entry)
        if getattr(entry.module, "PRIORS", False):
            yield _priors(entry, study)
        if entry.module.SAMPLES:
            yield (
                f"A fit has converged where R-hat is below {MAX_RHAT:g}, bulk and tail "
                f"effective sample sizes are {MIN_ESS} or more, no draw diverged and "
                f"the E-BFMI is {MIN_EBFMI:g} or more (Vehtari et al. 2021, Bayesian "
                "Analysis 16:667; Betancourt 2016, arXiv:1604.00695)."
            )
        yield _options(entry, observed=study.observed is not None)


def _facts(entry: Entry) -> str:
    returned = (
        "draws of the posterior: estimates are their means, intervals their quantiles"
        if entry.module.SAMPLES
        else "estimates and standard errors; its intervals are the estimate plus and "
        "minus the standard error times quantiles of the normal distribution"
    )
    rows = "the rows" if entry.module.READS == "rows" else "the cells"
    return f"It reads {rows} and returns {returned}."


def _priors(entry: Entry, study: Study) -> str:
    if entry.estimates_scales:
        parts = [ESTIMATED]
    else:
        parts = [KNOWN]
        if "grid" in study.resolved:
            parts.append(OF_GRID)
        if study.observed is not None or "designs" in study.resolved:
            parts.append(FOLLOWING)
    if entry.options.get("priors"):
        parts.append("Of these its option `priors` states others.")
    return " ".join(" ".join(parts).split())


def _options(entry: Entry, *, observed: bool) -> str:
    module = entry.module
    rules = {**module.OPTIONS, **(getattr(module, "OBSERVED", {}) if observed else {})}
    rows = [
        (
            f"`{name}`",
            f"`{json.dumps(value, ensure_ascii=False)}`"
            + " (default)" * (value == rules[name].get("default")),
            rules[name]["description"],
        )
        for name, value in entry.options.items()
        if name in rules
    ]
    return table(("option", "value", "meaning"), rows) or "It has no options."
