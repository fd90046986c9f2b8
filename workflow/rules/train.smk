# Training.
#   needs  results/data/{dataset}.safetensors and its split (data.smk)
#   makes  results/{scale}/{experiment}/baseline/: initial weights and the unpruned cycle, once a seed
#          results/{scale}/{experiment}/{method}/: the pruning cycles of one method
#          results/{scale}/{experiment}/{metric}_random_init/: the networks that `metric` left in
#          each cycle, trained from a fresh initialisation
#          results/{scale}/{experiment}/{metric}_shuffled/: networks of the widths that `metric` left,
#          nodes at random
# A block of seeds (0-14, say) trains as one stack, in one job with one thread. An interrupted job
# goes on after its last finished cycle, or epoch of a long cycle; it keeps them in
# cycles_seeds{seeds}/.


include: "functions/train.smk"


rule train_baseline:
    input:
        script=script_of("train_baseline"),
        code=lambda w: code_of("train_baseline", *modules_of(w)),
        dataset=dataset_file,
        split=split_file,
    output:
        runs="results/{scale}/{experiment}/baseline/runs_seeds{seeds}.csv",
        initial="results/{scale}/{experiment}/baseline/initial_seeds{seeds}.safetensors",
        networks="results/{scale}/{experiment}/baseline/networks_seeds{seeds}.safetensors",
        provenance="results/{scale}/{experiment}/baseline/provenance_seeds{seeds}.json",
    log:
        "results/{scale}/{experiment}/baseline/log_seeds{seeds}.txt",
    conda:
        "../../envs/train.yaml"
    threads: 1
    params:
        settings=lambda w: settings_of(w).to_json(),
        versions=versions_of("train"),
        # where it is trained makes nothing stale: no comparison of a parameter that asks for `output`
        device=lambda w, output: config["device"],
        # not an output: Snakemake removes the outputs of an interrupted job
        finished="results/{scale}/{experiment}/baseline/cycles_seeds{seeds}",
    message:
        "Train the unpruned {wildcards.experiment} (scale {wildcards.scale}, seeds {wildcards.seeds})"
    shell:
        "python {input.script:q} --settings {params.settings:q} --seeds {wildcards.seeds:q}"
        " --device {params.device:q} --finished {params.finished:q}"
        " --dataset {input.dataset:q} --split {input.split:q}"
        " --runs {output.runs:q} --initial {output.initial:q} --networks {output.networks:q}"
        " --provenance {output.provenance:q} 2> {log:q}"


rule prune_network:
    input:
        script=script_of("prune_network"),
        code=lambda w: code_of(
            "prune_network",
            *modules_of(w),
            METRICS[plan.methods[w.method].metric].module,
        ),
        dataset=dataset_file,
        split=split_file,
        initial="results/{scale}/{experiment}/baseline/initial_seeds{seeds}.safetensors",
        unpruned="results/{scale}/{experiment}/baseline/networks_seeds{seeds}.safetensors",
    output:
        runs="results/{scale}/{experiment}/{method}/runs_seeds{seeds}.csv",
        networks="results/{scale}/{experiment}/{method}/networks_seeds{seeds}.safetensors",
        provenance="results/{scale}/{experiment}/{method}/provenance_seeds{seeds}.json",
    log:
        "results/{scale}/{experiment}/{method}/log_seeds{seeds}.txt",
    conda:
        "../../envs/train.yaml"
    threads: 1
    params:
        settings=lambda w: settings_of(w).to_json(),
        versions=versions_of("train"),
        method=lambda w: plan.methods[w.method].name,
        metric=lambda w: plan.methods[w.method].metric,
        rewind=lambda w: (
            "--no-rewind"
            if plan.methods[w.method].variant == "finetune"
            else "--rewind"
        ),
        device=lambda w, output: config["device"],
        # not an output: Snakemake removes the outputs of an interrupted job
        finished="results/{scale}/{experiment}/{method}/cycles_seeds{seeds}",
    message:
        "Prune {wildcards.experiment} by {wildcards.method} (scale {wildcards.scale}, seeds {wildcards.seeds})"
    shell:
        "python {input.script:q} --settings {params.settings:q} --method {params.method:q}"
        " --metric {params.metric:q} {params.rewind:q} --device {params.device:q}"
        " --dataset {input.dataset:q} --split {input.split:q}"
        " --initial {input.initial:q} --unpruned {input.unpruned:q} --finished {params.finished:q}"
        " --runs {output.runs:q} --networks {output.networks:q}"
        " --provenance {output.provenance:q} 2> {log:q}"


