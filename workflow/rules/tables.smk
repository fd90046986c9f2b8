# From runs to tables: curves, sizes, how much can go, and how far masks agree.
#   needs  results/{scale}/{experiment}/{method}/runs_seeds{seeds}.csv of every method (train.smk), and
#          its networks_seeds{seeds}.safetensors
#   makes  results/{scale}/{experiment}/runs.csv, results/{scale}/runs.csv: one row per network
#          results/{scale}/runs_so_far.csv: the same, of the methods that have run with all seeds
#          results/{scale}/curves/{figure}.csv: one row per point of a figure
#          results/{scale}/curves.csv: those of all figures that show an accuracy
#          results/{scale}/{experiment}/agreement.csv: how far the masks are those of the oracle
#          results/{scale}/{experiment}/sizes.csv: parameters and multiply-adds of each network
#          results/{scale}/removable.csv: how much can go at a loss of 0.5, 1 and 2 points
#          results/{scale}/criteria.csv: criteria beside a random choice, of experiments that compare them;
#          results/{scale}/ranks.csv, results/{scale}/layers.csv: their ranks, what they keep of each layer
# A figure's curves need the runs of its own methods only.


include: "functions/tables.smk"


rule collect_runs:
    input:
        script=script_of("collect_runs"),
        code=code_of("collect_runs"),
        runs=lambda w: files_of(
            w.scale, w.experiment, plan.experiments[w.experiment], "runs", "csv"
        ),
    output:
        "results/{scale}/{experiment}/runs.csv",
    log:
        "results/{scale}/logs/collect_runs_{experiment}.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        runs=lambda w, input: in_a_file(
            "--methods", methods_of([w.experiment]), *input.runs
        ),
    message:
        "Collect the runs of {wildcards.experiment} (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --output {output:q} {params.runs:q} 2> {log:q}"


# the same script, one level up
use rule collect_runs as collect_all_runs with:
    input:
        script=script_of("collect_runs"),
        code=code_of("collect_runs"),
        runs=lambda w: expand(
            "results/{scale}/{experiment}/runs.csv",
            scale=w.scale,
            experiment=plan.at(w.scale).experiments,
        ),
    output:
        "results/{scale}/runs.csv",
    log:
        "results/{scale}/logs/collect_all_runs.txt",
    params:
        runs=lambda w, input: in_a_file(
            "--methods", methods_of(plan.at(w.scale).experiments), *input.runs
        ),
    message:
        "Collect all runs (scale {wildcards.scale})"


# and for those that are there
use rule collect_runs as collect_runs_so_far with:
    input:
        script=script_of("collect_runs"),
        code=code_of("collect_runs"),
        runs=lambda w: runs_so_far(w.scale),
    output:
        "results/{scale}/runs_so_far.csv",
    log:
        "results/{scale}/logs/collect_runs_so_far.txt",
    params:
        runs=lambda w, input: in_a_file(
            "--methods", methods_of(plan.experiments), *input.runs
        ),
    message:
        "Collect the runs that are there (scale {wildcards.scale})"


rule aggregate_curve:
    input:
        script=script_of("aggregate_curve"),
        code=code_of("aggregate_curve"),
        runs=lambda w: files_of(
            w.scale,
            plan.figures[w.figure].experiment,
            plan.figures[w.figure].methods.values(),
            "runs",
            "csv",
        ),
    output:
        "results/{scale}/curves/{figure}.csv",
    log:
        "results/{scale}/logs/aggregate_curve_{figure}.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        shows=lambda w: plan.figures[w.figure].shows,
        runs=lambda w, input: in_a_file(
            "--methods", json.dumps(plan.figures[w.figure].runs), *input.runs
        ),
        stop_fraction=lambda w: plan.figures[w.figure].stop_fraction,
    message:
        "Aggregate the curves of {wildcards.figure} (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --figure {wildcards.figure:q} --shows {params.shows:q}"
        " --stop-fraction {params.stop_fraction:q}"
        " --output {output:q} {params.runs:q} 2> {log:q}"


