"""How the layers of a Keras model are wired, from its JSON; nothing in it is run.

A model is a tree: models nest. Where all its layers are passed one after another and are dense
layers with what keeps each feature apart between them, it is a chain; what scales and shifts
features (batch normalisation with its moving statistics, normalisation, rescaling) is part of the
dense layer beside it then.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netkin.network.format.folding import (
    Affine,
    NoChain,
    Numbers,
    folded,
    normalised,
    with_article,
)
from netkin.network.format.model import Layer, Tensor, Transposed

MOST_NESTED = 50
"""Models in models at most."""
MODELS = ("Sequential", "Functional", "Model")
WRAPPERS = {"TimeDistributed": ("layer",), "Bidirectional": ("forward_layer", "backward_layer")}
"""Layers made of other layers -> what Keras 3 calls these in a file."""
INPUT = "InputLayer"
RESHAPES = ("Flatten", "Reshape")
SAME = (
    *(INPUT, "Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout", "AlphaDropout"),
    *("ActivityRegularization", "Identity", *RESHAPES),
)
"""Classes whose outputs are their inputs, once the network is trained."""
ACTIVATIONS = ("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax", "ThresholdedReLU")
AFFINE = ("BatchNormalization", "Normalization", "Rescaling")
FUNCTIONS = (
    *("celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu"),
    *("hard_swish", "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax"),
    *("mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softmax", "softplus"),
    *("softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "swish"),
    *("tanh", "tanh_shrink", "threshold"),
)
"""Activations of Keras that give as many numbers as they take."""
STATISTICS = ("moving_mean", "moving_variance", "mean", "variance")
"""Parameters that no gradient changes: what a layer knows of the rows it was trained on."""
EPSILON = 1e-7
"""`keras.backend.epsilon`, which `Normalization` divides by at least."""

Path = tuple[str, ...]


@dataclass
class Node:
    """A layer, or a model with its layers.

    Attributes
    ----------
    name, kind : str
        Name and class.
    config : dict
    own : bool
        Whether the class is not of Keras but of somebody's own.
    inbound : object
        What the JSON says of where its inputs come from, None in a Sequential model.
    children : list of Node, optional
        Its layers, or those that a wrapper is made of; None for a layer.
    built : list, optional
        The shape of what it takes, with the batch axis, where the JSON says it.
    """

    name: str
    kind: str
    config: dict[str, Any]
    own: bool = False
    inbound: Any = None
    children: list[Node] | None = None
    built: list[Any] | None = None


def parse(entry: Any, depth: int = 0) -> Node:
    """Return a model or a layer of a config.

    Raises
    ------
    NoChain
        It is not written as Keras does.
    """
    if not isinstance(entry, dict) or not isinstance(entry.get("class_name"), str):
        raise NoChain("its config is not written as Keras does")
    if depth > MOST_NESTED:
        raise NoChain(f"its models nest more than {MOST_NESTED} deep")
    kind, config = entry["class_name"], entry.get("config")
    layers = config
    if isinstance(config, dict):
        layers = config.get("layers")
    else:  # Keras before 2.2.3 writes a Sequential model as the list of its layers
        config = {}
    name = entry.get("name", config.get("name"))
    module, registered = entry.get("module"), entry.get("registered_name")
    own = not (
        (module is None or str(module).partition(".")[0] in ("keras", "tf_keras"))
        and registered in (None, kind)
    )
    node = Node(str(name or kind), kind, config, own, entry.get("inbound_nodes"))
    built = entry.get("build_config")
    shape = built.get("input_shape") if isinstance(built, dict) else None
    node.built = shape if isinstance(shape, list) else None
    if kind in MODELS and isinstance(layers, list):
        node.children = [parse(layer, depth + 1) for layer in layers]
    elif kind in WRAPPERS and not own and isinstance(config.get("layer"), dict):
        node.children = _wrapped(kind, config, depth + 1)
    return node


def _wrapped(kind: str, config: Mapping[str, Any], depth: int) -> list[Node]:
    """Return the layers that a wrapper is made of."""
    inner = parse(config["layer"], depth)
    if kind != "Bidirectional":
        return [inner]
    name = inner.name.removeprefix("forward_")
    other = config.get("backward_layer")
    backward = parse(other if isinstance(other, dict) else config["layer"], depth)
    if not isinstance(other, dict):
        backward.name = f"backward_{name}"
    inner.name = f"forward_{name}"
    return [inner, backward]


def leaves(model: Node, path: Path = (), *, unwrapped: bool = True) -> Iterator[tuple[Path, Node]]:
    """Yield all layers that are no models, with the names on the way to them, in their order.

    Of a wrapper those that it is made of, or itself unless `unwrapped`.
    """
    for node in model.children or ():
        if node.children is None or (node.kind in WRAPPERS and not unwrapped):
            yield (*path, node.name), node
        else:
            yield from leaves(node, (*path, node.name), unwrapped=unwrapped)


def parameters(node: Node) -> tuple[str, ...]:
    """Return the names of a layer's variables in their order, trainable ones first.

    Empty where they are not known.
    """
    return () if node.own else _VARIABLES.get(node.kind, _none)(node.config)


def _none(config: Mapping[str, Any]) -> tuple[str, ...]:
    del config
    return ()


def _with_bias(*names: str) -> Callable[[Mapping[str, Any]], tuple[str, ...]]:
    return lambda config: (*names, *(("bias",) if config.get("use_bias", True) else ()))


def _of_scaling(config: Mapping[str, Any]) -> tuple[str, ...]:
    gamma = ("gamma",) if config.get("scale", True) else ()
    return (*gamma, *(("beta",) if config.get("center", True) else ()))


def _of_attention(config: Mapping[str, Any]) -> tuple[str, ...]:
    bias = ("kernel", *(("bias",) if config.get("use_bias", True) else ()))
    parts = ("query", "key", "value", "attention_output")
    return tuple(f"{part}/{role}" for part in parts for role in bias)


_VARIABLES: dict[str, Callable[[Mapping[str, Any]], tuple[str, ...]]] = {
    **dict.fromkeys(
        [
            *("Dense", "Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D"),
            *("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"),
        ],
        _with_bias("kernel"),
    ),
    **dict.fromkeys(
        ["SeparableConv1D", "SeparableConv2D"], _with_bias("depthwise_kernel", "pointwise_kernel")
    ),
    **dict.fromkeys(
        ["SimpleRNN", "LSTM", "GRU", "CuDNNLSTM", "CuDNNGRU"],
        _with_bias("kernel", "recurrent_kernel"),
    ),
    "BatchNormalization": lambda config: (*_of_scaling(config), "moving_mean", "moving_variance"),
    **dict.fromkeys(["LayerNormalization", "GroupNormalization"], _of_scaling),
    "RMSNormalization": lambda config: ("scale",),
    "Normalization": lambda config: (
        () if config.get("mean") is not None else ("mean", "variance", "count")
    ),
    "Embedding": lambda config: ("embeddings",),
    "PReLU": lambda config: ("alpha",),
    "MultiHeadAttention": _of_attention,
}
"""Class -> the names of its variables, by its config."""
OTHER_NAMES = {"depthwise_kernel": "kernel"}
"""What Keras 2 calls a variable of some classes -> what Keras 3 calls it."""


def check_kinds(model: Node) -> None:
    """Raise `NoChain` where a class can be in no chain of dense layers."""
    if model.own or model.children is None:
        raise NoChain(
            f"the model is {with_article(model.kind)}, of a class that says what it does in code"
        )
    for path, node in leaves(model, unwrapped=False):
        if node.own or node.kind not in ("Dense", *SAME, *ACTIVATIONS, *AFFINE):
            code = ", whose code is not run" if node.own or node.kind == "Lambda" else ""
            raise NoChain(f"layer '{'/'.join(path)}' is {with_article(node.kind)}{code}")


def chain_of(model: Node, tensors: Mapping[Path, Mapping[str, Tensor]]) -> list[Layer]:
    """Return the dense layers of a model that is a chain of them.

    Parameters
    ----------
    model : Node
    tensors : dict
        Names on the way to a layer -> name of a variable -> tensor.

    Raises
    ------
    NoChain
        The model is none.
    """
    check_kinds(model)
    building = _Building()
    for path, node in _passed(model, ()):
        building.pass_layer("/".join(path), node, tensors.get(path, {}))
    return building.layers()


def _passed(model: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    """Yield the layers in the order in which inputs pass them."""
    for node in _order(model, path):
        if node.children is None:
            yield (*path, node.name), node
        else:
            yield from _passed(node, (*path, node.name))


def _order(model: Node, path: Path) -> Sequence[Node]:
    nodes = model.children or []
    names = Counter(node.name for node in nodes)
    twice = [name for name, number in names.items() if number > 1]
    if twice:
        raise NoChain(f"two layers are called '{twice[0]}'")
    if model.kind == "Sequential":
        return nodes
    where = f"the model '{'/'.join(path)}' in it" if path else "it"
    ends = []
    for key, what in (("input_layers", "inputs"), ("output_layers", "outputs")):
        found = _ends(model.config.get(key))
        if len(found) != 1:
            raise NoChain(f"{where} has {len(found)} {what}")
        ends += found
    by_name = {node.name: node for node in nodes}
    before = {node.name: _before(node) for node in nodes}
    order = [ends[1]]
    while before.get(order[-1]):
        source = before[order[-1]]
        if source in order:
            raise NoChain(f"layer '{source}' is passed twice")
        order.append(source)
    if order[-1] != ends[0] or by_name.get(ends[0], model).kind != INPUT:
        raise NoChain(f"layer '{order[-1]}' does not come from the input")
    left = [node.name for node in nodes if node.name not in order]
    if left:
        raise NoChain(f"layer '{left[0]}' is not on the way from the input to the output")
    return [by_name[name] for name in reversed(order)]


def _ends(value: Any) -> list[str]:
    """Return the names of input or output layers, of what Keras 2 and 3 write."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return []
    if len(value) == 3 and isinstance(value[0], str):
        return [value[0]]
    return [name for part in value for name in _ends(part)]


