"""Follows the operators of an exported program of torch, ATen by ATen, and builds its graph.

`RULES` has a rule for each operator, by its name without overload. What only moves numbers is done
by torch itself to the array of units (`MOVES`), what has constants alone is worked out by torch,
and an operator without a rule is taken apart by torch's own decompositions until rules are met.
"""

import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from netkin.failure import is_of_content
from netkin.graph.blocks import BlockGraph
from netkin.graph.builder import (
    NOTHING,
    Builder,
    Mean,
    NotUnderstood,
    Parameter,
    Scores,
    Value,
)
from netkin.network.format.leave_out import REASON, check_left_out, stand_in

MOST_CONSTANT = 1 << 28
"""Numbers that are worked out of constants for one tensor, at most."""
CHANNELS_FIRST = re.compile(r"(_?conv|convolution|max_pool|avg_pool|adaptive_|batch_norm)")
"""How operators are called that have the channels behind the batch."""
CHANNELS_LAST = re.compile(r"(linear|addmm|mm|matmul|layer_norm|rms_norm|lstm|gru|rnn)")
"""How those are called that have them last."""
OF_SCORES = "it shifts or scales scores of attention, which have no units"
OF_ACTIVATION = "a slope of an activation"
UNREAD_BY_ALL = "no operator reads it"


class Ref(NamedTuple):
    """In the inputs of a node: what another one gives."""

    name: str


class Node(NamedTuple):
    """One call of an operator.

    Attributes
    ----------
    name : str
    target : str
        ``aten.conv2d.default``, or of Python's operators on sizes ``_operator.mul``.
    inputs : dict of str to object
        By the names of its schema; tensors and sizes are `Ref`, also in lists.
    outputs : str, list of str, or list of such
        Names of what it gives; of several in a list.
    """

    name: str
    target: str
    inputs: Mapping[str, Any]
    outputs: Any


@dataclass(frozen=True)
class Input:
    """An input of a program.

    Attributes
    ----------
    name : str
    shape : tuple of int
    is_float : bool
        Whether its numbers are units; whole numbers are ids, masks or positions.
    title : str
        As the user calls it.
    """

    name: str
    shape: tuple[int, ...]
    is_float: bool = True
    title: str = ""


@dataclass
class Program:
    """Operators in their order, and what they start from.

    Attributes
    ----------
    nodes : list of Node
    inputs : list of Input
        Each has one row, where it has a batch axis.
    constants : dict of str to Constant
        By the names that nodes have for them.
    outputs : list of Ref and others
    numbers : dict of str to object
        Numbers that nodes know by name.
    parameters : dict of str to int
        All trained parameters -> how many numbers each has.
    shapes : dict of str to tuple of (int or None)
        What shapes values are to have; None where it is open.
    sizes : dict of str to int
        What symbolic axes were taken as.
    batch : int
        For how many rows it was written; one is taken.
    leave_out : tuple of str
        Nodes and operators that are left out, see `netkin.network.format.leave_out`.
    """

    nodes: list[Node]
    inputs: list[Input] = field(default_factory=list)
    constants: "dict[str, Constant]" = field(default_factory=dict)
    outputs: list[Any] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    shapes: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    batch: int = 1
    leave_out: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor that does not depend on the inputs.

    Attributes
    ----------
    tensor : torch.Tensor
    names : tuple of str
        The parameters that it is made of.
    """

    tensor: torch.Tensor
    names: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return tuple(self.tensor.shape)

    @cached_property
    def parameter(self) -> Parameter:
        """The same as an array: float64 and whole numbers as they are, else float32."""
        tensor = self.tensor.detach()
        if tensor.is_floating_point() and tensor.dtype != torch.float64:
            tensor = tensor.to(torch.float32)
        return Parameter(tensor.resolve_neg().resolve_conj().numpy(), self.names)


@dataclass(frozen=True)
class Whole:
    """Whole numbers or truth values that depend on the inputs, such as ids and masks: no units.

    Attributes
    ----------
    shape : tuple of int
    dtype : torch.dtype
    """

    shape: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True)
class Missing:
    """What is not known of a node, and why, should anything read it."""

    why: str


def is_data(value: Any) -> bool:
    """Tell whether a value depends on the inputs."""
    return isinstance(value, Value | Mean | Scores | Whole)


# --- the rules ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """A node whose inputs are known.

    Attributes
    ----------
    builder : Builder
    node : Node
    inputs : dict of str to object
    sole : dict of str to bool
        Whether nothing else reads a value, by the name of the input.
    unused : dict of str to str
        Parameters that leave no trace -> why; a rule adds to it.
    only_scores : bool
        Whether what it makes leads to scores of attention alone.
    """

    builder: Builder
    node: Node
    inputs: dict[str, Any]
    sole: Mapping[str, bool]
    unused: dict[str, str]
    only_scores: bool = False

    def __getitem__(self, name: str) -> Any:
        """Return an input."""
        return self.inputs[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return an input that not all overloads have."""
        return self.inputs.get(name, default)

    @property
    def label(self) -> str:
        """How the layer is called: as the module whose parameters it has."""
        for value in self.inputs.values():
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, Constant) and each.names:
                    return each.names[0].rpartition(".")[0] or each.names[0]
        return self.node.name

    def parameter(self, name: str) -> Parameter | None:
        """Return an input that must be constant."""
        value = self.inputs.get(name)
        if value is None:
            return None
        if not isinstance(value, Constant):
            raise NotUnderstood(f"its {name} depends on the inputs")
        return value.parameter

    def weight(self, name: str = "weight") -> Parameter:
        """Return an input that must be there and constant."""
        found = self.parameter(name)
        if found is None:
            raise NotUnderstood(f"it has no {name}")
        return found

    def units(self, name: str) -> Value:
        """Return an input that must have units."""
        value = self.inputs[name]
        if isinstance(value, Constant):
            return self.builder.constant(value.parameter, self.label)
        return self.builder.units_of(value, self.label)

    def batched(self, name: str, axes: int) -> tuple[Value, bool]:
        """Return an input with a batch axis of size 1 before channels and grid.

        Parameters
        ----------
        name : str
        axes : int
            Of the grid.

        Returns
        -------
        (Value, bool)
            And whether the axis was added.
        """
        x = self.units(name)
        alone = len(x.shape) == axes + 1
        if alone:
            x = self.builder.moved(x, lambda array: array[None])
        if len(x.shape) != axes + 2 or x.shape[0] != 1:
            raise NotUnderstood(
                f"it reads units of shape {x.shape}, allowed is one row, channels and {axes} axes"
            )
        return x, alone


Rule = Callable[[Call], Any]
RULES: dict[str, Rule] = {}
"""Name of an operator of ATen -> its rule."""


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule for operators."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def _each(value: Any, axes: int) -> list[int]:
    """Return one number for each axis."""
    numbers = [value] if isinstance(value, int) else list(value)
    return numbers * axes if len(numbers) == 1 else numbers


def _unbatched(builder: Builder, value: Any, alone: bool) -> Any:
    return builder.moved(value, lambda array: array[0]) if alone else value


