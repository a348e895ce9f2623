"""table: test accuracies, group statistics, costs, as CSV and as HTML (report).

Needs the trained networks, the distance summaries, and the benchmark files of all stages.
Gives results/table/...
"""

from netkin.distance.functional import GROUP_MEASURES
from netkin.table.accuracy import tabulate_accuracy
from netkin.table.costs import tabulate_costs
from netkin.table.groups import tabulate_groups
from netkin.table.measures import tabulate_measures
from netkin.table.multiplicity import tabulate_multiplicity
from netkin.table.neural_persistence import tabulate_neural_persistence
from netkin.table.norms import tabulate_norms
from netkin.table.reproduction import tabulate_reproduction
from netkin.table.untrained import tabulate_untrained

# only with pairs of control networks on several data sets; they cost graphs, but no homology
NORM_TABLES = [
    f"results/table/{CONTROL}/{name}.csv"
    for name in ("norms", "norm_ratios")
    if study.has_norm_tables
]
# the claims are about trained networks
JUDGED = [comparison for comparison in study.comparisons if comparison not in study.untrained]
# what determines the tables that figures and other tables read
NORMS = {
    "datasets": [cell.dataset for _ in study.seeds for cell in study.compared(CONTROL)],
    "seeds": [seed for seed in study.seeds for _ in study.compared(CONTROL)],
}
NORM_GRAPHS = [path for seed in study.seeds for path in networks_at("graph", CONTROL, seed)]
ALL_DISTANCES = [path for comparison in study.comparisons for path in distances_of(comparison)]
SEEN = {
    "comparisons": [
        comparison for comparison in study.comparisons for _ in distances_of(comparison)
    ],
    "grids": {comparison: grid_with_designs(comparison) for comparison in study.comparisons},
    "untrained": {name: study.dataset_of(name) for name in study.untrained},
    "n_seeds": len(study.seeds),
}


rule tables:
    input:
        expand(
            "results/table/{dataset}/{kind}.csv",
            dataset=study.datasets,
            kind=["accuracy", "neural_persistence"]
            # no predictions for this table alone
            + ["multiplicity"] * ("prediction" in study.needed_stages())
            + ["untrained"] * bool(study.untrained),
        ),
        expand(
            "results/table/{comparison}/groups.csv",
            comparison=[c for c in study.comparisons if study.measures_of(c)],
        ),
        NORM_TABLES,
        "results/table/reproduction.csv",
        "results/table/measures.csv",
        "results/table/costs.csv",


rule tabulate_accuracy:
    input:
        networks_of_dataset(f"results/network/{NETWORK}.h5"),
    output:
        csv="results/table/{dataset}/accuracy.csv",
        html=report(
            "results/table/{dataset}/accuracy.html",
            caption="../report/accuracy.rst",
            category="Tables",
            labels={"networks": "{dataset}", "table": "test accuracy"},
        ),
    log:
        "logs/tabulate_accuracy/{dataset}.log",
    benchmark:
        "results/benchmark/tabulate_accuracy/{dataset}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: SMALL.mem_mb(attempt),
        runtime=lambda wildcards, attempt: SMALL.runtime(attempt),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"Test accuracy on {wildcards.dataset}",
        variants=lambda wildcards: [
            v.name for v in study.variants(wildcards.dataset) for _ in study.seeds
        ],
        grid=lambda wildcards: grid(wildcards.dataset),
        code=code_digest(tabulate_accuracy),
    script:
        "../scripts/tabulate_accuracy.py"


