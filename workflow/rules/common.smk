"""The study, the closed sets of wildcards, and the paths of one network.

Gives: `study`, the checked config, which every rule asks for its own piece only.
"""

import os
import re
import sys
from functools import partial
from pathlib import Path, PurePath

from snakemake.exceptions import WorkflowError
from snakemake.resources import Resources

# the library of this checkout comes first, for the rules and for the jobs they start
sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from netkin.job import lead_python_path

# before matplotlib is imported, which some environments fail
lead_python_path()

from netkin.config import Study
from netkin.config_file import COMMAND_LINE, Source, read_config_file
from netkin.distance import MEASURES, SOURCES
from netkin.errors import NetkinError
from netkin.estimate import SMALL
from netkin.folders import (
    check_dates,
    check_folders,
    check_links,
    check_writable,
    no_results_of_tomorrow,
)
from netkin.provenance import code_digest
from netkin.recipe import Recipes
from netkin.schema import UNTRAINED
from netkin.storage import lineage
from netkin.table.questions import CONTROL, OVERALL

# found from any working folder; --configfile extends it
DEFAULT_CONFIG = f"{workflow.basedir}/config/config.yaml"
try:
    # read here as well, since Snakemake takes the last of two equal keys, and `no` as a key,
    # without a word; what it cannot read at all is told here for the default file, and by `make`
    # for others
    SOURCES_OF_CONFIG = [
        read_config_file(path, os.path.relpath(path))
        for path in (DEFAULT_CONFIG, *workflow.configfiles)
    ]
except NetkinError as error:
    raise WorkflowError(str(error)) from None
if workflow.config_settings.config:
    SOURCES_OF_CONFIG.append(Source(COMMAND_LINE, workflow.config_settings.config))
if workflow.config_settings.replace_workflow_config and len(SOURCES_OF_CONFIG) > 1:
    del SOURCES_OF_CONFIG[0]


configfile: DEFAULT_CONFIG


try:
    study = Study(config, SOURCES_OF_CONFIG)
except NetkinError as error:
    raise WorkflowError(str(error)) from None


recipes = Recipes(study, f"{workflow.basedir}/workflow/scripts")

EXTRACTED = [dataset for dataset in study.datasets if study.dataset(dataset).extractor]
PREPARED = {f"{d}.images" if d in EXTRACTED else d: d for d in study.datasets}
"""What a loader gives, as an id in paths -> its data set; features replace the images."""

VARIANTS = sorted({v.name for d in study.datasets for v in study.variants(d)})


# as seen from the results, so that a moved checkout has nothing to make anew
PUBLISHED = os.path.relpath(f"{workflow.basedir}/resources/published")


onstart:
    # a job that was sent to a cluster looks at nothing anew
    if workflow.is_main_process:
        try:
            check_dates(
                [
                    *(
                        path
                        for dataset in study.datasets
                        for path in study.dataset_files(dataset)
                    ),
                    *Path(PUBLISHED).iterdir(),
                    *(Path(workflow.basedir) / "workflow/scripts").glob("*.py"),
                ]
            )
            check_writable(["results", "logs"])
            if late := no_results_of_tomorrow("results"):
                print(f"netkin: {late} results were dated in the future.", file=sys.stderr)
        except NetkinError as error:
            raise WorkflowError(str(error)) from None


wildcard_constraints:
    dataset="|".join(study.networks),
    comparison="|".join(study.comparisons),
    prepared="|".join(re.escape(prepared) for prepared in PREPARED),
    variant="|".join(VARIANTS),
    a="|".join(VARIANTS),
    b="|".join(VARIANTS),
    seed=r"\d+",
    vector="|".join(study.vectors),
    measure="|".join(study.measures),


NETWORK = "{dataset}/{variant}/seed_{seed}"

# one network a job is one rule, whose wildcards say which
TRAININGS = [("train_network", "{dataset}", ["{variant}"], "{dataset}/{variant}")]
if study.config.trainings_per_job > 1:
    TRAININGS = [
        (f"train_network_{bundle}", dataset, variants, bundle)
        for dataset, bundle, variants in study.bundles(study.config.trainings_per_job)
    ]
