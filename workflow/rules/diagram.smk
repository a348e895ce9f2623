"""diagram: persistent homology of the directed flag complexes of networks, a bundle a job.

Needs the files of networks. Gives results/diagram/{bundle}.h5, the raw intervals.
"""


rule compute_diagrams:
    input:
        lambda wildcards: files_of(study.networks_of(wildcards.bundle)),
    output:
        "results/diagram/{bundle}.h5",
    log:
        "logs/compute_diagrams/{bundle}.log",
    benchmark:
        "results/benchmark/compute_diagrams/{bundle}.tsv"
    conda:
        "../../envs/diagram.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(lambda wildcards: study.need.bundle("diagram", wildcards.bundle)),
        runtime=runtime(lambda wildcards: study.need.bundle("diagram", wildcards.bundle)),
    params:
        inputs=planned_inputs,
        networks=lambda wildcards: study.networks_of(wildcards.bundle),
        ids=lambda wildcards: [m.id for m in study.bundles[wildcards.bundle].members],
        graph=study.graph(),
        options=study.diagram(),
        code=code_of,
    script:
        "../scripts/compute_diagrams.py"