rule tabulate_neural_persistence:
    input:
        networks_of_dataset(f"results/network/{NETWORK}.h5"),
    output:
        csv="results/table/{dataset}/neural_persistence.csv",
        html=report(
            "results/table/{dataset}/neural_persistence.html",
            caption="../report/neural_persistence.rst",
            category="Tables",
            labels={"networks": "{dataset}", "table": "neural persistence"},
        ),
    log:
        "logs/tabulate_neural_persistence/{dataset}.log",
    benchmark:
        "results/benchmark/tabulate_neural_persistence/{dataset}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: study.need_of_neural_persistence(
            wildcards.dataset
        ).mem_mb(attempt),
        runtime=lambda wildcards, attempt: study.need_of_neural_persistence(
            wildcards.dataset
        ).runtime(attempt),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"Neural persistence on {wildcards.dataset}",
        variants=lambda wildcards: [
            v.name for v in study.variants(wildcards.dataset) for _ in study.seeds
        ],
        order=study.measure_options("neural_persistence")["order"],
        grid=lambda wildcards: grid(wildcards.dataset),
        code=code_digest(tabulate_neural_persistence),
    script:
        "../scripts/tabulate_neural_persistence.py"


rule tabulate_multiplicity:
    input:
        networks_of_dataset(f"results/prediction/{NETWORK}.h5"),
    output:
        csv="results/table/{dataset}/multiplicity.csv",
        html=report(
            "results/table/{dataset}/multiplicity.html",
            caption="../report/multiplicity.rst",
            category="Tables",
            labels={"networks": "{dataset}", "table": "predictive multiplicity"},
        ),
    log:
        "logs/tabulate_multiplicity/{dataset}.log",
    benchmark:
        "results/benchmark/tabulate_multiplicity/{dataset}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: study.need_of_multiplicity(wildcards.dataset).mem_mb(
            attempt
        ),
        runtime=lambda wildcards, attempt: study.need_of_multiplicity(wildcards.dataset).runtime(
            attempt
        ),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"Predictive multiplicity on {wildcards.dataset}",
        variants=lambda wildcards: [
            v.name for v in study.variants(wildcards.dataset) for _ in study.seeds
        ],
        seeds=lambda wildcards: study.seeds * len(study.variants(wildcards.dataset)),
        # those of the measure of a pair that has the same name
        options={name: study.measure_options(name) for name in GROUP_MEASURES if name in MEASURES},
        grid=lambda wildcards: grid(wildcards.dataset),
        code=code_digest(tabulate_multiplicity, *GROUP_MEASURES.values()),
    script:
        "../scripts/tabulate_multiplicity.py"


rule tabulate_groups:
    input:
        lambda wildcards: summaries(wildcards.comparison),
    output:
        csv="results/table/{comparison}/groups.csv",
        html=report(
            "results/table/{comparison}/groups.html",
            caption="../report/groups.rst",
            category="Tables",
            labels={"networks": "{comparison}", "table": "distances within groups"},
        ),
    log:
        "logs/tabulate_groups/{comparison}.log",
    benchmark:
        "results/benchmark/tabulate_groups/{comparison}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: SMALL.mem_mb(attempt),
        runtime=lambda wildcards, attempt: SMALL.runtime(attempt),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"Distances within groups of {wildcards.comparison}",
        measures=lambda wildcards: study.measures_of(wildcards.comparison),
        grid=lambda wildcards: grid(wildcards.comparison),
        code=code_digest(tabulate_groups),
    script:
        "../scripts/tabulate_groups.py"


rule tabulate_untrained:
    input:
        trained=lambda wildcards: distances_of(wildcards.dataset),
        untrained=lambda wildcards: distances_of(f"{wildcards.dataset}{UNTRAINED}"),
    output:
        csv="results/table/{dataset}/untrained.csv",
        html=report(
            "results/table/{dataset}/untrained.html",
            caption="../report/untrained.rst",
            category="Tables",
            labels={"networks": "{dataset}", "table": "trained and untrained"},
        ),
    log:
        "logs/tabulate_untrained/{dataset}.log",
    benchmark:
        "results/benchmark/tabulate_untrained/{dataset}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: SMALL.mem_mb(attempt),
        runtime=lambda wildcards, attempt: SMALL.runtime(attempt),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"Distances before and after training on {wildcards.dataset}",
        grid=lambda wildcards: grid(wildcards.dataset),
        code=code_digest(tabulate_untrained),
    script:
        "../scripts/tabulate_untrained.py"


