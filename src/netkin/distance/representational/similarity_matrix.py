"""Similarity matrices of rows by rows, compared entry by entry."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.distance.representational import algebra
from netkin.distance.representational.order import Groups, group
from netkin.distance.representational.pair import squared_distance, squared_product
from netkin.distance.representational.representation import (
    TIE_DECIMALS,
    Matrix,
    Representation,
    check_same_rows,
    check_varies,
)
from netkin.errors import UndefinedDistance
from netkin.options import checked

MOST_RANKS = 1 << 16
"""Where matrices are not kept, so many ranks are told apart: it changes a value by about 1e-8."""
_CONSTANT = 1e-13
"""A row varies if its deviations from its mean are more than this share of it (as in
scipy.stats.pearsonr); less is rounding."""


def rsm_norm_difference(a: Representation, b: Representation) -> float:
    """Frobenius norm of the difference of the similarity matrices ``R R^T``.

    Shahbazi et al. 2021; the PIP loss of Yin and Shen 2018. The Frobenius norm, where
    some published code takes the largest singular value, and inner products, where it takes
    Euclidean distances. No matrix of rows by rows is made unless it is smaller than the
    representations.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.

    Returns
    -------
    float
        0 (equal up to a rotation) or more, in squared units of the activations. A metric.
    """
    check_same_rows(a, b)
    if a is b:
        return 0.0
    x, y = a.values, b.values
    squares = a.shared(_squared_norm), b.shared(_squared_norm)
    distance = squared_distance(squares, squared_product(x, y, a.blocks()))
    if distance is not None:
        return math.sqrt(distance)
    if a.n > x.shape[1] + y.shape[1]:
        # both in the basis of all columns: smaller, and the difference loses no digits
        # numpy's types do not tell that this mode gives R alone
        joint: Matrix = np.linalg.qr(np.hstack([x, y]), mode="r")  # type: ignore[assignment]
        x, y = joint[:, : x.shape[1]], joint[:, x.shape[1] :]
    return float(np.linalg.norm(x @ x.T - y @ y.T))


def rsa(a: Representation, b: Representation) -> float:
    """Representational similarity analysis: Spearman correlation of similarity matrices.

    Kriegeskorte et al. 2008. The matrices hold the Pearson correlations of rows; of each the
    part below the diagonal counts. Tied correlations (see `TIE_DECIMALS`) have their mean
    rank, as in scipy.stats.spearmanr.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ. Beyond `KEPT_ROWS` rows near ranks count as ties, see
        `MOST_RANKS`.

    Returns
    -------
    float
        -1 to 1 (pairs of rows are in the same order of similarity).

    Raises
    ------
    UndefinedDistance
        A row is the same for all neurons (as is any row of a single neuron) and so has no
        correlation, or all pairs of rows correlate equally (as the only one of two rows).
    """
    check_same_rows(a, b)
    products = (np.vdot(x, y) for x, y in zip(_rank_parts(a), _rank_parts(b), strict=True))
    return float(np.clip(sum(products), -1.0, 1.0))


@checked
def relational_knowledge_loss(
    a: Representation, b: Representation, *, normalised: bool = True
) -> float:
    """Sum of the Huber losses between distances, each divided by their mean.

    Park et al. 2019, the distance-wise loss of relational knowledge distillation:
    ``sum l(d_ij / m, d'_ij / m')`` over ordered pairs i != j, where d are Euclidean distances of
    rows, m is their mean over these pairs and ``l(x, y)`` is ``(x - y)^2 / 2`` up to a
    difference of 1, ``|x - y| - 1/2`` beyond. The sum, as in the paper, which grows with n^2;
    the published code takes the mean over the matrix instead.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.
    normalised : bool
        Divide by the mean distance m, as in equation 4 of the paper. If not, m = m' = 1, and the
        scale of the activations counts.

    Returns
    -------
    float
        0 (the same distances, up to scale if normalised) or more.

    Raises
    ------
    UndefinedDistance
        To be normalised, but all rows of one are the same.
    """
    check_same_rows(a, b)
    if normalised:
        check_varies(a, b)
    means = (a.shared(_mean_distance), b.shared(_mean_distance)) if normalised else (1.0, 1.0)
    total = 0.0
    for block in a.blocks():
        differences = np.abs(
            a.distance_block(block) / means[0] - b.distance_block(block) / means[1]
        )
        total += float(np.where(differences <= 1, differences**2 / 2, differences - 0.5).sum())
    return total


def _squared_norm(a: Representation) -> float:
    """Return the squared Frobenius norm of ``R R^T``."""
    return squared_product(a.values, a.values, a.blocks())


def _mean_distance(a: Representation) -> float:
    """Return the mean Euclidean distance of two different rows."""
    total = sum(float(a.distance_block(block).sum()) for block in a.blocks())
    return total / (a.n * (a.n - 1))


def _standard_rows(a: Representation) -> Matrix:
    """Return the rows with mean 0 and norm 1; products of two are Pearson correlations."""
    rows = a.values - a.values.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1)
    if (norms <= _CONSTANT * np.linalg.norm(a.values, axis=1)).any():
        raise UndefinedDistance(f"a row of {a.name} is the same for all neurons")
    standard: Matrix = rows / norms[:, None]
    return standard


def _lower_triangles(a: Representation) -> Iterator[Matrix]:
    """Yield the correlations below the diagonal, those of a block of rows at a time."""
    rows = a.shared(_standard_rows, moves="rows")
    for block in a.blocks():
        correlations: Matrix = algebra.product(rows[block], rows[: block.stop].T).round(
            TIE_DECIMALS
        )
        below = np.tri(len(correlations), block.stop, k=block.start - 1, dtype=np.bool_)
        yield correlations[below]


def _rank_parts(a: Representation) -> Iterator[Matrix]:
    """Yield the ranks of the correlations, centred and with squares that sum to 1."""
    if a.keeps_matrices:
        ranks = a.shared(_rank_matrix, moves="rows and columns")
        yield from (ranks[block] for block in a.blocks())
    else:
        groups = a.shared(_correlation_groups)
        ranks = _standardised(groups.ranks(), groups.counts, a)
        for correlations in _lower_triangles(a):
            yield ranks[np.searchsorted(groups.edges, correlations)]


def _rank_matrix(a: Representation) -> Matrix:
    """Return the standardised ranks as a symmetric matrix, (n, n), 0 on the diagonal."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate(list(_lower_triangles(a))))
    below = np.tri(a.n, k=-1, dtype=np.bool_)
    matrix = np.zeros((a.n, a.n))
    matrix[below] = _standardised(ranks, np.full(len(ranks), 2.0), a)
    return matrix + matrix.T


def _correlation_groups(a: Representation) -> Groups:
    return group(lambda: _lower_triangles(a), a.n * (a.n - 1) // 2, MOST_RANKS)


def _standardised(ranks: Matrix, counts: NDArray[np.number[Any]], a: Representation) -> Matrix:
    """Return ranks minus their mean, so that ``counts @ result**2`` is 1."""
    centred = ranks - counts @ ranks / max(counts.sum(), 1)
    norm = math.sqrt(float(counts @ centred**2))
    if norm == 0:
        raise UndefinedDistance(f"all pairs of rows of {a.name} correlate equally")
    standard: Matrix = centred / norm
    return standard
