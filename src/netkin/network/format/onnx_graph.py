"""The graph of a network of any architecture, from the nodes of an ONNX file.

Nodes are followed from the inputs to the outputs, for concrete sizes and a batch of one: what takes
constants alone is computed, what takes units has a rule (`netkin.network.format.onnx_rules`).
"""

from collections import ChainMap, Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.errors import NetkinError, allowed, shown
from netkin.failure import is_of_content
from netkin.graph.blocks import NO_GROUP, BlockGraph, Heads
from netkin.graph.builder import Builder, Mean, NotUnderstood, Parameter, Scores, Value, is_new
from netkin.network.format.folding import with_article
from netkin.network.format.input_shape import InputShape
from netkin.network.format.leave_out import REASON, check_left_out, stand_in
from netkin.network.format.model import as_floats
from netkin.network.format.onnx_rules import RULES, rule_of
from netkin.network.format.onnx_shaping import CHOOSING, SHAPING, looked_up
from netkin.network.format.onnx_tensors import (
    FLOATS,
    STANDARD,
    Constant,
    attribute,
    called,
    label,
    operator,
)
from netkin.network.format.onnx_units import ELEMENTS
from netkin.network.format.onnx_values import (
    Call,
    Chosen,
    Unknown,
    computed,
    literal,
    made_of,
    shape_of,
)
from netkin.network.format.onnx_wiring import inputs_of, leading_to

CONTROL = {"Loop", "Scan", "SequenceMap"}
"""Operators that run a graph of their own as often as the inputs say."""
RANDOM = {
    *("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli"),
    "Multinomial",
}
"""Operators whose numbers are drawn."""
WEIGHTED = {"MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum"}
"""Operators by whose weights units are read."""
FUNCTIONS = {*ELEMENTS} - {"Add", "Sub", "Sum", "Neg", *(op for op in ELEMENTS if "Reduce" in op)}
"""Operators that are no part of a layer of weights."""
OF_THEIR_OWN = {"Shape", "Size", "DequantizeLinear"}
"""Operators whose rule is for constants too."""
UNREAD_PADS = {"reflect", "edge"}
"""Ways of padding in which an edge would be there twice."""
IMAGE = 2
"""Number of the type of inputs of eight bits."""
MOST_NAMED = 5
"""Nodes that one sentence names."""
PASSING = {*ELEMENTS, *SHAPING, "Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization"}
"""Operators that scores of attention, and what leads to them, may pass."""


@dataclass(frozen=True)
class Numbers:
    """The constants of a file.

    Attributes
    ----------
    constants : dict of str to Constant
        Those in graphs within nodes have the name of the node before theirs.
    quantised : dict of str to Constant
        Whole numbers of few bits.
    parameters : dict of str to int
        Name of each parameter -> how many numbers it has; other constants are literals.
    """

    constants: Mapping[str, Constant]
    quantised: Mapping[str, Constant]
    parameters: Mapping[str, int]


def without_numbers(proto: Any, numbers: Numbers) -> Any:
    """Return a model without the numbers of its tensors, which are known by their names.

    Functions of the file are written out.
    """
    import onnx

    if proto.functions:
        from onnx import inliner

        proto = inliner.inline_local_functions(proto)
    light = onnx.ModelProto()
    light.CopyFrom(proto)
    del light.graph.initializer[:]
    for node in light.graph.node:
        if _is_constant(node) and node.output[0] in numbers.constants:
            del node.attribute[:]
    # a message that was parsed anew keeps nothing of the old one
    return onnx.ModelProto.FromString(light.SerializeToString())


def block_graph(proto: Any, numbers: Numbers, shape: InputShape) -> BlockGraph:
    """Return the graph of a network.

    Parameters
    ----------
    proto : onnx.ModelProto
        May lack the numbers of tensors.
    numbers : Numbers
    shape : InputShape
        Sizes that the file leaves open.

    Raises
    ------
    NotUnderstood
        A node has no rule, or a size is not known.
    NetkinError
        `shape` names what is no input, no axis, or no node.
    """
    check_left_out(shape.leave_out, _names(proto.graph))
    walk = _Walk(proto, numbers, shape)
    try:
        walk.run()
    except NotUnderstood as why:
        error = NotUnderstood(walk.explained(str(why)))
        error.understood, error.node = walk.finish(), why.node
        raise error from None
    return walk.finish()