rule tabulate_norms:
    input:
        NORM_GRAPHS,
    output:
        csv=f"results/table/{CONTROL}/norms.csv",
        ratios=f"results/table/{CONTROL}/norm_ratios.csv",
        html=report(
            f"results/table/{CONTROL}/norms.html",
            caption="../report/norms.rst",
            category="Reproduction",
            labels={"networks": CONTROL, "table": "norm baselines"},
        ),
    log:
        "logs/tabulate_norms.log",
    benchmark:
        "results/benchmark/tabulate_norms.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: study.need_of_norms().mem_mb(attempt),
        runtime=lambda wildcards, attempt: study.need_of_norms().runtime(attempt),
    params:
        **NORMS,
        code=code_digest(tabulate_norms),
        inputs=planned_inputs,
        title="Norm baselines on the control networks",
    script:
        "../scripts/tabulate_norms.py"


rule tabulate_reproduction:
    input:
        distances=[path for comparison in JUDGED for path in distances_of(comparison)],
        norms=NORM_TABLES,
        published=[f"{PUBLISHED}/groups.csv", f"{PUBLISHED}/norms.csv"],
    output:
        csv="results/table/reproduction.csv",
        claims="results/table/claims.csv",
        html=report(
            "results/table/reproduction.html",
            caption="../report/reproduction.rst",
            category="Reproduction",
            labels={"networks": "all", "table": "published numbers and claims"},
        ),
    log:
        "logs/tabulate_reproduction.log",
    benchmark:
        "results/benchmark/tabulate_reproduction.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: SMALL.mem_mb(attempt),
        runtime=lambda wildcards, attempt: SMALL.runtime(attempt),
    params:
        inputs=planned_inputs,
        title="The paper's numbers and claims on these networks",
        comparisons=[comparison for comparison in JUDGED for _ in distances_of(comparison)],
        grids={comparison: grid(comparison) for comparison in JUDGED},
        epochs={dataset: study.dataset(dataset).epochs for dataset in study.datasets},
        norms=planned_table(tabulate_norms, NORMS, NORM_GRAPHS if NORM_TABLES else []),
        code=code_digest(tabulate_reproduction),
    script:
        "../scripts/tabulate_reproduction.py"


rule tabulate_measures:
    input:
        ALL_DISTANCES,
    output:
        csv="results/table/measures.csv",
        agreement="results/table/agreement.csv",
        html=report(
            "results/table/measures.html",
            caption="../report/measures.rst",
            category="Which measure sees what",
            labels={"networks": "all", "what": "table and findings"},
        ),
    log:
        "logs/tabulate_measures.log",
    benchmark:
        "results/benchmark/tabulate_measures.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: SMALL.mem_mb(attempt),
        runtime=lambda wildcards, attempt: 3 * SMALL.runtime(attempt),
    params:
        **SEEN,
        code=code_digest(tabulate_measures),
        inputs=planned_inputs,
        title="Which measure sees what",
    script:
        "../scripts/tabulate_measures.py"


BENCHMARKS = benchmarks_of_stages()


rule tabulate_costs:
    # after all distances; the benchmark files themselves are no input: making one anew
    # would mean doing its job again
    input:
        [path for comparison in study.comparisons for path in summaries(comparison)],
    output:
        csv="results/table/costs.csv",
        use="results/table/use.csv",
        html=report(
            "results/table/costs.html",
            caption="../report/costs.rst",
            category="Tables",
            labels={"networks": "all", "table": "run time and memory"},
        ),
    log:
        "logs/tabulate_costs.log",
    benchmark:
        "results/benchmark/tabulate_costs.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: SMALL.mem_mb(attempt),
        runtime=lambda wildcards, attempt: SMALL.runtime(attempt),
    params:
        inputs=planned_inputs,
        title="Run time and memory of each rule",
        rules=[rule_name for rule_name, _ in BENCHMARKS],
        benchmarks=[path for _, path in BENCHMARKS],
        code=code_digest(tabulate_costs),
    script:
        "../scripts/tabulate_costs.py"
