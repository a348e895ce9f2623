"""Norms of the difference of two adjacency matrices."""

from typing import TYPE_CHECKING

import numpy as np

from netkin.errors import UndefinedDistance
from netkin.finite import require_finite
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
    return _norm_1(_difference(a, b))


def frobenius(a: Graph, b: Graph) -> float:
    """Frobenius norm of the difference of the adjacency matrices A - B.

    An absent edge counts as 0.

    Raises
    ------
    UndefinedDistance
        The graphs do not have the same layers of vertices.
    """
    return _frobenius(_difference(a, b))


def self_norm_1(graph: Graph) -> float:
    """Induced 1-norm of the adjacency matrix of one graph."""
    return _norm_1(_matrix(graph))


def self_frobenius(graph: Graph) -> float:
    """Frobenius norm of the adjacency matrix of one graph."""
    return _frobenius(_matrix(graph))


def _norm_1(matrix: "csr_matrix") -> float:
    if matrix.nnz == 0:
        return 0.0
    return float(np.bincount(matrix.indices, np.abs(matrix.data)).max())


def _frobenius(matrix: "csr_matrix") -> float:
    return float(np.linalg.norm(matrix.data))


def _difference(a: Graph, b: Graph) -> "csr_matrix":
    """Return A - B, float64, after checking that the vertices correspond."""
    if not (np.array_equal(a.layer, b.layer) and np.array_equal(a.is_bias, b.is_bias)):
        raise UndefinedDistance("networks of different shape have no corresponding vertices")
    return _matrix(a) - _matrix(b)


def _matrix(graph: Graph) -> "csr_matrix":
    require_finite(graph.value, "values of edges")
    return graph.to_scipy().tocsr().astype(np.float64)
