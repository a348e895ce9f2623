"""What stands for the tensors of an ONNX graph while its nodes become blocks of weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.graph.builder import Builder, Mean, NotUnderstood, Parameter, Scores, Value
from netkin.network.format.onnx_tensors import attribute, called, label

MOST_NUMBERS = 1 << 27
"""Numbers of an array that is computed of constants, at most."""


@dataclass(frozen=True, eq=False)
class Chosen(Parameter):
    """Numbers made of inputs of whole numbers, as these are 1 everywhere: masks, ids.

    Attributes
    ----------
    of : tuple of str
        The inputs.
    """

    of: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Statistic(Mean):
    """A statistic of a normalisation that was multiplied by trained numbers, or added to them.

    Attributes
    ----------
    scale, shift : Parameter, optional
    """

    scale: Parameter | None = None
    shift: Parameter | None = None


@dataclass(frozen=True)
class Unknown:
    """A tensor that nothing with weights may read.

    Attributes
    ----------
    reason : str
        In one clause.
    """

    reason: str


@dataclass(frozen=True, eq=False)
class Call:
    """A node, and what it takes.

    Attributes
    ----------
    node : onnx.NodeProto
    given : sequence of Value, Mean, Scores, Parameter, Unknown or None
        None for an input that is left out.
    builder : Builder
    version : int
        Of the standard operators.
    alone : sequence of bool
        For each input whether nothing else reads its units.
    only_scores : bool
        Whether what it makes leads to scores of attention alone.
    readers : int
        How many nodes read what it makes, an output of the network being one.
    leave_out : callable
        Takes a `Parameter` and why no unit is made of it.
    """

    node: Any
    given: Sequence[Any]
    builder: Builder
    version: int
    alone: Sequence[bool]
    only_scores: bool
    readers: int
    leave_out: Callable[[Any, str], None]

    @property
    def op(self) -> str:
        """The operator."""
        return str(self.node.op_type)

    @property
    def name(self) -> str:
        """How the layer is called."""
        return label(self.node)

    def attribute(self, name: str, default: Any) -> Any:
        """Return an attribute, or what it is where the node has none."""
        found = attribute(self.node, name, default)
        return found.decode() if isinstance(found, bytes) else found

    def has(self, place: int) -> bool:
        """Tell whether an input is there."""
        return place < len(self.given) and self.given[place] is not None

    def parameter(self, place: int, what: str = "numbers") -> Parameter:
        """Return an input that must not depend on the inputs of the network."""
        if not self.has(place) or not isinstance(self.given[place], Parameter):
            raise self.not_understood(f"its {what} depend on the inputs")
        found: Parameter = self.given[place]
        return found

    def optional(self, place: int, what: str = "numbers") -> Parameter | None:
        """Return such an input, or None where it is left out."""
        return self.parameter(place, what) if self.has(place) else None

    def ints(self, place: int, name: str, default: Any = None) -> list[int] | None:
        """Return whole numbers from an input, or from the attribute that older versions have."""
        if self.has(place):
            return [int(each) for each in self.parameter(place).array.reshape(-1)]
        found = self.attribute(name, default)
        return None if found is None else [int(each) for each in np.reshape(found, -1)]

    def not_understood(self, why: str) -> NotUnderstood:
        """Return the error that names the node."""
        return NotUnderstood(f"{called(self.node)}: {why}")


def shape_of(x: Any) -> tuple[int, ...]:
    """Return the shape of what stands for a tensor."""
    if isinstance(x, Parameter):
        return tuple(x.array.shape)
    if isinstance(x, Mean):
        if x.keepdims:
            return tuple(1 if k in x.axes else n for k, n in enumerate(x.of.shape))
        return tuple(n for k, n in enumerate(x.of.shape) if k not in x.axes)
    return tuple(x.shape)


def literal(array: NDArray[Any] | float) -> Parameter:
    """Return numbers that are no parameter."""
    return Parameter(np.asarray(array))


def names_of(parameters: Sequence[Any]) -> tuple[str, ...]:
    """Return the names of what some parameters are made of."""
    return tuple(
        dict.fromkeys(n for each in parameters if isinstance(each, Parameter) for n in each.names)
    )


def made_of(parameters: Sequence[Any], array: NDArray[Any]) -> Parameter:
    """Return an array that was computed of some parameters."""
    of = tuple(dict.fromkeys(n for each in parameters if isinstance(each, Chosen) for n in each.of))
    names = names_of(parameters)
    return Chosen(array, names, of) if of else Parameter(array, names)


def uniform(x: Any) -> float | None:
    """Return the number that a literal has everywhere; None where it is not one or has several."""
    if not isinstance(x, Parameter) or x.names or not x.array.size:
        return None
    first = x.array.reshape(-1)[0]
    if x.array.size > 1 and not (x.array == first).all():
        return None
    return float(first)


def stripped(x: Value) -> Value:
    """Return a value without lone numbers that it was scaled and shifted by.

    They belong to the function of each unit that follows.
    """
    for part in (x.scale, x.shift):
        if part is not None and (x.names or (part != part.reshape(-1)[0]).any()):
            return x
    return replace(x, scale=None, shift=None)


def computed(node: Any, arrays: Sequence[NDArray[Any] | None], version: int) -> list[Any]:
    """Return what a node makes of arrays, by ONNX's reference implementation.

    Raises
    ------
    NotUnderstood
        It cannot be computed, or is too large.
    """
    from onnx import ValueInfoProto, helper
    from onnx.reference import ReferenceEvaluator

    if _size(node.op_type, arrays) > MOST_NUMBERS:
        raise NotUnderstood(
            f"{called(node)} would make more than {MOST_NUMBERS:,} numbers of constants"
        )
    copy = helper.make_node("Identity", [], [])
    copy.CopyFrom(node)
    del copy.input[:], copy.output[:]
    copy.input.extend("" if each is None else f"i{k}" for k, each in enumerate(arrays))
    copy.output.extend(f"o{k}" if name else "" for k, name in enumerate(node.output))
    graph = helper.make_graph(
        [copy],
        "node",
        [ValueInfoProto(name=name) for name in copy.input if name],
        [ValueInfoProto(name=name) for name in copy.output if name],
    )
    opsets = [helper.make_opsetid("", version)]
    if node.domain:
        opsets.append(helper.make_opsetid(node.domain, 1))
    try:
        with np.errstate(all="ignore"):
            found = ReferenceEvaluator(helper.make_model(graph, opset_imports=opsets)).run(
                None, {f"i{k}": each for k, each in enumerate(arrays) if each is not None}
            )
    except Exception as error:  # whatever is raised for a node that does not fit its inputs
        first = str(error).partition("\n")[0][:120] or type(error).__name__
        raise NotUnderstood(f"{called(node)} cannot be computed ({first})") from None
    made = iter(found)
    return [next(made) if name else None for name in node.output]


def _size(op: str, arrays: Sequence[NDArray[Any] | None]) -> int:
    """Return about how many numbers a node makes, where it can make more than it takes."""
    there = [each for each in arrays if each is not None]
    if op == "ConstantOfShape" or (op == "Expand" and len(there) > 1):
        size = prod(int(n) for n in there[-1].reshape(-1))
        return max(size, there[0].size if op == "Expand" else 0)
    if op == "Tile" and len(there) > 1:
        return there[0].size * prod(int(n) for n in there[1].reshape(-1))
    if op == "Range" and len(there) == 3:
        start, limit, step = (float(each.reshape(-1)[0]) for each in there)
        return int(abs((limit - start) / step)) if step else 0
    if op == "MatMul" and len(there) == 2 and min(there[0].ndim, there[1].ndim) > 1:
        rows = prod(there[0].shape[:-1])
        return rows * int(there[1].shape[-1]) * prod(there[1].shape[:-2])
    try:
        return prod(np.broadcast_shapes(*(each.shape for each in there)))
    except ValueError:
        return 0


def without_units(x: Any) -> bool:
    """Tell whether what stands for a tensor is known, or is none of the network's units."""
    return x is None or isinstance(x, Parameter | Unknown)


def as_value(call: Call, x: Any) -> Value:
    """Return the units of a tensor; a constant becomes units with nothing but a bias."""
    if isinstance(x, Parameter):
        return call.builder.constant(x, call.name)
    return call.builder.units_of(x, called(call.node))


def as_scores(call: Call, values: Sequence[Any]) -> Scores:
    """Return the scores among some tensors, in the shape of all together."""
    given = [each for each in values if each is not None]
    for each in given:
        if isinstance(each, Parameter):
            call.leave_out(each, "it shifts or scales scores of attention, which have no units")
    scores: Scores = next(each for each in given if isinstance(each, Scores))
    return replace(scores, shape=np.broadcast_shapes(*(shape_of(each) for each in given)))
