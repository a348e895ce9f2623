"""diagram: persistent homology of the directed flag complex of graphs, several a job.

Needs results/graph/{dataset}/{variant}/seed_{seed}.h5.
Gives results/diagram/{dataset}/{variant}/seed_{seed}.h5, the raw intervals.
"""

for dataset, bundle, variants in study.bundles():
    need = study.need_of_bundle("diagram", dataset, variants)

    rule:
        name:
            f"compute_diagram_{bundle}"
        input:
            expand(
                "results/graph/{dataset}/{variant}/seed_{{seed}}.h5",
                dataset=dataset,
                variant=variants,
            ),
        output:
            kept_or_temporary(
                "diagram",
                expand(
                    "results/diagram/{dataset}/{variant}/seed_{{seed}}.h5",
                    dataset=dataset,
                    variant=variants,
                ),
            ),
        log:
            f"logs/compute_diagram/{bundle}/seed_{{seed}}.log",
        benchmark:
            f"results/benchmark/compute_diagram/{bundle}/seed_{{seed}}.tsv"
        conda:
            "../../envs/diagram.yaml"
        threads: 1
        resources:
            mem_mb=lambda wildcards, attempt, need=need: need.mem_mb(attempt),
            runtime=lambda wildcards, attempt, need=need: need.runtime(attempt),
            # how long the files stay is no part of their content
            stored=how_stored("diagram"),
        params:
            inputs=planned_inputs,
            engine=study.config.diagram.engine,
            max_dimension=study.config.diagram.max_dimension,
            code=planned_code,
        script:
            "../scripts/compute_diagram.py"
