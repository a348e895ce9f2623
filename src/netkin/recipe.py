"""How every result of a study is to be made, known before anything runs: its recipe.

A recipe is a digest of code, parameters and the recipes of what a result is made from, up to
the data set. A file records its own (see `netkin.storage`), so a job can tell whether its inputs
are those that were planned, and anyone whether a result is what today's code and config give.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from netkin import storage
from netkin.activation.compute import compute_activations
from netkin.config import Study
from netkin.dataset import DATASETS
from netkin.dataset.features import extract_features
from netkin.dataset.prepare import all_options, prepare_dataset
from netkin.diagram.compute import compute_diagram
from netkin.distance import MEASURES, SOURCES
from netkin.distance.compute import compute_distances, parameters_of
from netkin.distance.layers import compare_layers, layer_parameters
from netkin.distance.summary import summarise_distances
from netkin.graph.build import build_graph
from netkin.network.train import train_network
from netkin.prediction.compute import compute_predictions
from netkin.provenance import code_digest, script_digest
from netkin.vector import VECTORISERS
from netkin.vector.compute import vectorise_diagram

ROOT = "results"


@dataclass(frozen=True)
class Recipe:
    """How a file is to be made.

    Attributes
    ----------
    path : str
        The file, below `ROOT`.
    layout : str
        A key of `netkin.storage.LAYOUTS`.
    code : str
        Digest of the code (see `netkin.provenance`).
    parameters : dict
        What its recorded parameters must say; they may say more, such as the device that
        ``auto`` stood for.
    inputs : tuple of Recipe
        What it is made from, in the order in which it is recorded.
    device : str
        The device that was chosen, ``auto`` if none. Results of two devices differ by rounding
        and what it grows to, so that it is no part of the recipe.
    """

    path: str
    layout: str
    code: str
    parameters: dict[str, Any]
    inputs: tuple["Recipe", ...] = ()
    device: str = "auto"

    @cached_property
    def digest(self) -> str:
        """The recipe as its file records it."""
        inputs = [one.digest for one in self.inputs]
        return storage.recipe(self.layout, self.code, self.parameters, inputs)


class Recipes:
    """The recipes of a study.

    Parameters
    ----------
    study : Study
        The checked study.
    scripts : path, optional
        Folder of the scripts that call the stages, each named as the function it calls: how it
        calls it counts as code. Without it no script counts.
    """

    def __init__(self, study: Study, scripts: str | os.PathLike[str] | None = None) -> None:
        self.study = study
        self.scripts = None if scripts is None else Path(scripts)
        self._known: dict[str, Recipe] = {}
        self._codes: dict[tuple[Any, ...], str] = {}

    def of(self, path: str) -> Recipe:
        """Return the recipe of a file of the study.

        Parameters
        ----------
        path : str
            Such as ``results/graph/digits/width_512/seed_0.h5``.
        """
        if path not in self._known:
            _, stage, *parts = PurePosixPath(path.removesuffix(".h5")).parts
            self._known[path] = STAGES[stage](self, path, *parts)
        return self._known[path]

    def result(self, stage: str, *parts: str) -> Recipe:
        """Return the recipe of a file by its stage and the parts of its name."""
        return self.of("/".join((ROOT, stage, *parts)) + ".h5")

    def code(self, function: Callable[..., Any], *parts: Any) -> str:
        """Return the digest of a stage function, its script and what else it uses, made once."""
        key = tuple(id(part) for part in (function, *parts))
        if key not in self._codes:
            code = code_digest(function, *parts)
            if self.scripts is not None:
                script = script_digest(self.scripts / f"{function.__name__}.py")
                code = hashlib.sha256(f"{code} {script}".encode()).hexdigest()[:16]
            self._codes[key] = code
        return self._codes[key]


def seed_of(name: str) -> int:
    """Return the seed of a file name such as ``seed_0``."""
    return int(name.removeprefix("seed_"))


def _dataset(recipes: Recipes, path: str, name: str) -> Recipe:
    study = recipes.study
    dataset = name.removesuffix(".images")
    section = study.dataset(dataset)
    if section.extractor is not None and dataset == name:
        return Recipe(
            path,
            "dataset",
            recipes.code(extract_features),
            {**study.extraction(dataset), "threads": study.config.network.threads},
            (recipes.result("dataset", f"{dataset}.images"),),
            device=study.config.network.device,
        )
    loader = DATASETS[section.kind]
    return Recipe(
        path,
        "dataset",
        recipes.code(prepare_dataset, loader),
        {
            "kind": section.kind,
            "options": all_options(loader, study.dataset_options(dataset)),
            "files": study.dataset_digests(dataset),
        },
    )


def _network(recipes: Recipes, path: str, dataset: str, variant: str, seed: str) -> Recipe:
    study = recipes.study
    return Recipe(
        path,
        "network",
        recipes.code(train_network),
        {
            **study.training(dataset, variant, seed_of(seed)),
            "threads": study.config.network.threads,
        },
        (recipes.result("dataset", study.dataset_of(dataset)),),
        device=study.config.network.device,
    )


def _graph(recipes: Recipes, path: str, *network: str) -> Recipe:
    return Recipe(
        path,
        "graph",
        recipes.code(build_graph),
        recipes.study.config.graph.model_dump(),
        (recipes.result("network", *network),),
    )


def _diagram(recipes: Recipes, path: str, *network: str) -> Recipe:
    section = recipes.study.config.diagram
    return Recipe(
        path,
        "diagram",
        recipes.code(compute_diagram, *recipes.study.engines()),
        {"engine": section.engine, "max_dimension": section.max_dimension},
        (recipes.result("graph", *network),),
    )


def _vector(recipes: Recipes, path: str, vector: str, *network: str) -> Recipe:
    study = recipes.study
    return Recipe(
        path,
        "vector",
        recipes.code(vectorise_diagram, VECTORISERS[vector]),
        {"kind": vector, "policy": study.policy(), **study.vector(vector)},
        (recipes.result("diagram", *network),),
    )


def _activation(recipes: Recipes, path: str, dataset: str, variant: str, seed: str) -> Recipe:
    study = recipes.study
    return Recipe(
        path,
        "activation",
        recipes.code(compute_activations),
        {**study.config.activation.model_dump(), **study.trained_with(dataset, variant)},
        _network_and_dataset(recipes, dataset, variant, seed),
    )


def _prediction(recipes: Recipes, path: str, dataset: str, variant: str, seed: str) -> Recipe:
    return Recipe(
        path,
        "prediction",
        recipes.code(compute_predictions),
        recipes.study.trained_with(dataset, variant),
        _network_and_dataset(recipes, dataset, variant, seed),
    )


def _network_and_dataset(
    recipes: Recipes, dataset: str, variant: str, seed: str
) -> tuple[Recipe, Recipe]:
    return (
        recipes.result("network", dataset, variant, seed),
        recipes.result("dataset", recipes.study.dataset_of(dataset)),
    )


def _distance(recipes: Recipes, path: str, comparison: str, measure: str, *rest: str) -> Recipe:
    if measure == "layers":
        return _layers(recipes, path, comparison, *rest)
    if rest == ("summary",):
        seeds = [f"seed_{seed}" for seed in recipes.study.seeds]
        inputs = tuple(recipes.result("distance", comparison, measure, seed) for seed in seeds)
        return Recipe(path, "distance_summary", recipes.code(summarise_distances), {}, inputs)
    return _matrix(recipes, path, comparison, measure, *rest)


def _matrix(recipes: Recipes, path: str, comparison: str, measure: str, seed: str) -> Recipe:
    study = recipes.study
    entry = MEASURES[measure]
    source = SOURCES[entry.needs]
    cells = study.compared(comparison)
    folder = (source.stage, entry.vector) if source.stage == "vector" else (source.stage,)
    inputs = [recipes.result(*folder, cell.dataset, cell.variant, seed) for cell in cells]
    if source.with_dataset:
        inputs.append(recipes.result("dataset", study.dataset_of(comparison)))
    return Recipe(
        path,
        "distance",
        recipes.code(compute_distances, entry, source),
        parameters_of(
            measure,
            [cell.name for cell in cells],
            {measure: study.measure_options(measure)},
            study.reading(entry.needs),
            study.calibration(entry.needs),
        ),
        tuple(inputs),
    )


def _layers(recipes: Recipes, path: str, dataset: str, a: str, b: str, seed: str) -> Recipe:
    study = recipes.study
    measures: Sequence[str] = study.layer_measures()
    options = {measure: study.measure_options(measure) for measure in measures}
    return Recipe(
        path,
        "layers",
        recipes.code(compare_layers, *(MEASURES[measure] for measure in measures)),
        layer_parameters(measures, options, study.calibration("activation")),
        tuple(recipes.result("activation", dataset, variant, seed) for variant in (a, b)),
    )


STAGES: dict[str, Callable[..., Recipe]] = {
    "dataset": _dataset,
    "network": _network,
    "graph": _graph,
    "diagram": _diagram,
    "vector": _vector,
    "activation": _activation,
    "prediction": _prediction,
    "distance": _distance,
}
"""Folder of results -> what makes the recipe of one of its files."""
