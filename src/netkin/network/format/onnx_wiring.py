"""How the nodes of an ONNX file are wired: the dense layers, where they are a chain.

Nodes are followed from the input to the outputs. What a layer gives is carried as `_Units`, with
what was added to it and multiplied since, so that it can be folded into a layer. A node that may
mix units, or that is not known, ends the search: `NoChain` names it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count, takewhile
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.errors import shown
from netkin.network.format.model import Floats, Layer
from netkin.network.format.onnx_tensors import (
    FLOATS,
    MOST_SIZES,
    SAME,
    STANDARD,
    WHOLE,
    Constant,
    called,
    label,
    same,
)

OLDEST = 7
"""The operator set from which on arrays of two shapes are combined as NumPy does."""
ELEMENTWISE = {
    *("Relu", "LeakyRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Gelu", "Sigmoid", "Tanh"),
    *("HardSigmoid", "HardSwish", "Softplus", "Softsign", "Mish", "Swish", "Shrink", "Clip"),
    *("Erf", "Exp", "Log", "Sqrt", "Abs", "Reciprocal", "Sign", "Sin", "Cos", "Tan", "Sinh"),
    *("Cosh", "Asinh", "Acosh", "Atanh", "Atan", "Asin", "Acos", "Floor", "Ceil", "Round"),
    *("Pow", "Max", "Min", "Where", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
    *("Equal", "And", "Or", "Not", "Add", "Sub", "Mul", "Div", "QuickGelu"),
}
"""Operators that make a number of a unit from numbers of the same unit."""
FROM_MICROSOFT = {"Gelu", "QuickGelu"}
"""Operators of onnxruntime's own that are activations."""
ALL_UNITS = {"Softmax", "LogSoftmax", "Hardmax"}
"""Activations in which each unit counts for all."""
ANSWERS = {
    *("ArgMax", "ArgMin", "TopK", "ZipMap", "ArrayFeatureExtractor", "LabelEncoder", "Binarizer"),
    *("Concat",),
}
"""Operators that make an answer of what the last layer gives."""


class NoChain(Exception):
    """Why a graph is no chain of dense layers, in one clause."""


class _Sizes(NamedTuple):
    """Sizes of an array: numbers, and names of those that the file leaves open."""

    sizes: tuple[int | str, ...]


class _Other(NamedTuple):
    """A value that is not understood, by the node that makes it."""

    reason: str


@dataclass(frozen=True)
class _Step:
    """A number, or one for each unit, that is added or multiplied.

    Attributes
    ----------
    adds : bool
    value : array of shape (1,) or (n,)
    names : tuple of str
        The tensors that it is made of.
    uniform : bool
        One number for all units: behind an activation it belongs to that.
    double : bool
    called : str
        The node.
    """

    adds: bool
    value: NDArray[np.float64]
    names: tuple[str, ...]
    uniform: bool
    double: bool
    called: str


@dataclass(frozen=True)
class _Units:
    """What the units of a layer give, of all rows.

    Attributes
    ----------
    layer : int
        So many layers come before; 0 for the inputs.
    sizes : tuple of int or str, optional
        The shape, as far as it is known; None where even the number of axes is not.
    turned : bool
        Units by rows, not rows by units.
    width : int, optional
        The number of units; None for the inputs.
    before, after : tuple of _Step
        What was added and multiplied before and after an activation.
    bent : bool
        An activation was passed.
    mixed : bool
        One in which each unit counts for all.
    answer : bool
        No longer a number for each unit.
    """

    layer: int
    sizes: tuple[int | str, ...] | None
    turned: bool = False
    width: int | None = None
    before: tuple[_Step, ...] = ()
    bent: bool = False
    after: tuple[_Step, ...] = ()
    mixed: bool = False
    answer: bool = False

    def axis(self) -> int | None:
        """Return along which axis the units lie, None where that is not certain."""
        if not self.sizes:
            return None
        if self.turned or len(self.sizes) == 1:
            return 0
        longer = [place for place, size in enumerate(self.sizes) if place and size != 1]
        if len(self.sizes) == 2 or not longer:
            return len(self.sizes) - 1
        return longer[0] if len(longer) == 1 else None


class _Unread(NamedTuple):
    """A tensor of a kind that is not read."""

    name: str


_Value = _Units | Constant | _Sizes | _Other | _Unread


