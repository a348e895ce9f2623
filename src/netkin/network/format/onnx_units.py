"""Rules of ONNX's operators that make a number of each unit from numbers of the same unit."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from netkin.graph.builder import Mean, Parameter, Scores, Value
from netkin.network.format.onnx_tensors import called
from netkin.network.format.onnx_values import (
    Call,
    Statistic,
    as_scores,
    literal,
    made_of,
    names_of,
    shape_of,
    stripped,
    uniform,
)

OF_STATISTICS = {"Sqrt", "Pow", "Reciprocal"}
"""What is done to a mean only to divide by it."""
NORMALISED = "normalisation"
BOUNDS = {"Max": -1e30, "Min": 1e30}
"""Operator -> a number beyond which it changes nothing."""


def affine(
    call: Call, x: Any, scale: Parameter | None, shift: Parameter | None, alone: bool
) -> Any:
    """Return ``x * scale + shift``.

    A lone number behind an activation belongs to it, as the 0.5 of a GELU does, and so does one on
    the way to scores of attention; any other becomes a part of weights.

    Parameters
    ----------
    call : Call
    x : Value, Mean or Scores
    scale, shift : Parameter, optional
    alone : bool
        Whether nothing else reads the units of `x`.
    """
    numbers = [each for each in (scale, shift) if each is not None]
    if isinstance(x, Scores):
        return as_scores(call, [x, *numbers])
    lone = [uniform(each) for each in numbers]
    is_lone = None not in lone
    if isinstance(x, Mean):
        if is_lone and scale is not None and shift is None:
            return replace(x, weight=x.weight * (lone[0] or 0.0))
        if not x.is_linear:
            return x if is_lone else _statistic(x, scale, shift)
        if is_lone:
            return replace(x, is_linear=False)
        x = call.builder.units_of(x, called(call.node))
    shape = np.broadcast_shapes(x.shape, *(each.array.shape for each in numbers))
    if shape != x.shape:
        x = call.builder.moved(x, lambda a: np.broadcast_to(a, shape))
        alone = False
    neutral = [None if each is None else uniform(each) for each in (scale, shift)]
    if (scale is None or neutral[0] == 1) and (shift is None or neutral[1] == 0):
        return x
    if call.only_scores and not names_of(numbers):
        return x
    if is_lone and x.activation:
        return x
    made = call.builder.affine(x, scale, shift, call.name, sole=alone)
    if call.readers > 1 and names_of(numbers) and not (made.is_plain or made.activation):
        # all that read it read the same units
        return call.builder.own_units(made, call.name)
    return made


def _statistic(x: Mean, scale: Parameter | None, shift: Parameter | None) -> Statistic:
    """Return what a normalisation multiplies by, or adds, with its trained numbers."""
    before = x if isinstance(x, Statistic) else None
    return Statistic(
        x.of,
        x.axes,
        x.keepdims,
        False,
        x.weight,
        scale if scale is not None and scale.names else (before.scale if before else None),
        shift if shift is not None else (before.shift if before else None),
    )


def shifted(call: Call, x: Any, bias: Parameter) -> Any:
    """Return a layer's units, which nothing else reads yet, with their biases."""
    return affine(call, x, None, bias, True)


def same_units(values: Sequence[Any]) -> bool:
    """Tell whether some tensors hold the same units in the same places."""
    first = values[0]
    return all(
        isinstance(each, Value)
        and (each.units is first.units or np.array_equal(each.units, first.units))
        for each in values
    )


def function(call: Call) -> Any:
    """Return what a function of each unit gives; numbers in it belong to the function."""
    values = [each for each in call.given if each is not None and not isinstance(each, Parameter)]
    for each in call.given:
        if isinstance(each, Parameter):
            call.leave_out(each, f"numbers of the function {called(call.node)}")
    if any(isinstance(each, Scores) for each in values):
        return as_scores(call, call.given)
    number = next((each for each in call.given if isinstance(each, Parameter)), None)
    bound = uniform(number)
    is_bound = call.op in BOUNDS and len(values) == 1 and bound is not None
    if is_bound and (bound or 0.0) / BOUNDS[call.op] >= 1:
        return values[0]
    shape = np.broadcast_shapes(*(shape_of(each) for each in call.given if each is not None))
    if all(isinstance(each, Mean) for each in values):
        nonlinear = [each for each in values if not each.is_linear]
        if nonlinear or len(values) > 1 or call.op in OF_STATISTICS:
            return replace((nonlinear or values)[0], is_linear=False)
    values = [
        each
        if isinstance(each, Mean) and not each.is_linear
        else call.builder.units_of(each, called(call.node))
        for each in values
    ]
    if not same_units(values):
        return _joined(call, values)
    return _passed(call, values, shape)


