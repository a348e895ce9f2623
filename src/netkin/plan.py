"""What a run will take, before it: jobs, core hours, memory and disk, as a table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from netkin import estimate
from netkin.estimate import FILE_BYTES, STORED_BYTES
from netkin.member import Member
from netkin.study import Study
from netkin.vector import VECTORISERS

FULL_DIMENSIONS = 2
"""Dimensions in which networks without skip connections have classes; the others take no room."""


@dataclass(frozen=True)
class PlannedJob:
    """What one job asks for at its first attempt, and what it will write.

    Attributes
    ----------
    rule : str
        Name of its rule.
    outputs : tuple of str
        Its results, as ``results/STAGE/...``.
    cores, gpus : int
        How many.
    megabytes, minutes : float
        Memory and wall-clock time; 0 where nothing is asked for.
    """

    rule: str
    outputs: tuple[str, ...]
    cores: int
    gpus: int
    megabytes: float
    minutes: float


def disk_of(study: Study, path: str) -> tuple[str, float]:
    """Return the stage of a result and its bytes on disk, from the config alone.

    Parameters
    ----------
    study : Study
        The study it belongs to.
    path : str
        ``results/STAGE/...`` as in docs/files.md.
    """
    parts = PurePath(path).with_suffix("").parts
    stage = parts[1]
    return stage, FILE_BYTES + _SIZES.get(stage, _size_of_other)(study, parts)


def _size_of_dataset(study: Study, parts: Sequence[str]) -> float:
    """Bytes of float32 values."""
    dataset = study.datasets[study.prepared[parts[2]]]
    n_rows, n_inputs = dataset.shape_of_images if parts[2] == dataset.prepared else dataset.shape
    return 4.0 * n_rows * n_inputs


def _size_of_one(study: Study, parts: Sequence[str]) -> float:
    if "/".join(parts[2:]) in study.together:  # a folder that lasts until its networks are taken
        return 0.0
    id = "/".join(parts[2:])
    members = [study.members[id]] if id in study.members else _members(study, parts[2:])
    return STORED_BYTES[parts[1]] * sum(member.size.edges for member in members)


def _members(study: Study, parts: Sequence[str]) -> Sequence[Member]:
    return study.bundles["/".join(parts)].members


def _size_of_diagram(study: Study, parts: Sequence[str]) -> float:
    edges = sum(member.size.edges for member in _members(study, parts[2:]))
    return STORED_BYTES["diagram"] * edges


def _size_of_vector(study: Study, parts: Sequence[str]) -> float:
    options = study.vector(parts[2])
    axes = VECTORISERS[parts[2]].axes
    values = options["n_bins"] ** axes * options["options"].get("n_layers", 1)
    values *= min(study.config.diagram.max_dimension + 1, FULL_DIMENSIONS)
    return 8.0 * float(values) * len(_members(study, parts[3:]))


def _size_of_activation(study: Study, parts: Sequence[str]) -> float:
    values = sum(map(study.stored_width, _members(study, parts[2:])))
    return 4.0 * study.config.activation.probe_rows * values


def _size_of_prediction(study: Study, parts: Sequence[str]) -> float:
    members = _members(study, parts[2:])
    n_rows = study.datasets[str(members[0].probe)].test_rows
    return 4.0 * n_rows * sum(member.size.classes for member in members)


def _size_of_distance(study: Study, parts: Sequence[str]) -> float:
    """Bytes of the matrices, three in a summary, or one with its reasons; of a block its own."""
    if len(parts) == 6 and parts[3] != "layers":
        block = study.block(parts[3], parts[2], parts[4], parts[5])
        n_measures = sum(len(group["measures"]) for group in block["groups"])
        return 8.0 * len(block["networks"]) * len(block["others"]) * n_measures
    found = study.groups.get(parts[3], [parts[3]]) if len(parts) == 5 else [parts[3]]
    return 8.0 * 3 * len(study.comparisons[parts[2]].cells) ** 2 * len(found)


def _size_of_other(study: Study, parts: Sequence[str]) -> float:
    """Bytes of a figure or table: the mean of those of a run."""
    return 70_000.0


_SIZES: Mapping[str, Callable[[Study, Sequence[str]], float]] = {
    "dataset": _size_of_dataset,
    "network": _size_of_one,
    "graph": _size_of_one,
    "diagram": _size_of_diagram,
    "vector": _size_of_vector,
    "activation": _size_of_activation,
    "prediction": _size_of_prediction,
    "distance": _size_of_distance,
}


def describe(study: Study, jobs: Iterable[PlannedJob]) -> str:
    """Return the plan of a run as text: a line for each rule, one for each stage on disk.

    Parameters
    ----------
    study : Study
        The study that is run.
    jobs : iterable of PlannedJob
        The jobs to be done, in the order in which rules shall be listed.
    """
    by_rule: dict[str, list[PlannedJob]] = {}
    for job in jobs:
        by_rule.setdefault(job.rule, []).append(job)
    if not by_rule:
        return "Nothing to be done: all results are there."
    everything = [job for group in by_rule.values() for job in group]
    head = ["rule", "jobs", "core hours", "at most", "GPU hours", "GB memory", "minutes"]
    groups = {**by_rule, "all": everything}
    rows = [[rule, *_amounts(group)] for rule, group in groups.items()]
    disk = _disk_by_stage(study, everything)
    disk["all"] = sum(disk.values())
    stages = [[stage, f"{n_bytes / 1e9:.2f}"] for stage, n_bytes in disk.items()]
    return "\n".join(
        [
            *_aligned([head, *rows]),
            "",
            "Core hours are likely ones, then those asked for at the first attempt. GPU hours,",
            "memory and minutes (of the largest job) are what is asked for.",
            "",
            *_aligned([["on disk", "GB"], *stages]),
        ]
    )


def _amounts(jobs: Sequence[PlannedJob]) -> list[str]:
    likely = sum(job.cores * estimate.likely_minutes(job.minutes) for job in jobs) / 60
    asked = sum(job.cores * job.minutes for job in jobs) / 60
    gpus = sum(job.gpus * job.minutes for job in jobs) / 60
    memory = max(job.megabytes for job in jobs) / 1e3
    longest = max(job.minutes for job in jobs)
    numbers = [f"{number:.1f}" for number in (likely, asked, gpus, memory)]
    return [str(len(jobs)), *numbers, f"{longest:.0f}"]


def _disk_by_stage(study: Study, jobs: Sequence[PlannedJob]) -> dict[str, float]:
    """Return stage -> bytes."""
    disk: dict[str, float] = {}
    for job in jobs:
        for path in job.outputs:
            stage, n_bytes = disk_of(study, path)
            disk[stage] = disk.get(stage, 0.0) + n_bytes
    return disk


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of columns: the first to the left, the others to the right."""
    first, *others = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([name.ljust(first), *(c.rjust(w) for c, w in zip(cells, others, strict=True))])
        for name, *cells in rows
    ]
