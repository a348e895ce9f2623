"""How a network's file keeps its graph: groups, blocks, and where the numbers of each are."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from netkin import storage
from netkin.errors import Absent, NetkinError
from netkin.graph.blocks import Block, BlockGraph, Group, Heads, dense_graph

PLACE = "wired"
"""The group of a network's file that holds its graph, where it is no chain of dense layers."""
HEADS = ("values", "queries", "keys")
"""Arrays of a `Heads`."""


def put_graph(file: h5py.Group, graph: BlockGraph, stored: Mapping[str, tuple[str, Any]]) -> None:
    """Write a graph into the group of a network.

    ``/wired/description`` is JSON: groups, and of each block all but its arrays;
    ``/wired/taps/K`` and ``/wired/columns/K`` are those of block K, and ``/wired/heads/K`` the
    arrays of `BlockGraph.heads`. The numbers of a block are a tensor that the file has anyhow, or
    ``/wired/weight/K``, of which a constant has one row.

    Parameters
    ----------
    file : h5py.Group
    graph : BlockGraph
    stored : mapping of str to (str, array-like)
        Name of a parameter -> the place where its array stands in the group, and the array.
    """
    blocks = []
    for number, block in enumerate(graph.blocks):
        entry: dict[str, Any] = {
            "name": block.name,
            "kind": block.kind,
            "source": block.source,
            "target": block.target,
            "groups": block.groups,
            "source_channel": block.source_channel,
            "target_channel": block.target_channel,
            "made_of": list(block.made_of),
            "shape": list(block.weight.shape),
        }
        entry |= _weight_entry(file, number, block, stored)
        blocks.append(entry)
        for part in ("taps", "columns"):
            # whole numbers as short as they can be: a grid has few thousand points
            array = getattr(block, part)
            file.create_dataset(f"{PLACE}/{part}/{number}", data=array.astype(np.int32))
    description = {
        "groups": [
            {
                "name": group.name,
                "channels": group.channels,
                "grid": list(group.grid),
                "activation": group.activation,
            }
            for group in graph.groups
        ],
        "blocks": blocks,
        "parameters": graph.parameters,
        "unused": graph.unused,
        "sizes": graph.sizes,
        "notes": list(graph.notes),
        "heads": [head.name for head in graph.heads],
        "outputs": list(graph.outputs),
    }
    for number, heads in enumerate(graph.heads):
        for part in HEADS:
            array = getattr(heads, part)
            if array is not None:
                file.create_dataset(f"{PLACE}/heads/{number}/{part}", data=array.astype(np.int32))
    file.create_dataset(
        f"{PLACE}/description", data=[json.dumps(description)], dtype=h5py.string_dtype()
    )


def _weight_entry(
    file: h5py.Group, number: int, block: Block, stored: Mapping[str, tuple[str, Any]]
) -> dict[str, Any]:
    """Return how the numbers of a block are found again; write them if they are not there."""
    array = np.asarray(block.weight[0 : block.n_out])
    if len(block.made_of) == 1 and block.made_of[0] in stored:
        place, tensor = stored[block.made_of[0]]
        found = np.asarray(tensor[:])
        if found.size == array.size and found.dtype == array.dtype:
            if np.array_equal(found.ravel(), array.ravel()):
                return {"tensor": place, "turned": False}
            if found.ndim == 2 and np.array_equal(found.T.ravel(), array.ravel()):
                return {"tensor": place, "turned": True}
    if (array == array[:1]).all():
        array = array[:1]
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32)
    file.create_dataset(f"{PLACE}/weight/{number}", data=array)
    return {"tensor": "", "turned": False}


