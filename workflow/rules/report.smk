# What each figure shows; which of them a study has is a matter of its designs.
FIGURES = {
    "truth": "truth against estimate",
    "error": "error by design",
    "coverage": "coverage by design",
    "width": "width of intervals by design",
    "efficiency": "error over the Cramér-Rao bound",
    "ranking": "how often the largest is named",
    "calibration": "ranks of truths among draws",
}
if not (STUDY.with_drawn_truth and SAMPLERS):
    del FIGURES["calibration"]


rule draw:
    input:
        study=rules.tabulate.output.study,
        estimates=rules.tabulate.output.estimates,
        fits=rules.tabulate.output.fits,
        recovery=rules.tabulate.output.recovery,
        calibration=rules.tabulate.output.calibration,
    output:
        **{
            name: report(
                f"{RESULTS}/figures/{name}.png",
                caption=f"../report/{name}.rst",
                category="Recovery",
                labels={"shows": label},
            )
            for name, label in FIGURES.items()
        },
    log:
        f"{LOGS}/draw.log",
    conda:
        "../../envs/summands.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 2 * sizing.EMPTY,
        runtime=lambda wildcards, attempt: attempt * 30,
    params:
        code=provenance.digest("draw.py"),
    message:
        "draw the figures"
    script:
        "../../scripts/draw.py"
