"""Networks of people's own, taken from their files into bundles of netkin's."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from netkin import storage
from netkin.errors import Lacking, NetkinError
from netkin.failure import Together
from netkin.finite import is_finite
from netkin.graph.blocks import BlockGraph
from netkin.network.format import named_by, open_model
from netkin.network.format.input_shape import InputShape
from netkin.network.format.leave_out import CUT_OFF, given_of, is_mistake
from netkin.network.format.model import Layer, Model, Tensor
from netkin.network.format.wiring_file import Wiring, wiring_of
from netkin.network.wired import PLACE, get_graph, put_graph

MOST_FILES = 10_000
"""Files of a folder that is one network, at most."""
MOST_LETTERS = 2000
"""Letters of a text that a file keeps of what was understood."""

MOST_ATTRIBUTE = 30_000
"""Letters of an attribute, which HDF5 limits; the names of tied tensors beyond are left out."""

NO_CHAIN = "it is wired as a graph, and no chain of dense layers"
"""Why a network has no layers whose file of wiring says its graph."""
LEFT_OUT = "a part of it is left out, and it is taken as a graph"
"""Why a network has no layers of which a part is left out."""

Stamps = dict[str, list[int]]
"""Name of a file -> its size in bytes and when it was changed, in nanoseconds; empty for one that
is named and not there."""


def stamps_of(path: str | os.PathLike[str]) -> Stamps:
    """Return the size and time of a file, or of each file of a folder by its path in it.

    Of a file that says that numbers of its are in others, theirs too.

    Parameters
    ----------
    path : path
        Where links lead counts.

    Raises
    ------
    NetkinError
        There is no such file, it is none, or the folder is empty or has more than `MOST_FILES`.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.is_file())
        if not 1 <= len(files) <= MOST_FILES:
            raise NetkinError(
                f"{path}: a folder of {len(files):,} files; allowed are 1 to {MOST_FILES:,}."
            )
        return {each.relative_to(path).as_posix(): _stamp(each) for each in files}
    if not path.is_file():
        what = "neither a file nor a folder" if path.exists() else "no such file"
        raise NetkinError(f"{path}: {what}.")
    found = {path.name: _stamp(path)}
    for name in named_by(path):
        # of a link, beside it or beside what it leads to
        places = (path.parent / name, path.resolve().parent / name)
        found[name] = next((_stamp(place) for place in places if place.is_file()), [])
    return found


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def import_networks(
    *,
    file_paths: Sequence[str],
    networks: Mapping[str, Mapping[str, Any]],
    networks_path: str,
    code: str = "",
) -> None:
    """Write networks of somebody's own as a bundle of layout ``networks``.

    Of one whose layers are not known its tensors are written, and the reason; of one that cannot
    be read the reason alone, so that whatever compares it says why it cannot. Each array has the
    name that it has in the file of its own.

    Parameters
    ----------
    file_paths : sequence of str
        The file, or the folder, of each network.
    networks : mapping
        What each is called in the bundle -> ``path``, what the sheet calls its file, ``wiring``
        (see `netkin.network.format.wiring_file.wiring_of`) and ``files``, sizes and times when the
        run was planned (see `stamps_of`), and where they are given ``input_shape`` and
        ``leave_out`` (see `netkin.network.format.leave_out.given_of`); recorded.
    networks_path : str
        The bundle to write.
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        A file has changed since the run was planned, or a package is not installed that reads it.
    """
    failures = Together()
    with storage.create(
        networks_path,
        "networks",
        parameters={"networks": {id: dict(made_of) for id, made_of in networks.items()}},
        code=code,
        ids=list(networks),
    ) as file:
        for path, (id, made_of) in zip(file_paths, networks.items(), strict=True):
            with failures.one(path):
                _import(path, storage.member(file, id), made_of)
        failures.check()


