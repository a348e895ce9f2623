"""The graph of a Keras model of any layers, from its JSON and its arrays; nothing in it is run.

A model is followed as Keras calls it: layer by layer in a Sequential one, by the calls that the
JSON lists in a Functional one, in which a layer may be passed more than once. Each class of layer
has one rule, a function in `RULES`. Values have the batch axis, of size 1, and the axes that Keras
has, channels last unless a layer says otherwise.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import zip_longest
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.errors import shown
from netkin.graph.blocks import BlockGraph
from netkin.graph.builder import NOTHING, Builder, NotUnderstood, Parameter, Value, is_new
from netkin.network.format.folding import NoChain, with_article
from netkin.network.format.input_shape import MOST_POINTS, InputShape
from netkin.network.format.keras_wiring import (
    EPSILON,
    INPUT,
    MODELS,
    Node,
    Path,
    activation_of,
    numbers,
)
from netkin.network.format.leave_out import REASON, check_left_out, stand_in
from netkin.network.format.model import Tensor

CHANNELS_LAST = "channels_last"
SLOPES = "slopes of an activation"
"""Why the parameters of a PReLU make no unit."""
UNTRAINED = (
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout"),
    *("GaussianDropout", "GaussianNoise", "ActivityRegularization", "Identity", "Masking"),
    *("RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom", "RandomContrast"),
    *("RandomBrightness", "RandomHeight", "RandomWidth"),
)
"""Classes whose outputs are their inputs, once the network is trained."""
POINTWISE = (
    *UNTRAINED,
    *("Dense", "Activation", "ReLU", "LeakyReLU", "ELU", "ThresholdedReLU", "Rescaling"),
)
"""Classes that treat a step of a sequence as they treat one input."""
FUNCTIONS_OF_TENSORFLOW = {
    **dict.fromkeys(["math.add", "__operators__.add"], "Add"),
    **dict.fromkeys(["math.subtract", "__operators__.sub"], "Subtract"),
    **dict.fromkeys(["math.multiply", "__operators__.mul"], "Multiply"),
    **dict.fromkeys(["math.truediv", "math.divide", "__operators__.truediv"], "Divide"),
}
"""What Keras 2 calls an operator between layers -> its rule."""


class _Source(NamedTuple):
    """A tensor that a layer gave: its name, which of its calls, which of its outputs."""

    layer: str
    call: int
    tensor: int


class _Read(NamedTuple):
    """A value, and whether nothing else reads the units that it stands in."""

    value: Any
    sole: bool


@dataclass
class _Input:
    """An input, whose units are made when a layer reads them: an embedding reads none."""

    name: str
    shape: tuple[int, ...]
    channel_axis: int
    value: Value | None = None

    def units(self, builder: Builder, layout: Sequence[int] | None = None) -> Value:
        """Return its units, laid out as an array of another shape is, where one is given."""
        if self.value is None:
            shape = (1, *layout) if layout is not None else self.shape
            value = builder.input(self.name, shape, self.channel_axis % len(shape))
            self.value = builder.moved(value, lambda array: array.reshape(self.shape))
        return self.value


@dataclass
class Call:
    """A layer that is passed once.

    Attributes
    ----------
    builder : Builder
    name : str
        Names on the way to the layer.
    node : Node
    path : tuple of str
    inputs : list
        Values, and numbers.
    tensors : dict of str to Tensor
        Its variables.
    sole : bool
        Whether nothing else reads the units of its inputs.
    options : dict of str to object
        What it is called with beside inputs.
    model : _Model
        Follows the layers of a wrapper.
    """

    builder: Builder
    name: str
    node: Node
    path: Path
    inputs: list[Any]
    tensors: Mapping[str, Tensor]
    sole: bool
    options: dict[str, Any]
    model: "_Model"

    @property
    def x(self) -> Value:
        """The only input."""
        if len(self.inputs) != 1:
            raise NotUnderstood(f"takes {len(self.inputs)} tensors")
        return self.value(self.inputs[0])

    def value(self, x: Any) -> Value:
        """Return an input as a value with units."""
        if isinstance(x, _Input):
            return x.units(self.builder)
        return self.builder.units_of(x, f"layer '{self.name}'")

    @property
    def config(self) -> dict[str, Any]:
        """Settings of the layer."""
        return self.node.config

    def parameter(self, *roles: str) -> Parameter:
        """Return a variable by one of the names that it may have."""
        for role in roles:
            if role in self.tensors:
                tensor = self.tensors[role]
                return Parameter(tensor[:], (tensor.name,))
        raise NotUnderstood(f"has no '{roles[0]}' of floating-point numbers in the file")

    def bias(self, role: str = "bias") -> Parameter | None:
        """Return the bias where the layer has one."""
        return self.parameter(role) if self.config.get("use_bias", True) else None

    def sizes(self, key: str, count: int, default: int | None = None) -> tuple[int, ...]:
        """Return a setting that is one number, or one for each axis."""
        found = self.config.get(key, default)
        if found is None:
            found = default
        each = tuple(found) if isinstance(found, list | tuple) else (found,) * count
        whole = all(isinstance(one, int) and 0 < one < MOST_POINTS for one in each)
        if len(each) != count or not whole:
            raise NotUnderstood(f"has {key} {shown(found)}")
        return tuple(int(one) for one in each if one is not None)

    @property
    def rank(self) -> int:
        """Axes of the grid, as the name of the class says."""
        return next(n for n in (1, 2, 3) if f"{n}D" in self.node.kind)

    def channel_axis(self, x: Value) -> int:
        """Return where the channels are, with as many axes as the class has."""
        if len(x.shape) != self.rank + 2:
            raise NotUnderstood(f"takes units of shape {x.shape[1:]}")
        return 1 if self.channels_first else self.rank + 1

    @property
    def channels_first(self) -> bool:
        """Whether the channels come before the grid."""
        return bool(self.config.get("data_format") == "channels_first")

    def grid(self, x: Value) -> tuple[int, ...]:
        """Return the sizes of the axes that a window moves over."""
        axis = self.channel_axis(x)
        return tuple(n for k, n in enumerate(x.shape) if k not in (0, axis))

    def literal(self, key: str, default: float) -> float:
        """Return a setting that is one number."""
        found = self.config.get(key)
        return float(numbers(self.name, default if found is None else found)[0])


Rule = Callable[[Call], Any]
RULES: dict[str, Rule] = {}
"""Class of a layer -> what it makes of its inputs: a value, or a list of them."""


def _rule(*kinds: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, rule))
        return rule

    return register


def graph_of(
    model: Node,
    tensors: Mapping[Path, Mapping[str, Tensor]],
    shape: InputShape,
    sizes: Mapping[str, int],
) -> BlockGraph:
    """Return the graph of a model.

    Parameters
    ----------
    model : Node
    tensors : dict
        Names on the way to a layer -> name of a variable -> tensor.
    shape : InputShape
    sizes : dict of str to int
        How many numbers each parameter has.

    Raises
    ------
    NotUnderstood
        A layer has no rule, or an axis of an input no size.
    NetkinError
        What is to be left out is not there.
    """
    check_left_out(shape.leave_out, _names(model))
    found = _Model(Builder(), tensors, shape)
    if model.own or model.children is None:
        kind = with_article(model.kind)
        raise NotUnderstood(f"the model is {kind}, of a class that says what it does in code")
    try:
        outputs = found.outputs(model)
        return found.finish(sizes, outputs)
    except NotUnderstood as why:
        why.understood = found.finish(sizes)
        raise


@dataclass
class _Model:
    """Follows the layers of a model."""

    builder: Builder
    tensors: Mapping[Path, Mapping[str, Tensor]]
    shape: InputShape
    sizes: dict[str, int] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)
    given: dict[Path, list[Any]] = field(default_factory=dict)

    def finish(self, sizes: Mapping[str, int], outputs: Sequence[Value] = ()) -> BlockGraph:
        """Return the graph as far as it is made."""
        return self.builder.finish(dict(sizes), self.sizes, self.unused, outputs)

    def outputs(self, model: Node) -> list[Value]:
        """Return what a model makes of its own inputs."""
        inputs = self._inputs(model, _channel_axis(model))
        found = self.pass_model(model, (), [_Read(each, True) for each in inputs])
        outputs = []
        for each, _ in found:
            value = each.units(self.builder) if isinstance(each, _Input) else each
            # what is pending is a part of the network
            value = self.builder.units_of(value, "the output")
            outputs.append(self.builder.own_units(value, "the output"))
        return outputs

    def pass_model(self, model: Node, path: Path, inputs: Sequence[_Read]) -> list[_Read]:
        """Return the outputs of a model."""
        nodes = model.children or []
        twice = [name for name, n in Counter(node.name for node in nodes).items() if n > 1]
        if twice:
            raise NotUnderstood(f"two layers are called '{'/'.join((*path, twice[0]))}'")
        if model.kind != "Sequential":
            return self._pass_functional(model, path, inputs)
        passed = list(inputs)
        for node, reader in zip_longest(nodes, nodes[1:]):
            self._note_shape((*path, node.name), reader)
            if node.kind != INPUT:
                passed = self.pass_layer(node, path, passed, {}, lambda tensor: 1)
        return passed

    def _pass_functional(self, model: Node, path: Path, inputs: Sequence[_Read]) -> list[_Read]:
        nodes = model.children or []
        names = {node.name for node in nodes}
        calls = {node.name: list(_calls(node, names, path)) for node in nodes}
        ends = _sources_in(model.config.get("output_layers"), names)
        begins = _sources_in(model.config.get("input_layers"), names)
        if not ends or len(begins) != len(inputs):
            where = f"the model '{'/'.join(path)}'" if path else "the model"
            raise NotUnderstood(f"{where} has {len(begins)} inputs and {len(ends)} outputs")
        reads = Counter(ends)
        by_name = {node.name: node for node in nodes}
        for name, each in calls.items():
            for args, options in each:
                sources = [a for a in (*args, *options.values()) if isinstance(a, _Source)]
                reads.update(sources)
                if len(sources) == 1:
                    self._note_shape((*path, sources[0].layer), by_name[name])
        # Keras counts the calls of a model in a model from 1, that of its own being the first
        begin = dict.fromkeys(names, 0)
        for source in reads:
            beyond = source.call - len(calls[source.layer]) + 1
            if calls[source.layer]:
                begin[source.layer] = max(begin[source.layer], beyond)
        known: dict[_Source, _Read] = {}
        for source, (value, sole) in zip(begins, inputs, strict=True):
            known[source] = _Read(value, sole and reads[source] == 1)
        waiting = [(node, k, *call) for node in nodes for k, call in enumerate(calls[node.name])]
        while waiting:
            later = []
            for node, k, args, options in waiting:
                sources = [a for a in (*args, *options.values()) if isinstance(a, _Source)]
                if any(source not in known for source in sources):
                    later.append((node, k, args, options))
                    continue
                at = begin[node.name] + k

                def count(tensor: int, name: str = node.name, at: int = at) -> int:
                    return reads[_Source(name, at, tensor)]

                made = self.pass_layer(
                    node,
                    path,
                    [known.get(a, _Read(a, True)) if isinstance(a, _Source) else a for a in args],
                    {
                        key: known.get(a, a) if isinstance(a, _Source) else a
                        for key, a in options.items()
                    },
                    count,
                )
                for tensor, read in enumerate(made):
                    known[_Source(node.name, at, tensor)] = read
            if len(later) == len(waiting):
                name = "/".join((*path, later[0][0].name))
                raise NotUnderstood(f"layer '{name}' takes what no layer before it gives")
            waiting = later
        missing = [end.layer for end in ends if end not in known]
        if missing:
            raise NotUnderstood(f"layer '{missing[0]}' gives no output that the model names")
        return [known[end] for end in ends]

    def pass_layer(
        self,
        node: Node,
        path: Path,
        inputs: Sequence[Any],
        options: Mapping[str, Any],
        count: Callable[[int], int],
    ) -> list[_Read]:
        """Return what a layer or a model in a model makes of inputs.

        Parameters
        ----------
        inputs : sequence of _Read, or of numbers
        options : dict of str to _Read or object
        count : callable
            Returns how often an output is read.
        """
        path = (*path, node.name)
        name = "/".join(path)
        given = [each for each in (*inputs, *options.values()) if isinstance(each, _Read)]
        if any(each.value is None for each in given):
            raise NotUnderstood(f"layer '{name}' reads a state that has no unit of its own")
        if not {*self.shape.leave_out}.isdisjoint((name, node.name, node.kind)):
            return [_Read(self._stand_in(node, path, name, given), sole=False)]
        if node.children is not None and node.kind in MODELS:
            _refuse_options(name, options)
            found = self.pass_model(node, path, list(given))
            return [
                _Read(value, sole and count(tensor) == 1)
                for tensor, (value, sole) in enumerate(found)
            ]
        sole = all(each.sole for each in given)
        before = self.builder.n_units
        try:
            made = self._made(node, path, name, inputs, options, sole)
        except NotUnderstood as why:
            why.node = name if why.node is None else why.node
            raise
        return [
            _Read(each, count(tensor) == 1 and (sole or is_new(each, before)))
            for tensor, each in enumerate(made)
        ]

    def _note_shape(self, path: Path, reader: Node | None) -> None:
        """Keep the shape of what a layer gives, where the layer that reads it alone says it."""
        if reader is not None and reader.built and isinstance(reader.built[0], int | None):
            self.given[path] = reader.built

    def _stand_in(self, node: Node, path: Path, name: str, given: Sequence[_Read]) -> Any:
        """Return what stands for what a layer gives that is left out."""
        for where, tensors in self.tensors.items():
            if where[: len(path)] == path:
                self.unused |= {tensor.name: REASON for tensor in tensors.values()}
        values = [
            each.value.units(self.builder) if isinstance(each.value, _Input) else each.value
            for each in given
        ]
        said = node.config.get("output_shape")
        shape = [None, *said] if isinstance(said, list) else self.given.get(path)
        if shape is not None:
            shape = [1, *(each if isinstance(each, int) else None for each in shape[1:])]
        what = f"layer '{name}' ({node.kind})"
        return stand_in(
            self.builder,
            what,
            [(value, value.shape) for value in values if isinstance(value, Value)],
            shape,
        )

    def _made(
        self,
        node: Node,
        path: Path,
        name: str,
        inputs: Sequence[Any],
        options: Mapping[str, Any],
        sole: bool,
    ) -> list[Any]:
        what = f"layer '{name}', {with_article(node.kind)},"
        values = [each.value if isinstance(each, _Read) else each for each in inputs]
        kind = node.kind
        if kind == "TFOpLambda":
            function = node.config.get("function")
            kind = FUNCTIONS_OF_TENSORFLOW.get(str(function), f"function '{function}'")
            more = {key: options[key] for key in ("y",) if key in options}
            values += [each.value if isinstance(each, _Read) else each for each in more.values()]
            options = {key: each for key, each in options.items() if key not in ("y", "name")}
        rule = None if node.own else RULES.get(kind)
        if rule is None:
            code = ", whose code is not run" if node.own or kind == "Lambda" else ""
            raise NotUnderstood(
                f"layer '{name}' is {with_article(node.kind)}{code}; it has no rule"
            )
        if kind != "MultiHeadAttention":
            _refuse_options(name, options)
        plain = {
            key: each.value if isinstance(each, _Read) else each for key, each in options.items()
        }
        call = Call(
            self.builder, name, node, path, values, self.tensors.get(path, {}), sole, plain, self
        )
        try:
            made = rule(call)
        except NotUnderstood as why:
            text = str(why)
            if text.startswith(("layer ", "axis ", "input ")):
                raise
            raise NotUnderstood(f"{what} {text}") from why
        except NoChain as why:
            raise NotUnderstood(str(why)) from why
        except (ArithmeticError, LookupError, MemoryError, TypeError, ValueError) as error:
            # settings and sizes that Keras would not have written
            found = " ".join(str(error).split())[:200]
            raise NotUnderstood(f"{what} does not fit what it takes ({found})") from error
        return made if isinstance(made, list) else [made]

    # --- inputs ---------------------------------------------------------------------------------

    def _inputs(self, model: Node, channel_axis: int) -> list[_Input]:
        found = list(_declared(model))
        return [
            self._input(name, declared, channel_axis, len(found) == 1) for name, declared in found
        ]

    def _input(self, name: str, declared: Any, channel_axis: int, only: bool) -> _Input:
        """Return an input with the sizes that the file or the user says."""
        known = list(declared[1:]) if isinstance(declared, list | tuple) and declared else None
        given = self.shape.of(name) if only else self.shape.inputs.get(name)
        if known is None and given is None:
            raise NotUnderstood(
                f"input '{name}' has no shape in the file; say it, as '{name}=28x28x1'"
            )
        if (
            known is not None
            and given is not None
            and (
                len(given) != len(known)
                or any(one not in (None, other) for one, other in zip(known, given, strict=True))
            )
        ):
            raise NotUnderstood(
                f"input '{name}' has the shape {_text(known)} in the file and was given "
                f"{_text(given)}"
            )
        sizes = list(given) if given is not None else known or []
        for axis, size in enumerate(sizes, 1):
            if size is None:
                raise NotUnderstood(
                    f"axis {axis} of input '{name}' ({_text(known or [])}) has no size in the "
                    f"file; say the shape of the input, as '{name}="
                    f"{'x'.join(str(n or 128) for n in sizes)}'"
                )
            if not isinstance(size, int) or size < 1:
                raise NotUnderstood(f"input '{name}' has the shape {_text(sizes)}")
            if known is None or known[axis - 1] is None:
                self.sizes[f"axis {axis} of {name}"] = size
        if prod(sizes) > MOST_POINTS:
            raise NotUnderstood(f"input '{name}' has {prod(sizes):,} numbers")
        return _Input(name, (1, *sizes), channel_axis)


def _names(model: Node, path: Path = ()) -> Iterator[str]:
    """Yield how a user may call the layers of a model, or their class."""
    for node in model.children or ():
        yield from ("/".join((*path, node.name)), node.name, node.kind)
        yield from _names(node, (*path, node.name))


def _refuse_options(name: str, options: Mapping[str, Any]) -> None:
    more = [key for key, value in options.items() if value is not None and value is not False]
    if more:
        raise NotUnderstood(f"layer '{name}' is called with '{more[0]}'")


def _text(sizes: Sequence[Any]) -> str:
    return " x ".join(str(size) for size in sizes) or "of a single number"


def _channel_axis(model: Node) -> int:
    """Return where the channels of an input are."""
    first = any(
        node.config.get("data_format") == "channels_first"
        for node in (model.children or ())
        if node.children is None
    ) or any(_channel_axis(node) == 1 for node in model.children or () if node.children)
    return 1 if first else -1


def _declared(model: Node) -> Iterator[tuple[str, Any]]:
    """Yield the names of the inputs of a model, and their shapes with the batch axis."""
    nodes = model.children or []
    if model.kind != "Sequential":
        by_name = {node.name: node for node in nodes}
        for source in _sources_in(model.config.get("input_layers"), set(by_name)):
            yield source.layer, _shape_of(by_name[source.layer])
        return
    shape = next((s for s in map(_shape_of, (*nodes[:1], model)) if s is not None), None)
    if shape is None and nodes and nodes[0].children and nodes[0].kind in MODELS:
        yield from _declared(nodes[0])
    elif nodes:
        name = nodes[0].name
        yield name if nodes[0].kind == INPUT else f"{name}_input", shape


def _shape_of(node: Node) -> Any:
    keys = ("batch_shape", "batch_input_shape", "build_input_shape")
    shapes = (node.config.get(key) for key in keys)
    return next((shape for shape in shapes if isinstance(shape, list | tuple)), None)


# --- what the JSON says of calls ------------------------------------------------------------


def _calls(node: Node, names: set[str], path: Path) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Yield the inputs and options of each call of a layer, as sources and numbers."""
    calls = node.inbound
    if not calls:
        if node.kind != INPUT:
            name = "/".join((*path, node.name))
            raise NotUnderstood(f"what layer '{name}' takes is not said")
        return
    for call in calls if isinstance(calls, list) else [None]:
        if isinstance(call, dict):
            args = list(_flat(call.get("args") or []))
            options = call.get("kwargs") or {}
            if not isinstance(options, dict):
                raise NotUnderstood(f"what layer '{node.name}' takes is not said")
            inputs = [_source_3(arg) for arg in args]
            found = {key: _source_3(each) for key, each in options.items()}
        elif isinstance(call, list):
            inputs, found = [], {}
            entries = [call] if call and isinstance(call[0], str) else call
            for entry in entries:
                if not isinstance(entry, list) or len(entry) < 3:
                    raise NotUnderstood(f"what layer '{node.name}' takes is not said")
                constant = entry[0] == "_CONSTANT_VALUE"
                inputs.append(entry[2] if constant else _source_2(entry[:3], names))
                if len(entry) > 3 and isinstance(entry[3], dict):
                    found |= {key: _source_2(each, names) for key, each in entry[3].items()}
        else:
            raise NotUnderstood(f"what layer '{node.name}' takes is not said")
        for each in (*inputs, *found.values()):
            if isinstance(each, _Source) and each.layer not in names:
                raise NotUnderstood(f"layer '{node.name}' takes what layer '{each.layer}' gives")
        yield inputs, found