class _Uses:
    """Which nodes read a tensor, and where it leads."""

    def __init__(self, graph: Any, nodes: Sequence[Any], constant: Sequence[str]) -> None:
        self.readers: Counter[str] = Counter()
        self.nodes: dict[str, list[Any]] = defaultdict(list)
        for node in nodes:
            if node.op_type in ("Shape", "Size"):
                continue
            for name in dict.fromkeys(inputs_of(node)):
                self.readers[name] += list(node.input).count(name) or 1
                self.nodes[name].append(node)
        outputs = {each.name for each in graph.output}
        self.readers.update(outputs)
        self._find_scores(nodes, outputs, set(constant))

    def _find_scores(self, nodes: Sequence[Any], outputs: set[str], constant: set[str]) -> None:
        """Find what leads to nothing but products of two values, the scores of attention."""
        scores: set[str] = set()
        makes: set[int] = set()
        for node in nodes:
            given = [name for name in node.input if name]
            if all(name in constant for name in given) or node.op_type in ("Shape", "Size"):
                constant.update(node.output)
                continue
            if node.op_type in ("MatMul", "Einsum"):
                # in the second product of attention the scores choose
                if not any(name in constant or name in scores for name in given):
                    scores.update(node.output)
                    makes.add(id(node))
            elif node.op_type in PASSING and any(name in scores for name in given):
                scores.update(node.output)
        self.only_scores: set[str] = set()
        for node in reversed(nodes):
            for name in node.output:
                if name in outputs or not self.nodes[name]:
                    continue
                if all(
                    id(user) in makes
                    or (user.op_type in PASSING and self.only_scores.issuperset(user.output))
                    for user in self.nodes[name]
                ):
                    self.only_scores.add(name)


