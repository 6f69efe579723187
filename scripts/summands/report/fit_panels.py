"""What figures of fits show: how many converged, what they cost, and which failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from summands.recovery import montecarlo
from summands.report.axes import Axis
from summands.report.design_panels import ByDesign, stepped
from summands.report.grids import NAMED_DESIGNS

CONVERGED = Axis("share of fits that converged", limits=(-0.03, 1.03), marks=(1.0,))
SECONDS = Axis("seconds of a fit", "log")

# What the facet of each is called: fits have no parameter.
FITS = "fits"

# Results of a fit, from the worst.
FAILED, NOT_CONVERGED, FINE = RESULTS = ("failed", "not converged", "converged")

OUTCOMES = ("design", "estimator", "result", "fits", "share", "of", "error")

# What designs that are not shown one by one are called together, after their number.
OTHERS = "other designs"


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


def outcomes(fits: pd.DataFrame) -> Outcomes:
    """Count the fits that failed, that did not converge, and that did.

    Parameters
    ----------
    fits : pandas.DataFrame
        The table of that name.

    Returns
    -------
    Outcomes
    """
    failed = fits["error"].notna().to_numpy()
    fine = fits["converged"].to_numpy(bool)
    told = fits.assign(result=np.select([failed, ~fine], [FAILED, NOT_CONVERGED], FINE))
    count = told["design"].nunique()
    if count > NAMED_DESIGNS:
        amiss = (~fine).astype(float) + failed
        worst = pd.Series(amiss).groupby(told["design"].to_numpy(), sort=False).mean()
        kept = worst[worst > 0].nlargest(NAMED_DESIGNS - 1).index
        others = f"{count - len(kept):,} {OTHERS if len(kept) else 'designs'}"
        told["design"] = told["design"].where(told["design"].isin(kept), others)
    keys = pd.MultiIndex.from_product(
        [pd.unique(told["design"]), pd.unique(told["estimator"]), RESULTS],
        names=["design", "estimator", "result"],
    )
    grouped = told.groupby(list(keys.names), sort=False)
    rows = grouped.size().reindex(keys, fill_value=0).rename("fits").reset_index()
    rows["of"] = rows.groupby(["design", "estimator"], sort=False)["fits"].transform(
        "sum"
    )
    rows["share"] = rows["fits"] / rows["of"].where(rows["of"] > 0)
    errors = grouped["error"].first().reindex(keys)
    rows["error"] = errors.to_numpy()
    return Outcomes(rows[list(OUTCOMES)], count)
