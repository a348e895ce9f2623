"""ONNX: tensors and how nodes wire them. No node is run; which are dense layers is read off."""

import mmap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from netkin.errors import Lacking, NetkinError
from netkin.failure import is_of_content
from netkin.graph.blocks import BlockGraph
from netkin.network.format.folding import NoChain
from netkin.network.format.input_shape import InputShape
from netkin.network.format.model import STATISTIC, Layer, Model
from netkin.network.format.onnx_tensors import Tensors
from netkin.network.format.onnx_wiring import Wiring

FOLDED = "numbers in a node that standardises the inputs; they are part of the first layer"
"""Why numbers that stand in a node are left out."""
WIRES = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
"""Number of each field of a ModelProto -> its wire type in protobuf."""
IN_GRAPH = {1, 2, 5, 10, 11, 12, 13, 14, 15, 16}
"""Numbers of the fields of a GraphProto; all have wire type 2."""
MOST_FIELDS = 100_000
"""Fields of a model that are looked at to tell the format."""
MOST_VERSION = 1000
"""No version of the format is as large."""


def recognises(head: bytes, path: Path) -> bool:
    """Tell whether a file has the fields of an ONNX model."""
    # most other formats end here, before the file is opened
    if not head or not _fits(head[0] >> 3, head[0] & 7):
        return False
    with path.open("rb") as file:
        return _has_fields(file, path.stat().st_size)


def parts_of(path: Path) -> list[str]:
    """Return the files in which a model says that numbers of its are."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(b"location") < 0:  # before all of it is parsed
            return []
    import onnx
    from onnx.external_data_helper import uses_external_data

    model = onnx.load(path, load_external_data=False)
    found = [
        entry.value
        for tensor in _tensors_of(model.graph)
        if uses_external_data(tensor)
        for entry in tensor.external_data
        if entry.key == "location"
    ]
    return list(dict.fromkeys(found))


def _tensors_of(graph: Any) -> Iterator[Any]:
    """Yield the tensors of a graph and of those in its nodes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            for inner in [attribute.g, *attribute.graphs]:
                yield from _tensors_of(inner)


def _fits(number: int, wire: int) -> bool:
    """Tell whether a field can be of a model; those that may be added one day are skipped."""
    return number > 0 and WIRES.get(number, wire) == wire and wire in (0, 1, 2, 5)


def _has_fields(file: BinaryIO, size: int) -> bool:
    """Tell whether what lies in a file is a model, or the beginning of one up to its graph."""
    seen = set()
    for _ in range(MOST_FIELDS):
        if file.tell() >= size:
            break
        tag = _varint(file)
        number, wire = tag >> 3, tag & 7
        if not _fits(number, wire):
            return False
        if wire == 0:
            value = _varint(file)
            if value < 0 or (number == 1 and not 1 <= value <= MOST_VERSION):
                return False
            seen.add(number)
            continue
        length = {1: 8, 5: 4}.get(wire) or _varint(file)
        place = file.tell()
        if length < 0:
            return False
        if number == 7 and length:
            inner = _varint(file)
            if inner & 7 != 2 or inner >> 3 not in IN_GRAPH:
                return False
        seen.add(number)
        if place + length > size:  # cut; that is said when it is read
            break
        file.seek(place + length)
    return {1, 7} <= seen


def _varint(file: BinaryIO) -> int:
    """Return the next whole number of protobuf, -1 where there is none."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            return -1
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    return -1


@contextmanager
def opened(path: Path) -> Iterator[Model]:
    """Open a file; see `netkin.network.format.open_model`."""
    yield _understood(path)


def _understood(path: Path) -> Model:
    try:
        import onnx
    except ImportError:
        raise Lacking(
            f"{path}: a file of ONNX, which is not installed (pip install onnx), or convert it to "
            "safetensors."
        ) from None
    try:
        proto = onnx.ModelProto.FromString(path.read_bytes())
        if proto.ir_version >= 3 and not proto.opset_import:
            raise ValueError("it does not say of which version its operators are")
        found = Tensors(path)
        found.look_through(proto)
        return _model(path, proto, found)
    except Exception as error:
        if not is_of_content(error):
            raise
        first = str(error).partition("\n")[0][:200] or type(error).__name__
        raise NetkinError(f"{path}: not a readable ONNX file ({first}).") from None


def _model(path: Path, proto: Any, found: Tensors) -> Model:
    """Return what was understood: the chain of layers, or why there is none."""
    wiring = Wiring(found.constants, found.left_out)
    chain: list[Layer] | None = None
    unchained = ""
    try:
        chain = wiring.layers(proto)
    except NoChain as why:
        unchained = str(why)
    left_out = dict(found.left_out)
    used = {name for layer in chain or () for name in layer.made_of}
    tensors = {}
    for name, tensor in found.tensors.items():
        reason = found.reason(name)
        if chain is not None and name not in used:
            reason = wiring.settings.get(name) or reason or "no node that leads to an output has it"
        elif chain is not None and reason != STATISTIC:
            reason = ""
        if reason:
            left_out[name] = reason
        else:
            tensors[name] = tensor
    if chain is not None:
        chain = [
            layer._replace(made_of=tuple(n for n in layer.made_of if n in tensors))
            for layer in chain
        ]
        left_out |= dict.fromkeys(wiring.folded, FOLDED)
    return Model(
        str(path), "onnx", tensors, left_out, chain, unchained, wired=_wired(proto, found, tensors)
    )


def _wired(
    proto: Any, found: Tensors, tensors: Mapping[str, Any]
) -> Callable[[InputShape], BlockGraph]:
    """Return how to make the graph of a network that is no chain."""
    from netkin.network.format.onnx_graph import Numbers, block_graph, without_numbers

    sizes = {name: prod(tensor.shape) for name, tensor in tensors.items()}
    numbers = Numbers(found.constants, found.quantised, sizes)
    return partial(block_graph, without_numbers(proto, numbers), numbers)
