# From curves to figures.
#   needs  results/{scale}/curves/{figure}.csv (aggregate.smk); with `overlay`, the paper's curves
#   makes  figures/{scale}/{figure}.png and .svg


rule plot_figure:
    input:
        script=script_of("plot_figure"),
        code=code_of("plot_figure"),
        curve="results/{scale}/curves/{figure}.csv",
        paper=lambda w: [reference("paper_curves.csv")] if overlaid(w) else [],
    output:
        png=report(
            "figures/{scale}/{figure}.png",
            caption="../report/figure.rst",
            category="Figures",
            subcategory=lambda w: config["experiments"][
                figure_config(w)["experiment"]
            ]["dataset"],
            labels=lambda w: {
                "figure": w.figure,
                "experiment": figure_config(w)["experiment"],
                "shows": figure_config(w)["shows"],
                "scale": w.scale,
            },
        ),
        svg="figures/{scale}/{figure}.svg",
    log:
        "results/{scale}/logs/plot_figure_{figure}.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        face=lambda w: json.dumps(
            {
                "title": figure_config(w)["title"],
                "scale": w.scale,
                "reductions": reductions(w.scale, figure_config(w)["experiment"]),
                "note": configuration.note(config, w.scale),
                "shows": figure_config(w)["shows"],
                "unit": (
                    "nodes"
                    if config["experiments"][figure_config(w)["experiment"]]["model"]
                    == "FC"
                    else "filters"
                ),
            }
        ),
        overlay=lambda w, input: (
            ["--paper", *input.paper, "--figure", overlaid(w)] if input.paper else []
        ),
    message:
        "Draw {wildcards.figure} (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --curve {input.curve:q} --face {params.face:q}"
        " {params.overlay:q} --png {output.png:q} --svg {output.svg:q} 2> {log:q}"
