"""table: test accuracies, group statistics, costs, as CSV and as HTML (report).

Needs the trained networks, the distance summaries, and the benchmark files of all stages.
Gives results/table/...
"""

from netkin.distance.functional import GROUP_MEASURES
from netkin.figure.matrix import MOST_NAMED
from netkin.table.accuracy import tabulate_accuracy
from netkin.table.costs import tabulate_costs
from netkin.table.groups import tabulate_groups
from netkin.table.measures import tabulate_measures
from netkin.table.members import check_members, tabulate_members
from netkin.table.multiplicity import tabulate_multiplicity
from netkin.table.neighbours import tabulate_neighbours
from netkin.table.neural_persistence import tabulate_neural_persistence
from netkin.table.untrained import tabulate_untrained

# what determines the tables that figures read
ALL_DISTANCES = [path for name in study.comparisons for path in study.all_distances(name)]
SEEN = {
    "comparisons": [name for name in study.comparisons for _ in study.all_distances(name)],
    "grids": {each: study.grid_with_designs(each) for each in study.comparisons},
    "untrained": study.nulls,
    "n_seeds": max(len(one.members) for one in study.comparisons.values()),
}
TABLES = [
    *(
        f"results/table/{one.name}/{kind}.csv"
        for one in study.trained
        for kind in (
            "accuracy",
            "neural_persistence",
            # no predictions for this table alone
            *["multiplicity"] * ("prediction" in study.needed_stages()),
            *["untrained"] * (one.name in study.nulls.values()),
        )
    ),
    *(f"results/table/{name}/groups.csv" for name in study.comparisons if study.measures_of(name)),
    *(
        f"results/table/{name}/neighbours.csv"
        for name, comparison in study.comparisons.items()
        if len(comparison.cells) > MOST_NAMED and study.measures_of(name)
    ),
    *["results/table/networks/members.csv"] * bool(SHEET.members),
    "results/table/measures.csv",
    "results/table/costs.csv",
]
# that all networks of the sheet could be read, told when everything else is done
CHECKED = ["results/table/networks/members.read"] * bool(SHEET.members)


rule tables:
    input:
        TABLES,


rule tabulate_accuracy:
    input:
        lambda wildcards: networks_by_name(wildcards.dataset),
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
        mem_mb=mem_mb(small),
        runtime=runtime(small),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"Test accuracy on {wildcards.dataset}",
        variants=lambda wildcards: [name for name, _ in study.by_network(wildcards.dataset)],
        grid=lambda wildcards: study.grid(wildcards.dataset),
        code=code_digest(tabulate_accuracy),
    script:
        "../scripts/tabulate_accuracy.py"


rule tabulate_neural_persistence:
    input:
        lambda wildcards: networks_by_name(wildcards.dataset),
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
        mem_mb=mem_mb(lambda wildcards: study.need.neural_persistence(wildcards.dataset)),
        runtime=runtime(lambda wildcards: study.need.neural_persistence(wildcards.dataset)),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"Neural persistence on {wildcards.dataset}",
        variants=lambda wildcards: [name for name, _ in study.by_network(wildcards.dataset)],
        order=study.measure_options("neural_persistence")["order"],
        grid=lambda wildcards: study.grid(wildcards.dataset),
        code=code_digest(tabulate_neural_persistence),
    script:
        "../scripts/tabulate_neural_persistence.py"


rule tabulate_multiplicity:
    input:
        lambda wildcards: files_of(predictions_of(wildcards)),
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
        mem_mb=mem_mb(lambda wildcards: study.need.multiplicity(wildcards.dataset)),
        runtime=runtime(lambda wildcards: study.need.multiplicity(wildcards.dataset)),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"Predictive multiplicity on {wildcards.dataset}",
        predictions=predictions_of,
        variants=lambda wildcards: [name for name, _ in study.by_network(wildcards.dataset)],
        seeds=lambda wildcards: [
            member.annotations["seed"] for _, member in study.by_network(wildcards.dataset)
        ],
        # those of the measure of a pair that has the same name
        options={each: study.measure_options(each) for each in GROUP_MEASURES if each in MEASURES},
        grid=lambda wildcards: study.grid(wildcards.dataset),
        code=code_digest(tabulate_multiplicity, *GROUP_MEASURES.values()),
    script:
        "../scripts/tabulate_multiplicity.py"


