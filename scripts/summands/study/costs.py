"""What a study takes, said before it starts, and refused where there is no room for it.

Computed from designs, replicates and estimators, not from the plan of its jobs: a study
that is far too large would take minutes to plan.
"""

from __future__ import annotations

import dataclasses
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from summands import estimators
from summands.data.design import Design
from summands.data.observed import Observed
from summands.estimators import Entry
from summands.files.words import counted, listed
from summands.posterior.convergence import MIN_ESS
from summands.recovery import precision
from summands.study import sizing
from summands.study.study import Study

# Sizes are estimates, right within a factor of two: what is off by more cannot fit.
ACCURACY = 2.0


@dataclass(frozen=True)
class Job:
    """Fits that one job makes with one estimator.

    Parameters
    ----------
    designs : list of Design
    entry : Entry
        The estimator.
    replicates : int
        Of each design.
    keep_draws : bool
    """

    designs: list[Design]
    entry: Entry
    replicates: int
    keep_draws: bool

    @property
    def megabytes(self) -> int:
        """Memory that it takes; see `summands.study.sizing.memory`."""
        return sizing.memory(
            self.designs,
            self.entry.method,
            self.entry.options,
            self.replicates,
            keep_draws=self.keep_draws,
        )


@dataclass(frozen=True)
class Costs:
    """What a study takes in all, with what is on disk already.

    Parameters
    ----------
    fits : int
    seconds : float
        Of one core.
    rows, draws, others : float
        Bytes on disk of simulated rows, of posteriors, and of everything else.
    largest : Job
        That which takes most memory.
    """

    fits: int
    seconds: float
    rows: float
    draws: float
    others: float
    largest: Job

    @property
    def disk(self) -> float:
        """Bytes on disk."""
        return self.rows + self.draws + self.others

    def __str__(self) -> str:
        return (
            f"{counted(self.fits, 'fit')}, about {_core_time(self.seconds)}, "
            f"{_bytes(self.disk)} on disk and up to "
            f"{_bytes(1e6 * self.largest.megabytes)} of memory a job"
        )


def of(study: Study) -> Costs:
    """Add up what a study takes; in a time that does not depend on its replicates."""
    fits = study.replicates * len(study.designs) * len(study.estimators)
    seconds = rows = draws = 0.0
    others = sizing.OF_FIGURES
    for design in study.designs.values():
        of_rows, of_data = sizing.data_bytes(design, keep_rows=study.keep_rows)
        seconds += study.replicates * sizing.drawing(design)
        rows += study.replicates * of_rows
        others += study.replicates * of_data
        for each in study.estimators.values():
            of_draws, of_fit = sizing.fit_bytes(
                design, each.method, each.options, keep_draws=study.keep_posteriors
            )
            seconds += study.replicates * sizing.seconds(
                design, each.method, each.options
            )
            draws += study.replicates * of_draws
            others += study.replicates * of_fit + sizing.OF_METRICS
    jobs: list[Job] = []
    for pack in sizing.packs(study):
        designs = [study.designs[name] for name in pack]
        per_job = {
            study.replicates_per_job
            or sizing.replicates_per_job(design, study.estimators, study.replicates)
            for design in designs
        }
        units = math.ceil(study.replicates / min(per_job))
        stages = 1 + len(study.estimators)
        seconds += units * stages * sizing.START
        others += units * stages * 2 * sizing.OF_FILE
        jobs += [
            Job(
                designs,
                entry,
                min(study.replicates, max(per_job)),
                study.keep_posteriors,
            )
            for entry in study.estimators.values()
        ]
    largest = max(jobs, key=lambda job: job.megabytes)
    return Costs(fits, seconds, rows, draws, others, largest)


def of_replicates(study: Study) -> str:
    """Say how many replicates a study has, and why where a precision asks for them."""
    each = "each of " if len(study.designs) > 1 else ""
    text = f"{counted(study.replicates, 'replicate')} of {each}"
    text += counted(len(study.designs), "design")
    if study.precision:
        asked = [
            f"{name} of {study.precision[name]:g} takes {count:,}"
            for name, count in precision.takes(study.precision).items()
        ]
        text += f" ({listed(asked)})"
    return text


def of_table(study: Study, table: Observed) -> str:
    """Say what taking a table apart takes.

    Parameters
    ----------
    study : Study
    table : Observed
        As it was read.
    """
    contributors, cells = table.cells.levels.contributors, len(table.cells.n)
    of_fits = {
        name: estimators.seconds(each.method, contributors, cells, each.options)
        for name, each in study.estimators.items()
    }
    seconds = sum(of_fits.values()) + sizing.START * len(of_fits)
    fits = counted(len(study.estimators), "fit")
    like = ""
    if study.check is not None:
        # Those of the posterior that tables are drawn from are fitted twice.
        again = [*of_fits.values(), of_fits[study.check.of]]
        count, jobs = study.check.replicates, len(study.check.batches)
        seconds += count * sum(again) + sizing.START * jobs * (1 + len(again))
        like = f" and {counted(count * len(again), 'fit')} of {count:,} like it"
    text = f"{fits} of {table.size}{like}, about {_core_time(seconds)}"
    if any(each.module.SAMPLES for each in study.estimators.values()):
        text += ", or several times that where a sampler has to try again"
    return text


