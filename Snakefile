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
        expand(
            "figures/{scale}/{figure}.{type}",
            scale=config["scale"],
            figure=all_figures(config["scale"]),
            type=["png", "svg"],
        ),
        expand(
            "results/{scale}/{table}.csv",
            scale=config["scale"],
            table=["runs", "curves", "claims", "removable"],
        ),
        expand(
            "results/{scale}/{experiment}/agreement.csv",
            scale=config["scale"],
            experiment=oracle_experiments(config["scale"]),
        ),


onsuccess:
    workspace.tidy("results", "figures")
