"""Rules of ONNX's operators that only move numbers, and of those that choose or repeat them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.graph.builder import NOTHING, Mean, Parameter, Scores, Value
from netkin.network.format.onnx_tensors import called
from netkin.network.format.onnx_values import (
    Call,
    Chosen,
    computed,
    literal,
    made_of,
    shape_of,
)


def _same(call: Call) -> Any:
    return call.given[0]


def _dropout(call: Call) -> Any:
    training = call.optional(2, "mode")
    if training is not None and training.array.any():
        raise call.not_understood("it is one for training")
    return (call.given[0], literal(np.ones(shape_of(call.given[0]), bool)))


def _shape(call: Call) -> Parameter:
    shape = shape_of(call.given[0])
    first, last = call.attribute("start", 0), call.attribute("end", None)
    return literal(np.array(shape[first:last], np.int64))


def _size(call: Call) -> Parameter:
    return literal(np.array(prod(shape_of(call.given[0])), np.int64))


def _moved(call: Call) -> Any:
    """Return units in other places, by what the operator does to any array."""
    x = call.given[0]
    others = [call.optional(place, "numbers") for place in range(1, len(call.given))]
    for each in others:
        if isinstance(each, Chosen):
            call.builder.notes.append(f"{called(call.node)} chooses as for inputs that are 1")
    arrays = [None if each is None else each.array for each in others]

    def move(array: NDArray[Any], output: int = 0) -> NDArray[Any]:
        found = computed(call.node, [array, *arrays], call.version)[output]
        return np.asarray(found)

    if isinstance(x, Parameter):
        return tuple(made_of([x, *others], move(x.array, k)) for k in range(len(call.node.output)))
    if isinstance(x, Mean):
        shape = move(np.broadcast_to(np.int8(0), shape_of(x))).shape
        if shape == shape_of(replace(x, keepdims=True)):
            return replace(x, keepdims=True)
        if call.op == "Expand" and not x.is_linear and len(shape) == len(x.of.shape):
            return x
    return tuple(
        call.builder.moved(x, partial(move, output=k)) for k in range(len(call.node.output))
    )


def _concatenated(call: Call) -> Any:
    axis = call.attribute("axis", 0)
    if any(isinstance(each, Scores) for each in call.given):
        parts = [np.broadcast_to(np.int8(0), shape_of(each)) for each in call.given]
        return Scores(np.concatenate(parts, axis).shape)
    if all(isinstance(each, Parameter) for each in call.given):
        return made_of(call.given, np.concatenate([each.array for each in call.given], axis))
    parts = [each for each in call.given if shape_of(each)[axis]]
    return call.builder.concatenate(parts, axis, called(call.node))


def _triangular(call: Call) -> Any:
    if not isinstance(call.given[0], Scores):
        raise call.not_understood("it has no rule for units")
    return call.given[0]


# --- what chooses rows --------------------------------------------------------------------------


def _gathered(call: Call) -> Any:
    table, index = call.given
    if isinstance(table, Parameter) and isinstance(index, Chosen) and table.names:
        if call.attribute("axis", 0) != 0 or table.array.dtype.kind != "f":
            raise call.not_understood("inputs choose numbers of it along another axis than rows")
        array = table.array
        if isinstance(table, Chosen) or array.ndim < 1:
            raise call.not_understood("inputs choose among what inputs have chosen")
        rows = made_of([table], array.reshape(len(array), -1))
        made = call.builder.embedding(call.name, rows, index.array.shape)
        shape = (*index.array.shape, *array.shape[1:])
        return call.builder.moved(made, lambda a: a.reshape(shape))
    return _moved(call)


def looked_up(call: Call) -> Value | None:
    """Return units for inputs that are compared with 0, 1, 2 and so on; None for others."""
    for index, table in (call.given, call.given[::-1]):
        if not isinstance(index, Chosen) or isinstance(table, Chosen) or table.names:
            continue
        long = [axis for axis, n in enumerate(table.array.shape) if n > 1]
        if len(long) != 1 or not np.array_equal(
            table.array.reshape(-1), np.arange(table.array.size)
        ):
            continue
        shape = np.broadcast_shapes(index.array.shape, table.array.shape)
        axis = long[0] + len(shape) - table.array.ndim
        rest = [n for k, n in enumerate(shape) if k != axis]
        units = call.builder.group(call.name, shape[axis], [n for n in rest if n != 1])
        return Value(np.moveaxis(units.reshape(shape[axis], *rest), 0, axis))
    return None


def _one_hot(call: Call) -> Any:
    index, values = call.given[0], call.parameter(2, "values")
    if not isinstance(index, Chosen) or list(values.array) != [0, 1]:
        return made_of(
            call.given, computed(call.node, [e.array for e in call.given], call.version)[0]
        )
    depth = int(call.parameter(1, "depth").array.reshape(-1)[0])
    shape = index.array.shape
    units = call.builder.group(call.name, depth, [size for size in shape if size != 1])
    axis = call.attribute("axis", -1) % (len(shape) + 1)
    return Value(np.moveaxis(units.reshape(depth, *shape), 0, axis))


# --- padding and resizing ------------------------------------------------------------------------


def _padded(call: Call) -> Any:
    x = call.given[0]
    rank = len(shape_of(x))
    mode = call.attribute("mode", "constant")
    pads = call.ints(1, "pads") or call.attribute("paddings", None)
    if pads is None:
        raise call.not_understood("it does not say how much it pads")
    axes = call.ints(3, "axes") or list(range(rank))
    widths = [(0, 0)] * rank
    for at, axis in enumerate(axes):
        widths[axis % rank] = (int(pads[at]), int(pads[len(axes) + at]))
    if not any(each != (0, 0) for each in widths):
        return x
    grow = [(max(low, 0), max(high, 0)) for low, high in widths]
    cut = tuple(
        slice(max(-low, 0), size - max(-high, 0))
        for (low, high), size in zip(widths, shape_of(x), strict=True)
    )
    if isinstance(x, Scores):
        padded = np.pad(np.broadcast_to(np.int8(0), x.shape)[cut], grow)
        return replace(x, shape=padded.shape)
    x = call.builder.moved(call.builder.units_of(x, called(call.node)), lambda a: a[cut])
    if not any(each != (0, 0) for each in grow):
        return x
    if mode == "wrap":
        return call.builder.moved(x, lambda a: np.pad(a, grow, mode="wrap"))
    if mode != "constant":
        how = {"reflect": "reflection", "edge": "copies of the border"}.get(mode, mode)
        raise call.not_understood(f"it pads by {how}, which has no rule")
    value = call.optional(2, "value")
    number = float(value.array.reshape(-1)[0]) if value else call.attribute("value", 0.0)
    if number != 0 and number > -1e30:
        raise call.not_understood(f"it pads with {number:g}; allowed is 0")
    if x.centred is not None:
        x = call.builder.own_units(x, call.name)
    scale = None if x.scale is None else np.pad(np.broadcast_to(x.scale, x.shape), grow, "edge")
    shift = None if x.shift is None else np.pad(np.broadcast_to(x.shift, x.shape), grow)
    units = np.pad(x.units, grow, constant_values=NOTHING)
    return replace(x, units=units, scale=scale, shift=shift)


def _resized(call: Call) -> Any:
    x = call.builder.units_of(call.given[0], called(call.node))
    shape = x.shape
    mode = call.attribute("mode", "nearest")
    if mode != "nearest":
        raise call.not_understood(f"it resizes by '{mode}'; allowed is 'nearest'")
    wanted = _sizes_after(call, shape)
    if wanted == list(shape):
        return x
    if wanted[:2] == list(shape[:2]) and all(
        n % m == 0 for n, m in zip(wanted, shape, strict=True)
    ):
        factors = [n // m for n, m in zip(wanted[2:], shape[2:], strict=True)]
        if shape[0] == 1 and _repeats(call, shape, factors):
            return call.builder.upsample(x, factors, call.name)
    if all(m % n == 0 for n, m in zip(wanted, shape, strict=True)):
        # numbers are chosen, none twice
        return _moved(replace(call, given=[x, *call.given[1:]]))
    raise call.not_understood(
        f"it resizes {tuple(shape)} to {tuple(wanted)}; allowed are whole factors"
    )


def _sizes_after(call: Call, shape: Sequence[int]) -> list[int]:
    """Return the shape that a node resizes to."""
    scales = sizes = None
    if call.op == "Upsample" or call.version < 11:
        scales = call.given[1].array if call.has(1) else call.attribute("scales", None)
    else:
        scales = call.parameter(2, "factors").array if call.has(2) else None
        sizes = call.ints(3, "sizes") if call.has(3) else None
    axes = [axis % len(shape) for axis in call.attribute("axes", range(len(shape)))]
    wanted = list(shape)
    if sizes is not None:
        if call.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise call.not_understood("it keeps the ratio of the sides")
        for axis, size in zip(axes, sizes, strict=True):
            wanted[axis] = size
        return wanted
    if scales is None or not len(scales):
        raise call.not_understood("it says neither sizes nor factors")
    for axis, factor in zip(axes, scales, strict=True):
        wanted[axis] = int(np.floor(shape[axis] * float(factor)))
    return wanted


def _repeats(call: Call, shape: Sequence[int], factors: Sequence[int]) -> bool:
    """Tell whether each number is repeated so often, nothing being shifted.

    See the operator's definition: which number is nearest to ``(i + 0.5) / factor - 0.5``.
    """
    if call.op == "Upsample" or call.version < 11:
        return True
    where = call.attribute("coordinate_transformation_mode", "half_pixel")
    rounds = call.attribute("nearest_mode", "round_prefer_floor")
    for size, factor in zip(shape[2:], factors, strict=True):
        at = np.arange(size * factor)
        if where == "asymmetric":
            place = at / factor
        elif where in ("half_pixel", "pytorch_half_pixel"):
            place = (at + 0.5) / factor - 0.5
        else:
            return factor == 1
        rules: dict[str, Callable[[Any], Any]] = {
            "floor": np.floor,
            "ceil": np.ceil,
            "round_prefer_floor": lambda a: np.ceil(a - 0.5),
            "round_prefer_ceil": lambda a: np.floor(a + 0.5),
        }
        nearest = rules[rounds](place)
        if not np.array_equal(np.clip(nearest, 0, size - 1), at // factor):
            return False
    return True


SHAPING: dict[str, Callable[[Call], Any]] = {
    **dict.fromkeys(("Identity", "Cast", "CastLike"), _same),
    **dict.fromkeys(
        (
            *("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Expand", "Tile"),
            *("Slice", "Split", "DepthToSpace", "SpaceToDepth", "GatherElements", "GatherND"),
            "ReverseSequence",
        ),
        _moved,
    ),
    "Dropout": _dropout,
    "Shape": _shape,
    "Size": _size,
    "Concat": _concatenated,
    "Gather": _gathered,
    "OneHot": _one_hot,
    "Trilu": _triangular,
    "Pad": _padded,
    "Resize": _resized,
    "Upsample": _resized,
}
"""Operator -> its rule."""
CHOOSING = {"Gather", "OneHot"}
"""Operators that make units of inputs of whole numbers."""
