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
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    kept = _Kept(n_vertices)
    component = np.arange(n_vertices, dtype=np.int32)
    n_components = n_vertices
    low = -np.inf
    while n_components > 1 and low < np.inf:
        high = _next_threshold(sample, component, low, n_components, n_edges)
        for block in blocks():
            if low == -np.inf:  # once, in the first pass
                require_finite(block.key, "keys of edges")
            wanted = component[block.tail] != component[block.head]
            wanted &= block.key <= high
            wanted &= block.key > low
            kept.add(block, np.flatnonzero(wanted.ravel()))
        kept.reduce()
        pairs = (kept.tail, kept.head)
        forest = coo_array((np.ones(len(kept.key)), pairs), shape=(n_vertices, n_vertices))
        n_components, component = connected_components(forest, directed=False)
        low = high
    return Forest(np.sort(kept.key), n_vertices - len(kept.key))


def _next_threshold(
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

    def reduce(self) -> None:
        """Keep only a minimum spanning forest of what is here."""
        columns = [
            np.concatenate(column)
            for column in zip((self.tail, self.head, self.key), *self._new, strict=True)
        ]
        chosen = _forest_of(columns[0], columns[1], columns[2], self.n_vertices)
        self.tail, self.head, self.key = (column[chosen] for column in columns)
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
