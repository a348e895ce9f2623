"""What was understood of a file of weights, before anything is computed of it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

from netkin import storage
from netkin.diagram.network import theorem_of
from netkin.distance import INPUTS, MEASURES
from netkin.errors import NetkinError, shown
from netkin.finite import is_finite
from netkin.graph.blocks import TRAINED, BlockGraph
from netkin.graph.dense import DenseEdges
from netkin.graph.reading import BlockEdges
from netkin.network.format import FORMATS, HEAD_BYTES, netkin_file, open_model
from netkin.network.format.input_shape import InputShape
from netkin.network.format.leave_out import given_of, is_mistake
from netkin.network.format.model import Layer, Model
from netkin.network.format.wiring_file import Wiring, wiring_of

NETWORKS = ("network", "networks")
"""Stages whose files of netkin's hold networks."""
MOST_SHOWN = 12
"""Tensors that the text lists, at most."""
MOST_TOGETHER = 4
"""Names that the text lists for one reason, at most."""
MOST_LETTERS = 40
"""Letters of a name that is listed with others, at most."""
WITHOUT_ROWS = "it needs rows of data that both networks are given; that joins in a later version"
"""Why measures of activations and answers are not computed of files."""
CHAINS_ONLY = "it compares chains of dense layers"
"""Why measures of layers are not computed of other graphs."""
START_SECONDS, SECONDS_A_WEIGHT, SECONDS_A_VERTEX = 1, 2.5e-8, 7e-8
"""What a diagram takes in any case, for each number and each vertex, see docs/performance.md."""
START_MIB, BYTES_A_WEIGHT, BYTES_A_VERTEX = 200, 16, 8
"""What it needs of memory."""
MOST_IN_MEMORY = 1 << 24
"""Numbers that need memory, at most: float32 has no more values than that from 0.5 to 1."""


@dataclass(frozen=True)
class LayerSeen:
    """A dense layer.

    Attributes
    ----------
    inputs, units : int
        How many numbers it takes and gives.
    bias : bool
        Whether it has biases.
    made_of : tuple of str
        Names of its tensors.
    """

    inputs: int
    units: int
    bias: bool
    made_of: tuple[str, ...]


