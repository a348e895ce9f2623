"""The study, the closed sets of wildcards, and what every rule asks for its job.

Gives: `study`, the checked config, which every rule asks for its own piece only.
"""

import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# from any working folder, also where another workflow loads this one as a module
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent.parent
# the library of this checkout comes first, for the rules and for the jobs they start
sys.path.insert(0, str(ROOT / "src"))
sys.path.append(str(ROOT / "workflow"))

from netkin.job import lead_python_path

# before matplotlib is imported, which some environments fail
lead_python_path()

from internals import config_of, config_sources, has_path_prefix, is_sent
from netkin.comparison import CONTROL, OVERALL
from netkin.distance import INPUTS, MEASURES
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
from netkin.source.sheet import NETWORKS
from netkin.storage import file_of, lineage
from netkin.study import Study

if has_path_prefix(workflow):
    raise WorkflowError(
        "netkin: the module has a prefix of paths, which netkin cannot have; give its rules one: "
        "use rule * from netkin as netkin_*"
    )

DEFAULT_CONFIG = str(ROOT / "config" / "config.yaml")
try:
    # before Snakemake reads them: it takes the last of two equal keys, and `no` as a key, without
    # a word; what it cannot read at all is told here for the default file, and by `make` for others
    SOURCES_OF_CONFIG = config_sources(workflow, DEFAULT_CONFIG, config)
except NetkinError as error:
    raise WorkflowError(str(error)) from None


# --configfile extends it
configfile: DEFAULT_CONFIG


try:
    study = Study(config_of(workflow, config, SOURCES_OF_CONFIG), SOURCES_OF_CONFIG)
except NetkinError as error:
    raise WorkflowError(str(error)) from None


SHEET = study.sources["sheet"]
recipes = Recipes(study, ROOT / "workflow" / "scripts")

# as seen from the results, so that a moved checkout has nothing to make anew
PUBLISHED = os.path.relpath(ROOT / "resources" / "published")


onstart:
    if not is_sent(workflow):
        try:
            for remark in study.remarks:
                print(f"netkin: {remark}", file=sys.stderr)
            check_dates(
                [
                    *(path for one in SHEET.members for path in SHEET.files_of(one)),
                    *(path for dataset in study.datasets.values() for path in dataset.files()),
                    *Path(PUBLISHED).iterdir(),
                    *(ROOT / "workflow" / "scripts").glob("*.py"),
                ]
            )
            check_writable(["results", "logs"])
            if late := no_results_of_tomorrow("results"):
                print(f"netkin: {late} results were dated in the future.", file=sys.stderr)
        except NetkinError as error:
            raise WorkflowError(str(error)) from None


def one_of(names):
    """Return the constraint of a wildcard that stands for one of these names."""
    # no name has a hyphen: without any, nothing matches
    return "|".join(map(re.escape, names)) or "-"


wildcard_constraints:
    member=one_of(study.members),
    bundle=one_of(study.bundles),
    replicate=one_of(study.replicates),
    dataset=one_of(study.datasets),
    comparison=one_of(study.comparisons),
    group=one_of(study.groups),
    source=one_of(dict.fromkeys(map(study.source_of_group, study.groups))),
    block=one_of(study.block_names()),
    measure=one_of(study.measures),
    vector=one_of(study.needed_vectors()),
    a=one_of(each for pair in study.config.distance.layers for each in pair),
    b=one_of(each for pair in study.config.distance.layers for each in pair),


# Snakemake compares no parameter whose function names `input` or `output`: it takes it to follow
# from the files alone, which these do not
def code_of(wildcards, **job):
    """Return the digest of the code that makes the results of a job."""
    return recipes.of(job["output"][0]).code


def planned_inputs(wildcards, **job):
    """Return {netkin file: its recipe} of what a job reads.

    As a parameter it makes the job run again after an edit of any stage before it, also where
    files between them are gone; and the job refuses files that were made otherwise.
    """
    return {path: recipes.of(path).digest for path in job["input"] if path.endswith(".h5")}


def distance_device(wildcards, output):
    """Return where distances are computed.

    Not compared, since it names `output`: the device changes their last digits only.
    """
    return study.config.distance.device


def planned_table(function, params, paths):
    """Return the recipe of a table, which as CSV cannot say itself how it was made."""
    files = dict.fromkeys(map(file_of, paths))
    return lineage(code_digest(function), params, [recipes.of(path).digest for path in files])


def files_of(paths):
    """Return the files of addresses ``FILE::ID``, each once; none for ""."""
    return list(dict.fromkeys(file_of(path) for path in paths if path))


def mem_mb(need):
    """Return the memory of a job by attempt; `need` is a function of wildcards."""
    return lambda wildcards, attempt: need(wildcards).mem_mb(attempt)


def runtime(need):
    """Return the minutes of a job by attempt; `need` is a function of wildcards."""
    return lambda wildcards, attempt: need(wildcards).runtime(attempt)


def small(wildcards):
    """Return what a job needs that reads and writes little."""
    return SMALL


