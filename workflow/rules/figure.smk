"""figure: matrices as heat maps, learning curves and what measures see, as SVG (report) and PNG.

Needs results/distance/{comparison}/{measure}.h5, the trained networks, and the tables of
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

TOGETHER = [OVERALL] if len(study.trained) > 1 else []
"""What stands for the mean over data sets, where there are several."""


FIGURES = [
    *(
        f"results/figure/{name}/{kind}/{measure}.svg"
        for name in study.comparisons
        for kind in ("distance_matrix", "deviation_matrix")
        for measure in study.measures_of(name)
    ),
    *(
        f"results/figure/{name}/overview.svg"
        for name in study.comparisons
        if study.overview_measures(name)
    ),
    *(
        f"results/figure/{name}/diagrams.svg"
        for name in study.comparisons
        if "diagram" in study.needed_stages()
    ),
    *(f"results/figure/{one.name}/training.svg" for one in study.trained),
    *(f"results/figure/{one.name}/readings.svg" for one in study.trained),
    # the mean over data sets
    *(f"results/figure/{name}/readings.svg" for name in TOGETHER),
    # of one measure alone there is nothing to say
    *(
        f"results/figure/{name}/agreement.svg"
        for name in [*study.comparisons, *TOGETHER]
        if name not in study.nulls
        and len(study.measures if name == OVERALL else study.measures_of(name)) > 1
    ),
    *(
        f"results/figure/{name}/layers/{a}/{b}.svg"
        for name in study.comparisons
        for a, b in study.layer_pairs(name)
    ),
]


rule figures:
    input:
        FIGURES,


rule plot_distance_matrix:
    input:
        summary="results/distance/{comparison}/{measure}.h5",
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
        mem_mb=mem_mb(need_of_matrices),
        runtime=runtime(need_of_matrices),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"{wildcards.comparison}: {wildcards.measure}, mean of {seeds(wildcards.comparison)}",
        grid=lambda wildcards: study.grid(wildcards.comparison),
        dpi=study.config.figure.dpi,
        options=study.figure("distance_matrix"),
        code=code_digest(plot_distance_matrix),
    script:
        "../scripts/plot_distance_matrix.py"


rule plot_deviation_matrix:
    input:
        summary="results/distance/{comparison}/{measure}.h5",
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
        mem_mb=mem_mb(need_of_matrices),
        runtime=runtime(need_of_matrices),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"{wildcards.comparison}: {wildcards.measure}, deviation over {seeds(wildcards.comparison)}",
        grid=lambda wildcards: study.grid(wildcards.comparison),
        dpi=study.config.figure.dpi,
        options=study.figure("deviation_matrix"),
        code=code_digest(plot_deviation_matrix),
    script:
        "../scripts/plot_deviation_matrix.py"


rule plot_overview:
    input:
        lambda wildcards: [
            study.summary(measure, wildcards.comparison)
            for measure in study.overview_measures(wildcards.comparison)
        ],
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
        mem_mb=mem_mb(need_of_overview),
        runtime=runtime(need_of_overview),
    params:
        inputs=planned_inputs,
        titles=lambda wildcards: [
            f"{wildcards.comparison}: {measure}"
            for measure in study.overview_measures(wildcards.comparison)
        ],
        grid=lambda wildcards: study.grid(wildcards.comparison),
        dpi=study.config.figure.dpi,
        options=study.figure("overview"),
        code=code_digest(plot_overview),
    script:
        "../scripts/plot_overview.py"


rule plot_diagrams:
    input:
        lambda wildcards: files_of(diagrams_of(wildcards)),
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
        mem_mb=mem_mb(lambda wildcards: study.need.diagram_figure(wildcards.comparison)),
        runtime=runtime(lambda wildcards: study.need.diagram_figure(wildcards.comparison)),
    params:
        inputs=planned_inputs,
        diagrams=diagrams_of,
        title=lambda wildcards: f"{wildcards.comparison}: diagrams{of_the_first(wildcards.comparison)}",
        grid=lambda wildcards: study.grid(wildcards.comparison),
        dpi=study.config.figure.dpi,
        options=study.figure("diagrams"),
        code=code_digest(plot_diagrams),
    script:
        "../scripts/plot_diagrams.py"


rule plot_training:
    input:
        lambda wildcards: networks_by_name(wildcards.dataset),
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
        mem_mb=mem_mb(small),
        runtime=runtime(small),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"{wildcards.dataset}: learning curves of {seeds(wildcards.dataset)}",
        variants=lambda wildcards: [name for name, _ in study.by_network(wildcards.dataset)],
        grid=lambda wildcards: study.grid(wildcards.dataset),
        dpi=study.config.figure.dpi,
        options=study.figure("training"),
        code=code_digest(plot_training),
    script:
        "../scripts/plot_training.py"


rule plot_layers:
    input:
        lambda wildcards: expand(
            "results/distance/{dataset}/layers/{a}/{b}/{replicate}.h5",
            dataset=wildcards.dataset,
            a=wildcards.a,
            b=wildcards.b,
            replicate=study.comparisons[wildcards.dataset].members,
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
        mem_mb=mem_mb(small),
        runtime=runtime(small),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"{wildcards.dataset}: layer by layer, mean of {seeds(wildcards.dataset)}",
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
        comparison=one_of([*study.comparisons, OVERALL]),
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(small),
        runtime=runtime(small),
    params:
        table=lambda wildcards: planned_table(tabulate_measures, SEEN, ALL_DISTANCES),
        title=lambda wildcards: (
            f"{heading(wildcards.comparison)}: agreement of measures, mean of {seeds(wildcards.comparison)}"
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
        dataset=one_of([*(one.name for one in study.trained), OVERALL]),
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(small),
        runtime=runtime(small),
    params:
        table=lambda wildcards: planned_table(tabulate_measures, SEEN, ALL_DISTANCES),
        title=lambda wildcards: f"{heading(wildcards.dataset)}: what each measure sees, {seeds(wildcards.dataset)}",
        dpi=study.config.figure.dpi,
        options=study.figure("readings"),
        code=code_digest(plot_readings),
    script:
        "../scripts/plot_readings.py"