@dataclass
class _Dense:
    """A dense layer that is being read: its matrix, and what is folded into it on either side."""

    weight: Constant
    flipped: bool
    into: tuple[_Step, ...]
    out_of: tuple[_Step, ...] = field(default=())

    @property
    def shape(self) -> tuple[int, ...]:
        return self.weight.shape[::-1] if self.flipped else self.weight.shape


class Wiring:
    """Follows the nodes from the inputs to the outputs."""

    def __init__(self, constants: Mapping[str, Constant], others: Iterable[str]) -> None:
        self._constants = constants
        self._others = others
        self._dense: list[_Dense] = []
        self._open = count()
        self._rows: int | str | None = None
        self._version = 0
        self.settings: dict[str, str] = {}
        """Name of a tensor that belongs to an activation -> to which."""
        self.folded: list[str] = []
        """Numbers in nodes that became part of a layer."""

    def layers(self, proto: Any) -> list[Layer]:
        """Return the layers, input side first.

        Raises
        ------
        NoChain
            Saying what comes first that is none.
        """
        graph = proto.graph
        self._version = max(
            (each.version for each in proto.opset_import if each.domain in STANDARD), default=0
        )
        local = {(function.domain, function.name) for function in proto.functions}
        nodes = _leading_to(graph)
        values: dict[str, _Value] = {name: _Unread(name) for name in self._others}
        values |= self._constants
        taken = {name for node in nodes for name in _inputs(node)}
        taken |= {each.name for each in graph.output}
        inputs = [
            each for each in graph.input if each.name in taken and each.name not in self._constants
        ]
        if len(inputs) != 1:
            names = ", ".join(shown(each.name) for each in inputs)
            raise NoChain(
                f"it has {len(inputs)} inputs ({names})"
                if inputs
                else "its outputs come from no input"
            )
        if self._version and self._version < OLDEST:
            raise NoChain(f"its operators are of version {self._version}, older than {OLDEST}")
        values[inputs[0].name] = self._input(inputs[0])
        for node in nodes:
            given = []
            for name in node.input:
                if name and name not in values:
                    raise NoChain(f"{called(node)} takes {shown(name)}, which is not there")
                given.append(values[name] if name else None)
            if (node.domain, node.op_type) in local:
                raise NoChain(f"{called(node)} is a function of the file")
            made = self._value(node, given)
            for place, name in enumerate(node.output):
                if name and not (node.op_type == "Constant" and name in values):
                    values[name] = made if place == 0 else _beyond(node, made)
        self._finish(graph, values)
        return [_layer(dense) for dense in self._dense]

    def _input(self, value: Any) -> _Units:
        tensor = value.type.tensor_type
        if not tensor.HasField("shape"):
            return _Units(0, None)
        sizes = tuple(
            size.dim_value
            if size.HasField("dim_value") and size.dim_value > 0
            else size.dim_param or self._unknown()
            for size in tensor.shape.dim
        )
        if len(sizes) > 1:
            self._rows = sizes[0]
        return _Units(0, sizes)

    def _unknown(self) -> str:
        return f"?{next(self._open)}"

    def _finish(self, graph: Any, values: Mapping[str, _Value]) -> None:
        """Check what the outputs are."""
        if not graph.output:
            raise NoChain("it has no output")
        ends: list[_Units] = []
        for each in graph.output:
            value = values.get(each.name)
            if isinstance(value, _Other):
                raise NoChain(value.reason)
            if not isinstance(value, _Units):
                raise NoChain(f"the output {shown(each.name)} does not come from the input")
            if value.layer != len(self._dense):
                raise NoChain(f"the output {shown(each.name)} leaves before the last layer")
            ends.append(value)
        if not self._dense:
            raise NoChain("no node is a dense layer")
        self._dense[-1].out_of = self._common(ends, "the outputs")
        for end in ends:
            self._settle(end.after, "behind the last activation")

    def _value(self, node: Any, given: Sequence[_Value | None]) -> _Value:
        """Return what a node makes; `NoChain` where units pass it that it may mix."""
        units = [value for value in given if isinstance(value, _Units)]
        other = next((value for value in given if isinstance(value, _Other)), None)
        if any(isinstance(value, _Unread) for value in given):
            other = _Other(f"{_not_understood(node)} with numbers that netkin does not read")
        if other is not None:
            if units:
                raise NoChain(other.reason)
            return other
        if not units:
            return self._fixed(node, given)
        if len({each.layer for each in units}) > 1:
            raise NoChain(f"{called(node)} joins what several layers give")
        op = node.op_type
        if node.domain == "com.microsoft" and op not in FROM_MICROSOFT:
            raise _not_understood(node)
        if node.domain not in (*STANDARD, "ai.onnx.ml", "com.microsoft"):
            raise _not_understood(node)
        if op in ("MatMul", "Gemm"):
            return self._product(node, given)
        if any(each.answer for each in units) and op not in SAME:
            if op in ANSWERS | ELEMENTWISE:
                return self._answer(node, given)
            raise _not_understood(node)
        if op in ("Add", "Sub", "Mul", "Div") and len(units) == 1:
            return self._shifted(node, given)
        if op in ELEMENTWISE:
            return self._bent(node, given)
        if op in ANSWERS:
            return self._answer(node, given)
        if op == "Shape":
            sizes = units[0].sizes
            if sizes is None:
                return _Other(_no_shape(node))
            return _Sizes(sizes[_attribute(node, "start", 0) : _attribute(node, "end", None)])
        if not isinstance(given[0], _Units) or len(units) > 1:
            raise _not_understood(node)
        if op in ALL_UNITS:
            axis = _attribute(node, "axis", -1 if self._version >= 13 else 1)
            rank = len(units[0].sizes or ())
            if units[0].axis() is None or axis % rank != units[0].axis():
                raise NoChain(f"{called(node)} is not taken over the units")
            return replace(self._bent(node, given), mixed=True)
        handler = {
            "BatchNormalization": self._normalised,
            "Scaler": self._scaled,
            "Neg": self._negative,
        }.get(op)
        return handler(node, given) if handler else self._arranged(node, units[0], given[1:])

    # what does not depend on the inputs

    def _fixed(self, node: Any, given: Sequence[_Value | None]) -> _Value:
        """Return what a node makes of constants and sizes."""
        op = node.op_type
        if node.domain not in STANDARD:
            return _Other(str(_not_understood(node)))
        if op == "Constant" and node.output[0] in self._constants:
            return self._constants[node.output[0]]
        first = given[0] if given else None
        if op == "Concat" or isinstance(first, _Sizes):
            return self._sizes(node, given)
        constants = [value for value in given if isinstance(value, Constant)]
        if op in ("Add", "Sub", "Mul", "Div", "Sqrt", "Reciprocal", "Neg"):
            if len(constants) == len(given) and not any(each.whole for each in constants):
                return _computed(node, constants)
        elif isinstance(first, Constant) and op in SAME:
            if op == "CastLike":
                return _Other(str(_not_understood(node)))
            if op == "Cast":
                return _cast(node, first)
            sizes = self._new_sizes(node, first.shape, given[1:])
            if sizes is not None and all(isinstance(size, int) for size in sizes):
                order = _order(node, len(first.shape)) if op == "Transpose" else None
                return _reshaped(first, tuple(map(int, sizes)), order)
        return _Other(str(_not_understood(node)))

    def _sizes(self, node: Any, given: Sequence[_Value | None]) -> _Value:
        """Return what a node makes of sizes, as exporters compute the target of a Reshape."""
        op = node.op_type
        parts = [_listed(value) for value in given]
        if any(part is None for part in parts):
            return _Other(str(_not_understood(node)))
        listed = [part for part in parts if part is not None]
        sizes, others = listed[0], listed[1:]
        if op == "Concat":
            return _Sizes(tuple(size for part in listed for size in part))
        if op in ("Identity", "Cast", "Unsqueeze", "Squeeze"):
            return _Sizes(sizes)
        if op == "Gather" and all(isinstance(at, int) and at < len(sizes) for at in others[0]):
            return _Sizes(tuple(sizes[int(at)] for at in others[0]))
        if op == "Slice" and len(others) in (2, 3) and all(len(each) == 1 for each in others[:2]):
            first, last = int(others[0][0]), int(others[1][0])
            return _Sizes(sizes[first:last])
        return _Other(str(_not_understood(node)))

    # how units are arranged

    def _arranged(self, node: Any, units: _Units, others: Sequence[_Value | None]) -> _Units:
        """Return units that a node hands on as they are, maybe in another shape."""
        op = node.op_type
        if op == "Dropout":
            training = others[1] if len(others) > 1 else None
            if training is not None and _listed(training) != (0,):
                raise NoChain(f"{called(node)} is one for training")
            if others and isinstance(others[0], Constant):
                self._set(others[0], node)
            return units
        if op == "Identity":
            return units
        if op in ("Cast", "CastLike"):
            floats = op == "CastLike" or _attribute(node, "to", 0) in FLOATS
            return units if floats else replace(units, answer=True)
        if op not in SAME:
            raise _not_understood(node)
        if units.answer:
            return replace(units, sizes=None)
        if op == "Flatten" and units.sizes is None and _attribute(node, "axis", 1) == 1:
            return replace(units, sizes=self._some_rows())
        if units.sizes is None:
            raise NoChain(_no_shape(node))
        if op == "Transpose":
            order = _order(node, len(units.sizes))
            long = [at for at in order if units.sizes[at] != 1]
            if sorted(order) == [0, 1] and order != [0, 1]:
                sizes = units.sizes[::-1]
                return replace(units, sizes=sizes, turned=not units.turned)
            if long != sorted(long) or units.turned or order[0] != 0:
                raise _not_understood(node)
            return replace(units, sizes=tuple(units.sizes[at] for at in order))
        arranged = self._new_sizes(node, units.sizes, others)
        if arranged is None or units.turned:
            raise _not_understood(node)
        return replace(units, sizes=arranged)

    def _some_rows(self) -> tuple[int | str, ...]:
        """Return the shape of rows by units where the file says nothing of the inputs."""
        self._rows = self._unknown()
        return self._rows, self._unknown()

    def _new_sizes(
        self, node: Any, sizes: tuple[int | str, ...], others: Sequence[_Value | None]
    ) -> tuple[int | str, ...] | None:
        """Return the shape after a node that changes nothing else; None where it is not known."""
        op = node.op_type
        if op == "Identity":
            return sizes
        if op == "Transpose":
            return tuple(sizes[at] for at in _order(node, len(sizes)))
        if op == "Flatten":
            axis = _attribute(node, "axis", 1)
            return tuple(self._quotient(part, ()) for part in (sizes[:axis], sizes[axis:]))
        listed = _listed(others[0]) if others and others[0] is not None else None
        if op == "Reshape":
            if listed is None:
                return None
            return self._target(sizes, listed, bool(_attribute(node, "allowzero", 0)))
        axes = listed if listed is not None else _attribute(node, "axes", None)
        if op == "Squeeze" and axes is None:
            return tuple(size for size in sizes if size != 1)
        if axes is None or any(not isinstance(axis, int) for axis in axes):
            return None
        rank = len(sizes) + (len(axes) if op == "Unsqueeze" else 0)
        chosen = {int(axis) % rank for axis in axes if rank}
        if op == "Squeeze":
            if any(sizes[axis] != 1 for axis in chosen):
                return None
            return tuple(size for axis, size in enumerate(sizes) if axis not in chosen)
        left = iter(sizes)
        return tuple(1 if axis in chosen else next(left) for axis in range(rank))

    def _target(
        self, sizes: tuple[int | str, ...], listed: tuple[int | str, ...], zeros: bool
    ) -> tuple[int | str, ...]:
        """Return the shape that a Reshape is told."""
        target = [
            sizes[at] if size == 0 and not zeros and at < len(sizes) else size
            for at, size in enumerate(listed)
        ]
        if -1 in target:
            at = target.index(-1)
            target[at] = self._quotient(sizes, target[:at] + target[at + 1 :])
        return tuple(target)

    def _quotient(self, sizes: Sequence[int | str], divisors: Sequence[int | str]) -> int | str:
        """Return the product of some sizes by that of others, a new name where it is not known."""
        names = Counter(size for size in sizes if isinstance(size, str))
        taken = Counter(size for size in divisors if isinstance(size, str))
        number = prod(size for size in sizes if isinstance(size, int))
        divisor = prod(size for size in divisors if isinstance(size, int))
        if taken <= names and divisor and number % divisor == 0:
            left = [*(names - taken).elements()]
            if not left:
                return number // divisor
            if len(left) == 1 and number == divisor:
                return left[0]
        return self._unknown()

    # activations, and what is added or multiplied

    def _set(self, constant: Constant, node: Any) -> None:
        for name in constant.names:
            self.settings.setdefault(name, f"a constant of {called(node)}")

    def _settle(self, steps: Sequence[_Step], where: str) -> None:
        """Take steps as belonging to an activation, which single numbers can."""
        for step in steps:
            if not step.uniform:
                raise NoChain(f"{step.called} has numbers of each unit {where}")
            for name in step.names:
                self.settings.setdefault(name, f"a constant of {step.called}")

    def _common(self, units: Sequence[_Units], called: str) -> tuple[_Step, ...]:
        """Return the steps before all of some branches; the others belong to an activation."""
        paths = [each.before for each in units]
        together = sum(
            1
            for _ in takewhile(
                lambda steps: all(step is steps[0] for step in steps), zip(*paths, strict=False)
            )
        )
        for path in paths:
            for step in path[together:]:
                if not step.uniform:
                    raise NoChain(f"{called} joins branches that {step.called} makes different")
            self._settle(path[together:], "")
        return paths[0][:together]

    def _bent(self, node: Any, given: Sequence[_Value | None]) -> _Units:
        """Return units after an activation, or after a part of one."""
        units = [value for value in given if isinstance(value, _Units)]
        for value in given:
            if isinstance(value, _Sizes):
                raise _not_understood(node)
            if isinstance(value, Constant):
                if value.size != 1:
                    raise NoChain(f"{called(node)} has numbers of each unit")
                self._set(value, node)
        distinct = {id(each) for each in units}
        if len(distinct) > 1 and (
            any(each.mixed for each in units)
            or len({(each.sizes, each.turned) for each in units}) > 1
        ):
            raise NoChain(f"{called(node)} joins two branches")
        before = self._common(units, called(node))
        for each in units:
            self._settle(each.after, "between two activations")
        rank = max((len(value.shape) for value in given if isinstance(value, Constant)), default=0)
        return _of_rank(replace(units[0], before=before, bent=True, after=()), rank)

    def _answer(self, node: Any, given: Sequence[_Value | None]) -> _Units:
        """Return what is read off the last layer."""
        units = [value for value in given if isinstance(value, _Units)]
        for value in given:
            if isinstance(value, Constant):
                if node.op_type == "Concat":
                    raise NoChain(f"{called(node)} adds units that no layer has")
                self._set(value, node)
        before = self._common(units, called(node))
        for each in units:
            self._settle(each.after, "behind the last activation")
        return replace(
            units[0], before=before, bent=True, after=(), sizes=None, turned=False, answer=True
        )

    def _step(
        self,
        units: _Units,
        node: Any,
        value: NDArray[np.float64],
        *,
        adds: bool,
        like: Constant | None = None,
        uniform: bool = False,
    ) -> _Units:
        step = _Step(
            adds,
            value,
            like.names if like else (),
            uniform,
            like is not None and like.double,
            called(node),
        )
        if units.bent:
            return replace(units, after=(*units.after, step))
        return replace(units, before=(*units.before, step))

    def _shifted(self, node: Any, given: Sequence[_Value | None]) -> _Units:
        """Return units to which a constant is added, or by which they are multiplied."""
        units = next(value for value in given if isinstance(value, _Units))
        constant = next((value for value in given if isinstance(value, Constant)), None)
        op = node.op_type
        if constant is None or constant.whole:
            raise _not_understood(node)
        if op == "Div" and given[1] is units:
            return self._bent(node, given)
        value = self._along(node, units, constant)
        uniform = constant.size == 1 and (not constant.shape or units.width != 1)
        units = _of_rank(units, len(constant.shape))
        if op == "Sub" and given[1] is units:
            minus = np.array([-1.0])
            units = self._step(units, node, minus, adds=False, uniform=uniform)
        elif op == "Sub":
            value = -value
        elif op == "Div":
            with np.errstate(all="ignore"):
                value = 1 / value
        adds = op in ("Add", "Sub")
        return self._step(units, node, value, adds=adds, like=constant, uniform=uniform)

    def _negative(self, node: Any, given: Sequence[_Value | None]) -> _Units:
        units = next(value for value in given if isinstance(value, _Units))
        return self._step(units, node, np.array([-1.0]), adds=False, uniform=True)

    def _along(self, node: Any, units: _Units, constant: Constant) -> NDArray[np.float64]:
        """Return the number of each unit, or the one of all."""
        if constant.size == 1:
            return constant.float64().reshape(1)
        if units.sizes is None:
            raise NoChain(_no_shape(node))
        axis = units.axis()
        if axis is None:
            raise NoChain(f"{called(node)} has numbers of each position")
        at = len(constant.shape) - len(units.sizes) + axis
        if at < 0 or constant.shape[at] != constant.size:
            raise NoChain(f"{called(node)} has numbers of another kind than one for each unit")
        size = units.width if units.width is not None else units.sizes[axis]
        if constant.size != size and not isinstance(size, str):
            raise NoChain(f"{called(node)} has {constant.size} numbers for {size} units")
        return constant.float64().reshape(-1)

    def _normalised(self, node: Any, given: Sequence[_Value | None]) -> _Units:
        """Return units after a batch normalisation as it is once training is over."""
        units, *parts = given
        assert isinstance(units, _Units)
        if _attribute(node, "training_mode", 0) or len(parts) != 4 or units.axis() != 1:
            raise _not_understood(node)
        constants = [part for part in parts if isinstance(part, Constant)]
        if len(constants) != 4 or any(len(each.shape) != 1 or each.whole for each in constants):
            raise _not_understood(node)
        for each in constants:
            if each.size == 1 and units.width not in (None, 1):
                raise NoChain(f"{called(node)} has 1 number for {units.width} units")
            self._along(node, units, each)
        scale, shift, mean, variance = constants
        epsilon = float(np.float32(_attribute(node, "epsilon", 1e-5)))
        with np.errstate(all="ignore"):
            deviation = 1 / np.sqrt(variance.float64() + epsilon)
        units = self._step(units, node, -mean.float64(), adds=True, like=mean)
        units = self._step(units, node, deviation, adds=False, like=variance)
        units = self._step(units, node, scale.float64(), adds=False, like=scale)
        return self._step(units, node, shift.float64(), adds=True, like=shift)

    def _scaled(self, node: Any, given: Sequence[_Value | None]) -> _Units:
        """Return what skl2onnx's Scaler makes, whose numbers are in the node."""
        units = given[0]
        assert isinstance(units, _Units)
        for name, adds in (("offset", True), ("scale", False)):
            numbers = np.array(_attribute(node, name, (0.0,) if adds else (1.0,)), np.float64)
            constant = Constant((len(numbers),), partial(same, numbers))
            value = self._along(node, units, constant)
            units = self._step(units, node, -value if adds else value, adds=adds)
            if len(numbers) > 1:
                self.folded.append(f"{label(node)}.{name}")
        return units

    # layers

    def _product(self, node: Any, given: Sequence[_Value | None]) -> _Units:
        """Return what a dense layer gives."""
        gemm = node.op_type == "Gemm"
        units = next((value for value in given[:2] if isinstance(value, _Units)), None)
        weight = next((value for value in given[:2] if isinstance(value, Constant)), None)
        if units is None or weight is None or len(weight.shape) != 2 or weight.whole:
            raise NoChain(f"{called(node)} has no matrix of weights of its own")
        if units.answer:
            raise _not_understood(node)
        left = given[1] is units
        if gemm and units.sizes is None:
            units = replace(units, sizes=self._some_rows())
        if units.sizes is None:
            raise NoChain(_no_shape(node))
        if gemm and _attribute(node, "transB" if left else "transA", 0):
            if len(units.sizes) != 2:
                raise _not_understood(node)
            units = replace(units, sizes=units.sizes[::-1], turned=not units.turned)
        if gemm and _attribute(node, "transA" if left else "transB", 0):
            weight = _reshaped(weight, weight.shape[::-1], [1, 0])
        rank = len(units.sizes or ())
        if left != units.turned or (left and rank != 2):
            raise NoChain(f"{called(node)} mixes rows")
        dense = self._layer_of(node, units, weight, flipped=not left)
        sizes = list(units.sizes or ())
        sizes[0 if left else -1] = dense.shape[0]
        made = _Units(len(self._dense), tuple(sizes), units.turned, dense.shape[0])
        if not gemm:
            return made
        alpha, beta = (np.float64(_attribute(node, name, 1.0)) for name in ("alpha", "beta"))
        if alpha != 1:
            made = self._step(made, node, np.array([alpha]), adds=False, uniform=True)
        bias = given[2] if len(given) > 2 else None
        if bias is None or beta == 0:
            return made
        if not isinstance(bias, Constant) or bias.whole or len(bias.shape) > 2:
            raise NoChain(f"{called(node)} has no bias of its own")
        value = self._along(node, made, bias) * beta
        return self._step(made, node, value, adds=True, like=bias)

    def _layer_of(self, node: Any, units: _Units, weight: Constant, *, flipped: bool) -> _Dense:
        """Take in a layer, after a look at whether it takes all that the one before gives."""
        if units.layer != len(self._dense):
            raise NoChain(f"{called(node)} takes what another layer takes too")
        assert units.sizes is not None
        axis = len(units.sizes) - 1 if flipped else 0
        rows = [size for at, size in enumerate(units.sizes) if at != axis and size != 1]
        if rows != [size for size in (self._rows,) if size not in (1, None)]:
            text = ", ".join(str(size) for size in units.sizes)
            raise NoChain(f"{called(node)} works on an array of shape ({text}), no rows of units")
        size = units.sizes[axis]
        n_in = weight.shape[0] if flipped else weight.shape[1]
        wanted = {units.width, size} if units.layer else {None if isinstance(size, str) else size}
        if wanted - {None, n_in}:
            raise NoChain(f"{called(node)} does not take what comes before it, unit for unit")
        # single numbers belong to the activation that they follow
        after = units.after
        activation = [*takewhile(lambda step: step.uniform, after)]
        into = after[len(activation) :]
        self._settle(activation, "")
        if self._dense:
            self._dense[-1].out_of = units.before
        elif units.bent:
            self._settle(units.before, "before the first layer")
        else:
            into = units.before
        if any(len(step.value) not in (1, n_in) for step in into):
            raise NoChain(f"{called(node)} does not take what comes before it, unit for unit")
        self._dense.append(_Dense(weight, flipped, into))
        return self._dense[-1]


