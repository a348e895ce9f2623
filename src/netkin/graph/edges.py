"""Blocks of edges: what goes through a graph sees it part by part."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
