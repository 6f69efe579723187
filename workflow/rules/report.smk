FIGURES = registry.of(STUDY)


rule draw:
    input:
        **{
            table: rules.tabulate.output[table]
            for figure in FIGURES
            for table in figure.needs
        },
        study=rules.tabulate.output.study,
    output:
        **{
            figure.name: report(
                f"{RESULTS}/figures/{figure.name}.png",
                caption=f"../report/{figure.caption}",
                category="Recovery",
                labels={"shows": figure.shows},
            )
            for figure in FIGURES
        },
    log:
        f"{LOGS}/draw.log",
    conda:
        "../../envs/summands.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 2 * sizing.EMPTY,
        runtime=lambda wildcards, attempt: attempt * 30,
    params:
        results=results_folder,
        code=provenance.digest("draw.py"),
    message:
        "draw the figures"
    script:
        "../../scripts/draw.py"
