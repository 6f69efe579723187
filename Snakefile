from snakemake.utils import min_version

min_version("9.0")

# A study file given on the command line, and what a workflow around this one gives,
# stand alone: the default study must not leak into them.
if workflow.modifier.is_main_snakefile() and not workflow.overwrite_configfiles:

    configfile: workflow.current_basedir.join("config/config.yaml").path


include: "workflow/rules/common.smk"


if STUDY.observed is None:

    include: "workflow/rules/simulate.smk"
    include: "workflow/rules/fit.smk"
    include: "workflow/rules/tabulate.smk"

else:

    include: "workflow/rules/observed.smk"


include: "workflow/rules/failures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/manifest.smk"


report: "scripts/summands/report/captions/workflow.rst"


rule all:
    input:
        rules.tabulate.output,
        rules.draw.output,
        rules.page.output,
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
    REASONS.repeat()
