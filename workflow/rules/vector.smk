"""vector: a diagram as a vector, on one sampling common to all networks.

Needs results/diagram/{dataset}/{variant}/seed_{seed}.h5.
Gives results/vector/{vector}/{dataset}/{variant}/seed_{seed}.h5.
"""

from netkin.vector import VECTORISERS
from netkin.vector.compute import vectorise_diagram


rule vectorise_diagram:
    input:
        diagram=f"results/diagram/{NETWORK}.h5",
    output:
        vector=f"results/vector/{{vector}}/{NETWORK}.h5",
    log:
        f"logs/vectorise_diagram/{{vector}}/{NETWORK}.log",
    benchmark:
        f"results/benchmark/vectorise_diagram/{{vector}}/{NETWORK}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        options=lambda wildcards: study.vector(wildcards.vector),
        policy=study.policy(),
        code=lambda wildcards: code_digest(vectorise_diagram, VECTORISERS[wildcards.vector]),
    script:
        "../scripts/vectorise_diagram.py"
