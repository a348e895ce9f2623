"""Keras: ``.keras`` archives and folders, HDF5 of whole models and of weights alone.

Read by json and h5py; Keras is not imported, and nothing in a file is run. Where the file has the
model's JSON, it says how the layers are wired (`netkin.network.format.keras_wiring`). Weights
alone say nothing of it: not even a list of layers tells which takes whose outputs.
"""

import io
import json
import math
import re
import shutil
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import h5py

from netkin.errors import NetkinError
from netkin.graph.blocks import BlockGraph
from netkin.graph.builder import NotUnderstood
from netkin.network.format import keras_wiring as wiring
from netkin.network.format.folding import NoChain
from netkin.network.format.hdf5 import (
    FACTOR,
    FLOOR,
    MOST_TEXT,
    SIGNATURE,
    Stored,
    child,
    readable,
    stored_in,
    tensor_of,
    text_of,
    texts_of,
)
from netkin.network.format.input_shape import InputShape
from netkin.network.format.keras_graph import graph_of
from netkin.network.format.keras_wiring import Node
from netkin.network.format.model import STATISTIC, Layer, Model, Tensor
from netkin.network.format.trial import tried

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
DEPENDENCIES = "_layer_checkpoint_dependencies"
"""How Keras 2.12 and 2.13 call what is ``layers`` later."""
BYTES_AT_ONCE = 1 << 24
PARTS_OF = {
    **dict.fromkeys(["SimpleRNN", "LSTM", "GRU"], ("cell",)),
    "MultiHeadAttention": tuple(
        f"{mark}{part}_dense" for mark in ("", "_") for part in ("query", "key", "value", "output")
    ),
}
"""Layers whose variables are those of objects of theirs -> what Keras 3 calls these."""
OPTIMISER = "the state of the optimiser, not of the network"
GENERATOR = "the state of a random generator"


def recognises(head: bytes, path: Path) -> bool:
    """Tell whether Keras wrote a file or folder; damaged HDF5 is taken for its too."""
    if path.is_dir():
        return all((path / name).is_file() for name in (CONFIG, WEIGHTS))
    if head.startswith(b"PK"):
        try:
            with zipfile.ZipFile(path) as archive:
                return {CONFIG, WEIGHTS} <= set(archive.namelist())
        except zipfile.BadZipFile:
            return False
    if not head.startswith(SIGNATURE):
        return False
    tried(path, partial(_read_all, path))
    try:
        with readable(path), h5py.File(path, "r") as file:
            return _is_keras(file)
    except NetkinError:
        return True  # `opened` says what is wrong


def _is_keras(file: h5py.File) -> bool:
    names = set(file.attrs) | set(file)
    if names & {"model_config", "layer_names", "layer_names0", "model_weights", DEPENDENCIES}:
        return True
    layers = child(file, "layers")
    inside = [child(file, "vars")]
    if isinstance(layers, h5py.Group):  # of a dataset, numbers would be read
        inside += [
            child(child(layers, name), kind) for name in layers for kind in ("vars", "layers")
        ]
    return any(isinstance(part, h5py.Group) for part in inside)


@contextmanager
def opened(path: Path) -> Iterator[Model]:
    """Open a file; see `netkin.network.format.open_model`."""
    tried(path / WEIGHTS if path.is_dir() else path, partial(_read_all, path))
    with _model_of(path) as model:
        yield model


def _read_all(path: Path) -> None:
    with _model_of(path):
        pass
    with _hdf5(path) as (file, size, _):
        for dataset in stored_in(path, file, size).datasets.values():
            if dataset.chunks:  # of others HDF5 follows nothing
                dataset[()]


@contextmanager
def _model_of(path: Path) -> Iterator[Model]:
    with _hdf5(path) as (file, size, config):
        with readable(path):
            stored = stored_in(path, file, size)
            contents = _Contents(path, stored)
            attributes = set(file.attrs)
            legacy = attributes & {"model_config", "layer_names", "layer_names0"}
            if config is None and "model_config" in attributes:
                config = _json(path, "model_config", text_of(file.attrs, "model_config"))
            model, unchained = _model(config)
            if legacy or "model_weights" in stored.groups:
                top = "model_weights" if "model_weights" in stored.groups else ""
                contents.take_lists(top, model)
            elif model is not None:
                contents.take_groups(model)
            contents.take_others()
        chain: Sequence[Layer] | None = None
        if model is not None and not unchained:
            chain, unchained = contents.chain(model)
        contents.leave_statistics(chain)
        yield Model(
            str(path),
            "keras",
            contents.tensors,
            contents.left_out,
            chain,
            unchained=unchained,
            wired=None if model is None else partial(contents.graph, model),
        )


