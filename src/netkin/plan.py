"""What a run will take, before it: jobs, core hours, memory and disk, as a table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from netkin import estimate
from netkin.config import Study
from netkin.dataset import SHAPES
from netkin.estimate import FILE_BYTES, STORED_BYTES, TEST_SHARE
from netkin.vector import VECTORISERS

IMAGE_SHARE = 0.3
"""What compression leaves of a vector of two axes."""


@dataclass(frozen=True)
class PlannedJob:
    """What one job asks for at its first attempt, and what it will write.

    Attributes
    ----------
    rule : str
        Name of its rule.
    outputs : tuple of str
        Its results, as ``results/STAGE/...``.
    temporary : tuple of str
        Those of them that are deleted after use.
    cores, gpus : int
        How many.
    megabytes, minutes : float
        Memory and wall-clock time; 0 where nothing is asked for.
    """

    rule: str
    outputs: tuple[str, ...]
    temporary: tuple[str, ...]
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
    """Bytes at most: float32 values, which are compressed."""
    dataset = parts[2].removesuffix(".images")
    section = study.dataset(dataset)
    images = parts[2] != dataset
    n_rows, n_inputs = (
        SHAPES[section.kind](**study.dataset_options(dataset)) if images else study.shape(dataset)
    )
    return 4.0 * n_rows * n_inputs


def _size_by_edges(study: Study, parts: Sequence[str]) -> float:
    return STORED_BYTES[parts[1]] * study.n_parameters(parts[2], parts[3])


def _size_of_vector(study: Study, parts: Sequence[str]) -> float:
    options = study.vector(parts[2])
    axes = VECTORISERS[parts[2]].axes
    values = options["n_bins"] ** axes * options["options"].get("n_layers", 1)
    values *= study.config.diagram.max_dimension + 1
    return 8.0 * float(values) * (IMAGE_SHARE if axes == 2 else 1.0)


def _size_of_activation(study: Study, parts: Sequence[str]) -> float:
    cell = study.variant(parts[2], parts[3])
    layers = 1 if study.config.activation.layers == "last_hidden" else cell.hidden_layers + 1
    return 4.0 * study.config.activation.probe_rows * cell.width * layers


def _size_of_prediction(study: Study, parts: Sequence[str]) -> float:
    labels = study.variant(parts[2], parts[3]).n_labels or max(study.dataset(parts[2]).labels)
    return 4.0 * TEST_SHARE * study.shape(parts[2])[0] * labels


def _size_of_distance(study: Study, parts: Sequence[str]) -> float:
    """Bytes of the matrices, three in a summary, or one with its reasons."""
    return 8.0 * 3 * len(study.compared(parts[2])) ** 2


def _size_of_other(study: Study, parts: Sequence[str]) -> float:
    """Bytes of a figure or table: the mean of those of a run."""
    return 70_000.0


_SIZES: Mapping[str, Callable[[Study, Sequence[str]], float]] = {
    "dataset": _size_of_dataset,
    "network": _size_by_edges,
    "graph": _size_by_edges,
    "diagram": _size_by_edges,
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
    total = [sum(column) for column in zip(*disk.values(), strict=True)]
    stages = [
        [stage, *(f"{n_bytes / 1e9:.2f}" for n_bytes in pair)]
        for stage, pair in {**disk, "all": total}.items()
    ]
    return "\n".join(
        [
            *_aligned([head, *rows]),
            "",
            "Core hours are likely ones, then those asked for at the first attempt. GPU hours,",
            "memory and minutes (of the largest job) are what is asked for.",
            "",
            *_aligned([["GB on disk", "stays", "temporary"], *stages]),
            "",
            "Data sets at most: compression may take off nine tenths.",
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


def _disk_by_stage(study: Study, jobs: Sequence[PlannedJob]) -> dict[str, list[float]]:
    """Return stage -> bytes that stay, bytes of temporary files if all were there at once."""
    disk: dict[str, list[float]] = {}
    for job in jobs:
        for path in job.outputs:
            stage, n_bytes = disk_of(study, path)
            disk.setdefault(stage, [0.0, 0.0])[path in job.temporary] += n_bytes
    return disk


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of columns: the first to the left, the others to the right."""
    first, *others = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([name.ljust(first), *(c.rjust(w) for c, w in zip(cells, others, strict=True))])
        for name, *cells in rows
    ]
