"""Rules of translation, one an operator of ONNX: what a node with weights makes of its inputs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.graph.builder import NOTHING, Parameter, Scores, Value
from netkin.network.format.onnx_shaping import SHAPING
from netkin.network.format.onnx_tensors import called
from netkin.network.format.onnx_units import ELEMENTS, affine, shifted
from netkin.network.format.onnx_values import (
    Call,
    Unknown,
    as_scores,
    as_value,
    literal,
    made_of,
    shape_of,
)

Rule = Callable[[Call], Any]
"""Returns what stands for the first output, or a tuple for all of them."""


# --- layers that are fully connected ------------------------------------------------------------


def _gemm(call: Call) -> Any:
    alpha, beta = call.attribute("alpha", 1.0), call.attribute("beta", 1.0)
    turned = [bool(call.attribute(name, 0)) for name in ("transA", "transB")]
    sides = [
        (_turned(call, each) if turn else each)
        for each, turn in zip(call.given[:2], turned, strict=True)
    ]
    made = _product(call, sides[0], sides[1], alpha)
    if call.has(2) and beta != 0:
        bias = call.given[2]
        if not isinstance(bias, Parameter):
            return call.builder.add([made, bias], call.name, [1.0, float(beta)])
        if beta != 1:
            bias = made_of([bias], bias.array * np.float32(beta))
        made = shifted(call, made, bias)
    return made


def _matmul(call: Call) -> Any:
    return _product(call, call.given[0], call.given[1])


def _product(call: Call, left: Any, right: Any, factor: float = 1.0) -> Any:
    """Return a product of matrices: a layer, scores of attention, or what they choose."""
    if isinstance(left, Parameter) and isinstance(right, Parameter):
        return made_of([left, right], np.matmul(left.array, right.array))
    if isinstance(right, Parameter):
        return _layer(call, left, right, -1, factor)
    if isinstance(left, Parameter):
        if len(shape_of(right)) == 1:
            row = call.builder.moved(right, lambda a: a[None])
            made = _layer(call, row, _turned(call, left), -1, factor)
            return call.builder.moved(made, lambda a: a[0])
        return _layer(call, right, _turned(call, left), -2, factor)
    if isinstance(left, Scores) and isinstance(right, Scores):
        return Scores((*shape_of(left)[:-1], shape_of(right)[-1]))
    if isinstance(left, Scores):
        return call.builder.attended(left, right, called(call.node))
    if isinstance(right, Scores):
        scores = replace(
            _turned(call, right),
            queries=right.keys,
            keys=right.queries,
        )
        swapped = call.builder.attended(scores, _turned(call, left), called(call.node))
        return _turned(call, swapped)
    left, right = (call.builder.units_of(each, called(call.node)) for each in (left, right))
    if min(len(left.shape), len(right.shape)) < 2:
        raise call.not_understood("it multiplies two vectors of units")
    return call.builder.scores(left, right)


def _layer(call: Call, x: Any, weight: Parameter, axis: int, factor: float = 1.0) -> Any:
    """Return a fully connected layer, by a matrix of shape (..., n_in, n_out)."""
    array = weight.array
    x = call.builder.units_of(x, called(call.node))
    is_vector = array.ndim == 1
    if is_vector:
        array = array[:, None]
    if array.ndim > 2 and prod(array.shape[:-2]) == 1:
        extra = array.ndim - len(x.shape)
        if extra > 0:
            x = call.builder.moved(x, lambda a: a.reshape((1,) * extra + a.shape))
        array = array.reshape(array.shape[-2:])
    if array.ndim != 2:
        raise call.not_understood(f"its weights have the shape {weight.array.shape}, no matrix")
    if factor != 1:
        array = array * np.asarray(factor, array.dtype)
    made = call.builder.linear(x, made_of([weight], array.T), name=call.name, axis=axis)
    return call.builder.moved(made, lambda a: a[..., 0]) if is_vector else made


def _turned(call: Call, x: Any) -> Any:
    """Return a matrix, or a stack of them, the other way round."""
    if isinstance(x, Parameter):
        return made_of([x], np.swapaxes(x.array, -1, -2)) if x.array.ndim > 1 else x
    return call.builder.moved(x, lambda a: np.swapaxes(a, -1, -2))


def _einsum(call: Call) -> Any:
    equation = call.attribute("equation", "").replace(" ", "")
    terms, arrow, out = equation.partition("->")
    parts = terms.split(",")
    if len(parts) != 2 or not arrow or "." in equation or len(call.given) != 2:
        raise call.not_understood(f"its equation '{equation}' has no rule")
    if any(len(set(part)) < len(part) for part in (*parts, out)):
        raise call.not_understood(f"its equation '{equation}' has an axis twice")
    (one, other), (left, right) = parts, call.given
    if isinstance(left, Parameter) or (isinstance(right, Scores) and isinstance(left, Value)):
        one, other, left, right = other, one, right, left
    sizes = dict(zip(one, shape_of(left), strict=True)) | dict(
        zip(other, shape_of(right), strict=True)
    )
    summed = [axis for axis in one if axis in other and axis not in out]
    if not isinstance(right, Parameter) and not isinstance(left, Scores):
        if not summed:
            raise call.not_understood(f"its equation '{equation}' has no rule")
        return _einsum_scores(call, left, right, one, other, out)
    free = [axis for axis in other if axis not in one]
    kept = [axis for axis in one if axis not in summed]
    shared = [axis for axis in one if axis in other and axis in out]
    if isinstance(left, Scores):
        rows = [axis for axis in kept if axis not in shared]
        if len(summed) != 1 or len(rows) != 1 or len(free) > 1:
            raise call.not_understood(f"its equation '{equation}' has no rule")
        order = [*shared, *summed, *free]
        moved = call.builder.moved(right, lambda a: _reordered(a, other, order))
        if not free:
            moved = call.builder.moved(moved, lambda a: a[..., None])
        scores = replace(left, shape=tuple(sizes[axis] for axis in (*shared, *rows, *summed)))
        made = call.builder.attended(scores, moved, called(call.node))
        if not free:
            made = call.builder.moved(made, lambda a: a[..., 0])
        return call.builder.moved(made, lambda a: _reordered(a, [*shared, *rows, *free], out))
    if any(sizes[axis] > 1 for axis in shared) or not summed:
        raise call.not_understood(f"its equation '{equation}' has no rule")
    matrix = _reordered(right.array, other, [*shared, *summed, *free])
    matrix = matrix.reshape(prod(sizes[axis] for axis in summed), -1)
    x = call.builder.moved(
        call.builder.units_of(left, called(call.node)),
        lambda a: _reordered(a, one, [*kept, *summed]).reshape(
            *(sizes[axis] for axis in kept), len(matrix)
        ),
    )
    made = call.builder.linear(x, made_of([right], matrix.T), name=call.name)
    shape = [sizes[axis] for axis in (*kept, *free)]
    return call.builder.moved(made, lambda a: _reordered(a.reshape(shape), [*kept, *free], out))


def _einsum_scores(call: Call, left: Any, right: Any, one: str, other: str, out: str) -> Scores:
    """Return the products of queries and keys, whose sum runs over some axes."""
    sizes = dict(zip(one, left.shape, strict=True)) | dict(zip(other, right.shape, strict=True))
    summed = [axis for axis in one if axis in other and axis not in out]
    shared = [axis for axis in one if axis in other and axis in out]
    ends = [[axis for axis in part if axis not in (*summed, *shared)] for part in (one, other)]
    shape = tuple(sizes[axis] for axis in out)
    if len(summed) != 1 or any(len(end) != 1 for end in ends):
        return Scores(shape)
    queries = call.builder.moved(left, lambda a: _reordered(a, one, [*shared, *ends[0], *summed]))
    keys = call.builder.moved(right, lambda a: _reordered(a, other, [*shared, *summed, *ends[1]]))
    return replace(call.builder.scores(queries, keys), shape=shape)


def _reordered(array: NDArray[Any], names: Sequence[str], wanted: Sequence[str]) -> NDArray[Any]:
    return array.transpose([list(names).index(axis) for axis in wanted])


# --- convolutions, pooling -----------------------------------------------------------------------


def _windows(call: Call, kernel: Sequence[int], size: Sequence[int]) -> dict[str, Any]:
    """Return strides, zeros around the grid and dilations as attributes say them."""
    axes = len(kernel)
    stride = list(call.attribute("strides", [1] * axes))
    dilation = list(call.attribute("dilations", [1] * axes))
    pads = list(call.attribute("pads", [0] * (2 * axes)))
    how = call.attribute("auto_pad", "NOTSET")
    padding = [(pads[k], pads[axes + k]) for k in range(axes)]
    if how == "VALID":
        padding = [(0, 0)] * axes
    elif how in ("SAME_UPPER", "SAME_LOWER"):
        padding = []
        for k in range(axes):
            length = -(-size[k] // stride[k])
            total = (length - 1) * stride[k] + dilation[k] * (kernel[k] - 1) + 1 - size[k]
            padding.append(_halves(max(total, 0), how == "SAME_LOWER"))
    return {"stride": stride, "padding": padding, "dilation": dilation}


def _halves(total: int, more_before: bool) -> tuple[int, int]:
    less = total // 2
    return (total - less, less) if more_before else (less, total - less)


def _in_batches(call: Call, x: Any, run: Callable[[Value, bool], Value]) -> Value:
    """Return what a layer makes of a grid; rows of a batch, of other axes, are a grid axis too."""
    x = call.builder.units_of(x, called(call.node))
    if x.shape[0] == 1:
        return run(x, False)
    x = call.builder.moved(x, lambda a: np.moveaxis(a, 0, 1)[None])
    made: Value = call.builder.moved(run(x, True), lambda a: np.moveaxis(a[0], 1, 0))
    return made


def _wider(options: dict[str, Any], is_wider: bool) -> dict[str, Any]:
    """Return options of a window with an axis in front along which nothing is joined."""
    if not is_wider:
        return options
    front: dict[str, Any] = {"stride": 1, "padding": (0, 0), "dilation": 1, "kernel": 1}
    return {key: [front[key], *value] for key, value in options.items()}


def _convolution(call: Call) -> Value:
    weight = call.parameter(1, "weights")
    return _convolved(call, call.given[0], weight, call.optional(2, "biases"))


def _convolved(call: Call, x: Any, weight: Parameter, bias: Parameter | None) -> Value:
    options = _windows(call, weight.array.shape[2:], shape_of(x)[2:])

    def run(x: Value, is_wider: bool) -> Value:
        array = weight.array[:, :, None] if is_wider else weight.array
        return call.builder.convolution(
            x,
            made_of([weight], array),
            bias,
            name=call.name,
            groups=call.attribute("group", 1),
            **_wider(options, is_wider),
        )

    return _in_batches(call, x, run)


def _transposed(call: Call) -> Value:
    weight = call.parameter(1, "weights")
    kernel, size = weight.array.shape[2:], shape_of(call.given[0])[2:]
    options = _windows(call, kernel, size)
    axes = range(len(kernel))
    stride, dilation = options["stride"], options["dilation"]
    more = list(call.attribute("output_padding", [0] * len(kernel)))
    wanted = call.attribute("output_shape", None)
    how = call.attribute("auto_pad", "NOTSET")
    if wanted is None and how in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [size[k] * stride[k] for k in axes]
    if wanted is not None:
        full = [
            stride[k] * (size[k] - 1) + more[k] + dilation[k] * (kernel[k] - 1) + 1 for k in axes
        ]
        totals = [full[k] - wanted[-len(kernel) :][k] for k in axes]
        # a longer grid than the kernels reach ends in zeros
        more = [more[k] + max(-totals[k], 0) for k in axes]
        options["padding"] = [_halves(max(total, 0), how != "SAME_UPPER") for total in totals]

    def run(x: Value, is_wider: bool) -> Value:
        array = weight.array[:, :, None] if is_wider else weight.array
        return call.builder.convolution(
            x,
            made_of([weight], array),
            call.optional(2, "biases"),
            name=call.name,
            groups=call.attribute("group", 1),
            transposed=True,
            output_padding=[0, *more] if is_wider else more,
            **_wider(options, is_wider),
        )

    return _in_batches(call, call.given[0], run)


def _pool(kind: str) -> Rule:
    def rule(call: Call) -> Any:
        x = call.given[0]
        kernel = list(call.attribute("kernel_shape", ()))
        options = {"kernel": kernel, **_windows(call, kernel, shape_of(x)[2:])}

        def run(x: Value, is_wider: bool) -> Value:
            return call.builder.pool(
                x,
                name=call.name,
                kind=kind,
                ceil=bool(call.attribute("ceil_mode", 0)),
                count_padding=bool(call.attribute("count_include_pad", 0)),
                **_wider(options, is_wider),
            )

        return _in_batches(call, x, run), Unknown(f"{called(call.node)} gives places of maxima")

    return rule


def _global_pool(kind: str) -> Rule:
    def rule(call: Call) -> Value:
        kernel = list(shape_of(call.given[0])[2:])
        options = {
            "kernel": kernel,
            "stride": [1] * len(kernel),
            "padding": [(0, 0)] * len(kernel),
            "dilation": [1] * len(kernel),
        }
        return _in_batches(
            call,
            call.given[0],
            lambda x, is_wider: call.builder.pool(
                x, name=call.name, kind=kind, **_wider(options, is_wider)
            ),
        )

    return rule


# --- normalisation -------------------------------------------------------------------------------


def _batch_norm(call: Call) -> Any:
    if call.attribute("training_mode", 0):
        raise call.not_understood("it is one for training")
    gamma, beta, mean, variance = (call.parameter(place, "statistics") for place in (1, 2, 3, 4))
    if len(shape_of(call.given[0])) < 2:
        raise call.not_understood("its units have no axis of channels")
    wide = (-1, *[1] * (len(shape_of(call.given[0])) - 2))
    numbers = [
        each.array.astype(np.float64).reshape(wide) for each in (gamma, beta, mean, variance)
    ]
    with np.errstate(all="ignore"):
        scale = numbers[0] / np.sqrt(numbers[3] + np.float32(call.attribute("epsilon", 1e-5)))
        shift = numbers[1] - numbers[2] * scale
    return affine(
        call,
        call.given[0],
        made_of([gamma, variance], scale),
        made_of([beta, mean, gamma, variance], shift),
        call.alone[0],
    )


def _normalised(
    call: Call,
    x: Any,
    gamma: Parameter | None,
    beta: Parameter | None,
    *,
    centred: int | None = None,
    parts: int = 1,
) -> Any:
    """Return units divided by a statistic of their own, then scaled and shifted."""
    if isinstance(x, Scores):
        return x
    x = call.builder.units_of(x, called(call.node))
    if centred is not None and x.shape[centred] == 1:
        centred = None
    return call.builder.normalised(x, gamma, beta, call.name, centred=centred, parts=parts)


def _layer_norm(call: Call) -> Any:
    rank = len(shape_of(call.given[0]))
    axis = call.attribute("axis", -1) % rank
    return _normalised(
        call,
        call.given[0],
        call.optional(1, "scale"),
        call.optional(2, "shift"),
        centred=axis if axis == rank - 1 else None,
    )


def _rms_norm(call: Call) -> Any:
    return _normalised(call, call.given[0], call.optional(1, "scale"), None)


def _skip_norm(call: Call) -> Any:
    simplified = call.op == "SkipSimplifiedLayerNormalization"
    total = call.builder.add([call.given[0], call.given[1]], call.name)
    bias = call.optional(3 if simplified else 4, "biases")
    if bias is not None:
        total = shifted(call, total, bias)
    beta = None if simplified else call.optional(3, "shift")
    rank = len(shape_of(total))
    made = _normalised(
        call, total, call.optional(2, "scale"), beta, centred=None if simplified else rank - 1
    )
    none = Unknown(f"{called(call.node)} gives statistics")
    return made, none, none, total


def _instance_norm(call: Call) -> Any:
    wide = (-1, *[1] * (len(shape_of(call.given[0])) - 2))
    numbers: list[Parameter | None] = []
    for place, what, nothing in ((1, "scale", 1), (2, "shift", 0)):
        each = call.parameter(place, what)
        # as exporters write a group norm that they take apart
        is_neutral = bool((each.array == nothing).all())
        if is_neutral:
            call.leave_out(each, f"{nothing} everywhere, which changes nothing")
        numbers.append(None if is_neutral else made_of([each], each.array.reshape(wide)))
    parts = shape_of(call.given[0])[1] if numbers == [None, None] else 1
    return _normalised(call, call.given[0], numbers[0], numbers[1], parts=parts)


def _group_norm(call: Call) -> Any:
    shape = shape_of(call.given[0])
    wide = (-1, *[1] * (len(shape) - 2))
    found = []
    for place, what in ((1, "scale"), (2, "shift")):
        each = call.parameter(place, what)
        # before version 21 one number for each group of channels
        array = np.repeat(each.array, shape[1] // each.array.size).reshape(wide)
        found.append(made_of([each], array))
    parts = call.attribute("num_groups", 1)
    return _normalised(call, call.given[0], found[0], found[1], parts=parts)


def _same_units(call: Call) -> Any:
    """Return units after a function of all of them, as of a softmax."""
    x = call.given[0]
    return (
        x
        if isinstance(x, Scores)
        else call.builder.activation(
            call.builder.units_of(x, called(call.node)), call.op.lower(), call.name
        )
    )


# --- recurrence ----------------------------------------------------------------------------------

ORDERS = {"RNN": (0,), "LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2)}
"""Operator -> where each gate of `Builder.recurrent` stands among the operator's."""