def _of_rank(units: _Units, rank: int) -> _Units:
    """Return units whose array has at least so many axes."""
    if units.sizes is None or len(units.sizes) >= rank:
        return units
    return replace(units, sizes=(1,) * (rank - len(units.sizes)) + units.sizes)


def _not_understood(node: Any) -> NoChain:
    domain = "" if node.domain in STANDARD else f"{node.domain}."
    article = "an" if (domain or node.op_type)[:1] in "AEIO" else "a"
    return NoChain(f"node {shown(label(node))} is {article} {domain}{node.op_type}")


def _no_shape(node: Any) -> str:
    return f"the file does not say the shape of what {called(node)} takes"


def _beyond(node: Any, made: _Value) -> _Value:
    """Return a further output of a node."""
    if isinstance(made, _Units) and made.answer:
        return made
    return _Other(str(_not_understood(node)))


def _inputs(node: Any) -> Iterator[str]:
    """Yield what a node takes, its subgraphs included."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _inputs(inner)
            yield from (each.name for each in graph.output)


def _leading_to(graph: Any) -> list[Any]:
    """Return the nodes that lead to an output of a graph, in their order."""
    wanted = {each.name for each in graph.output}
    found = []
    # what a node takes is made before it
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(_inputs(node))
            found.append(node)
    return found[::-1]


def _attribute(node: Any, name: str, default: Any) -> Any:
    from onnx import helper

    for attribute in node.attribute:
        if attribute.name == name:
            return helper.get_attribute_value(attribute)
    return default


def _order(node: Any, rank: int) -> list[int]:
    """Return in which order a Transpose takes the axes."""
    order = [*_attribute(node, "perm", range(rank)[::-1])]
    if sorted(order) != [*range(rank)]:
        raise NoChain(f"{called(node)} names axes that are not there")
    return order


def _listed(value: _Value | None) -> tuple[int | str, ...] | None:
    """Return whole numbers, None for anything else."""
    if isinstance(value, _Sizes):
        return value.sizes
    if not isinstance(value, Constant) or not value.whole or value.size > MOST_SIZES:
        return None
    return tuple(int(number) for number in np.asarray(value.read()).reshape(-1))


def _reshaped(
    constant: Constant, shape: tuple[int, ...], order: list[int] | None = None
) -> Constant:
    """Return a constant in another shape, or with its axes in another order."""
    if shape == constant.shape and order in (None, [*range(len(shape))]):
        return constant
    if prod(shape) != constant.size:
        raise NoChain(f"{shown(constant.names[:1])} cannot have the shape {shape}")

    def read() -> NDArray[Any]:
        array = constant.read()
        return array.transpose(order) if order is not None else array.reshape(shape)

    return replace(constant, shape=shape, read=read, tensor=None)


def _cast(node: Any, constant: Constant) -> _Value:
    from onnx import helper

    kind = _attribute(node, "to", 0)
    if constant.whole or kind not in FLOATS:
        if constant.whole and kind in WHOLE:
            return constant
        return _Other(f"{_not_understood(node)} of whole numbers")
    dtype = helper.tensor_dtype_to_np_dtype(kind)

    def read() -> NDArray[Any]:
        with np.errstate(all="ignore"):
            return np.asarray(constant.read()).astype(dtype)

    return replace(constant, read=read, tensor=None, double=kind == 11)


def _computed(node: Any, constants: Sequence[Constant]) -> _Value:
    """Return what a node computes of constants, in float64."""
    op = node.op_type
    function: Any = {
        **{"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide},
        **{"Sqrt": np.sqrt, "Reciprocal": np.reciprocal, "Neg": np.negative},
    }[op]
    try:
        shape = np.broadcast_shapes(*(each.shape for each in constants))
    except ValueError:
        return _Other(str(_not_understood(node)))
    # nothing grows: two vectors would make a matrix of any size
    if prod(shape) > max(each.size for each in constants):
        return _Other(str(_not_understood(node)))

    def read() -> NDArray[Any]:
        with np.errstate(all="ignore"):
            found: NDArray[Any] = function(*(each.float64() for each in constants))
        return found

    names = tuple(dict.fromkeys(name for each in constants for name in each.names))
    return Constant(shape, read, names, double=any(each.double for each in constants))


# --- folding ---
BLOCK = 2**22
"""Weights that are read at once where a shift of the inputs becomes a bias."""


class _Folded:
    """The weights of a layer, (n_out, n_in), with what is multiplied on either side."""

    def __init__(
        self,
        dense: _Dense,
        scale_in: NDArray[np.float64] | None,
        scale_out: NDArray[np.float64] | None,
        double: bool,
    ) -> None:
        self._dense = dense
        self._scale_in = scale_in
        self._scale_out = scale_out
        self._kind = np.float64 if double else np.float32
        self.shape = dense.shape

    def __getitem__(self, rows: slice) -> Floats:
        """Return some rows."""
        array = self._dense.weight.read()
        part = (array.T if self._dense.flipped else array)[rows]
        if self._scale_in is None and self._scale_out is None:
            with np.errstate(over="ignore"):
                return np.ascontiguousarray(part).astype(self._kind)
        wide = part.astype(np.float64)
        with np.errstate(all="ignore"):
            if self._scale_in is not None:
                wide = wide * self._scale_in
            if self._scale_out is not None:
                wide = wide * np.broadcast_to(self._scale_out, self.shape[:1])[rows, None]
            found: Floats = wide.astype(self._kind)
        return found


def _layer(dense: _Dense) -> Layer:
    """Return a layer with all that is folded into it, computed in float64."""
    n_out, n_in = dense.shape
    scale_in, shift_in = _affine(dense.into)
    scale_out, shift_out = _affine(dense.out_of)
    double = dense.weight.double or any(step.double for step in (*dense.into, *dense.out_of))
    bias: Floats | None = None
    with np.errstate(all="ignore"):
        if shift_in is not None:
            shift = np.broadcast_to(shift_in, (n_in,))
            plain = _Folded(dense, None, None, True)
            block = max(1, BLOCK // max(1, n_in))
            parts = [plain[first : first + block] @ shift for first in range(0, n_out, block)]
            bias = np.concatenate(parts) if parts else np.zeros(0)
            bias = bias if scale_out is None else bias * scale_out
        if shift_out is not None:
            bias = shift_out if bias is None else bias + shift_out
        if bias is not None:
            kind = np.float64 if double else np.float32
            bias = np.broadcast_to(bias, (n_out,)).astype(kind)
    names = [*dense.weight.names]
    steps = (*dense.out_of, *dense.into)
    for step in sorted(steps, key=lambda step: not step.adds):
        names += step.names
    plain_tensor = dense.weight.tensor
    weight: Any = _Folded(dense, scale_in, scale_out, double)
    if (
        plain_tensor is not None
        and not dense.flipped
        and scale_in is None
        and scale_out is None
        and double == dense.weight.double
    ):
        weight = plain_tensor
    return Layer(weight, bias, tuple(dict.fromkeys(names)))


def _affine(
    steps: Sequence[_Step],
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Return by what numbers are multiplied and what is added then, None for nothing."""
    scale: NDArray[np.float64] | None = None
    shift: NDArray[np.float64] | None = None
    with np.errstate(all="ignore"):
        for step in steps:
            if step.adds:
                shift = step.value if shift is None else shift + step.value
            else:
                scale = step.value if scale is None else scale * step.value
                shift = shift if shift is None else shift * step.value
    return scale, shift
