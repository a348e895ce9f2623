"""graph: the weights of a network as a directed weighted graph.

Stages that need a graph make it, which is faster than reading a file; files are for others, and
only where the config has `graph.export: true`.
Needs the file of a network. Gives results/graph/{member}.h5.
"""


rule export_graph:
    input:
        lambda wildcards: files_of([network_of(wildcards)]),
    output:
        "results/graph/{member}.h5",
    log:
        "logs/export_graph/{member}.log",
    benchmark:
        "results/benchmark/export_graph/{member}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(lambda wildcards: study.need.graph(wildcards.member)),
        runtime=runtime(lambda wildcards: study.need.graph(wildcards.member)),
    params:
        inputs=planned_inputs,
        network=network_of,
        options=study.graph(),
        code=code_of,
    script:
        "../scripts/export_graph.py"
