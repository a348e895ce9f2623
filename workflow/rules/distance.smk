"""distance: the matrices of a comparison at each replicate, then their summary over replicates.

Needs what measures compare (`netkin.distance.INPUTS`); a job takes all measures of one group
(`Measure.group`), which share what they make of it.
Gives results/distance/{comparison}/{group}/{replicate}.h5, a matrix for each measure, of many
networks from blocks in results/distance/{comparison}/{source}/{replicate}/, and
results/distance/{comparison}/{measure}.h5; for pairs of networks layer by layer
results/distance/{comparison}/layers/{a}/{b}/{replicate}.h5.
"""

DIVIDED = [
    (name, group)
    for name in study.comparisons
    for group in study.groups_of(name)
    if study.is_divided(group, name)
]


rule compute_distances:
    input:
        networks=lambda wildcards: files_of(compared(wildcards)),
        dataset=lambda wildcards: study.probe_of(wildcards.group, wildcards.comparison) or [],
    output:
        "results/distance/{comparison}/{group}/{replicate}.h5",
    log:
        "logs/compute_distances/{comparison}/{group}/{replicate}.log",
    benchmark:
        "results/benchmark/compute_distances/{comparison}/{group}/{replicate}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(need_of_distances),
        runtime=runtime(need_of_distances),
    params:
        inputs=planned_inputs,
        measures=lambda wildcards: study.groups[wildcards.group],
        compared=compared,
        networks=lambda wildcards: [
            cell.name for cell in study.comparisons[wildcards.comparison].cells
        ],
        options=lambda wildcards: {
            measure: study.measure_options(measure) for measure in study.groups[wildcards.group]
        },
        reading=lambda wildcards: study.reading(needs(wildcards)),
        calibration=lambda wildcards: study.calibration(needs(wildcards)),
        device=distance_device,
        code=code_of,
    script:
        "../scripts/compute_distances.py"


rule compute_block:
    input:
        lambda wildcards: files_of(
            path
            for group in block_of(wildcards)["groups"]
            for path in group["input_paths"] + group["other_paths"]
        ),
    output:
        "results/distance/{comparison}/{source}/{replicate}/{block}.h5",
    log:
        "logs/compute_block/{comparison}/{source}/{replicate}/{block}.log",
    benchmark:
        "results/benchmark/compute_block/{comparison}/{source}/{replicate}/{block}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(lambda wildcards: study.need.block(**wildcards)),
        runtime=runtime(lambda wildcards: study.need.block(**wildcards)),
    params:
        inputs=planned_inputs,
        block=block_of,
        options=lambda wildcards: {
            measure: study.measure_options(measure)
            for group in block_of(wildcards)["groups"]
            for measure in group["measures"]
        },
        reading=lambda wildcards: study.reading(
            study.needs_of_group(study.divided(wildcards.comparison)[wildcards.source][0])
        ),
        code=code_of,
    script:
        "../scripts/compute_block.py"


# the same file as of `compute_distances`, of matrices that are computed in blocks
ruleorder: join_distances > compute_distances


rule join_distances:
    input:
        lambda wildcards: study.blocks(
            study.source_of_group(wildcards.group), wildcards.comparison, wildcards.replicate
        ),
    output:
        "results/distance/{comparison}/{group}/{replicate}.h5",
    log:
        "logs/join_distances/{comparison}/{group}/{replicate}.log",
    benchmark:
        "results/benchmark/join_distances/{comparison}/{group}/{replicate}.tsv"
    wildcard_constraints:
        comparison=one_of({name for name, _ in DIVIDED}),
        group=one_of({group for _, group in DIVIDED}),
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(need_of_matrices),
        runtime=runtime(need_of_matrices),
    params:
        inputs=planned_inputs,
        measures=lambda wildcards: study.groups[wildcards.group],
        networks=lambda wildcards: [
            cell.name for cell in study.comparisons[wildcards.comparison].cells
        ],
        code=code_of,
    script:
        "../scripts/join_distances.py"


rule summarise_distances:
    input:
        lambda wildcards: files_of(study.distances(wildcards.measure, wildcards.comparison)),
    output:
        summary="results/distance/{comparison}/{measure}.h5",
    log:
        "logs/summarise_distances/{comparison}/{measure}.log",
    benchmark:
        "results/benchmark/summarise_distances/{comparison}/{measure}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(need_of_matrices),
        runtime=runtime(need_of_matrices),
    params:
        inputs=planned_inputs,
        distances=lambda wildcards: study.distances(wildcards.measure, wildcards.comparison),
        code=code_of,
    script:
        "../scripts/summarise_distances.py"


rule compare_layers:
    input:
        lambda wildcards: files_of(layers_of(wildcards)),
    output:
        layers="results/distance/{comparison}/layers/{a}/{b}/{replicate}.h5",
    log:
        "logs/compare_layers/{comparison}/{a}/{b}/{replicate}.log",
    benchmark:
        "results/benchmark/compare_layers/{comparison}/{a}/{b}/{replicate}.tsv"
    wildcard_constraints:
        a=one_of(name for pair in study.config.distance.layers for name in pair),
        b=one_of(name for pair in study.config.distance.layers for name in pair),
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(need_of_layers),
        runtime=runtime(need_of_layers),
    params:
        inputs=planned_inputs,
        compared=layers_of,
        measures=study.layer_measures(),
        options={measure: study.measure_options(measure) for measure in study.layer_measures()},
        calibration=study.calibration("activation"),
        device=distance_device,
        code=code_of,
    script:
        "../scripts/compare_layers.py"
