"""The final tables of a study."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from summands.data.design import READERS, Design, written
from summands.estimation.tables import ESTIMATES, FITS
from summands.files import storage
from summands.files.columns import schema
from summands.model import distributions
from summands.recovery.failures import FAILURES
from summands.recovery.plans import PLAN_CURVES, ROWS_NEEDED
from summands.recovery.tables import CALIBRATION, RECOVERY

DESIGNS = schema(
    ("design", pa.string(), "id of the design"),
    ("levels", pa.list_(pa.int32()), "contributors per level"),
    ("level_names", pa.list_(pa.string()), "what the levels are called"),
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
    (
        "drawn_scales",
        pa.string(),
        "distributions of those of the three above that each level draws, as JSON; "
        "null where none is drawn",
    ),
    ("intercept_sd", pa.float64(), "standard deviation of the intercept"),
    ("intercept_mean", pa.float64(), "mean of the intercept in its prior"),
    (
        "truth",
        pa.string(),
        "drawn: anew for every replicate; fixed: one for all; or as the study file has "
        "it, in JSON",
    ),
    (
        "truth_number",
        pa.int32(),
        "number of the fixed truth, from 0; null where truths are not fixed",
    ),
    (
        "layout",
        pa.string(),
        "which contributors rows have: a word, or as the study file has it, in JSON; "
        "of a table the digest of its contributors",
    ),
    ("noise", pa.string(), "law of the noise, likewise"),
    (
        "interaction_sd",
        pa.float64(),
        "standard deviation of a random effect of each cell",
    ),
    (
        "drift",
        pa.float64(),
        "standard deviation, over the rows, of means that move",
    ),
    (
        "autocorrelation",
        pa.float64(),
        "of a contributor's noise in successive rows that it takes part in",
    ),
    ("replicates", pa.int32(), "number of replicates"),
)

SCHEMAS: dict[str, pa.Schema] = {
    "designs": DESIGNS,
    "estimates": ESTIMATES,
    "fits": FITS,
    "failures": FAILURES,
    "recovery": RECOVERY,
    "calibration": CALIBRATION,
}

# Those of a plan.
OF_PLAN: dict[str, pa.Schema] = {"rows_needed": ROWS_NEEDED, "plan_curves": PLAN_CURVES}

# Columns that are no attribute of a design as they stand.
DERIVED = ("design", "levels", "level_names", "replicates", "drawn_scales")


def _as_json(design: Design) -> str | None:
    drawn = design.drawn_scales
    return (
        json.dumps({k: distributions.written(v) for k, v in drawn.items()})
        if drawn
        else None
    )


def designs(designs: Mapping[str, Design], replicates: int) -> pa.Table:
    """List the designs of a study."""
    return pa.Table.from_pylist(
        [
            {"design": name, "replicates": replicates}
            | {
                key: getattr(design, key)
                for key in DESIGNS.names
                if key not in DERIVED and key not in design.drawn_scales
            }
            | {key: written(getattr(design, key)) for key in READERS}
            | {"drawn_scales": _as_json(design)}
            | {"levels": list(design.levels.sizes)}
            | {"level_names": list(design.levels.names)}
            | ({} if design.truth == "fixed" else {"truth_number": None})
            for name, design in designs.items()
        ],
        DESIGNS,
    )


class Pieces:
    """The files of one estimator, design by design.

    Parameters
    ----------
    units : sequence of sequence of str
        For each unit, the ids of the designs that are taken from it.
    files : sequence of (str, str)
        Estimates and fits of each unit.
    """

    def __init__(
        self, units: Sequence[Sequence[str]], files: Sequence[tuple[str, str]]
    ) -> None:
        self._paths = files
        self._waiting = [len(designs) for designs in units]
        self._units_of: dict[str, list[int]] = defaultdict(list)
        for unit, designs in enumerate(units):
            for design in designs:
                self._units_of[design].append(unit)
        self._read: dict[int, dict[str, tuple[pa.Table, pa.Table]]] = {}

    def take(self, design: str, replicates: int) -> tuple[pa.Table, pa.Table]:
        """Estimates and fits of a design; each design is taken once.

        Replicates from ``replicates`` on are what the study asked for earlier: they
        are left out.
        """
        taken = []
        for unit in self._units_of[design]:
            if unit not in self._read:
                both = [
                    storage.by_design(storage.read_table(p)) for p in self._paths[unit]
                ]
                self._read[unit] = {
                    name: (both[0][name], both[1][name]) for name in both[1]
                }
            taken.append(self._read[unit].pop(design))
            self._waiting[unit] -= 1
            if not self._waiting[unit]:
                del self._read[unit]
        # Units come as the plan needs them; tables are in the order of replicates.
        taken.sort(key=lambda pair: pair[1]["replicate"][0].as_py())
        estimates, fits = (pa.concat_tables(part) for part in zip(*taken, strict=True))
        asked_for = pc.field("replicate") < replicates
        return estimates.filter(asked_for), fits.filter(asked_for)