@dataclass(frozen=True)
class Excess:
    """Something that a study takes more of than there is.

    Parameters
    ----------
    needed, available : float
        In bytes.
    text : str
        What, where, and the keys to change.
    """

    needed: float
    available: float
    text: str

    @property
    def certain(self) -> bool:
        """Whether it is too much even if it was put too high."""
        return self.needed > ACCURACY * self.available


def of_disk(study: Study, costs: Costs, folder: Path) -> Excess | None:
    """See whether the results have room on the disk.

    Parameters
    ----------
    study : Study
    costs : Costs
    folder : Path
        Where they go. What is there already needs no more room.
    """
    whole = folder.absolute()
    there = next(path for path in (whole, *whole.parents) if path.exists())
    room = float(shutil.disk_usage(there).free)
    if costs.disk <= room:
        return None
    room += sum(path.stat().st_size for path in whole.rglob("*") if path.is_file())
    reading = [
        name for name, each in study.estimators.items() if each.module.READS == "rows"
    ]
    without = f" without {', '.join(reading)}, which reads them," * bool(reading)
    parts = [
        (
            costs.rows,
            f"simulated rows: `keep_rows: false`{without} or fewer `rows`",
        ),
        (costs.draws, "posteriors: `keep_posteriors: false`, fewer `draws`"),
        (costs.others, "cells, estimates and tables: fewer designs"),
    ]
    most, advice = max(parts)
    return Excess(
        costs.disk,
        room,
        f"the results would take some {_bytes(costs.disk)} on disk, where "
        f"{_bytes(room)} are free; {_bytes(most)} of it are {advice} or fewer "
        "`replicates`",
    )


def of_memory(costs: Costs, available: float) -> Excess | None:
    """See whether the largest job fits into memory.

    Parameters
    ----------
    costs : Costs
    available : float
        Bytes that there are for it.
    """
    job = costs.largest

    def beyond_start(job: Job) -> float:
        return 1e6 * (job.megabytes - sizing.EMPTY)

    needed = beyond_start(job)
    if needed <= available:
        return None
    few_draws = {**job.entry.options, "draws": 1}
    few_rows = [dataclasses.replace(design, rows=1) for design in job.designs]
    changes = {
        "`keep_posteriors: false`": dataclasses.replace(job, keep_draws=False),
        "a smaller `replicates_per_job`": dataclasses.replace(job, replicates=1),
        "fewer `draws`": dataclasses.replace(
            job, entry=dataclasses.replace(job.entry, options=few_draws)
        ),
        "fewer `rows`": dataclasses.replace(job, designs=few_rows),
    }
    advice = [
        change for change, other in changes.items() if beyond_start(other) <= available
    ]
    return Excess(
        needed,
        available,
        f"the fits of {job.designs[0].id} with {job.entry.name} would take some "
        f"{_bytes(needed)} of memory a job, where the machine has "
        f"{_bytes(available)}: {' or '.join(advice) or 'smaller `levels`'}",
    )


def short_chains(study: Study) -> Iterator[str]:
    """Say which estimators draw too little for their fits to count as converged.

    All quantities must reach an effective sample size of `convergence.MIN_ESS`, and the
    worst of them has half to three quarters of the draws: of 36 fits (4 chains, 11 to
    62 quantities) none converged with 400 draws, 12 with 600, 28 with 800.

    Yields
    ------
    str
        One line per estimator.
    """
    for name, each in study.estimators.items():
        if not each.module.SAMPLES:
            continue
        options = each.options
        chains, draws = options.get("chains", 4), options.get("draws", 1000)
        if chains * draws < 2 * MIN_ESS:
            yield (
                f"estimators.{name}: {chains} chains of {draws} draws hardly ever "
                f"reach the effective sample size of {MIN_ESS} that counts as "
                f"converged: `draws: {math.ceil(2 * MIN_ESS / chains)}` or more would "
                "do"
            )


def machine_memory() -> float:
    """Memory that the machine, or the container around this process, has, in bytes."""
    memory = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.is_file() else ""
    return min(memory, float(text)) if text.isdigit() else memory


def _core_time(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    if minutes <= 1:
        return "1 core-minute"
    if minutes < 100:
        return f"{minutes} core-minutes"
    return f"{seconds / 3600:,.0f} core-hours"


def _bytes(count: float) -> str:
    """Write a number of bytes in the unit that suits it, with three digits."""
    for unit in ("kB", "MB", "GB", "TB"):
        count /= 1000
        if count < 999.5:
            return f"{count:.3g} {unit}"
    return f"{count:,.0f} TB"
