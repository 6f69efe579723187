"""The tables of estimates and of fits, as their stage writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from summands.data import data_sets
from summands.estimation.results import Components, Fit
from summands.files.columns import schema
from summands.model import estimands
from summands.model.levels import Levels

ESTIMATES = schema(
    ("design", pa.string(), "id of the design"),
    ("replicate", pa.int32(), "number of the replicate, from 0"),
    ("estimator", pa.string(), "name of the estimator"),
    (
        "parameter",
        pa.string(),
        f"one of {', '.join(estimands.PARAMETERS)}",
    ),
    ("level", pa.int32(), "level, from 0; null where it does not apply"),
    ("contributor", pa.int32(), "contributor within the level, from 0, or null"),
    ("level_name", pa.string(), "what the level is called, or null"),
    ("label", pa.string(), "what the contributor is called, or null"),
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
        "truth, of normal noise); null where not identified",
    ),
    (
        "crps",
        pa.float64(),
        "continuous ranked probability score of the posterior, or of a normal "
        "distribution with the estimate and sd",
    ),
    (
        "p_largest",
        pa.float64(),
        "posterior probability of the largest mu, or variance_contrast, of its level; "
        "null without draws",
    ),
    ("ess_bulk", pa.float64(), "bulk effective sample size"),
    ("ess_tail", pa.float64(), "tail effective sample size"),
    ("rhat", pa.float64(), "rank-normalised split R-hat"),
    ("rank", pa.int32(), "number of thinned draws below the truth"),
    ("rank_of", pa.int32(), "number of thinned draws"),
)

FITS = schema(
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
        "stated priors that the data contradict by more than five standard deviations "
        "of the prior and what their own error explains; null where none does, or the "
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


COMPONENTS = schema(
    ("estimator", pa.string(), "name of the estimator"),
    ("level", pa.int32(), "number of the level; null for the noise"),
    ("sd", pa.float64(), "standard deviation of its means, or of the noise"),
    ("lower_95", pa.float64(), "lower end of its 95 % interval"),
    ("upper_95", pa.float64(), "upper end"),
)


# Columns that need a truth; null without one.
JOINED = ("truth", "bound", "crps", "rank", "rank_of")
JOINED_FITS = ("log_likelihood_rank", "log_likelihood_rank_of")


def estimates(
    design: str,
    estimator: str,
    levels: Levels,
    replicates: Sequence[int],
    fits: Sequence[Fit],
    joined: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> pa.Table:
    """Tabulate the estimates of some replicates, P rows each.

    Parameters
    ----------
    design, estimator : str
    levels : Levels
    replicates : sequence of int, length R
    fits : sequence of Fit, length R
    joined : mapping of str to ndarray, each of shape (R, P), optional
        Those of the columns `JOINED` that there are.

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
    } | data_sets.names_columns(levels, len(fits))
    for name in JOINED:
        columns[name] = _nullable(joined.get(name, np.full(total, np.nan)).ravel())
    for name in ESTIMATES.names:
        if name not in columns:
            values = np.concatenate([getattr(fit, name) for fit in fits])
            columns[name] = _nullable(values)
    return pa.table(
        [pa.array(columns[field.name]).cast(field.type) for field in ESTIMATES],
        schema=ESTIMATES,
    )


def fits(
    design: str,
    estimator: str,
    replicates: Sequence[int],
    fits: Sequence[Fit],
    joined: Mapping[str, Sequence[int | None]] = MappingProxyType({}),
) -> pa.Table:
    """Tabulate how the fits of some replicates went.

    Parameters
    ----------
    design, estimator : str
    replicates : sequence of int, length R
    fits : sequence of Fit, length R
    joined : mapping of str to sequence, each of length R, optional
        Those of the columns `JOINED_FITS` that there are.

    Returns
    -------
    pyarrow.Table
        With the columns of `FITS`.
    """
    columns = {
        "design": [design] * len(fits),
        "replicate": list(replicates),
        "estimator": [estimator] * len(fits),
    }
    for name in JOINED_FITS:
        columns[name] = list(joined.get(name, [None] * len(fits)))
    for name in FITS.names:
        if name not in columns:
            columns[name] = [getattr(fit, name) for fit in fits]
    return pa.table(columns, FITS)


def components(estimator: str, found: Components | None) -> pa.Table:
    """Tabulate the components that an estimator without draws has, J + 1 rows or none.

    Returns
    -------
    pyarrow.Table
        With the columns of `COMPONENTS`.
    """
    if found is None:
        return COMPONENTS.empty_table()
    levels = len(found.sd) - 1
    return pa.table(
        {
            "estimator": [estimator] * len(found.sd),
            "level": [*range(levels), None],
            "sd": _nullable(found.sd),
            "lower_95": _nullable(found.lower_95),
            "upper_95": _nullable(found.upper_95),
        },
        COMPONENTS,
    )


def read_components(table: pa.Table) -> Components | None:
    """Take components out of their table; None if it has no rows."""
    if not len(table):
        return None
    columns = (table[name].to_numpy() for name in ("sd", "lower_95", "upper_95"))
    return Components(*columns)


def _nullable(values: np.ndarray) -> pa.Array:
    """Floats with null for NaN: what is not known is null, never a made-up number."""
    return pa.array(values, mask=np.isnan(values))


def _constant(text: str, length: int) -> pa.Array:
    return pa.repeat(pa.scalar(text), length)
