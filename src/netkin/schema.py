"""What a config may hold: the models of its sections, and every error in one sentence.

The options of a data set, vector or figure are the keyword parameters of its function,
so the schema follows the registries and nothing is declared twice. These models and choices
are made at run time, which mypy cannot follow: that is what the ignored lines here ignore.
"""

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

import matplotlib
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from netkin.dataset import CLASSES, DATASETS
from netkin.diagram import ENGINES
from netkin.distance import MEASURES, SOURCES
from netkin.errors import allowed, did_you_mean
from netkin.figure import FIGURES
from netkin.grid import GROUPS, Variant, generate_variants
from netkin.table.questions import CONTROL, OVERALL
from netkin.vector import VECTORISERS

UNTRAINED = "_untrained"
"""What is added to the id of a data set for its untrained networks."""
PATH_PART = re.compile(r"[a-z]([a-z0-9_]*[a-z0-9])?")

PositiveInt = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class StudySection(_Section):
    """What to run."""

    datasets: Annotated[list[str], Field(min_length=1)]
    variants: Literal["all"] | Annotated[list[str], Field(min_length=1)]
    seeds: PositiveInt | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    untrained: bool


class ExtractorSection(_Section):
    """Training of the convolutions whose features take the place of the pixels."""

    epochs: PositiveInt
    batch_size: PositiveInt


class DatasetSection(_Section):
    """What every data set has, whatever its loader."""

    kind: str
    labels: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1)]
    batch_size: PositiveInt
    epochs: PositiveInt
    extractor: ExtractorSection | None = None


class VariantsSection(_Section):
    """The values of the experiment groups."""

    width: list[PositiveInt]
    layers: list[PositiveInt]
    input_order: Annotated[int, Field(ge=0)]


class NetworkSection(_Section):
    """Training."""

    width: PositiveInt
    hidden_layers: PositiveInt
    variants: VariantsSection
    input_order: Literal["samples", "features"]
    dropout: Share
    learning_rate: Positive
    rho: Share
    epsilon: Positive
    validation_share: Share
    device: Literal["auto", "cpu", "cuda"]
    threads: Annotated[int, Field(ge=1, le=64)]


class GraphSection(_Section):
    """Weights to graph."""

    bias_vertices: Literal["per_neuron", "per_layer", "none"]
    zeta: Annotated[float, Field(gt=0, lt=1)]


class DiagramSection(_Section):
    """Persistent homology and how its intervals are read."""

    engine: Literal[("auto", *ENGINES)]  # type: ignore[valid-type] # made at run time
    max_dimension: Annotated[int, Field(ge=0, le=10)]
    reduced: bool
    eta: Annotated[float, Field(ge=0)]
    infinity_value: Positive
    order: Literal["filter_then_cap", "cap_then_filter"]


class ActivationSection(_Section):
    """On which rows activations are taken, and of which layers."""

    probe_rows: PositiveInt
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


