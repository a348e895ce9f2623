"""table: test accuracies, group statistics, costs, as CSV and as HTML (report).

Needs the trained networks, the distance summaries, and the benchmark files of all stages.
Gives results/table/...
"""

from netkin.table.accuracy import tabulate_accuracy
from netkin.table.costs import tabulate_costs
from netkin.table.groups import tabulate_groups


rule tables:
    input:
        expand(
            "results/table/{dataset}/{kind}.csv",
            dataset=study.datasets,
            kind=["accuracy", "groups"],
        ),
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
            labels={"data set": "{dataset}", "table": "test accuracy"},
        ),
    log:
        "logs/tabulate_accuracy/{dataset}.log",
    benchmark:
        "results/benchmark/tabulate_accuracy/{dataset}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 5 * attempt,
    params:
        title=lambda wildcards: f"Test accuracy on {wildcards.dataset}",
        variants=lambda wildcards: [
            v.name for v in study.variants(wildcards.dataset) for _ in study.seeds
        ],
        grid=lambda wildcards: grid(wildcards.dataset),
        code=code_digest(tabulate_accuracy),
    script:
        "../scripts/tabulate_accuracy.py"


rule tabulate_groups:
    input:
        lambda wildcards: expand(
            "results/distance/{dataset}/{measure}/summary.h5",
            dataset=wildcards.dataset,
            measure=study.measures,
        ),
    output:
        csv="results/table/{dataset}/groups.csv",
        html=report(
            "results/table/{dataset}/groups.html",
            caption="../report/groups.rst",
            category="Tables",
            labels={"data set": "{dataset}", "table": "distances within groups"},
        ),
    log:
        "logs/tabulate_groups/{dataset}.log",
    benchmark:
        "results/benchmark/tabulate_groups/{dataset}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 5 * attempt,
    params:
        title=lambda wildcards: f"Distances within experiment groups on {wildcards.dataset}",
        measures=study.measures,
        grid=lambda wildcards: grid(wildcards.dataset),
        code=code_digest(tabulate_groups),
    script:
        "../scripts/tabulate_groups.py"


BENCHMARKS = benchmarks_of_stages()


rule tabulate_costs:
    # after all distances; the benchmark files themselves are no input: making one anew
    # would mean doing its job again
    input:
        expand(
            "results/distance/{dataset}/{measure}/summary.h5",
            dataset=study.datasets,
            measure=study.measures,
        ),
    output:
        csv="results/table/costs.csv",
        html=report(
            "results/table/costs.html",
            caption="../report/costs.rst",
            category="Tables",
            labels={"data set": "all", "table": "run time and memory"},
        ),
    log:
        "logs/tabulate_costs.log",
    benchmark:
        "results/benchmark/tabulate_costs.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 5 * attempt,
    params:
        title="Run time and peak memory of each rule",
        rules=[rule_name for rule_name, _ in BENCHMARKS],
        benchmarks=[path for _, path in BENCHMARKS],
        code=code_digest(tabulate_costs),
    script:
        "../scripts/tabulate_costs.py"
