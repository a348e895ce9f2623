"""distance: a matrix for each comparison, measure and seed, then their summary over seeds.

Needs the files that measures compare (`SOURCES[MEASURES[...].needs]`); a job takes all measures
that compare the same (`Measure.group`), so that they share what they make of it.
A comparison is the networks of one data set, its untrained ones, or `control`: the control
networks of all data sets.
Gives results/distance/{comparison}/{measure}/seed_{seed}.h5 and .../summary.h5, and for pairs of
networks layer by layer results/distance/{dataset}/layers/{a}/{b}/seed_{seed}.h5.
"""

for group, source, measures in study.measure_groups():

    rule:
        name:
            f"compute_distances_{group}"
        input:
            networks=lambda wildcards, measure=measures[0]: files_of_measure(
                measure, wildcards.comparison, wildcards.seed
            ),
            dataset=(
                (lambda wildcards: dataset_file(wildcards.comparison))
                if SOURCES[source].with_dataset
                else []
            ),
        output:
            expand(
                "results/distance/{{comparison}}/{measure}/seed_{{seed}}.h5",
                measure=measures,
            ),
        log:
            f"logs/compute_distances/{{comparison}}/{group}/seed_{{seed}}.log",
        benchmark:
            f"results/benchmark/compute_distances/{{comparison}}/{group}/seed_{{seed}}.tsv"
        wildcard_constraints:
            comparison="|".join(study.comparisons_by(source)),
        conda:
            "../../envs/core.yaml"
        threads: 1
        resources:
            mem_mb=lambda wildcards, attempt, measures=measures: study.need_of_distances(
                wildcards.comparison, measures
            ).mem_mb(attempt),
            runtime=lambda wildcards, attempt, measures=measures: study.need_of_distances(
                wildcards.comparison, measures
            ).runtime(attempt),
        params:
            inputs=planned_inputs,
            measures=measures,
            networks=lambda wildcards: [cell.name for cell in study.compared(wildcards.comparison)],
            options={measure: study.measure_options(measure) for measure in measures},
            reading=study.reading(source),
            calibration=study.calibration(source),
            device=study.config.distance.device,
            codes=planned_codes,
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
        mem_mb=lambda wildcards, attempt: SMALL.mem_mb(attempt),
        runtime=lambda wildcards, attempt: SMALL.runtime(attempt),
    params:
        inputs=planned_inputs,
        code=planned_code,
    script:
        "../scripts/summarise_distances.py"


rule compare_layers:
    input:
        a="results/activation/{dataset}/{a}/seed_{seed}.h5",
        b="results/activation/{dataset}/{b}/seed_{seed}.h5",
    output:
        layers="results/distance/{dataset}/layers/{a}/{b}/seed_{seed}.h5",
    log:
        "logs/compare_layers/{dataset}/{a}/{b}/seed_{seed}.log",
    benchmark:
        "results/benchmark/compare_layers/{dataset}/{a}/{b}/seed_{seed}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: study.need_of_layers(
            wildcards.dataset, (wildcards.a, wildcards.b)
        ).mem_mb(attempt),
        runtime=lambda wildcards, attempt: study.need_of_layers(
            wildcards.dataset, (wildcards.a, wildcards.b)
        ).runtime(attempt),
    params:
        inputs=planned_inputs,
        measures=study.layer_measures(),
        options={measure: study.measure_options(measure) for measure in study.layer_measures()},
        calibration=study.calibration("activation"),
        device=study.config.distance.device,
        code=planned_code,
    script:
        "../scripts/compare_layers.py"
