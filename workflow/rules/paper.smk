"""paper: the published numbers and the claims of arXiv 2101.07752, beside these networks.

Only where the config has `study.paper: true` and data sets; whatever belongs to that one paper is
here and in src/netkin/paper/.
Needs distances, the control networks, and resources/published/. Gives results/paper/...
"""

from netkin.paper import control_by_dataset
from netkin.paper.norms import tabulate_norms
from netkin.paper.reproduction import tabulate_reproduction

# its claims are about networks trained here, and there may be a sheet alone
HAS_PAPER = study.config.study.paper and bool(study.trained)
# only with pairs of control networks on several data sets; they cost graphs, but no homology
CONTROLS = control_by_dataset(study)
NORM_TABLES = [f"results/paper/{name}.csv" for name in ("norms", "norm_ratios") if CONTROLS]
NORM_NETWORKS = [study.file_of("network", member) for _, _, member in CONTROLS]
# what determines the tables that other tables read
NORMS = {
    "datasets": [dataset for dataset, _, _ in CONTROLS],
    "seeds": [seed for _, seed, _ in CONTROLS],
    "graph": study.graph(),
}
# the claims are about trained networks
JUDGED = [name for name in study.comparisons if name not in study.nulls]
JUDGED_DISTANCES = [path for name in JUDGED for path in study.all_distances(name)]
PAPER = ["results/paper/reproduction.csv", *NORM_TABLES] if HAS_PAPER else []


rule paper:
    input:
        PAPER,


rule tabulate_norms:
    input:
        NORM_NETWORKS,
    output:
        csv="results/paper/norms.csv",
        ratios="results/paper/norm_ratios.csv",
        html=report(
            "results/paper/norms.html",
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
        mem_mb=mem_mb(lambda wildcards: study.need.norms()),
        runtime=runtime(lambda wildcards: study.need.norms()),
    params:
        **NORMS,
        code=code_digest(tabulate_norms),
        inputs=planned_inputs,
        title="Norm baselines on the control networks",
    script:
        "../scripts/tabulate_norms.py"


rule tabulate_reproduction:
    input:
        distances=files_of(JUDGED_DISTANCES),
        norms=NORM_TABLES,
        published=[f"{PUBLISHED}/{name}.csv" for name in ("groups", "norms", "repeatability")],
    output:
        csv="results/paper/reproduction.csv",
        claims="results/paper/claims.csv",
        html=report(
            "results/paper/reproduction.html",
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
        mem_mb=mem_mb(small),
        runtime=runtime(small),
    params:
        inputs=planned_inputs,
        title="The paper's numbers and claims on these networks",
        distances=JUDGED_DISTANCES,
        comparisons=[name for name in JUDGED for _ in study.all_distances(name)],
        grids={each: study.grid(each) for each in JUDGED},
        epochs={each: dataset.section.epochs for each, dataset in study.datasets.items()},
        norms=planned_table(tabulate_norms, NORMS, NORM_NETWORKS if NORM_TABLES else []),
        code=code_digest(tabulate_reproduction),
    script:
        "../scripts/tabulate_reproduction.py"
