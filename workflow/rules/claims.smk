# From runs to verdicts.
#   needs  results/{scale}/runs.csv (tables.smk), workflow/reference: claims and the paper's curves
#   makes  results/{scale}/claims.csv: one row a statement, judged by our runs and by the paper's figure
#          results/{scale}/claims_so_far.csv: the same, by the runs that are there


include: "functions/claims.smk"


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
        figures=lambda w: in_a_file(
            "--figures", json.dumps(drawn_from(w.scale, plan.at(w.scale).figures))
        ),
    message:
        "Judge the paper's claims (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --runs {input.runs:q} --claims {input.claims:q}"
        " --paper {input.paper:q} {params.figures:q} --output {output:q} 2> {log:q}"


# the same, for whoever has run some of it
use rule judge_claims as judge_claims_so_far with:
    input:
        script=script_of("judge_claims"),
        code=code_of("judge_claims"),
        runs="results/{scale}/runs_so_far.csv",
        claims=reference("claims.yaml"),
        paper=reference("paper_curves.csv"),
    output:
        "results/{scale}/claims_so_far.csv",
    log:
        "results/{scale}/logs/judge_claims_so_far.txt",
    params:
        figures=lambda w: in_a_file(
            "--figures", json.dumps(drawn_from(w.scale, plan.figures))
        ),
    message:
        "Judge the paper's claims by the runs that are there (scale {wildcards.scale})"
