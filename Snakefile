from snakemake.utils import min_version

min_version("9.0")

# A study file given on the command line stands alone: the default study must not
# leak into it.
if not workflow.overwrite_configfiles:

    configfile: os.path.join(workflow.basedir, "config", "config.yaml")


include: "workflow/rules/common.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/fit.smk"
include: "workflow/rules/tabulate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/manifest.smk"


report: "workflow/report/workflow.rst"


rule all:
    default_target: True
    input:
        rules.tabulate.output,
        rules.draw.output,
        MISSING,
    message:
        "the study is complete"


onstart:
    claim_study()


onsuccess:
    gather_results(alone=True)
    print_summary()


onerror:
    # Of a cluster's jobs some may still be about to end.
    gather_results(alone=False)
