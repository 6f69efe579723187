# What the rules share: the checked study, how it is cut into jobs, and the folder of its results.
import logging
import shlex
import shutil
import signal
import sys
import traceback

from snakemake.logging import logger


include: "source.smk"


from summands import estimators
from summands.files import lock, provenance
from summands.files.storage import whole
from summands.files.words import TableError
from summands.report import registry, ridges
from summands.data import observed
from summands.data.layouts import Table
from summands.study import answers, batch, costs, plan, sizing, study, tables
from summands.study import targets, validation


def stop(_, frame):
    """End with one line, where each job that was stopped would have Snakemake's own."""
    if any(each.f_code.co_name == "emit" for each, _ in traceback.walk_stack(frame)):
        # Snakemake drops what is raised while it writes to its log: a moment later.
        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    logging.disable()
    print("summands: stopped; run again to go on", file=sys.stderr, flush=True)
    sys.exit(128 + signal.SIGINT)


if (
    MODULE is None
    and workflow.is_main_process
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    signal.signal(signal.SIGINT, stop)

if set("{}") & set(str(SOURCE)):
    refuse(
        f"{SOURCE} has braces in its name, which Snakemake takes for "
        "variables: move the workflow to another folder"
    )

if workflow.is_main_process and not os.access(".", os.W_OK):
    refuse(
        f"{Path.cwd()} cannot be written to: give the run a folder where it can, with "
        "--directory"
    )

if MODULE is None and len(workflow.overwrite_configfiles) > 1:
    refuse(
        "one study file at a time: --configfile names "
        + " and ".join(map(str, workflow.overwrite_configfiles))
    )

if MODULE is not None and not (config and isinstance(config, dict)):
    refuse("has no study: give it one with config:, as docs/running.md shows")

# Of a workflow around this one some part is the study, which may be in no file at all.
STUDY_FILES = workflow.configfiles if MODULE is None else []

try:
    STUDY = study.load(config, tuple(map(Path, STUDY_FILES)), memory=targets.MEMORY)
except (study.StudyError, estimators.EstimatorError) as error:
    refuse(error)

if STUDY.plan and not STUDY.designs:
    refuse(
        "there is nothing to simulate: "
        + (
            "plan.verify is false; `make plan` says how many rows are needed"
            if not STUDY.resolved["plan"]["verify"]
            else f"no target of the plan can be met ({STUDY.plan[0].needed.remark})"
        )
    )

if MODULE is not None and workflow.is_main_process:
    # Snakemake keeps the last of two keys. Which part of a file becomes a module's
    # study is the affair of the workflow around it: it is told, not refused.
    for file in map(Path, workflow.configfiles):
        for sentence in validation.repeated_keys(file.read_text(encoding="utf-8")):
            logger.warning(f"summands: module {MODULE}: {file}: {sentence}")

# As rules name it, before a workflow around this one moves it to where it is.
RESULTS = batch.results(STUDY.name)
PATHS = workflow.modifier.path_modifier
FOLDER = PATHS.replace_prefix(f"{RESULTS}/").removesuffix("/")
if STUDY.observed is None:
    SIMULATED = f"{RESULTS}/simulated/{{designs}}/{{batch}}"
    FITTED = f"{RESULTS}/fitted/{{estimator}}/{{designs}}/{{batch}}"
else:
    SIMULATED = f"{RESULTS}/observed"
    FITTED = f"{RESULTS}/fitted/{{estimator}}"
LOGS = f"{RESULTS}/logs"


def check_table():
    """Refuse a table that lacks what the study asks of it, and read it if it is small."""
    try:
        observed.check(STUDY.observed.source)
        return observed.glance(STUDY.observed.source)
    except TableError as error:
        earlier = f"\n({FOLDER}/summary.txt is of an earlier run)"
        refuse(f"{error}{earlier * Path(FOLDER, 'summary.txt').is_file()}")


TABLE = None
if STUDY.observed is not None and workflow.is_main_process:
    TABLE = check_table()


def check_costs():
    """Tell what the study takes before it is planned; refuse what has no room here."""
    taken = None
    if STUDY.observed is None:
        taken = costs.of(STUDY)
        said = costs.of_replicates(STUDY)
        logger.info(f"Study {STUDY.name} takes, in all: {said}, {taken}.")
    elif TABLE is not None:
        said = costs.of_table(STUDY, TABLE)
        logger.info(f"Study {STUDY.name} takes, in all: {said}.")
    for line in costs.short_chains(STUDY):
        logger.warning(f"summands: {line}")
    if taken is None:
        return
    # With a limit on jobs in a queue they run elsewhere.
    if workflow.resource_settings.nodes is not None:
        return
    found = [costs.of_memory(taken, costs.machine_memory())]
    if workflow.storage_settings.default_storage_provider is None:
        found.append(costs.of_disk(STUDY, taken, Path(FOLDER)))
    for excess in filter(None, found):
        if excess.certain:
            refuse(excess.text)
        logger.warning(f"summands: {excess.text}")


def name_python():
    """Name the Python of scripts by a path that a shell takes as it is.

    Snakemake writes it into commands without quotes: a space in it would end it.
    """
    if shlex.quote(sys.executable) == sys.executable:
        return
    link = Path(".snakemake", "environment")
    if link.is_dir() and not link.is_symlink():
        # A copy of the run's folder in which links were followed.
        shutil.rmtree(link)
    if not link.is_symlink() or link.readlink() != Path(sys.prefix):
        with whole(link) as passing:
            passing.unlink(missing_ok=True)
            passing.symlink_to(sys.prefix)
    within = Path(sys.executable).relative_to(sys.prefix)
    place = str(link.absolute() / within)
    # A path from the folder of the run, where that has a space itself.
    sys.executable = place if shlex.quote(place) == place else str(link / within)


if not workflow.is_main_process:
    name_python()
    # From here on: Snakemake removes the outputs of a job before it starts the script.
    try:
        lock.share(FOLDER)
    except lock.LockError as error:
        refuse(error)
else:
    check_costs()


include: "results.smk"
include: "protocol.smk"


EARLIER, PACKS = earlier_plan()
PLAN = plan.make(STUDY, EARLIER, PACKS)

SAMPLERS = [name for name, each in STUDY.estimators.items() if each.module.SAMPLES]
KEEP_DRAWS = SAMPLERS if STUDY.keep_posteriors else []
OTHERS = [name for name in STUDY.estimators if name not in KEEP_DRAWS]
# Computed once: a study may have thousands of jobs.
READS, FITS = (
    ("simulate.py", "fit.py")
    if STUDY.observed is None
    else ("observe.py", "fit_table.py")
)
SIMULATE_CODE = provenance.digest(READS)
FIT_CODE = {
    name: provenance.digest(FITS, f"summands.estimators.{each.method}")
    for name, each in STUDY.estimators.items()
}
# A pattern that matches nothing, for studies without estimators of one kind.
NONE = "(?!)"


wildcard_constraints:
    designs="[^/]+",
    batch=batch.PATTERN,
    estimator="[a-z0-9_]+",


def unit_files(pattern, of_estimators=STUDY.estimators):
    """Files of all units: for each estimator, for each unit, in order."""
    if STUDY.observed is not None:
        return [pattern.format(estimator=estimator) for estimator in of_estimators]
    return [
        pattern.format(designs=unit.name, estimator=estimator, batch=unit.batch.name)
        for estimator in of_estimators
        for unit in PLAN.units
    ]


def results_folder(wildcards):
    """Where the results are, which jobs lock."""
    return FOLDER


def contents(wildcards):
    """What the data of a unit depend on, by id of the design."""
    designs = PLAN.designs(wildcards.designs)
    return {name: design.content for name, design in designs.items()}


def names(wildcards):
    """What levels and contributors of a unit's designs are called, where not by number."""
    designs = PLAN.designs(wildcards.designs)
    return {
        name: [design.levels.names, design.levels.labels]
        for name, design in designs.items()
        if design.levels.named
    }


def layout_tables(wildcards):
    """Tables that are the layout of a unit's designs, by digest of the layout."""
    digests = {
        design.layout.digest
        for design in PLAN.designs(wildcards.designs).values()
        if isinstance(design.layout, Table)
    }
    return {
        digest: [source.table, source.said]
        for digest, source in STUDY.layout_tables.items()
        if digest in digests
    }


def replicates(wildcards):
    return len(batch.parse(wildcards.batch).replicates)


def fit_data(wildcards):
    """Rows or cells, whichever the estimator reads."""
    files = {"rows": f"{SIMULATED}/rows.parquet", "cells": f"{SIMULATED}/cells.parquet"}
    return files[STUDY.estimators[wildcards.estimator].module.READS].format(**wildcards)


def fit_code(wildcards):
    """Code that a fit depends on, that of its data included."""
    return [FIT_CODE[wildcards.estimator], SIMULATE_CODE]


def fit_memory(wildcards, attempt):
    """Megabytes that a fit job asks for: more each time it is tried again."""
    entry = STUDY.estimators[wildcards.estimator]
    return attempt * sizing.memory(
        PLAN.designs(wildcards.designs).values(),
        entry.method,
        entry.options,
        replicates(wildcards),
        keep_draws=STUDY.keep_posteriors,
    )


def fit_runtime(wildcards, attempt):
    """Minutes that a fit job asks for."""
    entry = STUDY.estimators[wildcards.estimator]
    expected = replicates(wildcards) * sum(
        sizing.seconds(design, entry.method, entry.options)
        for design in PLAN.designs(wildcards.designs).values()
    )
    return attempt * sizing.runtime(expected)


def simulate_runtime(wildcards, attempt):
    """Minutes that the data of a unit may take to draw."""
    designs = PLAN.designs(wildcards.designs).values()
    expected = replicates(wildcards) * sum(map(sizing.drawing, designs))
    return attempt * sizing.runtime(expected)


def makes_summary(jobs):
    """Whether the summary is among what jobs make."""
    summary = rules.tabulate.output.summary
    return any(summary in job.output for job in jobs)


def claim_study():
    """Refuse to run while another run of the study is alive."""
    if workflow.is_main_process:
        try:
            lock.claim(FOLDER)
        except lock.LockError as error:
            refuse(error)
        name_python()
        if STUDY.observed is None:
            write_result(PLAN_FILE, plan.written(PLAN, EARLIER))
        else:
            write_result(TABLE_FILE, json.dumps(table_state()[1]))
        record_run()
        if makes_summary(workflow.dag.needrun_jobs()):
            # Of an earlier run: no answer of this one, however it ends.
            remove_result("summary.txt")


def print_summary():
    if MODULE is not None or not workflow.is_main_process:
        return
    # Of a run that was to end before it there may be an earlier one.
    summary = read_result("summary.txt") if makes_summary(workflow.dag.jobs) else None
    if summary is not None:
        print(summary, end="", flush=True)


POSTERIORS = unit_files(f"{FITTED}/posterior.nc", KEEP_DRAWS)


def of_ridge():
    """The posterior that one figure shows, where a study has it."""
    if STUDY.observed is not None:
        return {}
    found = ridges.posterior(STUDY, PLAN.units)
    return {} if found is None else {"posterior": f"{RESULTS}/{found}"}
