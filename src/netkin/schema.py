"""What a config may hold: the models of its sections, and every error in one sentence.

The options of a data set, vector or figure are the keyword parameters of its function,
so the schema follows the registries and nothing is declared twice. These models and choices
are made at run time, which mypy cannot follow: that is what the ignored lines here ignore.

Every number has a least and a largest value, every list a most: what is allowed must fit a
computer's memory, numbers and file names, so that no job is made that cannot end well.
"""

import functools
import inspect
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from netkin.config_file import COMMAND_LINE, Source, origin, where
from netkin.dataset import CLASSES, DATASETS
from netkin.diagram import ENGINES
from netkin.diagram.diagram import MOST_DIMENSIONS
from netkin.distance import MEASURES, SOURCES
from netkin.distance.file import MOST_REPETITIONS, MOST_SEEDS
from netkin.errors import allowed, did_you_mean, listed, shown
from netkin.figure import FIGURES
from netkin.folders import problem_of_data_folder
from netkin.grid import GROUPS, Variant, generate_variants
from netkin.plain_matplotlib import matplotlib
from netkin.table.questions import CONTROL, OVERALL
from netkin.vector import VECTORISERS
from netkin.vector.vector import Vectoriser

UNTRAINED = "_untrained"
"""What is added to the id of a data set for its untrained networks."""
PATH_PART = re.compile(r"[a-z]([a-z0-9_]*[a-z0-9])?")
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

Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Networks = Annotated[int, Field(ge=1, le=MOST_NETWORKS)]
Width = Annotated[int, Field(ge=1, le=65_536)]
Depth = Annotated[int, Field(ge=1, le=1000)]
Epochs = Annotated[int, Field(ge=1, le=100_000)]
BatchSize = Annotated[int, Field(ge=1, le=1_000_000)]
Repetitions = Annotated[int, Field(ge=0, le=MOST_REPETITIONS)]
# in units of the filtration, which goes from 0 to 1
Place = Annotated[float, Field(ge=-100, le=100)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class StudySection(_Section):
    """What to run."""

    datasets: Annotated[list[str], Field(min_length=1, max_length=50)]
    variants: Literal["all"] | Annotated[list[str], Field(min_length=1, max_length=2500)]
    seeds: (
        Annotated[int, Field(ge=1, le=MOST_SEEDS)]
        | Annotated[list[Seed], Field(min_length=1, max_length=MOST_SEEDS)]
    )
    untrained: bool


class ExtractorSection(_Section):
    """Training of the convolutions whose features take the place of the pixels."""

    epochs: Epochs
    batch_size: BatchSize


class DatasetSection(_Section):
    """What every data set has, whatever its loader."""

    kind: str
    labels: Annotated[
        list[Annotated[int, Field(ge=2, le=100_000)]], Field(min_length=1, max_length=500)
    ]
    batch_size: BatchSize
    epochs: Epochs
    extractor: ExtractorSection | None = None


class VariantsSection(_Section):
    """The values of the experiment groups."""

    width: Annotated[list[Width], Field(max_length=500)]
    layers: Annotated[list[Depth], Field(max_length=500)]
    input_order: Annotated[int, Field(ge=0, le=1000)]


class NetworkSection(_Section):
    """Training."""

    width: Width
    hidden_layers: Depth
    variants: VariantsSection
    input_order: Literal["samples", "features"]
    # limits within which steps in float32 neither vanish nor leave its range at once
    dropout: Annotated[float, Field(ge=0, le=0.99)]
    learning_rate: Annotated[float, Field(ge=1e-10, le=1e30)]
    rho: Annotated[float, Field(ge=0, le=0.9999)]
    epsilon: Annotated[float, Field(ge=1e-16, le=1)]
    validation_share: Annotated[float, Field(ge=0, le=0.99)]
    device: Literal["auto", "cpu", "cuda"]
    threads: Annotated[int, Field(ge=1, le=64)]


class GraphSection(_Section):
    """Weights to graph."""

    bias_vertices: Literal["per_neuron", "per_layer", "none"]
    # values of edges are float32
    zeta: Annotated[float, Field(ge=1e-12, le=0.999)]


class DiagramSection(_Section):
    """Persistent homology and how its intervals are read."""

    engine: Literal[("auto", *ENGINES)]  # type: ignore[valid-type] # made at run time
    max_dimension: Annotated[int, Field(ge=0, le=MOST_DIMENSIONS - 1)]
    reduced: bool
    eta: Annotated[float, Field(ge=0, le=100)]
    infinity_value: Annotated[float, Field(ge=1e-6, le=100)]
    order: Literal["filter_then_cap", "cap_then_filter"]


class ActivationSection(_Section):
    """On which rows activations are taken, and of which layers."""

    probe_rows: Annotated[int, Field(ge=1, le=100_000)]
    layers: Literal["last_hidden", "all"]


def options_model(
    name: str, function: Callable[..., Any], base: type[BaseModel] = _Section, **fields: Any
) -> type[BaseModel]:
    """Build the model of the options of a function or class: its keyword-only parameters."""
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[parameter.name] = (parameter.annotation, default)
    model: type[BaseModel] = create_model(name, __base__=base, **fields)
    return model


def _n_bins(entry: Vectoriser) -> dict[str, Any]:
    return {"n_bins": (Annotated[int, Field(ge=2, le=entry.most_bins)], ...)} if entry.axes else {}


VectorSection = create_model(
    "VectorSection",
    __base__=_Section,
    range=(Annotated[list[Place], Field(min_length=2, max_length=2)], ...),
    **{
        name: (options_model(name, entry.accumulator, **_n_bins(entry)), ...)
        for name, entry in VECTORISERS.items()
    },  # type: ignore[call-overload] # made at run time
)
FAMILIES = tuple(dict.fromkeys(measure.family for measure in MEASURES.values()))
MeasureOptions = create_model(
    "MeasureOptions",
    __base__=_Section,
    **{
        name: (options_model(name, measure.function), Field(default={}, validate_default=True))
        for name, measure in MEASURES.items()
        if measure.needs == "network" or SOURCES[measure.needs].rows  # others: see `vector`
    },  # type: ignore[call-overload] # made at run time
)


CALIBRATED = tuple(n for n, m in MEASURES.items() if SOURCES[m.needs].calibrate is not None)


class CalibrationSection(_Section):
    """What is found out about the values of representational measures."""

    permutations: Repetitions
    resamples: Repetitions
    level: Annotated[float, Field(ge=0.01, le=0.9999)]
    seed: Seed
    fewer: dict[Literal[CALIBRATED], Repetitions]  # type: ignore[valid-type] # made at run time


class DistanceSection(_Section):
    """Measures."""

    p: Annotated[float, Field(ge=1, le=100)]
    measures: Annotated[list[Literal[(*MEASURES, *FAMILIES)]], Field(min_length=1, max_length=200)]  # type: ignore[valid-type] # made at run time
    options: MeasureOptions  # type: ignore[valid-type] # made at run time
    calibration: CalibrationSection
    device: Literal["auto", "cpu", "cuda"]
    layers: Annotated[
        list[Annotated[list[str], Field(min_length=2, max_length=2)]], Field(max_length=1000)
    ]


EXTRA_FIGURE_OPTIONS: dict[str, dict[str, Any]] = {
    "overview": {"family": (Literal[FAMILIES], ...)},
}
"""Options of a figure that choose what it is given, not how it is drawn."""
FigureSection = create_model(
    "FigureSection",
    __base__=_Section,
    dpi=(Annotated[int, Field(ge=20, le=1200)], ...),
    **{
        name: (options_model(name, function, **EXTRA_FIGURE_OPTIONS.get(name, {})), ...)
        for name, function in FIGURES.items()
    },  # type: ignore[call-overload] # made at run time
)


class Config(_Section):
    """The whole file; data sets are checked one by one, each by its own loader's options."""

    study: StudySection
    networks_per_job: Networks
    trainings_per_job: Networks
    keep: Annotated[list[Literal["graph", "diagram"]], Field(max_length=2)]
    data_folder: Annotated[str, Field(min_length=1, max_length=4096)]
    dataset: Annotated[dict[str, Any], Field(min_length=1, max_length=200)]
    network: NetworkSection
    activation: ActivationSection
    graph: GraphSection
    diagram: DiagramSection
    vector: VectorSection  # type: ignore[valid-type] # made at run time
    distance: DistanceSection
    figure: FigureSection  # type: ignore[valid-type] # made at run time


def dataset_section(name: str, entry: Mapping[str, Any]) -> DatasetSection:
    """Return the section of a data set, checked with the options of its loader."""
    kind = entry.get("kind", name)
    model = options_model(kind, DATASETS[kind], DatasetSection)
    return model.model_validate({"kind": kind, **entry})  # type: ignore[return-value]


def all_variants(network: NetworkSection, labels: Sequence[int]) -> tuple[Variant, ...]:
    """Return the whole grid of a data set with these values of the group ``labels``."""
    return generate_variants(
        base_width=network.width,
        base_hidden_layers=network.hidden_layers,
        labels=labels,
        **network.variants.model_dump(),
    )


@dataclass(frozen=True)
class Mistake:
    """One error of a config.

    Attributes
    ----------
    path : tuple
        Names of sections and places in lists, down to the key.
    text : str
        What was found and what is allowed.
    because_of : tuple of path
        Further keys that have to do with it.
    """

    path: tuple[Any, ...]
    text: str
    because_of: tuple[tuple[Any, ...], ...] = ()

    def line(self) -> str:
        """Return it as a line: the key, what was found and what is allowed."""
        return f"{where(self.path)}: {self.text}"


def check(config: Mapping[str, Any], sources: Sequence[Source]) -> list[str]:
    """Return a text for each source that has errors, which lists them; the first ones of many.

    Parameters
    ----------
    config : mapping
        The merged config, as `netkin.config_file.plain_copy` gives it.
    sources : sequence of Source
        Which set its keys, later ones before earlier ones, at least one.
    """
    found = list(islice(_mistakes(config), MOST_ERRORS + 1))
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
    yield from _check_model(Config, config, ())
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
    errors = list(_check_model(model, {"kind": kind, **entry}, path))
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


def _check_study(right: Mapping[str, Any]) -> Iterator[Mistake]:
    """Check what the study chooses of what there is, and how much that is."""
    study, there = right["study"], right["dataset"]
    unknown = [name for name in study["datasets"] if name not in there]
    for name in unknown:
        yield Mistake(
            ("study", "datasets"),
            f"found {shown(name)}, which is not in the section dataset. {allowed(name, there)}",
        )
    if unknown or "network" not in right:
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
    lists: dict[tuple[Any, ...], Any] = {("keep",): right.get("keep")}
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


def _check_model(
    model: type[BaseModel], data: Mapping[str, Any], prefix: tuple[Any, ...]
) -> Iterator[Mistake]:
    try:
        model.model_validate(data)
    except ValidationError as error:
        told = set()
        for detail in error.errors(include_url=False):
            mistake = _mistake(model, detail, prefix, data)
            if mistake.path not in told:
                told.add(mistake.path)
                yield mistake


CHOICES = {
    ("study", "variants"): "all, or a list of 1 to 2,500 names of variants",
    ("study", "seeds"): "a whole number from 1 to 10,000, or a list of 1 to 10,000 seeds, each a "
    "whole number from 0 to 4,294,967,295",
}
"""Keys that take values of several kinds, and which."""


def _mistake(model: type[BaseModel], detail: Any, prefix: tuple[Any, ...], data: Any) -> Mistake:
    """Turn one of pydantic's error records into a sentence of plain words."""
    # an error of a mapping's key is one of its entry
    parts = tuple(part for part in detail["loc"] if part != "[key]")
    path, found = prefix + parts, detail["input"]
    for key, kinds in CHOICES.items():
        # pydantic reports each branch of a union on its own; one sentence says it all
        if detail["type"] != "missing" and path[: len(key)] == key:
            found = functools.reduce(lambda section, part: section[part], key, data)
            return Mistake(key, f"found {shown(found)}. Allowed: {kinds}.")
    if detail["type"] == "extra_forbidden":
        kind, _ = _without_none(_annotation_at(model, parts[:-1])[0])
        keys = list(kind.model_fields)
        section, dot, rest = str(parts[-1]).partition(".")
        nested = f"Write it nested, '{section}:' and below it '{rest}:'. " if dot else ""
        odd = next((letter for letter in str(parts[-1]) if not "!" <= letter <= "~"), None)
        which = f" with the character {unicodedata.name(odd, 'without a name')}" if odd else ""
        return Mistake(path, f"unknown key{which}. {nested}{allowed(str(parts[-1]), keys)}")
    if detail["type"] == "missing":
        return Mistake(path, "this key is missing. It is described in config/config.yaml.")
    kind, limits = _annotation_at(model, detail["loc"])
    if get_origin(kind) is Literal:
        return Mistake(path, f"found {shown(found)}. {allowed(found, get_args(kind))}")
    hint = ""
    if kind in (int, float) and isinstance(found, str):
        if re.fullmatch(r"[+-]?[\d_.]+", found):
            hint = " It is text; write the number without quotes."
        elif re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)e[+-]?\d+", found, re.IGNORECASE):
            hint = " YAML reads 1e-6 and 1.0e3 as text; write 1.0e-6 and 1.0e+3."
    if kind is str and not isinstance(found, str | list | dict | None):
        hint = " YAML reads no, yes, numbers and dates as what they are; put text in quotes."
    return Mistake(path, f"found {shown(found)}. Allowed: {in_words(kind, limits)}.{hint}")


