"""The tables of a plan that a test makes up."""

import pyarrow as pa

from summands.data.design import Design
from summands.model.levels import Levels
from summands.recovery import plans
from summands.recovery.plans import Planned, Reached
from summands.recovery.rows_needed import Needed, Target

WIDTH = Target("mu", "width_95", 0.3)
TOP = Target("variance_contrast", "top_rate", 0.9, 1)


def plan_tables(designs=2, lower=0.28) -> dict[str, pa.Table]:
    """Two targets of each design, which two estimators verify."""
    planned = [
        Planned(
            Design(Levels.of([1, 2 + number]), 80 + place),
            target,
            Needed(80 + place, 60, None, curve=((8, 0.9), (80, 0.3), (800, 0.1))),
        )
        for number in range(designs)
        for place, target in enumerate((WIDTH, TOP))
    ]
    found = {
        (one.design.id, str(one.target), name): Reached(0.31, lower, 0.33, 40)
        for one in planned
        for name in ("full", "partial")
    }
    return {
        "rows_needed": plans.table(planned, found),
        "plan_curves": plans.curves(planned),
    }
