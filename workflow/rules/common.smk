# What the rules share: the checked study, its batches, and the folder of its results.
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, os.path.join(workflow.basedir, "scripts"))

from summands import estimators, lock, plan, provenance, sizing, study

try:
    STUDY = study.load(config, tuple(Path(file) for file in workflow.configfiles))
except (study.StudyError, estimators.EstimatorError) as error:
    raise WorkflowError(str(error))

RESULTS = plan.results(STUDY.name)
SIMULATED = f"{RESULTS}/simulated/{{design}}/{{batch}}"
FITTED = f"{RESULTS}/fitted/{{estimator}}/{{design}}/{{batch}}"
LOGS = f"{RESULTS}/logs"

BATCHES = {
    design: plan.batches(
        STUDY.replicates,
        STUDY.replicates_per_job
        or sizing.replicates_per_job(
            STUDY.designs[design], STUDY.estimators, STUDY.replicates
        ),
        Path(RESULTS, "simulated", design),
    )
    for design in STUDY.designs
}

SAMPLERS = [name for name in STUDY.estimators if estimators.load(name).SAMPLES]
OTHERS = [name for name in STUDY.estimators if name not in SAMPLERS]
# Computed once: a study may have thousands of jobs.
SIMULATE_CODE = provenance.digest("simulate.py")
FIT_CODE = {
    name: provenance.digest("fit.py", f"summands.estimators.{name}")
    for name in STUDY.estimators
}
# A pattern that matches nothing, for studies without estimators of one kind.
NONE = "(?!)"


wildcard_constraints:
    design="[^/]+",
    batch=plan.PATTERN,
    estimator="[a-z0-9_]+",


def batch_files(pattern):
    """Files of all batches: for each design, for each estimator, in order."""
    return [
        pattern.format(design=design, estimator=estimator, batch=batch.name)
        for design in STUDY.designs
        for estimator in STUDY.estimators
        for batch in BATCHES[design]
    ]


def design_content(wildcards):
    return STUDY.designs[wildcards.design].content


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
        STUDY.designs[wildcards.design],
        wildcards.estimator,
        STUDY.estimators[wildcards.estimator],
        len(plan.parse(wildcards.batch).replicates),
    )


def fit_runtime(wildcards, attempt):
    """Minutes that a fit job asks for."""
    expected = sizing.seconds(
        STUDY.designs[wildcards.design],
        wildcards.estimator,
        STUDY.estimators[wildcards.estimator],
    )
    replicates = len(plan.parse(wildcards.batch).replicates)
    return attempt * sizing.runtime(expected * replicates)


def simulate_runtime(wildcards, attempt):
    """Minutes that the rows of a batch may take to draw."""
    rows = STUDY.designs[wildcards.design].rows
    replicates = len(plan.parse(wildcards.batch).replicates)
    return attempt * sizing.runtime(2e-7 * rows * replicates)


def claim_study():
    """Refuse to run while another run of the study is alive."""
    if workflow.is_main_process:
        try:
            lock.claim(RESULTS)
        except lock.LockError as error:
            raise WorkflowError(str(error))


def print_summary():
    summary = Path(RESULTS, "summary.txt")
    if workflow.is_main_process and summary.is_file():
        print(summary.read_text(), end="", flush=True)
