# From runs to networks for use elsewhere, and how fast they are.
#   needs  results/{scale}/{experiment}/{run}/networks_seeds{seeds}.safetensors and its provenance
#          (train.smk); results/data/{dataset}.safetensors (data.smk)
#   makes  results/{scale}/{experiment}/export/{run}_seed{seed}.onnx: the smallest network of the run
#          within a point of the unpruned accuracy; {run}_seed{seed}_cycle{cycle}.onnx: any other.
#          Beside it, _by8.onnx and _by16.onnx: with widths rounded up; and a card (.json) of each.
#          {run} is a method's folder, or baseline: the unpruned network
#          results/{scale}/{experiment}/speed.csv: how long networks of `minimum` take beside the
#          unpruned one, measured (and its provenance); results/{scale}/speed.csv: all of them
# None of it is made unless somebody asks for it.


include: "functions/export.smk"


rule export_network:
    input:
        script=script_of("export_network"),
        code=lambda w: code_of("export_network", model_of(w)),
        networks=lambda w: of_the_run(w, "networks", "safetensors"),
        provenance=lambda w: of_the_run(w, "provenance", "json"),
        dataset=lambda w: f"results/data/{settings_of_run(w).dataset}.safetensors",
    output:
        onnx="results/{scale}/{experiment}/export/{run}_seed{seed}{cycle}.onnx",
        others=expand(
            "results/{{scale}}/{{experiment}}/export/{{run}}_seed{{seed}}{{cycle}}{form}",
            form=[".json", "_by8.onnx", "_by8.json", "_by16.onnx", "_by16.json"],
        ),
    log:
        "results/{scale}/logs/export_network_{experiment}_{run}_seed{seed}{cycle}.txt",
    wildcard_constraints:
        run=r"[^/]+",  # one that is not configured is refused with those that are
        seed=r"0|[1-9]\d*",
        cycle=r"(_cycle(0|[1-9]\d*))?",
    conda:
        "../../envs/train.yaml"
    threads: 1
    params:
        settings=lambda w: settings_of_run(w).to_json(),
        versions=versions_of("export"),
        method=lambda w: name_of_run(w),
        cycle=lambda w: ["--cycle", w.cycle.removeprefix("_cycle")] if w.cycle else [],
    message:
        "Export {wildcards.experiment}, {wildcards.run}, seed {wildcards.seed} (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --settings {params.settings:q} --method {params.method:q}"
        " --seed {wildcards.seed:q} {params.cycle:q} --networks {input.networks:q}"
        " --provenance {input.provenance:q} --dataset {input.dataset:q}"
        " --output {output.onnx:q} 2> {log:q}"


rule measure_latency:
    input:
        script=script_of("measure_latency"),
        code=code_of("measure_latency"),
        unpruned="results/{scale}/{experiment}/export/baseline_seed0.onnx",
        pruned=expand(
            "results/{{scale}}/{{experiment}}/export/minimum_seed0{form}.onnx",
            form=["", "_by8", "_by16"],
        ),
    output:
        speed="results/{scale}/{experiment}/speed.csv",
        provenance="results/{scale}/{experiment}/speed_provenance.json",
    log:
        "results/{scale}/logs/measure_latency_{experiment}.txt",
    conda:
        "../../envs/train.yaml"
    # it computes with one, and takes all of them, so that no other job is measured with it
    threads: workflow.resource_settings.cores or 1
    message:
        "Measure how fast {wildcards.experiment} is (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --unpruned {input.unpruned:q} --pruned {input.pruned:q}"
        " --output {output.speed:q} --provenance {output.provenance:q} 2> {log:q}"


rule collect_speed:
    input:
        script=script_of("collect_speed"),
        code=code_of("collect_speed"),
        tables=lambda w: expand(
            "results/{scale}/{experiment}/speed.csv",
            scale=w.scale,
            experiment=measured_at(w.scale),
        ),
    output:
        "results/{scale}/speed.csv",
    log:
        "results/{scale}/logs/collect_speed.txt",
    conda:
        "../../envs/plot.yaml"
    threads: 1
    params:
        tables=lambda w, input: in_a_file(*input.tables),
    message:
        "Collect how fast networks are (scale {wildcards.scale})"
    shell:
        "python {input.script:q} --output {output:q} {params.tables:q} 2> {log:q}"
