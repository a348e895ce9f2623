"""graph: the weights of a network as a directed weighted graph.

Needs results/network/{dataset}/{variant}/seed_{seed}.h5.
Gives results/graph/{dataset}/{variant}/seed_{seed}.h5.
"""

from netkin.graph.build import build_graph


rule build_graph:
    input:
        network=f"results/network/{NETWORK}.h5",
    output:
        graph=f"results/graph/{NETWORK}.h5",
    log:
        f"logs/build_graph/{NETWORK}.log",
    benchmark:
        f"results/benchmark/build_graph/{NETWORK}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        options=study.config.graph.model_dump(),
        code=code_digest(build_graph),
    script:
        "../scripts/build_graph.py"
