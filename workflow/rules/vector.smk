"""vector: diagrams as vectors on one sampling common to all networks, several a job.

Needs results/diagram/{dataset}/{variant}/seed_{seed}.h5.
Gives results/vector/{vector}/{dataset}/{variant}/seed_{seed}.h5.
"""

for dataset, bundle, variants in study.bundles():
    need = study.need_of_bundle("vector", dataset, variants)

    rule:
        name:
            f"vectorise_diagram_{bundle}"
        input:
            expand(
                "results/diagram/{dataset}/{variant}/seed_{{seed}}.h5",
                dataset=dataset,
                variant=variants,
            ),
        output:
            expand(
                "results/vector/{{vector}}/{dataset}/{variant}/seed_{{seed}}.h5",
                dataset=dataset,
                variant=variants,
            ),
        log:
            f"logs/vectorise_diagram/{{vector}}/{bundle}/seed_{{seed}}.log",
        benchmark:
            f"results/benchmark/vectorise_diagram/{{vector}}/{bundle}/seed_{{seed}}.tsv"
        conda:
            "../../envs/core.yaml"
        threads: 1
        resources:
            mem_mb=lambda wildcards, attempt, need=need: need.mem_mb(attempt),
            runtime=lambda wildcards, attempt, need=need: need.runtime(attempt),
        params:
            inputs=planned_inputs,
            options=lambda wildcards: study.vector(wildcards.vector),
            policy=study.policy(),
            code=planned_code,
        script:
            "../scripts/vectorise_diagram.py"