@dataclass(frozen=True)
class TensorSeen:
    """A tensor of numbers.

    Attributes
    ----------
    name : str
        As the file has it.
    shape : tuple of int
        Its numbers along each axis.
    dtype : str
        As the file says.
    used : bool
        Whether a layer is made of it.
    same_as : str
        The earlier name of the same tensor, "" for none.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    used: bool
    same_as: str = ""

    @property
    def numbers(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)


@dataclass(frozen=True)
class BlockSeen:
    """Weights between two groups of units.

    Attributes
    ----------
    name : str
        The node or layer that it comes from.
    kind : str
        See `netkin.graph.blocks.Kind`.
    source, target : str
        Names of the groups, "" for the source of a bias.
    weights, edges : int
        How many numbers it has, and for how many edges they stand.
    ends : (int, int)
        Positions of the groups in `GraphSeen.groups`, -1 for the source of a bias.
    made_of : tuple of str
        Names of its parameters.
    """

    name: str
    kind: str
    source: str
    target: str
    weights: int
    edges: int
    ends: tuple[int, int] = (-1, -1)
    made_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class GraphSeen:
    """The graph of a network, or as much of it as was understood.

    Attributes
    ----------
    groups : tuple of (str, int, tuple of int)
        Name, channels and grid of each group of units.
    blocks : tuple of BlockSeen
    vertices, edges : int
    unused : dict of str to str
        Parameters that no block is made of -> why.
    sizes : dict of str to int
        What symbolic axes were taken as.
    notes : tuple of str
        What was chosen in the translation.
    complete : bool
        Whether all of the network was understood.
    theorem : str
        What makes its diagram short to compute, "" where that is not known.
    seconds, mebibytes : float
        About what its diagram takes on one core, NaN where that is not known.
    """

    groups: tuple[tuple[str, int, tuple[int, ...]], ...]
    blocks: tuple[BlockSeen, ...]
    vertices: int
    edges: int
    unused: Mapping[str, str]
    sizes: Mapping[str, int]
    notes: tuple[str, ...]
    complete: bool
    theorem: str
    seconds: float
    mebibytes: float

    def lines(self) -> list[tuple[str, str]]:
        """Return heads and texts for people."""
        trained = [block for block in self.blocks if block.kind in TRAINED]
        found = [
            (
                "blocks",
                f"{len(self.groups)} groups of units and {len(self.blocks)} blocks, "
                f"{sum(block.weights for block in trained):,} trained numbers in "
                f"{len(trained)} of them",
            )
        ]
        found += _listed("", [self._text(block) for block in self.blocks])
        found += _listed("unused", _by_reason(self.unused))
        found += _listed("taken as", [f"{name} = {size}" for name, size in self.sizes.items()])
        found += _listed("reading", list(self.notes))
        if self.theorem:
            found.append(
                (
                    "engine",
                    f"{self.theorem}; {_seconds(self.seconds)} and about "
                    f"{_memory(self.mebibytes)} on one core",
                )
            )
        return found

    def _text(self, block: BlockSeen) -> str:
        source, target = ("bias" if end < 0 else self._group_text(end) for end in block.ends)
        return (
            f"{_short(block.name)} ({block.kind}): {source} -> {target}, "
            f"{block.weights:,} number{'s' * (block.weights != 1)}, {block.edges:,} "
            f"edge{'s' * (block.edges != 1)}"
        )

    def _group_text(self, place: int) -> str:
        name, channels, grid = self.groups[place]
        return f"{_short(name)} [{' x '.join(map(str, (channels, *grid)))}]"


def _seconds(seconds: float) -> str:
    if seconds < 0.1:
        return "less than 0.1 s"
    return f"about {seconds:.1g} s" if seconds < 10 else f"about {seconds:.0f} s"


def _memory(mebibytes: float) -> str:
    return f"{mebibytes:.0f} MiB" if mebibytes < 1024 else f"{mebibytes / 1024:.1f} GiB"


@dataclass(frozen=True, repr=False)
class Inspection:
    """What was understood of a file of weights.

    Attributes
    ----------
    path : str
        The file.
    format : str
        A key of `netkin.network.format.FORMATS`, told by what is in the file.
    tensors : tuple of TensorSeen
        The parameters.
    left_out : dict of str to str
        Name of each other entry of the file -> why it is no parameter.
    layers : tuple of LayerSeen
        The dense layers in the order in which inputs pass them; empty where that is not known.
    wiring : str
        Who says so: "the format", "the names", "given", or "" for not known.
    unknown : str
        Why the wiring is not known, "" where it is.
    parameters, used : int
        How many numbers the parameters are, one tensor under two names counted once, and how many
        of them the layers are made of.
    vertices, edges : int or None
        Size of the graph; None where there is none.
    computable : tuple of str
        Measures that can be taken of it and another such network.
    not_computable : dict of str to str
        Every other measure, and ``diagram`` and ``graph`` -> why not.
    graph : GraphSeen or None
        Of a network that is no chain of dense layers, where its format says how it is wired.
    """

    path: str
    format: str
    tensors: tuple[TensorSeen, ...]
    left_out: Mapping[str, str]
    layers: tuple[LayerSeen, ...]
    wiring: str
    unknown: str
    parameters: int
    used: int
    vertices: int | None
    edges: int | None
    computable: tuple[str, ...]
    not_computable: Mapping[str, str]
    graph: GraphSeen | None = None

    @property
    def share(self) -> float:
        """Share of the parameters that the layers are made of, 0 to 1."""
        return self.used / self.parameters if self.parameters else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as what JSON can hold; ``not_computable`` is reason -> names there."""
        grouped = by_reason(self.not_computable)
        return {**asdict(self), "not_computable": grouped, "share": self.share}

    def __repr__(self) -> str:
        """Return one line; printed, it says all."""
        chain = self._chain() or ("a graph" if self._is_wired else "wiring not known")
        return f"<netkin.Inspection of {self.path}: {chain}; print it>"

    def __str__(self) -> str:
        """Return it as a few lines of text."""
        lines = [f"{self.path}: {FORMATS[self.format].title}"]
        for head, text in self._lines():
            lines.append(f"  {head:<12} {text}")
        return "\n".join(lines)

    def _lines(self) -> list[tuple[str, str]]:
        lines = [("layers", self._layers())]
        names = len(self.tensors)
        used = "all used" if self.used == self.parameters else f"{self.used:,} used"
        lines.append(
            (
                "parameters",
                f"{self.parameters:,} in {names} tensor{'s' * (names != 1)}, {used} "
                f"({_percent(self.share)})",
            )
        )
        if self.graph is None:
            lines += _listed("unused", [f"{t.name} {t.shape} {t.dtype}" for t in self._unused()])
        lines += _listed("tied", [f"{t.name} is {t.same_as}" for t in self.tensors if t.same_as])
        lines += _listed("left out", _by_reason(self.left_out))
        if self.graph is not None:
            lines += self.graph.lines()
        if self.edges is not None:
            edges = f"{self.edges:,} edge{'s' * (self.edges != 1)}"
            lines.append(("graph", f"{self.vertices:,} vertices, {edges}"))
        can = _grouped(self.computable)
        if can and not self.layers:  # numbers of layers were all looked through
            can[-1] += " (where all numbers are finite, which was not looked at)"
        lines += _listed("can", can, most=len(MEASURES))
        for reason, hindered in by_reason(self.not_computable).items():
            text = ", ".join(hindered)
            if len(hindered) > 20:
                text = f"{_families(hindered)} ({len(hindered)} measures)"
            why = "the wiring is not known, see above" if reason == self.unknown else reason
            lines.append(("cannot", f"{text}: {why}"))
        return lines

    @property
    def _is_wired(self) -> bool:
        return self.graph is not None and self.graph.complete

    def _unused(self) -> list[TensorSeen]:
        return [one for one in self.tensors if not one.used and not one.same_as]

    def _layers(self) -> str:
        if self._is_wired:
            who = "wired as given" if self.wiring == "given" else "the file says how it is wired"
            return f"no chain of dense layers; {who}"
        if not self.layers:
            return f"wiring not known: {self.unknown}"
        biased = sum(layer.bias for layer in self.layers)
        biases = {0: "no biases", len(self.layers): "with biases"}.get(
            biased, f"biases in {biased} of {len(self.layers)}"
        )
        who = {
            "the format": "the format says how they are wired",
            "the names": "the numbers in their names say their order",
            "given": "wired as given",
        }[self.wiring]
        return f"{self._chain()}, {biases}; {who}"

    def _chain(self) -> str:
        units = (*(x.inputs for x in self.layers[:1]), *(x.units for x in self.layers))
        return " -> ".join(map(str, units))


