"""figure: matrices as heat maps, learning curves and what measures see, as SVG (report) and PNG.

Needs results/distance/{comparison}/{measure}/summary.h5, the trained networks, and the tables of
what measures see.
Gives results/figure/{comparison}/..., where a comparison is a data set, its untrained networks,
`control`, or for what measures see `all`, the mean over data sets.
"""

from netkin.figure.plot_agreement import plot_agreement
from netkin.figure.plot_diagrams import plot_diagrams
from netkin.figure.plot_layers import plot_layers
from netkin.figure.plot_matrix import (
    plot_deviation_matrix,
    plot_distance_matrix,
    plot_overview,
)
from netkin.figure.plot_readings import plot_readings
from netkin.figure.plot_training import plot_training

N_SEEDS = len(study.seeds)
SEEDS = "1 seed" if N_SEEDS == 1 else f"{N_SEEDS} seeds"
TOGETHER = [OVERALL] if len(study.datasets) > 1 else []
"""What stands for the mean over data sets, where there are several."""


rule figures:
    input:
        [
            f"results/figure/{comparison}/{kind}/{measure}.svg"
            for comparison in study.comparisons
            for kind in ("distance_matrix", "deviation_matrix")
            for measure in study.measures_of(comparison)
        ],
        [
            f"results/figure/{comparison}/overview.svg"
            for comparison in study.comparisons
            if study.overview_measures(comparison)
        ],
        expand(
            "results/figure/{comparison}/diagrams.svg",
            comparison=study.comparisons if "diagram" in study.needed_stages() else [],
        ),
        expand(
            "results/figure/{dataset}/{kind}.svg",
            dataset=study.datasets,
            kind=["training", "readings"],
        ),
        # the mean over data sets
        [f"results/figure/{name}/readings.svg" for name in TOGETHER],
        # of one measure alone there is nothing to say
        [
            f"results/figure/{comparison}/agreement.svg"
            for comparison in [*study.comparisons, *TOGETHER]
            if comparison not in study.untrained
            and len(study.measures if comparison == OVERALL else study.measures_of(comparison)) > 1
        ],
        [
            f"results/figure/{dataset}/layers/{a}/{b}.svg"
            for dataset in study.datasets
            for a, b in study.layer_pairs(dataset)
        ],


rule plot_distance_matrix:
    input:
        summary="results/distance/{comparison}/{measure}/summary.h5",
    output:
        svg=report(
            "results/figure/{comparison}/distance_matrix/{measure}.svg",
            caption="../report/distance_matrix.rst",
            category="Distances",
            subcategory="{comparison}",
            labels={"measure": "{measure}", "statistic": "normalised mean"},
        ),
        png="results/figure/{comparison}/distance_matrix/{measure}.png",
    log:
        "logs/plot_distance_matrix/{comparison}/{measure}.log",
    benchmark:
        "results/benchmark/plot_distance_matrix/{comparison}/{measure}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: SMALL.mem_mb(attempt),
        runtime=lambda wildcards, attempt: SMALL.runtime(attempt),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"{wildcards.comparison}: {wildcards.measure}, mean of {SEEDS}",
        grid=lambda wildcards: grid(wildcards.comparison),
        dpi=study.config.figure.dpi,
        options=study.figure("distance_matrix"),
        code=code_digest(plot_distance_matrix),
    script:
        "../scripts/plot_distance_matrix.py"


rule plot_deviation_matrix:
    input:
        summary="results/distance/{comparison}/{measure}/summary.h5",
    output:
        svg=report(
            "results/figure/{comparison}/deviation_matrix/{measure}.svg",
            caption="../report/deviation_matrix.rst",
            category="Distances",
            subcategory="{comparison}",
            labels={"measure": "{measure}", "statistic": "standard deviation"},
        ),
        png="results/figure/{comparison}/deviation_matrix/{measure}.png",
    log:
        "logs/plot_deviation_matrix/{comparison}/{measure}.log",
    benchmark:
        "results/benchmark/plot_deviation_matrix/{comparison}/{measure}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: SMALL.mem_mb(attempt),
        runtime=lambda wildcards, attempt: SMALL.runtime(attempt),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"{wildcards.comparison}: {wildcards.measure}, deviation over {SEEDS}",
        grid=lambda wildcards: grid(wildcards.comparison),
        dpi=study.config.figure.dpi,
        options=study.figure("deviation_matrix"),
        code=code_digest(plot_deviation_matrix),
    script:
        "../scripts/plot_deviation_matrix.py"


rule plot_overview:
    input:
        lambda wildcards: expand(
            "results/distance/{comparison}/{measure}/summary.h5",
            comparison=wildcards.comparison,
            measure=study.overview_measures(wildcards.comparison),
        ),
    output:
        svg=report(
            "results/figure/{comparison}/overview.svg",
            caption="../report/overview.rst",
            category="Overview",
            labels={"networks": "{comparison}", "figure": "distances side by side"},
        ),
        png="results/figure/{comparison}/overview.png",
    log:
        "logs/plot_overview/{comparison}.log",
    benchmark:
        "results/benchmark/plot_overview/{comparison}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: SMALL.mem_mb(attempt),
        runtime=lambda wildcards, attempt: SMALL.runtime(attempt),
    params:
        inputs=planned_inputs,
        titles=lambda wildcards: [
            f"{wildcards.comparison}: {measure}"
            for measure in study.overview_measures(wildcards.comparison)
        ],
        grid=lambda wildcards: grid(wildcards.comparison),
        dpi=study.config.figure.dpi,
        options=study.figure("overview"),
        code=code_digest(plot_overview),
    script:
        "../scripts/plot_overview.py"


