"""vector: diagrams as vectors on one sampling common to all networks, a bundle a job.

Needs results/diagram/{bundle}.h5. Gives results/vector/{vector}/{bundle}.h5.
"""


rule vectorise_diagrams:
    input:
        "results/diagram/{bundle}.h5",
    output:
        "results/vector/{vector}/{bundle}.h5",
    log:
        "logs/vectorise_diagrams/{vector}/{bundle}.log",
    benchmark:
        "results/benchmark/vectorise_diagrams/{vector}/{bundle}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(lambda wildcards: study.need.bundle("vector", wildcards.bundle)),
        runtime=runtime(lambda wildcards: study.need.bundle("vector", wildcards.bundle)),
    params:
        inputs=planned_inputs,
        options=lambda wildcards: study.vector(wildcards.vector),
        policy=study.policy(),
        code=code_of,
    script:
        "../scripts/vectorise_diagrams.py"
