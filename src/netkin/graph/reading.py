"""How the graph of a network is read: which units are one vertex, and what an edge's value is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Gt, Lt
from numpy.typing import NDArray

from netkin.errors import Absent, NetkinError
from netkin.graph.blocks import (
    COUNT,
    SOURCE,
    SOURCE_STEP,
    TARGET,
    TARGET_STEP,
    Block,
    BlockGraph,
    Group,
    points,
)
from netkin.graph.edges import EDGES_PER_BLOCK, MANY_EDGES, SAMPLE_SIZE, EdgeBlock
from netkin.graph.graph import BiasVertices, Graph, edge_values
from netkin.options import checked

Additions = Literal["contracted", "merged"]
Normaliser = Literal["network", "layer"]
Rescale = Literal["none", "relu"]
MOST_LISTED = 1 << 27
"""Edges that are listed one by one, at most: 36 bytes an edge, so about 5 GB."""


@dataclass(frozen=True, eq=False)
class Part:
    """A block as a reading sees it.

    Attributes
    ----------
    block : Block
        With a source, also for a bias.
    source, target : int64
        First vertex of its first channel at either end.
    source_points, target_points : int
        Vertices of a channel, which follow one another.
    source_grid, target_grid : tuple of int
    largest : float
        What |w| is divided by; 0 where every edge has the value 0.
    """

    block: Block
    source: int
    target: int
    source_points: int
    target_points: int
    source_grid: tuple[int, ...]
    target_grid: tuple[int, ...]
    largest: float

    @property
    def is_first(self) -> bool:
        """Whether its edges have the value 0."""
        return self.largest == 0

    def values(self, weight: NDArray[np.floating[Any]], zeta: float) -> NDArray[np.float32]:
        """Return the filtration values of edges of these weights, of the same shape."""
        if self.is_first:
            return np.zeros(weight.shape, dtype=np.float32)
        return edge_values(np.abs(weight), self.largest, zeta)


class BlockEdges:
    """The edges of a graph of blocks under a reading.

    Parameters
    ----------
    graph : BlockGraph
    bias_vertices : {"per_neuron", "per_layer", "none"}
        See `netkin.graph.graph.graph_from_weights`; a unit of a grid has one of its own at each
        point.
    zeta : float
        Smallest value of an edge that is not structural.
    additions : {"contracted", "merged"}
        ``contracted``: structural edges of additions and products have the value 0, so that what
        they join is one vertex (docs/mathematics.md). ``merged``: what a branch gives and the sum
        are one vertex, and a skip is an edge of weight 1.
    normaliser : {"network", "layer"}
        Whether |w| is divided by the largest of all trained numbers or of those of its layer (a
        weight and the bias of its units).
    rescale : {"none", "relu"}
        ``relu``: units behind ReLU are first rescaled to incoming weights of norm 1, which leaves
        the function as it is.

    Raises
    ------
    NetkinError
        A parameter is NaN or infinite, all are 0, or an option cannot be had of this graph.

    Attributes
    ----------
    parts : tuple of Part
    groups : tuple of Group
        With those of the biases.
    first : int64 array of shape (n_groups,)
        First vertex of each group; groups that are one have the same.
    n_vertices, n_edges : int
    zeta : float
    contracts : bool
        Whether edges of value 0 stand for a contraction, of which no triangle comes.
    """

    @checked
    def __init__(
        self,
        graph: BlockGraph,
        *,
        bias_vertices: BiasVertices = "per_neuron",
        zeta: Annotated[float, Gt(0), Lt(1)] = 1e-6,
        additions: Additions = "contracted",
        normaliser: Normaliser = "network",
        rescale: Rescale = "none",
    ) -> None:
        if rescale == "relu":
            from netkin.graph.rescale import rescaled

            graph = rescaled(graph)
        self.zeta = zeta
        self.contracts = additions == "contracted"
        groups, blocks = _with_biases(graph, bias_vertices)
        joined: Sequence[Block] = ()
        if additions == "merged":
            joined = branches(groups, blocks)
            blocks = [block for block in blocks if all(block is not one for one in joined)]
        self.groups: tuple[Group, ...] = tuple(groups)
        self.first, self.n_vertices = _numbered(groups, joined)
        largest = _largest(blocks, normaliser)
        self.parts = tuple(self._part(block, largest[k]) for k, block in enumerate(blocks))
        self.n_edges = sum(block.n_edges for block in blocks)
        self._sample: EdgeBlock | None = None

    def _part(self, block: Block, largest: float) -> Part:
        source, target = self.groups[block.source], self.groups[block.target]
        is_first = self.contracts and block.kind in ("identity", "product")
        return Part(
            block,
            int(self.first[block.source]) + block.source_channel * source.points,
            int(self.first[block.target]) + block.target_channel * target.points,
            source.points,
            target.points,
            source.grid,
            target.grid,
            0.0 if is_first else largest,
        )

    def edges(self) -> Iterator[tuple[Part, NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """Yield all edges in pieces: the part, signed weights, sources and targets.

        The three arrays broadcast to one shape. In the order of blocks, rows and taps.
        """
        for part in self.parts:
            block = part.block
            n_out, n_in, n_columns = block.weight.shape
            at_source = list(points(block.taps, part.source_grid, SOURCE))
            at_target = list(points(block.taps, part.target_grid, TARGET))
            rows = max(1, EDGES_PER_BLOCK // (n_in * n_columns))
            for row in range(0, n_out, rows):
                stop = min(row + rows, n_out)
                weight = np.asarray(block.weight[row:stop])
                o = np.arange(row, stop)[:, None]
                channel = o // (n_out // block.groups) * n_in + np.arange(n_in)
                tails = part.source + channel * part.source_points
                heads = part.target + o * part.target_points
                for tap, column in enumerate(block.columns):
                    long = max(1, EDGES_PER_BLOCK // ((stop - row) * n_in))
                    for k in range(0, len(at_target[tap]), long):
                        yield (
                            part,
                            weight[:, :, column, None],
                            tails[:, :, None] + at_source[tap][k : k + long],
                            heads[:, :, None] + at_target[tap][k : k + long],
                        )

    def blocks(self) -> Iterator[EdgeBlock]:
        """Yield all edges; see `netkin.graph.graph.Edges`. The key is the value."""
        for part, weight, tail, head in self.edges():
            shape = np.broadcast_shapes(weight.shape, tail.shape, head.shape)
            value = np.broadcast_to(part.values(weight, self.zeta), shape)
            yield EdgeBlock(value, tail.astype(np.int32), head.astype(np.int32))

    def sample(self) -> EdgeBlock:
        """Return some edges drawn evenly from all."""
        if self._sample is None:
            stride = max(1, self.n_edges // SAMPLE_SIZE)
            start, found = 0, []
            for block in self.blocks():
                place = np.unravel_index(
                    np.arange(-start % stride, block.key.size, stride), block.key.shape
                )
                ends = (np.broadcast_to(end, block.key.shape)[place] for end in block[1:])
                found.append((block.key[place], *ends))
                start += block.key.size
            self._sample = EdgeBlock(*(np.concatenate(x) for x in zip(*found, strict=True)))
        return self._sample

    def values(self, key: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return the filtration values of edges with these keys: the same."""
        return key.astype(np.float32, copy=False)

    def is_two_colourable(self) -> bool:
        """Tell whether the vertices can be coloured so that every edge joins two colours."""
        return self.stored().is_two_colourable()

    def stored(self) -> Graph:
        """Return the graph with all edges in memory, reversed where a weight is <= 0.

        Edges stand block by block, biases last, each block by channels of the source, then of the
        target, then by points.

        Raises
        ------
        Absent
            It has more than `MOST_LISTED` edges.
        """
        if self.n_edges > MOST_LISTED:
            raise Absent(
                f"the graph has {self.n_edges:,} edges, too many to be listed one by one; allowed "
                f"are {MOST_LISTED:,}"
            )
        parts: dict[int, list[tuple[NDArray[Any], ...]]] = {}
        for part, weight, tail, head in self.edges():
            shape = np.broadcast_shapes(weight.shape, tail.shape, head.shape)
            reverse = weight <= 0
            columns = (
                np.where(reverse, head, tail).astype(np.int32),
                np.where(reverse, tail, head).astype(np.int32),
                part.values(weight, self.zeta),
            )
            of_part = parts.setdefault(id(part), [])
            of_part.append(tuple(np.broadcast_to(column, shape) for column in columns))
        listed: list[tuple[NDArray[Any], ...]] = []
        for part in sorted(self.parts, key=lambda part: part.block.kind == "bias"):
            for piece in _by_source(parts.pop(id(part)), len(part.block.taps)):
                listed.append(tuple(column.ravel() for column in piece))
        source, target, value = (np.concatenate(column) for column in zip(*listed, strict=True))
        layer, is_bias = self._layers()
        return Graph(source, target, value, self.n_vertices, layer, is_bias)

    def _layers(self) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Return the layer of each vertex, by the longest way from the inputs, and what is a bias.

        Steps back in time do not count.
        """
        depth = dict.fromkeys(self.first.tolist(), 0)
        own = [
            (int(self.first[p.block.source]), int(self.first[p.block.target])) for p in self.parts
        ]
        for part, (source, target) in zip(self.parts, own, strict=True):
            if part.block.kind != "bias" and source < target:
                depth[target] = max(depth[target], depth[source] + 1)
        is_bias = np.zeros(self.n_vertices, dtype=bool)
        layer = np.zeros(self.n_vertices, dtype=np.int32)
        for place, group in enumerate(self.groups):
            layer[self.first[place] : self.first[place] + group.size] = depth[
                int(self.first[place])
            ]
        for part, (_, target) in zip(self.parts, own, strict=True):
            if part.block.kind == "bias":
                group = self.groups[part.block.source]
                first = int(self.first[part.block.source])
                layer[first : first + group.size] = depth[target]
                is_bias[first : first + group.size] = True
        # no layer is empty
        return np.unique(layer, return_inverse=True)[1].astype(np.int32), is_bias


def listed_graph(graph: BlockGraph, **options: Any) -> Graph:
    """Return a graph with all edges in memory.

    Parameters
    ----------
    graph : BlockGraph
    **options
        See `BlockEdges`.

    Raises
    ------
    NetkinError
        As `BlockEdges`, and for more than `MOST_LISTED` edges.
    """
    return BlockEdges(graph, **options).stored()


def _by_source(
    pieces: list[tuple[NDArray[Any], ...]], n_taps: int
) -> Iterator[tuple[NDArray[Any], ...]]:
    """Yield the edges of a block in the order of its sources where it has one tap."""
    if n_taps > 1:
        yield from pieces
        return
    columns = [np.concatenate(column) for column in zip(*pieces, strict=True)]
    yield tuple(np.swapaxes(column, 0, 1) for column in columns)


def _with_biases(graph: BlockGraph, bias_vertices: BiasVertices) -> tuple[list[Group], list[Block]]:
    """Return groups and blocks in which biases come from vertices, which stand last."""
    groups, blocks = list(graph.groups), []
    for block in graph.blocks:
        if block.kind != "bias":
            blocks.append(block)
            continue
        if bias_vertices == "none":
            continue
        taps = block.taps.copy()
        name = f"bias of {groups[block.target].name}"
        if bias_vertices == "per_layer":
            taps[:, :, SOURCE : SOURCE_STEP + 1] = 0
            made = Group(name, 1)
            blocks.append(replace(block, source=len(groups), taps=taps))
        else:
            grid = groups[block.target].grid
            taps[:, :, SOURCE], taps[:, :, SOURCE_STEP] = (
                taps[:, :, TARGET],
                taps[:, :, TARGET_STEP],
            )
            made = Group(name, block.n_out, grid)
            blocks.append(replace(block, source=len(groups), taps=taps, groups=block.n_out))
        groups.append(made)
    return groups, blocks


def _numbered(groups: Sequence[Group], joined: Sequence[Block]) -> tuple[NDArray[np.int64], int]:
    """Return the first vertex of each group, where blocks join whole groups to one."""
    leads = list(range(len(groups)))

    def lead(place: int) -> int:
        while leads[place] != place:
            place = leads[place]
        return place

    for block in joined:
        one, other = sorted((lead(block.source), lead(block.target)))
        leads[other] = one
    size = [group.size if lead(k) == k else 0 for k, group in enumerate(groups)]
    starts = np.cumsum([0, *size], dtype=np.int64)
    first = np.array([starts[lead(k)] for k in range(len(groups))], dtype=np.int64)
    return first, int(starts[-1])


def branches(groups: Sequence[Group], blocks: Sequence[Block]) -> list[Block]:
    """Return the identities by which a branch ends in a sum: those that ``merged`` makes one.

    A branch is what trained weights give and nothing but the sum reads.

    Raises
    ------
    Absent
        A sum reads a part of what a branch gives.
    """
    fed = {block.target for block in blocks if block.kind == "weight"}
    readers: dict[int, int] = {}
    for block in blocks:
        readers[block.source] = readers.get(block.source, 0) + 1
    found = []
    for block in blocks:
        is_end = block.kind == "identity" and block.source in fed and readers[block.source] == 1
        # with a factor, what the branch gives and the sum are not one
        if is_end and (np.asarray(block.weight[0:1]) == 1).all():
            if not is_whole(block, groups):
                raise Absent(
                    f"additions: merged cannot be had: '{block.name}' adds a part of "
                    f"'{groups[block.source].name}'. Allowed for this network is: contracted."
                )
            found.append(block)
    return found


def is_whole(block: Block, groups: Sequence[Group]) -> bool:
    """Tell whether a block joins each unit of one group to the same unit of another one."""
    source, target = groups[block.source], groups[block.target]
    n_axes = block.taps.shape[1]
    # further axes have one point
    grid, other = (
        np.array([*group.grid, *[1] * (n_axes - len(group.grid))]) for group in (source, target)
    )
    if source.channels != target.channels or not np.array_equal(grid, other):
        return False
    if block.groups != block.n_out or block.n_out != source.channels or len(block.taps) != 1:
        return False
    tap = block.taps[0]
    starts = (tap[:, [SOURCE, TARGET]] == 0).all()
    steps = ((tap[:, [SOURCE_STEP, TARGET_STEP]] == 1).all(axis=1) | (grid == 1)).all()
    return bool(starts and steps and (tap[:, COUNT] == grid).all())


def _largest(blocks: Sequence[Block], normaliser: Normaliser) -> list[float]:
    """Return for each block what |w| is divided by."""
    strongest: list[float] = []
    many = sum(prod(block.weight.shape) for block in blocks) >= MANY_EDGES
    for block in blocks:
        found = 0.0
        if block.is_trained:
            meets = np.flatnonzero(block.multiplicity())
            n_out, n_in, n_columns = block.weight.shape
            if many and len(meets) == n_columns:
                from netkin.diagram.dense_forest import largest_weight

                strongest.append(largest_weight(block.weight))
                continue
            rows = max(1, EDGES_PER_BLOCK // (n_in * n_columns))
            for row in range(0, n_out, rows):
                weight = np.asarray(block.weight[row : min(row + rows, n_out)])
                if len(meets) < n_columns:
                    weight = weight[:, :, meets]
                most = float(np.abs(weight).max(initial=0))
                if not np.isfinite(most):
                    raise NetkinError("a weight or bias is NaN or infinite: the training diverged.")
                found = max(found, most)
        strongest.append(found)
    of_all = max(strongest, default=0.0)
    if of_all == 0:
        raise NetkinError("every weight is 0, so the values of the edges are undefined.")
    if normaliser == "network":
        return [of_all] * len(blocks)
    # a layer: what feeds one group, its weights and its bias
    layers: dict[int, float] = {}
    for block, most in zip(blocks, strongest, strict=True):
        if block.is_trained:
            layers[block.target] = max(layers.get(block.target, 0.0), most)
    # of a layer whose weights are all 0 any number makes the value 1
    return [(layers[block.target] or of_all) if block.is_trained else of_all for block in blocks]
