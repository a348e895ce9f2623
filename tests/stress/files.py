"""Damaged files sent through their readers: one sentence, or what was written, and nothing else."""

import math
import random
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from netkin import storage
from netkin.activation.evaluation import read_part
from netkin.activation.read import layer_names, read_activation
from netkin.activation.write import write_activations
from netkin.dataset.arrays import Arrays, read_arrays, write_arrays
from netkin.diagram.diagram import Diagram, read_diagram, write_diagram
from netkin.diagram.policy import apply_policy, read_finite_diagram
from netkin.distance.compute import compute_block, compute_distances
from netkin.distance.file import read_block, read_distances, read_summary
from netkin.distance.functional.model import read_model
from netkin.distance.layers import compare_layers, read_layers
from netkin.distance.summary import summarise_distances
from netkin.errors import NetkinError
from netkin.graph.graph import graph_from_weights, read_graph, write_graph
from netkin.network.file import HISTORY, Network, read_network, write_network
from netkin.network.imported import import_networks, read_understood, stamps_of
from netkin.network.layers import open_layers
from netkin.prediction.prediction import Prediction, read_prediction, write_prediction
from netkin.vector import VECTORISERS
from netkin.vector.sampling import Sampling
from netkin.vector.vector import Vector, read_vector, write_vector
from tests.stress import frame
from tests.stress.counts import Counts
from tests.stress.damages import HARMLESS, IMPOSSIBLE, damage_structure, damaged

MOST_MEMORY = 500 * 2**20
"""Bytes that a reader may take more than before."""


# --- files of every layout, by the library's own writers ------------------------------------


def make_files(folder: Path) -> dict[str, Path]:
    """Write one small file of each layout; return them by the layout's name."""
    random_numbers = np.random.default_rng(0)
    paths = {layout: folder / f"{layout}.h5" for layout in storage.LAYOUTS}
    rows, features, labels = 40, 3, np.arange(40) % 3
    write_arrays(
        paths["dataset"],
        Arrays(
            random_numbers.random((rows, features), dtype=np.float32),
            labels,
            np.arange(rows),
            random_numbers.random((rows, features), dtype=np.float32),
            labels,
            np.arange(rows, 2 * rows),
            ("a", "b", "ç"),
        ),
        # more than an attribute holds
        parameters={"kind": "stress", "rows": list(range(15_000))},
    )
    networks, activations = [], []
    for number in range(3):
        widths = (features, 5, 4, 3)
        weights = [
            random_numbers.standard_normal(shape).astype(np.float32)
            for shape in zip(widths[1:], widths, strict=False)
        ]
        biases = [random_numbers.standard_normal(n).astype(np.float32) for n in widths[1:]]
        history = {name: random_numbers.random(4) for name in HISTORY}
        network = paths["network"] if number == 0 else folder / f"network_{number}.h5"
        how = {"input_order": None, "order_seed": 0, "n_labels": None, "seed": number}
        write_network(
            network,
            Network(tuple(weights), tuple(biases), history, 0.5),
            parameters=how,
            inputs=[paths["dataset"]],
        )
        networks.append(network)
        activation = paths["activation"] if number == 0 else folder / f"activation_{number}.h5"
        write_activations(
            activation,
            {
                "hidden_1": random_numbers.random((rows, 5), dtype=np.float32),
                "logits": random_numbers.random((rows, 3), dtype=np.float32),
            },
            np.arange(rows),
            labels,
            inputs=[network],
        )
        activations.append(activation)
        if number:
            continue
        graph = graph_from_weights(weights, biases)
        write_graph(paths["graph"], graph, inputs=[network])
        h0 = np.array([[0.0, 0.1], [0.0, 0.5], [0.0, np.inf]])
        h1 = np.column_stack([np.linspace(0.2, 0.9, 30), np.full(30, np.inf)])
        diagram = Diagram.from_intervals((h0, h1, np.empty((0, 2))))
        write_diagram(paths["diagram"], diagram, engine="exact", inputs=[paths["graph"]])
        sampling = Sampling(0.0, 1.0, 20)
        arrays = VECTORISERS["heat"].arrays(apply_policy(diagram), sampling)
        vector = Vector(arrays, sampling, axes=2, kind="heat")
        write_vector(paths["vector"], vector, inputs=[paths["diagram"]])
        chances = random_numbers.random((rows, 3)) + 0.1
        prediction = Prediction(
            np.arange(rows), chances / chances.sum(axis=1, keepdims=True), labels
        )
        write_prediction(paths["prediction"], prediction, inputs=[network])
    _import(networks[0], paths["networks"])
    compared = {
        "measures": ["neural_persistence"],
        "input_paths": [str(path) for path in networks[:2]],
        # of one that is not there the distances are undefined
        "other_paths": [str(networks[2]), ""],
    }
    compute_block(
        groups=[compared],
        networks=["a", "b"],
        others=["ç", "d"],
        block_path=str(paths["distance_block"]),
        options={},
    )
    calibration = {"permutations": 3, "resamples": 2, "seed": 0, "level": 0.9, "fewer": {}}
    compute_distances(
        measures=["orthogonal_procrustes"],
        input_paths=[str(path) for path in activations],
        networks=["a", "b", "ç"],
        distance_path=str(paths["distance"]),
        options={},
        calibration=calibration,
    )
    summarise_distances(
        distance_paths=[str(paths["distance"])], summary_path=str(paths["distance_summary"])
    )
    compare_layers(
        measures=["cka", "orthogonal_procrustes"],
        a_path=str(activations[0]),
        b_path=str(activations[1]),
        layers_path=str(paths["layers"]),
        options={"cka": {}, "orthogonal_procrustes": {}},
        calibration=calibration,
    )
    return paths


