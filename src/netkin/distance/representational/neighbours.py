"""Which rows are near which: neighbours of two representations compared.

Near is what has a large cosine, see `Representation.neighbours`, unless it says Euclidean.

A row that is 0 in one of the networks has no cosines there, and where ties decide which rows are
nearest to a row (or in which order, if that counts) a neighbourhood is not defined: such rows
are left out of the mean, and a warning says how many there are.
"""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from netkin.distance.representational.nearest import least_places
from netkin.distance.representational.representation import (
    Matrix,
    Neighbourhoods,
    Representation,
    check_same_rows,
    directed_rows,
)
from netkin.errors import UndefinedDistance
from netkin.finite import require_finite
from netkin.options import checked

_LISTED = 5
"""Nearest rows listed at once, what measures ask for by default."""
ROUNDING = 1e-12
"""A vector of cosines of this norm holds rounding errors of 0 only."""


class Neighbours(NamedTuple):
    """Nearest rows and how far they are, nearest first.

    Attributes
    ----------
    rows : integer array of shape (n, k)
    distances : (n, k)
    """

    rows: NDArray[np.intp]
    distances: Matrix


@checked
def knn_jaccard(
    a: Representation, b: Representation, *, k: Annotated[int, Ge(1), Le(100_000)] = 10
) -> float:
    """Mean Jaccard similarity of the sets of nearest neighbours.

    Schumacher et al. 2021; in the survey of Klabunde et al. ``mean_i |N n N'| / |N u N'|``
    over the rows i, where N are the k rows of largest cosine to row i, itself not among them.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.
    k : int
        Neighbours of a row, fewer than the rows that are not 0.

    Returns
    -------
    float
        0 (no neighbour in common) to 1 (the same neighbours). About k / (2 n) for unrelated
        representations.

    Raises
    ------
    UndefinedDistance
        k rows or fewer that are not 0, or ties decide the neighbours of every row.
    """
    return float(np.mean(_jaccard(_matched_ranks(a, b, k))))


@checked
def second_order_cosine(
    a: Representation, b: Representation, *, k: Annotated[int, Ge(1), Le(100_000)] = 10
) -> float:
    """Mean cosine of the similarities of a row to its neighbours in either representation.

    Hamilton et al. 2016: ``mean_i cos(s_i, s'_i)``, where s_i holds the cosine similarities
    of row i to the rows of N u N', its k nearest neighbours in one or in the other.
    (Similarities, as in the paper; some published code takes cosine distances.)

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.
    k : int
        Neighbours of a row, fewer than the rows that are not 0.

    Returns
    -------
    float
        -1 to 1 (the same similarities up to a factor for each row).

    Raises
    ------
    UndefinedDistance
        k rows or fewer that are not 0, or ties decide the neighbours of every row, or each is
        orthogonal to all of N u N'.
    """
    *found, kept = _neighbourhoods(a, b, k)
    cosines = []
    for block in a.blocks():
        either = np.zeros((block.stop - block.start, a.n), dtype=np.bool_)
        for near in found:
            np.put_along_axis(either, near.rows[block], True, axis=1)
        x, y = (np.where(either, r.cosine_block(block), 0.0)[kept[block]] for r in (a, b))
        cosines.append(row_cosines(x, y))
    return mean_cosine(np.concatenate(cosines), "every row is orthogonal to its neighbours")


@checked
def rank_similarity(
    a: Representation, b: Representation, *, k: Annotated[int, Ge(1), Le(100_000)] = 10
) -> float:
    """Mean agreement of the ranks of common neighbours.

    Wang et al. 2020: ``sum_j 2 / ((1 + |r_j - r'_j|) (r_j + r'_j)) / sum_{l=1}^{K} 1 / l``, meaned
    over the rows, where j are the K common neighbours of a row and r and r' their ranks in
    its two lists, from 1 for the nearest on. A row without common neighbours counts as 0.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.
    k : int
        Neighbours of a row, fewer than the rows that are not 0.

    Returns
    -------
    float
        0 to 1 (the same neighbours in the same order).

    Raises
    ------
    UndefinedDistance
        k rows or fewer that are not 0, or ties decide the neighbours of every row.
    """
    return float(np.mean(_rank_agreement(_matched_ranks(a, b, k, ordered=True))))


@checked
def joint_rank_jaccard(
    a: Representation, b: Representation, *, k: Annotated[int, Ge(1), Le(100_000)] = 10
) -> float:
    """Mean product of the Jaccard and the rank similarity of a row's neighbours.

    Wang et al. 2020. Parameters, value and errors as in `rank_similarity`.
    """
    ranks = _matched_ranks(a, b, k, ordered=True)
    return float(np.mean(_jaccard(ranks) * _rank_agreement(ranks)))


