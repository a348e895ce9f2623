"""Graphs of the rows of a representation, joined by their cosine similarities."""

from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Le

from netkin.distance.representational.neighbours import ROUNDING, mean_cosine, row_cosines
from netkin.distance.representational.representation import (
    Candidates,
    Matrix,
    Representation,
    check_same_rows,
    directed_rows,
)
from netkin.errors import UndefinedDistance
from netkin.options import checked

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_ORTHOGONAL = "no row has an edge: each is orthogonal to all others"


@checked
def gbs(
    a: Representation, b: Representation, *, k: Annotated[int, Ge(1), Le(100_000)] | None = None
) -> float:
    """Graph-based similarity: mean cosine of the edges of a row in two graphs.

    Chen et al. 2021 (arXiv 2111.11165): ``mean_i cos(A_i, A'_i)``, where ``A_ij`` is the cosine of
    rows i and j and ``A_ii`` is 0; with `k` only the k largest entries of each row are
    kept and A is ``(A + A^T) / 2`` of what is left. Read to the letter, as their published
    code does, the 0 on the diagonal is an entry like the others: a row that is similar to fewer
    than k rows keeps fewer edges.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.
    k : int or None
        Edges that start at a row, fewer than n; None for the full graph. The paper's setting is
        5 at 50 rows. The full graph of activations after a ReLU is close to 1 for any pair.
        Equal cosines share the edges that are left for them: each is kept in part, as if they
        were drawn at random and the mean taken.

    Returns
    -------
    float
        -1 to 1 (the same graph up to a factor for each row). Also invariant to positive
        factors of single rows.

    Raises
    ------
    UndefinedDistance
        No row has edges in both, or k rows or fewer are not 0. A row that is 0 in one, or has no
        edge, is left out of the mean.
    """
    check_same_rows(a, b)
    kept = directed_rows(a, b)
    if k is not None:
        x, y = (r.shared(nearest_cosine_graph, k, moves="rows and columns") for r in (a, b))
        return mean_cosine(_sparse_row_cosines(x[kept], y[kept]), _ORTHOGONAL)
    cosines = [
        row_cosines(_edges(a, block)[kept[block]], _edges(b, block)[kept[block]])
        for block in a.blocks()
    ]
    return mean_cosine(np.concatenate(cosines), _ORTHOGONAL)


def nearest_cosine_graph(a: Representation, k: int) -> "csr_matrix":
    """Return the undirected graph of the k largest cosines of each row, (n, n) float64.

    ``(A + A^T) / 2``, see `gbs`. A row that is similar to fewer than k - 1 others can have
    edges of negative weight; one of zeros has none.

    Raises
    ------
    UndefinedDistance
        With fewer than k + 1 rows that are not 0.
    """
    from scipy.sparse import csr_matrix

    alive = int(a.directed.sum())
    if not 1 <= k < alive:
        rows = "rows" if alive == a.n else "rows that are not 0"
        raise UndefinedDistance(f"{alive} {rows} do not have {k} neighbours each")
    parts = []
    for block in a.blocks():
        near = a.nearest_candidates(block, k)
        cosines = a.cosine_block(block)[near.rows, near.columns]
        weights = cosines * _shares(near, cosines, k, zeros=1 + a.n - alive)
        parts.append((near.rows + block.start, near.columns, weights))
    starts, ends, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
    directed = csr_matrix((weights, (starts, ends)), shape=(a.n, a.n))
    graph = csr_matrix((directed + directed.T) / 2)
    graph.eliminate_zeros()
    return graph


def _shares(near: Candidates, cosines: Matrix, k: int, zeros: int) -> Matrix:
    """Return how much of each candidate is among the k largest entries of its row, 0 to 1.

    Negative cosines come after the `zeros` of the row: that on the diagonal and those of rows of
    zeros. Equal ones share what is left for them.
    """
    places = np.arange(len(near.rows))
    places = places - np.searchsorted(near.rows, near.rows) + np.where(cosines < 0, zeros, 0)
    first = np.flatnonzero(~near.tied)
    sizes = np.diff(np.append(first, len(near.rows)))
    shares = np.clip((k - places[first]) / sizes, 0.0, 1.0)
    return np.repeat(shares, sizes)


def _edges(a: Representation, block: slice) -> Matrix:
    """Return these rows of the full graph, (b, n)."""
    edges = a.cosine_block(block).copy()
    steps = np.arange(len(edges))
    edges[steps, steps + block.start] = 0.0
    return edges


def _sparse_row_cosines(x: "csr_matrix", y: "csr_matrix") -> Matrix:
    """Return the cosines of the rows of x and y that have edges in both, (at most n,)."""
    products, x_squares, y_squares = (
        np.asarray(one.multiply(other).sum(axis=1)).ravel()
        for one, other in ((x, y), (x, x), (y, y))
    )
    kept = np.minimum(x_squares, y_squares) > ROUNDING**2
    cosines: Matrix = products[kept] / np.sqrt(x_squares[kept] * y_squares[kept])
    return cosines