@rule(
    *("conv1d", "conv2d", "conv3d", "convolution", "_convolution"),
    *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
)
def _convolution(call: Call) -> Any:
    weight = call.weight()
    axes = weight.array.ndim - 2
    x, alone = call.batched("input", axes)
    dilation = _each(call["dilation"], axes)
    padding = call["padding"]
    if isinstance(padding, str):
        reach = [d * (k - 1) for d, k in zip(dilation, weight.array.shape[2:], strict=True)]
        pads = [(n // 2, n - n // 2) if padding == "same" else (0, 0) for n in reach]
    else:
        pads = [(n, n) for n in _each(padding, axes)]
    made = call.builder.convolution(
        x,
        weight,
        call.parameter("bias"),
        name=call.label,
        stride=_each(call["stride"], axes),
        padding=pads,
        dilation=dilation,
        groups=call["groups"],
        transposed="transpose" in call.node.target or bool(call.get("transposed")),
        output_padding=_each(call.get("output_padding", 0), axes),
    )
    return _unbatched(call.builder, made, alone)


def _layer(call: Call, x: Any, weight: Parameter, bias: Parameter | None, axis: int = -1) -> Any:
    if bias is not None:
        n = weight.array.shape[0]
        if bias.array.size not in (1, n) or bias.array.shape[-1:] not in ((), (1,), (n,)):
            raise NotUnderstood(f"it has biases of shape {bias.array.shape} for {n} units")
        bias = Parameter(np.broadcast_to(bias.array.reshape(-1), (n,)), bias.names)
    return call.builder.linear(x, weight, bias, name=call.label, axis=axis)


@rule("linear")
def _linear(call: Call) -> Any:
    weight = call.weight()
    if weight.array.ndim == 1:
        weight = Parameter(weight.array[None], weight.names)
        made = _layer(call, call["input"], weight, call.parameter("bias"))
        return call.builder.moved(made, lambda array: array[..., 0])
    return _layer(call, call["input"], weight, call.parameter("bias"))


@rule("addmm", "addmv", "baddbmm")
def _addmm(call: Call) -> Any:
    one, other = (
        call[name] for name in (("mat1", "mat2") if "mat1" in call.inputs else _factors(call))
    )
    alpha, beta = call["alpha"], call["beta"]
    shift = call["self"]
    if isinstance(other, Constant) and not is_data(shift) and not isinstance(one, Constant):
        matrix, bias = other.parameter, shift.parameter
        if matrix.array.ndim == 2 and bias.array.ndim == 1:
            matrix = Parameter(matrix.array.T * np.float32(alpha), matrix.names)
            bias = Parameter(bias.array * np.float32(beta), bias.names)
            return _layer(call, one, matrix, bias)
    made = _scaled(call, _product(call, one, other), alpha)
    return _sum(call, made, shift, beta)


def _factors(call: Call) -> tuple[str, str]:
    return ("batch1", "batch2") if "batch1" in call.inputs else ("mat", "vec")


@rule("mm", "bmm", "matmul", "mv", "dot", "linalg_matmul", "inner")
def _matmul(call: Call) -> Any:
    names = [name for name in call.inputs if name in ("self", "mat2", "other", "tensor", "vec")]
    return _product(call, *(call[name] for name in names[:2]))


def _product(call: Call, one: Any, other: Any) -> Any:
    """Return a matrix product."""
    builder = call.builder
    if isinstance(one, Mean):
        one = builder.units_of(one, call.label)
    if isinstance(other, Mean):
        other = builder.units_of(other, call.label)
    if isinstance(one, Whole) or isinstance(other, Whole):
        raise NotUnderstood("it multiplies by whole numbers of the inputs")
    if len(other.shape) == 1:
        wide = _moved(builder, other, "unsqueeze", dim=-1)
        return _moved(builder, _product(call, one, wide), "squeeze", dim=-1)
    if len(one.shape) == 1:
        wide = _moved(builder, one, "unsqueeze", dim=0)
        return _moved(builder, _product(call, wide, other), "squeeze", dim=-2)
    if isinstance(other, Constant):
        if isinstance(one, Scores):
            return _refuse_scores(other)
        if prod(other.shape[:-2]) == 1:
            matrix = other.parameter.array.reshape(other.shape[-2:])
            return _layer(call, one, Parameter(matrix.T, other.names), None)
        return _by_row(call, one, other)
    if isinstance(one, Constant):
        if isinstance(other, Scores):
            return _refuse_scores(one)
        if prod(one.shape[:-2]) == 1:
            matrix = one.parameter.array.reshape(one.shape[-2:])
            return _layer(call, other, Parameter(matrix, one.names), None, axis=-2)
        return _by_row(call, one, other)
    if isinstance(one, Scores) and isinstance(other, Scores):
        return builder.scores(one, other)
    if isinstance(one, Scores):
        return builder.attended(one, other, call.label)
    if isinstance(other, Scores):  # the same, transposed
        made = builder.attended(_turned(builder, other), _turned(builder, one), call.label)
        return _turned(builder, made)
    return builder.scores(one, other)


def _refuse_scores(by: Constant) -> Any:
    names = f" ({by.names[0]})" if by.names else ""
    raise NotUnderstood(f"it multiplies scores of attention by a matrix of its own{names}")


def _turned(builder: Builder, x: Any) -> Any:
    return builder.moved(x, lambda array: np.swapaxes(array, -1, -2))


def _by_row(call: Call, one: Any, other: Any) -> Any:
    """Return products by a matrix for each row of a batch, as experts have them."""
    builder = call.builder
    shape = np.broadcast_shapes(one.shape[:-2], other.shape[:-2])
    one, other = (
        _moved(builder, each, "expand", size=(*shape, *each.shape[-2:])) for each in (one, other)
    )
    rows = []
    for row in np.ndindex(*shape):
        parts = []
        for each in (one, other):
            for at in row:
                each = _moved(builder, each, "select", dim=0, index=int(at))
            parts.append(each)
        rows.append(_moved(builder, _product(call, *parts), "unsqueeze", dim=0))
    made = builder.concatenate(rows, 0, call.label)
    return _moved(builder, made, "reshape", shape=(*shape, *made.shape[-2:]))


@rule("batch_norm", "native_batch_norm", "cudnn_batch_norm")
@rule("_native_batch_norm_legit", "_native_batch_norm_legit_no_training")
@rule("_batch_norm_with_update", "_batch_norm_no_update")
def _batch_norm(call: Call) -> Any:
    training = call.get("training", False)
    mean, variance = call.parameter("running_mean"), call.parameter("running_var")
    if training or mean is None or variance is None:
        raise NotUnderstood("its statistics are those of the rows themselves (training)")
    eps = call.get("eps", call.get("epsilon"))
    wide = variance.array.astype(np.float64)
    scale = 1 / np.sqrt(wide + eps)
    names = [*variance.names]
    if (gamma := call.parameter("weight")) is not None:
        scale = scale * gamma.array
        names += gamma.names
    shift = -mean.array.astype(np.float64) * scale
    more = [*mean.names, *names]
    if (beta := call.parameter("bias")) is not None:
        shift = shift + beta.array
        more += beta.names
    x = call["input"] if isinstance(call["input"], Scores) else call.units("input")
    shape = [-1, *[1] * (len(x.shape) - 2)]
    made = call.builder.affine(
        x,
        Parameter(scale.reshape(shape), tuple(dict.fromkeys(names))),
        Parameter(shift.reshape(shape), tuple(dict.fromkeys(more))),
        call.label,
        sole=call.sole.get("input", False),
    )
    return made if call.node.target.startswith("aten.batch_norm.") else (made, *[UNKNOWN] * 4)


UNKNOWN = Missing("statistics of a norm or places of a maximum")


@rule("layer_norm", "native_layer_norm")
def _layer_norm(call: Call) -> Any:
    axes = len(call["normalized_shape"])
    made = call.builder.normalised(
        call.units("input"),
        call.parameter("weight"),
        call.parameter("bias"),
        call.label,
        centred=-1 if axes == 1 else None,
    )
    return (made, UNKNOWN, UNKNOWN) if "native" in call.node.target else made


@rule("rms_norm", "_fused_rms_norm")
def _rms_norm(call: Call) -> Any:
    made = call.builder.normalised(
        call.units("input"), call.parameter("weight"), None, call.label, centred=None
    )
    return (made, UNKNOWN) if "fused" in call.node.target else made


@rule("group_norm", "native_group_norm", "instance_norm")
def _group_norm(call: Call) -> Any:
    if call.get("use_input_stats") is False:
        return _batch_norm(call)
    x = call.units("input")
    scale, shift = (
        None
        if part is None
        else Parameter(part.array.reshape(-1, *[1] * (len(x.shape) - 2)), part.names)
        for part in (call.parameter("weight"), call.parameter("bias"))
    )
    parts = call.get("num_groups", call.get("group", x.shape[1]))
    made = call.builder.normalised(x, scale, shift, call.label, centred=None, parts=parts)
    return (made, UNKNOWN, UNKNOWN) if "native" in call.node.target else made


ACTIVATIONS = {
    name: name
    for name in (
        *("relu", "relu6", "gelu", "silu", "sigmoid", "tanh", "elu", "celu", "selu", "leaky_relu"),
        *("hardswish", "hardsigmoid", "hardtanh", "mish", "softplus", "softmax", "log_softmax"),
        *("log_sigmoid", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt"),
        *("erf", "abs", "sin", "cos", "tan", "atan", "asinh", "square", "reciprocal", "floor"),
        *("ceil", "round", "trunc", "sign", "softshrink", "hardshrink", "threshold", "rrelu"),
        *("sinh", "cosh", "softmin", "tanhshrink", "softsign", "logit", "nan_to_num"),
    )
} | {
    "_softmax": "softmax",
    "_log_softmax": "log_softmax",
    "_safe_softmax": "softmax",
    "special_expit": "sigmoid",
    "rrelu_with_noise": "rrelu",
}
"""Operators that are functions of each number, or of numbers of the same units -> their name."""


@rule(*ACTIVATIONS)
def _activation(call: Call) -> Any:
    kind = ACTIVATIONS[_base(call.node.target)]
    if kind == "hardtanh" and (call["min_val"], call["max_val"]) == (0, 6):
        kind = "relu6"
    return call.builder.activation(next(iter(call.inputs.values())), kind, call.label)


@rule("clamp", "clamp_min", "clamp_max")
def _clamp(call: Call) -> Any:
    low, high = call.get("min"), call.get("max")
    kinds = {(0, None): "relu", (0, 6): "relu6"}
    kind = "clamp" if is_data(low) or is_data(high) else kinds.get((low, high), "clamp")
    return call.builder.activation(call["self"], kind, call.label)


@rule("pow", "float_power")
def _pow(call: Call) -> Any:
    exponent = call["exponent"]
    if is_data(exponent):
        if is_data(call["self"]):
            return call.builder.multiply([call["self"], exponent], call.label)
        return call.builder.activation(exponent, "exp", call.label)
    number = float(exponent.tensor) if isinstance(exponent, Constant) else float(exponent)
    if number == 1:
        return call["self"]
    kind = {2.0: "square", 0.5: "sqrt", -0.5: "rsqrt", -1.0: "reciprocal"}.get(number, "power")
    return call.builder.activation(call["self"], kind, call.label)


@rule("prelu", "_prelu_kernel")
def _prelu(call: Call) -> Any:
    slopes = call.weight()
    call.unused.update(dict.fromkeys(slopes.names, OF_ACTIVATION))
    return call.builder.activation(call["self"], "prelu", call.node.name)


@rule("glu")
def _glu(call: Call) -> Any:
    x = call.units("self")
    one, other = _moved(call.builder, x, "chunk", chunks=2, dim=call["dim"])
    gate = call.builder.activation(other, "sigmoid", call.label)
    return call.builder.multiply([one, gate], call.label)


@rule("dropout", "native_dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
def _dropout(call: Call) -> Any:
    if call["train"]:
        raise NotUnderstood("it is in training mode, allowed is evaluation (module.eval())")
    made = next(iter(call.inputs.values()))
    return (made, UNKNOWN) if "native" in call.node.target else made


# --- sums and products -----------------------------------------------------------------------


def _number(value: Any) -> Parameter:
    if isinstance(value, Constant):
        return value.parameter
    return Parameter(np.asarray(value, dtype=np.float64))


def _trace(call: Call, by: Any) -> None:
    """Note that a parameter goes into scores, which have no units."""
    if isinstance(by, Constant):
        call.unused.update(dict.fromkeys(by.names, OF_SCORES))


def _sole(call: Call, value: Any) -> bool:
    return any(call.sole.get(name, False) for name, x in call.inputs.items() if x is value)


def _sum(call: Call, one: Any, other: Any, sign: float = 1.0) -> Any:
    """Return ``one + sign * other``, at least one of which depends on the inputs."""
    builder = call.builder
    if isinstance(one, Scores) or isinstance(other, Scores):
        for each in (one, other):
            _trace(call, each)
        return _wide_scores(one, other)
    if isinstance(one, Whole) or isinstance(other, Whole):
        raise NotUnderstood("it adds whole numbers of the inputs to units")
    if call.only_scores and (found := _of_scores(call, one, other)) is not None:
        return found
    if is_data(one) and is_data(other):
        return builder.add([one, other], call.label, [1.0, float(sign)])
    if is_data(one):
        by = _number(other)
        by = by if sign == 1 else Parameter(by.array * np.float64(sign), by.names)
        return builder.affine(_real(one, by), None, by, call.label, sole=_sole(call, one))
    scale = None if sign == 1 else Parameter(np.asarray(float(sign)))
    by = _number(one)
    return builder.affine(_real(other, by), scale, by, call.label, sole=_sole(call, other))


def _real(x: Any, by: Parameter) -> Any:
    """Return what a number is added to; a mean that a small one keeps from 0 is a norm's."""
    if isinstance(x, Mean) and x.of.activation.endswith("square"):
        return replace(x, is_linear=False)
    return x


def _wide_scores(*values: Any) -> Scores:
    """Return scores after something was done to each of them, in the shape of all values."""
    scores = next(each for each in values if isinstance(each, Scores))
    shapes = [shape for each in values if (shape := _shape(each)) is not None]
    return replace(scores, shape=np.broadcast_shapes(*shapes))


def _scaled(call: Call, x: Any, by: Any) -> Any:
    """Return ``x * by``, at least one of which depends on the inputs."""
    builder = call.builder
    if isinstance(by, int | float) and by == 1:
        return x
    if isinstance(x, Scores) or isinstance(by, Scores):
        for each in (x, by):
            _trace(call, each)
        return _wide_scores(x, by)
    if isinstance(x, Whole) or isinstance(by, Whole):
        raise NotUnderstood("it multiplies units by whole numbers of the inputs")
    if call.only_scores and (found := _of_scores(call, x, by)) is not None:
        return found
    if is_data(x) and is_data(by):
        return builder.multiply([x, by], call.label)
    if not is_data(x):
        x, by = by, x
    return builder.affine(x, _number(by), None, call.label, sole=_sole(call, x))


def _of_scores(call: Call, one: Any, other: Any) -> Any:
    """Return the units of queries or keys as they are, whatever numbers rotate or scale them.

    None where trained numbers do it, or statistics.
    """
    if any(
        isinstance(each, Mean) or (isinstance(each, Constant) and each.names)
        for each in (one, other)
    ):
        return None
    x = one if isinstance(one, Value) else other
    shapes = [shape for each in (one, other) if (shape := _shape(each)) is not None]
    shape = np.broadcast_shapes(*shapes)
    return call.builder.moved(x, lambda array: np.broadcast_to(array, shape))


@rule("add")
def _add(call: Call) -> Any:
    return _sum(call, call["self"], call["other"], call["alpha"])


@rule("sub", "subtract")
def _sub(call: Call) -> Any:
    return _sum(call, call["self"], call["other"], -call["alpha"])


@rule("rsub")
def _rsub(call: Call) -> Any:
    return _sum(call, call["other"], call["self"], -call["alpha"])


@rule("neg", "negative")
def _neg(call: Call) -> Any:
    return _scaled(call, call["self"], -1.0)


@rule("mul", "multiply")
def _mul(call: Call) -> Any:
    return _scaled(call, call["self"], call["other"])


@rule("div", "divide", "true_divide")
def _div(call: Call) -> Any:
    if call.get("rounding_mode"):
        raise NotUnderstood("it rounds what it divides")
    one, other = call["self"], call["other"]
    if is_data(other):
        if is_data(one) or isinstance(other, Scores):
            return _scaled(call, one, other)
        return _scaled(call, call.builder.activation(other, "reciprocal", call.label), one)
    by = _number(other)
    with np.errstate(divide="ignore"):
        inverse = 1 / by.array.astype(np.float64)
    return _by_number(call, one, Parameter(inverse, by.names), other)


def _by_number(call: Call, x: Any, by: Parameter, given: Any) -> Any:
    if isinstance(x, Scores | Whole) or call.only_scores:
        return _scaled(call, x, given)
    return call.builder.affine(x, by, None, call.label, sole=_sole(call, x))


@rule("maximum", "minimum", "max", "min")
def _larger(call: Call) -> Any:
    if "other" not in call.inputs:
        made = _mean_over(call, "max")
        return (made, UNKNOWN) if "dim" in call.inputs else made
    one, other = call["self"], call["other"]
    if is_data(one) and is_data(other):
        return call.builder.add([one, other], call.label)
    kind = "clamp"
    return call.builder.activation(one if is_data(one) else other, kind, call.label)


@rule("where")
def _where(call: Call) -> Any:
    return _chosen(call, call["condition"], call.get("self"), call.get("other"))


@rule("masked_fill")
def _masked_fill(call: Call) -> Any:
    return _chosen(call, call["mask"], call["value"], call["self"])


def _chosen(call: Call, mask: Any, one: Any, other: Any) -> Any:
    """Return scores where some are masked; units of which a mask chooses have no rule."""
    if isinstance(one, Scores) or isinstance(other, Scores):
        for each in (one, other):
            _trace(call, each)
        return _wide_scores(mask, one, other)
    raise NotUnderstood("a mask chooses between units")


# --- pooling and means ------------------------------------------------------------------------


def _axes_of(call: Call) -> int:
    found = re.search(r"(\d)d", call.node.target)
    assert found is not None
    return int(found[1])


@rule(*(f"max_pool{n}d" for n in (1, 2, 3)), *(f"max_pool{n}d_with_indices" for n in (1, 2, 3)))
@rule("avg_pool1d", "avg_pool2d", "avg_pool3d")
def _pool(call: Call) -> Any:
    axes = _axes_of(call)
    x, alone = call.batched("self", axes)
    kernel = _each(call["kernel_size"], axes)
    if call.get("divisor_override") is not None:
        raise NotUnderstood("it divides by a number of its own (divisor_override)")
    made = call.builder.pool(
        x,
        name=call.node.name,
        kernel=kernel,
        stride=_each(call["stride"], axes) or kernel,
        padding=[(n, n) for n in _each(call["padding"], axes)],
        dilation=_each(call.get("dilation", 1), axes),
        kind="max" if "max" in call.node.target else "mean",
        ceil=call["ceil_mode"],
        count_padding=call.get("count_include_pad", True),
    )
    made = _unbatched(call.builder, made, alone)
    return (made, UNKNOWN) if "indices" in call.node.target else made


@rule(*(f"{kind}_pool{n}d" for kind in ("adaptive_avg", "adaptive_max") for n in (1, 2, 3)))
@rule("_adaptive_avg_pool2d", "_adaptive_avg_pool3d")
def _adaptive_pool(call: Call) -> Any:
    axes = _axes_of(call)
    x, alone = call.batched("self", axes)
    size, wanted = x.shape[2:], _each(call["output_size"], axes)
    if any(n % k for n, k in zip(size, wanted, strict=True)):
        raise NotUnderstood(
            f"it makes a grid of {_times(wanted)} of one of {_times(size)}; allowed are windows of "
            "one size (another input shape may fit)"
        )
    kernel = [n // k for n, k in zip(size, wanted, strict=True)]
    kind = "max" if "max" in call.node.target else "mean"
    made: Any = call.builder.pool(
        x,
        name=call.node.name,
        kernel=kernel,
        stride=kernel,
        padding=[(0, 0)] * axes,
        dilation=[1] * axes,
        kind=kind,
    )
    made = _unbatched(call.builder, made, alone)
    return (made, UNKNOWN) if kind == "max" else made


def _times(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))


@rule("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d")
@rule("_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d")
def _upsample(call: Call) -> Any:
    axes = _axes_of(call)
    x, alone = call.batched("input" if "input" in call.inputs else "self", axes)
    size = x.shape[2:]
    wanted = call["output_size"]
    if wanted is None:
        wanted = [int(n * f) for n, f in zip(size, call["scale_factors"], strict=True)]
    if any(k % n for n, k in zip(size, wanted, strict=True)):
        raise NotUnderstood(
            f"it makes a grid of {_times(wanted)} of one of {_times(size)}; allowed are whole "
            "factors"
        )
    factors = [k // n for n, k in zip(size, wanted, strict=True)]
    return _unbatched(call.builder, call.builder.upsample(x, factors, call.node.name), alone)


def _mean_over(call: Call, kind: str) -> Any:
    x = next(iter(call.inputs.values()))
    if isinstance(x, Mean):
        x = call.builder.units_of(x, call.label)
    dims = call.get("dim")
    axes = [dims] if isinstance(dims, int) else list(dims or range(len(x.shape)))
    if isinstance(x, Value) and x.activation.endswith(("square", "abs")):
        kind = "norm"
    keep = bool(call.get("keepdim", False))
    return call.builder.mean(x, axes, name=call.label, keepdims=keep, kind=kind)


@rule("mean")
def _mean(call: Call) -> Any:
    return _mean_over(call, "mean")


@rule("sum")
def _total(call: Call) -> Any:
    return _mean_over(call, "sum")


@rule("amax", "amin")
def _amax(call: Call) -> Any:
    return _mean_over(call, "max")


@rule("var", "std", "logsumexp", "linalg_vector_norm", "norm")
def _norm(call: Call) -> Any:
    return _mean_over(call, "norm")


@rule("var_mean", "std_mean")
def _var_mean(call: Call) -> Any:
    return _mean_over(call, "norm"), _mean_over(call, "mean")


# --- what moves numbers ----------------------------------------------------------------------

MOVES = frozenset(
    (
        *("view", "_unsafe_view", "reshape", "permute", "transpose", "t", "numpy_T", "movedim"),
        *("moveaxis", "swapaxes", "swapdims", "squeeze", "unsqueeze", "expand", "expand_as"),
        *("view_as", "reshape_as", "broadcast_to", "slice", "select", "narrow", "index_select"),
        *("index", "gather", "split", "split_with_sizes", "chunk", "unbind", "tensor_split"),
        *("unsafe_split", "unsafe_split_with_sizes", "unsafe_chunk", "flip", "fliplr", "flipud"),
        *("roll", "rot90", "repeat", "tile", "repeat_interleave", "flatten", "unflatten", "ravel"),
        *("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle"),
        *("unfold", "diagonal", "atleast_1d", "atleast_2d", "atleast_3d", "mT", "adjoint"),
    )
)
"""Operators that take numbers away, repeat and reorder them: torch does it to the units."""
FILLS = frozenset(("constant_pad_nd", "im2col", "tril", "triu"))
"""Operators that do so and put zeros in between."""
COPIES = frozenset(
    (
        *("clone", "contiguous", "detach", "alias", "lift_fresh", "lift_fresh_copy", "to"),
        *("_to_copy", "type_as", "positive", "view_copy", "conj", "resolve_conj", "resolve_neg"),
    )
)
"""Operators that give the same numbers."""
LIKE = frozenset(
    (
        *("zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones"),
        *("new_full", "new_empty"),
    )
)
"""Operators that take only the shape of what they read."""
COMPARES = frozenset(
    (
        *("eq", "ne", "lt", "le", "gt", "ge", "isnan", "isinf", "isfinite", "argmax", "argmin"),
        *("logical_not", "logical_and", "logical_or", "signbit"),
    )
)
"""Operators that give whole numbers of units."""
SILENT = frozenset(
    (
        *("_assert_tensor_metadata", "_assert_async", "_assert_scalar", "sym_constrain_range"),
        *("sym_constrain_range_for_size", "_functional_assert_async", "_functional_assert_scalar"),
    )
)
"""Operators that give nothing."""


def _moved(builder: Builder, x: Any, name: str, **how: Any) -> Any:
    """Return a value or a constant after a method of a tensor that moves numbers."""

    def move(tensor: torch.Tensor) -> Any:
        return getattr(tensor, name)(**how)

    return (
        Constant(move(x.tensor), x.names) if isinstance(x, Constant) else _apply(builder, x, move)
    )


def _apply(builder: Builder, x: Any, move: Callable[[torch.Tensor], Any]) -> Any:
    """Return what a function of torch that moves numbers makes of a value: one, or a tuple."""
    if isinstance(x, Mean):
        x = builder.units_of(x, "a mean")
    if isinstance(x, Scores | Whole):
        dtype = x.dtype if isinstance(x, Whole) else torch.float32
        return _shaped(x, move(torch.empty(x.shape, dtype=dtype, device="meta")))
    first = move(torch.empty(x.shape, device="meta"))
    if isinstance(first, torch.Tensor):
        return builder.moved(x, lambda array: move(_tensor(array)).numpy())

    def part(k: int) -> Callable[[Any], Any]:
        return lambda array: move(_tensor(array))[k].numpy()

    return tuple(builder.moved(x, part(k)) for k in range(len(first)))


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    """Return a copy of an array whose numbers lie in the order of its axes, as views want it."""
    return torch.from_numpy(np.array(array, order="C"))


def _shaped(x: Any, made: Any) -> Any:
    """Return scores or whole numbers of the shape of a tensor, or of each of several."""
    if not isinstance(made, torch.Tensor):
        return tuple(_shaped(x, each) for each in made)
    shape = tuple(made.shape)
    return replace(x, shape=shape) if isinstance(x, Scores) else Whole(shape, made.dtype)


@rule("pad")
def _pad(call: Call) -> Any:
    mode = call["mode"]
    if mode == "constant":
        return _filled(call, "constant_pad_nd", {"pad": call["pad"], "value": call["value"] or 0})
    if mode != "circular":
        raise NotUnderstood(f"it pads by {mode}, allowed are zeros and circular")
    pairs = list(zip(call["pad"][::2], call["pad"][1::2], strict=True))[::-1]
    x = call.units("self")
    widths = [(0, 0)] * (len(x.shape) - len(pairs)) + pairs
    return call.builder.moved(x, lambda array: np.pad(array, widths, mode="wrap"))


@rule(*FILLS)
def _fills(call: Call) -> Any:
    how = {name: value for name, value in call.inputs.items() if name != "self"}
    return _filled(call, _base(call.node.target), how)


def _filled(call: Call, name: str, how: Mapping[str, Any]) -> Any:
    """Return a value with zeros that come from no unit."""
    aten = getattr(torch.ops.aten, name).default
    x = call["self"]
    if isinstance(x, Scores | Whole):
        return _apply(call.builder, x, lambda tensor: aten(tensor, **how))
    if how.get("value"):
        raise NotUnderstood(f"it pads by {how['value']}, allowed is 0")
    x = call.builder.own_units(call.units("self"), call.label)
    # zeros are filled in; not every operator takes whole numbers
    numbers = _tensor(x.units - NOTHING).to(torch.float64)
    return replace(x, units=aten(numbers, **how).to(torch.int64).numpy() + NOTHING)


@rule("cat", "concat", "concatenate")
def _cat(call: Call) -> Any:
    return _joined(call, call["tensors"], call["dim"])


@rule("stack")
def _stack(call: Call) -> Any:
    wide = [_moved(call.builder, each, "unsqueeze", dim=call["dim"]) for each in call["tensors"]]
    return _joined(call, wide, call["dim"])


def _joined(call: Call, values: Sequence[Any], axis: int) -> Any:
    values = [
        call.builder.units_of(each, call.label) if isinstance(each, Mean) else each
        for each in values
    ]
    values = [each for each in values if tuple(each.shape) != (0,)]
    if any(isinstance(each, Scores | Whole) for each in values):
        if not all(isinstance(each, Scores | Constant) for each in values):
            raise NotUnderstood("it joins units to whole numbers or scores")
        made = torch.cat([torch.empty(each.shape, device="meta") for each in values], axis)
        return Scores(tuple(made.shape))  # of which heads is not known
    parts = [each.parameter if isinstance(each, Constant) else each for each in values]
    return call.builder.concatenate(parts, axis, call.label)


# --- embeddings, attention, recurrence ---------------------------------------------------------


@rule("embedding")
def _embedding(call: Call) -> Any:
    indices = call["indices"]
    if not isinstance(indices, Whole):
        raise NotUnderstood("its rows are not chosen by whole numbers")
    return call.builder.embedding(call.label, call.weight(), indices.shape)


@rule(
    *("scaled_dot_product_attention", "_scaled_dot_product_flash_attention_for_cpu"),
    *("_scaled_dot_product_flash_attention", "_scaled_dot_product_efficient_attention"),
    "_scaled_dot_product_attention_math",
)
def _attention(call: Call) -> Any:
    query, key, value = (call[name] for name in ("query", "key", "value"))
    builder = call.builder
    for each in (query, key, call.get("attn_mask")):
        _trace(call, each)
    if isinstance(value, Constant):
        raise NotUnderstood("its values do not depend on the inputs")
    if call.get("enable_gqa"):
        key, value = (
            _moved(
                builder,
                each,
                "repeat_interleave",
                repeats=query.shape[-3] // each.shape[-3],
                dim=-3,
            )
            for each in (key, value)
        )
    key = _moved(builder, key, "transpose", dim0=-1, dim1=-2)
    made = builder.attended(builder.scores(query, key), value, call.node.name)
    whole = call.node.target.startswith("aten.scaled_dot_product_attention.")
    return made if whole else (made, *[UNKNOWN] * 8)


RECURRENT = {
    "lstm": ("lstm", "tanh"),
    "gru": ("gru", "tanh"),
    "rnn_tanh": ("rnn", "tanh"),
    "rnn_relu": ("rnn", "relu"),
}
"""Operator -> kind of `Builder.recurrent` and activation."""


@rule(*RECURRENT)
def _recurrent(call: Call) -> Any:
    kind, activation = RECURRENT[_base(call.node.target)]
    if "batch_sizes" in call.inputs:
        raise NotUnderstood("its sequences are packed, allowed is one of a fixed length")
    if call["train"] and call["dropout"]:
        raise NotUnderstood("it is in training mode, allowed is evaluation (module.eval())")
    states = call["hx"] if isinstance(call["hx"], list) else [call["hx"]]
    if not all(isinstance(each, Constant) for each in states):
        raise NotUnderstood("its first state depends on the inputs, allowed is a constant one")
    weights = []
    for each in call["params"]:
        if not isinstance(each, Constant):
            raise NotUnderstood("its weights depend on the inputs")
        weights.append(each.parameter)
    directions = 2 if call["bidirectional"] else 1
    per = 4 if call["has_biases"] else 2
    if len(weights) != per * directions * call["num_layers"]:
        raise NotUnderstood("its states are projected (proj_size), which has no rule")
    builder = call.builder
    x = call.units("input")
    alone, batch_first = len(x.shape) == 2, bool(call["batch_first"])
    if not alone:
        if x.shape[0 if batch_first else 1] != 1:
            raise NotUnderstood(f"it reads units of shape {x.shape}, allowed is one sequence")
        x = builder.moved(x, lambda array: array[0] if batch_first else array[:, 0])
    ends = []
    for layer in range(call["num_layers"]):
        made = []
        for direction in range(directions):
            at = (layer * directions + direction) * per
            into, back, *biases = weights[at : at + per]
            state = builder.recurrent(
                x,
                kind,
                into,
                back,
                biases,
                name=_layer_name(call, into, direction),
                reverse=direction == 1,
                activation=activation,
            )
            made.append(state)
            last = 0 if direction else state.shape[0] - 1
            ends.append(_moved(builder, state, "narrow", dim=0, start=last, length=1))
        x = made[0] if directions == 1 else builder.concatenate(made, -1, call.label)
    final = builder.concatenate(ends, 0, call.label)
    if not alone:
        x = builder.moved(x, lambda array: array[None] if batch_first else array[:, None])
        final = builder.moved(final, lambda array: array[:, None])
    return (x, final, Missing("the cell state of an LSTM")) if kind == "lstm" else (x, final)


def _layer_name(call: Call, into: Parameter, reverse: int) -> str:
    found = re.search(r"_l(\d+)(?:_reverse)?$", into.names[0]) if into.names else None
    number = f".{found[1]}" if found else ""
    return f"{call.label}{number}{' reverse' if reverse else ''}"


# --- following a program -----------------------------------------------------------------------


def _base(target: str) -> str:
    """Return the name of an operator without overload, and without the mark of one in place."""
    name = target.split(".")[1]
    return name if name.endswith("__") or not name.endswith("_") else name[:-1]


PYTHON = {
    f"_operator.{name}"
    for name in (
        *("add", "sub", "mul", "floordiv", "truediv", "mod", "neg", "pow"),
        *("eq", "ne", "lt", "le", "gt", "ge", "and_", "or_", "not_"),
    )
}
"""Python's operators that are called on sizes."""


def graph_of_program(program: Program) -> BlockGraph:
    """Return the graph of a program.

    Raises
    ------
    NotUnderstood
        A node has no rule; `understood` has what comes before it.
    NetkinError
        What is to be left out is not there.
    """
    check_left_out(program.leave_out, (name for node in program.nodes for name in _called_as(node)))
    return _Translation(program).graph()


def _called_as(node: Node) -> tuple[str, ...]:
    """Return how a user may call a node, or its operator."""
    parts = node.target.split(".")
    return node.name, node.target, ".".join(parts[:2]), *parts[1:2]


class _Translation:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._builder = Builder()
        self._table: dict[str, Any] = dict(program.constants) | program.numbers
        self._sole: dict[str, bool] = {}
        self._root: dict[str, str] = {}
        self._unused: dict[str, str] = {}
        self._only_scores: set[str] = set()

    def graph(self) -> BlockGraph:
        try:
            for each in self._program.inputs:
                self._table[each.name] = self._input(each)
            self._walk(self._program.nodes, self._program.outputs, self._program.shapes)
        except NotUnderstood as error:
            error.understood = self._finish()
            raise
        return self._finish()

    def _finish(self) -> BlockGraph:
        parameters = self._program.parameters
        read = set(_refs([list(node.inputs.values()) for node in self._program.nodes]))
        known = {
            name
            for place, constant in self._program.constants.items()
            for name in constant.names
            if place in read
        }
        unused = dict.fromkeys(parameters.keys() - known, UNREAD_BY_ALL) | self._unused
        given = [self._table.get(name) for name in _refs(self._program.outputs)]
        graph = self._builder.finish(parameters, self._program.sizes, outputs=given)
        left = {name: unused.get(name, why) for name, why in graph.unused.items()}
        return replace(graph, unused=left)

    def _input(self, each: Input) -> Any:
        if not each.is_float:
            return Whole(each.shape, torch.int64)
        axis = each.shape.index(1) if 1 in each.shape else None
        title = each.title or each.name
        if axis == 0 and self._is_flattened(each):
            flat = self._builder.input(title, (1, prod(each.shape)))
            return self._builder.moved(flat, lambda array: array.reshape(each.shape))
        if axis is None:
            found = self._builder.input(title, (1, *each.shape), self._channels(each, 1))
            return self._builder.moved(found, lambda array: array[0])
        shape = (1, *each.shape[:axis], *each.shape[axis + 1 :])
        found = self._builder.input(title, shape, self._channels(each, 0))
        return self._builder.moved(found, lambda array: np.moveaxis(array, 0, axis))

    def _is_flattened(self, each: Input) -> bool:
        """Tell whether all that reads an input takes it as one row."""
        readers = [
            node
            for node in self._program.nodes
            if each.name in _refs(node.inputs) and not node.target.startswith("aten.sym_size.")
        ]
        return bool(readers) and all(
            node.target.startswith(("aten.view.", "aten.reshape.", "aten.flatten."))
            and len(node.inputs.get("size", node.inputs.get("shape", (0, 0)))) == 2
            and node.inputs.get("start_dim", 1) == 1
            and node.inputs.get("end_dim", -1) in (-1, len(each.shape) - 1)
            for node in readers
        )

    def _channels(self, each: Input, more: int) -> int | None:
        """Return where the channels of an input are, by the first layer that has an opinion."""
        for node in self._program.nodes:
            name = node.target.removeprefix("aten.")
            if CHANNELS_FIRST.match(name):
                return 1 if len(each.shape) + more > 2 else None
            if CHANNELS_LAST.match(name):
                break
        return None

    def _walk(
        self,
        nodes: Sequence[Node],
        outputs: Sequence[Any],
        shapes: Mapping[str, tuple[int | None, ...]],
    ) -> None:
        """Follow nodes in their order."""
        uses: Counter[str] = Counter()
        self._last: dict[str, int] = {}
        for number, node in enumerate(nodes):
            for ref in _refs(node.inputs):
                uses[ref] += not node.target.startswith("aten.sym_")
                self._last[ref] = number
        for ref in _refs(outputs):
            uses[ref] += 1
            self._last[ref] = len(nodes)
        constant = {name for name, each in self._table.items() if not is_data(_first(each))}
        self._only_scores |= _leading_to_scores(nodes, set(_refs(outputs)), constant)
        for number, node in enumerate(nodes):
            last = self._last
            try:
                made = self._made(node)
                self._last = last
                self._bind(node, node.outputs, made, uses)
                self._write(node, number, made)
                self._check(node.outputs, shapes)
            except NotUnderstood as error:
                if error.node != "":
                    error.node = node.name  # at last that of the program itself
                if str(error).startswith("node '"):
                    raise
                why = NotUnderstood(f"node '{node.name}' ({node.target}): {error}")
                why.node = error.node
                raise why from None
            except Exception as error:
                if not is_of_content(error):
                    raise
                first = str(error).strip().partition("\n")[0][:200] or type(error).__name__
                why = NotUnderstood(f"node '{node.name}' ({node.target}): {first}")
                why.node = node.name
                raise why from error

    def _bind(self, node: Node, outputs: Any, made: Any, uses: Counter[str]) -> None:
        """Give what a node made its names."""
        if isinstance(outputs, list):
            if not isinstance(made, tuple | list) or len(made) < len(outputs):
                raise NotUnderstood(f"it gives {len(outputs)} values, which are not known")
            for name, each in zip(outputs, made, strict=False):
                self._bind(node, name, each, uses)
            return
        if outputs is None:
            return
        made = self._shared(node, made, uses[outputs])
        self._table[outputs] = made
        same = _is_same(node.target)
        inner = [ref for ref in _refs(node.inputs) if is_data(_first(self._table.get(ref)))]
        self._sole[outputs] = uses[outputs] == 1 and (
            not same or all(self._is_sole(ref, uses) for ref in inner)
        )
        if same and inner:
            self._root[outputs] = self._root.get(inner[0], inner[0])

    def _shared(self, node: Node, made: Any, uses: int) -> Any:
        """Return what several operators read as units that are the same for all of them."""
        if uses < 2 or not isinstance(made, Value) or made.is_plain or not made.names:
            return made
        # a norm is a part of each layer that reads it
        return made if made.activation else self._builder.own_units(made, node.name)

    def _is_sole(self, name: str, uses: Counter[str]) -> bool:
        return self._sole.get(name, uses[name] == 1)

    def _write(self, node: Node, number: int, made: Any) -> None:
        """Let a tensor that was changed in place be the new one, where nothing reads the old."""
        if node.target.partition(".")[0] != "aten":
            return
        for argument in operator_of(node.target)._schema.arguments:
            if argument.alias_info is None or not argument.alias_info.is_write:
                continue
            target = node.inputs.get(argument.name)
            if not isinstance(target, Ref) or isinstance(made, Constant):
                continue
            root = self._root.get(target.name, target.name)
            for name, last in self._last.items():
                is_other = name not in (target.name, node.outputs)
                if is_other and last > number and self._root.get(name, name) == root:
                    raise NotUnderstood(
                        f"it changes '{root}' in place, of which '{name}' is read later; export "
                        "it with run_decompositions({})"
                    )
            self._table[target.name] = made
            if self._last[target.name] > number and isinstance(node.outputs, str):
                self._sole[node.outputs] = self._sole[target.name] = False
            if isinstance(node.outputs, str):
                self._root[node.outputs] = root

    def _check(self, outputs: Any, shapes: Mapping[str, tuple[int | None, ...]]) -> None:
        """Refuse a value that is of another shape than the program says."""
        if isinstance(outputs, list):
            for each in outputs:
                self._check(each, shapes)
        elif outputs in shapes:
            value = self._table[outputs]
            found = _shape(value)
            wanted = shapes[outputs]
            if found is None:
                return
            if len(found) != len(wanted) or any(
                k is not None and n != k for n, k in zip(found, wanted, strict=True)
            ):
                raise NotUnderstood(
                    f"its shape is {_times(found)}, and {_times([k or 0 for k in wanted])} is "
                    "what the program says"
                )

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, Ref):
            if value.name not in self._table:
                raise NotUnderstood(f"it reads '{value.name}', which nothing gives")
            found = self._table[value.name]
            if isinstance(found, Missing):
                raise NotUnderstood(f"it reads {found.why}, of which nothing is known")
            return found
        if isinstance(value, list | tuple):
            return [self._resolved(each) for each in value]
        return value

    def _stand_in(self, node: Node) -> Any:
        """Return what stands for what a node gives that is left out."""
        read = [self._table.get(name) for name in _refs(node.inputs)]
        for each in read:
            if isinstance(each, Constant):
                self._unused |= dict.fromkeys(each.names, REASON)
        given = [
            (each, _shape(each) or ()) for each in read if isinstance(each, Value | Mean | Scores)
        ]

        def one(shape: Sequence[int | None] | None) -> Any:
            return stand_in(self._builder, f"node '{node.name}' ({node.target})", given, shape)

        shapes = self._program.shapes
        if isinstance(node.outputs, list):
            return tuple(one(shapes.get(name)) for name in node.outputs)
        parts = {
            each.inputs["b"]: shapes.get(each.outputs)
            for each in self._program.nodes
            if each.target == "_operator.getitem" and each.inputs["a"] == Ref(node.outputs)
        }
        if parts:
            return {place: one(shape) for place, shape in parts.items()}
        return one(shapes.get(node.outputs))

    def _made(self, node: Node) -> Any:
        """Return what a node gives."""
        if not {*self._program.leave_out}.isdisjoint(_called_as(node)):
            return self._stand_in(node)
        if node.target == "_operator.getitem":
            ref, index = node.inputs["a"], node.inputs["b"]
            return self._table[ref.name][index]
        inputs = {name: self._resolved(value) for name, value in node.inputs.items()}
        if node.target in PYTHON:
            if not all(isinstance(each, int | float) for each in inputs.values()):
                raise NotUnderstood("it works out a size that depends on the inputs")
            return getattr(operator, node.target.rpartition(".")[2])(*inputs.values())
        if not node.target.startswith("aten."):
            raise NotUnderstood("this operator has no rule")
        base = _base(node.target)
        if base in SILENT:
            return None
        called = operator_of(node.target)
        if base in ("sym_size", "sym_numel"):
            shape = _shape(inputs["self"]) or ()
            return shape[inputs["dim"]] if base == "sym_size" else prod(shape)
        kinds = [each for value in inputs.values() for each in _leaves(value) if is_data(each)]
        if not kinds or base in LIKE:
            return self._worked_out(called, inputs)
        if base in COPIES:
            return next(iter(inputs.values()))
        if base in COMPARES or (
            all(isinstance(each, Whole) for each in kinds) and base != "embedding"
        ):
            return _of_whole(called, inputs)
        if base in MOVES:
            return self._moves(called, inputs)
        sole = {
            name: self._sole.get(value.name, False)
            for name, value in node.inputs.items()
            if isinstance(value, Ref)
        }
        if base in RULES:
            only_scores = isinstance(node.outputs, str) and node.outputs in self._only_scores
            return RULES[base](Call(self._builder, node, inputs, sole, self._unused, only_scores))
        return self._taken_apart(node, called, inputs)

    def _moves(self, aten: Any, inputs: Mapping[str, Any]) -> Any:
        first, *others = inputs.items()
        if not is_data(first[1]):
            raise NotUnderstood("which constants it takes depends on the inputs")
        how: dict[str, Any] = {}
        for name, value in others:
            if isinstance(value, Whole):
                raise NotUnderstood("which units it takes depends on the inputs")
            how[name] = _plain(value)
        for name in ("size", "shape"):
            if self._program.batch > 1 and list(how.get(name) or ())[:1] == [self._program.batch]:
                how[name] = [1, *how[name][1:]]
        return _apply(self._builder, first[1], lambda tensor: aten(tensor, **how))

    def _worked_out(self, aten: Any, inputs: Mapping[str, Any]) -> Any:
        """Return what torch makes of constants."""
        names = tuple(
            dict.fromkeys(
                name
                for value in inputs.values()
                for each in _leaves(value)
                if isinstance(each, Constant)
                for name in each.names
            )
        )
        if torch.Tag.nondeterministic_seeded in aten.tags:
            raise NotUnderstood("it draws random numbers")
        if aten._schema.is_mutable and names:
            raise NotUnderstood(f"it changes '{names[0]}'")
        how = {name: _plain(value) for name, value in inputs.items()}
        for name in ("device", "layout", "memory_format", "pin_memory"):
            how.pop(name, None)
        _check_size(aten, how)
        with torch.no_grad():
            made = aten(**how)
        if isinstance(made, list | tuple):
            return tuple(
                Constant(each, names) if isinstance(each, torch.Tensor) else each for each in made
            )
        return Constant(made, names) if isinstance(made, torch.Tensor) else made

    def _taken_apart(self, node: Node, aten: Any, inputs: Mapping[str, Any]) -> Any:
        """Follow the operators that torch makes of one."""
        places: list[Any] = []

        def keep(value: Any) -> Any:
            if isinstance(value, list):
                return [keep(each) for each in value]
            if is_data(value) or isinstance(value, Constant):
                places.append(value)
                return Ref(str(len(places) - 1))
            return value

        kept = {name: keep(value) for name, value in inputs.items()}
        names = list(_refs(node.inputs))
        graph = _decomposition(aten, kept, places)
        prefix = f"{node.name}/"
        if graph is None:
            raise NotUnderstood("this operator has no rule")
        nodes, holders, outputs = nodes_of_fx(graph, prefix)
        for holder, value, outer in zip(holders, places, names, strict=True):
            self._table[holder] = value
            uses = sum(ref == holder for each in nodes for ref in _refs(each.inputs))
            self._sole[holder] = uses == 1 and self._sole.get(outer, False)
        self._walk(nodes, outputs, {})
        found = [self._table[each.name] if isinstance(each, Ref) else each for each in outputs]
        returns = aten._schema.returns
        several = len(returns) > 1 or str(returns[0].type).startswith("List")
        return tuple(found) if several else found[0]


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and value else value


def _is_same(target: str) -> bool:
    """Tell whether what a node gives can be the units that it reads, as they are."""
    if target == "_operator.getitem":
        return True
    if not target.startswith("aten."):
        return False
    base = _base(target)
    return (
        base in MOVES or base in COPIES or base in FILLS or base in ("cat", "stack", "pad")
        or "dropout" in base
    )  # fmt: skip


PRODUCTS = frozenset(("mm", "bmm", "matmul", "baddbmm", "einsum"))
"""Operators whose product of two values is that of scores, or what these choose."""
SCORED = ("query", "key")
"""Inputs of attention as one operator that make its scores."""
PASSING = frozenset(
    (
        *("add", "sub", "subtract", "rsub", "neg", "negative", "mul", "multiply", "div", "divide"),
        *("true_divide", "cat", "concat", "concatenate", "stack", "where", "masked_fill", "pad"),
        *("layer_norm", "native_layer_norm", "rms_norm", "_fused_rms_norm", "dropout"),
    )
)
"""Operators with a rule that scores, and what leads to them, may pass."""


def _leading_to_scores(nodes: Sequence[Node], outputs: set[str], constant: set[str]) -> set[str]:
    """Return the names that lead to nothing but products of two values, scores of attention."""
    scores: set[str] = set()
    makes: set[str] = set()
    readers: dict[str, list[tuple[Node, str]]] = {}

    def passes(node: Node) -> bool:
        if not node.target.startswith("aten."):
            return node.target == "_operator.getitem"
        base = _base(node.target)
        return base in MOVES | COPIES | FILLS | PASSING | ACTIVATIONS.keys()

    for node in nodes:
        refs = {argument: [*_refs(value)] for argument, value in node.inputs.items()}
        given = [ref for each in refs.values() for ref in each]
        made = [node.name] if node.outputs is None else [*_names(node.outputs)]
        if node.target.startswith("aten.sym_") or constant.issuperset(given):
            constant.update(made)
            continue
        for argument, each in refs.items():
            for ref in each:
                readers.setdefault(ref, []).append((node, argument))
        if node.target.startswith("aten.") and _base(node.target) in PRODUCTS:
            if not any(ref in constant or ref in scores for ref in given):
                scores.update(made)
                makes.add(node.name)
        elif passes(node) and any(ref in scores for ref in given):
            scores.update(made)
    found: set[str] = set()
    for node in reversed(nodes):
        for name in () if node.outputs is None else _names(node.outputs):
            if (
                name not in outputs
                and name in readers
                and all(
                    user.name in makes
                    or ("attention" in user.target and argument in SCORED)
                    or (passes(user) and found.issuperset(_names(user.outputs)))
                    for user, argument in readers[name]
                )
            ):
                found.add(name)
    return found


def _names(outputs: Any) -> Iterator[str]:
    if isinstance(outputs, str):
        yield outputs
    elif outputs is not None:
        for each in outputs:
            yield from _names(each)


def operator_of(target: str) -> Any:
    """Return an operator of ATen.

    Raises
    ------
    NotUnderstood
        This torch has none of that name.
    """
    _, name, overload = target.split(".")
    try:
        return getattr(getattr(torch.ops.aten, name), overload)
    except AttributeError:
        raise NotUnderstood(f"torch {torch.__version__} has no such operator") from None


def _refs(value: Any) -> Iterator[str]:
    """Yield the names that values refer to."""
    if isinstance(value, Ref):
        yield value.name
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _refs(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _refs(each)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def _shape(value: Any) -> tuple[int, ...] | None:
    if isinstance(value, Value | Scores | Whole | Constant):
        return tuple(value.shape)
    if isinstance(value, Mean):
        full = value.of.shape
        if value.keepdims:
            return tuple(1 if k in value.axes else n for k, n in enumerate(full))
        return tuple(n for k, n in enumerate(full) if k not in value.axes)
    return None


def _plain(value: Any) -> Any:
    """Return what torch takes for a value: of data only the shape."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, Constant):
        return value.tensor
    if is_data(value):
        dtype = value.dtype if isinstance(value, Whole) else torch.float32
        return torch.empty((), dtype=dtype).expand(_shape(value) or ())
    return value


def _on_meta(value: Any) -> Any:
    if isinstance(value, list):
        return [_on_meta(each) for each in value]
    if isinstance(value, torch.Tensor):
        return value.to("meta")
    return value


def _check_size(aten: Any, how: Mapping[str, Any]) -> None:
    """Refuse what would take more memory than any constant of a network."""
    meta = {name: _on_meta(value) for name, value in how.items()}
    if any(argument.name == "device" for argument in aten._schema.arguments):
        meta["device"] = torch.device("meta")
    if aten._schema.is_mutable:
        return  # of a tensor that is there
    made = aten(**meta)
    for each in made if isinstance(made, list | tuple) else [made]:
        if isinstance(each, torch.Tensor) and each.numel() > MOST_CONSTANT:
            raise NotUnderstood(f"it makes a constant of {each.numel():,} numbers")


def _of_whole(aten: Any, inputs: Mapping[str, Any]) -> Any:
    """Return what an operator makes of whole numbers: their shape."""
    how = {name: _on_meta(_plain(value)) for name, value in inputs.items()}
    for name in ("device", "layout", "memory_format", "pin_memory"):
        how.pop(name, None)
    made = aten(**how)
    return _shaped(Whole((), torch.int64), made) if not isinstance(made, int | float) else made


def _decomposition(aten: Any, kept: Mapping[str, Any], places: Sequence[Any]) -> Any:
    """Return the graph that torch makes of an operator; None where it makes nothing else of it."""
    from torch.fx.experimental.proxy_tensor import make_fx

    def called(*tensors: torch.Tensor) -> Any:
        def put(value: Any) -> Any:
            if isinstance(value, Ref):
                return tensors[int(value.name)]
            return [put(each) for each in value] if isinstance(value, list) else value

        made = aten(**{name: put(value) for name, value in kept.items()})
        return list(made) if isinstance(made, list | tuple) else [made]

    table = {
        key: function
        for key, function in dict(torch.export.default_decompositions()).items()
        if _base(str(key)) not in RULES.keys() | MOVES | COPIES
    }
    tensors = [_on_meta(_plain(value)) for value in places]
    # of one type, as what depends on the inputs has none here
    tensors = [each.float() if each.is_floating_point() else each for each in tensors]
    graph = make_fx(called, decomposition_table=table, tracing_mode="real")(*tensors).graph
    targets = [str(node.target) for node in graph.nodes if node.op == "call_function"]
    # what is made of itself would be taken apart for ever
    return None if not targets or str(aten) in targets else graph


# --- from graphs of torch.fx ---------------------------------------------------------------------


def nodes_of_fx(graph: torch.fx.Graph, prefix: str = "") -> tuple[list[Node], list[str], list[Any]]:
    """Return the nodes of a graph of torch.fx, the names of its placeholders, and its outputs.

    Parameters
    ----------
    graph : torch.fx.Graph
    prefix : str
        What is put before every name.
    """

    def of(value: Any) -> Any:
        if isinstance(value, torch.fx.Node):
            return Ref(prefix + value.name)
        if isinstance(value, list | tuple):
            return [of(each) for each in value]
        if isinstance(value, slice):
            return value
        return value

    nodes: list[Node] = []
    holders: list[str] = []
    outputs: list[Any] = []
    for node in graph.nodes:
        if node.op == "placeholder":
            holders.append(prefix + node.name)
        elif node.op == "output":
            found = of(node.args[0])
            outputs = found if isinstance(found, list) else [found]
        elif node.op == "call_function":
            target, inputs = _called(node)
            nodes.append(
                Node(
                    prefix + node.name,
                    target,
                    {name: of(value) for name, value in inputs.items()},
                    prefix + node.name,
                )
            )
        else:
            nodes.append(Node(prefix + node.name, str(node.target), {}, prefix + node.name))
    return nodes, holders, outputs


def _called(node: torch.fx.Node) -> tuple[str, dict[str, Any]]:
    """Return the name of an operator and its inputs by name."""
    target = node.target
    if isinstance(target, torch._ops.OpOverload):
        name = str(target)
        return name, bound(target, node.args, node.kwargs)
    module, name = getattr(target, "__module__", ""), getattr(target, "__name__", str(target))
    return f"{module}.{name}", dict(zip("abcdefgh", node.args, strict=False))


def bound(aten: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of an operator by name, with what its schema has for those not given."""
    found: dict[str, Any] = {}
    positional = list(args)
    for argument in aten._schema.arguments:
        if positional and not argument.kwarg_only:
            found[argument.name] = positional.pop(0)
        elif argument.name in kwargs:
            found[argument.name] = kwargs[argument.name]
        elif argument.has_default_value():
            found[argument.name] = argument.default_value
    return found


def program_of(exported: Any, trained: Mapping[str, int], names: Mapping[str, str]) -> Program:
    """Return an exported program as nodes.

    Parameters
    ----------
    exported : torch.export.ExportedProgram
    trained : dict of str to int
        All parameters -> how many numbers each has.
    names : dict of str to str
        Other names of a parameter that has several -> that in `trained`.
    """
    nodes, _, outputs = nodes_of_fx(exported.graph)
    program = Program(nodes, outputs=outputs, parameters=dict(trained))
    kinds = torch.export.graph_signature.InputKind
    places = {node.name: node for node in exported.graph.nodes if node.op == "placeholder"}
    for spec in exported.graph_signature.input_specs:
        name = spec.arg.name
        if spec.kind in (kinds.PARAMETER, kinds.BUFFER, kinds.CONSTANT_TENSOR):
            held = exported.state_dict.get(spec.target)
            if held is None:
                held = exported.constants[spec.target]
            of = (
                () if spec.kind == kinds.CONSTANT_TENSOR else (names.get(spec.target, spec.target),)
            )
            program.constants[name] = Constant(held.detach(), of)
        elif spec.kind == kinds.USER_INPUT:
            value = places[name].meta.get("val")
            if isinstance(value, torch.Tensor):
                program.inputs.append(
                    Input(name, tuple(value.shape), value.is_floating_point(), name)
                )
            else:
                program.numbers[name] = value
    for node in exported.graph.nodes:
        value = node.meta.get("val")
        if node.op == "call_function" and isinstance(value, torch.Tensor):
            program.shapes[node.name] = tuple(value.shape)
    return program
