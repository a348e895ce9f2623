"""dataset: read, check and store the arrays of a data set, or the features of its images.

Needs the data files of the config's `data_folder` (downloaded when missing, where that is
possible). Those that no checksum fixes are inputs: another text makes the data set anew.
Gives results/dataset/{dataset}.h5; before it results/dataset/{dataset}.images.h5, where the
data set has an extractor.
"""


rule prepare_dataset:
    input:
        lambda wildcards: study.dataset_files(PREPARED[wildcards.prepared]),
    output:
        dataset="results/dataset/{prepared}.h5",
    log:
        "logs/prepare_dataset/{prepared}.log",
    benchmark:
        "results/benchmark/prepare_dataset/{prepared}.tsv"
    conda:
        "../../envs/network.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: study.need_of_dataset(
            PREPARED[wildcards.prepared]
        ).mem_mb(attempt),
        runtime=lambda wildcards, attempt: study.need_of_dataset(
            PREPARED[wildcards.prepared]
        ).runtime(attempt),
        # a place, not content: data files moved elsewhere must not retrain the grid
        data_folder=study.config.data_folder,
    params:
        kind=lambda wildcards: study.dataset(PREPARED[wildcards.prepared]).kind,
        options=lambda wildcards: study.dataset_options(PREPARED[wildcards.prepared]),
        # their dates say little: a copy may keep an old one
        files=lambda wildcards: study.dataset_digests(PREPARED[wildcards.prepared]),
        code=planned_code,
    script:
        "../scripts/prepare_dataset.py"


rule extract_features:
    input:
        images="results/dataset/{dataset}.images.h5",
    output:
        dataset="results/dataset/{dataset}.h5",
    log:
        "logs/extract_features/{dataset}.log",
    benchmark:
        "results/benchmark/extract_features/{dataset}.tsv"
    wildcard_constraints:
        # no id has a hyphen: where no data set has an extractor, nothing matches
        dataset="|".join(EXTRACTED) or "-",
    conda:
        "../../envs/network.yaml"
    threads: study.config.network.threads
    resources:
        mem_mb=lambda wildcards, attempt: study.need_of_features(wildcards.dataset).mem_mb(attempt),
        runtime=lambda wildcards, attempt: study.need_of_features(wildcards.dataset).runtime(
            attempt
        ),
    params:
        inputs=planned_inputs,
        extraction=lambda wildcards: study.extraction(wildcards.dataset),
        device=study.config.network.device,
        # not what Snakemake grants, which fewer cores or --set-threads change
        threads=study.config.network.threads,
        code=planned_code,
    script:
        "../scripts/extract_features.py"