def _passed(call: Call, values: Sequence[Any], shape: tuple[int, ...]) -> Value:
    """Return units after a function of numbers that are all of the same units."""
    bare = [stripped(replace(each, centred=None)) for each in values]
    plain = next((each for each in bare if each.is_plain), None)
    found = plain if plain is not None else values[0]
    if shape != found.shape:
        found = call.builder.moved(found, lambda a: np.broadcast_to(a, shape))
    made: Value = call.builder.activation(found, call.op.lower(), call.name)
    return made


def _joined(call: Call, values: Sequence[Any]) -> Any:
    """Return a function of numbers of several units: a vertex that each is joined to."""
    values = [stripped(each) if isinstance(each, Value) else each for each in values]
    return call.builder.multiply(values, call.name)


def _is_own(x: Any, mean: Any) -> bool:
    """Tell whether a mean is one of the very units of a value."""
    return (
        isinstance(x, Value)
        and isinstance(mean, Mean)
        and len(shape_of(mean)) == len(x.shape)
        and same_units([x, mean.of])
    )


def _two(call: Call) -> Any:
    """Return a sum, a difference, a product or a quotient."""
    one, other = call.given
    if isinstance(one, Scores) or isinstance(other, Scores):
        return as_scores(call, (one, other))
    if isinstance(other, Parameter):
        return _by_number(call, one, other, 0)
    if isinstance(one, Parameter):
        return _by_number(call, other, one, 1)
    if (found := _normalised(call, one, other)) is not None:
        return found
    if isinstance(one, Mean) and isinstance(other, Mean):
        return function(call)
    values = [
        each
        if isinstance(each, Mean) and not each.is_linear
        else call.builder.units_of(each, called(call.node))
        for each in (one, other)
    ]
    shape = np.broadcast_shapes(*(shape_of(each) for each in values))
    if same_units(values):
        return _passed(call, values, shape)
    if call.only_scores:
        return call.builder.moved(values[0], lambda a: np.broadcast_to(a, shape))
    if call.op in ("Add", "Sub"):
        return call.builder.add(values, call.name, [1.0, 1.0 if call.op == "Add" else -1.0])
    return _joined(call, values)


def _by_number(call: Call, x: Any, number: Parameter, place: int) -> Any:
    """Return units to which numbers are added, or by which they are multiplied."""
    if number.array.dtype.kind not in "fiub":
        raise call.not_understood(f"it takes numbers of the type {number.array.dtype}")
    array = number.array.astype(np.float64)
    alone = call.alone[place]
    if call.op == "Add":
        return affine(call, x, None, number, alone)
    if call.op == "Sub":
        if place == 0:
            return affine(call, x, None, made_of([number], -array), alone)
        return affine(call, x, literal(-1.0), number, alone)
    if call.op == "Mul":
        return affine(call, x, number, None, alone)
    if place == 1:
        return function(call)
    with np.errstate(all="ignore"):
        return affine(call, x, made_of([number], 1 / array), None, alone)


