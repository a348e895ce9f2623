"""Norms of the difference of two adjacency matrices."""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.distance.matrix import CLOSE
from netkin.distance.reasons import Reasons
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


def frobenius_norms(a: Sequence[Graph], b: Sequence[Graph]) -> tuple[NDArray[np.float64], Reasons]:
    """Return `frobenius` of all pairs, with a relative error of at most 1e-9.

    Of graphs that have the same vertices and, but for their directions, the same edges, by a
    product of matrices; see `netkin.distance.vector.vector_distances`.

    Parameters
    ----------
    a, b : sequence of Graph
        Of shape (n,) and (m,); `b` may be `a` itself.

    Returns
    -------
    float64 array of shape (n, m)
        NaN where there is a reason. Symmetric, bit by bit, if `b` is `a`.
    Reasons
        The pairs without corresponding vertices.
    """
    found = np.full((len(a), len(b)), np.nan)
    reasons = Reasons(found.shape)
    of_a = _alike(a)
    of_b = of_a if b is a else _alike(b)
    for (vertices, edges), rows in of_a.items():
        for (others, other_edges), columns in of_b.items():
            place = np.ix_(rows, columns)
            if vertices != others:
                reasons.codes[place] = reasons.code(OTHER_VERTICES)
            elif edges == other_edges:
                x = [a[i] for i in rows]
                y = x if b is a and rows is columns else [b[j] for j in columns]
                found[place] = _by_product(x, y)
            else:
                found[place] = [[frobenius(a[i], b[j]) for j in columns] for i in rows]
    if b is a:
        # the two halves of a product may round differently
        found = np.triu(found) + np.triu(found, 1).T
    return found, reasons


NUMBERS_AT_ONCE = 1 << 22
"""Values of edges that are side by side at once: 32 MB."""
OTHER_VERTICES = (
    "the networks have no corresponding vertices: they are of different shape, or only one has "
    "biases"
)


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
        raise UndefinedDistance(OTHER_VERTICES)
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


def _alike(graphs: Sequence[Graph]) -> dict[tuple[str, str], list[int]]:
    """Return digests of vertices and of edges, whatever their directions -> places of graphs."""
    found: dict[tuple[str, str], list[int]] = {}
    for i, graph in enumerate(graphs):
        require_finite(graph.value, "values of edges")
        ends = np.minimum(graph.source, graph.target), np.maximum(graph.source, graph.target)
        key = _digest(graph.layer, graph.is_bias), _digest(*ends)
        found.setdefault(key, []).append(i)
    return found


def _digest(*arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, np.int64).data)
    return digest.hexdigest()


def _by_product(a: Sequence[Graph], b: Sequence[Graph]) -> NDArray[np.float64]:
    """Return the Frobenius norms of the differences of graphs that have the same edges."""
    squares = np.zeros((len(a), len(b)))
    sums = np.zeros((len(a), len(b)))
    step = max(1, NUMBERS_AT_ONCE // (2 * (len(a) + len(b))))
    for start in range(0, len(a[0].value), step):
        part = slice(start, start + step)
        source = a[0].source[part]
        x = _side_by_side(a, part, source)
        y = x if b is a else _side_by_side(b, part, source)
        both = np.einsum("ij,ij->i", x, x)[:, None] + np.einsum("ij,ij->i", y, y)
        sums += both
        squares += both - 2 * (x @ y.T)
    found: NDArray[np.float64] = np.sqrt(np.maximum(squares, 0))
    close = squares <= CLOSE * sums
    for i, j in np.argwhere(np.triu(close) if b is a else close).tolist():
        found[i, j] = frobenius(a[i], b[j])
    return found


def _side_by_side(
    graphs: Sequence[Graph], part: slice, source: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    """Return values of edges as rows: of those that begin at `source`, then of the others."""
    rows = []
    for graph in graphs:
        value = graph.value[part].astype(np.float64)
        same = graph.source[part] == source
        rows.append(np.concatenate([np.where(same, value, 0), np.where(same, 0, value)]))
    return np.stack(rows)