class _Walk:
    """Follows the nodes, and knows what each tensor is."""

    def __init__(self, proto: Any, numbers: Numbers, shape: InputShape) -> None:
        self._graph = proto.graph
        self._numbers = numbers
        self._shape = shape
        self._builder = Builder()
        self._values: MutableMapping[str, Any] = {}
        self._alone: dict[str, bool] = {}
        self._left_out: dict[str, str] = {}
        self._quantised: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._batches: list[str] = []
        self._rows: set[int | str] = set()
        self._left: set[str] = {*shape.leave_out}
        self._inputs: list[str] = []
        self._others: list[tuple[str, str]] = []
        self._version = max(
            (each.version for each in proto.opset_import if each.domain in STANDARD), default=1
        )

    def run(self) -> None:
        """Follow all nodes that lead to outputs."""
        nodes = leading_to(self._graph)
        self._others = [*_obstacles(nodes, {*self._numbers.constants}, self._shape.leave_out)]
        self._enter(nodes)
        self._follow(self._graph, nodes, "", self._values)

    def explained(self, why: str) -> str:
        """Return the reason why a node is not understood with what else has no rule."""
        why += "".join(self._batches)
        others = [text for name, text in self._others if shown(name) not in why]
        if not others:
            return why
        more = ", ".join(others[:MOST_NAMED]) + (" and more" if len(others) > MOST_NAMED else "")
        return f"{why}; there is no rule either for {more}"

    def finish(self) -> BlockGraph:
        """Return the graph of the nodes that were followed."""
        parameters = dict(self._numbers.parameters) | self._quantised
        outputs = [self._values.get(each.name) for each in self._graph.output]
        graph = self._builder.finish(parameters, self._sizes, outputs=outputs)
        used = {name for block in graph.blocks for name in block.made_of}
        unused = graph.unused | {
            name: why for name, why in self._left_out.items() if name not in used
        }
        return _without_unread(replace(graph, unused=unused), self._inputs)

    # --- inputs ---------------------------------------------------------------------------------

    def _enter(self, nodes: Sequence[Any]) -> None:
        """Take in what the network is given."""
        taken = {name for node in nodes for name in inputs_of(node)}
        taken |= {each.name for each in self._graph.output}
        given = [
            each
            for each in self._graph.input
            if each.name in taken and each.name not in self._numbers.constants
        ]
        if not given:
            raise NotUnderstood("its outputs come from no input")
        uses = _Uses(self._graph, nodes, [*self._numbers.constants])
        roles = {each.name: self._roles(each, uses) for each in given}
        batches = {
            _dims(each)[roles[each.name][0]]
            for each in given
            if len(_dims(each)) > 1 or (_dims(each) and "batch" in str(_dims(each)[0]).lower())
        }
        self._check_names(given)
        self._rows = batches
        for each in given:
            batch, channel = roles[each.name]
            sizes = self._sizes_of(each, batch, {b for b in batches if isinstance(b, str) and b})
            kind = each.type.tensor_type.elem_type
            if kind in FLOATS or (kind == IMAGE and len(sizes) > 2):
                self._inputs.append(each.name)
                self._values[each.name] = self._units(each.name, sizes, batch, channel)
            else:
                self._values[each.name] = Chosen(np.ones(sizes, _dtype(kind)), (), (each.name,))

    def _check_names(self, given: Sequence[Any]) -> None:
        """Raise `NetkinError` where sizes are given for what is not there."""
        axes = [size for each in given for size in _dims(each) if isinstance(size, str) and size]
        known = [*dict.fromkeys([*(each.name for each in given), *axes])]
        for name in self._shape.inputs:
            if name and name not in known:
                raise NetkinError(
                    f"input shape: no input and no axis is called {shown(name)}. "
                    f"{allowed(name, known)}"
                )
        if "" in self._shape.inputs and len(given) > 1:
            names = ", ".join(shown(each.name) for each in given)
            raise NetkinError(
                f"input shape: the network has the inputs {names}; say which one it is of, as in "
                f"'{given[0].name}=3x224x224'."
            )

    def _sizes_of(self, value: Any, batch: int, batches: set[str]) -> tuple[int, ...]:
        """Return the shape of an input, whose batch has size 1."""
        dims, name = _dims(value), value.name
        wanted = self._shape.inputs.get(name) if name not in _axes(dims) else None
        if wanted is None:
            wanted = self._shape.inputs.get("")
        if wanted is not None:
            rank = len(dims) if _has_shape(value) else len(wanted) + 1
            if len(wanted) not in (rank, max(rank - 1, 1)):
                raise NotUnderstood(
                    f"its input {shown(name)} has {rank} axes with that of the batch, and the "
                    f"input shape gives {len(wanted)}"
                )
            sizes = list(wanted)
            if len(wanted) == rank - 1:
                sizes.insert(batch, 1)
            for axis, said in enumerate(dims):
                if isinstance(said, int) and axis != batch and said != sizes[axis]:
                    raise NotUnderstood(
                        f"its input {shown(name)} has the size {said} along the axis {axis}, and "
                        f"the input shape gives {sizes[axis]}"
                    )
                if isinstance(said, str) and said and axis != batch:
                    self._sizes[said] = sizes[axis]
            return tuple(sizes)
        if not _has_shape(value):
            raise NotUnderstood(
                f"the file does not say the shape of its input {shown(name)}; give it as input "
                f"shape, as in '{name}=3x224x224'"
            )
        sizes = []
        for axis, said in enumerate(dims):
            if isinstance(said, str) and said in self._shape.axes:
                self._sizes[said] = self._shape.axes[said]
                sizes.append(self._shape.axes[said])
            elif (axis == batch and len(dims) > 1) or (isinstance(said, str) and said in batches):
                if isinstance(said, int) and said > 1:
                    what = f"the batch of {said} of the input {shown(name)} is taken as 1"
                    self._builder.notes.append(what)
                    self._batches.append(f" ({what})")
                sizes.append(1)
            elif isinstance(said, int):
                sizes.append(said)
            else:
                whole = "x".join(["128"] * max(len(dims) - 1, 1))
                how = f"'{said}=128'" if said else f"'{name}={whole}'"
                which = f"axis {shown(said)}" if said else f"axis {axis}"
                raise NotUnderstood(
                    f"the file leaves open the size of the {which} of its input {shown(name)}; "
                    f"give it as input shape: {how}"
                )
        return tuple(sizes)

    def _units(self, name: str, sizes: tuple[int, ...], batch: int, channel: int) -> Value:
        """Return the units of an input, the axis of channels being that of those who read it."""
        if len(sizes) < 2:
            return self._builder.input(name, sizes)
        others = [axis for axis in range(len(sizes)) if axis != channel]
        grid = [sizes[axis] for axis in others if axis != batch or sizes[axis] > 1]
        units = self._builder.group(name, sizes[channel], grid)
        units = units.reshape(sizes[channel], *(sizes[axis] for axis in others))
        return Value(np.moveaxis(units, 0, channel))

    def _roles(self, value: Any, uses: _Uses) -> tuple[int, int]:
        """Return which axis of an input is that of the batch, and which that of channels.

        What first reads it says it; else the first axis is that of the batch.
        """
        dims = _dims(value)
        rank = len(dims)
        if not _has_shape(value):
            wanted = self._shape.of(value.name)
            rank = len(wanted) + 1 if wanted is not None else 2
        default = 0, (2 if rank == 3 else 1) % max(rank, 1)
        queue: deque[tuple[str, list[int]]] = deque([(value.name, list(range(rank)))])
        for _ in range(1000):
            if not queue:
                break
            name, axes = queue.popleft()
            for node in uses.nodes[name]:
                found = _role(node, axes)
                if found is not None:
                    batch, channel = (-1 if k is None else axes[k] for k in found)
                    channel = channel if channel >= 0 else default[1]
                    if batch < 0:
                        ones = [k for k, n in enumerate(dims) if n == 1 and k != channel]
                        is_fixed = isinstance(dims[0], int) and dims[0] > 1
                        batch = ones[0] if ones and is_fixed else 0
                    return batch, channel
                moved = self._moved_axes(node, axes) if node.input[0] == name else None
                if moved is None and node.op_type in ELEMENTS:
                    moved = axes
                if moved is not None:
                    queue.append((node.output[0], moved))
        return default

    def _moved_axes(self, node: Any, axes: list[int]) -> list[int] | None:
        """Return which axis of the input stands at each axis after a node, -1 for none."""
        op = node.op_type
        if op in ("Identity", "Cast", "Dropout", "Pad", "Slice", "QuantizeLinear"):
            return axes
        if op == "Transpose":
            order = attribute(node, "perm", range(len(axes))[::-1])
            return [axes[k] for k in order] if sorted(order) == [*range(len(axes))] else None
        if op in ("Squeeze", "Unsqueeze"):
            at = attribute(node, "axes", None)
            if at is None and len(node.input) > 1:
                constant = self._numbers.constants.get(node.input[1])
                at = None if constant is None else constant.read().reshape(-1)
            if at is None:
                return None
            if op == "Squeeze":
                gone = {int(k) % len(axes) for k in at}
                return [each for k, each in enumerate(axes) if k not in gone]
            rank = len(axes) + len(at)
            new = {int(k) % rank for k in at}
            left = iter(axes)
            return [-1 if k in new else next(left) for k in range(rank)]
        return None

    # --- nodes ----------------------------------------------------------------------------------

    def _follow(
        self, graph: Any, nodes: Sequence[Any], prefix: str, values: MutableMapping[str, Any]
    ) -> None:
        # inputs of whole numbers are none of them: they choose units
        known = (n for n, v in values.items() if _is_known(v) and not isinstance(v, Chosen))
        constant = [*self._numbers.constants, *known]
        uses = _Uses(graph, nodes, constant)
        for tensor in graph.initializer:
            self._take(tensor.name, prefix, values, tensor)
        names: Counter[str] = Counter()
        # how the names of constants in graphs within nodes begin
        inner: dict[str, str] = {}
        for node in graph.node:
            names[label(node)] += 1
            more = f"#{names[label(node)]}" if names[label(node)] > 1 else ""
            inner[next(iter(node.output), "")] = f"{prefix}{label(node)}{more}"
        for node in nodes:
            if _is_constant(node):
                self._take(node.output[0], prefix, values, node)
                continue
            try:
                if not self._left.isdisjoint(_names_of(node)):
                    made = self._stand_ins(node, prefix, inner[node.output[0]], values, uses)
                elif node.op_type == "If" and node.domain in STANDARD:
                    self._branch(node, inner[node.output[0]], values)
                    continue
                else:
                    made = self._make(node, self._given(node, prefix, values), uses)
            except NotUnderstood as why:
                why.node = label(node) if why.node is None else why.node
                raise
            outputs = made if isinstance(made, tuple) else (made,)
            for place, name in enumerate(node.output):
                if name:
                    values[name] = (
                        outputs[place]
                        if place < len(outputs)
                        else Unknown(f"{called(node)} has an output that is not understood")
                    )

    def _given(self, node: Any, prefix: str, values: MutableMapping[str, Any]) -> list[Any]:
        return [self._value(node, name, prefix, values) if name else None for name in node.input]

    def _value(self, node: Any, name: str, prefix: str, values: MutableMapping[str, Any]) -> Any:
        """Return what stands for a tensor; a constant is read once it is needed."""
        if name not in values:
            self._take(name, prefix, values, None)
        if name not in values and prefix:
            self._take(name, "", values, None)
        if name not in values:
            raise NotUnderstood(f"{called(node)} takes {shown(name)}, which is not there")
        return values[name]

    def _take(self, name: str, prefix: str, values: MutableMapping[str, Any], stored: Any) -> None:
        """Take in a constant."""
        full = prefix + name
        constant = self._numbers.constants.get(full)
        quantised = self._numbers.quantised.get(full)
        if constant is not None:
            array = constant.read()
            array = array if constant.whole else as_floats(np.asarray(array))
            names = tuple(each for each in constant.names if each in self._numbers.parameters)
            values[name] = Parameter(array, names)
        elif quantised is not None:
            array = np.asarray(quantised.read())
            if array.size > 1:
                self._quantised[full] = array.size
            values[name] = Parameter(array, (full,) if array.size > 1 else ())
        elif stored is not None and getattr(stored, "op_type", "") == "Constant":
            try:
                values[name] = literal(computed(stored, [], self._version)[0])
            except NotUnderstood as why:
                values[name] = Unknown(str(why))
        elif stored is not None:
            values[name] = Unknown(f"the tensor {shown(name)} is not read")

    def _branch(self, node: Any, name: str, values: MutableMapping[str, Any]) -> None:
        """Follow the branch of an If whose condition is known."""
        condition = self._given(node, "", values)[0]
        if not isinstance(condition, Parameter) or isinstance(condition, Chosen):
            raise NotUnderstood(_without_rule(node, "what it runs depends on the inputs"))
        which = "then_branch" if condition.array.reshape(-1)[0] else "else_branch"
        graph = attribute(node, which, None)
        scope = ChainMap({}, values)
        self._follow(graph, leading_to(graph), f"{name}.{which}.", scope)
        for outer, inner in zip(node.output, graph.output, strict=True):
            values[outer] = self._value(node, inner.name, f"{name}.{which}.", scope)

    def _stand_ins(
        self, node: Any, prefix: str, inner: str, values: MutableMapping[str, Any], uses: _Uses
    ) -> tuple[Any, ...]:
        """Return what stands for the outputs of a node that is left out."""
        own = {name for each in node.attribute for name in _made_in(each)}
        names = [name for name in dict.fromkeys(inputs_of(node)) if name not in own]
        given = [self._value(node, name, prefix, values) for name in names]
        for each in given:
            if isinstance(each, Parameter):
                self._leave_out(each, REASON)
        for name in self._numbers.parameters:
            if name.startswith(f"{inner}."):
                self._left_out.setdefault(name, REASON)
        data = [(each, shape_of(each)) for each in given if isinstance(each, Value | Mean | Scores)]
        shapes = self._shapes_of(node, given)
        return tuple(
            stand_in(self._builder, called(node), data, shapes.get(name))
            if uses.readers[name]
            else None
            for name in node.output
        )

    def _shapes_of(self, node: Any, given: Sequence[Any]) -> dict[str, tuple[int | None, ...]]:
        """Return the shapes of what a node makes that are known: as the file says, or computed."""
        found: dict[str, tuple[int | None, ...]] = {}
        known = self._sizes | self._shape.axes
        for each in (*self._graph.value_info, *self._graph.output):
            if each.name in node.output and _has_shape(each):
                found[each.name] = tuple(
                    1
                    if size in self._rows and (isinstance(size, str) or not axis)
                    else known.get(size)
                    if isinstance(size, str)
                    else size
                    for axis, size in enumerate(_dims(each))
                )
        if all(None not in found.get(name, (None,)) for name in node.output):
            return found
        if node.domain not in STANDARD or any(isinstance(each, Unknown) for each in given):
            return found
        arrays = [
            each.array if isinstance(each, Parameter) else np.zeros(shape_of(each), np.float32)
            for each in given
        ]
        try:
            made = computed(node, arrays, self._version)
        except NotUnderstood:
            return found
        return {
            name: np.shape(each)
            for name, each in zip(node.output, made, strict=True)
            if each is not None
        }

    def _make(self, node: Any, given: list[Any], uses: _Uses) -> Any:
        """Return what a node makes."""
        unknown = next((each for each in given if isinstance(each, Unknown)), None)
        known = all(_is_known(each) for each in given)
        if unknown is not None:
            if not known:
                raise NotUnderstood(f"{called(node)} reads units by what is none: {unknown.reason}")
            return (unknown,) * len(node.output)
        rule = rule_of(node)
        chooses = (
            node.op_type in CHOOSING
            and node.domain in STANDARD
            and any(isinstance(each, Chosen) for each in given)
        )
        first = self._builder.n_units
        call = Call(
            node,
            given,
            self._builder,
            self._version,
            [
                uses.readers[name] == 1 and self._alone.get(name, False) if name else False
                for name in node.input
            ],
            bool(node.output[0]) and node.output[0] in uses.only_scores,
            uses.readers[node.output[0]],
            self._leave_out,
        )
        chosen = any(isinstance(each, Chosen) for each in given)
        if known and node.op_type in OF_THEIR_OWN and node.domain in STANDARD:
            return RULES[node.op_type](call)
        if known and chosen and node.op_type == "Equal":
            units = looked_up(call)
            if units is not None:
                return units
        if known and chosen and node.op_type in WEIGHTED and any(map(_is_trained, given)):
            raise NotUnderstood(f"{called(node)} reads whole numbers that choose no rows")
        if known and not chooses and node.op_type not in CONTROL | RANDOM:
            arrays = [None if each is None else each.array for each in given]
            found = computed(node, arrays, self._version)
            return tuple(
                made_of(given, np.asarray(each))
                if each is not None and not isinstance(each, list)
                else Unknown(f"{called(node)} makes no array")
                for each in found
            )
        if rule is None:
            raise NotUnderstood(_without_rule(node))
        try:
            made = rule(call)
        except NotUnderstood as why:
            text = str(why)
            if shown(label(node)) not in text:
                text = f"{called(node)}: {text}"
            raise NotUnderstood(text) from None
        except Exception as error:
            if not is_of_content(error):
                raise
            first_line = str(error).partition("\n")[0][:120] or type(error).__name__
            raise NotUnderstood(
                f"{called(node)} does not fit what it takes ({first_line})"
            ) from None
        own = [
            uses.readers[name] == 1 and self._alone.get(name, False)
            for name, each in zip(node.input, given, strict=True)
            if each is not None and not isinstance(each, Parameter)
        ]
        outputs = list(made) if isinstance(made, tuple) else [made]
        outputs[0] = self._shared(node, outputs[0], uses)
        for name, each in zip(node.output, outputs, strict=False):
            self._alone[name] = all(own) or is_new(each, first)
        return tuple(outputs)

    def _shared(self, node: Any, made: Any, uses: _Uses) -> Any:
        """Return units that are scaled and shifted before functions that must read the same."""
        if not isinstance(made, Value) or made.is_plain or not made.names:
            return made
        readers = uses.nodes[node.output[0]]
        if len(readers) > 1 and any(each.op_type in FUNCTIONS for each in readers):
            return self._builder.own_units(made, label(node))
        return made

    def _leave_out(self, parameter: Any, why: str) -> None:
        for name in parameter.names:
            self._left_out.setdefault(name, why)


