"""The edges of a graph, made block by block whenever they are needed."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from netkin.graph.graph import Graph

EDGES_PER_BLOCK = 1 << 17
"""Edges handled at once; temporary arrays of a block stay in the processor's cache."""
SAMPLE_SIZE = 1 << 16
"""Edges of a sample, about."""


class EdgeBlock(NamedTuple):
    """Some edges of a graph.

    Attributes
    ----------
    key : float array of any shape
        What orders the edges as their values do, small first.
    tail, head : int arrays that broadcast to the shape of `key`
        End points of each edge; which is which does not matter.
    """

    key: NDArray[np.floating[Any]]
    tail: NDArray[np.integer[Any]]
    head: NDArray[np.integer[Any]]


class Edges(Protocol):
    """The edges of a directed graph with a value on every edge.

    What goes through the blocks needs memory for one of them only, so a graph can have far more
    edges than fit into memory.
    """

    @property
    def n_vertices(self) -> int:
        """Number of vertices n; they are numbered 0 to n - 1."""

    @property
    def n_edges(self) -> int:
        """Number of edges."""

    def blocks(self) -> Iterator[EdgeBlock]:
        """Yield all edges, the same ones in the same order at each call."""

    def sample(self) -> EdgeBlock:
        """Return some edges drawn evenly from all, one-dimensional."""

    def values(self, key: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return the filtration values of edges with these keys, of the same shape."""

    def is_two_colourable(self) -> bool:
        """Tell whether the vertices can be coloured so that every edge joins two colours."""

    def stored(self) -> "Graph":
        """Return the graph with all edges in memory."""