rule combine_curves:
    input:
        script=script_of("combine_curves"),
        code=code_of("combine_curves"),
        curves=lambda w: expand(
            "results/{scale}/curves/{figure}.csv",
            scale=w.scale,
            figure=[
                name
                for name, figure in plan.at(w.scale).figures.items()
                if figure.shows.endswith("_accuracy")
            ],
        ),
    output:
        "results/{scale}/curves.csv",
    log:
        "results/{scale}/logs/combine_curves.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        curves=lambda w, input: in_a_file(*input.curves),
    message:
        "Combine the curves of all figures (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --output {output:q} {params.curves:q} 2> {log:q}"


rule compare_masks:
    input:
        script=script_of("compare_masks"),
        code=code_of("compare_masks"),
        networks=lambda w: joined(networks_to_compare(w)),
    output:
        "results/{scale}/{experiment}/agreement.csv",
    log:
        "results/{scale}/logs/compare_masks_{experiment}.txt",
    conda:
        "../../envs/train.yaml"
    threads: 1
    params:
        networks=lambda w: in_a_file("--networks", json.dumps(networks_to_compare(w))),
    message:
        "Compare the masks of {wildcards.experiment} with the oracle's (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --experiment {wildcards.experiment:q}"
        " {params.networks:q} --output {output:q} 2> {log:q}"


rule measure_sizes:
    input:
        script=script_of("measure_sizes"),
        code=lambda w: code_of("measure_sizes", model_of(w)),
        networks=lambda w: joined(networks_of_all(w)),
    output:
        "results/{scale}/{experiment}/sizes.csv",
    log:
        "results/{scale}/logs/measure_sizes_{experiment}.txt",
    conda:
        "../../envs/train.yaml"
    threads: 1
    params:
        settings=lambda w: plan.at(w.scale).settings(w.experiment).to_json(),
        image=lambda w: json.dumps(
            config["datasets"][config["experiments"][w.experiment]["dataset"]]["image"]
        ),
        networks=lambda w: in_a_file("--networks", json.dumps(networks_of_all(w))),
    message:
        "Count the parameters of {wildcards.experiment} (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --settings {params.settings:q} --image {params.image:q}"
        " {params.networks:q} --output {output:q} 2> {log:q}"


rule tabulate_removable:
    input:
        script=script_of("tabulate_removable"),
        code=code_of("tabulate_removable"),
        runs="results/{scale}/runs.csv",
        sizes=lambda w: expand(
            "results/{scale}/{experiment}/sizes.csv",
            scale=w.scale,
            experiment=plan.at(w.scale).experiments,
        ),
    output:
        "results/{scale}/removable.csv",
    log:
        "results/{scale}/logs/tabulate_removable.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        sizes=lambda w, input: in_a_file(
            *("--methods", methods_of(plan.at(w.scale).experiments)),
            *("--classes", classes_of(w.scale)),
            *("--sizes", *input.sizes),
        ),
    message:
        "Tabulate how much can go (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --runs {input.runs:q} --output {output:q}"
        " {params.sizes:q} 2> {log:q}"


rule compare_criteria:
    input:
        script=script_of("compare_criteria"),
        code=code_of("compare_criteria"),
        runs=lambda w: runs_of_criteria(w.scale),
    output:
        criteria="results/{scale}/criteria.csv",
        ranks="results/{scale}/ranks.csv",
        layers="results/{scale}/layers.csv",
    log:
        "results/{scale}/logs/compare_criteria.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        experiments=lambda w, input: in_a_file(
            *("--methods", methods_of(plan.at(w.scale).criteria)),
            *("--classes", classes_of(w.scale)),
            *("--reductions", reductions_of(w.scale)),
            *("--runs", *input.runs),
        ),
    message:
        "Compare criteria (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --scale {wildcards.scale:q} --criteria {output.criteria:q}"
        " --ranks {output.ranks:q} --layers {output.layers:q} {params.experiments:q} 2> {log:q}"
