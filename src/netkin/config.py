"""The study a config file describes: checked as a whole, then asked by the workflow.

The options of a data set, vector or figure are the keyword parameters of its function or
class, so the schema follows the registries and nothing is declared twice.
"""

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import matplotlib
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from netkin.dataset import CLASSES, DATASETS, FILES
from netkin.diagram import ENGINES
from netkin.distance import MEASURES, SOURCES
from netkin.errors import NetkinError, did_you_mean
from netkin.figure import FIGURES
from netkin.grid import GROUPS, Variant, generate_variants
from netkin.vector import VECTORISERS

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


class GraphSection(_Section):
    """Weights to graph."""

    bias_vertices: Literal["per_neuron", "per_layer", "none"]
    zeta: Annotated[float, Field(gt=0, lt=1)]


class DiagramSection(_Section):
    """Persistent homology and how its intervals are read."""

    engine: Literal[("auto", *ENGINES)]  # type: ignore[valid-type]
    max_dimension: Annotated[int, Field(ge=0, le=10)]
    reduced: bool
    eta: Annotated[float, Field(ge=0)]
    infinity_value: Positive
    order: Literal["filter_then_cap", "cap_then_filter"]


class DistanceSection(_Section):
    """Measures."""

    p: Annotated[float, Field(ge=1)]
    measures: Annotated[list[Literal[tuple(MEASURES)]], Field(min_length=1)]  # type: ignore[valid-type]


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
    },  # type: ignore[call-overload]
)
FAMILIES = tuple(dict.fromkeys(measure.family for measure in MEASURES.values()))
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
    },  # type: ignore[call-overload]
)


class Config(_Section):
    """The whole file; data sets are checked one by one, each by its own loader's options."""

    study: StudySection
    networks_per_job: PositiveInt
    data_folder: Annotated[str, Field(min_length=1)]
    dataset: Annotated[dict[str, Any], Field(min_length=1)]
    network: NetworkSection
    graph: GraphSection
    diagram: DiagramSection
    vector: VectorSection  # type: ignore[valid-type]
    distance: DistanceSection
    figure: FigureSection  # type: ignore[valid-type]