def _before(node: Node) -> str:
    """Return the name of the layer whose outputs a layer of a Functional model takes, "" for none.

    Keras 2 writes a call as a list ``[[name, node, tensor, arguments]]``, Keras 3 as a dictionary
    with the tensors in ``args``.
    """
    calls = node.inbound
    if not calls and node.kind == INPUT:
        return ""
    if not isinstance(calls, list) or not calls:
        raise NoChain(f"what layer '{node.name}' takes is not said")
    if len(calls) > 1:
        raise NoChain(f"layer '{node.name}' is passed {len(calls)} times")
    call = calls[0]
    sources: list[Any]
    if isinstance(call, dict):
        sources, options = call.get("args") or [], call.get("kwargs") or {}
        if len(sources) == 1 and isinstance(sources[0], list):
            sources = sources[0]
        sources = [_history(source) for source in sources]
    else:
        entries = call if isinstance(call, list) else []
        sources = [part[0] if isinstance(part, list) and part else None for part in entries]
        options = next(
            (part[3] for part in entries if isinstance(part, list) and len(part) > 3 and part[3]),
            {},
        )
    if len(sources) != 1:
        raise NoChain(
            f"layer '{node.name}', {with_article(node.kind)}, takes {len(sources)} tensors"
        )
    if not isinstance(sources[0], str) or not isinstance(options, dict):
        raise NoChain(f"what layer '{node.name}' takes is not said")
    more = [key for key, value in options.items() if value is not None and value is not False]
    if more:
        raise NoChain(f"layer '{node.name}' is called with '{more[0]}'")
    return sources[0]


