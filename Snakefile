# Entry of the workflow: `snakemake --cores 8` draws every figure at the scale of config.yaml.
# The rules are in workflow/rules, one file a stage, in the order in which data flows:
# data.smk -> train.smk -> tables.smk -> figures.smk, claims.smk, export.smk -> report.smk
# Before them: startup.smk, scheduler.smk, and common.smk for what several stages share; what one stage
# alone asks for is in functions/, under its name.

from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/startup.smk"
include: "workflow/rules/scheduler.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/report.smk"


rule figures:
    default_target: True
    input:
        final_files(config["scale"]),


onsuccess:
    workspace.tidy("results", "figures")