def nearest_rows(a: Representation, k: int) -> Neighbours:
    """Return the k rows of least Euclidean distance to each row, not itself.

    Distances come from differences of rows, so that those of equal rows are 0; ties go to the
    lower row.

    Raises
    ------
    UndefinedDistance
        With fewer than k + 1 rows.
    """
    if not 1 <= k < a.n:
        raise UndefinedDistance(f"{a.n} rows do not have {k} neighbours each")
    listed = a.shared(_list_nearest_rows, min(max(k, _LISTED), a.n - 1), moves="all")
    return Neighbours(listed.rows[:, :k], listed.distances[:, :k])


def _list_nearest_rows(a: Representation, k: int) -> Neighbours:
    from scipy.spatial.distance import cdist

    found = Neighbours(np.empty((a.n, k), dtype=np.intp), np.empty((a.n, k)))
    for block in a.blocks():
        distances = cdist(a.values[block], a.values)
        steps = np.arange(len(distances))
        distances[steps, steps + block.start] = np.inf
        rows = least_places(distances, k)
        found.rows[block] = rows
        found.distances[block] = np.take_along_axis(distances, rows, axis=1)
    return found


def row_cosines(x: Matrix, y: Matrix) -> Matrix:
    """Return the cosines of the rows of x and y that are not 0, (at most b,).

    Both hold cosines themselves; a row of rounding errors counts as 0.
    """
    products, x_squares, y_squares = (
        np.einsum("ij,ij->i", *pair) for pair in ((x, y), (x, x), (y, y))
    )
    require_finite(products, "products of cosines")
    kept = np.minimum(x_squares, y_squares) > ROUNDING**2
    cosines: Matrix = products[kept] / np.sqrt(x_squares[kept] * y_squares[kept])
    return cosines


def mean_cosine(cosines: Matrix, reason: str) -> float:
    """Return the mean, -1 to 1.

    Raises
    ------
    UndefinedDistance
        There are none, with this reason.
    """
    if not len(cosines):
        raise UndefinedDistance(reason)
    return float(np.clip(cosines.mean(), -1.0, 1.0))


def _neighbourhoods(
    a: Representation, b: Representation, k: int, *, ordered: bool = False
) -> tuple[Neighbourhoods, Neighbourhoods, NDArray[np.bool_]]:
    """Return the neighbours of all rows in both, and which rows have some in both, (n,)."""
    check_same_rows(a, b)
    directed_rows(a, b)
    ours, theirs = a.neighbours(k), b.neighbours(k)
    kept = ours.ordered & theirs.ordered if ordered else ours.decided & theirs.decided
    if not kept.any():
        raise UndefinedDistance("ties decide which rows are nearest to every row that is not 0")
    return ours, theirs, kept


def _matched_ranks(
    a: Representation, b: Representation, k: int, *, ordered: bool = False
) -> NDArray[np.intp]:
    """Return which rank each neighbour in `a` has in `b`, (at most n, k); 0 where it is none.

    Without the rows that have none in one of them; see `_neighbourhoods`.
    """
    ours, theirs, kept = _neighbourhoods(a, b, k, ordered=ordered)
    matched = np.empty_like(ours.rows)
    for block in a.blocks():
        ranks = np.zeros((block.stop - block.start, a.n), dtype=np.intp)
        np.put_along_axis(ranks, theirs.rows[block], np.arange(1, k + 1)[None, :], axis=1)
        matched[block] = np.take_along_axis(ranks, ours.rows[block], axis=1)
    found: NDArray[np.intp] = matched[kept]
    return found


def _jaccard(matched_ranks: NDArray[np.intp]) -> Matrix:
    common = (matched_ranks > 0).sum(axis=1)
    similarities: Matrix = common / (2 * matched_ranks.shape[1] - common)
    return similarities


def _rank_agreement(matched_ranks: NDArray[np.intp]) -> Matrix:
    k = matched_ranks.shape[1]
    ranks = np.arange(1, k + 1)
    agreements = 2 / ((1 + np.abs(ranks - matched_ranks)) * (ranks + matched_ranks))
    totals = np.where(matched_ranks > 0, agreements, 0.0).sum(axis=1)
    # the largest total of 0, 1, ..., k common neighbours; that of none is never reached
    largest = np.append(1.0, np.cumsum(1 / ranks))
    similarities: Matrix = totals / largest[(matched_ranks > 0).sum(axis=1)]
    return similarities