def _recurrent(call: Call) -> Any:
    kind, order = call.op, ORDERS[call.op]
    x = call.builder.units_of(call.given[0], called(call.node))
    batch_first = bool(call.attribute("layout", 0))
    if batch_first:
        x = call.builder.moved(x, lambda a: np.swapaxes(a, 0, 1))
    if x.shape[1] != 1:
        raise call.not_understood(f"it runs over a batch of {x.shape[1]}; allowed is one of 1")
    x = call.builder.moved(x, lambda a: a[:, 0])
    into, back = call.parameter(1, "weights"), call.parameter(2, "weights")
    biases = call.optional(3, "biases")
    for place in (5, 6):
        if call.has(place) and (place == 5 or kind == "LSTM"):
            first = call.parameter(place, "first states")
            call.leave_out(first, "the constant first state, from which no edge starts")
    if kind == "LSTM" and call.has(7) and call.parameter(7, "peepholes").array.any():
        raise call.not_understood("it has peepholes")
    if call.has(4):
        call.parameter(4, "lengths of sequences")
    n = back.array.shape[2]
    direction = call.attribute("direction", "forward")

    def rows(of: Parameter, array: NDArray[Any]) -> Parameter:
        parts = np.split(array, len(order))
        return made_of([of], np.concatenate([parts[k] for k in order]))

    states = []
    for number in range(into.array.shape[0]):
        added = () if biases is None else np.split(biases.array[number], 2)
        states.append(
            call.builder.recurrent(
                x,
                kind.lower(),
                rows(into, into.array[number]),
                rows(back, back.array[number]),
                [rows(biases, each) for each in added] if biases is not None else (),
                name=f"{call.name} reverse" if number else call.name,
                reverse=number == 1 or direction == "reverse",
                reset_after=bool(call.attribute("linear_before_reset", 0)),
            )
        )
    whole = replace(
        states[0],
        units=np.stack([each.units for each in states], axis=1)[:, :, None],
    )
    is_back = [number == 1 or direction == "reverse" for number in range(len(states))]
    last = replace(
        states[0],
        units=np.stack(
            [each.units[0 if back else -1] for each, back in zip(states, is_back, strict=True)]
        )[:, None],
    )
    assert whole.shape[-1] == n
    if batch_first:
        whole = call.builder.moved(whole, lambda a: a.transpose(2, 0, 1, 3))
        last = call.builder.moved(last, lambda a: np.swapaxes(a, 0, 1))
    return whole, last, Unknown(f"{called(call.node)} gives the last state of its cells")


