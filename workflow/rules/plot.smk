# From curves to figures.
#   needs  results/{scale}/curves/{figure}.csv (aggregate.smk)
#   makes  figures/{scale}/{figure}.png and .svg


def face_of(wildcards):
    """What a figure says beside its curves, as JSON."""
    figure = figure_config(wildcards)
    experiment = figure["experiment"]
    model = config["experiments"][experiment]["model"]
    return json.dumps(
        {
            "title": figure["title"],
            "scale": wildcards.scale,
            "reductions": reductions(wildcards.scale, experiment),
            "shows": figure["shows"],
            "unit": "nodes" if model == "FC" else "filters",
        }
    )


rule plot_figure:
    input:
        script=script_of("plot_figure"),
        code=code_of("plot_figure"),
        curve="results/{scale}/curves/{figure}.csv",
    output:
        png="figures/{scale}/{figure}.png",
        svg="figures/{scale}/{figure}.svg",
    log:
        "results/{scale}/logs/plot_figure_{figure}.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        face=face_of,
    shell:
        "python {input.script:q} --curve {input.curve:q} --face {params.face:q}"
        " --png {output.png:q} --svg {output.svg:q} 2> {log:q}"
