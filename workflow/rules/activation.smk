"""activation: what networks make of the probe rows of their data set, several networks a job.

Needs results/network/{dataset}/{variant}/seed_{seed}.h5 and results/dataset/{dataset}.h5.
Gives results/activation/{dataset}/{variant}/seed_{seed}.h5.
"""

for dataset, bundle, variants in study.bundles():
    need = study.need_of_bundle("activation", dataset, variants)

    rule:
        name:
            f"compute_activations_{bundle}"
        input:
            networks=expand(
                "results/network/{dataset}/{variant}/seed_{{seed}}.h5",
                dataset=dataset,
                variant=variants,
            ),
            dataset=dataset_file(dataset),
        output:
            expand(
                "results/activation/{dataset}/{variant}/seed_{{seed}}.h5",
                dataset=dataset,
                variant=variants,
            ),
        log:
            f"logs/compute_activations/{bundle}/seed_{{seed}}.log",
        benchmark:
            f"results/benchmark/compute_activations/{bundle}/seed_{{seed}}.tsv"
        conda:
            "../../envs/core.yaml"
        threads: 1
        resources:
            mem_mb=lambda wildcards, attempt, need=need: need.mem_mb(attempt),
            runtime=lambda wildcards, attempt, need=need: need.runtime(attempt),
        params:
            inputs=planned_inputs,
            trained_with=trained_with(dataset, variants),
            options=study.config.activation.model_dump(),
            code=planned_code,
        script:
            "../scripts/compute_activations.py"