# --- attention as one node -----------------------------------------------------------------------


def _attention(call: Call) -> Any:
    """Return what the standard operator, of version 23, makes of queries, keys and values."""
    if call.has(4) or call.has(5):
        raise call.not_understood("it takes keys and values of earlier tokens")
    query, key, value = call.given[:3]
    flat = len(shape_of(query)) == 3
    heads = call.attribute("q_num_heads", 0) if flat else shape_of(query)[1]
    own = call.attribute("kv_num_heads", 0) if flat else shape_of(value)[1]
    if not heads or not own or heads % own:
        raise call.not_understood(f"it has {heads} heads of queries and {own} of values")
    return _heads(call, query, key, value, heads, own, flat)


def _heads(call: Call, query: Any, key: Any, value: Any, heads: int, own: int, flat: bool) -> Value:
    """Return the values that each head gives, in the layout in which they came."""
    parts = []
    for each, n in ((query, heads), (key, own), (value, own)):
        x = call.builder.units_of(each, called(call.node))
        if flat:
            x = _in_heads(call, x, n)
        parts.append(_repeated(call, x, heads // n))
    query, key, value = parts
    scores = call.builder.scores(query, _turned(call, key))
    made: Value = call.builder.attended(scores, value, called(call.node))
    if flat:
        made = call.builder.moved(
            made, lambda a: a.swapaxes(1, 2).reshape(a.shape[0], a.shape[2], -1)
        )
    return made


def _in_heads(call: Call, x: Value, n: int) -> Any:
    return call.builder.moved(x, lambda a: a.reshape(*a.shape[:2], n, -1).swapaxes(1, 2))


def _repeated(call: Call, x: Value, times: int) -> Any:
    return x if times == 1 else call.builder.moved(x, lambda a: np.repeat(a, times, axis=1))


def _split(call: Call, x: Value, cuts: Any) -> list[Any]:
    """Return the parts of an array along its last axis."""
    bounds = [0, *map(int, cuts), x.shape[-1]]

    def part(low: int, high: int) -> Any:
        return call.builder.moved(x, lambda a: a[..., low:high])

    return [part(low, high) for low, high in pairwise(bounds)]


def _packed_attention(call: Call) -> Any:
    """Return what onnxruntime's operator makes, whose one matrix is that of all projections."""
    if call.has(4):
        raise call.not_understood("it takes keys and values of earlier tokens")
    weight, bias = call.parameter(1, "weights"), call.optional(2, "biases")
    heads = call.attribute("num_heads", 0)
    sizes = call.attribute("qkv_hidden_sizes", None) or [weight.array.shape[1] // 3] * 3
    x = call.builder.units_of(call.given[0], called(call.node))
    made = call.builder.linear(x, made_of([weight], weight.array.T), bias, name=call.name)
    cuts = np.cumsum(sizes)[:2]
    query, key, value = _split(call, made, cuts)
    return _heads(call, query, key, value, heads, heads, True)


def _multi_head_attention(call: Call) -> Any:
    """Return what onnxruntime's operator makes of projected queries, keys and values."""
    if not call.has(2) or len(shape_of(call.given[0])) != 3 or call.has(6):
        raise call.not_understood("its queries, keys and values are not three arrays of three axes")
    parts, heads = list(call.given[:3]), call.attribute("num_heads", 0)
    bias = call.optional(3, "biases")
    if bias is not None:
        cuts = np.cumsum([shape_of(each)[-1] for each in parts])[:2]
        for k, array in enumerate(np.split(bias.array, cuts)):
            parts[k] = affine(call, parts[k], None, made_of([bias], array), call.alone[k])
    return _heads(call, parts[0], parts[1], parts[2], heads, heads, True)


# --- eight bits ----------------------------------------------------------------------------------


def _scaled(call: Call, of: int, scale: int | None, zero: int, axis: int | None) -> Parameter:
    """Return the numbers that whole numbers of few bits stand for."""
    whole = call.parameter(of, "weights")
    by = None if scale is None else call.optional(scale, "scale")
    numbers = whole.array.astype(np.float32)

    def along(array: NDArray[Any]) -> NDArray[Any]:
        if array.size == 1 or axis is None:
            return array.reshape(-1)[:1] if array.size == 1 else array
        return array.reshape([-1 if k == axis else 1 for k in range(numbers.ndim)])

    if call.has(zero):
        numbers = numbers - along(call.parameter(zero, "zero").array.astype(np.float32))
    if by is not None:
        numbers = numbers * along(by.array.astype(np.float32))
    call.builder.notes.append("quantised weights stand for the numbers that their scale gives")
    return made_of([whole, by], numbers)


def _passed(call: Call) -> Any:
    """Return the units that are rounded to few bits, or made of these, as they are."""
    return call.given[0]


def _dequantised(call: Call) -> Any:
    if not isinstance(call.given[0], Parameter):
        return call.given[0]
    if call.attribute("block_size", 0):
        raise call.not_understood("it has a scale for each block of numbers")
    rank = len(shape_of(call.given[0]))
    return _scaled(call, 0, 1, 2, call.attribute("axis", 1) % max(rank, 1))


def _dynamically_quantised(call: Call) -> Any:
    # the whole numbers stand for the units themselves, so their scale is 1
    return call.given[0], literal(np.array(1, np.float32)), literal(np.array(0, np.uint8))


def _integer_convolution(call: Call) -> Any:
    return _convolved(call, call.given[0], _scaled(call, 1, None, 3, 0), None)


def _integer_product(call: Call) -> Any:
    if isinstance(call.given[0], Parameter):
        return _product(call, _scaled(call, 0, None, 2, 0), call.given[1])
    return _product(call, call.given[0], _scaled(call, 1, None, 3, 1))


def _quantised_convolution(call: Call) -> Any:
    bias = call.optional(8, "biases")
    if bias is not None:
        by = np.asarray(call.parameter(1).array) * call.parameter(4).array
        bias = made_of([bias], bias.array.astype(np.float32) * by)
    return _convolved(call, call.given[0], _scaled(call, 3, 4, 5, 0), bias)


def _quantised_product(call: Call) -> Any:
    return _product(call, call.given[0], _scaled(call, 3, 4, 5, 1))


# --- inputs of other kinds -----------------------------------------------------------------------


def _scaler(call: Call) -> Any:
    """Return what skl2onnx's Scaler makes, whose numbers are in the node."""
    offset = np.array(call.attribute("offset", (0.0,)), np.float64)
    scale = np.array(call.attribute("scale", (1.0,)), np.float64)
    return affine(call, call.given[0], literal(scale), literal(-offset * scale), call.alone[0])


def _answer(call: Call) -> Any:
    made = Unknown(f"{called(call.node)} makes an answer of units")
    return (made,) * max(1, len(call.node.output))


def _where(call: Call) -> Any:
    condition, one, other = call.given
    if any(isinstance(each, Scores) for each in call.given):
        return as_scores(call, (one, other, condition))
    if not isinstance(condition, Parameter):
        return ELEMENTS["Where"](call)
    chosen = condition.array.astype(bool)
    shape = np.broadcast_shapes(chosen.shape, shape_of(one), shape_of(other))
    chosen = np.broadcast_to(chosen, shape)
    if chosen.all() or not chosen.any():
        only = one if chosen.all() else other
        if isinstance(only, Parameter):
            return made_of([only], np.broadcast_to(only.array, shape))
        return call.builder.moved(only, lambda a: np.broadcast_to(a, shape))
    if call.only_scores:
        only = next(each for each in (one, other) if not isinstance(each, Parameter))
        return call.builder.moved(only, lambda a: np.broadcast_to(a, shape))
    values = [as_value(call, each) for each in (one, other)]
    values = [
        call.builder.own_units(each, called(call.node)) if (each.units != NOTHING).any() else each
        for each in values
    ]
    units = np.where(chosen, *(np.broadcast_to(each.units, shape) for each in values))
    passed = {each.activation for each in values if (each.units != NOTHING).any()}
    return Value(units, activation=passed.pop() if len(passed) == 1 else "several")


RULES: dict[str, Rule] = {
    **ELEMENTS,
    **SHAPING,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Einsum": _einsum,
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "MaxPool": _pool("max"),
    "AveragePool": _pool("mean"),
    "LpPool": _pool("sum"),
    "GlobalMaxPool": _global_pool("max"),
    "GlobalAveragePool": _global_pool("mean"),
    "GlobalLpPool": _global_pool("sum"),
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _rms_norm,
    "SimplifiedLayerNormalization": _rms_norm,
    "InstanceNormalization": _instance_norm,
    "GroupNormalization": _group_norm,
    "LpNormalization": _same_units,
    "MeanVarianceNormalization": _same_units,
    "LRN": _same_units,
    "Softmax": _same_units,
    "LogSoftmax": _same_units,
    "RNN": _recurrent,
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "Attention": _attention,
    "QuantizeLinear": _passed,
    "DequantizeLinear": _dequantised,
    "DynamicQuantizeLinear": _dynamically_quantised,
    "ConvInteger": _integer_convolution,
    "MatMulInteger": _integer_product,
    "QLinearConv": _quantised_convolution,
    "QLinearMatMul": _quantised_product,
    "Where": _where,
    **dict.fromkeys(("ArgMax", "ArgMin", "TopK", "Hardmax", "NonMaxSuppression"), _answer),
}
"""Operator of the standard domain -> its rule."""
OTHER_RULES: dict[tuple[str, str], Rule] = {
    **{("com.microsoft", op): ELEMENTS[op] for op in ("Gelu", "QuickGelu", "FastGelu", "BiasGelu")},
    ("com.microsoft", "SkipLayerNormalization"): _skip_norm,
    ("com.microsoft", "SkipSimplifiedLayerNormalization"): _skip_norm,
    ("com.microsoft", "Attention"): _packed_attention,
    ("com.microsoft", "MultiHeadAttention"): _multi_head_attention,
    ("ai.onnx.ml", "Scaler"): _scaler,
    **{
        ("ai.onnx.ml", op): _answer
        for op in ("ZipMap", "ArrayFeatureExtractor", "LabelEncoder", "Binarizer", "Normalizer")
    },
}
"""Domain and operator -> its rule."""


def rule_of(node: Any) -> Rule | None:
    """Return the rule of a node's operator, None where there is none."""
    if node.domain in ("", "ai.onnx"):
        return RULES.get(node.op_type)
    return OTHER_RULES.get((node.domain, node.op_type))
