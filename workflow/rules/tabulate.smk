CHECK_FILES, CHECK_TABLES = [], {}


rule tabulate:
    input:
        estimates=unit_files(f"{FITTED}/estimates.parquet"),
        fits=unit_files(f"{FITTED}/fits.parquet"),
    output:
        **{name: f"{RESULTS}/{name}.parquet" for name in tables.OF_PLAN if STUDY.plan},
        designs=f"{RESULTS}/designs.parquet",
        estimates=f"{RESULTS}/estimates.parquet",
        fits=f"{RESULTS}/fits.parquet",
        failures=f"{RESULTS}/failures.parquet",
        recovery=f"{RESULTS}/recovery.parquet",
        calibration=f"{RESULTS}/calibration.parquet",
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
        mem_mb=lambda wildcards, attempt: attempt * 2 * sizing.EMPTY,
        runtime=lambda wildcards, attempt: attempt * 30,
    params:
        results=results_folder,
        study=STUDY.resolved,
        units=list(PLAN.units.values()),
        packages=provenance.dependencies(),
        code=provenance.digest("tabulate.py"),
    message:
        "gather the tables"
    script:
        "../../scripts/tabulate.py"