def _import(path: str, group: h5py.Group, made_of: Mapping[str, Any]) -> None:
    try:
        with open_model(path) as model:
            shape = given_of(made_of.get("input_shape", ""), made_of.get("leave_out", ""))
            _put(group, model, path, made_of["wiring"], shape)
    except Lacking:
        raise
    except NetkinError as error:
        _discard(group)
        group.attrs["reason"] = _line(error, path)
    group.attrs["test_accuracy"] = np.nan
    if stamps_of(path) != {name: list(stamp) for name, stamp in made_of["files"].items()}:
        raise NetkinError(f"{path}: it was changed while this run was planned or read; run again.")


@dataclass(frozen=True)
class Understood:
    """What was understood of a network of somebody's own.

    Attributes
    ----------
    format : str
        A key of `netkin.network.format.FORMATS`, "" for a file that cannot be read.
    units : tuple of int
        Units of each layer from the inputs on; empty where the layers are not known.
    parameters : int
        Numbers of all its parameters.
    left_out : str
        What is in the file and no parameter, and why, as JSON; "" for nothing.
    reason : str
        Why its layers are not known, or why it cannot be read; "" for neither.
    is_read : bool
        Whether there is anything to compare.
    graph : str
        Of a network that is no chain of dense layers, how large the graph is that its file
        says; "" for none.
    """

    format: str
    units: tuple[int, ...]
    parameters: int
    left_out: str
    reason: str
    is_read: bool
    graph: str = ""


def read_understood(path: str | os.PathLike[str]) -> Understood:
    """Return what `import_networks` understood of a network.

    Raises
    ------
    NetkinError
        The file cannot be read, or is of another kind.
    """
    with storage.open_layout(path, "network") as file:
        # what layers are made of stands there as it is, where it stands at all
        arrays = list(file.get("tensors", {}).values()) or [
            array for layer in file.get("layers", {}).values() for array in layer.values()
        ]
        weights = [file[f"layers/{k}/weight"].shape for k in range(len(file.get("layers", ())))]
        return Understood(
            str(file.attrs.get("format", "")),
            (weights[0][1], *(shape[0] for shape in weights)) if weights else (),
            sum(array.size for array in arrays),
            str(file.attrs.get("left_out", "")),
            # that of a graph is why it is no chain, which hinders few measures
            "" if PLACE in file else str(file.attrs.get("reason", "")),
            bool(arrays),
            _size(get_graph(file, path)) if PLACE in file else "",
        )


def _size(graph: BlockGraph) -> str:
    """Return how large a graph is, and what its open axes were taken as."""
    sizes = [f"{name} = {size}" for name, size in graph.sizes.items()]
    sizes += [note for note in graph.notes if note.endswith(CUT_OFF)]
    what = f"{len(graph.groups)} groups, {len(graph.blocks)} blocks, {graph.n_edges:,} edges"
    return "; ".join([what, *sizes])


def _put(file: h5py.Group, model: Model, path: str, wiring: str, shape: InputShape) -> None:
    """Write what was understood."""
    file.attrs["format"] = model.format
    if model.left_out:
        file.attrs["left_out"] = _shortened(json.dumps(dict(model.left_out)))
    # a mistake in what the sheet says is not answered with what could be read without it
    wired = wiring_of(wiring)
    graph: BlockGraph | None = None
    layers: Sequence[Layer] = ()
    try:
        if isinstance(wired, Wiring):
            graph = model.graph(wired, shape)
            file.attrs["reason"] = NO_CHAIN
        elif shape.leave_out:
            graph = model.graph(wired, shape)
            file.attrs["reason"] = LEFT_OUT
        else:
            layers = model.layers(wired)
    except NetkinError as error:
        if wired or not model.tensors or is_mistake(error, shape):
            raise
        file.attrs["reason"] = _line(error, path)
    if layers:
        _put_layers(file, layers, path, [] if wired else model.activations())
    elif graph is None and not shape.leave_out:
        graph = _graph(file, model, path, shape)
    if not all(_is_plain(layer, model) for layer in layers) or not layers:
        # what was folded, turned or put together is stored as it is too, for tensors are compared
        stored = _put_tensors(file, model, path)
        if graph is not None:
            if not any(np.any(block.weight[:]) for block in graph.blocks if block.is_trained):
                raise NetkinError(f"{path}: every weight is 0.")
            put_graph(file, graph, stored)
    _put_other_names(file, model)