class Study:
    """A checked study: which networks there are and what each job is given.

    Parameters
    ----------
    config : mapping
        The content of the config file or files.
    source : str
        Name of the file, for messages.

    Raises
    ------
    NetkinError
        All errors of the config at once, each with its key, what was found and what
        is allowed.
    """

    def __init__(self, config: Mapping[str, Any], source: str = "config/config.yaml") -> None:
        errors = _check(config)
        if errors:
            count = "an error" if len(errors) == 1 else f"{len(errors)} errors"
            lines = "\n".join(f"  {line}" for line in errors)
            raise NetkinError(f"{source} has {count}:\n{lines}")
        self.config = Config.model_validate(dict(config))
        # what every rule asks for again and again
        self._sections = {
            name: _dataset_section(name, entry) for name, entry in self.config.dataset.items()
        }
        section = self.config.study
        self.datasets: list[str] = section.datasets
        seeds = section.seeds
        self.seeds: list[int] = list(range(seeds)) if isinstance(seeds, int) else seeds
        self.measures: list[str] = self.config.distance.measures
        self.vectors: list[str] = list(VECTORISERS)
        self._variants = {
            dataset: {
                v.name: v
                for v in _all_variants(self.config.network, self.dataset(dataset).labels)
                if section.variants == "all" or v.name in section.variants
            }
            for dataset in self.datasets
        }

    def dataset(self, dataset: str) -> DatasetSection:
        """Return the checked section of one data set."""
        return self._sections[dataset]

    def dataset_options(self, dataset: str) -> dict[str, Any]:
        """Return the options of a data set's loader."""
        return self.dataset(dataset).model_dump(exclude=set(DatasetSection.model_fields))

    def dataset_files(self, dataset: str) -> list[str]:
        """Return the user's own files that a data set is made of, as far as all are there."""
        files_of = FILES.get(self.dataset(dataset).kind)
        if files_of is None:
            return []
        folder = Path(self.config.data_folder).expanduser()
        try:
            return [str(path) for path in files_of(folder, **self.dataset_options(dataset))]
        except NetkinError:
            return []  # the job says so, in one sentence and with a log

    def extraction(self, dataset: str) -> dict[str, Any]:
        """Return all that determines the features of a data set that has an extractor."""
        section = self.dataset(dataset).extractor
        assert section is not None
        network = self.config.network
        return {
            "dataset": dataset,
            "epochs": section.epochs,
            "batch_size": section.batch_size,
            "dropout": network.dropout,
            "learning_rate": network.learning_rate,
            "rho": network.rho,
            "epsilon": network.epsilon,
            "validation_share": network.validation_share,
        }

    def variants(self, dataset: str) -> list[Variant]:
        """Return the variants to run on a data set, in the order of the grid."""
        return list(self._variants[dataset].values())

    def bundles(self) -> list[tuple[str, str, list[str]]]:
        """Return (data set, id of the bundle, variants) for the jobs of several networks."""
        size = self.config.networks_per_job
        found = []
        for dataset in self.datasets:
            names = [variant.name for variant in self.variants(dataset)]
            for number, start in enumerate(range(0, len(names), size), start=1):
                found.append((dataset, f"{dataset}_{number}", names[start : start + size]))
        return found

    def variant(self, dataset: str, name: str) -> Variant:
        """Return a variant by its name."""
        return self._variants[dataset][name]

    def training(self, dataset: str, variant: str, seed: int) -> dict[str, Any]:
        """Return all that determines one trained network, besides its data."""
        network = self.config.network
        cell = self.variant(dataset, variant)
        return {
            "dataset": dataset,
            "variant": variant,
            "seed": seed,
            "width": cell.width,
            "hidden_layers": cell.hidden_layers,
            "n_labels": cell.n_labels,
            "input_order": network.input_order if cell.randomisation else None,
            "order_seed": cell.randomisation or 0,
            "dropout": network.dropout,
            "learning_rate": network.learning_rate,
            "rho": network.rho,
            "epsilon": network.epsilon,
            "batch_size": self.dataset(dataset).batch_size,
            "epochs": self.dataset(dataset).epochs,
            "validation_share": network.validation_share,
        }

    def engines(self) -> list[Callable[..., Any]]:
        """Return the engines that may compute a diagram."""
        chosen = self.config.diagram.engine
        return list(ENGINES.values()) if chosen == "auto" else [ENGINES[chosen]]

    def policy(self) -> dict[str, Any]:
        """Return how raw intervals are read when they are vectorised."""
        return self.config.diagram.model_dump(include={"reduced", "eta", "infinity_value", "order"})

    def vector(self, vector: str) -> dict[str, Any]:
        """Return the parameters of one vector: range, bins and its own options."""
        options = getattr(self.config.vector, vector).model_dump()
        return {
            "range": self.config.vector.range,  # type: ignore[attr-defined]
            "n_bins": options.pop("n_bins", 2),  # without samples, the fewest there can be
            "options": options,
        }

    def measure_options(self, measure: str) -> dict[str, Any]:
        """Return the parameters of one measure."""
        entry = MEASURES[measure]
        parameters = inspect.signature(entry.function).parameters
        options: dict[str, Any] = {}
        if "p" in parameters:
            options["p"] = self.config.distance.p
        if entry.vector is not None and entry.needs != "vector":
            vector = self.vector(entry.vector)  # its range is fitted on each pair
            options |= {"n_bins": vector["n_bins"], **vector["options"]}
        return options

    def measure_reading(self, measure: str) -> dict[str, Any]:
        """Return how the files that a measure compares are read."""
        return self.policy() if MEASURES[measure].needs == "diagram" else {}

    def needed_vectors(self) -> list[str]:
        """Return the vectors that the chosen measures read."""
        chosen = [MEASURES[measure] for measure in self.measures]
        return [
            v for v in VECTORISERS if any(m.needs == "vector" and m.vector == v for m in chosen)
        ]

    def needed_stages(self) -> set[str]:
        """Return the stages that the chosen measures need, from dataset to distance."""
        stages = {"dataset", "distance"}
        for measure in self.measures:
            stage: str | None = MEASURES[measure].needs
            while stage is not None:
                stages.add(stage)
                stage = SOURCES[stage].after if stage in SOURCES else None
        return stages

    def figure(self, figure: str) -> dict[str, Any]:
        """Return the options by which one kind of figure is drawn."""
        extra = set(EXTRA_FIGURE_OPTIONS.get(figure, {}))
        options: dict[str, Any] = getattr(self.config.figure, figure).model_dump(exclude=extra)
        return options

    def overview_measures(self) -> list[str]:
        """Return the chosen measures of the family that the overview shows."""
        family = self.config.figure.overview.family  # type: ignore[attr-defined]
        return [measure for measure in self.measures if MEASURES[measure].family == family]