def _flat(args: Any) -> Iterator[Any]:
    """Yield what lists of lists hold, and dictionaries of them in the order of their keys."""
    if isinstance(args, list):
        for each in args:
            yield from _flat(each)
    elif isinstance(args, dict) and "class_name" not in args:
        for key in sorted(args):
            yield from _flat(args[key])
    else:
        yield args


def _source_2(entry: Any, names: set[str]) -> Any:
    """Return the source that Keras 2 writes as a list, or what is none."""
    if (
        isinstance(entry, list)
        and len(entry) == 3
        and isinstance(entry[0], str)
        and all(isinstance(each, int) for each in entry[1:])
    ):
        return _Source(*entry)
    return entry


def _source_3(entry: Any) -> Any:
    """Return the source that Keras 3 writes as a dictionary, or what is none."""
    config = entry.get("config") if isinstance(entry, dict) else None
    history = config.get("keras_history") if isinstance(config, dict) else None
    return entry if history is None else _source_2(list(history), set())


def _sources_in(value: Any, names: set[str]) -> list[_Source]:
    """Return the inputs or outputs of a model, of what Keras 2 and 3 write."""
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    found = _source_2(value, names)
    if isinstance(found, _Source):
        return [found] if found.layer in names else []
    if not isinstance(value, list):
        return []
    return [source for each in value for source in _sources_in(each, names)]


