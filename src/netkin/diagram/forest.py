"""Minimum spanning forests of graphs whose edges come in blocks.

The edges of a trained network outnumber its vertices by hundreds, and nearly all of the
forest lies among the few lightest of them. So a first pass collects those, and a second
one only the edges that still join two components; every edge is looked at twice, and no
more than a bounded number is kept. This is the filtering idea of Osipov, Sanders and
Singler (2009), The filter-Kruskal minimum spanning tree algorithm.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.finite import require_finite
from netkin.graph.edges import EdgeBlock

LIGHT_EDGES_PER_VERTEX = 8
"""How many of the lightest edges a pass aims at; a random graph of n vertices is connected
once it has n log(n) / 2 edges."""
MOST_EDGES_KEPT = 1 << 22
"""Edges collected before they are reduced to their own forest."""
FEW_SAMPLES = 64
"""A sample of so few edges says nothing of their distribution, only that they are few."""


class Forest(NamedTuple):
    """A minimum spanning forest.

    Attributes
    ----------
    keys : float array of shape (n_vertices - n_components,)
        Keys of its edges, ascending.
    n_components : int
        Number of connected components of the graph.
    """

    keys: NDArray[np.floating[Any]]
    n_components: int


def minimum_spanning_forest(
    blocks: Callable[[], Iterator[EdgeBlock]],
    n_vertices: int,
    n_edges: int,
    sample: EdgeBlock,
) -> Forest:
    """Find a minimum spanning forest of an undirected graph, parallel edges allowed.

    Among edges of equal key an arbitrary choice is made; the keys of the forest do not
    depend on it.

    Parameters
    ----------
    blocks : callable
        Returns an iterator over all edges; called a few times, with the same edges.
    n_vertices, n_edges : int
        Vertices are 0 to n_vertices - 1.
    sample : EdgeBlock
        Edges drawn evenly from all, one-dimensional. It chooses what a pass looks at; any
        sample gives a right answer.

    Raises
    ------
    NetkinError
        A key is NaN or infinite.
    """
    kept = _Kept(n_vertices)
    component = np.arange(n_vertices, dtype=np.int32)
    n_components = n_vertices
    low = -np.inf
    while n_components > 1 and low < np.inf:
        high = next_threshold(sample, component, low, n_components, n_edges)
        for block in blocks():
            if low == -np.inf:  # once, in the first pass
                require_finite(block.key, "keys of edges")
            wanted = component[block.tail] != component[block.head]
            wanted &= block.key <= high
            wanted &= block.key > low
            kept.add(block, np.flatnonzero(wanted.ravel()))
        component = kept.reduce()
        n_components = n_vertices - len(kept.key)
        low = high
    return Forest(np.sort(kept.key), n_components)


def next_threshold(
    sample: EdgeBlock,
    component: NDArray[np.int32],
    low: float,
    n_components: int,
    n_edges: int,
) -> float:
    """Return the key up to which a pass looks at edges that join two components.

    Layers whose weights are much smaller than those of others come into play only in
    later passes; the threshold follows the edges that still count.
    """
    crossing = component[sample.tail] != component[sample.head]
    keys = sample.key[crossing & (sample.key > low)]
    if keys.size <= FEW_SAMPLES:
        return float("inf")
    expected = n_edges * keys.size / sample.key.size
    share = LIGHT_EDGES_PER_VERTEX * n_components / expected
    if share > 0.5:
        return float("inf")
    rank = int(np.ceil(share * keys.size))
    return float(np.partition(keys, rank)[rank])


class _Kept:
    """Edges collected so far; reduced to their own forest when they are too many."""

    def __init__(self, n_vertices: int) -> None:
        self.n_vertices = n_vertices
        self.tail = np.empty(0, np.int64)
        self.head = np.empty(0, np.int64)
        self.key: NDArray[np.floating[Any]] = np.empty(0)
        self._new: list[tuple[NDArray[Any], ...]] = []
        self._n_new = 0

    def add(self, block: EdgeBlock, flat: NDArray[np.intp]) -> None:
        if flat.size == 0:
            return
        shape = block.key.shape
        tail, head = (np.broadcast_to(end, shape) for end in (block.tail, block.head))
        place = np.unravel_index(flat, shape)
        self._new.append((tail[place], head[place], block.key[place]))
        self._n_new += flat.size
        if self._n_new > MOST_EDGES_KEPT:
            self.reduce()

    def reduce(self) -> NDArray[np.int32]:
        """Keep only a minimum spanning forest of what is here, and return its components."""
        columns = [
            np.concatenate(column)
            for column in zip((self.tail, self.head, self.key), *self._new, strict=True)
        ]
        chosen, component = _forest_of(columns[0], columns[1], columns[2], self.n_vertices)
        self.tail, self.head, self.key = (column[chosen] for column in columns)
        self._new = []
        self._n_new = 0
        return component


def _forest_of(
    tail: NDArray[np.integer[Any]],
    head: NDArray[np.integer[Any]],
    key: NDArray[np.floating[Any]],
    n_vertices: int,
) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Return the positions of the edges of a minimum spanning forest, and components.

    By Borůvka's algorithm (1926): each component takes its lightest edge to another one, until
    there is none. Components are told by a vertex of theirs.
    """
    order = np.argsort(key, kind="stable")
    # by their rank edges have an order without ties
    rank = np.arange(len(order))
    one, other = tail[order].astype(np.int32), head[order].astype(np.int32)
    component = np.arange(n_vertices, dtype=np.int32)
    taken = [rank[:0]]
    while True:
        crossing = one != other
        rank, one, other = rank[crossing], one[crossing], other[crossing]
        if not rank.size:
            break
        # of edges with one end the last that is entered stays: the lightest
        lightest = np.full(n_vertices, len(order))
        for end in (one, other):
            first = np.full(n_vertices, len(order))
            first[end[::-1]] = rank[::-1]
            np.minimum(lightest, first, out=lightest)
        chosen = np.unique(lightest[lightest < len(order)])
        taken.append(chosen)
        place = np.searchsorted(rank, chosen)
        parent = _joined(one[place], other[place], lightest, chosen, n_vertices)
        component, one, other = parent[component], parent[one], parent[other]
    return order[np.concatenate(taken)], component


def _joined(
    one: NDArray[np.int32],
    other: NDArray[np.int32],
    lightest: NDArray[np.intp],
    chosen: NDArray[np.intp],
    n_vertices: int,
) -> NDArray[np.int32]:
    """Return for each component the one that it is part of after edges joined them.

    Each edge is the lightest of an end, which goes to the other end; where it is that of both, the
    end of the lower number stays.
    """
    parent = np.arange(n_vertices, dtype=np.int32)
    of_one, of_other = lightest[one] == chosen, lightest[other] == chosen
    goes = of_one & ~(of_other & (one < other))
    parent[one[goes]] = other[goes]
    goes = of_other & ~(of_one & (other < one))
    parent[other[goes]] = one[goes]
    while True:
        further = parent[parent]
        if np.array_equal(further, parent):
            return parent
        parent = further