class _Stored:
    """Numbers of a block that stay in the file until rows of them are taken."""

    def __init__(self, array: h5py.Dataset, shape: tuple[int, ...], *, turned: bool) -> None:
        self._array, self.shape, self._turned = array, shape, turned

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return some rows."""
        if self._turned:
            found = np.ascontiguousarray(self._array[()].T[rows])
        elif len(self._array) == 1 < self.shape[0]:
            count = len(range(*rows.indices(self.shape[0])))
            return np.broadcast_to(
                self._array[0].reshape(1, *self.shape[1:]), (count, *self.shape[1:])
            )
        else:
            found = np.asarray(self._array[rows])
        return found.reshape(len(found), *self.shape[1:])


@contextmanager
def open_graph(path: str | os.PathLike[str]) -> Iterator[BlockGraph]:
    """Open the graph of the network in a file, or in a bundle as ``FILE::ID``.

    The numbers of its blocks are read while the file is open.

    Parameters
    ----------
    path : path
        As `netkin.network.file.read_network`.

    Raises
    ------
    Absent
        How the network is wired is not known, or its file could not be read.
    NetkinError
        The file is damaged or of another kind.
    """
    with storage.open_layout(path, "network") as file:
        if PLACE in file:
            yield get_graph(file, path)
            return
        if "reason" in file.attrs:
            raise Absent(str(file.attrs["reason"]))
        layers = file.get("layers", {})
        weights = [layers[str(k)]["weight"] for k in range(len(layers))]
        biases = [layers[str(k)].get("bias") for k in range(len(layers))]
        if not weights:
            raise NetkinError(f"{path}: a network without layers.")
        yield dense_graph(
            weights,
            [None if one is None else one[()] for one in biases],
            activations=[
                # those that netkin trains have ReLU between layers
                str(weight.attrs.get("activation", ""))
                if "format" in file.attrs
                else "relu" * (layer < len(weights) - 1)
                for layer, weight in enumerate(weights)
            ],
        )


def get_graph(file: h5py.Group, path: str | os.PathLike[str]) -> BlockGraph:
    """Return the graph that the group of a network holds, see `put_graph`.

    Raises
    ------
    NetkinError
        It is damaged.
    """
    try:
        description = json.loads(file[f"{PLACE}/description"].asstr()[0])
        groups = tuple(
            Group(
                str(each["name"]),
                int(each["channels"]),
                tuple(int(size) for size in each["grid"]),
                str(each["activation"]),
            )
            for each in description["groups"]
        )
        blocks = tuple(
            _block(file, number, each) for number, each in enumerate(description["blocks"])
        )
        return BlockGraph(
            groups,
            blocks,
            int(description["parameters"]),
            {str(name): str(why) for name, why in description["unused"].items()},
            {str(name): int(size) for name, size in description["sizes"].items()},
            tuple(str(note) for note in description["notes"]),
            tuple(
                Heads(str(name), *(_heads(file, number, part) for part in HEADS))
                for number, name in enumerate(description["heads"])
            ),
            tuple(int(place) for place in description["outputs"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise NetkinError(f"{path}: what it says of the network's graph is damaged.") from error
    except NetkinError as error:
        raise NetkinError(f"{path}: {error}") from None


def _heads(file: h5py.Group, number: int, part: str) -> Any:
    found = file.get(f"{PLACE}/heads/{number}/{part}")
    return None if found is None else found[()].astype(np.int64)


def _block(file: h5py.Group, number: int, each: Mapping[str, Any]) -> Block:
    shape = tuple(int(size) for size in each["shape"])
    place = str(each["tensor"])
    array = file[place if place else f"{PLACE}/weight/{number}"]
    turned = bool(each["turned"])
    constant = not place and len(array) == 1
    count = array.size * shape[0] if constant else array.size
    if len(shape) != 3 or count != shape[0] * shape[1] * shape[2] or (turned and array.ndim != 2):
        raise NetkinError(f"block {number} of its graph has numbers of another shape.")
    if each["kind"] not in ("weight", "bias", "identity", "product", "pooling"):
        raise NetkinError(f"block {number} of its graph is of no kind.")
    return Block(
        str(each["name"]),
        each["kind"],
        int(each["source"]),
        int(each["target"]),
        _Stored(array, shape, turned=turned),
        file[f"{PLACE}/taps/{number}"][()].astype(np.int64),
        file[f"{PLACE}/columns/{number}"][()].astype(np.int64),
        int(each["groups"]),
        int(each["source_channel"]),
        int(each["target_channel"]),
        tuple(str(name) for name in each["made_of"]),
    )
