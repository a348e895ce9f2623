"""The study, the closed sets of wildcards, and the paths of one network.

Gives: `study`, the checked config, which every rule asks for its own piece only.
"""

import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# the library of this checkout comes first, for the rules and for the jobs they start
sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from netkin.config import Study
from netkin.distance import MEASURES, SOURCES
from netkin.errors import NetkinError
from netkin.job import lead_python_path
from netkin.provenance import code_digest

lead_python_path()

try:
    files = [os.path.relpath(path) for path in reversed(workflow.configfiles)]
    study = Study(config, source=" extended by ".join(files))
except NetkinError as error:
    raise WorkflowError(str(error)) from None


EXTRACTED = [dataset for dataset in study.datasets if study.dataset(dataset).extractor]
PREPARED = {f"{d}.images" if d in EXTRACTED else d: d for d in study.datasets}
"""What a loader gives, as an id in paths -> its data set; features replace the images."""


wildcard_constraints:
    dataset="|".join(study.datasets),
    prepared="|".join(re.escape(prepared) for prepared in PREPARED),
    variant="|".join(sorted({v.name for d in study.datasets for v in study.variants(d)})),
    seed=r"\d+",
    vector="|".join(study.vectors),
    measure="|".join(study.measures),


NETWORK = "{dataset}/{variant}/seed_{seed}"

# a profile names the rule; what it sets for `compute_diagram` holds for each of its bundles
for overwritten in (
    workflow.resource_settings.overwrite_resources,
    workflow.resource_settings.overwrite_threads,
):
    for stage in {"build_graph", "compute_diagram", "vectorise_diagram"} & set(overwritten):
        for _, bundle, _ in study.bundles():
            overwritten.setdefault(f"{stage}_{bundle}", overwritten[stage])


def grid(dataset):
    """Return name, index and group of a data set's variants, in the order of the grid."""
    return [{"name": v.name, "index": v.index, "group": v.group} for v in study.variants(dataset)]


def networks_of_dataset(pattern):
    """Return an input function: `pattern` for all variants and seeds of {dataset}."""
    return lambda wildcards: expand(
        pattern,
        dataset=wildcards.dataset,
        variant=[v.name for v in study.variants(wildcards.dataset)],
        seed=study.seeds,
    )


def networks_of_seed(pattern):
    """Return an input function: `pattern` for all variants of {dataset} at {seed}."""
    return lambda wildcards: expand(
        pattern,
        dataset=wildcards.dataset,
        variant=[v.name for v in study.variants(wildcards.dataset)],
        seed=wildcards.seed,
    )


def files_of_measure(wildcards):
    """Return what {measure} compares: one file of the stage it needs for each variant."""
    measure = MEASURES[wildcards.measure]
    folder = f"vector/{measure.vector}" if measure.needs == "vector" else measure.needs
    return networks_of_seed(f"results/{folder}/{NETWORK}.h5")(wildcards)


def benchmarks_of_stages():
    """Return [(rule, benchmark file), ...] of every job from dataset to distance."""
    patterns = {
        "dataset": {"prepare_dataset": "{prepared}", "extract_features": "{extracted}"},
        "network": {"train_network": NETWORK},
        "graph": {"build_graph": "{bundle}/seed_{seed}"},
        "diagram": {"compute_diagram": "{bundle}/seed_{seed}"},
        "vector": {"vectorise_diagram": "{vector}/{bundle}/seed_{seed}"},
        "distance": {
            "compute_distances": "{dataset}/{measure}/seed_{seed}",
            "summarise_distances": "{dataset}/{measure}",
        },
    }
    pairs = {}
    for stage, rules_of_stage in patterns.items():
        if stage not in study.needed_stages():
            continue
        for rule_name, pattern in rules_of_stage.items():
            for dataset in study.datasets:
                paths = expand(
                    f"results/benchmark/{rule_name}/{pattern}.tsv",
                    dataset=dataset,
                    prepared=[prepared for prepared, d in PREPARED.items() if d == dataset],
                    extracted=[d for d in EXTRACTED if d == dataset],
                    variant=[v.name for v in study.variants(dataset)],
                    seed=study.seeds,
                    bundle=[bundle for d, bundle, _ in study.bundles() if d == dataset],
                    vector=study.needed_vectors(),
                    measure=study.measures,
                )
                # a pattern without some of the wildcards is expanded more than once
                pairs |= {(rule_name, path): None for path in paths}
    return list(pairs)