def _history(source: Any) -> Any:
    """Return the name of the layer that a tensor of Keras 3 comes from."""
    config = source.get("config") if isinstance(source, dict) else None
    history = config.get("keras_history") if isinstance(config, dict) else None
    return history[0] if isinstance(history, list) and history else None


@dataclass
class _Dense:
    """A dense layer and what is scaled before and after it."""

    kernel: Tensor
    bias: Tensor | None
    before: Affine | None
    after: Affine | None = None

    def layer(self) -> Layer:
        weight: Any = Transposed(self.kernel)
        bias = self.bias[:] if self.bias else None
        made_of = (self.kernel.name, *([self.bias.name] if self.bias else []))
        if self.before or self.after:
            before, after = self.before or Affine(), self.after or Affine()
            made_of += before.made_of + after.made_of
            if bias is not None:
                after = Affine(shift=bias.astype(np.float64)).then(after)
            weight, bias = folded(weight, before, after, double=self.kernel.dtype == "float64")
        return Layer(weight, bias, made_of)


@dataclass
class _Building:
    """A chain as far as it was passed.

    Attributes
    ----------
    dense : list of _Dense
    waiting : Affine, optional
        What scales the inputs of the next dense layer.
    last : str
        The layer that `waiting` is of, for messages.
    linear : bool
        Whether nothing but scaling was met since the last dense layer.
    rank : int, optional
        Axes of what is passed, the rows counted; None where it is not known.
    """

    dense: list[_Dense] = field(default_factory=list)
    waiting: Affine | None = None
    last: str = ""
    linear: bool = False
    rank: int | None = None

    def pass_layer(self, name: str, node: Node, tensors: Mapping[str, Tensor]) -> None:
        """Take in a layer."""
        self._see_shape(node)
        if node.kind == "Dense":
            self._pass_dense(name, node, tensors)
        elif node.kind in AFFINE:
            affine = self._affine(name, node, tensors)
            if self.linear and self.waiting is None:
                self._check_features(name, affine, self._width)
                dense = self.dense[-1]
                dense.after = affine if dense.after is None else dense.after.then(affine)
            else:
                if self.waiting is not None and self.waiting.size > 1:
                    self._check_features(name, affine, self.waiting.size)
                self.waiting = affine if self.waiting is None else self.waiting.then(affine)
                self.last = f"layer '{name}', {with_article(node.kind)},"
        elif node.kind in ACTIVATIONS:
            if node.kind != "Activation" or not self._is_linear(name, node):
                self._pass_activation()
            if node.kind == "Softmax" and not self._is_last_axis(node.config.get("axis", -1)):
                raise NoChain(f"layer '{name}' is a Softmax over another axis than the features")
        elif node.kind == "Flatten":
            self.rank = 2
        elif node.kind == "Reshape":
            target = node.config.get("target_shape")
            self.rank = len(target) + 1 if isinstance(target, list) else None

    def layers(self) -> list[Layer]:
        """Return the layers, after the last one was passed."""
        if self.waiting is not None:
            raise NoChain(f"{self.last} is followed by no dense layer that can take it in")
        if not self.dense:
            raise NoChain("it has no dense layers")
        return [dense.layer() for dense in self.dense]

    @property
    def _width(self) -> int:
        return self.dense[-1].kernel.shape[1]

    def _see_shape(self, node: Node) -> None:
        if self.rank is None:
            for key in ("batch_shape", "batch_input_shape"):
                shape = node.config.get(key)
                if isinstance(shape, list):
                    self.rank = len(shape)

    def _pass_dense(self, name: str, node: Node, tensors: Mapping[str, Tensor]) -> None:
        kernel, bias = tensors.get("kernel"), tensors.get("bias")
        if kernel is None or len(kernel.shape) != 2 or 0 in kernel.shape:
            raise NoChain(f"layer '{name}' has no matrix 'kernel' of floating-point numbers")
        if node.config.get("use_bias", True) and (bias is None or bias.shape != kernel.shape[1:]):
            raise NoChain(f"layer '{name}' has no 'bias' of {kernel.shape[1]} numbers")
        if self.dense and self._width != kernel.shape[0]:
            raise NoChain(
                f"layer '{name}' takes {kernel.shape[0]} inputs, but the layer before it has "
                f"{self._width} units"
            )
        if self.waiting is not None and self.waiting.size not in (1, kernel.shape[0]):
            raise NoChain(f"{self.last} scales other numbers than layer '{name}' takes")
        self.dense.append(_Dense(kernel, bias, self.waiting))
        self.waiting = None
        self.linear = True
        if not self._is_linear(name, node):
            self._pass_activation()

    def _pass_activation(self) -> None:
        if self.waiting is not None:
            raise NoChain(f"{self.last} stands between two activations, with no dense layer")
        self.linear = False

    def _is_linear(self, name: str, node: Node) -> bool:
        """Tell whether an activation changes nothing; it must be one of Keras."""
        return activation_of(name, node.config.get("activation")) == "linear"

    def _is_last_axis(self, axis: Any) -> bool:
        if isinstance(axis, list) and len(axis) == 1:
            axis = axis[0]
        return axis == -1 or (self.rank is not None and axis == self.rank - 1)

    def _check_features(self, name: str, affine: Affine, width: int) -> None:
        if affine.size not in (1, width):
            raise NoChain(f"layer '{name}' scales {affine.size} numbers where {width} are")

    def _affine(self, name: str, node: Node, tensors: Mapping[str, Tensor]) -> Affine:
        if node.kind == "Rescaling":
            scale = numbers(name, node.config.get("scale", 1.0))
            shift = numbers(name, node.config.get("offset", 0.0))
            _check_sizes(name, scale, shift)
            return Affine(scale, shift if shift.any() else None)
        axis = node.config.get("axis", -1)
        everywhere = node.kind == "Normalization" and axis in (None, [])
        if not everywhere and not self._is_last_axis(axis):
            kind = with_article(node.kind)
            raise NoChain(f"layer '{name}' is {kind} over another axis than the features")
        wanted = parameters(node)
        given = {role: tensor for role, tensor in tensors.items() if role != "count"}
        missing = [role for role in wanted if role not in given and role != "count"]
        if missing:
            raise NoChain(f"layer '{name}' has no '{missing[0]}' in the file")
        # before any is read
        _check_lengths(name, [math.prod(tensor.shape) for tensor in given.values()])
        values = {role: _vector(name, tensor[:]) for role, tensor in given.items()}
        made_of = tuple(tensor.name for tensor in given.values())
        if node.kind == "Normalization" and not given:
            values = {role: numbers(name, node.config.get(role)) for role in ("mean", "variance")}
        _check_sizes(name, *values.values())
        if node.kind == "BatchNormalization":
            found = normalised(
                values.get("gamma", np.ones(1)),
                values.get("beta", np.zeros(1)),
                values["moving_mean"],
                values["moving_variance"],
                numbers(name, node.config.get("epsilon", 1e-3)),
            )
            return found._replace(made_of=made_of)
        with np.errstate(all="ignore"):
            deviation = np.maximum(np.sqrt(values["variance"]), EPSILON)
            if node.config.get("invert"):
                return Affine(deviation, values["mean"], made_of)
            return Affine(1 / deviation, -values["mean"] * (1 / deviation), made_of)


