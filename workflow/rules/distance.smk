"""distance: one matrix for each comparison, measure and seed, then their summary over seeds.

Needs the files of the stage that a measure reads (`MEASURES[...].needs`).
A comparison is the networks of one data set, its untrained ones, or `control`: the control
networks of all data sets.
Gives results/distance/{comparison}/{measure}/seed_{seed}.h5 and .../summary.h5.
"""

from netkin.distance.matrix import compute_distances
from netkin.distance.summary import summarise_distances


rule compute_distances:
    input:
        files_of_measure,
    output:
        distance="results/distance/{comparison}/{measure}/seed_{seed}.h5",
    log:
        "logs/compute_distances/{comparison}/{measure}/seed_{seed}.log",
    benchmark:
        "results/benchmark/compute_distances/{comparison}/{measure}/seed_{seed}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: study.need_of_distances(
            wildcards.comparison, wildcards.measure
        ).mem_mb(attempt),
        runtime=lambda wildcards, attempt: study.need_of_distances(
            wildcards.comparison, wildcards.measure
        ).runtime(attempt),
    params:
        networks=lambda wildcards: [cell.name for cell in study.compared(wildcards.comparison)],
        options=lambda wildcards: study.measure_options(wildcards.measure),
        reading=lambda wildcards: study.measure_reading(wildcards.measure),
        code=lambda wildcards: code_digest(
            compute_distances,
            MEASURES[wildcards.measure],
            SOURCES[MEASURES[wildcards.measure].needs],
        ),
    script:
        "../scripts/compute_distances.py"


rule summarise_distances:
    input:
        lambda wildcards: expand(
            "results/distance/{comparison}/{measure}/seed_{seed}.h5",
            comparison=wildcards.comparison,
            measure=wildcards.measure,
            seed=study.seeds,
        ),
    output:
        summary="results/distance/{comparison}/{measure}/summary.h5",
    log:
        "logs/summarise_distances/{comparison}/{measure}.log",
    benchmark:
        "results/benchmark/summarise_distances/{comparison}/{measure}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 5 * attempt,
    params:
        code=code_digest(summarise_distances),
    script:
        "../scripts/summarise_distances.py"
