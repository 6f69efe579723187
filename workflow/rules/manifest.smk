# What the results hold against what was written into them: altered files are refused,
# missing ones are made again. Those in a storage such as a bucket are not looked at.
from contextlib import suppress

from summands.files import manifest
from summands.files.storage import DamagedFileError, check_netcdf

RECORD = PLAN_FILE if STUDY.observed is None else TABLE_FILE
ON_DISK = stored(RECORD) is None


def used_files():
    """All files of the results that this study has, as they are on disk."""
    made = [
        file
        for name in KEPT
        for file in unit_files(f"{SIMULATED}/{name}.parquet", [None])
    ]
    for name in FITTED_TABLES:
        made += unit_files(f"{FITTED}/{name}.parquet")
    made = map(PATHS.modify, [*made, *POSTERIORS, *CHECK_FILES])
    return [
        *made,
        *CHECK_TABLES.values(),
        *rules.tabulate.output,
        *rules.draw.output,
        *rules.page.output,
    ]


def below_results(file):
    return str(file).removeprefix(f"{FOLDER}/")


def check_results():
    """Refuse files that are not what was written, and damaged ones without a record."""
    try:
        records = manifest.Manifest(FOLDER)
        records.check(USED)
        for file in map(PATHS.modify, POSTERIORS):
            # No job reads them, so none would notice.
            if below_results(file) not in records:
                check_netcdf(file)
    except (DamagedFileError, manifest.AlteredError) as error:
        refuse(error)
    return records


def settle_results():
    """Check the results, and put down what earlier runs had no time or reason to."""
    with lock.idle(FOLDER) as idle:
        # Deleted, and perhaps no job is needed that would have it written.
        if idle and EARLIER and not Path(FOLDER, PLAN_FILE).exists():
            write_result(PLAN_FILE, plan.written(PLAN, EARLIER))
        records = check_results()
        if idle:
            # It can wait where the disk is full, which the run's jobs will tell.
            with suppress(OSError):
                records.gather(USED, alone=True)


def gather_results(*, alone):
    """Put down what this run has written."""
    if workflow.is_main_process and ON_DISK:
        try:
            manifest.Manifest(FOLDER).gather(USED, alone=alone)
        except OSError as error:
            raise WorkflowError(
                f"{FOLDER}/{manifest.NAME} cannot be written ({error.strerror}): the "
                "next run of the study does it"
            )


# What `rule all` asks for beside tables, figures and page. Where these are there Snakemake
# does not miss the files that they were made of, and nothing reads posteriors at all.
MISSING = POSTERIORS
if workflow.is_main_process and ON_DISK:
    USED = {RECORD, protocols.RUNS, *map(below_results, used_files())}
    if Path(FOLDER).is_dir():
        if workflow.output_settings.dryrun:
            check_results()
        else:
            settle_results()
        MISSING = [file for file in used_files() if not Path(file).exists()]
