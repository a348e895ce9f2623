"""Operators of a wiring, by which a `netkin.graph.builder.Builder` is led from layer to layer.

A file of wiring names them (`netkin.network.format.wiring_file`), and so does the table of families
(`netkin.network.format.families`). Adding one is a function whose keyword-only parameters are its
options, and a line in `OPERATORS`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from netkin.errors import allowed, shown
from netkin.graph.blocks import BlockGraph
from netkin.graph.builder import NOTHING, Builder, NotUnderstood, Parameter, Value, is_new
from netkin.graph.lazy import LazyMatrix
from netkin.network.format.model import Model, Tensor

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
HALF = "half"
"""A padding by half a window on either side, rounded down."""
Size = Annotated[int, Ge(1)]


@dataclass(frozen=True)
class Layer:
    """One operator and what it reads.

    Attributes
    ----------
    name : str
        By which later ones read its result.
    op : str
        A key of `OPERATORS`.
    inputs : tuple of str
        Names of layers before it, or of inputs of the network.
    options : dict of str to object
        See the operator.
    activation : str
        What its units pass then; "" for nothing.
    label : str
        How groups and messages call it; its name by default.
    """

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    activation: str = ""
    label: str = ""


class Tensors:
    """The tensors of a model, and which of them were asked for.

    Parameters
    ----------
    tensors : dict of str to Tensor
        Statistics of norms among them.
    prefix : str
        What may stand before a name that is asked for.

    Attributes
    ----------
    asked : set of str
    """

    def __init__(self, tensors: Mapping[str, Tensor], prefix: str = "") -> None:
        self._tensors, self._prefix = tensors, prefix
        self.asked: set[str] = set()

    def find(self, name: str) -> Tensor:
        """Return a tensor."""
        if name not in self._tensors:
            name = name.removeprefix(self._prefix)
        if name not in self._tensors:
            raise NotUnderstood(
                f"no tensor is called {shown(name)}. {allowed(name, self._tensors)}".rstrip(".")
            )
        self.asked.add(name)
        return self._tensors[name]

    def numbers(self, name: str) -> Parameter:
        """Return a parameter in memory."""
        tensor = self.find(name)
        return Parameter(tensor[:], (tensor.name,))

    def matrix(self, name: str, *, turned: bool = False) -> Parameter:
        """Return a matrix that stays in its file; of shape (n_in, n_out) where it is turned."""
        tensor = self.find(name)
        if len(tensor.shape) != 2:
            raise NotUnderstood(f"{shown(name)} has the shape {tensor.shape}; allowed is a matrix")
        dtype = np.float64 if tensor.dtype == "float64" else np.float32
        return Parameter(LazyMatrix(tensor, turned=turned, dtype=dtype), (tensor.name,))

    def vector(self, name: str | None, size: int) -> Parameter | None:
        """Return one number for each channel; None for no name."""
        if name is None:
            return None
        found = self.numbers(name)
        if found.array.shape != (size,):
            raise NotUnderstood(f"{shown(name)} has the shape {found.array.shape}, not ({size},)")
        return found


class At(NamedTuple):
    """Where an operator stands.

    Attributes
    ----------
    builder : Builder
    tensors : Tensors
    name : str
        Of what it makes.
    sole : bool
        Whether nothing else reads its first input.
    """

    builder: Builder
    tensors: Tensors
    name: str
    sole: bool


# --- layers with weights ------------------------------------------------------------------------


def linear(
    at: At,
    x: Any,
    *,
    weight: str,
    bias: str | None = None,
    transposed: bool = False,
    axis: int = -1,
) -> Value:
    """Fully connected, of a weight of shape (n_out, n_in), or (n_in, n_out) where transposed."""
    matrix = at.tensors.matrix(weight, turned=transposed)
    given = at.tensors.vector(bias, matrix.array.shape[0])
    return at.builder.linear(x, matrix, given, name=at.name, axis=_axis(at, x, axis))


def convolution(
    at: At,
    x: Any,
    *,
    weight: str,
    bias: str | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: Size = 1,
) -> Value:
    """Convolve over any number of axes, by a weight of shape (n_out, n_in // groups, *kernel)."""
    return _convolved(at, x, weight, bias, stride, padding, dilation, groups)


def transposed_convolution(
    at: At,
    x: Any,
    *,
    weight: str,
    bias: str | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: Size = 1,
    output_padding: Any = 0,
) -> Value:
    """Convolve by a weight of shape (n_in, n_out // groups, *kernel)."""
    return _convolved(at, x, weight, bias, stride, padding, dilation, groups, output_padding)


def _convolved(
    at: At,
    x: Any,
    weight: str,
    bias: str | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    output_padding: Any = None,
) -> Value:
    kernel = at.tensors.numbers(weight)
    axes = kernel.array.ndim - 2
    if axes < 1 or len(x.shape) != axes + 2:
        raise NotUnderstood(
            f"{at.name} has weights of shape {kernel.array.shape} for units of shape {x.shape}"
        )
    transposed = output_padding is not None
    if x.shape[1] % groups or kernel.array.shape[0] % groups:
        raise NotUnderstood(f"{at.name} has {groups} groups for {x.shape[1]} channels")
    n_out = kernel.array.shape[1] * groups if transposed else kernel.array.shape[0]
    if (kernel.array.shape[0] if transposed else kernel.array.shape[1] * groups) != x.shape[1]:
        raise NotUnderstood(
            f"{at.name} has weights of shape {kernel.array.shape} for units of shape {x.shape}"
        )
    return at.builder.convolution(
        x,
        kernel,
        at.tensors.vector(bias, n_out),
        name=at.name,
        stride=_sizes("stride", stride, axes),
        padding=_padding(padding, kernel.array.shape[2:]),
        dilation=_sizes("dilation", dilation, axes),
        groups=groups,
        transposed=transposed,
        output_padding=_sizes("output_padding", output_padding, axes, 0) if transposed else (),
    )


def embedding(at: At, shape: tuple[int, ...], *, weight: str) -> Value:
    """Take the rows of a table that an input of whole numbers chooses."""
    return at.builder.embedding(at.name, at.tensors.matrix(weight), shape)


def recurrent(
    at: At,
    x: Any,
    kind: str,
    weight_ih: str,
    weight_hh: str,
    biases: Sequence[str | None],
    axis: int,
    reverse: bool,
    reset_after: bool = True,
) -> Value:
    """Follow a recurrent layer in one direction; the features stand along an axis."""
    x = at.builder.units_of(x, at.name)
    if len(x.shape) not in (2, 3):
        raise NotUnderstood(f"{at.name} reads units of shape {x.shape}; allowed is one sequence")
    axis = _axis(at, x, axis)
    into, back = (at.tensors.numbers(name) for name in (weight_ih, weight_hh))
    rows = GATES[kind] * (back.array.shape[1] if back.array.ndim == 2 else 0)
    wanted = {"weight_ih": (rows, x.shape[axis]), "weight_hh": (rows, rows // GATES[kind])}
    for option, found in (("weight_ih", into), ("weight_hh", back)):
        if found.array.shape != wanted[option]:
            raise NotUnderstood(
                f"{option}, {shown(found.names[0])}, has the shape {found.array.shape}, not "
                f"{wanted[option]}, for {x.shape[axis]} inputs"
            )
    given = [at.tensors.vector(name, rows) for name in biases if name is not None]
    sequence = at.builder.moved(
        x, lambda a: np.moveaxis(a, axis, -1).reshape(-1, a.shape[axis]) if a.ndim == 3 else a
    )
    state = at.builder.recurrent(
        sequence,
        kind,
        into,
        back,
        [each for each in given if each is not None],
        name=at.name,
        reverse=reverse,
        reset_after=reset_after,
    )
    if len(x.shape) == 2:
        return state
    turned: Value = at.builder.moved(state, lambda a: np.moveaxis(a[None], -1, axis))
    return turned


def lstm(
    at: At,
    x: Any,
    *,
    weight_ih: str,
    weight_hh: str,
    bias_ih: str | None = None,
    bias_hh: str | None = None,
    axis: int = -1,
    reverse: bool = False,
) -> Value:
    """LSTM in one direction; gates in torch's order, weights of shape (4 * n, n_in)."""
    return recurrent(at, x, "lstm", weight_ih, weight_hh, (bias_ih, bias_hh), axis, reverse)


def rnn(
    at: At,
    x: Any,
    *,
    weight_ih: str,
    weight_hh: str,
    bias_ih: str | None = None,
    bias_hh: str | None = None,
    axis: int = -1,
    reverse: bool = False,
) -> Value:
    """Elman's network in one direction, weights of shape (n, n_in) and (n, n)."""
    return recurrent(at, x, "rnn", weight_ih, weight_hh, (bias_ih, bias_hh), axis, reverse)


def gru(
    at: At,
    x: Any,
    *,
    weight_ih: str,
    weight_hh: str,
    bias_ih: str | None = None,
    bias_hh: str | None = None,
    axis: int = -1,
    reverse: bool = False,
    reset_after: bool = True,
) -> Value:
    """GRU in one direction; gates in torch's order, weights of shape (3 * n, n_in)."""
    return recurrent(
        at, x, "gru", weight_ih, weight_hh, (bias_ih, bias_hh), axis, reverse, reset_after
    )


def parameter(at: At, *, weight: str) -> Value:
    """Units that no input changes, such as a class token; of the shape of the tensor."""
    return at.builder.constant(at.tensors.numbers(weight), at.name)


# --- norms and what is done to each number --------------------------------------------------------


def batch_norm(
    at: At,
    x: Any,
    *,
    running_mean: str,
    running_var: str,
    weight: str | None = None,
    bias: str | None = None,
    eps: Annotated[float, Ge(0)] = 1e-5,
    axis: int = 1,
) -> Any:
    """Normalise by statistics of the training, a part of the layer before or after it."""
    x = at.builder.units_of(x, at.name)
    axis = _axis(at, x, axis)
    size = x.shape[axis]
    mean, variance, gamma, beta = (
        None if found is None else found.array.astype(np.float64)
        for found in (at.tensors.vector(n, size) for n in (running_mean, running_var, weight, bias))
    )
    assert mean is not None and variance is not None
    if not (variance + eps > 0).all():
        raise NotUnderstood(f"{shown(running_var)} has a variance that is not above 0")
    scale = (1.0 if gamma is None else gamma) / np.sqrt(variance + eps)
    shift = (0.0 if beta is None else beta) - mean * scale
    names = [() if name is None else (name,) for name in (weight, bias)]
    return at.builder.affine(
        x,
        Parameter(_along(scale, len(x.shape), axis), names[0]),
        Parameter(_along(shift, len(x.shape), axis), names[1]),
        at.name,
        sole=at.sole,
    )


def layer_norm(
    at: At, x: Any, *, weight: str | None = None, bias: str | None = None, axis: int = -1
) -> Value:
    """Normalise by mean and deviation along one axis."""
    return _normalised(at, x, weight, bias, axis, centred=True)


def rms_norm(
    at: At, x: Any, *, weight: str | None = None, bias: str | None = None, axis: int = -1
) -> Value:
    """Normalise by the root of the mean square along one axis."""
    return _normalised(at, x, weight, bias, axis, centred=False)


def group_norm(
    at: At, x: Any, *, weight: str | None = None, bias: str | None = None, axis: int = 1
) -> Value:
    """Normalise by statistics of groups of channels, or of each one (instance norm)."""
    # how many groups there are is not asked for, so none of their channels may change places
    return _normalised(at, x, weight, bias, axis, centred=False, parts=None)


def _normalised(
    at: At,
    x: Any,
    weight: str | None,
    bias: str | None,
    axis: int,
    *,
    centred: bool,
    parts: int | None = 1,
) -> Value:
    x = at.builder.units_of(x, at.name)
    axis = _axis(at, x, axis)
    scale, shift = (
        None if found is None else Parameter(_along(found.array, len(x.shape), axis), found.names)
        for found in (at.tensors.vector(name, x.shape[axis]) for name in (weight, bias))
    )
    return at.builder.normalised(
        x,
        scale,
        shift,
        at.name,
        centred=axis if centred else None,
        parts=parts,
        channel_axis=axis,
    )


def scale(
    at: At,
    x: Any,
    *,
    weight: str | None = None,
    by: float | None = None,
    axis: int | None = None,
) -> Any:
    """Multiply by a tensor, along one axis or as numpy broadcasts it, or by a number."""
    if (weight is None) == (by is None):
        raise NotUnderstood("it has neither or both of 'weight' and 'by'; allowed is one of them")
    if weight is None:
        factor = Parameter(np.array(float(by or 0.0)))
    else:
        factor = _broadcast(at, x, weight, axis)
    return at.builder.affine(x, factor, None, at.name, sole=at.sole)


def shift(at: At, x: Any, *, weight: str, axis: int | None = None) -> Any:
    """Add a tensor, along one axis or as numpy broadcasts it, such as learned positions."""
    x = at.builder.units_of(x, at.name)
    found = at.builder.affine(x, None, _broadcast(at, x, weight, axis), at.name, sole=at.sole)
    return found if found.is_plain else at.builder.own_units(found, at.name)


def activation(at: At, x: Any) -> Any:
    """Nothing but what its ``activation`` says."""
    return x


# --- layers without weights -----------------------------------------------------------------------


def add(at: At, *inputs: Any) -> Any:
    """Sum of what it reads."""
    _check_shapes(at, inputs)
    return at.builder.add(inputs, at.name)


def multiply(at: At, *inputs: Any) -> Any:
    """Product of what it reads, as of a gate."""
    _check_shapes(at, inputs)
    return at.builder.multiply(inputs, at.name)


def concatenate(at: At, *inputs: Any, axis: int = 1) -> Value:
    """One behind the other."""
    axis = _axis(at, inputs[0], axis)
    rests = {tuple(np.delete(each.shape, axis)) for each in inputs if len(each.shape) > axis}
    if len({len(each.shape) for each in inputs}) > 1 or len(rests) > 1:
        shapes = ", ".join(str(each.shape) for each in inputs)
        raise NotUnderstood(f"{at.name} joins units of shapes {shapes} along axis {axis}")
    return at.builder.concatenate(inputs, axis, at.name)


def max_pool(
    at: At,
    x: Any,
    *,
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil: bool = False,
) -> Value:
    """Largest of each window; the stride is the window by default."""
    return _pooled(at, x, "max", kernel, stride, padding, dilation, ceil, True)


def mean_pool(
    at: At,
    x: Any,
    *,
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil: bool = False,
    count_padding: bool = True,
) -> Value:
    """Mean of each window; the stride is the window by default."""
    return _pooled(at, x, "mean", kernel, stride, padding, 1, ceil, count_padding)


def _pooled(
    at: At,
    x: Any,
    kind: str,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil: bool,
    count_padding: bool,
) -> Value:
    axes = len(x.shape) - 2
    if axes < 1:
        raise NotUnderstood(f"{at.name} reads units of shape {x.shape}, which have no grid")
    window = _sizes("kernel", kernel, axes)
    return at.builder.pool(
        x,
        name=at.name,
        kernel=window,
        stride=window if stride is None else _sizes("stride", stride, axes),
        padding=_padding(padding, window),
        dilation=_sizes("dilation", dilation, axes),
        kind=kind,
        ceil=ceil,
        count_padding=count_padding,
    )


def mean(at: At, x: Any, *, axes: Any, keep: bool = False) -> Value:
    """Mean over axes, such as global pooling."""
    found = axes if isinstance(axes, list | tuple) else [axes]
    if not found or not all(_is_whole(one) for one in found):
        raise NotUnderstood(
            f"axes: found {shown(axes)}; allowed is an axis, or a list of axes, the batch's is 0"
        )
    places = sorted({_axis(at, x, one) for one in found})
    found = at.builder.mean(x, places, name=at.name, keepdims=keep)
    return at.builder.units_of(found, at.name)


def upsample(at: At, x: Any, *, factor: Any) -> Value:
    """Each number repeated along the axes of the grid (nearest neighbour)."""
    return at.builder.upsample(x, _sizes("factor", factor, len(x.shape) - 2), at.name)


def attention(
    at: At, q: Any, k: Any, v: Any, *, heads: Size, kv_heads: Size | None = None
) -> Value:
    """Mix tokens by scores: a head's output at a token is joined to its value at that token.

    Of queries, keys and values of shape (1, n_tokens, heads * n_channels); keys and values may
    have fewer heads, each of which is read by equally many.
    """
    shared = heads if kv_heads is None else kv_heads
    fits = heads % shared == 0 and q.shape[-1] % heads == 0
    if not fits or v.shape[-1] % shared or k.shape[-1] != q.shape[-1] // heads * shared:
        raise NotUnderstood(
            f"{at.name} has {heads} heads and {shared} of keys and values for {q.shape[-1]}, "
            f"{k.shape[-1]} and {v.shape[-1]} units"
        )

    def by_head(x: Any, n: int) -> Any:
        return at.builder.moved(
            x,
            lambda a: a.reshape(*a.shape[:-1], n, -1).swapaxes(-2, -3).repeat(heads // n, axis=-3),
        )

    keys = at.builder.moved(by_head(k, shared), lambda a: a.swapaxes(-1, -2))
    scores = at.builder.scores(by_head(q, heads), keys)
    found: Value = at.builder.moved(
        at.builder.attended(scores, by_head(v, shared), at.name),
        lambda a: a.swapaxes(-2, -3).reshape(*a.shape[:-3], a.shape[-2], -1),
    )
    return found


# --- what only moves numbers ----------------------------------------------------------------------


def flatten(at: At, x: Any, *, start: Size = 1) -> Any:
    """All axes from one on as one."""
    return at.builder.moved(x, lambda a: a.reshape(*a.shape[:start], -1))


def reshape(at: At, x: Any, *, shape: Any) -> Any:
    """Another shape, without the batch axis; -1 for what is left."""
    whole = isinstance(shape, list | tuple) and all(_is_whole(one) for one in shape)
    given = list(shape) if whole else []
    known = prod(one for one in given if one != -1)
    left = given.count(-1)
    total = prod(x.shape)
    if not given or left > 1 or known < 1 or (total % known if left else total != known):
        raise NotUnderstood(f"shape: found {shown(shape)}, which {total} units do not fill")
    return at.builder.moved(x, lambda a: a.reshape(1, *given))


def transpose(at: At, x: Any, *, order: Any) -> Any:
    """Put the axes into another order, that of the batch, 0, first."""
    rank = len(x.shape)
    whole = isinstance(order, list | tuple) and all(_is_whole(one) for one in order)
    if not whole or sorted(order) != list(range(rank)) or order[0] != 0:
        raise NotUnderstood(
            f"order: found {shown(order)}; allowed are the axes 0 to {rank - 1}, 0 first"
        )
    return at.builder.moved(x, lambda a: a.transpose(order))


def slice_(
    at: At,
    x: Any,
    *,
    axis: int = 1,
    start: int | None = None,
    stop: int | None = None,
    step: Size = 1,
) -> Any:
    """Take a part along one axis."""
    place = _axis(at, x, axis)
    part = (*[slice(None)] * place, slice(start, stop, step))
    if not len(range(*part[-1].indices(x.shape[place]))):
        raise NotUnderstood(f"{at.name} takes nothing of {x.shape[place]} units")
    return at.builder.moved(x, lambda a: a[part])


def take(at: At, x: Any, *, index: int, axis: int = 1) -> Any:
    """Take what stands at one place of an axis, without the axis, such as the class token."""
    place = _axis(at, x, axis)
    if not -x.shape[place] <= index < x.shape[place]:
        raise NotUnderstood(f"{at.name} takes number {index} of {x.shape[place]}")
    return at.builder.moved(x, lambda a: a.take(index, axis=place))


def pad(at: At, x: Any, *, padding: Any) -> Value:
    """Zeros around the axes of the grid."""
    x = at.builder.own_units(at.builder.units_of(x, at.name), at.name)
    sides = _padding(padding, x.shape[2:])
    units = np.pad(x.units, [(0, 0), (0, 0), *sides], constant_values=NOTHING)
    return Value(units, activation=x.activation)


class Operator(NamedTuple):
    """An operator.

    Attributes
    ----------
    function : callable
        ``(at, *inputs, **options) -> value``.
    least, most : int
        How many inputs it reads; -1 for any number.
    reads : {"units", "grid", "numbers"}
        What it takes an input of the network for: units, whose channels stand last; a grid of
        channels, which stand first; whole numbers.
    """

    function: Callable[..., Any]
    least: int = 1
    most: int = 1
    reads: Literal["units", "grid", "numbers"] = "units"


OPERATORS = {
    "linear": Operator(linear),
    "convolution": Operator(convolution, reads="grid"),
    "transposed_convolution": Operator(transposed_convolution, reads="grid"),
    "embedding": Operator(embedding, reads="numbers"),
    "rnn": Operator(rnn),
    "lstm": Operator(lstm),
    "gru": Operator(gru),
    "parameter": Operator(parameter, 0, 0),
    "batch_norm": Operator(batch_norm, reads="grid"),
    "layer_norm": Operator(layer_norm),
    "rms_norm": Operator(rms_norm),
    "group_norm": Operator(group_norm, reads="grid"),
    "scale": Operator(scale),
    "shift": Operator(shift),
    "activation": Operator(activation),
    "add": Operator(add, 2, -1),
    "multiply": Operator(multiply, 2, -1),
    "concatenate": Operator(concatenate, 1, -1),
    "max_pool": Operator(max_pool, reads="grid"),
    "mean_pool": Operator(mean_pool, reads="grid"),
    "mean": Operator(mean),
    "upsample": Operator(upsample, reads="grid"),
    "attention": Operator(attention, 3, 3),
    "flatten": Operator(flatten),
    "reshape": Operator(reshape),
    "transpose": Operator(transpose),
    "slice": Operator(slice_),
    "take": Operator(take),
    "pad": Operator(pad, reads="grid"),
}
"""Name -> operator."""


def built(
    layers: Sequence[Layer],
    inputs: Mapping[str, tuple[int, ...]],
    model: Model,
    *,
    tensors: Tensors,
    unused: Mapping[str, str],
    sizes: Mapping[str, int],
    notes: Sequence[str] = (),
) -> BlockGraph:
    """Return the graph of layers.

    Parameters
    ----------
    layers : sequence of Layer
        In the order in which inputs pass them, their options checked.
    inputs : dict of str to tuple of int
        Name of an input -> its shape without the batch axis.
    model : Model
    tensors : Tensors
    unused : dict of str to str
        Name of a tensor that is left out -> why; every other one must be asked for.
    sizes : dict of str to int
        What symbolic axes were taken as.
    notes : sequence of str
        What a person may want to know of the translation.

    Raises
    ------
    NotUnderstood
        A layer has no rule for what it reads, or a tensor is not used.
    """
    builder = Builder()
    builder.notes += notes
    made: dict[str, Any] = {}
    # a value that is read once can become a part of the layer that reads it
    readers = Counter(name for layer in layers for name in layer.inputs)
    alone: dict[str, bool] = {}
    last: Any = None
    for layer in layers:
        operator = OPERATORS[layer.op]
        given: list[Any] = []
        for name in layer.inputs:
            if name in inputs and operator.reads == "numbers":
                given.append((1, *inputs[name]))
                continue
            if operator.reads == "numbers":
                raise NotUnderstood(f"{layer.name} reads '{name}'; allowed is an input")
            if name not in made:
                shape = (1, *inputs[name])
                made[name] = builder.input(name, shape, 1 if operator.reads == "grid" else None)
            given.append(made[name])
        label = layer.label or layer.name
        sole = bool(layer.inputs) and alone.get(layer.inputs[0], False)
        before = builder.n_units
        try:
            last = operator.function(At(builder, tensors, label, sole), *given, **layer.options)
            if layer.activation:
                last = builder.activation(last, layer.activation, label)
        except NotUnderstood as why:
            text = str(why)
            why = why if text.startswith(label) else NotUnderstood(f"{label}: {text}")
            why.understood = builder.finish()
            raise why from None
        made[layer.name] = last
        # a slice or an activation has the units of what it reads, which others may read as well
        alone[layer.name] = readers[layer.name] == 1 and (
            is_new(last, before) or all(alone.get(name, False) for name in layer.inputs)
        )
    _check_all_used(model, tensors, unused)
    return builder.finish(
        {name: prod(one.shape) for name, one in model.tensors.items() if not one.same_as},
        dict(sizes),
        {name: why for name, why in unused.items() if name in model.tensors},
        outputs=[last],
    )


def _check_all_used(model: Model, tensors: Tensors, unused: Mapping[str, str]) -> None:
    """Raise `NotUnderstood` for a parameter of which nothing was said."""
    used = tensors.asked | set(unused)
    used |= {one.same_as for name, one in model.tensors.items() if name in used and one.same_as}
    left = [
        name
        for name, one in model.tensors.items()
        if name not in used and (one.same_as or name) not in used
    ]
    if left:
        raise NotUnderstood(
            f"nothing is said of {', '.join(map(shown, left[:5]))}"
            f"{f' and {len(left) - 5} others' if len(left) > 5 else ''}; every parameter must be "
            "used, or left out by a wiring file (leave_out)"
        )


# --- what options say -----------------------------------------------------------------------------


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _axis(at: At, x: Any, axis: int) -> int:
    """Return an axis counted from 0, which is the batch's."""
    rank = len(x.shape)
    if not -rank < axis < rank or axis % rank == 0:
        raise NotUnderstood(
            f"{at.name} has the axis {axis} of units of shape {x.shape}; allowed are 1 to "
            f"{rank - 1}, or from the end -1 on"
        )
    return axis % rank


def _sizes(option: str, found: Any, axes: int, least: int = 1) -> list[int]:
    """Return a whole number for each axis of a grid."""
    each = list(found) if isinstance(found, list | tuple) else [found] * axes
    if len(each) != axes or not all(_is_whole(one) and one >= least for one in each):
        raise NotUnderstood(
            f"{option}: found {shown(found)}; allowed is a whole number from {least} on, or a list "
            f"of one for each of {axes} axes"
        )
    return each


def _padding(found: Any, window: Sequence[int]) -> list[tuple[int, int]]:
    """Return zeros before and after each axis of a grid."""
    each = list(found) if isinstance(found, list | tuple) else [found] * len(window)
    if found == HALF:
        each = [size // 2 for size in window]
    pairs = [(one, one) if _is_whole(one) else one for one in each]
    fits = all(
        isinstance(pair, list | tuple)
        and len(pair) == 2
        and all(_is_whole(side) and side >= 0 for side in pair)
        for pair in pairs
    )
    if len(pairs) != len(window) or not fits:
        raise NotUnderstood(
            f"padding: found {shown(found)}; allowed is '{HALF}' of the window, a whole number "
            f"from 0 on, or a list of one, or of a pair (before, after), for each of "
            f"{len(window)} axes"
        )
    return [(pair[0], pair[1]) for pair in pairs]


def _along(array: NDArray[Any], rank: int, axis: int) -> NDArray[Any]:
    """Return a vector that broadcasts along one axis."""
    return array.reshape([-1 if place == axis else 1 for place in range(rank)])


def _broadcast(at: At, x: Any, weight: str, axis: int | None) -> Parameter:
    """Return a tensor that broadcasts to the shape of a value."""
    found = at.tensors.numbers(weight)
    array = found.array
    if axis is not None:
        place = _axis(at, x, axis)
        if array.shape != (x.shape[place],):
            raise NotUnderstood(
                f"{shown(weight)} has the shape {array.shape}, not ({x.shape[place]},)"
            )
        array = _along(array, len(x.shape), place)
    try:
        fits = np.broadcast_shapes(array.shape, x.shape) == x.shape
    except ValueError:
        fits = False
    if not fits:
        raise NotUnderstood(
            f"{shown(weight)} has the shape {array.shape} for units of shape {x.shape}"
        )
    return Parameter(array, found.names)


def _check_shapes(at: At, inputs: Sequence[Any]) -> None:
    try:
        np.broadcast_shapes(*(each.shape for each in inputs))
    except ValueError:
        shapes = ", ".join(str(each.shape) for each in inputs)
        raise NotUnderstood(f"{at.name} reads units of shapes {shapes}") from None
