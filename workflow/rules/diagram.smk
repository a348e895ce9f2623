"""diagram: persistent homology of the directed flag complex of a graph.

Needs results/graph/{dataset}/{variant}/seed_{seed}.h5.
Gives results/diagram/{dataset}/{variant}/seed_{seed}.h5, the raw intervals.
"""

from netkin.diagram.compute import compute_diagram


rule compute_diagram:
    input:
        graph=f"results/graph/{NETWORK}.h5",
    output:
        diagram=f"results/diagram/{NETWORK}.h5",
    log:
        f"logs/compute_diagram/{NETWORK}.log",
    benchmark:
        f"results/benchmark/compute_diagram/{NETWORK}.tsv"
    conda:
        "../../envs/diagram.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        engine=study.config.diagram.engine,
        max_dimension=study.config.diagram.max_dimension,
        code=code_digest(compute_diagram, *study.engines()),
    script:
        "../scripts/compute_diagram.py"