rule plot_diagrams:
    input:
        lambda wildcards: networks_at("diagram", wildcards.comparison, study.seeds[0]),
    output:
        svg=report(
            "results/figure/{comparison}/diagrams.svg",
            caption="../report/diagrams.rst",
            category="Overview",
            labels={"networks": "{comparison}", "figure": "persistence diagrams"},
        ),
        png="results/figure/{comparison}/diagrams.png",
    log:
        "logs/plot_diagrams/{comparison}.log",
    benchmark:
        "results/benchmark/plot_diagrams/{comparison}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: study.need_of_diagram_figure(
            wildcards.comparison
        ).mem_mb(attempt),
        runtime=lambda wildcards, attempt: study.need_of_diagram_figure(
            wildcards.comparison
        ).runtime(attempt),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"{wildcards.comparison}: diagrams of seed {study.seeds[0]}",
        grid=lambda wildcards: grid(wildcards.comparison),
        dpi=study.config.figure.dpi,
        options=study.figure("diagrams"),
        code=code_digest(plot_diagrams),
    script:
        "../scripts/plot_diagrams.py"


rule plot_training:
    input:
        networks_of_dataset(f"results/network/{NETWORK}.h5"),
    output:
        svg=report(
            "results/figure/{dataset}/training.svg",
            caption="../report/training.rst",
            category="Overview",
            labels={"networks": "{dataset}", "figure": "learning curves"},
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
        mem_mb=lambda wildcards, attempt: SMALL.mem_mb(attempt),
        runtime=lambda wildcards, attempt: SMALL.runtime(attempt),
    params:
        inputs=planned_inputs,
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


rule plot_layers:
    input:
        lambda wildcards: expand(
            "results/distance/{dataset}/layers/{a}/{b}/seed_{seed}.h5",
            dataset=wildcards.dataset,
            a=wildcards.a,
            b=wildcards.b,
            seed=study.seeds,
        ),
    output:
        svg=report(
            "results/figure/{dataset}/layers/{a}/{b}.svg",
            caption="../report/layers.rst",
            category="Layers",
            subcategory="{dataset}",
            labels={"rows": "{a}", "columns": "{b}"},
        ),
        png="results/figure/{dataset}/layers/{a}/{b}.png",
    log:
        "logs/plot_layers/{dataset}/{a}/{b}.log",
    benchmark:
        "results/benchmark/plot_layers/{dataset}/{a}/{b}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: SMALL.mem_mb(attempt),
        runtime=lambda wildcards, attempt: SMALL.runtime(attempt),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"{wildcards.dataset}: layer by layer, mean of {SEEDS}",
        dpi=study.config.figure.dpi,
        options=study.figure("layers"),
        code=code_digest(plot_layers),
    script:
        "../scripts/plot_layers.py"


rule plot_agreement:
    input:
        "results/table/agreement.csv",
    output:
        svg=report(
            "results/figure/{comparison}/agreement.svg",
            caption="../report/agreement.rst",
            category="Which measure sees what",
            labels={"networks": "{comparison}", "what": "agreement of measures"},
        ),
        png="results/figure/{comparison}/agreement.png",
    log:
        "logs/plot_agreement/{comparison}.log",
    benchmark:
        "results/benchmark/plot_agreement/{comparison}.tsv"
    wildcard_constraints:
        comparison="|".join([*study.comparisons, OVERALL]),
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: SMALL.mem_mb(attempt),
        runtime=lambda wildcards, attempt: SMALL.runtime(attempt),
    params:
        table=lambda wildcards: planned_table(tabulate_measures, SEEN, ALL_DISTANCES),
        title=lambda wildcards: (
            f"{heading(wildcards.comparison)}: agreement of measures, mean of {SEEDS}"
        ),
        dpi=study.config.figure.dpi,
        options=study.figure("agreement"),
        code=code_digest(plot_agreement),
    script:
        "../scripts/plot_agreement.py"


rule plot_readings:
    input:
        "results/table/measures.csv",
    output:
        svg=report(
            "results/figure/{dataset}/readings.svg",
            caption="../report/readings.rst",
            category="Which measure sees what",
            labels={"networks": "{dataset}", "what": "readings side by side"},
        ),
        png="results/figure/{dataset}/readings.png",
    log:
        "logs/plot_readings/{dataset}.log",
    benchmark:
        "results/benchmark/plot_readings/{dataset}.tsv"
    wildcard_constraints:
        dataset="|".join([*study.datasets, OVERALL]),
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: SMALL.mem_mb(attempt),
        runtime=lambda wildcards, attempt: SMALL.runtime(attempt),
    params:
        table=lambda wildcards: planned_table(tabulate_measures, SEEN, ALL_DISTANCES),
        title=lambda wildcards: f"{heading(wildcards.dataset)}: what each measure sees, {SEEDS}",
        dpi=study.config.figure.dpi,
        options=study.figure("readings"),
        code=code_digest(plot_readings),
    script:
        "../scripts/plot_readings.py"
