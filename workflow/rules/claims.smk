# From runs to verdicts.
#   needs  results/{scale}/runs.csv (aggregate.smk), workflow/reference: claims and the paper's curves
#   makes  results/{scale}/claims.csv: one row a statement, judged by our runs and by the paper's figure
#          results/{scale}/{experiment}/sizes.csv: parameters and multiply-adds of each network
#          results/{scale}/removable.csv: how much can go at a loss of 0.5, 1 and 2 points


rule judge_claims:
    input:
        script=script_of("judge_claims"),
        code=code_of("judge_claims"),
        runs="results/{scale}/runs.csv",
        claims=reference("claims.yaml"),
        paper=reference("paper_curves.csv"),
    output:
        "results/{scale}/claims.csv",
    log:
        "results/{scale}/logs/judge_claims.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        figures=lambda w: json.dumps(drawn_from(w.scale)),
    message:
        "Judge the paper's claims (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --runs {input.runs:q} --claims {input.claims:q}"
        " --paper {input.paper:q} --figures {params.figures:q} --output {output:q} 2> {log:q}"


rule measure_sizes:
    input:
        script=script_of("measure_sizes"),
        code=code_of("measure_sizes"),
        networks=lambda w: [
            file for files in networks_of_all(w).values() for file in files
        ],
    output:
        "results/{scale}/{experiment}/sizes.csv",
    log:
        "results/{scale}/logs/measure_sizes_{experiment}.txt",
    conda:
        "../../envs/train.yaml"
    threads: 1
    params:
        settings=lambda w: experiment_settings(w).to_json(),
        image=lambda w: json.dumps(
            config["datasets"][experiment_settings(w).dataset]["image"]
        ),
        networks=lambda w: json.dumps(networks_of_all(w)),
    message:
        "Count the parameters of {wildcards.experiment} (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --settings {params.settings:q} --image {params.image:q}"
        " --networks {params.networks:q} --output {output:q} 2> {log:q}"


rule tabulate_removable:
    input:
        script=script_of("tabulate_removable"),
        code=code_of("tabulate_removable"),
        runs="results/{scale}/runs.csv",
        sizes=lambda w: expand(
            "results/{scale}/{experiment}/sizes.csv",
            scale=w.scale,
            experiment=all_experiments(w.scale),
        ),
    output:
        "results/{scale}/removable.csv",
    log:
        "results/{scale}/logs/tabulate_removable.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        methods=lambda w: methods_by_experiment(w.scale),
    message:
        "Tabulate how much can go (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --runs {input.runs:q} --methods {params.methods:q}"
        " --output {output:q} --sizes {input.sizes:q} 2> {log:q}"
