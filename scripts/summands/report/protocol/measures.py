"""Performance measures, their Monte-Carlo errors and replicates, for a protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from summands.files.words import counted, listed
from summands.recovery import precision
from summands.recovery.catalogue import METRICS
from summands.recovery.montecarlo import POSITIVE, REAL, RELATIVE, SHARE
from summands.recovery.pooling import SHOWN
from summands.recovery.registry import ALL, LARGEST_SHARE, Metric
from summands.report.markdown import table
from summands.report.reference import full_name, meaning
from summands.study.study import Study

# How the interval of a metric is made, in a word or two.
INTERVALS = {
    SHARE: "Wilson",
    POSITIVE: "log scale",
    RELATIVE: "log of 1 + value",
    REAL: "symmetric",
}

FORMULAS = """\
    bias         = 1/(R M) sum_r sum_k (est_rk - true_rk)
    mse          = 1/(R M) sum_r sum_k (est_rk - true_rk)²,   rmse = sqrt(mse)
    empirical_se = sqrt( 1/M sum_k 1/(R - 1) sum_r (est_rk - mean_r est_rk)² )
    model_se     = sqrt( 1/(R M) sum_r sum_k sd_rk² )
    coverage     = 1/(R M) sum_r sum_k 1[ lower_rk <= true_rk <= upper_rk ]
    width        = 1/(R M) sum_r sum_k (upper_rk - lower_rk)"""


def section(study: Study) -> Iterator[str]:
    """Write the performance measures and how their Monte-Carlo errors are computed.

    Parameters
    ----------
    study : Study
        A simulated one.

    Yields
    ------
    str
        Markdown, a block each.
    """
    wanted = [precision.keys()[name].metric for name in study.precision]
    primary = list(dict.fromkeys(wanted or SHOWN))
    why = (
        "those of which a precision is stated"
        if wanted
        else "those that summary and page begin with, as no precision is stated"
    )
    yield (
        "Measures are computed for each design, estimator, parameter and level. With R "
        "replicates r, M contributors k of the level, estimates est, standard errors "
        "sd, true values true, and intervals from lower to upper, most are means over "
        "replicates and contributors:"
    )
    yield FORMULAS
    yield (
        "Where contributors are the same in every replicate each has its own as well "
        "(M = 1), and the worst is named beside the pooled value."
    )
    yield (
        f"Primary are {listed([f'`{name}`' for name in primary])}: {why}. All others "
        "are told too, in `recovery.parquet`."
    )
    told = [metric for metric in METRICS.values() if _applies(metric, study)]
    yield _table(metric for metric in told if metric.name in primary)
    yield "The others:"
    yield _table(metric for metric in told if metric.name not in primary)
    yield "### Monte-Carlo errors"
    yield (
        "Replicates are independent, contributors of one replicate are not. So every "
        "standard error is the jackknife's over replicates (Efron and Stein 1981, "
        "Annals of Statistics 9:586): with s the measure, and s_(r) that without "
        "replicate r,"
    )
    yield "    mcse² = (R - 1)/R sum_r (s_(r) - mean_r s_(r))²"
    yield (
        "For a mean over replicates that is its standard error. Intervals of 95 % are "
        "s plus and minus t mcse, with the quantile t of Student's t with R - 1 "
        "degrees of freedom; of positive measures on the scale of the logarithm; of "
        "shares they are Wilson's (1927, JASA 22:209), with share (1 - share) / mcse² "
        "for the number of cases (Kish 1965, Survey Sampling, section 8.2). A share "
        "of exactly 0 or 1 has its interval and no standard error."
    )
    yield (
        "A measure of which one replicate makes up more than "
        f"{100 * LARGEST_SHARE:.0f} % is marked: another seed may give quite another "
        "value."
    )


def _table(metrics: Iterable[Metric]) -> str:
    return table(
        ("measure", "what it is", "its interval"),
        [
            (f"`{full_name(metric)}`", meaning(metric), INTERVALS[metric.interval])
            for metric in metrics
        ],
    )


def _applies(metric: Metric, study: Study) -> bool:
    regimes = {"both", *(design.truth for design in study.designs.values())}
    draws = any(entry.module.SAMPLES for entry in study.estimators.values())
    return (
        metric.regime in regimes
        and (draws or "p_largest" not in metric.needs)
        and not (metric.versus and len(study.estimators) < 2)
    )


def replicates(study: Study) -> Iterator[str]:
    """Write how many replicates there are, why, and what precision to expect.

    Parameters
    ----------
    study : Study
        A simulated one.

    Yields
    ------
    str
        Markdown, a block each.
    """
    count = study.replicates
    if study.precision:
        yield (
            f"{counted(count, 'replicate')} of each design, so that Monte-Carlo "
            "standard errors have the size that is wanted. An error e takes n = "
            "(spread / e)² replicates, where the spread is that of a replicate's "
            "term: of a share sqrt(p (1 - p)) (Morris et al. 2019, section 5.3), of "
            "others a part of the measure. Contributors of a replicate are not "
            "counted as independent."
        )
        keys = precision.keys()
        yield table(
            ("precision of", "wanted", "spread", "takes", "assumed"),
            [
                (
                    f"`{name}`",
                    f"{study.precision[name]:g}",
                    f"{keys[name].spread:.4g}",
                    f"{needed:,}",
                    keys[name].assumed,
                )
                for name, needed in precision.takes(study.precision).items()
            ],
        )
        yield (
            "Where the assumptions do not hold the precision is another one. What was "
            f"reached is told with the results, by the fits at the gate `{ALL}`, where "
            f"up to {precision.TOLERANCE:g} times the wanted error counts as reached, "
            "with the number of replicates that would do. More of them, once results "
            "were seen, are an amendment of this protocol."
        )
        return
    keys = precision.keys()
    covered, share = keys["coverage_95"].error(count), keys["top_rate"].error(count)
    relative = keys["rmse_relative"].error(count)
    yield (
        f"{counted(count, 'replicate')} of each design, as stated; no precision is "
        f"asked for. With {count:,} the Monte-Carlo standard error of a coverage of "
        f"95 % is {covered:.2g} (sqrt(0.95 * 0.05 / n), Morris et al. 2019, section "
        f"5.3), of any share at most {share:.2g} (sqrt(0.25 / n)), and of a root mean "
        f"squared error of normal errors {100 * relative:.2g} % of it (1 / sqrt(2 n))."
    )
