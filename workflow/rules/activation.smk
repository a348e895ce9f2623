"""activation: what networks make of the probe rows of their data set, a bundle a job.

Needs the files of networks and results/dataset/{dataset}.h5.
Gives results/activation/{bundle}.h5.
"""


rule compute_activations:
    input:
        networks=lambda wildcards: files_of(study.networks_of(wildcards.bundle)),
        dataset=lambda wildcards: study.dataset_of(wildcards.bundle),
    output:
        "results/activation/{bundle}.h5",
    log:
        "logs/compute_activations/{bundle}.log",
    benchmark:
        "results/benchmark/compute_activations/{bundle}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(lambda wildcards: study.need.bundle("activation", wildcards.bundle)),
        runtime=runtime(lambda wildcards: study.need.bundle("activation", wildcards.bundle)),
    params:
        inputs=planned_inputs,
        networks=lambda wildcards: study.networks_of(wildcards.bundle),
        ids=lambda wildcards: [m.id for m in study.bundles[wildcards.bundle].members],
        trained_with=lambda wildcards: study.evaluation(wildcards.bundle),
        options=study.config.activation.model_dump(),
        code=code_of,
    script:
        "../scripts/compute_activations.py"
