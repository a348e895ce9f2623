"""prediction: class probabilities of networks on all test rows, a bundle a job.

Needs the files of networks and results/dataset/{dataset}.h5.
Gives results/prediction/{bundle}.h5.
"""


rule compute_predictions:
    input:
        networks=lambda wildcards: files_of(study.networks_of(wildcards.bundle)),
        dataset=lambda wildcards: study.dataset_of(wildcards.bundle),
    output:
        "results/prediction/{bundle}.h5",
    log:
        "logs/compute_predictions/{bundle}.log",
    benchmark:
        "results/benchmark/compute_predictions/{bundle}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(lambda wildcards: study.need.bundle("prediction", wildcards.bundle)),
        runtime=runtime(lambda wildcards: study.need.bundle("prediction", wildcards.bundle)),
    params:
        inputs=planned_inputs,
        networks=lambda wildcards: study.networks_of(wildcards.bundle),
        ids=lambda wildcards: [m.id for m in study.bundles[wildcards.bundle].members],
        trained_with=lambda wildcards: study.evaluation(wildcards.bundle),
        code=code_of,
    script:
        "../scripts/compute_predictions.py"