def _without_rule(node: Any, why: str = "") -> str:
    kind = with_article(operator(node))
    return f"node {shown(label(node))} is {kind}, which has no rule{f': {why}' if why else ''}"


def _is_trained(value: Any) -> bool:
    return isinstance(value, Parameter) and bool(value.names)


def _is_known(value: Any) -> bool:
    return value is None or isinstance(value, Parameter | Unknown)


def _is_constant(node: Any) -> bool:
    return node.op_type == "Constant" and node.domain in STANDARD


def _has_shape(value: Any) -> bool:
    return bool(value.type.tensor_type.HasField("shape"))


def _dims(value: Any) -> list[int | str]:
    """Return the sizes of an input as the file has them, "" for one without a name."""
    return [
        int(size.dim_value)
        if size.HasField("dim_value") and size.dim_value > 0
        else str(size.dim_param)
        for size in value.type.tensor_type.shape.dim
    ]


def _axes(dims: Sequence[int | str]) -> set[str]:
    return {size for size in dims if isinstance(size, str)}


def _dtype(kind: int) -> Any:
    from onnx import helper

    return helper.tensor_dtype_to_np_dtype(kind)


def _role(node: Any, axes: Sequence[int]) -> tuple[int | None, int] | None:
    """Return at which axes of its input a node has the batch, if it says so, and the channels."""
    op, rank = node.op_type, len(axes)
    if op in ("RNN", "LSTM", "GRU") and rank == 3:
        return (0, 2) if attribute(node, "layout", 0) else (1, 2)
    if rank < 2:
        return None
    if op in ("MatMul", "LayerNormalization", "RMSNormalization"):
        return None, rank - 1
    if op == "Gemm" or op.endswith(("Pool", "Normalization")) or "Conv" in op:
        return 0, 1
    return None


