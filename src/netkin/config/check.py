"""Every error of a config in one sentence, of single keys and of what goes together."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from netkin.comparison import CONTROL, OVERALL, PATH_PART, UNTRAINED
from netkin.config.file import COMMAND_LINE, Source, origin
from netkin.config.sections import (
    CALIBRATED,
    Config,
    DatasetSection,
    NetworkSection,
    all_variants,
    dataset_section,
    options_model,
)
from netkin.config.words import Mistake, check_model
from netkin.dataset import CLASSES, DATASETS
from netkin.distance import INPUTS, MEASURES
from netkin.errors import allowed, did_you_mean, listed, shown
from netkin.figure import FIGURES
from netkin.folders import problem_of_data_folder
from netkin.plain_matplotlib import matplotlib
from netkin.source.variants import GROUPS
from netkin.vector import VECTORISERS

MOST_LETTERS = 64
"""Letters of the id of a data set: with what is added to it, it must do as a file's name."""
MOST_NETWORKS = 20_000
"""Networks of a study: data sets x variants x seeds, twice as many with untrained ones."""
LEAST_RANGE = 0.001
"""Length of the range of vectors, at least, in units of the filtration."""
MOST_RANGES = 10
"""Standard deviation of a kernel, in lengths of the range, at most: wider ones take hours."""
MOST_ERRORS = 20
"""Errors that are told at once."""


def check(config: Mapping[str, Any], sources: Sequence[Source]) -> list[str]:
    """Return a text for each source that has errors, which lists them; the first ones of many.

    Parameters
    ----------
    config : mapping
        The merged config, as `netkin.config.file.plain_copy` gives it.
    sources : sequence of Source
        Which set its keys, later ones before earlier ones, at least one.
    """
    return _tell(list(islice(_mistakes(config), MOST_ERRORS + 1)), sources)


def no_networks(config: Mapping[str, Any], sources: Sequence[Source]) -> list[str]:
    """Return a text that says that no source has a network, as `check` does."""
    mistake = Mistake(
        ("study", "datasets"),
        f"found [], so there are no networks. Allowed: one or more of {listed(config['dataset'])}; "
        "or name a sheet of your own networks (source.sheet).",
    )
    return _tell([mistake], sources)


def _tell(found: Sequence[Mistake], sources: Sequence[Source]) -> list[str]:
    """Return a text for each source that has errors, which lists them; the first ones of many."""
    by_source: dict[str, list[str]] = {}
    for mistake in found[:MOST_ERRORS]:
        paths = (mistake.path, *mistake.because_of)
        places = [origin(sources, path) for path in paths]
        source = max(places, key=list(sources).index)
        hint = ""
        if source.name == COMMAND_LINE and len(mistake.path) > 1:
            hint = (
                " Snakemake hands on what --config sets inside a section as text; put it into a "
                "file for --configfile."
            )
        by_source.setdefault(source.name, []).append(f"  {mistake.line()}{hint}")
    texts = []
    for name, lines in by_source.items():
        count = "an error" if len(lines) == 1 else f"{len(lines)} errors"
        texts.append("\n".join([f"{name} has {count}:", *lines]))
    if len(found) > MOST_ERRORS:
        texts.append("There are more errors.")
    return texts


def _mistakes(config: Mapping[str, Any]) -> Iterator[Mistake]:
    """Find the errors of a config: of keys, then of data sets, then of what goes together."""
    wrong = set()
    for mistake in _found_by_sections(config):
        wrong.add(mistake.path[0])
        yield mistake
    yield from _check_relations({k: v for k, v in config.items() if k not in wrong})


def _found_by_sections(config: Mapping[str, Any]) -> Iterator[Mistake]:
    yield from check_model(Config, config, ())
    datasets = config.get("dataset")
    if isinstance(datasets, Mapping):
        for name, entry in datasets.items():
            yield from _check_dataset(name, entry)


def _check_dataset(name: str, entry: Any) -> Iterator[Mistake]:
    path = ("dataset", name)
    if not PATH_PART.fullmatch(name):
        yield Mistake(
            path,
            "an id becomes part of paths; allowed are lower-case letters, digits and underscores "
            "inside, beginning with a letter.",
        )
    elif len(name) > MOST_LETTERS:
        yield Mistake(
            path,
            f"an id becomes part of paths; found {len(name)} letters, allowed are at most "
            f"{MOST_LETTERS}.",
        )
    elif name in (CONTROL, OVERALL) or name.endswith(UNTRAINED):
        yield Mistake(
            path,
            "results of netkin's own have such names; choose an id that is not "
            f"'{CONTROL}' or '{OVERALL}' and does not end in '{UNTRAINED}'.",
        )
    elif not isinstance(entry, Mapping):
        yield Mistake(path, f"found {shown(entry)}. Allowed: a section with keys.")
    else:
        kind = entry.get("kind", name)
        if isinstance(kind, str) and kind in DATASETS:
            yield from _check_options(path, kind, entry)
        elif "kind" in entry:
            yield Mistake((*path, "kind"), f"found {shown(kind)}. {allowed(kind, DATASETS)}")
        else:
            yield Mistake(path, f"no such data set. {allowed(kind, DATASETS)}")


