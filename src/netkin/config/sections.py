"""What a config may hold: the models of its sections.

The options of a data set, vector or figure are the keyword parameters of its function,
so the sections follow the registries and nothing is declared twice. These models and choices
are made at run time, which mypy cannot follow: that is what the ignored lines here ignore.

Every number has a least and a largest value, every list a most: what is allowed must fit a
computer's memory, numbers and file names, so that no job is made that cannot end well.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from netkin.dataset import DATASETS
from netkin.diagram import ENGINES
from netkin.diagram.diagram import MOST_DIMENSIONS
from netkin.distance import INPUTS, MEASURES
from netkin.distance.file import MOST_REPETITIONS, MOST_SEEDS
from netkin.figure import FIGURES
from netkin.graph.graph import BiasVertices
from netkin.graph.reading import Additions, Normaliser, Rescale
from netkin.source.variants import Variant, generate_variants
from netkin.vector import VECTORISERS
from netkin.vector.vector import Vectoriser

Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
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

    datasets: Annotated[list[str], Field(max_length=50)]
    variants: Literal["all"] | Annotated[list[str], Field(min_length=1, max_length=2500)]
    seeds: (
        Annotated[int, Field(ge=1, le=MOST_SEEDS)]
        | Annotated[list[Seed], Field(min_length=1, max_length=MOST_SEEDS)]
    )
    untrained: bool
    paper: bool


class SourceSection(_Section):
    """Networks that are there already."""

    sheet: Annotated[str, Field(min_length=1, max_length=4096)] | None
    group: Annotated[str, Field(min_length=1, max_length=100)]


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
    together: Annotated[int, Field(ge=0, le=256)]
    threads: Annotated[int, Field(ge=1, le=64)]


class GraphSection(_Section):
    """Weights to graph."""

    export: bool
    bias_vertices: BiasVertices
    # values of edges are float32
    zeta: Annotated[float, Field(ge=1e-12, le=0.999)]
    additions: Additions
    normaliser: Normaliser
    rescale: Rescale


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
        # others: see `vector`
        if measure.needs in ("network", "tensors") or INPUTS[measure.needs].rows
    },  # type: ignore[call-overload] # made at run time
)


CALIBRATED = tuple(n for n, m in MEASURES.items() if INPUTS[m.needs].calibrate is not None)


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
    source: SourceSection
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
    return model.model_validate({"kind": kind, **entry})  # type: ignore[return-value] # made at run time


def all_variants(network: NetworkSection, labels: Sequence[int]) -> tuple[Variant, ...]:
    """Return the whole grid of a data set with these values of the group ``labels``."""
    return generate_variants(
        base_width=network.width,
        base_hidden_layers=network.hidden_layers,
        labels=labels,
        **network.variants.model_dump(),
    )
