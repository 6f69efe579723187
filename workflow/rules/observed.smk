# An observed table: read into cells, fitted, and put into the tables of its answer.
import json
from functools import cache

from summands.data import table_files

KEPT = ["cells", "levels", "identification", "rows"]
FITTED_TABLES = ["estimates", "fits", "components"]
SOURCE_TABLE = STUDY.observed.source


@cache
def table_state():
    """Digest of what the table holds, and what to remember of its files."""
    known = {}
    # A record that nobody can read is one that is not there.
    with suppress(ValueError):
        known = json.loads(read_result(TABLE_FILE) or "{}")
    try:
        return table_files.digest(table_files.files(SOURCE_TABLE.table), known)
    except TableError as error:
        refuse(error)


def table_place(wildcards):
    """The table as the job finds it, which stays the same when a folder is moved."""
    if Path(config["observed"]["table"]).is_absolute():
        return SOURCE_TABLE.table
    return os.path.relpath(SOURCE_TABLE.table)


rule observe:
    # The table is no input to Snakemake, which looks at times: what it holds counts, by
    # its digest, and neither where it is nor when it was touched.
    output:
        **{name: f"{SIMULATED}/{name}.parquet" for name in KEPT},
    log:
        f"{LOGS}/observe.log",
    conda:
        "../../envs/summands.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 4 * sizing.EMPTY,
        runtime=lambda wildcards, attempt: attempt * 60,
    params:
        results=results_folder,
        source=SOURCE_TABLE.said,
        table=table_place,
        digest=lambda wildcards: table_state()[0],
        code=SIMULATE_CODE,
    message:
        "read the table"
    script:
        "../../scripts/observe.py"


rule fit:
    input:
        **{name: f"{SIMULATED}/{name}.parquet" for name in KEPT},
    output:
        **{name: f"{FITTED}/{name}.parquet" for name in FITTED_TABLES},
    log:
        f"{LOGS}/fit/{{estimator}}.log",
    wildcard_constraints:
        estimator="|".join(OTHERS) or NONE,
    conda:
        "../../envs/summands.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 4 * sizing.EMPTY,
        runtime=lambda wildcards, attempt: attempt * 60,
    params:
        results=results_folder,
        seed=STUDY.seed,
        method=lambda wildcards: STUDY.estimators[wildcards.estimator].method,
        options=lambda wildcards: STUDY.estimators[wildcards.estimator].options,
        code=fit_code,
    message:
        "fit the table with {wildcards.estimator}"
    script:
        "../../scripts/fit_table.py"


use rule fit as sample with:
    output:
        **{name: f"{FITTED}/{name}.parquet" for name in FITTED_TABLES},
        posterior=f"{FITTED}/posterior.nc",
    wildcard_constraints:
        estimator="|".join(KEEP_DRAWS) or NONE,


# Files of a check that are kept, and its final tables.
CHECK_FILES, CHECK_TABLES = [], {}
if STUDY.check:

    include: "check.smk"

    CHECK_FILES = check_files()
    CHECK_TABLES = dict(rules.check.output.items())


rule tabulate:
    input:
        **{name: f"{SIMULATED}/{name}.parquet" for name in KEPT},
        **{
            f"of_{name}": table
            for name, table in CHECK_TABLES.items()
            if name in answers.READ_OF_CHECK
        },
        estimates=unit_files(f"{FITTED}/estimates.parquet"),
        fits=unit_files(f"{FITTED}/fits.parquet"),
        components=unit_files(f"{FITTED}/components.parquet"),
        posteriors=POSTERIORS,
    output:
        **{
            name: f"{RESULTS}/{name}.parquet"
            for name in answers.tables_of(STUDY.observed)
        },
        study=f"{RESULTS}/study.yaml",
        provenance=f"{RESULTS}/provenance.json",
        summary=report(
            f"{RESULTS}/summary.txt",
            caption="../../scripts/summands/report/captions/summary.rst",
            category="Convergence",
            labels={"shows": "summary"},
        ),
    log:
        f"{LOGS}/tabulate.log",
    conda:
        "../../envs/summands.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 4 * sizing.EMPTY,
        runtime=lambda wildcards, attempt: attempt * 60,
    params:
        results=results_folder,
        study=STUDY.resolved,
        samplers=KEEP_DRAWS,
        packages=provenance.dependencies(),
        digest=lambda wildcards: table_state()[0],
        code=provenance.digest("decompose.py"),
    message:
        "take the table apart"
    script:
        "../../scripts/decompose.py"