_n_bins: dict[str, Any] = {"n_bins": (Annotated[int, Field(ge=2, le=10_000)], ...)}
VectorSection = create_model(
    "VectorSection",
    __base__=_Section,
    range=(Annotated[list[float], Field(min_length=2, max_length=2)], ...),
    **{
        name: (options_model(name, entry.accumulator, **(_n_bins if entry.axes else {})), ...)
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

    permutations: Annotated[int, Field(ge=0)]
    resamples: Annotated[int, Field(ge=0)]
    level: Annotated[float, Field(gt=0, lt=1)]
    seed: Annotated[int, Field(ge=0)]
    fewer: dict[Literal[CALIBRATED], Annotated[int, Field(ge=0)]]  # type: ignore[valid-type] # made at run time


class DistanceSection(_Section):
    """Measures."""

    p: Annotated[float, Field(ge=1)]
    measures: Annotated[list[Literal[(*MEASURES, *FAMILIES)]], Field(min_length=1)]  # type: ignore[valid-type] # made at run time
    options: MeasureOptions  # type: ignore[valid-type] # made at run time
    calibration: CalibrationSection
    device: Literal["auto", "cpu", "cuda"]
    layers: list[Annotated[list[str], Field(min_length=2, max_length=2)]]


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
    networks_per_job: PositiveInt
    trainings_per_job: PositiveInt
    keep: list[Literal["graph", "diagram"]]
    data_folder: Annotated[str, Field(min_length=1)]
    dataset: Annotated[dict[str, Any], Field(min_length=1)]
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


def check(config: Mapping[str, Any]) -> list[str]:
    """Return every error of a config, one line each."""
    errors = _check_model(Config, dict(config), "")
    datasets = config.get("dataset")
    if isinstance(datasets, Mapping):
        for name, entry in datasets.items():
            errors += _check_dataset(name, entry)
    wrong = {line.split(":")[0].split(".")[0] for line in errors}
    return errors + _check_relations({k: v for k, v in config.items() if k not in wrong})


def _check_dataset(name: Any, entry: Any) -> list[str]:
    path = f"dataset.{name}"
    if not isinstance(name, str) or not PATH_PART.fullmatch(name):
        return [
            f"{path}: an id becomes part of paths; allowed are lower-case letters, digits "
            "and underscores inside, beginning with a letter."
        ]
    if name in (CONTROL, OVERALL) or name.endswith(UNTRAINED):
        return [
            f"{path}: results of netkin's own have such names; choose an id that is not "
            f"'{CONTROL}' or '{OVERALL}' and does not end in '{UNTRAINED}'."
        ]
    if not isinstance(entry, Mapping):
        return [f"{path}: found {entry!r}; expected a section with keys."]
    kind = entry.get("kind", name)
    if not isinstance(kind, str) or kind not in DATASETS:
        where = f"{path}.kind: found {kind!r}" if "kind" in entry else f"{path}: no such data set"
        return [f"{where}. {allowed(kind, DATASETS)}"]
    model = options_model(kind, DATASETS[kind], DatasetSection)
    errors = _check_model(model, {"kind": kind, **entry}, f"{path}.")
    return errors or _check_classes(path, dataset_section(name, entry))


def _check_classes(path: str, section: DatasetSection) -> list[str]:
    """Check that no variant asks for more labels than there are classes."""
    classes = CLASSES.get(section.kind)
    if isinstance(classes, str):
        classes = len(getattr(section, classes))
    most = max(section.labels)
    if classes is None or most <= classes:
        return []
    return [
        f"{path}.labels: found {most}, but there are {classes} classes. Allowed: 2 to {classes}."
    ]


def _check_relations(right: Mapping[str, Any]) -> list[str]:
    """Check what one key alone cannot show, as far as the sections it needs are right."""
    errors = []
    if {"study", "dataset"} <= set(right):
        there = right["dataset"]
        unknown = [name for name in right["study"]["datasets"] if name not in there]
        errors += [
            f"study.datasets: found {name!r}, which is not in the section dataset. "
            f"{allowed(name, there)}"
            for name in unknown
        ]
        if not unknown and "network" in right:
            of_dataset = _known_variants(right)
            if right["study"]["variants"] != "all":
                errors += _check_variants(right, of_dataset)
            if "distance" in right:
                chosen = right["study"]["variants"]
                names = dict.fromkeys(
                    name
                    for found in of_dataset.values()
                    for name in found
                    if chosen == "all" or name in chosen
                )
                errors += [
                    f"distance.layers: found {name!r}. {allowed(name, names)}"
                    for pair in right["distance"]["layers"]
                    for name in pair
                    if name not in names
                ]
    if "figure" in right:
        known = list(matplotlib.colormaps)
        for figure in FIGURES:
            name = right["figure"][figure].get("colour_map", known[0])
            if name not in known:
                errors.append(
                    f"figure.{figure}.colour_map: found {name!r}; matplotlib knows no such "
                    f"colour map.{did_you_mean(name, known)}"
                )
    if "vector" in right:
        low, high = right["vector"]["range"]
        if not low < high:
            errors.append(
                f"vector.range: found [{low}, {high}]; the first must be below the second."
            )
        elif "diagram" in right and high < right["diagram"]["infinity_value"]:
            errors.append(
                f"vector.range: found [{low}, {high}], which ends before diagram.infinity_value "
                f"({right['diagram']['infinity_value']}); every infinite interval would leave "
                "the sampling."
            )
    if "distance" in right and right["distance"]["layers"]:
        chosen = right["distance"]["measures"]
        if not any({name, MEASURES[name].family} & set(chosen) for name in CALIBRATED):
            errors.append(
                f"distance.layers: found {right['distance']['layers']}, but distance.measures has "
                "no representational measure to compare layers by. Add one, such as cka."
            )
    if {"distance", "activation"} <= set(right):
        stored = right["activation"]["layers"]
        if right["distance"]["layers"] and stored != "all":
            errors.append(
                f"activation.layers: found {stored!r}, but distance.layers compares networks layer "
                "by layer. Set it to all, or distance.layers to []."
            )
    return errors + _check_repeats(right)


def _known_variants(right: Mapping[str, Any]) -> dict[str, dict[str, None]]:
    """Return the names of the variants that there are of each data set of the study."""
    network = NetworkSection.model_validate(right["network"])
    return {
        name: {v.name: None for v in all_variants(network, right["dataset"][name]["labels"])}
        for name in right["study"]["datasets"]
    }


def _check_variants(
    right: Mapping[str, Any], of_dataset: Mapping[str, dict[str, None]]
) -> list[str]:
    """Check that every chosen variant exists and that every data set keeps one."""
    chosen = right["study"]["variants"]
    known = {name: None for names in of_dataset.values() for name in names}
    errors = [
        f"study.variants: found {name!r}. {allowed(name, known, also='all, or a list of ')}"
        for name in chosen
        if name not in known
    ]
    errors += [
        f"study.variants: found {chosen}, of which the data set {dataset!r} has none. "
        f"Allowed for it: {_listed(names)}."
        for dataset, names in of_dataset.items()
        if not errors and not set(chosen) & set(names)
    ]
    return errors


def _check_repeats(right: Mapping[str, Any]) -> list[str]:
    """Check that no list names a value twice."""
    lists: dict[str, Any] = {}
    if "study" in right:
        lists |= {f"study.{key}": value for key, value in right["study"].items()}
    if "distance" in right:
        lists["distance.measures"] = right["distance"]["measures"]
    if "network" in right:
        variants = right["network"]["variants"]
        lists |= {f"network.variants.{group}": variants[group] for group in GROUPS[:2]}
    for name, entry in right.get("dataset", {}).items():
        lists |= {f"dataset.{name}.{key}": value for key, value in entry.items()}
    errors = []
    for path, values in lists.items():
        if isinstance(values, list):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                errors.append(f"{path}: found {twice[0]!r} more than once; list each value once.")
    return errors


def _check_model(model: type[BaseModel], data: Mapping[str, Any], prefix: str) -> list[str]:
    try:
        model.model_validate(data)
    except ValidationError as error:
        lines: dict[str, str] = {}
        for detail in error.errors():
            path, line = _sentence(model, detail, prefix, data)
            lines.setdefault(path, line)
        return list(lines.values())
    return []


CHOICES = {
    "study.variants": "all, or a list of variant names",
    "study.seeds": "a number of 1 or more, or a list of seeds of 0 or more",
}
"""Keys that take values of several kinds, and which."""


def _sentence(model: type[BaseModel], detail: Any, prefix: str, data: Any) -> tuple[str, str]:
    """Turn one of pydantic's error records into a path and a sentence."""
    # an error of a mapping's key is one of its entry
    parts = [part for part in detail["loc"] if part != "[key]"]
    path = prefix + ".".join(str(part) for part in parts)
    found = detail["input"]
    for key, kinds in CHOICES.items():
        # pydantic reports each branch of a union on its own; one sentence says it all
        if detail["type"] != "missing" and (path == key or path.startswith(f"{key}.")):
            found = functools.reduce(lambda section, part: section[part], key.split("."), data)
            return key, f"{key}: found {found!r}. Allowed: {kinds}."
    match detail["type"]:
        case "extra_forbidden":
            keys = _keys_at(model, parts[:-1])
            return path, f"{path}: unknown key. {allowed(str(parts[-1]), keys)}"
        case "missing":
            return path, f"{path}: this key is missing. It is described in config/config.yaml."
        case "literal_error":
            expected = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
            return path, f"{path}: found {found!r}. {allowed(str(found), expected)}"
    message = detail["msg"][0].lower() + detail["msg"][1:]
    hint = ""
    if detail["type"] == "float_type" and isinstance(found, str):
        hint = " YAML reads 1e-6 as text; write 1.0e-6."
    return path, f"{path}: found {found!r}; {message}.{hint}"


def _keys_at(model: type[BaseModel], parts: Sequence[Any]) -> list[str]:
    """Return the keys allowed at a path of a model."""
    for part in parts:
        annotation = model.model_fields[part].annotation
        # a section that may be left out is a union with None
        kinds = [kind for kind in (annotation, *get_args(annotation)) if inspect.isclass(kind)]
        sections = [kind for kind in kinds if issubclass(kind, BaseModel)]
        if not sections:
            break
        model = sections[0]
    return list(model.model_fields)


def _listed(names: Any) -> str:
    return ", ".join(str(name) for name in names)