def _names_of(node: Any) -> tuple[str, ...]:
    """Return how a user may call a node, or its operator."""
    return label(node), str(node.op_type), operator(node)


def _names(graph: Any) -> Iterator[str]:
    """Yield how a user may call the nodes of a graph, and of those in its nodes."""
    for node in graph.node:
        yield from _names_of(node)
        for each in node.attribute:
            for inner in (each.g, *each.graphs):
                yield from _names(inner)


def _made_in(attribute: Any) -> Iterator[str]:
    """Yield the names of tensors that are made in the graphs of an attribute."""
    for graph in (attribute.g, *attribute.graphs):
        yield from (each.name for each in (*graph.input, *graph.initializer))
        for node in graph.node:
            yield from node.output
            for each in node.attribute:
                yield from _made_in(each)


def _obstacles(
    nodes: Sequence[Any], constant: set[str], left_out: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield what has no rule, whatever it is given, in a graph and in those in its nodes."""
    for node in nodes:
        if not {*left_out}.isdisjoint(_names_of(node)):
            continue
        op = node.op_type
        if op in ("Shape", "Size") or constant.issuperset(inputs_of(node)):
            constant.update(node.output)
        mode = attribute(node, "mode", b"") if op == "Pad" else b""
        if op in CONTROL | RANDOM or (op == "If" and node.input[0] not in constant):
            yield label(node), called(node)
        elif mode.decode() in UNREAD_PADS:
            yield label(node), f"{called(node)} that pads by '{mode.decode()}'"
        for each in node.attribute:
            for graph in (each.g, *each.graphs):
                yield from _obstacles(graph.node, constant, left_out)


def _without_unread(graph: BlockGraph, inputs: Sequence[str]) -> BlockGraph:
    """Return a graph without the inputs that no weight reads, such as masks."""
    read = {end for block in graph.blocks for end in (block.source, block.target)}
    read.update(graph.outputs)
    for heads in graph.heads:
        read.update(*(np.unique(part[..., 0]).tolist() for part in _parts(heads)))
    kept = [
        place
        for place, group in enumerate(graph.groups)
        if place in read or group.name not in inputs
    ]
    if len(kept) == len(graph.groups):
        return graph
    number = {place: new for new, place in enumerate(kept)} | {NO_GROUP: NO_GROUP}
    places = np.array([number.get(place, NO_GROUP) for place in range(len(graph.groups))])

    def renumbered(part: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.stack([places[part[..., 0]], part[..., 1]], axis=-1)

    return replace(
        graph,
        groups=tuple(graph.groups[place] for place in kept),
        blocks=tuple(
            replace(block, source=number[block.source], target=number[block.target])
            for block in graph.blocks
        ),
        heads=tuple(
            Heads(heads.name, *(renumbered(part) for part in _parts(heads)))
            for heads in graph.heads
        ),
        outputs=tuple(number[place] for place in graph.outputs),
    )


def _parts(heads: Heads) -> list[NDArray[np.int64]]:
    return [each for each in (heads.values, heads.queries, heads.keys) if each is not None]
