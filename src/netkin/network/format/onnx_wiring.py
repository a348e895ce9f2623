"""How the nodes of an ONNX file are wired: the dense layers, where they are a chain.

Nodes are followed from the input to the outputs. What a layer gives is carried as `_Units`, with
what was added to it and multiplied since, so that it can be folded into a layer. A node that may
mix units, or that is not known, ends the search: `NoChain` names it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from netkin.errors import shown
from netkin.network.format.folding import Affine, Numbers, folded, normalised
from netkin.network.format.folding import NoChain as NoChain
from netkin.network.format.model import Layer
from netkin.network.format.onnx_shapes import (
    Shape,
    Shapes,
    Sizes,
    fixed,
    listed,
    not_understood,
    order_of,
    reshaped,
)
from netkin.network.format.onnx_tensors import (
    FLOATS,
    SAME,
    STANDARD,
    Constant,
    attribute,
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
MINUS = np.array([-1.0])


@dataclass(frozen=True)
class _Step:
    """What a node adds, multiplies, or both.

    Attributes
    ----------
    affine : Affine
    uniform : bool
        One number for all units: behind an activation it belongs to that.
    double : bool
        Made of float64.
    called : str
        The node.
    """

    affine: Affine
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
    sizes: Shape | None
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


class _Other(NamedTuple):
    """A value that is not understood, by the node that makes it."""

    reason: str


class _Unread(NamedTuple):
    """A tensor of a kind that is not read."""

    name: str


_Value = _Units | Constant | Sizes | _Other | _Unread


@dataclass
class _Dense:
    """A dense layer that is being read: its matrix, and what is folded into it on either side."""

    weight: Constant
    into: tuple[_Step, ...]
    out_of: tuple[_Step, ...] = ()

    def layer(self) -> Layer:
        """Return it with all that is folded into it."""
        steps = (*self.out_of, *self.into)
        before, after = (
            reduce(Affine.then, (step.affine for step in part), Affine())
            for part in (self.into, self.out_of)
        )
        double = self.weight.double or any(step.double for step in steps)
        weight, bias = folded(self.weight, before, after, double=double)
        is_scaled = before.scale is not None or after.scale is not None
        if self.weight.tensor is not None and not is_scaled and double == self.weight.double:
            weight = self.weight.tensor
        names = [*self.weight.names]
        for step in sorted(steps, key=lambda step: step.affine.shift is None):
            names += step.affine.made_of
        return Layer(weight, bias, tuple(dict.fromkeys(names)))


class Wiring:
    """Follows the nodes from the inputs to the outputs."""

    def __init__(self, constants: Mapping[str, Constant], others: Iterable[str]) -> None:
        self._constants = constants
        self._others = others
        self._dense: list[_Dense] = []
        self._shapes = Shapes()
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
        nodes = leading_to(graph)
        values: dict[str, _Value] = {name: _Unread(name) for name in self._others}
        values |= self._constants
        start = self._start(graph, nodes)
        if self._version and self._version < OLDEST:
            raise NoChain(f"its operators are of version {self._version}, older than {OLDEST}")
        values[start.name] = self._input(start)
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
        return [dense.layer() for dense in self._dense]

    def _start(self, graph: Any, nodes: Sequence[Any]) -> Any:
        """Return the one input that nodes take."""
        taken = {name for node in nodes for name in inputs_of(node)}
        taken |= {each.name for each in graph.output}
        inputs = [
            each for each in graph.input if each.name in taken and each.name not in self._constants
        ]
        if not inputs:
            raise NoChain("its outputs come from no input")
        if len(inputs) > 1:
            names = ", ".join(shown(each.name) for each in inputs)
            raise NoChain(f"it has {len(inputs)} inputs ({names})")
        return inputs[0]

    def _input(self, value: Any) -> _Units:
        tensor = value.type.tensor_type
        if not tensor.HasField("shape"):
            return _Units(0, None)
        sizes = tuple(
            size.dim_value
            if size.HasField("dim_value") and size.dim_value > 0
            else size.dim_param or self._shapes.unknown()
            for size in tensor.shape.dim
        )
        if len(sizes) > 1:
            self._rows = sizes[0]
        return _Units(0, sizes)

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
            other = _Other(f"{not_understood(node)} with numbers that netkin does not read")
        if other is not None:
            if units:
                raise NoChain(other.reason)
            return other
        if not units:
            try:
                return fixed(node, given, self._shapes)
            except NoChain as why:
                return _Other(str(why))
        if len({each.layer for each in units}) > 1:
            raise NoChain(f"{called(node)} joins what several layers give")
        op = node.op_type
        if node.domain == "com.microsoft" and op not in FROM_MICROSOFT:
            raise not_understood(node)
        if node.domain not in (*STANDARD, "ai.onnx.ml", "com.microsoft"):
            raise not_understood(node)
        if op in ("MatMul", "Gemm"):
            return self._product(node, given)
        if any(each.answer for each in units) and op not in SAME:
            if op in ANSWERS | ELEMENTWISE:
                return self._answer(node, given)
            raise not_understood(node)
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
            return Sizes(sizes[attribute(node, "start", 0) : attribute(node, "end", None)])
        if not isinstance(given[0], _Units) or len(units) > 1:
            raise not_understood(node)
        if op in ALL_UNITS:
            axis = attribute(node, "axis", -1 if self._version >= 13 else 1)
            rank = len(units[0].sizes or ())
            if units[0].axis() is None or axis % rank != units[0].axis():
                raise NoChain(f"{called(node)} is not taken over the units")
            return replace(self._bent(node, given), mixed=True)
        if op == "Neg":
            return self._step(units[0], node, Affine(MINUS), uniform=True)
        if op == "BatchNormalization":
            return self._normalised(node, units[0], given[1:])
        if op == "Scaler":
            return self._scaled(node, units[0])
        return self._arranged(node, units[0], given[1:])

    # how units are arranged

    def _arranged(self, node: Any, units: _Units, others: Sequence[_Value | None]) -> _Units:
        """Return units that a node hands on as they are, maybe in another shape."""
        op = node.op_type
        if op == "Dropout":
            training = others[1] if len(others) > 1 else None
            if training is not None and listed(training) != (0,):
                raise NoChain(f"{called(node)} is one for training")
            if others and isinstance(others[0], Constant):
                self._set(others[0], node)
            return units
        if op == "Identity":
            return units
        if op in ("Cast", "CastLike"):
            floats = op == "CastLike" or attribute(node, "to", 0) in FLOATS
            return units if floats else replace(units, answer=True)
        if op not in SAME:
            raise not_understood(node)
        if units.answer:
            return replace(units, sizes=None)
        if op == "Flatten" and units.sizes is None and attribute(node, "axis", 1) == 1:
            return replace(units, sizes=self._some_rows())
        if units.sizes is None:
            raise NoChain(_no_shape(node))
        if op == "Transpose":
            order = order_of(node, len(units.sizes))
            long = [at for at in order if units.sizes[at] != 1]
            if sorted(order) == [0, 1] and order != [0, 1]:
                sizes = units.sizes[::-1]
                return replace(units, sizes=sizes, turned=not units.turned)
            if long != sorted(long) or units.turned or order[0] != 0:
                raise not_understood(node)
            return replace(units, sizes=tuple(units.sizes[at] for at in order))
        arranged = self._shapes.after(node, units.sizes, others)
        if arranged is None or units.turned:
            raise not_understood(node)
        return replace(units, sizes=arranged)

    def _some_rows(self) -> Shape:
        """Return the shape of rows by units where the file says nothing of the inputs."""
        self._rows = self._shapes.unknown()
        return self._rows, self._shapes.unknown()

    # activations, and what is added or multiplied

    def _set(self, constant: Constant, node: Any) -> None:
        for name in constant.names:
            self.settings.setdefault(name, f"a constant of {called(node)}")

    def _settle(self, steps: Sequence[_Step], where: str) -> None:
        """Take steps as belonging to an activation, which single numbers can."""
        for step in steps:
            if not step.uniform:
                raise NoChain(f"{step.called} has numbers of each unit {where}")
            for name in step.affine.made_of:
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
            if isinstance(value, Sizes):
                raise not_understood(node)
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
        affine: Affine,
        constants: Sequence[Constant] = (),
        *,
        uniform: bool = False,
    ) -> _Units:
        """Return units after what a node does with its constants."""
        names = tuple(dict.fromkeys(name for each in constants for name in each.names))
        double = any(each.double for each in constants)
        step = _Step(affine._replace(made_of=names), uniform, double, called(node))
        if units.bent:
            return replace(units, after=(*units.after, step))
        return replace(units, before=(*units.before, step))

    def _shifted(self, node: Any, given: Sequence[_Value | None]) -> _Units:
        """Return units to which a constant is added, or by which they are multiplied."""
        units = next(value for value in given if isinstance(value, _Units))
        constant = next((value for value in given if isinstance(value, Constant)), None)
        op = node.op_type
        if constant is None or constant.whole:
            raise not_understood(node)
        on_right = given[1] is units
        if op == "Div" and on_right:
            return self._bent(node, given)
        value = self._along(node, units, constant)
        uniform = constant.size == 1 and (not constant.shape or units.width != 1)
        units = _of_rank(units, len(constant.shape))
        with np.errstate(all="ignore"):
            if op == "Mul":
                affine = Affine(value)
            elif op == "Div":
                affine = Affine(1 / value)
            elif op == "Add":
                affine = Affine(shift=value)
            else:
                affine = Affine(MINUS, value) if on_right else Affine(shift=-value)
        return self._step(units, node, affine, [constant], uniform=uniform)

    def _along(self, node: Any, units: _Units, constant: Constant) -> Numbers:
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

    def _normalised(self, node: Any, units: _Units, parts: Sequence[_Value | None]) -> _Units:
        """Return units after a batch normalisation as it is once training is over."""
        if attribute(node, "training_mode", 0) or len(parts) != 4 or units.axis() != 1:
            raise not_understood(node)
        constants = [part for part in parts if isinstance(part, Constant)]
        if len(constants) != 4 or any(len(each.shape) != 1 or each.whole for each in constants):
            raise not_understood(node)
        for each in constants:
            if each.size == 1 and units.width not in (None, 1):
                raise NoChain(f"{called(node)} has 1 number for {units.width} units")
            self._along(node, units, each)
        epsilon = float(np.float32(attribute(node, "epsilon", 1e-5)))
        gamma, beta, mean, variance = constants
        affine = normalised(
            gamma.float64(), beta.float64(), mean.float64(), variance.float64(), epsilon
        )
        return self._step(units, node, affine, (mean, beta, variance, gamma))

    def _scaled(self, node: Any, units: _Units) -> _Units:
        """Return what skl2onnx's Scaler makes, whose numbers are in the node."""
        for name, adds in (("offset", True), ("scale", False)):
            numbers = np.array(attribute(node, name, (0.0,) if adds else (1.0,)), np.float64)
            constant = Constant((len(numbers),), partial(same, numbers))
            value = self._along(node, units, constant)
            units = self._step(units, node, Affine(shift=-value) if adds else Affine(value))
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
            raise not_understood(node)
        left = given[1] is units
        if gemm and units.sizes is None:
            units = replace(units, sizes=self._some_rows())
        if units.sizes is None:
            raise NoChain(_no_shape(node))
        if gemm and attribute(node, "transB" if left else "transA", 0):
            if len(units.sizes) != 2:
                raise not_understood(node)
            units = replace(units, sizes=units.sizes[::-1], turned=not units.turned)
        if gemm and attribute(node, "transA" if left else "transB", 0):
            weight = reshaped(weight, weight.shape[::-1], [1, 0])
        sizes = list(units.sizes or ())
        if left != units.turned or (left and len(sizes) != 2):
            raise NoChain(f"{called(node)} mixes rows")
        if not left:
            weight = reshaped(weight, weight.shape[::-1], [1, 0])
        self._take(node, units, weight)
        n_out = weight.shape[0]
        sizes[0 if left else -1] = n_out
        made = _Units(len(self._dense), tuple(sizes), units.turned, n_out)
        if not gemm:
            return made
        alpha, beta = (np.float64(attribute(node, name, 1.0)) for name in ("alpha", "beta"))
        if alpha != 1:
            made = self._step(made, node, Affine(np.array([alpha])), uniform=True)
        bias = given[2] if len(given) > 2 else None
        if bias is None or beta == 0:
            return made
        if not isinstance(bias, Constant) or bias.whole or len(bias.shape) > 2:
            raise NoChain(f"{called(node)} has no bias of its own")
        shift = self._along(node, made, bias) * beta
        return self._step(made, node, Affine(shift=shift), [bias])

    def _take(self, node: Any, units: _Units, weight: Constant) -> None:
        """Take in a layer, after a look at whether it takes all that the one before gives."""
        if units.layer != len(self._dense):
            raise NoChain(f"{called(node)} takes what another layer takes too")
        assert units.sizes is not None
        axis = 0 if units.turned else len(units.sizes) - 1
        rows = [size for at, size in enumerate(units.sizes) if at != axis and size != 1]
        if rows != [size for size in (self._rows,) if size not in (1, None)]:
            text = ", ".join(str(size) for size in units.sizes)
            raise NoChain(f"{called(node)} works on an array of shape ({text}), no rows of units")
        size = units.sizes[axis]
        n_in = weight.shape[1]
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
        if any(step.affine.size not in (1, n_in) for step in into):
            raise NoChain(f"{called(node)} does not take what comes before it, unit for unit")
        self._dense.append(_Dense(weight, into))


def _of_rank(units: _Units, rank: int) -> _Units:
    """Return units whose array has at least so many axes."""
    if units.sizes is None or len(units.sizes) >= rank:
        return units
    return replace(units, sizes=(1,) * (rank - len(units.sizes)) + units.sizes)


def _no_shape(node: Any) -> str:
    return f"the file does not say the shape of what {called(node)} takes"


def _beyond(node: Any, made: _Value) -> _Value:
    """Return a further output of a node."""
    if isinstance(made, _Units) and made.answer:
        return made
    return _Other(str(not_understood(node)))


def inputs_of(node: Any) -> Iterator[str]:
    """Yield what a node takes, its subgraphs included."""
    yield from filter(None, node.input)
    for each in node.attribute:
        for graph in (each.g, *each.graphs):
            for inner in graph.node:
                yield from inputs_of(inner)
            yield from (output.name for output in graph.output)


def leading_to(graph: Any) -> list[Any]:
    """Return the nodes that lead to an output of a graph, in their order."""
    wanted = {each.name for each in graph.output}
    found = []
    # what a node takes is made before it
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(inputs_of(node))
            found.append(node)
    return found[::-1]
