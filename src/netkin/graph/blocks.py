"""The graph of a network of any architecture: groups of units, and blocks of shared weights.

A convolution, a dense layer, a pooling window, a skip, a step in time are one thing: weights, each
of which joins many pairs of units that lie at regular distances. A block says which, and its edges
are never listed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.errors import NetkinError

Kind = Literal["weight", "bias", "identity", "product", "pooling"]
"""What a block is made of: ``weight`` and ``bias`` are trained; ``identity`` is a part of an
addition or a copy, ``product`` joins the factors to their product, ``pooling`` has the constant
weights of pooling and upsampling. The last three are structural."""

TRAINED = ("weight", "bias")
SOURCE, SOURCE_STEP, TARGET, TARGET_STEP, COUNT = range(5)
"""Columns of `Block.taps`."""
NO_GROUP = -1
"""The source of a bias, whose vertices a reading makes."""


@dataclass(frozen=True)
class Group:
    """Units of one layer: channels at each point of a grid.

    Attributes
    ----------
    name : str
        As messages and figures call it.
    channels : int
    grid : tuple of int
        Points along each axis, such as height and width, or time; empty for a dense layer.
    activation : str
        What the units pass before anything reads them, such as ``relu``; "" for nothing, or for
        several.
    """

    name: str
    channels: int
    grid: tuple[int, ...] = ()
    activation: str = ""

    @property
    def points(self) -> int:
        """Points of the grid, 1 for none."""
        return prod(self.grid)

    @property
    def size(self) -> int:
        """Units: channels at all points."""
        return self.channels * self.points


@dataclass(frozen=True, eq=False)
class Block:
    """Weights between two groups, and which units each of them joins.

    Attributes
    ----------
    name : str
        Of the node or the layer that it comes from.
    kind : Kind
    source, target : int
        Positions in `BlockGraph.groups`; the source is `NO_GROUP` for a bias.
    weight : array-like of shape (n_out, n_in // groups, n_columns)
        Has a ``shape``; sliced by rows, ``weight[a:b]`` gives these as a float array. Channel o of
        the target and channel ``o // (n_out // groups) * (n_in // groups) + i`` of the source, both
        counted from `target_channel` and `source_channel`, are joined by ``weight[o, i]``.
        Of a bias (n_out, 1, n_columns).
    taps : int64 array of shape (n_taps, n_axes, 5)
        Along each axis ``(source, source_step, target, target_step, count)``: the point
        ``source + k * source_step`` of the grid of the source is joined to the point
        ``target + k * target_step`` of the target's, for 0 <= k < count, all axes together. A grid
        with fewer axes has further ones with the one point 0. Of a bias the first two are 0.
    columns : int64 array of shape (n_taps,)
        The column of `weight` whose number a tap has; several taps may have one.
    groups : int
        As of a grouped convolution; n_out for a depthwise one.
    source_channel, target_channel : int
        First channels.
    made_of : tuple of str
        Names of the parameters.
    """

    name: str
    kind: Kind
    source: int
    target: int
    weight: Any
    taps: NDArray[np.int64]
    columns: NDArray[np.int64]
    groups: int = 1
    source_channel: int = 0
    target_channel: int = 0
    made_of: tuple[str, ...] = ()

    @property
    def n_out(self) -> int:
        """Channels of the target that it reaches."""
        return int(self.weight.shape[0])

    @property
    def n_in(self) -> int:
        """Channels of the source that it starts from."""
        return int(self.weight.shape[1]) * self.groups

    @property
    def is_trained(self) -> bool:
        """Whether its numbers are parameters."""
        return self.kind in TRAINED

    def multiplicity(self) -> NDArray[np.int64]:
        """Return how many edges a number of each column stands for, int64 of (n_columns,)."""
        found = np.zeros(self.weight.shape[2], dtype=np.int64)
        np.add.at(found, self.columns, self.taps[:, :, COUNT].prod(axis=1))
        return found

    @property
    def n_edges(self) -> int:
        """Edges that it stands for."""
        return int(self.weight.shape[0] * self.weight.shape[1] * self.multiplicity().sum())


@dataclass(frozen=True, eq=False)
class Heads:
    """Channels that an operator without weights takes set by set, such as the heads of attention.

    They make no edges; they say which channels may take one another's place, see
    `netkin.graph.symmetry`. Pairs are (position in `BlockGraph.groups`, channel).

    Attributes
    ----------
    name : str
    values : int64 array of shape (n_heads, n_values, 2)
        What a head mixes, or what a group of a normalisation is made of.
    queries, keys : int64 array of shape (n_heads, n_scored, 2), optional
        A head multiplies those at the same place and adds up the products.
    """

    name: str
    values: NDArray[np.int64]
    queries: NDArray[np.int64] | None = None
    keys: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class BlockGraph:
    """Groups and the blocks between them.

    Attributes
    ----------
    groups : tuple of Group
    blocks : tuple of Block
    parameters : int
        Numbers of all parameters of the network, used or not.
    unused : dict of str to str
        Name of each parameter that no block is made of -> why.
    sizes : dict of str to int
        What symbolic axes were taken as, such as the length of a sequence.
    notes : tuple of str
        What was chosen in the translation and can be read by a person.
    heads : tuple of Heads
        Of attention, and the groups of group normalisation.
    outputs : tuple of int
        Groups that are outputs although something reads them, or whose channels have a meaning.

    Raises
    ------
    NetkinError
        A block does not fit its groups; the message names it.
    """

    groups: tuple[Group, ...]
    blocks: tuple[Block, ...]
    parameters: int = 0
    unused: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    heads: tuple[Heads, ...] = ()
    outputs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check that every block lies within its groups."""
        for block in self.blocks:
            _check(block, self.groups)
        for heads in self.heads:
            _check_heads(heads, self.groups)
        if not all(0 <= place < len(self.groups) for place in self.outputs):
            raise NetkinError("the graph names outputs that are no groups of it.")

    def __repr__(self) -> str:
        """Tell how large it is, not all that it holds."""
        return (
            f"<netkin BlockGraph: {len(self.groups)} groups, {len(self.blocks)} blocks, "
            f"{self.parameters:,} parameters, {self.n_edges:,} edges>"
        )

    @property
    def n_edges(self) -> int:
        """Edges of all blocks, biases as one edge for each unit."""
        return sum(block.n_edges for block in self.blocks)


def _check(block: Block, groups: Sequence[Group]) -> None:
    what = f"block '{block.name}'"
    shape = tuple(block.weight.shape)
    if len(shape) != 3 or 0 in shape:
        raise NetkinError(
            f"{what} has weights of shape {shape}; allowed is (n_out, n_in, n_columns), not empty."
        )
    taps = block.taps
    if taps.ndim != 3 or taps.shape[2] != 5 or block.columns.shape != taps.shape[:1]:
        raise NetkinError(f"{what} has taps of shape {taps.shape}.")
    if block.columns.min(initial=0) < 0 or block.columns.max(initial=0) >= shape[2]:
        raise NetkinError(f"{what} has a tap without numbers.")
    if block.groups < 1 or block.n_out % block.groups:
        raise NetkinError(f"{what}: {block.n_out} channels are no multiple of {block.groups}.")
    ends = [("target", block.target, block.target_channel, block.n_out, TARGET)]
    if block.kind == "bias":
        if block.source != NO_GROUP or shape[1] != 1:
            raise NetkinError(f"{what} is a bias with a source.")
    else:
        ends.append(("source", block.source, block.source_channel, block.n_in, SOURCE))
    for end, place, channel, channels, column in ends:
        if not 0 <= place < len(groups):
            raise NetkinError(f"{what} has no {end}.")
        group = groups[place]
        if channel < 0 or channel + channels > group.channels:
            raise NetkinError(
                f"{what} joins channels {channel} to {channel + channels - 1} of '{group.name}', "
                f"which has {group.channels}."
            )
        if taps.shape[1] < len(group.grid):
            raise NetkinError(f"{what} has taps of {taps.shape[1]} axes for '{group.name}'.")
        grid = np.array([*group.grid, *[1] * (taps.shape[1] - len(group.grid))], dtype=np.int64)
        first = taps[:, :, column]
        last = first + taps[:, :, column + 1] * (taps[:, :, COUNT] - 1)
        low, high = np.minimum(first, last), np.maximum(first, last)
        if (taps[:, :, COUNT] < 1).any() or (low < 0).any() or (high >= grid).any():
            raise NetkinError(f"{what} leaves the grid {group.grid} of '{group.name}'.")


def _check_heads(heads: Heads, groups: Sequence[Group]) -> None:
    channels = np.array([group.channels for group in groups], dtype=np.int64)
    for part in (heads.values, heads.queries, heads.keys):
        if part is None:
            continue
        place, channel = part[..., 0], part[..., 1]
        if part.ndim != 3 or part.shape[2] != 2 or len(part) != len(heads.values):
            raise NetkinError(f"the heads of '{heads.name}' have channels of shape {part.shape}.")
        if ((place < 0) | (place >= len(groups))).any() or (
            (channel < 0) | (channel >= channels[place])
        ).any():
            raise NetkinError(f"the heads of '{heads.name}' have channels that are not there.")


def points(taps: NDArray[np.int64], grid: tuple[int, ...], column: int) -> Iterator[NDArray[Any]]:
    """Yield for each tap the points of a grid that it meets, in the order of k.

    Parameters
    ----------
    taps : int64 array of shape (n_taps, n_axes, 5)
    grid : tuple of int
        Of the group at that end.
    column : int
        `SOURCE` or `TARGET`.

    Yields
    ------
    int64 array of shape (product of the counts,)
        Number of the point, row by row of the grid.
    """
    strides = grid_strides(grid, taps.shape[1])
    for tap in taps:
        place = np.zeros(1, dtype=np.int64)
        for axis, stride in enumerate(strides):
            steps = tap[axis, column] + tap[axis, column + 1] * np.arange(tap[axis, COUNT])
            place = (place[:, None] + steps * stride).ravel()
        yield place


def grid_strides(grid: tuple[int, ...], n_axes: int) -> NDArray[np.int64]:
    """Return by how much the number of a point grows along each axis, 0 beyond the grid's own."""
    strides = np.zeros(n_axes, dtype=np.int64)
    for axis in range(len(grid)):
        strides[axis] = prod(grid[axis + 1 :])
    return strides


class Unrolled(NamedTuple):
    """Edges one by one, for small graphs.

    Attributes
    ----------
    source, target : int64 array of shape (m,)
        Vertices; those of group g come after those of all groups before, channel by channel, the
        points of the grid row by row.
    weight : float64 array of shape (m,)
    block : int64 array of shape (m,)
        The block of each edge.
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    weight: NDArray[np.float64]
    block: NDArray[np.int64]


def unrolled(graph: BlockGraph) -> Unrolled:
    """Return every edge of a graph; a bias has no source, -1."""
    first = first_vertices(graph.groups)
    columns: list[tuple[NDArray[Any], ...]] = []
    for number, block in enumerate(graph.blocks):
        weight = np.asarray(block.weight[0 : block.n_out], dtype=np.float64)
        target = graph.groups[block.target]
        o, i = np.indices(weight.shape[:2])
        heads = first[block.target] + (block.target_channel + o) * target.points
        grid: tuple[int, ...] = ()
        if block.kind == "bias":
            tails = np.full_like(heads, -1)
        else:
            source = graph.groups[block.source]
            channel = o // (block.n_out // block.groups) * weight.shape[1] + i
            tails = first[block.source] + (block.source_channel + channel) * source.points
            grid = source.grid
        for column, at_source, at_target in zip(
            block.columns,
            points(block.taps, grid, SOURCE),
            points(block.taps, target.grid, TARGET),
            strict=True,
        ):
            shape = (*weight.shape[:2], len(at_target))
            columns.append(
                (
                    np.broadcast_to(tails[:, :, None] + at_source, shape).ravel(),
                    np.broadcast_to(heads[:, :, None] + at_target, shape).ravel(),
                    np.broadcast_to(weight[:, :, column, None], shape).ravel(),
                    np.full(prod(shape), number),
                )
            )
    if not columns:
        empty = np.empty(0, np.int64)
        return Unrolled(empty, empty, np.empty(0), empty)
    return Unrolled(*(np.concatenate(part) for part in zip(*columns, strict=True)))


def first_vertices(groups: Sequence[Group]) -> NDArray[np.int64]:
    """Return the first vertex of each group, and the number of all at the end."""
    return np.cumsum([0, *(group.size for group in groups)], dtype=np.int64)


def no_taps() -> NDArray[np.int64]:
    """Return the one tap of a dense layer, which has no grid."""
    return np.zeros((1, 0, 5), dtype=np.int64)


def dense_graph(
    weights: Sequence[Any],
    biases: Sequence[NDArray[np.floating[Any]] | None],
    made_of: Sequence[tuple[str, ...]] | None = None,
    *,
    activations: Sequence[str] = (),
) -> BlockGraph:
    """Return the graph of a feed-forward network of dense layers.

    Parameters
    ----------
    weights : sequence of array-likes of shape (n_out, n_in)
        From the inputs on; sliced by rows.
    biases : sequence of arrays of shape (n_out,), or None
    made_of : sequence of tuple of str, optional
        Names of the parameters of each layer.
    activations : sequence of str, optional
        What the units of each layer pass, "" where that is not known.
    """
    names = made_of or [()] * len(weights)
    groups = [Group("inputs", weights[0].shape[1])]
    blocks = []
    one = np.zeros(1, dtype=np.int64)
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        name, own = f"layer {layer}", names[layer]
        passed = activations[layer] if activations else ""
        groups.append(Group(name, weight.shape[0], activation=passed))
        blocks.append(
            Block(name, "weight", layer, layer + 1, OneColumn(weight), no_taps(), one, made_of=own)
        )
        if bias is not None:
            column = bias[:, None, None]
            blocks.append(
                Block(name, "bias", NO_GROUP, layer + 1, column, no_taps(), one, made_of=own)
            )
    return BlockGraph(tuple(groups), tuple(blocks))


class OneColumn:
    """A matrix that is read by rows, as the weights of a block of one column."""

    def __init__(self, matrix: Any) -> None:
        self._matrix = matrix
        self.shape = (*matrix.shape, 1)
        self.halves = getattr(matrix, "halves", None)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return some rows."""
        part: NDArray[Any] = self._matrix[rows]
        return part[:, :, None]
