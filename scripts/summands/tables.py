"""The final tables of a study: their columns, and how they are put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from summands import simulated
from summands.design import Design
from summands.fitting import Fit
from summands.levels import Levels


def _schema(*columns: tuple[str, pa.DataType, str]) -> pa.Schema:
    return pa.schema(
        pa.field(name, kind, metadata={"description": text})
        for name, kind, text in columns
    )


DESIGNS = _schema(
    ("design", pa.string(), "id of the design"),
    ("levels", pa.list_(pa.int32()), "contributors per level"),
    ("rows", pa.int64(), "rows of a data set"),
    ("mu_mean", pa.float64(), "mean of mu before centring"),
    (
        "mu_sd",
        pa.float64(),
        "standard deviation of mu; this and those below are null where the prior "
        "follows the data",
    ),
    ("log_sigma_mean", pa.float64(), "mean of log sigma"),
    ("log_sigma_sd", pa.float64(), "standard deviation of log sigma"),
    ("intercept_sd", pa.float64(), "standard deviation of the intercept"),
    ("intercept_mean", pa.float64(), "mean of the intercept in its prior"),
    ("truth", pa.string(), "drawn: anew for every replicate; fixed: one for all"),
    (
        "truth_number",
        pa.int32(),
        "number of the fixed truth, from 0; null where truths are drawn",
    ),
    ("replicates", pa.int32(), "number of replicates"),
)

ESTIMATES = _schema(
    ("design", pa.string(), "id of the design"),
    ("replicate", pa.int32(), "number of the replicate, from 0"),
    ("estimator", pa.string(), "name of the estimator"),
    (
        "parameter",
        pa.string(),
        "intercept, mu, sigma, variance_contrast (sigma² less its mean over the "
        "level) or total_variance (sum over levels of the mean of sigma²)",
    ),
    ("level", pa.int32(), "level, from 0; null where it does not apply"),
    ("contributor", pa.int32(), "contributor within the level, from 0, or null"),
    ("truth", pa.float64(), "true value"),
    ("estimate", pa.float64(), "point estimate (posterior mean)"),
    ("sd", pa.float64(), "standard error (posterior standard deviation)"),
    ("lower_50", pa.float64(), "lower end of the central 50 % interval"),
    ("upper_50", pa.float64(), "upper end of the central 50 % interval"),
    ("lower_95", pa.float64(), "lower end of the central 95 % interval"),
    ("upper_95", pa.float64(), "upper end of the central 95 % interval"),
    ("identified", pa.bool_(), "whether the data alone determine the quantity"),
    (
        "set_lower",
        pa.float64(),
        "lower end of sigma's identified set: the values of sigma that fit the "
        "estimated contrasts and total equally well",
    ),
    ("set_upper", pa.float64(), "upper end of that set"),
    (
        "bound",
        pa.float64(),
        "smallest standard error of an unbiased estimator (Cramér-Rao bound at the "
        "truth); null where not identified",
    ),
    (
        "crps",
        pa.float64(),
        "continuous ranked probability score of the posterior, or of a normal "
        "distribution with the estimate and sd",
    ),
    ("ess_bulk", pa.float64(), "bulk effective sample size"),
    ("ess_tail", pa.float64(), "tail effective sample size"),
    ("rhat", pa.float64(), "rank-normalised split R-hat"),
    ("rank", pa.int32(), "number of thinned draws below the truth"),
    ("rank_of", pa.int32(), "number of thinned draws"),
)

FITS = _schema(
    ("design", pa.string(), "id of the design"),
    ("replicate", pa.int32(), "number of the replicate, from 0"),
    ("estimator", pa.string(), "name of the estimator"),
    ("seconds", pa.float64(), "wall time of the fit, without compilation"),
    ("gradients", pa.int64(), "gradient evaluations, tuning included"),
    ("divergences", pa.int64(), "divergent transitions"),
    ("max_rhat", pa.float64(), "largest R-hat of all quantities"),
    ("min_ess_bulk", pa.float64(), "smallest bulk effective sample size"),
    ("min_ess_tail", pa.float64(), "smallest tail effective sample size"),
    ("min_ebfmi", pa.float64(), "smallest E-BFMI of a chain"),
    (
        "converged",
        pa.bool_(),
        "R-hat < 1.01, both effective sample sizes at least 400, no divergence and "
        "E-BFMI at least 0.3 for draws; else the estimator's own criterion",
    ),
    (
        "criterion",
        pa.string(),
        "the criteria that were not met; null if it converged or failed",
    ),
    ("error", pa.string(), "why the fit failed, null if it did not"),
    (
        "prior_conflict",
        pa.string(),
        "stated priors that the data contradict, null where there are none or the "
        "estimator uses no priors",
    ),
    ("parametrisation", pa.string(), "coordinates that a sampler moved in"),
    ("attempts", pa.int32(), "times a data set was sampled until it converged"),
    (
        "log_likelihood_rank",
        pa.int32(),
        "number of thinned draws with a log likelihood below that of the truth",
    ),
    ("log_likelihood_rank_of", pa.int32(), "number of thinned draws"),
    ("remark", pa.string(), "what else is to be known of the fit, or null"),
)

RECOVERY = _schema(
    ("design", pa.string(), "id of the design"),
    ("estimator", pa.string(), "name of the estimator"),
    ("parameter", pa.string(), "as in estimates.parquet"),
    ("level", pa.int32(), "level, or null"),
    (
        "contributor",
        pa.int32(),
        "contributor within the level, where the truth is fixed; null: all "
        "contributors of the level, or none",
    ),
    ("metric", pa.string(), "name of the metric"),
    ("value", pa.float64(), "its value"),
    (
        "mcse",
        pa.float64(),
        "its Monte-Carlo standard error (jackknife over replicates); null for a "
        "single replicate, and for a share of exactly 0 or 1",
    ),
    (
        "lower",
        pa.float64(),
        "lower end of its 95 % Monte-Carlo interval (Wilson's for shares); null for a "
        "single replicate",
    ),
    ("upper", pa.float64(), "upper end of that interval"),
    (
        "largest_share",
        pa.float64(),
        "share of the largest replicate in the metric's sum: above 0.2 the value is "
        "that of one replicate; null for shares such as coverage",
    ),
    (
        "worst",
        pa.float64(),
        "worst value of a contributor of the level (errors: the largest; biases: the "
        "largest without its sign; coverage: the farthest from the nominal; rates of "
        "success: the smallest); null where the truth is drawn, and for levels of one",
    ),
    ("worst_contributor", pa.int32(), "the contributor that has it"),
    ("replicates", pa.int32(), "replicates that it rests on"),
    (
        "gate",
        pa.string(),
        "all: every fit; converged: those that converged; common: replicates that all "
        "estimators of the study fitted, of those that give the parameter at all",
    ),
)

CALIBRATION = _schema(
    ("design", pa.string(), "id of the design"),
    ("estimator", pa.string(), "name of the estimator"),
    ("parameter", pa.string(), "as in estimates.parquet, or log_likelihood"),
    ("replicates", pa.int32(), "truths that were ranked"),
    ("rank_of", pa.int32(), "draws that each was ranked among"),
    ("quantities", pa.int32(), "contributors of all levels that were ranked"),
    (
        "p_value",
        pa.float64(),
        "smallest p-value of a test that a quantity's ranks are uniform; null where "
        "there is no verdict",
    ),
    (
        "p_adjusted",
        pa.float64(),
        "the same, adjusted by Holm's method for all quantities of the design",
    ),
    ("calibrated", pa.bool_(), "whether p_adjusted is at least 0.01"),
    (
        "verdict",
        pa.string(),
        "passed, if that holds for every parameter, failed, or not testable, where "
        "truths are not drawn from the prior",
    ),
    ("reason", pa.string(), "why there is no verdict, else null"),
)

SCHEMAS: Mapping[str, pa.Schema] = {
    "designs": DESIGNS,
    "estimates": ESTIMATES,
    "fits": FITS,
    "recovery": RECOVERY,
    "calibration": CALIBRATION,
}


def designs(designs: Mapping[str, Design], replicates: int) -> pa.Table:
    """List the designs of a study."""
    return pa.Table.from_pylist(
        [
            {"design": name, "replicates": replicates}
            | {
                key: getattr(design, key)
                for key in DESIGNS.names
                if key not in ("design", "levels", "replicates")
            }
            | {"levels": list(design.levels.sizes)}
            | ({"truth_number": None} if design.truth == "drawn" else {})
            for name, design in designs.items()
        ],
        DESIGNS,
    )


def estimates(
    design: str,
    estimator: str,
    levels: Levels,
    replicates: Sequence[int],
    fits: Sequence[Fit],
    truth: Mapping[str, np.ndarray],
) -> pa.Table:
    """Tabulate the estimates of some replicates, P rows each.

    Parameters
    ----------
    design, estimator : str
    levels : Levels
    replicates : sequence of int, length R
    fits : sequence of Fit, length R
    truth : mapping of str to ndarray, each of shape (R, P)
        "truth" and "bound", see `summands.simulated.read_truth`; empty where the data
        are observed.

    Returns
    -------
    pyarrow.Table
        With the columns of `ESTIMATES`.
    """
    size = fits[0].size
    total = size * len(fits)
    columns = {
        "design": _constant(design, total),
        "replicate": np.repeat(np.asarray(replicates, dtype=np.int32), size),
        "estimator": _constant(estimator, total),
    } | simulated.names_columns(levels, len(fits))
    for name in ("truth", "bound"):
        columns[name] = _nullable(truth.get(name, np.full(total, np.nan)).ravel())
    for name in ESTIMATES.names:
        if name not in columns:
            values = np.concatenate([getattr(fit, name) for fit in fits])
            columns[name] = _nullable(values)
    return pa.table(
        [pa.array(columns[field.name]).cast(field.type) for field in ESTIMATES],
        schema=ESTIMATES,
    )


def fits(
    design: str, estimator: str, replicates: Iterable[int], fits: Iterable[Fit]
) -> pa.Table:
    """Tabulate how the fits of some replicates went, with the columns of `FITS`."""
    return pa.Table.from_pylist(
        [
            {
                name: getattr(fit, name)
                for name in FITS.names
                if name not in ("design", "replicate", "estimator")
            }
            | {"design": design, "replicate": replicate, "estimator": estimator}
            for replicate, fit in zip(replicates, fits, strict=True)
        ],
        FITS,
    )


def _nullable(values: np.ndarray) -> pa.Array:
    """Floats with null for NaN: what is not known is null, never a made-up number."""
    return pa.array(values, mask=np.isnan(values))


def _constant(text: str, length: int) -> pa.Array:
    return pa.repeat(pa.scalar(text), length)