def networks_by_name(comparison):
    """Return the files of the networks of a comparison, at all replicates of each."""
    return [study.file_of("network", member) for _, member in study.by_network(comparison)]


def network_of(wildcards):
    """Return where the network of a member is."""
    return study.file_of("network", study.members[wildcards.member])


def prepared(wildcards):
    """Return the data set whose loader gives a file."""
    return study.datasets[study.prepared[wildcards.prepared]]


def compared(wildcards):
    """Return what a job of distances compares."""
    return study.compared(wildcards.group, wildcards.comparison, wildcards.replicate)


def block_of(wildcards):
    """Return the networks of a block of a matrix."""
    return study.block(wildcards.source, wildcards.comparison, wildcards.replicate, wildcards.block)


def need_of_matrices(wildcards):
    """Return what a job needs that has whole matrices of a comparison in memory."""
    return study.need.matrices(wildcards.comparison)


def need_of_overview(wildcards):
    """Return what a figure needs of the matrices of all measures that it shows."""
    n_measures = len(study.overview_measures(wildcards.comparison))
    return study.need.matrices(wildcards.comparison, n_measures)


def need_of_distances(wildcards):
    """Return what a job of distances needs."""
    return study.need.distances(wildcards.comparison, wildcards.group)


def needs(wildcards):
    """Return the key of `INPUTS` that the measures of a group compare."""
    return MEASURES[study.groups[wildcards.group][0]].needs


def layers_of(wildcards):
    """Return the activations of two networks."""
    pair = wildcards.a, wildcards.b
    return study.layer_files(wildcards.comparison, pair, wildcards.replicate)


def need_of_layers(wildcards):
    """Return what comparing two networks layer by layer needs."""
    return study.need.layers(wildcards.comparison, (wildcards.a, wildcards.b))


def diagrams_of(wildcards):
    """Return the diagrams of the first replicate of a comparison."""
    first = study.comparisons[wildcards.comparison].first
    return [study.file_of("diagram", member) for member in first]


def predictions_of(wildcards):
    """Return the predictions of the networks of a comparison, at all replicates of each."""
    return [
        study.file_of("prediction", member) for _, member in study.by_network(wildcards.dataset)
    ]


def trained_distances(wildcards):
    """Return all distances of trained networks."""
    return study.all_distances(wildcards.dataset)


def untrained_distances(wildcards):
    """Return all distances of the same networks before training."""
    null = next((n for n, of in study.nulls.items() if of == wildcards.dataset), None)
    return [] if null is None else study.all_distances(null)


def seeds(comparison):
    """Return in words how many replicates a comparison has; the largest number for all together."""
    names = [*study.comparisons] if comparison == OVERALL else [comparison]
    number = max(len(study.comparisons[each].members) for each in names)
    what = "replicate" if names == [NETWORKS] else "seed"
    return f"1 {what}" if number == 1 else f"{number} {what}s"


def of_the_first(comparison):
    """Return in words which replicate is shown, nothing where there is one alone."""
    first, *others = study.comparisons[comparison].members
    if not others:
        return ""
    return f" of replicate {first}" if comparison == NETWORKS else f" of {first.replace('_', ' ')}"


def heading(comparison):
    """Return how a title names a comparison."""
    return "mean over data sets" if comparison == OVERALL else comparison


def benchmarks_of_stages():
    """Return [(rule, benchmark file), ...] of every job from data set to distance."""
    needed = study.needed_stages()
    found = [("prepare_dataset", one.prepared) for one in study.datasets.values()]
    found += [("extract_features", d.name) for d in study.datasets.values() if d.section.extractor]
    found += [("train_network", each) for each in study.made_by("train_network")]
    found += [("import_networks", each) for each in study.imported]
    found += [("export_graph", each) for each in study.members if study.config.graph.export]
    for stage, rule_name in (
        ("diagram", "compute_diagrams"),
        ("activation", "compute_activations"),
        ("prediction", "compute_predictions"),
    ):
        found += [(rule_name, each) for each in study.bundles_for(stage) if stage in needed]
    found += [
        ("vectorise_diagrams", f"{vector}/{bundle}")
        for vector in study.needed_vectors()
        for bundle in study.bundles
    ]
    for name, comparison in study.comparisons.items():
        for replicate in comparison.members:
            for group in study.groups_of(name):
                divided = study.is_divided(group, name)
                rule_name = "join_distances" if divided else "compute_distances"
                found.append((rule_name, f"{name}/{group}/{replicate}"))
            found += [
                ("compute_block", f"{name}/{source}/{replicate}/{Path(each).stem}")
                for source in study.divided(name)
                for each in study.blocks(source, name, replicate)
            ]
        found += [
            ("compare_layers", f"{name}/{a}/{b}/{replicate}")
            for a, b in study.layer_pairs(name)
            for replicate in comparison.members
        ]
        found += [("summarise_distances", f"{name}/{m}") for m in study.measures_of(name)]
    return [(rule_name, f"results/benchmark/{rule_name}/{path}.tsv") for rule_name, path in found]
