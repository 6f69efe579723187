"""The data and the check of an observed table, for its protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator

from summands.files.words import counted
from summands.recovery import precision
from summands.report.markdown import table
from summands.study.study import Study


def data(study: Study, digest: str | None) -> Iterator[str]:
    """Write which table is taken apart, and which of its rows.

    Parameters
    ----------
    study : Study
        Of an observed table.
    digest : str or None
        SHA-256 over its files; None where there are none yet.

    Yields
    ------
    str
        Markdown, a block each.
    """
    given = study.resolved["observed"]
    yield table(
        ("key of the study file", "value"),
        [
            (f"`{key}`", f"`{json.dumps(value, ensure_ascii=False)}`")
            for key, value in given.items()
        ],
    )
    yield (
        "The table was not there yet when this was written."
        if digest is None
        else f"SHA-256 over its files: `{digest}`."
    )
    yield (
        "Each row i has one contributor c_ij at every level j, and a level 0, the "
        "baseline, is shared by all. Values are taken to be sums of what they add:"
    )
    yield (
        "    x_i ~ Normal( b + sum_j mu_jk,  sqrt(sum_j sigma²_jk) ),   k = c_ij,   "
        "sum_k mu_jk = 0"
    )


def check(study: Study) -> Iterator[str]:
    """Write how it is found out whether the answer would be found again.

    Parameters
    ----------
    study : Study
        Of an observed table.

    Yields
    ------
    str
        Markdown, a block each.
    """
    if study.check is None:
        yield (
            "None beside those of the fit: the study file has no `check`, so that "
            "tables like this one are not drawn."
        )
        return
    count = study.check.replicates
    error = precision.keys()["coverage_95"].error(count)
    yield (
        f"{counted(count, 'table')} like this one are drawn from the posterior of "
        f"`{study.check.of}`, on its own layout, and fitted as it was by every "
        "estimator. Of each contributor it is counted how often 95 % intervals hold "
        "the coefficients that the table was drawn with. With so many the Monte-Carlo "
        f"standard error of a share of 95 % is {error:.2g} (sqrt(0.95 * 0.05 / n))."
    )
