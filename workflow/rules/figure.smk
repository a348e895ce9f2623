"""figure: matrices as heat maps and learning curves, as SVG (report) and PNG.

Needs results/distance/{dataset}/{measure}/summary.h5 and the trained networks.
Gives results/figure/{dataset}/...
"""

from netkin.figure.plot_matrix import (
    plot_deviation_matrix,
    plot_distance_matrix,
    plot_overview,
)
from netkin.figure.plot_training import plot_training

N_SEEDS = len(study.seeds)
SEEDS = "1 seed" if N_SEEDS == 1 else f"{N_SEEDS} seeds"
OVERVIEW_MEASURES = study.overview_measures()


rule figures:
    input:
        expand(
            "results/figure/{dataset}/{kind}/{measure}.svg",
            dataset=study.datasets,
            kind=["distance_matrix", "deviation_matrix"],
            measure=study.measures,
        ),
        expand(
            "results/figure/{dataset}/{kind}.svg",
            dataset=study.datasets,
            kind=["training"] + ["overview"] * bool(OVERVIEW_MEASURES),
        ),


rule plot_distance_matrix:
    input:
        summary="results/distance/{dataset}/{measure}/summary.h5",
    output:
        svg=report(
            "results/figure/{dataset}/distance_matrix/{measure}.svg",
            caption="../report/distance_matrix.rst",
            category="Distances",
            subcategory="{dataset}",
            labels={"measure": "{measure}", "statistic": "normalised mean"},
        ),
        png="results/figure/{dataset}/distance_matrix/{measure}.png",
    log:
        "logs/plot_distance_matrix/{dataset}/{measure}.log",
    benchmark:
        "results/benchmark/plot_distance_matrix/{dataset}/{measure}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 5 * attempt,
    params:
        title=lambda wildcards: f"{wildcards.dataset}: {wildcards.measure}, mean of {SEEDS}",
        grid=lambda wildcards: grid(wildcards.dataset),
        dpi=study.config.figure.dpi,
        options=study.figure("distance_matrix"),
        code=code_digest(plot_distance_matrix),
    script:
        "../scripts/plot_distance_matrix.py"


rule plot_deviation_matrix:
    input:
        summary="results/distance/{dataset}/{measure}/summary.h5",
    output:
        svg=report(
            "results/figure/{dataset}/deviation_matrix/{measure}.svg",
            caption="../report/deviation_matrix.rst",
            category="Distances",
            subcategory="{dataset}",
            labels={"measure": "{measure}", "statistic": "standard deviation"},
        ),
        png="results/figure/{dataset}/deviation_matrix/{measure}.png",
    log:
        "logs/plot_deviation_matrix/{dataset}/{measure}.log",
    benchmark:
        "results/benchmark/plot_deviation_matrix/{dataset}/{measure}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 5 * attempt,
    params:
        title=lambda wildcards: f"{wildcards.dataset}: {wildcards.measure}, deviation over {SEEDS}",
        grid=lambda wildcards: grid(wildcards.dataset),
        dpi=study.config.figure.dpi,
        options=study.figure("deviation_matrix"),
        code=code_digest(plot_deviation_matrix),
    script:
        "../scripts/plot_deviation_matrix.py"


rule plot_overview:
    input:
        lambda wildcards: expand(
            "results/distance/{dataset}/{measure}/summary.h5",
            dataset=wildcards.dataset,
            measure=OVERVIEW_MEASURES,
        ),
    output:
        svg=report(
            "results/figure/{dataset}/overview.svg",
            caption="../report/overview.rst",
            category="Overview",
            labels={"data set": "{dataset}", "figure": "distances side by side"},
        ),
        png="results/figure/{dataset}/overview.png",
    log:
        "logs/plot_overview/{dataset}.log",
    benchmark:
        "results/benchmark/plot_overview/{dataset}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 5 * attempt,
    params:
        titles=lambda wildcards: [f"{wildcards.dataset}: {m}" for m in OVERVIEW_MEASURES],
        grid=lambda wildcards: grid(wildcards.dataset),
        dpi=study.config.figure.dpi,
        options=study.figure("overview"),
        code=code_digest(plot_overview),
    script:
        "../scripts/plot_overview.py"


rule plot_training:
    input:
        networks_of_dataset(f"results/network/{NETWORK}.h5"),
    output:
        svg=report(
            "results/figure/{dataset}/training.svg",
            caption="../report/training.rst",
            category="Overview",
            labels={"data set": "{dataset}", "figure": "learning curves"},
        ),
        png="results/figure/{dataset}/training.png",
    log:
        "logs/plot_training/{dataset}.log",
    benchmark:
        "results/benchmark/plot_training/{dataset}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 5 * attempt,
    params:
        title=lambda wildcards: f"{wildcards.dataset}: learning curves of {SEEDS}",
        variants=lambda wildcards: [
            v.name for v in study.variants(wildcards.dataset) for _ in study.seeds
        ],
        grid=lambda wildcards: grid(wildcards.dataset),
        dpi=study.config.figure.dpi,
        options=study.figure("training"),
        code=code_digest(plot_training),
    script:
        "../scripts/plot_training.py"