def _check_options(path: tuple[Any, ...], kind: str, entry: Mapping[str, Any]) -> Iterator[Mistake]:
    """Check the section of a data set whose loader is known."""
    model = options_model(kind, DATASETS[kind], DatasetSection)
    errors = list(check_model(model, {"kind": kind, **entry}, path))
    yield from errors
    if not errors:
        yield from _check_classes(path, dataset_section(path[-1], entry))


def _check_classes(path: tuple[Any, ...], section: DatasetSection) -> Iterator[Mistake]:
    """Check that no variant asks for more labels than there are classes."""
    classes = CLASSES.get(section.kind)
    because_of: tuple[tuple[Any, ...], ...] = ()
    if isinstance(classes, str):
        because_of = ((*path, classes),)
        classes = len(getattr(section, classes))
    most = max(section.labels)
    if classes is not None and most > classes:
        yield Mistake(
            (*path, "labels"),
            f"found {most}, but there are {classes} classes. Allowed: 2 to {classes}.",
            because_of,
        )


def _check_relations(right: Mapping[str, Any]) -> Iterator[Mistake]:
    """Check what one key alone cannot show, as far as the sections it needs are right."""
    if {"study", "dataset"} <= set(right):
        yield from _check_study(right)
    if "data_folder" in right:
        problem = problem_of_data_folder(right["data_folder"])
        if problem:
            yield Mistake(("data_folder",), problem)
    if "figure" in right:
        known = list(matplotlib.colormaps)
        for figure in FIGURES:
            name = right["figure"][figure].get("colour_map", known[0])
            if name not in known:
                yield Mistake(
                    ("figure", figure, "colour_map"),
                    f"found {shown(name)}; matplotlib knows no such colour map."
                    f"{did_you_mean(name, known)}",
                )
    if "vector" in right:
        yield from _check_range(right)
    if {"study", "source", "distance"} <= set(right):
        yield from _check_measures_of_sheet(right)
    if "distance" in right and right["distance"]["layers"]:
        layers, chosen = right["distance"]["layers"], right["distance"]["measures"]
        if not any({name, MEASURES[name].family} & set(chosen) for name in CALIBRATED):
            yield Mistake(
                ("distance", "layers"),
                f"found {shown(layers)}, but distance.measures has no representational measure to "
                "compare layers by. Add one, such as cka.",
                (("distance", "measures"),),
            )
        stored = right.get("activation", {"layers": "all"})["layers"]
        if stored != "all":
            yield Mistake(
                ("activation", "layers"),
                f"found {shown(stored)}, but distance.layers compares networks layer by layer. Set "
                "it to all, or distance.layers to [].",
                (("distance", "layers"),),
            )
    yield from _check_repeats(right)


def _check_range(right: Mapping[str, Any]) -> Iterator[Mistake]:
    """Check the sampling of vectors against itself and against where intervals end."""
    low, high = right["vector"]["range"]
    if high - low < LEAST_RANGE:
        yield Mistake(
            ("vector", "range"),
            f"found [{low}, {high}]; the first must be below the second, by {LEAST_RANGE} or more.",
        )
        return
    for name in VECTORISERS:
        sigma = right["vector"][name].get("sigma", 0)
        if sigma > MOST_RANGES * (high - low):
            yield Mistake(
                ("vector", name, "sigma"),
                f"found {sigma}, but the samples are those of vector.range, [{low}, {high}]. "
                f"Allowed: at most {MOST_RANGES} times its length.",
                (("vector", "range"),),
            )
    if "diagram" in right and high < right["diagram"]["infinity_value"]:
        yield Mistake(
            ("vector", "range"),
            f"found [{low}, {high}], which ends before diagram.infinity_value "
            f"({right['diagram']['infinity_value']}); every infinite interval would leave the "
            "sampling.",
            (("diagram", "infinity_value"),),
        )


