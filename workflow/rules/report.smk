from summands.files import storage
from summands.report.page import texts

FIGURES = registry.of(STUDY)
# All final tables, and the study.
FINAL = dict(rules.tabulate.output.items()) | CHECK_TABLES


rule draw:
    input:
        **{
            table: FINAL[table]
            for figure in FIGURES
            for table in figure.needs
            if table != "posterior"
        },
        **of_ridge(),
        study=rules.tabulate.output.study,
    output:
        **{
            figure.name: report(
                f"{RESULTS}/figures/{figure.name}.png",
                caption=f"../../scripts/summands/report/captions/{figure.caption}",
                category="Recovery",
                labels={"shows": figure.shows},
            )
            for figure in FIGURES
        },
        **{
            f"{figure.name}_svg": f"{RESULTS}/figures/{figure.name}.svg"
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
        code=provenance.digest("draw.py", wording=True),
    message:
        "draw the figures"
    script:
        "../../scripts/draw.py"


rule page:
    input:
        **{name: path for name, path in FINAL.items() if name != "summary"},
        **of_ridge(),
    output:
        page=f"{RESULTS}/report.html",
    log:
        f"{LOGS}/page.log",
    conda:
        "../../envs/summands.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 2 * sizing.EMPTY,
        runtime=lambda wildcards, attempt: attempt * 30,
    params:
        results=results_folder,
        code=provenance.digest(
            "page.py",
            *(
                f"summands.estimators.{each.method}"
                for each in STUDY.estimators.values()
            ),
            wording=True,
        ),
        texts=[storage.digest(path) for path in texts()],
        protocols=protocols_told,
    message:
        "write the page"
    script:
        "../../scripts/page.py"
