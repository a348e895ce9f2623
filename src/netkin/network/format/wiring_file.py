"""A file that says how bare tensors are wired, layer by layer; see docs/graphs.md."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from netkin.config.file import read_config_file
from netkin.errors import NetkinError, allowed, listed, shown
from netkin.graph.blocks import BlockGraph
from netkin.graph.builder import NotUnderstood
from netkin.network.format.input_shape import MOST_POINTS, InputShape
from netkin.network.format.model import Model, each_once
from netkin.network.format.operators import OPERATORS, Layer, Tensors, built
from netkin.network.format.wiring import parse_wiring
from netkin.options import check_options, options_of

ENDINGS = (".yaml", ".yml", ".json")
"""How the name of a file of wiring ends."""
MOST_LAYERS = 10_000
"""Layers of a file, at most."""
MOST_AXES = 8
"""Axes of an input, at most."""
KEYS = ("input", "layers", "leave_out")
OF_ALL = ("name", "op", "input", "inputs", "activation")
"""Keys of a layer that do not depend on its operator."""
ACTIVATIONS = (
    *("relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu", "mish"),
    *("softplus", "softsign", "softmax", "log_softmax", "sigmoid", "hard_sigmoid", "hard_swish"),
    *("tanh", "hard_tanh", "square", "sqrt", "exp", "log", "abs", "sin", "cos", "clip", "other"),
)
"""Functions of each number, or of numbers of the same units."""
LEFT_OUT = "left out by the wiring file"


@dataclass(frozen=True)
class Wiring:
    """What a file of wiring says.

    Attributes
    ----------
    path : str
    inputs : dict of str to tuple
        Name of an input -> its shape without the batch axis; a text is the name of an axis whose
        size `netkin.network.format.input_shape.InputShape` gives.
    layers : tuple of Layer
    leave_out : tuple of str
        Tensors that are none of the graph's.
    """

    path: str
    inputs: dict[str, tuple[int | str, ...]]
    layers: tuple[Layer, ...]
    leave_out: tuple[str, ...] = field(default=())


def read_wiring(path: str | Path) -> Wiring:
    """Read a file of wiring, YAML or JSON.

    Parameters
    ----------
    path : path
        Its ``input`` maps names to shapes without the batch axis; its ``layers`` are a list in the
        order in which inputs pass them, each with ``op``, a key of
        `netkin.network.format.operators.OPERATORS`, and that operator's options, ``name``,
        ``input`` or ``inputs`` (the layer before by default), ``activation``; ``leave_out`` names
        tensors that are not a part of the graph.

    Raises
    ------
    NetkinError
        The file cannot be read, or a key or value is not allowed: one sentence that names it.
    """
    return _checked(read_config_file(path).content, str(path))


def wiring_content(path: str | Path) -> str:
    """Return what a file of wiring says as one line of JSON, which `wiring_of` reads too.

    Raises
    ------
    NetkinError
        As `read_wiring`.
    """
    content = read_config_file(path).content
    _checked(content, str(path))
    return json.dumps(content)


def wiring_of(text: str) -> list[str | tuple[str, str]] | Wiring:
    """Return how tensors are wired, as a sheet or a command line says it.

    Parameters
    ----------
    text : str
        Names of weights, see `netkin.network.format.wiring.parse_wiring`; the path of a file of
        wiring, by its ending; or what `wiring_content` made of one.

    Raises
    ------
    NetkinError
        It is none of these, or the file says what is not allowed.
    """
    if isinstance(text, str):
        if text.lower().endswith(ENDINGS):
            return read_wiring(text)
        if text.startswith("{"):
            try:
                content = json.loads(text, object_pairs_hook=each_once)
            except (ValueError, RecursionError) as error:
                raise NetkinError(f"wiring: no JSON ({error}).") from None
            return _checked(content, "wiring")
    return parse_wiring(text)


def _checked(content: Mapping[str, Any], name: str) -> Wiring:
    for key in content:
        if key not in KEYS:
            raise NetkinError(f"{name}: unknown key {shown(key)}. {allowed(key, KEYS)}")
    inputs = _inputs(name, content.get("input"))
    layers = _layers(name, content.get("layers"), inputs)
    left_out = content.get("leave_out", [])
    if not isinstance(left_out, list) or not all(isinstance(one, str) for one in left_out):
        raise NetkinError(
            f"{name}: leave_out: found {shown(left_out)}. Allowed: a list of names of tensors."
        )
    return Wiring(name, inputs, layers, tuple(left_out))


def graph_from_wiring(
    model: Model,
    wiring: Wiring,
    shape: InputShape = InputShape(),  # noqa: B008 # it is frozen
) -> BlockGraph:
    """Return the graph of bare tensors that are wired as a file says.

    Parameters
    ----------
    model : Model
        Large matrices are read when the graph's blocks are, so it must stay open.
    wiring : Wiring
    shape : InputShape
        Its inputs win over those of the file.

    Raises
    ------
    NetkinError
        A layer has no rule for what it reads, a tensor is missing or of another shape, or one is
        neither used nor left out: one sentence that names it.
    """
    inputs, sizes = _sized(wiring, shape)
    known = {**model.tensors, **model.statistics}
    names = {
        name: name if name in known else name.removeprefix(model.prefix)
        for name in wiring.leave_out
    }
    for given, name in names.items():
        if name not in known and name not in model.left_out:
            raise NetkinError(
                f"{wiring.path}: leave_out: no tensor is called {shown(given)}. "
                f"{allowed(given, known)}"
            )
    tensors = Tensors(known, model.prefix)
    unused = dict.fromkeys(names.values(), LEFT_OUT)
    try:
        graph = built(wiring.layers, inputs, model, tensors=tensors, unused=unused, sizes=sizes)
    except NotUnderstood as why:
        raise NetkinError(f"{wiring.path}: {why}.") from None
    both = sorted(tensors.asked & set(unused))
    if both:
        raise NetkinError(f"{wiring.path}: leave_out: {shown(both[0])} is used by a layer.")
    return graph


def _inputs(path: str, found: Any) -> dict[str, tuple[int | str, ...]]:
    """Return the inputs that a file names."""
    if not isinstance(found, Mapping) or not found:
        raise NetkinError(
            f"{path}: input: found {shown(found)}. Allowed: a section with the shape of each "
            "input without the batch axis, as in x: [3, 32, 32]."
        )
    inputs = {}
    for name, sizes in found.items():
        fits = isinstance(sizes, list) and 1 <= len(sizes) <= MOST_AXES
        if not fits or not all(
            (type(size) is int and size >= 1) or (isinstance(size, str) and size.isidentifier())
            for size in sizes
        ):
            raise NetkinError(
                f"{path}: input.{name}: found {shown(sizes)}. Allowed: a list of 1 to {MOST_AXES} "
                "sizes, each a whole number from 1 on, or a name of an axis that the input shape "
                "gives."
            )
        inputs[name] = tuple(sizes)
    return inputs


def _layers(path: str, found: Any, inputs: Mapping[str, Any]) -> tuple[Layer, ...]:
    """Return the layers that a file lists."""
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_LAYERS:
        raise NetkinError(
            f"{path}: layers: found {shown(found)}. Allowed: a list of 1 to {MOST_LAYERS:,} layers."
        )
    names = list(inputs)
    layers = []
    for number, entry in enumerate(found):
        if not isinstance(entry, Mapping):
            raise NetkinError(
                f"{path}: layers.{number}: found {shown(entry)}. Allowed: a section with the keys "
                f"{listed(OF_ALL)} and those of its op."
            )
        name = entry.get("name", f"layer {number}")
        where = f"{path}: layers.{number}" + (f" ({shown(name)})" if "name" in entry else "")
        if not isinstance(name, str) or not name:
            raise NetkinError(f"{where}: name: found {shown(name)}. Allowed: text.")
        if name in names:
            raise NetkinError(f"{where}: name: {shown(name)} stands twice; allowed is a new one.")
        layers.append(_layer(where, name, entry, names))
        names.append(name)
    return tuple(layers)


def _layer(where: str, name: str, entry: Mapping[str, Any], names: list[str]) -> Layer:
    """Return one layer, which may read what has one of some names."""
    op = entry.get("op")
    if not isinstance(op, str) or op not in OPERATORS:
        raise NetkinError(f"{where}: op: found {shown(op)}. {allowed(op, OPERATORS)}")
    operator = OPERATORS[op]
    options = {key: value for key, value in entry.items() if key not in OF_ALL}
    known = options_of(operator.function)
    for key in options:
        if key not in known:
            keys = [*OF_ALL, *known]
            raise NetkinError(f"{where}: {op}: unknown key {shown(key)}. {allowed(key, keys)}")
    try:
        check_options(op, options, known, missing=True)
    except NetkinError as error:
        raise NetkinError(f"{where}: {error}") from None
    activation = entry.get("activation", "")
    if "activation" in entry and activation not in ACTIVATIONS:
        raise NetkinError(
            f"{where}: activation: found {shown(activation)}. {allowed(activation, ACTIVATIONS)}"
        )
    if "input" in entry and "inputs" in entry:
        raise NetkinError(f"{where}: it has both input and inputs. Allowed: one of them.")
    given = entry.get("inputs", [entry["input"]] if "input" in entry else names[-1:])
    if operator.most == 0 and not {"input", "inputs"} & set(entry):
        given = []
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise NetkinError(
            f"{where}: inputs: found {shown(given)}. Allowed: a list of names; one name in input."
        )
    few, many = operator.least, operator.most
    if len(given) < few or len(given) > many >= 0:
        what = f"{few}" if few == many else f"{few} or more"
        raise NetkinError(f"{where}: {op}: found {len(given)} inputs. Allowed: {what}.")
    for one in given:
        if one not in names:
            raise NetkinError(
                f"{where}: input: no input or layer before it is called {shown(one)}. "
                f"{allowed(one, names)}"
            )
    return Layer(name, op, tuple(given), options, activation)


def _sized(wiring: Wiring, shape: InputShape) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """Return the shapes of inputs, and what axes that the file names were taken as."""
    symbols = {size for sizes in wiring.inputs.values() for size in sizes if isinstance(size, str)}
    for name in shape.inputs:
        if name and name not in symbols and name not in wiring.inputs:
            raise NetkinError(
                f"{wiring.path}: no input or axis is called {shown(name)}, of which the input "
                f"shape speaks. {allowed(name, [*wiring.inputs, *sorted(symbols)])}"
            )
    if "" in shape.inputs and len(wiring.inputs) > 1:
        raise NetkinError(
            f"{wiring.path}: it has the inputs {listed(wiring.inputs)}; the input shape must name "
            "the one of which it speaks, as in x=3x32x32."
        )
    inputs, sizes = {}, {}
    for name, axes in wiring.inputs.items():
        given = shape.of(name) if name in shape.inputs or len(wiring.inputs) == 1 else None
        if given is not None and len(given) != len(axes):
            raise NetkinError(
                f"{wiring.path}: input.{name} has {len(axes)} axes, the input shape {len(given)}."
            )
        found = []
        for place, size in enumerate(axes):
            known = given[place] if given is not None else size
            if isinstance(size, str):
                known = shape.axes.get(size, known)
                if not isinstance(known, int):
                    raise NetkinError(
                        f"{wiring.path}: input.{name}: the size of its axis {shown(size)} is not "
                        f"known; give it as the input shape, such as {size}=128."
                    )
                sizes[size] = known
            found.append(int(known))
        if prod(found) > MOST_POINTS:
            raise NetkinError(
                f"{wiring.path}: input.{name}: {prod(found):,} numbers. Allowed: {MOST_POINTS:,}."
            )
        inputs[name] = tuple(found)
    return inputs, sizes
