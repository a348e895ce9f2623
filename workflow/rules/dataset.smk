"""dataset: read, check and store the arrays of a data set, or the features of its images.

Needs the data files of the config's `data_folder` (downloaded when missing, where that is
possible). Those that no checksum fixes are inputs: another text makes the data set anew.
Gives results/dataset/{dataset}.h5; before it results/dataset/{dataset}.images.h5, where the
data set has an extractor.
"""


rule prepare_dataset:
    input:
        lambda wildcards: prepared(wildcards).files(),
    output:
        dataset="results/dataset/{prepared}.h5",
    log:
        "logs/prepare_dataset/{prepared}.log",
    benchmark:
        "results/benchmark/prepare_dataset/{prepared}.tsv"
    wildcard_constraints:
        prepared=one_of(dataset.prepared for dataset in study.datasets.values()),
    conda:
        "../../envs/network.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(lambda wildcards: prepared(wildcards).need()),
        runtime=runtime(lambda wildcards: prepared(wildcards).need()),
        # a place, not content: data files moved elsewhere must not retrain the grid
        data_folder=study.config.data_folder,
    params:
        kind=lambda wildcards: prepared(wildcards).section.kind,
        options=lambda wildcards: prepared(wildcards).options,
        # their dates say little: a copy may keep an old one
        files=lambda wildcards: prepared(wildcards).digests(),
        code=code_of,
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
        dataset=one_of(name for name, one in study.datasets.items() if one.section.extractor),
    conda:
        "../../envs/network.yaml"
    threads: study.config.network.threads
    resources:
        mem_mb=mem_mb(lambda wildcards: study.need.features(wildcards.dataset)),
        runtime=runtime(lambda wildcards: study.need.features(wildcards.dataset)),
    params:
        inputs=planned_inputs,
        # among it the threads, not what Snakemake grants, which fewer cores change
        extraction=lambda wildcards: study.datasets[wildcards.dataset].extraction(),
        device=study.config.network.device,
        code=code_of,
    script:
        "../scripts/extract_features.py"
