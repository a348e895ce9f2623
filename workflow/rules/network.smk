"""network: train the networks of the grid, one a job.

Needs results/dataset/{dataset}.h5.
Gives results/network/{member}.h5; what an untrained network is comes from training without an
epoch.
"""


rule train_network:
    input:
        lambda wildcards: study.path("dataset", study.members[wildcards.member].probe),
    output:
        "results/network/{member}.h5",
    log:
        "logs/train_network/{member}.log",
    benchmark:
        "results/benchmark/train_network/{member}.tsv"
    conda:
        "../../envs/network.yaml"
    threads: study.config.network.threads
    resources:
        mem_mb=mem_mb(lambda wildcards: study.need.network(wildcards.member)),
        runtime=runtime(lambda wildcards: study.need.network(wildcards.member)),
    params:
        inputs=planned_inputs,
        # among it the threads, not what Snakemake grants, which fewer cores change
        training=lambda wildcards: study.source_of[wildcards.member].making(
            study.members[wildcards.member]
        ),
        device=study.config.network.device,
        code=code_of,
    script:
        "../scripts/train_network.py"
