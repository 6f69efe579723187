"""The text of a protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from summands.model import estimands
from summands.report.markdown import table
from summands.report.protocol import measures, mechanisms, methods, observed
from summands.study import asked
from summands.study.protocols import Version, moment
from summands.study.study import Study

UNITS = {1: "that of the values", 2: "its square"}

QUANTITIES = """\
    mu_jk                 with sum_k mu_jk = 0
    variance_contrast_jk  = sigma²_jk - mean_k sigma²_jk
    total_variance        = sum_j mean_k sigma²_jk"""

FAILURES = (
    "A fit that fails or does not converge stays a row of the results: nothing is "
    "redrawn, left out or made up. A sampler tries again by a fixed rule, on the same "
    "data, as often as its option `escalations` says.",
)

OF_SIMULATIONS = (
    "Fits that did not converge, that failed or that were tried again, and results "
    "that are missing or that data do not determine, are counted by design and "
    "estimator, zeros included, in summary, page and `failures.parquet`.",
    "Every measure is computed for three sets of replicates: `all` in which the "
    "estimator gave an estimate, those that `converged`, and those `common` to all "
    "estimators that give the quantity at all. Estimators are compared on the last "
    "alone, as one that gives up on hard data sets looks better elsewhere.",
    "Coverage is also given as if every interval that is missing or cannot be trusted, "
    "as that of a fit that did not converge, missed the truth "
    "(`coverage_95_failures_missed`) or held it (`coverage_95_failures_held`): the two "
    "bound what failures can do to it.",
)


def document(
    study: Study,
    version: Version,
    earlier: Sequence[Version],
    record: Mapping[str, Any],
) -> str:
    """Write a protocol, or an amendment to one.

    Parameters
    ----------
    study : Study
    version : Version
        Of this protocol; its ``text`` does not matter.
    earlier : sequence of Version
        That it amends; empty for the first.
    record : mapping
        See `summands.files.provenance.record`.

    Returns
    -------
    str
        Markdown.
    """
    simulated = study.observed is None
    parts: dict[str, Iterable[str]] = {"Aims": _aims(study)}
    if simulated:
        parts["Data-generating mechanisms"] = mechanisms.section(study)
    else:
        parts["Data"] = observed.data(study, version.table)
    parts |= {"Estimands": _estimands(study), "Methods": methods.section(study)}
    if simulated:
        parts["Performance measures"] = measures.section(study)
        parts["Replicates"] = measures.replicates(study)
    else:
        parts["Check"] = observed.check(study)
    parts |= {
        "Seeds": _seeds(study),
        "Failures": (*FAILURES, *(OF_SIMULATIONS if simulated else ())),
        "Software": _software(record),
        "Study file": _file(study),
    }
    blocks = list(_head(study, version, earlier))
    for title, section in parts.items():
        blocks += [f"## {title}", *section]
    return "\n\n".join(block.rstrip("\n") for block in blocks) + "\n"


def _head(study: Study, version: Version, earlier: Sequence[Version]) -> Iterator[str]:
    yield f"# {'Amended protocol' if earlier else 'Protocol'} of {study.name}"
    if study.observed is None:
        when = ("before any data of this study were drawn", "when it had data already")
    else:
        when = ("before the table was fitted", "when the table was fitted already")
    yield f"Written {moment(version.written)}, {when[version.after_data]}."
    yield (
        f"SHA-256 of what the study asks: `{version.sha256}`. It is over the study "
        "file at the end with all its keys but "
        + ", ".join(f"`{key}`" for key in asked.NOT_ASKED)
        + ", which say how the study is called, told, cut into jobs and kept; the "
        "order of keys does not count, nor do folders of tables."
    )
    yield (
        "The order is that of ADEMP: Morris, White and Crowther (2019, Statistics in "
        "Medicine 38:2074), Siepe et al. (2024, Psychological Methods, doi "
        "10.1037/met0000695)."
    )
    if earlier:
        first = earlier[0]
        yield "## What was changed"
        yield (
            f"Since the protocol of {moment(first.written)} (`{first.file}`, SHA-256 "
            f"`{first.sha256}`):"
        )
        yield (
            table(
                ("key of the study file", "then", "now"),
                [
                    (f"`{one.place}`", _shown(one.before), _shown(one.after))
                    for one in asked.changes(first.asked, version.asked)
                ],
            )
            or "Nothing."
        )


def _shown(value: Any) -> str:
    told = asked.shown(value)
    return told if value is asked.MISSING else f"`{told}`"


def _aims(study: Study) -> Iterator[str]:
    yield study.resolved.get("aims", "").strip() or (
        "None were stated: the study file has no `aims`."
    )


def _estimands(study: Study) -> Iterator[str]:
    more = (
        "True values are those of the coefficients; what drift or interactions add "
        "counts as error."
        if study.observed is None
        else "From these follow the components of variance and their shares, the "
        "probability of each contributor to be the largest of its level, and where "
        "they are asked for differences of contributors and a gauge study."
    )
    yield table(
        ("quantity", "of", "what it is", "unit", "determined by the data"),
        [
            (
                f"`{block.name}`",
                "the sum" if block.of == "all" else "each contributor",
                block.meaning,
                UNITS[block.power],
                block.identified,
            )
            for block in estimands.BLOCKS
        ],
    )
    yield QUANTITIES
    yield (
        f"{more} Contrasts of a contributor that is alone in its level are zero by "
        "definition and count nowhere. A variance that one level loses another can "
        "gain without a trace in the data: where there are several levels a single "
        "sigma rests on its prior, and estimators without one do not give it."
    )


def _seeds(study: Study) -> Iterator[str]:
    if study.observed is None:
        yield (
            f"The seed of the study is {study.seed}. Every random stream has a seed of "
            "its own, made by SHA-256 of the study's seed, the content of the design, "
            "the replicate and the purpose (NumPy's `SeedSequence`): numbers do not "
            "depend on the order of the work, the machine's cores, or on which other "
            "designs there are, and more replicates leave the first as they are."
        )
    else:
        yield (
            f"The seed of the study is {study.seed}. Every random stream has a seed of "
            "its own, made by SHA-256 of the study's seed and the purpose."
        )


def _software(record: Mapping[str, Any]) -> Iterator[str]:
    commit = record["commit"] or "unknown: not written from a git checkout"
    if record["modified"]:
        commit += ", with changes that are in no commit"
    yield table(
        ("what", "version"),
        [
            ("commit of summands", commit),
            ("Python", record["python"]),
            ("platform", record["platform"]),
            *((name, str(version)) for name, version in record["packages"].items()),
        ],
    )


def _file(study: Study) -> Iterator[str]:
    text = yaml.safe_dump(study.resolved, sort_keys=False, allow_unicode=True)
    yield "The study with every default written out:"
    # Longer than any fence that a text in it may have.
    yield f"````yaml\n{text}````"
