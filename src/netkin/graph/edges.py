"""Blocks of edges: what goes through a graph sees it part by part."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

EDGES_PER_BLOCK = 1 << 17
"""Edges handled at once; temporary arrays of a block stay in the processor's cache."""
MANY_EDGES = 1 << 24
"""Edges from which on compiled loops gain more time than it takes to load them."""
SAMPLE_SIZE = 1 << 16
"""Edges of a sample, about."""


class Halves(NamedTuple):
    """A matrix of numbers of 16 bits as these bits.

    Attributes
    ----------
    dtype : str
        "float16" or "bfloat16".
    read : callable
        Returns the rows of a slice, uint16.
    """

    dtype: str
    read: Callable[[slice], NDArray[np.uint16]]


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
