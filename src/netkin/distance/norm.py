"""Norms of the difference of two adjacency matrices."""

from typing import TYPE_CHECKING

import numpy as np

from netkin.errors import UndefinedDistance
from netkin.graph.graph import Graph

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def norm_1(a: Graph, b: Graph) -> float:
    """Induced 1-norm of the difference of the adjacency matrices A - B.

    The largest absolute column sum: columns are the targets of edges, an absent edge
    counts as 0.

    Raises
    ------
    UndefinedDistance
        The graphs do not have the same layers of vertices.
    """
    difference = _difference(a, b)
    if difference.nnz == 0:
        return 0.0
    return float(np.bincount(difference.indices, np.abs(difference.data)).max())


def frobenius(a: Graph, b: Graph) -> float:
    """Frobenius norm of the difference of the adjacency matrices A - B.

    An absent edge counts as 0.

    Raises
    ------
    UndefinedDistance
        The graphs do not have the same layers of vertices.
    """
    return float(np.linalg.norm(_difference(a, b).data))


def _difference(a: Graph, b: Graph) -> "csr_matrix":
    """Return A - B, float64, after checking that the vertices correspond."""
    if not (np.array_equal(a.layer, b.layer) and np.array_equal(a.is_bias, b.is_bias)):
        raise UndefinedDistance("networks of different shape have no corresponding vertices")
    return a.to_scipy().tocsr().astype(np.float64) - b.to_scipy().tocsr().astype(np.float64)
