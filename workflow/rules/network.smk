"""network: train the networks of the grid, one a job or all of a data set; import those of a sheet.

Needs results/dataset/{dataset}.h5, or the files that people have.
Gives results/network/{member}.h5, of a sheet results/network/{bundle}.h5; what an untrained
network is comes from training without an epoch. Those that one job trains (`network.together`)
stand in a folder until each was taken from it.
"""

TOGETHER = [member.id for members in study.together.values() for member in members]


rule train_network:
    input:
        lambda wildcards: study.path("dataset", study.members[wildcards.member].probe),
    output:
        "results/network/{member}.h5",
    log:
        "logs/train_network/{member}.log",
    benchmark:
        "results/benchmark/train_network/{member}.tsv"
    wildcard_constraints:
        member=one_of(set(study.made_by("train_network")) - set(TOGETHER)),
    conda:
        "../../envs/network.yaml"
    threads: study.config.network.threads
    resources:
        mem_mb=mem_mb(lambda wildcards: study.need.network(wildcards.member)),
        runtime=runtime(lambda wildcards: study.need.network(wildcards.member)),
    params:
        inputs=planned_inputs,
        # among it the threads, not what Snakemake grants, which fewer cores change
        training=lambda wildcards: study.source_of[wildcards.member].making(
            study.members[wildcards.member]
        ),
        device=study.config.network.device,
        code=code_of,
    script:
        "../scripts/train_network.py"


rule train_networks:
    input:
        lambda wildcards: study.path("dataset", wildcards.dataset),
    output:
        temp(directory("results/network/{dataset}.together")),
    log:
        "logs/train_networks/{dataset}.log",
    benchmark:
        "results/benchmark/train_networks/{dataset}.tsv"
    conda:
        "../../envs/network.yaml"
    threads: study.config.network.together
    resources:
        mem_mb=mem_mb(lambda wildcards: study.need.networks(wildcards.dataset)),
        runtime=runtime(lambda wildcards: study.need.networks(wildcards.dataset)),
    params:
        inputs=planned_inputs,
        ids=lambda wildcards: [member.id for member in study.together[wildcards.dataset]],
        trainings=lambda wildcards: study.trainings(wildcards.dataset),
        device=study.config.network.device,
        code=lambda wildcards: recipes.together(wildcards.dataset),
    script:
        "../scripts/train_networks.py"


rule take_network:
    input:
        lambda wildcards: study.together_folder(wildcards.member),
    output:
        "results/network/{member}.h5",
    log:
        "logs/take_network/{member}.log",
    benchmark:
        "results/benchmark/take_network/{member}.tsv"
    wildcard_constraints:
        member=one_of(TOGETHER),
    localrule: True
    conda:
        "../../envs/network.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(small),
        runtime=runtime(small),
    params:
        # of the file in the folder, which is refused when it was made otherwise
        inputs=lambda wildcards, **job: recipes.taken(wildcards.member),
        code=code_of,
    script:
        "../scripts/take_network.py"


rule import_networks:
    input:
        lambda wildcards: [
            file
            for member in study.bundles[wildcards.bundle].members
            for file in SHEET.files_of(member)
        ],
    output:
        "results/network/{bundle}.h5",
    log:
        "logs/import_networks/{bundle}.log",
    benchmark:
        "results/benchmark/import_networks/{bundle}.tsv"
    wildcard_constraints:
        bundle=one_of(study.imported),
    conda:
        "../../envs/network.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(lambda wildcards: study.need.imported(wildcards.bundle)),
        runtime=runtime(lambda wildcards: study.need.imported(wildcards.bundle)),
    params:
        files=lambda wildcards: [
            SHEET.location(member) for member in study.bundles[wildcards.bundle].members
        ],
        networks=lambda wildcards: {
            member.id: SHEET.making(member) for member in study.bundles[wildcards.bundle].members
        },
        code=code_of,
    script:
        "../scripts/import_networks.py"
