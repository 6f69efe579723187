FITTED_TABLES = ["estimates", "fits"]


rule fit:
    input:
        data=fit_data,
        identification=f"{SIMULATED}/identification.parquet",
        truth=f"{SIMULATED}/truth.parquet",
    output:
        estimates=f"{FITTED}/estimates.parquet",
        fits=f"{FITTED}/fits.parquet",
    log:
        f"{LOGS}/fit/{{estimator}}/{{designs}}/{{batch}}.log",
    wildcard_constraints:
        estimator="|".join(OTHERS) or NONE,
    conda:
        "../../envs/summands.yaml"
    resources:
        mem_mb=fit_memory,
        runtime=fit_runtime,
    params:
        results=results_folder,
        designs=contents,
        seed=STUDY.seed,
        method=lambda wildcards: STUDY.estimators[wildcards.estimator].method,
        options=lambda wildcards: STUDY.estimators[wildcards.estimator].options,
        names=names,
        code=fit_code,
    message:
        "fit {wildcards.designs}, {wildcards.batch}, with {wildcards.estimator}"
    script:
        "../../scripts/fit.py"


# Estimators that return draws keep them as well, if the study keeps any.
use rule fit as sample with:
    output:
        estimates=f"{FITTED}/estimates.parquet",
        fits=f"{FITTED}/fits.parquet",
        posterior=f"{FITTED}/posterior.nc",
    wildcard_constraints:
        estimator="|".join(KEEP_DRAWS) or NONE,
