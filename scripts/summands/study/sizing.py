"""How large a job is: seconds, memory and bytes on disk, from its design alone.

Estimates, not promises: they decide how many fits are worth a job of their own and what
a cluster is asked for. A job that needs more is tried again with more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from summands import estimators
from summands.data.design import Design
from summands.data.layouts import Table
from summands.estimators import Entry
from summands.study.study import Study

# A job is given fits for this long, so that its start (some 2 seconds, 10 on a
# cluster) is a small part of it.
WORTH_STARTING = 120.0

# Tiny designs share a job where a study has more designs than this, so that studies of
# few designs use all cores, and large ones are still cut into so many jobs.
JOBS = 64

# However little work it is, a study leaves some for the cores of a workstation.
FEWEST_JOBS = 8

# Seconds that the start of a job takes. Fits of tiny designs that share a job take ten
# times as long, at the least, as it takes to start that and the others of its data:
# their simulation, and their fits with other estimators, which may be quick.
START = 1.5

# What a job takes before it has any data, in megabytes. On a cluster that is Snakemake
# twice, and the script: 720 were measured.
EMPTY = 900

# Bytes of the files, as a run of the default study leaves them, with which they agree
# within a third: of a row beside its contributors, of a cell, of a quantity's truth, of
# its estimate with draws and without (in the files of the stages, and about as much
# again in the final tables), of a draw beside its parameters, of a fit in its tables
# and logs, of any file, of what is tabulated for a design and an estimator, and of the
# figures and the page.
OF_ROW, OF_CELL_FILED, OF_TRUTH = 9.7, 19.0, 16.0
OF_ESTIMATE_WITH_DRAWS, OF_ESTIMATE_ALONE = 115.0, 40.0
OF_DRAW, OF_FIT_FILED, OF_FILE = 33.0, 250.0, 4000.0
OF_METRICS, OF_FIGURES = 2000.0, 2_300_000.0

# Bytes of memory that a fit of rows takes for each row and contributor: 40 to 43 were
# measured, five times the one-hot matrix, whose singular vectors are as large as it.
OF_INDICATOR = 40.0

# Clusters stop a job at its limit: several times what is expected.
PATIENCE = 6


def cells(design: Design) -> int:
    """Cells that can occur, at the most."""
    return design.layout.cells(design.levels, design.rows)


def seconds(design: Design, name: str, options: Mapping[str, Any]) -> float:
    """Time that a fit takes on one core, in seconds.

    Parameters
    ----------
    design : Design
    name : str
        Of the estimator's method.
    options : mapping
        Its options.
    """
    of_rows = estimators.load(name).READS == "rows"
    size = design.rows if of_rows else cells(design)
    return estimators.seconds(name, design.levels.contributors, size, options)


def drawing(design: Design) -> float:
    """Time that it takes to draw and collapse a data set, in seconds.

    Three times what `make bench-scale` measures for a row, and a data set's own cost:
    other layouts take up to 1.7 times as long as uniform ones, other noise up to 2.2.
    """
    return 0.004 + 2e-7 * design.rows


def replicates_per_job(
    design: Design, chosen: Mapping[str, Entry], replicates: int
) -> int:
    """Replicates that make a job worth starting, for the slowest estimator.

    Parameters
    ----------
    design : Design
    chosen : mapping of str to Entry
        Estimators by name.
    replicates : int
        All there are.
    """
    full = math.ceil(WORTH_STARTING / slowest(design, chosen))
    return max(1, min(replicates, full))


def packs(study: Study) -> list[list[str]]:
    """Put tiny designs together, so that each job is worth starting.

    Parameters
    ----------
    study : Study
        Its ``designs_per_job`` goes first; where that is left open,
        ``replicates_per_job`` means that jobs are cut by hand, one design each.

    Returns
    -------
    list of list of str
        Ids of all designs, in the order of the study but for those whose layout is a
        table, which come last; those that share jobs together.
    """
    # Tables go their own way: what is in a pack stays there, a table need not.
    of_tables = {
        name: isinstance(design.layout, Table) for name, design in study.designs.items()
    }
    names = [name for name, of_table in of_tables.items() if not of_table]
    alone = [[name] for name, of_table in of_tables.items() if of_table]
    return _together(study, names) + alone


def _together(study: Study, names: list[str]) -> list[list[str]]:
    if study.designs_per_job:
        width = study.designs_per_job
        return [names[start : start + width] for start in range(0, len(names), width)]
    if study.replicates_per_job or len(names) <= JOBS:
        return [[name] for name in names]
    work = {
        name: study.replicates * slowest(study.designs[name], study.estimators)
        for name in names
    }
    shortest = 10 * START * (1 + len(study.estimators))
    whole = sum(work.values())
    room = min(WORTH_STARTING, max(whole / JOBS, min(shortest, whole / FEWEST_JOBS)))
    together: list[list[str]] = []
    filled = room
    for name in names:
        if filled + work[name] > room:
            together.append([])
            filled = 0.0
        together[-1].append(name)
        filled += work[name]
    return together


def slowest(design: Design, chosen: Mapping[str, Entry]) -> float:
    """Seconds of a fit with the slowest of some estimators."""
    return max(seconds(design, each.method, each.options) for each in chosen.values())


def memory(
    designs: Iterable[Design],
    name: str,
    options: Mapping[str, Any],
    replicates: int,
    *,
    keep_draws: bool,
) -> int:
    """Memory that a job needs to fit some replicates of some designs, in megabytes.

    Parameters
    ----------
    designs : iterable of Design
    name : str
        Of the estimator's method.
    options : mapping
        Its options.
    replicates : int
        Of each design.
    keep_draws : bool
        Whether draws are held until they are written at the end.
    """
    estimator = estimators.load(name)
    largest = kept = 0.0
    for design in designs:
        contributors = design.levels.contributors
        needed = 8.0 * cells(design) * (contributors + 20)
        if estimator.READS == "rows":
            needed += OF_INDICATOR * design.rows * contributors
            needed += 8.0 * design.rows * (1 + design.levels.count)
        if estimator.SAMPLES:
            draws = options.get("chains", 4) * options.get("draws", 1000)
            of_fit = 8.0 * draws * (2 * contributors + 8)
            needed += 3 * of_fit
            # Held, stacked and written.
            of_data = 8.0 * cells(design) * (design.levels.count + 3)
            kept += 3 * (of_fit + of_data) * replicates * keep_draws
            if options.get("keep_predictive", False):
                # Two numbers each, made replicate by replicate; held once, and once
                # more where designs share a file.
                of_cells = 8.0 * draws * cells(design)
                needed += 5 * of_cells * keep_draws
                kept += 2 * 2 * of_cells * replicates * keep_draws
        largest = max(largest, needed)
    return EMPTY + math.ceil((largest + kept) / 1e6)


def data_bytes(design: Design, *, keep_rows: bool) -> tuple[float, float]:
    """Bytes on disk of a data set.

    Parameters
    ----------
    design : Design
    keep_rows : bool
        Whether rows are written.

    Returns
    -------
    rows : float
        Of its rows: noise does not compress, contributors take their bits.
    others : float
        Of its truth and cells.
    """
    sizes = design.levels.sizes
    bits = sum((size - 1).bit_length() for size in sizes)
    others = OF_TRUTH * _quantities(design)
    others += (OF_CELL_FILED + 0.1 * len(sizes)) * cells(design)
    return keep_rows * design.rows * (OF_ROW + bits / 8), others


def fit_bytes(
    design: Design, name: str, options: Mapping[str, Any], *, keep_draws: bool
) -> tuple[float, float]:
    """Bytes on disk of a fit.

    Parameters
    ----------
    design : Design
    name : str
        Of the estimator's method.
    options : mapping
        Its options; ``chains``, ``draws`` and ``keep_draws`` count where it samples.
    keep_draws : bool
        Whether draws are written.

    Returns
    -------
    draws : float
        Of its posterior.
    others : float
        Of its estimates and what is tabulated of them.
    """
    if not estimators.load(name).SAMPLES:
        return 0.0, OF_FIT_FILED + 2 * OF_ESTIMATE_ALONE * _quantities(design)
    number = 4 if options.get("keep_draws") == "float32" else 8
    a_draw = OF_DRAW + number * (2 * design.levels.contributors + 1)
    draws = options.get("chains", 4) * options.get("draws", 1000) * a_draw
    others = OF_FIT_FILED + 2 * OF_ESTIMATE_WITH_DRAWS * _quantities(design)
    return keep_draws * draws, others


def _quantities(design: Design) -> int:
    """Quantities that are estimated; see `summands.model.estimands.index`."""
    return 2 + 3 * design.levels.contributors


def runtime(seconds: float) -> int:
    """Minutes to ask a cluster for, for work of so many seconds."""
    return 5 + math.ceil(PATIENCE * seconds / 60)
