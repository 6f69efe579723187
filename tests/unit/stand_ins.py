"""Tables of fits that a test makes up."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from summands.estimation import tables
from summands.estimation.results import Fit
from summands.model.levels import Levels
from summands.recovery import against_truth
from summands.recovery.against_truth import Score


def score_of(size: int, **known) -> Score:
    """A score of which only what is named is known."""
    nothing = {name: np.full(size, np.nan) for name in ("crps", "rank", "rank_of")}
    return Score(**nothing | known)


def tables_of(
    design: str,
    estimator: str,
    levels: Levels,
    fits: Sequence[Fit],
    truth: Mapping[str, np.ndarray],
    scores: Sequence[Score] | None = None,
) -> tuple[pa.Table, pa.Table]:
    """Estimates and fits, with the truth joined, as their stage writes them."""
    scores = scores or [score_of(fit.size) for fit in fits]
    of_estimates, of_fits = against_truth.joined(truth, scores)
    replicates = range(len(fits))
    return (
        tables.estimates(design, estimator, levels, replicates, fits, of_estimates),
        tables.fits(design, estimator, replicates, fits, of_fits),
    )
