KEPT = ["truth", "cells", "identification"] + (["rows"] if STUDY.keep_rows else [])


rule simulate:
    output:
        **{name: f"{SIMULATED}/{name}.parquet" for name in KEPT},
    log:
        f"{LOGS}/simulate/{{designs}}/{{batch}}.log",
    conda:
        "../../envs/summands.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * sizing.EMPTY,
        runtime=simulate_runtime,
    params:
        results=results_folder,
        designs=contents,
        names=names,
        tables=layout_tables,
        seed=STUDY.seed,
        code=SIMULATE_CODE,
    message:
        "simulate {wildcards.designs}, {wildcards.batch}"
    script:
        "../../scripts/simulate.py"