def _annotation_at(model: type[BaseModel], parts: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """Return the kind of value that a model allows at a path, and its limits."""
    if parts[-1:] == ("[key]",):
        return _bare(get_args(_annotation_at(model, parts[:-2])[0])[0])
    kind: Any = model
    limits: Sequence[Any] = ()
    for part in parts:
        kind, _ = _without_none(kind)
        if inspect.isclass(kind) and issubclass(kind, BaseModel):
            field = kind.model_fields[part]
            kind, limits = field.annotation, field.metadata
        else:  # the values of a mapping or a list
            kind, limits = _bare(get_args(kind)[-1])
    return kind, limits


def _bare(annotation: Any) -> tuple[Any, Sequence[Any]]:
    """Return an annotation without its limits, and these."""
    limits: list[Any] = []
    while get_origin(annotation) is Annotated:
        annotation, *found = get_args(annotation)
        for limit in found:
            limits += getattr(limit, "metadata", [limit])
    return annotation, limits


def _without_none(annotation: Any) -> tuple[Any, Sequence[Any]]:
    """Return the kind of value of what may be left out as well."""
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return _bare(kinds[0])
    return annotation, ()


def in_words(kind: Any, limits: Sequence[Any] = ()) -> str:
    """Return what an annotation allows, in words of a sentence.

    Parameters
    ----------
    kind : type
        Of a field of a model, as its ``annotation``.
    limits : sequence
        Its limits, as its ``metadata``.
    """
    if get_origin(kind) in (Union, UnionType):
        return f"{in_words(*_without_none(kind))}, or null"
    low, high = _bound(limits, "ge", "min_length"), _bound(limits, "le", "max_length")
    above, below = _bound(limits, "gt"), _bound(limits, "lt")
    if get_origin(kind) is Literal:
        return f"one of {listed(get_args(kind))}"
    if get_origin(kind) is dict:
        return f"a section with, for each key, {in_words(*_bare(get_args(kind)[1]))}"
    if kind is Any:
        return "a section"
    if get_origin(kind) is list:
        number = f"{low}" if low == high else f"{low or 0:,} to {high:,}"
        return f"a list of {number} values, each {in_words(*_bare(get_args(kind)[0]))}"
    if inspect.isclass(kind) and issubclass(kind, BaseModel):
        keys = listed(kind.model_fields)
        return f"a section with the keys {keys}" if keys else "an empty section, {}"
    if kind is bool:
        return "true or false"
    if kind is str:
        return "text" + (f" of {low or 0:,} to {high:,} letters" if high is not None else "")
    name = "a whole number" if kind is int else "a number"
    if above is not None and below is not None:
        return f"{name} above {_number(above)} and below {_number(below)}"
    bounds = {"from": low, "above": above, "to": high, "below": below}
    parts = [f"{word} {_number(bound)}" for word, bound in bounds.items() if bound is not None]
    return " ".join([name, *parts])


def _bound(limits: Sequence[Any], *names: str) -> Any:
    """Return the first of the named bounds that limits set, else None."""
    found = [getattr(limit, name, None) for limit in limits for name in names]
    return next((bound for bound in found if bound is not None), None)


def _number(value: float) -> str:
    """Return a number as a sentence and YAML write it."""
    if abs(value) < 1e15 and float(value).is_integer():
        return f"{int(value):,}"
    mantissa, e, exponent = f"{value:g}".partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}e{int(exponent):+d}" if e else mantissa
