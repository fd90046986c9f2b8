# Entry of the workflow: `snakemake --cores 8` draws every figure at the scale of config.yaml.
# The rules are in workflow/rules, one file a stage, in the order in which data flows:
# data.smk -> train.smk -> aggregate.smk -> plot.smk, claims.smk -> report.smk

from snakemake.utils import min_version

min_version("9.0")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/aggregate.smk"
include: "workflow/rules/plot.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/report.smk"


rule figures:
    default_target: True
    input:
        final_files(config["scale"]),


onsuccess:
    workspace.tidy("results", "figures")