def _percent(share: float) -> str:
    """Return a share that is 0 % of nothing and 100 % of all alone."""
    text = f"{share:.0%}"
    return {"100%": "over 99%", "0%": "under 1%"}.get(text, text) if 0 < share < 1 else text


def _listed(head: str, texts: Sequence[str], most: int = MOST_SHOWN) -> list[tuple[str, str]]:
    more = len(texts) - most
    lines = [(head if not i else "", text) for i, text in enumerate(texts[:most])]
    return lines + ([("", f"and {more:,} more (--json has all)")] if more > 0 else [])


def by_reason(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the names that each reason is of, of the reason of each name."""
    of: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        of.setdefault(reason, []).append(name)
    return of


def _by_reason(left_out: Mapping[str, str]) -> list[str]:
    """Return a line for each reason: how many entries it is of, and the first of their names."""
    texts = []
    for reason, names in by_reason(left_out).items():
        number = f"{len(names):,} entr{'y' if len(names) == 1 else 'ies'}"
        more = len(names) - MOST_TOGETHER
        listed = ", ".join(_short(name) for name in names[:MOST_TOGETHER])
        listed += f" and {more:,} more; --json has all" if more > 0 else ""
        texts.append(f"{number} ({listed}): {reason}")
    return texts


def _short(name: str) -> str:
    """Return a name without its middle where it is long: its end tells it from the others."""
    if len(name) <= MOST_LETTERS:
        return name
    kept = (MOST_LETTERS - 3) // 2
    return f"{name[:kept]}...{name[-kept:]}"


def _grouped(measures: Sequence[str]) -> list[str]:
    """Return a line for each family."""
    of: dict[str, list[str]] = {}
    for name in measures:
        of.setdefault(MEASURES[name].family if name in MEASURES else "", []).append(name)
    return [
        f"{family}: {', '.join(names)}" if family else ", ".join(names)
        for family, names in of.items()
    ]


def _families(measures: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(MEASURES[name].family for name in measures if name in MEASURES))


def inspect(
    path: str | os.PathLike[str], wiring: str = "", input_shape: str = "", leave_out: str = ""
) -> Inspection:
    """Say what is understood of a file of weights, and what can be computed of it.

    Where the wiring is known all weights are looked through once.

    Parameters
    ----------
    path : path
        A file, or a folder, of one of `netkin.network.format.FORMATS`, whatever its ending.
    wiring : str
        Names of the weights in the order in which inputs pass them, see
        `netkin.network.format.wiring_file.wiring_of`; where the file does not tell it.
    input_shape : str
        See `netkin.network.format.input_shape.parse_input_shape`; sizes that the file leaves open.
    leave_out : str
        Names of nodes, layers or operators that are left out, divided by commas.

    Returns
    -------
    Inspection
        Printed, it is a few lines of text.

    Raises
    ------
    NetkinError
        The file cannot be read, or the wiring that was given does not fit it.
    """
    given, shape = wiring_of(wiring), given_of(input_shape, leave_out)
    path = path_of(path)
    refuse_others(path)
    with open_model(path) as model:
        layers: list[Layer] = []
        unknown = ""
        seen: GraphSeen | None = None
        try:
            if isinstance(given, Wiring):
                seen = graph_seen(model.graph(given, shape))
            elif not shape.leave_out:
                layers = model.layers(given)
            elif given or model.wired is None:
                model.graph(given, shape)  # raises
        except NetkinError as error:
            if given or shape.leave_out:
                raise
            unknown = clause(error, path)
        if not layers and seen is None and model.wired is not None:
            seen, unknown = _seen(model, shape, path)
        wired = "given" if given else "the format" if model.chain is not None else "the names"
        edges, hindrance = _edges(path, layers) if layers else (None, unknown)
        is_graph = seen is not None and not hindrance
        infinite = edges is None and not is_graph and not all(_is_finite(x) for x in layers)
        size: DenseEdges | GraphSeen | None = seen if is_graph else edges
        names = _names_used(model, layers, seen)
        return Inspection(
            path=path,
            format=model.format,
            tensors=_tensors(model, names),
            left_out=dict(model.left_out),
            layers=tuple(
                LayerSeen(
                    layer.weight.shape[1],
                    layer.weight.shape[0],
                    layer.bias is not None,
                    layer.made_of,
                )
                for layer in layers
            ),
            wiring=wired if layers or given else "the format" if is_graph else "",
            unknown=unknown,
            parameters=model.numbers,
            used=sum(prod(model.tensors[name].shape) for name in names),
            vertices=None if size is None else _vertices(size),
            edges=None if size is None else _n_edges(size),
            computable=_computable(model, hindrance, infinite, is_graph),
            not_computable=_not_computable(model, hindrance, infinite, is_graph),
            graph=seen,
        )


def _vertices(size: DenseEdges | GraphSeen) -> int:
    return size.vertices if isinstance(size, GraphSeen) else size.n_vertices


def _n_edges(size: DenseEdges | GraphSeen) -> int:
    return size.edges if isinstance(size, GraphSeen) else size.n_edges


def _seen(model: Model, shape: InputShape, path: str) -> tuple[GraphSeen | None, str]:
    """Return what is understood of the graph of a network, and why that is not all; "" if it is."""
    try:
        graph = model.graph(shape=shape)
    except NetkinError as error:
        if is_mistake(error, shape):
            raise
        part = getattr(error.__cause__, "understood", None)
        return None if part is None else graph_seen(part, complete=False), clause(error, path)
    try:
        return graph_seen(graph, complete=True), ""
    except NetkinError as error:
        return graph_seen(graph, complete=False), clause(error, path)


def graph_seen(graph: BlockGraph, *, complete: bool = True) -> GraphSeen:
    """Return what a graph is, for people.

    Parameters
    ----------
    graph : BlockGraph
    complete : bool
        Whether it is all of the network. All weights are looked through then.

    Raises
    ------
    NetkinError
        It is complete, and its weights make no graph.
    """
    theorem, seconds, mebibytes = "", float("nan"), float("nan")
    vertices = sum(group.size for group in graph.groups)
    if complete:
        edges = BlockEdges(graph)
        vertices, theorem = edges.n_vertices, theorem_of(edges)
        weights = sum(prod(part.block.weight.shape) for part in edges.parts)
        seconds = START_SECONDS + SECONDS_A_WEIGHT * weights + SECONDS_A_VERTEX * vertices
        needed = BYTES_A_WEIGHT * min(weights, MOST_IN_MEMORY) + BYTES_A_VERTEX * vertices
        mebibytes = START_MIB + needed / 2**20
    return GraphSeen(
        groups=tuple((group.name, group.channels, group.grid) for group in graph.groups),
        blocks=tuple(
            BlockSeen(
                block.name,
                block.kind,
                "" if block.kind == "bias" else graph.groups[block.source].name,
                graph.groups[block.target].name,
                prod(block.weight.shape),
                block.n_edges,
                (block.source, block.target),
                block.made_of,
            )
            for block in graph.blocks
        ),
        vertices=vertices,
        edges=graph.n_edges,
        unused=dict(graph.unused),
        sizes=dict(graph.sizes),
        notes=graph.notes,
        complete=complete,
        theorem=theorem,
        seconds=seconds,
        mebibytes=mebibytes,
    )


def _names_used(model: Model, layers: Sequence[Layer], seen: GraphSeen | None) -> set[str]:
    """Return the tensors that layers or blocks are made of, one under two names by its first."""
    names = {name for layer in layers for name in layer.made_of}
    if seen is not None:
        names = {name for block in seen.blocks for name in block.made_of}
    if seen is not None and seen.complete:
        names = {name for name in model.tensors if name not in seen.unused}
    return {model.tensors[name].same_as or name for name in names if name in model.tensors}


def path_of(path: Any) -> str:
    """Return a path as text.

    Parameters
    ----------
    path : object
        Whatever a user gave for one.

    Raises
    ------
    NetkinError
        It is no path, or an empty one.
    """
    if isinstance(path, os.PathLike):
        path = os.fspath(path)
    if not isinstance(path, str) or not path or "\0" in path:
        raise NetkinError(f"a path is {shown(path)}; allowed is text that is not empty, or a path.")
    return path


def refuse_others(path: str) -> None:
    """Raise `NetkinError` for what is there and never a file of weights, by its kind alone."""
    file = Path(path)
    if not file.exists():
        file = Path(storage.file_of(path))
    if file.exists() and not file.is_file() and not file.is_dir():
        raise NetkinError(f"{path}: neither a file nor a folder, but a device, pipe or the like.")
    stage = _stage(file) if file.is_file() else ""
    if stage in storage.LAYOUTS and stage not in NETWORKS:
        raise NetkinError(
            f"{path}: a file of netkin's with a result of the stage '{stage}', not a network."
        )


def _stage(file: Path) -> str:
    """Return which stage of netkin a file is of, "" for none and where it cannot be read."""
    try:
        with file.open("rb") as opened:
            if not netkin_file.recognises(opened.read(HEAD_BYTES), file):
                return ""
        return storage.read_attributes(file).get("layout", "").partition("/")[0]
    except (NetkinError, OSError):  # told when it is read in earnest
        return ""


def clause(error: Exception, path: str | os.PathLike[str]) -> str:
    """Return a reason as one clause, without the path that it is about."""
    return str(error).removeprefix(f"{path}: ").rstrip(".")


def _edges(path: str | os.PathLike[str], layers: Sequence[Layer]) -> tuple[DenseEdges | None, str]:
    """Return the edges of the graph, or why there is none."""
    try:
        weights, biases = [one.weight for one in layers], [one.bias for one in layers]
        return DenseEdges(weights, biases), ""
    except NetkinError as error:
        return None, clause(error, path)


def _tensors(model: Model, names: set[str]) -> tuple[TensorSeen, ...]:
    return tuple(
        TensorSeen(
            name, tuple(one.shape), one.dtype, name in names or one.same_as in names, one.same_as
        )
        for name, one in model.tensors.items()
    )


def _is_finite(layer: Layer) -> bool:
    return is_finite(layer.weight[:]) and (layer.bias is None or is_finite(layer.bias))


def _computable(model: Model, hindrance: str, infinite: bool, is_graph: bool) -> tuple[str, ...]:
    hindered = _not_computable(model, hindrance, infinite, is_graph)
    return tuple(name for name in ("diagram", "graph", *MEASURES) if name not in hindered)


def _not_computable(model: Model, hindrance: str, infinite: bool, is_graph: bool) -> dict[str, str]:
    found = dict.fromkeys(("diagram", "graph"), hindrance) if hindrance else {}
    for name, entry in MEASURES.items():
        if INPUTS[entry.needs].rows:
            found[name] = WITHOUT_ROWS
        elif entry.needs == "tensors":
            if not model.tensors:
                found[name] = "the file holds no tensor of weights"
            elif infinite:
                found[name] = hindrance
        elif hindrance:
            found[name] = hindrance
        elif is_graph and "dense layers" in entry.requires:
            found[name] = CHAINS_ONLY
    return found
