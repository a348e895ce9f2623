"""Networks of ReLU units in a form that all their rescalings have in common.

What a unit behind ReLU takes can be multiplied by c > 0, and what it gives divided by c, without
changing the function; the values of its edges change. See docs/mathematics.md.
"""

from collections.abc import Iterator
from dataclasses import replace
from graphlib import TopologicalSorter

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from netkin.graph.blocks import NO_GROUP, Block, BlockGraph

Floats = NDArray[np.float64]


def rescaled(graph: BlockGraph) -> BlockGraph:
    """Return the graph in which hidden units behind ReLU have incoming weights of norm 1.

    From the inputs on, the weights and the bias that reach a unit are divided by the Euclidean
    norm of the weights, or by |b| where they are 0, and the weights that it feeds are multiplied
    by it. The units of a channel share their weights, and so the norm. Max and mean pooling pass
    the factor on.

    Parameters
    ----------
    graph : BlockGraph

    Returns
    -------
    BlockGraph
        Of the same function, the weights that change in memory. Untouched are units that have
        another activation or several, are a part of an addition or a product, lie in a loop, are
        read by nothing or by scores of attention, are outputs, or have neither weights nor a bias.
    """
    return _Sweep(graph).result()


class _Sweep:
    """One pass over a graph, from the inputs on."""

    def __init__(self, graph: BlockGraph) -> None:
        self.graph = graph
        self.into: dict[int, list[Block]] = {}
        self.out_of: dict[int, list[Block]] = {}
        for block in graph.blocks:
            self.into.setdefault(block.target, []).append(block)
            self.out_of.setdefault(block.source, []).append(block)
        self.in_loop: set[int] = set()
        # group -> what each of its channels is divided by
        self.factors: dict[int, Floats] = {}
        self.norms: dict[int, Floats] = {}
        for place in self._order():
            if self._may_change(place):
                self.norms[place] = self.factors[place] = self._norm(place)
                continue
            origin = self._pooled(place) if place in self.into else None
            if origin is not None and any(source in self.factors for source in origin[:, 0]):
                self.factors[place] = self._passed_on(origin)

    def result(self) -> BlockGraph:
        """Return the graph with its new weights."""
        return replace(self.graph, blocks=tuple(map(self._changed, self.graph.blocks)))

    def _order(self) -> Iterator[int]:
        """Yield groups, each after those that feed it but for loops, which are noted."""
        n = len(self.graph.groups)
        pairs = {(b.source, b.target) for b in self.graph.blocks if b.source != NO_GROUP}
        ends = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
        matrix = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n, n))
        _, loop = connected_components(matrix, connection="strong")
        members: dict[int, list[int]] = {}
        for place in range(n):
            members.setdefault(int(loop[place]), []).append(place)
        before: dict[int, set[int]] = {name: set() for name in members}
        for source, target in pairs:
            if loop[source] != loop[target]:
                before[int(loop[target])].add(int(loop[source]))
            else:
                self.in_loop.update((source, target))
        for name in TopologicalSorter(before).static_order():
            yield from members[name]

    def _may_change(self, place: int) -> bool:
        """Tell whether the units of a group can be scaled, whatever the factors."""
        trained = all(block.is_trained for block in self.into.get(place, []))
        return place in self.into and trained and self._passes(place) and self._meets_relu(place)

    def _passes(self, place: int) -> bool:
        """Tell whether a factor of what a group gives can be taken out by what reads it."""
        readers = self.out_of.get(place, [])
        activation = self.graph.groups[place].activation
        if place in self.in_loop or not readers or activation not in ("", "relu"):
            return False
        if place in self.graph.outputs:  # what the network gives is read as it is
            return False
        return all(
            block.kind == "weight"
            or (
                block.kind == "pooling"
                and self._pooled(block.target) is not None
                and self._passes(block.target)
            )
            for block in readers
        )

    def _meets_relu(self, place: int) -> bool:
        """Tell whether a group that `_passes` passes ReLU, at once or behind pooling."""
        return self.graph.groups[place].activation == "relu" or all(
            block.kind == "pooling" and self._meets_relu(block.target)
            for block in self.out_of[place]
        )

    def _pooled(self, place: int) -> NDArray[np.int64] | None:
        """Return of which group and channel each channel is a pooling, int64 of (n_channels, 2).

        None where one is no pooling, or one of several channels.
        """
        origin = np.full((self.graph.groups[place].channels, 2), -1)
        for block in self.into.get(place, []):
            if block.kind != "pooling" or block.groups != block.n_out or block.weight.shape[1] > 1:
                return None
            mine = origin[block.target_channel : block.target_channel + block.n_out]
            channel = block.source_channel + np.arange(block.n_out)
            found = np.column_stack([np.full(block.n_out, block.source), channel])
            if ((mine >= 0) & (mine != found)).any():
                return None
            mine[:] = found
        return None if (origin < 0).any() else origin

    def _passed_on(self, origin: NDArray[np.int64]) -> Floats:
        """Return the factors of a group that pools those channels."""
        found = np.ones(len(origin))
        for source in np.unique(origin[:, 0]).tolist():
            if source in self.factors:
                mine = origin[:, 0] == source
                found[mine] = self.factors[source][origin[mine, 1]]
        return found

    def _norm(self, place: int) -> Floats:
        """Return what the weights and bias of each channel of a group are divided by."""
        squares = {kind: np.zeros(self.graph.groups[place].channels) for kind in ("weight", "bias")}
        for block in self.into[place]:
            meets = block.multiplicity() > 0
            weight = self._times_factors(block)[:, :, meets]
            rows = slice(block.target_channel, block.target_channel + block.n_out)
            squares[block.kind][rows] += (weight**2).sum(axis=(1, 2))
        norm: Floats = np.sqrt(np.where(squares["weight"] > 0, squares["weight"], squares["bias"]))
        return np.where((norm > 0) & np.isfinite(norm), norm, 1.0)

    def _times_factors(self, block: Block) -> Floats:
        """Return the weights of a block, multiplied by what the outputs of its source lack."""
        weight = np.asarray(block.weight[0 : block.n_out], dtype=np.float64)
        if block.source not in self.factors:
            return weight
        per = weight.shape[1]
        row = np.arange(block.n_out)[:, None]
        channel = row // (block.n_out // block.groups) * per + np.arange(per)
        factor = self.factors[block.source][block.source_channel + channel]
        scaled: Floats = weight * factor[:, :, None]
        return scaled

    def _changed(self, block: Block) -> Block:
        """Return a block with its new weights, or itself."""
        touched = block.source in self.factors or block.target in self.norms
        if not block.is_trained or not touched:
            return block
        weight = self._times_factors(block)
        if block.target in self.norms:
            norm = self.norms[block.target]
            rows = slice(block.target_channel, block.target_channel + block.n_out)
            weight = weight / norm[rows, None, None]
        dtype = np.result_type(np.asarray(block.weight[0:1]).dtype, np.float32)
        return replace(block, weight=weight.astype(dtype))
