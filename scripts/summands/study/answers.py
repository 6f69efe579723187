"""The final tables of an observed table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pyarrow as pa

from summands.decomposition import (
    comparison,
    components,
    differences,
    gauge,
    predictive,
    ranking,
    sensitivity,
    shrinkage,
)
from summands.estimation.tables import ESTIMATES, FITS
from summands.study.observed import Observed

SCHEMAS: Mapping[str, pa.Schema] = MappingProxyType(
    {
        "estimates": ESTIMATES,
        "fits": FITS,
        "components": components.COMPONENTS,
        "ranking": ranking.RANKING,
        "shrinkage": shrinkage.SHRINKAGE,
        "comparison": comparison.COMPARISON,
        "checks": predictive.CHECKS,
        "sensitivity": sensitivity.SENSITIVITY,
        "differences": differences.DIFFERENCES,
        "gauge": gauge.GAUGE,
    }
)


def tables_of(observed: Observed) -> list[str]:
    """Names of the tables that a study has: some are made on request."""
    asked = {"differences": observed.differences, "gauge": observed.gauge}
    return [name for name in SCHEMAS if asked.get(name, True)]
