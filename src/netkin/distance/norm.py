"""Norms of the difference of two adjacency matrices."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.errors import UndefinedDistance
from netkin.finite import require_finite
from netkin.graph.graph import Graph


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


class _Matrix(NamedTuple):
    """Entries of a sparse matrix: their columns, and their values as float64."""

    column: NDArray[np.integer[Any]]
    value: NDArray[np.float64]


def _norm_1(matrix: _Matrix) -> float:
    if matrix.value.size == 0:
        return 0.0
    return float(np.bincount(matrix.column, np.abs(matrix.value)).max())


def _frobenius(matrix: _Matrix) -> float:
    return float(np.linalg.norm(matrix.value))


def _difference(a: Graph, b: Graph) -> _Matrix:
    """Return A - B, after checking that the vertices correspond."""
    if not (np.array_equal(a.layer, b.layer) and np.array_equal(a.is_bias, b.is_bias)):
        raise UndefinedDistance(
            "the networks have no corresponding vertices: they are of different shape, or only one "
            "has biases"
        )
    x, y = _matrix(a), _matrix(b)
    if len(x.value) == len(y.value):
        same = (a.source == b.source) & (a.target == b.target)
        turned = (a.source == b.target) & (a.target == b.source)
        # as of all networks of dense layers: the sign of a weight turns its edge
        if (same | turned).all():
            return _Matrix(
                np.concatenate([x.column, y.column[turned]]),
                np.concatenate([np.where(same, x.value - y.value, x.value), -y.value[turned]]),
            )
    both = (a.to_scipy().astype(np.float64) - b.to_scipy().astype(np.float64)).tocoo()
    return _Matrix(both.col, both.data)


def _matrix(graph: Graph) -> _Matrix:
    require_finite(graph.value, "values of edges")
    return _Matrix(graph.target, graph.value.astype(np.float64))
