"""What nodes of an ONNX file make of constants and sizes alone, and what shapes arrays have."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.errors import shown
from netkin.network.format.folding import NoChain, with_article
from netkin.network.format.onnx_tensors import (
    FLOATS,
    MOST_SIZES,
    SAME,
    STANDARD,
    WHOLE,
    Constant,
    attribute,
    called,
    label,
    operator,
)

Shape = tuple[int | str, ...]
"""Sizes of an array: numbers, and names of those that the file leaves open."""

FUNCTIONS: dict[str, Any] = {
    **{"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide},
    **{"Sqrt": np.sqrt, "Reciprocal": np.reciprocal, "Neg": np.negative},
}
"""Operators that are computed, where all that they take are constants."""


class Sizes(NamedTuple):
    """Numbers that are sizes of arrays, as exporters compute the target of a Reshape."""

    sizes: Shape


def not_understood(node: Any) -> NoChain:
    """Return the error for a node that does what is not known."""
    return NoChain(f"node {shown(label(node))} is {with_article(operator(node))}")


def fixed(node: Any, given: Sequence[Any], shapes: "Shapes") -> Constant | Sizes:
    """Return what a node makes of constants and sizes.

    Parameters
    ----------
    node : onnx.NodeProto
    given : sequence of Constant, Sizes or None
        What it takes.
    shapes : Shapes

    Raises
    ------
    NoChain
        What it makes is not known.
    """
    op = node.op_type
    first = given[0] if given else None
    if node.domain in STANDARD:
        if op == "Concat" or isinstance(first, Sizes):
            return _sizes(node, given)
        if op in FUNCTIONS:
            return _computed(node, given)
        if op == "Cast" and isinstance(first, Constant):
            return _cast(node, first)
        if op in SAME - {"Cast", "CastLike"} and isinstance(first, Constant):
            sizes = shapes.after(node, first.shape, given[1:])
            if sizes is not None and all(isinstance(size, int) for size in sizes):
                order = order_of(node, len(first.shape)) if op == "Transpose" else None
                return reshaped(first, tuple(map(int, sizes)), order)
    raise not_understood(node)


def _sizes(node: Any, given: Sequence[Any]) -> Sizes:
    op = node.op_type
    parts = [part for part in map(listed, given) if part is not None]
    if len(parts) < len(given):
        raise not_understood(node)
    sizes, others = parts[0], parts[1:]
    if op == "Concat":
        return Sizes(tuple(size for part in parts for size in part))
    if op in ("Identity", "Cast", "Unsqueeze", "Squeeze"):
        return Sizes(sizes)
    if (
        op == "Gather"
        and others
        and all(isinstance(at, int) and -len(sizes) <= at < len(sizes) for at in others[0])
    ):
        return Sizes(tuple(sizes[int(at)] for at in others[0]))
    if op == "Slice" and len(others) in (2, 3) and all(len(each) == 1 for each in others[:2]):
        first, last = int(others[0][0]), int(others[1][0])
        return Sizes(sizes[first:last])
    raise not_understood(node)


def _computed(node: Any, given: Sequence[Any]) -> Constant:
    """Return what a node computes of constants, in float64."""
    constants = [value for value in given if isinstance(value, Constant)]
    if len(constants) < len(given) or any(each.whole for each in constants):
        raise not_understood(node)
    try:
        shape = np.broadcast_shapes(*(each.shape for each in constants))
    except ValueError:
        raise not_understood(node) from None
    # nothing grows: two vectors would make a matrix of any size
    if prod(shape) > max(each.size for each in constants):
        raise not_understood(node)

    def read() -> NDArray[Any]:
        with np.errstate(all="ignore"):
            found: NDArray[Any] = FUNCTIONS[node.op_type](*(each.float64() for each in constants))
        return found

    names = tuple(dict.fromkeys(name for each in constants for name in each.names))
    return Constant(shape, read, names, double=any(each.double for each in constants))


def _cast(node: Any, constant: Constant) -> Constant:
    from onnx import helper

    kind = attribute(node, "to", 0)
    if constant.whole and kind in WHOLE:
        return constant
    if constant.whole or kind not in FLOATS:
        raise NoChain(f"{not_understood(node)} of whole numbers")
    dtype = helper.tensor_dtype_to_np_dtype(kind)

    def read() -> NDArray[Any]:
        with np.errstate(all="ignore"):
            return np.asarray(constant.read()).astype(dtype)

    return replace(constant, read=read, tensor=None, double=kind == 11)


def reshaped(
    constant: Constant, shape: tuple[int, ...], order: Sequence[int] | None = None
) -> Constant:
    """Return a constant in another shape, or with its axes in another order.

    Raises
    ------
    NoChain
        It has another number of numbers.
    """
    if shape == constant.shape and order in (None, [*range(len(shape))]):
        return constant
    if prod(shape) != constant.size:
        raise NoChain(f"{shown(constant.names[:1])} cannot have the shape {shape}")

    def read() -> NDArray[Any]:
        array = constant.read()
        return array.transpose(order) if order is not None else array.reshape(shape)

    return replace(constant, shape=shape, read=read, tensor=None)


def order_of(node: Any, rank: int) -> list[int]:
    """Return in which order a Transpose takes the axes.

    Raises
    ------
    NoChain
        It names others than there are.
    """
    order = [*attribute(node, "perm", range(rank)[::-1])]
    if sorted(order) != [*range(rank)]:
        raise NoChain(f"{called(node)} names axes that are not there")
    return order


def listed(value: object) -> Shape | None:
    """Return whole numbers, None for anything else."""
    if isinstance(value, Sizes):
        return value.sizes
    if not isinstance(value, Constant) or not value.whole or value.size > MOST_SIZES:
        return None
    return tuple(int(number) for number in np.asarray(value.read()).reshape(-1))


class Shapes:
    """The shapes of arrays, with names for the sizes that are not known."""

    def __init__(self) -> None:
        self._open = count()

    def unknown(self) -> str:
        """Return a new name for a size."""
        return f"?{next(self._open)}"

    def after(self, node: Any, shape: Shape, others: Sequence[Any]) -> Shape | None:
        """Return the shape after a node that changes nothing else; None where it is not known.

        Parameters
        ----------
        node : onnx.NodeProto
            Of one of `SAME`, but for a Cast.
        shape : tuple of int or str
            Before it.
        others : sequence of Constant, Sizes or None
            What else it takes.
        """
        op = node.op_type
        if op == "Identity":
            return shape
        if op == "Transpose":
            return tuple(shape[at] for at in order_of(node, len(shape)))
        if op == "Flatten":
            axis = attribute(node, "axis", 1)
            return tuple(self._quotient(part, ()) for part in (shape[:axis], shape[axis:]))
        told = listed(others[0]) if others else None
        if op == "Reshape":
            if told is None:
                return None
            return self._target(shape, told, bool(attribute(node, "allowzero", 0)))
        axes = told if told is not None else attribute(node, "axes", None)
        if op == "Squeeze" and axes is None:
            return tuple(size for size in shape if size != 1)
        if axes is None or any(not isinstance(axis, int) for axis in axes):
            return None
        rank = len(shape) + (len(axes) if op == "Unsqueeze" else 0)
        chosen = {int(axis) % rank for axis in axes if rank}
        if op == "Squeeze":
            if any(shape[axis] != 1 for axis in chosen):
                return None
            return tuple(size for axis, size in enumerate(shape) if axis not in chosen)
        left = iter(shape)
        return tuple(1 if axis in chosen else next(left) for axis in range(rank))

    def _target(self, shape: Shape, told: Shape, zeros: bool) -> Shape:
        """Return the shape that a Reshape is told."""
        target = [
            shape[at] if size == 0 and not zeros and at < len(shape) else size
            for at, size in enumerate(told)
        ]
        if -1 in target:
            at = target.index(-1)
            target[at] = self._quotient(shape, target[:at] + target[at + 1 :])
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
        return self.unknown()
