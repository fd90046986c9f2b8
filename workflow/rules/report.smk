# From tables and figures to the report.
#   needs  results/{scale}/claims.csv (claims.smk), removable.csv (tables.smk), figures/{scale}
#          (figures.smk), the provenance of the training jobs (train.smk), and what is published of
#          other scales; how fast networks are (export.smk, figures.smk), if that has been measured; criteria.csv and its figures, if the scale compares criteria
#   makes  results/{scale}/report.html: all of it in one file, to look at


include: "functions/report.smk"


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
            "figures/{scale}/{figure}.png",
            scale=w.scale,
            figure=plan.at(w.scale).figures,
        ),
        provenance=lambda w: provenance_of_all(w.scale),
        published=lambda w: published_claims(w.scale),
        speed=lambda w: speed_of(w.scale),
        criteria=lambda w: criteria_of(w.scale),
        beside=lambda w: [p["published"] for p in pictures(w.scale) if p["published"]],
    output:
        "results/{scale}/report.html",
    log:
        "results/{scale}/logs/make_report.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        note=lambda w: plan.at(w.scale).note,
        shown=lambda w, input: in_a_file(
            *("--pictures", json.dumps(pictures(w.scale))),
            *("--provenance", *input.provenance),
            *("--published", *input.published),
            *(["--speed", *input.speed] if input.speed else []),
            *(["--criteria", *input.criteria] if input.criteria else []),
        ),
    message:
        "Write the report (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --scale {wildcards.scale:q} --note={params.note:q}"
        " --claims {input.claims:q} --removable {input.removable:q}"
        " --overview {input.overview:q} --output {output:q} {params.shown:q}"
        " 2> {log:q}"


rule report:
    input:
        final_files(config["scale"]),
        f"results/{config['scale']}/report.html",
