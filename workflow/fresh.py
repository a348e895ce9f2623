"""List the results that today's code and config would make otherwise, and why.

    python workflow/fresh.py [SNAKEMAKE'S ARGUMENTS]

Ends with status 1 if there is one. Nothing is run, and nothing of .snakemake is asked: every
file is compared by what it says of itself. Figures and tables say nothing and are left out.
"""

import os
import sys

from jobs import jobs_to_do, rule_of

from netkin.distance.compute import parameters_of
from netkin.distance.layers import layer_parameters
from netkin.freshness import Expected, describe, examine, files_in


def processor(job):
    """Return threads and device, if one is chosen; ``auto`` takes what is there."""
    device = {} if job.params.device == "auto" else {"device": job.params.device}
    return {"threads": job.params.threads, **device}


def of_network(params, index):
    """Return the parameters of one of several networks from those of all."""
    return {key: values[index] for key, values in params.items()}


def network_and_dataset(job, index):
    """Return the network of one of several, and the data set of all."""
    return [job.input.networks[index], job.input.dataset]


def code_of(job, index):
    """Return the digest of the code of an output; that of a job of several measures is its own."""
    if hasattr(job.params, "codes"):
        return job.params.codes[job.params.measures[index]]
    return job.params.code


MADE_BY = {
    "prepare_dataset": lambda job, index: (
        {"kind": job.params.kind, "options": job.params.options},
        [],  # the text of a user's files is in the content
    ),
    "extract_features": lambda job, index: (
        {**job.params.extraction, **processor(job)},
        job.input,
    ),
    "train_network": lambda job, index: (
        {**of_network(job.params.trainings, index), **processor(job)},
        job.input,
    ),
    "build_graph": lambda job, index: (job.params.options, [job.input[index]]),
    "compute_diagram": lambda job, index: (
        {"engine": job.params.engine, "max_dimension": job.params.max_dimension},
        [job.input[index]],
    ),
    "vectorise_diagram": lambda job, index: (
        {"kind": job.wildcards.vector, "policy": job.params.policy, **job.params.options},
        [job.input[index]],
    ),
    "compute_activations": lambda job, index: (
        {**job.params.options, **of_network(job.params.trained_with, index)},
        network_and_dataset(job, index),
    ),
    "compute_predictions": lambda job, index: (
        of_network(job.params.trained_with, index),
        network_and_dataset(job, index),
    ),
    "compute_distances": lambda job, index: (
        parameters_of(
            job.params.measures[index],
            job.params.networks,
            job.params.options,
            job.params.reading,
            job.params.calibration,
        ),
        job.input,
    ),
    "compare_layers": lambda job, index: (
        layer_parameters(job.params.measures, job.params.options, job.params.calibration),
        job.input,
    ),
    "summarise_distances": lambda job, index: ({}, job.input),
}
"""Rule -> parameters and netkin files of an output of a job, as its script hands them on."""


def expected(job):
    """Return how today's code and config would make each file of a job."""
    found = []
    for index, path in enumerate(job.output):
        parameters, inputs = MADE_BY[rule_of(job)](job, index)
        code = code_of(job, index)
        found.append(Expected(str(path), code, parameters, tuple(map(str, inputs))))
    return found


if __name__ == "__main__":
    folder, _, jobs = jobs_to_do(["--forceall", *sys.argv[1:]])
    files = [job for job in jobs if str(job.output[0]).endswith(".h5")]
    os.chdir(folder)
    result = examine([one for job in files for one in expected(job)], files_in("results"))
    print(describe(result))
    sys.exit(bool(result.stale))
