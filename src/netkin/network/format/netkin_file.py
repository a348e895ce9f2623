"""netkin's own file of a network, HDF5."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import h5py

from netkin.errors import NetkinError
from netkin.graph.blocks import BlockGraph
from netkin.graph.builder import NotUnderstood
from netkin.network.format.input_shape import InputShape
from netkin.network.format.model import Floats, Layer, Model, Tensor, as_floats
from netkin.network.wired import PLACE, get_graph
from netkin.storage import ANEW, open_layout


def recognises(head: bytes, path: Path) -> bool:
    """Tell whether a file begins with netkin's line; other HDF5 files are other people's."""
    return head.startswith(b"netkin length ")


@contextmanager
def opened(path: Path) -> Iterator[Model]:
    """Open a file; see `netkin.network.format.open_model`."""
    with _without_advice(), open_layout(path, "network", reading_only=False) as file:
        tensors: dict[str, Tensor] = {}
        for array in file.get("tensors", {}).values():
            _put(tensors, str(array.attrs["name"]), array)
        are_layers = not tensors
        layers = []
        for index in range(len(file.get("layers", ()))):
            weight, bias = (file.get(f"layers/{index}/{part}") for part in ("weight", "bias"))
            if weight is None or weight.dtype.kind != "f":
                raise NetkinError(f"{path}: layer {index} has no array of numbers 'weight'.")
            parts = [(part, a) for part, a in (("weight", weight), ("bias", bias)) if a is not None]
            own = tensors if are_layers else {}
            names = tuple(
                _put(own, str(array.attrs.get("name", f"layers/{index}/{part}")), array)
                for part, array in parts
            )
            # what is stored beside them was all taken up by the layers when they were written
            made_of = names if are_layers or index else tuple(tensors)
            layers.append(Layer(own[names[0]], own[names[1]][:] if names[1:] else None, made_of))
        for name, others in json.loads(str(file.attrs.get("also", "{}"))).items():
            for other in others:
                tensors[other] = replace(tensors[name], name=other, same_as=name)
        reason = str(file.attrs.get("reason", ""))
        chain = layers if layers and not reason else None
        wired = partial(_graph, file, path) if PLACE in file else None
        yield Model(str(path), "netkin", tensors, chain=chain, unchained=reason, wired=wired)


def _graph(file: h5py.Group, path: Path, shape: InputShape) -> BlockGraph:
    """Return the graph that was stored when the network was imported."""
    if shape != InputShape():
        raise NotUnderstood("sizes and what is left out were settled when it was imported")
    return get_graph(file, path)


@contextmanager
def _without_advice() -> Iterator[None]:
    """Take out that a file should be deleted: this one may be somebody's only copy."""
    try:
        yield
    except NetkinError as error:
        if ANEW not in str(error):  # also what is raised where the model is used
            raise
        raise NetkinError(str(error).replace(f" {ANEW}", "")) from None


def _put(tensors: dict[str, Tensor], name: str, array: h5py.Dataset) -> str:
    """Enter an array among the tensors, and return its name."""
    tensors[name] = Tensor(name, array.shape, str(array.dtype), partial(_read, array))
    return name


def _read(array: h5py.Dataset, rows: slice) -> Floats:
    return as_floats(array[rows])