def _model(config: Any) -> tuple[Node | None, str]:
    """Return the model of a config, and why it is no chain; nothing where there is no config."""
    if config is None:
        return None, ""
    try:
        return wiring.parse(config), ""
    except NoChain as error:
        return None, str(error)


def _json(path: Path, what: str, text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError) as error:
        why = "it nests too deep" if isinstance(error, RecursionError) else str(error)
        raise NetkinError(f"{path}: '{what}' in it is no JSON ({why[:200]}).") from None


@contextmanager
def _hdf5(path: Path) -> Iterator[tuple[h5py.File, int, Any]]:
    """Open the HDF5 of a file; with its size, and the model's JSON that stands beside it."""
    if path.is_dir():
        config = path / CONFIG
        if config.stat().st_size > MOST_TEXT:
            raise NetkinError(f"{config}: {config.stat().st_size:,} bytes are too many.")
        found = _json(path, CONFIG, config.read_text("utf-8", "replace"))
        with _opened(path, path / WEIGHTS) as file:
            yield file, (path / WEIGHTS).stat().st_size, found
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            text = _entry(path, archive, CONFIG)
            if text.file_size > MOST_TEXT:
                raise NetkinError(f"{path}: '{CONFIG}' has {text.file_size:,} bytes, too many.")
            weights = _entry(path, archive, WEIGHTS)
            with ExitStack() as stack:
                try:
                    found = _json(path, CONFIG, archive.read(text).decode("utf-8", "replace"))
                    inner = stack.enter_context(_unpacked(path, archive, weights))
                except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
                    raise NetkinError(f"{path}: a damaged archive ({error}).") from None
                file = stack.enter_context(_opened(path, inner))
                yield file, weights.file_size, found
    else:
        with _opened(path, path) as file:
            yield file, path.stat().st_size, None


@contextmanager
def _opened(path: Path, where: Any) -> Iterator[h5py.File]:
    with readable(path):
        file = h5py.File(where, "r")
    with file:
        yield file


