"""network: train networks for each data set, variant and seed, one or several a job.

Needs results/dataset/{dataset}.h5.
The untrained networks are those after no epoch, in results/network/{dataset}_untrained.
Gives results/network/{dataset}/{variant}/seed_{seed}.h5.
"""

for name, dataset, variants, place in TRAININGS:
    job = partial(networks_of_job, dataset, variants)

    rule:
        name:
            name
        input:
            lambda wildcards, job=job: dataset_file(job(wildcards)[0]),
        output:
            expand(
                "results/network/{dataset}/{variant}/seed_{{seed}}.h5",
                dataset=dataset,
                variant=variants,
            ),
        log:
            f"logs/train_network/{place}/seed_{{seed}}.log",
        benchmark:
            f"results/benchmark/train_network/{place}/seed_{{seed}}.tsv"
        conda:
            "../../envs/network.yaml"
        threads: study.config.network.threads
        resources:
            mem_mb=lambda wildcards, attempt, job=job: study.need_of_trainings(
                *job(wildcards)
            ).mem_mb(attempt),
            runtime=lambda wildcards, attempt, job=job: study.need_of_trainings(
                *job(wildcards)
            ).runtime(attempt),
        params:
            inputs=planned_inputs,
            trainings=lambda wildcards, job=job: trainings(*job(wildcards), int(wildcards.seed)),
            device=study.config.network.device,
            # not what Snakemake grants, which fewer cores or --set-threads change
            threads=study.config.network.threads,
            code=planned_code,
        script:
            "../scripts/train_network.py"
