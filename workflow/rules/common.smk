"""The study, the closed sets of wildcards, and the paths of one network.

Gives: `study`, the checked config, which every rule asks for its own piece only.
"""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# the library of this checkout comes first, for the rules and for the jobs they start
SOURCE = str(Path(workflow.basedir) / "src")
sys.path.insert(0, SOURCE)
os.environ["PYTHONPATH"] = os.pathsep.join(
    [SOURCE]
    + [
        p
        for p in os.environ.get("PYTHONPATH", "").split(os.pathsep)
        if p and p != SOURCE
    ]
)

from netkin.config import Study
from netkin.errors import NetkinError
from netkin.provenance import code_digest

try:
    study = Study(config, source=" + ".join(str(f) for f in workflow.configfiles))
except NetkinError as error:
    raise WorkflowError(str(error)) from None


wildcard_constraints:
    dataset="|".join(study.datasets),
    variant="|".join(
        sorted({v.name for d in study.datasets for v in study.variants(d)})
    ),
    seed=r"\d+",
    vector="|".join(study.vectors),
    measure="|".join(study.measures),


NETWORK = "{dataset}/{variant}/seed_{seed}"


def grid(dataset):
    """Return name, index and group of a data set's variants, in the order of the grid."""
    return [
        {"name": v.name, "index": v.index, "group": v.group}
        for v in study.variants(dataset)
    ]


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
