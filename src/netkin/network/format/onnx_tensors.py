"""The tensors of an ONNX file, wherever they are, and which nodes take them."""

import re
from collections import ChainMap, Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.errors import NetkinError, shown
from netkin.network.format.model import COUNTER, STATISTIC, Floats, Tensor, can_be, rows_of

STANDARD = ("", "ai.onnx")
"""How nodes call the domain of the standard operators."""
FLOATS = {
    **{1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"},
    **{17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz"},
}
"""Numbers of the types of floats that are read, as TensorProto.DataType has them."""
FEW_BITS = {2, 3, 21, 22, 25, 26}
"""Numbers of the types of whole numbers of at most eight bits."""
WHOLE = {4, 5, 6, 7, 9, 12, 13}
"""Numbers of those of more, and of truth values."""
SAME = {"Identity", "Cast", "CastLike", "Reshape", "Unsqueeze", "Squeeze", "Transpose", "Flatten"}
"""Operators that hand on the numbers of their first input."""
SINGLE = {
    *("Mul", "Div", "Pow", "Max", "Min", "Where", "Greater", "Less", "GreaterOrEqual"),
    *("LessOrEqual", "Equal", "Mod"),
}
"""Elementwise operators, in which a lone number is no weight; a lone bias may be added."""
MOST_SIZES = 64
"""Entries that a shape, or a list of axes, has at most."""
SETTINGS = {
    "Clip": {1, 2},
    "Dropout": {1},
    "Pad": {2},
    "Resize": {1, 2},
    "OneHot": {2},
    "Range": {0, 1, 2},
    "NonMaxSuppression": {3, 4},
    "ThresholdedRelu": {1},
}
"""Operator -> places of its inputs that are no weights."""
SCALES = {
    **{"DequantizeLinear": {1}, "QuantizeLinear": {1}, "QLinearMatMul": {1, 4, 6}},
    **{"QLinearConv": {1, 4, 6}, "QGemm": {1, 4, 7}, "DynamicQuantizeLSTM": {8, 10}},
    **{"MatMulNBits": {2}, "DynamicQuantizeMatMul": {2}, "MatMulIntegerToFloat": {2, 3}},
}
"""Operator -> places of the scales of quantised numbers."""


class _User(NamedTuple):
    """A node that takes a value, `output` being what it makes of it."""

    node: Any
    place: int
    output: str


@dataclass(frozen=True)
class Constant:
    """Numbers that do not depend on the inputs.

    Attributes
    ----------
    shape : tuple of int
    read : callable
        Returns the array, not decoded and not copied.
    names : tuple of str
        The tensors that it is made of.
    tensor : Tensor, optional
        The tensor that it is, unchanged.
    whole : bool
        Whole numbers.
    double : bool
        Made of float64.
    """

    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]]
    names: tuple[str, ...] = ()
    tensor: Tensor | None = None
    whole: bool = False
    double: bool = False

    @property
    def size(self) -> int:
        """Return how many numbers there are."""
        return prod(self.shape)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return some rows, not decoded and not copied."""
        return self.read()[rows]

    def float64(self) -> NDArray[np.float64]:
        """Return a copy in float64."""
        return np.asarray(self.read()).astype(np.float64)


class Tensors:
    """The tensors of a file, wherever they are, and which nodes take them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.tensors: dict[str, Tensor] = {}
        self.left_out: dict[str, str] = {}
        self.constants: dict[str, Constant] = {}
        self.quantised: dict[str, Constant] = {}
        """Whole numbers of few bits, which stand for others where a node gives their scale."""
        self._few_bits: dict[str, bool] = {}
        self._users: dict[str, list[_User | None]] = defaultdict(list)
        """Name of a value -> the nodes that take it, None for an output of the graph."""

    def look_through(self, proto: Any) -> None:
        """Find all tensors of a model."""
        self._graph(proto.graph, "", ChainMap())
        for function in proto.functions:
            self._nodes(function.node, f"{function.domain}:{function.name}.", ChainMap())
        for name, few in self._few_bits.items():
            user = next((user for user in self._of(name) if user), None)
            if few or (user and user.node.op_type in SCALES):
                of = f" for {called(user.node)}" if user else ""
                self.left_out[name] = f"quantised numbers{of}, which netkin does not read"
        if proto.training_info:
            self.left_out["training_info"] = "what training needs"

    def reason(self, name: str) -> str:
        """Return why a tensor of floats is no parameter; "" for one."""
        tensor = self.tensors[name]
        size = prod(tensor.shape)
        if size == 0:
            return "it is empty"
        reasons = [self._use(user, size, tensor.shape) for user in self._of(name)]
        if not reasons:
            return "no node has it"
        return "" if "" in reasons else reasons[0]

    def _use(self, user: _User | None, size: int, shape: tuple[int, ...]) -> str:
        if user is None:
            return ""
        op, place = user.node.op_type, user.place
        if place in SETTINGS.get(op, ()):
            return f"a setting of {called(user.node)}"
        if place in SCALES.get(op, ()):
            return f"the scale of quantised numbers in {called(user.node)}"
        if op == "BatchNormalization" and place in (3, 4):
            return STATISTIC
        if size == 1 and (op in SINGLE or (op in ("Add", "Sub") and not shape)):
            return f"a constant of {called(user.node)}"
        return ""

    def _of(self, name: str) -> list[_User | None]:
        """Return the nodes that take a tensor, or what only changes its shape or type."""
        found: list[_User | None] = []
        names, seen = [name], {name}
        while names:
            for user in self._users[names.pop()]:
                if user and user.node.op_type in SAME and user.place == 0:
                    if user.output not in seen:
                        seen.add(user.output)
                        names.append(user.output)
                else:
                    found.append(user)
        return found

    def _graph(self, graph: Any, prefix: str, scope: ChainMap[str, str]) -> None:
        tensors = [(tensor.name, tensor) for tensor in graph.initializer]
        for name, tensor in tensors:
            self._add(prefix + name, tensor)
        for sparse in graph.sparse_initializer:
            self._leave_out(prefix + sparse.values.name, "sparse, which netkin does not read")
            tensors.append((sparse.values.name, sparse))
        inner = scope.new_child({name: prefix + name for name, _ in tensors})
        inner.maps[0].update({each.name: prefix + each.name for each in graph.input})
        self._nodes(graph.node, prefix, inner)
        for each in graph.output:
            self._users[inner.get(each.name, each.name)].append(None)

    def _nodes(self, nodes: Any, prefix: str, scope: ChainMap[str, str]) -> None:
        scope.maps[0].update({name: prefix + name for node in nodes for name in node.output})
        names: Counter[str] = Counter()
        for node in nodes:
            output = prefix + next(iter(node.output), "")
            for place, name in enumerate(node.input):
                if name:
                    self._users[scope.get(name, name)].append(_User(node, place, output))
            name = prefix + label(node)
            names[name] += 1
            name += f"#{names[name]}" if names[name] > 1 else ""
            for attribute in node.attribute:
                self._attribute(node, attribute, name, output, scope)

    def _attribute(
        self, node: Any, attribute: Any, name: str, output: str, scope: ChainMap[str, str]
    ) -> None:
        from onnx import helper

        if node.op_type == "Constant" and node.domain in STANDARD:
            if attribute.name == "value":
                self._add(output, attribute.t)
            elif attribute.name in ("value_float", "value_floats", "value_int", "value_ints"):
                value = helper.get_attribute_value(attribute)
                kind = np.float32 if "float" in attribute.name else np.int64
                self._put(output, np.array(value, kind), 1 if kind is np.float32 else 7)
            elif attribute.name == "sparse_value":
                self._leave_out(output, "sparse, which netkin does not read")
            return
        if attribute.HasField("g"):
            self._graph(attribute.g, f"{name}.{attribute.name}.", scope)
        for index, graph in enumerate(attribute.graphs):
            self._graph(graph, f"{name}.{attribute.name}.{index}.", scope)
        if len(attribute.floats) > 1 or (attribute.HasField("t") and prod(attribute.t.dims) > 1):
            self._leave_out(f"{name}.{attribute.name}", f"numbers in {called(node)}, no tensor")

    def _leave_out(self, name: str, reason: str) -> None:
        if name in self.tensors or name in self.left_out:
            raise NetkinError(f"{self._path}: two tensors are called {shown(name)}.")
        self.left_out[name] = reason

    def _add(self, name: str, tensor: Any) -> None:
        """Take in a tensor, whose size must be that of its numbers."""
        from onnx import TensorProto, helper

        kind, shape = tensor.data_type, tuple(tensor.dims)
        if any(size < 0 for size in shape):
            raise NetkinError(f"{self._path}: {shown(name)} has the shape {shape}.")
        if kind not in FLOATS and kind not in WHOLE:
            if kind in FEW_BITS:
                self._leave_out(name, COUNTER)
                self._few_bits[name] = prod(shape) > 1
                if kind in (2, 3) and tensor.data_location != TensorProto.EXTERNAL:
                    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind))
                    array = self._inside(name, tensor, shape, dtype)
                    self.quantised[name] = Constant(shape, partial(same, array), whole=True)
                return
            known = {number: text for text, number in TensorProto.DataType.items()}
            self._leave_out(name, f"stored as {known.get(kind, kind)}, which netkin does not read")
            return
        if tensor.HasField("segment"):
            self._leave_out(name, "stored in segments, which netkin does not read")
            return
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind))
        stored: Callable[[], NDArray[Any]]
        if tensor.data_location == TensorProto.EXTERNAL:
            stored = self._outside(name, tensor, shape, dtype)
        else:
            stored = partial(self._inside, name, tensor, shape, dtype)
            # the parsed file, with a copy of all numbers, is not kept
            if kind in FLOATS or prod(shape) <= MOST_SIZES:
                stored = partial(same, stored())
        self._put(name, stored, kind, shape)

    def _put(
        self,
        name: str,
        stored: NDArray[Any] | Callable[[], NDArray[Any]],
        kind: int,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        read = stored if callable(stored) else partial(same, stored)
        if shape is None:
            shape = read().shape
        if kind not in FLOATS:
            self._leave_out(name, COUNTER)
            self._few_bits[name] = False
            self.constants[name] = Constant(shape, read, whole=True)
            return
        if name in self.tensors or name in self.left_out:
            raise NetkinError(f"{self._path}: two tensors are called {shown(name)}.")
        tensor = Tensor(name, shape, FLOATS[kind], partial(_rows, read))
        self.tensors[name] = tensor
        self.constants[name] = Constant(shape, read, (name,), tensor, double=kind == 11)

    def _inside(
        self, name: str, tensor: Any, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> NDArray[Any]:
        """Return the numbers of a tensor that lie in the file."""
        from onnx import helper

        if tensor.HasField("raw_data"):
            raw = tensor.raw_data
            self._check_size(name, shape, dtype, len(raw))
            return np.frombuffer(raw, dtype.newbyteorder("<")).reshape(shape)
        numbers = getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type))
        self._check_size(name, shape, dtype, len(numbers) * dtype.itemsize)
        if dtype.kind in "fiub" and dtype.itemsize > 2:
            return np.array(numbers, dtype).reshape(shape)
        if dtype.kind in "iub":
            return np.array(numbers, np.int32).astype(dtype).reshape(shape)
        # the bits of each number, in one of 32
        bits = np.array(numbers, np.int32).astype(f"u{dtype.itemsize}")
        return bits.view(dtype).reshape(shape)

    def _check_size(
        self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], size: int
    ) -> None:
        wanted = prod(shape) * dtype.itemsize
        if wanted != size:
            raise NetkinError(
                f"{self._path}: {shown(name)} declares {wanted:,} bytes and has {size:,}."
            )
        if not can_be(shape):  # of no numbers
            raise NetkinError(f"{self._path}: {shown(name)} has the shape {shape}.")

    def _outside(
        self, name: str, tensor: Any, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> Callable[[], NDArray[Any]]:
        """Return how to read the numbers of a tensor that lie in a file beside the model's."""
        said = {entry.key: entry.value for entry in tensor.external_data}
        file = self._beside(name, said.get("location", ""))
        offset, length = said.get("offset") or "0", said.get("length") or ""
        if re.fullmatch("[0-9]{1,18};[0-9]{0,18}", f"{offset};{length}") is None:
            raise NetkinError(
                f"{self._path}: {shown(name)} begins at {shown(offset)} in {file.name} and has "
                f"{shown(length)} bytes; allowed are whole numbers."
            )
        wanted = prod(shape) * dtype.itemsize
        if length:
            self._check_size(name, shape, dtype, int(length))
        first = int(offset)
        if first + wanted > file.stat().st_size:
            raise NetkinError(
                f"{self._path}: {shown(name)} lies at the bytes {first:,} to {first + wanted:,} of "
                f"{file.name}, which has {file.stat().st_size:,}."
            )
        return partial(_mapped, file, dtype, first, shape)

    def _beside(self, name: str, location: str) -> Path:
        """Return the file of a tensor's numbers, which must lie in the folder of the model."""
        said = PurePosixPath(location)
        if not location or "\0" in location or said.is_absolute() or ".." in said.parts:
            raise NetkinError(
                f"{self._path}: the numbers of {shown(name)} are said to be in {shown(location)}; "
                "netkin reads those in the folder of the model alone."
            )
        # the cache of Hugging Face consists of links to one folder
        home = self._path.resolve().parent
        for folder in (self._path.parent, home):
            file = (folder / said).resolve()
            if file.is_file():
                break
        else:
            raise NetkinError(
                f"{self._path}: the numbers of {shown(name)} are in {shown(location)}, which is "
                "missing; it belongs beside the model."
            )
        if not file.is_relative_to(home):
            raise NetkinError(
                f"{self._path}: the numbers of {shown(name)} are in {shown(location)}, which leads "
                "out of the folder of the model; netkin reads what lies in it alone."
            )
        return file


def same(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array, to be read later."""
    return array


def _mapped(file: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...]) -> NDArray[Any]:
    if 0 in shape:
        return np.zeros(shape, dtype)
    stored = np.memmap(file, f"u{dtype.itemsize}", mode="r", offset=offset, shape=shape)
    return np.asarray(stored).view(dtype)


def _rows(read: Callable[[], NDArray[Any]], rows: slice) -> Floats:
    return rows_of(read(), rows)


def label(node: Any) -> str:
    """Return how messages call a node."""
    return str(node.name or next(iter(node.output), "") or node.op_type)


def operator(node: Any) -> str:
    """Return the operator of a node, after its domain unless that is the standard one."""
    return node.op_type if node.domain in STANDARD else f"{node.domain}.{node.op_type}"


def called(node: Any) -> str:
    """Return a node and its operator as messages name them."""
    return f"node {shown(label(node))} ({operator(node)})"


def attribute(node: Any, name: str, default: Any) -> Any:
    """Return an attribute of a node, or what it is where the node has none."""
    from onnx import helper

    for each in node.attribute:
        if each.name == name:
            return helper.get_attribute_value(each)
    return default