def _dataset_section(name: str, entry: Mapping[str, Any]) -> DatasetSection:
    kind = entry.get("kind", name)
    model = options_model(kind, DATASETS[kind], DatasetSection)
    return model.model_validate({"kind": kind, **entry})  # type: ignore[return-value]


def _all_variants(network: NetworkSection, labels: Sequence[int]) -> tuple[Variant, ...]:
    return generate_variants(
        base_width=network.width,
        base_hidden_layers=network.hidden_layers,
        labels=labels,
        **network.variants.model_dump(),
    )


def _check(config: Mapping[str, Any]) -> list[str]:
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
    if not isinstance(entry, Mapping):
        return [f"{path}: found {entry!r}; expected a section with keys."]
    kind = entry.get("kind", name)
    if not isinstance(kind, str) or kind not in DATASETS:
        where = f"{path}.kind: found {kind!r}" if "kind" in entry else f"{path}: no such data set"
        return [f"{where}. Allowed: {_listed(DATASETS)}.{did_you_mean(kind, DATASETS)}"]
    model = options_model(kind, DATASETS[kind], DatasetSection)
    errors = _check_model(model, {"kind": kind, **entry}, f"{path}.")
    return errors or _check_classes(path, _dataset_section(name, entry))


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
        allowed = right["dataset"]
        unknown = [name for name in right["study"]["datasets"] if name not in allowed]
        errors += [
            f"study.datasets: found {name!r}, which is not in the section dataset. "
            f"Allowed: {_listed(allowed)}.{did_you_mean(name, allowed)}"
            for name in unknown
        ]
        if not unknown and "network" in right and right["study"]["variants"] != "all":
            errors += _check_variants(right)
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
    return errors + _check_repeats(right)


def _check_variants(right: Mapping[str, Any]) -> list[str]:
    """Check that every chosen variant exists and that every data set keeps one."""
    network = NetworkSection.model_validate(right["network"])
    chosen = right["study"]["variants"]
    of_dataset = {
        name: {v.name: None for v in _all_variants(network, right["dataset"][name]["labels"])}
        for name in right["study"]["datasets"]
    }
    known = {name: None for names in of_dataset.values() for name in names}
    errors = [
        f"study.variants: found {name!r}. Allowed: all, or a list of {_listed(known)}."
        f"{did_you_mean(name, known)}"
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
    parts = list(detail["loc"])
    path = prefix + ".".join(str(part) for part in parts)
    found = detail["input"]
    for key, allowed in CHOICES.items():
        # pydantic reports each branch of a union on its own; one sentence says it all
        if detail["type"] != "missing" and (path == key or path.startswith(f"{key}.")):
            found = functools.reduce(lambda section, part: section[part], key.split("."), data)
            return key, f"{key}: found {found!r}. Allowed: {allowed}."
    match detail["type"]:
        case "extra_forbidden":
            keys = _keys_at(model, parts[:-1])
            hint = did_you_mean(str(parts[-1]), keys)
            return path, f"{path}: unknown key. Allowed: {_listed(keys)}.{hint}"
        case "missing":
            return path, f"{path}: this key is missing. It is described in config/config.yaml."
        case "literal_error":
            expected = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
            hint = did_you_mean(str(found), expected)
            return path, f"{path}: found {found!r}. Allowed: {_listed(expected)}.{hint}"
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
