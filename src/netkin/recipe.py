"""How every result of a study is to be made, known before anything runs: its recipe.

A recipe is a digest of code, parameters and the recipes of what a result is made from, up to
the data set. A file records its own (see `netkin.storage`), so a job can tell whether its inputs
are those that were planned, and anyone whether a result is what today's code and config give.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from netkin import storage
from netkin.activation.compute import compute_activations
from netkin.dataset import DATASETS
from netkin.dataset.features import extract_features
from netkin.dataset.prepare import all_options, prepare_dataset
from netkin.diagram.compute import compute_diagrams
from netkin.distance import INPUTS, MEASURES
from netkin.distance.compute import (
    block_parameters,
    compute_block,
    compute_distances,
    join_distances,
    joined_parameters,
    parameters_of,
)
from netkin.distance.layers import compare_layers, layer_parameters
from netkin.distance.summary import summarise_distances
from netkin.graph.export import export_graph
from netkin.member import Member
from netkin.prediction.compute import compute_predictions
from netkin.provenance import code_digest, script_digest
from netkin.study import Study
from netkin.vector import VECTORISERS
from netkin.vector.compute import vectorise_diagrams


@dataclass(frozen=True)
class Recipe:
    """How a file is to be made.

    Attributes
    ----------
    path : str
        The file, below ``results``.
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
    given : str
        What stands for the recipe of a file that is not made here, "" for one that is.
    """

    path: str
    layout: str
    code: str
    parameters: dict[str, Any]
    inputs: tuple["Recipe", ...] = ()
    device: str = "auto"
    given: str = ""

    @cached_property
    def digest(self) -> str:
        """The recipe as its file records it."""
        if self.given:
            return self.given
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
            Such as ``results/diagram/digits/seed_0/all.h5``, or an address in one.
        """
        path = storage.file_of(path)
        if path not in self._known:
            member = self.study.networks.get(path)
            if member is not None:
                self._known[path] = _network(self, path, member)
            else:
                _, stage, *parts = PurePosixPath(path.removesuffix(".h5")).parts
                self._known[path] = STAGES[stage](self, path, *parts)
        return self._known[path]

    def all(self, paths: Iterable[str]) -> tuple[Recipe, ...]:
        """Return the recipes of files and addresses, each file's once; none for ""."""
        files = dict.fromkeys(storage.file_of(path) for path in paths if path)
        return tuple(self.of(path) for path in files)

    def together(self, dataset: str) -> str:
        """Return the code of the networks of a data set that one job trains."""
        return self.of(self.study.file_of("network", self.study.together[dataset][0])).code

    def taken(self, id: str) -> dict[str, str]:
        """Return where one job put a network among others, and its recipe."""
        path = self.study.file_of("network", self.study.members[id])
        return {f"{self.study.together_folder(id)}/{id}.h5": self.of(path).digest}

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


def _dataset(recipes: Recipes, path: str, name: str) -> Recipe:
    study = recipes.study
    dataset = study.datasets[study.prepared[name]]
    if dataset.prepared != name:
        return Recipe(
            path,
            "dataset",
            recipes.code(extract_features),
            dataset.extraction(),
            (recipes.of(study.path("dataset", dataset.prepared)),),
            device=study.config.network.device,
        )
    loader = DATASETS[dataset.section.kind]
    return Recipe(
        path,
        "dataset",
        recipes.code(prepare_dataset, loader),
        {
            "kind": dataset.section.kind,
            "options": all_options(loader, dataset.options),
            "files": dataset.digests(),
        },
    )


def _network(recipes: Recipes, path: str, member: Member) -> Recipe:
    study = recipes.study
    source = study.source_of[member.id]
    making = source.making(member)
    if making is None:
        return Recipe(path, "network", "", {}, given=source.stands_for(member))
    known = member.probe is not None
    return Recipe(
        path,
        "network",
        recipes.code(source.maker),
        making,
        (recipes.of(study.path("dataset", str(member.probe))),) if known else (),
        device=study.config.network.device if known else "auto",
    )


def _networks(recipes: Recipes, path: str, *parts: str) -> Recipe:
    study, bundle = recipes.study, "/".join(parts)
    members = study.bundles[bundle].members
    source = study.source_of[members[0].id]
    return Recipe(
        path,
        "networks",
        recipes.code(source.maker),
        {"networks": {member.id: source.making(member) for member in members}},
    )


def _graph(recipes: Recipes, path: str, *id: str) -> Recipe:
    study = recipes.study
    network = study.file_of("network", study.members["/".join(id)])
    parameters = {"member": storage.id_of(network), **study.graph()}
    return Recipe(path, "graph", recipes.code(export_graph), parameters, recipes.all([network]))


def _ids(study: Study, bundle: str) -> list[str]:
    return [member.id for member in study.bundles[bundle].members]


