# From tables to figures.
#   needs  results/{scale}/curves/{figure}.csv, results/{scale}/removable.csv (tables.smk); with
#          `overlay`, the paper's curves
#   makes  figures/{scale}/{figure}.png and .svg
#          figures/{scale}/removable.png and .svg: how much can go
#          figures/{scale}/speed.png and .svg, if they are asked for: accuracy against latency, by
#          results/{scale}/speed.csv (export.smk)
#          of experiments that compare criteria, by results/{scale}/criteria.csv, ranks.csv and layers.csv
#          (tables.smk): figures/{scale}/criteria.png and .svg, each beside a random choice;
#          criteria_families_{experiment}, criteria_ranks_{experiment}, criteria_layers_{experiment}, and
#          criteria_agreement_{experiment} where there is an oracle


from dropnet.settings import unit_of


include: "functions/figures.smk"


rule plot_figure:
    input:
        script=script_of("plot_figure"),
        code=code_of("plot_figure"),
        curve="results/{scale}/curves/{figure}.csv",
        paper=lambda w: (
            [reference("paper_curves.csv")] if plan.figures[w.figure].behind else []
        ),
    output:
        png="figures/{scale}/{figure}.png",
        svg="figures/{scale}/{figure}.svg",
    log:
        "results/{scale}/logs/plot_figure_{figure}.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        face=lambda w: json.dumps(face(w.scale, plan.figures[w.figure])),
        overlay=lambda w, input: (
            ["--paper", *input.paper, "--figure", plan.figures[w.figure].behind]
            if input.paper
            else []
        ),
    message:
        "Draw {wildcards.figure} (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --curve {input.curve:q} --face {params.face:q}"
        " {params.overlay:q} --png {output.png:q} --svg {output.svg:q} 2> {log:q}"


rule plot_removable:
    input:
        script=script_of("plot_removable"),
        code=code_of("plot_removable"),
        removable="results/{scale}/removable.csv",
    output:
        png="figures/{scale}/removable.png",
        svg="figures/{scale}/removable.svg",
    log:
        "results/{scale}/logs/plot_removable.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        note=lambda w: plan.at(w.scale).caption,
    message:
        "Draw how much can go (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --removable {input.removable:q} --note {params.note:q}"
        " --png {output.png:q} --svg {output.svg:q} 2> {log:q}"


rule plot_speed:
    input:
        script=script_of("plot_speed"),
        code=code_of("plot_speed"),
        speed="results/{scale}/speed.csv",
    output:
        png="figures/{scale}/speed.png",
        svg="figures/{scale}/speed.svg",
    log:
        "results/{scale}/logs/plot_speed.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        note=lambda w: plan.at(w.scale).caption,
    message:
        "Draw how fast networks are (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --speed {input.speed:q} --note {params.note:q}"
        " --png {output.png:q} --svg {output.svg:q} 2> {log:q}"


rule plot_contrasts:
    input:
        script=script_of("plot_contrasts"),
        code=code_of("plot_contrasts"),
        criteria="results/{scale}/criteria.csv",
    output:
        png="figures/{scale}/criteria.png",
        svg="figures/{scale}/criteria.svg",
    log:
        "results/{scale}/logs/plot_contrasts.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        note=lambda w: plan.at(w.scale).caption_of(plan.at(w.scale).criteria),
    message:
        "Draw criteria beside a random choice (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --criteria {input.criteria:q} --note {params.note:q}"
        " --png {output.png:q} --svg {output.svg:q} 2> {log:q}"


rule plot_families:
    input:
        script=script_of("plot_families"),
        code=code_of("plot_families"),
        runs="results/{scale}/{experiment}/runs.csv",
    output:
        png="figures/{scale}/criteria_families_{experiment}.png",
        svg="figures/{scale}/criteria_families_{experiment}.svg",
    log:
        "results/{scale}/logs/plot_families_{experiment}.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        note=lambda w: plan.at(w.scale).caption_of([w.experiment]),
        unit=lambda w: unit(w.experiment),
        methods=lambda w: in_a_file("--methods", methods_of([w.experiment])),
    message:
        "Draw the accuracies of the criteria of {wildcards.experiment} (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --runs {input.runs:q} --note {params.note:q}"
        " --unit {params.unit:q} {params.methods:q} --png {output.png:q} --svg {output.svg:q} 2> {log:q}"


rule plot_ranks:
    input:
        script=script_of("plot_ranks"),
        code=code_of("plot_ranks"),
        ranks=lambda w: table_of_compared("ranks", w.scale, w.experiment),
    output:
        png="figures/{scale}/criteria_ranks_{experiment}.png",
        svg="figures/{scale}/criteria_ranks_{experiment}.svg",
    log:
        "results/{scale}/logs/plot_ranks_{experiment}.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        note=lambda w: plan.at(w.scale).caption_of([w.experiment]),
        unit=lambda w: unit(w.experiment),
    message:
        "Draw the ranks of the criteria of {wildcards.experiment} (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --ranks {input.ranks:q} --note {params.note:q}"
        " --unit {params.unit:q} --experiment {wildcards.experiment:q} --png {output.png:q} --svg {output.svg:q} 2> {log:q}"


rule plot_layers:
    input:
        script=script_of("plot_layers"),
        code=code_of("plot_layers"),
        layers=lambda w: table_of_compared("layers", w.scale, w.experiment),
    output:
        png="figures/{scale}/criteria_layers_{experiment}.png",
        svg="figures/{scale}/criteria_layers_{experiment}.svg",
    log:
        "results/{scale}/logs/plot_layers_{experiment}.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        note=lambda w: plan.at(w.scale).caption_of([w.experiment]),
    message:
        "Draw what is kept of each layer of {wildcards.experiment} (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --layers {input.layers:q} --note {params.note:q}"
        " --experiment {wildcards.experiment:q} --png {output.png:q} --svg {output.svg:q} 2> {log:q}"


rule plot_agreement:
    input:
        script=script_of("plot_agreement"),
        code=code_of("plot_agreement"),
        agreement="results/{scale}/{experiment}/agreement.csv",
    output:
        png="figures/{scale}/criteria_agreement_{experiment}.png",
        svg="figures/{scale}/criteria_agreement_{experiment}.svg",
    log:
        "results/{scale}/logs/plot_agreement_{experiment}.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        note=lambda w: plan.at(w.scale).caption_of([w.experiment]),
        unit=lambda w: unit(w.experiment),
    message:
        "Draw the agreement with the oracle of {wildcards.experiment} (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --agreement {input.agreement:q} --note {params.note:q}"
        " --unit {params.unit:q} --png {output.png:q} --svg {output.svg:q} 2> {log:q}"
