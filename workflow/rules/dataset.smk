"""dataset: read, check and store the arrays of a data set.

Needs the data files of the config's `data_folder` (downloaded when missing).
Gives results/dataset/{dataset}.h5.
"""

from netkin.dataset import DATASETS
from netkin.dataset.prepare import prepare_dataset


rule prepare_dataset:
    output:
        dataset="results/dataset/{dataset}.h5",
    log:
        "logs/prepare_dataset/{dataset}.log",
    benchmark:
        "results/benchmark/prepare_dataset/{dataset}.tsv"
    conda:
        "../../envs/network.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
        # a place, not content: data files moved elsewhere must not retrain the grid
        data_folder=study.config.data_folder,
    params:
        kind=lambda wildcards: study.dataset(wildcards.dataset).kind,
        options=lambda wildcards: study.dataset_options(wildcards.dataset),
        code=lambda wildcards: code_digest(
            prepare_dataset, DATASETS[study.dataset(wildcards.dataset).kind]
        ),
    script:
        "../scripts/prepare_dataset.py"