def _normalised(call: Call, one: Any, other: Any) -> Any:
    """Return units combined with a statistic of their own; None where it is something else."""
    if call.op == "Sub" and _is_own(one, other) and other.is_linear and len(other.axes) == 1:
        axis = other.axes[0]
        if np.isclose(other.weight * one.shape[axis], 1):
            bare = stripped(one)
            if not bare.is_plain:
                bare = call.builder.own_units(bare, call.name)
            return replace(bare, centred=axis if one.shape[axis] > 1 else None)
    pairs = [(one, other)] if call.op in ("Sub", "Div") else [(one, other), (other, one)]
    for x, mean in pairs:
        if not _is_own(x, mean) or (mean.is_linear and call.op == "Mul"):
            continue
        scale, shift = (getattr(mean, what, None) for what in ("scale", "shift"))
        if call.op == "Add" and x.activation.endswith(NORMALISED) and not mean.is_linear:
            # x * scale + (shift - mean * scale)
            axis = mean.axes[0] if len(mean.axes) == 1 else None
            whole = (
                x if shift is None else call.builder.affine(x, None, shift, call.name, sole=False)
            )
            return replace(whole, centred=axis if x.centred is None else x.centred)
        bare = stripped(x)
        if not bare.is_plain:
            bare = call.builder.own_units(bare, call.name)
        made: Value = call.builder.activation(replace(bare, centred=None), NORMALISED, call.name)
        if scale is not None and call.op == "Mul":
            made = call.builder.affine(made, scale, None, call.name, sole=False)
        return replace(made, centred=bare.centred)
    return None


def _sum(call: Call) -> Any:
    """Return the sum or the mean of any number of tensors."""
    if any(isinstance(each, Scores) for each in call.given):
        return as_scores(call, call.given)
    values = [each for each in call.given if not isinstance(each, Parameter)]
    is_alone = len(call.given) == 1
    total = call.builder.add(values, call.name) if len(values) > 1 else values[0]
    for each in call.given:
        if isinstance(each, Parameter):
            total = affine(call, total, None, each, False)
    if call.op == "Mean":
        total = affine(call, total, literal(1 / len(call.given)), None, not is_alone)
    return total


def _negative(call: Call) -> Any:
    return affine(call, call.given[0], literal(-1.0), None, call.alone[0])


def _bias_gelu(call: Call) -> Any:
    biased = affine(call, call.given[0], None, call.parameter(1), call.alone[0])
    return call.builder.activation(biased, "gelu", call.name)


def _fast_gelu(call: Call) -> Any:
    return _bias_gelu(call) if call.has(1) else function(call)


def _reduced(kind: str) -> Callable[[Call], Any]:
    def rule(call: Call) -> Any:
        x = call.given[0]
        shape = shape_of(x)
        axes = call.ints(1, "axes")
        if not axes:
            if call.attribute("noop_with_empty_axes", 0):
                return x if kind in ("mean", "sum", "max") else function(call)
            axes = list(range(len(shape)))
        axes = [axis % len(shape) for axis in axes]
        keeps = bool(call.attribute("keepdims", 1))
        if isinstance(x, Mean) and (not x.is_linear or kind == "norm"):
            if not x.keepdims:
                raise call.not_understood("it is taken over what is a norm already")
            return Mean(x.of, tuple({*x.axes, *axes}), keeps, False)
        return call.builder.mean(x, axes, name=call.name, keepdims=keeps, kind=kind)

    return rule


ELEMENTS: dict[str, Callable[[Call], Any]] = {
    **dict.fromkeys(
        (
            *("Relu", "LeakyRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Gelu", "Sigmoid"),
            *("Tanh", "HardSigmoid", "HardSwish", "Softplus", "Softsign", "Mish", "Swish"),
            *("Shrink", "Clip", "PRelu", "QuickGelu", "Erf", "Exp", "Log", "Sqrt", "Abs"),
            *("Reciprocal", "Sign", "Sin", "Cos", "Tan", "Sinh", "Cosh", "Asinh", "Acosh"),
            *("Atanh", "Atan", "Asin", "Acos", "Floor", "Ceil", "Round", "Pow", "Max", "Min"),
            *("Mod", "Where", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal"),
            *("And", "Or", "Xor", "Not", "IsNaN", "IsInf"),
        ),
        function,
    ),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _two),
    **dict.fromkeys(("Sum", "Mean"), _sum),
    "Neg": _negative,
    "BiasGelu": _bias_gelu,
    "FastGelu": _fast_gelu,
    "ReduceMean": _reduced("mean"),
    "ReduceSum": _reduced("sum"),
    "ReduceMax": _reduced("max"),
    "ReduceMin": _reduced("max"),
    **dict.fromkeys(
        (
            *("ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"),
            "ReduceProd",
        ),
        _reduced("norm"),
    ),
}
"""Operator -> its rule."""
