rule draw:
    input:
        estimates=rules.tabulate.output.estimates,
        fits=rules.tabulate.output.fits,
        recovery=rules.tabulate.output.recovery,
    output:
        truth=report(
            f"{RESULTS}/figures/truth.png",
            caption="../report/truth.rst",
            category="Recovery",
            labels={"shows": "truth against estimate"},
        ),
        error=report(
            f"{RESULTS}/figures/error.png",
            caption="../report/error.rst",
            category="Recovery",
            labels={"shows": "error by design"},
        ),
        coverage=report(
            f"{RESULTS}/figures/coverage.png",
            caption="../report/coverage.rst",
            category="Recovery",
            labels={"shows": "coverage by design"},
        ),
    log:
        f"{LOGS}/draw.log",
    conda:
        "../../envs/summands.yaml"
    params:
        code=provenance.digest("draw.py"),
    message:
        "draw the figures"
    script:
        "../../scripts/draw.py"
