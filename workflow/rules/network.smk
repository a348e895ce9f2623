"""network: train one network for each data set, variant and seed.

Needs results/dataset/{dataset}.h5.
The untrained networks are those after no epoch, in results/network/{dataset}_untrained.
Gives results/network/{dataset}/{variant}/seed_{seed}.h5.
"""

from netkin.network.train import train_network


rule train_network:
    input:
        dataset=lambda wildcards: dataset_file(wildcards.dataset),
    output:
        network=f"results/network/{NETWORK}.h5",
    log:
        f"logs/train_network/{NETWORK}.log",
    benchmark:
        f"results/benchmark/train_network/{NETWORK}.tsv"
    conda:
        "../../envs/network.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: study.need_of_training(
            wildcards.dataset, wildcards.variant
        ).mem_mb(attempt),
        runtime=lambda wildcards, attempt: study.need_of_training(
            wildcards.dataset, wildcards.variant
        ).runtime(attempt),
    params:
        training=lambda wildcards: study.training(
            wildcards.dataset, wildcards.variant, int(wildcards.seed)
        ),
        device=study.config.network.device,
        code=code_digest(train_network),
    script:
        "../scripts/train_network.py"
