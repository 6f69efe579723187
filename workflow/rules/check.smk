# The check of an observed table: tables like it are drawn from its posterior and fitted,
# alone as the table was, and together with it by the estimator that the posterior is of.
from summands.data.imitation import KINDS as CHECKS

CHECKED = f"{RESULTS}/checked/{{batch}}"
REFITTED = f"{CHECKED}/{{check}}/{{estimator}}"
OF_CHECK = STUDY.estimators[STUDY.check.of]
DATA_OF_CHECK = ["truth", "cells", "identification"]
READS_ROWS = any(entry.module.READS == "rows" for entry in STUDY.estimators.values())
IMITATE_CODE = provenance.digest("imitate.py")
REFIT_CODE = {
    name: provenance.digest("fit.py", f"summands.estimators.{each.method}")
    for name, each in STUDY.estimators.items()
}


wildcard_constraints:
    check="|".join(CHECKS),


def imitated():
    """Files of the data of a batch, by kind and name."""
    found = {
        f"{check}_{name}": f"{CHECKED}/{check}/{name}.parquet"
        for check in CHECKS
        for name in DATA_OF_CHECK
    }
    found |= {f"{check}_designs": f"{CHECKED}/{check}/designs.json" for check in CHECKS}
    if READS_ROWS:
        found["alone_rows"] = f"{CHECKED}/alone/rows.parquet"
    return found


def refitted(name, check, of_estimators):
    """Files of all batches: for each estimator, for each batch, in order."""
    return [
        f"{REFITTED}/{name}.parquet".format(
            check=check, estimator=estimator, batch=each.name
        )
        for estimator in of_estimators
        for each in STUDY.check.batches
    ]


def refit_data(wildcards):
    """Rows or cells, whichever the estimator reads."""
    reads = STUDY.estimators[wildcards.estimator].module.READS
    return f"{CHECKED}/{{check}}/{reads}.parquet".format(**wildcards)


def check_files():
    """All that is kept of a check beside its final tables."""
    data = [
        file.format(batch=each.name)
        for file in imitated().values()
        for each in STUDY.check.batches
    ]
    fits = [
        file
        for name in ("estimates", "fits")
        for file in [
            *refitted(name, "alone", STUDY.estimators),
            *refitted(name, "joint", [STUDY.check.of]),
        ]
    ]
    return [*data, *fits]


rule imitate:
    input:
        **{name: f"{SIMULATED}/{name}.parquet" for name in KEPT},
        posterior=f"{FITTED}/posterior.nc".format(estimator=STUDY.check.of),
    output:
        **imitated(),
    log:
        f"{LOGS}/imitate/{{batch}}.log",
    conda:
        "../../envs/summands.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 4 * sizing.EMPTY,
        runtime=lambda wildcards, attempt: attempt * 60,
    params:
        results=results_folder,
        seed=STUDY.seed,
        of=STUDY.check.of,
        method=OF_CHECK.method,
        options=OF_CHECK.options,
        code=[IMITATE_CODE, FIT_CODE[STUDY.check.of]],
    message:
        "draw tables like the observed one, {wildcards.batch}"
    script:
        "../../scripts/imitate.py"


rule refit:
    input:
        data=refit_data,
        identification=f"{CHECKED}/{{check}}/identification.parquet",
        truth=f"{CHECKED}/{{check}}/truth.parquet",
        designs=f"{CHECKED}/{{check}}/designs.json",
    output:
        estimates=f"{REFITTED}/estimates.parquet",
        fits=f"{REFITTED}/fits.parquet",
    log:
        f"{LOGS}/check/{{check}}/{{estimator}}/{{batch}}.log",
    conda:
        "../../envs/summands.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 4 * sizing.EMPTY,
        runtime=lambda wildcards, attempt: attempt * 600,
    params:
        results=results_folder,
        seed=STUDY.seed,
        method=lambda wildcards: STUDY.estimators[wildcards.estimator].method,
        options=lambda wildcards: STUDY.estimators[wildcards.estimator].options,
        code=lambda wildcards: [
            REFIT_CODE[wildcards.estimator],
            IMITATE_CODE,
        ],
    message:
        "fit tables like the observed one ({wildcards.check}), {wildcards.batch}, with "
        "{wildcards.estimator}"
    script:
        "../../scripts/fit.py"


rule check:
    input:
        alone_designs=f"{CHECKED}/alone/designs.json".format(
            batch=STUDY.check.batches[0].name
        ),
        joint_designs=f"{CHECKED}/joint/designs.json".format(
            batch=STUDY.check.batches[0].name
        ),
        alone_estimates=refitted("estimates", "alone", STUDY.estimators),
        alone_fits=refitted("fits", "alone", STUDY.estimators),
        joint_estimates=refitted("estimates", "joint", [STUDY.check.of]),
        joint_fits=refitted("fits", "joint", [STUDY.check.of]),
    output:
        **{name: f"{RESULTS}/{name}.parquet" for name in answers.OF_CHECK},
    log:
        f"{LOGS}/check.log",
    conda:
        "../../envs/summands.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 4 * sizing.EMPTY,
        runtime=lambda wildcards, attempt: attempt * 60,
    params:
        results=results_folder,
        study=STUDY.resolved,
        code=provenance.digest("check.py"),
    message:
        "see how tables like the observed one came out"
    script:
        "../../scripts/check.py"
