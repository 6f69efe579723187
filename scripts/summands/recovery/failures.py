"""Failures and missing results of a simulated study, which it always tells.

They are counted where there are none, too: of 482 published simulation studies 23 %
mention them at all (Pawel, Bartoš, Siepe and Lohmann 2026, The American Statistician
80:31).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from summands.files.columns import schema
from summands.model import estimands
from summands.model.levels import Levels

# Criteria of draws, in the order in which they are looked at, and those of estimators
# without draws together.
OF_DRAWS = ("max_rhat", "min_ess_bulk", "min_ess_tail", "divergences", "min_ebfmi")
OWN = "own"

# Columns of fits that did not converge, by the criterion that they missed first.
MISSED = {name: f"missed_{name}" for name in (*OF_DRAWS, OWN)}

FAILURES = schema(
    ("design", pa.string(), "id of the design"),
    ("estimator", pa.string(), "name of the estimator"),
    ("fits", pa.int64(), "fits: converged, not_converged and failed add to them"),
    ("converged", pa.int64(), "fits that converged"),
    (
        "not_converged",
        pa.int64(),
        "fits that returned something and did not converge; the six columns that "
        "follow add to them",
    ),
    (
        MISSED["max_rhat"],
        pa.int64(),
        "of these, fits that missed R-hat first; criteria in the order of the columns",
    ),
    (MISSED["min_ess_bulk"], pa.int64(), "bulk effective sample size first"),
    (MISSED["min_ess_tail"], pa.int64(), "tail effective sample size first"),
    (MISSED["divergences"], pa.int64(), "had divergences, and mixed"),
    (MISSED["min_ebfmi"], pa.int64(), "E-BFMI alone"),
    (MISSED[OWN], pa.int64(), "the estimator's own criterion"),
    ("failed", pa.int64(), "fits that ended with an error"),
    (
        "retried",
        pa.int64(),
        "fits that took more than one attempt: the same data sampled again by a fixed "
        "rule, as the draws of the first did not converge",
    ),
    (
        "missing",
        pa.int64(),
        "fits that did not fail and lack an estimate, or a 95 % interval, of something "
        "that the data determine and that the estimator gives elsewhere in the study",
    ),
    (
        "undetermined",
        pa.int64(),
        "data sets in which something is not determined, single sigmas left aside, as "
        "contributors have no rows or do not meet the others",
    ),
    ("first_error", pa.string(), "error of the first fit that failed, or null"),
    ("first_error_replicate", pa.int32(), "replicate of that fit"),
)


class Failures:
    """The table of failures, counted design by design."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        # Of each row, how many fits lack which results, a bit each.
        self._lacking: list[Counter[int]] = []
        # Results that an estimator gives anywhere.
        self._given: dict[str, int] = defaultdict(int)

    def add(
        self,
        design: str,
        levels: Levels,
        estimator: str,
        estimates: pa.Table,
        fits: pa.Table,
    ) -> None:
        """Count the fits of one design and estimator.

        Parameters
        ----------
        design : str
            Its id.
        levels : Levels
            Of the design.
        estimator : str
        estimates, fits : pyarrow.Table
            R times P rows in the order of replicates and of `model.estimands.index`,
            and R rows in the order of replicates.
        """
        failed = pc.is_valid(fits["error"]).to_numpy()
        converged = int(np.count_nonzero(fits["converged"].to_numpy() & ~failed))
        first = Counter(map(_first, fits["criterion"].drop_null().to_pylist()))
        missed = {column: first[name] for name, column in MISSED.items()}
        not_converged = len(failed) - converged - int(failed.sum())
        # Whatever is told of no criterion of draws.
        missed[MISSED[OWN]] = not_converged - sum(first[name] for name in OF_DRAWS)
        place = int(failed.argmax()) if failed.any() else None
        identified, given, lacking = _results(levels, estimates, len(failed))
        of_sigma = estimands.index(levels).where("sigma")
        self._given[estimator] |= given
        self._lacking.append(Counter(lacking[~failed].tolist()))
        self._rows.append(
            {
                "design": design,
                "estimator": estimator,
                "fits": len(failed),
                "converged": converged,
                "not_converged": not_converged,
                **missed,
                "failed": int(failed.sum()),
                "retried": pc.sum(pc.greater(fits["attempts"], 1)).as_py() or 0,
                "undetermined": int((~identified[:, ~of_sigma]).any(axis=1).sum()),
                "first_error": None if place is None else fits["error"][place].as_py(),
                "first_error_replicate": (
                    None if place is None else fits["replicate"][place].as_py()
                ),
            }
        )

    def table(self) -> pa.Table:
        """Give the table, when all designs are counted.

        Returns
        -------
        pyarrow.Table
            With the columns of `FAILURES`, a row for each design and estimator.
        """
        for row, lacking in zip(self._rows, self._lacking, strict=True):
            given = self._given[row["estimator"]]
            row["missing"] = sum(
                count for results, count in lacking.items() if results & given
            )
        return pa.Table.from_pylist(self._rows, FAILURES)


def _first(criteria: str) -> str:
    """Name the first of the criteria that a fit missed, as ``fits.parquet`` has them.

    "min_ess_bulk 212 < 400; divergences 3 > 0" is min_ess_bulk.
    """
    return criteria.split(maxsplit=1)[0]


def _results(
    levels: Levels, estimates: pa.Table, fits: int
) -> tuple[NDArray[np.bool_], int, NDArray[np.int64]]:
    """Tell which results there are, a bit for each parameter's estimate and interval.

    What a constraint sets to 0 is no result.

    Returns
    -------
    identified : ndarray of bool, shape (R, P)
        Whether the data determine each quantity. Where that is not known, as a fit
        failed before it was, it is taken to be.
    given : int
        Results that there are of any quantity in any fit.
    lacking : ndarray of int, shape (R,)
        For each fit, results that are not there of a quantity that the data determine.
    """

    def cut(values: pa.ChunkedArray) -> NDArray[np.bool_]:
        return values.to_numpy().reshape(fits, -1)

    identified = cut(pc.fill_null(estimates["identified"], True))
    ends = (pc.is_valid(estimates[name]) for name in ("lower_95", "upper_95"))
    known = cut(pc.is_valid(estimates["estimate"])), cut(pc.and_(*ends))
    names, varies = estimands.index(levels), ~estimands.constant(levels)
    given, lacking = 0, np.zeros(fits, dtype=np.int64)
    bit = 1
    for parameter in estimands.PARAMETERS:
        counted = names.where(parameter) & varies
        for there in known:
            given |= bit * bool(there[:, counted].any())
            without = identified[:, counted] & ~there[:, counted]
            lacking |= bit * without.any(axis=1)
            bit <<= 1
    return identified, given, lacking
