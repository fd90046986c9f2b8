# From tables to figures.
#   needs  results/{scale}/curves/{figure}.csv, results/{scale}/removable.csv (tables.smk); with
#          `overlay`, the paper's curves
#   makes  figures/{scale}/{figure}.png and .svg
#          figures/{scale}/removable.png and .svg: how much can go
#          figures/{scale}/speed.png and .svg, if they are asked for: accuracy against latency, by
#          results/{scale}/speed.csv (export.smk)


from dropnet.publish import record


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
