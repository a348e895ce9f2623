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

LIGHT_EDGES_PER_VERTEX = 8
"""How many of the lightest edges the first pass aims at; a random graph of n vertices is
connected once it has n log(n) / 2 edges."""
MOST_EDGES_KEPT = 1 << 22
"""Edges collected before they are reduced to their own forest."""
SAMPLE_SIZE = 1 << 16


class EdgeBlock(NamedTuple):
    """Some edges of a graph.

    Attributes
    ----------
    key : float array of any shape
        What orders the edges, small first.
    tail, head : int arrays that broadcast to the shape of `key`
        End points of each edge; which is which does not matter.
    start : int
        Index of the first edge; the others follow in C order.
    """

    key: NDArray[np.floating[Any]]
    tail: NDArray[np.integer[Any]]
    head: NDArray[np.integer[Any]]
    start: int


class Forest(NamedTuple):
    """A minimum spanning forest.

    Attributes
    ----------
    edges : int64 array of shape (n_vertices - n_components,)
        Indices of its edges, increasing.
    n_components : int
        Number of connected components of the graph.
    """

    edges: NDArray[np.int64]
    n_components: int


def light_threshold(sample: NDArray[np.floating[Any]], n_vertices: int, n_edges: int) -> float:
    """Return a key below which a graph has a few light edges per vertex, roughly.

    Parameters
    ----------
    sample : array
        Keys drawn evenly from all edges; may be empty.
    """
    if sample.size == 0:
        return float("inf")
    share = min(1.0, LIGHT_EDGES_PER_VERTEX * n_vertices / n_edges)
    rank = min(sample.size - 1, int(np.ceil(share * sample.size)))
    return float(np.partition(sample, rank)[rank])


def minimum_spanning_forest(
    blocks: Callable[[], Iterator[EdgeBlock]], n_vertices: int, threshold: float
) -> Forest:
    """Find a minimum spanning forest of an undirected graph, parallel edges allowed.

    Among edges of equal key an arbitrary, but always the same, choice is made; the keys
    of the forest do not depend on it.

    Parameters
    ----------
    blocks : callable
        Returns an iterator over all edges; called twice at most, with the same edges.
    n_vertices : int
        Vertices are 0 to n_vertices - 1.
    threshold : float
        What counts as light, see `light_threshold`; any value gives a right answer.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    light = _Kept(n_vertices)
    for block in blocks():
        light.add(block, np.flatnonzero(block.key.ravel() <= threshold))
    light.reduce()
    pairs = (light.tail, light.head)
    joined = coo_array((np.ones(len(light.index)), pairs), shape=(n_vertices, n_vertices))
    n_components, component = connected_components(joined, directed=False)
    if n_components > 1:
        # small integers make the gathers below cheaper
        component = component.astype(np.int32)
        for block in blocks():
            crossing = component[block.tail] != component[block.head]
            light.add(block, np.flatnonzero((crossing & (block.key > threshold)).ravel()))
        light.reduce()
    return Forest(np.sort(light.index), n_vertices - len(light.index))


class _Kept:
    """Edges collected so far; reduced to their own forest when they are too many."""

    def __init__(self, n_vertices: int) -> None:
        self.n_vertices = n_vertices
        self.index = np.empty(0, np.int64)
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
        self._new.append((flat + block.start, tail[place], head[place], block.key[place]))
        self._n_new += flat.size
        if self._n_new > MOST_EDGES_KEPT:
            self.reduce()

    def reduce(self) -> None:
        """Keep only a minimum spanning forest of what is here."""
        columns = [
            np.concatenate(column)
            for column in zip((self.index, self.tail, self.head, self.key), *self._new, strict=True)
        ]
        chosen = _forest_of(columns[1], columns[2], columns[3], self.n_vertices)
        self.index, self.tail, self.head, self.key = (column[chosen] for column in columns)
        self._new = []
        self._n_new = 0


def _forest_of(
    tail: NDArray[np.integer[Any]],
    head: NDArray[np.integer[Any]],
    key: NDArray[np.floating[Any]],
    n_vertices: int,
) -> NDArray[np.intp]:
    """Return the positions of the edges of a minimum spanning forest."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    order = np.argsort(key, kind="stable")
    low, high = np.minimum(tail, head)[order], np.maximum(tail, head)[order]
    # of parallel edges only the lightest can be in the forest; scipy would add them up
    _, first = np.unique(low.astype(np.int64) * n_vertices + high, return_index=True)
    # ranks instead of keys: scipy takes 0 for no edge, and ranks have no ties
    matrix = coo_array(
        (first + 1.0, (low[first], high[first])), shape=(n_vertices, n_vertices)
    ).tocsr()
    ranks: NDArray[np.intp] = minimum_spanning_tree(matrix).data.astype(np.intp) - 1
    return np.asarray(order[ranks])
