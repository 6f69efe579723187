"""What is told of failures and missing results: counts, and what they mean."""

from __future__ import annotations

import pandas as pd

from summands.recovery.failures import MISSED

# Counts that are told beside fits and how many converged, and what they are called.
COUNTED = {
    "not_converged": "not converged",
    "failed": "failed",
    "retried": "retried",
    "missing": "missing",
    "undetermined": "undetermined",
}

# A sentence each.
MEANT = (
    "retried: fits that were sampled again, on the same data, as the first draws did "
    "not converge.",
    "missing: fits that did not fail and lack an estimate or a 95 % interval of what "
    "the data determine and the estimator gives elsewhere.",
    "undetermined: data sets in which contributors have no rows or do not meet others.",
)

# How failures are handled.
HANDLED = (
    "Each failure stays a result: none is left out, made up, or replaced by another "
    "data set.",
    "Metrics of recovery.parquet at gate all rest on all fits that gave an estimate, "
    "converged or not.",
    "Estimators are compared at gate common: on the data sets of which all of them "
    "gave one.",
)

# Sums over designs.
SUMMED = ["fits", "converged", *COUNTED, *MISSED.values()]


def amiss(table: pd.DataFrame) -> pd.Series:
    """Mark the rows of failures.parquet that are not 0.

    Parameters
    ----------
    table : pandas.DataFrame

    Returns
    -------
    pandas.Series of bool
    """
    return table[list(COUNTED)].any(axis=1)


def gathered(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """Take designs together where there are many.

    Parameters
    ----------
    table : pandas.DataFrame
        failures.parquet.
    most : int
        Designs that have rows of their own.

    Returns
    -------
    pandas.DataFrame
        The table, if it has no more designs than that. Of more, those have rows of
        their own that have the largest shares of fits that failed or did not converge,
        and are not 0; all others have one together, an estimator each.
    """
    count = table["design"].nunique()
    if count <= most:
        return table
    shares = (2 * table["failed"] + table["not_converged"]) / table["fits"]
    # Those with other counts alone come after all that have such fits.
    shares = shares.where(shares > 0, amiss(table) * 1e-9)
    worst = shares.groupby(table["design"], sort=False).max()
    kept = worst[worst > 0].nlargest(most - 1).index
    own = table["design"].isin(kept)
    rest = table[~own].groupby("estimator", sort=False)
    errors = ["first_error", "first_error_replicate"]
    others = rest[SUMMED].sum().join(rest[errors].first()).reset_index()
    others["design"] = f"{count - len(kept):,} " + (
        "other designs" if len(kept) else "designs"
    )
    return pd.concat([table[own], others], ignore_index=True)[list(table.columns)]
