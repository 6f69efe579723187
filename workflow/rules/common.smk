# What the rules share: the checked study, how it is cut into jobs, and the folder of its results.
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, os.path.join(workflow.basedir, "scripts"))

from summands import batch, estimators, lock, plan, provenance, sizing, study

try:
    STUDY = study.load(config, tuple(Path(file) for file in workflow.configfiles))
except (study.StudyError, estimators.EstimatorError) as error:
    raise WorkflowError(str(error))

RESULTS = batch.results(STUDY.name)
SIMULATED = f"{RESULTS}/simulated/{{designs}}/{{batch}}"
FITTED = f"{RESULTS}/fitted/{{estimator}}/{{designs}}/{{batch}}"
LOGS = f"{RESULTS}/logs"

if not workflow.is_main_process:
    # From here on: Snakemake removes the outputs of a job before it starts the script.
    try:
        lock.share(RESULTS)
    except lock.LockError as error:
        raise WorkflowError(str(error))


include: "results.smk"


EARLIER, PACKS = earlier_plan()
PLAN = plan.make(STUDY, EARLIER, PACKS)

SAMPLERS = [name for name in STUDY.estimators if estimators.load(name).SAMPLES]
KEEP_DRAWS = SAMPLERS if STUDY.keep_posteriors else []
OTHERS = [name for name in STUDY.estimators if name not in KEEP_DRAWS]
# Computed once: a study may have thousands of jobs.
SIMULATE_CODE = provenance.digest("simulate.py")
FIT_CODE = {
    name: provenance.digest("fit.py", f"summands.estimators.{name}")
    for name in STUDY.estimators
}
# A pattern that matches nothing, for studies without estimators of one kind.
NONE = "(?!)"


wildcard_constraints:
    designs="[^/]+",
    batch=batch.PATTERN,
    estimator="[a-z0-9_]+",


def unit_files(pattern, of_estimators=STUDY.estimators):
    """Files of all units: for each estimator, for each unit, in order."""
    return [
        pattern.format(designs=unit.name, estimator=estimator, batch=unit.batch.name)
        for estimator in of_estimators
        for unit in PLAN.units
    ]


def contents(wildcards):
    """What the data of a unit depend on, by id of the design."""
    designs = PLAN.designs(wildcards.designs)
    return {name: design.content for name, design in designs.items()}


def replicates(wildcards):
    return len(batch.parse(wildcards.batch).replicates)


def fit_data(wildcards):
    """Rows or cells, whichever the estimator reads."""
    files = {"rows": f"{SIMULATED}/rows.parquet", "cells": f"{SIMULATED}/cells.parquet"}
    return files[estimators.load(wildcards.estimator).READS].format(**wildcards)


def fit_code(wildcards):
    """Code that a fit depends on, that of its data included."""
    return [FIT_CODE[wildcards.estimator], SIMULATE_CODE]


def fit_memory(wildcards, attempt):
    """Megabytes that a fit job asks for: more each time it is tried again."""
    return attempt * sizing.memory(
        PLAN.designs(wildcards.designs).values(),
        wildcards.estimator,
        STUDY.estimators[wildcards.estimator],
        replicates(wildcards),
        keep_draws=STUDY.keep_posteriors,
    )


def fit_runtime(wildcards, attempt):
    """Minutes that a fit job asks for."""
    name = wildcards.estimator
    expected = replicates(wildcards) * sum(
        sizing.seconds(design, name, STUDY.estimators[name])
        for design in PLAN.designs(wildcards.designs).values()
    )
    return attempt * sizing.runtime(expected)


def simulate_runtime(wildcards, attempt):
    """Minutes that the data of a unit may take to draw."""
    designs = PLAN.designs(wildcards.designs).values()
    expected = replicates(wildcards) * sum(map(sizing.drawing, designs))
    return attempt * sizing.runtime(expected)


def claim_study():
    """Refuse to run while another run of the study is alive."""
    if workflow.is_main_process:
        try:
            lock.claim(RESULTS)
        except lock.LockError as error:
            raise WorkflowError(str(error))
        write_result(PLAN_FILE, plan.written(PLAN, EARLIER))


def print_summary():
    summary = read_result("summary.txt")
    if workflow.is_main_process and summary is not None:
        print(summary, end="", flush=True)


POSTERIORS = unit_files(f"{FITTED}/posterior.nc", KEEP_DRAWS)
