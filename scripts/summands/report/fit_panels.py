"""What figures of fits show: how many converged, what they cost, and which failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from summands.recovery import montecarlo
from summands.report import failures
from summands.report.axes import Axis
from summands.report.design_panels import ByDesign, stepped
from summands.report.grids import NAMED_DESIGNS

CONVERGED = Axis("share of fits that converged", limits=(-0.03, 1.03), marks=(1.0,))
SECONDS = Axis("seconds of a fit", "log")

# What the facet of each is called: fits have no parameter.
FITS = "fits"

# Results of a fit, from the worst.
FAILED, NOT_CONVERGED, FINE = RESULTS = ("failed", "not converged", "converged")

# By column of the table "failures", from the worst.
COLUMNS = dict(zip(("failed", "not_converged", "converged"), RESULTS, strict=True))

OUTCOMES = ("design", "estimator", "result", "fits", "share", "of", "error")


def convergence(fits: pd.DataFrame, sizes: Mapping[str, float]) -> ByDesign:
    """Tell the share of fits that converged, with Wilson's intervals.

    Parameters
    ----------
    fits : pandas.DataFrame
        The table of that name; a fit that failed did not converge.
    sizes : mapping of str to float
        Rows per contributor of each design.

    Returns
    -------
    ByDesign
    """
    grouped = fits.groupby(["design", "estimator"], sort=False)["converged"]
    share = grouped.mean().to_numpy(float)
    count = grouped.size().to_numpy().astype(np.int64)
    error = np.sqrt(share * (1.0 - share) / np.maximum(count - 1, 1))
    lower, upper = montecarlo.intervals(
        np.full(len(share), montecarlo.SHARE), share, error, count, count.astype(float)
    )
    found = grouped.size().rename("replicates").reset_index()
    found = found.assign(value=share, lower=lower, upper=upper)
    return _of_fits(found, sizes, "converged", CONVERGED)


def cost(fits: pd.DataFrame, sizes: Mapping[str, float]) -> ByDesign:
    """Tell the seconds of a fit: the geometric mean, with its Monte-Carlo interval.

    Parameters
    ----------
    fits : pandas.DataFrame
        The table of that name; fits that failed do not count.
    sizes : mapping of str to float
        Rows per contributor of each design.

    Returns
    -------
    ByDesign
        The worst is the longest fit.
    """
    done = fits[fits["error"].isna() & (fits["seconds"] > 0)]
    logs = done.assign(seconds=np.log(done["seconds"].to_numpy(float)))
    grouped = logs.groupby(["design", "estimator"], sort=False)["seconds"]
    found = grouped.agg(["mean", "std", "size", "max", "idxmax"]).reset_index()
    count, kind = found["size"].to_numpy(np.int64), np.full(len(found), montecarlo.REAL)
    mean = found["mean"].to_numpy(float)
    error = found["std"].to_numpy(float) / np.sqrt(count)
    lower, upper = montecarlo.intervals(kind, mean, error, count, count.astype(float))
    longest = done.loc[found["idxmax"], "replicate"].astype(str).to_numpy()
    found = found[["design", "estimator"]].assign(
        replicates=count,
        value=np.exp(mean),
        # A single fit has no interval.
        lower=np.exp(np.where(np.isnan(lower), mean, lower)),
        upper=np.exp(np.where(np.isnan(upper), mean, upper)),
        worst=np.exp(grouped.max().to_numpy()),
        worst_name=[f"data set {name}" for name in longest],
    )
    return _of_fits(found, sizes, "seconds", SECONDS)


def _of_fits(
    found: pd.DataFrame, sizes: Mapping[str, float], metric: str, axis: Axis
) -> ByDesign:
    nothing = {"worst": np.nan, "worst_name": None, "carried": False}
    told = {name: value for name, value in nothing.items() if name not in found}
    designs = found.assign(parameter=FITS, metric=metric, **told)
    return stepped(designs, sizes, (metric,), axis)


@dataclass(frozen=True)
class Outcomes:
    """How the fits of each design and estimator ended.

    Parameters
    ----------
    rows : pandas.DataFrame
        Columns `OUTCOMES`, in each design and estimator one for each of `RESULTS`,
        zeros included: so many ``fits`` ``of`` all had the ``result``, which is a
        ``share``; ``error`` is the first of those that failed. Of more than
        `NAMED_DESIGNS` designs those with the largest shares that failed or did not
        converge have rows of their own, all others one together.
    designs : int
        How many there are.
    """

    rows: pd.DataFrame
    designs: int


def outcomes(counted: pd.DataFrame) -> Outcomes:
    """Tell the fits that failed, that did not converge, and that did.

    Parameters
    ----------
    counted : pandas.DataFrame
        The table "failures".

    Returns
    -------
    Outcomes
    """
    shown = failures.gathered(counted, NAMED_DESIGNS)
    parts = []
    for column, result in COLUMNS.items():
        part = shown[["design", "estimator"]].assign(
            result=result,
            fits=shown[column],
            share=shown[column] / shown["fits"],
            of=shown["fits"],
            error=shown["first_error"] if result == FAILED else None,
        )
        parts.append(part)
    rows = pd.concat(parts).sort_index(kind="stable", ignore_index=True)
    return Outcomes(rows[list(OUTCOMES)], counted["design"].nunique())