def activation_of(name: str, found: Any) -> str:
    """Return what a config calls an activation, a function or a layer of Keras.

    Raises
    ------
    NoChain
        It is none of Keras.
    """
    if isinstance(found, dict):
        inner = found.get("config")
        module = str(found.get("module", "keras")).partition(".")[0]
        if module == "keras" and found.get("class_name") in ACTIVATIONS[1:]:
            return str(found["class_name"])
        if module in ("keras", "builtins") and isinstance(inner, str):
            found = inner
    if found is None:
        return "linear"
    if not isinstance(found, str) or found not in FUNCTIONS:
        what = f" '{found}'" if isinstance(found, str) else ""
        raise NoChain(f"layer '{name}' has an activation{what} that is not of Keras")
    return found


def numbers(name: str, value: Any) -> Numbers:
    """Return a number or a list of them, as a config has it."""
    if isinstance(value, dict):  # how Keras 3 writes an array
        value = value.get("config", {})
        value = value.get("value") if isinstance(value, dict) else None
    try:
        return _vector(name, np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError, OverflowError):
        raise NoChain(f"layer '{name}' has a setting that is no number") from None


def _vector(name: str, array: Any) -> Numbers:
    if not array.size or array.size != max(array.shape, default=1):
        raise NoChain(f"layer '{name}' scales by a table of shape {array.shape}")
    return np.ravel(array).astype(np.float64)


def _check_sizes(name: str, *vectors: Numbers) -> None:
    _check_lengths(name, [each.size for each in vectors])


def _check_lengths(name: str, lengths: Sequence[int]) -> None:
    sizes = sorted({*lengths} - {1})
    if len(sizes) > 1:
        raise NoChain(f"layer '{name}' scales {sizes[0]} and shifts {sizes[1]} numbers")