def _import(network: Path, path: Path) -> None:
    """Write a bundle of one network of somebody's own."""
    with open_layers(network) as layers:
        arrays = {f"{k}.weight": layer.weight[:] for k, layer in enumerate(layers)}
    own = network.with_name("own.npz")
    np.savez(own, **arrays)
    made_of = {"path": own.name, "wiring": "", "files": stamps_of(own)}
    import_networks(file_paths=[str(own)], networks={"own/a": made_of}, networks_path=str(path))


def _open_layers(path: Path) -> list[Any]:
    with open_layers(path) as layers:
        return [(layer.weight[:], layer.bias) for layer in layers]


def _every_layer(path: Path) -> list[Any]:
    return [read_activation(path, name) for name in layer_names(path)]


def _read_model(path: Path) -> Any:
    return read_model(path, dataset_path=str(path.parent / "whole_dataset.h5"))


READERS: dict[str, tuple[Callable[[Path], Any], ...]] = {
    "dataset": (read_arrays, lambda path: read_part(path, "test", 10)),
    "network": (read_network, _open_layers, _read_model),
    "networks": (read_network, _open_layers, read_understood),
    "graph": (read_graph,),
    "diagram": (read_diagram, read_finite_diagram),
    "vector": (read_vector,),
    "activation": (_every_layer,),
    "prediction": (read_prediction,),
    "distance": (read_distances,),
    "distance_block": (read_block,),
    "distance_summary": (read_summary,),
    "layers": (read_layers,),
}
"""Layout -> everything that reads its files; `storage.read_origin` and the like come with all."""
EVERY_READER = (storage.read_attributes, storage.read_parameters, storage.read_origin)


def plain(value: Any) -> Any:
    """Return what was read as something that compares by ==; NaN equals itself."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if is_dataclass(value):
        return {
            field.name: plain(getattr(value, field.name))
            for field in fields(value)
            # how an error names it, and what is kept
            if field.init and field.name not in ("name", "path")
        }
    if hasattr(value, "__dict__"):
        return {key: plain(part) for key, part in vars(value).items() if key != "name"}
    return repr(value)


# --- the campaign ---------------------------------------------------------------------------


def campaign(seed: int, seconds: float, cases: float = math.inf) -> Counts:
    """Send damaged files of every layout through their readers, as `frame.campaign` does.

    A finding is, too, a file that is read as something else than what was written. Where the
    structure was damaged and the digest made right again, it may be a right one of another
    content, but not after one of `IMPOSSIBLE`.
    """
    return frame.campaign("files", _make, _begin, list(READERS), seed, seconds, cases)


def _make(folder: Path) -> None:
    paths = make_files(folder)
    for layout in READERS:
        paths[layout].rename(folder / f"whole_{layout}.h5")


def _begin(folder: Path, layout: str) -> Callable[[random.Random], frame.Case]:
    readers = (*READERS[layout], *EVERY_READER)
    original = folder / f"whole_{layout}.h5"
    whole = original.read_bytes()
    right = [plain(read(original)) for read in readers]
    path = folder / f"{layout}.h5"

    def case(chance: random.Random) -> frame.Case:
        path.unlink(missing_ok=True)
        path.write_bytes(whole)
        structural = chance.random() < 0.5
        if structural:
            how = damage_structure(path, chance)
        else:
            how, data = damaged(whole, chance)
            path.write_bytes(data)
        judge = partial(_outcome, path, readers, right, f"_{how}", structural)
        return frame.Case(path, how, MOST_MEMORY, judge)

    return case


def _outcome(
    path: Path,
    readers: tuple[Callable[[Path], Any], ...],
    right: list[Any],
    how: str,
    structural: bool,
) -> str:
    is_impossible = structural and how in {damage.__name__ for damage in IMPOSSIBLE}
    may_differ = structural and how in {harmless.__name__ for harmless in HARMLESS}
    refused = 0
    for reader, known in zip(readers, right, strict=True):
        try:
            found = plain(reader(path))
        except NetkinError as error:
            refused += 1
            if "\n" in str(error):
                return f"{reader.__name__} says more than a line: {error}"
        except BaseException as error:
            return f"{reader.__name__} raises {type(error).__name__}: {str(error)[:200]}"
        else:
            if found != known and not may_differ and not is_impossible:
                return f"{reader.__name__} reads something else"
    if is_impossible and not refused:
        return "is accepted"
    return "refused" if refused else "unharmed"
