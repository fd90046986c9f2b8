# From tables and figures to the report.
#   needs  results/{scale}/claims.csv, removable.csv (claims.smk), figures/{scale} (plot.smk), and
#          the provenance of the training jobs (train.smk)
#   makes  figures/{scale}/removable.png and .svg: how much can go
#          results/{scale}/report.html: all of it in one file, to look at


rule plot_removable:
    input:
        script=script_of("plot_removable"),
        code=code_of("plot_removable"),
        removable="results/{scale}/removable.csv",
    output:
        png=report(
            "figures/{scale}/removable.png",
            caption="../report/removable.rst",
            category="How much can go",
            labels={"scale": "{scale}", "shows": "share removed within 1 point"},
        ),
        svg="figures/{scale}/removable.svg",
    log:
        "results/{scale}/logs/plot_removable.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        note=lambda w: scale_note(w.scale),
    message:
        "Draw how much can go (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --removable {input.removable:q} --note {params.note:q}"
        " --png {output.png:q} --svg {output.svg:q} 2> {log:q}"


rule make_report:
    input:
        script=script_of("make_report"),
        code=code_of("make_report"),
        template="workflow/report/report.html.j2",
        says=reference("claims.yaml"),
        claims="results/{scale}/claims.csv",
        removable="results/{scale}/removable.csv",
        overview="figures/{scale}/removable.png",
        figures=lambda w: expand(
            "figures/{scale}/{figure}.png", scale=w.scale, figure=all_figures(w.scale)
        ),
        provenance=lambda w: provenance_of_all(w.scale),
    output:
        "results/{scale}/report.html",
    log:
        "results/{scale}/logs/make_report.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        note=lambda w: configuration.note(config, w.scale),
        pictures=lambda w: json.dumps(pictures(w.scale)),
    message:
        "Write the report (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --scale {wildcards.scale:q} --note {params.note:q}"
        " --claims {input.claims:q} --removable {input.removable:q}"
        " --overview {input.overview:q} --pictures {params.pictures:q} --output {output:q}"
        " --provenance {input.provenance:q} 2> {log:q}"


rule report:
    input:
        final_files(config["scale"]),
        f"results/{config['scale']}/report.html",