"""Rule that trains, data set, variants, and what stands for these in the names of logs."""
BUNDLED = {
    "train_network": [name for name, *_ in TRAININGS],
    **{
        stage: [f"{stage}_{bundle}" for _, bundle, _ in study.bundles()]
        for stage in (
            "build_graph",
            "compute_diagram",
            "vectorise_diagram",
            "compute_activations",
            "compute_predictions",
        )
    },
    "compute_distances": [f"compute_distances_{group}" for group, _, _ in study.measure_groups()],
}
"""Rule that is made several times -> its names."""
# a profile names the rule; what it sets for `compute_diagram` holds for each of its bundles,
# beside what it sets for one bundle alone
settings = workflow.resource_settings
for stage in BUNDLED.keys() & settings.overwrite_resources.keys():
    for_all = settings.overwrite_resources[stage]
    for name in BUNDLED[stage]:
        for_one = settings.overwrite_resources.get(name, {})
        settings.overwrite_resources[name] = Resources({**for_all, **for_one})
for stage in BUNDLED.keys() & settings.overwrite_threads.keys():
    for name in BUNDLED[stage]:
        settings.overwrite_threads.setdefault(name, settings.overwrite_threads[stage])


def planned_inputs(wildcards, **job):
    """Return {netkin file: its recipe} of what a job reads.

    As a parameter it makes the job run again after an edit of any stage before it, also where
    files between them are gone; and the job refuses files that were made otherwise.
    """
    # Snakemake compares no parameter whose function names `input`: it takes it to follow from
    # the files alone, which this one does not
    return {path: recipes.of(path).digest for path in job["input"] if path.endswith(".h5")}


def planned_code(wildcards, **job):
    """Return the digest of the code that makes the results of a job."""
    return recipes.of(job["output"][0]).code


def planned_codes(wildcards, **job):
    """Return {measure: digest of the code} of a job of several measures."""
    return {PurePath(path).parent.name: recipes.of(path).code for path in job["output"]}


def planned_table(function, params, paths):
    """Return the recipe of a table, which as CSV cannot say itself how it was made."""
    return lineage(code_digest(function), params, [recipes.of(path).digest for path in paths])


def how_stored(stage):
    """Return "kept" or "temporary", for the files of a stage."""
    return "kept" if stage in study.config.keep else "temporary"


def kept_or_temporary(stage, paths):
    """Return outputs of a stage, marked for deletion after use where it is not kept."""
    return paths if how_stored(stage) == "kept" else temp(paths)


def heading(comparison):
    """Return how a title names a comparison."""
    return "mean over data sets" if comparison == OVERALL else comparison


def grid(comparison):
    """Return name, index, group and value of the networks of a comparison, in order."""
    return [
        {key: getattr(cell, key) for key in ("name", "index", "group", "value")}
        for cell in study.compared(comparison)
    ]


def grid_with_designs(comparison):
    """Return the grid of a comparison, with what of a network is not left to chance."""
    cells = []
    for row, cell in zip(grid(comparison), study.compared(comparison), strict=True):
        variant = study.variant(cell.dataset, cell.variant)
        # with width and depth the number of parameters tells the number of labels
        n_parameters = study.n_parameters(cell.dataset, cell.variant)
        design = f"{cell.dataset}, {variant.hidden_layers} x {variant.width}, {n_parameters}"
        cells.append(row | {"design": design})
    return cells


def networks_of_dataset(pattern):
    """Return an input function: `pattern` for all variants and seeds of {dataset}."""
    return lambda wildcards: expand(
        pattern,
        dataset=wildcards.dataset,
        variant=[v.name for v in study.variants(wildcards.dataset)],
        seed=study.seeds,
    )


def networks_at(folder, comparison, seed):
    """Return the files in `folder` of the networks of a comparison at a seed."""
    return [
        f"results/{folder}/{cell.dataset}/{cell.variant}/seed_{seed}.h5"
        for cell in study.compared(comparison)
    ]


def files_of_measure(measure, comparison, seed):
    """Return what a measure compares: the file of each network."""
    entry = MEASURES[measure]
    stage = SOURCES[entry.needs].stage
    folder = f"{stage}/{entry.vector}" if stage == "vector" else stage
    return networks_at(folder, comparison, seed)


def dataset_file(name):
    """Return the prepared data set of the networks that stand under a name."""
    return f"results/dataset/{study.dataset_of(name)}.h5"


