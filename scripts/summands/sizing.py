"""How large a job is: seconds and memory of a fit, from its design alone.

Estimates, not promises: they decide how many fits are worth a job of their own and what
a cluster is asked for. A job that needs more is tried again with more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from summands import estimators
from summands.design import Design

# A job is given fits for this long, so that its start (some 2 seconds, 10 on a
# cluster) is a small part of it.
WORTH_STARTING = 120.0

# What a process takes before it has any data, in megabytes.
EMPTY = 600

# Microseconds of a gradient of the posterior: a call, and what each contributor and
# each cell adds. Chosen to come within 1.5 times of the benchmark's fits, which take
# 0.065, 0.13 and 1.26 s (README.md) and are put at 0.09, 0.12 and 0.88 here.
OF_CALL, OF_CONTRIBUTOR, OF_CELL = 1.2, 0.1, 0.005
GRADIENTS_PER_DRAW = 8

# Clusters stop a job at its limit: several times what is expected.
PATIENCE = 6


def cells(design: Design) -> int:
    """Cells that can occur, at the most."""
    return min(design.rows, math.prod(design.levels.sizes))


def seconds(design: Design, name: str, options: Mapping[str, Any]) -> float:
    """Time that a fit takes on one core, in seconds.

    Parameters
    ----------
    design : Design
    name : str
        The estimator's.
    options : mapping
        Its options; ``chains``, ``tune`` and ``draws`` count where it samples.
    """
    estimator = estimators.load(name)
    contributors = design.levels.contributors
    if not estimator.SAMPLES:
        size = design.rows if estimator.READS == "rows" else cells(design)
        return 0.01 + 1e-7 * size * contributors
    draws = options.get("chains", 4) * (
        options.get("tune", 1000) + options.get("draws", 1000)
    )
    gradient = OF_CALL + OF_CONTRIBUTOR * contributors + OF_CELL * cells(design)
    return 0.02 + 1e-6 * draws * GRADIENTS_PER_DRAW * gradient


def replicates_per_job(
    design: Design, chosen: Mapping[str, Mapping[str, Any]], replicates: int
) -> int:
    """Replicates that make a job worth starting, for the slowest estimator.

    Parameters
    ----------
    design : Design
    chosen : mapping of str to mapping
        Options by estimator.
    replicates : int
        All there are.
    """
    slowest = max(seconds(design, name, options) for name, options in chosen.items())
    return max(1, min(replicates, math.ceil(WORTH_STARTING / slowest)))


def memory(
    design: Design, name: str, options: Mapping[str, Any], replicates: int
) -> int:
    """Memory that a job needs to fit some replicates, in megabytes."""
    estimator = estimators.load(name)
    contributors = design.levels.contributors
    needed = 8.0 * cells(design) * (contributors + 20)
    if estimator.READS == "rows":
        # One-hot, and a copy of it.
        needed += 16.0 * design.rows * (contributors + design.levels.count)
    if estimator.SAMPLES:
        draws = options.get("chains", 4) * options.get("draws", 1000)
        # Kept until the batch is written, stacked and written.
        needed += 3 * 8.0 * draws * replicates * (2 * contributors + 8)
    return EMPTY + math.ceil(needed / 1e6)


def runtime(seconds: float) -> int:
    """Minutes to ask a cluster for, for work of so many seconds."""
    return 5 + math.ceil(PATIENCE * seconds / 60)
