# From runs to curves.
#   needs  results/{scale}/{experiment}/{method}/runs_seeds{seeds}.csv of every method (train.smk)
#   makes  results/{scale}/{experiment}/runs.csv, results/{scale}/runs.csv: one row per network
#          results/{scale}/curves/{figure}.csv: one row per point of a figure
#          results/{scale}/curves.csv: those of all figures that show an accuracy
#          results/{scale}/{experiment}/agreement.csv: how far the masks are those of the oracle
# A figure's curves need the runs of its own methods only.


rule collect_runs:
    input:
        script=script_of("collect_runs"),
        code=code_of("collect_runs"),
        runs=lambda w: files_of(w, "runs", "csv", all_methods(w.experiment)),
    output:
        "results/{scale}/{experiment}/runs.csv",
    log:
        "results/{scale}/logs/collect_runs_{experiment}.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        methods=lambda w: json.dumps(
            {w.experiment: config["experiments"][w.experiment]["methods"]}
        ),
    message:
        "Collect the runs of {wildcards.experiment} (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --methods {params.methods:q} --output {output:q}"
        " {input.runs:q} 2> {log:q}"


# the same script, one level up
use rule collect_runs as collect_all_runs with:
    input:
        script=script_of("collect_runs"),
        code=code_of("collect_runs"),
        runs=lambda w: expand(
            "results/{scale}/{experiment}/runs.csv",
            scale=w.scale,
            experiment=all_experiments(w.scale),
        ),
    output:
        "results/{scale}/runs.csv",
    log:
        "results/{scale}/logs/collect_all_runs.txt",
    params:
        methods=lambda w: methods_by_experiment(w.scale),
    message:
        "Collect all runs (scale {wildcards.scale})"


rule aggregate_curve:
    input:
        script=script_of("aggregate_curve"),
        code=code_of("aggregate_curve"),
        runs=lambda w: files_of(
            w,
            "runs",
            "csv",
            figure_methods(w).values(),
            figure_config(w)["experiment"],
        ),
    output:
        "results/{scale}/curves/{figure}.csv",
    log:
        "results/{scale}/logs/aggregate_curve_{figure}.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        shows=lambda w: figure_config(w)["shows"],
        methods=lambda w: json.dumps(configuration.figure_runs(config, w.figure)),
        stop_fraction=lambda w: figure_config(w).get("stop_fraction", 0),
    message:
        "Aggregate the curves of {wildcards.figure} (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --figure {wildcards.figure:q} --shows {params.shows:q}"
        " --methods {params.methods:q} --stop-fraction {params.stop_fraction:q}"
        " --output {output:q} {input.runs:q} 2> {log:q}"


rule combine_curves:
    input:
        script=script_of("combine_curves"),
        code=code_of("combine_curves"),
        curves=lambda w: expand(
            "results/{scale}/curves/{figure}.csv",
            scale=w.scale,
            figure=[
                figure
                for figure in all_figures(w.scale)
                if config["figures"][figure]["shows"].endswith("_accuracy")
            ],
        ),
    output:
        "results/{scale}/curves.csv",
    log:
        "results/{scale}/logs/combine_curves.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    message:
        "Combine the curves of all figures (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --output {output:q} {input.curves:q} 2> {log:q}"


rule compare_masks:
    input:
        script=script_of("compare_masks"),
        code=code_of("compare_masks"),
        networks=lambda w: [
            file for files in networks_of_pruned(w).values() for file in files
        ],
    output:
        "results/{scale}/{experiment}/agreement.csv",
    log:
        "results/{scale}/logs/compare_masks_{experiment}.txt",
    conda:
        "../../envs/train.yaml"
    threads: 1
    params:
        networks=lambda w: json.dumps(networks_of_pruned(w)),
    message:
        "Compare the masks of {wildcards.experiment} with the oracle's (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --experiment {wildcards.experiment:q}"
        " --networks {params.networks:q} --output {output:q} 2> {log:q}"