def _check_measures_of_sheet(right: Mapping[str, Any]) -> Iterator[Mistake]:
    """Check that each measure can compare networks where all are files of weights."""
    if right["study"]["datasets"] or right["source"]["sheet"] is None:
        return
    for chosen in right["distance"]["measures"]:
        found = [one for name, one in MEASURES.items() if chosen in (name, one.family)]
        if any(INPUTS[one.needs].rows for one in found):
            yield Mistake(
                ("distance", "measures"),
                f"found {shown(chosen)}; it compares what networks make of rows of data, which "
                "the networks of a sheet do not have. Allowed without data sets are measures of "
                "the families topology, topology_pairwise and weight.",
                (("study", "datasets"), ("source", "sheet")),
            )


def _check_study(right: Mapping[str, Any]) -> Iterator[Mistake]:
    """Check what the study chooses of what there is, and how much that is."""
    study, there = right["study"], right["dataset"]
    unknown = [name for name in study["datasets"] if name not in there]
    for name in unknown:
        yield Mistake(
            ("study", "datasets"),
            f"found {shown(name)}, which is not in the section dataset. {allowed(name, there)}",
        )
    # without one there may be networks of another source
    if unknown or not study["datasets"] or "network" not in right:
        return
    of_dataset = _known_variants(right)
    chosen = study["variants"]
    if chosen != "all":
        yield from _check_variants(chosen, of_dataset)
    names = dict.fromkeys(
        name for found in of_dataset.values() for name in found if chosen == "all" or name in chosen
    )
    n_cells = sum(name in names for found in of_dataset.values() for name in found)
    n_seeds = study["seeds"] if isinstance(study["seeds"], int) else len(study["seeds"])
    n_networks = n_cells * n_seeds * (2 if study["untrained"] else 1)
    if n_networks > MOST_NETWORKS:
        untrained = ", and as many untrained ones" if study["untrained"] else ""
        yield Mistake(
            ("study",),
            f"found {n_networks:,} networks, {n_cells:,} variants of data sets x {n_seeds:,} seeds"
            f"{untrained}. Allowed: at most {MOST_NETWORKS:,} in a study.",
            (
                *[("study", key) for key in study],
                *[("network", "variants", key) for key in right["network"]["variants"]],
            ),
        )
    for pair in right.get("distance", {"layers": []})["layers"]:
        for name in pair:
            if name not in names:
                yield Mistake(
                    ("distance", "layers"),
                    f"found {shown(name)}. {allowed(name, names)}",
                    (("study", "variants"),),
                )


def _known_variants(right: Mapping[str, Any]) -> dict[str, dict[str, None]]:
    """Return the names of the variants that there are of each data set of the study."""
    network = NetworkSection.model_validate(right["network"])
    return {
        name: {v.name: None for v in all_variants(network, right["dataset"][name]["labels"])}
        for name in right["study"]["datasets"]
    }


def _check_variants(
    chosen: Sequence[str], of_dataset: Mapping[str, dict[str, None]]
) -> Iterator[Mistake]:
    """Check that every chosen variant exists and that every data set keeps one."""
    known = {name: None for names in of_dataset.values() for name in names}
    unknown = [name for name in chosen if name not in known]
    for name in unknown:
        yield Mistake(
            ("study", "variants"),
            f"found {shown(name)}. {allowed(name, known, also='all, or a list of ')}",
            (("network", "variants"),),
        )
    if unknown:
        return
    for dataset, names in of_dataset.items():
        if not set(chosen) & set(names):
            yield Mistake(
                ("study", "variants"),
                f"found {shown(chosen)}, of which the data set {dataset!r} has none. "
                f"Allowed for it: {listed(names)}.",
            )


def _check_repeats(right: Mapping[str, Any]) -> Iterator[Mistake]:
    """Check that no list names a value twice."""
    lists: dict[tuple[Any, ...], Any] = {}
    if "study" in right:
        lists |= {("study", key): value for key, value in right["study"].items()}
    if "distance" in right:
        lists["distance", "measures"] = right["distance"]["measures"]
        lists["distance", "layers"] = right["distance"]["layers"]
    if "network" in right:
        variants = right["network"]["variants"]
        lists |= {("network", "variants", group): variants[group] for group in GROUPS[:2]}
    for name, entry in right.get("dataset", {}).items():
        lists |= {("dataset", name, key): value for key, value in entry.items()}
    for path, values in lists.items():
        if isinstance(values, list):
            counts = Counter(tuple(v) if isinstance(v, list) else v for v in values)
            twice = sorted(value for value, count in counts.items() if count > 1)
            if twice:
                yield Mistake(
                    path, f"found {shown(twice[0])} more than once; list each value once."
                )