def _diagram(recipes: Recipes, path: str, *parts: str) -> Recipe:
    study, bundle = recipes.study, "/".join(parts)
    return Recipe(
        path,
        "diagram",
        recipes.code(compute_diagrams, *study.engines()),
        {"networks": _ids(study, bundle), **study.graph(), **study.diagram()},
        recipes.all(study.networks_of(bundle)),
    )


def _vector(recipes: Recipes, path: str, vector: str, *parts: str) -> Recipe:
    study = recipes.study
    return Recipe(
        path,
        "vector",
        recipes.code(vectorise_diagrams, VECTORISERS[vector]),
        {"kind": vector, "policy": study.policy(), **study.vector(vector)},
        recipes.all([study.path("diagram", *parts)]),
    )


def _activation(recipes: Recipes, path: str, *parts: str) -> Recipe:
    study, bundle = recipes.study, "/".join(parts)
    return Recipe(
        path,
        "activation",
        recipes.code(compute_activations),
        {
            "networks": _ids(study, bundle),
            **study.config.activation.model_dump(),
            "trained_with": study.evaluation(bundle),
        },
        recipes.all([*study.networks_of(bundle), study.dataset_of(bundle)]),
    )


def _prediction(recipes: Recipes, path: str, *parts: str) -> Recipe:
    study, bundle = recipes.study, "/".join(parts)
    return Recipe(
        path,
        "prediction",
        recipes.code(compute_predictions),
        {"networks": _ids(study, bundle), "trained_with": study.evaluation(bundle)},
        recipes.all([*study.networks_of(bundle), study.dataset_of(bundle)]),
    )


def _distance(recipes: Recipes, path: str, comparison: str, *rest: str) -> Recipe:
    if rest[0] == "layers":
        return _layers(recipes, path, comparison, *rest[1:])
    if len(rest) == 3:
        return _block(recipes, path, comparison, *rest)
    if len(rest) == 1:
        inputs = recipes.all(recipes.study.distances(rest[0], comparison))
        parameters = {"measure": rest[0]}
        return Recipe(
            path, "distance_summary", recipes.code(summarise_distances), parameters, inputs
        )
    return _matrices(recipes, path, comparison, *rest)


def _matrices(recipes: Recipes, path: str, comparison: str, group: str, replicate: str) -> Recipe:
    study = recipes.study
    measures = study.groups[group]
    needs = MEASURES[measures[0]].needs
    names = [cell.name for cell in study.comparisons[comparison].cells]
    if study.is_divided(group, comparison):
        blocks = study.blocks(study.source_of_group(group), comparison, replicate)
        parameters = joined_parameters(measures, names)
        return Recipe(
            path, "distance", recipes.code(join_distances), parameters, recipes.all(blocks)
        )
    compared = study.compared(group, comparison, replicate)
    probe = study.probe_of(group, comparison)
    return Recipe(
        path,
        "distance",
        recipes.code(compute_distances, INPUTS[needs], *(MEASURES[name] for name in measures)),
        parameters_of(
            measures,
            names,
            compared,
            {measure: study.measure_options(measure) for measure in measures},
            study.reading(needs),
            study.calibration(needs),
        ),
        recipes.all([*compared, *([probe] if probe else [])]),
    )


def _block(
    recipes: Recipes, path: str, comparison: str, source: str, replicate: str, block: str
) -> Recipe:
    study = recipes.study
    found = study.block(source, comparison, replicate, block)
    measures = [measure for group in found["groups"] for measure in group["measures"]]
    needs = MEASURES[measures[0]].needs
    options = {measure: study.measure_options(measure) for measure in measures}
    return Recipe(
        path,
        "distance_block",
        recipes.code(compute_block, INPUTS[needs], *(MEASURES[name] for name in measures)),
        block_parameters(options=options, reading=study.reading(needs), **found),
        recipes.all(
            path
            for which in ("input_paths", "other_paths")
            for group in found["groups"]
            for path in group[which]
        ),
    )


def _layers(recipes: Recipes, path: str, comparison: str, a: str, b: str, replicate: str) -> Recipe:
    study = recipes.study
    measures: Sequence[str] = study.layer_measures()
    options = {measure: study.measure_options(measure) for measure in measures}
    compared = study.layer_files(comparison, (a, b), replicate)
    return Recipe(
        path,
        "layers",
        recipes.code(compare_layers, *(MEASURES[measure] for measure in measures)),
        layer_parameters(measures, compared, options, study.calibration("activation")),
        recipes.all(compared),
    )


STAGES: dict[str, Callable[..., Recipe]] = {
    "dataset": _dataset,
    "network": _networks,
    "graph": _graph,
    "diagram": _diagram,
    "vector": _vector,
    "activation": _activation,
    "prediction": _prediction,
    "distance": _distance,
}
"""Folder of results -> what makes the recipe of one of its files; of a network that has a file of
its own: see `_network`."""
