"""graph: the weights of networks as directed weighted graphs, several networks a job.

Needs results/network/{dataset}/{variant}/seed_{seed}.h5.
Gives results/graph/{dataset}/{variant}/seed_{seed}.h5.
"""

for dataset, bundle, variants in study.bundles():
    need = study.need_of_bundle("graph", dataset, variants)

    rule:
        name:
            f"build_graph_{bundle}"
        input:
            expand(
                "results/network/{dataset}/{variant}/seed_{{seed}}.h5",
                dataset=dataset,
                variant=variants,
            ),
        output:
            kept_or_temporary(
                "graph",
                expand(
                    "results/graph/{dataset}/{variant}/seed_{{seed}}.h5",
                    dataset=dataset,
                    variant=variants,
                ),
            ),
        log:
            f"logs/build_graph/{bundle}/seed_{{seed}}.log",
        benchmark:
            f"results/benchmark/build_graph/{bundle}/seed_{{seed}}.tsv"
        conda:
            "../../envs/core.yaml"
        threads: 1
        resources:
            mem_mb=lambda wildcards, attempt, need=need: need.mem_mb(attempt),
            runtime=lambda wildcards, attempt, need=need: need.runtime(attempt),
            # how long the files stay is no part of their content
            stored=how_stored("graph"),
        params:
            inputs=planned_inputs,
            options=study.config.graph.model_dump(),
            code=planned_code,
        script:
            "../scripts/build_graph.py"