def _entry(path: Path, archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    entries = [entry for entry in archive.infolist() if entry.filename == name]
    if len(entries) != 1:
        raise NetkinError(f"{path}: '{name}' stands in it {len(entries)} times.")
    entry = entries[0]
    if entry.flag_bits & 1:
        raise NetkinError(f"{path}: '{name}' in it is encrypted; save it without a password.")
    if entry.file_size > FACTOR * entry.compress_size + FLOOR:
        raise NetkinError(
            f"{path}: '{name}' declares {entry.file_size:,} bytes, of which "
            f"{entry.compress_size:,} are stored."
        )
    return entry


@contextmanager
def _unpacked(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[Any]:
    """Give what is in an archive as a file: where it lies if it is not compressed, as Keras does.

    Else it is unpacked to a temporary file; its size was checked.
    """
    if entry.compress_type == zipfile.ZIP_STORED:
        with path.open("rb") as file:
            file.seek(entry.header_offset)
            head = file.read(30)
            lengths = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
            start = entry.header_offset + 30 + sum(lengths)
            if head[:4] != b"PK\x03\x04" or start + entry.file_size > path.stat().st_size:
                raise zipfile.BadZipFile(f"'{entry.filename}' lies beyond its end")
            window = _Window(file, start, entry.file_size)
            check = 0
            while part := window.read(BYTES_AT_ONCE):
                check = zlib.crc32(part, check)
            if check != entry.CRC:
                raise zipfile.BadZipFile(f"'{entry.filename}' is not what was written")
            window.seek(0)
            yield window
    else:
        with tempfile.TemporaryFile() as temporary:
            with archive.open(entry) as packed:
                shutil.copyfileobj(packed, temporary)
            yield temporary


class _Window(io.RawIOBase):
    """A part of a file as a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = max(0, min(len(buffer), self._size - self._at))
        self._file.seek(self._start + self._at)
        found = self._file.read(wanted)
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)


@dataclass
class _Contents:
    """The arrays of a file by names that tell their layers.

    Attributes
    ----------
    of : dict
        Names on the way to a layer -> name of a variable -> tensor.
    unsure : str
        Why the weights cannot be told to the layers, in one clause.
    """

    path: Path
    stored: Stored
    tensors: dict[str, Tensor] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    of: dict[wiring.Path, dict[str, Tensor]] = field(default_factory=dict)
    unsure: str = ""
    _taken: set[str] = field(default_factory=set)
    _statistics: set[str] = field(default_factory=set)

    def chain(self, model: Node) -> tuple[Sequence[Layer] | None, str]:
        """Return the dense layers of a chain, or None with the reason."""
        try:
            wiring.check_kinds(model)
            if self.unsure:
                return None, self.unsure
            chain = wiring.chain_of(model, self.of)
        except NoChain as error:
            return None, str(error)
        used = {name for layer in chain for name in layer.made_of}
        unused = [name for name in self.tensors if name not in used]
        if unused:
            return None, f"no layer of its config uses '{unused[0]}'"
        return chain, ""

    def graph(self, model: Node, shape: InputShape) -> BlockGraph:
        """Return the graph of a model of any layers; see `Model.wired`."""
        if self.unsure:
            raise NotUnderstood(self.unsure)
        sizes = {name: math.prod(tensor.shape) for name, tensor in self.tensors.items()}
        return graph_of(model, self.of, shape, sizes)

    def leave_statistics(self, chain: Sequence[Layer] | None) -> None:
        """Leave out the statistics, but for those that a chain is made of."""
        used = {name for layer in chain or () for name in layer.made_of}
        for name in [name for name in self.tensors if name in self._statistics - used]:
            del self.tensors[name]
            self.left_out[name] = STATISTIC

    def take_lists(self, top: str, model: Node | None) -> None:
        """Take what Keras 2 writes: groups with lists of their layers and weights, in order."""
        listed: dict[str, list[tuple[str, str]]] = {}
        for layer in [*_listed(self.stored.groups[top], "layer_names"), "top_level_model_weights"]:
            group = f"{top}/{layer}" if top else layer
            if group not in self.stored.groups:
                if layer != "top_level_model_weights":
                    raise NetkinError(f"{self.path}: the weights of layer '{layer}' are missing.")
                continue
            if layer in listed:
                raise NetkinError(f"{self.path}: layer '{layer}' stands in its list twice.")
            listed[layer] = []
            for weight in _listed(self.stored.groups[group], "weight_names"):
                where = f"{group}/{weight}"
                if where not in self.stored.datasets:
                    raise NetkinError(
                        f"{self.path}: the weight '{weight}' of layer '{layer}' is missing."
                    )
                listed[layer].append((re.sub(r":\d+$", "", weight), where))
        named = Counter(name for weights in listed.values() for name, _ in weights)
        nodes = {node.name: node for node in (model.children or () if model else ())}
        for layer, weights in listed.items():
            node = nodes.get(layer)
            if node is not None and self._take_layer(node, weights):
                continue
            for name, where in weights:
                known = name if model is None and named[name] == 1 else f"{layer}/{name}"
                self._take(known, where, name.rpartition("/")[2])

    def _take_layer(self, node: Node, weights: list[tuple[str, str]]) -> bool:
        """Take the weights of a layer or nested model by what its config says; False if unsure."""
        expected: list[tuple[wiring.Path, str]] = []
        if node.children is None:
            roles = [name.rpartition("/")[2] for name, _ in weights]
            if len(set(roles)) < len(roles):
                wanted = wiring.parameters(node)  # in their order, as of attention
                if [role.rpartition("/")[2] for role in wanted] != roles:
                    return False
                roles = list(wanted)
            expected = [((node.name,), role) for role in roles]
        else:
            inner = list(wiring.leaves(node, (node.name,)))
            known = {path: wiring.parameters(leaf) for path, leaf in inner}
            # all that is trained, then the rest, as `Layer.weights` has it
            frozen = {path: not _is_trained(node, path[1:]) for path, _ in inner}
            for later in (False, True):
                for path, roles_ in known.items():
                    expected += [
                        (path, role)
                        for role in roles_
                        if (frozen[path] or role in (*wiring.STATISTICS, "count")) is later
                    ]
            names = {path[-1] for path, _ in inner}
            fits = len(expected) == len(weights) and all(
                _one_name(parts[-1]) == _one_name(role)
                and (len(parts) < 2 or parts[-2] not in names or parts[-2] == path[-1])
                for (path, role), (name, _) in zip(expected, weights, strict=True)
                for parts in [name.split("/")]
            )
            if not fits:
                if weights:
                    self.unsure = self.unsure or (
                        f"the weights of the nested model '{node.name}' are not listed in the "
                        "order of its layers"
                    )
                return False
        for (path, role), (_, where) in zip(expected, weights, strict=True):
            self._take("/".join((*path, role)), where, role, path)
        return True

    def take_groups(self, model: Node, top: str = "", path: wiring.Path = ()) -> None:
        """Take what Keras 3 writes: a group per layer, called by its class and a counter.

        See `_save_container_state` in ``keras/src/saving/saving_lib.py``.
        """
        kind = "layers" if f"{top}layers" in self.stored.groups else DEPENDENCIES
        counts: Counter[str] = Counter()
        for node in model.children or ():
            snake = _snake_case(node.kind)
            group = self._group(f"{top}{kind}/", snake, counts[snake])
            counts[snake] += 1
            if group:
                self._take_object(node, group, (*path, node.name))

    def _take_object(self, node: Node, group: str, path: wiring.Path) -> None:
        """Take what a layer, a wrapper or a model has."""
        if node.kind in wiring.WRAPPERS and node.children is not None:
            for part, inner in zip(wiring.WRAPPERS[node.kind], node.children, strict=True):
                self._take_object(inner, f"{group}/{part}", (*path, inner.name))
        elif node.children is not None:
            self.take_groups(node, f"{group}/", path)
        else:
            self._take_group(node, group, path)

    def _group(self, top: str, snake: str, index: int) -> str:
        if not top.endswith(f"{DEPENDENCIES}/"):
            return f"{top}{snake}_{index}" if index else f"{top}{snake}"
        # a layer was counted twice where it has weights, but written once
        there = [
            (int(found[1] or 0), name)
            for name in self.stored.groups
            if (found := re.fullmatch(re.escape(f"{top}{snake}") + r"(?:_(\d+))?", name))
        ]
        return sorted(there)[index][1] if index < len(there) else ""

    def _take_group(self, node: Node, group: str, path: wiring.Path) -> None:
        own = f"{group}/vars"
        if own not in self.stored.groups:
            return
        name = text_of(self.stored.groups[own].attrs, "name")
        if name is not None and name != node.name:
            self.unsure = self.unsure or f"the weights of layer '{node.name}' are those of '{name}'"
            return
        found = self._variables(own)
        for part in PARTS_OF.get(node.kind, ()):
            found += self._variables(f"{group}/{part}/vars")
        roles = wiring.parameters(node)
        if len(roles) != len(found):
            roles = tuple(where.rpartition("/")[2] for where in found)
            if len(set(roles)) < len(roles):
                return
        for role, where in zip(roles, found, strict=True):
            self._take("/".join((*path, role)), where, role, path)

    def _variables(self, group: str) -> list[str]:
        """Return the arrays of a group in the order of their numbers."""
        found = [
            (int(part), where)
            for where in self.stored.datasets
            if where.startswith(f"{group}/") and (part := where[len(group) + 1 :]).isdecimal()
        ]
        return [where for _, where in sorted(found)]

    def take_others(self) -> None:
        """Take the arrays that no layer was found for, by their paths."""
        for where in self.stored.datasets:
            if where in self._taken:
                continue
            parts = where.split("/")
            optimiser = next(
                (i for i, part in enumerate(parts) if part in ("optimizer", "optimizer_weights")),
                None,
            )
            if optimiser is not None:
                self.left_out["/".join(parts[: optimiser + 1])] = OPTIMISER
            elif {"seed_generator", "random_generator"} & set(parts):
                self.left_out[where] = GENERATOR
            else:
                self._take(where, where, self._role(parts))

    def _role(self, parts: list[str]) -> str:
        """Return which statistic of batch normalisation an array is, by its class and number."""
        if len(parts) < 3 or parts[-2] != "vars":
            return parts[-1].partition(":")[0]
        beside = "/".join(parts[:-1])
        number = sum(where.rpartition("/")[0] == beside for where in self.stored.datasets)
        if re.fullmatch(r"batch_normalization(_\d+)?", parts[-3]) and parts[-1].isdecimal():
            return {number - 2: "moving_mean", number - 1: "moving_variance"}.get(
                int(parts[-1]), ""
            )
        return parts[-1]

    def _take(self, name: str, where: str, role: str, path: wiring.Path | None = None) -> None:
        self._taken.add(where)
        if name in self.tensors or name in self.left_out:
            name = where
        tensor = tensor_of(self.path, name, self.stored.datasets[where])
        if isinstance(tensor, str):
            self.left_out[name] = tensor
            return
        self.tensors[name] = tensor
        if role in wiring.STATISTICS:
            self._statistics.add(name)
        if path is not None:
            self.of.setdefault(path, {})[role] = tensor


def _one_name(role: str) -> str:
    """Return the last part of a variable's name, as Keras 3 has it."""
    last = role.rpartition("/")[2]
    return wiring.OTHER_NAMES.get(last, last)


def _is_trained(model: Node, path: Sequence[str]) -> bool:
    """Tell whether neither a layer nor a model around it is frozen."""
    node: Node | None = model
    for name in ("", *path):
        if name and node is not None:
            node = next((part for part in node.children or () if part.name == name), None)
        if node is not None and node.config.get("trainable") is False:
            return False
    return True


def _listed(group: h5py.Group, name: str) -> list[str]:
    """Return a list of names, which Keras divides where it is long."""
    if name in group.attrs:
        return texts_of(group.attrs, name)
    found: list[str] = []
    index = 0
    while f"{name}{index}" in group.attrs:
        found += texts_of(group.attrs, f"{name}{index}")
        index += 1
    return found


def _snake_case(name: str) -> str:
    """Return the name of a class as Keras writes it in names of groups."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