def _graph(file: h5py.Group, model: Model, path: str, shape: InputShape) -> BlockGraph | None:
    """Return the graph of a network that is no chain, or None and note why there is none."""
    if model.wired is None:
        return None
    try:
        return model.graph(shape=shape)
    except NetkinError as error:
        file.attrs["reason"] = _line(error, path)
        return None


def _is_plain(layer: Layer, model: Model) -> bool:
    """Tell whether weight and bias of a layer are the tensors that it is made of."""
    names = (layer.made_of[0],) if layer.bias is None else layer.made_of[:2]
    return (
        isinstance(layer.weight, Tensor)
        and layer.made_of == names
        and (layer.bias is None or len(names) == 2)
        and all(not model.tensors[name].same_as for name in names)
        # as of a bias that is subtracted, or scaled
        and (layer.bias is None or np.array_equal(layer.bias, model.tensors[names[1]][:]))
    )


def _put_layers(
    file: h5py.Group, layers: Sequence[Layer], path: str, activations: Sequence[str]
) -> None:
    largest = 0.0
    for index, layer in enumerate(layers):
        for number, (part, array) in enumerate((("weight", layer.weight[:]), ("bias", layer.bias))):
            if array is None:
                continue
            place = f"layers/{index}/{part}"
            name = layer.made_of[number] if number < len(layer.made_of) else place
            _check_numbers(path, name, array)
            _put_array(file, place, array, name)
            largest = max(largest, float(np.abs(array).max()))
    for index, activation in enumerate(activations):
        if activation:
            file[f"layers/{index}/weight"].attrs["activation"] = activation
    if largest == 0:
        raise NetkinError(f"{path}: every weight is 0.")


def _put_tensors(file: h5py.Group, model: Model, path: str) -> dict[str, tuple[str, Tensor]]:
    """Write all tensors; return where each stands."""
    found = {}
    for index, tensor in enumerate(one for one in model.tensors.values() if not one.same_as):
        array = np.atleast_1d(tensor[:])
        _check_numbers(path, tensor.name, array)
        place = f"tensors/{index}"
        _put_array(file, place, array, tensor.name)
        found[tensor.name] = place, tensor
    return found


def _put_other_names(file: h5py.Group, model: Model) -> None:
    """Note the names under which a tensor is there once more."""
    also: dict[str, list[str]] = {}
    for tensor in model.tensors.values():
        if tensor.same_as:
            also.setdefault(tensor.same_as, []).append(tensor.name)
    text = json.dumps(also)
    if also and len(text) <= MOST_ATTRIBUTE:
        file.attrs["also"] = text


def _check_numbers(path: str, name: str, array: Any) -> None:
    if not is_finite(array):
        raise NetkinError(f"{path}: '{name}' holds NaN or infinite numbers.")


def _put_array(file: h5py.Group, place: str, array: Any, name: str) -> None:
    file[place] = array
    file[place].attrs["name"] = _shortened(name)


def _discard(file: h5py.Group) -> None:
    """Take out what was written before the file was found to be unreadable."""
    for group in ("layers", "tensors", PLACE):
        if group in file:
            del file[group]
    for name in ("reason", "also"):
        file.attrs.pop(name, None)


def _line(error: NetkinError, path: str) -> str:
    """Return a reason as one clause without the path."""
    return _shortened(str(error).removeprefix(f"{path}: ").rstrip("."))


def _shortened(text: str) -> str:
    """Return a text that an attribute can hold."""
    line = " ".join(text.split())
    line = line if line.isprintable() else ascii(line)
    return line if len(line) <= MOST_LETTERS else f"{line[:MOST_LETTERS]}..."
