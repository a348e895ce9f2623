"""Graphs of the rows of a representation, joined by their cosine similarities."""

from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Le

from netkin.distance.representational.nearest import least_places
from netkin.distance.representational.neighbours import row_cosines
from netkin.distance.representational.representation import (
    TIE_DECIMALS,
    Matrix,
    Representation,
    check_directions,
    check_same_rows,
)
from netkin.errors import UndefinedDistance
from netkin.options import checked

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_ORTHOGONAL = "a row has no edge: it is orthogonal to all others"


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
        5 at 50 rows. The full graph of activations after a ReLU is close to 1 for any pair. Of
        equal cosines the lower rows come first.

    Returns
    -------
    float
        -1 to 1 (the same graph up to a factor for each row). Also invariant to positive
        factors of single rows.

    Raises
    ------
    UndefinedDistance
        A row that is 0 and has no cosine, a row without edges, or k rows or fewer.
    """
    check_same_rows(a, b)
    check_directions(a, b)
    if k is not None:
        # of equal cosines the lower rows come first, in another order others
        graphs = (r.shared(nearest_cosine_graph, k, moves="all") for r in (a, b))
        return _mean_row_cosine(*graphs)
    cosines = [row_cosines(_edges(a, block), _edges(b, block), _ORTHOGONAL) for block in a.blocks()]
    return float(np.clip(np.concatenate(cosines).mean(), -1.0, 1.0))


def nearest_cosine_graph(a: Representation, k: int) -> "csr_matrix":
    """Return the undirected graph of the k largest cosines of each row, (n, n) float64.

    ``(A + A^T) / 2``, see `gbs`. A row that is similar to fewer than k - 1 others can have
    edges of negative weight.

    Raises
    ------
    UndefinedDistance
        With fewer than k + 1 rows.
    """
    from scipy.sparse import csr_matrix

    if not 1 <= k < a.n:
        raise UndefinedDistance(f"{a.n} rows do not have {k} neighbours each")
    ends, weights = np.empty((a.n, k), dtype=np.intp), np.empty((a.n, k))
    for block in a.blocks():
        edges = _edges(a, block)
        ends[block] = least_places(-np.round(edges, TIE_DECIMALS), k)
        weights[block] = np.take_along_axis(edges, ends[block], axis=1)
    starts = np.arange(0, a.n * k + 1, k)
    directed = csr_matrix((weights.ravel(), ends.ravel(), starts), shape=(a.n, a.n))
    graph = csr_matrix((directed + directed.T) / 2)
    graph.eliminate_zeros()
    return graph


def _edges(a: Representation, block: slice) -> Matrix:
    """Return these rows of the full graph, (b, n)."""
    edges = a.cosine_block(block).copy()
    steps = np.arange(len(edges))
    edges[steps, steps + block.start] = 0.0
    return edges


def _mean_row_cosine(x: "csr_matrix", y: "csr_matrix") -> float:
    products, x_squares, y_squares = (
        np.asarray(one.multiply(other).sum(axis=1)).ravel()
        for one, other in ((x, y), (x, x), (y, y))
    )
    if min(x_squares.min(), y_squares.min()) == 0:
        raise UndefinedDistance(_ORTHOGONAL)
    return float(np.clip((products / np.sqrt(x_squares * y_squares)).mean(), -1.0, 1.0))
