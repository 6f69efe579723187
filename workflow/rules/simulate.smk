rule simulate:
    output:
        truth=f"{SIMULATED}/truth.parquet",
        rows=f"{SIMULATED}/rows.parquet",
        cells=f"{SIMULATED}/cells.parquet",
    log:
        f"{LOGS}/simulate/{{design}}/{{batch}}.log",
    conda:
        "../../envs/summands.yaml"
    params:
        design=design_content,
        seed=STUDY.seed,
        code=provenance.digest("simulate.py"),
    message:
        "simulate {wildcards.design}, {wildcards.batch}"
    script:
        "../../scripts/simulate.py"