rule tabulate_groups:
    input:
        lambda wildcards: study.summaries(wildcards.comparison),
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
        mem_mb=mem_mb(need_of_matrices),
        runtime=runtime(need_of_matrices),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"Distances within groups of {wildcards.comparison}",
        measures=lambda wildcards: study.measures_of(wildcards.comparison),
        grid=lambda wildcards: study.grid(wildcards.comparison),
        code=code_digest(tabulate_groups),
    script:
        "../scripts/tabulate_groups.py"


rule tabulate_neighbours:
    input:
        lambda wildcards: study.summaries(wildcards.comparison),
    output:
        csv="results/table/{comparison}/neighbours.csv",
        html=report(
            "results/table/{comparison}/neighbours.html",
            caption="../report/neighbours.rst",
            category="Tables",
            labels={"networks": "{comparison}", "table": "clusters and neighbours"},
        ),
    log:
        "logs/tabulate_neighbours/{comparison}.log",
    benchmark:
        "results/benchmark/tabulate_neighbours/{comparison}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(need_of_matrices),
        runtime=runtime(need_of_matrices),
    params:
        inputs=planned_inputs,
        title=lambda wildcards: f"Clusters and nearest networks: {wildcards.comparison}",
        measures=lambda wildcards: study.measures_of(wildcards.comparison),
        grid=lambda wildcards: study.grid(wildcards.comparison),
        code=code_digest(tabulate_neighbours),
    script:
        "../scripts/tabulate_neighbours.py"


rule tabulate_untrained:
    input:
        lambda wildcards: files_of(trained_distances(wildcards) + untrained_distances(wildcards)),
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
        mem_mb=mem_mb(small),
        runtime=runtime(small),
    params:
        inputs=planned_inputs,
        trained=trained_distances,
        untrained=untrained_distances,
        title=lambda wildcards: f"Distances before and after training on {wildcards.dataset}",
        grid=lambda wildcards: study.grid(wildcards.dataset),
        code=code_digest(tabulate_untrained),
    script:
        "../scripts/tabulate_untrained.py"


rule tabulate_measures:
    input:
        files_of(ALL_DISTANCES),
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
        mem_mb=mem_mb(lambda wildcards: study.need.all_matrices()),
        runtime=lambda wildcards, attempt: 3 * study.need.all_matrices().runtime(attempt),
    params:
        **SEEN,
        distances=ALL_DISTANCES,
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
        [path for each in study.comparisons for path in study.summaries(each)],
        [study.path("graph", each) for each in study.members if study.config.graph.export],
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
        mem_mb=mem_mb(small),
        runtime=runtime(small),
    params:
        inputs=planned_inputs,
        title="Run time and memory of each rule",
        rules=[rule_name for rule_name, _ in BENCHMARKS],
        benchmarks=[path for _, path in BENCHMARKS],
        code=code_digest(tabulate_costs),
    script:
        "../scripts/tabulate_costs.py"


rule tabulate_members:
    input:
        files_of(study.file_of("network", member) for member in SHEET.members),
    output:
        csv="results/table/networks/members.csv",
        html=report(
            "results/table/networks/members.html",
            caption="../report/members.rst",
            category="Tables",
            labels={"networks": "networks", "table": "what was understood"},
        ),
    log:
        "logs/tabulate_members.log",
    benchmark:
        "results/benchmark/tabulate_members.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(small),
        runtime=runtime(small),
    params:
        inputs=planned_inputs,
        networks=[study.file_of("network", member) for member in SHEET.members],
        title="Networks of the sheet",
        rows=SHEET.described(),
        code=code_digest(tabulate_members),
    script:
        "../scripts/tabulate_members.py"


rule check_members:
    input:
        "results/table/networks/members.csv",
        lambda wildcards: [*FIGURES, *TABLES, *PAPER, *study.results()],
    output:
        "results/table/networks/members.read",
    log:
        "logs/check_members.log",
    benchmark:
        "results/benchmark/check_members.tsv"
    localrule: True
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(small),
        runtime=runtime(small),
    params:
        code=code_digest(check_members),
    script:
        "../scripts/check_members.py"