def networks_of_job(dataset, variants, wildcards):
    """Return data set and variants of a job of TRAININGS, their names in place of wildcards."""
    return dataset.format(**wildcards), [variant.format(**wildcards) for variant in variants]


def trainings(dataset, variants, seed):
    """Return {argument: its value for each network} of the training of networks."""
    each = [study.training(dataset, variant, seed) for variant in variants]
    return {key: [training[key] for training in each] for key in each[0]}


def trained_with(dataset, variants):
    """Return {argument: its value for each network} of what gives networks their rows."""
    each = [study.trained_with(dataset, variant) for variant in variants]
    return {key: [how[key] for how in each] for key in each[0]}


def summaries(comparison):
    """Return the summary of each measure of a comparison."""
    return expand(
        "results/distance/{comparison}/{measure}/summary.h5",
        comparison=comparison,
        measure=study.measures_of(comparison),
    )


def distances_of(comparison):
    """Return the distance files of a comparison: all measures and seeds."""
    return expand(
        "results/distance/{comparison}/{measure}/seed_{seed}.h5",
        comparison=comparison,
        measure=study.measures_of(comparison),
        seed=study.seeds,
    )


def results_that_stay():
    """Return all files of the stages that are not deleted after use."""
    needed = study.needed_stages()
    stages = [
        stage
        for stage in ("network", "graph", "diagram", "activation", "prediction")
        if stage in needed and (stage not in ("graph", "diagram") or stage in study.config.keep)
    ]
    folders = stages + [f"vector/{vector}" for vector in study.needed_vectors()]
    networks = [
        path
        for folder in folders
        for name in study.networks
        for seed in study.seeds
        for path in networks_at(folder, name, seed)
    ]
    datasets = [f"results/dataset/{name}.h5" for name in [*PREPARED, *EXTRACTED]]
    distances = [
        path for name in study.comparisons for path in [*distances_of(name), *summaries(name)]
    ]
    return datasets + networks + distances


def benchmarks_of_stages():
    """Return [(rule, benchmark file), ...] of every job from dataset to distance."""
    patterns = {
        "dataset": {"prepare_dataset": "{prepared}", "extract_features": "{extracted}"},
        "network": {"train_network": "{trained}/seed_{seed}"},
        "graph": {"build_graph": "{bundle}/seed_{seed}"},
        "diagram": {"compute_diagram": "{bundle}/seed_{seed}"},
        "activation": {"compute_activations": "{bundle}/seed_{seed}"},
        "prediction": {"compute_predictions": "{bundle}/seed_{seed}"},
        "vector": {"vectorise_diagram": "{vector}/{bundle}/seed_{seed}"},
        "distance": {
            "compute_distances": "{comparison}/{group}/seed_{seed}",
            "compare_layers": "{pair}/seed_{seed}",
            "summarise_distances": "{comparison}/{measure}",
        },
    }
    pairs = {}
    for stage, rules_of_stage in patterns.items():
        if stage not in study.needed_stages():
            continue
        for rule_name, pattern in rules_of_stage.items():
            for dataset in study.comparisons:
                paths = expand(
                    f"results/benchmark/{rule_name}/{pattern}.tsv",
                    dataset=dataset,
                    prepared=[name for name, d in PREPARED.items() if d == dataset],
                    extracted=[d for d in EXTRACTED if d == dataset],
                    trained=[
                        place.format(dataset=dataset, variant=variant.name)
                        for _, trained, _, place in TRAININGS
                        if trained in (dataset, "{dataset}")
                        for variant in ([] if dataset == CONTROL else study.variants(dataset))
                    ],
                    seed=study.seeds,
                    bundle=[bundle for d, bundle, _ in study.bundles() if d == dataset],
                    vector=study.needed_vectors(),
                    comparison=dataset,
                    measure=study.measures_of(dataset),
                    pair=[
                        f"{dataset}/{a}/{b}"
                        for a, b in (
                            study.layer_pairs(dataset) if dataset in study.datasets else []
                        )
                    ],
                    group=[
                        group
                        for group, source, _ in study.measure_groups()
                        if dataset in study.comparisons_by(source)
                    ],
                )
                # a pattern without some of the wildcards is expanded more than once
                pairs |= {(rule_name, path): None for path in paths}
    return list(pairs)