rule train_random_init:
    input:
        script=script_of("train_random_init"),
        code=lambda w: code_of("train_random_init", *modules_of(w)),
        dataset=dataset_file,
        split=split_file,
        pruned="results/{scale}/{experiment}/{metric}/networks_seeds{seeds}.safetensors",
    output:
        runs="results/{scale}/{experiment}/{metric}_{variant}/runs_seeds{seeds}.csv",
        networks="results/{scale}/{experiment}/{metric}_{variant}/networks_seeds{seeds}.safetensors",
        provenance="results/{scale}/{experiment}/{metric}_{variant}/provenance_seeds{seeds}.json",
    log:
        "results/{scale}/{experiment}/{metric}_{variant}/log_seeds{seeds}.txt",
    wildcard_constraints:
        variant="random_init",
    conda:
        "../../envs/train.yaml"
    threads: 1
    params:
        settings=lambda w: settings_of(w).to_json(),
        versions=versions_of("train"),
        method=lambda w: f"{w.metric} (random_init)",
        device=lambda w, output: config["device"],
        # not an output: Snakemake removes the outputs of an interrupted job
        finished="results/{scale}/{experiment}/{metric}_{variant}/cycles_seeds{seeds}",
    message:
        "Train what {wildcards.metric} left of {wildcards.experiment} from a fresh initialisation (scale {wildcards.scale}, seeds {wildcards.seeds})"
    shell:
        "python {input.script:q} --settings {params.settings:q} --method {params.method:q}"
        " --device {params.device:q}"
        " --dataset {input.dataset:q} --split {input.split:q}"
        " --pruned {input.pruned:q} --finished {params.finished:q}"
        " --runs {output.runs:q} --networks {output.networks:q}"
        " --provenance {output.provenance:q} 2> {log:q}"


rule prune_shuffled:
    input:
        script=script_of("prune_shuffled"),
        code=lambda w: code_of("prune_shuffled", *modules_of(w)),
        dataset=dataset_file,
        split=split_file,
        initial="results/{scale}/{experiment}/baseline/initial_seeds{seeds}.safetensors",
        pruned="results/{scale}/{experiment}/{metric}/networks_seeds{seeds}.safetensors",
    output:
        runs="results/{scale}/{experiment}/{metric}_{variant}/runs_seeds{seeds}.csv",
        networks="results/{scale}/{experiment}/{metric}_{variant}/networks_seeds{seeds}.safetensors",
        provenance="results/{scale}/{experiment}/{metric}_{variant}/provenance_seeds{seeds}.json",
    log:
        "results/{scale}/{experiment}/{metric}_{variant}/log_seeds{seeds}.txt",
    wildcard_constraints:
        variant="shuffled",
    conda:
        "../../envs/train.yaml"
    threads: 1
    params:
        settings=lambda w: settings_of(w).to_json(),
        versions=versions_of("train"),
        method=lambda w: f"{w.metric} (shuffled)",
        device=lambda w, output: config["device"],
        # not an output: Snakemake removes the outputs of an interrupted job
        finished="results/{scale}/{experiment}/{metric}_{variant}/cycles_seeds{seeds}",
    message:
        "Prune {wildcards.experiment} to the widths of {wildcards.metric}, nodes at random (scale {wildcards.scale}, seeds {wildcards.seeds})"
    shell:
        "python {input.script:q} --settings {params.settings:q} --method {params.method:q}"
        " --device {params.device:q}"
        " --dataset {input.dataset:q} --split {input.split:q}"
        " --initial {input.initial:q} --pruned {input.pruned:q} --finished {params.finished:q}"
        " --runs {output.runs:q} --networks {output.networks:q}"
        " --provenance {output.provenance:q} 2> {log:q}"