# --- layers with weights --------------------------------------------------------------------


def _activated(call: Call, x: Value, key: str = "activation") -> Any:
    kind = activation_of(call.name, call.config.get(key))
    return x if kind == "linear" else call.builder.activation(x, kind, call.name)


@_rule("Dense")
def _dense(call: Call) -> Any:
    kernel = call.parameter("kernel")
    if kernel.array.ndim != 2:
        raise NotUnderstood(f"has a kernel of shape {kernel.array.shape}")
    weight = Parameter(kernel.array.T, kernel.names)
    return _activated(call, call.builder.linear(call.x, weight, call.bias(), name=call.name))


def _around(call: Call, sizes: Sequence[int], reach: Sequence[int], stride: Sequence[int]) -> Any:
    """Return the zeros before and after each axis, as TensorFlow puts them.

    With padding ``same`` there are ``ceil(size / stride)`` windows, and of an odd number of zeros
    one more at the end (https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2).
    """
    how = call.config.get("padding", "valid")
    if how == "valid":
        return [(0, 0)] * len(sizes)
    if how == "causal" and len(sizes) == 1:
        return [(reach[0] - 1, 0)]
    if how != "same":
        raise NotUnderstood(f"has padding {shown(how)}")
    found = []
    for size, width, step in zip(sizes, reach, stride, strict=True):
        total = max((-(-size // step) - 1) * step + width - size, 0)
        found.append((total // 2, total - total // 2))
    return found


def _convolved(
    call: Call,
    x: Value,
    weight: Parameter,
    bias: Parameter | None,
    groups: int,
    part: str = "",
) -> Value:
    stride, dilation = (
        call.sizes("strides", call.rank, 1),
        call.sizes("dilation_rate", call.rank, 1),
    )
    reach = _reach(weight.array.shape[2:], dilation)
    return call.builder.convolution(
        x,
        weight,
        bias,
        name=call.name + part,
        stride=stride,
        padding=_around(call, call.grid(x), reach, stride),
        dilation=dilation,
        groups=groups,
        channel_axis=call.channel_axis(x),
    )


def _reach(kernel: Sequence[int], dilation: Sequence[int]) -> list[int]:
    return [step * (width - 1) + 1 for width, step in zip(kernel, dilation, strict=True)]


def _outputs_first(kernel: Parameter) -> Parameter:
    """Return a kernel (..., n_in, n_out) as (n_out, n_in, ...)."""
    return Parameter(np.moveaxis(kernel.array, (-1, -2), (0, 1)), kernel.names)


def _depthwise(kernel: Parameter) -> Parameter:
    """Return a kernel (..., n_in, multiplier) as (n_in * multiplier, 1, ...)."""
    array = np.moveaxis(kernel.array, (-2, -1), (0, 1))
    return Parameter(array.reshape(-1, 1, *array.shape[2:]), kernel.names)


@_rule("Conv1D", "Conv2D", "Conv3D")
def _convolution(call: Call) -> Any:
    (groups,) = call.sizes("groups", 1, 1)
    weight = _outputs_first(call.parameter("kernel"))
    return _activated(call, _convolved(call, call.x, weight, call.bias(), groups))


@_rule("DepthwiseConv1D", "DepthwiseConv2D")
def _depthwise_convolution(call: Call) -> Any:
    x = call.x
    weight = _depthwise(call.parameter("kernel", "depthwise_kernel"))
    groups = x.shape[call.channel_axis(x)]
    return _activated(call, _convolved(call, x, weight, call.bias(), groups))


@_rule("SeparableConv1D", "SeparableConv2D")
def _separable_convolution(call: Call) -> Any:
    x = call.x
    axis = call.channel_axis(x)
    depthwise = _depthwise(call.parameter("depthwise_kernel"))
    inner = _convolved(call, x, depthwise, None, x.shape[axis], " depthwise")
    pointwise = _outputs_first(call.parameter("pointwise_kernel"))
    ones = (1,) * call.rank
    found = call.builder.convolution(
        inner,
        pointwise,
        call.bias(),
        name=call.name,
        stride=ones,
        padding=[(0, 0)] * call.rank,
        dilation=ones,
        channel_axis=axis,
    )
    return _activated(call, found)


@_rule("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def _transposed_convolution(call: Call) -> Any:
    x = call.x
    kernel = _outputs_first(call.parameter("kernel"))  # the last axis is the inputs' here
    stride, dilation = (
        call.sizes("strides", call.rank, 1),
        call.sizes("dilation_rate", call.rank, 1),
    )
    extra = call.config.get("output_padding")
    same = call.config.get("padding", "valid") == "same"
    reach = _reach(kernel.array.shape[2:], dilation)
    padding, more = [], []
    for at, (size, step, width) in enumerate(zip(call.grid(x), stride, reach, strict=True)):
        if extra is None:
            length = size * step + (0 if same else max(width - step, 0))
        else:
            each = extra[at] if isinstance(extra, list | tuple) else int(extra)
            length = (size - 1) * step + width - (2 * (width // 2) if same else 0) + each
        # as the gradient of the convolution that makes `size` of `length`
        total = max((size - 1) * step + width - length, 0)
        padding.append((total // 2, total - total // 2))
        more.append(length - ((size - 1) * step + width - total))
    _around(call, call.grid(x), reach, stride)  # refuses what is neither valid nor same
    found = call.builder.convolution(
        x,
        kernel,
        call.bias(),
        name=call.name,
        stride=stride,
        padding=padding,
        dilation=dilation,
        transposed=True,
        output_padding=more,
        channel_axis=call.channel_axis(x),
    )
    return _activated(call, found)


@_rule("Embedding")
def _embedding(call: Call) -> Any:
    (given,) = call.inputs
    if not isinstance(given, _Input):
        raise NotUnderstood("takes what is no input of whole numbers")
    return call.builder.embedding(call.name, call.parameter("embeddings"), given.shape)


# --- recurrence -----------------------------------------------------------------------------

RECURRENT = {
    "SimpleRNN": ("rnn", (0,)),
    **dict.fromkeys(["LSTM", "CuDNNLSTM"], ("lstm", (0, 1, 2, 3))),
    **dict.fromkeys(["GRU", "CuDNNGRU"], ("gru", (1, 0, 2))),
}
"""Class -> what `Builder.recurrent` calls it, and which of Keras's gates it wants in which order:
Keras has input, forget, cell, output; update, reset, new."""


def _states(call: Call, backwards: bool) -> Value:
    """Return the states of a recurrent layer, (n_steps, n_units), in the order of time."""
    kind, order = RECURRENT[call.node.kind]
    x = call.x
    if len(x.shape) != 3:
        raise NotUnderstood(f"takes units of shape {x.shape[1:]}")
    into, back = call.parameter("kernel"), call.parameter("recurrent_kernel")
    n = back.array.shape[0]
    if back.array.shape != (n, len(order) * n) or into.array.shape[1:] != back.array.shape[1:]:
        raise NotUnderstood(f"has kernels of shape {into.array.shape} and {back.array.shape}")

    def gates(of: Parameter, array: NDArray[Any]) -> Parameter:
        parts = [array[k * n : (k + 1) * n] for k in order]
        return Parameter(np.concatenate(parts), of.names)

    bias = call.bias()
    # that of the inputs, and where there are two that of the recurrent weights
    rows = [] if bias is None else bias.array.reshape(-1, len(order) * n)
    after = bool(call.config.get("reset_after", call.node.kind == "CuDNNGRU"))
    biases = [gates(bias, row) for row in rows] if bias is not None else []
    return call.builder.recurrent(
        call.builder.moved(x, lambda array: array[0]),
        kind,
        gates(into, into.array.T),
        gates(back, back.array.T),
        biases,
        name=call.name,
        reverse=backwards,
        reset_after=after or len(biases) == 2,
        activation=activation_of(call.name, call.config.get("activation", "tanh")),
    )


def _of_sequence(call: Call, states: Value, backwards: bool) -> Value:
    """Return all states as a batch, or that of the last step that is taken."""
    if call.config.get("return_sequences"):
        found: Value = call.builder.moved(states, lambda array: array[None])
    else:
        last = 0 if backwards else -1
        found = call.builder.moved(states, lambda array: array[None, last])
    return found


@_rule(*RECURRENT)
def _recurrent(call: Call) -> Any:
    backwards = bool(call.config.get("go_backwards"))
    states = _states(call, backwards)
    found = _of_sequence(call, states, backwards)
    if backwards and call.config.get("return_sequences"):
        found = call.builder.moved(found, lambda array: array[:, ::-1])
    if not call.config.get("return_state"):
        return found
    last = call.builder.moved(states, lambda array: array[None, 0 if backwards else -1])
    cell = [None] if RECURRENT[call.node.kind][0] == "lstm" else []
    return [found, last, *cell]


@_rule("Bidirectional")
def _bidirectional(call: Call) -> Any:
    forward, backward = call.node.children or (None, None)
    if forward is None or backward is None or forward.kind not in RECURRENT:
        raise NotUnderstood("wraps what is no recurrent layer of Keras")
    if backward.kind not in RECURRENT or forward.config.get("return_state"):
        raise NotUnderstood("wraps layers that are not alike")
    first = bool(forward.config.get("go_backwards"))
    parts = []
    for node, backwards in ((forward, first), (backward, not first)):
        path = (*call.path, node.name)
        inner = replace(
            call,
            node=node,
            path=path,
            name="/".join(path),
            tensors=call.model.tensors.get(path, {}),
        )
        parts.append(_of_sequence(inner, _states(inner, backwards), backwards))
    how = call.config.get("merge_mode", "concat")
    merges: dict[Any, Callable[[], Any]] = {
        "concat": lambda: call.builder.concatenate(parts, -1, call.name),
        "sum": lambda: call.builder.add(parts, call.name),
        "ave": lambda: call.builder.add(parts, call.name, [0.5, 0.5]),
        "mul": lambda: call.builder.multiply(parts, call.name),
        None: lambda: parts,
    }
    if how not in merges:
        raise NotUnderstood(f"has merge_mode {shown(how)}")
    return merges[how]()


@_rule("TimeDistributed")
def _time_distributed(call: Call) -> Any:
    (inner,) = call.node.children or (None,)
    if inner is None:
        raise NotUnderstood("wraps what is no layer of Keras")
    x = call.x
    if inner.kind in POINTWISE and not inner.own:
        return call.model.pass_layer(inner, call.path, [_Read(x, call.sole)], {}, _once)[0].value
    # the same layers at each step
    steps = []
    for step in range(x.shape[1]):
        part = call.builder.moved(x, partial(_step, step))
        found = call.model.pass_layer(inner, call.path, [_Read(part, False)], {}, _once)
        if len(found) != 1:
            raise NotUnderstood("wraps a model of several outputs")
        value = call.builder.units_of(found[0].value, call.name)
        steps.append(call.builder.moved(value, lambda array: array[:, None]))
    return call.builder.concatenate(steps, 1, call.name)


def _step(step: int, array: NDArray[Any]) -> NDArray[Any]:
    return array[:, step]


def _once(tensor: int) -> int:
    del tensor
    return 1


@_rule("MultiHeadAttention")
def _attention(call: Call) -> Any:
    options = dict(call.options)
    values = [*call.inputs, *(options.pop(key) for key in ("query",) if key in options)]
    for key in ("value", "key"):
        each = options.pop(key, None)
        if each is not None:
            values.append(each)
    options.pop("use_causal_mask", None)
    _refuse_options(call.name, options)
    if not 2 <= len(values) <= 3 or call.config.get("attention_axes") not in (None, [1], (1,)):
        raise NotUnderstood("takes other than queries, values and keys of one sequence each")
    query, value = values[:2]
    key = values[2] if len(values) > 2 else value
    heads = [
        _heads(call, given, part)
        for given, part in ((query, "query"), (key, "key"), (value, "value"))
    ]
    scores = call.builder.scores(
        heads[0], call.builder.moved(heads[1], lambda array: np.swapaxes(array, 2, 3))
    )
    mixed = call.builder.attended(scores, heads[2], call.name)
    flat = call.builder.moved(
        mixed, lambda array: np.moveaxis(array, 1, 2).reshape(1, array.shape[2], -1)
    )
    kernel = call.parameter("attention_output/kernel")
    weight = Parameter(kernel.array.reshape(flat.shape[2], -1).T, kernel.names)
    bias = call.bias("attention_output/bias")
    return call.builder.linear(flat, weight, bias, name=f"{call.name} output")


def _heads(call: Call, given: Any, part: str) -> Value:
    """Return queries, keys or values, (1, n_heads, n_tokens, n)."""
    x = call.value(given)
    if len(x.shape) != 3:
        raise NotUnderstood(f"takes units of shape {x.shape[1:]}")
    kernel, bias = call.parameter(f"{part}/kernel"), call.bias(f"{part}/bias")
    n_heads, n = kernel.array.shape[1:]
    weight = Parameter(kernel.array.reshape(len(kernel.array), -1).T, kernel.names)
    if bias is not None:
        bias = Parameter(bias.array.reshape(-1), bias.names)
    made = call.builder.linear(x, weight, bias, name=f"{call.name} {part}")
    found: Value = call.builder.moved(
        made, lambda array: np.moveaxis(array.reshape(1, -1, n_heads, n), 2, 1)
    )
    return found


# --- layers without weights -----------------------------------------------------------------


@_rule(*UNTRAINED)
def _untouched(call: Call) -> Any:
    (x,) = call.inputs
    return x


@_rule("Activation")
def _activation(call: Call) -> Any:
    return _activated(call, call.x)


@_rule("ReLU")
def _relu(call: Call) -> Any:
    limited = call.config.get("max_value") is not None or call.literal("threshold", 0)
    slope = call.literal("negative_slope", 0)
    kind = "relu6" if limited else "leaky_relu" if slope else "relu"
    return call.builder.activation(call.x, kind, call.name)


@_rule("LeakyReLU", "ELU", "Softmax", "ThresholdedReLU", "PReLU")
def _other_activation(call: Call) -> Any:
    for tensor in call.tensors.values():
        call.model.unused[tensor.name] = SLOPES
    kinds = {"LeakyReLU": "leaky_relu"}
    kind = kinds.get(call.node.kind, call.node.kind.lower())
    return call.builder.activation(call.x, kind, call.name)


def _pooled(call: Call, kind: str, whole: bool) -> Value:
    x = call.x
    size, rank = call.grid(x), call.rank
    kernel = size if whole else call.sizes("pool_size", rank, 2)
    stride = (1,) * rank
    if not whole:
        stride = kernel if call.config.get("strides") is None else call.sizes("strides", rank)
    return call.builder.pool(
        x,
        name=call.name,
        kernel=kernel,
        stride=stride,
        padding=[(0, 0)] * rank if whole else _around(call, size, kernel, stride),
        dilation=(1,) * rank,
        kind=kind,
        count_padding=False,
        channel_axis=call.channel_axis(x),
    )


def _register_pooling(kind: str, word: str) -> None:
    def pooling(call: Call) -> Any:
        return _pooled(call, kind, whole=False)

    def whole(call: Call) -> Any:
        found = _pooled(call, kind, whole=True)
        if call.config.get("keepdims"):
            return found
        return call.builder.moved(found, lambda array: array.reshape(1, -1))

    for n in (1, 2, 3):
        RULES[f"{word}Pooling{n}D"] = pooling
        RULES[f"Global{word}Pooling{n}D"] = whole


_register_pooling("max", "Max")
_register_pooling("mean", "Average")


@_rule("UpSampling1D", "UpSampling2D", "UpSampling3D")
def _upsampling(call: Call) -> Any:
    how = call.config.get("interpolation", "nearest")
    if how != "nearest":
        raise NotUnderstood(f"has interpolation {shown(how)}; allowed is nearest")
    x = call.x
    factors = call.sizes("size", call.rank, 2)
    return call.builder.upsample(x, factors, call.name, call.channel_axis(x))


def _sides(call: Call, x: Value, key: str) -> list[tuple[int, int]]:
    """Return how many points are before and after each axis of a value."""
    found = call.config.get(key, 1)
    each = [found] * call.rank if isinstance(found, int) else list(found)
    if call.rank == 1 and len(each) == 2:
        each = [each]
    pairs = [(one, one) if isinstance(one, int) else tuple(one) for one in each]
    if len(pairs) != call.rank or any(
        len(pair) != 2 or min(pair) < 0 or max(pair) > MOST_POINTS for pair in pairs
    ):
        raise NotUnderstood(f"has {key} {shown(found)}")
    axis = call.channel_axis(x)
    sides = iter(pairs)
    return [(0, 0) if k in (0, axis) else next(sides) for k in range(len(x.shape))]


@_rule("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def _zero_padding(call: Call) -> Any:
    x = call.x
    sides = _sides(call, x, "padding")
    if x.centred is not None and any(sides[x.centred]):
        x = call.builder.own_units(x, call.name)
    # nothing is added where there are no units, and what they are multiplied by does not matter
    scale = None if x.scale is None else np.pad(np.broadcast_to(x.scale, x.shape), sides, "edge")
    shift = None if x.shift is None else np.pad(np.broadcast_to(x.shift, x.shape), sides)
    units = np.pad(x.units, sides, constant_values=NOTHING)
    return replace(x, units=units, scale=scale, shift=shift)


@_rule("Cropping1D", "Cropping2D", "Cropping3D")
def _cropping(call: Call) -> Any:
    x = call.x
    sides = _sides(call, x, "cropping")
    kept = tuple(slice(low, n - high) for n, (low, high) in zip(x.shape, sides, strict=True))
    if any(part.stop <= part.start for part in kept):
        raise NotUnderstood("leaves nothing")
    return call.builder.moved(x, lambda array: array[kept])


@_rule("Flatten")
def _flatten(call: Call) -> Any:
    def move(array: NDArray[Any]) -> NDArray[Any]:
        if call.channels_first and array.ndim > 2:  # Keras puts the channels last before
            array = np.moveaxis(array, 1, -1)
        return array.reshape(1, -1)

    return call.builder.moved(call.x, move)


@_rule("Reshape")
def _reshape(call: Call) -> Any:
    target = list(call.config["target_shape"])
    (given,) = call.inputs
    size = prod(given.shape)
    if target.count(-1) == 1:
        rest = prod(n for n in target if n != -1)
        target = [size // rest if n == -1 else n for n in target]
    if prod(target) != size or min(target, default=1) < 1:
        raise NotUnderstood(f"makes {_text(target)} of {_text(given.shape[1:])}")
    if isinstance(given, _Input):
        given.units(call.builder, target)
    return call.builder.moved(call.x, lambda array: array.reshape(1, *target))


@_rule("Permute")
def _permute(call: Call) -> Any:
    order = (0, *call.config["dims"])
    return call.builder.moved(call.x, lambda array: array.transpose(order))


@_rule("RepeatVector")
def _repeat(call: Call) -> Any:
    (n,) = call.sizes("n", 1)
    return call.builder.moved(call.x, lambda array: np.repeat(array[:, None], n, axis=1))


# --- several inputs -------------------------------------------------------------------------


def _parts(call: Call) -> tuple[list[Value], list[float]]:
    """Return inputs with units, and plain numbers among the inputs."""
    literals = [float(x) for x in call.inputs if isinstance(x, int | float)]
    values = [call.value(x) for x in call.inputs if not isinstance(x, int | float)]
    if len(values) + len(literals) < 2:
        raise NotUnderstood("takes one tensor")
    if len({len(value.shape) for value in values}) > 1:
        raise NotUnderstood(f"takes tensors of shapes {', '.join(_text(v.shape) for v in values)}")
    return values, literals


def _with_literals(
    call: Call, x: Any, *, scale: float | None = None, shift: float | None = None
) -> Any:
    factor, summand = (
        None if number is None else Parameter(np.array(number)) for number in (scale, shift)
    )
    return call.builder.affine(x, factor, summand, call.name, sole=call.sole)


@_rule("Add")
def _add(call: Call) -> Any:
    values, literals = _parts(call)
    if not literals:
        return call.builder.add(values, call.name)
    return _with_literals(call, values[0], shift=literals[0])


@_rule("Subtract")
def _subtract(call: Call) -> Any:
    values, literals = _parts(call)
    if not literals:
        return call.builder.add(values, call.name, [1.0, -1.0])
    if isinstance(call.inputs[0], int | float):
        return _with_literals(call, values[0], scale=-1.0, shift=literals[0])
    return _with_literals(call, values[0], shift=-literals[0])


@_rule("Multiply")
def _multiply(call: Call) -> Any:
    values, literals = _parts(call)
    if not literals:
        return call.builder.multiply(values, call.name)
    return _with_literals(call, values[0], scale=literals[0])


@_rule("Divide", "TrueDivide")
def _divide(call: Call) -> Any:
    values, literals = _parts(call)
    if not literals or isinstance(call.inputs[0], int | float):
        raise NotUnderstood("divides by what comes from the inputs")
    return _with_literals(call, values[0], scale=1 / literals[0])


@_rule("Average")
def _average(call: Call) -> Any:
    values, literals = _parts(call)
    if literals:
        raise NotUnderstood("takes a number")
    return call.builder.add(values, call.name, [1 / len(values)] * len(values))


@_rule("Maximum", "Minimum")
def _extreme(call: Call) -> Any:
    values, literals = _parts(call)
    if literals:
        return call.builder.activation(values[0], "clip", call.name)
    # pooling over an axis of their own
    stacked = call.builder.concatenate(
        [call.builder.moved(value, lambda array: array[:, None]) for value in values], 1, call.name
    )
    grid = len(stacked.shape) - 2
    ones = (1,) * grid
    found = call.builder.pool(
        stacked,
        name=call.name,
        kernel=(len(values), *ones[1:]),
        stride=ones,
        padding=[(0, 0)] * grid,
        dilation=ones,
        kind="max",
        channel_axis=len(stacked.shape) - 1,
    )
    return call.builder.moved(found, lambda array: array[:, 0])


@_rule("Concatenate")
def _concatenate(call: Call) -> Any:
    axis = call.config["axis"]
    values = [call.value(x) for x in call.inputs]
    if axis in (0, -len(values[0].shape)):
        raise NotUnderstood("joins batches")
    return call.builder.concatenate(values, axis, call.name)


# --- normalisation --------------------------------------------------------------------------


def _along(array: NDArray[Any], axes: Sequence[int], rank: int) -> NDArray[np.float64]:
    """Return numbers of some axes of a value so that they broadcast with it."""
    order = np.argsort(axes)
    wide = np.transpose(array, order) if array.ndim == len(axes) else array
    shape = [1] * rank
    for axis, size in zip(sorted(axes), wide.shape, strict=True):
        shape[axis] = size
    return wide.reshape(shape).astype(np.float64)


def _axes(call: Call, x: Value, default: int = -1) -> list[int]:
    found = call.config.get("axis", default)
    axes = [axis % len(x.shape) for axis in (found if isinstance(found, list | tuple) else [found])]
    if 0 in axes:
        raise NotUnderstood("is taken over the batch")
    return axes


@_rule(
    "BatchNormalization", "BatchNormalizationV1", "BatchNormalizationV2", "SyncBatchNormalization"
)
def _batch_normalization(call: Call) -> Any:
    x = call.x
    axes = _axes(call, x)
    roles = ["moving_mean", "moving_variance"]
    roles += ["gamma"] if call.config.get("scale", True) else []
    roles += ["beta"] if call.config.get("center", True) else []
    found = {role: call.parameter(role) for role in roles}
    arrays = {role: of.array.astype(np.float64) for role, of in found.items()}
    with np.errstate(all="ignore"):  # what is not finite is refused with the weights
        scale = arrays.get("gamma", 1.0) / np.sqrt(
            arrays["moving_variance"] + call.literal("epsilon", 1e-3)
        )
        shift = arrays.get("beta", 0.0) - arrays["moving_mean"] * scale
    names = {role: of.names for role, of in found.items()}
    variance, mean = names["moving_variance"], names["moving_mean"]
    scaled_by = (*names.get("gamma", ()), *variance)
    return call.builder.affine(
        x,
        Parameter(_along(scale, axes, len(x.shape)), scaled_by),
        Parameter(_along(shift, axes, len(x.shape)), (*names.get("beta", ()), *mean)),
        call.name,
        sole=call.sole,
    )


def _scaling(call: Call, x: Value, axes: Sequence[int], *keys: tuple[str, str]) -> list[Any]:
    """Return scale and shift of a normalisation by statistics of its inputs, or None."""
    found: list[Any] = []
    for key, role in keys:
        if not call.config.get(key, True):
            found.append(None)
            continue
        of = call.parameter(role)
        found.append(Parameter(_along(of.array, axes, len(x.shape)), of.names))
    return found


@_rule("LayerNormalization")
def _layer_normalization(call: Call) -> Any:
    x = call.x
    axes = _axes(call, x)
    scale, shift = _scaling(call, x, axes, ("scale", "gamma"), ("center", "beta"))
    centred = axes[0] if len(axes) == 1 and not call.config.get("rms_scaling") else None
    return call.builder.normalised(x, scale, shift, call.name, centred=centred)


@_rule("GroupNormalization")
def _group_normalization(call: Call) -> Any:
    x = call.x
    axes = _axes(call, x)
    scale, shift = _scaling(call, x, axes, ("scale", "gamma"), ("center", "beta"))
    parts = call.config.get("groups", 32)
    parts = x.shape[axes[0]] if parts == -1 else parts
    return call.builder.normalised(
        x, scale, shift, call.name, centred=None, parts=parts, channel_axis=axes[0]
    )


@_rule("RMSNormalization")
def _rms_normalization(call: Call) -> Any:
    x = call.x
    of = call.parameter("scale")
    scale = Parameter(_along(of.array, _axes(call, x), len(x.shape)), of.names)
    return call.builder.normalised(x, scale, None, call.name, centred=None)


@_rule("UnitNormalization")
def _unit_normalization(call: Call) -> Any:
    return call.builder.normalised(call.x, None, None, call.name, centred=None)


@_rule("Rescaling")
def _rescaling(call: Call) -> Any:
    scale = numbers(call.name, call.config.get("scale", 1.0))
    shift = numbers(call.name, call.config.get("offset", 0.0))
    return call.builder.affine(
        call.x,
        Parameter(scale),
        Parameter(shift) if shift.any() else None,
        call.name,
        sole=call.sole,
    )


@_rule("Normalization")
def _normalization(call: Call) -> Any:
    x = call.x
    everywhere = call.config.get("axis", -1) in (None, [])
    axes = [] if everywhere else _axes(call, x)
    arrays: dict[str, NDArray[Any]] = {}
    names: list[str] = []
    for role in ("mean", "variance"):
        if call.config.get(role) is not None:
            array = numbers(call.name, call.config[role])
        else:
            of = call.parameter(role)
            array, names = of.array.astype(np.float64), [*names, *of.names]
        if not axes or array.size == 1:
            arrays[role] = array.reshape(())
        else:
            sizes = [x.shape[axis] for axis in axes]
            arrays[role] = _along(array.reshape(sizes), axes, len(x.shape))
    deviation = np.maximum(np.sqrt(arrays["variance"]), EPSILON)
    scale = deviation if call.config.get("invert") else 1 / deviation
    shift = arrays["mean"] if call.config.get("invert") else -arrays["mean"] * scale
    return call.builder.affine(
        x, Parameter(scale, tuple(names)), Parameter(shift, tuple(names)), call.name, sole=call.sole
    )
